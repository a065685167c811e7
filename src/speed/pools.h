/*
 * pools.h - 90 % intervals from residuals of cases that were left out of a fit.
 *
 * A residual is divided by what its fold's fit knew of the case (spread.h): widths are in such log sds. Errors still differ
 * by kind of chip, but a class has few chips: the half width of a class is its own quantile, drawn towards its
 * vendor's, which is drawn towards that of all, by the number of units behind each: chips, or classes where whole classes
 * were left out, since a class's chips are then wrong together. Quantiles are conformal with chips as the unit (rows of one
 * chip are near copies): for m chips the level is 0.9 (m + 1) / m. Rows weigh less the more their chip has.
 */
#ifndef MF_SPEED_POOLS_H
#define MF_SPEED_POOLS_H

#include "speed/fit.h"

/* One prediction of a row that its fit did not see. */
typedef struct mf_residual {
    mf_speed_test test;
    mf_chip_class chip_class;
    size_t device; /* numbers */
    size_t fold;
    mf_fit_error error;
} mf_residual;

typedef struct mf_residuals {
    mf_left_out left_out; /* what its fits were without */
    mf_residual *items;
    size_t n_items;
    size_t capacity;
} mf_residuals;

/* The fold is the row's device. */
mf_residual mf_residual_of(const mf_speed_row *row, mf_fit_error error);

mf_status mf_residuals_add(mf_residuals *list, mf_residual one, mf_error *err);
void mf_residuals_free(mf_residuals *list);

/* Half width, in log sds, for a row like this one: of its test and class, from residuals of other folds than its own
   (fold SIZE_MAX: from all). 0 if no residual speaks, or without memory. */
double mf_residuals_half_width(const mf_residuals *list, const mf_residual *like);

/* Fills the pool's figures for its test and scope. false if it has no residual, or without memory. */
bool mf_residuals_pool(mf_residual_pool *pool, const mf_residuals *list);

#endif
