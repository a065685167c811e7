/*
 * schedule.h - ggml's backend scheduler (ggml/src/ggml-backend.cpp at llama.cpp b10470: ggml_backend_sched_split_graph):
 * which place runs a tensor, and what is copied from one place to another before that.
 */
#ifndef MF_MEMORY_SCHEDULE_H
#define MF_MEMORY_SCHEDULE_H

#include "memory/galloc.h"

typedef struct schedule_setup {
    uint8_t n_places; /* devices first, the host is the last */
    uint8_t n_copies; /* of what crosses places: 4 with pipeline parallelism, otherwise 1 */
    bool
        offloads; /* operations of many rows whose weights lie on the host run on the first device */
    const graph_tensor *first_ids; /* of parts of the graph, ascending */
    size_t n_parts;
} schedule_setup;

typedef struct schedule_list {
    galloc_step *items;
    size_t n;
    size_t capacity;
} schedule_list;

/* Start with `schedule s = {0};`, end with mf_schedule_free; may be used again for the next graph. */
typedef struct schedule {
    schedule_list steps;
    schedule_list leaves;
    int8_t *places;       /* of every tensor of the graph that was given */
    graph_tensor *run;    /* the order without views */
    uint32_t *turns;      /* of a view: how many of those come before it */
    size_t n_tensors;     /* room for so many */
    graph_tensor *inputs; /* of one split */
    size_t n_inputs;      /* room for so many */
    size_t *begins;       /* of each part: the steps before its first tensor runs */
    size_t n_parts;       /* room for so many */
    size_t n_splits;
} schedule;

/* The copy of a tensor in a place, or GRAPH_NONE. */
graph_tensor mf_schedule_copy(const graph *g, graph_tensor t, int8_t place);

/* schedule.places alone: where every tensor runs. MF_E_NOMEM. */
mf_status mf_schedule_places(schedule *s, graph *g, const schedule_setup *setup);

/* Adds copies to the graph and lets their readers read them. MF_E_NOMEM, MF_E_OVERFLOW. */
mf_status mf_schedule_make(schedule *s, graph *g, const schedule_setup *setup);
void mf_schedule_free(schedule *s);

#endif
