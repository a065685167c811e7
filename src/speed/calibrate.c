#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "memfit/measurement.h"
#include "speed/fit.h"

#define N_ENGINES 2
#define COVERAGE 0.9
#define LEAST_POOL 15 /* residuals below which a pool speaks for nobody */
#define N_MODEL_FOLDS 10

static const mf_engine_id engine_ids[N_ENGINES] = {MF_ENGINE_LLAMACPP, MF_ENGINE_MLX};

static const char data_text[] =
    "tests/truth/speed.csv: rows of trust high and medium, one device, one sequence";
static const char method_text[] =
    "log residuals, Huber 1.5, ridge priors (docs/speed.md); intervals: 90 % of the residuals of "
    "cases left out of the fit";

/* One left-out prediction. */
typedef struct residual {
    mf_speed_test test;
    mf_left_out left_out;
    mf_chip_class chip_class;
    mf_engine_id engine;
    bool deep;
    double log_ratio; /* measured / predicted */
} residual;

typedef struct residual_list {
    residual *items;
    size_t n_items;
    size_t capacity;
} residual_list;

/* What rows are left out together. */
static size_t fold_of(const mf_speed_row *row, mf_left_out left_out)
{
    switch (left_out) {
    case MF_LEFT_OUT_MODEL:
        return row->model % N_MODEL_FOLDS;
    case MF_LEFT_OUT_CHIP:
        return row->device;
    case MF_LEFT_OUT_CLASS:
    case MF_LEFT_OUT_COUNT:
        break;
    }
    return row->setting.chip_class;
}

static mf_status add_residual(residual_list *list, residual one, mf_error *err)
{
    if (list->n_items == list->capacity) {
        const size_t more = list->capacity > 0 ? 2 * list->capacity : 1024;
        residual *items = realloc(list->items, more * sizeof *items);
        if (!items) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %zu residuals", more);
        }
        list->items = items;
        list->capacity = more;
    }
    list->items[list->n_items] = one;
    list->n_items++;
    return MF_OK;
}

static mf_status keep_residuals(residual_list *list,
                                const mf_fit *fit,
                                const bool *used,
                                const double *log_errors,
                                mf_left_out left_out,
                                mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < mf_fit_row_count(fit); i++) {
        if (used[i]) {
            continue;
        }
        const mf_speed_row *row = mf_fit_row(fit, i);
        const double middle = row->step.depth + row->step.n_tokens / 2;
        status = add_residual(list,
                              (residual){.test = row->measurement->test,
                                         .left_out = left_out,
                                         .chip_class = row->setting.chip_class,
                                         .engine = row->measurement->engine,
                                         .deep = middle >= MF_DEEP_TOKENS,
                                         .log_ratio = log_errors[i]},
                              err);
    }
    return status;
}

/* Fits again without each fold, from the full solution. */
static mf_status leave_out(residual_list *list, mf_fit *fit, mf_left_out left_out, mf_error *err)
{
    const size_t n = mf_fit_row_count(fit);
    bool *used = calloc(n + 1, sizeof *used);
    bool *done = calloc(n + 1, sizeof *done);
    double *log_errors = calloc(n + 1, sizeof *log_errors);
    mf_status status =
        used && done && log_errors ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for folds");
    for (size_t first = 0; status == MF_OK && first < n; first++) {
        if (done[first]) {
            continue;
        }
        const size_t fold = fold_of(mf_fit_row(fit, first), left_out);
        for (size_t i = 0; i < n; i++) {
            used[i] = fold_of(mf_fit_row(fit, i), left_out) != fold;
            done[i] = done[i] || !used[i];
        }
        status = mf_fit_leave_out(log_errors, fit, used, err);
        if (status == MF_OK) {
            status = keep_residuals(list, fit, used, log_errors, left_out, err);
        }
    }
    free(used);
    free(done);
    free(log_errors);
    return status;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool in_pool(const residual *r, const mf_residual_pool *pool)
{
    return r->test == pool->test && r->left_out == pool->left_out && r->deep == pool->deep &&
           (pool->chip_class == MF_CLASS_COUNT || r->chip_class == pool->chip_class);
}

/* Conformal: the ceil((n + 1) 0.9)-th smallest of n residuals covers 90 % of new ones. */
static void
fill_pool(mf_residual_pool *pool, const residual_list *list, double *sizes, double *errors)
{
    size_t n = 0;
    double sum = 0;
    for (size_t i = 0; i < list->n_items; i++) {
        const double r = list->items[i].log_ratio;
        if (in_pool(&list->items[i], pool)) {
            sizes[n] = fabs(r);
            errors[n] = fabs(exp(-r) - 1);
            sum += errors[n];
            n++;
        }
    }
    pool->n_rows = (uint32_t)n;
    if (n == 0) {
        return;
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    qsort(errors, n, sizeof *errors, by_size);
    const size_t rank = (size_t)ceil((double)(n + 1) * COVERAGE);
    pool->half_width_log = sizes[(rank < n ? rank : n) - 1];
    pool->mean_error = sum / (double)n;
    pool->median_error = errors[n / 2];
}

static mf_status
add_pool(mf_calibration *to, const residual_list *list, mf_residual_pool pool, mf_error *err)
{
    double *sizes = calloc(list->n_items + 1, sizeof *sizes);
    double *errors = calloc(list->n_items + 1, sizeof *errors);
    mf_residual_pool *pools = realloc(to->pools, (to->n_pools + 1) * sizeof *pools);
    mf_status status = MF_OK;
    if (pools) {
        to->pools = pools;
    }
    if (sizes && errors && pools) {
        fill_pool(&pool, list, sizes, errors);
    } else {
        status = mf_fail(err, MF_E_NOMEM, "no memory for an interval");
    }
    if (status == MF_OK && pool.n_rows >= LEAST_POOL) {
        pools[to->n_pools] = pool;
        to->n_pools++;
    }
    free(sizes);
    free(errors);
    return status;
}

static mf_status add_pools(mf_calibration *to, const residual_list *list, mf_error *err)
{
    mf_status status = MF_OK;
    const size_t n_kinds = (size_t)MF_TEST_COUNT * MF_LEFT_OUT_COUNT * (MF_CLASS_COUNT + 1) * 2;
    for (size_t i = 0; status == MF_OK && i < n_kinds; i++) {
        size_t rest = i;
        mf_residual_pool pool = {.deep = rest % 2 == 1};
        rest /= 2;
        pool.chip_class = (mf_chip_class)(rest % (MF_CLASS_COUNT + 1));
        rest /= MF_CLASS_COUNT + 1;
        pool.left_out = (mf_left_out)(rest % MF_LEFT_OUT_COUNT);
        pool.test = (mf_speed_test)(rest / MF_LEFT_OUT_COUNT);
        status = add_pool(to, list, pool, err);
    }
    return status;
}

static mf_status fit_test(mf_calibration *out[N_ENGINES],
                          residual_list *list,
                          const mf_speed_rows *rows,
                          mf_speed_test test,
                          bool residuals,
                          mf_error *err)
{
    mf_fit *fit = NULL;
    mf_status status = mf_fit_new(&fit, rows, test, NULL, err);
    if (status == MF_OK) {
        status = mf_fit_solve(fit, err);
    }
    for (size_t e = 0; status == MF_OK && e < N_ENGINES; e++) {
        status = mf_fit_export(out[e], fit, engine_ids[e], err);
    }
    for (size_t l = 0; status == MF_OK && residuals && l < MF_LEFT_OUT_COUNT; l++) {
        status = leave_out(list, fit, (mf_left_out)l, err);
    }
    mf_fit_free(fit);
    return status;
}

/* "2026-08-07" of the newest row. */
static const char *newest_date(const mf_speed_rows *rows)
{
    const char *newest = "";
    for (size_t i = 0; i < rows->n_items; i++) {
        const char *date = rows->items[i].measurement->date;
        if (!rows->items[i].skip && date[0] == '2' && strcmp(date, newest) > 0) {
            newest = date;
        }
    }
    return newest;
}

static mf_status describe(mf_calibration *c, const mf_speed_rows *rows, mf_error *err)
{
    c->data = mf_strdup(data_text);
    c->method = mf_strdup(method_text);
    c->fitted = mf_strdup(newest_date(rows));
    return c->data && c->method && c->fitted
               ? MF_OK
               : mf_fail(err, MF_E_NOMEM, "no memory for a calibration");
}

mf_status mf_calibration_fit(mf_calibration *out[2],
                             const mf_measurements *measurements,
                             const mf_database *database,
                             bool residuals,
                             mf_error *err)
{
    mf_speed_rows rows = {0};
    residual_list list = {0};
    mf_calibration *made[N_ENGINES] = {0};
    mf_status status = mf_speed_rows_build(&rows, measurements, database, err);
    for (size_t e = 0; status == MF_OK && e < N_ENGINES; e++) {
        status = mf_calibration_new(&made[e], mf_engine_name(engine_ids[e]), err);
        if (status == MF_OK) {
            status = describe(made[e], &rows, err);
        }
    }
    for (size_t test = 0; status == MF_OK && test < MF_TEST_COUNT; test++) {
        status = fit_test(made, &list, &rows, (mf_speed_test)test, residuals, err);
    }
    for (size_t e = 0; status == MF_OK && e < N_ENGINES; e++) {
        status = add_pools(made[e], &list, err);
    }
    for (size_t e = 0; e < N_ENGINES; e++) {
        if (status == MF_OK) {
            out[e] = made[e];
        } else {
            mf_calibration_free(made[e]);
        }
    }
    free(list.items);
    mf_speed_rows_free(&rows);
    return status;
}
