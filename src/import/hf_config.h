/*
 * hf_config.h - a Hugging Face config.json being turned into a model.
 *
 * Reading and adding never fail loudly: the first fault is kept in `status` with its message, later calls return 0 and
 * add nothing, so that a family's builder reads like its architecture and mf_hf_parse checks once, at the end.
 * Counts from the file are bounded, so that three of them multiply within 64 bits; products of dimensions are checked by
 * mf_tensor_elements.
 */
#ifndef MF_IMPORT_HF_CONFIG_H
#define MF_IMPORT_HF_CONFIG_H

#include "facts/json.h"
#include "memfit/model.h"

enum {
    MF_HF_MAX_LAYERS = 4096,
    MF_HF_MAX_COUNT = 1 << 21, /* of anything but the context: three of them multiply to 2^63 */
};

typedef struct mf_hf {
    const mf_json *json;
    const mf_node *root;
    const mf_node *text; /* text_config of a multimodal model, else the root */
    const char *name;    /* stands in messages */
    mf_error *err;
    mf_status status;
    mf_model *model;
    size_t tensor_capacity;
    size_t layer_capacity;
    mf_layer *layer;     /* the latest one, valid until the next begins; NULL before the first */
    int32_t index;       /* of it; MF_GLOBAL_TENSOR before the first */
    uint64_t hidden;     /* as in the model */
    uint32_t n_layers;   /* num_hidden_layers; 0 where the config has another way to say it */
    uint32_t n_heads;    /* 0: no attention */
    uint32_t n_kv_heads; /* n_heads if not stated */
    uint32_t head_dim;   /* hidden / heads if not stated */
    uint32_t ffn_width;  /* intermediate_size; 0 if not stated or a list */
    uint64_t left_out;   /* parameters of blocks that GGUF files do not keep */
} mf_hf;

/* Keeps the first fault, with the place of the node. */
void mf_hf_fail(mf_hf *hf, const mf_node *node, const char *format, ...) MF_PRINTF(3, 4);

/* Sets the model's `published`. */
void mf_hf_read_published(mf_hf *hf);

/* Value of the first of the keys ("hidden_size|d_model") that is there and not null, in the text config, then in the
   root; NULL without one. */
const mf_node *mf_hf_find(const mf_hf *hf, const char *keys);

/* A count above 0; a missing one is a fault. */
uint32_t mf_hf_count(mf_hf *hf, const char *keys);
/* A count; `otherwise` where it is missing or null. */
uint32_t mf_hf_count_or(mf_hf *hf, const char *keys, uint32_t otherwise);
bool mf_hf_flag(mf_hf *hf, const char *keys, bool otherwise);

/* The same inside an object of the config ("linear_attn_config"). */
uint32_t mf_hf_count_in(mf_hf *hf, const char *object, const char *key);

/* Item i of a list, or the number itself where it is one; `otherwise` where the key is missing. A list that is too short
   is a fault. true counts as 1. */
uint32_t mf_hf_item(mf_hf *hf, const char *keys, uint32_t i, uint32_t otherwise);
/* True if item i of a list of words is this one; false where the key is missing. */
bool mf_hf_item_is(mf_hf *hf, const char *keys, uint32_t i, const char *word);
/* True if the list has this number; false where the key is missing. */
bool mf_hf_has_item(mf_hf *hf, const char *keys, uint32_t number);

/* a times b; a fault above MF_HF_MAX_COUNT. */
uint32_t mf_hf_product(mf_hf *hf, uint32_t a, uint32_t b);

/* Begins a layer; tensors that follow are its own: "attn_q.weight" becomes "blk.7.attn_q.weight". */
void mf_hf_begin_layer(mf_hf *hf);

/* Adds a tensor, the contiguous dimension first; trailing dimensions of 0 do not count. */
void mf_hf_add(mf_hf *hf, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2);

static inline void mf_hf_add_vector(mf_hf *hf, const char *name, uint64_t n)
{
    mf_hf_add(hf, name, n, 0, 0);
}

static inline void mf_hf_add_matrix(mf_hf *hf, const char *name, uint64_t ne0, uint64_t ne1)
{
    mf_hf_add(hf, name, ne0, ne1, 0);
}

/* Adds a tensor outside the blocks, whatever layer is being built. */
void mf_hf_add_global(mf_hf *hf, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2);

/* Takes the layers from the i-th on out of the model again and counts their parameters as left out. */
void mf_hf_leave_out_from(mf_hf *hf, size_t first_layer);

#endif
