#include "memory/compute_replay.h"

#include <stdlib.h>
#include <string.h>

void mf_compute_form_free(compute_form *form)
{
    mf_graph_free(&form->g);
    mf_schedule_free(&form->s);
    free(form->runs);
    free(form->begins);
    free(form->first_ids);
    free(form->counted);
    free(form->states);
    *form = (compute_form){.n_runs = 0};
}

void mf_compute_form_renew(compute_form *form)
{
    free(form->counted);
    free(form->states);
    form->counted = NULL;
    form->states = NULL;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    static const uint64_t odd = 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
    enum { SHIFT = 29 };
    hash = (hash ^ value) * odd;
    return hash ^ hash >> SHIFT;
}

/* The free blocks, and where every tensor of the last period is that is alive. */
static uint64_t state_behind(const compute_form *f,
                             const compute_places *places,
                             const galloc_buffer *buffers,
                             const layer_run *r,
                             size_t n_periods)
{
    const uint32_t begin = f->first_ids[r->at + (n_periods - 1) * r->period];
    const uint32_t end = f->first_ids[r->at + n_periods * r->period];
    uint64_t hash = end - begin;
    for (size_t i = 0; i < places->n_places; i++) {
        const galloc_buffer *buffer = &buffers[i];
        hash = mix(hash, buffer->n_blocks);
        for (size_t k = 0; k < buffer->n_blocks; k++) {
            hash = mix(mix(hash, buffer->blocks[k].offset), buffer->blocks[k].size);
        }
    }
    for (uint32_t i = begin; i < end; i++) {
        const galloc_state *state = &f->states[i];
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
    size_t more = 2 * r->n_kept;
    for (size_t d = 1; d < r->n_kept; d++) {
        if (r->states[r->n_kept] == r->states[r->n_kept - d]) {
            more = r->n_kept + n_left % d;
            break;
        }
    }
    const bool settled = more == r->n_kept;
    r->n_kept = more <= COMPUTE_MOST_KEPT && more < r->n_periods ? more : r->n_periods;
    return settled;
}

static bool count_once(compute_form *f, const galloc_order *order)
{
    if (f->counted == NULL) {
        f->counted = calloc(f->g.n_nodes, sizeof *f->counted);
        f->states = malloc(f->g.n_nodes * sizeof *f->states);
        if (f->counted == NULL || f->states == NULL) {
            return false;
        }
        galloc a = {.states = f->counted};
        mf_galloc_count(&a, &f->g, order);
    }
    memcpy(f->states, f->counted, f->g.n_nodes * sizeof *f->states);
    return true;
}

static bool run_steps(galloc *a, compute_form *f, const compute_places *places)
{
    size_t next = 0;
    size_t n_periods = 1;
    bool settled = true;
    for (size_t i = 0; i < f->s.steps.n; i++) {
        const galloc_step *step = &f->s.steps.items[i];
        layer_run *r = next < f->n_runs ? &f->runs[next] : NULL;
        if (r != NULL && r->n_kept < r->n_periods &&
            step->tensor == f->g.order[f->begins[r->at + n_periods * r->period]]) {
            r->states[n_periods] = state_behind(f, places, a->buffers, r, n_periods);
            n_periods++;
        }
        if (r != NULL && (n_periods > r->n_kept || r->n_kept == r->n_periods)) {
            settled &= has_settled(r);
            n_periods = 1;
            next++;
        }
        mf_galloc_run(a, &f->g, step);
    }
    return settled;
}

mf_status mf_compute_replay(compute_way *way,
                            bool *settled,
                            compute_form *form,
                            const compute_places *places,
                            galloc_buffer *buffers)
{
    enum { HOST_ALIGNMENT = 32 };
    const galloc_order order = {.leaves = form->s.leaves.items,
                                .n_leaves = form->s.leaves.n,
                                .steps = form->s.steps.items,
                                .n_steps = form->s.steps.n};
    if (!count_once(form, &order)) {
        return MF_E_NOMEM;
    }
    galloc a = {.buffers = buffers, .n_buffers = places->n_places, .states = form->states};
    for (size_t i = 0; i < places->n_places; i++) {
        const bool device = i + 1 < places->n_places;
        mf_galloc_begin(&buffers[i],
                        device ? places->alignment : HOST_ALIGNMENT,
                        device && places->has_scratch);
    }
    mf_galloc_leaves(&a, &form->g, &order);
    *settled = run_steps(&a, form, places);
    *way = (compute_way){.n_tensors = form->g.n_order, .n_splits = form->s.n_splits};
    mf_status status = MF_OK;
    for (size_t i = 0; i < places->n_places; i++) {
        status = *settled && buffers[i].failed ? MF_E_UNSUPPORTED : status;
        way->bytes[i] = buffers[i].max_size;
        way->path = mix(way->path, buffers[i].path);
    }
    return status;
}

uint64_t mf_compute_form_hash(const compute_form *form)
{
    const graph *g = &form->g;
    uint64_t hash = g->n_nodes;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const graph_node *node = &g->nodes[i];
        hash = mix(hash, (uint64_t)node->op << 32U | node->view_src);
        for (size_t k = 0; k < node->n_src; k++) {
            hash = mix(hash, node->src[k]);
        }
    }
    const schedule_list *lists[] = {&form->s.leaves, &form->s.steps};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            const galloc_step *step = &lists[k]->items[i];
            hash = mix(hash, (uint64_t)step->buffer << 32U | step->tensor);
        }
    }
    return hash;
}
