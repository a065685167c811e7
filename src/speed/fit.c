#include "speed/fit.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define MAX_SLOTS (MF_KNOB_COUNT + MF_FORMAT_COUNT)
#define MAX_SLOT_COLUMNS (MF_MAX_KNOB_EFFECTS + 1)
#define HUBER_K 1.5
#define MAX_ITERATIONS 60
#define FIRST_ROUNDS 3 /* of reweighting */
#define NEXT_ROUNDS 1
#define N_ENGINES 2

/* Spread of a good row about the law (decode: sources differ by 8 %, the law's form adds the rest). */
static const double row_sd[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.12,
    [MF_TEST_PREFILL] = 0.18,
};

/* The p of overlapping memory and lanes makes local minima: plain sum first, each fit starts from the last. */
static const double overlap_steps[] = {0, 0.5, 1};

/* One knob of one row: the columns whose sum is its logarithm. */
typedef struct slot {
    mf_knob knob;
    mf_format format;
    size_t n_columns;
    size_t columns[MAX_SLOT_COLUMNS];
} slot;

typedef struct fit_row {
    const mf_speed_row *row;
    double weight; /* square root */
    double robust; /* square root of Huber's weight */
    bool used;
    size_t n_slots;
    slot slots[MAX_SLOTS];
} fit_row;

typedef struct column {
    size_t effect; /* SIZE_MAX: a chip's */
    size_t chip;
    mf_knob knob;
    double prior;
    double sd;
    double value;
    double posterior_sd;
    uint32_t n_rows;
} column;

typedef struct fit_chip {
    const char *device; /* borrowed */
    mf_engine_id engine;
    mf_chip_class chip_class;
    uint32_t n_rows;
} fit_chip;

struct mf_fit {
    mf_speed_test test;
    fit_row *rows;
    size_t n_rows;
    column *columns;
    size_t n_columns;
    size_t *column_of_effect;
    fit_chip *chips;
    size_t n_chips;
    size_t *chip_columns; /* n_chips x MF_KNOB_COUNT */
    double overlap_step;
    bool solved;
};

static bool is_fitted(const mf_speed_row *row, mf_speed_test test)
{
    const mf_measurement *m = row->measurement;
    return !row->skip && m->test == test &&
           (m->trust == MF_TRUST_HIGH || m->trust == MF_TRUST_MEDIUM);
}

static size_t find_chip(const mf_fit *fit, const mf_speed_row *row)
{
    size_t i = 0;
    while (i < fit->n_chips && (strcmp(fit->chips[i].device, row->setting.chip) != 0 ||
                                fit->chips[i].engine != row->measurement->engine)) {
        i++;
    }
    return i;
}

static size_t new_column(mf_fit *fit, column made)
{
    made.value = made.prior;
    fit->columns[fit->n_columns] = made;
    fit->n_columns++;
    return fit->n_columns - 1;
}

static size_t effect_column(mf_fit *fit, size_t effect)
{
    if (fit->column_of_effect[effect] == SIZE_MAX) {
        const mf_effect_info info = mf_effect_describe(effect);
        fit->column_of_effect[effect] = new_column(fit,
                                                   (column){.effect = effect,
                                                            .knob = info.knob,
                                                            .prior = info.prior_log_value,
                                                            .sd = info.prior_log_sd});
    }
    return fit->column_of_effect[effect];
}

static size_t chip_column(mf_fit *fit, size_t chip, mf_knob knob)
{
    size_t *found = &fit->chip_columns[chip * MF_KNOB_COUNT + knob];
    if (*found == SIZE_MAX) {
        *found = new_column(
            fit,
            (column){
                .effect = SIZE_MAX, .chip = chip, .knob = knob, .sd = mf_chip_effect_sd(knob)});
    }
    return *found;
}

static void add_slot(mf_fit *fit, fit_row *r, size_t chip, mf_knob knob, mf_format format)
{
    slot *s = &r->slots[r->n_slots];
    r->n_slots++;
    s->knob = knob;
    s->format = format;
    size_t effects[MF_MAX_KNOB_EFFECTS];
    const size_t n = mf_knob_effects(effects, knob, &r->row->setting, format);
    for (size_t i = 0; i < n; i++) {
        s->columns[i] = effect_column(fit, effects[i]);
    }
    s->n_columns = n;
    if (mf_chip_effect_sd(knob) > 0) {
        s->columns[n] = chip_column(fit, chip, knob);
        s->n_columns++;
    }
    for (size_t i = 0; i < s->n_columns; i++) {
        fit->columns[s->columns[i]].n_rows++;
    }
}

static bool uses_knob(const mf_work *work, mf_knob knob)
{
    switch (knob) {
    case MF_KNOB_MOE:
    case MF_KNOB_EXPERT:
        return work->n_moe_layers > 0;
    case MF_KNOB_LINEAR:
        return work->n_linear_layers > 0;
    case MF_KNOB_MLA:
    case MF_KNOB_ATTENTION_MLA:
        return mf_work_attention_flop(work, 1, true) > 0;
    case MF_KNOB_KV:
    case MF_KNOB_ATTENTION:
        return work->n_groups > 0;
    case MF_KNOB_ETA:
    case MF_KNOB_LANE:
    case MF_KNOB_LAYER:
    case MF_KNOB_WORK:
    case MF_KNOB_PASS:
    case MF_KNOB_COUNT:
        break;
    }
    return true;
}

static void add_slots(mf_fit *fit, fit_row *r, size_t chip)
{
    const bool decode = fit->test == MF_TEST_DECODE;
    const size_t first = decode ? 0 : MF_FIRST_PREFILL_KNOB;
    const size_t end = decode ? MF_FIRST_PREFILL_KNOB : MF_KNOB_COUNT;
    const mf_work *work = r->row->work;
    for (size_t k = first; k < end; k++) {
        const mf_knob knob = (mf_knob)k;
        const bool by_format = knob == MF_KNOB_LANE || knob == MF_KNOB_WORK;
        for (size_t f = 0; by_format && f < MF_FORMAT_COUNT; f++) {
            const double weights = decode ? work->read_weights[f]
                                          : work->dense_weights[f] + work->expert_weights[f];
            if (weights > 0) {
                add_slot(fit, r, chip, knob, (mf_format)f);
            }
        }
        if (!by_format && uses_knob(work, knob)) {
            add_slot(fit, r, chip, knob, MF_FORMAT_F16);
        }
    }
}

/* n_device^-0.4 n_case^-0.3: a chip with 257 rows shall not outvote seventy others, nor repeats of one case the rest. */
static void weigh_rows(mf_fit *fit)
{
    double sum = 0;
    for (size_t i = 0; i < fit->n_rows; i++) {
        const mf_speed_row *a = fit->rows[i].row;
        double n_device = 0;
        double n_case = 0;
        for (size_t j = 0; j < fit->n_rows; j++) {
            const mf_speed_row *b = fit->rows[j].row;
            const bool same_device = a->device == b->device;
            n_device += same_device ? 1 : 0;
            n_case += same_device && a->model == b->model && a->quant == b->quant &&
                              a->source == b->source
                          ? 1
                          : 0;
        }
        fit->rows[i].weight = pow(n_device, -0.4) * pow(n_case, -0.3);
        sum += fit->rows[i].weight;
    }
    for (size_t i = 0; i < fit->n_rows; i++) {
        fit->rows[i].weight = sqrt(fit->rows[i].weight * (double)fit->n_rows / sum);
    }
}

static mf_status allocate(mf_fit *fit, size_t n_rows, mf_error *err)
{
    const size_t n_effects = mf_effect_count();
    fit->rows = calloc(n_rows + 1, sizeof *fit->rows);
    fit->chips = calloc(n_rows + 1, sizeof *fit->chips);
    fit->chip_columns = malloc((n_rows + 1) * MF_KNOB_COUNT * sizeof *fit->chip_columns);
    fit->column_of_effect = malloc(n_effects * sizeof *fit->column_of_effect);
    fit->columns = calloc(n_effects + (n_rows + 1) * MF_KNOB_COUNT, sizeof *fit->columns);
    if (!fit->rows || !fit->chips || !fit->chip_columns || !fit->column_of_effect ||
        !fit->columns) {
        return mf_fail(err, MF_E_NOMEM, "no memory to fit %zu rows", n_rows);
    }
    for (size_t i = 0; i < n_effects; i++) {
        fit->column_of_effect[i] = SIZE_MAX;
    }
    for (size_t i = 0; i < (n_rows + 1) * MF_KNOB_COUNT; i++) {
        fit->chip_columns[i] = SIZE_MAX;
    }
    return MF_OK;
}

mf_status mf_fit_new(mf_fit **out, const mf_speed_rows *rows, mf_speed_test test, mf_error *err)
{
    mf_fit *fit = calloc(1, sizeof *fit);
    mf_status status = fit ? allocate(fit, rows->n_items, err)
                           : mf_fail(err, MF_E_NOMEM, "no memory to fit");
    if (status != MF_OK) {
        mf_fit_free(fit);
        return status;
    }
    fit->test = test;
    for (size_t i = 0; i < rows->n_items; i++) {
        const mf_speed_row *row = &rows->items[i];
        if (!is_fitted(row, test)) {
            continue;
        }
        const size_t chip = find_chip(fit, row);
        if (chip == fit->n_chips) {
            fit->chips[chip] = (fit_chip){.device = row->setting.chip,
                                          .engine = row->measurement->engine,
                                          .chip_class = row->setting.chip_class};
            fit->n_chips++;
        }
        fit->chips[chip].n_rows++;
        fit_row *r = &fit->rows[fit->n_rows];
        fit->n_rows++;
        r->row = row;
        r->robust = 1;
        r->used = true;
        add_slots(fit, r, chip);
    }
    weigh_rows(fit);
    *out = fit;
    return MF_OK;
}

void mf_fit_free(mf_fit *fit)
{
    if (!fit) {
        return;
    }
    free(fit->rows);
    free(fit->chips);
    free(fit->chip_columns);
    free(fit->column_of_effect);
    free(fit->columns);
    free(fit);
}

size_t mf_fit_row_count(const mf_fit *fit)
{
    return fit->n_rows;
}

const mf_speed_row *mf_fit_row(const mf_fit *fit, size_t i)
{
    return fit->rows[i].row;
}

void mf_fit_copy(mf_fit *to, const mf_fit *from)
{
    memcpy(to->columns, from->columns, from->n_columns * sizeof *to->columns);
    for (size_t i = 0; i < from->n_rows; i++) {
        to->rows[i].robust = from->rows[i].robust;
    }
    to->solved = from->solved;
}

static mf_knobs knobs_at(const fit_row *r, const double *x)
{
    mf_knobs knobs = {0};
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        knobs.value[k] = 1;
    }
    for (size_t i = 0; i < r->n_slots; i++) {
        const slot *s = &r->slots[i];
        double sum = 0;
        for (size_t c = 0; c < s->n_columns; c++) {
            sum += x[s->columns[c]];
        }
        double *value = s->knob == MF_KNOB_LANE   ? &knobs.lane[s->format]
                        : s->knob == MF_KNOB_WORK ? &knobs.work[s->format]
                                                  : &knobs.value[s->knob];
        *value = exp(sum);
    }
    mf_knobs_limit(&knobs);
    return knobs;
}

/* ln t predicted minus ln t measured; shares may be NULL. */
static double log_error(const mf_fit *fit, const fit_row *r, const double *x, mf_shares *shares)
{
    const mf_knobs knobs = knobs_at(r, x);
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
        *shares = mf_prefill_shares(&t);
    }
    return log(t.total_s / row->step.n_tokens * row->measurement->tok_s);
}

static double row_scale(const mf_fit *fit, const fit_row *r)
{
    return r->used ? r->weight * r->robust / row_sd[fit->test] : 0;
}

static int residuals(const gsl_vector *x, void *data, gsl_vector *f)
{
    const mf_fit *fit = data;
    for (size_t i = 0; i < fit->n_rows; i++) {
        const fit_row *r = &fit->rows[i];
        const double scale = row_scale(fit, r);
        gsl_vector_set(f, i, r->used ? scale * log_error(fit, r, x->data, NULL) : 0);
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        const column *col = &fit->columns[c];
        const double distance = (gsl_vector_get(x, c) - col->prior) / col->sd;
        gsl_vector_set(f, fit->n_rows + c, distance);
    }
    return GSL_SUCCESS;
}

static int jacobian(const gsl_vector *x, void *data, gsl_matrix *J)
{
    const mf_fit *fit = data;
    gsl_matrix_set_zero(J);
    for (size_t i = 0; i < fit->n_rows; i++) {
        const fit_row *r = &fit->rows[i];
        if (!r->used) {
            continue;
        }
        mf_shares shares = {0};
        const double scale = row_scale(fit, r);
        log_error(fit, r, x->data, &shares);
        for (size_t s = 0; s < r->n_slots; s++) {
            const slot *knob = &r->slots[s];
            const double share = knob->knob == MF_KNOB_LANE   ? shares.lane[knob->format]
                                 : knob->knob == MF_KNOB_WORK ? shares.work[knob->format]
                                                              : shares.value[knob->knob];
            for (size_t c = 0; c < knob->n_columns; c++) {
                *gsl_matrix_ptr(J, i, knob->columns[c]) += scale * share;
            }
        }
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        gsl_matrix_set(J, fit->n_rows + c, c, 1 / fit->columns[c].sd);
    }
    return GSL_SUCCESS;
}

static void reweigh(mf_fit *fit, const double *x)
{
    for (size_t i = 0; i < fit->n_rows; i++) {
        fit_row *r = &fit->rows[i];
        const double distance = fabs(log_error(fit, r, x, NULL)) / row_sd[fit->test];
        r->robust = distance > HUBER_K ? sqrt(HUBER_K / distance) : 1;
    }
}

static void keep_covariance(mf_fit *fit, gsl_multifit_nlinear_workspace *w)
{
    gsl_matrix *covariance = gsl_matrix_alloc(fit->n_columns, fit->n_columns);
    if (!covariance) {
        return;
    }
    gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(w), 0, covariance);
    for (size_t c = 0; c < fit->n_columns; c++) {
        fit->columns[c].posterior_sd = sqrt(gsl_matrix_get(covariance, c, c));
    }
    gsl_matrix_free(covariance);
}

static mf_status solve_once(mf_fit *fit, bool with_covariance, mf_error *err)
{
    gsl_multifit_nlinear_parameters parameters = gsl_multifit_nlinear_default_parameters();
    parameters.solver = gsl_multifit_nlinear_solver_cholesky;
    gsl_multifit_nlinear_fdf problem = {.f = residuals,
                                        .df = jacobian,
                                        .n = fit->n_rows + fit->n_columns,
                                        .p = fit->n_columns,
                                        .params = fit};
    gsl_multifit_nlinear_workspace *w = gsl_multifit_nlinear_alloc(
        gsl_multifit_nlinear_trust, &parameters, problem.n, problem.p);
    gsl_vector *x = gsl_vector_alloc(fit->n_columns);
    if (!w || !x) {
        gsl_vector_free(x);
        gsl_multifit_nlinear_free(w);
        return mf_fail(err, MF_E_NOMEM, "no memory to fit %zu coefficients", fit->n_columns);
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        gsl_vector_set(x, c, fit->columns[c].value);
    }
    int info = 0;
    int result = gsl_multifit_nlinear_init(x, &problem, w);
    if (result == GSL_SUCCESS) {
        result = gsl_multifit_nlinear_driver(
            MAX_ITERATIONS, 1e-5, 1e-8, 1e-8, NULL, NULL, &info, w);
    }
    /* Running out of iterations or of progress leaves a usable point: the ridge bounds it. */
    const bool usable = result == GSL_SUCCESS || result == GSL_EMAXITER || result == GSL_ENOPROG;
    if (usable) {
        const gsl_vector *solution = gsl_multifit_nlinear_position(w);
        for (size_t c = 0; c < fit->n_columns; c++) {
            fit->columns[c].value = gsl_vector_get(solution, c);
        }
        if (with_covariance) {
            keep_covariance(fit, w);
        }
    }
    gsl_vector_free(x);
    gsl_multifit_nlinear_free(w);
    return usable ? MF_OK
                  : mf_fail(err, MF_E_INTERNAL, "the fit failed: %s", gsl_strerror(result));
}

static double *values_of(const mf_fit *fit, mf_error *err)
{
    double *x = calloc(fit->n_columns + 1, sizeof *x);
    if (!x) {
        mf_fail(err, MF_E_NOMEM, "no memory for %zu coefficients", fit->n_columns);
        return NULL;
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        x[c] = fit->columns[c].value;
    }
    return x;
}

mf_status mf_fit_solve(mf_fit *fit, const bool *used, mf_error *err)
{
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    for (size_t i = 0; i < fit->n_rows; i++) {
        fit->rows[i].used = !used || used[i];
    }
    const size_t n_steps = sizeof overlap_steps / sizeof overlap_steps[0];
    mf_status status = MF_OK;
    for (size_t s = fit->solved ? n_steps - 1 : 0; status == MF_OK && s < n_steps; s++) {
        fit->overlap_step = overlap_steps[s];
        status = solve_once(fit, false, err);
    }
    const size_t n_rounds = fit->solved ? NEXT_ROUNDS : FIRST_ROUNDS;
    for (size_t round = 0; status == MF_OK && round < n_rounds; round++) {
        double *x = values_of(fit, err);
        if (!x) {
            status = MF_E_NOMEM;
            break;
        }
        reweigh(fit, x);
        free(x);
        status = solve_once(fit, round + 1 == n_rounds && !fit->solved, err);
    }
    fit->solved = status == MF_OK;
    gsl_set_error_handler(handler);
    return status;
}

double mf_fit_residual(const mf_fit *fit, size_t i)
{
    double *x = values_of(fit, NULL);
    const double error = x ? log_error(fit, &fit->rows[i], x, NULL) : 0;
    free(x);
    return error;
}

/* Effects of runtimes that another engine has are left to its file. */
static bool belongs_to(mf_engine_id engine, const mf_effect_info *info)
{
    for (size_t k = 0; k < info->n_keys; k++) {
        const bool is_mlx = strcmp(info->keys[k], mf_runtime_name(MF_RUNTIME_MLX)) == 0;
        for (size_t r = 0; r < MF_RUNTIME_COUNT; r++) {
            const bool is_runtime = strcmp(info->keys[k], mf_runtime_name((mf_runtime)r)) == 0;
            if (is_runtime && is_mlx != (engine == MF_ENGINE_MLX)) {
                return false;
            }
        }
    }
    return true;
}

static mf_effect effect_of(const column *c)
{
    return (mf_effect){.log_value = c->value, .log_sd = c->posterior_sd, .n_rows = c->n_rows};
}

static int by_device(const void *a, const void *b)
{
    return strcmp(((const mf_chip_effects *)a)->device_id,
                  ((const mf_chip_effects *)b)->device_id);
}

static mf_chip_effects *find_or_add_chip(mf_calibration *to, const char *device, mf_error *err)
{
    for (size_t i = 0; i < to->n_chips; i++) {
        if (strcmp(to->chips[i].device_id, device) == 0) {
            return &to->chips[i];
        }
    }
    mf_chip_effects *chips = realloc(to->chips, (to->n_chips + 1) * sizeof *chips);
    char *id = mf_strdup(device);
    if (chips) {
        to->chips = chips;
    }
    if (!chips || !id) {
        free(id);
        mf_fail(err, MF_E_NOMEM, "no memory for chip '%s'", device);
        return NULL;
    }
    mf_chip_effects *chip = &chips[to->n_chips];
    *chip = (mf_chip_effects){.device_id = id};
    to->n_chips++;
    return chip;
}

static mf_status export_chip(mf_calibration *to, const mf_fit *fit, size_t i, mf_error *err)
{
    const fit_chip *from = &fit->chips[i];
    mf_chip_effects *chip = find_or_add_chip(to, from->device, err);
    if (!chip) {
        return MF_E_NOMEM;
    }
    *(fit->test == MF_TEST_DECODE ? &chip->n_decode_rows : &chip->n_prefill_rows) = from->n_rows;
    to->n_rows[fit->test][from->chip_class] += from->n_rows;
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        const size_t c = fit->chip_columns[i * MF_KNOB_COUNT + k];
        if (c != SIZE_MAX) {
            chip->knobs[k] = effect_of(&fit->columns[c]);
        }
    }
    return MF_OK;
}

mf_status mf_fit_export(mf_calibration *to, const mf_fit *fit, mf_engine_id engine, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t c = 0; c < fit->n_columns; c++) {
        const column *col = &fit->columns[c];
        if (col->effect == SIZE_MAX) {
            continue;
        }
        const mf_effect_info info = mf_effect_describe(col->effect);
        if (belongs_to(engine, &info)) {
            to->effects[col->effect] = effect_of(col);
        }
    }
    for (size_t i = 0; status == MF_OK && i < fit->n_chips; i++) {
        if (fit->chips[i].engine == engine) {
            status = export_chip(to, fit, i, err);
        }
    }
    if (status == MF_OK && to->n_chips > 0) {
        qsort(to->chips, to->n_chips, sizeof *to->chips, by_device);
    }
    return status;
}
