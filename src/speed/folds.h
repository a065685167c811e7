/*
 * folds.h - what the law makes of rows that its fit did not see.
 */
#ifndef MF_SPEED_FOLDS_H
#define MF_SPEED_FOLDS_H

#include "memfit/predict.h"
#include "speed/fit.h"
#include "speed/pools.h"

#define MF_NO_FOLD SIZE_MAX

/* One row of a fit that was left out. */
typedef struct mf_left_row {
    bool left;      /* false: its fold is MF_NO_FOLD */
    mf_basis basis; /* what the rows that stayed say of its chip */
    mf_fit_error error;
} mf_left_row;

/* Called after each fold with the rows that stayed and what they make of the coefficients, one calibration an engine that has
   one (its chips may be changed: it is freed behind). */
typedef struct mf_fold_visitor {
    mf_status (*visit)(void *context,
                       const mf_fit *fit,
                       const bool *used,
                       mf_calibration *const calibrations[MF_ENGINE_COUNT],
                       mf_error *err);
    void *context;
} mf_fold_visitor;

/* Fits again without each fold and writes what becomes of its rows; folds[i] is that of the fit's row i. visitor may be
   NULL. */
mf_status mf_folds_leave_out(mf_left_row *out,
                             const mf_fit *fit,
                             const size_t *folds,
                             const mf_fold_visitor *visitor,
                             mf_error *err);

/* The basis that rows have whose intervals come from cases left out this way, and the reverse. */
mf_basis mf_folds_basis(mf_left_out left_out);
mf_left_out mf_folds_left_out(mf_basis basis);

/* Adds the residuals of one way to leave rows out; a row speaks for the basis that its fold left it: one whose class has no
   other chip is no case of MF_LEFT_OUT_CHIP. keys[i] becomes the residual's fold; NULL: the row's device. */
mf_status mf_folds_residuals(
    mf_residuals *list, const mf_fit *fit, mf_left_out left_out, const size_t *keys, mf_error *err);

#endif
