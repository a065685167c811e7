/*
 * rng.h - random numbers that depend on nothing but their key, drawn through GSL's distributions.
 *
 * A generator is made for one thing, "lengths of turn 3 of session 17", from the seed and three numbers. What it gives does not
 * depend on what was drawn before for something else, so that two runs that differ in one setting share everything else
 * (common random numbers).
 */
#ifndef MF_BASE_RNG_H
#define MF_BASE_RNG_H

#include <stdint.h>

/* splitmix64 (Steele, Lea, Flood 2014). A value: copies go their own ways. */
typedef struct mf_rng {
    uint64_t state;
} mf_rng;

/* What a generator is for. */
typedef struct mf_rng_key {
    uint64_t seed;
    uint64_t stream;
    uint64_t item;
    uint64_t part;
} mf_rng_key;

mf_rng mf_rng_start(mf_rng_key key);

uint64_t mf_rng_bits(mf_rng *rng);
double mf_rng_uniform(mf_rng *rng); /* in [0, 1) */
double mf_rng_exponential(mf_rng *rng, double mean);
double mf_rng_gamma(mf_rng *rng, double shape, double scale);
double mf_rng_weibull(mf_rng *rng, double shape, double scale);
double mf_rng_lognormal(mf_rng *rng, double log_mean, double log_sd);

#endif
