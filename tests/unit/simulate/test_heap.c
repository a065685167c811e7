#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/rng.h"
#include "simulate/clock.h"
#include "simulate/heap.h"

Test(heap, gives_events_by_time_and_then_in_the_order_of_adding)
{
    mf_heap heap = {0};
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = 5});
    for (uint64_t i = 0; i < 1000; i++) {
        cr_assert(mf_heap_add(&heap, mf_rng_bits(&rng) % 50, i));
    }
    mf_event last = mf_heap_take(&heap);
    for (int i = 1; i < 1000; i++) {
        cr_assert(eq(u64, mf_heap_next_ns(&heap), heap.items[0].ns));
        const mf_event event = mf_heap_take(&heap);
        cr_assert(last.ns < event.ns || (last.ns == event.ns && last.what < event.what));
        last = event;
    }
    cr_assert(eq(u64, mf_heap_next_ns(&heap), MF_NEVER));
    mf_heap_free(&heap);
}

Test(clock, carries_picoseconds)
{
    mf_clock clock = {.ns = 7, .ps = 999};
    clock = mf_clock_after(clock, 1);
    cr_assert(clock.ns == 8 && clock.ps == 0);
    clock = mf_clock_after(clock, (mf_wide)3 * 1000 + 5);
    cr_assert(clock.ns == 11 && clock.ps == 5);
}

Test(clock, stops_before_never)
{
    const mf_clock late = mf_clock_after((mf_clock){.ns = MF_NEVER - 5}, (mf_wide)1 << 80);
    cr_assert(eq(u64, late.ns, MF_NEVER - 1));
    cr_assert(eq(u64, mf_nanoseconds(1e300), MF_NEVER - 1));
    cr_assert(eq(u64, mf_nanoseconds(-1), 0));
    cr_assert(eq(u64, mf_nanoseconds(1.5), 1500000000));
}

Test(rng, depends_on_nothing_but_its_key)
{
    mf_rng a = mf_rng_start((mf_rng_key){.seed = 1, .stream = 2, .item = 3, .part = 4});
    mf_rng b = mf_rng_start((mf_rng_key){.seed = 1, .stream = 2, .item = 3, .part = 4});
    mf_rng c = mf_rng_start((mf_rng_key){.seed = 1, .stream = 2, .item = 4, .part = 3});
    const double first = mf_rng_exponential(&a, 2);
    cr_assert(epsilon_eq(dbl, first, mf_rng_exponential(&b, 2), 0));
    cr_assert(ne(dbl, first, mf_rng_exponential(&c, 2)));
}

Test(rng, draws_the_moments_of_its_distributions)
{
    enum { N = 200000 };
    double sums[4] = {0};
    double squares[4] = {0};
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = 9});
    for (int i = 0; i < N; i++) {
        const double x[4] = {mf_rng_exponential(&rng, 3),
                             mf_rng_gamma(&rng, 0.25, 8),
                             mf_rng_weibull(&rng, 2, 1),
                             mf_rng_lognormal(&rng, 0.5, 0.5)};
        for (int k = 0; k < 4; k++) {
            sums[k] += x[k];
            squares[k] += x[k] * x[k];
        }
    }
    /* Mean and variance: 3, 9; k t, k t^2; sqrt(pi) / 2, 1 - pi / 4; exp(m + s^2 / 2), .. */
    const double means[4] = {3, 2, 0.886227, 1.868246};
    const double variances[4] = {9, 16, 0.214602, 0.991349};
    for (int k = 0; k < 4; k++) {
        const double mean = sums[k] / N;
        cr_assert(epsilon_eq(dbl, mean, means[k], 0.02 * means[k]), "mean of %d", k);
        cr_assert(epsilon_eq(dbl, squares[k] / N - mean * mean, variances[k], 0.05 * variances[k]),
                  "variance of %d",
                  k);
    }
}
