/*
 * graph_compressed.c - DeepSeek V4 (src/models/deepseek4.cpp): several residual streams that every block mixes
 * (hyper-connections), one cached vector per token that is key and value, a window and compressed entries beside it.
 */
#include "memory/graph_arch.h"

enum { F16_BYTES = 2, F32_BYTES = 4, SELECTING_RATIO = 4, I32_BYTES = 4 };

typedef struct compressed {
    builder *b;
    uint64_t hc;         /* residual streams */
    cache_inputs window; /* of the last tokens */
    entry_inputs fine;   /* entries that are selected */
    entry_inputs index;  /* what selects them */
    entry_inputs coarse;
} compressed;

/* How a block's result is spread over the streams, and the streams mixed among themselves. */
typedef struct mixing {
    graph_tensor post, comb;
} mixing;

typedef struct mixer_parts {
    block_part fn, scale, base;
} mixer_parts;

static graph_tensor affine(builder *b, graph_tensor x, graph_tensor scale, graph_tensor base)
{
    x = mf_build_in_place(b, mf_build_in_place(b, x, scale), base);
    x = mf_build_in_place(b, x, GRAPH_NONE);    /* sigmoid */
    return mf_build_in_place(b, x, GRAPH_NONE); /* scale */
}

/* A stream, and what it is weighted with. */
static graph_tensor
weighted_stream(const compressed *v, graph_tensor streams, graph_tensor weights, uint64_t n_weights)
{
    builder *b = v->b;
    const uint64_t hidden = b->model->hidden;
    const uint64_t n = mf_build_ne(b, streams, 2);
    const graph_tensor one =
        mf_graph_slice(b->g, streams, hidden * v->hc, hidden, GRAPH_SHAPE(hidden, n, 1, 1));
    const graph_tensor by = mf_graph_slice(b->g, weights, n_weights, 1, GRAPH_SHAPE(1, n, 1, 1));
    return mf_build_in_place(b, one, by);
}

static graph_tensor sum_streams(const compressed *v, graph_tensor streams, graph_tensor weights)
{
    graph_tensor sum = weighted_stream(v, streams, weights, v->hc);
    for (uint64_t i = 1; i < v->hc; i++) {
        sum = mf_build_in_place(v->b, sum, weighted_stream(v, streams, weights, v->hc));
    }
    return sum;
}

/* Rows and columns are normed in turn until both add up to one (build_hc_sinkhorn). Rounds beyond the second find the same
   memory. */
static graph_tensor norm_by_turns(builder *b, graph_tensor x)
{
    enum { ROUNDS = 3 };
    const graph_shape s = mf_build_shape(b, x);
    const graph_shape sums = GRAPH_SHAPE(1, s.ne[1], s.ne[2], 1);
    const graph_tensor blank = mf_graph_unset(b->g, F32_BYTES, GRAPH_SHAPE(1, 1, 1, 1));
    const graph_tensor least = mf_build_in_place(b, blank, GRAPH_NONE);
    x = mf_build_in_place(b, mf_build_in_place(b, x, GRAPH_NONE), least);
    for (int i = 0; i < 2 * ROUNDS - 1; i++) {
        const bool columns = i % 2 == 0;
        graph_tensor sum = columns ? mf_build_own(b, mf_build_swap(b, x, 0, 1), GRAPH_NONE) : x;
        sum = mf_graph_op(b->g, GRAPH_PLAIN, sums, GRAPH_SOURCES(sum));
        sum = mf_build_in_place(b, sum, least);
        x = mf_build_in_place(b, x, columns ? mf_build_swap(b, sum, 0, 1) : sum);
    }
    return x;
}

/* How the streams are mixed among themselves. */
static graph_tensor mix_streams(const compressed *v,
                                const build_layer *l,
                                graph_tensor mixes,
                                graph_tensor scale,
                                graph_tensor base)
{
    builder *b = v->b;
    const uint64_t hc = v->hc;
    const uint64_t u = b->n_tokens;
    if (!b->unfused[FUSED_MIX]) {
        const graph_tensor x = mf_graph_op(
            b->g, GRAPH_PLAIN, GRAPH_SHAPE(hc, hc, u, 1), GRAPH_SOURCES(mixes, scale, base));
        return mf_build_fused(b, l, FUSED_MIX, x);
    }
    graph_tensor x =
        mf_graph_slice(b->g, mixes, (2 + hc) * hc, hc * hc, GRAPH_SHAPE(hc * hc, u, 1, 1));
    x = mf_build_in_place(b, x, mf_build_reshape(b, scale, 1, 1, 1, 1));
    x = mf_build_in_place(b, x, mf_build_reshape(b, base, hc * hc, 1, 1, 1));
    return norm_by_turns(b, mf_build_reshape(b, x, hc, hc, u, 1));
}

/* One input out of all streams, by weights that are computed from them. */
static graph_tensor join_streams(const compressed *v,
                                 const build_layer *l,
                                 const mixer_parts *p,
                                 graph_tensor streams,
                                 mixing *out)
{
    builder *b = v->b;
    const uint64_t u = b->n_tokens;
    const uint64_t all = (2 + v->hc) * v->hc;
    const graph_shape some = GRAPH_SHAPE(v->hc, u, 1, 1);
    const graph_tensor flat = mf_build_reshape(b, streams, b->model->hidden * v->hc, u, 1, 1);
    const graph_tensor mixes = mf_build_linear(b, l, p->fn, PART_COUNT, mf_build_rms(b, flat));
    const graph_tensor scale = mf_build_weight(b, l, p->scale);
    const graph_tensor base = mf_build_weight(b, l, p->base);
    const graph_tensor one = mf_build_reshape(b, scale, 1, 1, 1, 1);
    const graph_tensor few = mf_build_reshape(b, base, v->hc, 1, 1, 1);
    const graph_tensor pre = affine(b, mf_graph_slice(b->g, mixes, all, v->hc, some), one, few);
    out->post = affine(b,
                       mf_graph_slice(b->g, mixes, all, v->hc, some),
                       mf_build_reshape(b, scale, 1, 1, 1, 1),
                       mf_build_reshape(b, base, v->hc, 1, 1, 1));
    out->comb = mix_streams(v, l, mixes, scale, base);
    if (b->unfused[FUSED_JOIN]) {
        return sum_streams(v, streams, pre);
    }
    const graph_tensor y = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(b->model->hidden, u, 1, 1), GRAPH_SOURCES(streams, pre));
    return mf_build_fused(b, l, FUSED_JOIN, y);
}

/* Stream by stream: the result and all streams before it, weighted. */
static graph_tensor
spread_singly(const compressed *v, graph_tensor x, graph_tensor streams, const mixing *m)
{
    builder *b = v->b;
    const uint64_t hidden = b->model->hidden;
    const uint64_t u = b->n_tokens;
    graph_tensor out = GRAPH_NONE;
    for (uint64_t i = 0; i < v->hc; i++) {
        const graph_tensor by = mf_graph_slice(b->g, m->post, v->hc, 1, GRAPH_SHAPE(1, u, 1, 1));
        graph_tensor y = mf_build_in_place(b, x, by);
        for (uint64_t k = 0; k < v->hc; k++) {
            y = mf_build_in_place(b, y, weighted_stream(v, streams, m->comb, v->hc * v->hc));
        }
        y = mf_build_reshape(b, y, hidden, 1, u, 1);
        const graph_shape so_far = GRAPH_SHAPE(hidden, i + 1, u, 1);
        out = i == 0 ? y : mf_graph_op(b->g, GRAPH_PLAIN, so_far, GRAPH_SOURCES(out, y));
    }
    return out;
}

static graph_tensor spread_result(const compressed *v,
                                  const build_layer *l,
                                  graph_tensor x,
                                  graph_tensor streams,
                                  const mixing *m)
{
    if (v->b->unfused[FUSED_SPREAD]) {
        return spread_singly(v, x, streams, m);
    }
    const graph_tensor y = mf_graph_op(v->b->g,
                                       GRAPH_PLAIN,
                                       mf_build_shape(v->b, streams),
                                       GRAPH_SOURCES(x, streams, m->post, m->comb));
    return mf_build_fused(v->b, l, FUSED_SPREAD, y);
}

/* The entries with the highest scores. */
static graph_tensor
select_entries(const compressed *v, const build_layer *l, graph_tensor low, graph_tensor x)
{
    builder *b = v->b;
    const mf_attention *a = &l->shape->attention;
    const uint64_t ns = b->n_streams;
    const uint64_t u = b->n_tokens / ns;
    const uint64_t entries = v->index.cache.cells;
    const uint64_t n_best = a->index_top_k < entries ? a->index_top_k : entries;
    graph_tensor q = mf_build_linear(b, l, PART_INDEX_Q_B, PART_COUNT, low);
    q = mf_build_reshape(b, q, a->index_dim, a->n_index_heads, b->n_tokens, 1);
    q = mf_build_turn_tail(b, q, a->rope_dim, b->positions);
    q = mf_build_rotate(b, q, v->index.cache.k_rotation);
    graph_tensor weights = mf_build_linear(b, l, PART_INDEX_PROJ, PART_COUNT, x);
    weights = mf_build_in_place(b, weights, GRAPH_NONE);
    const graph_tensor keys = mf_build_entries(b, l, &v->index);
    q = mf_build_reshape(b, q, a->index_dim, a->n_index_heads, u, ns);
    weights = mf_build_reshape(b, weights, a->n_index_heads, u, 1, ns);
    const index_case c = {.q = q, .keys = keys, .weights = weights, .mask = v->index.cache.mask};
    const graph_tensor scores = mf_build_index(b, l, &c);
    const graph_tensor best =
        mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(n_best, u, 1, ns), GRAPH_SOURCES(scores));
    return mf_build_own(b, best, GRAPH_NONE);
}

/* Window and entries side by side. */
static graph_tensor join_keys(builder *b, graph_tensor window, graph_tensor entries)
{
    graph_shape s = mf_build_shape(b, window);
    s.ne[2] += mf_build_ne(b, entries, 2);
    const graph_tensor keys = mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(window, entries));
    if (keys != GRAPH_NONE) {
        const mf_tensor_type type = b->workload->kv_type_k;
        b->g->nodes[keys].bytes = mf_build_row_bytes(type, s.ne[0]) * s.ne[2] * s.ne[3];
        b->g->nodes[keys].element_bytes = type == MF_TYPE_F32 ? F32_BYTES : F16_BYTES;
    }
    return mf_build_filled(b, keys, b->workload->kv_type_k);
}

static graph_tensor join_masks(builder *b, graph_tensor window, graph_tensor entries)
{
    const uint8_t bytes = b->workload->flash_attention ? F16_BYTES : F32_BYTES;
    const graph_tensor mask = mf_build_concat(b, window, entries);
    mf_graph_retype(b->g, mask, bytes);
    return mask;
}

/* q and kv as they are attended; the window holds the new key already when the rest is read. */
static graph_tensor attend(
    const compressed *v, const build_layer *l, graph_tensor q, graph_tensor kv, graph_tensor best)
{
    builder *b = v->b;
    const mf_attention *a = &l->shape->attention;
    const bool half = b->workload->flash_attention;
    attention_case c = mf_build_plain_case(l);
    attention_parts all = {.mask = v->window.mask, .sinks = mf_build_weight(b, l, PART_ATTN_SINKS)};
    c.value_in_key = true;
    all.q = mf_build_rotate(b, q, v->window.k_rotation);
    kv = mf_build_rotate(b, kv, v->window.k_rotation);
    mf_graph_expand(b->g, all.q);
    mf_graph_expand(b->g, kv);
    all.k = mf_build_store_keys(b, l, kv, &v->window);
    if (a->compress_ratio == SELECTING_RATIO) {
        const graph_tensor mask =
            mf_build_select(b, v->fine.cache.mask, best, half ? F16_BYTES : F32_BYTES);
        all.k = join_keys(b, all.k, mf_build_entries(b, l, &v->fine));
        all.mask = join_masks(b, all.mask, mask);
    } else if (a->compress_ratio > 0) {
        all.k = join_keys(b, all.k, mf_build_entries(b, l, &v->coarse));
        all.mask = join_masks(b, all.mask, v->coarse.cache.mask);
    }
    all.v = all.k;
    return mf_build_rotate(b, mf_build_attend(b, &c, all), v->window.k_rotation);
}

/* Turned back, projected group by group, then together. */
static graph_tensor project_out(builder *b, const build_layer *l, graph_tensor y)
{
    const mf_attention *a = &l->shape->attention;
    const uint64_t u = b->n_tokens;
    const uint64_t width = mf_build_dim(l, PART_ATTN_OUT_A, 0);
    const uint64_t groups = width > 0 ? (uint64_t)a->n_heads * a->key_dim / width : 0;
    const uint64_t all = mf_build_dim(l, PART_ATTN_OUT_A, 1) * mf_build_dim(l, PART_ATTN_OUT_A, 2);
    if (groups == 0 || all % groups != 0) {
        b->g->status = MF_E_DATA;
        return GRAPH_NONE;
    }
    y = mf_build_reshape(b, y, a->key_dim, a->n_heads, u, 1);
    y = mf_build_turn_tail(b, y, a->rope_dim, b->positions);
    y = mf_build_swap(b, mf_build_reshape(b, y, width, groups, u, 1), 1, 2);
    y = mf_graph_op(b->g,
                    GRAPH_PLAIN,
                    GRAPH_SHAPE(all / groups, u, groups, 1),
                    GRAPH_SOURCES(mf_build_weight(b, l, PART_ATTN_OUT_A), y));
    y = mf_build_swap(b, y, 1, 2);
    y = mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(all, u, 1, 1), GRAPH_SOURCES(y));
    return mf_build_linear(b, l, PART_ATTN_OUT_B2, PART_COUNT, y);
}

static graph_tensor attention(const compressed *v, const build_layer *l, graph_tensor x)
{
    builder *b = v->b;
    const mf_attention *a = &l->shape->attention;
    const uint64_t u = b->n_tokens;
    graph_tensor low = mf_build_linear(b, l, PART_ATTN_Q_A, PART_COUNT, x);
    low = mf_build_norm(b, l, PART_ATTN_Q_A_NORM, PART_COUNT, low);
    graph_tensor q = mf_build_linear(b, l, PART_ATTN_Q_B_UP, PART_COUNT, low);
    q = mf_build_rms(b, mf_build_reshape(b, q, a->key_dim, a->n_heads, u, 1));
    q = mf_build_turn_tail(b, q, a->rope_dim, b->positions);
    graph_tensor kv = mf_build_linear(b, l, PART_ATTN_KV, PART_COUNT, x);
    kv = mf_build_norm(b, l, PART_ATTN_KV_A_NORM, PART_COUNT, kv);
    kv = mf_build_reshape(b, kv, a->key_dim, 1, u, 1);
    kv = mf_build_turn_tail(b, kv, a->rope_dim, b->positions);
    graph_tensor best = GRAPH_NONE;
    if (a->compress_ratio == SELECTING_RATIO) {
        mf_build_compress(b, l, &v->fine, x);
        mf_build_compress(b, l, &v->index, x);
        best = select_entries(v, l, low, x);
    } else if (a->compress_ratio > 0) {
        mf_build_compress(b, l, &v->coarse, x);
    }
    return project_out(b, l, attend(v, l, q, kv, best));
}

static graph_tensor layer(const compressed *v, const build_layer *l, graph_tensor streams)
{
    static const mixer_parts first = {PART_HC_ATTN, PART_HC_ATTN_SCALE, PART_HC_ATTN_BASE};
    static const mixer_parts second = {PART_HC_FFN, PART_HC_FFN_SCALE, PART_HC_FFN_BASE};
    builder *b = v->b;
    mixing m = {0};
    graph_tensor y = join_streams(v, l, &first, streams, &m);
    y = attention(v, l, mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, y));
    streams = spread_result(v, l, y, streams, &m);
    y = join_streams(v, l, &second, streams, &m);
    mf_graph_expand(b->g, streams);
    mf_graph_expand(b->g, m.post);
    mf_graph_expand(b->g, m.comb);
    y = mf_graph_feed_forward(b, l, mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, y));
    y = spread_result(v, l, y, streams, &m);
    if (y != GRAPH_NONE && b->norms_stay) {
        b->g->nodes[y].runs_at = l->place; /* llama-context.cpp, graph_get_cb: "l_last" */
    }
    return y;
}

/* The streams' weighted sum, in single steps. */
static graph_tensor join_last(const compressed *v, graph_tensor streams)
{
    builder *b = v->b;
    const uint64_t hidden = b->model->hidden;
    const uint64_t n = b->n_outputs;
    const graph_shape scale = GRAPH_SHAPE(1, 1, 1, 1);
    const graph_shape base = GRAPH_SHAPE(v->hc, 1, 1, 1);
    graph_tensor x = mf_build_reshape(b, streams, hidden * v->hc, b->n_tokens, 1, 1);
    x = mf_build_get_rows(b, x, b->output_rows);
    x = mf_build_reshape(b, x, hidden, v->hc, n, 1);
    const graph_tensor flat = mf_build_reshape(b, x, hidden * v->hc, n, 1, 1);
    const graph_tensor fn =
        mf_build_global(b, GRAPH_SHAPE(hidden * v->hc, v->hc, 1, 1), b->output_place);
    const graph_tensor mixes = mf_build_mul_mat(b, fn, mf_build_rms(b, flat));
    const graph_tensor by = affine(b,
                                   mixes,
                                   mf_build_global(b, scale, b->output_place),
                                   mf_build_global(b, base, b->output_place));
    return sum_streams(v, x, by);
}

/* Caches of the layers, by what their widths are in the first one that has such a cache. */
static void make_inputs(compressed *v)
{
    builder *b = v->b;
    entry_kind fine = {.ratio = SELECTING_RATIO,
                       .overlaps = true,
                       .kv = PART_COMPRESSOR_KV,
                       .gate = PART_COMPRESSOR_GATE,
                       .place = PART_COMPRESSOR_APE,
                       .norm = PART_COMPRESSOR_NORM};
    entry_kind index = {.ratio = SELECTING_RATIO,
                        .overlaps = true,
                        .selects = true,
                        .always_turned = true,
                        .kv = PART_INDEX_COMPRESSOR_KV,
                        .gate = PART_INDEX_COMPRESSOR_GATE,
                        .place = PART_INDEX_COMPRESSOR_APE,
                        .norm = PART_INDEX_COMPRESSOR_NORM};
    entry_kind coarse = fine;
    coarse.overlaps = false;
    for (size_t i = 0; i < b->n_layers; i++) {
        const mf_attention *a = &b->layers[i].shape->attention;
        fine.width = a->key_dim;
        index.width = a->index_dim > 0 ? a->index_dim : index.width;
        coarse.ratio = a->compress_ratio > SELECTING_RATIO ? a->compress_ratio : coarse.ratio;
    }
    coarse.width = fine.width;
    fine.always_turned = fine.width == index.width; /* llama-kv-cache.cpp: by the width alone */
    coarse.always_turned = fine.always_turned;
    v->window = b->window;
    v->window.k_rotation = mf_build_key_rotation(b, fine.width, fine.always_turned);
    v->fine = mf_build_entry_inputs(b, &fine);
    v->index = mf_build_entry_inputs(b, &index);
    v->coarse = mf_build_entry_inputs(b, &coarse);
}

void mf_graph_compressed(builder *b)
{
    const uint64_t hidden = b->model->hidden;
    const uint64_t all = mf_build_dim(&b->layers[0], PART_HC_ATTN, 0);
    compressed v = {.b = b, .hc = hidden > 0 ? all / hidden : 0};
    if (v.hc == 0) {
        b->g->status = MF_E_DATA;
        return;
    }
    make_inputs(&v);
    graph_tensor x = mf_build_embedding(b);
    mf_graph_expand(b->g, v.window.mask);
    x = mf_build_reshape(b, x, hidden, 1, b->n_tokens, 1);
    graph_tensor streams =
        mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(hidden, v.hc, b->n_tokens, 1), GRAPH_SOURCES(x));
    for (size_t i = 0; i < b->n_layers; i++) {
        mf_build_begin_layer(b, i);
        streams = layer(&v, &b->layers[i], streams);
    }
    mf_build_output(b, join_last(&v, streams));
}
