/*
 * graph_blocks.c - MiniMax M3 (src/models/minimax-m3.cpp): every group of heads attends to blocks of tokens that an index
 * head of its own selects, one sequence after the other.
 *
 * Without flash attention, or with sequences in one cache, llama.cpp attends to everything. Blocks are counted over the
 * positions in use, of which there are none yet when the buffers are reserved.
 */
#include "memory/graph_arch.h"

enum { F16_BYTES = 2, F32_BYTES = 4, I32_BYTES = 4, I64_BYTES = 8, FIRST_POSITIONS = 256 };

typedef struct blocks {
    builder *b;
    bool selects;
    uint64_t n_positions; /* whole blocks */
    uint64_t n_blocks;
    uint64_t n_heads;  /* of the index: one for every group */
    uint64_t n_tokens; /* of a stream */
    cache_inputs keys;
    graph_tensor bias, positions, cells, block_of_cell;
    graph_tensor mask; /* in f32 */
} blocks;

/* What one stream sees of the layer's tensors. */
typedef struct stream {
    graph_tensor q, k, v, index_q, index_k, bias;
} stream;

static graph_tensor retyped(builder *b, graph_tensor x, uint8_t bytes)
{
    mf_graph_retype(b->g, x, bytes);
    return x;
}

static graph_tensor cast(builder *b, graph_tensor x, uint8_t bytes)
{
    return retyped(
        b, mf_graph_op(b->g, GRAPH_PLAIN, mf_build_shape(b, x), GRAPH_SOURCES(x)), bytes);
}

static graph_tensor make(builder *b, graph_tensor x, graph_shape s)
{
    return mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(x));
}

static void make_inputs(blocks *v)
{
    builder *b = v->b;
    uint64_t block = 0;
    for (size_t i = 0; i < b->n_layers; i++) {
        const mf_attention *a = &b->layers[i].shape->attention;
        block = a->index_block > 0 ? a->index_block : block;
        v->n_heads = a->index_block > 0 ? a->n_index_heads : v->n_heads;
    }
    v->selects = block > 0 && b->workload->flash_attention &&
                 (b->n_sequences == 1 || !b->workload->kv_unified);
    v->n_tokens = b->n_tokens / b->n_streams;
    if (!v->selects) {
        return;
    }
    const uint64_t u = b->n_tokens;
    v->n_blocks = (FIRST_POSITIONS + block - 1) / block;
    v->n_positions = v->n_blocks * block;
    v->bias = mf_graph_input(b->g, F32_BYTES, GRAPH_SHAPE(v->n_blocks, u, 1, 1));
    v->positions = mf_graph_input(b->g, F32_BYTES, GRAPH_SHAPE(v->n_positions, u, 1, 1));
    v->cells = mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(v->n_positions, b->n_streams, 1, 1));
    v->block_of_cell =
        mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(b->full.cells, b->n_streams, 1, 1));
    v->mask = cast(b, b->full.mask, F32_BYTES);
    v->keys.cells = b->full.cells;
    v->keys.k_rows = mf_graph_input(b->g, I64_BYTES, GRAPH_SHAPE(u, 1, 1, 1));
}

static graph_tensor index_part(
    builder *b, const build_layer *l, block_part w, block_part norm, uint64_t n, graph_tensor x)
{
    const uint64_t width = l->shape->attention.index_dim;
    graph_tensor y = mf_build_linear(b, l, w, PART_COUNT, x);
    y = mf_build_reshape(b, y, width, n, b->n_tokens, 1);
    return mf_build_rope(b, mf_build_norm(b, l, norm, PART_COUNT, y));
}

/* The best blocks of every token and group. */
static graph_tensor best_blocks(const blocks *v, const build_layer *l, const stream *s)
{
    builder *b = v->b;
    const mf_attention *a = &l->shape->attention;
    const uint64_t t = v->n_tokens;
    const uint64_t most = a->index_top_k / a->index_block;
    const uint64_t n_best = most < v->n_blocks ? most : v->n_blocks;
    const graph_tensor places = mf_build_reshape(b, v->cells, v->n_positions, 1, 1, 1);
    const graph_tensor seen = mf_build_reshape(b, v->positions, v->n_positions, 1, t, 1);
    const graph_tensor keys = mf_build_get_rows(b, s->index_k, places);
    const graph_tensor q = mf_build_reshape(b, s->index_q, a->index_dim, v->n_heads * t, 1, 1);
    graph_tensor scores = mf_build_mul_mat(b, keys, q);
    scores = mf_build_reshape(b, scores, v->n_positions, v->n_heads, t, 1);
    scores = mf_graph_overwrite(b->g, scores, seen);
    scores = make(b, scores, GRAPH_SHAPE(v->n_blocks, v->n_heads, t, 1));
    scores = mf_build_in_place(b, scores, s->bias);
    return make(b, scores, GRAPH_SHAPE(n_best, v->n_heads, t, 1));
}

/* A mask over blocks, in halves: tokens x groups rows of it. */
static graph_tensor block_mask(const blocks *v, graph_tensor bias, graph_tensor best)
{
    builder *b = v->b;
    const uint64_t t = v->n_tokens;
    const uint64_t rows = v->n_heads * t;
    const uint64_t n_best = mf_build_ne(b, best, 0);
    graph_tensor none = cast(b, mf_build_in_place(b, bias, GRAPH_NONE), F16_BYTES);
    none = retyped(b, make(b, none, GRAPH_SHAPE(v->n_blocks, v->n_heads, t, 1)), F16_BYTES);
    const graph_tensor zero = mf_build_in_place(b, cast(b, best, F32_BYTES), GRAPH_NONE);
    graph_tensor mask = mf_graph_store(b->g,
                                       mf_build_reshape(b, none, 1, v->n_blocks, rows, 1),
                                       mf_build_reshape(b, zero, 1, n_best, rows, 1),
                                       mf_build_reshape(b, best, n_best, rows, 1, 1));
    mask = mf_build_reshape(b, mask, v->n_blocks, v->n_heads, t, 1);
    mask = cast(b, mf_build_swap(b, mask, 1, 2), F16_BYTES);
    mask = mf_build_reshape(b, mask, v->n_blocks, rows, 1, 1);
    return cast(b, mf_build_swap(b, mask, 0, 1), F16_BYTES);
}

/* The same over cells, with what the cache's mask hides. */
static graph_tensor cell_mask(const blocks *v, graph_tensor bias, graph_tensor best)
{
    builder *b = v->b;
    const uint64_t cells = b->full.cells;
    const uint64_t t = v->n_tokens;
    const graph_tensor of_cells = mf_build_reshape(b, v->block_of_cell, cells, 1, 1, 1);
    graph_tensor mask = mf_build_get_rows(b, block_mask(v, bias, best), of_cells);
    mask = cast(b, mf_build_swap(b, mask, 0, 1), F32_BYTES);
    mask = mf_build_reshape(b, mask, cells, t, v->n_heads, 1);
    mask = mf_graph_overwrite(b->g, mask, mf_build_reshape(b, v->mask, cells, t, 1, 1));
    return cast(b, mf_build_reshape(b, mask, cells, t, 1, v->n_heads), F16_BYTES);
}

/* Groups of heads stand where sequences do elsewhere. */
static graph_tensor attend_stream(const blocks *v, const build_layer *l, const stream *s)
{
    builder *b = v->b;
    const mf_attention *a = &l->shape->attention;
    const uint64_t t = v->n_tokens;
    const uint64_t groups = a->n_kv_heads;
    const uint64_t of_group = a->n_heads / groups;
    const uint64_t cells = b->full.cells;
    const graph_tensor mask = cell_mask(v, s->bias, best_blocks(v, l, s));
    graph_tensor q = mf_build_reshape(b, s->q, a->key_dim, of_group, groups, t);
    q = mf_graph_view(b->g, q, GRAPH_SHAPE(a->key_dim, t, of_group, groups));
    const graph_tensor k =
        mf_build_filled(b,
                        mf_graph_view(b->g, s->k, GRAPH_SHAPE(a->key_dim, cells, 1, groups)),
                        b->workload->kv_type_k);
    const graph_tensor values =
        mf_build_filled(b,
                        mf_graph_view(b->g, s->v, GRAPH_SHAPE(a->value_dim, cells, 1, groups)),
                        b->workload->kv_type_v);
    graph_tensor y = mf_graph_op(b->g,
                                 GRAPH_PLAIN,
                                 GRAPH_SHAPE(a->value_dim, of_group, t, groups),
                                 GRAPH_SOURCES(q, k, values, mask));
    const flash_case dims = {.n_tokens = t,
                             .n_heads = of_group,
                             .n_kv_heads = 1,
                             .row_heads = groups,
                             .n_streams = groups,
                             .cells = cells,
                             .key_dim = a->key_dim,
                             .value_dim = a->value_dim,
                             .unpacks_f32 = true};
    mf_build_flash_scratch(b, y, &dims);
    y = mf_build_swap(b, y, 2, 3);
    y = t > 1 && groups > 1 ? mf_build_own(b, y, GRAPH_NONE) : y;
    return mf_build_reshape(b, y, (uint64_t)a->value_dim * a->n_heads, t, 1, 1);
}

/* One stream of a cache. */
static graph_tensor stream_of(builder *b, graph_tensor cache, graph_shape s)
{
    const graph_tensor t = mf_graph_view(b->g, cache, s);
    if (t != GRAPH_NONE) {
        b->g->nodes[t].bytes = mf_graph_get(b->g, cache)->bytes / b->n_streams;
    }
    return t;
}

static graph_tensor attend_blocks(const blocks *v, const build_layer *l, graph_tensor x)
{
    builder *b = v->b;
    const mf_attention *a = &l->shape->attention;
    const uint64_t cells = b->full.cells;
    const uint64_t t = v->n_tokens;
    attention_case c = mf_graph_qkv(b, l, x);
    c.keys_first = true;
    const graph_tensor q = index_part(b, l, PART_INDEX_Q_PROJ, PART_INDEX_Q_NORM, v->n_heads, x);
    const graph_tensor k = index_part(b, l, PART_INDEX_K_PROJ, PART_INDEX_K_NORM, 1, x);
    const graph_tensor keys = mf_build_store_keys(b, l, k, &v->keys);
    const attention_parts all = mf_build_store(b, &c);
    graph_tensor y = GRAPH_NONE;
    for (uint64_t i = 0; i < b->n_streams; i++) {
        const stream s = {
            .bias = mf_build_reshape(b, v->bias, v->n_blocks, 1, t, 1),
            .index_q = mf_build_reshape(b, q, a->index_dim, v->n_heads, t, 1),
            .index_k = mf_build_filled(b,
                                       stream_of(b, keys, GRAPH_SHAPE(a->index_dim, cells, 1, 1)),
                                       b->workload->kv_type_k),
            .q = mf_build_reshape(b, all.q, a->key_dim, a->n_heads, t, 1),
            .k = stream_of(b, all.k, GRAPH_SHAPE(a->key_dim, a->n_kv_heads, cells, 1)),
            .v = stream_of(b, all.v, GRAPH_SHAPE(a->value_dim, a->n_kv_heads, cells, 1)),
        };
        const graph_tensor one = attend_stream(v, l, &s);
        const graph_shape so_far =
            GRAPH_SHAPE((uint64_t)a->value_dim * a->n_heads, (i + 1) * t, 1, 1);
        y = i == 0 ? one : mf_graph_op(b->g, GRAPH_PLAIN, so_far, GRAPH_SOURCES(y, one));
    }
    y = mf_build_rotate(b, y, b->full.v_rotation);
    return mf_build_linear(b, l, PART_ATTN_OUT, PART_ATTN_OUT_B, y);
}

static graph_tensor attend(const blocks *v, const build_layer *l, graph_tensor x)
{
    if (v->selects && l->shape->attention.index_block > 0) {
        return attend_blocks(v, l, x);
    }
    const attention_case c = mf_graph_qkv(v->b, l, x);
    return mf_build_attention(v->b, &c);
}

void mf_graph_blocks(builder *b)
{
    blocks v = {.b = b};
    make_inputs(&v);
    if (v.selects && v.n_tokens == 1) {
        b->g->status = MF_E_DATA; /* a token a stream is another graph */
        return;
    }
    graph_tensor x = mf_build_embedding(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = attend(&v, l, mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x));
        mf_build_pick(b, l, &y, &residual);
        residual = mf_build_in_place(b, y, residual);
        y = mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, residual);
        x = mf_build_in_place(b, mf_graph_feed_forward(b, l, y), residual);
    }
    mf_build_output(b, x);
}
