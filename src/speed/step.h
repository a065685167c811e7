/*
 * step.h - what a step's law is made of, for those who tabulate it.
 */
#ifndef MF_SPEED_STEP_H
#define MF_SPEED_STEP_H

#include "memfit/step.h"
#include "speed/batch.h"

struct mf_step_law {
    mf_path path;
    mf_path plain; /* the same without attention */
    mf_batch batches[MF_MAX_PLACES];
    mf_step step; /* micro-batch and cache */
    double head_s;
    double start_s; /* of a prompt's first chunk, beside what it computes: MLX maps the weights */
};

/* One of a path that is known. MF_E_UNSUPPORTED where a prompt's speed is not known. */
mf_status mf_step_law_make(mf_step_law *law, const mf_path *path, mf_step step, mf_error *err);

/* What the rows of so many sequences add to a prompt's step but for what they see: the head, read once, and their states. */
double mf_step_rows_s(const mf_step_law *law, double n_sequences);

/* Tokens per second of so many sequences together, each with `depth` tokens in its cache. The interval joins that of one
   sequence with what batches of models left out of their fit are off by. */
mf_rate mf_step_rate(const mf_step_law *law,
                     const struct mf_calibration *calibration,
                     const mf_machine *machine,
                     uint32_t n_sequences,
                     double depth);

/* So many tokens in so many seconds, of a step that takes more than one token. No ceiling. */
mf_rate mf_step_rate_of(const mf_step_law *law,
                        const struct mf_calibration *calibration,
                        const mf_machine *machine,
                        double n_tokens,
                        double seconds,
                        double depth);

#endif
