/*
 * footprint.h - what a model takes in one quantization, wherever it will lie: made once, read by every breakdown.
 */
#ifndef MF_MEMORY_FOOTPRINT_H
#define MF_MEMORY_FOOTPRINT_H

#include "memfit/memory.h"
#include "memory/parts.h"
#include "memory/quant_names.h"

/* How a backend lays tensors into a buffer. */
typedef enum buffer_kind {
    BUFFER_HOST, /* CPU, Metal, RPC: begins at multiples of 32 bytes */
    BUFFER_CUDA, /* multiples of 128, and the last row of a quantized tensor is filled up to 512 elements */
    BUFFER_KINDS
} buffer_kind;

/* Bytes of one layer's tensors. */
typedef struct layer_bytes {
    uint64_t experts[BUFFER_KINDS]; /* routed experts, which may stay on the host */
    uint64_t others[BUFFER_KINDS];
} layer_bytes;

struct mf_footprint {
    const mf_model *model;
    const mf_quant *quant;
    mf_tensor_type *types;
    name_traits *names;                    /* by tensor */
    const mf_tensor *(*parts)[PART_COUNT]; /* by layer; of tensors that are loaded */
    uint32_t *kinds;                       /* by layer: equal numbers, equal shapes */
    layer_bytes *layers;
    uint32_t *globals; /* indices of tensors outside the layers */
    size_t n_globals;
    const mf_tensor *per_layer_table; /* of Gemma 3n and 4, or NULL */
    const mf_tensor *rope_factors;    /* one of them, or NULL: all are alike */
    bool output_norm_bias;
    bool output_bias;
    size_t n_run;       /* layers that a prompt runs through: all but the NextN ones at the end */
    uint32_t n_experts; /* the most of any layer */
    bool estimated;     /* the types are a guess */
    uint64_t types_hash;
    double
        size_share; /* of what the types give: published files of a scheme that is estimated; else 1 */
    struct compute_memo *memo; /* NULL unless mf_footprint_remember was called */
    bool is_like;              /* names, parts, kinds, globals and memo are another one's */
};

/* False for tensors that llama.cpp leaves in the file: those of multi-token-prediction blocks, most of them. */
bool mf_footprint_loads(const mf_model *model, const mf_tensor *tensor);

/* From now on compute buffers that were laid out once are remembered. The footprint then belongs to one thread. */
void mf_footprint_remember(mf_footprint *footprint);

/* The footprint of the same model in another scheme. What does not depend on the scheme is like's: names, shapes, and the
   compute buffers that it remembers. Neither may be used when `like` was freed. */
mf_status mf_footprint_new_like(mf_footprint **out,
                                const mf_footprint *like,
                                const mf_quant *quant,
                                mf_error *err);

/* What CUDA adds to a tensor of that row width: its kernels read quantized rows in steps. */
uint64_t mf_footprint_row_fill(mf_tensor_type type, uint64_t width);

/* A tensor's bytes in a buffer. MF_E_DATA, MF_E_OVERFLOW. */
mf_status mf_footprint_tensor(
    uint64_t *bytes, const mf_footprint *footprint, size_t index, buffer_kind kind, mf_error *err);

#endif
