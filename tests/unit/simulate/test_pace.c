#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/rng.h"
#include "simulate/pace.h"

static mf_pace pace_of(uint64_t limit, bool overlaps)
{
    mf_pace pace = {0};
    cr_assert(eq(int, mf_pace_init(&pace, 7, 90, NULL), MF_OK));
    for (uint32_t b = 0; b <= 7; b++) {
        pace.decode_ps[b] = 1000003 + 70001 * (uint64_t)b;
        pace.rows_ps[b] = 11 * (uint64_t)b;
    }
    for (uint32_t t = 0; t <= 90; t++) {
        pace.prompt_ps[t] = 2000003 + 301 * (uint64_t)t;
    }
    pace.terms[0] = (mf_pace_term){
        .limit_tokens = MF_NO_LIMIT, .decode_ps = 131, .mixed_ps = 393, .pair_ps = 17};
    pace.terms[1] =
        (mf_pace_term){.limit_tokens = limit, .decode_ps = 29, .mixed_ps = 31, .pair_ps = 7};
    pace.n_terms = 2;
    pace.chunk_ps = 5000;
    pace.host_ps = 900000;
    pace.host_sequence_ps = 40000;
    pace.host_overlaps = overlaps;
    return pace;
}

Test(pace, a_decoding_step_is_its_table_and_what_is_seen)
{
    mf_pace pace = pace_of(100, true);
    mf_load load = {0};
    mf_load_decode(&load, &pace, 40);
    mf_load_decode(&load, &pace, 300);
    const uint64_t expected = 1000003 + 2 * 70001 + 131 * 340 + 29 * 140;
    cr_assert(eq(u64, mf_pace_step_ps(&pace, &load), expected));
    cr_assert(load.growing[0] == 2 && load.growing[1] == 1);
    pace.host_overlaps = false;
    cr_assert(eq(u64, mf_pace_step_ps(&pace, &load), expected + 900000 + 2 * 40000));
    pace.host_overlaps = true;
    pace.host_ps = 9000000;
    cr_assert(eq(u64, mf_pace_step_ps(&pace, &load), 9000000 + 2 * 40000), "the host is slower");
    mf_pace_free(&pace);
}

/* The sum over the tokens of a prompt, one by one, half of each seen by itself. */
static uint64_t pairs_by_hand(uint64_t before, uint64_t n, uint64_t limit)
{
    uint64_t twice = 0;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t a = before + i < limit ? before + i : limit;
        const uint64_t b = before + i + 1 < limit ? before + i + 1 : limit;
        twice += a + b;
    }
    return twice;
}

Test(pace, a_prompt_sees_what_is_before_it_up_to_the_limit)
{
    static const uint64_t limits[] = {1, 10, 55, 70, 71, 1000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        mf_pace pace = pace_of(limits[i], true);
        mf_load load = {0};
        mf_load_prompt(&load, &pace, 50, 20);
        const uint64_t twice =
            17 * pairs_by_hand(50, 20, MF_NO_LIMIT) + 7 * pairs_by_hand(50, 20, limits[i]);
        cr_assert(eq(u64, load.chunks_ps, 5000 + twice / 2), "limit %d", (int)limits[i]);
        mf_pace_free(&pace);
    }
}

Test(pace, decoding_beside_a_prompt_costs_by_sequence_and_longest_prompt)
{
    mf_pace pace = pace_of(MF_NO_LIMIT, true);
    mf_load load = {0};
    mf_load_decode(&load, &pace, 40);
    mf_load_decode(&load, &pace, 300);
    mf_load_prompt(&load, &pace, 0, 31);
    mf_load_prompt(&load, &pace, 0, 17);
    const uint64_t before = mf_pace_step_ps(&pace, &load);
    pace.mixed_sequence_ps = 1009;
    pace.mixed_token_ps = 13;
    cr_assert(eq(u64, mf_pace_step_ps(&pace, &load), before + 2 * (1009 + 31 * 13)));
    mf_load alone = {0};
    mf_load_decode(&alone, &pace, 40);
    pace.mixed_sequence_ps = 0;
    const uint64_t decode = mf_pace_step_ps(&pace, &alone);
    pace.mixed_sequence_ps = 1009;
    cr_assert(eq(u64, mf_pace_step_ps(&pace, &alone), decode), "no prompt in the step");
    mf_pace_free(&pace);
}

Test(pace, few_queries_take_as_long_as_the_least)
{
    mf_pace pace = pace_of(MF_NO_LIMIT, true);
    pace.least_queries = 64;
    mf_load few = {0};
    mf_load_prompt(&few, &pace, 1000, 16);
    const uint64_t plain = 24 * pairs_by_hand(1000, 16, MF_NO_LIMIT);
    cr_assert(eq(u64, few.chunks_ps, 5000 + 4 * plain / 2));
    mf_pace_free(&pace);
}

Test(pace, a_step_with_a_prompt_reads_caches_at_another_cost)
{
    mf_pace pace = pace_of(100, true);
    mf_load load = {0};
    mf_load_decode(&load, &pace, 40);
    mf_load_prompt(&load, &pace, 0, 30);
    load.n_rows++;
    const uint64_t expected = 2000003 + 301 * 31 + 22 + load.chunks_ps + (393 + 31) * 40;
    cr_assert(eq(u64, mf_pace_step_ps(&pace, &load), expected));
    mf_pace_free(&pace);
}

Test(run, its_sum_is_that_of_its_steps)
{
    for (int overlaps = 0; overlaps < 2; overlaps++) {
        mf_pace pace = pace_of(MF_NO_LIMIT, overlaps == 1);
        pace.host_ps = 1500000; /* more than the device at first, less later */
        mf_run run = {0};
        mf_wide sum = 0;
        for (uint64_t n = 0; n < 4000; n++) {
            mf_load load = {0};
            mf_load_decode(&load, &pace, 5 + n);
            mf_load_decode(&load, &pace, 60 + n);
            run = n == 0 ? mf_pace_run(&pace, &load) : run;
            cr_assert(mf_run_sum(&run, n) == sum, "%d steps", (int)n);
            sum += mf_pace_step_ps(&pace, &load);
        }
        mf_pace_free(&pace);
    }
}

Test(run, fits_the_most_steps_that_take_less_than_the_room)
{
    const mf_run runs[] = {
        {.first_ps = 1000,  .slope_ps = 7},
        {              .first_ps = 1000,    .slope_ps = 0             },
        { .first_ps = 10,  .slope_ps = 3,               .least_ps = 500},
        { .first_ps = 10, .slope_ps = 0,              .least_ps = 1000}
    };
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = 3});
    for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
        for (int i = 0; i < 300; i++) {
            const uint64_t room = mf_rng_bits(&rng) % 2000000;
            const uint64_t max = 1 + mf_rng_bits(&rng) % 900;
            const uint64_t n = mf_run_fit(&runs[r], room, max);
            cr_assert(n <= max);
            cr_assert(n == 0 || mf_run_sum(&runs[r], n) < room);
            cr_assert(n == max || mf_run_sum(&runs[r], n + 1) >= room);
        }
        cr_assert(eq(u64, mf_run_fit(&runs[r], 0, 10), 0));
        cr_assert(eq(u64, mf_run_fit(&runs[r], 1000000, 0), 0));
    }
}
