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

static void project_query(builder *b, latent *m, graph_tensor x)
{
    const build_layer *l = m->layer;
    const uint64_t heads = l->shape->attention.n_heads;
    if (mf_build_has(l, PART_ATTN_Q_A)) {
        m->q = mf_build_linear(b, l, PART_ATTN_Q_A, PART_COUNT, x);
        m->q = mf_build_norm(b, l, PART_ATTN_Q_A_NORM, PART_COUNT, m->q);
        m->q = mf_build_linear(b, l, PART_ATTN_Q_B_UP, PART_COUNT, m->q);
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
    m->q_pe = mf_build_rope(b, m->q_pe);
    m->k_pe = mf_build_rope(b, m->k_pe);
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

/* Sparse attention: an index key of its own is scored against every cached one, by many small heads at once, and the
   best cells are attended (deepseek32.cpp: the lightning indexer; scores, their transposed copy and the sorted cells). */
static void score_index(builder *b, const build_layer *l, graph_tensor x)
{
    const mf_attention *a = &l->shape->attention;
    const block_part query = mf_build_has(l, PART_INDEX_Q_B) ? PART_INDEX_Q_B : PART_INDEX_Q;
    if (a->n_index_heads == 0 || !mf_build_has(l, query) || !mf_build_has(l, PART_INDEX_K)) {
        return;
    }
    const uint64_t cells = b->full.cells;
    const graph_tensor q = mf_graph_op(b->g,
                                       GRAPH_PLAIN,
                                       GRAPH_SHAPE(a->index_dim, a->n_index_heads, b->n_tokens, 1),
                                       GRAPH_SOURCES(mf_build_weight(b, l, query), x));
    const graph_tensor k = mf_build_linear(b, l, PART_INDEX_K, PART_COUNT, x);
    const graph_tensor scores = mf_graph_op(b->g,
                                            GRAPH_PLAIN,
                                            GRAPH_SHAPE(cells, b->n_tokens, a->n_index_heads, 1),
                                            GRAPH_SOURCES(q, k));
    const graph_tensor turned = mf_build_own(b, mf_build_swap(b, scores, 0, 2), GRAPH_NONE);
    const graph_tensor positive = mf_build_in_place(b, turned, GRAPH_NONE);
    const graph_tensor sum = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(cells, b->n_tokens, 1, 1), GRAPH_SOURCES(positive));
    const graph_tensor masked = mf_build_own(b, sum, b->full.mask);
    mf_graph_expand(b->g, mf_build_own(b, masked, GRAPH_NONE)); /* sorted */
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
    score_index(b, l, x);
    project_query(b, &m, x);
    project_latent(b, &m, x);
    return l->shape->attention.kind == MF_ATTENTION_MLA ? attend_absorbed(b, &m)
                                                        : attend_expanded(b, &m);
}

void mf_graph_latent(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = mf_build_norm(b, l, PART_ATTN_NORM, PART_ATTN_NORM_B, x);
        y = mf_graph_latent_attention(b, l, y);
        mf_build_pick(b, l, &y, &residual);
        residual = mf_build_in_place(b, y, residual);
        y = mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, residual);
        y = mf_graph_feed_forward(b, l, y);
        x = mf_build_in_place(b, y, residual);
    }
    mf_build_output(b, x);
}
