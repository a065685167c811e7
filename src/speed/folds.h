/*
 * folds.h - what the law makes of rows that its fit did not see.
 */
#ifndef MF_SPEED_FOLDS_H
#define MF_SPEED_FOLDS_H

#include "memfit/predict.h"
#include "speed/fit.h"

#define MF_NO_FOLD SIZE_MAX

/* One row of a fit that was left out. */
typedef struct mf_left_row {
    bool left;        /* false: its fold is MF_NO_FOLD */
    mf_basis basis;   /* what the rows that stayed say of its chip */
    double log_error; /* predicted time over measured */
} mf_left_row;

/* Fits again without each fold and writes what becomes of its rows; folds[i] is that of the fit's row i. */
mf_status
mf_folds_leave_out(mf_left_row *out, const mf_fit *fit, const size_t *folds, mf_error *err);

#endif
