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
    mf_sources sources;
} mf_quant;

MF_API void mf_quant_free(mf_quant *quant);

/* "gguf", "ud", "mlx" or "tensor". Static storage. */
MF_API const char *mf_quant_family_name(mf_quant_family family);

#ifdef __cplusplus
}
#endif

#endif
