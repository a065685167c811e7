#include "plan/ready.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory/footprint.h"
#include "memory/internal.h"
#include "memory/llamacpp_place.h"

/* Behind the footprint. */
static mf_status finish_model(mf_ready_model *ready, mf_error *err)
{
    const mf_work_part whole = {0};
    const mf_status status =
        mf_work_build(&ready->work, ready->model, ready->footprint->types, &whole, err);
    if (status != MF_OK) {
        mf_ready_model_free(ready);
        return status;
    }
    mf_footprint_remember(ready->footprint);
    return MF_OK;
}

mf_status mf_ready_model_make(mf_ready_model *ready,
                              const mf_model *model,
                              const mf_quant *quant,
                              mf_error *err)
{
    *ready = (mf_ready_model){.model = model, .quant = quant};
    const mf_status status = mf_footprint_new(&ready->footprint, model, quant, err);
    return status == MF_OK ? finish_model(ready, err) : status;
}

mf_status mf_ready_model_make_like(mf_ready_model *ready,
                                   const mf_ready_model *like,
                                   const mf_quant *quant,
                                   mf_error *err)
{
    *ready = (mf_ready_model){.model = like->model, .quant = quant};
    const mf_status status = mf_footprint_new_like(&ready->footprint, like->footprint, quant, err);
    return status == MF_OK ? finish_model(ready, err) : status;
}

void mf_ready_model_free(mf_ready_model *ready)
{
    mf_footprint_free(ready->footprint);
    ready->footprint = NULL;
}

uint64_t mf_ready_least_bytes(const mf_ready_model *ready)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ready->model->n_layers; i++) {
        const layer_bytes *bytes = &ready->footprint->layers[i];
        sum += bytes->experts[BUFFER_HOST] + bytes->others[BUFFER_HOST];
    }
    return sum;
}

static mf_case
case_of(const mf_ready_machine *machine, const mf_ready_model *model, const mf_workload *workload)
{
    return (mf_case){.model = model->model,
                     .quant = model->quant,
                     .machine = machine->machine,
                     .engine = machine->engine,
                     .backend = machine->backend,
                     .workload = *workload,
                     .footprint = model->footprint};
}

/* A context that every model has; weights do not depend on it. */
static mf_workload short_workload(const mf_engine *engine)
{
    enum { CONTEXT = 256 };
    mf_workload w = engine->defaults;
    w.n_ctx = CONTEXT;
    w.n_prompt = CONTEXT / 2;
    w.n_output = CONTEXT / 4;
    return w;
}

/* Devices alike take turns with parts of a model: their times add up to that of the whole on one of them, as the law
   is linear in the work. */
static void fold(mf_ready_machine *ready)
{
    mf_path *path = &ready->path;
    for (size_t i = 1; i < path->n_segments; i++) {
        const char *a = path->segments[0].setting.chip;
        const char *b = path->segments[i].setting.chip;
        if (a == NULL || b == NULL || strcmp(a, b) != 0) {
            ready->mixed = true;
            return;
        }
    }
    path->n_segments = path->n_segments > 0 ? 1 : 0;
}

static mf_status build_path(mf_ready_machine *ready, const mf_ready_model *model, mf_error *err)
{
    const mf_workload w = short_workload(ready->engine);
    const mf_case run = case_of(ready, model, &w);
    const char *reason = NULL;
    if (ready->calibration == NULL) {
        ready->no_speed = "the engine has no calibration";
        return MF_OK;
    }
    const mf_status status = mf_path_build(
        &ready->path, &reason, &run, model->footprint->types, NULL, ready->calibration, err);
    ready->no_speed = reason;
    if (status == MF_OK && reason == NULL) {
        fold(ready);
    }
    return status;
}

static void fill_intervals(mf_ready_machine *ready)
{
    const mf_setting *setting = &ready->path.segments[0].setting;
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        const mf_speed_test test = (mf_speed_test)t;
        ready->basis[t] = mf_interval_basis(ready->calibration, setting, test);
        ready->widths[t] = mf_interval_width_of(ready->calibration, setting, test, ready->basis[t]);
    }
}

mf_status mf_ready_machine_make(mf_ready_machine *ready,
                                const mf_machine *machine,
                                const mf_engine *engine,
                                mf_backend backend,
                                const mf_calibration *calibration,
                                const mf_ready_model *any,
                                mf_error *err)
{
    *ready = (mf_ready_machine){
        .machine = machine, .engine = engine, .backend = backend, .calibration = calibration};
    const mf_workload w = short_workload(engine);
    const mf_case run = case_of(ready, any, &w);
    mf_status status = mf_memory_least(&ready->places, &run, err);
    if (status == MF_OK) {
        ready->turned_to = any->model;
        ready->hidden = (double)any->model->hidden;
        status = build_path(ready, any, err);
    }
    if (status == MF_OK && ready->no_speed == NULL) {
        fill_intervals(ready);
    }
    return status;
}

/* The law has factors of a model's architecture, and hops between devices carry its hidden state: two bytes of the path
   for each element (path.c), so that they go from one model to the other in proportion. A tensor split reduces by layers
   as well. */
static bool turn_path(mf_ready_machine *ready, const mf_model *model)
{
    mf_path *path = &ready->path;
    mf_setting *setting = &path->segments[0].setting;
    if (path->n_segments != 1 || path->parallel || path->on_host || !(ready->hidden > 0)) {
        return false;
    }
    setting->architecture = model->architecture;
    path->segments[0].knobs = mf_knobs_of(ready->calibration, setting);
    path->hop_bytes = path->hop_bytes / ready->hidden * (double)model->hidden;
    return true;
}

mf_status mf_ready_machine_turn(mf_ready_machine *ready, const mf_ready_model *model, mf_error *err)
{
    mf_status status = MF_OK;
    if (ready->no_speed != NULL) {
        return MF_OK;
    }
    if (ready->turned_to != model->model && !turn_path(ready, model->model)) {
        status = build_path(ready, model, err);
    }
    ready->turned_to = model->model;
    ready->hidden = (double)model->model->hidden;
    if (!ready->mixed) {
        ready->path.segments[0].work = model->work;
    }
    return status;
}

static double device_limit(const mf_ready_machine *ready)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < ready->places.n_places; i++) {
        sum += (double)ready->places.places[i].limit_bytes;
    }
    return sum;
}

/* Backends whose buffers are laid out alike (llamacpp.c: alignment, scratch, copies for a pipeline of devices). */
static int layout_group(const mf_ready_machine *m)
{
    enum { METAL, PLAIN, CUDA, OTHER };
    static const int groups[MF_BACKEND_COUNT] = {[MF_BACKEND_METAL] = METAL,
                                                 [MF_BACKEND_CPU] = PLAIN,
                                                 [MF_BACKEND_CUDA] = CUDA,
                                                 [MF_BACKEND_ROCM] = CUDA,
                                                 [MF_BACKEND_VULKAN] = OTHER,
                                                 [MF_BACKEND_SYCL] = OTHER};
    return groups[m->backend];
}

bool mf_ready_alike(const mf_ready_machine *a, const mf_ready_machine *b)
{
    static const double slack = 1e-9;
    if (a->engine != b->engine || layout_group(a) != layout_group(b) ||
        a->places.n_places != b->places.n_places) {
        return false;
    }
    const double sum_a = device_limit(a);
    const double sum_b = device_limit(b);
    for (size_t i = 0; i + 1 < a->places.n_places; i++) {
        const double share_a = (double)a->places.places[i].limit_bytes / sum_a;
        const double share_b = (double)b->places.places[i].limit_bytes / sum_b;
        if (fabs(share_a - share_b) > slack) {
            return false;
        }
    }
    return true;
}

static bool same_numbers(const double *a, const double *b, size_t n)
{
    bool same = true;
    for (size_t i = 0; i < n; i++) {
        same = same && !(a[i] < b[i]) && !(a[i] > b[i]);
    }
    return same;
}

/* Chips of one name may differ in a what-if. */
static bool same_rates(const mf_segment *a, const mf_segment *b)
{
    const mf_peaks *p = &a->peaks;
    const mf_peaks *q = &b->peaks;
    const double peaks[] = {p->bandwidth_bytes_per_s,
                            p->lane_flop_per_s,
                            p->matrix_flop_per_s,
                            p->bf16_flop_per_s,
                            p->packed_flop_per_s,
                            p->attention_flop_per_s,
                            p->scores_flop_per_s,
                            p->best_op_per_s,
                            p->overlap};
    const double others[] = {q->bandwidth_bytes_per_s,
                             q->lane_flop_per_s,
                             q->matrix_flop_per_s,
                             q->bf16_flop_per_s,
                             q->packed_flop_per_s,
                             q->attention_flop_per_s,
                             q->scores_flop_per_s,
                             q->best_op_per_s,
                             q->overlap};
    const mf_knobs *k = &a->knobs;
    const mf_knobs *l = &b->knobs;
    return p->attention_by_flop == q->attention_by_flop && k->skips_tail == l->skips_tail &&
           same_numbers(peaks, others, sizeof peaks / sizeof peaks[0]) &&
           same_numbers(k->value, l->value, MF_KNOB_COUNT) &&
           same_numbers(k->lane, l->lane, MF_FORMAT_COUNT) &&
           same_numbers(k->work, l->work, MF_FORMAT_COUNT) &&
           same_numbers(k->scale, l->scale, MF_TEST_COUNT);
}

bool mf_ready_as_fast(const mf_ready_machine *a, const mf_ready_machine *b)
{
    const mf_segment *first = &a->path.segments[0];
    const mf_segment *second = &b->path.segments[0];
    return a->engine == b->engine && a->backend == b->backend && a->no_speed == NULL &&
           b->no_speed == NULL && a->path.n_pipelined == 1 && b->path.n_pipelined == 1 &&
           !a->path.on_host && !b->path.on_host && a->machine->fanless == b->machine->fanless &&
           first->setting.chip != NULL && second->setting.chip != NULL &&
           strcmp(first->setting.chip, second->setting.chip) == 0 && same_rates(first, second);
}

/* llama.cpp's weights don't need the replay of its buffers. */
static mf_status weights_need(mf_memory *need, const mf_case *run, mf_error *err)
{
    if (run->engine->id != MF_ENGINE_LLAMACPP) {
        return mf_memory_need(need, run, err);
    }
    *need = (mf_memory){0};
    const layout at = mf_layout_places(need, run);
    return mf_llamacpp_weights(need, run, &at, err);
}

mf_status mf_ready_weights(mf_ready_bytes *bytes,
                           const mf_ready_machine *machine,
                           const mf_ready_model *model,
                           mf_error *err)
{
    const mf_workload w = short_workload(machine->engine);
    const mf_case run = case_of(machine, model, &w);
    mf_memory need;
    const mf_status status = weights_need(&need, &run, err);
    for (size_t i = 0; status == MF_OK && i < need.n_places; i++) {
        bytes->places[i] = need.places[i].terms[MF_TERM_WEIGHTS];
    }
    return status;
}

mf_status mf_ready_rest(mf_ready_bytes *bytes,
                        const mf_ready_machine *machine,
                        const mf_ready_model *model,
                        const mf_workload *workload,
                        mf_error *err)
{
    const mf_case run = case_of(machine, model, workload);
    mf_memory need;
    const mf_status status = mf_memory_need(&need, &run, err);
    for (size_t i = 0; status == MF_OK && i < need.n_places; i++) {
        const mf_place *place = &need.places[i];
        bytes->places[i] =
            place->need_bytes - place->terms[MF_TERM_WEIGHTS] - place->terms[MF_TERM_RUNTIME];
    }
    return status;
}

mf_ready_room mf_ready_room_of(const mf_ready_machine *machine,
                               const mf_ready_bytes *weights,
                               const mf_ready_bytes *rest)
{
    const mf_memory *places = &machine->places;
    mf_ready_room room = {.left_bytes = INT64_MAX};
    for (size_t i = 0; i < places->n_places; i++) {
        const mf_place *place = &places->places[i];
        const uint64_t need = weights->places[i] + rest->places[i] + place->terms[MF_TERM_RUNTIME];
        room.need_bytes += need;
        room.left_bytes = mf_least_left(room.left_bytes, need, place->limit_bytes);
    }
    room.left_bytes = mf_least_left(room.left_bytes, room.need_bytes, places->shared_limit_bytes);
    room.fits = room.left_bytes >= 0;
    return room;
}

typedef mf_rate (*find_rate)(const mf_ready_machine *m,
                             const mf_path *path,
                             const mf_path_time *time,
                             mf_speed_test test,
                             double n_tokens);

/* On the machine's own path, whose intervals' widths are known. */
static mf_rate ready_rate(const mf_ready_machine *m,
                          const mf_path *path,
                          const mf_path_time *time,
                          mf_speed_test test,
                          double n_tokens)
{
    (void)path;
    const double half_width = mf_interval_log(m->widths[test], time->log_sd);
    mf_rate rate =
        mf_interval_between(time, n_tokens, exp(-half_width), exp(half_width), m->machine);
    rate.basis = m->basis[test];
    return rate;
}

static mf_rate placed_rate(const mf_ready_machine *m,
                           const mf_path *path,
                           const mf_path_time *time,
                           mf_speed_test test,
                           double n_tokens)
{
    return mf_interval_rate(path, m->calibration, m->machine, time, test, n_tokens);
}

static mf_ready_speed
speed_on(mf_ready_machine *m, const mf_path *path, const mf_workload *w, find_rate rate_of)
{
    const double prompt = (double)w->n_prompt;
    const double output = (double)w->n_output;
    mf_step step = mf_step_of(w);
    step.depth = prompt;
    step.n_tokens = output;
    const mf_path_time decode = mf_path_decode(path, step);
    if (!(decode.total_s > 0)) {
        return (mf_ready_speed){0};
    }
    const mf_rate d = rate_of(m, path, &decode, MF_TEST_DECODE, 1);
    mf_ready_speed speed = {.known = true,
                            .decode_tok_s = d.tok_s,
                            .decode_low_tok_s = d.low_tok_s,
                            .decode_high_tok_s = d.high_tok_s,
                            .basis = {[MF_TEST_DECODE] = d.basis}};
    mf_path_time prefill = {0};
    const char *reason = NULL;
    step.depth = 0;
    step.n_tokens = fmax(1, prompt);
    if (mf_path_prefill(&prefill, &reason, path, step) && prefill.total_s > 0) {
        const mf_rate p = rate_of(m, path, &prefill, MF_TEST_PREFILL, step.n_tokens);
        speed.prefill_tok_s = p.tok_s;
        speed.prefill_low_tok_s = p.low_tok_s;
        speed.prefill_high_tok_s = p.high_tok_s;
        speed.basis[MF_TEST_PREFILL] = p.basis;
    }
    return speed;
}

mf_ready_speed mf_ready_speed_of(mf_ready_machine *machine, const mf_workload *workload)
{
    if (machine->no_speed != NULL || machine->mixed) {
        return (mf_ready_speed){0};
    }
    return speed_on(machine, &machine->path, workload, ready_rate);
}

mf_status mf_ready_placed_speed(mf_ready_speed *speed,
                                mf_ready_machine *machine,
                                const mf_ready_model *model,
                                const mf_case *run,
                                const mf_memory *memory,
                                mf_error *err)
{
    const char *reason = NULL;
    *speed = (mf_ready_speed){0};
    if (machine->calibration == NULL) {
        return MF_OK;
    }
    mf_path *path = malloc(sizeof *path);
    if (path == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a placement");
    }
    const mf_status status = mf_path_build(
        path, &reason, run, model->footprint->types, memory, machine->calibration, err);
    if (status == MF_OK && reason == NULL) {
        *speed = speed_on(machine, path, &run->workload, placed_rate);
    }
    free(path);
    return status;
}
