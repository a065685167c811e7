#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>

#include "calibrate/stats.h"

Test(stats, ranks_hold_the_median_with_95_percent)
{
    static const struct {
        size_t n, low, high;
    } rows[] = {
  /* Tables of the sign test: 15 -> 4 and 12 (96.5 %), 25 -> 8 and 18 (95.7 %), 45 -> 16 and 30 (96.4 %). */
        {1,  1,  1 },
        {5,  1,  5 },
        {6,  1,  6 },
        {9,  2,  8 },
        {15, 4,  12},
        {25, 8,  18},
        {45, 16, 30}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t low = 0;
        size_t high = 0;
        mf_median_ranks(&low, &high, rows[i].n);
        cr_assert(eq(sz, low, rows[i].low), "%zu samples", rows[i].n);
        cr_assert(eq(sz, high, rows[i].high), "%zu samples", rows[i].n);
    }
}

Test(stats, summary_sorts_and_ignores_the_tail)
{
    double values[] = {7, 1, 3, 2, 900, 6, 5, 4};
    mf_summary s = {0};
    cr_assert(mf_summarise(&s, values, 8));
    cr_assert(epsilon_eq(dbl, s.best, 1, 0));
    cr_assert(epsilon_eq(dbl, s.median, 4.5, 1e-12));
    cr_assert(epsilon_eq(dbl, s.low, 1, 0));
    cr_assert(epsilon_eq(dbl, s.high, 900, 0), "8 values hold the median by min and max only");
}

Test(stats, summary_of_nothing_or_nan_is_none)
{
    mf_summary s = {0};
    double broken[] = {1, NAN, 2};
    cr_assert(not(mf_summarise(&s, broken, 0)));
    cr_assert(not(mf_summarise(&s, broken, 3)));
}

Test(stats, spread_looks_at_the_last_values_only)
{
    const double values[] = {100, 50, 10, 10.1, 10, 9.9, 10};
    cr_assert(epsilon_eq(dbl, mf_spread(values, 7, 5), 0.02, 1e-9));
    cr_assert(isinf(mf_spread(values, 4, 5)), "too few");
}

Test(stats, line_through_launch_times)
{
    const double x[] = {1, 64, 256, 1024};
    const double y[] = {32e-6, 32e-6 + 63 * 3e-6, 32e-6 + 255 * 3e-6, 32e-6 + 1023 * 3e-6};
    mf_line line = {0};
    cr_assert(mf_fit_line(&line, x, y, 4));
    cr_assert(epsilon_eq(dbl, line.slope, 3e-6, 1e-12));
    cr_assert(epsilon_eq(dbl, line.intercept, 29e-6, 1e-12));
    cr_assert(not(mf_fit_line(&line, x, y, 1)));
    const double same[] = {5, 5, 5, 5};
    cr_assert(not(mf_fit_line(&line, same, y, 4)), "no slope over one x");
}
