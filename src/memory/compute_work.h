/*
 * compute_work.h - one case's graphs while they are laid out (llamacpp_compute.c).
 */
#ifndef MF_MEMORY_COMPUTE_WORK_H
#define MF_MEMORY_COMPUTE_WORK_H

#include "memory/compute_memo.h"
#include "memory/graph_arch.h"
#include "memory/llamacpp_compute.h"

/* What layers have in common. */
typedef enum layers_alike {
    LAYERS_ALIKE, /* all that a graph, its schedule and its buffers depend on */
    LAYERS_RUN_ALIKE, /* what decides whether a tensor runs with its layer: not on which device, nor how it is stored */
    LAYERS_SIZED_ALIKE, /* what tensors' sizes depend on: how what devices take along is stored, not on which device */
} layers_alike;

enum {
    COMPUTE_FEW_TOKENS = 32
}; /* norms run with their layer then (llama-context.cpp: graph_get_cb) */

typedef struct compute_work {
    const compute_setup *setup;
    const graph_arch *arch;
    graph_traits traits;
    builder b;
    compute_memo *memo;  /* NULL: nothing is remembered */
    compute_form blank;  /* what a graph is built in */
    compute_form *form;  /* what was replayed: that one or the memo's */
    build_layer *layers; /* of the graph */
    build_layer *all;    /* of the model */
    int8_t *part_places; /* of all, PART_COUNT each, if tensors have places of their own */
    uint32_t *kinds;     /* of all: equal numbers, equal layers at equal places */
    compute_room own;    /* without a memo */
    compute_room *room;  /* to replay in */
} compute_work;

/* The graph that was asked for, nothing given up yet. */
void mf_compute_begin_builder(compute_work *w);

/* Places the layers, finds the runs among them and how many periods of each to keep. MF_E_NOMEM. */
mf_status mf_compute_begin_form(compute_work *w, layers_alike alike, bool whole);

/* The graph of the layers that are kept of each run, into `blank`; or of others. */
mf_status mf_compute_build_graph(compute_work *w);
mf_status mf_compute_build_layers(compute_work *w, build_layer *layers, size_t n);
schedule_setup mf_compute_schedule_setup(const compute_work *w);

/* All that a graph, its schedule and what it repeats depend on but for sizes, told before it is built from the layers that
   it has: with the same number one is the other once it has its sizes. compute_sizes.c, as the next */
uint64_t mf_compute_structure(const compute_work *w);

/* Gives a graph of the same structure the sizes of this one; places layers anew. False if they can't be told from a layer of
   each kind. */
bool mf_compute_resize(compute_work *w, compute_form *form);

/* What decides where tensors run, all else zero: which kernels a graph has hangs on nothing more. compute_fused.c, as the next */
compute_key mf_compute_placement_key(const compute_work *w);

/* Fills builder.unfused; with `whole` by graphs of all layers. */
mf_status mf_compute_resolve_fused(compute_work *w, bool whole);

/* Fills `all`, `part_places` and `kinds`. compute_layers.c, as those below */
void mf_compute_place_layers(compute_work *w, layers_alike alike);

/* Runs of layers alike, of more periods than are kept of them at first, into `blank`. */
void mf_compute_find_runs(compute_work *w);

/* All of a layer in one place: nothing is copied between its tensors. */
bool mf_compute_is_together(const compute_work *w, size_t layer);

/* Fills `layers`: all outside the runs, and of each run those of its first periods. Returns how many. */
size_t mf_compute_list_layers(compute_work *w, compute_form *form);

#endif
