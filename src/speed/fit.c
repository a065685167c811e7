#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "speed/arrow.h"
#include "speed/fit_columns.h"
#include "speed/spread.h"

#define HUBER_K 1.5
#define MAX_STEPS 400 /* most take 5 to 60, flat ones 200; one that takes more is no fit */
#define MAX_CHORD_STEPS 12
#define CONVERGED 1e-6 /* of the objective */
#define CHORD_CONVERGED 1e-6
#define MOST_STEP 1.5 /* of one coefficient: a factor of 4.5 */
#define FIRST_DAMPING 1e-6
#define MOST_DAMPING 1e8
#define SPREAD_ROUNDS 8
#define LEAST_FAMILY 4 /* effects from which a spread can be told */
#define LEAST_SPREAD 0.01
#define UNUSED_KNOB                                                                                \
    100.0 /* multiplies nothing; far from the limits of physics, which cost time to bend */

/* The p of overlapping memory and lanes makes local minima, and so do outliers that are none: kernels ten times slower
   than their kind. A plain sum and plain squares first; each fit starts from the last. */
static const struct {
    double overlap_step;
    double huber_k;
} stages[] = {
    {0,   1000   },
    {0.5, 1000   },
    {1,   1000   },
    {1,   HUBER_K}
};

/* A linear system in the columns that a used row has; the others hold their prior. Chips come first, each a block. */
typedef struct normal {
    mf_arrow arrow; /* of J^T W J + ridge */
    gsl_vector *gradient;
    gsl_vector *step;
    size_t *active; /* column of each unknown */
    size_t *place;  /* unknown of each column, SIZE_MAX without */
    size_t n;
} normal;

static mf_knobs knobs_at(const mf_fit *fit, const fit_row *r, const double *x)
{
    mf_knobs knobs = mf_knobs_start(&r->row->setting);
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        knobs.value[k] = UNUSED_KNOB;
    }
    knobs.value[MF_KNOB_SLOT] = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        knobs.lane[f] = knobs.work[f] = UNUSED_KNOB;
    }
    for (size_t i = 0; i < r->n_slots; i++) {
        const slot *s = &r->slots[i];
        double sum = 0;
        for (size_t u = 0; u < s->n_uses; u++) {
            sum += s->uses[u].weight * x[s->uses[u].column];
        }
        double *value = s->knob == MF_KNOB_LANE   ? &knobs.lane[s->format]
                        : s->knob == MF_KNOB_WORK ? &knobs.work[s->format]
                                                  : &knobs.value[s->knob];
        *value = exp(sum);
    }
    knobs.scale[fit->test] = exp(x[r->scale]);
    mf_knobs_limit(&knobs);
    return knobs;
}

/* ln t predicted minus ln t measured; shares may be NULL. */
static double log_error(const mf_fit *fit, const fit_row *r, const double *x, mf_shares *shares)
{
    const mf_knobs knobs = knobs_at(fit, r, x);
    const mf_speed_row *row = r->row;
    mf_peaks peaks = row->peaks;
    peaks.overlap = 1 + fit->overlap_step * (peaks.overlap - 1);
    if (fit->test == MF_TEST_DECODE) {
        const mf_decode_time t = mf_law_decode(row->work, &peaks, &knobs, row->step);
        if (shares) {
            *shares = mf_decode_shares(&t, &peaks, &knobs);
        }
        return log(t.total_s * row->measurement->tok_s);
    }
    const mf_prefill_time t = mf_law_prefill(row->work, &peaks, &knobs, row->step);
    if (shares) {
        *shares = mf_prefill_shares(&t, &knobs);
    }
    return log(t.total_s / row->step.n_tokens * row->measurement->tok_s);
}

static double huber_loss(double u, double k)
{
    const double size = fabs(u);
    return size <= k ? u * u : k * (2 * size - k);
}

static double huber_weight(double u, double k)
{
    const double size = fabs(u);
    return size <= k ? 1 : k / size;
}

static double objective(const mf_fit *fit, const bool *used, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < fit->n_rows; i++) {
        if (!used || used[i]) {
            const double u = log_error(fit, &fit->rows[i], x, NULL) / mf_row_log_sd(fit->test);
            sum += fit->rows[i].weight * huber_loss(u, fit->huber_k);
        }
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        const double distance =
            (x[c] - fit->columns[c].prior) / fit->spreads[fit->columns[c].spread];
        sum += distance * distance;
    }
    return sum;
}

/* One row of the Jacobian: only the columns that it has. */
typedef struct sparse_row {
    size_t n;
    size_t columns[MAX_SLOTS * MAX_SLOT_COLUMNS + 1];
    double values[MAX_SLOTS * MAX_SLOT_COLUMNS + 1];
} sparse_row;

static void add_entry(sparse_row *sparse, size_t column_index, double value)
{
    size_t i = 0;
    while (i < sparse->n && sparse->columns[i] != column_index) {
        i++;
    }
    if (i == sparse->n) {
        sparse->columns[i] = column_index;
        sparse->values[i] = 0;
        sparse->n++;
    }
    sparse->values[i] += value;
}

static double fill_row(sparse_row *sparse, const mf_fit *fit, const fit_row *r, const double *x)
{
    mf_shares shares = {0};
    sparse->n = 0;
    const double error = log_error(fit, r, x, &shares);
    for (size_t s = 0; s < r->n_slots; s++) {
        const slot *knob = &r->slots[s];
        const double share = knob->knob == MF_KNOB_LANE   ? shares.lane[knob->format]
                             : knob->knob == MF_KNOB_WORK ? shares.work[knob->format]
                                                          : shares.value[knob->knob];
        for (size_t u = 0; u < knob->n_uses; u++) {
            add_entry(sparse, knob->uses[u].column, knob->uses[u].weight * share);
        }
    }
    add_entry(sparse, r->scale, 1);
    return error;
}

static void add_row(normal *e, const sparse_row *sparse, double weight, double error, bool squares)
{
    for (size_t a = 0; a < sparse->n; a++) {
        const size_t i = e->place[sparse->columns[a]];
        const double value = weight * sparse->values[a];
        double *row = e->arrow.matrix->data + i * e->arrow.matrix->tda;
        e->gradient->data[i] += error * value;
        for (size_t b = 0; squares && b < sparse->n; b++) {
            const size_t j = e->place[sparse->columns[b]];
            row[j] += j >= i ? value * sparse->values[b] : 0;
        }
    }
}

/* Gradient, and if asked for the upper triangle of the Gauss-Newton matrix, of half the objective. */
static void assemble(normal *e, const mf_fit *fit, const bool *used, const double *x, bool squares)
{
    sparse_row sparse = {0};
    gsl_vector_set_zero(e->gradient);
    if (squares) {
        gsl_matrix_set_zero(e->arrow.matrix);
    }
    for (size_t i = 0; i < fit->n_rows; i++) {
        if (used && !used[i]) {
            continue;
        }
        const double error = fill_row(&sparse, fit, &fit->rows[i], x);
        const double sd = mf_row_log_sd(fit->test);
        const double weight =
            fit->rows[i].weight * huber_weight(error / sd, fit->huber_k) / (sd * sd);
        add_row(e, &sparse, weight, error, squares);
    }
    for (size_t k = 0; k < e->n; k++) {
        const column *col = &fit->columns[e->active[k]];
        const double ridge = 1 / (fit->spreads[col->spread] * fit->spreads[col->spread]);
        *gsl_vector_ptr(e->gradient, k) += ridge * (x[e->active[k]] - col->prior);
        if (squares) {
            *gsl_matrix_ptr(e->arrow.matrix, k, k) += ridge;
        }
    }
}

static void normal_free(normal *e)
{
    gsl_matrix_free(e->arrow.matrix);
    gsl_vector_free(e->gradient);
    gsl_vector_free(e->step);
    free(e->arrow.block_ends);
    free(e->active);
    free(e->place);
}

static void add_unknown(normal *e, size_t c)
{
    e->active[e->n] = c;
    e->place[c] = e->n;
    e->n++;
}

static void number_unknowns(normal *e, const mf_fit *fit, const bool *seen)
{
    for (size_t i = 0; i < fit->n_chips; i++) {
        const size_t start = e->n;
        for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
            const size_t c = fit->chip_columns[i * MF_KNOB_COUNT + k];
            if (c != SIZE_MAX && seen[c]) {
                add_unknown(e, c);
            }
        }
        if (e->n > start) {
            e->arrow.block_ends[e->arrow.n_blocks] = e->n;
            e->arrow.n_blocks++;
        }
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        if (!seen[c]) {
            e->place[c] = SIZE_MAX;
        } else if (fit->columns[c].kind != COLUMN_CHIP) {
            add_unknown(e, c);
        }
    }
}

static mf_status normal_new(normal *out, const mf_fit *fit, const bool *used, mf_error *err)
{
    normal e = {.active = calloc(fit->n_columns + 1, sizeof *e.active),
                .place = calloc(fit->n_columns + 1, sizeof *e.place)};
    e.arrow.block_ends = calloc(fit->n_chips + 1, sizeof *e.arrow.block_ends);
    bool *seen = calloc(fit->n_columns + 1, sizeof *seen);
    for (size_t i = 0; seen && i < fit->n_rows; i++) {
        const fit_row *r = &fit->rows[i];
        if (used && !used[i]) {
            continue;
        }
        seen[r->scale] = true;
        for (size_t s = 0; s < r->n_slots; s++) {
            for (size_t u = 0; u < r->slots[s].n_uses; u++) {
                seen[r->slots[s].uses[u].column] = true;
            }
        }
    }
    if (seen && e.active && e.place && e.arrow.block_ends) {
        number_unknowns(&e, fit, seen);
    }
    free(seen);
    if (e.n > 0) {
        e.arrow.matrix = gsl_matrix_alloc(e.n, e.n);
        e.gradient = gsl_vector_alloc(e.n);
        e.step = gsl_vector_alloc(e.n);
    }
    if (!e.arrow.matrix || !e.gradient || !e.step) {
        const bool none = fit->n_rows == 0;
        normal_free(&e);
        return none ? mf_fail(err, MF_E_DATA, "no rows of %s to fit", mf_speed_test_name(fit->test))
                    : mf_fail(err, MF_E_NOMEM, "no memory to fit %zu effects", fit->n_columns);
    }
    *out = e;
    return MF_OK;
}

/* Columns without a used row are their prior, wherever x has them. */
static void reset_unseen(const normal *e, const mf_fit *fit, double *x)
{
    for (size_t c = 0; c < fit->n_columns; c++) {
        if (e->place[c] == SIZE_MAX) {
            x[c] = fit->columns[c].prior;
        }
    }
}

/* to = x minus the factored system's solution; every move is at most MOST_STEP. */
static void step_to(double *to, const normal *e, const double *x, size_t n_columns)
{
    memcpy(to, x, n_columns * sizeof *to);
    gsl_vector_memcpy(e->step, e->gradient);
    mf_arrow_solve(&e->arrow, e->step);
    for (size_t k = 0; k < e->n; k++) {
        const double move = gsl_vector_get(e->step, k);
        to[e->active[k]] -= fmax(-MOST_STEP, fmin(MOST_STEP, move));
    }
}

/* Factors the assembled matrix with its diagonal raised by `damping`; false if it is not positive definite. */
static bool factor(normal *e, double damping)
{
    for (size_t k = 0; k < e->n; k++) {
        *gsl_matrix_ptr(e->arrow.matrix, k, k) *= 1 + damping;
    }
    return mf_arrow_factor(&e->arrow);
}

/* Levenberg's damping: more after a step that made things worse, less after one that helped. */
static mf_status minimise(normal *e, const mf_fit *fit, const bool *used, double *x, mf_error *err)
{
    double *tried = calloc(fit->n_columns + 1, sizeof *tried);
    if (!tried) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu effects", fit->n_columns);
    }
    double now = objective(fit, used, x);
    double damping = FIRST_DAMPING;
    bool done = false;
    for (size_t i = 0; i < MAX_STEPS && !done && damping < MOST_DAMPING; i++) {
        assemble(e, fit, used, x, true);
        double next = HUGE_VAL;
        if (factor(e, damping)) {
            step_to(tried, e, x, fit->n_columns);
            next = objective(fit, used, tried);
        }
        if (!(next <= now)) {
            damping = fmax(1e-4, 10 * damping);
            continue;
        }
        const double gain = now - next;
        memcpy(x, tried, fit->n_columns * sizeof *x);
        now = next;
        damping = fmax(1e-9, damping / 10);
        done = gain <= CONVERGED * now;
    }
    free(tried);
    /* Damped so far that nothing moves, it is as low as it gets. */
    const bool ended = done || damping >= MOST_DAMPING;
    return isfinite(now) && ended
               ? MF_OK
               : mf_fail(err, MF_E_INTERNAL, "the fit did not end in %d steps", MAX_STEPS);
}

static void read_values(double *x, const mf_fit *fit)
{
    for (size_t c = 0; c < fit->n_columns; c++) {
        x[c] = fit->columns[c].value;
    }
}

/* Posterior sds, from the matrix at the solution. */
static void keep_sds(mf_fit *fit, normal *e, const double *x)
{
    assemble(e, fit, NULL, x, true);
    if (!factor(e, 0)) {
        return;
    }
    for (size_t k = 0; k < e->n; k++) {
        fit->columns[e->active[k]].posterior_sd = sqrt(mf_arrow_inverse_at(&e->arrow, k, e->step));
    }
}

/* In prefill, architectures differ by less than repeats: dense models of six, 1 to 32 billion weights, multiply at 5.7 to 6.1
   TFLOP/s on one M2 Max. What an estimate would find is that most cards have rows of one architecture only. */
static bool is_estimated(const mf_fit *fit, size_t spread)
{
    const size_t architectures = fit->n_spreads - 1;
    return fit->test != MF_TEST_PREFILL || spread != architectures;
}

/* EM step for the variance components: the mean of squared effects and of what is not known of them. */
static void update_spreads(mf_fit *fit, const double *x)
{
    for (size_t s = 0; s < fit->n_spreads; s++) {
        double sum = 0;
        size_t n = 0;
        for (size_t c = 0; c < fit->n_columns; c++) {
            const column *col = &fit->columns[c];
            if (col->spread == s) {
                const double distance = x[c] - col->prior;
                sum += distance * distance + col->posterior_sd * col->posterior_sd;
                n++;
            }
        }
        if (n >= LEAST_FAMILY && is_estimated(fit, s)) {
            fit->spreads[s] = fmax(LEAST_SPREAD, sqrt(sum / (double)n));
        }
    }
}

mf_status mf_fit_solve(mf_fit *fit, mf_error *err)
{
    normal e = {0};
    double *x = calloc(fit->n_columns + 1, sizeof *x);
    mf_status status = x ? normal_new(&e, fit, NULL, err)
                         : mf_fail(err, MF_E_NOMEM, "no memory for %zu effects", fit->n_columns);
    if (status != MF_OK) {
        free(x);
        return status;
    }
    read_values(x, fit);
    for (size_t s = 0; status == MF_OK && s < sizeof stages / sizeof stages[0]; s++) {
        fit->overlap_step = stages[s].overlap_step;
        fit->huber_k = stages[s].huber_k;
        status = minimise(&e, fit, NULL, x, err);
    }
    for (size_t round = 0; status == MF_OK && round < SPREAD_ROUNDS; round++) {
        keep_sds(fit, &e, x);
        update_spreads(fit, x);
        status = minimise(&e, fit, NULL, x, err);
    }
    if (status == MF_OK) {
        keep_sds(fit, &e, x);
    }
    for (size_t c = 0; status == MF_OK && c < fit->n_columns; c++) {
        fit->columns[c].value = x[c];
    }
    normal_free(&e);
    free(x);
    return status;
}

/* The rest's matrix is factored once, at the full solution: few rows move the solution little, so the same factor serves
   for all steps (a chord method). Where it does not descend, the fit is done in full. */
static mf_status descend(normal *e, const mf_fit *fit, const bool *used, double *x, mf_error *err)
{
    double *tried = calloc(fit->n_columns + 1, sizeof *tried);
    if (!tried) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu effects", fit->n_columns);
    }
    double now = objective(fit, used, x);
    assemble(e, fit, used, x, true);
    bool good = factor(e, 0);
    bool done = false;
    for (size_t i = 0; good && !done && i < MAX_CHORD_STEPS; i++) {
        if (i > 0) {
            assemble(e, fit, used, x, false);
        }
        step_to(tried, e, x, fit->n_columns);
        const double next = objective(fit, used, tried);
        done = fabs(now - next) <= CHORD_CONVERGED * now;
        good = next <= now || done;
        if (next <= now) {
            memcpy(x, tried, fit->n_columns * sizeof *x);
            now = next;
        }
    }
    free(tried);
    return done ? MF_OK : minimise(e, fit, used, x, err);
}

static void openness_free(openness *o)
{
    free(o->columns);
    free(o->seen);
    free(o->known_chips);
}

/* The diagonal of the inverse, for the columns that chips share. Needs the matrix's factors. */
static void fill_columns(openness *o, normal *e, const mf_fit *fit, const bool *used)
{
    for (size_t i = 0; i < fit->n_rows; i++) {
        o->known_chips[fit->rows[i].chip] = o->known_chips[fit->rows[i].chip] || used[i];
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        const double spread = fit->spreads[fit->columns[c].spread];
        o->seen[c] = e->place[c] != SIZE_MAX;
        o->columns[c] = spread * spread;
        if (o->seen[c] && fit->columns[c].kind != COLUMN_CHIP) {
            o->columns[c] = mf_arrow_inverse_at(&e->arrow, e->place[c], e->step);
        }
    }
}

static mf_status find_openness(
    openness *out, normal *e, const mf_fit *fit, const bool *used, const double *x, mf_error *err)
{
    openness o = {.columns = calloc(fit->n_columns + 1, sizeof *o.columns),
                  .seen = calloc(fit->n_columns + 1, sizeof *o.seen),
                  .known_chips = calloc(fit->n_chips + 1, sizeof *o.known_chips)};
    if (!o.columns || !o.seen || !o.known_chips) {
        openness_free(&o);
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu effects", fit->n_columns);
    }
    assemble(e, fit, used, x, true);
    if (!factor(e, 0)) {
        openness_free(&o);
        return mf_fail(err, MF_E_INTERNAL, "the fit ended where it has no minimum");
    }
    fill_columns(&o, e, fit, used);
    *out = o;
    return MF_OK;
}

/* As mf_calibration_logs makes them of a calibration. */
static mf_knob_variances knob_variances(const mf_fit *fit, const fit_row *r, const openness *o)
{
    mf_knob_variances v = {0};
    for (size_t i = 0; i < r->n_slots; i++) {
        const slot *s = &r->slots[i];
        double shared = 0;
        double own = 0;
        for (size_t u = 0; u < s->n_uses; u++) {
            const fit_use *use = &s->uses[u];
            const bool known = o->known_chips[r->chip] && o->seen[use->column];
            *(use->by_format ? &own : &shared) +=
                known ? 0 : use->weight * use->weight * o->columns[use->column];
        }
        v.value[s->knob] = shared;
        if (s->knob == MF_KNOB_LANE || s->knob == MF_KNOB_WORK) {
            (s->knob == MF_KNOB_LANE ? v.lane : v.work)[s->format] = own;
        }
    }
    v.test[fit->test] = o->columns[r->scale];
    return v;
}

static mf_fit_error
error_of(const mf_fit *fit, const fit_row *r, const double *x, const openness *o)
{
    mf_knobs knobs = knobs_at(fit, r, x);
    knobs.variances = knob_variances(fit, r, o);
    return (mf_fit_error){.log_error = log_error(fit, r, x, NULL),
                          .log_sd = mf_speed_row_log_sd(r->row, &knobs)};
}

static mf_status
leave_out(const mf_fit_left *out, const mf_fit *fit, const bool *used, bool in_full, mf_error *err)
{
    normal e = {0};
    double *x = calloc(fit->n_columns + 1, sizeof *x);
    openness o = {0};
    mf_status status = x ? normal_new(&e, fit, used, err)
                         : mf_fail(err, MF_E_NOMEM, "no memory for %zu effects", fit->n_columns);
    if (status == MF_OK) {
        read_values(x, fit);
        reset_unseen(&e, fit, x);
        status = in_full ? minimise(&e, fit, used, x, err) : descend(&e, fit, used, x, err);
        status = status == MF_OK ? find_openness(&o, &e, fit, used, x, err) : status;
        normal_free(&e);
    }
    for (size_t c = 0; status == MF_OK && out->calibrations && c < MF_ENGINE_COUNT; c++) {
        if (out->calibrations[c]) {
            status = mf_fit_export_rest(out->calibrations[c], fit, x, &o, (mf_engine_id)c, err);
        }
    }
    for (size_t i = 0; status == MF_OK && i < fit->n_rows; i++) {
        if (!used[i]) {
            out->errors[i] = error_of(fit, &fit->rows[i], x, &o);
        }
    }
    free(x);
    openness_free(&o);
    return status;
}

mf_status
mf_fit_leave_out(const mf_fit_left *out, const mf_fit *fit, const bool *used, mf_error *err)
{
    return leave_out(out, fit, used, false, err);
}

mf_status
mf_fit_leave_out_in_full(mf_fit_error *errors, const mf_fit *fit, const bool *used, mf_error *err)
{
    return leave_out(&(mf_fit_left){.errors = errors}, fit, used, true, err);
}

double mf_fit_log_error(const mf_fit *fit, size_t i)
{
    double *x = calloc(fit->n_columns + 1, sizeof *x);
    if (!x) {
        return 0;
    }
    read_values(x, fit);
    const double error = log_error(fit, &fit->rows[i], x, NULL);
    free(x);
    return error;
}
