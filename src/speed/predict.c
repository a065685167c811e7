#include "memfit/predict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/units.h"
#include "memfit/calibration.h"
#include "memory/footprint.h"
#include "speed/crowded.h"
#include "speed/interval.h"
#include "speed/path.h"
#include "speed/placement.h"
#include "speed/speculate.h"

#define NAME_OF(name, text) [name] = (text),
static const char *const basis_names[] = {MF_BASIS_LIST(NAME_OF)};
static const char *const bound_names[] = {MF_BOUND_LIST(NAME_OF)};

const char *mf_basis_name(mf_basis basis)
{
    return basis_names[basis];
}

const char *mf_bound_name(mf_bound bound)
{
    return bound_names[bound];
}

static void warn(mf_prediction *p, const char *format, ...) MF_PRINTF(2, 3);

static void warn(mf_prediction *p, const char *format, ...)
{
    if (p->n_warnings == MF_MAX_WARNINGS) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p->warnings[p->n_warnings], MF_WARNING_SIZE, format, arguments);
    va_end(arguments);
    p->n_warnings++;
}

static mf_rate unknown_rate(const char *reason)
{
    return (mf_rate){.reason = reason, .basis = MF_BASIS_DATASHEET};
}

typedef struct speed {
    const mf_case *run;
    const mf_calibration *calibration;
    const mf_path *path;
    mf_step step;
} speed;

static mf_rate
rate_of(const speed *s, const mf_path_time *time, mf_speed_test test, double n_tokens)
{
    return mf_interval_rate(s->path, s->calibration, s->run->machine, time, test, n_tokens);
}

static mf_rate decode_at(const speed *s, double depth, double n_tokens)
{
    mf_step step = s->step;
    step.depth = depth;
    step.n_tokens = n_tokens;
    const mf_path_time time = mf_path_decode(s->path, step);
    return time.total_s > 0 ? rate_of(s, &time, MF_TEST_DECODE, 1)
                            : unknown_rate("the model has no weights to read");
}

static mf_rate prefill_at(const speed *s, double depth, double n_tokens)
{
    mf_step step = s->step;
    step.depth = depth;
    step.n_tokens = n_tokens;
    const char *reason = NULL;
    mf_path_time time = {0};
    if (!mf_path_prefill(&time, &reason, s->path, step) || time.total_s <= 0) {
        return unknown_rate(reason ? reason : "the model has no weights to read");
    }
    return rate_of(s, &time, MF_TEST_PREFILL, n_tokens);
}

static void fill_depths(mf_prediction *p, const speed *s)
{
    static const uint64_t depths[MF_MAX_DEPTHS] = {
        0, 1024, 4096, 8192, 16384, 32768, 65536, 131072};
    const uint64_t limit = s->run->workload.n_ctx;
    for (size_t i = 0; i < MF_MAX_DEPTHS && (i == 0 || depths[i] <= limit); i++) {
        mf_depth_point *point = &p->depths[i];
        point->depth_tokens = depths[i];
        point->decode = decode_at(s, (double)depths[i], 0);
        point->prefill = prefill_at(s, (double)depths[i], s->step.ubatch);
        p->n_depths = i + 1;
    }
}

static void fill_durations(mf_prediction *p, const mf_workload *w)
{
    const double prompt = (double)w->n_prompt;
    const double output = (double)w->n_output;
    if (!p->prefill.known) {
        p->effective = unknown_rate(p->prefill.reason);
        return;
    }
    p->ttft = (mf_duration){.known = true,
                            .s = prompt / p->prefill.tok_s,
                            .low_s = prompt / p->prefill.high_tok_s,
                            .high_s = prompt / p->prefill.low_tok_s};
    if (!p->decode.known || w->n_output == 0) {
        p->effective = unknown_rate("no output is asked for");
        return;
    }
    p->effective = p->decode;
    p->effective.tok_s = output / (p->ttft.s + output / p->decode.tok_s);
    p->effective.low_tok_s = output / (p->ttft.high_s + output / p->decode.low_tok_s);
    p->effective.high_tok_s = output / (p->ttft.low_s + output / p->decode.high_tok_s);
    p->effective.ceiling_tok_s =
        output / (prompt / p->prefill.ceiling_tok_s + output / p->decode.ceiling_tok_s);
    p->effective.basis = p->prefill.basis > p->decode.basis ? p->prefill.basis : p->decode.basis;
}

static void fill_speed(mf_prediction *p, const speed *s)
{
    const mf_workload *w = &s->run->workload;
    p->decode = decode_at(s, (double)w->n_prompt, (double)w->n_output);
    p->prefill = prefill_at(s, 0, fmax(1, (double)w->n_prompt));
    fill_durations(p, w);
    fill_depths(p, s);
}

static mf_status fill_speculation(
    mf_prediction *p, const speed *s, const mf_step_law *law, double depth, mf_error *err)
{
    if (!s->run->draft) {
        return MF_OK;
    }
    if (s->run->n_draft == 0) {
        p->speculation.reason = "how many tokens are drafted at a time is not stated";
        return MF_OK;
    }
    return mf_speculate(&p->speculation, law, s->run, s->calibration, depth, err);
}

/* All sequences as long as the one whose speed is given; and drafts of it. */
static mf_status fill_steps(mf_prediction *p, const speed *s, mf_error *err)
{
    const mf_workload *w = &s->run->workload;
    p->together = unknown_rate("one sequence is asked for");
    if (w->n_parallel < 2 && !s->run->draft) {
        return MF_OK;
    }
    mf_step_law *law = calloc(1, sizeof *law);
    if (!law) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a law of steps");
    }
    const double depth = (double)w->n_prompt + (double)w->n_output / 2;
    mf_status status = MF_OK;
    if (mf_step_law_make(law, s->path, s->step, NULL) != MF_OK) {
        p->together = unknown_rate("the speed of prompts is not known");
        p->speculation.reason = p->together.reason;
    } else {
        if (w->n_parallel > 1) {
            p->together = mf_step_rate(law, s->calibration, s->run->machine, w->n_parallel, depth);
        }
        status = fill_speculation(p, s, law, depth, err);
    }
    free(law);
    return status;
}

static void no_speed(mf_prediction *p, const char *reason)
{
    p->decode = p->together = p->prefill = p->effective = unknown_rate(reason);
}

static void warn_of_class(mf_prediction *p, const speed *s)
{
    for (size_t i = 0; i < s->path->n_segments; i++) {
        const mf_setting *setting = &s->path->segments[i].setting;
        const mf_basis basis = mf_interval_basis(s->calibration, setting, MF_TEST_DECODE);
        if (basis == MF_BASIS_DATASHEET && setting->chip_class != MF_CLASS_CPU) {
            warn(p,
                 "no measured chip of class '%s': speed from the data sheet alone",
                 mf_chip_class_name(setting->chip_class));
            return;
        }
    }
}

static bool host_is_calibrated(const speed *s)
{
    const mf_setting *host = &s->path->segments[s->path->n_segments - 1].setting;
    return mf_interval_basis(s->calibration, host, MF_TEST_DECODE) == MF_BASIS_CALIBRATED;
}

static void warn_of_crowd(mf_prediction *p, const speed *s)
{
    if (p->memory_known && mf_crowded(s->run, &p->placed.memory)) {
        warn(p,
             "over 97 %% of a card is taken: Vulkan's driver may move a part to the host; two "
             "measured runs that full fell to an eighth and to half of this");
    }
}

static void warn_of_ground(mf_prediction *p, const speed *s)
{
    const mf_segment *first = &s->path->segments[0];
    if (s->run->machine->fanless) {
        warn(p, "the machine has no fan: sustained speed is lower, down to the low end");
    }
    warn_of_crowd(p, s);
    warn_of_class(p, s);
    if (first->peaks.lanes_assumed) {
        warn(p, "INT32 rate of '%s' not published: half of FP32 assumed", first->setting.chip);
    }
    if (s->path->link_assumed && s->path->n_pipelined > 1) {
        warn(p, "latency between the devices not published: 27 us assumed");
    }
    if (s->path->on_host && !host_is_calibrated(s)) {
        warn(p,
             "%s runs on the CPU: its speed is an estimate from bandwidth",
             s->run->backend == MF_BACKEND_CPU ? "the model" : "part of the model");
    }
    if (s->run->workload.n_parallel > 1) {
        warn(
            p,
            "decode is one sequence's while the others are idle, \"together\" all of them at once");
    }
}

/* "39 of 61 layers on the device, experts of 20 layers on the host" */
static void describe(char *text, size_t size, const mf_placed *placed, const mf_model *model)
{
    const unsigned n_all = (unsigned)model->n_layers + 1;
    const bool all = placed->gpu_layers < 0 || (unsigned)placed->gpu_layers >= n_all;
    const unsigned layers = all ? n_all : (unsigned)placed->gpu_layers;
    char experts[64] = "";
    if (placed->by_engine && placed->choice.n_overrides > 0) {
        (void)snprintf(
            experts, sizeof experts, ", of %zu of them a part", placed->choice.n_overrides);
    } else if (placed->n_cpu_moe > 0) {
        (void)snprintf(experts, sizeof experts, ", the experts of %u", (unsigned)placed->n_cpu_moe);
    }
    (void)snprintf(text,
                   size,
                   "%u of %u layers on the device%s%s%s",
                   layers,
                   n_all,
                   experts[0] != '\0' ? experts : ", the rest",
                   placed->kv_offload ? "" : " and the KV cache",
                   " on the host");
}

/* The case whose speed is given: the one asked for, or the fastest placement that runs. */
static mf_status choose_placement(mf_prediction *p,
                                  const char **reason,
                                  const mf_case *run,
                                  const mf_tensor_type *types,
                                  const mf_calibration *calibration,
                                  mf_error *err)
{
    const mf_workload *w = &run->workload;
    p->placed = (mf_placed){.known = true,
                            .as_asked = true,
                            .gpu_layers = w->gpu_layers,
                            .n_cpu_moe = w->n_cpu_moe,
                            .kv_offload = w->kv_offload,
                            .memory = p->memory};
    if (!p->memory_known || (p->memory.fits && !run->place_freely)) {
        return MF_OK;
    }
    const mf_status status = mf_placement_search(&p->placed, reason, run, types, calibration, err);
    if (status == MF_OK && p->placed.known && !p->placed.as_asked) {
        char text[MF_WARNING_SIZE / 2];
        describe(text, sizeof text, &p->placed, run->model);
        warn(p, run->place_freely ? "%s" : "does not fit as asked: speed is for %s", text);
    }
    return status;
}

/* What runs where, in arrays of the caller's. */
typedef struct placing {
    mf_case run;
    mf_fit_placement placement;
    mf_layer_part *parts;
    mf_tensor_type *types;
    mf_path *path;
} placing;

static mf_status predict_placed(mf_prediction *p,
                                const char **reason,
                                placing *at,
                                const mf_calibration *calibration,
                                mf_error *err)
{
    mf_placed_apply(&at->run.workload, &at->placement, at->parts, &p->placed, at->run.model);
    const mf_status status = mf_path_build(at->path,
                                           reason,
                                           &at->run,
                                           at->types,
                                           p->memory_known ? &p->placed.memory : NULL,
                                           calibration,
                                           err);
    if (status == MF_OK && !*reason) {
        const speed s = {
            .run = &at->run,
            .calibration = calibration,
            .path = at->path,
            .step = mf_step_of(&at->run.workload),
        };
        fill_speed(p, &s);
        warn_of_ground(p, &s);
        return fill_steps(p, &s, err);
    }
    return status;
}

static mf_status predict_speed(mf_prediction *p,
                               const mf_case *run,
                               const mf_calibration *calibration,
                               mf_error *err)
{
    const char *reason = NULL;
    bool estimated = false;
    placing at = {.run = *run,
                  .parts = calloc(run->model->n_layers + 1, sizeof *at.parts),
                  .types = calloc(run->model->n_tensors + 1, sizeof *at.types),
                  .path = calloc(1, sizeof *at.path)};
    mf_status status =
        at.parts && at.types && at.path ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory to predict");
    if (status == MF_OK) {
        status = mf_quant_types(at.types, &estimated, run->model, run->quant, err);
    }
    if (status == MF_OK) {
        status = choose_placement(p, &reason, run, at.types, calibration, err);
    }
    if (status == MF_OK && !reason) {
        status = predict_placed(p, &reason, &at, calibration, err);
    }
    if (status == MF_OK && run->place_freely && p->placed.known) {
        p->memory = p->placed.memory;
        status = mf_memory_max_context(&p->max_context_tokens, &at.run, err);
    }
    if (status == MF_OK && reason) {
        no_speed(p, reason);
    }
    if (status == MF_OK && estimated) {
        warn(p, "tensor formats of '%s' are an estimate", run->quant->id);
    }
    free(at.parts);
    free(at.types);
    free(at.path);
    return status;
}

/* A server's caches grow with use; where they don't fit, people see a model that ran for hours die. */
static mf_status predict_server(mf_prediction *p, const mf_case *run, mf_error *err)
{
    uint64_t checkpoint = 0;
    const mf_workload *w = &run->workload;
    const uint64_t copies = (uint64_t)w->n_checkpoints * w->n_parallel;
    const mf_status status = mf_checkpoint_bytes(&checkpoint, run->model, w, err);
    if (status != MF_OK) {
        return status;
    }
    if (!mf_mul(&p->checkpoint_bytes, checkpoint, copies)) {
        return mf_fail(err, MF_E_OVERFLOW, "the checkpoints exceed 64 bits");
    }
    const mf_memory *m = &p->memory;
    const mf_place *host = &m->places[m->n_places - 1];
    const double grown = (double)w->prompt_cache_bytes + (double)p->checkpoint_bytes;
    const double left = (double)host->limit_bytes - (double)host->need_bytes;
    const double shared = (double)m->shared_limit_bytes - (double)m->total_bytes;
    const bool tight =
        (host->limit_bytes > 0 && grown > left) || (m->shared_limit_bytes > 0 && grown > shared);
    if (m->fits && tight) {
        char text[MF_NUMBER_SIZE + 16];
        warn(p,
             "in use, llama-server may keep up to %s of old prompts in host memory, more than is "
             "left there: lower --cache-ram and --ctx-checkpoints",
             mf_bytes_text(text, grown, 2));
    }
    return MF_OK;
}

static void warn_of_conversion(mf_prediction *p)
{
    char text[MF_NUMBER_SIZE + 16];
    const mf_memory *m = &p->memory;
    if (p->memory_known && m->convert_peak_bytes > 0) {
        warn(p,
             "making these weights of the 16 bit ones (mlx_lm.convert) may hold up to %s, both at "
             "once%s",
             mf_bytes_text(text, (double)m->convert_peak_bytes, 3),
             m->convert_peak_bytes > m->limit_bytes
                 ? ": more than may be used here, so take converted ones"
                 : "");
    }
}

static mf_status predict_memory(mf_prediction *p, const mf_case *run, mf_error *err)
{
    mf_error why = {0};
    mf_status status = mf_memory_need(&p->memory, run, &why);
    p->memory_known = status == MF_OK;
    if (run->adapter != NULL) {
        warn(p, "speed is the model's alone: an adapter that is not merged costs some of it");
    }
    if (status == MF_E_UNSUPPORTED) {
        warn(p, "memory not known: %s", why.message);
        return MF_OK;
    }
    warn_of_conversion(p);
    if (run->projector) {
        warn(p,
             "a picture takes up to %llu tokens of the context",
             (unsigned long long)run->model->vision.tokens);
    }
    if (status == MF_OK) {
        status = mf_memory_max_context(&p->max_context_tokens, run, &why);
    }
    if (status == MF_OK) {
        status = predict_server(p, run, &why);
    }
    if (status != MF_OK && err) {
        *err = why;
    }
    return status;
}

mf_status mf_predict(mf_prediction *prediction,
                     const mf_case *run,
                     const mf_calibration *calibration,
                     mf_error *err)
{
    mf_prediction *p = calloc(1, sizeof *p);
    if (!p) {
        return mf_fail(err, MF_E_NOMEM, "no memory to predict");
    }
    /* The breakdown, the largest context and a search for a placement take the same; without one the breakdown says why. */
    mf_footprint *own = NULL;
    mf_case whole = *run;
    if (!run->footprint && mf_footprint_new(&own, run->model, run->quant, NULL) == MF_OK) {
        mf_footprint_remember(own);
        whole.footprint = own;
    }
    mf_status status = mf_model_count(&p->counts, run->model, err);
    if (status == MF_OK) {
        status = predict_memory(p, &whole, err);
    }
    if (status == MF_OK && !calibration) {
        no_speed(p, "the engine has no calibration");
        warn(p, "no calibration for '%s': speed is not known", run->engine->name);
    } else if (status == MF_OK) {
        status = predict_speed(p, &whole, calibration, err);
    }
    if (status == MF_OK) {
        *prediction = *p;
    }
    mf_footprint_free(own);
    free(p);
    return status;
}
