/*
 * placement.c - a handful of placements that people use, each pushed as far as memory allows, the soonest answer wins.
 */
#include "speed/placement.h"

#include <math.h>
#include <stdlib.h>

#include "memory/llamacpp_place.h"
#include "speed/path.h"

typedef struct search {
    mf_case run; /* with a footprint */
    const mf_tensor_type *types;
    const mf_calibration *calibration;
    mf_layer_part *parts;
    mf_fit_placement placement;
    mf_path *path;
    mf_placed best;
    double best_s;
    const char *reason;
} search;

void mf_placed_apply(mf_workload *workload,
                     mf_fit_placement *placement,
                     mf_layer_part *parts,
                     const mf_placed *placed,
                     const mf_model *model)
{
    if (placed->as_asked || !placed->known) {
        return;
    }
    workload->gpu_layers = placed->gpu_layers;
    workload->n_cpu_moe = placed->n_cpu_moe;
    workload->kv_offload = placed->kv_offload;
    workload->placement = NULL;
    if (placed->by_engine) {
        mf_llamacpp_fit_placement(placement, parts, &placed->choice, model);
        workload->placement = &placement->placement;
    }
}

/* Seconds from the request to its last token; infinite without ground. */
static mf_status
time_request(double *seconds, search *s, const mf_case *run, const mf_memory *memory, mf_error *err)
{
    const mf_workload *w = &run->workload;
    const char *reason = NULL;
    mf_path_time prefill = {0};
    *seconds = HUGE_VAL;
    const mf_status status =
        mf_path_build(s->path, &reason, run, s->types, memory, s->calibration, err);
    if (status != MF_OK || reason != NULL) {
        s->reason = reason;
        return status;
    }
    mf_step step = mf_step_of(w);
    step.n_tokens = fmax(1, (double)w->n_prompt);
    const bool known = mf_path_prefill(&prefill, &reason, s->path, step);
    step.depth = (double)w->n_prompt;
    step.n_tokens = (double)w->n_output;
    const double decode_s = mf_path_decode(s->path, step).total_s;
    *seconds = (known ? prefill.total_s : 0) + fmax(1, (double)w->n_output) * decode_s;
    return MF_OK;
}

/* Keeps a placement that fits and answers sooner than the best so far. */
static mf_status consider(search *s, mf_placed placed, mf_error *err)
{
    mf_case run = s->run;
    double seconds = HUGE_VAL;
    placed.known = true;
    mf_placed_apply(&run.workload, &s->placement, s->parts, &placed, run.model);
    mf_status status = mf_memory_need(&placed.memory, &run, err);
    if (status != MF_OK || !placed.memory.fits) {
        return status;
    }
    status = time_request(&seconds, s, &run, &placed.memory, err);
    if (status == MF_OK && seconds < s->best_s) {
        s->best_s = seconds;
        s->best = placed;
    }
    return status;
}

/* With so much more in every place; NULL is nothing. */
static bool devices_hold(const mf_memory *memory, const uint64_t *more)
{
    bool hold = true;
    for (size_t i = 0; i + 1 < memory->n_places; i++) {
        const mf_place *place = &memory->places[i];
        const uint64_t need = place->need_bytes + (more != NULL ? more[i] : 0);
        hold = hold && mf_within(need, place->limit_bytes);
    }
    return hold;
}

/* One kind of placement, in steps each of which takes more from the devices and gives it to the host. */
typedef struct ladder {
    const mf_case *run;
    mf_placed *placed;
    void (*set)(mf_placed *placed, const mf_model *model, uint32_t step);
    uint32_t last;
} ladder;

static mf_case at_step(const ladder *l, uint32_t step)
{
    mf_case run = *l->run;
    l->set(l->placed, run.model, step);
    mf_placed_apply(&run.workload, NULL, NULL, l->placed, run.model);
    return run;
}

static bool has_least(const mf_case *run)
{
    return run->engine->id == MF_ENGINE_LLAMACPP && run->footprint != NULL;
}

/* Without the compute buffers, whose layout is what takes time. */
static mf_status least_at(mf_memory *least, const ladder *l, uint32_t step, mf_error *err)
{
    const mf_case run = at_step(l, step);
    *least = (mf_memory){0};
    const layout at = mf_layout_places(least, &run);
    return mf_llamacpp_least(least, &run, &at, err);
}

/* The first step from `low` on whose least leaves room for the buffers; the last one if none does. */
static mf_status first_with_room(
    uint32_t *step, const ladder *l, uint32_t low, const uint64_t *buffers, mf_error *err)
{
    mf_memory least;
    uint32_t high = l->last;
    mf_status status = MF_OK;
    while (status == MF_OK && low < high) {
        const uint32_t middle = low + (high - low) / 2;
        status = least_at(&least, l, middle, err);
        const bool out = status == MF_OK && !devices_hold(&least, buffers);
        low = out ? middle + 1 : low;
        high = out ? high : middle;
    }
    *step = high;
    return status;
}

/* The first step that is not out without any buffer, and whether the host is already too full there: later ones only fill
   it further. */
static mf_status first_hope(uint32_t *step, bool *hopeless, const ladder *l, mf_error *err)
{
    mf_memory least;
    mf_status status = first_with_room(step, l, 0, NULL, err);
    status = status == MF_OK ? least_at(&least, l, *step, err) : status;
    if (status == MF_OK) {
        const mf_place *host = &least.places[least.n_places - 1];
        *hopeless = !devices_hold(&least, NULL) || !mf_within(host->need_bytes, host->limit_bytes);
    }
    return status;
}

static void take_buffers(uint64_t *buffers, const mf_memory *memory)
{
    for (size_t i = 0; i < memory->n_places; i++) {
        buffers[i] = memory->places[i].terms[MF_TERM_COMPUTE];
    }
}

/* The next step to try of low .. high: buffers change little from step to step, so that those of the step before tell the
   answer or its neighbour. Without a least the middle. */
static mf_status next_step(uint32_t *step,
                           const ladder *l,
                           uint32_t low,
                           uint32_t high,
                           const uint64_t *buffers,
                           mf_error *err)
{
    *step = low + (high - low) / 2;
    if (!has_least(l->run)) {
        return MF_OK;
    }
    const mf_status status = first_with_room(step, l, low, buffers, err);
    *step = *step < high ? *step : high;
    return status;
}

/* What was tried of a ladder. */
typedef struct tries {
    uint64_t buffers[MF_MAX_PLACES]; /* of the step tried last */
    mf_memory held;                  /* the breakdown of the first step that holds */
    uint32_t first;                  /* that step, or behind the last one if none was found */
} tries;

static mf_status try_step(bool *holds, tries *t, const ladder *l, uint32_t step, mf_error *err)
{
    const mf_case run = at_step(l, step);
    mf_memory *memory = &l->placed->memory;
    const mf_status status = mf_memory_need(memory, &run, err);
    *holds = status == MF_OK && devices_hold(memory, NULL);
    if (*holds) {
        t->held = *memory;
        t->first = step;
    }
    if (status == MF_OK) {
        take_buffers(t->buffers, memory);
    }
    return status;
}

/* Layers are cut in whole between devices, so that a step may take one more of them from one device and give one to another:
   of one step and the n-th behind it, n the inverse of the smallest device's share, no device holds more at the second. */
static uint32_t most_uneven(const mf_memory *memory)
{
    double sum = 0;
    double least = 0;
    for (size_t i = 0; i + 1 < memory->n_places; i++) {
        const double limit = (double)memory->places[i].limit_bytes;
        sum += limit;
        least = i == 0 || limit < least ? limit : least;
    }
    return memory->n_places > 2 && least > 0 ? (uint32_t)ceil(sum / least) : 0;
}

/* Steps shortly before the first that holds which may hold as well. */
static mf_status try_uneven(tries *t, const ladder *l, mf_error *err)
{
    const uint32_t n = most_uneven(&t->held);
    const uint32_t first = t->first;
    bool holds = false;
    mf_status status = MF_OK;
    for (uint32_t step = first - (n < first ? n : first); !holds && step < first; step++) {
        mf_memory least = {0};
        status = has_least(l->run) ? least_at(&least, l, step, err) : MF_OK;
        if (status == MF_OK && devices_hold(&least, t->buffers)) {
            status = try_step(&holds, t, l, step, err);
        }
        if (status != MF_OK) {
            return status;
        }
    }
    return MF_OK;
}

/* The first step that the devices hold: all before it were tried in vain or are ruled out by what those need. */
static mf_status first_that_fits(bool *found, const ladder *l, mf_error *err)
{
    tries t = {.first = l->last + 1};
    uint32_t low = 0;
    bool hopeless = false;
    take_buffers(t.buffers, &l->placed->memory);
    mf_status status = has_least(l->run) ? first_hope(&low, &hopeless, l, err) : MF_OK;
    while (status == MF_OK && !hopeless && low < t.first) {
        uint32_t step = 0;
        bool holds = false;
        status = next_step(&step, l, low, t.first - 1, t.buffers, err);
        status = status == MF_OK ? try_step(&holds, &t, l, step, err) : status;
        low = holds ? low : step + 1;
    }
    if (status == MF_OK && !hopeless && t.first <= l->last) {
        status = try_uneven(&t, l, err);
    }
    *found = status == MF_OK && t.first <= l->last && t.held.fits;
    if (*found) {
        l->placed->memory = t.held;
        l->set(l->placed, l->run->model, t.first);
    }
    return status;
}

static void leave_experts(mf_placed *placed, const mf_model *model, uint32_t step)
{
    (void)model;
    placed->n_cpu_moe = step;
}

mf_status
mf_placement_fewest_experts(bool *found, mf_placed *placed, const mf_case *run, mf_error *err)
{
    const ladder experts = {
        .run = run, .placed = placed, .set = leave_experts, .last = (uint32_t)run->model->n_layers};
    return first_that_fits(found, &experts, err);
}

/* The output counts as a layer. */
static void leave_layers(mf_placed *placed, const mf_model *model, uint32_t step)
{
    placed->gpu_layers = (int32_t)(model->n_layers + 1 - step);
}

mf_status
mf_placement_most_layers(bool *found, mf_placed *placed, const mf_case *run, mf_error *err)
{
    const ladder layers = {.run = run,
                           .placed = placed,
                           .set = leave_layers,
                           .last = (uint32_t)run->model->n_layers + 1};
    return first_that_fits(found, &layers, err);
}

/* Experts of as few layers as possible on the host; if all are too few, layers too. */
static mf_status consider_experts(search *s, bool kv_offload, mf_error *err)
{
    bool found = false;
    mf_placed placed = {.known = true, .gpu_layers = MF_ALL_LAYERS, .kv_offload = kv_offload};
    mf_status status = mf_placement_fewest_experts(&found, &placed, &s->run, err);
    if (status == MF_OK && !found) {
        status = mf_placement_most_layers(&found, &placed, &s->run, err);
    }
    return status == MF_OK && found ? consider(s, placed, err) : status;
}

static mf_status consider_layers(search *s, bool kv_offload, mf_error *err)
{
    bool found = false;
    mf_placed placed = {.known = true, .kv_offload = kv_offload};
    const mf_status status = mf_placement_most_layers(&found, &placed, &s->run, err);
    return status == MF_OK && found ? consider(s, placed, err) : status;
}

/* llama.cpp's own choice, for the context that was asked for. */
static mf_status consider_fit(search *s, mf_error *err)
{
    mf_placed placed = {.by_engine = true, .kv_offload = true};
    const mf_fit_target target = {.n_ctx = s->run.workload.n_ctx};
    mf_case run = s->run;
    run.workload.gpu_layers = MF_ALL_LAYERS;
    run.workload.n_cpu_moe = 0;
    run.workload.placement = NULL;
    const mf_status status = mf_llamacpp_fit(&placed.choice, &run, &target, err);
    if (status != MF_OK || placed.choice.fits_as_it_is) {
        return status;
    }
    placed.gpu_layers = placed.choice.gpu_layers;
    return consider(s, placed, err);
}

static mf_status consider_all(search *s, mf_error *err)
{
    const mf_workload *w = &s->run.workload;
    mf_status status = consider(s,
                                (mf_placed){.as_asked = true,
                                            .gpu_layers = w->gpu_layers,
                                            .n_cpu_moe = w->n_cpu_moe,
                                            .kv_offload = w->kv_offload},
                                err);
    if (s->run.engine->id != MF_ENGINE_LLAMACPP || s->run.backend == MF_BACKEND_CPU) {
        return status;
    }
    /* A cache on the host is the last resort: its attention runs there, and every layer crosses the link twice. */
    for (int i = 0; status == MF_OK && i < 2 && (i == 0 || !s->best.known); i++) {
        const bool kv_offload = i == 0;
        status = consider_layers(s, kv_offload, err);
        if (status == MF_OK && mf_model_has_experts(s->run.model)) {
            status = consider_experts(s, kv_offload, err);
        }
    }
    return status == MF_OK ? consider_fit(s, err) : status;
}

static mf_status begin(search *s, mf_footprint **own, mf_error *err)
{
    s->parts = calloc(s->run.model->n_layers + 1, sizeof *s->parts);
    s->path = calloc(1, sizeof *s->path);
    if (s->parts == NULL || s->path == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory to look for a placement");
    }
    if (s->run.footprint != NULL) {
        return MF_OK;
    }
    const mf_status status = mf_footprint_new(own, s->run.model, s->run.quant, err);
    s->run.footprint = *own;
    return status;
}

mf_status mf_placement_search(mf_placed *placed,
                              const char **reason,
                              const mf_case *run,
                              const mf_tensor_type *types,
                              const mf_calibration *calibration,
                              mf_error *err)
{
    mf_footprint *own = NULL;
    search s = {.run = *run, .types = types, .calibration = calibration, .best_s = HUGE_VAL};
    mf_status status = begin(&s, &own, err);
    status = status == MF_OK ? consider_all(&s, err) : status;
    if (status == MF_OK) {
        *placed = s.best;
        *reason = s.best.known ? NULL : s.reason != NULL ? s.reason : "the model does not fit";
    }
    free(s.parts);
    free(s.path);
    mf_footprint_free(own);
    return status;
}
