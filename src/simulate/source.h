/*
 * source.h - where requests come from: a trace, a workload, a test.
 */
#ifndef MF_SIMULATE_SOURCE_H
#define MF_SIMULATE_SOURCE_H

#include "memfit/status.h"
#include "simulate/request.h"

typedef struct mf_arrivals {
    void *self;
    /* When the next request comes, as far as is known now; MF_NEVER if none does. */
    uint64_t (*next_ns)(void *self);
    /* That request, its chunks owned by the caller. */
    mf_status (*take)(void *self, mf_request *request, mf_error *err);
    /* A request has ended: closed loops may answer with another. NULL: arrivals do not depend on it. */
    mf_status (*ended)(void *self, const mf_outcome_row *row, mf_error *err);
} mf_arrivals;

#endif
