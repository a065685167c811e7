/* Whole simulations of cases from the databases. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "served.h"

static const mf_serving defaults = MF_SERVING_DEFAULT;

/* Requests so far apart that each has the machine for itself. */
static mf_open_load alone(double input, double output)
{
    mf_open_load load = mf_open_load_default();
    load.n_requests = 3;
    load.rate_per_s = 1e-3;
    load.burstiness = 0;
    load.input_tokens = input;
    load.output_tokens = output;
    return load;
}

static void assert_one_request_is_as_predicted(const char *model, const char *machine)
{
    served_case c = open_case(model, "Q4_K_M", machine, "llama.cpp");
    mf_prediction *p = calloc(1, sizeof *p);
    mf_serving serving = defaults;
    serving.max_sequences = 1;
    serving.context_tokens = 32768;
    const mf_simulation s = serve(&c, serving, draw_requests(alone(6000, 300)));
    c.run.workload.n_ctx = 32768;
    c.run.workload.n_prompt = 6000;
    c.run.workload.n_output = 300;
    cr_assert(eq(int, mf_predict(p, &c.run, c.calibration, NULL), MF_OK));
    cr_assert(p->memory.fits);
    cr_assert(epsilon_eq(dbl, s.ttft_s.mean, p->ttft.s, 1e-5 * p->ttft.s), "%s", model);
    cr_assert(epsilon_eq(dbl, s.tpot_s.mean, 1 / p->decode.tok_s, 1e-5 / p->decode.tok_s));
    free(p);
    close_case(&c);
}

Test(simulate, one_request_takes_what_the_estimator_says)
{
    assert_one_request_is_as_predicted("llama-3.1-8b", "mac-studio-m4-max-40c-128gb");
    assert_one_request_is_as_predicted("qwen3-30b-a3b", "pc-rtx-4090");
}

Test(simulate, one_request_takes_what_the_estimator_says_on_mlx)
{
    served_case c = open_case("llama-3.1-8b", "mlx-4bit", "mac-studio-m4-max-40c-128gb", "mlx");
    mf_prediction *p = calloc(1, sizeof *p);
    const mf_simulation s = serve(&c, defaults, draw_requests(alone(6000, 300)));
    c.run.workload.n_ctx = 32768;
    c.run.workload.n_prompt = 6000;
    c.run.workload.n_output = 300;
    cr_assert(eq(int, mf_predict(p, &c.run, c.calibration, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, s.ttft_s.mean, p->ttft.s, 1e-4 * p->ttft.s));
    cr_assert(epsilon_eq(dbl, s.tpot_s.mean, 1 / p->decode.tok_s, 1e-4 / p->decode.tok_s));
    cr_assert(s.max_sequences == 32 && s.kv_tokens > 400000 && s.kv_tokens < 900000);
    free(p);
    close_case(&c);
}

/* Windows of 1024 tokens beside full layers, and a cache that is no straight line of depth. */
Test(simulate, one_request_takes_what_the_estimator_says_with_windows)
{
    assert_one_request_is_as_predicted("gemma-3-12b", "pc-rtx-4090");
}

Test(simulate, capacity_is_the_memory_models_own)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "pc-rtx-4090", "vllm");
    mf_vllm_cache cache = {0};
    const mf_simulation s = serve(&c, defaults, draw_requests(alone(100, 10)));
    c.run.workload.split = MF_SPLIT_TENSOR;
    cr_assert(eq(int, mf_vllm_cache_size(&cache, &c.run, NULL), MF_OK));
    cr_assert(eq(u64, s.kv_tokens, cache.n_tokens));
    cr_assert(cache.n_tokens > 40000 && cache.n_tokens < 46000);
    close_case(&c);
}

/* Simulators that were given another capacity than the card has were off by a fifth: fewer blocks must show. */
Test(simulate, a_fifth_fewer_blocks_make_a_full_card_wait_longer)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "pc-rtx-4090", "vllm");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 300;
    load.rate_per_s = 10;
    load.input_tokens = 857;
    load.output_tokens = 653;
    load.spread = 0.5;
    mf_serving fewer = defaults;
    const mf_simulation whole = serve(&c, defaults, draw_requests(load));
    fewer.kv_blocks = (uint64_t)(0.78 * (double)whole.kv_tokens / 16);
    const mf_simulation part = serve(&c, fewer, draw_requests(load));
    cr_assert(whole.saturated && !whole.ttft_s.known);
    cr_assert(part.kv_peak_fraction > 0.99 && whole.kv_peak_fraction > 0.99);
    cr_assert(part.duration_s > 1.05 * whole.duration_s);
    cr_assert(part.tpot_s.mean < whole.tpot_s.mean);
    cr_assert(whole.n_preempted > 0);
    close_case(&c);
}

Test(simulate, leaps_and_steps_give_the_same_figures)
{
    static const char *const engines[] = {"llama.cpp", "vllm"};
    for (int e = 0; e < 2; e++) {
        served_case c =
            open_case("llama-3.1-8b", e == 0 ? "Q4_K_M" : "bf16", "pc-rtx-4090", engines[e]);
        mf_open_load load = mf_open_load_default();
        load.n_requests = 400;
        load.rate_per_s = 2;
        load.spread = 1;
        mf_serving steps = defaults;
        steps.step_by_step = true;
        mf_simulation a = serve(&c, defaults, draw_requests(load));
        const mf_simulation b = serve(&c, steps, draw_requests(load));
        cr_assert(a.n_leaps > 0 && b.n_leaps == 0);
        cr_assert(eq(u64, a.n_steps, b.n_steps));
        cr_assert(eq(dbl, a.ttft_s.mean, b.ttft_s.mean));
        cr_assert(eq(dbl, a.e2e_s.quantiles[MF_P99], b.e2e_s.quantiles[MF_P99]));
        cr_assert(eq(dbl, a.duration_s, b.duration_s));
        close_case(&c);
    }
}

Test(simulate, what_does_not_fit_is_said_and_not_simulated)
{
    served_case c = open_case("llama-3.3-70b", "bf16", "pc-rtx-4090", "vllm");
    const mf_simulation s = serve(&c, defaults, draw_requests(alone(100, 10)));
    cr_assert(s.n_requests == 0 && s.n_warnings > 0);
    cr_assert_not(s.fits);
    cr_assert_not_null(strstr(s.warnings[0], "no room"));
    close_case(&c);
}

Test(simulate, a_saturated_load_has_throughput_but_no_mean_wait)
{
    served_case c = open_case("llama-3.1-8b", "Q4_K_M", "pc-rtx-4090", "llama.cpp");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 2000;
    load.rate_per_s = 100;
    const mf_simulation s = serve(&c, defaults, draw_requests(load));
    cr_assert(s.saturated && !s.ttft_s.known && !s.queue_s.known && s.tpot_s.known);
    cr_assert(s.output_tok_s > 0 && s.utilization > 0.99);
    close_case(&c);
}

Test(simulate, requests_longer_than_the_context_are_cut_or_refused)
{
    served_case c = open_case("llama-3.1-8b", "Q4_K_M", "pc-rtx-4090", "llama.cpp");
    mf_serving serving = defaults;
    serving.context_tokens = 1024;
    mf_simulation s = serve(&c, serving, draw_requests(alone(1000, 100)));
    cr_assert(eq(u64, s.n_outcomes[MF_SERVED_CUT], 3));
    s = serve(&c, serving, draw_requests(alone(1024, 100)));
    cr_assert(eq(u64, s.n_outcomes[MF_SERVED_REFUSED], 3));
    cr_assert_not(s.ttft_s.known);
    close_case(&c);
}

Test(simulate, settings_that_the_machine_cannot_have_are_refused)
{
    served_case vllm = open_case("llama-3.1-8b", "bf16", "pc-2x-rtx-4090", "vllm");
    mf_requests *r = draw_requests(alone(10, 10));
    mf_simulation s;
    mf_simulation_run run = {.run = &vllm.run, .requests = r, .serving = defaults};
    run.serving.tensor_parallel = 3;
    cr_assert(eq(int, mf_simulate(&s, &run, NULL), MF_E_USAGE));
    run.serving = (mf_serving){.max_sequences = 300, .max_batch_tokens = 200};
    cr_assert(eq(int, mf_simulate(&s, &run, NULL), MF_E_USAGE));
    mf_requests_free(r);
    close_case(&vllm);
}

/* Two servers with half of the requests each against one that has both cards. */
Test(simulate, data_parallel_servers_share_the_requests)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "pc-2x-rtx-4090", "vllm");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 200;
    load.rate_per_s = 3;
    mf_serving two = defaults;
    two.data_parallel = 2;
    const mf_simulation a = serve(&c, defaults, draw_requests(load));
    const mf_simulation b = serve(&c, two, draw_requests(load));
    cr_assert(a.n_servers == 1 && a.devices_per_server == 2);
    cr_assert(b.n_servers == 2 && b.devices_per_server == 1);
    cr_assert(a.kv_tokens > 2 * b.kv_tokens);
    cr_assert(a.tpot_s.mean < b.tpot_s.mean);
    close_case(&c);
}

/* Servers of a mixture hold a part of its experts each, and step together: more room for a cache, and the time of the slowest. */
Test(simulate, data_parallel_servers_of_a_mixture_share_its_experts)
{
    served_case c =
        open_case("qwen3-30b-a3b", "bf16", "server-2x-rtx-pro-6000-blackwell-server", "vllm");
    served_case one =
        open_case("qwen3-30b-a3b", "bf16", "server-rtx-pro-6000-blackwell-server", "vllm");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 200;
    load.rate_per_s = 8;
    mf_serving two = defaults;
    two.data_parallel = 2;
    const mf_simulation shared = serve(&c, two, draw_requests(load));
    const mf_simulation alone = serve(&one, defaults, draw_requests(load));
    /* Half of 57 GB, in tokens of 98304 bytes. */
    const uint64_t more = (uint64_t)(28.9e9 / 98304);
    cr_assert(shared.n_servers == 2 && shared.devices_per_server == 1);
    cr_assert(shared.kv_tokens > alone.kv_tokens + more * 9 / 10);
    cr_assert(shared.kv_tokens < alone.kv_tokens + more * 11 / 10);
    cr_assert(shared.tpot_s.mean < alone.tpot_s.mean);
    cr_assert(shared.tpot_s.mean > alone.tpot_s.mean / 2);
    close_case(&c);
    close_case(&one);
}

typedef struct order {
    double last_s;
    uint64_t n;
} order;

static mf_status in_order(void *payload, const mf_served_request *served, mf_error *err)
{
    (void)err;
    order *o = payload;
    cr_assert(served->arrival_s >= o->last_s);
    cr_assert(served->ttft_s >= served->queue_s && served->e2e_s >= served->ttft_s);
    o->last_s = served->arrival_s;
    o->n++;
    return o->n == 900 ? MF_E_IO : MF_OK;
}

Test(simulate, tells_of_requests_in_order_of_arrival_until_it_is_stopped)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "pc-rtx-4090", "vllm");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 1000;
    load.rate_per_s = 4;
    load.spread = 2;
    order o = {0};
    mf_simulation s;
    mf_requests *r = draw_requests(load);
    const mf_simulation_run run = {
        .run = &c.run, .serving = defaults, .requests = r, .served = in_order, .payload = &o};
    cr_assert(eq(int, mf_simulate(&s, &run, NULL), MF_E_IO));
    cr_assert(eq(u64, o.n, 900));
    mf_requests_free(r);
    close_case(&c);
}

/* Requests that begin with published blocks of text, and go on with what nobody else has. */
Test(simulate, texts_of_a_mooncake_trace_are_found_again)
{
    char path[] = "/tmp/memfit-mooncake-XXXXXX";
    served_case c = open_case("llama-3.1-8b", "bf16", "pc-rtx-4090", "vllm");
    FILE *file = fdopen(mkstemp(path), "w");
    for (int i = 0; i < 60; i++) {
        (void)fprintf(file,
                      "{\"timestamp\": %d, \"input_length\": 1300, \"output_length\": 90, "
                      "\"hash_ids\": [7, 8, %d]}\n",
                      400 * i,
                      100 + i);
    }
    (void)fclose(file);
    uint64_t cached[2] = {0};
    for (int on = 0; on < 2; on++) {
        mf_requests *requests = NULL;
        mf_serving serving = defaults;
        serving.prefix_cache = on;
        cr_assert(mf_requests_open(&requests, path, 1, NULL) == MF_OK);
        const mf_simulation s = serve(&c, serving, requests);
        cr_assert(eq(u64, s.n_outcomes[MF_SERVED_DONE], 60));
        cached[on] = s.cached_tokens;
    }
    /* Two blocks of 512, by all but the first few, which come before it is computed. */
    cr_assert(cached[0] == 0 && cached[1] >= 1024 * 57 && cached[1] <= 1024 * 59);
    (void)unlink(path);
    close_case(&c);
}

/* All requests of the same lengths: the mean over tokens is the mean over requests. */
Test(simulate, times_between_tokens_are_those_that_make_up_a_request)
{
    static const char *const engines[] = {"llama.cpp", "mlx"};
    for (int e = 0; e < 2; e++) {
        served_case c = open_case("llama-3.1-8b",
                                  e == 0 ? "Q4_K_M" : "mlx-4bit",
                                  "mac-studio-m4-max-40c-128gb",
                                  engines[e]);
        mf_open_load load = mf_open_load_default();
        load.n_requests = 2000;
        load.rate_per_s = 0.2;
        const mf_simulation s = serve(&c, defaults, draw_requests(load));
        cr_assert(epsilon_eq(dbl, s.itl_s.mean, s.tpot_s.mean, 0.004 * s.tpot_s.mean));
        cr_assert(s.itl_s.n > 1790 * 127 && s.itl_s.n < 1810 * 127);
        close_case(&c);
    }
}

Test(simulate, replications_are_samples_of_their_own_and_known_together)
{
    served_case c = open_case("llama-3.1-8b", "Q4_K_M", "pc-rtx-4090", "llama.cpp");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 300;
    const mf_demand demand = {.load = &load};
    mf_simulation_run run = {
        .run = &c.run, .calibration = c.calibration, .serving = defaults, .n_replications = 12};
    mf_simulation *s = calloc(3, sizeof *s);
    cr_assert(eq(int, mf_simulate_demand(&s[0], &run, &demand, NULL), MF_OK));
    run.n_replications = 1;
    cr_assert(eq(int, mf_simulate_demand(&s[1], &run, &demand, NULL), MF_OK));
    load.seed += 11;
    cr_assert(eq(int, mf_simulate_demand(&s[2], &run, &demand, NULL), MF_OK));
    cr_assert(s[0].n_requests == 3600 && s[0].n_replications == 12 && s[0].ttft_s.n == 12 * 270);
    cr_assert_neq(s[1].ttft_s.mean, s[2].ttft_s.mean);
    cr_assert(s[0].ttft_s.error_known);
    cr_assert(s[1].ttft_s.mean_error > 1.5 * s[0].ttft_s.mean_error);
    cr_assert(s[0].ttft_s.low[MF_P90] < s[0].ttft_s.quantiles[MF_P90]);
    run.n_replications = 2;
    const mf_demand trace = {.trace = "none.csv", .speedup = 1};
    cr_assert(eq(int, mf_simulate_demand(&s[0], &run, &trace, NULL), MF_E_USAGE));
    free(s);
    close_case(&c);
}

/* A server that is thought to take a fifth more than it does: at such a load the wait is told as no single time. */
Test(simulate, near_saturation_no_mean_wait_is_told)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "server-h100-sxm", "vllm");
    static const double rates[] = {20, 32, 38};
    mf_simulation s[3];
    for (int i = 0; i < 3; i++) {
        mf_open_load load = mf_open_load_default();
        load.n_requests = 10000;
        load.rate_per_s = rates[i];
        s[i] = serve(&c, defaults, draw_requests(load));
    }
    cr_assert(s[0].ttft_s.known && !s[0].ttft_s.swings && !s[0].saturated);
    cr_assert(s[1].saturated || s[1].ttft_s.swings);
    cr_assert(s[2].saturated && !s[2].ttft_s.known);
    close_case(&c);
}

/* A search over a small load; asserts that it worked. The caller frees it. */
static mf_search *
search_for(mf_search_kind kind, const served_case *c, mf_promise promise, const mf_demand *demand)
{
    mf_error err = {0};
    mf_search *found = calloc(1, sizeof *found);
    const mf_simulation_run run = {
        .run = &c->run, .calibration = c->calibration, .serving = defaults, .promise = promise};
    const mf_status status = mf_simulate_search(found, kind, &run, demand, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    return found;
}

Test(simulate, the_highest_rate_keeps_the_promise_and_a_higher_one_does_not)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "pc-rtx-4090", "vllm");
    const mf_promise promise = {.ttft_s = 0.6, .tpot_s = 0.05, .share = 0.9};
    mf_open_load load = mf_open_load_default();
    load.n_requests = 600;
    const mf_demand demand = {.load = &load};
    mf_search *found = search_for(MF_SEARCH_RATE, &c, promise, &demand);
    cr_assert(found->found && found->best > 1 && found->best < 100);
    cr_assert(found->at.within_share >= 0.9);
    load.rate_per_s = 1.05 * found->best;
    mf_simulation at;
    const mf_simulation_run run = {
        .run = &c.run, .serving = defaults, .promise = promise, .requests = draw_requests(load)};
    cr_assert(eq(int, mf_simulate(&at, &run, NULL), MF_OK));
    cr_assert(at.within_share < 0.9);
    mf_requests_free(run.requests);
    free(found);
    found = search_for(MF_SEARCH_RATE, &c, (mf_promise){.ttft_s = 1e-6}, &demand);
    cr_assert_not(found->found);
    cr_assert(found->at.within_share <= 0);
    free(found);
    close_case(&c);
}

Test(simulate, searches_need_what_they_vary_and_a_promise)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "server-h100-sxm", "vllm");
    mf_search *found = calloc(1, sizeof *found);
    const mf_open_load load = mf_open_load_default();
    const mf_demand demand = {.load = &load};
    mf_simulation_run run = {.run = &c.run, .serving = defaults, .promise = {.share = 0.5}};
    cr_assert(eq(int, mf_simulate_search(found, MF_SEARCH_RATE, &run, &demand, NULL), MF_E_USAGE));
    run.promise.ttft_s = 1;
    cr_assert(eq(int, mf_simulate_search(found, MF_SEARCH_USERS, &run, &demand, NULL), MF_E_USAGE));
    free(found);
    close_case(&c);
}

Test(simulate, the_most_users_keep_the_promise_and_one_more_does_not)
{
    served_case c = open_case("llama-3.1-8b", "Q4_K_M", "pc-rtx-4090", "llama.cpp");
    mf_usage *usage = NULL;
    mf_open_load load = mf_open_load_default();
    cr_assert(eq(int, mf_usage_of_users(&usage, &load, 1, 20, NULL), MF_OK));
    const mf_demand demand = {.usage = usage, .seed = 3, .n_requests = 600};
    mf_search *found = search_for(MF_SEARCH_USERS, &c, (mf_promise){.ttft_s = 1}, &demand);
    cr_assert(found->found && found->best > 4 && found->best < 200);
    const mf_trial *best = &found->trials[found->best_trial];
    cr_assert(best->kept && best->value >= found->best && best->value <= found->best);
    cr_assert(found->best_trial + 1 < found->n_trials && !best[1].kept);
    cr_assert(best[1].value <= found->best + 1);
    free(found);
    mf_usage_free(usage);
    close_case(&c);
}

Test(simulate, machines_are_added_until_a_load_is_served)
{
    served_case c = open_case("llama-3.1-8b", "bf16", "server-h100-sxm", "vllm");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 2000;
    load.rate_per_s = 100;
    const mf_demand demand = {.load = &load};
    mf_search *found = search_for(MF_SEARCH_MACHINES, &c, (mf_promise){.ttft_s = 0.3}, &demand);
    cr_assert(found->found && found->best > 2 && found->at.n_servers > 2);
    cr_assert_not(found->trials[found->best_trial - 1].kept);
    free(found);
    close_case(&c);
}

/* One at a time is worse for users who come together; the best of all tried has no worse share than any. */
Test(simulate, slots_are_chosen_by_what_they_serve)
{
    served_case c = open_case("llama-3.1-8b", "Q4_K_M", "pc-rtx-4090", "llama.cpp");
    mf_open_load load = mf_open_load_default();
    load.n_requests = 500;
    load.rate_per_s = 1;
    const mf_demand demand = {.load = &load};
    mf_search *found = search_for(MF_SEARCH_SLOTS, &c, (mf_promise){.ttft_s = 0.5}, &demand);
    cr_assert(found->found && found->best > 1 && found->n_trials > 3);
    for (size_t i = 0; i < found->n_trials; i++) {
        cr_assert(found->trials[i].within_share <= found->at.within_share + 1.1e-3);
    }
    free(found);
    close_case(&c);
}
