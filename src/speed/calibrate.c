#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "memfit/measurement.h"
#include "speed/folds.h"
#include "speed/pools.h"

#define N_ENGINES 2

static const mf_engine_id engine_ids[N_ENGINES] = {MF_ENGINE_LLAMACPP, MF_ENGINE_MLX};

static const char data_text[] =
    "tests/truth/speed.csv: rows of trust high and medium, one device, one sequence; speeds are "
    "those of builds since November 2025, older builds' rows count with a factor of their own";
static const char method_text[] =
    "log residuals, Huber 1.5, effects drawn to 1 by estimated spreads (docs/speed.md); intervals: "
    "90 % of the residuals of cases left out of the fit, each over its own log sd";

typedef struct left_out_residuals {
    mf_residuals of[MF_LEFT_OUT_COUNT];
} left_out_residuals;

static mf_status
add_pool(mf_calibration *to, const mf_residuals *list, mf_residual_pool pool, mf_error *err)
{
    mf_residual_pool *pools = realloc(to->pools, (to->n_pools + 1) * sizeof *pools);
    if (!pools) {
        return mf_fail(err, MF_E_NOMEM, "no memory for an interval");
    }
    to->pools = pools;
    if (mf_residuals_pool(&pool, list)) {
        pools[to->n_pools] = pool;
        to->n_pools++;
    }
    return MF_OK;
}

static bool is_first_of_vendor(mf_chip_class chip_class)
{
    for (size_t i = 0; i < chip_class; i++) {
        if (mf_chip_class_vendor((mf_chip_class)i) == mf_chip_class_vendor(chip_class)) {
            return false;
        }
    }
    return true;
}

/* Of all, of the vendors, of the classes. */
static mf_status
add_scopes(mf_calibration *to, const mf_residuals *list, mf_residual_pool pool, mf_error *err)
{
    mf_status status = add_pool(to, list, pool, err);
    pool.scope = MF_POOL_VENDOR;
    for (size_t i = 0; status == MF_OK && i < MF_CLASS_COUNT; i++) {
        if (is_first_of_vendor((mf_chip_class)i)) {
            pool.vendor = mf_chip_class_vendor((mf_chip_class)i);
            status = add_pool(to, list, pool, err);
        }
    }
    pool.scope = MF_POOL_CLASS;
    for (size_t i = 0; status == MF_OK && i < MF_CLASS_COUNT; i++) {
        pool.chip_class = (mf_chip_class)i;
        pool.vendor = mf_chip_class_vendor(pool.chip_class);
        status = add_pool(to, list, pool, err);
    }
    return status;
}

static mf_status add_pools(mf_calibration *to, const left_out_residuals *left, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < (size_t)MF_LEFT_OUT_COUNT * MF_TEST_COUNT; i++) {
        const mf_residual_pool pool = {
            .left_out = (mf_left_out)(i % MF_LEFT_OUT_COUNT),
            .test = (mf_speed_test)(i / MF_LEFT_OUT_COUNT),
        };
        status = add_scopes(to, &left->of[pool.left_out], pool, err);
    }
    return status;
}

static mf_status fit_test(mf_calibration *out[N_ENGINES],
                          left_out_residuals *left,
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
        status = mf_folds_residuals(&left->of[l], fit, (mf_left_out)l, NULL, err);
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
    left_out_residuals left = {0};
    mf_calibration *made[N_ENGINES] = {0};
    mf_status status = mf_speed_rows_build(&rows, measurements, database, err);
    for (size_t e = 0; status == MF_OK && e < N_ENGINES; e++) {
        status = mf_calibration_new(&made[e], mf_engine_name(engine_ids[e]), err);
        if (status == MF_OK) {
            status = describe(made[e], &rows, err);
        }
    }
    for (size_t test = 0; status == MF_OK && test < MF_TEST_COUNT; test++) {
        status = fit_test(made, &left, &rows, (mf_speed_test)test, residuals, err);
    }
    for (size_t e = 0; status == MF_OK && e < N_ENGINES; e++) {
        status = add_pools(made[e], &left, err);
    }
    for (size_t e = 0; e < N_ENGINES; e++) {
        if (status == MF_OK) {
            out[e] = made[e];
        } else {
            mf_calibration_free(made[e]);
        }
    }
    for (size_t l = 0; l < MF_LEFT_OUT_COUNT; l++) {
        mf_residuals_free(&left.of[l]);
    }
    mf_speed_rows_free(&rows);
    return status;
}
