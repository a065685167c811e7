#include "simulate/amount.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_VARIATION 1e-3 /* below it: all alike */

void mf_amount_free(mf_amount *amount)
{
    free(amount->values);
    free(amount->sums);
    *amount = (mf_amount){0};
}

static double draw_listed(const mf_amount *amount, mf_rng *rng)
{
    const double at = mf_rng_uniform(rng) * amount->sums[amount->n - 1];
    size_t low = 0;
    size_t high = amount->n - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (amount->sums[middle] > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return amount->values[low];
}

double mf_amount_draw(const mf_amount *amount, mf_rng *rng)
{
    switch (amount->kind) {
    case MF_AMOUNT_LOGNORMAL: {
        const double log_variance = log1p(amount->variation * amount->variation);
        return mf_rng_lognormal(rng, log(amount->mean) - log_variance / 2, sqrt(log_variance));
    }
    case MF_AMOUNT_EXPONENTIAL:
        return mf_rng_exponential(rng, amount->mean);
    case MF_AMOUNT_LISTED:
        return draw_listed(amount, rng);
    case MF_AMOUNT_FIXED:
        break;
    }
    return amount->mean;
}

uint32_t mf_amount_draw_whole(const mf_amount *amount, mf_rng *rng, uint32_t least)
{
    const double drawn = mf_amount_draw(amount, rng);
    return (uint32_t)fmax(least, fmin(MF_MOST_TOKENS, floor(drawn + 0.5)));
}

/* Square of a Weibull distribution's coefficient of variation, plus 1. */
static double weibull_ratio(double shape)
{
    return exp(lgamma(1 + 2 / shape) - 2 * lgamma(1 + 1 / shape));
}

/* The variation falls with the shape: bisected, there is no closed form. */
static double weibull_shape(double variation)
{
    static const double least = 0.05;
    static const double most = 2000;
    enum { HALVINGS = 100 };
    double low = least;
    double high = most;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = sqrt(low * high);
        if (weibull_ratio(middle) > 1 + variation * variation) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

mf_gaps mf_gaps_of(mf_gap_kind kind, double variation)
{
    const double c = variation;
    if (c < LEAST_VARIATION) {
        return (mf_gaps){.kind = kind, .scale = 1};
    }
    if (fabs(c - 1) < LEAST_VARIATION) {
        return (mf_gaps){.kind = kind, .shape = 1, .scale = 1};
    }
    if (kind == MF_GAPS_GAMMA) {
        return (mf_gaps){.kind = kind, .shape = 1 / (c * c), .scale = c * c};
    }
    const double shape = weibull_shape(c);
    return (mf_gaps){.kind = kind, .shape = shape, .scale = exp(-lgamma(1 + 1 / shape))};
}

double mf_gaps_draw(const mf_gaps *gaps, mf_rng *rng)
{
    if (!(gaps->shape > 0)) {
        return gaps->scale;
    }
    if (fabs(gaps->shape - 1) < LEAST_VARIATION) {
        return mf_rng_exponential(rng, gaps->scale);
    }
    return gaps->kind == MF_GAPS_WEIBULL ? mf_rng_weibull(rng, gaps->shape, gaps->scale)
                                         : mf_rng_gamma(rng, gaps->shape, gaps->scale);
}
