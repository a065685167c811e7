/*
 * predict.h - the one estimator. Every command, report, plan and simulation calls mf_predict; nothing else predicts.
 *
 * Speed law (speed/law.c; science base in docs/speed.md): decode is the time to read exactly the bytes one token
 * touches at the format's and engine's efficiency, joined with the lanes' unpacking work, plus KV reads at the current
 * depth, plus a cost per layer. Prefill is FLOPs over the matrix peak, attention's quadratic term, one pass over the
 * touched weights per micro-batch and a cost per layer and micro-batch.
 */
#ifndef MF_MEMFIT_PREDICT_H
#define MF_MEMFIT_PREDICT_H

#include "memfit/llamacpp_fit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a speed figure stands on, best first. */
#define MF_BASIS_LIST(X)                                                                           \
    X(MF_BASIS_MEASURED, "measured")                                                               \
    X(MF_BASIS_CALIBRATED, "calibrated")                                                           \
    X(MF_BASIS_CHIP, "chip")                                                                       \
    X(MF_BASIS_FAMILY, "family")                                                                   \
    X(MF_BASIS_DATASHEET, "datasheet")

typedef enum mf_basis {
#define MF_BASIS_ENUM(name, text) name,
    MF_BASIS_LIST(MF_BASIS_ENUM)
#undef MF_BASIS_ENUM
} mf_basis;

/* Which part of the time is the longest. Unpacking: the shader lanes turn quantized weights into numbers, which takes longer
   than reading them. */
#define MF_BOUND_LIST(X)                                                                           \
    X(MF_BOUND_BANDWIDTH, "bandwidth")                                                             \
    X(MF_BOUND_COMPUTE, "compute")                                                                 \
    X(MF_BOUND_UNPACKING, "unpacking")                                                             \
    X(MF_BOUND_OVERHEAD, "overhead")                                                               \
    X(MF_BOUND_LINK, "link")

typedef enum mf_bound {
#define MF_BOUND_ENUM(name, text) name,
    MF_BOUND_LIST(MF_BOUND_ENUM)
#undef MF_BOUND_ENUM
} mf_bound;

/* A rate with its 90 % interval. known is false where there is no ground for a number; reason then says what is
   missing (static storage). */
typedef struct mf_rate {
    bool known;
    double tok_s;
    double low_tok_s;
    double high_tok_s;
    double ceiling_tok_s; /* at 100 % of the specified peaks, whatever the software */
    mf_bound bound;
    mf_basis basis;
    const char *reason;
} mf_rate;

typedef struct mf_duration {
    bool known;
    double s;
    double low_s;
    double high_s;
} mf_duration;

/* Where the model lies while it runs with the speed given: as asked, or where it would run. mf_placed_apply makes a
   workload of it. */
typedef struct mf_placed {
    bool known;    /* there is a place for it */
    bool as_asked; /* nothing was changed */
    int32_t gpu_layers;
    uint32_t n_cpu_moe;
    bool kv_offload;
    bool by_engine; /* as llama.cpp's --fit cuts it: choice says how */
    mf_fit_choice choice;
    mf_memory memory;
} mf_placed;

/* Writes it over the workload's own placement, which `placement` and `parts` (model->n_layers + 1) then hold. */
MF_API void mf_placed_apply(mf_workload *workload,
                            mf_fit_placement *placement,
                            mf_layer_part *parts,
                            const mf_placed *placed,
                            const mf_model *model);

#define MF_MAX_DEPTHS 8

typedef struct mf_depth_point {
    uint64_t depth_tokens;
    mf_rate decode;
    mf_rate prefill;
} mf_depth_point;

/* A draft model writes n_draft tokens, then the model checks them in one step of n_draft + 1 tokens. */
typedef struct mf_speculation {
    bool known;
    const char *reason;      /* if not known; NULL without a draft model. Static storage */
    double check_slowdown;   /* the checking step over a step of one token */
    double draft_share;      /* n_draft tokens of the draft model over a step of one token */
    double break_even;       /* acceptance from which it is faster than without; above 1: never */
    double tokens_per_round; /* 1 + n_draft acceptance */
    mf_rate decode;          /* not known unless the acceptance is stated, which is an assumption */
} mf_speculation;

#define MF_MAX_WARNINGS 12
#define MF_WARNING_SIZE 192

typedef struct mf_prediction {
    mf_memory memory;
    bool memory_known;
    mf_placed placed;
    uint64_t
        checkpoint_bytes; /* what a server may add to host memory beside all that and the workload's prompt_cache_bytes:
                                  copies of windows and states, of all sequences */
    uint64_t max_context_tokens;
    mf_rate decode; /* mean over the output tokens that follow the prompt */
    mf_rate
        together; /* decode of all the workload's sequences at once, summed; not known with one */
    mf_rate prefill; /* mean over the prompt */
    mf_speculation speculation;
    mf_duration ttft;
    mf_rate effective; /* output tokens / (time to first token + decode time) */
    mf_depth_point depths[MF_MAX_DEPTHS];
    size_t n_depths;
    mf_model_counts counts;
    char warnings[MF_MAX_WARNINGS][MF_WARNING_SIZE];
    size_t n_warnings;
} mf_prediction;

struct mf_calibration; /* fitted coefficients of an engine; calibration.h */

/* Predicts one case. `calibration` may be NULL: speed is then unknown with the reason. Thread-safe, no I/O. */
MF_API mf_status mf_predict(mf_prediction *prediction,
                            const mf_case *run,
                            const struct mf_calibration *calibration,
                            mf_error *err);

/* As in JSON: "measured", "calibrated", ...; "bandwidth", "compute", ... Static storage. */
MF_API const char *mf_basis_name(mf_basis basis);
MF_API const char *mf_bound_name(mf_bound bound);

#ifdef __cplusplus
}
#endif

#endif
