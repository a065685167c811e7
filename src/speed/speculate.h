/*
 * speculate.h - decoding with a draft model: what checking costs, and from which acceptance on it pays.
 */
#ifndef MF_SPEED_SPECULATE_H
#define MF_SPEED_SPECULATE_H

#include "memfit/calibration.h"
#include "memfit/predict.h"
#include "speed/step.h"

/* On the target's law, with `depth` tokens in the cache of both models. run->draft and run->n_draft are set. */
mf_status mf_speculate(mf_speculation *out,
                       const mf_step_law *target,
                       const mf_case *run,
                       const mf_calibration *calibration,
                       double depth,
                       mf_error *err);

#endif
