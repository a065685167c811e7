/*
 * workload.h - what is asked of the machine: context, prompt, output, sequences, and the engine's settings.
 *
 * The names are llama.cpp's options; other engines ignore what they don't have. mf_workload_default(engine) gives the
 * engine's own defaults, so that a caller changes only what the user said.
 */
#ifndef MF_MEMFIT_WORKLOAD_H
#define MF_MEMFIT_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/tensor_type.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whose rules a fact file of hwdb/engines takes. */
#define MF_ENGINE_LIST(X)                                                                          \
    X(MF_ENGINE_LLAMACPP, "llama.cpp")                                                             \
    X(MF_ENGINE_MLX, "mlx")                                                                        \
    X(MF_ENGINE_VLLM, "vllm")

typedef enum mf_engine_id {
#define MF_ENGINE_ENUM(name, text) name,
    MF_ENGINE_LIST(MF_ENGINE_ENUM)
#undef MF_ENGINE_ENUM
        MF_ENGINE_COUNT
} mf_engine_id;

#define MF_BACKEND_LIST(X)                                                                         \
    X(MF_BACKEND_METAL, "metal")                                                                   \
    X(MF_BACKEND_CUDA, "cuda")                                                                     \
    X(MF_BACKEND_ROCM, "rocm")                                                                     \
    X(MF_BACKEND_VULKAN, "vulkan")                                                                 \
    X(MF_BACKEND_SYCL, "sycl")                                                                     \
    X(MF_BACKEND_CPU, "cpu")

typedef enum mf_backend {
#define MF_BACKEND_ENUM(name, text) name,
    MF_BACKEND_LIST(MF_BACKEND_ENUM)
#undef MF_BACKEND_ENUM
        MF_BACKEND_COUNT
} mf_backend;

typedef enum mf_split_mode {
    MF_SPLIT_LAYER,  /* whole layers per device, one after the other */
    MF_SPLIT_TENSOR, /* every matrix cut across the devices */
} mf_split_mode;

#define MF_ALL_LAYERS (-1)
#define MF_ON_HOST (-1)
#define MF_MAX_SPLITS 16

/* Tensors whose name a pattern is found in go to one place (llama.cpp's -ot). */
typedef struct mf_override {
    const char *pattern; /* POSIX extended regular expression */
    int32_t device;      /* MF_ON_HOST, or the number of a device */
} mf_override;

/* What of a layer stays on its device when the rest goes to the host, as llama.cpp's --fit cuts layers. */
typedef enum mf_layer_part {
    MF_PART_ALL,
    MF_PART_DENSE,     /* all but the routed experts */
    MF_PART_ATTENTION, /* nothing of the feed forward */
    MF_PART_UP,        /* attention and the up projections */
    MF_PART_GATE,      /* the gates too: only the down projections go */
} mf_layer_part;

/* Where layers and tensors go beyond what gpu_layers and n_cpu_moe say. A value: to be shown, changed and asked for
   again. Borrowed by the workload that names it. */
typedef struct mf_placement {
    double split[MF_MAX_SPLITS]; /* --tensor-split: parts of each device, in any unit */
    size_t n_split;              /* 0: by the memory that each device has free */
    const mf_override *overrides;
    size_t n_overrides; /* the first that matches wins */
    const mf_layer_part
        *layer_parts; /* by layer, for the first n_layer_parts; the overrides come first */
    size_t n_layer_parts;
} mf_placement;

typedef struct mf_workload {
    uint64_t n_ctx; /* --ctx: total over all sequences, as llama.cpp's -c */
    uint64_t
        n_prompt; /* tokens of the prompt; the decode speed is the mean over the output that follows it */
    uint64_t n_output;
    uint32_t n_parallel; /* sequences */
    bool kv_unified;     /* one cache shared by all sequences, otherwise n_ctx is divided */
    mf_tensor_type kv_type_k;
    mf_tensor_type kv_type_v;
    uint32_t n_batch;
    uint32_t n_ubatch;
    uint32_t
        n_outputs; /* output rows reserved; 0: n_batch (llama-bench, llama-cli); llama-server: one per sequence */
    bool flash_attention;
    bool swa_full;      /* full-size cache for sliding-window layers */
    int32_t gpu_layers; /* as llama.cpp counts, the output layer is one; MF_ALL_LAYERS */
    uint32_t n_cpu_moe; /* experts of the first n layers stay in host memory */
    bool kv_offload;    /* KV cache on the device */
    mf_split_mode split;
    uint64_t
        prompt_cache_bytes; /* --cache-ram: of host memory that a server may fill with old prompts */
    uint32_t
        n_checkpoints; /* --ctx-checkpoints: copies of a sequence's windows and state that a server may keep in host memory */
    const mf_placement *placement; /* NULL: the engine's own choice */
} mf_workload;

/* MF_E_USAGE for values no engine takes: zero context, prompt + output beyond a sequence's context, ... */
MF_API mf_status mf_workload_check(const mf_workload *workload, mf_error *err);

/* Caches side by side, between which n_ctx is divided: one, or one for each sequence; 1 at least. */
MF_API uint64_t mf_workload_streams(const mf_workload *workload);

MF_API const char *mf_engine_name(mf_engine_id engine); /* "llama.cpp", "mlx", "vllm" */
MF_API const char *mf_backend_name(mf_backend backend);
MF_API const char *mf_split_name(mf_split_mode split); /* "layer", "tensor" */
MF_API mf_status mf_engine_by_name(mf_engine_id *engine, const char *name, mf_error *err);
MF_API mf_status mf_backend_by_name(mf_backend *backend, const char *name, mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
