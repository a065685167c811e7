/*
 * quant.h - quantization schemes: which format each tensor of a model gets, and what that costs in quality.
 *
 * The rules of a scheme are code (memory/quant_mix.c, from llama.cpp's llama-quant.cpp and mlx-lm's convert); this is
 * the fact file modeldb/quants.json that names the schemes people ask for.
 */
#ifndef MF_MEMFIT_QUANT_H
#define MF_MEMFIT_QUANT_H

#include "memfit/fact.h"
#include "memfit/tensor_type.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who decides the tensors' formats. */
typedef enum mf_quant_family {
    MF_QUANT_GGUF, /* llama-quantize: a mix, exact for files made by it */
    MF_QUANT_UD, /* unsloth dynamic files: chosen per model; a file tells, a rule can only estimate */
    MF_QUANT_MLX, /* mlx-lm: one affine format for every linear layer and the embedding */
    MF_QUANT_TENSOR, /* one format for every linear layer, embedding and head stay 16 bit: FP8, AWQ, GPTQ, NVFP4 */
} mf_quant_family;

typedef struct mf_quant {
    char *id; /* "Q4_K_M", "mlx-4bit", "UD-Q4_K_XL", "FP8" */
    mf_quant_family family;
    mf_tensor_type base; /* format of most weights */
    char *mix; /* GGUF: the mix whose rules apply, "Q4_K_M"; UD: the nearest plain mix; else NULL */
    mf_fact size_low;  /* UD: bytes of published files over what `mix` gives, 90 % of them: from */
    mf_fact size_high; /* to; unknown elsewhere */
    mf_sources sources;
} mf_quant;

/* The middle of size_low and size_high, 1 where they are not known; and half their width over it, 0.06 where not. */
MF_API double mf_quant_size_share(const mf_quant *quant);
MF_API double mf_quant_size_spread(const mf_quant *quant);

MF_API void mf_quant_free(mf_quant *quant); /* NULL is fine */

typedef struct mf_quants {
    mf_quant **items;
    size_t n_items;
} mf_quants;

MF_API void mf_quants_free(mf_quants *quants);

/* What a scheme cost one model in quality, as somebody measured it. Unmeasured figures are not known. */
typedef struct mf_quality {
    char *model; /* "llama-3-8b": what was quantized, not an id of modeldb */
    char *quant;
    char *imatrix; /* importance matrix; NULL: none */
    mf_fact perplexity;
    mf_fact perplexity_rise; /* against the 16 bit model, absolute */
    mf_fact divergence;      /* mean Kullback-Leibler divergence from the 16 bit model's tokens */
    mf_sources sources;
} mf_quality;

typedef struct mf_qualities {
    mf_quality *items;
    size_t n_items;
} mf_qualities;

/* The row of a scheme measured on a model: without an importance matrix where there is one, as the rules of the mixes
   are; NULL if nobody measured it. Case of the scheme is ignored. Borrowed. */
MF_API const mf_quality *
mf_quality_find(const mf_qualities *qualities, const char *model, const char *quant);

/* The rise as a fraction of the 16 bit model's perplexity. False if it is not known. */
MF_API bool mf_quality_rise(double *fraction, const mf_quality *quality);

MF_API void mf_qualities_free(mf_qualities *qualities);

/* "gguf", "ud", "mlx" or "tensor". Static storage. */
MF_API const char *mf_quant_family_name(mf_quant_family family);

#ifdef __cplusplus
}
#endif

#endif
