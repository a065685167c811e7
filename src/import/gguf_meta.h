/*
 * gguf_meta.h - metadata of one model, asked by the keys that stand behind the architecture's name: "block_count" is
 * "llama.block_count" in the file.
 */
#ifndef MF_IMPORT_GGUF_META_H
#define MF_IMPORT_GGUF_META_H

#include "import/gguf_arch.h"
#include "import/gguf_file.h"

/* A value per layer is a scalar or an array over the layers; NULL: the file does not say. */
typedef const mf_gguf_value *mf_gguf_per_layer;

typedef struct mf_gguf_meta {
    mf_gguf_file *file;
    const mf_gguf_arch *arch;
    uint32_t n_layers; /* NextN blocks included */
    uint32_t n_nextn;
} mf_gguf_meta;

/* NULL if there is none. Borrowed. */
const mf_gguf_value *mf_gguf_meta_find(const mf_gguf_meta *meta, const char *key);

/* Scalar of at most 2^32 - 1; fallback if the file does not say. MF_E_DATA names the key. */
mf_status mf_gguf_meta_u32(
    uint32_t *out, const mf_gguf_meta *meta, const char *key, uint32_t fallback, mf_error *err);

/* Same, and a file that does not say is broken; so is 0. */
mf_status
mf_gguf_meta_need(uint32_t *out, const mf_gguf_meta *meta, const char *key, mf_error *err);

/* The value of one layer. An array must have one item a layer; it may leave out the NextN blocks, which then are as the
   last layer. */
mf_status mf_gguf_meta_layer(uint32_t *out,
                             const mf_gguf_meta *meta,
                             mf_gguf_per_layer value,
                             uint32_t layer,
                             uint32_t fallback,
                             mf_error *err);

/* The same of an array that may be longer; 0 if the file does not say. */
mf_status mf_gguf_meta_item(uint32_t *out,
                            const mf_gguf_meta *meta,
                            mf_gguf_per_layer value,
                            uint32_t layer,
                            mf_error *err);

/* Fails with the byte and the key: 'KEY' what. */
mf_status mf_gguf_meta_fail(const mf_gguf_meta *meta,
                            const mf_gguf_value *value,
                            mf_error *err,
                            const char *format,
                            ...) MF_PRINTF(4, 5);

#endif
