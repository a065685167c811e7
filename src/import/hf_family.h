/*
 * hf_family.h - one row for every model_type of Hugging Face's transformers that can be read: the architecture that
 * llama.cpp makes of it, what its class does by default, and who builds its layers.
 */
#ifndef MF_IMPORT_HF_FAMILY_H
#define MF_IMPORT_HF_FAMILY_H

#include "import/hf_parts.h"

typedef struct mf_hf_family mf_hf_family;
typedef void (*mf_hf_builder)(mf_hf *hf, const mf_hf_family *family);

struct mf_hf_family {
    const char *type; /* model_type */
    const char *arch; /* general.architecture of the GGUF file */
    mf_hf_builder build;
    bool tied;           /* the class's tie_word_embeddings, where the config does not say */
    uint32_t vocabulary; /* the class's, where the config does not say; 0: it must */
    uint32_t n_heads;
    uint32_t n_kv_heads;
    uint32_t head_dim;

    /* Layers that are alike, hf_plain.c. */
    const char *norms; /* of a layer, hidden wide, separated by '|' */
    mf_hf_qk_norm qk_norm;
    const char *qk_norm_key; /* a flag for them; NULL: always */
    bool qk_norm_default;
    const char *bias_key; /* a flag for biases of queries, keys and values; NULL: as `biased` */
    bool biased;          /* without the flag */
    const char *output_bias_key; /* a flag for a bias of the output projection; NULL: none */
    bool fused_qkv;
    bool fused_ffn;

    /* With experts. */
    bool experts;
    bool router_bias;
    const char *n_dense_key; /* so many layers at the start have none */
    const char *shared_key;  /* count of shared experts, each as wide as a routed one */

    /* Multi-token-prediction blocks: num_nextn_predict_layers, or this many where the config does not say. */
    uint32_t n_nextn;
    bool keeps_nextn;  /* in GGUF files */
    bool nextn_copies; /* with copies of embedding and head */
};

/* NULL if the type has no rules. Static storage. */
const mf_hf_family *mf_hf_family_get(const char *type);

/* Name of the nearest type that has rules, NULL if none is near. */
const char *mf_hf_family_nearest(const char *type);

/* Window of layer i by the words of layer_types, 0 if it sees everything. */
uint32_t mf_hf_window(mf_hf *hf, uint32_t i);

/* Where GGUF files get rope factors from the config: Llama 3's scaling, LongRoPE. */
void mf_hf_add_rope_factors(mf_hf *hf);

/* hf_plain.c */
void mf_hf_build_plain(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_phimoe(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_starcoder2(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_qwen2_moe(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_muse(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_chatglm(mf_hf *hf, const mf_hf_family *family);

/* hf_moe.c */
void mf_hf_build_gpt_oss(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_ernie_moe(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_hunyuan_moe(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_llama4(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_minimax_m3(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_step(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_mimo2(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_laguna(mf_hf *hf, const mf_hf_family *family);

/* hf_vision.c: the vision tower, where its form is known. */
void mf_hf_measure_tower(mf_hf *hf, const char *arch);

/* hf_latent.c */
void mf_hf_build_latent(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_minicpm3(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_deepseek4(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_kimi_linear(mf_hf *hf, const mf_hf_family *family);

/* hf_gemma.c */
void mf_hf_build_gemma3n(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_gemma4(mf_hf *hf, const mf_hf_family *family);

/* hf_hybrid.c */
void mf_hf_build_qwen_next(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_nemotron_h(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_deci(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_granite_hybrid(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_falcon_h1(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_jamba(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_mamba(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_lfm2(mf_hf *hf, const mf_hf_family *family);
void mf_hf_build_minimax_m1(mf_hf *hf, const mf_hf_family *family);

#endif
