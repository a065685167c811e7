#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/rng.h"
#include "simulate/samples.h"

static const double shares[] = {0, 0.5, 0.9, 0.99, 1};

Test(samples, quantiles_lie_between_neighbours)
{
    mf_samples s = {0};
    const double values[] = {4, 1, 3, 2};
    double q[5];
    for (int i = 0; i < 4; i++) {
        cr_assert(eq(int, mf_samples_add(&s, values[i], NULL), MF_OK));
    }
    cr_assert(eq(int, mf_samples_quantiles(q, shares, 5, &s, NULL), MF_OK));
    const double expected[] = {1, 2.5, 3.7, 3.97, 4};
    for (int i = 0; i < 5; i++) {
        cr_assert(epsilon_eq(dbl, q[i], expected[i], 1e-12));
    }
    cr_assert(epsilon_eq(dbl, s.mean, 2.5, 1e-12));
    cr_assert(epsilon_eq(dbl, s.max, 4, 0));
    mf_samples_free(&s);
}

Test(samples, none_have_no_quantile)
{
    mf_samples s = {0};
    double q[5] = {7, 7, 7, 7, 7};
    bool known = true;
    cr_assert(eq(int, mf_samples_quantiles(q, shares, 5, &s, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, q[2], 0, 0));
    (void)mf_samples_mean_error(&s, &known);
    cr_assert_not(known);
}

Test(samples, too_many_to_keep_go_on_in_a_histogram)
{
    mf_samples s = {0};
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = 4});
    for (int i = 0; i < MF_EXACT_SAMPLES + 200000; i++) {
        cr_assert(eq(int, mf_samples_add(&s, mf_rng_exponential(&rng, 0.3), NULL), MF_OK));
    }
    cr_assert_null(s.values);
    double q[5];
    cr_assert(eq(int, mf_samples_quantiles(q, shares, 5, &s, NULL), MF_OK));
    /* -m ln(1 - p), within the noise of so many draws */
    cr_assert(epsilon_eq(dbl, q[1], 0.3 * log(2), 0.002));
    cr_assert(epsilon_eq(dbl, q[2], 0.3 * log(10), 0.004));
    cr_assert(epsilon_eq(dbl, q[3], 0.3 * log(100), 0.015));
    mf_samples_free(&s);
}

Test(samples, the_interval_of_the_mean_covers_it)
{
    int covered = 0;
    for (uint64_t run = 0; run < 200; run++) {
        mf_samples s = {0};
        mf_rng rng = mf_rng_start((mf_rng_key){.seed = 6, .item = run});
        for (int i = 0; i < 3000; i++) {
            cr_assert(eq(int, mf_samples_add(&s, mf_rng_exponential(&rng, 1), NULL), MF_OK));
        }
        bool known = false;
        const double half = mf_samples_mean_error(&s, &known);
        cr_assert(known);
        covered += fabs(s.mean - 1) < half ? 1 : 0;
        mf_samples_free(&s);
    }
    /* 95 % of 200, 4 standard deviations of a binomial each way */
    cr_assert(covered >= 178 && covered < 200, "%d of 200", covered);
}

Test(samples, neighbours_that_are_alike_count_for_fewer)
{
    mf_samples alone = {0};
    mf_samples alike = {0};
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = 8});
    double kept = 0;
    for (int i = 0; i < 40000; i++) {
        const double value = mf_rng_exponential(&rng, 1);
        kept = 0.98 * kept + value;
        cr_assert(eq(int, mf_samples_add(&alone, value, NULL), MF_OK));
        cr_assert(eq(int, mf_samples_add(&alike, kept, NULL), MF_OK));
    }
    /* An autoregression of 0.98 is worth (1 - 0.98) / (1 + 0.98), 1 %, of its samples. */
    cr_assert(mf_samples_effective(&alone) > 20000);
    cr_assert(mf_samples_effective(&alike) < 1200 && mf_samples_effective(&alike) > 130);
    mf_samples_free(&alone);
    mf_samples_free(&alike);
}

Test(histogram, a_ramp_is_its_values)
{
    mf_histogram ramp = {0};
    mf_histogram single = {0};
    cr_assert(eq(int, mf_histogram_init(&ramp, NULL), MF_OK));
    cr_assert(eq(int, mf_histogram_init(&single, NULL), MF_OK));
    mf_histogram_add_ramp(&ramp, &(mf_ramp){0.0101, 0.0153, 777, 1});
    for (int i = 0; i < 777; i++) {
        mf_histogram_add(&single, 0.0101 + (0.0153 - 0.0101) / 776 * i, 1);
    }
    for (int i = 0; i < 5; i++) {
        const double a = mf_histogram_quantile(&ramp, shares[i]);
        const double b = mf_histogram_quantile(&single, shares[i]);
        cr_assert(epsilon_eq(dbl, a, b, 1e-4 * b));
        cr_assert(epsilon_eq(dbl, a, 0.0101 + 0.0052 * shares[i], 0.002 * b));
    }
    mf_histogram_free(&ramp);
    mf_histogram_free(&single);
}

Test(histogram, values_beyond_its_range_are_counted)
{
    mf_histogram h = {0};
    cr_assert(eq(int, mf_histogram_init(&h, NULL), MF_OK));
    mf_histogram_add(&h, 0, 1);
    mf_histogram_add(&h, 1e300, 2);
    mf_histogram_add_ramp(&h, &(mf_ramp){5, 5, 3, 1});
    cr_assert(eq(u64, h.n, 6));
    cr_assert(mf_histogram_quantile(&h, 1) > 1e11);
    mf_histogram_free(&h);
}
