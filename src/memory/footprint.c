#include "memory/footprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/str.h"
#include "memory/compute_memo.h"

/* The blocks for multi-token prediction are skipped, but for tensors that src/models of llama.cpp creates as merely not
   required, without the flag to skip. Tails of names. */
typedef struct unskipped {
    const char *architecture;
    const char *tails[20];
} unskipped;

static const unskipped leftovers[] = {
    {"deepseek32", {".exp_probs_b.bias"}},
    {"glm-dsa",    {".exp_probs_b.bias"}},
    {"hy_v3",
     {".ffn_gate.weight",
      ".ffn_up.weight",
      ".ffn_down.weight",
      ".ffn_gate_inp.weight",
      ".exp_probs_b",
      ".exp_probs_b.bias",
      ".ffn_gate_exps.weight",
      ".ffn_up_exps.weight",
      ".ffn_down_exps.weight",
      ".ffn_gate_up_exps.weight",
      ".ffn_gate_shexp.weight",
      ".ffn_up_shexp.weight",
      ".ffn_down_shexp.weight",
      ".nextn.embed_tokens.weight",
      ".nextn.shared_head_head.weight",
      ".nextn.shared_head_norm.weight"} },
    {"step35",
     {".attn_q_norm.weight",
      ".attn_k_norm.weight",
      ".attn_gate.weight",
      ".ffn_gate.weight",
      ".ffn_up.weight",
      ".ffn_down.weight",
      ".ffn_gate_inp.weight",
      ".exp_probs_b.bias",
      ".ffn_gate_exps.weight",
      ".ffn_up_exps.weight",
      ".ffn_down_exps.weight",
      ".ffn_gate_shexp.weight",
      ".ffn_up_shexp.weight",
      ".ffn_down_shexp.weight",
      ".nextn.embed_tokens.weight",
      ".nextn.shared_head_head.weight",
      ".nextn.shared_head_norm.weight"} },
};

static bool is_leftover(const mf_model *model, const mf_tensor *tensor)
{
    for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++) {
        const unskipped *row = &leftovers[i];
        if (strcmp(row->architecture, model->architecture) != 0) {
            continue;
        }
        for (size_t k = 0; row->tails[k] != NULL; k++) {
            if (mf_ends_with(tensor->name, row->tails[k])) {
                return true;
            }
        }
    }
    return false;
}

bool mf_footprint_loads(const mf_model *model, const mf_tensor *tensor)
{
    return tensor->layer < 0 || (size_t)tensor->layer >= model->n_layers ||
           !model->layers[tensor->layer].is_nextn || is_leftover(model, tensor);
}

/* ggml-cuda.cu: ggml_backend_cuda_buffer_type_get_alloc_size. */
uint64_t mf_footprint_row_fill(mf_tensor_type type, uint64_t width)
{
    enum { ROW_STEP = 512 }; /* MATRIX_ROW_PADDING */
    const mf_tensor_type_info *info = mf_tensor_type_get(type);
    const uint64_t rest = width % ROW_STEP;
    return info->block_elements > 1 && rest > 0
               ? (ROW_STEP - rest) / info->block_elements * info->block_bytes
               : 0;
}

static const uint64_t alignments[BUFFER_KINDS] = {[BUFFER_HOST] = 32, [BUFFER_CUDA] = 128};

/* Bytes by kind of buffer. */
static mf_status tensor_bytes(uint64_t bytes[BUFFER_KINDS],
                              const mf_footprint *footprint,
                              size_t index,
                              mf_error *err)
{
    const mf_tensor *tensor = &footprint->model->tensors[index];
    const mf_tensor_type type = footprint->types[index];
    uint64_t size = 0;
    const mf_status status = mf_tensor_bytes(&size, tensor, type, err);
    if (status != MF_OK) {
        return status;
    }
    if (footprint->estimated && type != MF_TYPE_MXFP4) {
        size = (uint64_t)(footprint->size_share * (double)size);
    }
    for (int kind = 0; kind < BUFFER_KINDS; kind++) {
        const uint64_t fill =
            kind == BUFFER_CUDA ? mf_footprint_row_fill(type, tensor->dims[0]) : 0;
        uint64_t filled = 0;
        if (!mf_add(&filled, size, fill) || !mf_pad(&bytes[kind], filled, alignments[kind])) {
            return mf_fail(err, MF_E_OVERFLOW, "'%s' exceeds 64 bits", tensor->name);
        }
    }
    return MF_OK;
}

mf_status mf_footprint_tensor(
    uint64_t *bytes, const mf_footprint *footprint, size_t index, buffer_kind kind, mf_error *err)
{
    uint64_t all[BUFFER_KINDS] = {0};
    const mf_status status = tensor_bytes(all, footprint, index, err);
    if (status == MF_OK) {
        *bytes = all[kind];
    }
    return status;
}

static bool same_part(const mf_tensor *a, const mf_tensor *b)
{
    return a == b || (a != NULL && b != NULL && memcmp(a->dims, b->dims, sizeof a->dims) == 0);
}

static bool same_attention(const mf_attention *a, const mf_attention *b)
{
    return a->kind == b->kind && a->n_heads == b->n_heads && a->n_kv_heads == b->n_kv_heads &&
           a->key_dim == b->key_dim && a->value_dim == b->value_dim && a->window == b->window &&
           a->chunked == b->chunked && a->shares_kv == b->shares_kv &&
           a->value_is_key == b->value_is_key && a->kv_rank == b->kv_rank &&
           a->rope_dim == b->rope_dim && a->index_dim == b->index_dim &&
           a->n_index_heads == b->n_index_heads && a->index_block == b->index_block &&
           a->compress_ratio == b->compress_ratio;
}

static bool same_ffn(const mf_ffn *a, const mf_ffn *b)
{
    return a->kind == b->kind && a->n_experts_used == b->n_experts_used &&
           a->n_groups == b->n_groups && a->n_groups_used == b->n_groups_used &&
           a->norm_weights == b->norm_weights && a->scale_weights == b->scale_weights;
}

/* What a graph reads of a layer: heads and windows, the router, the state, and the tensors' shapes. */
static bool same_shape(const mf_footprint *f, size_t a, size_t b)
{
    const mf_layer *first = &f->model->layers[a];
    const mf_layer *second = &f->model->layers[b];
    if (!same_attention(&first->attention, &second->attention) ||
        !same_ffn(&first->ffn, &second->ffn) || first->recurrent.kind != second->recurrent.kind ||
        first->recurrent.state_elements != second->recurrent.state_elements) {
        return false;
    }
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (!same_part(f->parts[a][i], f->parts[b][i])) {
            return false;
        }
    }
    return true;
}

/* A layer has the number of the first one that is like it. */
static void number_kinds(mf_footprint *f)
{
    for (size_t i = 0; i < f->model->n_layers; i++) {
        size_t first = 0;
        while (first < i && (f->kinds[first] != first || !same_shape(f, first, i))) {
            first++;
        }
        f->kinds[i] = (uint32_t)first;
    }
}

static void add_global(mf_footprint *f, size_t index)
{
    const mf_tensor *tensor = &f->model->tensors[index];
    f->globals[f->n_globals++] = (uint32_t)index;
    f->output_norm_bias |= strcmp(tensor->name, "output_norm.bias") == 0;
    f->output_bias |= strcmp(tensor->name, "output.bias") == 0;
    f->rope_factors =
        strncmp(tensor->name, "rope_", strlen("rope_")) == 0 ? tensor : f->rope_factors;
    f->per_layer_table = tensor->role == MF_ROLE_PER_LAYER_EMBEDDING ? tensor : f->per_layer_table;
}

static bool is_of_layer(const mf_model *model, const mf_tensor *tensor)
{
    return tensor->layer >= 0 && (size_t)tensor->layer < model->n_layers;
}

/* What does not depend on the scheme. */
static void fill_shapes(mf_footprint *f)
{
    const mf_model *model = f->model;
    mf_quant_names(f->names, model);
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (!mf_footprint_loads(model, tensor)) {
            continue;
        }
        const bool of_layer = is_of_layer(model, tensor);
        const block_part part = of_layer ? mf_block_part_of(tensor) : PART_COUNT;
        if (part != PART_COUNT) {
            f->parts[tensor->layer][part] = tensor;
        }
        if (!of_layer) {
            add_global(f, i);
        }
    }
    number_kinds(f);
    f->n_run = model->n_layers;
    while (f->n_run > 0 && model->layers[f->n_run - 1].is_nextn) {
        f->n_run--;
    }
    for (size_t i = 0; i < model->n_layers; i++) {
        const uint32_t n = model->layers[i].ffn.n_experts;
        f->n_experts = n > f->n_experts ? n : f->n_experts;
    }
}

static mf_status add_bytes(mf_footprint *f, size_t index, mf_error *err)
{
    const mf_tensor *tensor = &f->model->tensors[index];
    layer_bytes *layer = &f->layers[tensor->layer];
    uint64_t *sums = tensor->role == MF_ROLE_EXPERT ? layer->experts : layer->others;
    uint64_t bytes[BUFFER_KINDS] = {0};
    const mf_status status = tensor_bytes(bytes, f, index, err);
    for (int kind = 0; status == MF_OK && kind < BUFFER_KINDS; kind++) {
        if (!mf_add(&sums[kind], sums[kind], bytes[kind])) {
            return mf_fail(err, MF_E_OVERFLOW, "the weights exceed 64 bits");
        }
    }
    return status;
}

/* FNV-1a. */
static uint64_t hash_types(const mf_tensor_type *types, size_t n)
{
    static const uint64_t begin = 0xcbf29ce484222325;
    static const uint64_t prime = 0x100000001b3;
    uint64_t hash = begin;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (uint64_t)types[i]) * prime;
    }
    return hash;
}

static mf_status fill_bytes(mf_footprint *f, mf_error *err)
{
    const mf_model *model = f->model;
    mf_status status =
        mf_quant_types_named(f->types, &f->estimated, model, f->quant, f->names, err);
    f->types_hash = hash_types(f->types, model->n_tensors);
    f->size_share = f->estimated ? mf_quant_size_share(f->quant) : 1;
    for (size_t i = 0; status == MF_OK && i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (is_of_layer(model, tensor) && mf_footprint_loads(model, tensor)) {
            status = add_bytes(f, i, err);
        }
    }
    return status;
}

static bool allocate_shapes(mf_footprint *f)
{
    const mf_model *model = f->model;
    f->names = calloc(model->n_tensors + 1, sizeof *f->names);
    f->globals = calloc(model->n_tensors + 1, sizeof *f->globals);
    f->parts = calloc(model->n_layers + 1, sizeof *f->parts);
    f->kinds = calloc(model->n_layers + 1, sizeof *f->kinds);
    return f->names != NULL && f->globals != NULL && f->parts != NULL && f->kinds != NULL;
}

static mf_status make(mf_footprint **out, const mf_footprint *begun, mf_error *err)
{
    const mf_model *model = begun->model;
    mf_footprint *f = malloc(sizeof *f);
    if (f == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a model's footprint");
    }
    *f = *begun;
    f->types = calloc(model->n_tensors + 1, sizeof *f->types);
    f->layers = calloc(model->n_layers + 1, sizeof *f->layers);
    mf_status status = f->types != NULL && f->layers != NULL && (f->is_like || allocate_shapes(f))
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "out of memory for a model's footprint");
    if (status == MF_OK && !f->is_like) {
        fill_shapes(f);
    }
    status = status == MF_OK ? fill_bytes(f, err) : status;
    if (status != MF_OK) {
        mf_footprint_free(f);
        return status;
    }
    *out = f;
    return MF_OK;
}

mf_status
mf_footprint_new(mf_footprint **out, const mf_model *model, const mf_quant *quant, mf_error *err)
{
    const mf_footprint begun = {.model = model, .quant = quant};
    return make(out, &begun, err);
}

mf_status mf_footprint_new_like(mf_footprint **out,
                                const mf_footprint *like,
                                const mf_quant *quant,
                                mf_error *err)
{
    mf_footprint begun = *like;
    begun.quant = quant;
    begun.is_like = true;
    return make(out, &begun, err);
}

void mf_footprint_remember(mf_footprint *footprint)
{
    if (footprint->memo == NULL && !footprint->is_like) {
        footprint->memo = mf_compute_memo_new();
    }
}

void mf_footprint_free(mf_footprint *footprint)
{
    if (footprint == NULL) {
        return;
    }
    free(footprint->types);
    free(footprint->layers);
    if (!footprint->is_like) {
        free(footprint->names);
        free(footprint->globals);
        free((void *)footprint->parts);
        free(footprint->kinds);
        mf_compute_memo_free(footprint->memo);
    }
    free(footprint);
}
