#include "base/rng.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 over the golden ratio */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

mf_rng mf_rng_start(mf_rng_key key)
{
    uint64_t state = mix(key.seed + GOLDEN);
    state = mix(state ^ (key.stream + GOLDEN));
    state = mix(state ^ (key.item + GOLDEN));
    return (mf_rng){.state = mix(state ^ (key.part + GOLDEN))};
}

uint64_t mf_rng_bits(mf_rng *rng)
{
    rng->state += GOLDEN;
    return mix(rng->state);
}

double mf_rng_uniform(mf_rng *rng)
{
    return (double)(mf_rng_bits(rng) >> 11) * 0x1p-53;
}

/* The generator as GSL's distributions take it. */
static unsigned long get_bits(void *state)
{
    return (unsigned long)(mf_rng_bits(state) >> 32);
}

static double get_uniform(void *state)
{
    return mf_rng_uniform(state);
}

static void set_seed(void *state, unsigned long seed)
{
    ((mf_rng *)state)->state = seed;
}

static const gsl_rng_type splitmix = {.name = "splitmix64",
                                      .max = 0xffffffffUL,
                                      .min = 0,
                                      .size = sizeof(mf_rng),
                                      .set = set_seed,
                                      .get = get_bits,
                                      .get_double = get_uniform};

double mf_rng_exponential(mf_rng *rng, double mean)
{
    const gsl_rng generator = {.type = &splitmix, .state = rng};
    return gsl_ran_exponential(&generator, mean);
}

double mf_rng_gamma(mf_rng *rng, double shape, double scale)
{
    const gsl_rng generator = {.type = &splitmix, .state = rng};
    return gsl_ran_gamma(&generator, shape, scale);
}

double mf_rng_weibull(mf_rng *rng, double shape, double scale)
{
    const gsl_rng generator = {.type = &splitmix, .state = rng};
    return gsl_ran_weibull(&generator, scale, shape);
}

double mf_rng_lognormal(mf_rng *rng, double log_mean, double log_sd)
{
    const gsl_rng generator = {.type = &splitmix, .state = rng};
    return gsl_ran_lognormal(&generator, log_mean, log_sd);
}
