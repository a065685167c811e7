/*
 * cache.c - KV cache and recurrent state as llama.cpp b10470 allocates them.
 *
 * Cells and streams: src/llama-context.cpp; rows: src/llama-kv-cache.cpp; windows:
 * src/llama-kv-cache-iswa.cpp; state: src/llama-memory-recurrent.cpp and llama-hparams.cpp.
 */
#include "base/checked.h"
#include "memory/internal.h"

enum {
    CELL_PADDING = 256,
    STATE_ELEMENT_BYTES = 4, /* always f32 */
};

static mf_status overflow(mf_error *err)
{
    return mf_fail(err, MF_E_OVERFLOW, "the KV cache exceeds 64 bits: ask for a shorter context");
}

/* Not unified, every sequence gets a stream of its own and each is padded, so that the total may
   exceed what was asked: 5000 tokens for 3 sequences become 3 x 1792. */
static mf_status count_cells(mf_cache_size *size, const mf_workload *w, mf_error *err)
{
    uint64_t cells = 0;
    size->streams = (uint32_t)mf_workload_streams(w);
    if (!mf_pad(&cells, w->n_ctx, CELL_PADDING) ||
        !mf_pad(&size->cells, cells / size->streams, CELL_PADDING)) {
        return overflow(err);
    }
    return MF_OK;
}

/* A window layer needs its window for every sequence of the stream and the micro-batch on top. */
static mf_status window_cells(uint64_t *cells,
                              uint32_t window,
                              const mf_cache_size *size,
                              const mf_workload *w,
                              mf_error *err)
{
    if (window == 0 || w->swa_full) {
        *cells = size->cells;
        return MF_OK;
    }
    const uint64_t batch = w->n_ubatch < w->n_batch ? w->n_ubatch : w->n_batch;
    const uint64_t ubatch = batch < w->n_ctx ? batch : w->n_ctx;
    const uint64_t sequences = w->kv_unified ? w->n_parallel : 1;
    const uint64_t wanted = (uint64_t)window * sequences + ubatch; /* below 2^64: both are 32 bit */
    if (!mf_pad(cells, wanted < size->cells ? wanted : size->cells, CELL_PADDING)) {
        return overflow(err);
    }
    return MF_OK;
}

/* Bytes of one cell of a layer. Without flash attention V is stored transposed and every layer's row
   is as wide as the widest. */
static mf_status cell_bytes(uint64_t *bytes,
                            const mf_attention *a,
                            uint64_t widest_value,
                            const mf_workload *w,
                            mf_error *err)
{
    const bool latent = a->kind == MF_ATTENTION_MLA;
    const uint64_t key_width =
        latent ? (uint64_t)a->kv_rank + a->rope_dim : (uint64_t)a->n_kv_heads * a->key_dim;
    const uint64_t own_value = (uint64_t)a->n_kv_heads * a->value_dim;
    const bool no_value = latent || a->value_is_key;
    uint64_t key = 0;
    uint64_t value = 0;
    mf_status status = mf_tensor_row_bytes(&key, w->kv_type_k, key_width, err);
    if (status == MF_OK && !no_value) {
        status = mf_tensor_row_bytes(
            &value, w->kv_type_v, w->flash_attention ? own_value : widest_value, err);
    }
    if (status != MF_OK) {
        mf_error_prefix(err, "KV cache: ");
        return status;
    }
    uint64_t index = 0;
    status = mf_tensor_row_bytes(&index, w->kv_type_k, a->index_dim, err);
    if (status == MF_OK && a->index_block > 0) {
        /* MiniMax M3's index keys lie in a cache of one head, with values that nobody writes (llama-kv-cache-msa.cpp). */
        uint64_t unused = 0;
        status = mf_tensor_row_bytes(&unused, w->kv_type_v, a->value_dim, err);
        index += unused;
    }
    *bytes = key + value + index;
    return status;
}

static mf_status
add_cells(uint64_t *total, uint64_t bytes, uint64_t cells, uint64_t streams, mf_error *err)
{
    uint64_t product = 0;
    if (!mf_mul(&product, bytes, cells) || !mf_mul(&product, product, streams) ||
        !mf_add(total, *total, product)) {
        return overflow(err);
    }
    return MF_OK;
}

/* DeepSeek V4 (llama-kv-cache-dsv4.cpp): one vector is key and value. Every layer keeps its window, some also an entry for
   every compress_ratio tokens, with an index key where they select; sequences stay apart even in a unified cache. */
static mf_status
compressed_cache(mf_cache_size *size, const mf_attention *a, const mf_workload *w, mf_error *err)
{
    mf_workload apart = *w;
    uint64_t key = 0;
    uint64_t index = 0;
    uint64_t cells = 0;
    apart.kv_unified = false;
    mf_status status =
        mf_tensor_row_bytes(&key, w->kv_type_k, (uint64_t)a->n_kv_heads * a->key_dim, err);
    status =
        status == MF_OK ? mf_tensor_row_bytes(&index, w->kv_type_k, a->index_dim, err) : status;
    status = status == MF_OK ? window_cells(&cells, a->window, size, &apart, err) : status;
    if (status == MF_OK) {
        size->swa_cells = a->window > 0 ? cells : size->swa_cells;
        status = add_cells(&size->kv_bytes, key, cells, w->n_parallel, err);
    }
    if (status == MF_OK && a->compress_ratio > 0) {
        uint64_t entries = (size->cells + a->compress_ratio - 1) / a->compress_ratio;
        status = mf_pad(&entries, entries, CELL_PADDING)
                     ? add_cells(&size->kv_bytes, key + index, entries, w->n_parallel, err)
                     : overflow(err);
    }
    return status;
}

static mf_status layer_cache(mf_cache_size *size,
                             const mf_attention *a,
                             uint64_t widest_value,
                             const mf_workload *w,
                             mf_error *err)
{
    uint64_t bytes = 0;
    uint64_t cells = 0;
    mf_status status = cell_bytes(&bytes, a, widest_value, w, err);
    if (status == MF_OK) {
        status = window_cells(&cells, a->window, size, w, err);
    }
    if (status == MF_OK && a->window > 0) {
        size->swa_cells = cells;
    }
    if (status == MF_OK) {
        status = add_cells(&size->kv_bytes, bytes, cells, size->streams, err);
    }
    return status;
}

/* What follows the last row of a cache (ggml-cuda.cu: ggml_backend_cuda_buffer_type_get_alloc_size). */
static uint64_t row_fill(mf_tensor_type type, uint64_t width)
{
    enum { ALIGNMENT = 128 };
    const uint64_t fill = mf_footprint_row_fill(type, width);
    return (fill + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint64_t layer_fill(const mf_attention *a, uint64_t widest_value, const mf_workload *w)
{
    const bool latent = a->kind == MF_ATTENTION_MLA;
    const uint64_t key =
        latent ? (uint64_t)a->kv_rank + a->rope_dim : (uint64_t)a->n_kv_heads * a->key_dim;
    const uint64_t value = (uint64_t)a->n_kv_heads * a->value_dim;
    uint64_t fill = row_fill(w->kv_type_k, key) + row_fill(w->kv_type_k, a->index_dim);
    if (a->value_is_key) {
        return fill + (a->compress_ratio > 0 ? row_fill(w->kv_type_k, key) : 0);
    }
    fill += a->index_block > 0 ? row_fill(w->kv_type_v, a->value_dim) : 0;
    return fill + (latent ? 0 : row_fill(w->kv_type_v, w->flash_attention ? value : widest_value));
}

static bool has_cache(const mf_layer *layer)
{
    return layer->attention.kind != MF_ATTENTION_NONE && !layer->attention.shares_kv &&
           (!layer->is_nextn || layer->nextn_has_cache);
}

static uint64_t widest_value(const mf_model *model)
{
    uint64_t widest = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_attention *a = &model->layers[i].attention;
        const uint64_t width = (uint64_t)a->n_kv_heads * a->value_dim;
        widest = a->kind == MF_ATTENTION_GQA && width > widest ? width : widest;
    }
    return widest;
}

/* Nemotron-NAS: a layer that lost its attention keeps its place in the cache, with rows of no width; transposed values
   are as wide as the widest all the same (llama-kv-cache.cpp). In hybrid models such layers have none. */
static bool has_empty_cache(const mf_model *model, const mf_layer *layer)
{
    bool hybrid = layer->is_nextn || layer->attention.kind != MF_ATTENTION_NONE;
    for (size_t i = 0; !hybrid && i < model->n_layers; i++) {
        hybrid = model->layers[i].recurrent.kind != MF_RECURRENT_NONE;
    }
    return !hybrid;
}

static mf_status
layer_state(mf_cache_size *size, const mf_recurrent *r, const mf_workload *w, mf_error *err)
{
    uint64_t elements = 0;
    uint64_t bytes = 0;
    if (!mf_add(&elements, r->conv_elements, r->state_elements) ||
        !mf_mul(&bytes, elements, (uint64_t)w->n_parallel * STATE_ELEMENT_BYTES) ||
        !mf_add(&size->state_bytes, size->state_bytes, bytes)) {
        return overflow(err);
    }
    return MF_OK;
}

mf_status mf_cache_add_layer(mf_cache_size *size,
                             const mf_model *model,
                             size_t index,
                             const mf_workload *workload,
                             mf_error *err)
{
    const mf_layer *layer = &model->layers[index];
    mf_status status = MF_OK;
    if (has_empty_cache(model, layer)) {
        const uint64_t widest = workload->flash_attention ? 0 : widest_value(model);
        uint64_t value = 0;
        status = mf_tensor_row_bytes(&value, workload->kv_type_v, widest, err);
        if (status == MF_OK) {
            status = add_cells(&size->kv_bytes, value, size->cells, size->streams, err);
        }
    }
    if (status == MF_OK && has_cache(layer)) {
        const uint64_t widest = workload->flash_attention ? 0 : widest_value(model);
        status = layer->attention.value_is_key
                     ? compressed_cache(size, &layer->attention, workload, err)
                     : layer_cache(size, &layer->attention, widest, workload, err);
        size->kv_fill_bytes += layer_fill(&layer->attention, widest, workload);
    }
    if (status == MF_OK && layer->recurrent.kind != MF_RECURRENT_NONE && !layer->is_nextn) {
        status = layer_state(size, &layer->recurrent, workload, err);
    }
    return status;
}

mf_status mf_cache_begin(mf_cache_size *size, const mf_workload *workload, mf_error *err)
{
    if (workload->n_ctx == 0 || workload->n_parallel == 0) {
        return mf_fail(err, MF_E_USAGE, "context and parallel sequences must be at least 1");
    }
    mf_cache_size begun = {0};
    const mf_status status = count_cells(&begun, workload, err);
    if (status == MF_OK) {
        *size = begun;
    }
    return status;
}

mf_status mf_cache_bytes(mf_cache_size *size,
                         const mf_model *model,
                         const mf_workload *workload,
                         mf_error *err)
{
    mf_cache_size sum = {0};
    mf_status status = mf_cache_begin(&sum, workload, err);
    for (size_t i = 0; status == MF_OK && i < model->n_layers; i++) {
        status = mf_cache_add_layer(&sum, model, i, workload, err);
    }
    if (status == MF_OK) {
        *size = sum;
    }
    return status;
}

mf_status mf_checkpoint_bytes(uint64_t *bytes,
                              const mf_model *model,
                              const mf_workload *workload,
                              mf_error *err)
{
    mf_workload one = *workload;
    mf_cache_size size = {0};
    one.n_parallel = 1;
    const uint64_t widest = workload->flash_attention ? 0 : widest_value(model);
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < model->n_layers; i++) {
        const mf_layer *layer = &model->layers[i];
        const mf_attention *a = &layer->attention;
        uint64_t cell = 0;
        if (has_cache(layer) && a->window > 0) {
            mf_attention plain = *a;
            plain.index_dim = 0; /* keys of compressed entries, not of the window */
            status = cell_bytes(&cell, &plain, widest, &one, err);
            const uint64_t cells = a->window < one.n_ctx ? a->window : one.n_ctx;
            status = status == MF_OK ? add_cells(&size.kv_bytes, cell, cells, 1, err) : status;
        }
        if (status == MF_OK && layer->recurrent.kind != MF_RECURRENT_NONE && !layer->is_nextn) {
            status = layer_state(&size, &layer->recurrent, &one, err);
        }
    }
    if (status == MF_OK && !mf_add(bytes, size.kv_bytes, size.state_bytes)) {
        status = overflow(err);
    }
    return status;
}
