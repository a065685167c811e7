/*
 * build_frame.c - what stands around the layers of every graph: inputs, embedding, output (llama-graph.cpp:
 * build_inp_...; llama-kv-cache.cpp: build_input_*; src/models).
 */
#include "memory/build.h"

#include <string.h>

enum { F16_BYTES = 2, F32_BYTES = 4, I32_BYTES = 4, I64_BYTES = 8, LEAST_ROTATION = 64 };

static bool is_quantized(mf_tensor_type type)
{
    return mf_tensor_type_get(type)->block_elements > 1;
}

/* Hadamard matrices of a quantized cache: keys are turned in the largest power of two that divides a head's width,
   values in 64. A width that 64 does not divide is not turned. */
static graph_tensor hadamard(builder *b, uint64_t width, bool widest)
{
    uint64_t n = LEAST_ROTATION;
    while (widest && width % (2 * n) == 0) {
        n *= 2;
    }
    return mf_graph_input(b->g, F32_BYTES, GRAPH_SHAPE(n, n, 1, 1));
}

static graph_tensor rotation(builder *b, mf_tensor_type type, uint64_t width, bool widest)
{
    if (!is_quantized(type) || width == 0 || width % LEAST_ROTATION != 0) {
        return GRAPH_NONE;
    }
    return hadamard(b, width, widest);
}

graph_tensor mf_build_key_rotation(builder *b, uint64_t width, bool always)
{
    return always ? hadamard(b, width, true) : rotation(b, b->workload->kv_type_k, width, true);
}

static void cache_input(builder *b, cache_inputs *in, const mf_attention *a)
{
    const mf_workload *w = b->workload;
    const bool flash = w->flash_attention;
    const uint64_t per_row = flash ? 1 : b->full.widest_value;
    in->k_rows = mf_graph_input(b->g, I64_BYTES, GRAPH_SHAPE(b->n_tokens, 1, 1, 1));
    in->v_rows = mf_graph_input(b->g, I64_BYTES, GRAPH_SHAPE(b->n_tokens * per_row, 1, 1, 1));
    in->mask = mf_graph_input(b->g,
                              flash ? F16_BYTES : F32_BYTES,
                              GRAPH_SHAPE(in->cells, b->n_tokens / b->n_streams, 1, b->n_streams));
    if (a != NULL && a->kind == MF_ATTENTION_GQA) {
        in->k_rotation = rotation(b, w->kv_type_k, a->key_dim, true);
        in->v_rotation = rotation(b, w->kv_type_v, a->value_dim, false);
    }
}

/* Index keys are turned whatever their type; only the fused kernel that scores them reads a mask of halves. */
static void index_input(builder *b, const mf_attention *a)
{
    if (a == NULL) {
        return;
    }
    cache_inputs *in = &b->index;
    in->cells = b->full.cells;
    in->k_rows = mf_graph_input(b->g, I64_BYTES, GRAPH_SHAPE(b->n_tokens, 1, 1, 1));
    in->mask =
        mf_graph_input(b->g,
                       b->unfused[FUSED_INDEXER] ? F32_BYTES : F16_BYTES,
                       GRAPH_SHAPE(b->full.cells, b->n_tokens / b->n_streams, 1, b->n_streams));
    in->k_rotation = hadamard(b, a->index_dim, true);
}

/* One tensor in every place where a layer lies (llama-model-loader.cpp: TENSOR_DUPLICATED). */
static void rope_inputs(builder *b)
{
    const mf_tensor *t = b->footprint->rope_factors;
    for (int8_t i = 0; t != NULL && i <= b->host_place; i++) {
        b->rope_factors[i] = mf_graph_external(b->g, GRAPH_SHAPE(t->dims[0], 1, 1, 1), i, true);
    }
}

/* Tensors come into the order where they are read first, so that it does not matter that all are made here. */
void mf_build_inputs(builder *b)
{
    b->current = NULL;
    const mf_attention *full = NULL;
    const mf_attention *window = NULL;
    const mf_attention *indexed = NULL;
    for (size_t i = 0; i < b->n_layers; i++) {
        const mf_attention *a = &b->layers[i].shape->attention;
        if (a->kind != MF_ATTENTION_NONE) {
            *(a->window > 0 ? &window : &full) = a;
            indexed = a->n_index_heads > 0 ? a : indexed;
        }
    }
    const uint64_t positions =
        b->n_tokens * (b->traits->n_positions > 0 ? b->traits->n_positions : 1);
    b->positions = mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(positions, 1, 1, 1));
    b->output_rows = mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(b->n_outputs, 1, 1, 1));
    b->attention_scale = mf_graph_input(b->g, F32_BYTES, GRAPH_SHAPE(1, 1, b->n_tokens, 1));
    cache_input(b, &b->full, full);
    cache_input(b, &b->window, window);
    index_input(b, indexed);
    const graph_tensor states =
        mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(b->n_sequences, 1, 1, 1));
    b->states.main = mf_build_reshape(b, states, b->n_sequences, 1, 1, 1);
    b->states.extra = mf_build_reshape(b, states, 0, 1, 1, 1);
    rope_inputs(b);
}

/* Tokens are looked up; embeddings, the other way in, are reserved beside them. */
graph_tensor mf_build_embedding(builder *b)
{
    const uint64_t hidden = b->model->hidden;
    b->tokens = mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(b->n_tokens, 1, 1, 1));
    const graph_tensor x = mf_build_get_rows(b, mf_build_embedding_table(b), b->tokens);
    mf_graph_expand(b->g, x);
    mf_graph_expand(b->g, mf_graph_input(b->g, F32_BYTES, GRAPH_SHAPE(hidden, b->n_tokens, 1, 1)));
    return x;
}

void mf_build_begin_layer(builder *b, size_t i)
{
    b->first_ids[i] = b->g->n_nodes;
    b->current = i < b->n_layers ? &b->layers[i] : NULL;
    memset(b->weights, 0, sizeof b->weights);
}

graph_tensor mf_build_scaled(builder *b, graph_tensor x)
{
    return b->traits->scale_residual ? mf_build_in_place(b, x, GRAPH_NONE) : x;
}

void mf_build_pick(builder *b, const build_layer *l, graph_tensor *x, graph_tensor *residual)
{
    if (l == &b->layers[b->n_layers - 1] && b->traits->rows == ROWS_IN_LAST_LAYER) {
        *x = mf_build_get_rows(b, *x, b->output_rows);
        *residual = mf_build_get_rows(b, *residual, b->output_rows);
    }
}

static void keep(builder *b, graph_tensor t)
{
    if (t != GRAPH_NONE) {
        b->g->nodes[t].output = true;
    }
}

void mf_build_output(builder *b, graph_tensor x)
{
    const graph_traits *t = b->traits;
    const uint64_t hidden = b->model->hidden;
    const graph_shape row = GRAPH_SHAPE(hidden, 1, 1, 1);
    mf_build_begin_layer(b, b->n_layers);
    if (t->rows == ROWS_BEFORE_NORM) {
        keep(b, x);
        x = mf_build_get_rows(b, x, b->output_rows);
    }
    x = mf_build_rms(b, x);
    if (!t->bare_norms) {
        x = mf_build_in_place(b, x, mf_build_global(b, row, b->output_place));
    }
    if (b->footprint->output_norm_bias) {
        x = mf_build_in_place(b, x, mf_build_global(b, row, b->output_place));
    }
    keep(b, x);
    if (t->rows == ROWS_AFTER_NORM) {
        x = mf_build_get_rows(b, x, b->output_rows);
        keep(b, x);
    }
    x = t->scale_hidden ? mf_build_in_place(b, x, GRAPH_NONE) : x;
    x = mf_build_mul_mat(b, mf_build_output_table(b), x);
    if (b->footprint->output_bias) {
        x = mf_build_in_place(b, x, mf_build_global(b, row, b->output_place));
    }
    const int n_scalings = t->cap_logits ? 3 : 0; /* scale, tanh, scale */
    for (int i = 0; i < n_scalings + (t->scale_logits ? 1 : 0); i++) {
        x = mf_build_in_place(b, x, GRAPH_NONE);
    }
    keep(b, x);
    mf_graph_expand(b->g, x);
}
