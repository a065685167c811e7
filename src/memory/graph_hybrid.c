/*
 * graph_hybrid.c - layers with a state, alone or beside attention: mamba, jamba, granitehybrid, nemotron_h, lfm2,
 * kimi-linear, falcon-h1, qwen3next, qwen35 (src/models).
 */
#include "memory/graph_arch.h"

/* What mixes tokens in this layer. */
static graph_tensor mix(builder *b, const build_layer *l, graph_tensor x)
{
    switch (l->shape->recurrent.kind) {
    case MF_RECURRENT_MAMBA1:
        return mf_build_mamba1(b, l, x);
    case MF_RECURRENT_MAMBA2:
        return mf_build_mamba2(b, l, x);
    case MF_RECURRENT_DELTA:
        return mf_build_has(l, PART_SSM_CONV_Q) ? mf_build_channel_delta(b, l, x)
                                                : mf_build_delta(b, l, x);
    case MF_RECURRENT_CONV:
        return mf_build_short_convolution(b, l, x);
    case MF_RECURRENT_NONE:
    case MF_RECURRENT_LIGHTNING:
    case MF_RECURRENT_COMPRESSOR:
        break;
    }
    if (mf_build_has(l, PART_ATTN_KV_A_MQA)) {
        return mf_graph_latent_attention(b, l, x);
    }
    const attention_case c = mf_graph_qkv(b, l, x);
    return mf_build_attention(b, &c);
}

static bool feeds_forward(const build_layer *l)
{
    return l->shape->ffn.kind != MF_FFN_NONE;
}

static graph_tensor start(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    if (b->traits->scale_embedding) {
        x = mf_build_in_place(b, x, GRAPH_NONE);
        mf_graph_expand(b->g, x);
    }
    return x;
}

static graph_tensor sum(builder *b, graph_tensor y, graph_tensor residual)
{
    y = mf_build_scaled(b, y);
    return b->traits->residual_first ? mf_build_in_place(b, residual, y)
                                     : mf_build_in_place(b, y, residual);
}

/* A mixer, then a feed forward where there is one. */
void mf_graph_hybrid(builder *b)
{
    graph_tensor x = start(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = mix(b, l, mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x));
        mf_build_pick(b, l, &y, &residual);
        x = sum(b, y, residual);
        if (feeds_forward(l)) {
            y = mf_graph_feed_forward(b, l, mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, x));
            x = sum(b, y, x);
        }
    }
    mf_build_output(b, x);
}

/* Nemotron-H: every block is one mixer or one feed forward behind one norm; experts may work on a narrower input. */
static graph_tensor only_feed_forward(builder *b, const build_layer *l, graph_tensor x)
{
    if (!mf_build_has(l, PART_FFN_LATENT_DOWN)) {
        return mf_graph_feed_forward(b, l, x);
    }
    const graph_tensor narrow = mf_build_linear(b, l, PART_FFN_LATENT_DOWN, PART_COUNT, x);
    const moe_case c = {.layer = l,
                        .gating = b->traits->gating,
                        .norm_weights = true,
                        .scale_weights = true,
                        .logits = mf_build_linear(b, l, PART_FFN_GATE_INP, PART_COUNT, x)};
    graph_tensor y = mf_build_moe(b, &c, narrow);
    y = mf_build_linear(b, l, PART_FFN_LATENT_UP, PART_COUNT, y);
    return mf_build_has(l, PART_FFN_UP_SHEXP) ? mf_build_in_place(b, y, mf_build_shared(b, l, x))
                                              : y;
}

void mf_graph_mixers(builder *b)
{
    graph_tensor x = start(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor residual = x;
        graph_tensor y = mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x);
        y = feeds_forward(l) ? only_feed_forward(b, l, y) : mix(b, l, y);
        mf_build_pick(b, l, &y, &residual);
        x = mf_build_in_place(b, y, residual);
    }
    mf_build_output(b, x);
}

/* Attention and a state side by side, each behind the norm of its own. */
void mf_graph_falcon_h1(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        const block_part norm = mf_build_has(l, PART_FFN_NORM) ? PART_FFN_NORM : PART_FFN_NORM_BARE;
        mf_build_begin_layer(b, i);
        attention_case c = mf_graph_qkv(b, l, mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x));
        const graph_tensor attended = mf_build_attention(b, &c);
        graph_tensor y = mf_build_mamba2(b, l, mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x));
        y = mf_build_in_place(b, attended, y);
        graph_tensor residual = mf_build_in_place(b, y, x);
        if (i + 1 == b->n_layers) {
            residual = mf_build_get_rows(b, residual, b->output_rows);
        }
        y = mf_build_ffn(b, l, mf_build_norm(b, l, norm, PART_COUNT, residual));
        x = mf_build_in_place(b, y, residual);
    }
    mf_build_output(b, x);
}

/* Queries and the gate of attention's result come out of one projection, head by head. */
static graph_tensor gated_attention(builder *b, const build_layer *l, graph_tensor x)
{
    const mf_attention *a = &l->shape->attention;
    const uint64_t u = b->n_tokens;
    const uint64_t width = a->key_dim;
    const graph_shape heads = GRAPH_SHAPE(width, a->n_heads, u, 1);
    attention_case c = mf_build_plain_case(l);
    graph_tensor both = mf_build_linear(b, l, PART_ATTN_Q, PART_ATTN_Q_B, x);
    both =
        b->traits->n_positions == 0 ? mf_build_reshape(b, both, 2 * width, a->n_heads, u, 1) : both;
    c.q = mf_graph_slice(b->g, both, 2 * width, width, heads);
    c.q = mf_build_norm(b, l, PART_ATTN_Q_NORM, PART_COUNT, c.q);
    graph_tensor gate = mf_graph_slice(b->g, both, 2 * width, width, heads);
    gate = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(width * a->n_heads, u, 1, 1), GRAPH_SOURCES(gate));
    c.k = mf_build_linear(b, l, PART_ATTN_K, PART_ATTN_K_B, x);
    c.k = mf_build_reshape(b, c.k, width, a->n_kv_heads, u, 1);
    c.k = mf_build_norm(b, l, PART_ATTN_K_NORM, PART_COUNT, c.k);
    c.v = mf_build_linear(b, l, PART_ATTN_V, PART_ATTN_V_B, x);
    c.v = mf_build_reshape(b, c.v, a->value_dim, a->n_kv_heads, u, 1);
    c.q = mf_build_rope(b, c.q);
    c.k = mf_build_rope(b, c.k);
    c.keep = true;
    const graph_tensor y = mf_build_attention(b, &c);
    gate = mf_build_in_place(b, gate, GRAPH_NONE);
    return mf_build_linear(b, l, PART_ATTN_OUT, PART_ATTN_OUT_B, mf_build_in_place(b, y, gate));
}

void mf_graph_qwen_hybrid(builder *b)
{
    graph_tensor x = mf_build_embedding(b);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        graph_tensor y = mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, x);
        mf_graph_expand(b->g, y);
        y = l->shape->recurrent.kind != MF_RECURRENT_NONE ? mf_build_delta(b, l, y)
                                                          : gated_attention(b, l, y);
        const graph_tensor residual = mf_build_in_place(b, y, x);
        y = mf_build_norm(b, l, PART_ATTN_POST_NORM, PART_COUNT, residual);
        y = mf_graph_feed_forward(b, l, y);
        x = mf_build_in_place(b, y, residual);
    }
    mf_build_output(b, x);
}
