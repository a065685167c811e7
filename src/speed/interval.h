/*
 * interval.h - what a speed stands on and how far off it may be: residuals of cases that were left out of the fit.
 */
#ifndef MF_SPEED_INTERVAL_H
#define MF_SPEED_INTERVAL_H

#include "memfit/calibration.h"
#include "memfit/predict.h"
#include "speed/path.h"

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

/* A rate on a path: the weakest ground and the widest interval of its segments decide, a machine without a fan may fall to
   its sustained speed, nothing is faster than the ceiling. */
mf_rate mf_interval_rate(const mf_path *path,
                         const mf_calibration *calibration,
                         const mf_machine *machine,
                         const mf_path_time *time,
                         mf_speed_test test,
                         double n_tokens,
                         double depth);

/* The same where the ends are known as factors of the rate; basis is not set. */
mf_rate mf_interval_between(const mf_path_time *time,
                            double n_tokens,
                            double low_factor,
                            double high_factor,
                            const mf_machine *machine);

#endif
