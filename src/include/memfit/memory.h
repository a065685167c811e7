/*
 * memory.h - what each device must hold: named terms, exact integers, never the total alone (errors cancel).
 *
 * Sources of the rules: llama.cpp b10470 (src/llama-model.cpp, llama-kv-cache*.cpp, llama-quant.cpp, ggml-alloc.c),
 * mlx-lm 0.31 and vLLM 0.19, as far as each is modelled; docs/memory.md lists them term by term.
 */
#ifndef MF_MEMFIT_MEMORY_H
#define MF_MEMFIT_MEMORY_H

#include "memfit/adapter.h"
#include "memfit/engine.h"
#include "memfit/machine.h"
#include "memfit/model.h"
#include "memfit/quant.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, key in JSON, title for people) */
#define MF_TERM_LIST(X)                                                                            \
    X(MF_TERM_WEIGHTS, "weights", "weights")                                                       \
    X(MF_TERM_KV_CACHE, "kv_cache", "KV cache")                                                    \
    X(MF_TERM_STATE, "recurrent_state", "recurrent state")                                         \
    X(MF_TERM_COMPUTE, "compute", "compute buffers")                                               \
    X(MF_TERM_OUTPUT, "output", "output buffer")                                                   \
    X(MF_TERM_VOCABULARY, "vocabulary", "vocabulary")                                              \
    X(MF_TERM_PROJECTOR, "projector", "multimodal projector")                                      \
    X(MF_TERM_PICTURE, "picture", "picture's buffers")                                             \
    X(MF_TERM_DRAFT, "draft", "draft model")                                                       \
    X(MF_TERM_LORA, "lora", "LoRA adapter")                                                        \
    X(MF_TERM_RUNTIME, "runtime", "runtime context")

typedef enum mf_memory_term {
#define MF_TERM_ENUM(name, key, title) name,
    MF_TERM_LIST(MF_TERM_ENUM)
#undef MF_TERM_ENUM
        MF_TERM_COUNT
} mf_memory_term;

/* The key of JSON and CSV and the title for people. Static storage. */
MF_API const char *mf_memory_term_key(mf_memory_term term);
MF_API const char *mf_memory_term_title(mf_memory_term term);

/* gpt-oss as published, with experts in MXFP4: llama.cpp's converter keeps them and llama-quantize takes no quantized tensor
   again unless told to, so that every GGUF file of it has them, whatever its scheme is called (15 published files,
   tests/truth/native_sizes.csv). */
MF_API bool mf_model_keeps_experts(const mf_model *model);

/* The format of every tensor of a model: GGUF files keep their own, otherwise the scheme's mix decides. `types` has
   model->n_tensors entries and is written on success only. Exact for llama-quantize without an importance matrix; UD
   schemes are estimates and set *estimated. MF_E_UNSUPPORTED if the scheme can't hold the model. Thread-safe. */
MF_API mf_status mf_quant_types(mf_tensor_type *types,
                                bool *estimated,
                                const mf_model *model,
                                const mf_quant *quant,
                                mf_error *err);

/* Sum of the tensors' bytes in these types. */
MF_API mf_status mf_weight_bytes(uint64_t *bytes,
                                 const mf_model *model,
                                 const mf_tensor_type *types,
                                 mf_error *err);

/* The KV cache and the recurrent state of all sequences in llama.cpp, summed over layers.
   cells and streams: the padded cache length that llama.cpp makes of the workload (llama-context.cpp). */
typedef struct mf_cache_size {
    uint64_t kv_bytes;
    uint64_t
        kv_fill_bytes; /* behind them in buffers of CUDA and HIP: quantized rows are filled up */
    uint64_t state_bytes;
    uint64_t cells;     /* of one stream */
    uint64_t swa_cells; /* of a sliding-window layer */
    uint32_t streams;
} mf_cache_size;

/* MF_E_USAGE without a context or a sequence, MF_E_OVERFLOW. Thread-safe. */
MF_API mf_status mf_cache_bytes(mf_cache_size *size,
                                const mf_model *model,
                                const mf_workload *workload,
                                mf_error *err);

/* One copy of what a sequence keeps outside the full-context cache: the cells of its windows and its recurrent state
   (llama-server's context checkpoints). 0 where there is neither. */
MF_API mf_status mf_checkpoint_bytes(uint64_t *bytes,
                                     const mf_model *model,
                                     const mf_workload *workload,
                                     mf_error *err);

#define MF_MAX_PLACES 18 /* 16 devices, the host and one spare */

/* How the limit of a GPU without memory of its own is raised. */
typedef enum mf_limit_raise {
    MF_RAISE_NONE,
    MF_RAISE_WIRED, /* macOS: sysctl iogpu.wired_limit_mb */
    MF_RAISE_GTT,   /* Linux, AMD: kernel parameter ttm.pages_limit, in pages of 4 KiB */
} mf_limit_raise;

/* What all GPUs of a machine may use together; 0 with the CPU as backend. */
MF_API uint64_t mf_memory_gpu_limit(const mf_machine *machine, mf_backend backend);

/* One place that holds something: a device with its own memory, or the host. */
typedef struct mf_place {
    char name[16]; /* "gpu0", "host" */
    uint64_t terms[MF_TERM_COUNT];
    uint64_t need_bytes;
    uint64_t limit_bytes;        /* what may be used there */
    uint64_t raised_limit_bytes; /* as far as `raise` takes it; otherwise limit_bytes */
    mf_limit_raise raise;
    bool limit_known;
} mf_place;

/* How far the truth may lie below and above what a term says, as shares of it, 90 % sure; both 0 where it is exact. */
typedef struct mf_memory_range {
    double below;
    double above;
} mf_memory_range;

typedef struct mf_memory {
    uint64_t terms[MF_TERM_COUNT]; /* summed over places */
    uint64_t total_bytes;
    uint64_t limit_bytes;
    uint64_t
        shared_limit_bytes; /* what all places may hold together where they share one memory, otherwise 0 */
    uint64_t load_peak_bytes; /* highest need while loading */
    uint64_t
        convert_peak_bytes; /* MLX: at most so much while 16 bit weights become this scheme, both held; 0: nothing is converted */
    mf_place places[MF_MAX_PLACES];
    size_t n_places;
    bool fits;
    double fits_probability;
    bool weights_estimated;
    mf_memory_range ranges[MF_TERM_COUNT];
} mf_memory;

/* What is left in the fullest place, below 0 if something is missing there: sums of all places don't tell whether a model
   fits. INT64_MAX if no place has a limit. */
MF_API int64_t mf_memory_headroom(const mf_memory *memory);

MF_API bool mf_memory_is_exact(const mf_memory *memory, mf_memory_term term);

/* Ends of the term's 90 % interval where it says `bytes`. */
MF_API uint64_t mf_memory_low_bytes(const mf_memory *memory, mf_memory_term term, uint64_t bytes);
MF_API uint64_t mf_memory_high_bytes(const mf_memory *memory, mf_memory_term term, uint64_t bytes);

/* What a model takes in one quantization wherever it lies, made once for searches over contexts and placements: types
   and padded bytes of every tensor, layers that are alike. quant may be NULL for a GGUF file. Borrows model and quant;
   the caller frees it. */
typedef struct mf_footprint mf_footprint;

/* MF_E_UNSUPPORTED for a scheme without rules for this model, MF_E_OVERFLOW, MF_E_NOMEM. */
MF_API mf_status mf_footprint_new(mf_footprint **out,
                                  const mf_model *model,
                                  const mf_quant *quant,
                                  mf_error *err);
MF_API void mf_footprint_free(mf_footprint *footprint); /* NULL is fine */

/* One case, borrowed pointers. quant may be NULL for a GGUF file, whose types are kept. */
typedef struct mf_case {
    const mf_model *model;
    const mf_quant *quant;
    const mf_machine *machine;
    const mf_engine *engine;
    mf_backend backend;
    mf_workload workload;
    const mf_footprint *footprint; /* of this model and quant; NULL: made for the call */
    const mf_model *draft; /* speculative decoding by a second model; NULL: none. Not for vllm */
    const mf_quant *draft_quant;
    const mf_adapter
        *adapter;     /* LoRA, beside the tensors that it changes; NULL: none. llama.cpp only */
    uint32_t n_draft; /* tokens drafted before each step of the model; 0: not stated */
    double draft_acceptance; /* share of them that the model agrees with, 0 to 1; 0: not stated */
    bool projector; /* the model's vision tower is loaded: its weights in 16 bits and its buffers */
    bool
        place_freely; /* mf_predict takes the fastest placement that fits, whatever the workload says */
} mf_case;

/* What every place of the machine must hold. MF_E_UNSUPPORTED if the engine can't run the model or has no memory rules
   yet; MF_E_USAGE for settings that contradict each other (quantized V without flash attention, a cache's
   blocks that cut a head). Thread-safe. */
MF_API mf_status mf_memory_need(mf_memory *memory, const mf_case *run, mf_error *err);

/* Where the tensors of a case lie: indices into mf_memory.places. With a tensor split, and in MLX and vLLM, place 0 stands
   for all devices together. Owned: free with mf_tensor_map_free. */
typedef struct mf_tensor_map {
    int8_t *tensors; /* n_tensors; tables that are only looked up stay on the host */
    int8_t
        *layers; /* n_layers + 1: norms, state and attention of a layer; the last is the output */
    int8_t host;
    bool attention_on_host; /* --no-kv-offload */
} mf_tensor_map;

/* MF_E_USAGE for overrides that can't be followed. Thread-safe. */
MF_API mf_status mf_tensor_map_make(mf_tensor_map *map, const mf_case *run, mf_error *err);
MF_API void mf_tensor_map_free(mf_tensor_map *map); /* leaves it empty */

/* What a model may use at most: the limits of the devices, of the host where there is none. */
MF_API uint64_t mf_memory_usable_bytes(const mf_memory *memory);

/* The largest n_ctx (a multiple of 256, at most the model's context_max) with which the case fits; 0 if none does. */
MF_API mf_status mf_memory_max_context(uint64_t *n_ctx, const mf_case *run, mf_error *err);

/* The most sequences that fit when each keeps the context that it has in the case; 0 if not even one does. At most as
   many as the engine takes (llama.cpp: 256). */
MF_API mf_status mf_memory_max_parallel(uint32_t *n_parallel, const mf_case *run, mf_error *err);

/* Of these quantizations the one with most bytes of weights that fits; *best is n_quants if none does. Those that can't
   hold the model are passed over. The case's footprint does not count, its quant only among those of as many bytes.
   weight_bytes may be NULL. */
MF_API mf_status mf_memory_largest_quant(size_t *best,
                                         uint64_t *weight_bytes,
                                         const mf_quant *const *quants,
                                         size_t n_quants,
                                         const mf_case *run,
                                         mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
