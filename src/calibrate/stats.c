#include "calibrate/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

#define COVERAGE 0.95
#define LEAST_FOR_RANKS 6 /* min and max of 5 hold the median with 94 % only */

void mf_median_ranks(size_t *low, size_t *high, size_t n)
{
    *low = 1;
    *high = n;
    if (n < LEAST_FOR_RANKS) {
        return;
    }
    /* The number of values below the median is binomial: ranks k and n + 1 - k miss it when k - 1 or fewer are, twice. */
    const unsigned trials = (unsigned)n;
    size_t k = 1;
    while (k + 1 <= n / 2 && 1 - 2 * gsl_cdf_binomial_P((unsigned)k, 0.5, trials) >= COVERAGE) {
        k++;
    }
    *low = k;
    *high = n + 1 - k;
}

bool mf_summarise(mf_summary *summary, double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    if (n == 0) {
        return false;
    }
    size_t low = 0;
    size_t high = 0;
    gsl_sort(values, 1, n);
    mf_median_ranks(&low, &high, n);
    *summary = (mf_summary){.best = values[0],
                            .median = gsl_stats_median_from_sorted_data(values, 1, n),
                            .low = values[low - 1],
                            .high = values[high - 1]};
    return true;
}

double mf_spread(const double *values, size_t n, size_t n_last)
{
    enum { MOST = 16 };
    double last[MOST];
    if (n < n_last || n_last == 0 || n_last > MOST) {
        return (double)INFINITY;
    }
    for (size_t i = 0; i < n_last; i++) {
        last[i] = values[n - n_last + i];
    }
    mf_summary summary = {0};
    if (!mf_summarise(&summary, last, n_last) || summary.median <= 0) {
        return (double)INFINITY;
    }
    return (last[n_last - 1] - last[0]) / summary.median;
}

bool mf_fit_line(mf_line *line, const double *x, const double *y, size_t n)
{
    double least = (double)INFINITY;
    double most = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    if (n < 2 || !(most > least)) {
        return false;
    }
    double c00 = 0;
    double c01 = 0;
    double c11 = 0;
    double squares = 0;
    (void)gsl_fit_linear(x, 1, y, 1, n, &line->intercept, &line->slope, &c00, &c01, &c11, &squares);
    return isfinite(line->slope) && isfinite(line->intercept);
}
