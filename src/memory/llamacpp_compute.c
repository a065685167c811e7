/*
 * llamacpp_compute.c - replays ggml's allocator over the graph of a prompt.
 *
 * Layers repeat, and so does what the allocator does: once a period of layers leaves the free blocks and all that is
 * alive where the period before had left them, any number of further ones changes nothing. So the graph is built with
 * few periods of every run; if they have not settled, with more of them.
 */
#include "memory/llamacpp_compute.h"

#include <stdlib.h>
#include <string.h>

#include "memory/graph_arch.h"
#include "memory/schedule.h"

enum { MAX_PERIOD = 16, FIRST_PERIODS = 3, ALL_LAYERS = 0 };

typedef struct check {
    size_t before; /* index of a layer of the graph */
    size_t after;
    size_t period;
} check;

typedef struct work {
    const compute_setup *setup;
    const graph_arch *arch;
    graph_traits traits;
    builder b;
    graph g;
    schedule s;
    build_layer *layers; /* of the graph */
    build_layer *all;    /* of the model */
    uint32_t *kinds;     /* of all: equal numbers, equal layers at equal places */
    uint32_t *kept;      /* indices into all */
    check *checks;
    size_t n_checks;
    galloc_buffer *buffers;
    galloc_state *states;
    galloc_state *seen; /* states of a period's tensors at the boundary before */
    galloc_buffer *seen_buffers;
} work;

static void free_work(work *w)
{
    mf_graph_free(&w->g);
    mf_schedule_free(&w->s);
    free(w->layers);
    free(w->all);
    free(w->kinds);
    free(w->kept);
    free(w->checks);
    free(w->buffers);
    free(w->states);
    free(w->seen);
    free(w->seen_buffers);
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
    w->kept = calloc(n, sizeof *w->kept);
    w->checks = calloc(n, sizeof *w->checks);
    w->buffers = calloc(n_places, sizeof *w->buffers);
    w->seen_buffers = calloc(n_places, sizeof *w->seen_buffers);
    w->b.begins = calloc(n, sizeof *w->b.begins);
    w->b.first_ids = calloc(n, sizeof *w->b.first_ids);
    return w->layers != NULL && w->all != NULL && w->kinds != NULL && w->kept != NULL &&
           w->checks != NULL && w->buffers != NULL && w->seen_buffers != NULL &&
           w->b.begins != NULL && w->b.first_ids != NULL;
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

static void place_layer(build_layer *l, const compute_setup *setup, size_t index)
{
    const mf_footprint *f = setup->footprint;
    const int8_t host = (int8_t)(setup->n_places - 1);
    *l = (build_layer){.shape = &f->model->layers[index],
                       .parts = f->parts[index],
                       .place = setup->layer_places[index],
                       .cache_place = cache_place(setup, index),
                       .index = (uint32_t)index};
    memset(l->places, l->place, sizeof l->places);
    const bool experts_apart = index < setup->workload->n_cpu_moe;
    for (size_t i = 0; (experts_apart || setup->tensor_places != NULL) && i < PART_COUNT; i++) {
        const mf_tensor *t = l->parts[i];
        if (t != NULL && setup->tensor_places != NULL) {
            l->places[i] = setup->tensor_places[t - f->model->tensors];
        } else if (t != NULL && t->role == MF_ROLE_EXPERT) {
            l->places[i] = host;
        }
    }
}

static bool same_layer(const work *w, size_t a, size_t b)
{
    const uint32_t *kinds = w->setup->footprint->kinds;
    const uint32_t period = w->traits.rope_period;
    const bool same_rope = period == 0 || ((a + 1) % period == 0) == ((b + 1) % period == 0);
    return kinds[a] == kinds[b] && same_rope && w->all[a].place == w->all[b].place &&
           w->all[a].cache_place == w->all[b].cache_place &&
           memcmp(w->all[a].places, w->all[b].places, sizeof w->all[a].places) == 0;
}

static void place_layers(work *w)
{
    const size_t n = w->setup->footprint->n_run;
    for (size_t i = 0; i < n; i++) {
        place_layer(&w->all[i], w->setup, i);
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

static size_t keep(work *w, size_t n_kept, size_t begin, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        w->kept[n_kept++] = (uint32_t)(begin + i);
    }
    return n_kept;
}

/* Keeps n_periods of every run. */
static size_t shorten(work *w, size_t n_periods)
{
    const size_t n = w->setup->footprint->n_run;
    size_t n_kept = 0;
    size_t begin = 0;
    w->n_checks = 0;
    while (begin < n) {
        size_t period = 1;
        while (period <= MAX_PERIOD &&
               run_length(w->kinds, n, begin, period) / period <= n_periods) {
            period++;
        }
        if (n_periods == ALL_LAYERS || period > MAX_PERIOD) {
            n_kept = keep(w, n_kept, begin++, 1);
            continue;
        }
        n_kept = keep(w, n_kept, begin, n_periods * period);
        w->checks[w->n_checks++] =
            (check){.before = n_kept - period, .after = n_kept, .period = period};
        begin += run_length(w->kinds, n, begin, period) / period * period;
    }
    return n_kept;
}

static mf_status build(work *w, size_t n_periods)
{
    builder *b = &w->b;
    mf_graph_clear(&w->g);
    b->n_layers = shorten(w, n_periods);
    for (size_t i = 0; i < b->n_layers; i++) {
        w->layers[i] = w->all[w->kept[i]];
    }
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
    free(w->seen);
    w->states = calloc(w->g.n_nodes, sizeof *w->states);
    w->seen = calloc(w->g.n_nodes, sizeof *w->seen);
    return w->states != NULL && w->seen != NULL ? MF_OK : MF_E_NOMEM;
}

static bool same_blocks(const galloc_buffer *a, const galloc_buffer *b)
{
    return a->n_blocks == b->n_blocks &&
           memcmp(a->blocks, b->blocks, a->n_blocks * sizeof a->blocks[0]) == 0;
}

static void remember(work *w, const check *c)
{
    const uint32_t begin = w->b.first_ids[c->before - c->period];
    const uint32_t n = w->b.first_ids[c->before] - begin;
    memcpy(w->seen, &w->states[begin], n * sizeof *w->seen);
    for (size_t i = 0; i < w->setup->n_places; i++) {
        w->seen_buffers[i].n_blocks = w->buffers[i].n_blocks;
        memcpy(w->seen_buffers[i].blocks,
               w->buffers[i].blocks,
               w->buffers[i].n_blocks * sizeof w->buffers[i].blocks[0]);
    }
}

/* Free blocks alike, and every tensor of the last period alive where its like of the period before was. */
static bool has_settled(const work *w, const check *c)
{
    const uint32_t begin = w->b.first_ids[c->before];
    const uint32_t n = w->b.first_ids[c->after] - begin;
    if (n != w->b.first_ids[c->before] - w->b.first_ids[c->before - c->period]) {
        return false;
    }
    for (size_t i = 0; i < w->setup->n_places; i++) {
        if (!same_blocks(&w->seen_buffers[i], &w->buffers[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        const galloc_state *now = &w->states[begin + i];
        const galloc_state *then = &w->seen[i];
        if (now->allocated != then->allocated ||
            (now->allocated && (now->offset != then->offset || now->buffer != then->buffer))) {
            return false;
        }
    }
    return true;
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
                        device && w->setup->has_scratch);
    }
    const galloc_order order = {.leaves = w->s.leaves,
                                .n_leaves = w->s.n_leaves,
                                .steps = w->s.steps,
                                .n_steps = w->s.n_steps};
    mf_galloc_count(&a, &w->g, &order);
    size_t next = 0;
    bool settled = true;
    for (size_t i = 0; i < w->s.n_steps; i++) {
        const graph_tensor t = w->s.steps[i].tensor;
        const check *c = next < w->n_checks ? &w->checks[next] : NULL;
        if (c != NULL && t == w->g.order[w->b.begins[c->before]]) {
            remember(w, c);
        } else if (c != NULL && t == w->g.order[w->b.begins[c->after]]) {
            settled &= has_settled(w, c);
            next++;
        }
        mf_galloc_run(&a, &w->g, &w->s.steps[i]);
    }
    return settled && next == w->n_checks;
}

static mf_status run(work *w, compute_size *size, size_t n_periods)
{
    const size_t n_layers = w->setup->footprint->n_run;
    mf_status status = build(w, n_periods);
    while (status == MF_OK && !replay(w)) {
        n_periods = 2 * n_periods < n_layers ? 2 * n_periods : ALL_LAYERS;
        status = build(w, n_periods);
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
    b->n_experts = f->n_experts;
    b->host_place = (int8_t)(setup->n_places - 1);
    b->input_place = setup->layer_places[0];
    b->output_place = setup->layer_places[f->model->n_layers];
    b->n_tokens = (u + load->n_parallel - 1) / load->n_parallel * load->n_parallel;
    b->n_outputs = u < outputs ? u : outputs;
    b->n_sequences = load->n_parallel;
    b->n_streams = setup->cache->streams;
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
   differ: the largest of the ways, and a margin. Its size is what the exact graphs lose or gain when a residual is
   kept too long or an operation is not fused (tests/truth). */
static mf_status run_bounded(work *w, compute_size *size)
{
    enum { MARGIN_SHARE = 16 };
    static const rows_picked ways[] = {ROWS_IN_LAST_LAYER, ROWS_BEFORE_NORM, ROWS_AFTER_NORM};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof ways / sizeof ways[0]; i++) {
        w->traits.rows = ways[i];
        status = run(w, size, FIRST_PERIODS);
    }
    for (size_t i = 0; status == MF_OK && i < w->setup->n_places; i++) {
        size->bytes[i] += size->bytes[i] / MARGIN_SHARE;
    }
    return status;
}

static mf_status compute(compute_size *out, const compute_setup *setup, bool whole, mf_error *err)
{
    const mf_model *model = setup->footprint->model;
    work w = {.setup = setup, .arch = mf_graph_arch_get(model->architecture)};
    compute_size size = {.exact = w.arch->exact};
    w.traits = w.arch->traits;
    mf_status status = allocate_work(&w) ? MF_OK : MF_E_NOMEM;
    if (status == MF_OK) {
        place_layers(&w);
        begin_builder(&w);
        status = whole           ? run(&w, &size, ALL_LAYERS)
                 : w.arch->exact ? run(&w, &size, FIRST_PERIODS)
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
