/*
 * fit.h - the law's coefficients from measured rows: penalised least squares in log time, robust against outliers.
 *
 * Minimised is the sum over rows of Huber's loss of (ln t_predicted - ln t_measured) / s, plus one ((beta - prior) / sd)^2
 * per effect. The sds are variance components: estimated from the rows where a family has several effects. Damped
 * Gauss-Newton steps on GSL's Cholesky factors; the Jacobian's rows are sparse and their entries are the terms' shares of
 * the time. docs/speed.md says how the form was chosen.
 */
#ifndef MF_SPEED_FIT_H
#define MF_SPEED_FIT_H

#include "speed/rows.h"

typedef struct mf_fit mf_fit;

/* A fit of the rows of one test that have no `skip`, are of trust high or medium and are wanted (NULL: all of them). Rows
   must outlive it. Free with mf_fit_free. */
mf_status mf_fit_new(
    mf_fit **out, const mf_speed_rows *rows, mf_speed_test test, const bool *wanted, mf_error *err);
void mf_fit_free(mf_fit *fit);

size_t mf_fit_row_count(const mf_fit *fit);
const mf_speed_row *mf_fit_row(const mf_fit *fit, size_t i);

/* Fits all rows from the priors, and the spreads of effects with them. */
mf_status mf_fit_solve(mf_fit *fit, mf_error *err);

typedef struct mf_fit_error {
    double log_error; /* ln(predicted time / measured time) */
    double log_sd;    /* for what the rows that stayed tell of the coefficients (spread.h) */
} mf_fit_error;

/* What a fit without some rows tells. */
typedef struct mf_fit_left {
    mf_fit_error *errors; /* of the rows left out, at their places */
    mf_calibration *const *
        calibrations; /* one an engine, NULL: not wanted; or NULL. New ones, that take the solution */
} mf_fit_left;

/* Fits again without the rows whose used[i] is false, from the full solution and with its spreads. The full solution
   stays. */
mf_status
mf_fit_leave_out(const mf_fit_left *out, const mf_fit *fit, const bool *used, mf_error *err);

/* ln(predicted time / measured time) of row i with the full solution. */
double mf_fit_log_error(const mf_fit *fit, size_t i);

/* Writes the full solution's effects, and the chips of one engine, into a calibration. */
mf_status mf_fit_export(mf_calibration *to, const mf_fit *fit, mf_engine_id engine, mf_error *err);

#endif
