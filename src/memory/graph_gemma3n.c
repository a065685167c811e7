/*
 * graph_gemma3n.c - Gemma 3n (src/models/gemma3n.cpp): four versions of the hidden state; one is active in a layer, the
 * others are predicted from it and corrected by it (altup), with a low-rank branch beside attention (laurel).
 */
#include "memory/graph_arch.h"

enum { VERSIONS = 4 };

static graph_tensor rows_reduced(builder *b, graph_tensor x)
{
    graph_shape s = mf_build_shape(b, x);
    s.ne[0] = 1;
    return mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(x));
}

/* The length of every row. */
static graph_tensor magnitude(builder *b, graph_tensor x)
{
    const graph_tensor squares = mf_build_in_place(b, x, GRAPH_NONE);
    return mf_build_in_place(b, rows_reduced(b, squares), GRAPH_NONE);
}

/* All versions but the first out of the others, as long as `like`. */
static graph_tensor project_versions(builder *b, graph_tensor x, graph_tensor like)
{
    const uint64_t hidden = mf_build_ne(b, x, 0);
    const graph_tensor length = magnitude(b, like);
    const graph_shape table = GRAPH_SHAPE(hidden, hidden, VERSIONS - 1, 1);
    const graph_tensor w = mf_build_global(b, table, b->output_place);
    const graph_tensor y = mf_build_mul_mat(b, w, x);
    const graph_tensor stretched = mf_build_in_place(b, y, length);
    return mf_build_in_place(b, stretched, magnitude(b, y));
}

static graph_tensor stack(builder *b, graph_tensor first, graph_tensor rest)
{
    const graph_shape s = mf_build_shape(b, first);
    return mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(s.ne[0], s.ne[1], VERSIONS, 1), GRAPH_SOURCES(first, rest));
}

static graph_tensor all_versions(builder *b, graph_tensor x)
{
    const graph_shape s = mf_build_shape(b, x);
    const graph_shape others = GRAPH_SHAPE(s.ne[0], s.ne[1], VERSIONS - 1, 1);
    const graph_tensor repeated = mf_graph_op(b->g, GRAPH_PLAIN, others, GRAPH_SOURCES(x));
    return stack(b, x, project_versions(b, repeated, x));
}

static graph_tensor router(builder *b, const build_layer *l, graph_tensor x)
{
    graph_tensor r = mf_build_norm(b, l, PART_ALTUP_ROUTER_NORM, PART_COUNT, x);
    r = mf_build_linear(b, l, PART_ALTUP_ROUTER, PART_COUNT, mf_build_in_place(b, r, GRAPH_NONE));
    return mf_build_in_place(b, r, GRAPH_NONE);
}

static graph_tensor predict(builder *b, const build_layer *l, graph_tensor all)
{
    const graph_shape s = mf_build_shape(b, all);
    const graph_tensor active = mf_graph_view(b->g, all, GRAPH_SHAPE(s.ne[0], s.ne[1], 1, 1));
    graph_tensor by = mf_build_linear(b, l, PART_ALTUP_PREDICT, PART_COUNT, router(b, l, active));
    by = mf_build_reshape(b, by, VERSIONS, VERSIONS, s.ne[1], 1);
    const graph_tensor turned = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(VERSIONS, s.ne[0], s.ne[1], 1), GRAPH_SOURCES(all));
    graph_tensor y = mf_build_mul_mat(b, turned, by);
    y = mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(y));
    return mf_build_in_place(b, y, all);
}

static graph_tensor
correct(builder *b, const build_layer *l, graph_tensor predictions, graph_tensor activated)
{
    const graph_shape s = mf_build_shape(b, predictions);
    const graph_tensor modalities = router(b, l, activated);
    const graph_tensor active =
        mf_graph_view(b->g, predictions, GRAPH_SHAPE(s.ne[0], s.ne[1], 1, 1));
    const graph_tensor innovation = mf_build_in_place(b, activated, active);
    graph_tensor by = mf_build_linear(b, l, PART_ALTUP_CORRECT, PART_COUNT, modalities);
    by = mf_build_swap(b, mf_build_in_place(b, by, GRAPH_NONE), 0, 1);
    by = mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(1, s.ne[1], VERSIONS, 1), GRAPH_SOURCES(by));
    graph_tensor y = mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(innovation));
    y = mf_build_in_place(b, y, by);
    return mf_build_in_place(b, y, predictions);
}

static graph_tensor laurel(builder *b, const build_layer *l, graph_tensor x)
{
    graph_tensor y = mf_build_linear(b, l, PART_LAUREL_L, PART_COUNT, x);
    y = mf_build_linear(b, l, PART_LAUREL_R, PART_COUNT, y);
    y = mf_build_norm(b, l, PART_LAUREL_POST_NORM, PART_COUNT, y);
    return mf_build_in_place(b, y, x);
}

/* Activations below a multiple of their deviation become 0 (gaussian_topk). */
static graph_tensor keep_largest(builder *b, graph_tensor x)
{
    const graph_tensor mean = rows_reduced(b, x);
    graph_tensor y = mf_build_in_place(b, mf_build_in_place(b, x, mean), GRAPH_NONE);
    y = rows_reduced(b, y);
    for (int i = 0; i < 3; i++) {
        y = mf_build_in_place(b, y, GRAPH_NONE); /* scale, square root, scale */
    }
    const graph_tensor least = mf_build_in_place(b, mean, y);
    return mf_build_in_place(b, mf_build_in_place(b, x, least), GRAPH_NONE);
}

static graph_tensor feed_forward(builder *b, const build_layer *l, graph_tensor x)
{
    const graph_tensor up = mf_build_linear(b, l, PART_FFN_UP, PART_COUNT, x);
    graph_tensor gate = mf_build_linear(b, l, PART_FFN_GATE, PART_COUNT, x);
    gate = l->index < b->traits->n_sparse ? keep_largest(b, gate) : gate;
    gate = mf_build_in_place(b, gate, GRAPH_NONE);
    graph_tensor y = mf_build_in_place(b, up, gate);
    y = mf_build_linear(b, l, PART_FFN_DOWN, PART_COUNT, y);
    return mf_build_in_place(b, mf_build_rms(b, y), mf_build_weight(b, l, PART_FFN_POST_NORM));
}

static graph_tensor activate(builder *b, const build_layer *l, graph_tensor active)
{
    const graph_tensor in = mf_build_norm(b, l, PART_ATTN_NORM, PART_COUNT, active);
    const graph_tensor low = laurel(b, l, in);
    graph_tensor y = mf_graph_gemma_attention(b, l, in);
    y = mf_build_norm(b, l, PART_ATTN_POST_NORM, PART_COUNT, y);
    y = mf_build_in_place(b, mf_build_in_place(b, y, active), low);
    const graph_tensor residual = mf_build_in_place(b, y, GRAPH_NONE);
    y = feed_forward(b, l, mf_build_norm(b, l, PART_FFN_NORM, PART_COUNT, residual));
    return mf_build_in_place(b, y, residual);
}

/* The layer's slice of the per-layer inputs reaches every version but the first. */
static graph_tensor
add_per_layer(builder *b, const build_layer *l, graph_tensor corrected, graph_tensor inputs)
{
    const graph_shape s = mf_build_shape(b, corrected);
    const graph_shape one = GRAPH_SHAPE(s.ne[0], s.ne[1], 1, 1);
    const uint64_t width = mf_build_ne(b, inputs, 0);
    graph_tensor y = mf_graph_view(b->g, corrected, one);
    y = mf_build_in_place(b, y, mf_build_weight(b, l, PART_ALTUP_SCALE));
    y = mf_build_linear(b, l, PART_PER_LAYER_GATE, PART_COUNT, y);
    y = mf_build_in_place(b, y, GRAPH_NONE);
    y = mf_build_in_place(b, y, mf_build_reshape(b, inputs, width, s.ne[1], 1, 1));
    y = mf_build_linear(b, l, PART_PER_LAYER_PROJ, PART_COUNT, y);
    y = mf_build_norm(b, l, PART_PER_LAYER_POST_NORM, PART_COUNT, y);
    const graph_tensor first = mf_graph_view(b->g, corrected, one);
    const graph_tensor rest =
        mf_graph_view(b->g, corrected, GRAPH_SHAPE(s.ne[0], s.ne[1], VERSIONS - 1, 1));
    return stack(b, first, mf_build_in_place(b, rest, y));
}

/* The mean of all versions. */
static graph_tensor merge(builder *b, graph_tensor all)
{
    const graph_shape s = mf_build_shape(b, all);
    const graph_shape one = GRAPH_SHAPE(s.ne[0], s.ne[1], 1, 1);
    const graph_tensor rest =
        mf_graph_view(b->g, all, GRAPH_SHAPE(s.ne[0], s.ne[1], VERSIONS - 1, 1));
    const graph_tensor others = project_versions(b, rest, mf_graph_view(b->g, all, one));
    graph_tensor x = mf_graph_view(b->g, all, one);
    for (int i = 1; i < VERSIONS; i++) {
        x = mf_build_in_place(b, x, mf_graph_view(b->g, others, one));
    }
    return mf_build_in_place(b, x, GRAPH_NONE);
}

void mf_graph_gemma3n(builder *b)
{
    graph_tensor x = mf_build_in_place(b, mf_build_embedding(b), GRAPH_NONE);
    const graph_tensor inputs = mf_graph_gemma_inputs(b, x);
    const graph_shape one = mf_build_shape(b, x);
    graph_tensor all = all_versions(b, x);
    for (size_t i = 0; i < b->n_layers; i++) {
        const build_layer *l = &b->layers[i];
        mf_build_begin_layer(b, i);
        const graph_tensor predictions = predict(b, l, all);
        const graph_tensor activated = activate(b, l, mf_graph_view(b->g, predictions, one));
        all = correct(b, l, predictions, activated);
        all = inputs != GRAPH_NONE ? add_per_layer(b, l, all, inputs) : all;
    }
    mf_build_output(b, mf_build_get_rows(b, merge(b, all), b->output_rows));
}
