/*
 * graph_plain.c - layers of attention and feed forward, as their tensors say: llama, qwen2, qwen3, qwen3moe, phi3,
 * gpt-oss, glm4moe and their kin (src/models).
 *
 * Where the norms stand follows from which of them a block has: with ffn_norm or post_ffw_norm, post_attention_norm
 * norms the result of attention (Gemma, OLMo 2); without them it is the norm before the feed forward (GLM, gpt-oss).
 */
#include "memory/graph_arch.h"

static bool has_rope(const builder *b, const build_layer *l)
{
    const graph_traits *t = b->traits;
    if (t->no_rope || (t->rope_period > 0 && (l->index + 1) % t->rope_period == 0) ||
        (t->rope_depth > 0 && t->rope_depth != b->footprint->n_run)) {
        return false;
    }
    return !t->rope_in_windows || !b->two_caches || l->shape->attention.window > 0;
}

static bool by_head(const build_layer *l, block_part norm, uint64_t width)
{
    return mf_build_has(l, norm) && mf_build_dim(l, norm, 0) == width;
}

/* A norm over all heads together comes before the heads are told apart, one over each head after. */
static graph_tensor
heads_of(builder *b, const build_layer *l, graph_tensor x, block_part norm, graph_shape s)
{
    if (b->traits->norm_turned) {
        return mf_graph_view(b->g, x, s);
    }
    const bool separate = by_head(l, norm, s.ne[0]);
    if (mf_build_has(l, norm) && !separate) {
        x = mf_build_norm(b, l, norm, PART_COUNT, x);
    }
    x = mf_graph_view(b->g, x, s);
    return separate ? mf_build_norm(b, l, norm, PART_COUNT, x) : x;
}

static void
separate_projections(builder *b, const build_layer *l, attention_case *c, graph_tensor x)
{
    const mf_attention *a = &l->shape->attention;
    const graph_tensor q = mf_build_linear(b, l, PART_ATTN_Q, PART_ATTN_Q_B, x);
    const graph_tensor k = mf_build_linear(b, l, PART_ATTN_K, PART_ATTN_K_B, x);
    const graph_tensor v =
        mf_build_has(l, PART_ATTN_V) ? mf_build_linear(b, l, PART_ATTN_V, PART_ATTN_V_B, x) : k;
    c->q = heads_of(b, l, q, PART_ATTN_Q_NORM, GRAPH_SHAPE(a->key_dim, a->n_heads, b->n_tokens, 1));
    c->k =
        heads_of(b, l, k, PART_ATTN_K_NORM, GRAPH_SHAPE(a->key_dim, a->n_kv_heads, b->n_tokens, 1));
    c->v = mf_build_reshape(b, v, a->value_dim, a->n_kv_heads, b->n_tokens, 1);
}

static void fused_projection(builder *b, const build_layer *l, attention_case *c, graph_tensor x)
{
    const mf_attention *a = &l->shape->attention;
    const graph_tensor all = mf_build_linear(b, l, PART_ATTN_QKV, PART_ATTN_QKV_B, x);
    const uint64_t row = mf_build_ne(b, all, 0);
    const uint64_t q = (uint64_t)a->key_dim * a->n_heads;
    const uint64_t k = (uint64_t)a->key_dim * a->n_kv_heads;
    const uint64_t v = (uint64_t)a->value_dim * a->n_kv_heads;
    c->q = mf_graph_slice(b->g, all, row, q, GRAPH_SHAPE(a->key_dim, a->n_heads, b->n_tokens, 1));
    c->k =
        mf_graph_slice(b->g, all, row, k, GRAPH_SHAPE(a->key_dim, a->n_kv_heads, b->n_tokens, 1));
    c->v =
        mf_graph_slice(b->g, all, row, v, GRAPH_SHAPE(a->value_dim, a->n_kv_heads, b->n_tokens, 1));
}

static graph_tensor norm_turned(builder *b, const build_layer *l, block_part norm, graph_tensor x)
{
    return mf_build_has(l, norm) ? mf_build_norm(b, l, norm, PART_COUNT, x) : x;
}

attention_case mf_graph_qkv(builder *b, const build_layer *l, graph_tensor x)
{
    attention_case c = mf_build_plain_case(l);
    if (mf_build_has(l, PART_ATTN_QKV)) {
        fused_projection(b, l, &c, x);
    } else {
        separate_projections(b, l, &c, x);
    }
    if (has_rope(b, l)) {
        c.q = mf_build_rope(b, c.q);
        c.k = mf_build_rope(b, c.k);
    }
    if (b->traits->norm_turned) {
        c.q = norm_turned(b, l, PART_ATTN_Q_NORM, c.q);
        c.k = norm_turned(b, l, PART_ATTN_K_NORM, c.k);
    }
    c.q = b->traits->scale_query ? mf_build_in_place(b, c.q, GRAPH_NONE) : c.q;
    return c;
}

static bool routing_or(mf_routing said, bool usual)
{
    return said == MF_ROUTING_UNKNOWN ? usual : said == MF_ROUTING_YES;
}

graph_tensor mf_graph_feed_forward(builder *b, const build_layer *l, graph_tensor x)
{
    if (!mf_build_has(l, PART_FFN_GATE_INP)) {
        return mf_build_ffn(b, l, x);
    }
    const mf_ffn *ffn = &l->shape->ffn;
    const moe_case c = {
        .layer = l,
        .gating = b->traits->gating,
        .norm_weights = routing_or(ffn->norm_weights, !b->traits->plain_weights),
        .scale_weights = routing_or(ffn->scale_weights, b->traits->scale_weights),
        .chosen =
            mf_build_has(l, PART_FFN_GATE_TID2EID)
                ? mf_build_get_rows(b, mf_build_weight(b, l, PART_FFN_GATE_TID2EID), b->tokens)
                : GRAPH_NONE};
    const graph_tensor routed = mf_build_moe(b, &c, x);
    return mf_build_has(l, PART_FFN_UP_SHEXP)
               ? mf_build_in_place(b, routed, mf_build_shared(b, l, x))
               : routed;
}

/* Attention's result beside the gate that some models project from the same input. */
static graph_tensor attend(builder *b, const build_layer *l, graph_tensor x)
{
    attention_case c = mf_graph_qkv(b, l, x);
    const bool gated = mf_build_has(l, PART_ATTN_GATE);
    c.keep = gated;
    graph_tensor y = mf_build_attention(b, &c);
    if (!gated) {
        return y;
    }
    graph_tensor gate = mf_build_linear(b, l, PART_ATTN_GATE, PART_COUNT, x);
    gate = mf_build_in_place(b, gate, GRAPH_NONE);
    const graph_shape s = mf_build_shape(b, y);
    const uint64_t heads = mf_build_ne(b, gate, 0);
    if (heads == s.ne[0] || heads == 0 || s.ne[0] % heads != 0) {
        y = mf_build_in_place(b, y, gate);
    } else { /* a number for every head */
        y = mf_build_reshape(b, y, s.ne[0] / heads, heads, s.ne[1], 1);
        y = mf_build_in_place(b, y, mf_build_reshape(b, gate, 1, heads, s.ne[1], 1));
        y = mf_graph_view(b->g, y, s);
    }
    return mf_build_linear(b, l, PART_ATTN_OUT, PART_ATTN_OUT_B, y);
}

/* A norm whose weight the layer may not have at all. */
static graph_tensor
norm_input(builder *b, const build_layer *l, block_part w, block_part bias, graph_tensor x)
{
    return mf_build_has(l, w) || b->traits->bare_norms ? mf_build_norm(b, l, w, bias, x) : x;
}

static graph_tensor norm_result(builder *b, const build_layer *l, block_part w, graph_tensor x)
{
    const bool end = w == PART_FFN_POST_NORM && b->traits->loose_ends;
    return b->traits->loose_norms || end ? mf_build_loose_norm(b, l, w, x)
                                         : mf_build_norm(b, l, w, PART_COUNT, x);
}

static bool is_sandwich(const build_layer *l)
{
    return mf_build_has(l, PART_FFN_NORM) || mf_build_has(l, PART_FFN_POST_NORM);
}

/* Blocks of Nemotron-NAS may have lost their attention or their feed forward. */
static graph_tensor
attention_part(builder *b, const build_layer *l, graph_tensor x, graph_tensor *residual)
{
    if (l->shape->attention.kind == MF_ATTENTION_NONE) {
        return x;
    }
    const bool normed = is_sandwich(l) && mf_build_has(l, PART_ATTN_POST_NORM);
    graph_tensor y = attend(b, l, norm_input(b, l, PART_ATTN_NORM, PART_ATTN_NORM_B, x));
    y = normed && b->traits->late_rows ? norm_result(b, l, PART_ATTN_POST_NORM, y) : y;
    mf_build_pick(b, l, &y, residual);
    return normed && !b->traits->late_rows ? norm_result(b, l, PART_ATTN_POST_NORM, y) : y;
}

static graph_tensor layer(builder *b, const build_layer *l, graph_tensor x)
{
    const block_part before = is_sandwich(l) ? PART_FFN_NORM : PART_ATTN_POST_NORM;
    graph_tensor residual = x;
    graph_tensor y = attention_part(b, l, x, &residual);
    residual = y != x ? mf_build_in_place(b, mf_build_scaled(b, y), residual) : x;
    if (l->shape->ffn.kind == MF_FFN_NONE) {
        return residual;
    }
    y = norm_input(b, l, before, PART_FFN_NORM_B, residual);
    y = mf_graph_feed_forward(b, l, y);
    if (mf_build_has(l, PART_FFN_POST_NORM)) {
        y = norm_result(b, l, PART_FFN_POST_NORM, y);
    }
    y = mf_build_scaled(b, y);
    return b->traits->residual_first ? mf_build_in_place(b, residual, y)
                                     : mf_build_in_place(b, y, residual);
}

/* Command R: attention and feed forward read the same normed input; both are added at the end. */
static graph_tensor parallel_layer(builder *b, const build_layer *l, graph_tensor x)
{
    graph_tensor in = mf_build_norm(b, l, PART_ATTN_NORM, PART_ATTN_NORM_B, x);
    graph_tensor y = attend(b, l, in);
    if (l == &b->layers[b->n_layers - 1] && b->traits->rows == ROWS_IN_LAST_LAYER) {
        y = mf_build_get_rows(b, y, b->output_rows);
        x = mf_build_get_rows(b, x, b->output_rows);
        in = mf_build_get_rows(b, in, b->output_rows);
    }
    const graph_tensor fed = mf_graph_feed_forward(b, l, in);
    return mf_build_in_place(b, mf_build_in_place(b, fed, x), y);
}

void mf_graph_plain(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    if (b->traits->scale_embedding) {
        x = mf_build_in_place(b, x, GRAPH_NONE);
        mf_graph_expand(b->g, x);
    }
    x = b->traits->norm_embedding ? mf_build_rms(b, x) : x;
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        x = b->traits->parallel ? parallel_layer(b, l, x) : layer(b, l, x);
    }
    mf_build_output(b, x);
}

/* Chunked layers turn and norm queries and keys; the others scale queries by position. Maverick, with 128 experts,
   does not norm (llama-model.cpp: use_kq_norm). */
static graph_tensor llama4_attention(builder *b, const build_layer *l, graph_tensor x)
{
    enum { EXPERTS_OF_MAVERICK = 128 };
    attention_case c = mf_build_plain_case(l);
    separate_projections(b, l, &c, x);
    if (c.window) {
        c.q = mf_build_rope(b, c.q);
        c.k = mf_build_rope(b, c.k);
    } else {
        c.q = mf_build_in_place(b, c.q, b->attention_scale);
    }
    if (c.window && b->footprint->n_experts != EXPERTS_OF_MAVERICK) {
        c.q = mf_build_in_place(b, c.q, GRAPH_NONE);
        c.k = mf_build_in_place(b, c.k, GRAPH_NONE);
    }
    return mf_build_attention(b, &c);
}

void mf_graph_llama4(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x);
        y = llama4_attention(b, l, y);
        mf_build_pick(b, l, &y, &residual);
        residual = mf_build_in_place(b, y, residual);
        y = mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, residual);
        if (mf_build_has(l, PART_FFN_GATE_INP)) {
            const moe_case c = {.layer = l, .gating = GATE_SIGMOID, .weight_first = true};
            const graph_tensor routed = mf_build_moe(b, &c, y);
            y = mf_build_in_place(b, routed, mf_build_shared(b, l, y));
        } else {
            y = mf_build_ffn(b, l, y);
        }
        x = mf_build_in_place(b, y, residual);
    }
    mf_build_output(b, x);
}
