/*
 * llamacpp_place.h - where llama.cpp puts layers and tensors (src/llama-model.cpp: load_tensors).
 */
#ifndef MF_MEMORY_LLAMACPP_PLACE_H
#define MF_MEMORY_LLAMACPP_PLACE_H

#include "memory/internal.h"

typedef struct llamacpp_plan {
    int8_t *layers; /* place of every layer; one more: the output */
    int8_t
        *tensors; /* place of every tensor if there are overrides, otherwise NULL; one more: of the
                        output's table, which may be the embedding */
    bool fully_offloaded;
} llamacpp_plan;

/* MF_E_USAGE for a pattern that is no regular expression or names a device that is not there. */
mf_status mf_llamacpp_place(llamacpp_plan *plan,
                            const mf_memory *memory,
                            const mf_case *run,
                            const layout *at,
                            mf_error *err);
void mf_llamacpp_place_free(llamacpp_plan *plan);

/* The weights of every place alone, without caches and buffers; run->footprint is needed. */
mf_status
mf_llamacpp_weights(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err);

/* All but compute buffers and what is loaded beside: a place that can't hold that can't hold the whole. */
mf_status mf_llamacpp_least(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err);

/* What llama.cpp's own dry run says, by which --fit decides; mf_llamacpp_need is what a run takes. */
mf_status
mf_llamacpp_dry_run(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err);

/* The place of a tensor. */
int8_t mf_llamacpp_tensor_place(const llamacpp_plan *plan,
                                const mf_case *run,
                                const layout *at,
                                size_t index);

#endif
