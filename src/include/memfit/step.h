/*
 * step.h - the time of one engine step: sequences that get a token each, prompt tokens, or both.
 *
 * Made once for a case from the law that mf_predict uses. One sequence alone takes 1 / mf_predict's decode speed, a prompt
 * alone what mf_predict says of it.
 */
#ifndef MF_MEMFIT_STEP_H
#define MF_MEMFIT_STEP_H

#include "memfit/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mf_step_load {
    uint32_t n_decode;    /* sequences that get one token each */
    double sum_depth;     /* tokens in the caches of these, all together */
    uint32_t n_prefill;   /* prompt tokens in this step */
    double prefill_depth; /* tokens in the cache in front of them */
} mf_step_load;

typedef struct mf_step_law mf_step_law;

/* The case as it is asked for: its placement is not changed where it does not fit. MF_E_UNSUPPORTED with the reason where
   mf_predict gives no speed either. Free with mf_step_law_free. Thread-safe. */
MF_API mf_status mf_step_law_new(mf_step_law **law,
                                 const mf_case *run,
                                 const struct mf_calibration *calibration,
                                 mf_error *err);
MF_API void mf_step_law_free(mf_step_law *law);

/* Seconds of a step; 0 of an empty one. Thread-safe. */
MF_API double mf_step_seconds(const mf_step_law *law, mf_step_load load);

#ifdef __cplusplus
}
#endif

#endif
