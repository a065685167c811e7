#include "memory/schedule.h"

#include <stdlib.h>
#include <string.h>

enum {
    SPLIT_INPUTS = 30, /* GGML_SCHED_MAX_SPLIT_INPUTS */
    FLASH_SOURCES =
        5, /* of flash attention with sinks, which are too small to decide where it runs */
    FLASH_SINKS = 4,
    FLASH_VALUES = 2,
    OFFLOAD_ROWS = 32, /* ggml-cuda.cu: op_offload_min_batch_size */
};

/* Tensors that run in one place without a copy between them. */
typedef struct split {
    uint32_t begin;
    uint32_t end;
    int8_t place;
    uint32_t n_inputs;
    uint32_t capacity; /* a tensor that needs more of them than are left doubles it */
    bool late_views;   /* inputs that are views of this split itself */
} split;

typedef struct maker {
    schedule *s;
    graph *g;
    const schedule_setup *setup;
    uint32_t n_run; /* of s->run */
    size_t n_begun; /* parts */
    int8_t host;
} maker;

void mf_schedule_free(schedule *s)
{
    free(s->steps.items);
    free(s->leaves.items);
    free(s->places);
    free(s->run);
    free(s->turns);
    free(s->begins);
    free(s->inputs);
    *s = (schedule){0};
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
    const graph_node *nodes = m->g->nodes;
    const graph_node *node = &nodes[t];
    const graph_node *owner = node->view_src != GRAPH_NONE ? &nodes[node->view_src] : node;
    if (node->runs_at != GRAPH_ANYWHERE) {
        return node->runs_at;
    }
    if (owner->external) {
        return owner->place;
    }
    if (node->input) {
        return m->host;
    }
    const size_t n_src = node->op != GRAPH_ROPE ? node->n_src : 0;
    for (size_t i = 0; i < n_src; i++) {
        if (n_src == FLASH_SOURCES && i == FLASH_SINKS) {
            continue;
        }
        const graph_node *source = &nodes[node->src[i]];
        if (source->external && source->weight) {
            const bool many = source->place == m->host && rows_of(node, i) >= OFFLOAD_ROWS;
            return m->setup->offloads && many && !node->looks_up ? 0 : source->place;
        }
    }
    return GRAPH_ANYWHERE;
}

/* What runs, without views. A view that nobody reads keeps its memory for ever, as does a result that is in another
   tensor's. */
static void list_what_runs(maker *m)
{
    graph_node *nodes = m->g->nodes;
    const graph_tensor *order = m->g->order;
    graph_tensor *run = m->s->run;
    uint32_t *turns = m->s->turns;
    const uint32_t n = m->g->n_order;
    uint32_t n_run = 0;
    for (uint32_t i = 0; i < n; i++) {
        const graph_tensor t = order[i];
        if (nodes[t].view_src != GRAPH_NONE && !nodes[t].read) {
            nodes[nodes[t].view_src].output = true;
        }
        turns[t] = n_run;
        run[n_run] = t;
        n_run += nodes[t].op != GRAPH_VIEW ? 1 : 0;
    }
    m->n_run = n_run;
}

/* Unassigned tensors go where the one before them runs, in either direction; the host is not spread at first, so that
   it runs only what it has to. Returns how many are left. */
static uint32_t spread(maker *m, bool down, bool devices_only)
{
    int8_t *places = m->s->places;
    const graph_tensor *run = m->s->run;
    const uint32_t n_run = m->n_run;
    const int8_t none = devices_only ? m->host : GRAPH_ANYWHERE;
    int8_t current = GRAPH_ANYWHERE;
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < n_run; i++) {
        int8_t *place = &places[run[down ? i : n_run - 1 - i]];
        if (*place != GRAPH_ANYWHERE) {
            current = *place == none ? GRAPH_ANYWHERE : *place;
        } else {
            *place = current;
            n_left += current == GRAPH_ANYWHERE ? 1 : 0;
        }
    }
    return n_left;
}

/* Views lie where their memory is, other sources where they are read. */
static void settle(maker *m)
{
    const graph_node *nodes = m->g->nodes;
    const graph_tensor *order = m->g->order;
    const uint32_t n = m->g->n_order;
    int8_t *places = m->s->places;
    for (uint32_t i = 0; i < n; i++) {
        const graph_tensor t = order[i];
        const graph_node *node = &nodes[t];
        const size_t n_src = node->n_src;
        if (node->view_src != GRAPH_NONE && places[t] == GRAPH_ANYWHERE) {
            places[t] = places[node->view_src];
        }
        for (size_t k = 0; k < n_src; k++) {
            const graph_tensor source = node->src[k];
            if (places[source] == GRAPH_ANYWHERE) {
                const graph_tensor view_src = nodes[source].view_src;
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
    for (graph_tensor t = 0; t < g->n_nodes; t++) {
        m->s->places[t] = place_at_hand(m, t);
    }
    if (spread(m, true, true) > 0 && spread(m, false, true) > 0 && spread(m, true, false) > 0) {
        (void)spread(m, false, false);
    }
    settle(m);
}

graph_tensor mf_schedule_copy(const graph *g, graph_tensor t, int8_t place)
{
    graph_tensor copy = g->nodes[t].copies;
    while (copy != GRAPH_NONE && g->nodes[copy].place != place) {
        copy = g->nodes[copy].copies;
    }
    return copy;
}

static graph_tensor add_copy(maker *m, graph_tensor t, int8_t place)
{
    graph *g = m->g;
    const graph_tensor copy = mf_graph_copy(g, t);
    if (copy != GRAPH_NONE) {
        g->nodes[copy].place = place;
        g->nodes[copy].copies = g->nodes[t].copies;
        g->nodes[t].copies = copy;
    }
    return copy;
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

/* A part begins with the first of its tensors in the order. */
static void begin_parts(maker *m, graph_tensor t)
{
    while (m->n_begun < m->setup->n_parts && m->setup->first_ids[m->n_begun] <= t) {
        m->s->begins[m->n_begun++] = m->s->steps.n;
    }
}

/* A view's turn comes among what runs. It matters only where it was copied before that: its memory is kept as long. */
static bool is_late(const maker *m, const split *s, graph_tensor t)
{
    return m->g->nodes[t].op == GRAPH_VIEW && m->s->turns[t] > s->begin;
}

static void emit_late_views(maker *m, const split *s, uint32_t turn)
{
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        const graph_tensor t = m->s->inputs[i];
        if (is_late(m, s, t) && m->s->turns[t] == turn) {
            push(m, &m->s->steps, t, m->s->places[t]);
        }
    }
}

static void emit(maker *m, const split *s)
{
    schedule_list *steps = &m->s->steps;
    if (s->begin < s->end) {
        begin_parts(m, m->s->run[s->begin]);
    }
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        const graph_tensor copy = mf_schedule_copy(m->g, m->s->inputs[i], s->place);
        push(m, steps, mf_graph_dependency(m->g, m->s->inputs[i]), m->s->places[m->s->inputs[i]]);
        push(m, steps, copy, s->place);
    }
    for (uint32_t i = s->begin; i < s->end; i++) {
        const graph_tensor t = m->s->run[i];
        if (s->late_views) {
            emit_late_views(m, s, i);
        }
        begin_parts(m, t);
        push(m, steps, t, m->s->places[t]);
    }
    m->s->n_splits++;
}

/* Weights that are copied for one split may go before the next. */
static bool needs_new_split(const maker *m, const split *s, graph_node *node)
{
    for (size_t k = 0; s->n_inputs > 0 && k < node->n_src; k++) {
        const graph_node *source = &m->g->nodes[node->src[k]];
        if (source->external && source->weight && source->place != s->place) {
            return true;
        }
        if (s->n_inputs >= s->capacity && m->s->places[node->src[k]] != s->place &&
            mf_schedule_copy(m->g, node->src[k], s->place) == GRAPH_NONE) {
            node->cuts = true;
            return true;
        }
    }
    return false;
}

static void add_input(maker *m, split *s, graph_tensor t)
{
    if (s->n_inputs == s->capacity) {
        s->capacity *= 2;
    }
    if (s->capacity > m->s->n_inputs) {
        graph_tensor *larger = realloc(m->s->inputs, s->capacity * sizeof *larger);
        if (larger == NULL) {
            m->g->status = MF_E_NOMEM;
            return;
        }
        m->s->inputs = larger;
        m->s->n_inputs = s->capacity;
    }
    m->s->inputs[s->n_inputs++] = t;
}

static void add_inputs(maker *m, split *s, graph_tensor t)
{
    const bool pipeline = m->setup->n_copies > 1;
    for (size_t k = 0; k < m->g->nodes[t].n_src; k++) {
        const graph_tensor source = m->g->nodes[t].src[k];
        const graph_node *node = &m->g->nodes[source];
        const int8_t from = m->s->places[source];
        if (pipeline && node->input && !node->output) {
            keep_copies(m, source, from);
        }
        if (from == s->place) {
            continue;
        }
        graph_tensor copy = mf_schedule_copy(m->g, source, s->place);
        if (copy == GRAPH_NONE) {
            copy = add_copy(m, source, s->place);
            add_input(m, s, source);
            s->late_views |= is_late(m, s, source);
            if (pipeline) {
                keep_copies(m, copy, s->place);
            }
        }
        m->g->nodes[t].src[k] = copy;
        m->g->nodes[t].apart |= k == FLASH_VALUES;
    }
}

static void cut(maker *m)
{
    split s = {.place = m->n_run > 0 ? m->s->places[m->s->run[0]] : 0, .capacity = SPLIT_INPUTS};
    for (uint32_t i = 0; i < m->n_run; i++) {
        const graph_tensor t = m->s->run[i];
        const int8_t place = m->s->places[t];
        if (place != s.place || needs_new_split(m, &s, &m->g->nodes[t])) {
            s.end = i;
            emit(m, &s);
            s = (split){.begin = i, .place = place, .capacity = SPLIT_INPUTS};
        }
        add_inputs(m, &s, t);
    }
    s.end = m->n_run;
    emit(m, &s);
}

static bool reserve(schedule *s, const graph *g, size_t n_parts)
{
    if (g->n_nodes > s->n_tensors) {
        free(s->places);
        free(s->run);
        free(s->turns);
        const size_t n = g->capacity;
        s->places = malloc(n);
        s->run = malloc(n * sizeof *s->run);
        s->turns = malloc(n * sizeof *s->turns);
        s->n_tensors = s->places != NULL && s->run != NULL && s->turns != NULL ? n : 0;
    }
    if (n_parts > s->n_parts) {
        free(s->begins);
        s->begins = malloc(n_parts * sizeof *s->begins);
        s->n_parts = s->begins != NULL ? n_parts : 0;
    }
    s->steps.n = 0;
    s->leaves.n = 0;
    s->n_splits = 0;
    return s->n_tensors >= g->n_nodes && s->n_parts >= n_parts && grow(&s->steps, g->capacity) &&
           grow(&s->leaves, g->n_leaves);
}

static mf_status find_places(maker *m)
{
    if (m->g->status != MF_OK) {
        return m->g->status;
    }
    if (!reserve(m->s, m->g, m->setup->n_parts)) {
        return MF_E_NOMEM;
    }
    list_what_runs(m);
    assign(m);
    return MF_OK;
}

static maker maker_of(schedule *s, graph *g, const schedule_setup *setup)
{
    return (maker){.s = s, .g = g, .setup = setup, .host = (int8_t)(setup->n_places - 1)};
}

mf_status mf_schedule_places(schedule *s, graph *g, const schedule_setup *setup)
{
    maker m = maker_of(s, g, setup);
    return find_places(&m);
}

mf_status mf_schedule_make(schedule *s, graph *g, const schedule_setup *setup)
{
    maker m = maker_of(s, g, setup);
    const mf_status status = find_places(&m);
    if (status != MF_OK) {
        return status;
    }
    cut(&m);
    begin_parts(&m, UINT32_MAX);
    for (uint32_t i = 0; i < g->n_leaves; i++) {
        push(&m, &s->leaves, g->leaves[i], s->places[g->leaves[i]]);
    }
    return g->status;
}
