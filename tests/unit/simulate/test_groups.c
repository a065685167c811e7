/* Servers that share experts: every step of theirs is one of all. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "bench.h"

enum { PAIRS = 300, TOGETHER_PS = 3000000000U };

static const mf_server_settings blocks = {.max_sequences = 7,
                                          .max_tokens = 64,
                                          .cache_tokens = 1200,
                                          .block_tokens = 16,
                                          .prefix_cache = true};

static mf_pace pace_of(uint32_t n_together, uint64_t extra_ps)
{
    mf_pace pace = make_pace((simple_pace){.max_sequences = 7,
                                           .max_tokens = 64,
                                           .step_ps = 6123456789 + extra_ps,
                                           .each_ps = 71234567,
                                           .token_ps = 91234567});
    pace.terms[0] = (mf_pace_term){
        .limit_tokens = MF_NO_LIMIT, .decode_ps = 131071, .mixed_ps = 300007, .pair_ps = 4001};
    pace.n_terms = 1;
    if (n_together > 1) {
        cr_assert(eq(int, mf_pace_share(&pace, n_together, NULL), MF_OK));
        for (uint32_t t = 1; t <= 64; t++) {
            pace.shared_ps[t] = TOGETHER_PS;
        }
    }
    return pace;
}

static void run_list(ledger *l, const mf_request *items, size_t n, uint32_t n_together)
{
    listed list = {.items = items, .n_items = n};
    mf_pace pace = pace_of(n_together, n_together > 1 ? 0 : TOGETHER_PS);
    mf_server_settings settings = blocks;
    settings.one_by_one = true;
    l->keep_rows = true;
    const mf_world_setup setup = {.rules = &mf_rules_vllm,
                                  .pace = &pace,
                                  .settings = settings,
                                  .n_servers = n_together,
                                  .n_together = n_together,
                                  .source = source_of_list(&list)};
    (void)run_world(l, setup);
    mf_pace_free(&pace);
}

/* Twins that come at once: each server has one of each pair, and all goes as on one server that does what they do together alone. */
Test(groups, twins_are_served_as_one_would_be_alone)
{
    mf_request one[PAIRS] = {0};
    mf_request two[2 * PAIRS] = {0};
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = 5});
    uint64_t at_ns = 0;
    ledger alone = {0};
    ledger twins = {0};
    for (size_t i = 0; i < PAIRS; i++) {
        at_ns += (uint64_t)mf_rng_exponential(&rng, 9e7);
        one[i] = (mf_request){.arrival_ns = at_ns,
                              .input_tokens = 1 + (uint32_t)mf_rng_exponential(&rng, 90),
                              .output_tokens = 1 + (uint32_t)mf_rng_exponential(&rng, 40)};
        two[2 * i] = one[i];
        two[2 * i + 1] = one[i];
    }
    run_list(&alone, one, PAIRS, 1);
    run_list(&twins, two, 2 * PAIRS, 2);
    cr_assert(twins.n_rows == 2 * PAIRS && alone.n_rows == PAIRS);
    for (size_t i = 0; i < 2 * PAIRS; i++) {
        cr_assert(eq(u64, twins.rows[i].first_ns, alone.rows[i / 2].first_ns), "request %zu", i);
        cr_assert(eq(u64, twins.rows[i].end_ns, alone.rows[i / 2].end_ns));
        cr_assert(eq(u32, twins.rows[i].n_preempted, alone.rows[i / 2].n_preempted));
    }
    ledger_free(&alone);
    ledger_free(&twins);
}

/* A long prompt on one server holds up the other's tokens; one that has nothing to do holds up nobody. */
Test(groups, a_step_takes_as_long_as_the_slowest)
{
    static const mf_request items[] = {
        {.arrival_ns = 10, .input_tokens = 1,  .output_tokens = 3},
        {.arrival_ns = 10, .input_tokens = 60, .output_tokens = 1},
    };
    ledger l = {0};
    run_list(&l, items, 2, 2);
    mf_pace pace = pace_of(2, 0);
    mf_load prompt = {0};
    mf_load_prompt(&prompt, &pace, 0, 60);
    const uint64_t first_ps = mf_pace_step_ps(&pace, &prompt) + TOGETHER_PS;
    mf_load decode = {0};
    mf_load_decode(&decode, &pace, 2);
    mf_load later = {0};
    mf_load_decode(&later, &pace, 3);
    const uint64_t rest_ps = mf_pace_step_ps(&pace, &decode) + mf_pace_step_ps(&pace, &later) +
                             2 * (uint64_t)TOGETHER_PS;
    cr_assert(eq(u64, l.rows[0].first_ns, 10 + first_ps / 1000));
    cr_assert(eq(u64, l.rows[1].end_ns, l.rows[0].first_ns));
    cr_assert(eq(u64, l.rows[0].end_ns, 10 + (first_ps + rest_ps) / 1000));
    mf_pace_free(&pace);
    ledger_free(&l);
}

Test(groups, what_is_done_together_goes_by_all_tokens)
{
    mf_pace pace = pace_of(3, 0);
    mf_group_load sum = {0};
    mf_load few = {0};
    mf_load many = {0};
    pace.host_overlaps = true;
    pace.host_ps = 1;
    pace.shared_ps[5] = 777;
    mf_load_prompt(&few, &pace, 0, 2);
    mf_load_prompt(&many, &pace, 0, 11);
    mf_group_load_add(&sum, &pace, &few);
    mf_group_load_add(&sum, &pace, &many);
    /* 13 tokens on three servers: five each, the last of them padding. */
    cr_assert(eq(u64, mf_pace_group_ps(&pace, &sum), mf_pace_step_ps(&pace, &many) + 777));
    pace.host_ps = UINT64_C(1) << 50;
    mf_group_load slow = {0};
    mf_group_load_add(&slow, &pace, &many);
    cr_assert(eq(u64, mf_pace_group_ps(&pace, &slow), UINT64_C(1) << 50), "the host is slower");
    mf_pace_free(&pace);
}
