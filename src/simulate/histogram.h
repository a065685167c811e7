/*
 * histogram.h - how often which value, in buckets of a fixed ratio: any number of samples in a fixed memory, quantiles
 * within 0.1 %. Nothing is dropped: values beyond the range count in its first or last bucket.
 */
#ifndef MF_SIMULATE_HISTOGRAM_H
#define MF_SIMULATE_HISTOGRAM_H

#include <stdint.h>

#include "memfit/status.h"

typedef struct mf_histogram {
    uint64_t *counts;
    uint64_t n;
} mf_histogram;

mf_status mf_histogram_init(mf_histogram *histogram, mf_error *err);
void mf_histogram_free(mf_histogram *histogram);

void mf_histogram_add(mf_histogram *histogram, double value, uint64_t times);

/* n values from first to last, equally far apart, each so many times. */
typedef struct mf_ramp {
    double first;
    double last;
    uint64_t n;
    uint64_t times;
} mf_ramp;

void mf_histogram_add_ramp(mf_histogram *histogram, const mf_ramp *ramp);

void mf_histogram_join(mf_histogram *histogram, const mf_histogram *other);

/* 0 if it is empty. */
double mf_histogram_quantile(const mf_histogram *histogram, double share);

#endif
