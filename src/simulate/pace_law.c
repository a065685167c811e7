/*
 * pace_law.c - steps of llama.cpp and mlx-lm from the law of steps: for one sequence, the figures of mf_predict.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate/pace_make.h"
#include "speed/interval.h"
#include "speed/step.h"

typedef struct law {
    mf_step_law *steps;
    double pair_share; /* of a prompt's attention where devices work on different micro-batches */
} law;

/* Of a chunk that is not a prompt's first. */
static double prompt_s(const law *l, double depth, uint32_t n)
{
    const double s =
        mf_step_seconds(l->steps, (mf_step_load){.n_prefill = n, .prefill_depth = depth});
    return depth > 0 ? s : s - l->steps->start_s;
}

static double alone_depth_s(const void *context, double n_tokens)
{
    const law *l = context;
    return mf_step_seconds(l->steps, (mf_step_load){.n_decode = 1, .sum_depth = n_tokens});
}

static double decode_depth_s(const void *context, double n_tokens)
{
    const law *l = context;
    return mf_step_seconds(l->steps, (mf_step_load){.n_decode = 2, .sum_depth = 2 * n_tokens}) / 2;
}

static double prompt_depth_s(const void *context, double n_tokens)
{
    const law *l = context;
    return l->pair_share * prompt_s(l, n_tokens, 1);
}

/* Attention of a prompt of n tokens alone, as the terms count it. */
static double own_attention_s(const mf_pace *pace, double n)
{
    double ps = 0;
    for (size_t k = 0; k < pace->n_terms; k++) {
        const mf_pace_term *term = &pace->terms[k];
        const double limit = (double)term->limit_tokens;
        const double rising = fmin(n, limit);
        ps += (double)term->pair_ps * (rising * rising / 2 + limit * fmax(0, n - rising));
    }
    return ps * 1e-12;
}

/* How much of its time a prompt's attention takes when a whole batch shares the devices. */
static double find_pair_share(const law *l, uint32_t n)
{
    static const double deep = 1e6;
    const double one = prompt_s(l, deep, 1) - prompt_s(l, 0, 1);
    const double all = prompt_s(l, deep, n) - prompt_s(l, 0, n);
    return one > 0 && all > 0 && l->steps->path.n_pipelined > 1 ? fmin(1, all / (n * one)) : 1;
}

static void fill_tables(mf_pace *pace, const law *l)
{
    for (uint32_t b = 1; b <= pace->max_sequences; b++) {
        pace->decode_ps[b] =
            mf_picoseconds(mf_step_seconds(l->steps, (mf_step_load){.n_decode = b}));
        /* mf_predict has no head for a prompt alone. */
        pace->rows_ps[b] = b > 1 ? mf_picoseconds(mf_step_rows_s(l->steps, b)) : 0;
    }
    for (uint32_t t = 1; t <= pace->max_tokens; t++) {
        pace->prompt_ps[t] = mf_picoseconds(prompt_s(l, 0, t) - own_attention_s(pace, t));
    }
}

/* The weakest ground, and the widest interval of decoding: that of prompts is wider. */
static mf_pace_ground
ground_of(const mf_path *path, const mf_calibration *calibration, mf_step step)
{
    const double log_sd = mf_path_decode(path, step).log_sd;
    mf_basis worst = MF_BASIS_MEASURED;
    double width = 0;
    for (size_t i = 0; i < path->n_segments; i++) {
        const mf_setting *setting = &path->segments[i].setting;
        for (int test = 0; test < MF_TEST_COUNT; test++) {
            const mf_basis basis = mf_interval_basis(calibration, setting, (mf_speed_test)test);
            worst = basis > worst ? basis : worst;
        }
        const mf_basis basis = mf_interval_basis(calibration, setting, MF_TEST_DECODE);
        const mf_interval_width own =
            mf_interval_width_of(calibration, setting, MF_TEST_DECODE, basis);
        width = fmax(width, mf_interval_log(own, log_sd));
    }
    return (mf_pace_ground){.basis = worst, .slowest = exp(-width), .fastest = exp(width)};
}

mf_status mf_pace_from_law(mf_pace *pace,
                           mf_pace_ground *ground,
                           const mf_case *run,
                           const mf_calibration *calibration,
                           mf_pace_size size,
                           mf_error *err)
{
    law l = {0};
    mf_pace made = {0};
    mf_case sized = *run;
    if (sized.workload.n_ubatch == 0) {
        sized.workload.n_ubatch = size.max_tokens;
    }
    mf_status status = mf_step_law_new(&l.steps, &sized, calibration, err);
    if (status == MF_OK) {
        status = mf_pace_init(&made, size.max_sequences, size.max_tokens, err);
    }
    if (status == MF_OK) {
        const mf_path *path = &l.steps->path;
        mf_depth_cost cost = {0};
        l.pair_share = find_pair_share(&l, size.max_tokens);
        for (size_t i = 0; i < path->n_segments; i++) {
            mf_depth_breaks(&cost, &path->segments[i].work);
        }
        mf_pace_terms_set(&made,
                          &cost,
                          &(mf_depth_costs){.decode_s = decode_depth_s,
                                            .alone_s = alone_depth_s,
                                            .prompt_s = prompt_depth_s,
                                            .context = &l});
        fill_tables(&made, &l);
        made.start_ps = mf_picoseconds(l.steps->start_s);
        *ground = ground_of(path, calibration, l.steps->step);
        *pace = made;
    }
    mf_step_law_free(l.steps);
    return status;
}
