#include "speed/step.h"

#include <math.h>
#include <stdlib.h>

#include "memfit/calibration.h"
#include "speed/interval.h"

/* llama.cpp's ggml_backend_offload_op: from so many tokens on, weights in host memory are copied to the device. */
#define STREAMED_FROM 32
/* Beyond, no rows of several sequences are known: a prompt's steps are, and their kernels are the same. */
#define MEASURED_UP_TO 32

static double prompt_s(const mf_path *path, mf_step step, double n_tokens, double depth)
{
    const char *reason = NULL;
    mf_path_time time = {0};
    step.n_tokens = n_tokens;
    step.depth = depth;
    (void)mf_path_prefill(&time, &reason, path, step);
    return time.total_s;
}

/* Several sequences through all segments. */
static mf_path_time batch(const mf_step_law *law, double n, double depth)
{
    const mf_path *path = &law->path;
    mf_path_time sum = {0};
    for (size_t i = 0; i < path->n_segments; i++) {
        const mf_path_time one = mf_batch_decode(&law->batches[i], n, depth, law->step.cache);
        mf_path_join(&sum, &one, path->parallel);
    }
    sum.link_s = mf_path_hop_s(path, n, 1);
    sum.total_s += sum.link_s;
    return sum;
}

static double batch_s(const mf_step_law *law, double n, double depth)
{
    return batch(law, n, depth).total_s;
}

double mf_step_rows_s(const mf_step_law *law, double n_sequences)
{
    double states = 0;
    for (size_t i = 0; i < law->path.n_segments; i++) {
        states += fmax(0, n_sequences - 1) * law->batches[i].sequence_s;
    }
    return law->head_s + states;
}

/* n sequences in a step that computes as a prompt does: n_tokens in all. */
static double beside_s(const mf_step_law *law, double n, double depth, double n_tokens)
{
    const double seen = n > 0 ? batch_s(law, n, depth) - batch_s(law, n, 0) : 0;
    return prompt_s(&law->plain, law->step, n_tokens, 0) + seen + mf_step_rows_s(law, n);
}

static double decode_s(const mf_step_law *law, double n, double depth)
{
    if (law->path.streamed.read_bytes > 0 && n >= STREAMED_FROM) {
        return beside_s(law, n, depth, n);
    }
    const double own = batch_s(law, n, depth);
    if (n <= MEASURED_UP_TO) {
        return own;
    }
    const double least = batch_s(law, MEASURED_UP_TO, depth);
    return fmax(least, fmin(own, beside_s(law, n, depth, n)));
}

double mf_step_seconds(const mf_step_law *law, mf_step_load load)
{
    const double n = load.n_decode;
    const double depth = n > 0 ? load.sum_depth / n : 0;
    const double prompt = load.n_prefill;
    if (load.n_prefill == 0) {
        return n > 0 ? decode_s(law, n, depth) : 0;
    }
    const double own = prompt_s(&law->path, law->step, prompt, load.prefill_depth);
    const double start = load.prefill_depth > 0 ? 0 : law->start_s;
    if (n <= 0) {
        return own + start;
    }
    const double attention = own - prompt_s(&law->plain, law->step, prompt, load.prefill_depth);
    return start + fmax(decode_s(law, n, depth), attention + beside_s(law, n, depth, n + prompt));
}

/* 90 % of the rows of models left out of the fit of batches are within 15 %; one chip speaks for each of the two, so half as
   much again. For kernels that no row speaks for, twice that. */
static double batch_half_width(const mf_path *path)
{
    static const double measured = 0.22;
    static const double assumed = 0.45;
    for (size_t i = 0; i < path->n_segments; i++) {
        if (!mf_batch_is_measured(path->segments[i].setting.runtime)) {
            return assumed;
        }
    }
    return measured;
}

/* Widens the interval of one sequence. */
static mf_rate widened(const mf_rate *one,
                       const mf_step_law *law,
                       const mf_machine *machine,
                       const mf_path_time *time,
                       double n_tokens)
{
    const double width = hypot(log(one->tok_s / one->low_tok_s), batch_half_width(&law->path));
    mf_rate rate = mf_interval_between(time, n_tokens, exp(-width), exp(width), machine);
    rate.basis = one->basis;
    return rate;
}

/* What is known of the coefficients is known of one sequence. */
static double log_sd_at(const mf_step_law *law, double depth)
{
    mf_step step = law->step;
    step.depth = depth;
    step.n_tokens = 0;
    return mf_path_decode(&law->path, step).log_sd;
}

mf_rate mf_step_rate(const mf_step_law *law,
                     const mf_calibration *calibration,
                     const mf_machine *machine,
                     uint32_t n_sequences,
                     double depth)
{
    const double n = n_sequences;
    mf_path_time time = batch(law, n, depth);
    time.total_s = decode_s(law, n, depth);
    time.log_sd = log_sd_at(law, depth);
    const mf_rate one =
        mf_interval_rate(&law->path, calibration, machine, &time, MF_TEST_DECODE, n);
    return n_sequences < 2 ? one : widened(&one, law, machine, &time, n);
}

mf_rate mf_step_rate_of(const mf_step_law *law,
                        const mf_calibration *calibration,
                        const mf_machine *machine,
                        double n_tokens,
                        double seconds,
                        double depth)
{
    const mf_path_time time = {.total_s = seconds, .log_sd = log_sd_at(law, depth)};
    const mf_rate one =
        mf_interval_rate(&law->path, calibration, machine, &time, MF_TEST_DECODE, n_tokens);
    mf_rate rate = widened(&one, law, machine, &time, n_tokens);
    rate.ceiling_tok_s = 0;
    return rate;
}

mf_status mf_step_law_make(mf_step_law *law, const mf_path *path, mf_step step, mf_error *err)
{
    const char *reason = NULL;
    mf_path_time time = {0};
    step.n_tokens = 1;
    if (!mf_path_prefill(&time, &reason, path, step)) {
        return mf_fail(err, MF_E_UNSUPPORTED, "there is no ground for a speed: %s", reason);
    }
    law->path = *path;
    for (size_t i = 0; i < path->n_segments; i++) {
        law->path.segments[i].knobs.mapped_bytes_per_s = 0;
    }
    law->start_s = prompt_s(path, step, 1, 0) - prompt_s(&law->path, step, 1, 0);
    law->plain = law->path;
    law->plain.streamed.n_groups = 0;
    law->step = step;
    law->head_s = 0;
    for (size_t i = 0; i < path->n_segments; i++) {
        law->plain.segments[i].work.n_groups = 0;
        law->batches[i] = mf_batch_of(&path->segments[i]);
        law->head_s += law->batches[i].head_s;
    }
    return MF_OK;
}

static mf_status build(mf_step_law *law,
                       mf_path *path,
                       mf_tensor_type *types,
                       const mf_case *run,
                       const mf_calibration *calibration,
                       mf_error *err)
{
    bool estimated = false;
    const char *reason = NULL;
    mf_memory memory = {0};
    mf_status status = mf_quant_types(types, &estimated, run->model, run->quant, err);
    if (status == MF_OK) {
        status = mf_memory_need(&memory, run, err);
    }
    if (status == MF_OK) {
        status = mf_path_build(path, &reason, run, types, &memory, calibration, err);
    }
    if (status != MF_OK) {
        return status;
    }
    return reason ? mf_fail(err, MF_E_UNSUPPORTED, "there is no ground for a speed: %s", reason)
                  : mf_step_law_make(law, path, mf_step_of(&run->workload), err);
}

mf_status mf_step_law_new(mf_step_law **out,
                          const mf_case *run,
                          const mf_calibration *calibration,
                          mf_error *err)
{
    if (!calibration) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "there is no calibration for '%s': its speed is not known",
                       run->engine->name);
    }
    mf_step_law *law = calloc(1, sizeof *law);
    mf_path *path = calloc(1, sizeof *path);
    mf_tensor_type *types = calloc(run->model->n_tensors + 1, sizeof *types);
    const mf_status status = law && path && types
                                 ? build(law, path, types, run, calibration, err)
                                 : mf_fail(err, MF_E_NOMEM, "no memory for a law of steps");
    free(path);
    free(types);
    if (status == MF_OK) {
        *out = law;
    } else {
        free(law);
    }
    return status;
}

void mf_step_law_free(mf_step_law *law)
{
    free(law);
}
