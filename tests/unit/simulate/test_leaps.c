/* Leaping from event to event gives what stepping one by one gives, to the last nanosecond. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "bench.h"

static void mixed_lengths(mf_request *request, mf_rng *rng)
{
    request->input_tokens = 1 + (uint32_t)mf_rng_exponential(rng, 300);
    request->output_tokens = 1 + (uint32_t)mf_rng_exponential(rng, 80);
    request->session = 1 + mf_rng_bits(rng) % 40;
    request->prefix_tokens = request->input_tokens / 2;
}

static mf_pace awkward_pace(void)
{
    mf_pace pace = make_pace((simple_pace){.max_sequences = 13,
                                           .max_tokens = 512,
                                           .step_ps = 6123456789,
                                           .each_ps = 71234567,
                                           .token_ps = 91234567});
    pace.terms[0] = (mf_pace_term){
        .limit_tokens = MF_NO_LIMIT, .decode_ps = 131071, .mixed_ps = 300007, .pair_ps = 4001};
    pace.terms[1] =
        (mf_pace_term){.limit_tokens = 333, .decode_ps = 65537, .mixed_ps = 65539, .pair_ps = 2003};
    pace.n_terms = 2;
    pace.chunk_ps = 500001;
    pace.host_ps = 6500000001; /* longer than a shallow step */
    pace.host_overlaps = true;
    return pace;
}

static mf_world_totals
run_once(ledger *l, const mf_rules *rules, mf_server_settings settings, uint32_t n_servers)
{
    drawn d = {.seed = 21, .n_requests = 4000, .rate = 9.5, .fill = mixed_lengths};
    mf_pace pace = awkward_pace();
    l->keep_rows = true;
    const mf_world_setup setup = {.rules = rules,
                                  .pace = &pace,
                                  .settings = settings,
                                  .n_servers = n_servers,
                                  .source = source_of_drawn(&d)};
    const mf_world_totals totals = run_world(l, setup);
    mf_pace_free(&pace);
    return totals;
}

static void assert_equal_runs(const mf_rules *rules, mf_server_settings settings)
{
    for (uint32_t n_servers = 1; n_servers < 4; n_servers += 2) {
        ledger leaps = {0};
        ledger steps = {0};
        settings.one_by_one = false;
        const mf_world_totals a = run_once(&leaps, rules, settings, n_servers);
        settings.one_by_one = true;
        const mf_world_totals b = run_once(&steps, rules, settings, n_servers);
        cr_assert(eq(u64, a.counts.n_steps, b.counts.n_steps));
        cr_assert(eq(u64, a.counts.busy_ns, b.counts.busy_ns));
        cr_assert(eq(u64, a.counts.peak_cache_tokens, b.counts.peak_cache_tokens));
        cr_assert(a.counts.n_jumps > 1000 && b.counts.n_jumps == 0);
        cr_assert(eq(sz, leaps.n_rows, steps.n_rows));
        for (size_t i = 0; i < leaps.n_rows; i++) {
            cr_assert(memcmp(&leaps.rows[i], &steps.rows[i], sizeof leaps.rows[i]) == 0,
                      "request %zu ends at %llu and %llu",
                      i,
                      (unsigned long long)leaps.rows[i].end_ns,
                      (unsigned long long)steps.rows[i].end_ns);
        }
        ledger_free(&leaps);
        ledger_free(&steps);
    }
}

Test(leaps, slots)
{
    assert_equal_runs(
        &mf_rules_slots,
        (mf_server_settings){.max_sequences = 13, .max_tokens = 512, .prefix_cache = true});
}

Test(leaps, slots_that_share_cells)
{
    assert_equal_runs(&mf_rules_slots,
                      (mf_server_settings){.max_sequences = 13,
                                           .max_tokens = 512,
                                           .context_tokens = 3000,
                                           .cache_tokens = 3000,
                                           .unified = true,
                                           .prefix_cache = true,
                                           .host_cache_tokens = 2000});
}

Test(leaps, turns_of_prompts_and_tokens)
{
    assert_equal_runs(&mf_rules_mlx,
                      (mf_server_settings){.max_sequences = 13,
                                           .max_tokens = 64,
                                           .cache_tokens = 4000,
                                           .n_prompts = 5,
                                           .n_kept_prompts = 3,
                                           .prefix_cache = true});
}

static const mf_server_settings blocks = {.max_sequences = 13,
                                          .max_tokens = 512,
                                          .cache_tokens = 2400,
                                          .block_tokens = 16,
                                          .prefix_cache = true};

Test(leaps, blocks_that_run_out_with_a_cache_of_prefixes)
{
    assert_equal_runs(&mf_rules_vllm, blocks);
}

Test(leaps, blocks_without_a_cache_of_prefixes)
{
    mf_server_settings settings = blocks;
    settings.prefix_cache = false;
    assert_equal_runs(&mf_rules_vllm, settings);
}

Test(leaps, blocks_scheduled_in_turn)
{
    assert_equal_runs(&mf_rules_vllm_in_turn, blocks);
}

Test(leaps, blocks_in_plenty)
{
    mf_server_settings settings = blocks;
    settings.cache_tokens = 100000;
    assert_equal_runs(&mf_rules_vllm, settings);
}
