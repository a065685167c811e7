/*
 * fit.h - the law's coefficients from rows: weighted, robust, pulled towards priors. GSL's nonlinear least squares.
 *
 * Minimised is the sum of ((ln predicted - ln measured) / s)^2, Huber's loss beyond 1.5, plus ((b - prior) / sd)^2 for
 * each coefficient: the ridge is what shrinks chips towards classes and classes towards bases, and what keeps the
 * matrix regular where a term never shows (a lane term far below the memory term has no gradient). Call mf_init first:
 * GSL aborts on errors otherwise.
 */
#ifndef MF_SPEED_FIT_H
#define MF_SPEED_FIT_H

#include "speed/rows.h"

/* What is fitted: one coefficient per effect that a row uses, and per chip, engine and knob. */
typedef struct mf_fit mf_fit;

/* Rows of one test that may be fitted; `chips` numbers (device, engine) pairs. The rows must outlive the fit. */
mf_status mf_fit_new(mf_fit **out, const mf_speed_rows *rows, mf_speed_test test, mf_error *err);
void mf_fit_free(mf_fit *fit); /* NULL is fine */

size_t mf_fit_row_count(const mf_fit *fit);
const mf_speed_row *mf_fit_row(const mf_fit *fit, size_t i);

/* Leaves rows out (used[i] false) of the next solve; NULL uses all. Starts from the last solution. */
mf_status mf_fit_solve(mf_fit *fit, const bool *used, mf_error *err);

/* Takes over another fit's solution as the start of the next solve. */
void mf_fit_copy(mf_fit *to, const mf_fit *from);

/* ln(measured / predicted) of row i with the last solution. */
double mf_fit_residual(const mf_fit *fit, size_t i);

/* Writes the solution's effects, and the chips of one engine, into a calibration. */
mf_status mf_fit_export(mf_calibration *to, const mf_fit *fit, mf_engine_id engine, mf_error *err);

#endif
