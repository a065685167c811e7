#include "simulate/samples.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static mf_status keep_exact(mf_samples *s, double value, mf_error *err)
{
    if (s->n - 1 == s->room) {
        const size_t room = s->room > 0 ? 2 * s->room : 1024;
        double *values = realloc(s->values, room * sizeof *values);
        if (values == NULL) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %zu samples", room);
        }
        s->values = values;
        s->room = room;
    }
    s->values[s->n - 1] = value;
    return MF_OK;
}

static mf_status to_histogram(mf_samples *s, mf_error *err)
{
    const mf_status status = mf_histogram_init(&s->histogram, err);
    for (size_t i = 0; status == MF_OK && i < MF_EXACT_SAMPLES; i++) {
        mf_histogram_add(&s->histogram, s->values[i], 1);
    }
    free(s->values);
    s->values = NULL;
    s->room = 0;
    return status;
}

/* Batches of equal size; when there are too many, neighbours join. */
static void add_to_batch(mf_samples *s, double value)
{
    if (s->n_batches == 0 || s->in_batch == s->batch_size) {
        if (s->n_batches == MF_BATCH_MEANS) {
            s->n_batches /= 2;
            s->batch_size *= 2;
            for (size_t i = 0; i < s->n_batches; i++) {
                s->batch_sums[i] = s->batch_sums[2 * i] + s->batch_sums[2 * i + 1];
            }
        }
        s->batch_size = s->batch_size > 0 ? s->batch_size : 1;
        s->batch_sums[s->n_batches++] = 0;
        s->in_batch = 0;
    }
    s->batch_sums[s->n_batches - 1] += value;
    s->in_batch++;
}

mf_status mf_samples_add(mf_samples *samples, double value, mf_error *err)
{
    mf_samples *s = samples;
    mf_status status = MF_OK;
    if (s->n == MF_EXACT_SAMPLES && s->values != NULL) {
        status = to_histogram(s, err);
    }
    if (status != MF_OK) {
        return status;
    }
    s->n++;
    s->sum += value;
    const double off = value - s->mean;
    s->mean += off / (double)s->n;
    s->square += off * (value - s->mean);
    s->max = s->n == 1 || value > s->max ? value : s->max;
    add_to_batch(s, value);
    if (s->histogram.counts != NULL) {
        mf_histogram_add(&s->histogram, value, 1);
        return MF_OK;
    }
    return keep_exact(s, value, err);
}

mf_status mf_samples_join(mf_samples *samples, const mf_samples *other, mf_error *err)
{
    mf_samples *s = samples;
    mf_status status = MF_OK;
    if (other->values != NULL || other->n == 0) {
        for (uint64_t i = 0; status == MF_OK && i < other->n; i++) {
            status = mf_samples_add(s, other->values[i], err);
        }
    } else {
        if (s->histogram.counts == NULL) {
            status = mf_histogram_init(&s->histogram, err);
            for (uint64_t i = 0; status == MF_OK && i < s->n; i++) {
                mf_histogram_add(&s->histogram, s->values[i], 1);
            }
            free(s->values);
            s->values = NULL;
            s->room = 0;
        }
        if (status == MF_OK) {
            /* Chan, Golub, LeVeque: updating formulae for variances. */
            const double n = (double)(s->n + other->n);
            const double off = other->mean - s->mean;
            mf_histogram_join(&s->histogram, &other->histogram);
            s->square += other->square + off * off * (double)s->n * (double)other->n / n;
            s->mean += off * (double)other->n / n;
            s->sum += other->sum;
            s->max = fmax(s->max, other->max);
            s->n += other->n;
        }
    }
    s->n_batches = 0;
    s->in_batch = 0;
    s->batch_size = 0;
    return status;
}

void mf_samples_free(mf_samples *samples)
{
    free(samples->values);
    mf_histogram_free(&samples->histogram);
    *samples = (mf_samples){0};
}

/* Standard error of the mean from the batches that are full; false with too few. */
static bool standard_error(double *error, double *degrees, const mf_samples *s)
{
    enum { LEAST_SAMPLES = 100, LEAST_BATCHES = 20 };
    const size_t full = s->n_batches - (s->in_batch < s->batch_size ? 1 : 0);
    if (s->n < LEAST_SAMPLES || full < LEAST_BATCHES) {
        return false;
    }
    double mean = 0;
    double square = 0;
    for (size_t i = 0; i < full; i++) {
        const double value = s->batch_sums[i] / (double)s->batch_size;
        const double off = value - mean;
        mean += off / (double)(i + 1);
        square += off * (value - mean);
    }
    *degrees = (double)(full - 1);
    *error = sqrt(square / *degrees / (double)full);
    return true;
}

double mf_samples_mean_error(const mf_samples *samples, bool *known)
{
    static const double upper_share = 0.975;
    double error = 0;
    double degrees = 0;
    *known = standard_error(&error, &degrees, samples);
    return *known ? error * gsl_cdf_tdist_Pinv(upper_share, degrees) : 0;
}

double mf_samples_own_error(const mf_samples *samples, bool *known)
{
    static const double upper_share = 0.975;
    const double n = (double)samples->n;
    *known = samples->n >= 2;
    return *known ? sqrt(samples->square / (n - 1) / n) * gsl_cdf_tdist_Pinv(upper_share, n - 1)
                  : 0;
}

/* Bisected: gsl_cdf_beta_Pinv does not converge for every shape. */
static double beta_quantile(double p, double a, double b)
{
    enum { HALVINGS = 50 };
    double low = 0;
    double high = 1;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (low + high) / 2;
        if (gsl_cdf_beta_P(middle, a, b) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool mf_samples_bounds(mf_share_bounds *bounds, double share, double n)
{
    static const double tail = 0.025;
    static const double many = 1e4; /* from here on a normal distribution will do */
    if (!(pow(share, n) <= tail) || !(pow(1 - share, n) <= tail)) {
        return false;
    }
    if (n < many) {
        bounds->low = beta_quantile(tail, n * share, n * (1 - share) + 1);
        bounds->high = beta_quantile(1 - tail, n * share + 1, n * (1 - share));
    } else {
        const double half = gsl_cdf_ugaussian_Qinv(tail) * sqrt(share * (1 - share) / n);
        bounds->low = fmax(0, share - half);
        bounds->high = fmin(1, share + half);
    }
    return true;
}

double mf_samples_effective(const mf_samples *samples)
{
    double error = 0;
    double degrees = 0;
    if (!standard_error(&error, &degrees, samples) || !(error > 0)) {
        return (double)samples->n;
    }
    const double variance = samples->square / (double)(samples->n - 1);
    return fmin((double)samples->n, variance / (error * error));
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

mf_status mf_samples_quantiles(
    double *quantiles, const double *shares, size_t n, const mf_samples *samples, mf_error *err)
{
    if (samples->values == NULL) {
        for (size_t i = 0; i < n; i++) {
            quantiles[i] =
                samples->n > 0 ? mf_histogram_quantile(&samples->histogram, shares[i]) : 0;
        }
        return MF_OK;
    }
    double *sorted = malloc(samples->n * sizeof *sorted);
    if (sorted == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory to sort samples");
    }
    memcpy(sorted, samples->values, samples->n * sizeof *sorted);
    qsort(sorted, samples->n, sizeof *sorted, rising);
    for (size_t i = 0; i < n; i++) {
        const double rank = shares[i] * (double)(samples->n - 1);
        const size_t at = (size_t)rank;
        const size_t next = at + 1 < samples->n ? at + 1 : at;
        quantiles[i] = sorted[at] + (sorted[next] - sorted[at]) * (rank - (double)at);
    }
    free(sorted);
    return MF_OK;
}
