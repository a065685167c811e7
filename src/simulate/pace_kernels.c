/*
 * pace_kernels.c - steps of vLLM from the rates of its kernels.
 *
 * Steps of nothing but decoding run as captured graphs of 1, 2, 4 and every 8 sequences up to 512 (vllm/config/compilation.py), so that
 * their number is rounded up.
 */
#include <math.h>
#include <stdio.h>

#include "simulate/experts.h"
#include "simulate/pace_make.h"

enum { LARGEST_GRAPH = 512, GRAPH_STEP = 8 };

/* Tiles on the diagonal are computed whole: in the profiles of kernels a token of a prompt costs as if it saw so many more. */
#define TILE_TOKENS 300.0

/* A prompt's own tiles are of 128 queries.
   In a step that also holds a prompt, one kernel is for all (FlashAttention 2, ragged): a decoding sequence is computed like a tile of 64
   queries that sees 150 tokens more, and 0.17 for each of the longest prompt, for which it gets tiles that find nothing to do. */
#define LEAST_QUERIES 128
#define TILE_QUERIES 64.0
#define SEQUENCE_TOKENS 150.0
#define EMPTY_TOKENS 0.17

/* Attention of decoding sequences splits their contexts and joins what comes out: longer than other kernels. */
#define DECODE_KERNEL_S 10e-6

typedef struct kernels {
    mf_kernel_rates rates;
    mf_kernel_work work;
} kernels;

static uint32_t graph_of(uint32_t n)
{
    if (n <= 2 || n > LARGEST_GRAPH) {
        return n;
    }
    return n <= 4 ? 4 : (n + GRAPH_STEP - 1) / GRAPH_STEP * GRAPH_STEP;
}

static double decode_depth_s(const void *context, double n_tokens)
{
    const kernels *k = context;
    return mf_work_kv_bytes(&k->work.work, k->work.cache, n_tokens) / k->rates.cache_bytes_per_s;
}

static double prompt_depth_s(const void *context, double n_tokens)
{
    const kernels *k = context;
    return (mf_work_attention_flop(&k->work.work, n_tokens, false) +
            mf_work_attention_flop(&k->work.work, n_tokens, true)) /
           k->rates.attention_flop_per_s;
}

/* Latent attention has a kernel for what decodes; no kernel reads the cache faster than in a step of nothing but decoding. */
static double mixed_depth_s(const void *context, double n_tokens)
{
    const kernels *k = context;
    const double tile_s = TILE_QUERIES * mf_work_attention_flop(&k->work.work, n_tokens, false) /
                          k->rates.attention_flop_per_s;
    return fmax(tile_s, decode_depth_s(context, n_tokens));
}

static double tile_token_s(const kernels *k)
{
    return TILE_QUERIES * mf_work_attention_flop(&k->work.work, 1, false) /
           k->rates.attention_flop_per_s;
}

/* Servers that share experts compute them together. */
static double own_experts_s(const mf_pace *pace, const kernels *k, double n_tokens)
{
    return pace->shared_ps != NULL ? 0 : mf_experts_s(&k->rates, &k->work.experts, n_tokens);
}

static void fill(mf_pace *pace, const kernels *k, bool host_waits)
{
    mf_depth_cost cost = {0};
    const double attention_s =
        DECODE_KERNEL_S * (k->work.work.n_layers - k->work.work.n_linear_layers);
    mf_depth_breaks(&cost, &k->work.work);
    mf_pace_terms_set(pace,
                      &cost,
                      &(mf_depth_costs){.decode_s = decode_depth_s,
                                        .mixed_s = mixed_depth_s,
                                        .prompt_s = prompt_depth_s,
                                        .context = k});
    for (uint32_t b = 1; b <= pace->max_sequences; b++) {
        const double rows = graph_of(b);
        const double step =
            mf_kernel_step_s(&k->rates, &k->work, rows, rows) + own_experts_s(pace, k, b);
        pace->decode_ps[b] = mf_picoseconds(step + attention_s);
        pace->rows_ps[b] = mf_picoseconds(mf_kernel_step_s(&k->rates, &k->work, 1, b) -
                                          mf_kernel_step_s(&k->rates, &k->work, 1, 0));
    }
    for (uint32_t t = 1; t <= pace->max_tokens; t++) {
        pace->prompt_ps[t] =
            mf_picoseconds(mf_kernel_step_s(&k->rates, &k->work, t, 0) + own_experts_s(pace, k, t) +
                           t * prompt_depth_s(k, TILE_TOKENS));
    }
    pace->least_queries = LEAST_QUERIES;
    pace->mixed_sequence_ps = mf_picoseconds(SEQUENCE_TOKENS * tile_token_s(k));
    pace->mixed_token_ps = mf_picoseconds(EMPTY_TOKENS * tile_token_s(k));
    for (uint32_t t = 1; pace->shared_ps != NULL && t <= pace->max_tokens; t++) {
        const double all = (double)t * pace->n_together;
        pace->shared_ps[t] = mf_picoseconds(mf_experts_s(&k->rates, &k->work.experts, all));
    }
    pace->host_overlaps = !host_waits;
    pace->host_ps = mf_picoseconds(k->rates.host_s);
    pace->host_sequence_ps = mf_picoseconds(k->rates.host_sequence_s);
}

static bool is_half(const double weights[MF_FORMAT_COUNT])
{
    double other = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        other += f != MF_FORMAT_BF16 && f != MF_FORMAT_F16 ? weights[f] : 0;
    }
    return other <= 0;
}

typedef enum ground_kind { COVERED, CARD_ONLY, NOT_PROFILED, GROUND_KINDS } ground_kind;

/* How far nine of ten figures are off: of recorded runs and rows on profiled cards; of the times per token and the throughput in
   half precision on others; and of experts and packed weights on all (docs/simulate.md). */
static const mf_pace_ground grounds[GROUND_KINDS] = {
    [COVERED] = {.basis = MF_BASIS_CHIP,      .slowest = 0.9, .fastest = 1.12},
    [CARD_ONLY] = {.basis = MF_BASIS_FAMILY,    .slowest = 0.6, .fastest = 1.37},
    [NOT_PROFILED] = {.basis = MF_BASIS_DATASHEET, .slowest = 0.8, .fastest = 1.25},
};

/* Profiles are of dense products in half precision. */
static void set_ground(mf_pace_ground *ground, const kernels *k)
{
    const bool experts = k->work.experts.n_layers > 0;
    const bool half = is_half(k->work.work.dense_weights) && is_half(k->work.experts.weights);
    const ground_kind kind = half && !experts ? COVERED : CARD_ONLY;
    *ground = grounds[kind];
    if (!k->rates.is_measured) {
        ground->basis = grounds[NOT_PROFILED].basis;
    }
    if (!k->rates.is_measured && kind == COVERED) {
        *ground = grounds[NOT_PROFILED];
    }
    (void)snprintf(ground->warning,
                   sizeof ground->warning,
                   "%s; host%s%s and reductions are assumed",
                   k->rates.is_measured
                       ? "time of steps from kernels measured on such a card"
                       : "no kernels measured on this card: usual shares of its data sheet",
                   experts ? ", experts" : "",
                   half ? "" : ", kernels of packed weights");
}

mf_status mf_pace_from_kernels(
    mf_pace *pace, mf_pace_ground *ground, const mf_case *run, mf_pace_size size, mf_error *err)
{
    kernels k = {0};
    mf_pace made = {0};
    mf_status status = mf_kernel_rates_of(&k.rates, run, err);
    if (status == MF_OK) {
        status = mf_kernel_work_build(&k.work, run, size.n_together, err);
    }
    if (status == MF_OK) {
        status = mf_pace_init(&made, size.max_sequences, size.max_tokens, err);
    }
    if (status == MF_OK && size.n_together > 1) {
        status = k.rates.reduce.bytes_per_s > 0
                     ? mf_pace_share(&made, size.n_together, err)
                     : mf_fail(err,
                               MF_E_UNSUPPORTED,
                               "there is no ground for a speed: no link between the cards");
    }
    if (status != MF_OK) {
        mf_pace_free(&made);
        return status;
    }
    fill(&made, &k, size.host_waits);
    set_ground(ground, &k);
    *pace = made;
    return MF_OK;
}
