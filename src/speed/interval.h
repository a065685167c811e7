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

/* Half width of a 90 % interval as a logarithm: sds times the case's log sd, plus log. One of them is 0. */
typedef struct mf_interval_width {
    double sds;
    double log;
} mf_interval_width;

double mf_interval_log(mf_interval_width width, double log_sd);

/* Where no residual speaks. */
mf_interval_width mf_interval_assumed(mf_speed_test test);

/* From the pool of the class, else of its vendor's, else assumed. */
mf_interval_width mf_interval_width_of(const mf_calibration *calibration,
                                       const mf_setting *setting,
                                       mf_speed_test test,
                                       mf_basis basis);

/* A rate on a path: the weakest ground and the widest interval of its segments decide, a machine without a fan may fall to
   its sustained speed, nothing is faster than the ceiling. */
mf_rate mf_interval_rate(const mf_path *path,
                         const mf_calibration *calibration,
                         const mf_machine *machine,
                         const mf_path_time *time,
                         mf_speed_test test,
                         double n_tokens);

/* The same where the ends are known as factors of the rate; basis is not set. */
mf_rate mf_interval_between(const mf_path_time *time,
                            double n_tokens,
                            double low_factor,
                            double high_factor,
                            const mf_machine *machine);

#endif
