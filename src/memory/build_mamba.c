/*
 * build_mamba.c - selective state spaces (src/models/mamba-base.cpp: build_mamba_layer, build_mamba2_layer).
 */
#include "memory/build.h"

/* y + D x, gated by z. */
static graph_tensor
gate_scan(builder *b, const build_layer *l, graph_tensor y, graph_tensor x, graph_tensor z)
{
    const graph_tensor skip = mf_build_in_place(b, x, mf_build_weight(b, l, PART_SSM_D));
    y = mf_build_in_place(b, y, skip);
    return mf_build_own(b, mf_build_own(b, z, GRAPH_NONE), y);
}

/* dt, B and C out of one projection; Jamba norms them. */
static void split_projected(builder *b, const build_layer *l, scan_case *s, graph_tensor projected)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    const uint64_t rank = mf_build_dim(l, PART_SSM_DT, 0);
    const uint64_t state = mf_build_dim(l, PART_SSM_A, 0);
    const uint64_t row = rank + 2 * state;
    const graph_shape wide = GRAPH_SHAPE(rank, t, b->n_sequences, 1);
    const graph_shape narrow = GRAPH_SHAPE(state, 1, t, b->n_sequences);
    s->dt = mf_graph_slice(b->g, projected, row, rank, wide);
    s->b = mf_graph_slice(b->g, projected, row, state, narrow);
    s->c = mf_graph_slice(b->g, projected, row, state, narrow);
    if (mf_build_has(l, PART_SSM_DT_NORM)) {
        s->dt = mf_build_norm(b, l, PART_SSM_DT_NORM, PART_COUNT, s->dt);
        s->b = mf_build_norm(b, l, PART_SSM_B_NORM, PART_COUNT, s->b);
        s->c = mf_build_norm(b, l, PART_SSM_C_NORM, PART_COUNT, s->c);
    }
    s->dt = mf_build_linear(b, l, PART_SSM_DT, PART_SSM_DT_B, s->dt);
}

static graph_tensor
write_scanned(builder *b, graph_tensor states, graph_tensor scanned, graph_shape shape)
{
    const uint64_t n = mf_build_ne(b, states, 0) * b->n_sequences;
    mf_build_write_state(b, states, mf_build_reshape(b, scanned, n, 1, 1, 1));
    return mf_graph_view(b->g, scanned, shape);
}

graph_tensor mf_build_mamba1(builder *b, const build_layer *l, graph_tensor x)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    const uint64_t taps = mf_build_dim(l, PART_SSM_CONV, 0);
    const uint64_t inner = mf_build_dim(l, PART_SSM_CONV, 1);
    const graph_tensor tail = mf_build_state_cache(b, l, (taps - 1) * inner);
    const graph_tensor states = mf_build_state_cache(b, l, mf_build_dim(l, PART_SSM_A, 0) * inner);
    graph_tensor kept = mf_build_read_state(b, tail, NULL);
    kept = mf_build_reshape(b, kept, taps - 1, inner, b->n_sequences, 1);
    const graph_tensor xz =
        mf_build_linear(b, l, PART_SSM_IN, PART_COUNT, mf_build_by_sequence(b, x));
    const graph_shape half = GRAPH_SHAPE(inner, t, b->n_sequences, 1);
    const graph_tensor in = mf_graph_slice(b->g, xz, 2 * inner, inner, half);
    const graph_tensor z = mf_graph_slice(b->g, xz, 2 * inner, inner, half);
    const convolution c = mf_build_convolution(b, tail, kept, in);
    const graph_tensor mixed = mf_build_convolve(b, l, PART_SSM_CONV, PART_SSM_CONV_B, &c);
    scan_case s = {.inner = inner, .a = mf_build_weight(b, l, PART_SSM_A)};
    split_projected(b, l, &s, mf_build_linear(b, l, PART_SSM_X, PART_COUNT, mixed));
    s.x = mf_build_reshape(b, mixed, 1, inner, t, b->n_sequences);
    const graph_tensor scanned = mf_build_read_state(b, states, &s);
    const graph_tensor y = write_scanned(b, states, scanned, half);
    return mf_build_project_back(b, l, PART_SSM_OUT, gate_scan(b, l, y, mixed, z));
}

/* Widths of a Mamba-2 layer, from its tensors. */
typedef struct mamba2_widths {
    uint64_t inner, heads, state, groups, channels, taps;
} mamba2_widths;

static mamba2_widths widths_of(const build_layer *l)
{
    mamba2_widths w = {.inner = mf_build_dim(l, PART_SSM_OUT, 0),
                       .heads = mf_build_dim(l, PART_SSM_DT_B, 0),
                       .channels = mf_build_dim(l, PART_SSM_CONV, 1),
                       .taps = mf_build_dim(l, PART_SSM_CONV, 0)};
    w.state = w.inner > 0 ? l->shape->recurrent.state_elements / w.inner : 0;
    w.groups = w.state > 0 && w.channels > w.inner ? (w.channels - w.inner) / 2 / w.state : 0;
    return w;
}

/* Norm by group, where there is one. */
static graph_tensor
norm_groups(builder *b, const build_layer *l, const mamba2_widths *w, graph_tensor y)
{
    const uint64_t t = b->n_tokens / b->n_sequences;
    if (mf_build_has(l, PART_SSM_NORM)) {
        y = mf_build_reshape(b, y, w->inner / w->groups, w->groups, t, b->n_sequences);
        y = mf_build_norm(b, l, PART_SSM_NORM, PART_COUNT, y);
    }
    return mf_build_reshape(b, y, w->inner, t, b->n_sequences, 1);
}

graph_tensor mf_build_mamba2(builder *b, const build_layer *l, graph_tensor x)
{
    const mamba2_widths w = widths_of(l);
    const uint64_t t = b->n_tokens / b->n_sequences;
    const uint64_t ns = b->n_sequences;
    if (w.groups == 0 || w.heads == 0 || w.taps == 0) {
        b->g->status = MF_E_DATA;
        return GRAPH_NONE;
    }
    const graph_tensor tail = mf_build_state_cache(b, l, (w.taps - 1) * w.channels);
    const graph_tensor states = mf_build_state_cache(b, l, w.state * w.inner);
    graph_tensor kept = mf_build_read_state(b, tail, NULL);
    kept = mf_build_reshape(b, kept, w.taps - 1, w.channels, ns, 1);
    const graph_tensor all =
        mf_build_linear(b, l, PART_SSM_IN, PART_COUNT, mf_build_by_sequence(b, x));
    const uint64_t row = w.inner + w.channels + w.heads;
    const graph_shape by_head = GRAPH_SHAPE(w.inner / w.heads, w.heads, t, ns);
    const graph_shape by_group = GRAPH_SHAPE(w.state, w.groups, t, ns);
    const graph_tensor z = mf_graph_slice(b->g, all, row, w.inner, by_head);
    const graph_tensor xbc =
        mf_graph_slice(b->g, all, row, w.channels, GRAPH_SHAPE(w.channels, t, ns, 1));
    graph_tensor dt = mf_graph_slice(b->g, all, row, w.heads, GRAPH_SHAPE(w.heads, t, ns, 1));
    const convolution c = mf_build_convolution(b, tail, kept, xbc);
    const graph_tensor mixed = mf_build_convolve(b, l, PART_SSM_CONV, PART_SSM_CONV_B, &c);
    dt = mf_build_own(b, dt, GRAPH_NONE);
    const uint64_t group = w.groups * w.state;
    const scan_case s = {.inner = w.inner,
                         .x = mf_graph_slice(b->g, mixed, w.channels, w.inner, by_head),
                         .b = mf_graph_slice(b->g, mixed, w.channels, group, by_group),
                         .c = mf_graph_slice(b->g, mixed, w.channels, group, by_group),
                         .dt = mf_build_in_place(b, dt, mf_build_weight(b, l, PART_SSM_DT_B)),
                         .a = mf_build_weight(b, l, PART_SSM_A)};
    const graph_tensor scanned = mf_build_read_state(b, states, &s);
    const graph_tensor y = write_scanned(b, states, scanned, by_head);
    const graph_tensor gated = gate_scan(b, l, y, s.x, z);
    return mf_build_project_back(b, l, PART_SSM_OUT, norm_groups(b, l, &w, gated));
}
