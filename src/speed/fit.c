#include "speed/fit_columns.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multilarge_nlinear.h>
#include <math.h>
#include <stdlib.h>

#define HUBER_K 1.5
#define MAX_ITERATIONS 60
#define FIRST_ROUNDS 3 /* of reweighting */
#define NEXT_ROUNDS 1

/* Spread of a good row about the law (decode: sources differ by 8 %, the law's form adds the rest). */
static const double row_sd[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.12,
    [MF_TEST_PREFILL] = 0.18,
};

/* The p of overlapping memory and lanes makes local minima: plain sum first, each fit starts from the last. */
static const double overlap_steps[] = {0, 0.5, 1};

static mf_knobs knobs_at(const fit_row *r, const double *x)
{
    mf_knobs knobs = {0};
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        knobs.value[k] = 1;
    }
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        knobs.lane[f] = knobs.work[f] = 1;
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
        *shares = mf_prefill_shares(&t, &knobs);
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

/* One row of the Jacobian: only the columns that it has. */
typedef struct sparse_row {
    size_t n;
    size_t columns[MAX_SLOTS * MAX_SLOT_COLUMNS];
    double values[MAX_SLOTS * MAX_SLOT_COLUMNS];
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

static void fill_row(sparse_row *sparse, const mf_fit *fit, const fit_row *r, const double *x)
{
    mf_shares shares = {0};
    const double scale = row_scale(fit, r);
    sparse->n = 0;
    log_error(fit, r, x, &shares);
    for (size_t s = 0; s < r->n_slots; s++) {
        const slot *knob = &r->slots[s];
        const double share = knob->knob == MF_KNOB_LANE   ? shares.lane[knob->format]
                             : knob->knob == MF_KNOB_WORK ? shares.work[knob->format]
                                                          : shares.value[knob->knob];
        for (size_t c = 0; c < knob->n_columns; c++) {
            add_entry(sparse, knob->columns[c], scale * share);
        }
    }
}

/* v = J u or J^T u, one row's part. */
static void multiply_row(
    gsl_vector *v, const sparse_row *sparse, const gsl_vector *u, size_t row, bool transposed)
{
    for (size_t k = 0; k < sparse->n; k++) {
        const size_t c = sparse->columns[k];
        if (transposed) {
            *gsl_vector_ptr(v, c) += sparse->values[k] * gsl_vector_get(u, row);
        } else {
            *gsl_vector_ptr(v, row) += sparse->values[k] * gsl_vector_get(u, c);
        }
    }
}

/* The lower triangle of J^T J, one row's part. */
static void square_row(gsl_matrix *JTJ, const sparse_row *sparse)
{
    for (size_t a = 0; a < sparse->n; a++) {
        for (size_t b = 0; b < sparse->n; b++) {
            if (sparse->columns[a] >= sparse->columns[b]) {
                *gsl_matrix_ptr(JTJ, sparse->columns[a], sparse->columns[b]) +=
                    sparse->values[a] * sparse->values[b];
            }
        }
    }
}

static int jacobian(CBLAS_TRANSPOSE_t transposed,
                    const gsl_vector *x,
                    const gsl_vector *u,
                    void *data,
                    gsl_vector *v,
                    gsl_matrix *JTJ)
{
    const mf_fit *fit = data;
    sparse_row sparse = {0};
    if (v) {
        gsl_vector_set_zero(v);
    }
    if (JTJ) {
        gsl_matrix_set_zero(JTJ);
    }
    for (size_t i = 0; i < fit->n_rows + fit->n_columns; i++) {
        if (i < fit->n_rows && !fit->rows[i].used) {
            continue;
        }
        if (i < fit->n_rows) {
            fill_row(&sparse, fit, &fit->rows[i], x->data);
        } else {
            sparse.n = 1;
            sparse.columns[0] = i - fit->n_rows;
            sparse.values[0] = 1 / fit->columns[i - fit->n_rows].sd;
        }
        if (v) {
            multiply_row(v, &sparse, u, i, transposed == CblasTrans);
        }
        if (JTJ) {
            square_row(JTJ, &sparse);
        }
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

static void keep_covariance(mf_fit *fit, gsl_multilarge_nlinear_workspace *w)
{
    gsl_matrix *covariance = gsl_matrix_alloc(fit->n_columns, fit->n_columns);
    if (covariance && gsl_multilarge_nlinear_covar(covariance, w) == GSL_SUCCESS) {
        for (size_t c = 0; c < fit->n_columns; c++) {
            fit->columns[c].posterior_sd = sqrt(gsl_matrix_get(covariance, c, c));
        }
    }
    gsl_matrix_free(covariance);
}

/* Takes the solution over; false if the solver failed. Running out of iterations or of progress leaves a usable point:
   the ridge bounds it. */
static bool take_over(mf_fit *fit, gsl_multilarge_nlinear_workspace *w, int result)
{
    if (result != GSL_SUCCESS && result != GSL_EMAXITER && result != GSL_ENOPROG) {
        return false;
    }
    const gsl_vector *solution = gsl_multilarge_nlinear_position(w);
    for (size_t c = 0; c < fit->n_columns; c++) {
        fit->columns[c].value = gsl_vector_get(solution, c);
    }
    return true;
}

/* gsl_multilarge wants J^T J alone, which a sparse J makes ten times faster than gsl_multifit's dense one. */
static mf_status solve_once(mf_fit *fit, bool with_covariance, mf_error *err)
{
    const gsl_multilarge_nlinear_parameters parameters =
        gsl_multilarge_nlinear_default_parameters();
    gsl_multilarge_nlinear_fdf problem = {.f = residuals,
                                          .df = jacobian,
                                          .n = fit->n_rows + fit->n_columns,
                                          .p = fit->n_columns,
                                          .params = fit};
    gsl_multilarge_nlinear_workspace *w = gsl_multilarge_nlinear_alloc(
        gsl_multilarge_nlinear_trust, &parameters, problem.n, problem.p);
    gsl_vector *x = gsl_vector_alloc(fit->n_columns);
    if (!w || !x) {
        gsl_vector_free(x);
        gsl_multilarge_nlinear_free(w);
        return mf_fail(err, MF_E_NOMEM, "no memory to fit %zu coefficients", fit->n_columns);
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        gsl_vector_set(x, c, fit->columns[c].value);
    }
    int info = 0;
    int result = gsl_multilarge_nlinear_init(x, &problem, w);
    if (result == GSL_SUCCESS) {
        result =
            gsl_multilarge_nlinear_driver(MAX_ITERATIONS, 1e-5, 1e-8, 1e-8, NULL, NULL, &info, w);
    }
    const bool solved = take_over(fit, w, result);
    if (solved && with_covariance) {
        keep_covariance(fit, w);
    }
    gsl_vector_free(x);
    gsl_multilarge_nlinear_free(w);
    return solved ? MF_OK : mf_fail(err, MF_E_INTERNAL, "the fit failed: %s", gsl_strerror(result));
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

/* A column without a used row is its prior, wherever the last solution had it. */
static void reset_unused(mf_fit *fit)
{
    for (size_t c = 0; c < fit->n_columns; c++) {
        fit->columns[c].seen = false;
    }
    for (size_t i = 0; i < fit->n_rows; i++) {
        const fit_row *r = &fit->rows[i];
        for (size_t s = 0; r->used && s < r->n_slots; s++) {
            for (size_t c = 0; c < r->slots[s].n_columns; c++) {
                fit->columns[r->slots[s].columns[c]].seen = true;
            }
        }
    }
    for (size_t c = 0; c < fit->n_columns; c++) {
        column *col = &fit->columns[c];
        col->value = col->seen ? col->value : col->prior;
    }
}

mf_status mf_fit_solve(mf_fit *fit, const bool *used, mf_error *err)
{
    for (size_t i = 0; i < fit->n_rows; i++) {
        fit->rows[i].used = !used || used[i];
    }
    reset_unused(fit);
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
    return status;
}

double mf_fit_residual(const mf_fit *fit, size_t i)
{
    double *x = values_of(fit, NULL);
    const double error = x ? log_error(fit, &fit->rows[i], x, NULL) : 0;
    free(x);
    return error;
}
