/*
 * compute_sizes.c - the sizes of a graph whose structure is known: one layer of each kind is built and stands for all.
 */
#include <stdlib.h>
#include <string.h>

#include "memory/compute_work.h"

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
