/*
 * test_schedule.c - which place runs what, and what is copied: two devices and a host, a few tensors.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "memory/schedule.h"

enum { FIRST, SECOND, HOST, N_PLACES };

static graph_tensor vector(graph *g, uint64_t n, graph_tensor a, graph_tensor b)
{
    return mf_graph_op(g, GRAPH_PLAIN, GRAPH_SHAPE(n, 40, 1, 1), GRAPH_SOURCES(a, b));
}

static graph_tensor weight(graph *g, int8_t place)
{
    return mf_graph_external(g, GRAPH_SHAPE(16, 16, 1, 1), place, true);
}

static graph_tensor input(graph *g)
{
    return mf_graph_input(g, 4, GRAPH_SHAPE(16, 40, 1, 1));
}

static schedule made(graph *g, graph_tensor t, schedule_setup setup)
{
    schedule s = {0};
    mf_graph_expand(g, t);
    cr_assert(eq(int, mf_schedule_make(&s, g, &setup), MF_OK));
    return s;
}

static const schedule_setup plain = {.n_places = N_PLACES, .n_copies = 1};

Test(schedule, operations_run_where_their_weights_are)
{
    graph g = {0};
    const graph_tensor a = vector(&g, 16, weight(&g, FIRST), input(&g));
    const graph_tensor b = vector(&g, 16, weight(&g, HOST), a);
    const graph_tensor c = vector(&g, 16, weight(&g, SECOND), b);
    schedule s = made(&g, c, plain);
    cr_expect(eq(i8, s.places[a], FIRST));
    cr_expect(eq(i8, s.places[b], HOST));
    cr_expect(eq(i8, s.places[c], SECOND));
    cr_expect(eq(sz, s.n_splits, (size_t)3));
    mf_schedule_free(&s);
    mf_graph_free(&g);
}

Test(schedule, what_has_no_weights_follows_a_device_rather_than_the_host)
{
    graph g = {0};
    const graph_tensor a = vector(&g, 16, weight(&g, HOST), input(&g));
    const graph_tensor b = vector(&g, 16, a, GRAPH_NONE);
    const graph_tensor c = vector(&g, 16, weight(&g, SECOND), b);
    schedule s = made(&g, c, plain);
    cr_expect(eq(i8, s.places[b], SECOND));
    mf_schedule_free(&s);
    mf_graph_free(&g);
}

Test(schedule, a_rope_weight_decides_nothing)
{
    graph g = {0};
    const graph_tensor a = vector(&g, 16, weight(&g, FIRST), input(&g));
    const graph_tensor b =
        mf_graph_op(&g, GRAPH_ROPE, GRAPH_SHAPE(16, 40, 1, 1), GRAPH_SOURCES(a, weight(&g, HOST)));
    schedule s = made(&g, b, plain);
    cr_expect(eq(i8, s.places[b], FIRST));
    mf_schedule_free(&s);
    mf_graph_free(&g);
}

Test(schedule, a_copy_is_made_once_for_all_readers_of_a_place)
{
    graph g = {0};
    const graph_tensor x = input(&g);
    const graph_tensor a = vector(&g, 16, weight(&g, FIRST), x);
    const graph_tensor b = vector(&g, 16, weight(&g, FIRST), x);
    const uint32_t before = g.n_nodes;
    schedule s = made(&g, vector(&g, 16, a, b), plain);
    cr_expect(eq(u32, g.nodes[a].src[1], g.nodes[b].src[1]));
    cr_expect(ne(u32, g.nodes[a].src[1], x));
    cr_expect(gt(u32, g.n_nodes, before));
    /* A reader that keeps the source, the copy, and three operations. */
    cr_expect(eq(sz, s.steps.n, (size_t)5));
    mf_schedule_free(&s);
    mf_graph_free(&g);
}

Test(schedule, big_batches_take_host_weights_to_the_first_device)
{
    graph g = {0};
    const graph_tensor a = vector(&g, 16, weight(&g, HOST), input(&g));
    const schedule_setup offloads = {.n_places = N_PLACES, .n_copies = 1, .offloads = true};
    schedule s = made(&g, a, offloads);
    cr_expect(eq(i8, s.places[a], FIRST));
    cr_expect(not(g.nodes[g.nodes[a].src[0]].external)); /* a copy of the weight */
    mf_schedule_free(&s);
    mf_graph_free(&g);
}

Test(schedule, with_pipeline_copies_inputs_stay_several_times)
{
    graph g = {0};
    const graph_tensor a = vector(&g, 16, weight(&g, FIRST), input(&g));
    const schedule_setup pipeline = {.n_places = N_PLACES, .n_copies = 4};
    schedule s = made(&g, a, pipeline);
    /* Four on the host, four on the device, then the graph's own: the input. */
    cr_expect(eq(sz, s.leaves.n, (size_t)(4 + 4 + 1)));
    for (size_t i = 0; i < 8; i++) {
        cr_expect(g.nodes[s.leaves.items[i].tensor].output);
        cr_expect(eq(u8, s.leaves.items[i].buffer, (uint8_t)(i < 4 ? HOST : FIRST)));
    }
    mf_schedule_free(&s);
    mf_graph_free(&g);
}

Test(schedule, many_inputs_begin_a_new_split)
{
    graph g = {0};
    graph_tensor sum = vector(&g, 16, weight(&g, FIRST), input(&g));
    for (int i = 0; i < 40; i++) {
        sum = vector(&g, 16, sum, input(&g));
    }
    schedule s = made(&g, sum, plain);
    cr_expect(eq(sz, s.n_splits, (size_t)2));
    mf_schedule_free(&s);
    mf_graph_free(&g);
}
