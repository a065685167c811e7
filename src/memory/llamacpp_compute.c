/*
 * llamacpp_compute.c - replays ggml's allocator over the graph of a prompt.
 *
 * Layers repeat, and so does what the allocator does: once some periods of layers have left the free blocks and all that
 * is alive where they had been before, as many more again change nothing. So the graph is built with few periods of
 * every run of equal ones; if they have not come back to an earlier state, with more of them.
 */
#include "memory/llamacpp_compute.h"

#include <stdlib.h>
#include <string.h>

#include "memory/graph_arch.h"
#include "memory/schedule.h"

enum { MAX_PERIOD = 16, FIRST_KEPT = 3, MOST_KEPT = 24 };

/* Equal periods of layers, the first few of which are in the graph. */
typedef struct layer_run {
    size_t begin; /* in the model */
    size_t period;
    size_t n_periods;
    size_t n_kept;
    size_t at;                      /* in the graph */
    uint64_t states[MOST_KEPT + 1]; /* of the allocator behind each period */
} layer_run;

typedef struct work {
    const compute_setup *setup;
    const graph_arch *arch;
    graph_traits traits;
    builder b;
    graph g;
    schedule s;
    build_layer *layers; /* of the graph */
    build_layer *all;    /* of the model */
    int8_t *part_places; /* of all, PART_COUNT each, if tensors have places of their own */
    uint32_t *kinds;     /* of all: equal numbers, equal layers at equal places */
    layer_run *runs;
    size_t n_runs;
    galloc_buffer *buffers;
    galloc_state *states;
} work;

static void free_work(work *w)
{
    mf_graph_free(&w->g);
    mf_schedule_free(&w->s);
    free(w->layers);
    free(w->all);
    free(w->part_places);
    free(w->kinds);
    free(w->runs);
    free(w->buffers);
    free(w->states);
    free(w->b.begins);
    free(w->b.first_ids);
}

static bool allocate_work(work *w)
{
    const size_t n = w->setup->footprint->n_run + 1;
    const size_t n_places = w->setup->n_places;
    w->layers = calloc(n, sizeof *w->layers);
    w->all = calloc(n, sizeof *w->all);
    w->kinds = calloc(n, sizeof *w->kinds);
    w->runs = calloc(n, sizeof *w->runs);
    w->buffers = malloc(n_places * sizeof *w->buffers);
    w->part_places = calloc(w->setup->tensor_places != NULL ? n * PART_COUNT : 1, 1);
    w->b.begins = calloc(n, sizeof *w->b.begins);
    w->b.first_ids = calloc(n, sizeof *w->b.first_ids);
    return w->layers != NULL && w->all != NULL && w->kinds != NULL && w->runs != NULL &&
           w->buffers != NULL && w->b.begins != NULL && w->b.first_ids != NULL;
}

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

static void place_layer(work *w, size_t index)
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
    return a->place == b->place && a->expert_place == b->expert_place &&
           a->cache_place == b->cache_place &&
           (a->part_places == NULL || memcmp(a->part_places, b->part_places, PART_COUNT) == 0);
}

static bool same_layer(const work *w, size_t a, size_t b)
{
    const uint32_t *kinds = w->setup->footprint->kinds;
    const uint32_t period = w->traits.rope_period;
    const bool same_rope = period == 0 || ((a + 1) % period == 0) == ((b + 1) % period == 0);
    return kinds[a] == kinds[b] && same_rope && same_places(&w->all[a], &w->all[b]);
}

static void place_layers(work *w)
{
    const size_t n = w->setup->footprint->n_run;
    for (size_t i = 0; i < n; i++) {
        place_layer(w, i);
        size_t first = 0;
        while (first < i && (w->kinds[first] != first || !same_layer(w, first, i))) {
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

/* Runs of more periods than are kept of them at first; one period of several layers before many of one. */
static void find_runs(work *w)
{
    const size_t n = w->setup->footprint->n_run;
    size_t begin = 0;
    w->n_runs = 0;
    while (begin < n) {
        size_t period = 1;
        while (period <= MAX_PERIOD &&
               run_length(w->kinds, n, begin, period) / period <= FIRST_KEPT) {
            period++;
        }
        if (period > MAX_PERIOD) {
            begin++;
            continue;
        }
        const size_t n_periods = run_length(w->kinds, n, begin, period) / period;
        w->runs[w->n_runs++] = (layer_run){
            .begin = begin, .period = period, .n_periods = n_periods, .n_kept = FIRST_KEPT};
        begin += n_periods * period;
    }
}

/* Layers of the graph: all outside the runs, and of each run those of its first periods. */
static size_t list_layers(work *w)
{
    const size_t n = w->setup->footprint->n_run;
    size_t n_kept = 0;
    size_t next = 0;
    for (size_t i = 0; i < n;) {
        layer_run *r = next < w->n_runs && i == w->runs[next].begin ? &w->runs[next++] : NULL;
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

static mf_status build(work *w)
{
    builder *b = &w->b;
    mf_graph_clear(&w->g);
    b->n_layers = list_layers(w);
    if (b->n_layers == 0) {
        return MF_E_DATA;
    }
    mf_build_inputs(b);
    w->arch->build(b);
    if (w->g.status != MF_OK) {
        return w->g.status;
    }
    const schedule_setup setup = {.n_places = w->setup->n_places,
                                  .n_copies = w->setup->n_copies,
                                  .offloads = w->setup->offloads};
    const mf_status status = mf_schedule_make(&w->s, &w->g, &setup);
    if (status != MF_OK) {
        return status;
    }
    free(w->states);
    w->states = calloc(w->g.n_nodes, sizeof *w->states);
    return w->states != NULL ? MF_OK : MF_E_NOMEM;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    static const uint64_t odd = 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
    enum { SHIFT = 29 };
    hash = (hash ^ value) * odd;
    return hash ^ hash >> SHIFT;
}

/* The free blocks, and where every tensor of the last period is that is alive. */
static uint64_t state_behind(const work *w, const layer_run *r, size_t n_periods)
{
    const uint32_t begin = w->b.first_ids[r->at + (n_periods - 1) * r->period];
    const uint32_t end = w->b.first_ids[r->at + n_periods * r->period];
    uint64_t hash = end - begin;
    for (size_t i = 0; i < w->setup->n_places; i++) {
        const galloc_buffer *buffer = &w->buffers[i];
        hash = mix(hash, buffer->n_blocks);
        for (size_t k = 0; k < buffer->n_blocks; k++) {
            hash = mix(mix(hash, buffer->blocks[k].offset), buffer->blocks[k].size);
        }
    }
    for (uint32_t i = begin; i < end; i++) {
        const galloc_state *state = &w->states[i];
        hash =
            state->allocated ? mix(mix(mix(hash, i - begin), state->offset), state->buffer) : hash;
    }
    return hash;
}

/* True if the periods that were left out would have come back to the state behind the last one that was kept. If not,
   more are kept. */
static bool has_settled(layer_run *r)
{
    const size_t n_left = r->n_periods - r->n_kept;
    if (n_left == 0) {
        return true;
    }
    for (size_t d = 1; d < r->n_kept; d++) {
        if (r->states[r->n_kept] == r->states[r->n_kept - d]) {
            r->n_kept += n_left % d;
            return n_left % d == 0;
        }
    }
    const size_t more = 2 * r->n_kept;
    r->n_kept = more <= MOST_KEPT && more < r->n_periods ? more : r->n_periods;
    return false;
}

/* False if a run has not settled within the periods that were kept. */
static bool replay(work *w)
{
    galloc a = {.buffers = w->buffers, .n_buffers = w->setup->n_places, .states = w->states};
    for (size_t i = 0; i < w->setup->n_places; i++) {
        enum { HOST_ALIGNMENT = 32 };
        const bool device = i + 1 < w->setup->n_places;
        mf_galloc_begin(&w->buffers[i],
                        device ? w->setup->alignment : HOST_ALIGNMENT,
                        device && w->setup->scratch != SCRATCH_NONE);
    }
    const galloc_order order = {.leaves = w->s.leaves.items,
                                .n_leaves = w->s.leaves.n,
                                .steps = w->s.steps.items,
                                .n_steps = w->s.steps.n};
    mf_galloc_count(&a, &w->g, &order);
    size_t next = 0;
    size_t n_periods = 1;
    bool settled = true;
    for (size_t i = 0; i < w->s.steps.n; i++) {
        layer_run *r = next < w->n_runs ? &w->runs[next] : NULL;
        if (r != NULL && r->n_kept < r->n_periods &&
            w->s.steps.items[i].tensor == w->g.order[w->b.begins[r->at + n_periods * r->period]]) {
            r->states[n_periods] = state_behind(w, r, n_periods);
            n_periods++;
        }
        if (r != NULL && (n_periods > r->n_kept || r->n_kept == r->n_periods)) {
            settled &= has_settled(r);
            n_periods = 1;
            next++;
        }
        mf_galloc_run(&a, &w->g, &w->s.steps.items[i]);
    }
    return settled;
}

static mf_status run(work *w, compute_size *size, bool whole)
{
    find_runs(w);
    for (size_t i = 0; whole && i < w->n_runs; i++) {
        w->runs[i].n_kept = w->runs[i].n_periods;
    }
    mf_status status = build(w);
    while (status == MF_OK && !replay(w)) {
        status = build(w);
    }
    for (size_t i = 0; status == MF_OK && i < w->setup->n_places; i++) {
        status = w->buffers[i].failed ? MF_E_UNSUPPORTED : MF_OK;
        size->bytes[i] =
            w->buffers[i].max_size > size->bytes[i] ? w->buffers[i].max_size : size->bytes[i];
    }
    size->n_tensors = w->g.n_order;
    size->n_splits = w->s.n_splits;
    return status;
}

static void begin_builder(work *w)
{
    const compute_setup *setup = w->setup;
    const mf_workload *load = setup->workload;
    const mf_footprint *f = setup->footprint;
    const uint64_t batch = load->n_batch < load->n_ctx ? load->n_batch : load->n_ctx;
    const uint64_t u = load->n_ubatch < batch ? load->n_ubatch : batch;
    const uint64_t outputs = load->n_outputs > 0 ? load->n_outputs : batch;
    enum { FEW = 32 };
    builder *b = &w->b;
    b->g = &w->g;
    b->model = f->model;
    b->workload = load;
    b->traits = &w->traits;
    b->layers = w->layers;
    b->footprint = f;
    b->host_place = (int8_t)(setup->n_places - 1);
    b->input_place = setup->layer_places[0];
    b->output_place = setup->layer_places[f->model->n_layers];
    b->n_tokens = (u + load->n_parallel - 1) / load->n_parallel * load->n_parallel;
    b->n_outputs = u < outputs ? u : outputs;
    b->n_sequences = load->n_parallel;
    b->n_streams = setup->cache->streams;
    b->scratch = setup->scratch;
    b->norms_stay = setup->fully_offloaded || b->n_tokens < FEW;
    b->full.cells = setup->cache->cells;
    b->window.cells = setup->cache->swa_cells;
    for (size_t i = 0; i < f->model->n_layers; i++) {
        const mf_attention *a = &f->model->layers[i].attention;
        const uint64_t width = (uint64_t)a->n_kv_heads * a->value_dim;
        const bool wider = a->kind == MF_ATTENTION_GQA && width > b->full.widest_value;
        b->full.widest_value = wider ? width : b->full.widest_value;
        b->two_caches |= a->kind != MF_ATTENTION_NONE && a->window > 0;
    }
}

/* Where llama.cpp's own graph is not known to the last tensor, the output rows may be picked anywhere and packing may
   differ: the largest of the ways, and a margin. What exact graphs lose or gain when a residual is kept too long or an
   operation is not fused is a few per cent (tests/truth). */
static mf_status run_bounded(work *w, compute_size *size)
{
    static const uint64_t margin_shares[] = {[GRAPH_COMPOSED] = 3, [GRAPH_RECALLED] = 16};
    static const rows_picked ways[] = {ROWS_IN_LAST_LAYER, ROWS_BEFORE_NORM, ROWS_AFTER_NORM};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof ways / sizeof ways[0]; i++) {
        w->traits.rows = ways[i];
        status = run(w, size, false);
    }
    for (size_t i = 0; status == MF_OK && i < w->setup->n_places; i++) {
        size->bytes[i] += size->bytes[i] / margin_shares[w->arch->ground];
    }
    return status;
}

static mf_status compute(compute_size *out, const compute_setup *setup, bool whole, mf_error *err)
{
    const mf_model *model = setup->footprint->model;
    work w = {.setup = setup, .arch = mf_graph_arch_get(model->architecture)};
    const bool exact = w.arch->ground == GRAPH_EXACT;
    compute_size size = {.exact = exact};
    w.traits = w.arch->traits;
    mf_status status = allocate_work(&w) ? MF_OK : MF_E_NOMEM;
    if (status == MF_OK) {
        place_layers(&w);
        begin_builder(&w);
        status = whole   ? run(&w, &size, true)
                 : exact ? run(&w, &size, false)
                         : run_bounded(&w, &size);
    }
    free_work(&w);
    if (status == MF_E_DATA) {
        size = (compute_size){0}; /* tensors that no known graph reads */
        status = mf_llamacpp_compute_bound(&size, setup);
    }
    if (status != MF_OK) {
        return mf_fail(err,
                       status,
                       "the compute buffers of '%s' can't be laid out",
                       model->id != NULL ? model->id : model->architecture);
    }
    *out = size;
    return MF_OK;
}

mf_status mf_llamacpp_compute(compute_size *size, const compute_setup *setup, mf_error *err)
{
    return compute(size, setup, false, err);
}

mf_status mf_llamacpp_compute_whole(compute_size *size, const compute_setup *setup, mf_error *err)
{
    return compute(size, setup, true, err);
}
