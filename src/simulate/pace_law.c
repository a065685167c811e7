/*
 * pace_law.c - steps of llama.cpp and mlx-lm from the law of speed that mf_predict uses: for one sequence, the same figures.
 *
 * Several sequences decode in one pass over the weights: read once (experts as many as they touch together), unpacked once a
 * sequence, or multiplied as a prompt would be where that is faster. A prompt's step is the law's micro-batches.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate/pace_make.h"
#include "speed/interval.h"
#include "speed/path.h"

typedef struct law {
    mf_path path;
    mf_cache_width cache;
    double ubatch;
    double pair_share; /* of a prompt's attention where devices work on different micro-batches */
} law;

static double head_bytes(const mf_work *w)
{
    return w->read_bytes - w->dense_bytes - w->expert_share * w->expert_bytes;
}

/* One token of each of n sequences, nothing in their caches. */
static double decode_s(const law *l, double n)
{
    mf_path path = l->path;
    for (size_t i = 0; i < path.n_segments; i++) {
        mf_work *w = &path.segments[i].work;
        w->read_bytes = head_bytes(w) + mf_work_touched_bytes(w, n);
        w->state_bytes *= n;
        for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
            w->read_weights[f] *= n;
        }
    }
    return mf_path_decode(&path, (mf_step){.cache = l->cache}).total_s;
}

static double prompt_s(const law *l, double depth, double n)
{
    const char *reason = NULL;
    mf_path_time time = {0};
    const mf_step step = {.depth = depth, .n_tokens = n, .ubatch = l->ubatch, .cache = l->cache};
    (void)mf_path_prefill(&time, &reason, &l->path, step);
    return time.total_s;
}

/* The head over some rows: read once. */
static double head_s(const law *l)
{
    double sum = 0;
    for (size_t i = 0; i < l->path.n_segments; i++) {
        const mf_segment *s = &l->path.segments[i];
        sum +=
            head_bytes(&s->work) / (s->knobs.value[MF_KNOB_ETA] * s->peaks.bandwidth_bytes_per_s);
    }
    return sum;
}

static double decode_depth_s(const void *context, double n_tokens)
{
    const law *l = context;
    return mf_path_decode(&l->path, (mf_step){.depth = n_tokens, .cache = l->cache}).total_s;
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
static double find_pair_share(const law *l, double n)
{
    static const double deep = 1e6;
    const double one = prompt_s(l, deep, 1) - prompt_s(l, 0, 1);
    const double all = prompt_s(l, deep, n) - prompt_s(l, 0, n);
    return one > 0 && all > 0 && l->path.n_pipelined > 1 ? fmin(1, all / (n * one)) : 1;
}

static void fill_tables(mf_pace *pace, const law *l)
{
    double longest = 0;
    for (uint32_t b = 1; b <= pace->max_sequences; b++) {
        double s = decode_s(l, b);
        if (b > 1 && b <= pace->max_tokens) {
            s = fmin(s, prompt_s(l, 0, b) - own_attention_s(pace, b) + head_s(l));
        }
        longest = fmax(longest, s);
        pace->decode_ps[b] = mf_picoseconds(longest);
        pace->rows_ps[b] = b > 1 ? mf_picoseconds(head_s(l)) : 0; /* mf_predict has none for one */
    }
    for (uint32_t t = 1; t <= pace->max_tokens; t++) {
        pace->prompt_ps[t] = mf_picoseconds(prompt_s(l, 0, t) - own_attention_s(pace, t));
    }
}

static mf_status build_path(law *l, const mf_case *run, const mf_calibration *c, mf_error *err)
{
    bool estimated = false;
    const char *reason = NULL;
    mf_memory memory = {0};
    mf_path_time time = {0};
    mf_tensor_type *types = calloc(run->model->n_tensors + 1, sizeof *types);
    mf_status status = types != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for types");
    if (status == MF_OK) {
        status = mf_quant_types(types, &estimated, run->model, run->quant, err);
    }
    if (status == MF_OK) {
        status = mf_memory_need(&memory, run, err);
    }
    if (status == MF_OK) {
        status = mf_path_build(&l->path, &reason, run, types, &memory, c, err);
    }
    free(types);
    if (status == MF_OK && reason == NULL) {
        const mf_step one = {.n_tokens = 1, .ubatch = l->ubatch, .cache = l->cache};
        (void)mf_path_prefill(&time, &reason, &l->path, one);
    }
    return status == MF_OK && reason != NULL
               ? mf_fail(err, MF_E_UNSUPPORTED, "there is no ground for a speed: %s", reason)
               : status;
}

static mf_basis weakest_basis(const mf_path *path, const mf_calibration *calibration)
{
    mf_basis worst = MF_BASIS_MEASURED;
    for (size_t i = 0; i < path->n_segments; i++) {
        for (int test = 0; test < MF_TEST_COUNT; test++) {
            const mf_basis basis =
                mf_interval_basis(calibration, &path->segments[i].setting, (mf_speed_test)test);
            worst = basis > worst ? basis : worst;
        }
    }
    return worst;
}

mf_status mf_pace_from_law(mf_pace *pace,
                           mf_pace_ground *ground,
                           const mf_case *run,
                           const mf_calibration *calibration,
                           mf_pace_size size,
                           mf_error *err)
{
    if (calibration == NULL) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "there is no calibration for '%s': its speed is not known",
                       run->engine->name);
    }
    law *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for the law of speed");
    }
    const uint32_t ubatch = run->workload.n_ubatch;
    l->ubatch = ubatch > 0 ? ubatch : size.max_tokens;
    l->cache = mf_cache_width_of(&run->workload);
    mf_pace made = {0};
    mf_status status = build_path(l, run, calibration, err);
    if (status == MF_OK) {
        status = mf_pace_init(&made, size.max_sequences, size.max_tokens, err);
    }
    if (status == MF_OK) {
        mf_depth_cost cost = {0};
        l->pair_share = find_pair_share(l, size.max_tokens);
        for (size_t i = 0; i < l->path.n_segments; i++) {
            mf_depth_breaks(&cost, &l->path.segments[i].work);
        }
        mf_pace_terms_set(&made,
                          &cost,
                          &(mf_depth_costs){.decode_s = decode_depth_s,
                                            .prompt_s = prompt_depth_s,
                                            .context = l});
        fill_tables(&made, l);
        *ground = (mf_pace_ground){.basis = weakest_basis(&l->path, calibration)};
        *pace = made;
    }
    free(l);
    return status;
}
