/*
 * graph_latent.c - multi-head latent attention (src/models/deepseek2.cpp, and deepseek32.cpp for the sparse kind).
 *
 * With attn_k_b the queries are absorbed into the latent, which is attended as one head of keys; the result is widened
 * by attn_v_b. Files that still have attn_kv_b expand keys and values of all heads.
 */
#include "memory/graph_arch.h"

typedef struct latent {
    const build_layer *layer;
    uint64_t rank, rope, nope;
    graph_tensor q, q_nope, q_pe;
    graph_tensor kv, k_pe;
} latent;

/* The queries' own low rank, where they have one. */
static graph_tensor narrow_query(builder *b, const build_layer *l, graph_tensor x)
{
    if (!mf_build_has(l, PART_ATTN_Q_A)) {
        return GRAPH_NONE;
    }
    const graph_tensor low = mf_build_linear(b, l, PART_ATTN_Q_A, PART_COUNT, x);
    return mf_build_norm(b, l, PART_ATTN_Q_A_NORM, PART_COUNT, low);
}

static void project_query(builder *b, latent *m, graph_tensor low, graph_tensor x)
{
    const build_layer *l = m->layer;
    const uint64_t heads = l->shape->attention.n_heads;
    if (low != GRAPH_NONE) {
        m->q = mf_build_linear(b, l, PART_ATTN_Q_B_UP, PART_COUNT, low);
    } else {
        m->q = mf_build_linear(b, l, PART_ATTN_Q, PART_COUNT, x);
    }
    const uint64_t row = m->nope + m->rope;
    m->q_nope =
        mf_graph_slice(b->g, m->q, row, m->nope, GRAPH_SHAPE(m->nope, heads, b->n_tokens, 1));
    m->q_pe = mf_graph_slice(b->g, m->q, row, m->rope, GRAPH_SHAPE(m->rope, heads, b->n_tokens, 1));
}

static void project_latent(builder *b, latent *m, graph_tensor x)
{
    const build_layer *l = m->layer;
    const uint64_t row = m->rank + m->rope;
    const graph_tensor both = mf_build_linear(b, l, PART_ATTN_KV_A_MQA, PART_COUNT, x);
    m->kv = mf_graph_slice(b->g, both, row, m->rank, GRAPH_SHAPE(m->rank, b->n_tokens, 1, 1));
    m->k_pe = mf_graph_slice(b->g, both, row, m->rope, GRAPH_SHAPE(m->rope, 1, b->n_tokens, 1));
    if (!b->traits->no_rope) {
        m->q_pe = mf_build_rope(b, m->q_pe);
        m->k_pe = mf_build_rope(b, m->k_pe);
    }
    m->kv = mf_build_norm(b, l, PART_ATTN_KV_A_NORM, PART_COUNT, m->kv);
}

static graph_tensor attend_absorbed(builder *b, const latent *m)
{
    const build_layer *l = m->layer;
    graph_tensor wide = mf_build_swap(b, m->q_nope, 1, 2);
    wide = mf_build_linear(b, l, PART_ATTN_K_B_UP, PART_COUNT, wide);
    wide = mf_build_swap(b, wide, 1, 2);
    const graph_tensor kv = mf_build_reshape(b, m->kv, m->rank, 1, b->n_tokens, 1);
    const attention_case c = {.layer = l,
                              .q = mf_build_concat(b, wide, m->q_pe),
                              .k = mf_build_concat(b, kv, m->k_pe),
                              .v = kv,
                              .v_up = mf_build_weight(b, l, PART_ATTN_V_B_UP),
                              .key_dim = m->rank + m->rope,
                              .value_dim = m->rank,
                              .n_kv_heads = 1,
                              .selected = b->selected,
                              .value_in_key = true};
    return mf_build_attention(b, &c);
}

static graph_tensor attend_expanded(builder *b, const latent *m)
{
    const build_layer *l = m->layer;
    const mf_attention *a = &l->shape->attention;
    const uint64_t row = m->nope + a->value_dim;
    const graph_shape keys = GRAPH_SHAPE(m->nope, a->n_heads, b->n_tokens, 1);
    const graph_shape values = GRAPH_SHAPE(a->value_dim, a->n_heads, b->n_tokens, 1);
    const graph_tensor wide = mf_build_linear(b, l, PART_ATTN_KV_B, PART_COUNT, m->kv);
    const graph_tensor k_nope = mf_graph_slice(b->g, wide, row, m->nope, keys);
    const graph_tensor v = mf_graph_slice(b->g, wide, row, a->value_dim, values);
    const graph_tensor repeated =
        mf_graph_op(b->g, GRAPH_PLAIN, mf_build_shape(b, m->q_pe), GRAPH_SOURCES(m->k_pe));
    attention_case c = mf_build_plain_case(l);
    c.q = mf_build_concat(b, m->q_nope, m->q_pe);
    c.k = mf_build_concat(b, k_nope, repeated);
    c.v = mf_build_own(b, v, GRAPH_NONE);
    return mf_build_attention(b, &c);
}

/* What an index query or key is: its rotary head turned, all of it mixed. */
static graph_tensor turn_index(builder *b, graph_tensor x, uint64_t rope)
{
    const graph_shape s = mf_build_shape(b, x);
    const graph_tensor pe =
        mf_graph_slice(b->g, x, s.ne[0], rope, GRAPH_SHAPE(rope, s.ne[1], s.ne[2], 1));
    const graph_tensor rest = mf_graph_slice(
        b->g, x, s.ne[0], s.ne[0] - rope, GRAPH_SHAPE(s.ne[0] - rope, s.ne[1], s.ne[2], 1));
    const graph_tensor whole = mf_build_concat(b, mf_build_rope(b, pe), rest);
    return mf_graph_op(
        b->g, GRAPH_PLAIN, mf_build_shape(b, whole), GRAPH_SOURCES(b->index.k_rotation, whole));
}

static graph_tensor index_keys(builder *b, const latent *m, graph_tensor x)
{
    const build_layer *l = m->layer;
    const uint64_t width = l->shape->attention.index_dim;
    graph_tensor k = mf_build_linear(b, l, PART_INDEX_K, PART_COUNT, x);
    k = mf_build_own(b, k, GRAPH_NONE); /* normed with its mean, never in place */
    k = mf_build_in_place(b, k, mf_build_weight(b, l, PART_INDEX_K_NORM));
    if (mf_build_has(l, PART_INDEX_K_NORM_B)) {
        k = mf_build_in_place(b, k, mf_build_weight(b, l, PART_INDEX_K_NORM_B));
    }
    k = turn_index(b, mf_build_reshape(b, k, width, 1, b->n_tokens, 1), m->rope);
    return mf_build_store_keys(b, l, k, &b->index);
}

/* Sparse attention: keys of their own are scored against a query of many small heads, and the best cells are attended
   (deepseek32.cpp: the lightning indexer, fused as every backend has it). A layer without an indexer sees the cells that
   the one before it chose (glm-dsa.cpp). */
static void select_cells(builder *b, const latent *m, graph_tensor low, graph_tensor x)
{
    const build_layer *l = m->layer;
    const mf_attention *a = &l->shape->attention;
    if (a->n_index_heads == 0 || !mf_build_has(l, PART_INDEX_K)) {
        return;
    }
    const uint64_t per_stream = b->n_tokens / b->n_streams;
    const uint64_t cells = b->full.cells;
    const uint64_t n_best = a->index_top_k < cells ? a->index_top_k : cells;
    graph_tensor q = mf_build_linear(b, l, PART_INDEX_Q_B, PART_COUNT, low);
    q = mf_build_reshape(b, q, a->index_dim, a->n_index_heads, b->n_tokens, 1);
    q = turn_index(b, q, m->rope);
    const graph_tensor keys = index_keys(b, m, x);
    graph_tensor weights = mf_build_linear(b, l, PART_INDEX_PROJ, PART_COUNT, x);
    weights = mf_build_reshape(b, weights, a->n_index_heads, per_stream, 1, b->n_streams);
    weights = mf_build_in_place(b, weights, GRAPH_NONE);
    q = mf_build_reshape(b, q, a->index_dim, a->n_index_heads, per_stream, b->n_streams);
    const index_case c = {.q = q, .keys = keys, .weights = weights, .mask = b->index.mask};
    const graph_tensor scores = mf_build_index(b, l, &c);
    const graph_tensor best = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(n_best, per_stream, 1, b->n_streams), GRAPH_SOURCES(scores));
    b->selected = mf_build_own(b, best, GRAPH_NONE);
}

graph_tensor mf_graph_latent_attention(builder *b, const build_layer *l, graph_tensor x)
{
    latent m = {.layer = l, .rank = mf_build_dim(l, PART_ATTN_KV_A_NORM, 0)};
    const uint64_t row = mf_build_dim(l, PART_ATTN_KV_A_MQA, 1);
    const uint64_t key_dim = l->shape->attention.key_dim;
    if (m.rank == 0 || row <= m.rank || key_dim <= row - m.rank) {
        b->g->status = MF_E_DATA;
        return GRAPH_NONE;
    }
    m.rope = row - m.rank;
    m.nope = key_dim - m.rope;
    const graph_tensor low = narrow_query(b, l, x);
    select_cells(b, &m, low, x);
    project_query(b, &m, low, x);
    project_latent(b, &m, x);
    return l->shape->attention.kind == MF_ATTENTION_MLA ? attend_absorbed(b, &m)
                                                        : attend_expanded(b, &m);
}

void mf_graph_latent(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    x = b->traits->scale_embedding ? mf_build_in_place(b, x, GRAPH_NONE) : x;
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = mf_build_norm(b, l, PART_ATTN_NORM, PART_ATTN_NORM_B, x);
        y = mf_graph_latent_attention(b, l, y);
        mf_build_pick(b, l, &y, &residual);
        residual = mf_build_in_place(b, mf_build_scaled(b, y), residual);
        y = mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, residual);
        y = mf_graph_feed_forward(b, l, y);
        x = mf_build_in_place(b, mf_build_scaled(b, y), residual);
    }
    mf_build_output(b, x);
}
