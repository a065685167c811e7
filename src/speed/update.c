#include "speed/update.h"

#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/runs.h"

#define MAX_ITERATIONS 30
#define CONVERGED 1e-9
#define MOST_STEP 0.5

/* How far a chip is from its class before anything is known of it, and a row from the law after: besides the repeats'
   1 % a row carries its model's and its format's error (speed-study in docs/speed.md: 0.05 to 0.12 give the same). */
typedef struct freedom {
    mf_knob knob;
    double sd;
} freedom;

static const freedom decode_freedoms[] = {
    {MF_KNOB_ETA,   0.12},
    {MF_KNOB_LANE,  0.2 },
    {MF_KNOB_LAYER, 0.25},
    {MF_KNOB_KV,    0.3 },
};
static const freedom prefill_freedoms[] = {
    {MF_KNOB_WORK,      0.35},
    {MF_KNOB_ATTENTION, 0.3 },
    {MF_KNOB_PASS,      0.3 },
};

static const struct {
    const freedom *items;
    size_t n;
    double row_sd;
} models[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = {decode_freedoms,  sizeof decode_freedoms / sizeof decode_freedoms[0], 0.08},
    [MF_TEST_PREFILL] = {prefill_freedoms,
                        sizeof prefill_freedoms / sizeof prefill_freedoms[0],
                        0.12                                                                      },
};
#define MOST_FREEDOMS 4

/* Half widths of the 90 % interval of what was left out after two rows: tests/truth/two_rows.c. */
static const double half_width_log[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.26,
    [MF_TEST_PREFILL] = 0.58,
};

static double share_of(const mf_shares *shares, mf_knob knob)
{
    double sum = 0;
    switch (knob) {
    case MF_KNOB_LANE:
        for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
            sum += shares->lane[f];
        }
        return sum;
    case MF_KNOB_WORK:
        for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
            sum += shares->work[f];
        }
        return sum;
    case MF_KNOB_ETA:
    case MF_KNOB_LAYER:
    case MF_KNOB_MOE:
    case MF_KNOB_LINEAR:
    case MF_KNOB_KV:
    case MF_KNOB_MLA:
    case MF_KNOB_SLOT:
    case MF_KNOB_EXPERT:
    case MF_KNOB_ATTENTION:
    case MF_KNOB_ATTENTION_MLA:
    case MF_KNOB_PASS:
    case MF_KNOB_PADDING:
    case MF_KNOB_SCAN:
    case MF_KNOB_COUNT:
        break;
    }
    return shares->value[knob];
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

typedef struct normal {
    double squares[MOST_FREEDOMS * MOST_FREEDOMS];
    double right[MOST_FREEDOMS];
    size_t n;
} normal;

static void add_row(
    normal *equations, const freedom *items, double row_sd, const mf_shares *shares, double error)
{
    double slopes[MOST_FREEDOMS];
    for (size_t i = 0; i < equations->n; i++) {
        slopes[i] = share_of(shares, items[i].knob) / row_sd;
    }
    for (size_t i = 0; i < equations->n; i++) {
        equations->right[i] -= slopes[i] * error / row_sd;
        for (size_t j = 0; j < equations->n; j++) {
            equations->squares[i * equations->n + j] += slopes[i] * slopes[j];
        }
    }
}

/* One step of Gauss and Newton; the largest move is returned. */
static double step(mf_calibration *calibration,
                   mf_chip_effects *chip,
                   double moved[MOST_FREEDOMS],
                   const mf_speed_row *const *rows,
                   size_t n_rows,
                   mf_speed_test test)
{
    const freedom *items = models[test].items;
    normal equations = {.n = models[test].n};
    for (size_t i = 0; i < equations.n; i++) {
        const double weight = 1 / (items[i].sd * items[i].sd);
        equations.squares[i * equations.n + i] = weight;
        equations.right[i] = -weight * moved[i];
    }
    for (size_t r = 0; r < n_rows; r++) {
        if (!rows[r]->skip && rows[r]->measurement->test == test) {
            mf_shares shares = {0};
            const double error = log_error(&shares, calibration, rows[r]);
            add_row(&equations, items, models[test].row_sd, &shares, error);
        }
    }
    double solution[MOST_FREEDOMS] = {0};
    gsl_matrix_view a = gsl_matrix_view_array(equations.squares, equations.n, equations.n);
    gsl_vector_view b = gsl_vector_view_array(equations.right, equations.n);
    gsl_vector_view x = gsl_vector_view_array(solution, equations.n);
    if (gsl_linalg_cholesky_decomp1(&a.matrix) != 0 ||
        gsl_linalg_cholesky_solve(&a.matrix, &b.vector, &x.vector) != 0) {
        return 0; /* the priors alone make it regular */
    }
    double largest = 0;
    for (size_t i = 0; i < equations.n; i++) {
        const double move = fmax(-MOST_STEP, fmin(MOST_STEP, solution[i]));
        moved[i] += move;
        chip->knobs[items[i].knob].log_value += move;
        largest = fmax(largest, fabs(move));
    }
    return largest;
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
    const uint32_t n[MF_TEST_COUNT] = {count(rows, n_rows, MF_TEST_DECODE),
                                       count(rows, n_rows, MF_TEST_PREFILL)};
    if (n[MF_TEST_DECODE] + n[MF_TEST_PREFILL] == 0) {
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
        const mf_speed_test test = (mf_speed_test)t;
        double moved[MOST_FREEDOMS] = {0};
        for (size_t i = 0; n[t] > 0 && i < MAX_ITERATIONS; i++) {
            if (step(calibration, chip, moved, rows, n_rows, test) < CONVERGED) {
                break;
            }
        }
        for (size_t i = 0; n[t] > 0 && i < models[t].n; i++) {
            chip->knobs[models[t].items[i].knob].n_rows += n[t];
        }
        chip->calibrated[t] = chip->calibrated[t] || n[t] > 0;
        chip->half_width_log[t] = n[t] > 0 ? half_width_log[t] : chip->half_width_log[t];
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

/* Rows of the calibration's engine that the law can speak of; the first device's name decides. */
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
