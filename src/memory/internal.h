/*
 * internal.h - what the files of this layer share: a case with everything decided, and the rules of each engine.
 */
#ifndef MF_MEMORY_INTERNAL_H
#define MF_MEMORY_INTERNAL_H

#include "memfit/memory.h"
#include "memory/footprint.h"

/* Index of the input and host parts in mf_memory.places once places are laid out. */
typedef struct layout {
    size_t n_devices; /* places 0 .. n_devices - 1 are devices */
    size_t host;      /* place of the host; equal to a device's where there is only one memory */
    bool unified;     /* device and host share one memory */
} layout;

/* Names the places of a machine for a backend and gives each its limit. */
layout mf_layout_places(mf_memory *memory, const mf_case *run);

/* Cells and streams of a cache that holds nothing yet, then one layer after the other. */
mf_status mf_cache_begin(mf_cache_size *size, const mf_workload *workload, mf_error *err);
mf_status mf_cache_add_layer(mf_cache_size *size,
                             const mf_model *model,
                             size_t index,
                             const mf_workload *workload,
                             mf_error *err);

/* A limit of 0 is none: a machine given by its device alone says nothing of the computer around it. */
static inline bool mf_within(uint64_t bytes, uint64_t limit)
{
    return limit == 0 || bytes <= limit;
}

/* The lesser of what was left before and what this limit leaves; a limit of 0 leaves all. */
static inline int64_t mf_least_left(int64_t before, uint64_t bytes, uint64_t limit)
{
    const int64_t left = (int64_t)limit - (int64_t)bytes;
    return limit > 0 && left < before ? left : before;
}

/* Compute buffers that are only bounded from above (tests/truth). */
static inline void mf_bound_compute(mf_memory *memory)
{
    memory->ranges[MF_TERM_COMPUTE] = (mf_memory_range){.below = 0.20};
}

/* Fills the terms of every place. */
typedef mf_status
engine_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err);

/* Where an engine sets no bound itself. */
enum { MF_SENSIBLE_SEQUENCES = 1024 };

/* All that this layer knows of an engine beyond its fact file. Each stands in the engine's own C file. */
typedef struct engine_rules {
    engine_need *need;
    engine_need *least; /* the same without what takes time to lay out; NULL: nothing does */
    bool placed; /* tensors lie where llama.cpp's options say, otherwise on the first place */
    bool takes_adapters;     /* LoRA */
    bool takes_drafts;       /* draft models */
    uint64_t context_step;   /* a longer context takes more only from so many tokens on */
    uint32_t most_sequences; /* that it takes, or that make sense */
} engine_rules;

extern const engine_rules mf_llamacpp_rules;
extern const engine_rules mf_mlx_rules;
extern const engine_rules mf_vllm_rules;

const engine_rules *mf_rules_of(const mf_case *run);

/* As mf_memory_need, without what takes time to lay out: llama.cpp's compute buffers. */
mf_status mf_memory_least(mf_memory *memory, const mf_case *run, mf_error *err);

/* Models that are loaded beside this one: draft and vision tower. */
mf_status mf_beside_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err);

/* Adds to a term of a place and to the sum. MF_E_OVERFLOW. */
mf_status
mf_memory_add(mf_memory *memory, size_t place, mf_memory_term term, uint64_t bytes, mf_error *err);

#endif
