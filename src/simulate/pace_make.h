/*
 * pace_make.h - where the time of steps comes from: the one place that knows the speed model.
 */
#ifndef MF_SIMULATE_PACE_MAKE_H
#define MF_SIMULATE_PACE_MAKE_H

#include "memfit/predict.h"
#include "simulate/pace.h"
#include "speed/work.h"

typedef struct mf_pace_size {
    uint32_t max_sequences;
    uint32_t max_tokens;
    uint32_t n_together; /* vLLM: servers that share a mixture's experts; 0 or 1: none */
    bool host_waits;     /* for the device: its work comes on top */
} mf_pace_size;

/* What a pace stands on. */
typedef struct mf_pace_ground {
    mf_basis basis;
    double slowest; /* 90 % interval of the speed of decoding steps, as factors of it */
    double fastest;
    char warning[MF_WARNING_SIZE]; /* empty: none */
} mf_pace_ground;

/* llama.cpp and mlx-lm: the fitted law of speed. MF_E_UNSUPPORTED with the reason where mf_predict would give none either. */
mf_status mf_pace_from_law(mf_pace *pace,
                           mf_pace_ground *ground,
                           const mf_case *run,
                           const struct mf_calibration *calibration,
                           mf_pace_size size,
                           mf_error *err);

/* vLLM: kernels at the rates of the card. */
mf_status mf_pace_from_kernels(
    mf_pace *pace, mf_pace_ground *ground, const mf_case *run, mf_pace_size size, mf_error *err);

/* Time that depends on how far back a token sees: concave, straight between breakpoints. */
typedef struct mf_depth_cost {
    uint64_t breaks[MF_PACE_TERMS];
    size_t n_breaks;
} mf_depth_cost;

/* Breakpoints where attention of this work stops to see more, in order and once; those beyond the room are left out. */
void mf_depth_breaks(mf_depth_cost *cost, const mf_work *work);

/* Costs per token seen as the pace's terms: at(context, n) is the time with n tokens in sight. */
typedef double mf_depth_fn(const void *context, double n_tokens);

typedef struct mf_depth_costs {
    mf_depth_fn *decode_s;
    mf_depth_fn *alone_s;  /* of one sequence alone, no more than that; NULL: the same */
    mf_depth_fn *mixed_s;  /* in a step that also holds a prompt; NULL: the same */
    mf_depth_fn *prompt_s; /* of one token of a prompt */
    const void *context;
} mf_depth_costs;

void mf_pace_terms_set(mf_pace *pace, const mf_depth_cost *cost, const mf_depth_costs *costs);

static inline uint64_t mf_picoseconds(double seconds)
{
    const double ps = seconds * 1e12 + 0.5;
    return ps > 0 && ps < 1e18 ? (uint64_t)ps : 0;
}

#endif
