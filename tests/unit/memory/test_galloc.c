/*
 * test_galloc.c - the allocator on graphs made by hand: what is alive together, who takes whose block.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "memory/galloc.h"

enum { MAX_NODES = 32 };

/* A graph of vectors of f32, replayed in one buffer. */
typedef struct fixture {
    graph g;
    galloc_buffer buffer;
    galloc_state states[MAX_NODES];
    galloc_readers readers[MAX_NODES];
} fixture;

static graph_tensor vector(fixture *f, graph_op op, uint64_t n, graph_tensor a, graph_tensor b)
{
    return mf_graph_op(&f->g, op, GRAPH_SHAPE(n, 1, 1, 1), GRAPH_SOURCES(a, b));
}

static graph_tensor input(fixture *f, uint64_t n)
{
    return mf_graph_input(&f->g, 4, GRAPH_SHAPE(n, 1, 1, 1));
}

/* Bytes of the buffer with everything up to t. */
static uint64_t replay(fixture *f, graph_tensor t, uint64_t alignment)
{
    galloc_step leaves[MAX_NODES] = {{0}};
    galloc_step steps[MAX_NODES] = {{0}};
    mf_graph_expand(&f->g, t);
    cr_assert(eq(int, f->g.status, MF_OK));
    cr_assert(lt(u32, f->g.n_nodes, (uint32_t)MAX_NODES));
    for (uint32_t i = 0; i < f->g.n_leaves; i++) {
        leaves[i].tensor = f->g.leaves[i];
    }
    graph_tensor reads[MAX_NODES * GRAPH_MAX_SOURCES];
    galloc_order order = {.steps = steps, .reads = reads};
    for (uint32_t i = 0; i < f->g.n_order; i++) {
        if (f->g.nodes[f->g.order[i]].op != GRAPH_VIEW) {
            steps[order.n_steps++].tensor = f->g.order[i];
        }
    }
    galloc a = {.buffers = &f->buffer, .states = f->states, .readers = f->readers, .reads = reads};
    mf_galloc_begin(&f->buffer, alignment, false);
    mf_galloc_count(f->readers, &f->g, &order);
    for (uint32_t i = 0; i < f->g.n_leaves; i++) {
        mf_galloc_leaf(&a, &f->g, &leaves[i]);
    }
    mf_galloc_run(&a, &f->g, steps, order.n_steps);
    mf_graph_free(&f->g);
    return f->buffer.max_size;
}

Test(galloc, the_best_fitting_block_is_taken_and_the_last_of_equals)
{
    galloc_buffer b;
    mf_galloc_begin(&b, 32, false);
    const uint64_t sizes[] = {96, 32, 64, 32, 64, 32, 160};
    uint64_t at[7];
    for (size_t i = 0; i < 7; i++) {
        at[i] = mf_galloc_take(&b, sizes[i]);
    }
    mf_galloc_give(&b, at[0], 96);
    mf_galloc_give(&b, at[2], 64);
    mf_galloc_give(&b, at[4], 64);
    cr_expect(eq(u64, mf_galloc_take(&b, 50), at[4]));
    cr_expect(eq(u64, mf_galloc_take(&b, 64), at[2]));
    cr_expect(eq(u64, mf_galloc_take(&b, 33), at[0]));
}

Test(galloc, blocks_that_touch_become_one)
{
    galloc_buffer b;
    mf_galloc_begin(&b, 32, false);
    uint64_t at[4];
    for (size_t i = 0; i < 4; i++) {
        at[i] = mf_galloc_take(&b, 32);
    }
    mf_galloc_give(&b, at[0], 32);
    mf_galloc_give(&b, at[2], 32);
    cr_expect(eq(sz, b.n_blocks, (size_t)3));
    mf_galloc_give(&b, at[1], 32);
    cr_expect(eq(sz, b.n_blocks, (size_t)2));
    cr_expect(eq(u64, mf_galloc_take(&b, 96), at[0]));
    mf_galloc_give(&b, at[3], 32);
    cr_expect(eq(u64, b.blocks[0].offset, at[3])); /* one with the open end */
    cr_expect(eq(sz, b.n_blocks, (size_t)1));
}

Test(galloc, an_empty_block_keeps_its_neighbours_apart)
{
    galloc_buffer b;
    mf_galloc_begin(&b, 32, false);
    const uint64_t first = mf_galloc_take(&b, 64);
    const uint64_t second = mf_galloc_take(&b, 64);
    (void)mf_galloc_take(&b, 32);
    mf_galloc_give(&b, second, 0);
    mf_galloc_give(&b, second, 64);
    mf_galloc_give(&b, first, 64);
    cr_expect(eq(u64, b.max_size, (uint64_t)160));
    (void)mf_galloc_take(&b, 128);
    cr_expect(gt(u64, b.max_size, (uint64_t)160));
}

/* It may lie in the middle of another one, from which memory is then taken past it. */
Test(galloc, an_empty_block_is_found_behind_later_ones)
{
    galloc_buffer b;
    mf_galloc_begin(&b, 32, false);
    const uint64_t first = mf_galloc_take(&b, 64);
    const uint64_t empty = mf_galloc_take(&b, 0);
    const uint64_t second = mf_galloc_take(&b, 64);
    (void)mf_galloc_take(&b, 32);
    mf_galloc_give(&b, second, 64);
    mf_galloc_give(&b, first, 64);
    mf_galloc_give(&b, empty, 0);
    cr_assert(eq(sz, b.n_blocks, (size_t)3));
    (void)mf_galloc_take(&b, 32);
    const uint64_t before = mf_galloc_take(&b, 32);
    (void)mf_galloc_take(&b, 32);
    cr_assert(gt(u64, b.blocks[0].offset, b.blocks[1].offset));
    mf_galloc_give(&b, before, 32);
    cr_expect(eq(sz, b.n_blocks, (size_t)3));
}

Test(galloc, sizes_are_padded_to_the_alignment)
{
    fixture f = {0};
    const graph_tensor x = input(&f, 3);
    cr_expect(eq(u64, replay(&f, vector(&f, GRAPH_PLAIN, 5, x, GRAPH_NONE), 128), (uint64_t)256));
}

Test(galloc, the_last_reader_may_write_in_place)
{
    fixture f = {0};
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 100, input(&f, 8), GRAPH_NONE);
    const graph_tensor y = vector(&f, GRAPH_IN_PLACE, 100, x, GRAPH_NONE);
    cr_expect(eq(u64, replay(&f, y, 32), (uint64_t)(32 + 416)));
}

Test(galloc, a_source_that_is_read_again_is_not_written_over)
{
    fixture f = {0};
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 100, input(&f, 8), GRAPH_NONE);
    const graph_tensor y = vector(&f, GRAPH_IN_PLACE, 100, x, GRAPH_NONE);
    cr_expect(eq(u64, replay(&f, vector(&f, GRAPH_PLAIN, 8, y, x), 32), (uint64_t)(32 + 2 * 416)));
}

Test(galloc, the_second_source_is_taken_if_the_first_can_not_be)
{
    fixture f = {0};
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 100, input(&f, 8), GRAPH_NONE);
    const graph_tensor view = mf_graph_view(&f.g, x, GRAPH_SHAPE(50, 2, 1, 1));
    const graph_tensor y =
        mf_graph_op(&f.g, GRAPH_PLAIN, GRAPH_SHAPE(50, 2, 1, 1), GRAPH_SOURCES(input(&f, 8)));
    const graph_tensor z =
        mf_graph_op(&f.g, GRAPH_IN_PLACE, GRAPH_SHAPE(50, 2, 1, 1), GRAPH_SOURCES(view, y));
    cr_expect(eq(u64, replay(&f, z, 32), (uint64_t)(64 + 2 * 416)));
}

Test(galloc, a_view_keeps_its_memory_and_is_never_written_over)
{
    fixture f = {0};
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 100, input(&f, 8), GRAPH_NONE);
    const graph_tensor view = mf_graph_view(&f.g, x, GRAPH_SHAPE(50, 2, 1, 1));
    const graph_tensor y =
        mf_graph_op(&f.g, GRAPH_IN_PLACE, GRAPH_SHAPE(50, 2, 1, 1), GRAPH_SOURCES(view));
    const graph_tensor z = vector(&f, GRAPH_PLAIN, 100, y, GRAPH_NONE);
    cr_expect(eq(u64, replay(&f, z, 32), (uint64_t)(32 + 2 * 416)));
}

Test(galloc, an_output_stays_and_is_not_written_over)
{
    fixture f = {0};
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 100, input(&f, 8), GRAPH_NONE);
    f.g.nodes[x].output = true;
    const graph_tensor y = vector(&f, GRAPH_IN_PLACE, 100, x, GRAPH_NONE);
    const graph_tensor z = vector(&f, GRAPH_PLAIN, 100, y, GRAPH_NONE);
    cr_expect(eq(u64, replay(&f, z, 32), (uint64_t)(32 + 3 * 416)));
}

Test(galloc, inputs_are_allocated_first_even_if_nothing_reads_them)
{
    fixture f = {0};
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 100, input(&f, 8), GRAPH_NONE);
    mf_graph_expand(&f.g, input(&f, 1000));
    cr_expect(eq(u64, replay(&f, x, 32), (uint64_t)(32 + 4000 + 416)));
}

Test(galloc, weights_and_caches_take_nothing)
{
    fixture f = {0};
    const graph_tensor w = mf_graph_external(&f.g, GRAPH_SHAPE(1000, 1000, 1, 1), 0, true);
    const graph_tensor x = vector(&f, GRAPH_PLAIN, 16, w, GRAPH_NONE);
    const graph_tensor cache = mf_graph_external(&f.g, GRAPH_SHAPE(16, 1, 1, 1), 0, false);
    cr_expect(eq(u64, replay(&f, mf_graph_store(&f.g, cache, x, GRAPH_NONE), 32), (uint64_t)64));
}

Test(galloc, scratch_counts_on_devices_only)
{
    for (int scratch = 0; scratch < 2; scratch++) {
        fixture f = {0};
        galloc_step step = {.tensor = vector(&f, GRAPH_PLAIN, 8, GRAPH_NONE, GRAPH_NONE)};
        f.g.nodes[step.tensor].scratch_bytes = 320;
        graph_tensor reads[1];
        const galloc_order order = {.steps = &step, .n_steps = 1, .reads = reads};
        galloc a = {.buffers = &f.buffer, .states = f.states, .readers = f.readers, .reads = reads};
        mf_galloc_begin(&f.buffer, 32, scratch == 1);
        mf_galloc_count(f.readers, &f.g, &order);
        mf_galloc_run(&a, &f.g, &step, 1);
        cr_expect(eq(u64, f.buffer.max_size, (uint64_t)(scratch == 1 ? 352 : 32)));
        mf_graph_free(&f.g);
    }
}

Test(graph, the_order_is_depth_first_from_left_to_right)
{
    graph g = {0};
    const graph_tensor a = mf_graph_input(&g, 4, GRAPH_SHAPE(1, 1, 1, 1));
    const graph_tensor late =
        mf_graph_op(&g, GRAPH_PLAIN, GRAPH_SHAPE(1, 1, 1, 1), GRAPH_SOURCES(a));
    const graph_tensor first =
        mf_graph_op(&g, GRAPH_PLAIN, GRAPH_SHAPE(2, 1, 1, 1), GRAPH_SOURCES(a));
    const graph_tensor top =
        mf_graph_op(&g, GRAPH_PLAIN, GRAPH_SHAPE(3, 1, 1, 1), GRAPH_SOURCES(first, late));
    mf_graph_expand(&g, top);
    mf_graph_expand(&g, late);
    cr_assert(eq(u32, g.n_order, (uint32_t)3));
    cr_expect(eq(u32, g.order[0], first));
    cr_expect(eq(u32, g.order[1], late));
    cr_expect(eq(u32, g.order[2], top));
    cr_expect(eq(u32, g.n_leaves, (uint32_t)1));
    mf_graph_free(&g);
}

Test(graph, a_deep_chain_needs_no_recursion)
{
    enum { DEPTH = 200000 };
    graph g = {0};
    graph_tensor t = mf_graph_input(&g, 4, GRAPH_SHAPE(1, 1, 1, 1));
    for (int i = 0; i < DEPTH; i++) {
        t = mf_graph_op(&g, GRAPH_PLAIN, GRAPH_SHAPE(1, 1, 1, 1), GRAPH_SOURCES(t));
    }
    mf_graph_expand(&g, t);
    cr_expect(eq(u32, g.n_order, (uint32_t)DEPTH));
    mf_graph_free(&g);
}

Test(graph, a_slice_spans_the_gaps_between_its_rows)
{
    graph g = {0};
    const graph_tensor x = mf_graph_input(&g, 4, GRAPH_SHAPE(30, 7, 1, 1));
    const graph_tensor s = mf_graph_slice(&g, x, 30, 12, GRAPH_SHAPE(12, 7, 1, 1));
    cr_expect(eq(u64, mf_graph_get(&g, s)->bytes, (uint64_t)((6 * 30 + 12) * 4)));
    const graph_tensor turned = mf_graph_view(&g, s, GRAPH_SHAPE(7, 12, 1, 1));
    cr_expect(eq(u64, mf_graph_get(&g, turned)->bytes, (uint64_t)((6 * 30 + 12) * 4)));
    mf_graph_free(&g);
}

Test(graph, sizes_beyond_64_bits_are_an_error_that_stays)
{
    graph g = {0};
    const uint64_t large = UINT64_C(1) << 40;
    const graph_tensor t = mf_graph_input(&g, 4, GRAPH_SHAPE(large, large, 1, 1));
    cr_expect(eq(u32, t, (graph_tensor)GRAPH_NONE));
    cr_expect(eq(int, g.status, MF_E_OVERFLOW));
    cr_expect(eq(u32, mf_graph_view(&g, t, GRAPH_SHAPE(1, 1, 1, 1)), (graph_tensor)GRAPH_NONE));
    mf_graph_expand(&g, t);
    mf_graph_free(&g);
}
