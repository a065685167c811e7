/*
 * hf_parts.h - what layers are made of, under the names that llama.cpp's converter gives the tensors
 * (convert_hf_to_gguf.py, gguf-py/gguf/tensor_mapping.py). Each part fills its half of the layer and adds its tensors.
 */
#ifndef MF_IMPORT_HF_PARTS_H
#define MF_IMPORT_HF_PARTS_H

#include "import/hf_config.h"

typedef enum mf_hf_qk_norm {
    MF_HF_QK_NONE,
    MF_HF_QK_HEAD, /* one vector of a head's width for all heads */
    MF_HF_QK_FULL, /* one vector over all heads */
    MF_HF_QK_EACH, /* one vector a head (Command R+) */
} mf_hf_qk_norm;

/* Grouped-query attention. Sizes that are 0 are taken from the config's plain keys. */
typedef struct mf_hf_gqa {
    uint32_t n_heads;
    uint32_t n_kv_heads;
    uint32_t key_dim;
    uint32_t value_dim;
    uint32_t window; /* 0: sees everything */
    bool chunked;
    bool shares_kv;
    bool fused;           /* one attn_qkv */
    bool gated;           /* the query projection also makes a gate: twice as wide */
    bool value_is_in_key; /* no projection for values (Gemma 4's global layers) */
    bool qkv_bias;
    bool output_bias;
    mf_hf_qk_norm qk_norm;
} mf_hf_gqa;

void mf_hf_add_gqa(mf_hf *hf, mf_hf_gqa a);

/* Latent attention, as the config's ranks say; with an output gate if `gated`. */
void mf_hf_add_latent(mf_hf *hf, bool gated);

/* Feed forward part; fused: gate and up in one tensor; no gate: up and down only. */
typedef struct mf_hf_ffn {
    uint32_t width;
    bool fused;
    bool ungated;
    bool bias;
} mf_hf_ffn;

void mf_hf_add_ffn(mf_hf *hf, mf_hf_ffn f);

/* Routed experts with their router and the shared ones. */
typedef struct mf_hf_moe {
    uint32_t n_experts;
    uint32_t n_used;
    uint32_t width;
    uint32_t shared_width;
    uint32_t latent_width; /* experts work in a space this wide; 0: hidden */
    bool router_bias;      /* added to the scores when experts are picked */
    bool expert_bias;      /* every matrix and the router have biases (gpt-oss) */
    bool ungated;
    bool fused;       /* gate and up of the experts in one tensor */
    bool shared_gate; /* the shared expert is scaled by a gate of its own */
} mf_hf_moe;

void mf_hf_add_moe(mf_hf *hf, mf_hf_moe m);

/* Counts that almost every config has, under the keys in use: experts, experts per token, width of one. */
mf_hf_moe mf_hf_plain_moe(mf_hf *hf);

/* Mamba-2: state of n_heads x head width; norm: one over the inner width, in groups. */
typedef struct mf_hf_mamba2 {
    uint64_t inner;
    uint64_t state;
    uint64_t n_heads;
    uint64_t n_groups;
    uint64_t kernel;
    bool norm;
} mf_hf_mamba2;

void mf_hf_add_mamba2(mf_hf *hf, mf_hf_mamba2 m);

typedef struct mf_hf_mamba1 {
    uint64_t inner;
    uint64_t state;
    uint64_t rank; /* of the time step */
    uint64_t kernel;
    bool norms; /* of time step, B and C (Jamba) */
} mf_hf_mamba1;

void mf_hf_add_mamba1(mf_hf *hf, mf_hf_mamba1 m);

/* Gated DeltaNet of Qwen3-Next and Qwen3.5; split: beta and alpha in tensors of their own. */
void mf_hf_add_delta_net(mf_hf *hf, bool split);

/* "attn_norm.weight" and others of the hidden width, separated by '|'. */
void mf_hf_add_norms(mf_hf *hf, const char *names);

/* What a multi-token-prediction block has beside a layer; copies: of embedding and output head. */
void mf_hf_add_nextn(mf_hf *hf, bool copies);

#endif
