/*
 * graph_compressed.c - DeepSeek V4: several residual streams that every block mixes (hyper-connections), one cached
 * vector per token that is key and value, a window and compressed entries beside it.
 *
 * Composed from the report and the tensors, not from llama.cpp's own graph: a bound.
 */
#include "memory/graph_arch.h"

enum { F16_BYTES = 2, F32_BYTES = 4 };

static uint64_t streams_of(const builder *b)
{
    const uint64_t all = mf_build_dim(&b->layers[0], PART_HC_ATTN, 0);
    return all >= b->model->hidden && b->model->hidden > 0 ? all / b->model->hidden : 1;
}

/* One input out of all streams, by weights that are computed from them. */
static graph_tensor
join_streams(builder *b, const build_layer *l, block_part mixer, graph_tensor streams)
{
    const uint64_t u = b->n_tokens;
    const uint64_t hidden = b->model->hidden;
    graph_tensor flat = mf_build_reshape(b, streams, hidden * streams_of(b), u, 1, 1);
    flat = mf_build_rms(b, flat);
    const graph_tensor mix = mf_build_linear(b, l, mixer, PART_COUNT, flat);
    const graph_tensor weighted = mf_build_own(b, streams, mix);
    return mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(hidden, u, 1, 1), GRAPH_SOURCES(weighted));
}

/* The streams mixed among themselves, and the block's result added to each. */
static graph_tensor spread_result(builder *b, graph_tensor streams, graph_tensor result)
{
    const graph_tensor mixed = mf_build_own(b, streams, GRAPH_NONE);
    return mf_build_own(b, mixed, result);
}

/* Scores of every compressed entry, one fused operation over the many small heads, and the best of them. */
static graph_tensor
score_entries(builder *b, const build_layer *l, uint64_t entries, graph_tensor low)
{
    const mf_attention *a = &l->shape->attention;
    if (a->n_index_heads == 0 || !mf_build_has(l, PART_INDEX_Q_B)) {
        return GRAPH_NONE;
    }
    const graph_tensor q = mf_build_linear(b, l, PART_INDEX_Q_B, PART_COUNT, low);
    const graph_tensor scores =
        mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(entries, b->n_tokens, 1, 1), GRAPH_SOURCES(q));
    return mf_build_own(b, scores, GRAPH_NONE);
}

static graph_tensor attend(builder *b, const build_layer *l, graph_tensor x)
{
    const mf_attention *a = &l->shape->attention;
    const uint64_t u = b->n_tokens;
    const uint64_t ratio = a->compress_ratio;
    const uint64_t entries = ratio > 0 ? (b->full.cells + ratio - 1) / ratio : 0;
    const uint64_t cells = b->window.cells + entries;
    graph_tensor low = mf_build_linear(b, l, PART_ATTN_Q_A, PART_COUNT, x);
    low = mf_build_norm(b, l, PART_ATTN_Q_A_NORM, PART_COUNT, low);
    const graph_tensor best = score_entries(b, l, entries, low);
    graph_tensor compressed = GRAPH_NONE;
    graph_tensor q = mf_build_linear(b, l, PART_ATTN_Q_B_UP, PART_COUNT, low);
    q = mf_build_reshape(b, q, a->key_dim, a->n_heads, u, 1);
    q = mf_build_rope(b, mf_build_rms(b, q));
    graph_tensor kv = mf_build_linear(b, l, PART_ATTN_KV, PART_COUNT, x);
    kv = mf_build_norm(b, l, PART_ATTN_KV_NORM, PART_COUNT, kv);
    kv = mf_build_rope(b, kv);
    if (mf_build_has(l, PART_COMPRESSOR_KV)) {
        const graph_tensor c = mf_build_linear(b, l, PART_COMPRESSOR_KV, PART_COUNT, x);
        const graph_tensor gate = mf_build_linear(b, l, PART_COMPRESSOR_GATE, PART_COUNT, x);
        compressed = mf_build_own(b, mf_build_in_place(b, gate, GRAPH_NONE), c);
    }
    const graph_tensor mask = mf_graph_op(b->g,
                                          GRAPH_PLAIN,
                                          GRAPH_SHAPE(cells, u, 1, 1),
                                          GRAPH_SOURCES(b->window.mask, best, compressed));
    /* Window and entries of every sequence side by side, as the kernels read them. */
    const graph_tensor keys = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(a->key_dim, cells, b->n_sequences, 1), GRAPH_SOURCES(kv));
    mf_graph_retype(b->g, keys, b->workload->kv_type_k == MF_TYPE_F32 ? F32_BYTES : F16_BYTES);
    graph_tensor scores = GRAPH_NONE;
    if (!b->workload->flash_attention) {
        scores = mf_graph_op(
            b->g, GRAPH_PLAIN, GRAPH_SHAPE(cells, u, a->n_heads, 1), GRAPH_SOURCES(q, keys, mask));
        scores = mf_build_in_place(b, scores, GRAPH_NONE);
    }
    const graph_tensor y = mf_graph_op(b->g,
                                       GRAPH_PLAIN,
                                       GRAPH_SHAPE(a->value_dim, a->n_heads, u, 1),
                                       GRAPH_SOURCES(q, keys, mask, scores));
    const graph_tensor turned = mf_build_rope(b, y);
    const uint64_t rank = mf_build_dim(l, PART_ATTN_OUT_B2, 0);
    const graph_tensor out_a = mf_build_weight(b, l, PART_ATTN_OUT_A);
    const graph_tensor narrow =
        mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(rank, u, 1, 1), GRAPH_SOURCES(out_a, turned));
    return mf_build_linear(b, l, PART_ATTN_OUT_B2, PART_COUNT, narrow);
}

void mf_graph_compressed(builder *b)
{
    const uint64_t hidden = b->model->hidden;
    const graph_shape all = GRAPH_SHAPE(hidden, streams_of(b), b->n_tokens, 1);
    graph_tensor x = mf_build_embedding(b);
    graph_tensor streams = mf_graph_op(b->g, GRAPH_PLAIN, all, GRAPH_SOURCES(x));
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor y = join_streams(b, l, PART_HC_ATTN, streams);
        y = attend(b, l, mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, y));
        streams = spread_result(b, streams, y);
        y = join_streams(b, l, PART_HC_FFN, streams);
        y = mf_graph_feed_forward(b, l, mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, y));
        streams = spread_result(b, streams, y);
    }
    x = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(hidden, b->n_tokens, 1, 1), GRAPH_SOURCES(streams));
    mf_build_output(b, x);
}
