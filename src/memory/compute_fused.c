/*
 * compute_fused.c - which fused kernels a graph has: llama.cpp schedules short prompts, one for each kernel, and gives up
 * a kernel in all layers if it would run elsewhere than its layer in one (llama-context.cpp: resolve_fused_ops).
 *
 * Where something runs depends on what lies where, not on sizes: the answers are remembered by the placement.
 */
#include <stdlib.h>
#include <string.h>

#include "memory/compute_work.h"

static const uint64_t tokens_each[FUSED_OPS] = {[FUSED_DELTA_STEP] = 1,
                                                [FUSED_DELTA] = 16,
                                                [FUSED_INDEXER] = 1,
                                                [FUSED_JOIN] = 1,
                                                [FUSED_MIX] = 1,
                                                [FUSED_SPREAD] = 1};

/* One period of each run of layers alike, on whatever devices and however they are stored: what decides whether a kernel runs
   with its layer lies in that layer. */
static mf_status begin_probes(compute_work *w, bool whole)
{
    const mf_status status = mf_compute_begin_form(w, LAYERS_RUN_ALIKE, whole);
    for (size_t i = 0; !whole && i < w->blank.n_runs; i++) {
        w->blank.runs[i].n_kept = 1;
    }
    return status;
}

static mf_status probe(compute_work *w, uint64_t n_each)
{
    const mf_workload *load = w->setup->workload;
    builder *b = &w->b;
    b->n_tokens = n_each * b->n_sequences;
    b->n_outputs = b->n_tokens;
    b->norms_stay = w->setup->fully_offloaded || b->n_tokens < COMPUTE_FEW_TOKENS;
    b->attends_on_host = !load->kv_offload && !load->flash_attention;
    const mf_status status = mf_compute_build_graph(w);
    const schedule_setup setup = mf_compute_schedule_setup(w);
    return status == MF_OK ? mf_schedule_places(&w->blank.s, &w->blank.g, &setup) : status;
}

static bool runs_elsewhere(const compute_work *w, fused_op op)
{
    for (size_t i = 0; i < w->b.n_fused; i++) {
        const fused_tensor *t = &w->b.fused[i];
        if (t->op == op && w->blank.s.places[t->tensor] != t->layer_place) {
            return true;
        }
    }
    return false;
}

static mf_status probe_all(compute_work *w, const bool *has, bool whole)
{
    enum { MOST_OF_LAYER = 8 };
    uint64_t built = 0;
    builder *b = &w->b;
    b->fused = calloc(w->setup->footprint->n_run * MOST_OF_LAYER, sizeof *b->fused);
    mf_status status = b->fused != NULL ? begin_probes(w, whole) : MF_E_NOMEM;
    for (fused_op op = 0; status == MF_OK && op < FUSED_OPS; op++) {
        if (has[op] && built != tokens_each[op]) {
            status = probe(w, tokens_each[op]);
            built = tokens_each[op];
        }
        if (status == MF_OK && has[op] && runs_elsewhere(w, op)) {
            b->unfused[op] = true;
            built = 0;
        }
    }
    free(b->fused);
    b->fused = NULL;
    return status;
}

compute_key mf_compute_placement_key(const compute_work *w)
{
    const compute_setup *setup = w->setup;
    const mf_workload *load = setup->workload;
    return (compute_key){.layer_places = setup->layer_places,
                         .n_layer_places = setup->footprint->model->n_layers + 1,
                         .n_sequences = w->b.n_sequences,
                         .n_streams = w->b.n_streams,
                         .places = {.n_places = setup->n_places},
                         .n_cpu_moe = load->n_cpu_moe,
                         .kv_type_k = load->kv_type_k,
                         .kv_type_v = load->kv_type_v,
                         .flash_attention = load->flash_attention,
                         .kv_offload = load->kv_offload,
                         .offloads = setup->offloads,
                         .norms_stay = setup->fully_offloaded};
}

mf_status mf_compute_resolve_fused(compute_work *w, bool whole)
{
    bool has[FUSED_OPS] = {false};
    if (!mf_llamacpp_is_apart(w->setup) || !mf_build_list_fused(has, w->setup->footprint)) {
        return MF_OK;
    }
    const compute_key key = mf_compute_placement_key(w);
    if (mf_compute_memo_find_unfused(w->b.unfused, w->memo, &key)) {
        return MF_OK;
    }
    const mf_status status = probe_all(w, has, whole);
    mf_compute_begin_builder(w);
    if (status == MF_OK) {
        mf_compute_memo_keep_unfused(w->memo, &key, w->b.unfused);
    }
    return status;
}
