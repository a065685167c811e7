/*
 * build_compressor.c - DeepSeek V4's caches of compressed entries (src/models/deepseek4.cpp, llama-kv-cache-dsv4.cpp):
 * one entry for every `ratio` tokens, computed from a state that the last tokens leave; overlapping entries read the
 * tokens of two.
 */
#include "memory/build.h"

enum { F32_BYTES = 4, F16_BYTES = 2, I32_BYTES = 4, I64_BYTES = 8, CELL_PADDING = 256 };

static graph_tensor row_numbers(builder *b, uint64_t n)
{
    return mf_graph_input(b->g, I32_BYTES, GRAPH_SHAPE(n, 1, 1, 1));
}

entry_inputs mf_build_entry_inputs(builder *b, const entry_kind *kind)
{
    const uint64_t per_sequence = b->n_tokens / b->n_sequences;
    const uint64_t n = b->n_sequences * ((per_sequence + kind->ratio - 1) / kind->ratio);
    const uint64_t blocks = kind->overlaps ? 2 : 1;
    const uint64_t entries = (b->full.cells + kind->ratio - 1) / kind->ratio;
    const uint64_t rows = blocks * kind->ratio * b->n_sequences;
    const bool half = kind->selects ? !b->unfused[FUSED_INDEXER] : b->workload->flash_attention;
    entry_inputs in = {.kind = *kind, .n_new = n, .n_rows = rows};
    in.cache.cells = (entries + CELL_PADDING - 1) / CELL_PADDING * CELL_PADDING;
    in.n_kept = b->n_tokens < rows ? b->n_tokens : rows;
    in.place = row_numbers(b, b->n_tokens);
    in.kept = row_numbers(b, in.n_kept);
    in.kept_rows = row_numbers(b, in.n_kept);
    in.read = row_numbers(b, blocks * kind->ratio * n);
    in.positions = row_numbers(b, n);
    in.cache.k_rows = mf_graph_input(b->g, I64_BYTES, GRAPH_SHAPE(n, 1, 1, 1));
    in.cache.mask =
        mf_graph_input(b->g,
                       half ? F16_BYTES : F32_BYTES,
                       GRAPH_SHAPE(in.cache.cells, b->n_tokens / b->n_streams, 1, b->n_streams));
    in.cache.k_rotation = mf_build_key_rotation(b, kind->width, kind->always_turned);
    return in;
}

static graph_tensor append(builder *b, graph_tensor x, graph_tensor y)
{
    graph_shape s = mf_build_shape(b, x);
    s.ne[1] += mf_build_ne(b, y, 1);
    return mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(x, y));
}

/* The state's rows with those of the new tokens behind them; for overlapping entries an empty row at the end. */
static graph_tensor
source_rows(builder *b, const entry_inputs *in, graph_tensor state, graph_tensor x)
{
    const graph_shape s = mf_build_shape(b, state);
    const graph_tensor all = append(b, mf_graph_view(b->g, state, s), x);
    if (!in->kind.overlaps) {
        return all;
    }
    const graph_tensor first = mf_build_reshape(b, all, s.ne[0], 1, 1, 1);
    const graph_tensor blank = mf_build_in_place(b, first, GRAPH_NONE);
    return append(b, all, mf_build_reshape(b, blank, s.ne[0], 1, 1, 1));
}

static graph_tensor half_of(builder *b, graph_tensor rows, const entry_inputs *in)
{
    const uint64_t width = in->kind.width;
    const uint64_t n = in->kind.ratio * in->n_new;
    const graph_tensor half =
        mf_graph_slice(b->g, rows, mf_build_ne(b, rows, 0), width, GRAPH_SHAPE(width, n, 1, 1));
    return mf_build_reshape(
        b, mf_build_own(b, half, GRAPH_NONE), width, in->kind.ratio, in->n_new, 1);
}

/* Rows of every entry, the tokens first. */
static graph_tensor rows_of_entries(builder *b, const entry_inputs *in, graph_tensor read)
{
    const uint64_t width = in->kind.width;
    graph_tensor rows = GRAPH_NONE;
    if (in->kind.overlaps) {
        const graph_tensor before = half_of(b, read, in);
        rows = append(b, before, half_of(b, read, in));
    } else {
        rows = mf_build_reshape(b, read, width, in->kind.ratio, in->n_new, 1);
    }
    const graph_tensor turned = mf_build_swap(b, rows, 0, 1);
    return mf_build_own(b, turned, GRAPH_NONE);
}

/* Softmax over the tokens of an entry, their weighted sum. */
static graph_tensor
mix_rows(builder *b, const entry_inputs *in, graph_tensor values, graph_tensor scores)
{
    values = rows_of_entries(b, in, mf_build_get_rows(b, values, in->read));
    scores = rows_of_entries(b, in, mf_build_get_rows(b, scores, in->read));
    graph_tensor y = mf_build_in_place(b, values, mf_build_in_place(b, scores, GRAPH_NONE));
    y = mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(1, in->kind.width, in->n_new, 1), GRAPH_SOURCES(y));
    return mf_build_own(b, mf_build_swap(b, y, 0, 1), GRAPH_NONE);
}

graph_tensor mf_build_turn_tail(builder *b, graph_tensor x, uint64_t rope, graph_tensor positions)
{
    const graph_shape s = mf_build_shape(b, x);
    const uint64_t head = s.ne[0] - rope;
    const graph_tensor first =
        mf_graph_slice(b->g, x, s.ne[0], head, GRAPH_SHAPE(head, s.ne[1], s.ne[2], 1));
    const graph_shape tail = GRAPH_SHAPE(rope, s.ne[1], s.ne[2], 1);
    const graph_tensor last = mf_graph_slice(b->g, x, s.ne[0], rope, tail);
    const graph_tensor turned = mf_graph_op(b->g, GRAPH_ROPE, tail, GRAPH_SOURCES(last, positions));
    return mf_build_concat(b, first, turned);
}

static graph_tensor
state_of(builder *b, const build_layer *l, const entry_inputs *in, uint64_t wide)
{
    return mf_graph_external(b->g, GRAPH_SHAPE(wide, in->n_rows, 1, 1), l->cache_place, false);
}

static void keep_rows(builder *b, const entry_inputs *in, graph_tensor state, graph_tensor x)
{
    const graph_tensor kept = mf_build_get_rows(b, x, in->kept);
    const graph_tensor into = mf_graph_view(b->g, state, mf_build_shape(b, state));
    mf_graph_expand(b->g, mf_graph_store(b->g, into, kept, in->kept_rows));
}

void mf_build_compress(builder *b, const build_layer *l, const entry_inputs *in, graph_tensor x)
{
    const entry_kind *k = &in->kind;
    const uint64_t wide = mf_build_dim(l, k->kv, 1);
    const graph_tensor value = mf_build_linear(b, l, k->kv, PART_COUNT, x);
    graph_tensor score = mf_build_linear(b, l, k->gate, PART_COUNT, x);
    const graph_tensor place = mf_build_get_rows(b, mf_build_weight(b, l, k->place), in->place);
    score = mf_build_in_place(b, score, place);
    const graph_tensor values = state_of(b, l, in, wide);
    const graph_tensor scores = state_of(b, l, in, wide);
    graph_tensor entry =
        mix_rows(b, in, source_rows(b, in, values, value), source_rows(b, in, scores, score));
    entry = mf_build_norm(b, l, k->norm, PART_COUNT, entry);
    entry = mf_build_turn_tail(b, entry, l->shape->attention.rope_dim, in->positions);
    entry = mf_build_rotate(b, entry, in->cache.k_rotation);
    (void)mf_build_store_keys(b, l, entry, &in->cache);
    keep_rows(b, in, values, value);
    keep_rows(b, in, scores, score);
}

graph_tensor mf_build_entries(builder *b, const build_layer *l, const entry_inputs *in)
{
    return mf_build_cache(b, l, in->kind.width, in->cache.cells);
}
