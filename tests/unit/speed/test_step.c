#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "speed/step.h"

#define UBATCH 512.0

/* The sample model on the sample card, whose kernels are those of a runtime, and perhaps a part of it on the host. */
typedef struct bench {
    sample s;
    mf_path path;
    mf_step_law law;
} bench;

static const mf_step step = {
    .ubatch = UBATCH, .cache = {2, 2}
};

static mf_segment segment_of(const sample *s, mf_runtime runtime)
{
    mf_calibration *calibration = NULL;
    const mf_device card = sample_card();
    const mf_work_part all = {0};
    const char *reason = NULL;
    mf_segment segment = {.setting = mf_setting_of(&card, runtime, true, NULL)};
    cr_assert(eq(int, mf_calibration_new(&calibration, "llama.cpp", NULL), MF_OK));
    segment.knobs = mf_knobs_of(calibration, &segment.setting);
    mf_calibration_free(calibration);
    cr_assert(mf_peaks_of(&segment.peaks, &reason, &card, MF_RUNTIME_CUDA));
    cr_assert(eq(int, mf_work_build(&segment.work, &s->model, s->types, &all, NULL), MF_OK));
    return segment;
}

static bench *bench_new(mf_runtime runtime)
{
    bench *b = calloc(1, sizeof *b);
    cr_assert(ne(ptr, b, NULL));
    sample_fill(&b->s);
    b->path.segments[0] = segment_of(&b->s, runtime);
    b->path.n_segments = 1;
    cr_assert(eq(int, mf_step_law_make(&b->law, &b->path, step, NULL), MF_OK));
    return b;
}

static double decode_s(const bench *b, uint32_t n, double depth)
{
    return mf_step_seconds(&b->law, (mf_step_load){.n_decode = n, .sum_depth = n * depth});
}

Test(step, one_sequence_takes_the_time_of_a_token)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    mf_step at = step;
    at.depth = 777;
    const double token_s = mf_path_decode(&b->path, at).total_s;
    cr_assert(epsilon_eq(dbl, decode_s(b, 1, 777) / token_s, 1, 1e-12));
    free(b);
}

Test(step, a_prompt_alone_takes_the_time_of_a_prompt)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    const char *reason = NULL;
    mf_path_time time = {0};
    mf_step at = step;
    at.depth = 333;
    at.n_tokens = 201;
    cr_assert(mf_path_prefill(&time, &reason, &b->path, at));
    const mf_step_load load = {.n_prefill = 201, .prefill_depth = 333};
    cr_assert(epsilon_eq(dbl, mf_step_seconds(&b->law, load) / time.total_s, 1, 1e-12));
    free(b);
}

Test(step, an_empty_step_takes_no_time)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    cr_assert(eq(dbl, mf_step_seconds(&b->law, (mf_step_load){0}), 0));
    free(b);
}

Test(step, more_sequences_take_longer_but_less_each)
{
    static const mf_runtime runtimes[] = {
        MF_RUNTIME_CUDA, MF_RUNTIME_METAL, MF_RUNTIME_ROCM, MF_RUNTIME_CPU};
    for (size_t r = 0; r < sizeof runtimes / sizeof runtimes[0]; r++) {
        bench *b = bench_new(runtimes[r]);
        double last = decode_s(b, 2, 100);
        for (uint32_t n = 3; n < 300; n++) {
            const double s = decode_s(b, n, 100);
            cr_assert(ge(dbl, s, last), "%u sequences, runtime %d", (unsigned)n, (int)runtimes[r]);
            last = s;
        }
        cr_assert(lt(dbl, decode_s(b, 64, 100) / 64, decode_s(b, 1, 100)));
        free(b);
    }
}

Test(step, the_time_is_straight_in_the_depth)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    const double slope = (decode_s(b, 5, 3000) - decode_s(b, 5, 1000)) / 2000;
    cr_assert(gt(dbl, slope, 0));
    cr_assert(
        epsilon_eq(dbl, (decode_s(b, 5, 9000) - decode_s(b, 5, 3000)) / 6000 / slope, 1, 1e-6));
    free(b);
}

/* Metal's matrix kernel computes 32 columns whatever their number. */
Test(step, a_tile_costs_the_same_however_full)
{
    bench *b = bench_new(MF_RUNTIME_METAL);
    mf_work *w = &b->path.segments[0].work;
    w->expert_share = 0;
    w->expert_bytes = 0;
    memset(w->expert_weights, 0, sizeof w->expert_weights);
    w->state_bytes = 0;
    w->n_groups = 0;
    b->path.segments[0].peaks.matrix_flop_per_s = 1e12; /* products decide */
    cr_assert(eq(int, mf_step_law_make(&b->law, &b->path, step, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, decode_s(b, 9, 0) / decode_s(b, 31, 0), 1, 1e-9));
    cr_assert(lt(dbl, decode_s(b, 8, 0), decode_s(b, 9, 0)));
    free(b);
}

/* CUDA keeps a graph of launches for a step of one token only. */
Test(step, a_second_sequence_costs_the_launches_again)
{
    bench *cuda = bench_new(MF_RUNTIME_CUDA);
    bench *older = bench_new(MF_RUNTIME_CUDA_2024);
    const double again = decode_s(cuda, 2, 0) - decode_s(older, 2, 0);
    const mf_knobs *knobs = &cuda->path.segments[0].knobs;
    const double layers = 3 * knobs->value[MF_KNOB_LAYER] + knobs->value[MF_KNOB_MOE];
    cr_assert(epsilon_eq(dbl, decode_s(cuda, 1, 0) / decode_s(older, 1, 0), 1, 1e-9));
    cr_assert(epsilon_eq(dbl, again / (knobs->scale[MF_TEST_DECODE] * layers), 1.2, 1e-6));
    free(cuda);
    free(older);
}

Test(step, a_prompt_beside_sequences_takes_longer_than_either)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    const mf_step_load both = {
        .n_decode = 7, .sum_depth = 7 * 400.0, .n_prefill = 300, .prefill_depth = 900};
    const mf_step_load prompt = {.n_prefill = 300, .prefill_depth = 900};
    cr_assert(gt(dbl, mf_step_seconds(&b->law, both), mf_step_seconds(&b->law, prompt)));
    cr_assert(gt(dbl, mf_step_seconds(&b->law, both), decode_s(b, 7, 400)));
    free(b);
}

/* llama.cpp copies host weights to the device from 32 tokens on; below, the host computes. */
Test(step, thirty_two_sequences_stream_the_weights_of_the_host)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    b->path.segments[1] = b->path.segments[0];
    b->path.n_segments = 2;
    b->path.on_host = true;
    b->path.streamed = b->path.segments[1].work;
    b->path.stream_bytes_per_s = 1e3;
    cr_assert(eq(int, mf_step_law_make(&b->law, &b->path, step, NULL), MF_OK));
    cr_assert(lt(dbl, decode_s(b, 31, 0), 1));
    cr_assert(gt(dbl, decode_s(b, 32, 0), 100));
    free(b);
}

Test(step, hops_between_cards_carry_every_sequence)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    const double alone = decode_s(b, 4, 0);
    b->path.segments[1] = b->path.segments[0];
    b->path.n_segments = 2;
    b->path.n_pipelined = 2;
    b->path.hops = 1;
    b->path.hop_latency_s = 3e-3;
    b->path.hop_bytes = 512;
    b->path.link_bytes_per_s = 1e6;
    cr_assert(eq(int, mf_step_law_make(&b->law, &b->path, step, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, decode_s(b, 4, 0) - 2 * alone, 3e-3 + 4 * 512 / 1e6, 1e-9));
    free(b);
}

Test(step, without_a_matrix_rate_there_is_no_law)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    mf_error err = {0};
    b->path.segments[0].peaks.matrix_flop_per_s = 0;
    cr_assert(eq(int, mf_step_law_make(&b->law, &b->path, step, &err), MF_E_UNSUPPORTED));
    cr_assert(ne(ptr, (void *)strstr(err.message, "matrix products"), NULL), "%s", err.message);
    free(b);
}

/* Its interval holds what one sequence's does and more. */
Test(step, a_rate_of_several_is_of_all_and_less_sure)
{
    bench *b = bench_new(MF_RUNTIME_CUDA);
    mf_calibration *calibration = NULL;
    const mf_machine machine = {.n_nodes = 1};
    cr_assert(eq(int, mf_calibration_new(&calibration, "llama.cpp", NULL), MF_OK));
    const mf_rate one = mf_step_rate(&b->law, calibration, &machine, 1, 500);
    const mf_rate six = mf_step_rate(&b->law, calibration, &machine, 6, 500);
    cr_assert(epsilon_eq(dbl, one.tok_s * decode_s(b, 1, 500), 1, 1e-9));
    cr_assert(epsilon_eq(dbl, six.tok_s * decode_s(b, 6, 500), 6, 1e-9));
    cr_assert(lt(dbl, six.low_tok_s / six.tok_s, one.low_tok_s / one.tok_s));
    cr_assert(ge(dbl, six.ceiling_tok_s, six.high_tok_s));
    mf_calibration_free(calibration);
    free(b);
}
