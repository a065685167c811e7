/*
 * llamacpp_compute.c - the graph of a prompt, built with few periods of every run of equal layers and replayed
 * (compute_replay.h); if its layers turn out not to repeat, built with all of them.
 */
#include "memory/llamacpp_compute.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/compute_work.h"

static void free_work(compute_work *w)
{
    mf_compute_memo_give_blank(w->memo, &w->blank);
    free(w->layers);
    free(w->all);
    free(w->part_places);
    free(w->kinds);
    mf_compute_room_free(&w->own);
}

static bool allocate_work(compute_work *w)
{
    const size_t n = w->setup->footprint->n_run + 1;
    w->layers = calloc(n, sizeof *w->layers);
    w->all = calloc(n, sizeof *w->all);
    w->kinds = calloc(n, sizeof *w->kinds);
    w->part_places = calloc(w->setup->tensor_places != NULL ? n * PART_COUNT : 1, 1);
    return w->layers != NULL && w->all != NULL && w->kinds != NULL && w->part_places != NULL;
}

static bool allocate_form(compute_work *w)
{
    const size_t n = w->setup->footprint->n_run + 1;
    compute_form *f = &w->blank;
    if (f->runs == NULL) {
        f->runs = calloc(n, sizeof *f->runs);
        f->first_ids = calloc(n, sizeof *f->first_ids);
    }
    return f->runs != NULL && f->first_ids != NULL;
}

mf_status mf_compute_build_layers(compute_work *w, build_layer *layers, size_t n)
{
    enum { NODES_OF_LAYER = 320 }; /* of most; others take another step */
    builder *b = &w->b;
    graph *g = &w->blank.g;
    if (n == 0) {
        return MF_E_DATA;
    }
    mf_graph_clear(g);
    b->g = g;
    b->n_fused = 0;
    b->selected = GRAPH_NONE;
    b->first_ids = w->blank.first_ids;
    b->layers = layers;
    b->n_layers = n;
    mf_graph_reserve(g, (w->setup->footprint->n_run + 1) * NODES_OF_LAYER);
    mf_build_inputs(b);
    w->arch->build(b);
    w->blank.n_built = g->n_nodes;
    return g->status;
}

mf_status mf_compute_build_graph(compute_work *w)
{
    const size_t n = mf_compute_list_layers(w, &w->blank);
    return mf_compute_build_layers(w, w->layers, n);
}

schedule_setup mf_compute_schedule_setup(const compute_work *w)
{
    return (schedule_setup){.n_places = w->setup->n_places,
                            .n_copies = w->setup->n_copies,
                            .offloads = w->setup->offloads,
                            .first_ids = w->b.first_ids,
                            .n_parts = w->b.n_layers + 1};
}

/* Scheduled as well. */
static mf_status build(compute_work *w)
{
    compute_form *blank = &w->blank;
    mf_compute_form_renew(blank);
    const mf_status status = mf_compute_build_graph(w);
    if (status != MF_OK) {
        return status;
    }
    const schedule_setup setup = mf_compute_schedule_setup(w);
    blank->structure = w->memo != NULL ? mf_compute_structure(w) : 0;
    w->form = blank;
    return mf_schedule_make(&blank->s, &blank->g, &setup);
}

static compute_places places_of(const compute_setup *setup)
{
    return (compute_places){.n_places = setup->n_places,
                            .n_copies = setup->n_copies,
                            .has_scratch = setup->scratch != SCRATCH_NONE,
                            .alignment = setup->alignment};
}

static size_t first_kept(const compute_work *w, const layer_run *r, bool whole)
{
    const size_t remembered = mf_compute_memo_kept(w->setup->footprint->memo, r);
    const size_t least =
        mf_compute_is_together(w, r->begin) ? COMPUTE_LEAST_KEPT : COMPUTE_KEPT_WITH_COPIES;
    const size_t n_kept = remembered > least ? remembered : least;
    return whole || n_kept > r->n_periods ? r->n_periods : n_kept;
}

static void keep_more(compute_form *f)
{
    for (size_t i = 0; i < f->n_runs; i++) {
        layer_run *r = &f->runs[i];
        r->n_kept = r->n_kept < COMPUTE_KEPT_WITH_COPIES && r->n_periods > COMPUTE_KEPT_WITH_COPIES
                        ? COMPUTE_KEPT_WITH_COPIES
                        : r->n_periods;
    }
}

mf_status mf_compute_begin_form(compute_work *w, layers_alike alike, bool whole)
{
    if (!allocate_form(w)) {
        return MF_E_NOMEM;
    }
    mf_compute_place_layers(w, alike);
    mf_compute_find_runs(w);
    for (size_t i = 0; i < w->blank.n_runs; i++) {
        layer_run *r = &w->blank.runs[i];
        r->n_kept = first_kept(w, r, whole);
    }
    return MF_OK;
}

/* As one of the same structure was scheduled before, if its form is still there. */
static mf_status run_known(bool *done, compute_work *w, compute_way *way)
{
    const compute_places places = places_of(w->setup);
    *done = false;
    (void)mf_compute_list_layers(w, &w->blank);
    w->form = mf_compute_memo_form(w->memo, mf_compute_structure(w));
    return w->form != NULL && mf_compute_resize(w, w->form)
               ? mf_compute_replay(way, done, w->form, &places, w->room)
               : MF_OK;
}

static mf_status run(compute_work *w, compute_way *way, bool whole)
{
    const compute_places places = places_of(w->setup);
    bool repeats = false;
    mf_status status = mf_compute_begin_form(w, LAYERS_ALIKE, whole);
    if (status == MF_OK && w->memo != NULL) {
        status = run_known(&repeats, w, way);
    }
    if (status == MF_OK && w->form != NULL && !repeats) {
        status = mf_compute_begin_form(w, LAYERS_ALIKE, whole);
    }
    while (status == MF_OK && !repeats) {
        status = build(w);
        status =
            status == MF_OK ? mf_compute_replay(way, &repeats, w->form, &places, w->room) : status;
        if (!repeats) {
            keep_more(&w->blank);
        }
    }
    if (status == MF_OK && !whole) {
        mf_compute_memo_keep(w->setup->footprint->memo, w->form);
    }
    return status;
}

void mf_compute_begin_builder(compute_work *w)
{
    const compute_setup *setup = w->setup;
    const mf_workload *load = setup->workload;
    const mf_footprint *f = setup->footprint;
    const uint64_t batch = load->n_batch < load->n_ctx ? load->n_batch : load->n_ctx;
    const uint64_t u = load->n_ubatch < batch ? load->n_ubatch : batch;
    const uint64_t outputs = load->n_outputs > 0 ? load->n_outputs : batch;
    builder *b = &w->b;
    b->model = f->model;
    b->workload = load;
    b->traits = &w->traits;
    b->footprint = f;
    b->host_place = (int8_t)(setup->n_places - 1);
    b->input_place = setup->layer_places[0];
    b->output_place = setup->layer_places[f->model->n_layers];
    b->n_tokens = (u + load->n_parallel - 1) / load->n_parallel * load->n_parallel;
    b->n_outputs = u < outputs ? u : outputs;
    b->n_sequences = load->n_parallel;
    b->n_streams = setup->cache->streams;
    b->scratch = setup->scratch;
    b->offloads = setup->offloads;
    b->tensor_places = setup->tensor_places;
    b->norms_stay = setup->as_run && (setup->fully_offloaded || b->n_tokens < COMPUTE_FEW_TOKENS);
    b->attends_on_host = setup->as_run && !load->kv_offload && !load->flash_attention;
    b->full.cells = setup->cache->cells;
    b->window.cells = setup->cache->swa_cells;
    for (size_t i = 0; i < f->model->n_layers; i++) {
        const mf_attention *a = &f->model->layers[i].attention;
        const uint64_t width = (uint64_t)a->n_kv_heads * a->value_dim;
        const bool wider = a->kind == MF_ATTENTION_GQA && width > b->full.widest_value;
        b->full.widest_value = wider ? width : b->full.widest_value;
        b->n_streams = a->value_is_key ? b->n_sequences : b->n_streams; /* never unified */
        b->two_caches |= a->kind != MF_ATTENTION_NONE && a->window > 0;
    }
}

static const rows_picked all_rows[] = {ROWS_IN_LAST_LAYER, ROWS_BEFORE_NORM, ROWS_AFTER_NORM};

/* Where llama.cpp's own graph is not known to the last tensor, the output rows may be picked anywhere. */
static size_t count_ways(const compute_work *w, bool whole)
{
    return whole || w->arch->ground == GRAPH_EXACT ? 1 : sizeof all_rows / sizeof all_rows[0];
}

/* With a memo each way leaves its form there: NULL if there is no memory for it. */
static mf_status
run_ways(compute_work *w, compute_way *ways, compute_form **forms, size_t n_ways, bool whole)
{
    mf_status status = allocate_work(w) ? MF_OK : MF_E_NOMEM;
    status = status == MF_OK ? mf_compute_resolve_fused(w, whole) : status;
    for (size_t i = 0; status == MF_OK && i < n_ways; i++) {
        w->traits.rows = n_ways > 1 ? all_rows[i] : w->traits.rows;
        status = run(w, &ways[i], whole);
        forms[i] = status == MF_OK && w->form == &w->blank
                       ? mf_compute_memo_take(w->memo, &w->blank)
                       : w->form;
    }
    return status;
}

/* The largest of the ways; packing may differ too, so that there is a margin. What exact graphs lose or gain when a
   residual is kept too long or an operation is not fused is a few per cent (tests/truth). */
static compute_size join_ways(const compute_work *w, const compute_way *ways, size_t n_ways)
{
    enum { MARGIN_SHARE = 3 };
    compute_size size = {.exact = w->arch->ground == GRAPH_EXACT,
                         .n_tensors = ways[n_ways - 1].n_tensors,
                         .n_splits = ways[n_ways - 1].n_splits};
    for (size_t i = 0; i < w->setup->n_places; i++) {
        for (size_t k = 0; k < n_ways; k++) {
            const uint64_t bytes = ways[k].bytes[i];
            size.bytes[i] = bytes > size.bytes[i] ? bytes : size.bytes[i];
        }
        size.bytes[i] += n_ways > 1 ? size.bytes[i] / MARGIN_SHARE : 0;
    }
    return size;
}

/* Sparse attention picks cells of longer caches alone, or their entries: sizes bend there. */
static size_t count_unpicked(const mf_model *model, uint64_t cells)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_attention *a = &model->layers[i].attention;
        const uint64_t ratio = a->compress_ratio > 0 ? a->compress_ratio : 1;
        n += a->index_top_k >= cells / ratio ? 1 : 0;
    }
    return n;
}

/* Caches are as long as a multiple of 256 cells (llama-context.cpp), and so are those of one entry for every `ratio` tokens
   (llama-kv-cache-dsv4.cpp). */
static uint64_t cell_step(const mf_model *model)
{
    enum { PADDING = 256 };
    uint64_t step = PADDING;
    for (size_t i = 0; i < model->n_layers; i++) {
        const uint64_t ratio = model->layers[i].attention.compress_ratio;
        const bool divides = ratio == 0 || step / PADDING % ratio == 0;
        if (!divides && ratio % (step / PADDING) == 0) {
            step = PADDING * ratio;
        } else if (!divides && !mf_mul(&step, step, ratio)) {
            return UINT64_MAX; /* of which no cache is a multiple */
        }
    }
    return step;
}

static compute_key key_of(const compute_work *w)
{
    const compute_setup *setup = w->setup;
    const mf_model *model = setup->footprint->model;
    const bool takes_along = setup->offloads && mf_llamacpp_has_host_weights(setup);
    compute_key key = mf_compute_placement_key(w);
    key.cells = w->b.full.cells;
    key.cell_step = cell_step(model);
    key.window_cells = w->b.window.cells;
    key.n_unpicked = count_unpicked(model, w->b.full.cells);
    key.n_tokens = w->b.n_tokens;
    key.n_outputs = w->b.n_outputs;
    key.places = places_of(setup);
    key.scratch = setup->scratch;
    key.norms_stay = w->b.norms_stay;
    key.attends_on_host = w->b.attends_on_host;
    key.host_types = takes_along ? setup->footprint->types_hash : 0;
    return key;
}

/* From the memo, or by a replay that the memo then has. */
static mf_status recall_ways(compute_work *w, compute_way *ways, size_t n_ways, bool whole)
{
    compute_form *forms[COMPUTE_MAX_WAYS] = {NULL};
    const compute_key key = key_of(w);
    if (mf_compute_memo_find(ways, w->memo, &key)) {
        return MF_OK;
    }
    const mf_status status = run_ways(w, ways, forms, n_ways, whole);
    if (status == MF_OK) {
        mf_compute_memo_add(w->memo, &key, ways, forms, n_ways);
    }
    return status;
}

static mf_status compute(compute_size *out, const compute_setup *setup, bool whole, mf_error *err)
{
    const mf_model *model = setup->footprint->model;
    const bool remembers = setup->tensor_places == NULL && !whole;
    compute_work w = {.setup = setup,
                      .arch = mf_graph_arch_get(model->architecture),
                      .memo = remembers ? setup->footprint->memo : NULL};
    compute_way ways[COMPUTE_MAX_WAYS] = {{.n_tensors = 0}};
    compute_size size = {0};
    w.room = w.memo != NULL ? mf_compute_memo_room(w.memo) : &w.own;
    w.traits = w.arch->traits;
    mf_compute_begin_builder(&w);
    const size_t n_ways = count_ways(&w, whole);
    mf_compute_memo_take_blank(&w.blank, w.memo);
    mf_status status = recall_ways(&w, ways, n_ways, whole);
    if (status == MF_OK) {
        size = join_ways(&w, ways, n_ways);
    } else if (status == MF_E_DATA) {
        status = mf_llamacpp_compute_bound(&size, setup); /* tensors that no known graph reads */
    }
    free_work(&w);
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
