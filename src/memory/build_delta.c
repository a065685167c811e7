/*
 * build_delta.c - gated delta nets (src/models: qwen3next.cpp, qwen35.cpp, kimi-linear.cpp, with the fused operation
 * ggml_gated_delta_net) and the short convolution of lfm2.cpp.
 */
#include "memory/build.h"

typedef struct delta_widths {
    uint64_t key, value; /* of one head */
    uint64_t n_key_heads, n_value_heads;
    uint64_t inner, channels, taps;
} delta_widths;

static delta_widths widths_of(const build_layer *l)
{
    delta_widths w = {.inner = mf_build_dim(l, PART_SSM_OUT, 0),
                      .n_value_heads = mf_build_dim(l, PART_SSM_A, 0),
                      .key = mf_build_dim(l, PART_SSM_NORM, 0),
                      .channels = mf_build_dim(l, PART_SSM_CONV, 1),
                      .taps = mf_build_dim(l, PART_SSM_CONV, 0)};
    w.value = w.n_value_heads > 0 ? w.inner / w.n_value_heads : 0;
    w.n_key_heads = w.key > 0 && w.channels > w.inner ? (w.channels - w.inner) / 2 / w.key : 0;
    return w;
}

/* A state cache, and its states of this batch. */
typedef struct state_pair {
    graph_tensor cache;
    graph_tensor states;
} state_pair;

/* Strength of the update and decay, a number for every value head each; Kimi: the decay for every channel. */
typedef struct delta_gates {
    graph_tensor beta;
    graph_tensor decay;
} delta_gates;

/* Qwen3-Next projects both at once, by key head. */
static delta_gates
mixed_gates(builder *b, const build_layer *l, const delta_widths *w, graph_tensor x)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    const uint64_t each = w->n_value_heads / w->n_key_heads;
    const graph_shape s = GRAPH_SHAPE(each, w->n_key_heads, t, b->n_sequences);
    graph_tensor both = mf_build_linear(b, l, PART_SSM_BA, PART_COUNT, x);
    both = mf_build_reshape(b, both, 2 * each, w->n_key_heads, t, b->n_sequences);
    delta_gates g = {.beta = mf_graph_slice(b->g, both, 2 * each, each, s),
                     .decay = mf_graph_slice(b->g, both, 2 * each, each, s)};
    g.beta = mf_build_in_place(b, mf_build_own(b, g.beta, GRAPH_NONE), GRAPH_NONE);
    g.beta = mf_build_reshape(b, g.beta, 1, w->n_value_heads, t, b->n_sequences);
    g.decay = mf_graph_op(b->g,
                          GRAPH_PLAIN,
                          GRAPH_SHAPE(w->n_value_heads, t, b->n_sequences, 1),
                          GRAPH_SOURCES(g.decay));
    return g;
}

static delta_gates gates_of(builder *b, const build_layer *l, const delta_widths *w, graph_tensor x)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    delta_gates g = {0};
    if (mf_build_has(l, PART_SSM_BA)) {
        g = mixed_gates(b, l, w, x);
    } else {
        g.beta = mf_build_linear(b, l, PART_SSM_BETA, PART_COUNT, x);
        g.beta = mf_build_reshape(b, g.beta, 1, w->n_value_heads, t, b->n_sequences);
        g.beta = mf_build_in_place(b, g.beta, GRAPH_NONE);
        g.decay = mf_build_linear(b, l, PART_SSM_ALPHA, PART_COUNT, x);
        g.decay = mf_build_reshape(b, g.decay, w->n_value_heads, t, b->n_sequences, 1);
    }
    g.decay = mf_build_in_place(b, g.decay, mf_build_weight(b, l, PART_SSM_DT_B));
    g.decay = mf_build_in_place(b, g.decay, GRAPH_NONE);
    g.decay = mf_build_in_place(b, g.decay, mf_build_weight(b, l, PART_SSM_A));
    g.decay = mf_build_reshape(b, g.decay, 1, w->n_value_heads, t, b->n_sequences);
    return g;
}

/* Keys and queries of unit length; Qwen3-Next repeats them for the value heads of each key head, others where they have to. */
static graph_tensor
unit_heads(builder *b, const build_layer *l, const delta_widths *w, graph_tensor mixed)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    const uint64_t heads = w->n_key_heads;
    const graph_shape s = GRAPH_SHAPE(w->key, heads, t, b->n_sequences);
    graph_tensor x = mf_graph_slice(b->g, mixed, w->channels, w->key * heads, s);
    x = mf_build_own(b, x, GRAPH_NONE);
    if (heads == w->n_value_heads) {
        return x;
    }
    if (!mf_build_has(l, PART_SSM_BA)) {
        const bool fused = !b->unfused[FUSED_DELTA_STEP] && !b->unfused[FUSED_DELTA];
        const graph_shape all = GRAPH_SHAPE(w->key, w->n_value_heads, t, b->n_sequences);
        return fused ? x : mf_graph_op(b->g, GRAPH_PLAIN, all, GRAPH_SOURCES(x));
    }
    const uint64_t rows = heads * b->n_tokens;
    x = mf_build_reshape(b, x, w->key, 1, rows, 1);
    x = mf_graph_op(b->g,
                    GRAPH_PLAIN,
                    GRAPH_SHAPE(w->key, w->n_value_heads / heads, rows, 1),
                    GRAPH_SOURCES(x));
    return mf_build_reshape(b, x, w->key, w->n_value_heads, t, b->n_sequences);
}

/* Normed output, gated by z. */
static graph_tensor
gate_output(builder *b, const build_layer *l, const delta_widths *w, graph_tensor y, graph_tensor z)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    z = mf_build_reshape(b, z, w->value, w->n_value_heads, t, b->n_sequences);
    y = mf_build_norm(b, l, PART_SSM_NORM, PART_COUNT, y);
    y = mf_build_in_place(b, y, mf_build_in_place(b, z, GRAPH_NONE));
    return mf_build_reshape(b, y, w->inner, t, b->n_sequences, 1);
}

/* The fused kernel gives outputs of all tokens and the last states in one tensor. */
static delta_result
run_delta(builder *b, const build_layer *l, const delta_widths *w, const delta_parts *in)
{
    const uint64_t ns = b->n_sequences;
    const uint64_t t = b->n_tokens / ns;
    const fused_op op = t == 1 ? FUSED_DELTA_STEP : FUSED_DELTA;
    if (b->unfused[op]) {
        return mf_build_unfused_delta(b, in);
    }
    const graph_tensor all =
        mf_graph_op(b->g,
                    GRAPH_PLAIN,
                    GRAPH_SHAPE(w->inner, b->n_tokens + w->value * ns, 1, 1),
                    GRAPH_SOURCES(in->q, in->k, in->v, in->decay, in->beta, in->state));
    (void)mf_build_fused(b, l, op, all);
    return (delta_result){
        .y = mf_graph_view(b->g, all, GRAPH_SHAPE(w->value, w->n_value_heads, t, ns)),
        .state = mf_build_reshape(b, all, w->value * w->inner, ns, 1, 1)};
}

graph_tensor mf_build_delta(builder *b, const build_layer *l, graph_tensor x)
{
    const delta_widths w = widths_of(l);
    const uint64_t ns = b->n_sequences;
    const uint64_t t = b->n_tokens / ns;
    if (w.n_key_heads == 0 || w.value == 0 || w.n_value_heads % w.n_key_heads != 0 || w.taps == 0) {
        b->g->status = MF_E_DATA;
        return GRAPH_NONE;
    }
    graph_tensor qkv = mf_build_linear(b, l, PART_ATTN_QKV, PART_COUNT, x);
    qkv = mf_build_reshape(b, qkv, w.channels, t, ns, 1);
    const graph_tensor z = mf_build_linear(b, l, PART_ATTN_GATE, PART_COUNT, x);
    const delta_gates gates = gates_of(b, l, &w, x);
    const graph_tensor tail = mf_build_state_cache(b, l, (w.taps - 1) * w.channels);
    const graph_tensor states = mf_build_state_cache(b, l, w.value * w.inner);
    graph_tensor kept = mf_build_read_state(b, tail, NULL);
    kept = mf_build_reshape(b, kept, w.taps - 1, w.channels, ns, 1);
    const convolution c = mf_build_convolution(b, tail, kept, qkv);
    graph_tensor state = mf_build_read_state(b, states, NULL);
    state = mf_build_reshape(b, state, w.value, w.value, w.n_value_heads, ns);
    const graph_tensor mixed = mf_build_convolve(b, l, PART_SSM_CONV, PART_COUNT, &c);
    const graph_shape by_head = GRAPH_SHAPE(w.value, w.n_value_heads, t, ns);
    const delta_parts in = {.q = unit_heads(b, l, &w, mixed),
                            .k = unit_heads(b, l, &w, mixed),
                            .v = mf_graph_slice(b->g, mixed, w.channels, w.inner, by_head),
                            .decay = gates.decay,
                            .beta = gates.beta,
                            .state = state};
    const delta_result out = run_delta(b, l, &w, &in);
    mf_build_write_state(b, states, out.state);
    return mf_build_project_back(b, l, PART_SSM_OUT, gate_output(b, l, &w, out.y, z));
}

/* Kimi's delta attention: one of queries, keys and values, convolved on its own with a third of the kept channels. */
static graph_tensor kimi_branch(builder *b,
                                const build_layer *l,
                                block_part weight,
                                block_part kernel,
                                graph_tensor x,
                                const state_pair *tail)
{
    const uint64_t taps = mf_build_dim(l, kernel, 0);
    const uint64_t ns = b->n_sequences;
    graph_tensor y = mf_build_by_sequence(b, mf_build_linear(b, l, weight, PART_COUNT, x));
    const uint64_t width = mf_build_ne(b, y, 0);
    const uint64_t t = mf_build_ne(b, y, 1);
    const uint64_t third = (taps - 1) * width;
    const graph_tensor kept =
        mf_graph_slice(b->g, tail->states, 3 * third, third, GRAPH_SHAPE(taps - 1, width, ns, 1));
    const convolution c = mf_build_convolution(b, tail->cache, kept, y);
    const graph_tensor w = mf_build_reshape(b, mf_build_weight(b, l, kernel), taps, width, 1, 1);
    y = mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(width, t, ns, 1), GRAPH_SOURCES(c.input, w));
    return mf_build_in_place(b, mf_build_reshape(b, y, width, b->n_tokens, 1, 1), GRAPH_NONE);
}

static graph_tensor
low_rank(builder *b, const build_layer *l, block_part a, block_part up, graph_tensor x)
{
    return mf_build_linear(b, l, up, PART_COUNT, mf_build_linear(b, l, a, PART_COUNT, x));
}

/* A decay for every channel and a strength for every head. */
static delta_gates
kimi_gates(builder *b, const build_layer *l, const delta_widths *w, graph_tensor x)
{
    const uint64_t ns = b->n_sequences;
    const uint64_t t = b->n_tokens / ns;
    const graph_tensor a =
        mf_build_reshape(b, mf_build_weight(b, l, PART_SSM_A), 1, w->n_value_heads, 1, 1);
    delta_gates g = {.decay = low_rank(b, l, PART_SSM_F_A, PART_SSM_F_B, x),
                     .beta = mf_build_linear(b, l, PART_SSM_BETA, PART_COUNT, x)};
    g.decay = mf_build_in_place(b, g.decay, mf_build_weight(b, l, PART_SSM_DT_B));
    g.decay = mf_build_in_place(b, g.decay, GRAPH_NONE);
    g.decay = mf_build_reshape(b, g.decay, w->key, w->n_value_heads, b->n_tokens, 1);
    g.decay = mf_build_in_place(b, g.decay, a);
    g.decay = mf_build_reshape(b, g.decay, w->key, w->n_value_heads, t, ns);
    g.beta = mf_build_reshape(b, g.beta, 1, w->n_value_heads, t, ns);
    g.beta = mf_build_in_place(b, g.beta, GRAPH_NONE);
    return g;
}

static graph_tensor
kimi_output(builder *b, const build_layer *l, const delta_widths *w, graph_tensor y, graph_tensor x)
{
    const graph_shape heads = GRAPH_SHAPE(w->key, w->n_value_heads, b->n_tokens, 1);
    graph_tensor z = low_rank(b, l, PART_SSM_G_A, PART_SSM_G_B, x);
    z = mf_build_in_place(b, mf_graph_view(b->g, z, heads), GRAPH_NONE);
    y = mf_graph_view(b->g, mf_build_own(b, y, GRAPH_NONE), heads);
    y = mf_build_in_place(b, mf_build_norm(b, l, PART_SSM_NORM, PART_COUNT, y), z);
    return mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(w->inner, b->n_tokens, 1, 1), GRAPH_SOURCES(y));
}

graph_tensor mf_build_channel_delta(builder *b, const build_layer *l, graph_tensor x)
{
    const uint64_t ns = b->n_sequences;
    const uint64_t key = mf_build_dim(l, PART_SSM_NORM, 0);
    const uint64_t inner = mf_build_dim(l, PART_ATTN_Q, 1);
    const uint64_t taps = mf_build_dim(l, PART_SSM_CONV_Q, 0);
    if (key == 0 || inner % key != 0 || taps == 0) {
        b->g->status = MF_E_DATA;
        return GRAPH_NONE;
    }
    const delta_widths w = {.key = key, .value = key, .inner = inner, .n_value_heads = inner / key};
    const graph_shape by_head = GRAPH_SHAPE(key, w.n_value_heads, b->n_tokens / ns, ns);
    mf_graph_expand(b->g, x);
    state_pair tail = {.cache = mf_build_state_cache(b, l, 3 * (taps - 1) * inner)};
    tail.states = mf_build_read_state(b, tail.cache, NULL);
    graph_tensor q = kimi_branch(b, l, PART_ATTN_Q, PART_SSM_CONV_Q, x, &tail);
    graph_tensor k = kimi_branch(b, l, PART_ATTN_K, PART_SSM_CONV_K, x, &tail);
    const graph_tensor v = kimi_branch(b, l, PART_ATTN_V, PART_SSM_CONV_V, x, &tail);
    const delta_gates g = kimi_gates(b, l, &w, x);
    const graph_tensor states = mf_build_state_cache(b, l, key * inner);
    graph_tensor state = mf_build_read_state(b, states, NULL);
    state = mf_build_reshape(b, state, key, key, w.n_value_heads, ns);
    q = mf_build_own(b, mf_graph_view(b->g, q, by_head), GRAPH_NONE);
    k = mf_build_own(b, mf_graph_view(b->g, k, by_head), GRAPH_NONE);
    const delta_parts in = {.q = q,
                            .k = k,
                            .v = mf_graph_view(b->g, v, by_head),
                            .decay = g.decay,
                            .beta = g.beta,
                            .state = state};
    const delta_result out = run_delta(b, l, &w, &in);
    mf_build_write_state(b, states, out.state);
    return mf_build_linear(b, l, PART_ATTN_OUT, PART_COUNT, kimi_output(b, l, &w, out.y, x));
}

graph_tensor mf_build_short_convolution(builder *b, const build_layer *l, graph_tensor x)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    const uint64_t kept_taps = mf_build_dim(l, PART_SHORTCONV, 0) - 1;
    const graph_tensor all =
        mf_build_linear(b, l, PART_SHORTCONV_IN, PART_COUNT, mf_build_by_sequence(b, x));
    const uint64_t width = mf_build_ne(b, all, 0) / 3;
    const graph_shape third = GRAPH_SHAPE(width, t, b->n_sequences, 1);
    graph_tensor parts[3];
    for (size_t i = 0; i < 3; i++) {
        parts[i] = mf_graph_slice(b->g, all, 3 * width, width, third);
    }
    const graph_tensor bx = mf_build_in_place(b, parts[0], parts[2]);
    const graph_tensor tail = mf_build_state_cache(b, l, kept_taps * width);
    graph_tensor kept = mf_build_read_state(b, tail, NULL);
    kept = mf_build_reshape(b, kept, kept_taps, width, b->n_sequences, 1);
    const convolution c = mf_build_convolution(b, tail, kept, bx);
    const graph_tensor mixed = mf_graph_op(
        b->g, GRAPH_PLAIN, third, GRAPH_SOURCES(c.input, mf_build_weight(b, l, PART_SHORTCONV)));
    const graph_tensor y = mf_build_in_place(b, parts[1], mixed);
    return mf_build_project_back(b, l, PART_SHORTCONV_OUT, y);
}
