#include "simulate/pace.h"

#include <stdlib.h>

mf_status mf_pace_init(mf_pace *pace, uint32_t max_sequences, uint32_t max_tokens, mf_error *err)
{
    mf_pace made = {.max_sequences = max_sequences, .max_tokens = max_tokens};
    made.decode_ps = calloc((size_t)max_sequences + 1, sizeof *made.decode_ps);
    made.prompt_ps = calloc((size_t)max_tokens + 1, sizeof *made.prompt_ps);
    made.rows_ps = calloc((size_t)max_sequences + 1, sizeof *made.rows_ps);
    if (made.decode_ps == NULL || made.prompt_ps == NULL || made.rows_ps == NULL) {
        mf_pace_free(&made);
        return mf_fail(err, MF_E_NOMEM, "no memory for steps of %u tokens", (unsigned)max_tokens);
    }
    *pace = made;
    return MF_OK;
}

mf_status mf_pace_share(mf_pace *pace, uint32_t n_together, mf_error *err)
{
    pace->n_together = n_together;
    pace->shared_ps = calloc((size_t)pace->max_tokens + 1, sizeof *pace->shared_ps);
    return pace->shared_ps != NULL ? MF_OK
                                   : mf_fail(err,
                                             MF_E_NOMEM,
                                             "no memory for steps of %u tokens",
                                             (unsigned)pace->max_tokens);
}

void mf_pace_free(mf_pace *pace)
{
    free(pace->shared_ps);
    free(pace->decode_ps);
    free(pace->prompt_ps);
    free(pace->rows_ps);
    *pace = (mf_pace){0};
}

/* Twice the sum over n tokens behind d others of how many each sees, half of itself counted, none more than limit. */
static mf_wide twice_pairs(uint64_t d, uint64_t n, uint64_t limit)
{
    if (d >= limit) {
        return (mf_wide)2 * limit * n;
    }
    const uint64_t rising = n < limit - d ? n : limit - d;
    const mf_wide below = (mf_wide)2 * d * rising + (mf_wide)rising * rising;
    return below + (mf_wide)2 * limit * (n - rising);
}

void mf_load_prompt(mf_load *load, const mf_pace *pace, uint64_t n_before, uint32_t n_tokens)
{
    mf_wide twice_ps = 0;
    for (size_t k = 0; k < pace->n_terms; k++) {
        const mf_pace_term *term = &pace->terms[k];
        twice_ps += twice_pairs(n_before, n_tokens, term->limit_tokens) * term->pair_ps;
    }
    if (n_tokens < pace->least_queries) {
        twice_ps = twice_ps * pace->least_queries / n_tokens;
    }
    load->chunks_ps +=
        pace->chunk_ps + (n_before == 0 ? pace->start_ps : 0) + (uint64_t)(twice_ps / 2);
    load->n_tokens += n_tokens;
    load->n_chunks++;
    load->longest = n_tokens > load->longest ? n_tokens : load->longest;
}

static uint64_t seen_ps(const mf_pace_term *term, const mf_load *load)
{
    if (load->n_chunks > 0) {
        return term->mixed_ps;
    }
    return term->decode_ps - (load->n_decode == 1 ? term->alone_ps : 0);
}

static uint64_t device_ps(const mf_pace *pace, const mf_load *load)
{
    uint64_t ps = pace->decode_ps[load->n_decode];
    if (load->n_chunks > 0) {
        ps = pace->prompt_ps[load->n_tokens] + pace->rows_ps[load->n_rows] + load->chunks_ps;
        ps += load->n_decode * (pace->mixed_sequence_ps + load->longest * pace->mixed_token_ps);
    }
    for (size_t k = 0; k < pace->n_terms; k++) {
        ps += load->seen[k] * seen_ps(&pace->terms[k], load);
    }
    return ps;
}

static uint64_t host_ps(const mf_pace *pace, const mf_load *load)
{
    return pace->host_ps + pace->host_sequence_ps * (load->n_decode + load->n_chunks);
}

uint64_t mf_pace_step_ps(const mf_pace *pace, const mf_load *load)
{
    const uint64_t device = device_ps(pace, load);
    const uint64_t host = host_ps(pace, load);
    if (!pace->host_overlaps) {
        return device + host;
    }
    return device > host ? device : host;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void mf_group_load_add(mf_group_load *sum, const mf_pace *pace, const mf_load *load)
{
    sum->device_ps = greater(sum->device_ps, device_ps(pace, load));
    sum->host_ps = greater(sum->host_ps, host_ps(pace, load));
    sum->n_tokens += load->n_tokens;
}

/* Tokens are shared out evenly: all gather them before the experts, and scatter what comes out. */
uint64_t mf_pace_group_ps(const mf_pace *pace, const mf_group_load *load)
{
    const uint64_t n = pace->n_together > 0 ? pace->n_together : 1;
    const uint64_t shared =
        pace->shared_ps != NULL ? pace->shared_ps[(load->n_tokens + n - 1) / n] : 0;
    const uint64_t device = load->device_ps + shared;
    return pace->host_overlaps ? greater(device, load->host_ps) : device + load->host_ps;
}

mf_run mf_pace_run(const mf_pace *pace, const mf_load *load)
{
    const uint64_t host = host_ps(pace, load);
    mf_run run = {.first_ps = device_ps(pace, load)};
    if (pace->host_overlaps) {
        run.least_ps = host;
    } else {
        run.first_ps += host;
    }
    for (size_t k = 0; k < pace->n_terms; k++) {
        run.slope_ps += load->growing[k] * seen_ps(&pace->terms[k], load);
    }
    return run;
}

/* How many steps take the least time. */
static uint64_t n_least(const mf_run *run, uint64_t n_steps)
{
    if (run->first_ps >= run->least_ps) {
        return 0;
    }
    if (run->slope_ps == 0) {
        return n_steps;
    }
    const uint64_t n = (run->least_ps - run->first_ps + run->slope_ps - 1) / run->slope_ps;
    return n < n_steps ? n : n_steps;
}

static mf_wide affine_sum(const mf_run *run, uint64_t n)
{
    const mf_wide pairs = n > 0 ? (mf_wide)n * (n - 1) / 2 : 0;
    return (mf_wide)n * run->first_ps + pairs * run->slope_ps;
}

mf_wide mf_run_sum(const mf_run *run, uint64_t n_steps)
{
    const uint64_t flat = n_least(run, n_steps);
    return (mf_wide)flat * run->least_ps + affine_sum(run, n_steps) - affine_sum(run, flat);
}

uint64_t mf_run_fit(const mf_run *run, mf_wide room_ps, uint64_t max)
{
    uint64_t fits = 0;
    uint64_t too_many = 1;
    if (room_ps == 0 || max == 0) {
        return 0;
    }
    while (too_many <= max && mf_run_sum(run, too_many) < room_ps) {
        fits = too_many;
        too_many = too_many < max / 2 ? 2 * too_many : (too_many < max ? max : max + 1);
    }
    while (too_many - fits > 1) {
        const uint64_t middle = fits + (too_many - fits) / 2;
        if (mf_run_sum(run, middle) < room_ps) {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    return fits;
}
