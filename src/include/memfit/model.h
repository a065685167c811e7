/*
 * model.h - what a language model is made of: geometry per layer, and every tensor.
 *
 * Two views of the same model, checked against each other by mf_model_check:
 *   layers   what a layer does: heads, cache width, windows, experts, recurrent state. Memory of the KV cache, FLOPs of
 *            attention and which weights one token touches follow from it.
 *   tensors  what is stored: names as in GGUF files ("blk.7.attn_q.weight") with their shapes, ne0 first. Parameter
 *            counts, weight bytes and the quantization mix follow from it.
 * Both come from metadata (GGUF header, Hugging Face config.json, modeldb file), never from the model's name.
 */
#ifndef MF_MEMFIT_MODEL_H
#define MF_MEMFIT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/fact.h"
#include "memfit/status.h"
#include "memfit/tensor_type.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_MAX_DIMS 4
#define MF_TENSOR_NAME_SIZE 64 /* GGML_MAX_NAME, with the final 0 */
#define MF_GLOBAL_TENSOR (-1)

typedef enum mf_attention_kind {
    MF_ATTENTION_NONE, /* no attention in this layer, hence no KV cache */
    MF_ATTENTION_GQA, /* multi-head, grouped-query or multi-query: n_kv_heads keys and values of their own widths */
    MF_ATTENTION_MLA, /* multi-head latent: one shared latent of kv_rank + rope_dim per token, no values */
} mf_attention_kind;

/* Attention of one layer. Widths are elements, per head. 0 means "does not apply". */
typedef struct mf_attention {
    mf_attention_kind kind;
    uint32_t n_heads;
    uint32_t n_kv_heads;
    uint32_t key_dim;   /* MLA: nope + rope, the width of the expanded key */
    uint32_t value_dim; /* MLA: the width of the expanded value */
    uint32_t window;    /* tokens seen by a sliding or chunked layer; 0: all of them */
    bool chunked;       /* Llama 4: chunks of `window` tokens instead of a sliding window */
    bool
        shares_kv; /* reads the cache of an earlier layer and has none of its own (Gemma 3n, Gemma 4 E2B/E4B) */
    bool value_is_key;  /* one vector serves as key and value and is cached once (DeepSeek V4) */
    uint32_t kv_rank;   /* MLA: latent width */
    uint32_t rope_dim;  /* MLA: width of the shared rotary key */
    uint32_t index_dim; /* sparse attention: width of the index key that is cached per token */
    uint32_t n_index_heads;
    uint32_t index_top_k; /* sparse attention: tokens that are attended after selection */
    uint32_t index_block; /* MiniMax M3: tokens of a block that is selected as a whole */
    uint32_t
        compress_ratio; /* DeepSeek V4: beside the window, one compressed entry per this many tokens */
} mf_attention;

typedef enum mf_recurrent_kind {
    MF_RECURRENT_NONE,
    MF_RECURRENT_MAMBA1,
    MF_RECURRENT_MAMBA2,
    MF_RECURRENT_DELTA,      /* gated DeltaNet, Kimi delta attention */
    MF_RECURRENT_LIGHTNING,  /* MiniMax-M1 linear attention */
    MF_RECURRENT_CONV,       /* LFM2 short convolution */
    MF_RECURRENT_COMPRESSOR, /* DeepSeek V4: state of the KV compressor */
} mf_recurrent_kind;

/* State that a layer keeps per sequence whatever the context length; elements are f32 in llama.cpp. */
typedef struct mf_recurrent {
    mf_recurrent_kind kind;
    uint64_t conv_elements;
    uint64_t state_elements;
} mf_recurrent;

typedef enum mf_ffn_kind {
    MF_FFN_NONE,
    MF_FFN_DENSE,
    MF_FFN_MOE,
} mf_ffn_kind;

/* How a router weighs the experts it picks. Unknown: as the architecture usually does. */
typedef enum mf_routing {
    MF_ROUTING_UNKNOWN,
    MF_ROUTING_NO,
    MF_ROUTING_YES,
} mf_routing;

typedef struct mf_ffn {
    mf_ffn_kind kind;
    uint32_t width;          /* dense: hidden width; MoE: width of one expert */
    uint32_t n_experts;      /* MoE: routed experts */
    uint32_t n_experts_used; /* MoE: experts per token */
    uint32_t shared_width;   /* MoE: width of all shared experts together */
    uint32_t n_matrices;     /* 3 with a gate (SwiGLU), 2 without */
    uint32_t n_groups;       /* MoE: groups of experts that are picked first; 0 or 1: none */
    uint32_t n_groups_used;
    mf_routing norm_weights;  /* MoE: the picked experts' weights add up to 1 */
    mf_routing scale_weights; /* MoE: and are multiplied by a constant */
} mf_ffn;

typedef struct mf_layer {
    mf_attention attention;
    mf_recurrent recurrent; /* may stand beside attention (Falcon-H1) */
    mf_ffn ffn;
    bool is_nextn; /* multi-token-prediction (NextN) block: stored, not run in plain decoding */
    bool
        nextn_has_cache; /* llama.cpp allocates a KV cache for this NextN block (glm4moe, deepseek2) */
} mf_layer;

/* What a tensor is for; decides placement, the quantization mix and what one token reads. */
typedef enum mf_tensor_role {
    MF_ROLE_TOKEN_EMBEDDING, /* one row per token is looked up; read whole only when tied to the output */
    MF_ROLE_PER_LAYER_EMBEDDING, /* Gemma 3n/4: looked up as well */
    MF_ROLE_OUTPUT,              /* lm_head */
    MF_ROLE_ATTENTION,
    MF_ROLE_RECURRENT,
    MF_ROLE_FFN,    /* dense feed forward */
    MF_ROLE_EXPERT, /* routed experts, all of them in one tensor: the last dimension counts experts */
    MF_ROLE_SHARED_EXPERT,
    MF_ROLE_ROUTER,
    MF_ROLE_NEXTN, /* the extra tensors of a NextN block */
    MF_ROLE_OTHER, /* norms, scales, rope factors: small */
} mf_tensor_role;

typedef struct mf_tensor {
    char name[MF_TENSOR_NAME_SIZE];
    uint64_t dims[MF_MAX_DIMS]; /* ne0 (the contiguous one) first; unused ones are 1 */
    uint32_t n_dims;
    int32_t layer; /* MF_GLOBAL_TENSOR for tensors outside the blocks */
    mf_tensor_role role;
    mf_tensor_type
        type; /* as stored in a GGUF file; F16 (or F32 where never quantized) for a model without files */
} mf_tensor;

/* Where the facts came from decides what may still be chosen. */
typedef enum mf_model_origin {
    MF_ORIGIN_MODELDB, /* tensor types follow from a quantization scheme */
    MF_ORIGIN_GGUF,    /* tensor types are those of the file */
    MF_ORIGIN_HF,
} mf_model_origin;

/* Of a separate vision tower, as llama.cpp's mmproj files and clip.cpp have it; all 0 where its form is not known. */
typedef struct mf_vision {
    uint64_t
        f32_parameters; /* vectors and positions, which converters leave in F32; the others are halves */
    uint64_t patches;       /* of the largest picture */
    uint64_t first_patches; /* of the picture that buffers are laid out for while loading */
    uint64_t tokens;        /* that the largest picture takes of the context */
    uint64_t patch_floats;  /* that stand for a patch at the peak of the tower's graph */
} mf_vision;

typedef struct mf_model {
    char *id;
    char *name;
    char *organization;
    char *architecture; /* GGUF's general.architecture: "llama", "qwen3moe" */
    char *license;      /* may be NULL */
    char *released;     /* "2024-12-06", may be NULL */
    char *quant;        /* GGUF: name of general.file_type ("Q4_K_M"), may be NULL */
    char *
        published; /* scheme of quants.json in its maker's own files ("FP8"); NULL: 16 bits, or a GGUF file */
    mf_model_origin origin;
    uint64_t context_max; /* tokens; 0 if not stated */
    uint64_t vocabulary;
    uint64_t
        vocabulary_pairs; /* of the merge list, 0 without one; known if the vocabulary is listed */
    bool vocabulary_listed; /* a GGUF file has it; a config only says how many tokens there are */
    uint64_t hidden;
    bool tied_embeddings; /* the output projection is the embedding table */
    uint64_t
        vision_parameters; /* of a separate vision tower, 0 if there is none or it is not known */
    mf_vision vision;
    uint64_t
        mtp_parameters; /* of multi-token-prediction blocks that the checkpoint has and GGUF files leave out */
    mf_layer *layers;
    size_t n_layers; /* NextN blocks included */
    mf_tensor *tensors;
    size_t n_tensors;
    uint64_t stored_bytes; /* GGUF: sum over all shards as stored; 0 otherwise */
    uint64_t header_bytes; /* GGUF: bytes before the tensor data, all shards */
    mf_sources sources;
} mf_model;

typedef struct mf_model_counts {
    uint64_t
        parameters; /* text model without NextN blocks and rope factors, which nobody trained */
    uint64_t
        active_parameters; /* of these, used for one token: routed experts that are not picked are left out */
    uint64_t nextn_parameters;
} mf_model_counts;

/* Frees everything the model owns; NULL is fine. */
MF_API void mf_model_free(mf_model *model);

/* Counts from the tensors. MF_E_OVERFLOW on nonsense shapes. Thread-safe. */
MF_API mf_status mf_model_count(mf_model_counts *counts, const mf_model *model, mf_error *err);

/* Some layer has routed experts. */
MF_API bool mf_model_has_experts(const mf_model *model);

/* Role and block number from a tensor's GGUF name ("blk.3.ffn_down_exps.weight" -> EXPERT, 3). Thread-safe. */
MF_API mf_tensor_role mf_tensor_role_of(const char *name, int32_t *layer);

/* True for tensors that converters and llama-quantize leave in F32: one dimension, norms, routers, convolutions,
   biases (llama-quant.cpp: tensor_allows_quantization). */
MF_API bool mf_tensor_stays_f32(const char *name, uint32_t n_dims);

/* As a converter stores it in 16 bit: F16, F32 or, of a table of numbers, I32. Thread-safe. */
MF_API mf_tensor_type mf_tensor_converted_type(const char *name, uint32_t n_dims);

/* Product of the dimensions. MF_E_OVERFLOW. */
MF_API mf_status mf_tensor_elements(uint64_t *n, const mf_tensor *tensor, mf_error *err);

/* Bytes of the tensor stored as `type`. MF_E_DATA if ne0 is not a whole number of blocks; MF_E_OVERFLOW. */
MF_API mf_status mf_tensor_bytes(uint64_t *bytes,
                                 const mf_tensor *tensor,
                                 mf_tensor_type type,
                                 mf_error *err);

/* Geometry and tensors must agree: cache widths with the k/v projections, widths with hidden, experts with the expert
   tensors, layers numbered without gaps. MF_E_DATA names the tensor or field that contradicts. */
MF_API mf_status mf_model_check(const mf_model *model, mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
