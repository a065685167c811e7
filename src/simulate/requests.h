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
    const uint64_t *n_dropped; /* rows that were left out; NULL: none ever are. Of self */
    bool
        is_drawn; /* a sample of a load that goes on: a warm-up is left out, and saturation has no mean */
};

/* Wraps a source. On failure free_self is called. */
mf_status mf_requests_wrap(mf_requests **out, const mf_requests *made, mf_error *err);

/* A trace from an open file, which it closes, whatever happens. */
mf_status
mf_requests_read(mf_requests **out, FILE *file, const char *path, double speedup, mf_error *err);

#endif
