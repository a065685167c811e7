/*
 * adapter.h - a LoRA adapter beside a model: two low-rank matrices for each tensor that it changes.
 */
#ifndef MF_MEMFIT_ADAPTER_H
#define MF_MEMFIT_ADAPTER_H

#include "memfit/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Both matrices of one tensor. */
typedef struct mf_adapter_part {
    char target[MF_TENSOR_NAME_SIZE]; /* "blk.7.attn_q.weight" */
    uint64_t bytes;                   /* of A or B as stored */
    uint64_t input; /* A's row, as wide as the tensor's; 0 in the part that is B */
    uint64_t width; /* of the result: B's rows; 0 in the part that is A */
} mf_adapter_part;

typedef struct mf_adapter {
    char *architecture; /* of the model it was made for */
    mf_adapter_part *parts;
    size_t n_parts;
} mf_adapter;

/* Reads the header of a GGUF file made by llama.cpp's convert_lora_to_gguf.py. The caller frees *out. MF_E_IO,
   MF_E_DATA (the place in the message; also for a file that is no LoRA adapter). */
MF_API mf_status mf_adapter_read(mf_adapter **out, const char *path, mf_error *err);

/* Same from memory. name is used in messages. */
MF_API mf_status
mf_adapter_parse(mf_adapter **out, const void *data, size_t size, const char *name, mf_error *err);

MF_API void mf_adapter_free(mf_adapter *adapter); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
