/*
 * build_state.c - reading, writing and convolving recurrent states (llama-graph.cpp: build_rs; src/models:
 * mamba-base.cpp). The prompt is n_sequences sequences of equal length.
 */
#include "memory/build.h"

graph_tensor mf_build_state_cache(builder *b, const build_layer *l, uint64_t width)
{
    return mf_graph_external(b->g, GRAPH_SHAPE(width, b->n_sequences, 1, 1), l->cache_place, false);
}

static graph_tensor scan_states(builder *b, const scan_case *s, graph_tensor states, uint64_t width)
{
    states = mf_build_reshape(b, states, width, b->n_sequences, 1, 1);
    const uint64_t elements = s->inner * b->n_tokens + width * b->n_sequences;
    return mf_graph_op(b->g,
                       GRAPH_PLAIN,
                       GRAPH_SHAPE(elements, 1, 1, 1),
                       GRAPH_SOURCES(states, s->x, s->dt, s->a, s->b, s->c, b->states.main));
}

/* A fresh state is cleared, those of the batch are read, others are moved - none in the worst case. */
graph_tensor mf_build_read_state(builder *b, graph_tensor cache, const scan_case *scan)
{
    const uint64_t width = mf_build_ne(b, cache, 0);
    const graph_tensor states = mf_build_reshape(b, cache, width, b->n_sequences, 1, 1);
    const graph_tensor fresh = mf_build_reshape(b, states, width, 1, 1, 1);
    mf_graph_expand(b->g, mf_graph_overwrite(b->g, fresh, GRAPH_NONE));
    const graph_tensor out = scan != NULL ? scan_states(b, scan, states, width)
                                          : mf_build_get_rows(b, states, b->states.main);
    mf_graph_expand(b->g, out);
    const graph_tensor extra = mf_build_get_rows(b, states, b->states.extra);
    const graph_tensor into = mf_build_reshape(b, cache, width, 0, 1, 1);
    mf_graph_expand(b->g, mf_graph_store(b->g, into, extra, GRAPH_NONE));
    return out;
}

void mf_build_write_state(builder *b, graph_tensor cache, graph_tensor last)
{
    const graph_tensor into = mf_graph_view(b->g, cache, mf_build_shape(b, last));
    mf_graph_expand(b->g, mf_graph_store(b->g, into, last, GRAPH_NONE));
}

convolution mf_build_convolution(builder *b, graph_tensor cache, graph_tensor kept, graph_tensor x)
{
    const uint64_t n_kept = mf_build_ne(b, kept, 0);
    const uint64_t tokens = mf_build_ne(b, x, 1);
    const convolution c = {.input = mf_build_concat(b, kept, mf_build_swap(b, x, 0, 1)),
                           .taps = n_kept + 1,
                           .channels = mf_build_ne(b, x, 0)};
    const graph_shape s = GRAPH_SHAPE(n_kept, c.channels, b->n_sequences, 1);
    mf_build_write_state(b, cache, mf_graph_slice(b->g, c.input, n_kept + tokens, n_kept, s));
    return c;
}

graph_tensor mf_build_convolve(
    builder *b, const build_layer *l, block_part kernel, block_part bias, const convolution *c)
{
    const uint64_t tokens = b->n_tokens / b->n_sequences;
    graph_tensor x = mf_graph_op(b->g,
                                 GRAPH_PLAIN,
                                 GRAPH_SHAPE(c->channels, tokens, b->n_sequences, 1),
                                 GRAPH_SOURCES(c->input, mf_build_weight(b, l, kernel)));
    if (mf_build_has(l, bias)) {
        x = mf_build_in_place(b, x, mf_build_weight(b, l, bias));
    }
    return mf_build_in_place(b, x, GRAPH_NONE);
}

graph_tensor mf_build_by_sequence(builder *b, graph_tensor x)
{
    const uint64_t tokens = b->n_tokens / b->n_sequences;
    return mf_build_reshape(b, x, mf_build_ne(b, x, 0), tokens, b->n_sequences, 1);
}

graph_tensor mf_build_project_back(builder *b, const build_layer *l, block_part out, graph_tensor y)
{
    y = mf_build_linear(b, l, out, PART_COUNT, y);
    return mf_build_reshape(b, y, mf_build_ne(b, y, 0), b->n_tokens, 1, 1);
}
