/*
 * llamacpp_compute.c - compute buffers of llama.cpp b10470 in closed form.
 *
 * The buffer is the high-water mark of ggml's graph allocator over the worst-case prompt graph: the
 * largest of a few phases, each a sum of tensors that are alive together. The forms for dense models
 * are exact within 128 bytes; those for experts, latent attention, several windows and recurrent
 * layers bound the packing from above (tests/truth compares every known row).
 *
 * All sizes are bytes per token of the micro-batch unless they say otherwise; activations are f32.
 */
#include <string.h>

#include "base/checked.h"
#include "memory/internal.h"

#define F32_BYTES UINT64_C(4)
#define MASK_BYTES UINT64_C(2)
#define MASK_BYTES_PLAIN UINT64_C(4)

/* Widths of one layer that decide its phases. */
typedef struct layer_widths {
    uint64_t query; /* heads x head width */
    uint64_t keys;  /* KV heads x head width */
    uint64_t heads;
    uint64_t mask_cells;
} layer_widths;

typedef struct graph {
    const mf_case *run;
    uint64_t hidden;
    uint64_t vocabulary;
    uint64_t cells;
    uint64_t mask_cells; /* base mask, and the window's beside it */
    uint64_t n_tokens;   /* of a micro-batch */
    uint64_t n_outputs;
    bool flash;
} graph;

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static layer_widths widths_of(const mf_layer *layer)
{
    const mf_attention *a = &layer->attention;
    return (layer_widths){.query = (uint64_t)a->n_heads * a->key_dim,
                          .keys = (uint64_t)a->n_kv_heads * larger(a->key_dim, a->value_dim),
                          .heads = a->n_heads};
}

/* gate, up and their product of a dense layer; for experts the pieces of every expert in use and
   their outputs before the sum, and the router's scores. */
static uint64_t ffn_bytes(const mf_ffn *ffn, uint64_t hidden)
{
    enum { ROUTER_COPIES = 4 };
    const uint64_t dense = 3 * F32_BYTES * (uint64_t)ffn->width;
    switch (ffn->kind) {
    case MF_FFN_NONE:
        return 0;
    case MF_FFN_DENSE:
        return dense;
    case MF_FFN_MOE:
        return larger(ffn->n_experts_used * (dense + F32_BYTES * hidden),
                      3 * F32_BYTES * (uint64_t)ffn->shared_width) +
               F32_BYTES * hidden + ROUTER_COPIES * F32_BYTES * (uint64_t)ffn->n_experts;
    }
    return 0;
}

static uint64_t mask_bytes(const graph *g)
{
    return (g->flash ? MASK_BYTES : MASK_BYTES_PLAIN) * g->mask_cells;
}

/* Residual, normed input and output of a block, a hole the size of Q, the layer's own pieces. */
static uint64_t ffn_phase(const graph *g, const mf_layer *layer, uint64_t first_query)
{
    enum { POSITIONS = 24, POSITIONS_PLAIN = 16 };
    const layer_widths w = widths_of(layer);
    return 3 * F32_BYTES * g->hidden + F32_BYTES * first_query + ffn_bytes(&layer->ffn, g->hidden) +
           mask_bytes(g) + (g->flash ? POSITIONS : POSITIONS_PLAIN + 2 * F32_BYTES * w.keys);
}

/* Without flash attention the scores of every head stand as one f32 matrix. */
static uint64_t attention_phase(const graph *g, const mf_layer *layer)
{
    const layer_widths w = widths_of(layer);
    const uint64_t scores = g->flash ? 0 : F32_BYTES * w.heads * g->cells;
    return scores + mask_bytes(g) + 3 * F32_BYTES * g->hidden + 2 * F32_BYTES * w.query +
           2 * F32_BYTES * w.keys + 16;
}

/* Absorbed queries (heads x rank), the same with the rotary part, and the plain ones. */
static uint64_t latent_phase(const graph *g, const mf_layer *layer)
{
    const mf_attention *a = &layer->attention;
    const uint64_t nope = a->key_dim - a->rope_dim;
    const uint64_t per_head = 2 * (uint64_t)a->kv_rank + a->rope_dim + a->key_dim + nope;
    const uint64_t scores = g->flash ? 0 : F32_BYTES * (uint64_t)a->n_heads * g->cells;
    return scores + 4 * F32_BYTES * g->hidden + F32_BYTES * a->n_heads * per_head + mask_bytes(g) +
           16;
}

/* Input projection, convolution and gates of a recurrent layer, and the state that is copied. */
static uint64_t recurrent_phase(const graph *g, const mf_layer *layer)
{
    enum { PIECES = 6, CONVOLUTION_TAPS = 3 };
    const uint64_t inner = layer->recurrent.conv_elements / CONVOLUTION_TAPS;
    return 4 * F32_BYTES * g->hidden + PIECES * F32_BYTES * inner + mask_bytes(g);
}

static uint64_t layer_phase(const graph *g, const mf_layer *layer, uint64_t first_query)
{
    uint64_t most = ffn_phase(g, layer, first_query);
    if (layer->recurrent.kind != MF_RECURRENT_NONE) {
        most = larger(most, recurrent_phase(g, layer));
    }
    switch (layer->attention.kind) {
    case MF_ATTENTION_NONE:
        break;
    case MF_ATTENTION_GQA:
        most = larger(most, attention_phase(g, layer));
        break;
    case MF_ATTENTION_MLA:
        most = larger(most, latent_phase(g, layer));
        break;
    }
    return most;
}

/* ggml-metal-ops.cpp: flash attention keeps its padded K and V tail and partial results. */
static uint64_t metal_scratch(const graph *g, const mf_attention *a)
{
    enum { TAIL = 64, ROWS = 32, SPLITS = 32 };
    const bool latent = a->kind == MF_ATTENTION_MLA;
    const uint64_t key = latent ? (uint64_t)a->kv_rank + a->rope_dim : a->key_dim;
    const uint64_t value = latent ? a->kv_rank : a->value_dim;
    if (!g->flash || a->kind == MF_ATTENTION_NONE) {
        return 0;
    }
    return TAIL * (2 * (key + value) * a->n_kv_heads + 2 * g->n_tokens) +
           g->cells / TAIL * (g->n_tokens / 8 + 1) +
           F32_BYTES * smaller(g->n_tokens, ROWS) * a->n_heads * SPLITS * (value + 2);
}

static graph graph_of(const mf_case *run, const mf_cache_size *cache)
{
    const mf_workload *w = &run->workload;
    const uint64_t batch = smaller(w->n_batch, w->n_ctx);
    const uint64_t ubatch = smaller(w->n_ubatch, batch);
    const uint64_t sequences = w->n_parallel;
    graph g = {.run = run,
               .hidden = run->model->hidden,
               .vocabulary = run->model->vocabulary,
               .cells = cache->cells,
               .mask_cells = cache->cells + cache->swa_cells,
               .n_tokens = (ubatch + sequences - 1) / sequences * sequences,
               .flash = w->flash_attention};
    g.n_outputs = smaller(ubatch, w->n_outputs > 0 ? w->n_outputs : batch);
    return g;
}

static bool quantized(mf_tensor_type type)
{
    return mf_tensor_type_get(type)->block_elements > 1;
}

/* How far the allocator's packing may exceed the forms, from every known row (tests/truth): exact for
   dense models of one attention kind, otherwise a bound. */
typedef enum packing {
    PACKED_EXACT,
    PACKED_CLOSE, /* windows, quantized caches or several sequences */
    PACKED_LOOSE, /* experts, latent attention, recurrent layers, fused projections */
} packing;

static const double packing_margins[] = {
    [PACKED_EXACT] = 1.0, [PACKED_CLOSE] = 1.065, [PACKED_LOOSE] = 1.18};

static bool has_tensor(const mf_model *model, const char *part)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (strstr(model->tensors[i].name, part) != NULL) {
            return true;
        }
    }
    return false;
}

static packing packing_of(const mf_case *run)
{
    const mf_model *model = run->model;
    const mf_attention *first = &model->layers[0].attention;
    packing kind = run->workload.n_parallel > 1 || quantized(run->workload.kv_type_k)
                       ? PACKED_CLOSE
                       : PACKED_EXACT;
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_layer *layer = &model->layers[i];
        if (layer->attention.kind != MF_ATTENTION_GQA || layer->ffn.kind != MF_FFN_DENSE ||
            layer->recurrent.kind != MF_RECURRENT_NONE ||
            layer->attention.key_dim != first->key_dim) {
            return PACKED_LOOSE;
        }
        kind = layer->attention.window > 0 ? PACKED_CLOSE : kind;
    }
    return has_tensor(model, "attn_qkv") ? PACKED_LOOSE : kind;
}

/* Bytes that do not grow with the micro-batch: copies of every sequence's recurrent state, and without
   flash attention the latent cache turned to be multiplied. */
static uint64_t fixed_bytes(const graph *g)
{
    enum { COPIES = 3 };
    uint64_t state = 0;
    uint64_t latent = 0;
    for (size_t i = 0; i < g->run->model->n_layers; i++) {
        const mf_layer *layer = &g->run->model->layers[i];
        state = larger(state, layer->recurrent.conv_elements + layer->recurrent.state_elements);
        latent = larger(latent, layer->attention.kv_rank);
    }
    return COPIES * F32_BYTES * state * g->run->workload.n_parallel +
           (g->flash ? 0 : F32_BYTES * latent * g->cells);
}

/* The largest layer's phase, and Metal's scratch beside it. */
static uint64_t widest_phase(uint64_t *scratch, const graph *g, packing kind)
{
    const mf_model *model = g->run->model;
    uint64_t query = widths_of(&model->layers[0]).query;
    uint64_t most = 0;
    for (size_t i = 0; kind == PACKED_LOOSE && i < model->n_layers; i++) {
        query = larger(query, widths_of(&model->layers[i]).query);
    }
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_layer *layer = &model->layers[i];
        if (layer->is_nextn) {
            continue;
        }
        most = larger(most, layer_phase(g, layer, query));
        if (g->run->backend == MF_BACKEND_METAL) {
            *scratch = larger(*scratch, metal_scratch(g, &layer->attention));
        }
    }
    return most;
}

mf_status mf_llamacpp_compute(compute_size *size,
                              const mf_case *run,
                              const mf_cache_size *cache,
                              mf_error *err)
{
    const graph g = graph_of(run, cache);
    const packing kind = packing_of(run);
    uint64_t scratch = 0;
    const bool whole = run->backend == MF_BACKEND_CPU;
    const uint64_t inputs = F32_BYTES * g.hidden; /* inp_embd, kept though tokens are fed */
    const uint64_t per_token = widest_phase(&scratch, &g, kind) - (whole ? 0 : inputs);
    uint64_t body = 0;
    uint64_t host = 0;
    if (!mf_mul(&body, per_token, g.n_tokens) ||
        !mf_add(&body, body, scratch + F32_BYTES * g.n_outputs + fixed_bytes(&g)) ||
        !mf_mul(&host, 2 * inputs + mask_bytes(&g) + 28, g.n_tokens)) {
        return mf_fail(err, MF_E_OVERFLOW, "the compute buffer exceeds 64 bits");
    }
    const uint64_t output = g.n_outputs * F32_BYTES * (g.hidden + g.vocabulary) +
                            (whole ? (inputs + F32_BYTES) * g.n_tokens : 0);
    const uint64_t device = larger(body, output);
    *size = (compute_size){.device_bytes = kind == PACKED_EXACT
                                               ? device
                                               : (uint64_t)(packing_margins[kind] * (double)device),
                           .host_bytes = whole ? 0 : host};
    return MF_OK;
}
