/*
 * llamacpp_bound.c - compute buffers of a model whose blocks hold other tensors than the known graphs read: the pieces
 * of the widest layer as if all were alive together, with the output beside them. Far above what a graph takes.
 */
#include <string.h>

#include "base/checked.h"
#include "memory/llamacpp_compute.h"

enum { F32_BYTES = 4 };

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Elements per token. */
static uint64_t attention_elements(const mf_attention *a, uint64_t cells, bool flash)
{
    enum { COPIES = 3 };
    const uint64_t latent = (uint64_t)a->n_heads * (2 * (uint64_t)a->kv_rank + a->rope_dim);
    const uint64_t query = (uint64_t)a->n_heads * larger(a->key_dim, a->value_dim);
    const uint64_t keys = (uint64_t)a->n_kv_heads * ((uint64_t)a->key_dim + a->value_dim);
    const uint64_t scores = flash ? 0 : (uint64_t)a->n_heads * cells;
    const uint64_t index = 2 * (uint64_t)a->n_index_heads * cells;
    return COPIES * (query + keys) + latent + scores + index;
}

static uint64_t layer_elements(const mf_layer *layer, uint64_t hidden, uint64_t cells, bool flash)
{
    enum { RESIDUALS = 6, STATE_COPIES = 8, ROUTER_COPIES = 6 };
    const mf_ffn *f = &layer->ffn;
    const uint64_t used = f->kind == MF_FFN_MOE ? f->n_experts_used : 1;
    const uint64_t ffn = used * (3 * (uint64_t)f->width + 2 * hidden) +
                         3 * (uint64_t)f->shared_width + ROUTER_COPIES * (uint64_t)f->n_experts;
    return RESIDUALS * hidden + ffn + attention_elements(&layer->attention, cells, flash) +
           STATE_COPIES * layer->recurrent.conv_elements;
}

/* The widest layer's cache copied to where it is attended, and unpacked there; a weight of the host taken along. */
static mf_status
count_copies(uint64_t *bytes, const compute_setup *setup, uint64_t cells, uint64_t tokens)
{
    enum { COPIES = 2, OFFLOAD_TOKENS = 32 };
    const bool takes_along =
        setup->offloads && tokens >= OFFLOAD_TOKENS && mf_llamacpp_has_host_weights(setup);
    const mf_footprint *f = setup->footprint;
    uint64_t widest = 0;
    uint64_t heaviest = 0;
    for (size_t i = 0; i < f->model->n_layers; i++) {
        const mf_attention *a = &f->model->layers[i].attention;
        widest = larger(widest, (uint64_t)a->n_kv_heads * ((uint64_t)a->key_dim + a->value_dim));
    }
    for (size_t i = 0; takes_along && i < f->model->n_tensors; i++) {
        uint64_t one = 0;
        const mf_status status = mf_footprint_tensor(&one, f, i, BUFFER_CUDA, NULL);
        if (status != MF_OK) {
            return status;
        }
        heaviest = larger(heaviest, one);
    }
    return mf_mul(bytes, (uint64_t)COPIES * F32_BYTES * widest, cells) &&
                   mf_add(bytes, *bytes, heaviest)
               ? MF_OK
               : MF_E_OVERFLOW;
}

mf_status mf_llamacpp_compute_bound(compute_size *size, const compute_setup *setup)
{
    enum { STATE_COPIES = 3 };
    const mf_model *model = setup->footprint->model;
    const mf_workload *w = setup->workload;
    const uint64_t batch = w->n_batch < w->n_ctx ? w->n_batch : w->n_ctx;
    const uint64_t ubatch = w->n_ubatch < batch ? w->n_ubatch : batch;
    const uint64_t tokens = ubatch + w->n_parallel;
    const uint64_t cells = setup->cache->cells + setup->cache->swa_cells;
    uint64_t widest = 0;
    uint64_t state = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        widest = larger(
            widest, layer_elements(&model->layers[i], model->hidden, cells, w->flash_attention));
        state = larger(state, model->layers[i].recurrent.state_elements);
    }
    uint64_t body = 0;
    uint64_t output = 0;
    uint64_t states = 0;
    uint64_t copies = 0;
    const mf_status status = count_copies(&copies, setup, cells, tokens);
    if (status != MF_OK) {
        return status;
    }
    const uint64_t per_token = F32_BYTES * (widest + cells + 2 * model->hidden);
    if (!mf_mul(&body, per_token, tokens) ||
        !mf_mul(&output, F32_BYTES * (model->vocabulary + 2 * model->hidden), tokens) ||
        !mf_mul(&states, (uint64_t)STATE_COPIES * F32_BYTES * state, w->n_parallel) ||
        !mf_add(&body, body, states) || !mf_add(&body, body, output) ||
        !mf_add(&body, body, copies)) {
        return MF_E_OVERFLOW;
    }
    for (size_t i = 0; i < setup->n_places; i++) {
        size->bytes[i] = body;
    }
    return MF_OK;
}

/* Of so many of its places, the output's behind those of the layers. */
static bool has_on_host(const compute_setup *setup, size_t n_layer_places)
{
    return setup->tensor_places != NULL || setup->workload->n_cpu_moe > 0 ||
           memchr(setup->layer_places, setup->n_places - 1, n_layer_places) != NULL;
}

bool mf_llamacpp_has_host_weights(const compute_setup *setup)
{
    return has_on_host(setup, setup->footprint->model->n_layers + 1);
}

bool mf_llamacpp_is_apart(const compute_setup *setup)
{
    return setup->n_places > 1 &&
           (!setup->workload->kv_offload || has_on_host(setup, setup->footprint->model->n_layers));
}
