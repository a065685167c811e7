/*
 * amount.h - what is drawn for requests: tokens, seconds, numbers of turns, and the gaps between arrivals.
 */
#ifndef MF_SIMULATE_AMOUNT_H
#define MF_SIMULATE_AMOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "memfit/simulate.h"

#define MF_MOST_TOKENS 1e8 /* of one draw */

typedef enum mf_amount_kind {
    MF_AMOUNT_FIXED,
    MF_AMOUNT_LOGNORMAL,
    MF_AMOUNT_EXPONENTIAL,
    MF_AMOUNT_LISTED,
} mf_amount_kind;

/* Zeros: always 0. */
typedef struct mf_amount {
    mf_amount_kind kind;
    double mean;
    double variation; /* LOGNORMAL: coefficient of variation */
    double *values;   /* LISTED, owned */
    double *sums;     /* LISTED: sums of weights up to each value, owned */
    size_t n;
} mf_amount;

void mf_amount_free(mf_amount *amount);

double mf_amount_draw(const mf_amount *amount, mf_rng *rng);

/* Rounded; at least `least`. */
uint32_t mf_amount_draw_whole(const mf_amount *amount, mf_rng *rng, uint32_t least);

/* Gaps of mean 1: gamma or Weibull distributed, of a coefficient of variation; 1 is exponential in both. */
typedef struct mf_gaps {
    mf_gap_kind kind;
    double shape; /* 0: all alike */
    double scale;
} mf_gaps;

mf_gaps mf_gaps_of(mf_gap_kind kind, double variation);
double mf_gaps_draw(const mf_gaps *gaps, mf_rng *rng);

#endif
