#include "speed/update.h"

#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/runs.h"

#define MAX_ITERATIONS 30
#define CONVERGED 1e-9
#define MOST_STEP 0.5

/* What is not known of a machine: a knob, or what one format adds to its own. */
typedef struct freedom {
    mf_knob knob;
    mf_format format; /* MF_FORMAT_COUNT: all formats alike, or a knob without */
    double sd;
} freedom;

#define MOST_FREEDOMS (MF_KNOB_COUNT + MF_FORMAT_COUNT)

/* How far a row is from the law once its chip is known: besides the repeats' 1 % it carries its model's and its format's
   error (0.08 to 0.18 give the same mean errors within half a point). */
#define ROW_SD 0.12

/* How far a machine is at least from others with its chip: cooling, power limit, driver. */
#define LEAST_SD 0.12

/* Of attention, which is a small part of a row with an empty context: what such a row misses is not to be looked for there
   as far as nothing is known of it. */
#define ATTENTION_SHARE 0.5

/* Half widths of the 90 % interval of a chip's other rows once one is given, chips counted as a fit counts them: the quantiles of
   the rows of leave-one-chip-out (speed/given.h), whose coverage reports/validation.md has. AMD's are those of three chips with
   today's builds; vendors of whose chips none has rows enough get what AMD's have with all. */
static double half_width_log(mf_vendor vendor, mf_speed_test test)
{
    static const double apple[MF_TEST_COUNT] = {0.20, 0.24};
    static const double nvidia[MF_TEST_COUNT] = {0.14, 0.36};
    static const double amd[MF_TEST_COUNT] = {0.26, 0.46};
    static const double others[MF_TEST_COUNT] = {0.26, 0.62};
    return vendor == MF_VENDOR_APPLE    ? apple[test]
           : vendor == MF_VENDOR_NVIDIA ? nvidia[test]
           : vendor == MF_VENDOR_AMD    ? amd[test]
                                        : others[test];
}

static bool has_formats(mf_knob knob)
{
    return knob == MF_KNOB_LANE || knob == MF_KNOB_WORK;
}

/* Everything that the calibration leaves open of a row's setting, each as far as it leaves it open (its own variances): a
   chip whose class has many rows moves little, a backend that nobody measured on its kind a lot. */
static size_t find_freedoms(freedom items[MOST_FREEDOMS],
                            const mf_calibration *calibration,
                            const mf_speed_row *row)
{
    const mf_knobs knobs = mf_knobs_of(calibration, &row->setting);
    const mf_knob_variances *v = &knobs.variances;
    const bool decode = row->measurement->test == MF_TEST_DECODE;
    const size_t end = decode ? MF_FIRST_PREFILL_KNOB : MF_KNOB_COUNT;
    size_t n = 0;
    for (size_t k = decode ? 0 : MF_FIRST_PREFILL_KNOB; k < end; k++) {
        const mf_knob knob = (mf_knob)k;
        const double share = knob == MF_KNOB_ATTENTION ? ATTENTION_SHARE : 1;
        items[n] = (freedom){knob, MF_FORMAT_COUNT, fmax(LEAST_SD, share * sqrt(v->value[k]))};
        n++;
        for (size_t f = 0; has_formats(knob) && f < MF_FORMAT_COUNT; f++) {
            const double own = knob == MF_KNOB_LANE ? v->lane[f] : v->work[f];
            if (own > 0) {
                items[n] = (freedom){knob, (mf_format)f, sqrt(own)};
                n++;
            }
        }
    }
    return n;
}

static double share_of(const mf_shares *shares, const freedom *item)
{
    const double *formats = item->knob == MF_KNOB_LANE ? shares->lane : shares->work;
    if (!has_formats(item->knob)) {
        return shares->value[item->knob];
    }
    if (item->format < MF_FORMAT_COUNT) {
        return formats[item->format];
    }
    double sum = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        sum += formats[f];
    }
    return sum;
}

/* Where a chip keeps it. */
static double *place_of(mf_chip_effects *chip, const freedom *item)
{
    if (item->format == MF_FORMAT_COUNT) {
        return &chip->knobs[item->knob].log_value;
    }
    return item->knob == MF_KNOB_LANE ? &chip->lane_log[item->format]
                                      : &chip->work_log[item->format];
}

/* ln predicted time minus ln measured time, and what moves it. */
static double
log_error(mf_shares *shares, const mf_calibration *calibration, const mf_speed_row *row)
{
    const mf_knobs knobs = mf_knobs_of(calibration, &row->setting);
    if (row->measurement->test == MF_TEST_DECODE) {
        const mf_decode_time t = mf_law_decode(row->work, &row->peaks, &knobs, row->step);
        *shares = mf_decode_shares(&t, &row->peaks, &knobs);
    } else {
        const mf_prefill_time t = mf_law_prefill(row->work, &row->peaks, &knobs, row->step);
        *shares = mf_prefill_shares(&t, &knobs);
    }
    return log(row->measurement->tok_s / mf_speed_row_tok_s(row, &knobs));
}

/* Freedoms of one test, how far they have moved, and the normal equations of the next move. */
typedef struct equations {
    freedom items[MOST_FREEDOMS];
    double moved[MOST_FREEDOMS];
    size_t n;
    double squares[MOST_FREEDOMS * MOST_FREEDOMS];
    double right[MOST_FREEDOMS];
} equations;

static void add_prior(equations *s)
{
    memset(s->squares, 0, sizeof s->squares);
    for (size_t i = 0; i < s->n; i++) {
        const double weight = 1 / (s->items[i].sd * s->items[i].sd);
        s->squares[i * s->n + i] = weight;
        s->right[i] = -weight * s->moved[i];
    }
}

static void add_row(equations *s, const mf_shares *shares, double error)
{
    double slopes[MOST_FREEDOMS];
    for (size_t i = 0; i < s->n; i++) {
        slopes[i] = share_of(shares, &s->items[i]) / ROW_SD;
    }
    for (size_t i = 0; i < s->n; i++) {
        s->right[i] -= slopes[i] * error / ROW_SD;
        for (size_t j = 0; j < s->n; j++) {
            s->squares[i * s->n + j] += slopes[i] * slopes[j];
        }
    }
}

/* One step of Gauss and Newton; the largest move is returned. */
static double step(equations *s,
                   mf_calibration *calibration,
                   mf_chip_effects *chip,
                   const mf_speed_row *const *rows,
                   size_t n_rows,
                   mf_speed_test test)
{
    add_prior(s);
    for (size_t r = 0; r < n_rows; r++) {
        if (!rows[r]->skip && rows[r]->measurement->test == test) {
            mf_shares shares = {0};
            const double error = log_error(&shares, calibration, rows[r]);
            add_row(s, &shares, error);
        }
    }
    double solution[MOST_FREEDOMS] = {0};
    gsl_matrix_view a = gsl_matrix_view_array(s->squares, s->n, s->n);
    gsl_vector_view b = gsl_vector_view_array(s->right, s->n);
    gsl_vector_view x = gsl_vector_view_array(solution, s->n);
    if (gsl_linalg_cholesky_decomp1(&a.matrix) != 0 ||
        gsl_linalg_cholesky_solve(&a.matrix, &b.vector, &x.vector) != 0) {
        return 0; /* the priors alone make it regular */
    }
    double largest = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double move = fmax(-MOST_STEP, fmin(MOST_STEP, solution[i]));
        s->moved[i] += move;
        *place_of(chip, &s->items[i]) += move;
        largest = fmax(largest, fabs(move));
    }
    return largest;
}

/* Moves a chip to its rows of one test. */
static void fit_chip(mf_calibration *calibration,
                     mf_chip_effects *chip,
                     const mf_speed_row *const *rows,
                     size_t n_rows,
                     mf_speed_test test)
{
    equations s = {0};
    uint32_t n = 0;
    mf_vendor vendor = (mf_vendor)0;
    for (size_t r = 0; r < n_rows; r++) {
        if (!rows[r]->skip && rows[r]->measurement->test == test) {
            s.n = s.n > 0 ? s.n : find_freedoms(s.items, calibration, rows[r]);
            vendor = mf_chip_class_vendor(rows[r]->setting.chip_class);
            n++;
        }
    }
    for (size_t i = 0; n > 0 && i < MAX_ITERATIONS; i++) {
        if (step(&s, calibration, chip, rows, n_rows, test) < CONVERGED) {
            break;
        }
    }
    for (size_t i = 0; i < s.n; i++) {
        chip->knobs[s.items[i].knob].n_rows += s.items[i].format == MF_FORMAT_COUNT ? n : 0;
    }
    if (n > 0) {
        chip->calibrated[test] = true;
        chip->half_width_log[test] = half_width_log(vendor, test);
    }
}

static uint32_t count(const mf_speed_row *const *rows, size_t n_rows, mf_speed_test test)
{
    uint32_t n = 0;
    for (size_t r = 0; r < n_rows; r++) {
        n += !rows[r]->skip && rows[r]->measurement->test == test ? 1 : 0;
    }
    return n;
}

mf_status mf_speed_update(mf_calibration *calibration,
                          const mf_speed_row *const *rows,
                          size_t n_rows,
                          mf_error *err)
{
    if (count(rows, n_rows, MF_TEST_DECODE) + count(rows, n_rows, MF_TEST_PREFILL) == 0) {
        return mf_fail(err, MF_E_DATA, "no run is one that the law can speak of");
    }
    size_t first = 0;
    while (rows[first]->skip) {
        first++;
    }
    mf_chip_effects *chip = mf_calibration_add_chip(calibration, rows[first]->setting.chip);
    if (!chip) {
        return mf_fail(err, MF_E_NOMEM, "no memory for chip '%s'", rows[first]->setting.chip);
    }
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        fit_chip(calibration, chip, rows, n_rows, (mf_speed_test)t);
    }
    return MF_OK;
}

static size_t count_distinct(const mf_speed_row *const *rows, size_t n_rows, bool depths)
{
    size_t n = 0;
    for (size_t i = 0; i < n_rows; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) {
            seen = depths ? fabs(rows[i]->step.depth - rows[j]->step.depth) < 1
                          : rows[i]->model == rows[j]->model && rows[i]->quant == rows[j]->quant;
        }
        n += seen ? 0 : 1;
    }
    return n;
}

/* Rows of the calibration's engine that the law can speak of; the first one's device and backend decide. */
static mf_status choose(const mf_speed_row **out,
                        size_t *n,
                        const mf_calibration *calibration,
                        const mf_speed_rows *rows,
                        mf_error *err)
{
    const char *why = "none is of this engine";
    *n = 0;
    for (size_t i = 0; i < rows->n_items; i++) {
        const mf_speed_row *row = &rows->items[i];
        if (strcmp(mf_engine_name(row->measurement->engine), calibration->engine) != 0) {
            continue;
        }
        if (row->skip) {
            why = row->skip;
            continue;
        }
        if (*n > 0 && row->device != out[0]->device) {
            return mf_fail(err,
                           MF_E_DATA,
                           "runs of '%s' and of '%s' can't calibrate one machine",
                           out[0]->measurement->device,
                           row->measurement->device);
        }
        if (*n > 0 &&
            mf_runtime_mature(row->setting.runtime) != mf_runtime_mature(out[0]->setting.runtime)) {
            return mf_fail(
                err,
                MF_E_DATA,
                "runs with %s and with %s tell of two sets of kernels: give those of one",
                mf_runtime_name(out[0]->setting.runtime),
                mf_runtime_name(row->setting.runtime));
        }
        out[*n] = row;
        (*n)++;
    }
    return *n > 0 ? MF_OK : mf_fail(err, MF_E_DATA, "no run can be used: %s", why);
}

mf_status mf_calibration_update(mf_calibration *calibration,
                                mf_runs_use *use,
                                const mf_measurements *runs,
                                const mf_database *database,
                                mf_error *err)
{
    mf_speed_rows rows = {0};
    size_t n_rows = 0;
    const mf_speed_row **chosen = calloc(runs->n_items + 1, sizeof *chosen);
    mf_status status =
        chosen ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for %zu runs", runs->n_items);
    if (status == MF_OK) {
        status = mf_speed_rows_build(&rows, runs, database, err);
    }
    if (status == MF_OK) {
        status = choose(chosen, &n_rows, calibration, &rows, err);
    }
    if (status == MF_OK) {
        status = mf_speed_update(calibration, chosen, n_rows, err);
    }
    if (status == MF_OK) {
        *use = (mf_runs_use){.n_decode = count(chosen, n_rows, MF_TEST_DECODE),
                             .n_prefill = count(chosen, n_rows, MF_TEST_PREFILL),
                             .n_models = count_distinct(chosen, n_rows, false),
                             .n_depths = count_distinct(chosen, n_rows, true)};
    }
    mf_speed_rows_free(&rows);
    free(chosen);
    return status;
}
