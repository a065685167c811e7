#include "memfit/predict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "memfit/calibration.h"
#include "speed/interval.h"
#include "speed/path.h"

#define DEFAULT_UBATCH 512.0
/* Fanless machines settle at 0.45 to 1 of their burst (M5 Air suite, docs/speed.md). */
#define FANLESS_LOW 0.45

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

static mf_bound bound_of(const mf_path_time *t)
{
    const struct {
        double s;
        mf_bound bound;
    } parts[] = {
        {t->bandwidth_s, MF_BOUND_BANDWIDTH},
        {t->compute_s,   MF_BOUND_COMPUTE  },
        {t->overhead_s,  MF_BOUND_OVERHEAD },
        {t->link_s,      MF_BOUND_LINK     }
    };
    size_t longest = 0;
    for (size_t i = 1; i < sizeof parts / sizeof parts[0]; i++) {
        longest = parts[i].s > parts[longest].s ? i : longest;
    }
    return parts[longest].bound;
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

/* The weakest ground of all segments decides. */
static mf_basis basis_of(double *half_width, const speed *s, mf_speed_test test, double depth)
{
    mf_basis worst = MF_BASIS_MEASURED;
    *half_width = 0;
    for (size_t i = 0; i < s->path->n_segments; i++) {
        const mf_setting *setting = &s->path->segments[i].setting;
        const mf_basis basis = mf_interval_basis(s->calibration, setting, test);
        const double width = mf_interval_half_width(s->calibration, setting, test, basis, depth);
        worst = basis > worst ? basis : worst;
        *half_width = fmax(*half_width, width);
    }
    return worst;
}

static mf_rate
rate_of(const speed *s, const mf_path_time *time, mf_speed_test test, double n_tokens, double depth)
{
    double half_width = 0;
    mf_rate rate = {.known = true, .bound = bound_of(time)};
    rate.basis = basis_of(&half_width, s, test, depth);
    rate.tok_s = n_tokens / time->total_s;
    rate.ceiling_tok_s = n_tokens / time->ceiling_s;
    rate.low_tok_s = rate.tok_s * exp(-half_width);
    if (s->run->machine->fanless) {
        rate.low_tok_s = fmin(rate.low_tok_s, rate.tok_s * FANLESS_LOW);
    }
    rate.high_tok_s = fmin(rate.tok_s * exp(half_width), rate.ceiling_tok_s);
    return rate;
}

static mf_rate decode_at(const speed *s, double depth, double n_tokens)
{
    mf_step step = s->step;
    step.depth = depth;
    step.n_tokens = n_tokens;
    const mf_path_time time = mf_path_decode(s->path, step);
    return time.total_s > 0 ? rate_of(s, &time, MF_TEST_DECODE, 1, depth + n_tokens / 2)
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
    return rate_of(s, &time, MF_TEST_PREFILL, n_tokens, depth + n_tokens / 2);
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

static void no_speed(mf_prediction *p, const char *reason)
{
    p->decode = p->prefill = p->effective = unknown_rate(reason);
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

static void warn_of_ground(mf_prediction *p, const speed *s)
{
    const mf_segment *first = &s->path->segments[0];
    if (s->run->machine->fanless) {
        warn(p, "the machine has no fan: sustained speed is lower, down to the low end");
    }
    warn_of_class(p, s);
    if (first->peaks.lanes_assumed) {
        warn(p, "INT32 rate of '%s' not published: half of FP32 assumed", first->setting.chip);
    }
    if (s->path->link_assumed && s->path->n_pipelined > 1) {
        warn(p, "latency between the devices not published: 27 us assumed");
    }
    if (s->path->on_host && !host_is_calibrated(s)) {
        warn(p, "part of the model runs on the CPU: its speed is an estimate from bandwidth");
    }
    if (s->run->workload.n_parallel > 1) {
        warn(p, "speed is that of one sequence while the others are idle");
    }
}

/* With host memory beside the devices llama.cpp runs what does not fit on the CPU: the most layers that fit. */
static mf_status best_placement(mf_case *best, const mf_case *run, mf_error *err)
{
    int32_t fits = -1;
    int32_t too_many = run->workload.gpu_layers == MF_ALL_LAYERS ? (int32_t)run->model->n_layers + 1
                                                                 : run->workload.gpu_layers;
    *best = *run;
    while (too_many - fits > 1) {
        best->workload.gpu_layers = fits + (too_many - fits) / 2;
        mf_memory memory = {0};
        const mf_status status = mf_memory_need(&memory, best, err);
        if (status != MF_OK) {
            return status;
        }
        if (memory.fits) {
            fits = best->workload.gpu_layers;
        } else {
            too_many = best->workload.gpu_layers;
        }
    }
    best->workload.gpu_layers = fits;
    return MF_OK;
}

/* The case whose speed is given: the one asked for, or the best placement that would run. */
static mf_status choose_placement(
    mf_case *placed, const char **reason, mf_prediction *p, const mf_case *run, mf_error *err)
{
    *placed = *run;
    if (!p->memory_known || p->memory.fits) {
        return MF_OK;
    }
    *reason = "the model does not fit";
    if (run->engine->id != MF_ENGINE_LLAMACPP || run->backend == MF_BACKEND_CPU) {
        return MF_OK;
    }
    mf_case best = {0};
    const mf_status status = best_placement(&best, run, err);
    if (status != MF_OK || best.workload.gpu_layers < 0) {
        return status;
    }
    *reason = NULL;
    *placed = best;
    warn(p,
         "does not fit as asked: speed is for %d of %zu layers on the device, the rest on the CPU",
         best.workload.gpu_layers,
         run->model->n_layers + 1);
    return MF_OK;
}

static mf_status predict_speed(mf_prediction *p,
                               const mf_case *run,
                               const mf_calibration *calibration,
                               mf_error *err)
{
    const char *reason = NULL;
    bool estimated = false;
    mf_case placed = *run;
    mf_memory memory = p->memory;
    mf_path *path = calloc(1, sizeof *path);
    mf_tensor_type *types = calloc(run->model->n_tensors + 1, sizeof *types);
    mf_status status = path && types ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory to predict");
    if (status == MF_OK) {
        status = choose_placement(&placed, &reason, p, run, err);
    }
    if (status == MF_OK && !reason && p->memory_known) {
        status = mf_memory_need(&memory, &placed, err);
    }
    if (status == MF_OK && !reason) {
        status = mf_quant_types(types, &estimated, run->model, run->quant, err);
    }
    if (status == MF_OK && !reason) {
        status = mf_path_build(
            path, &reason, &placed, types, p->memory_known ? &memory : NULL, calibration, err);
    }
    if (status == MF_OK && !reason) {
        const mf_workload *w = &placed.workload;
        const speed s = {
            .run = &placed,
            .calibration = calibration,
            .path = path,
            .step = {.ubatch = w->n_ubatch > 0 ? w->n_ubatch : DEFAULT_UBATCH,
                     .cache = mf_cache_width_of(w)}
        };
        fill_speed(p, &s);
        warn_of_ground(p, &s);
    } else if (status == MF_OK) {
        no_speed(p, reason);
    }
    if (estimated) {
        warn(p, "tensor formats of '%s' are an estimate", run->quant->id);
    }
    free(types);
    free(path);
    return status;
}

static mf_status predict_memory(mf_prediction *p, const mf_case *run, mf_error *err)
{
    mf_error why = {0};
    mf_status status = mf_memory_need(&p->memory, run, &why);
    p->memory_known = status == MF_OK;
    if (status == MF_E_UNSUPPORTED) {
        warn(p, "memory not known: %s", why.message);
        return MF_OK;
    }
    if (status == MF_OK) {
        status = mf_memory_max_context(&p->max_context_tokens, run, &why);
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
    mf_status status = mf_model_count(&p->counts, run->model, err);
    if (status == MF_OK) {
        status = predict_memory(p, run, err);
    }
    if (status == MF_OK && !calibration) {
        no_speed(p, "the engine has no calibration");
        warn(p, "no calibration for '%s': speed is not known", run->engine->name);
    } else if (status == MF_OK) {
        status = predict_speed(p, run, calibration, err);
    }
    if (status == MF_OK) {
        *prediction = *p;
    }
    free(p);
    return status;
}
