/*
 * given.h - what one measured row tells of the others of a chip that was left out of a fit.
 */
#ifndef MF_SPEED_GIVEN_H
#define MF_SPEED_GIVEN_H

#include "memfit/validation.h"
#include "speed/folds.h"

typedef struct mf_given_chip {
    mf_vendor vendor;
    bool current; /* rows of builds that predictions are for; without, of all */
    double n_rows;
    double before; /* sums over rows of the mean over given rows of |predicted / measured - 1| */
    double after;
    double covered;
} mf_given_chip;

/* Chips of one test in the order of their folds. Zero it, free its items. */
typedef struct mf_given {
    mf_given_chip *chips;
    size_t n_chips;
} mf_given;

/* A visitor's visit; context is an mf_given. Folds are chips. */
mf_status mf_given_visit(void *context,
                         const mf_fit *fit,
                         const bool *used,
                         mf_calibration *const calibrations[MF_ENGINE_COUNT],
                         mf_error *err);

/* Adds the figures of all chips and of each vendor's, of all builds and, where that is another figure, of today's. */
mf_status mf_given_sum(mf_validation *to, const mf_given *given, mf_speed_test test, mf_error *err);

#endif
