/*
 * requests.h - what stands behind mf_requests: a source, and whether its load goes on for ever or is a record.
 */
#ifndef MF_SIMULATE_REQUESTS_H
#define MF_SIMULATE_REQUESTS_H

#include <stdio.h>

#include "memfit/simulate.h"
#include "simulate/source.h"

struct mf_requests {
    mf_arrivals source; /* its self is owned */
    void (*free_self)(void *self);
    uint64_t n_requests;       /* 0: not known in advance */
    uint64_t duration_ns;      /* requests come until then; 0: not known in advance */
    const mf_usage *usage;     /* whose streams are told apart; NULL: none */
    const uint64_t *n_dropped; /* rows that were left out; NULL: none ever are. Of self */
    bool
        is_drawn; /* a sample of a load that goes on: a warm-up is left out, and saturation has no mean */
};

/* Wraps a source. On failure free_self is called. */
mf_status mf_requests_wrap(mf_requests **out, const mf_requests *made, mf_error *err);

/* MF_E_USAGE for what a drawn load can't be. */
mf_status mf_open_load_check(const mf_open_load *load, mf_error *err);

/* The n-th sample of a demand, from 0. */
mf_status mf_requests_again(mf_requests **out, const mf_demand *demand, uint32_t n, mf_error *err);

/* A trace from an open file, which it closes, whatever happens. */
mf_status
mf_requests_read(mf_requests **out, FILE *file, const char *path, double speedup, mf_error *err);

#endif
