/* Queues that have closed forms, served by the engine's own code: one token a step, all steps alike. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "bench.h"

enum { REQUESTS = 150000, MEAN_TOKENS = 2000 };
#define STEP_S 0.0005 /* MEAN_TOKENS of them are a second */
#define STEP_PS UINT64_C(500000000)

static uint32_t at_least_one(double tokens)
{
    return tokens < 1 ? 1 : (uint32_t)(tokens + 0.5);
}

static void exponential(mf_request *request, mf_rng *rng)
{
    request->output_tokens = at_least_one(mf_rng_exponential(rng, MEAN_TOKENS));
}

static void constant(mf_request *request, mf_rng *rng)
{
    (void)rng;
    request->output_tokens = MEAN_TOKENS;
}

/* Mean 1 and coefficient of variation 1.5, in units of MEAN_TOKENS. */
#define LOG_VARIANCE 1.178655 /* ln(1 + 1.5^2) */
static void lognormal(mf_request *request, mf_rng *rng)
{
    const double x = mf_rng_lognormal(rng, -LOG_VARIANCE / 2, sqrt(LOG_VARIANCE));
    request->output_tokens = at_least_one(MEAN_TOKENS * x);
}

static ledger station(uint32_t n_slots, double rate, void (*fill)(mf_request *, mf_rng *))
{
    ledger l = {.skip = 2000};
    drawn d = {.seed = 11, .n_requests = REQUESTS, .rate = rate, .fill = fill};
    mf_pace pace =
        make_pace((simple_pace){.max_sequences = n_slots, .max_tokens = 64, .step_ps = STEP_PS});
    const mf_world_setup setup = {
        .rules = &mf_rules_slots,
        .pace = &pace,
        .settings = {.max_sequences = n_slots, .max_tokens = 64},
        .source = source_of_drawn(&d)
    };
    const mf_world_totals totals = run_world(&l, setup);
    cr_assert(eq(u64, totals.n_ended, REQUESTS));
    mf_pace_free(&pace);
    return l;
}

/* Within twice the 95 % interval, and that interval is no wider than 8 %. */
static void assert_mean(const mf_samples *samples, double theory)
{
    bool known = false;
    const double half = mf_samples_mean_error(samples, &known);
    cr_assert(known && half < 0.08 * theory, "half width %g of %g", half, theory);
    cr_assert(fabs(samples->mean - theory) < 2 * half,
              "mean %g, theory %g, half width %g",
              samples->mean,
              theory,
              half);
}

Test(stations, m_m_1)
{
    ledger l = station(1, 0.7, exponential);
    assert_mean(&l.sojourn_s, 1 / (1 - 0.7));
    assert_mean(&l.wait_s, 0.7 / (1 - 0.7));
    /* P(T > t) = exp(-(mu - lambda) t) */
    static const double shares[] = {0.5, 0.9};
    double q[2];
    cr_assert(eq(int, mf_samples_quantiles(q, shares, 2, &l.sojourn_s, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, q[0], log(2) / 0.3, 0.1));
    cr_assert(epsilon_eq(dbl, q[1], log(10) / 0.3, 0.4));
    ledger_free(&l);
}

Test(stations, m_d_1)
{
    ledger l = station(1, 0.8, constant);
    assert_mean(&l.wait_s, 0.8 / (2 * (1 - 0.8)));
    ledger_free(&l);
}

Test(stations, m_g_1)
{
    ledger l = station(1, 0.6, lognormal);
    /* Pollaczek and Khinchine: lambda E[S^2] / (2 (1 - rho)) */
    assert_mean(&l.wait_s, 0.6 * (1 + 1.5 * 1.5) / (2 * (1 - 0.6)));
    ledger_free(&l);
}

Test(stations, m_m_c)
{
    /* Erlang C with 3 servers, offered 2.4: P(wait) = (a^3/3! c/(c-a)) / (sum a^k/k! + that) */
    const double a = 2.4;
    const double all_busy = a * a * a / 6 * 3 / (3 - a);
    const double p_wait = all_busy / (1 + a + a * a / 2 + all_busy);
    ledger l = station(3, a, exponential);
    assert_mean(&l.wait_s, p_wait / (3 - a));
    ledger_free(&l);
}

Test(stations, processor_sharing)
{
    /* A step takes as long as it holds sequences: each gets its share. E[T | x] = x / (1 - rho) for any distribution. */
    enum { SLOTS = 200, SHARED_REQUESTS = 60000 };
    ledger l = {.skip = 2000};
    drawn d = {.seed = 12, .n_requests = SHARED_REQUESTS, .rate = 0.5, .fill = lognormal};
    mf_pace pace = make_pace((simple_pace){
        .max_sequences = SLOTS, .max_tokens = 256, .each_ps = STEP_PS, .token_ps = STEP_PS});
    const mf_world_setup setup = {
        .rules = &mf_rules_slots,
        .pace = &pace,
        .settings = {.max_sequences = SLOTS, .max_tokens = 256},
        .source = source_of_drawn(&d)
    };
    (void)run_world(&l, setup);
    assert_mean(&l.sojourn_s, 1 / (1 - 0.5));
    mf_pace_free(&pace);
    ledger_free(&l);
}

Test(stations, scaling_all_times_scales_all_latencies)
{
    double means[2];
    for (int i = 0; i < 2; i++) {
        const uint64_t scale = i == 0 ? 1 : 8;
        ledger l = {0};
        drawn d = {
            .seed = 13, .n_requests = 3000, .rate = 0.7 / (double)scale, .fill = exponential};
        mf_pace pace = make_pace(
            (simple_pace){.max_sequences = 2, .max_tokens = 64, .step_ps = 2 * STEP_PS * scale});
        const mf_world_setup setup = {
            .rules = &mf_rules_slots,
            .pace = &pace,
            .settings = {.max_sequences = 2, .max_tokens = 64},
            .source = source_of_drawn(&d)
        };
        (void)run_world(&l, setup);
        means[i] = l.sojourn_s.mean / (double)scale;
        mf_pace_free(&pace);
        ledger_free(&l);
    }
    cr_assert(epsilon_eq(dbl, means[0], means[1], 1e-6));
}
