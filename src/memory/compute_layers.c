/*
 * compute_layers.c - where the layers of a model lie, which are alike, and which of them a graph has.
 */
#include <string.h>

#include "memory/compute_work.h"

enum { MAX_PERIOD = 16 };

/* Layers that read an earlier layer's cache find it where that layer put it: the last one of their kind that has a
   cache (llama-model.cpp: layer_reuse_cb). */
static int8_t cache_place(const compute_setup *setup, size_t index)
{
    const mf_layer *layers = setup->footprint->model->layers;
    const mf_attention *a = &layers[index].attention;
    size_t owner = index;
    for (size_t i = index; a->shares_kv && i-- > 0;) {
        if (!layers[i].attention.shares_kv && (layers[i].attention.window > 0) == (a->window > 0)) {
            owner = i;
            break;
        }
    }
    return setup->workload->kv_offload ? setup->layer_places[owner] : (int8_t)(setup->n_places - 1);
}

static void place_layer(compute_work *w, size_t index)
{
    const compute_setup *setup = w->setup;
    const mf_footprint *f = setup->footprint;
    const int8_t place = setup->layer_places[index];
    const bool experts_apart = index < setup->workload->n_cpu_moe;
    w->all[index] =
        (build_layer){.shape = &f->model->layers[index],
                      .parts = f->parts[index],
                      .place = place,
                      .expert_place = experts_apart ? (int8_t)(setup->n_places - 1) : place,
                      .cache_place = cache_place(setup, index),
                      .index = (uint32_t)index};
    if (setup->tensor_places == NULL) {
        return;
    }
    int8_t *places = &w->part_places[index * PART_COUNT];
    for (size_t i = 0; i < PART_COUNT; i++) {
        const mf_tensor *t = f->parts[index][i];
        places[i] = t != NULL ? setup->tensor_places[t - f->model->tensors] : place;
    }
    w->all[index].part_places = places;
}

static bool same_places(const build_layer *a, const build_layer *b)
{
    const bool apart = a->part_places != NULL && b->part_places != NULL; /* all layers or none */
    return a->place == b->place && a->expert_place == b->expert_place &&
           a->cache_place == b->cache_place &&
           (!apart || memcmp(a->part_places, b->part_places, PART_COUNT) == 0);
}

/* On whatever devices. */
static bool same_sides(const compute_work *w, const build_layer *a, const build_layer *b)
{
    const int8_t host = w->b.host_place;
    return (a->place == host) == (b->place == host) &&
           (a->expert_place == host) == (b->expert_place == host) &&
           (a->cache_place == a->place) == (b->cache_place == b->place);
}

static bool has_part_on_host(const compute_work *w, const build_layer *l)
{
    const int8_t host = w->b.host_place;
    return l->part_places != NULL || l->place == host || l->expert_place == host;
}

/* What a device takes along is as large as it is stored. */
static bool same_stored(const compute_work *w, size_t a, size_t b)
{
    const mf_footprint *f = w->setup->footprint;
    const mf_tensor *first = f->model->tensors;
    const bool compares = w->setup->offloads && has_part_on_host(w, &w->all[a]);
    for (block_part i = 0; compares && i < PART_COUNT; i++) {
        const mf_tensor *of_a = f->parts[a][i];
        const mf_tensor *of_b = f->parts[b][i];
        if (of_a != NULL && of_b != NULL && f->types[of_a - first] != f->types[of_b - first] &&
            mf_build_place(&w->all[a], i) == w->b.host_place) {
            return false;
        }
    }
    return true;
}

static bool same_layer(const compute_work *w, layers_alike alike, size_t a, size_t b)
{
    const uint32_t *kinds = w->setup->footprint->kinds;
    if (kinds[a] != kinds[b]) {
        return false;
    }
    const uint32_t period = w->traits.rope_period;
    const bool same_rope = period == 0 || ((a + 1) % period == 0) == ((b + 1) % period == 0);
    const bool same_gate = (a < w->traits.n_sparse) == (b < w->traits.n_sparse);
    const bool by_place = alike == LAYERS_ALIKE || w->setup->tensor_places != NULL;
    const bool placed =
        by_place ? same_places(&w->all[a], &w->all[b]) : same_sides(w, &w->all[a], &w->all[b]);
    return same_rope && same_gate && placed && (alike == LAYERS_RUN_ALIKE || same_stored(w, a, b));
}

void mf_compute_place_layers(compute_work *w, layers_alike alike)
{
    const size_t n = w->setup->footprint->n_run;
    for (size_t i = 0; i < n; i++) {
        place_layer(w, i);
        size_t first = i > 0 && same_layer(w, alike, i - 1, i) ? w->kinds[i - 1] : 0;
        while (first < i && (w->kinds[first] != first || !same_layer(w, alike, first, i))) {
            first++;
        }
        w->kinds[i] = (uint32_t)first;
    }
    if (n > 0) {
        w->kinds[n - 1] = (uint32_t)(n - 1); /* it picks the output's rows */
    }
}

/* Layers from `begin` on that repeat those `period` before them, the first period included. */
static size_t run_length(const uint32_t *kinds, size_t n, size_t begin, size_t period)
{
    size_t end = begin + period;
    while (end < n && kinds[end] == kinds[end - period]) {
        end++;
    }
    return end > n ? 0 : end - begin;
}

/* All of a layer in one place: nothing is copied between its tensors. */
bool mf_compute_is_together(const compute_work *w, size_t layer)
{
    const build_layer *l = &w->all[layer];
    return l->part_places == NULL && l->expert_place == l->place && l->cache_place == l->place;
}

/* Runs of more periods than are kept of them at first; one period of several layers before many of one. */
void mf_compute_find_runs(compute_work *w)
{
    const size_t n = w->setup->footprint->n_run;
    size_t begin = 0;
    w->blank.n_runs = 0;
    while (begin < n) {
        size_t period = 1;
        while (period <= MAX_PERIOD &&
               run_length(w->kinds, n, begin, period) / period <= COMPUTE_LEAST_KEPT) {
            period++;
        }
        if (period > MAX_PERIOD) {
            begin++;
            continue;
        }
        const size_t n_periods = run_length(w->kinds, n, begin, period) / period;
        w->blank.runs[w->blank.n_runs++] =
            (layer_run){.begin = begin, .period = period, .n_periods = n_periods};
        begin += n_periods * period;
    }
}

/* Layers of the graph: all outside the runs, and of each run those of its first periods. */
size_t mf_compute_list_layers(compute_work *w, compute_form *form)
{
    const size_t n = w->setup->footprint->n_run;
    size_t n_kept = 0;
    size_t next = 0;
    for (size_t i = 0; i < n;) {
        layer_run *r =
            next < form->n_runs && i == form->runs[next].begin ? &form->runs[next++] : NULL;
        const size_t n_here = r != NULL ? r->n_kept * r->period : 1;
        if (r != NULL) {
            r->at = n_kept;
        }
        memcpy(&w->layers[n_kept], &w->all[i], n_here * sizeof *w->layers);
        n_kept += n_here;
        i += r != NULL ? r->n_periods * r->period : 1;
    }
    return n_kept;
}
