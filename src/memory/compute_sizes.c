/*
 * compute_sizes.c - graphs of one structure: by what it is told, and the sizes of such a graph, for which one layer of each
 * kind is built and stands for all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mix.h"
#include "memory/compute_work.h"

/* What a cache of this type adds to a graph: a matrix to turn it, a cast. */
static uint64_t cache_class(mf_tensor_type type)
{
    enum { PLAIN, QUANTIZED, TO_BE_CAST };
    const bool quantized = mf_tensor_type_get(type)->block_elements > 1;
    return quantized ? QUANTIZED : type == MF_TYPE_F32 ? TO_BE_CAST : PLAIN;
}

static uint64_t mix_all(uint64_t hash, const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hash = mf_mix(hash, numbers[i]);
    }
    return hash;
}

static uint64_t mix_setting(const compute_work *w)
{
    const builder *b = &w->b;
    const compute_setup *setup = w->setup;
    const mf_workload *load = setup->workload;
    const uint64_t numbers[] = {setup->n_places,
                                setup->n_copies,
                                setup->offloads,
                                load->flash_attention,
                                load->kv_unified,
                                cache_class(load->kv_type_k),
                                cache_class(load->kv_type_v),
                                b->n_tokens,
                                b->n_outputs,
                                b->n_sequences,
                                b->n_streams,
                                (uint64_t)b->input_place,
                                (uint64_t)b->output_place,
                                b->norms_stay,
                                b->attends_on_host,
                                w->traits.rows};
    const uint64_t hash = mix_all(0, numbers, sizeof numbers / sizeof numbers[0]);
    uint64_t given_up = 0;
    for (fused_op op = 0; op < FUSED_OPS; op++) {
        given_up |= b->unfused[op] ? 1U << op : 0;
    }
    return mf_mix(hash, given_up);
}

static uint64_t mix_layer(uint64_t hash, const compute_work *w, const build_layer *l)
{
    enum { BYTE = 8 };
    const graph_traits *t = &w->traits;
    const bool turns = t->rope_period > 0 && (l->index + 1) % t->rope_period == 0;
    const uint64_t places = (uint64_t)(uint8_t)l->place << 2 * BYTE |
                            (uint64_t)(uint8_t)l->expert_place << BYTE | (uint8_t)l->cache_place;
    const uint64_t ways = (turns ? 1U : 0U) | (l->index < t->n_sparse ? 2U : 0U);
    return mf_mix(mf_mix(hash, w->setup->footprint->kinds[l->index]), ways << 3 * BYTE | places);
}

uint64_t mf_compute_structure(const compute_work *w)
{
    const compute_form *f = &w->blank;
    uint64_t hash = mix_setting(w);
    size_t n = 0;
    for (size_t i = 0; i < f->n_runs; i++) {
        const layer_run *r = &f->runs[i];
        const uint64_t numbers[] = {r->at, r->period, r->n_periods, r->n_kept};
        hash = mix_all(hash, numbers, sizeof numbers / sizeof numbers[0]);
        n += (r->n_periods - r->n_kept) * r->period;
    }
    n = w->setup->footprint->n_run - n;
    for (size_t i = 0; i < n; i++) {
        hash = mix_layer(hash, w, &w->layers[i]);
    }
    return hash;
}

/* Of a graph's n layers those that are built. */
typedef struct sample {
    build_layer *layers;
    uint32_t *kinds; /* of all n */
    uint32_t *built; /* of all n: which one has the sizes of its kind */
    size_t n_built;
} sample;

static void free_sample(sample *s)
{
    free(s->layers);
    free(s->kinds);
    free(s->built);
}

static bool begin_sample(sample *s, const compute_work *w, size_t n)
{
    *s = (sample){.layers = calloc(n + 1, sizeof *s->layers),
                  .kinds = calloc(n + 1, sizeof *s->kinds),
                  .built = calloc(n + 1, sizeof *s->built)};
    if (s->layers == NULL || s->kinds == NULL || s->built == NULL) {
        free_sample(s);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        s->kinds[i] = w->kinds[w->layers[i].index];
    }
    return true;
}

static bool comes_again(const sample *s, size_t n, size_t index)
{
    size_t i = index + 1;
    while (i < n && s->kinds[i] != s->kinds[index]) {
        i++;
    }
    return i < n;
}

/* The first layer, then the last one of every kind: inputs are told from the first or the last layer that has something. */
static void take_sample(sample *s, const compute_work *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !comes_again(s, n, i)) {
            s->layers[s->n_built] = w->layers[i];
            for (size_t k = 0; k < n; k++) {
                const bool stands = s->kinds[k] == s->kinds[i] && (k > 0 || i == 0);
                s->built[k] = stands ? (uint32_t)s->n_built : s->built[k];
            }
            s->n_built++;
        }
    }
}

/* Nodes of the graph from `at` up to `end` become as large as those of the sample from `from` up to `until`. */
static bool resize(graph *g,
                   const graph *like,
                   graph_tensor at,
                   graph_tensor end,
                   graph_tensor from,
                   graph_tensor until)
{
    if (end - at != until - from) {
        return false;
    }
    mf_graph_resize(g, at, like, from, end - at);
    return true;
}

static bool resize_all(compute_form *form, const compute_form *sizes, const sample *s, size_t n)
{
    graph *g = &form->g;
    const graph *like = &sizes->g;
    const graph_tensor *to = form->first_ids;
    const graph_tensor *from = sizes->first_ids;
    bool same = resize(g, like, 0, to[0], 0, from[0]);
    for (size_t i = 0; same && i < n; i++) {
        const uint32_t k = s->built[i];
        same = resize(g, like, to[i], to[i + 1], from[k], from[k + 1]);
    }
    same = same && resize(g, like, to[n], form->n_built, from[s->n_built], sizes->n_built);
    mf_graph_resize_copies(g, form->n_built);
    return same;
}

bool mf_compute_resize(compute_work *w, compute_form *form)
{
    sample s;
    if (mf_compute_begin_form(w, LAYERS_SIZED_ALIKE, false) != MF_OK) {
        return false;
    }
    const size_t n = mf_compute_list_layers(w, form);
    if (!begin_sample(&s, w, n)) {
        return false;
    }
    take_sample(&s, w, n);
    w->blank.g.unordered = true;
    bool same = mf_compute_build_layers(w, s.layers, s.n_built) == MF_OK;
    w->blank.g.unordered = false;
    same = same && resize_all(form, &w->blank, &s, n);
    free_sample(&s);
    return same;
}
