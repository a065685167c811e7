/*
 * interval.h - what a speed stands on and how far off it may be: residuals of cases that were left out of the fit.
 */
#ifndef MF_SPEED_INTERVAL_H
#define MF_SPEED_INTERVAL_H

#include "memfit/calibration.h"
#include "memfit/predict.h"

/* chip: it has rows of this test in the calibration; family: its class has; datasheet: neither. */
mf_basis
mf_interval_basis(const mf_calibration *calibration, const mf_setting *setting, mf_speed_test test);

/* Half width where no residual speaks, as a logarithm. */
double mf_interval_assumed(mf_speed_test test);

/* Half width of the 90 % interval as a logarithm, from the pool of the class, else of its vendor's, else assumed. */
double mf_interval_half_width(const mf_calibration *calibration,
                              const mf_setting *setting,
                              mf_speed_test test,
                              mf_basis basis,
                              double depth);

#endif
