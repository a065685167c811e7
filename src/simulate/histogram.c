#include "simulate/histogram.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A bucket is a power of two cut into 2^BITS equal parts: the exponent and the first bits of the fraction of a double. */
enum { BITS = 9, LOWEST = -40, HIGHEST = 40, N_BUCKETS = (HIGHEST - LOWEST) << BITS };

mf_status mf_histogram_init(mf_histogram *histogram, mf_error *err)
{
    uint64_t *counts = calloc(N_BUCKETS, sizeof *counts);
    if (counts == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a histogram");
    }
    *histogram = (mf_histogram){.counts = counts};
    return MF_OK;
}

void mf_histogram_free(mf_histogram *histogram)
{
    free(histogram->counts);
    *histogram = (mf_histogram){0};
}

static size_t bucket_of(double value)
{
    enum { FRACTION_BITS = 52, BIAS = 1023 };
    uint64_t bits = 0;
    if (!(value >= ldexp(1, LOWEST))) {
        return 0;
    }
    if (value >= ldexp(1, HIGHEST)) {
        return N_BUCKETS - 1;
    }
    memcpy(&bits, &value, sizeof bits);
    return (size_t)((bits >> (FRACTION_BITS - BITS)) - ((uint64_t)(BIAS + LOWEST) << BITS));
}

/* Where a bucket begins. */
static double begin_of(size_t bucket)
{
    const int exponent = LOWEST + (int)(bucket >> BITS);
    const double part = (double)(bucket & ((1U << BITS) - 1)) / (1U << BITS);
    return ldexp(1 + part, exponent);
}

void mf_histogram_add(mf_histogram *histogram, double value, uint64_t times)
{
    histogram->counts[bucket_of(value)] += times;
    histogram->n += times;
}

/* How many of the n values lie below a bound. */
static uint64_t n_below(double first, double step, uint64_t n, double bound)
{
    const double steps = ceil((bound - first) / step);
    if (!(steps > 0)) {
        return 0;
    }
    return steps < (double)n ? (uint64_t)steps : n;
}

void mf_histogram_add_ramp(mf_histogram *histogram, const mf_ramp *ramp)
{
    const uint64_t n = ramp->n;
    if (n == 0) {
        return;
    }
    const size_t from = bucket_of(ramp->first);
    const size_t to = bucket_of(ramp->last);
    if (from >= to || n == 1) {
        mf_histogram_add(histogram, ramp->first, n * ramp->times);
        return;
    }
    const double step = (ramp->last - ramp->first) / (double)(n - 1);
    uint64_t done = 0;
    for (size_t b = from; b < to; b++) {
        const uint64_t below = n_below(ramp->first, step, n, begin_of(b + 1));
        histogram->counts[b] += (below - done) * ramp->times;
        done = below;
    }
    histogram->counts[to] += (n - done) * ramp->times;
    histogram->n += n * ramp->times;
}

void mf_histogram_join(mf_histogram *histogram, const mf_histogram *other)
{
    for (size_t b = 0; b < N_BUCKETS; b++) {
        histogram->counts[b] += other->counts[b];
    }
    histogram->n += other->n;
}

double mf_histogram_quantile(const mf_histogram *histogram, double share)
{
    if (histogram->n == 0) {
        return 0;
    }
    const double rank = share * (double)(histogram->n - 1);
    uint64_t below = 0;
    size_t b = 0;
    while (b + 1 < N_BUCKETS && (double)(below + histogram->counts[b]) <= rank) {
        below += histogram->counts[b];
        b++;
    }
    /* Values of a bucket are taken as evenly spread over it. */
    const double inside = (rank - (double)below + 0.5) / (double)histogram->counts[b];
    const double begin = begin_of(b);
    return begin + (begin_of(b + 1) - begin) * (inside < 1 ? inside : 1);
}
