/*
 * samples.h - one measure over many requests: mean, quantiles, and how sure they are. Exact up to MF_EXACT_SAMPLES, from a
 * histogram beyond.
 *
 * Requests that follow each other wait together, so their values are not independent. The variance of the mean is taken
 * from means of batches (Law, Simulation Modeling and Analysis, 9.5.3), and the intervals of quantiles from as many
 * independent samples as give that variance.
 */
#ifndef MF_SIMULATE_SAMPLES_H
#define MF_SIMULATE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "simulate/histogram.h"

enum { MF_EXACT_SAMPLES = 1 << 19, MF_BATCH_MEANS = 64 };

typedef struct mf_samples {
    double *values; /* in the order of adding; NULL beyond the exact number */
    size_t room;
    uint64_t n;
    double sum;
    double square; /* sum of squared distances from the mean (Welford) */
    double mean;
    double max;
    mf_histogram histogram;
    double batch_sums[MF_BATCH_MEANS];
    uint64_t batch_size;
    size_t n_batches; /* begun */
    uint64_t in_batch;
} mf_samples;

/* Start with zeros. */
mf_status mf_samples_add(mf_samples *samples, double value, mf_error *err);
void mf_samples_free(mf_samples *samples);

/* Adds what another holds. Means of batches are lost: the error of the mean is not known any more. */
mf_status mf_samples_join(mf_samples *samples, const mf_samples *other, mf_error *err);

/* Half width of the 95 % interval of the mean; *known false with too few. */
double mf_samples_mean_error(const mf_samples *samples, bool *known);

/* The same of the mean of independent values: Student's. *known false below two. */
double mf_samples_own_error(const mf_samples *samples, bool *known);

/* Between which shares of the samples the quantile at a share lies, at 95 %, with n independent ones (Clopper and Pearson's binomial
   interval, in ranks). False with too few. */
typedef struct mf_share_bounds {
    double low;
    double high;
} mf_share_bounds;

bool mf_samples_bounds(mf_share_bounds *bounds, double share, double n);

/* Values at these shares; n of them. MF_E_NOMEM. */
mf_status mf_samples_quantiles(
    double *quantiles, const double *shares, size_t n, const mf_samples *samples, mf_error *err);

/* The number of independent samples that would know the mean as well. */
double mf_samples_effective(const mf_samples *samples);

#endif
