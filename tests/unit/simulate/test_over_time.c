/* What a run looked like over time, and mlx-lm's turns of prompts and tokens. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "bench.h"
#include "simulate/collect.h"
#include "simulate/series.h"

/* Steps from 0.3 to 7.3 s: 2 requests in work, 1 waiting, of 10 tokens a step. */
static void add_steps(mf_series *series, uint64_t begin_ns, uint64_t end_ns)
{
    const mf_load load = {.n_decode = 2, .n_tokens = 5, .n_rows = 3};
    mf_series_add(series,
                  &(mf_step_report){.begin_ns = begin_ns,
                                    .end_ns = end_ns,
                                    .n_steps = 7,
                                    .load = &load,
                                    .n_running = 2,
                                    .n_waiting = 1,
                                    .cache_tokens = 40});
}

Test(over_time, nothing_is_lost_while_spans_double)
{
    mf_series series = {0};
    mf_series_point points[MF_MAX_SERIES];
    add_steps(&series, 300000000, 300000011);
    add_steps(&series, 300000100, 7300000000);
    add_steps(&series, 9000000000, 9000000000); /* of no length: only its span of time counts */
    const size_t n = mf_series_points(points, &series);
    double running = 0;
    double output = 0;
    cr_assert(n > MF_MAX_SERIES / 2 - 1 && n <= MF_MAX_SERIES);
    for (size_t i = 0; i < n; i++) {
        const double s = points[i].end_s - points[i].begin_s;
        running += points[i].running * s;
        output += points[i].output_tok_s * s;
        cr_assert(points[i].running <= 2.0001 && points[i].waiting <= 1.0001);
    }
    cr_assert(epsilon_eq(dbl, running, 14, 1e-5));
    cr_assert(epsilon_eq(dbl, output, 42, 1e-5));
}

static const mf_server_settings mlx = {.max_sequences = 4,
                                       .max_tokens = 100,
                                       .context_tokens = 100000,
                                       .n_prompts = 2,
                                       .n_kept_prompts = 2,
                                       .prefix_cache = true};

static ledger
run_mlx(mf_request *requests, size_t n, mf_server_settings settings, mf_world_totals *totals)
{
    ledger l = {.keep_rows = true};
    listed list = {.items = requests, .n_items = n};
    /* A step of tokens takes 1 ms, of prompts 10 us a token. */
    mf_pace pace = make_pace((simple_pace){
        .max_sequences = 8, .max_tokens = 800, .step_ps = 1000000000, .token_ps = 10000000});
    const mf_world_setup setup = {.rules = &mf_rules_mlx,
                                  .pace = &pace,
                                  .settings = settings,
                                  .source = source_of_list(&list)};
    *totals = run_world(&l, setup);
    mf_pace_free(&pace);
    return l;
}

/* One generates; the other's prompt of three pieces comes between its tokens. */
Test(mlx, whoever_generates_waits_for_every_piece_of_a_prompt)
{
    mf_world_totals totals;
    mf_request requests[] = {
        {.input_tokens = 10,   .output_tokens = 20},
        { .arrival_ns = 5000000, .input_tokens = 250,  .output_tokens = 1},
    };
    ledger l = run_mlx(requests, 2, mlx, &totals);
    /* 1.1 ms for its own prompt, 19 steps of 1 ms, and pieces of 2, 2 and 1.5 ms between. */
    cr_assert(eq(u64, l.rows[0].end_ns, 1100000 + 19 * 1000000 + 2000000 + 2000000 + 1500000));
    /* Its pieces begin after the running step, one token apart. */
    cr_assert(eq(u64, l.rows[1].start_ns, 5100000));
    cr_assert(eq(u64, l.rows[1].end_ns, 5100000 + 2000000 + 1000000 + 2000000 + 1000000 + 1500000));
    ledger_free(&l);
}

Test(mlx, no_more_prompts_are_computed_side_by_side_than_it_does)
{
    mf_world_totals totals;
    mf_request requests[3] = {
        {.input_tokens = 50, .output_tokens = 1},
        {.input_tokens = 50, .output_tokens = 1},
        {.input_tokens = 50, .output_tokens = 1},
    };
    ledger l = run_mlx(requests, 3, mlx, &totals);
    cr_assert(eq(u64, l.rows[1].end_ns, 2000000));
    cr_assert(eq(u64, l.rows[2].start_ns, 2000000));
    ledger_free(&l);
}

/* Two texts are kept: the third pushes out the first, so that only later sessions find theirs. */
Test(mlx, texts_that_ended_last_are_found_again)
{
    mf_world_totals totals;
    mf_request requests[6] = {0};
    for (uint32_t i = 0; i < 6; i++) {
        requests[i] = (mf_request){.arrival_ns = i * UINT64_C(1000000000),
                                   .input_tokens = i < 3 ? 80 : 120,
                                   .prefix_tokens = i < 3 ? 0 : 85,
                                   .output_tokens = 5,
                                   .session = 1 + i % 3};
    }
    ledger l = run_mlx(requests, 6, mlx, &totals);
    cr_assert(eq(u32, l.rows[3].cached, 0));
    cr_assert(eq(u32, l.rows[4].cached, 0)); /* the one before has pushed it out */
    cr_assert(eq(u32, l.rows[5].cached, 0));
    ledger_free(&l);
    for (uint32_t i = 3; i < 6; i++) {
        requests[i].session = 1 + (i == 3 ? 2 : 1);
    }
    l = run_mlx(requests, 5, mlx, &totals);
    cr_assert(eq(u32, l.rows[3].cached, 84)); /* its last token was never computed */
    cr_assert(eq(u32, l.rows[4].cached, 84));
    ledger_free(&l);
}

Test(mlx, a_full_memory_fails_everyone_in_work)
{
    mf_world_totals totals;
    mf_server_settings settings = mlx;
    mf_request requests[] = {
        {.input_tokens = 150, .output_tokens = 100},
        {                        .input_tokens = 150, .output_tokens = 3                    },
        { .arrival_ns = 1000000000, .input_tokens = 150,                     .output_tokens = 3},
    };
    settings.cache_tokens = 301;
    ledger l = run_mlx(requests, 3, settings, &totals);
    cr_assert(l.rows[0].outcome == MF_SERVED_FAILED && l.rows[1].outcome == MF_SERVED_FAILED);
    cr_assert(l.rows[2].outcome == MF_SERVED_DONE);
    ledger_free(&l);
}

Test(bounds, quantiles_are_known_as_well_as_ranks_of_a_binomial)
{
    mf_share_bounds bounds = {0};
    /* Of 100 samples the median lies between the 40th and the 61st. */
    cr_assert(mf_samples_bounds(&bounds, 0.5, 100));
    cr_assert(epsilon_eq(dbl, bounds.low, 0.398, 0.002));
    cr_assert(epsilon_eq(dbl, bounds.high, 0.602, 0.002));
    cr_assert_not(mf_samples_bounds(&bounds, 0.99, 300)); /* 0.99^300 = 4.9 %: no upper end */
    for (double n = 369; n < 20000; n *= 1.3) {
        cr_assert(mf_samples_bounds(&bounds, 0.99, n));
        cr_assert(bounds.low > 0.9 && bounds.low < 0.99 && bounds.high > 0.99 && bounds.high <= 1);
    }
    cr_assert(mf_samples_bounds(&bounds, 0.99, 1e6));
    cr_assert(epsilon_eq(dbl, bounds.high, 0.990195, 1e-6));
}

/* Joined parts know what the whole knows, beyond the exact number too. */
Test(bounds, joined_samples_are_those_of_all)
{
    mf_samples all = {0};
    mf_samples parts[3] = {0};
    static const double shares[] = {0.5, 0.99};
    double a[2];
    double b[2];
    enum { EACH = MF_EXACT_SAMPLES / 2 + 1000 };
    for (int i = 0; i < 3 * EACH; i++) {
        const double value = 1 + fmod(i * 0.37, 5);
        cr_assert(eq(int, mf_samples_add(&all, value, NULL), MF_OK));
        cr_assert(eq(int, mf_samples_add(&parts[i % 3], value, NULL), MF_OK));
    }
    cr_assert(eq(int, mf_samples_join(&parts[0], &parts[1], NULL), MF_OK));
    cr_assert(eq(int, mf_samples_join(&parts[2], &parts[0], NULL), MF_OK));
    cr_assert(eq(u64, parts[2].n, all.n));
    cr_assert(epsilon_eq(dbl, parts[2].mean, all.mean, 1e-9));
    cr_assert(epsilon_eq(dbl, parts[2].square, all.square, 1e-6 * all.square));
    cr_assert(eq(int, mf_samples_quantiles(a, shares, 2, &all, NULL), MF_OK));
    cr_assert(eq(int, mf_samples_quantiles(b, shares, 2, &parts[2], NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, a[0], b[0], 1e-9));
    cr_assert(epsilon_eq(dbl, a[1], b[1], 1e-9));
    mf_samples_free(&all);
    for (int i = 0; i < 3; i++) {
        mf_samples_free(&parts[i]);
    }
}
