/*
 * graph_gemma.c - Gemma 3 and 4 (src/models/gemma3.cpp, gemma4.cpp). Gemma 1 and 2 are plain.
 */
#include "memory/graph_arch.h"

/* Per-layer inputs: a slice of a second table, joined with a projection of the embedding. */
graph_tensor mf_graph_gemma_inputs(builder *b, graph_tensor x)
{
    enum { I32_BYTES = 4 };
    const mf_tensor *table = b->footprint->per_layer_table;
    if (table == NULL || b->model->n_layers == 0) {
        return GRAPH_NONE;
    }
    const uint64_t all = table->dims[0];
    const uint64_t width = all / b->model->n_layers;
    const uint64_t u = b->n_tokens;
    const graph_shape stacked = GRAPH_SHAPE(width, b->model->n_layers, u, 1);
    const graph_tensor looked_up =
        mf_build_global(b, GRAPH_SHAPE(all, table->dims[1], 1, 1), b->host_place);
    const graph_tensor tokens = mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(u, 1, 1, 1));
    graph_tensor rows = mf_build_get_rows(b, looked_up, tokens);
    rows = mf_build_in_place(b, mf_graph_view(b->g, rows, stacked), GRAPH_NONE);
    mf_graph_expand(b->g, rows);
    const graph_tensor project =
        mf_build_global(b, GRAPH_SHAPE(b->model->hidden, all, 1, 1), b->input_place);
    graph_tensor p = mf_build_in_place(b, mf_build_mul_mat(b, project, x), GRAPH_NONE);
    p = mf_build_rms(b, mf_graph_view(b->g, p, stacked));
    p = mf_build_in_place(b, p, mf_build_global(b, GRAPH_SHAPE(width, 1, 1, 1), b->input_place));
    p = mf_build_in_place(b, p, rows);
    p = mf_build_in_place(b, p, GRAPH_NONE);
    return mf_build_own(b, mf_build_swap(b, p, 1, 2), GRAPH_NONE);
}

/* x plus what a layer's slice of the per-layer inputs adds. */
static graph_tensor
add_per_layer(builder *b, const build_layer *l, graph_tensor x, graph_tensor inputs)
{
    const uint64_t width = mf_build_ne(b, inputs, 0);
    graph_tensor y = mf_build_linear(b, l, PART_PER_LAYER_GATE, PART_COUNT, x);
    y = mf_build_in_place(b, y, GRAPH_NONE);
    y = mf_build_in_place(b, y, mf_build_reshape(b, inputs, width, b->n_tokens, 1, 1));
    y = mf_build_linear(b, l, PART_PER_LAYER_PROJ, PART_COUNT, y);
    y = mf_build_norm(b, l, PART_PER_LAYER_POST_NORM, PART_COUNT, y);
    return mf_build_in_place(b, x, y);
}

/* Without attn_v the keys' projection serves the values too; Gemma 4 norms values. */
graph_tensor mf_graph_gemma_attention(builder *b, const build_layer *l, graph_tensor x)
{
    const mf_attention *a = &l->shape->attention;
    const uint64_t u = b->n_tokens;
    const bool norm_values = !b->traits->scale_query;
    attention_case c = mf_build_plain_case(l);
    c.q = mf_build_linear(b, l, PART_ATTN_Q, PART_ATTN_Q_B, x);
    c.q = mf_build_reshape(b, c.q, a->key_dim, a->n_heads, u, 1);
    c.q = mf_build_norm(b, l, PART_ATTN_Q_NORM, PART_COUNT, c.q);
    c.q = mf_build_rope(b, c.q);
    c.q = b->traits->scale_query ? mf_build_in_place(b, c.q, GRAPH_NONE) : c.q;
    if (!a->shares_kv) {
        const graph_tensor k = mf_build_linear(b, l, PART_ATTN_K, PART_ATTN_K_B, x);
        const graph_tensor v =
            mf_build_has(l, PART_ATTN_V) ? mf_build_linear(b, l, PART_ATTN_V, PART_ATTN_V_B, x) : k;
        c.k = mf_build_reshape(b, k, a->key_dim, a->n_kv_heads, u, 1);
        c.k = mf_build_norm(b, l, PART_ATTN_K_NORM, PART_COUNT, c.k);
        c.k = mf_build_rope(b, c.k);
        c.v = mf_build_reshape(b, v, a->value_dim, a->n_kv_heads, u, 1);
        c.v = norm_values ? mf_build_rms(b, c.v) : c.v;
    }
    return mf_build_attention(b, &c);
}

/* Gemma 4 with experts: a dense feed forward and the experts, each between norms of its own. */
static graph_tensor dense_and_experts(builder *b, const build_layer *l, graph_tensor x)
{
    graph_tensor dense = mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, x);
    dense = mf_build_ffn(b, l, dense);
    dense = mf_build_norm(b, l, PART_FFN_POST_NORM_1, PART_COUNT, dense);
    graph_tensor router = mf_build_in_place(b, mf_build_rms(b, x), GRAPH_NONE);
    router = mf_build_in_place(b, router, mf_build_weight(b, l, PART_FFN_GATE_INP_S));
    const moe_case c = {.layer = l,
                        .norm_weights = true,
                        .logits = mf_build_linear(b, l, PART_FFN_GATE_INP, PART_COUNT, router)};
    graph_tensor experts = mf_build_norm(b, l, PART_FFN_PRE_NORM_2, PART_COUNT, x);
    experts = mf_build_moe(b, &c, experts);
    experts = mf_build_norm(b, l, PART_FFN_POST_NORM_2, PART_COUNT, experts);
    return mf_build_in_place(b, dense, experts);
}

static graph_tensor feed_forward(builder *b, const build_layer *l, graph_tensor x)
{
    if (mf_build_has(l, PART_FFN_GATE_INP)) {
        return dense_and_experts(b, l, x);
    }
    return mf_build_ffn(b, l, mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, x));
}

void mf_graph_gemma(builder *b)
{
    graph_tensor x = mf_build_in_place(b, mf_build_embedding(b), GRAPH_NONE);
    const graph_tensor inputs = mf_graph_gemma_inputs(b, x);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x);
        y = mf_graph_gemma_attention(b, l, y);
        mf_build_pick(b, l, &y, &residual);
        y = mf_build_norm(b, l, PART_ATTN_POST_NORM, PART_COUNT, y);
        residual = mf_build_in_place(b, y, residual);
        y = feed_forward(b, l, residual);
        y = mf_build_loose_norm(b, l, PART_FFN_POST_NORM, y);
        x = mf_build_in_place(b, y, residual);
        x = inputs != GRAPH_NONE ? add_per_layer(b, l, x, inputs) : x;
        x = mf_build_has(l, PART_LAYER_OUT_SCALE)
                ? mf_build_in_place(b, x, mf_build_weight(b, l, PART_LAYER_OUT_SCALE))
                : x;
    }
    mf_build_output(b, x);
}
