/*
 * build_attention.c - storing keys and values and attending to them (llama-graph.cpp: build_attn, build_attn_mha;
 * llama-kv-cache.cpp: cpy_k, cpy_v, get_k, get_v).
 */
#include "memory/build.h"

enum { F16_BYTES = 2, F32_BYTES = 4 };

uint64_t mf_build_row_bytes(mf_tensor_type type, uint64_t width)
{
    const mf_tensor_type_info *info = mf_tensor_type_get(type);
    return width / info->block_elements * info->block_bytes;
}

/* Quantized caches hold rotated values, so that outliers spread over a row. */
graph_tensor mf_build_rotate(builder *b, graph_tensor x, graph_tensor rotation)
{
    const graph_shape s = mf_build_shape(b, x);
    const uint64_t n = mf_build_ne(b, rotation, 0);
    if (x == GRAPH_NONE || n == 0) {
        return x;
    }
    const uint64_t n_elements = s.ne[0] * s.ne[1] * s.ne[2] * s.ne[3];
    const graph_node *node = mf_graph_get(b->g, x);
    const bool has_gaps = node->bytes > n_elements * node->element_bytes;
    const graph_shape rows = GRAPH_SHAPE(n, n_elements / n, 1, 1);
    graph_tensor y = has_gaps ? mf_graph_op(b->g, GRAPH_PLAIN, rows, GRAPH_SOURCES(x))
                              : mf_graph_view(b->g, x, rows);
    y = mf_build_mul_mat(b, rotation, y);
    return mf_graph_view(b->g, y, s);
}

static graph_tensor
cache(builder *b, const build_layer *l, uint64_t width, uint64_t cells, mf_tensor_type type)
{
    const graph_tensor t =
        mf_graph_external(b->g, GRAPH_SHAPE(width, cells, b->n_streams, 1), l->cache_place, false);
    if (t != GRAPH_NONE) {
        b->g->nodes[t].bytes = mf_build_row_bytes(type, width) * cells * b->n_streams;
    }
    return t;
}

/* All streams as one table of rows; transposed, every element is a row. */
static void store(builder *b, graph_tensor into, graph_tensor x, graph_tensor rows, bool transposed)
{
    const graph_shape s = mf_build_shape(b, x);
    const graph_shape c = mf_build_shape(b, into);
    const uint64_t width = s.ne[0] * s.ne[1];
    graph_tensor data = mf_build_reshape(b, x, width, s.ne[2], 1, 1);
    if (transposed) {
        if (width < c.ne[0]) {
            data = mf_graph_op(
                b->g, GRAPH_PLAIN, GRAPH_SHAPE(c.ne[0], s.ne[2], 1, 1), GRAPH_SOURCES(data));
        }
        data = mf_build_reshape(b, data, 1, c.ne[0] * s.ne[2], 1, 1);
    }
    if (transposed || b->n_streams > 1) {
        into = mf_build_reshape(b, into, c.ne[0], c.ne[1] * c.ne[2], 1, 1);
    }
    mf_graph_expand(b->g, mf_graph_store(b->g, into, data, rows));
}

/* Elements of a head that have to be unpacked into halves; f32 is cast before, or unpacked as well. */
static uint64_t unpacked(const flash_case *c, mf_tensor_type type, uint64_t width)
{
    return type == MF_TYPE_F16 || (type == MF_TYPE_F32 && !c->unpacks_f32) ? 0 : width;
}

/* Metal: the padded tail of K, V and mask, a map of masked tiles, partial results of 32 parts
   (ggml-metal-ops.cpp: ggml_metal_op_flash_attn_ext_extra_pad, _blk, _tmp). */
static uint64_t metal_scratch(const builder *b, const flash_case *c)
{
    enum { TAIL = 64, TILE = 8, ROWS = 32, PARTS = 32, ALIGNMENT = 32 };
    const uint64_t u = c->n_tokens;
    const uint64_t key = mf_build_row_bytes(b->workload->kv_type_k, c->key_dim * c->row_heads);
    const uint64_t value =
        c->value_in_key ? key
                        : mf_build_row_bytes(b->workload->kv_type_v, c->value_dim * c->row_heads);
    const uint64_t tail = TAIL * c->n_streams * (c->n_kv_heads * (key + value) + F16_BYTES * u);
    const uint64_t tiles = (c->cells + TAIL - 1) / TAIL * ((u + TILE - 1) / TILE) * c->n_streams;
    const uint64_t rows = u < ROWS ? u : ROWS;
    return tail + (tiles + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT +
           F32_BYTES * rows * c->n_streams * c->n_heads * PARTS * (c->value_dim + 2);
}

/* CUDA and HIP: the kernels for prompts read halves, so that caches of other types are unpacked behind the result
   (fattn-common.cuh: ggml_cuda_flash_attn_ext_get_f16_extra_data). */
static uint64_t
cuda_scratch(const builder *b, const flash_case *c, graph_tensor x, bool value_in_key)
{
    enum { ALIGNMENT = 128 };
    const mf_workload *w = b->workload;
    const mf_tensor_type of_values = c->value_in_key ? w->kv_type_k : w->kv_type_v;
    const uint64_t widths[] = {unpacked(c, w->kv_type_k, c->key_dim),
                               value_in_key ? 0 : unpacked(c, of_values, c->value_dim)};
    const uint64_t begin = mf_graph_get(b->g, x)->bytes;
    uint64_t end = begin;
    for (size_t i = 0; i < 2; i++) {
        if (widths[i] > 0) {
            end = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            end += widths[i] * c->n_kv_heads * c->cells * c->n_streams * F16_BYTES;
        }
    }
    return end - begin;
}

void mf_build_flash_scratch(builder *b, graph_tensor x, const flash_case *c)
{
    if (x == GRAPH_NONE) {
        return;
    }
    switch (b->scratch) {
    case SCRATCH_METAL:
        b->g->nodes[x].scratch_bytes = metal_scratch(b, c);
        break;
    case SCRATCH_CUDA:
        b->g->nodes[x].scratch_bytes = cuda_scratch(b, c, x, c->value_in_key);
        b->g->nodes[x].apart_bytes = c->value_in_key ? cuda_scratch(b, c, x, false) : 0;
        break;
    case SCRATCH_NONE:
        break;
    }
}

/* Flash attention takes f16: f32 caches are cast first. */
static graph_tensor to_half(builder *b, graph_tensor x, mf_tensor_type type)
{
    if (type != MF_TYPE_F32) {
        return x;
    }
    const graph_tensor y = mf_build_own(b, x, GRAPH_NONE);
    mf_graph_retype(b->g, y, F16_BYTES);
    return y;
}

static graph_tensor flash(builder *b, const attention_case *c, const attention_parts *in)
{
    const graph_shape s = mf_build_shape(b, in->q); /* width, tokens, heads, streams */
    const graph_tensor k = to_half(b, in->k, b->workload->kv_type_k);
    const graph_tensor v = to_half(b, in->v, b->workload->kv_type_v);
    graph_tensor x = mf_graph_op(b->g,
                                 GRAPH_PLAIN,
                                 GRAPH_SHAPE(c->value_dim, s.ne[2], s.ne[1], s.ne[3]),
                                 GRAPH_SOURCES(in->q, k, v, in->mask, in->sinks));
    const flash_case dims = {.n_tokens = b->n_tokens / b->n_streams,
                             .n_heads = mf_build_ne(b, x, 1),
                             .n_kv_heads = c->n_kv_heads,
                             .row_heads = c->n_kv_heads,
                             .n_streams = b->n_streams,
                             .cells = mf_build_ne(b, in->k, 1),
                             .key_dim = c->key_dim,
                             .value_dim = c->value_dim,
                             .value_in_key = c->value_in_key};
    mf_build_flash_scratch(b, x, &dims);
    if (c->v_up != GRAPH_NONE) {
        x = mf_build_mul_mat(b, c->v_up, mf_build_swap(b, x, 1, 2));
        x = mf_build_own(b, mf_build_swap(b, x, 1, 2), GRAPH_NONE);
    }
    const graph_shape y = mf_build_shape(b, x);
    return mf_build_reshape(b, x, y.ne[0] * y.ne[1], y.ne[2] * y.ne[3], 1, 1);
}

/* The scores of all heads stand as one matrix. */
static graph_tensor
scores_and_values(builder *b, const attention_case *c, const attention_parts *in)
{
    const graph_shape s = mf_build_shape(b, in->q);
    const uint64_t cells = mf_build_ne(b, in->k, 1);
    graph_tensor kq = mf_graph_op(b->g,
                                  GRAPH_PLAIN,
                                  GRAPH_SHAPE(cells, s.ne[1], s.ne[2], s.ne[3]),
                                  GRAPH_SOURCES(in->k, in->q));
    for (int i = 0; b->traits->cap_scores && i < 3; i++) {
        kq = mf_build_in_place(b, kq, GRAPH_NONE); /* scale, tanh, scale */
    }
    kq = mf_graph_op(
        b->g, GRAPH_IN_PLACE, mf_build_shape(b, kq), GRAPH_SOURCES(kq, in->mask, in->sinks));
    graph_tensor v = in->v;
    if (c->value_in_key) {
        v = mf_build_own(b, mf_build_swap(b, v, 0, 1), GRAPH_NONE);
        mf_graph_retype(b->g, v, b->workload->kv_type_k == MF_TYPE_F32 ? F32_BYTES : F16_BYTES);
    }
    graph_tensor x = mf_graph_op(b->g,
                                 GRAPH_PLAIN,
                                 GRAPH_SHAPE(c->value_dim, s.ne[1], s.ne[2], s.ne[3]),
                                 GRAPH_SOURCES(v, kq));
    if (c->v_up != GRAPH_NONE) {
        x = mf_build_mul_mat(b, c->v_up, x);
    }
    x = mf_build_swap(b, x, 1, 2);
    const graph_shape y = mf_build_shape(b, x);
    x = mf_graph_op(b->g,
                    GRAPH_PLAIN,
                    GRAPH_SHAPE(y.ne[0] * y.ne[1], y.ne[2] * y.ne[3], 1, 1),
                    GRAPH_SOURCES(x));
    if (x != GRAPH_NONE && b->attends_on_host) {
        b->g->nodes[x].runs_at = b->host_place;
    }
    return x;
}

graph_tensor mf_build_filled(builder *b, graph_tensor view, mf_tensor_type type)
{
    if (view != GRAPH_NONE && b->scratch == SCRATCH_CUDA) {
        b->g->nodes[view].scratch_bytes = mf_footprint_row_fill(type, mf_build_ne(b, view, 0));
    }
    return view;
}

graph_tensor mf_build_attend(builder *b, const attention_case *c, attention_parts in)
{
    const graph_shape s = mf_build_shape(b, in.q);
    in.q = mf_build_reshape(b, in.q, s.ne[0], s.ne[1], s.ne[2] / b->n_streams, b->n_streams);
    in.q = mf_build_swap(b, in.q, 1, 2);
    in.k = mf_build_filled(b, mf_build_swap(b, in.k, 1, 2), b->workload->kv_type_k);
    in.v = mf_build_filled(b,
                           mf_build_swap(b, in.v, 1, 2),
                           c->value_in_key ? b->workload->kv_type_k : b->workload->kv_type_v);
    const graph_tensor x =
        b->workload->flash_attention ? flash(b, c, &in) : scores_and_values(b, c, &in);
    mf_graph_expand(b->g, x);
    return x;
}

/* The head of every row of a cache. */
static graph_tensor head_of_rows(builder *b, graph_tensor k, const attention_case *c)
{
    const graph_shape s = mf_build_shape(b, k);
    const graph_tensor v =
        mf_graph_view(b->g, k, GRAPH_SHAPE(c->value_dim, s.ne[1], s.ne[2], s.ne[3]));
    if (v != GRAPH_NONE) {
        const uint64_t row = mf_build_row_bytes(b->workload->kv_type_k, c->key_dim);
        const uint64_t head = mf_build_row_bytes(b->workload->kv_type_k, c->value_dim);
        b->g->nodes[v].bytes = mf_graph_get(b->g, k)->bytes - (row - head);
    }
    return v;
}

graph_tensor mf_build_cache(builder *b, const build_layer *l, uint64_t width, uint64_t cells)
{
    const graph_tensor keys = cache(b, l, width, cells, b->workload->kv_type_k);
    return mf_build_filled(
        b, mf_build_reshape(b, keys, width, 1, cells, b->n_streams), b->workload->kv_type_k);
}

graph_tensor
mf_build_store_keys(builder *b, const build_layer *l, graph_tensor k, const cache_inputs *in)
{
    const uint64_t width = mf_build_ne(b, k, 0);
    const uint64_t cells = in->cells;
    const graph_tensor keys = cache(b, l, width, cells, b->workload->kv_type_k);
    store(b, keys, k, in->k_rows, false);
    return mf_build_filled(
        b, mf_build_reshape(b, keys, width, 1, cells, b->n_streams), b->workload->kv_type_k);
}

/* A layer's part of the values. Transposed, every stream is as wide as the widest layer, and a view of a narrower one has
   a gap behind each stream but the last (llama-kv-cache.cpp: get_v). */
static graph_tensor
values_of(builder *b, const attention_case *c, graph_tensor values, uint64_t cells)
{
    const graph_tensor v =
        mf_build_reshape(b, values, c->value_dim, c->n_kv_heads, cells, b->n_streams);
    if (v != GRAPH_NONE && !b->workload->flash_attention) {
        const mf_tensor_type type = b->workload->kv_type_v;
        const uint64_t all = mf_build_row_bytes(type, b->full.widest_value) * cells;
        const uint64_t own = mf_build_row_bytes(type, c->value_dim * c->n_kv_heads) * cells;
        b->g->nodes[v].bytes = all * (b->n_streams - 1) + own;
    }
    return v;
}

/* Heads are scored one by one, cut off below zero, weighted and added. */
static graph_tensor score_heads(builder *b, const index_case *c)
{
    const graph_tensor q = mf_build_swap(b, c->q, 1, 2);
    const graph_tensor keys = mf_build_swap(b, c->keys, 1, 2);
    graph_tensor x = mf_build_swap(b, mf_build_mul_mat(b, keys, q), 0, 2);
    x = mf_build_in_place(b, mf_build_own(b, x, GRAPH_NONE), GRAPH_NONE);
    x = mf_build_in_place(b, x, c->weights);
    graph_shape one = mf_build_shape(b, x);
    one.ne[0] = 1;
    x = mf_graph_op(b->g, GRAPH_PLAIN, one, GRAPH_SOURCES(x));
    x = mf_build_own(b, mf_build_swap(b, x, 0, 2), GRAPH_NONE);
    return mf_build_in_place(b, x, c->mask);
}

graph_tensor mf_build_index(builder *b, const build_layer *l, const index_case *c)
{
    if (b->unfused[FUSED_INDEXER]) {
        return score_heads(b, c);
    }
    const graph_shape q = mf_build_shape(b, c->q);
    const graph_shape s = GRAPH_SHAPE(mf_build_ne(b, c->keys, 2), q.ne[2], 1, q.ne[3]);
    return mf_build_fused(
        b,
        l,
        FUSED_INDEXER,
        mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(c->q, c->keys, c->weights, c->mask)));
}

/* Everything masked but the selected cells (llama-graph.cpp: build_attn with top_k). */
graph_tensor mf_build_select(builder *b, graph_tensor mask, graph_tensor selected, uint8_t bytes)
{
    if (selected == GRAPH_NONE) {
        return mask;
    }
    const graph_shape s = mf_build_shape(b, mask); /* cells, tokens, 1, streams */
    const graph_shape chosen = mf_build_shape(b, selected);
    graph_tensor all = mf_build_in_place(b, mask, GRAPH_NONE);
    mf_graph_retype(b->g, all, b->workload->flash_attention ? F16_BYTES : F32_BYTES);
    all = mf_build_reshape(b, all, 1, s.ne[0], s.ne[1], s.ne[3]);
    const graph_tensor rows =
        mf_build_reshape(b, selected, chosen.ne[0], chosen.ne[1], chosen.ne[3], 1);
    const graph_tensor blank =
        mf_graph_unset(b->g, bytes, GRAPH_SHAPE(1, chosen.ne[0], chosen.ne[1], chosen.ne[3]));
    const graph_tensor zeros = mf_build_in_place(b, blank, GRAPH_NONE);
    mf_graph_retype(b->g, zeros, bytes);
    graph_tensor seen = mf_graph_store(b->g, all, zeros, rows);
    seen = mf_build_reshape(b, seen, s.ne[0], s.ne[1], 1, s.ne[3]);
    seen = mf_build_in_place(b, seen, mask);
    mf_graph_retype(b->g, seen, b->workload->flash_attention ? F16_BYTES : F32_BYTES);
    return seen;
}

attention_parts mf_build_store(builder *b, const attention_case *c)
{
    const cache_inputs *in = c->window ? &b->window : &b->full;
    const mf_workload *w = b->workload;
    const bool keys_first = b->two_caches || c->keys_first;
    const graph_tensor q = mf_build_rotate(b, c->q, c->value_in_key ? GRAPH_NONE : in->k_rotation);
    const graph_tensor k = mf_build_rotate(b, c->k, c->value_in_key ? GRAPH_NONE : in->k_rotation);
    const graph_tensor v = mf_build_rotate(b, c->v, c->value_in_key ? GRAPH_NONE : in->v_rotation);
    mf_graph_expand(b->g, q);
    mf_graph_expand(b->g, keys_first ? k : v);
    mf_graph_expand(b->g, keys_first ? v : k);
    const graph_tensor keys =
        cache(b, c->layer, c->key_dim * c->n_kv_heads, in->cells, w->kv_type_k);
    const uint64_t value_width =
        w->flash_attention ? c->value_dim * c->n_kv_heads : b->full.widest_value;
    const graph_tensor values =
        c->value_in_key ? keys : cache(b, c->layer, value_width, in->cells, w->kv_type_v);
    if (k != GRAPH_NONE) {
        store(b, keys, k, in->k_rows, false);
        if (!c->value_in_key) {
            store(b, values, v, in->v_rows, !w->flash_attention);
        }
    }
    attention_parts all = {.q = q, .mask = in->mask};
    all.k = mf_build_reshape(b, keys, c->key_dim, c->n_kv_heads, in->cells, b->n_streams);
    all.v = c->value_in_key ? head_of_rows(b, all.k, c) : values_of(b, c, values, in->cells);
    return all;
}

graph_tensor mf_build_attention(builder *b, const attention_case *c)
{
    const cache_inputs *in = c->window ? &b->window : &b->full;
    attention_parts all = mf_build_store(b, c);
    all.mask = mf_build_select(b, all.mask, c->selected, F32_BYTES);
    all.sinks = mf_build_weight(b, c->layer, PART_ATTN_SINKS);
    graph_tensor x = mf_build_attend(b, c, all);
    x = mf_build_rotate(b, x, c->value_in_key ? GRAPH_NONE : in->v_rotation);
    return c->keep ? x : mf_build_linear(b, c->layer, PART_ATTN_OUT, PART_ATTN_OUT_B, x);
}

attention_case mf_build_plain_case(const build_layer *l)
{
    const mf_attention *a = &l->shape->attention;
    return (attention_case){.layer = l,
                            .key_dim = a->key_dim,
                            .value_dim = a->value_dim,
                            .n_kv_heads = a->n_kv_heads,
                            .window = a->window > 0};
}
