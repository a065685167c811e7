/*
 * spread.h - how far off a predicted time may be for what is known of the coefficients behind it: the scale of its interval.
 *
 *   variance of ln t = row^2 + sum over knobs of (d ln t / d ln knob)^2 (variance of ln knob)
 *
 * A case that hangs on effects without rows (a class nobody measured, a runtime, a format, deep caches) is less certain than
 * one that hangs on effects with hundreds, and intervals shall show it. The effects are taken as independent, which they are
 * not: what is an interval's width is found from residuals, divided by this (pools.h). That is normalised, or locally
 * weighted, conformal prediction: Papadopoulos, Gammerman, Vovk 2008; Lei et al. 2018, section 5.2 (arXiv 1604.04173).
 */
#ifndef MF_SPEED_SPREAD_H
#define MF_SPEED_SPREAD_H

#include "speed/law.h"

/* Of a good row about the law: sources differ by 8 % in decode, the law's form adds the rest. */
double mf_row_log_sd(mf_speed_test test);

double mf_decode_log_sd(const mf_decode_time *time, const mf_peaks *peaks, const mf_knobs *knobs);
double mf_prefill_log_sd(const mf_prefill_time *time, const mf_knobs *knobs);

#endif
