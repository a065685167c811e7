/*
 * llamacpp_bound.c - compute buffers of a model whose blocks hold other tensors than the known graphs read: the pieces
 * of the widest layer as if all were alive together, with the output beside them. Far above what a graph takes.
 */
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
    const uint64_t per_token = F32_BYTES * (widest + cells + 2 * model->hidden);
    if (!mf_mul(&body, per_token, tokens) ||
        !mf_mul(&output, F32_BYTES * (model->vocabulary + 2 * model->hidden), tokens) ||
        !mf_mul(&states, (uint64_t)STATE_COPIES * F32_BYTES * state, w->n_parallel) ||
        !mf_add(&body, body, states) || !mf_add(&body, body, output)) {
        return MF_E_OVERFLOW;
    }
    for (size_t i = 0; i < setup->n_places; i++) {
        size->bytes[i] = body;
    }
    return MF_OK;
}

/* Floats for every padded token and channel of a layer: what b10361's dry run takes more without the fused kernel, over
   models of 16 to 80 heads, 1 to 4 sequences and micro-batches of 512 and 2048 (up to 5.9 and 33.2). */
static uint64_t unfused_bytes(const mf_footprint *f, size_t index, const mf_workload *w)
{
    enum { CHUNK = 64 };
    static const uint64_t gated_floats = 6;
    static const uint64_t channel_floats = 34;
    const mf_tensor *norm = f->parts[index][PART_SSM_NORM];
    const bool by_channel = f->parts[index][PART_SSM_F_A] != NULL;
    const uint64_t head = norm != NULL && norm->dims[0] > 0 ? norm->dims[0] : CHUNK;
    const uint64_t wide = head > CHUNK ? head : CHUNK;
    const uint64_t n_heads = f->model->layers[index].recurrent.state_elements / head / head;
    const uint64_t batch = w->n_ubatch < w->n_batch ? w->n_ubatch : w->n_batch;
    const uint64_t each = (batch + w->n_parallel - 1) / w->n_parallel;
    const uint64_t tokens = (each + CHUNK - 1) / CHUNK * CHUNK * w->n_parallel;
    const uint64_t per_token = F32_BYTES * (by_channel ? channel_floats : gated_floats);
    uint64_t bytes = 0;
    return mf_mul(&bytes, wide, n_heads) && mf_mul(&bytes, bytes, per_token) &&
                   mf_mul(&bytes, bytes, tokens)
               ? bytes
               : UINT64_MAX; /* does not add up either */
}

/* Where a pattern sends what mixes the tokens of a layer; otherwise the layer's place. */
static int8_t mixing_place(const compute_setup *setup, size_t index)
{
    const mf_footprint *f = setup->footprint;
    for (size_t i = 0; setup->tensor_places != NULL && i < PART_COUNT; i++) {
        const mf_tensor *t = f->parts[index][i];
        const bool mixes =
            t != NULL && (t->role == MF_ROLE_RECURRENT || t->role == MF_ROLE_ATTENTION);
        if (mixes && setup->tensor_places[t - f->model->tensors] != setup->layer_places[index]) {
            return setup->tensor_places[t - f->model->tensors];
        }
    }
    return setup->layer_places[index];
}

/* llama-context.cpp, resolve_fused_ops: a probe of 16 tokens a sequence is scheduled; if a fused kernel runs on another
   device than its layer lies on, no layer has it. So it is where a device takes the products of a layer on the host along:
   from 32 tokens on, and where a pattern moves a layer whose state lies on the host. */
mf_status mf_llamacpp_unfused_bound(compute_size *size, const compute_setup *setup)
{
    enum { PROBE_TOKENS = 16, OFFLOAD_TOKENS = 32 };
    const mf_footprint *f = setup->footprint;
    const mf_workload *w = setup->workload;
    const int8_t host = (int8_t)(setup->n_places - 1);
    const bool probe_leaves =
        setup->offloads && PROBE_TOKENS * (uint64_t)w->n_parallel >= OFFLOAD_TOKENS;
    const bool leaves = probe_leaves && w->n_ubatch >= OFFLOAD_TOKENS &&
                        w->n_batch >= OFFLOAD_TOKENS && w->n_ctx >= OFFLOAD_TOKENS;
    uint64_t most[GALLOC_MAX_BUFFERS] = {0};
    bool unfused = false;
    for (size_t i = 0; i < f->n_run; i++) {
        if (f->model->layers[i].recurrent.kind != MF_RECURRENT_DELTA) {
            continue;
        }
        const int8_t place = setup->layer_places[i];
        const uint64_t bytes = unfused_bytes(f, i, w);
        const bool goes = place == host && host > 0;
        const int8_t mixing = mixing_place(setup, i);
        unfused |= (goes && probe_leaves) || ((place == host || !w->kv_offload) && mixing != place);
        most[mixing] = mixing != place ? larger(most[mixing], bytes) : most[mixing];
        most[goes ? 0 : place] = larger(most[goes ? 0 : place], bytes);
        most[place] = goes && leaves ? most[place] : larger(most[place], bytes);
    }
    for (size_t i = 0; unfused && i < setup->n_places; i++) {
        size->exact &= most[i] == 0;
        if (!mf_add(&size->bytes[i], size->bytes[i], most[i])) {
            return MF_E_OVERFLOW;
        }
    }
    return MF_OK;
}
