#include "memory/schedule.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_SPLIT_INPUTS = 30, /* GGML_SCHED_MAX_SPLIT_INPUTS */
    FLASH_SOURCES =
        5, /* of flash attention with sinks, which are too small to decide where it runs */
    FLASH_SINKS = 4,
    OFFLOAD_ROWS = 32, /* ggml-cuda.cu: op_offload_min_batch_size */
};

/* Tensors that run in one place without a copy between them. */
typedef struct split {
    uint32_t begin;
    uint32_t end;
    int8_t place;
    graph_tensor inputs[MAX_SPLIT_INPUTS];
    uint32_t n_inputs;
} split;

typedef struct maker {
    schedule *s;
    graph *g;
    const schedule_setup *setup;
    int8_t host;
} maker;

void mf_schedule_free(schedule *s)
{
    free(s->steps.items);
    free(s->leaves.items);
    free(s->places);
    free(s->copies);
    *s = (schedule){0};
}

static graph_tensor owner_of(const maker *m, graph_tensor t)
{
    const graph_tensor view_src = mf_graph_get(m->g, t)->view_src;
    return view_src != GRAPH_NONE ? view_src : t;
}

/* ggml-cuda.cu: get_op_batch_size. A product's weights are its first source, experts are chosen by a third. */
static uint64_t rows_of(const graph_node *node, size_t weight)
{
    const uint64_t *ne = node->shape.ne;
    const bool product = node->op == GRAPH_PLAIN && weight == 0 && node->n_src > 1;
    if (product) {
        return node->n_src > 2 ? ne[2] : ne[1];
    }
    return ne[1] * ne[2] * ne[3];
}

/* What is known without looking at neighbours (ggml_backend_sched_backend_id_from_cur): memory that is
   allocated already, inputs on the host, weights where they lie. */
static int8_t place_at_hand(const maker *m, graph_tensor t)
{
    const graph_node *node = mf_graph_get(m->g, t);
    const graph_node *owner = mf_graph_get(m->g, owner_of(m, t));
    if (node->runs_at != GRAPH_ANYWHERE) {
        return node->runs_at;
    }
    if (owner->external) {
        return owner->place;
    }
    if (node->input) {
        return m->host;
    }
    for (size_t i = 0; node->op != GRAPH_ROPE && i < node->n_src; i++) {
        if (node->n_src == FLASH_SOURCES && i == FLASH_SINKS) {
            continue;
        }
        const graph_node *source = mf_graph_get(m->g, node->src[i]);
        if (source->external && source->weight) {
            const bool many = source->place == m->host && rows_of(node, i) >= OFFLOAD_ROWS;
            return m->setup->offloads && many && !node->looks_up ? 0 : source->place;
        }
    }
    return GRAPH_ANYWHERE;
}

/* Unassigned tensors go where the one before them runs, in either direction; the host is not spread at first, so that
   it runs only what it has to. Returns how many are left. */
static uint32_t spread(maker *m, bool down, bool devices_only)
{
    const graph *g = m->g;
    int8_t *places = m->s->places;
    int8_t current = GRAPH_ANYWHERE;
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < g->n_order; i++) {
        const graph_tensor t = g->order[down ? i : g->n_order - 1 - i];
        if (g->nodes[t].op == GRAPH_VIEW) {
            continue;
        }
        if (places[t] == GRAPH_ANYWHERE) {
            places[t] = current;
        } else {
            current = devices_only && places[t] == m->host ? GRAPH_ANYWHERE : places[t];
        }
        n_left += places[t] == GRAPH_ANYWHERE ? 1 : 0;
    }
    return n_left;
}

/* Views lie where their memory is, other sources where they are read. */
static void settle(maker *m)
{
    const graph *g = m->g;
    int8_t *places = m->s->places;
    for (uint32_t i = 0; i < g->n_order; i++) {
        const graph_tensor t = g->order[i];
        const graph_node *node = mf_graph_get(g, t);
        if (node->view_src != GRAPH_NONE && places[t] == GRAPH_ANYWHERE) {
            places[t] = places[node->view_src];
        }
        for (size_t k = 0; k < node->n_src; k++) {
            const graph_tensor source = node->src[k];
            if (places[source] == GRAPH_ANYWHERE) {
                const graph_tensor view_src = mf_graph_get(g, source)->view_src;
                places[source] = view_src != GRAPH_NONE ? places[view_src] : places[t];
            }
        }
    }
}

static void assign(maker *m)
{
    const graph *g = m->g;
    if (m->setup->n_places == 1) {
        memset(m->s->places, 0, g->n_nodes);
        return;
    }
    memset(m->s->places, GRAPH_ANYWHERE, g->n_nodes);
    for (uint32_t i = 0; i < g->n_leaves; i++) {
        m->s->places[g->leaves[i]] = place_at_hand(m, g->leaves[i]);
    }
    for (uint32_t i = 0; i < g->n_order; i++) {
        m->s->places[g->order[i]] = place_at_hand(m, g->order[i]);
    }
    if (spread(m, true, true) > 0 && spread(m, false, true) > 0 && spread(m, true, false) > 0) {
        (void)spread(m, false, false);
    }
    settle(m);
}

static graph_tensor *copy_of(const maker *m, graph_tensor t, int8_t place)
{
    return &m->s->copies[(size_t)t * m->setup->n_places + (size_t)place];
}

static bool grow(schedule_list *list, size_t n)
{
    if (n > list->capacity) {
        galloc_step *larger = realloc(list->items, n * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        list->items = larger;
        list->capacity = n;
    }
    return true;
}

static void push(maker *m, schedule_list *list, graph_tensor t, int8_t place)
{
    if (t == GRAPH_NONE) {
        return;
    }
    if (list->n == list->capacity && !grow(list, 2 * list->capacity + 1)) {
        m->g->status = MF_E_NOMEM;
        return;
    }
    list->items[list->n++] = (galloc_step){.tensor = t, .buffer = (uint8_t)place};
}

/* With several copies each is kept to the end and allocated first. */
static void keep_copies(maker *m, graph_tensor first, int8_t place)
{
    for (uint8_t c = 0; c < m->setup->n_copies; c++) {
        const graph_tensor t = c == 0 ? first : mf_graph_copy(m->g, first);
        if (t != GRAPH_NONE) {
            m->g->nodes[t].input = true;
            m->g->nodes[t].output = true;
            push(m, &m->s->leaves, t, place);
        }
    }
}

static void emit(maker *m, const split *s)
{
    schedule_list *steps = &m->s->steps;
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        push(m, steps, mf_graph_dependency(m->g, s->inputs[i]), m->s->places[s->inputs[i]]);
        push(m, steps, *copy_of(m, s->inputs[i], s->place), s->place);
    }
    for (uint32_t i = s->begin; i < s->end; i++) {
        push(m, steps, m->g->order[i], m->s->places[m->g->order[i]]);
    }
    m->s->n_splits++;
}

/* Weights that are copied for one split may go before the next. */
static bool needs_new_split(const maker *m, const split *s, const graph_node *node)
{
    for (size_t k = 0; s->n_inputs > 0 && k < node->n_src; k++) {
        const graph_node *source = mf_graph_get(m->g, node->src[k]);
        if (source->external && source->weight && source->place != s->place) {
            return true;
        }
        if (s->n_inputs == MAX_SPLIT_INPUTS && m->s->places[node->src[k]] != s->place &&
            *copy_of(m, node->src[k], s->place) == GRAPH_NONE) {
            return true;
        }
    }
    return false;
}

static void add_inputs(maker *m, split *s, graph_tensor t)
{
    for (size_t k = 0; k < m->g->nodes[t].n_src; k++) {
        const graph_tensor source = m->g->nodes[t].src[k];
        const int8_t from = m->s->places[source];
        if (m->setup->n_copies > 1 && mf_graph_get(m->g, source)->input &&
            *copy_of(m, source, from) == GRAPH_NONE) {
            *copy_of(m, source, from) = source;
            keep_copies(m, source, from);
        }
        if (from == s->place) {
            continue;
        }
        graph_tensor *copy = copy_of(m, source, s->place);
        if (*copy == GRAPH_NONE && s->n_inputs < MAX_SPLIT_INPUTS) {
            *copy = mf_graph_copy(m->g, source);
            s->inputs[s->n_inputs++] = source;
            if (m->setup->n_copies > 1) {
                keep_copies(m, *copy, s->place);
            }
        }
        m->g->nodes[t].src[k] = *copy;
    }
}

static void cut(maker *m)
{
    const uint32_t n_order = m->g->n_order;
    split s = {0};
    uint32_t i = 0;
    while (i < n_order && mf_graph_get(m->g, m->g->order[i])->op == GRAPH_VIEW) {
        i++;
    }
    s.place = i < n_order ? m->s->places[m->g->order[i]] : 0;
    for (; i < n_order; i++) {
        const graph_tensor t = m->g->order[i];
        if (mf_graph_get(m->g, t)->op == GRAPH_VIEW) {
            continue;
        }
        const int8_t place = m->s->places[t];
        if (place != s.place || needs_new_split(m, &s, mf_graph_get(m->g, t))) {
            s.end = i;
            emit(m, &s);
            s = (split){.begin = i, .place = place};
        }
        add_inputs(m, &s, t);
    }
    s.end = n_order;
    emit(m, &s);
}

static bool reserve(schedule *s, const graph *g, uint8_t n_places)
{
    const size_t n_copies = (size_t)g->n_nodes * n_places;
    if (g->n_nodes > s->n_tensors || n_copies > s->n_places_of_copies) {
        free(s->places);
        free(s->copies);
        s->n_tensors = 0;
        s->n_places_of_copies = 0;
        s->places = malloc(g->n_nodes);
        s->copies = malloc(n_copies * sizeof *s->copies);
        if (s->places == NULL || s->copies == NULL) {
            return false;
        }
        s->n_tensors = g->n_nodes;
        s->n_places_of_copies = n_copies;
    }
    s->steps.n = 0;
    s->leaves.n = 0;
    s->n_splits = 0;
    memset(s->copies, 0, n_copies * sizeof *s->copies);
    return grow(&s->steps, g->n_order) && grow(&s->leaves, g->n_leaves);
}

mf_status mf_schedule_make(schedule *s, graph *g, const schedule_setup *setup)
{
    maker m = {.s = s, .g = g, .setup = setup, .host = (int8_t)(setup->n_places - 1)};
    if (g->status != MF_OK) {
        return g->status;
    }
    if (!reserve(s, g, setup->n_places)) {
        return MF_E_NOMEM;
    }
    assign(&m);
    cut(&m);
    for (uint32_t i = 0; i < g->n_leaves; i++) {
        push(&m, &s->leaves, g->leaves[i], s->places[g->leaves[i]]);
    }
    return g->status;
}
