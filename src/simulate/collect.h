/*
 * collect.h - what becomes of requests, as measures over all of them and one by one in order of arrival.
 */
#ifndef MF_SIMULATE_COLLECT_H
#define MF_SIMULATE_COLLECT_H

#include "memfit/simulate.h"
#include "simulate/samples.h"
#include "simulate/world.h"

/* Measures of one stream of a usage. */
typedef struct mf_stream_samples {
    mf_samples ttft_s;
    mf_samples tpot_s;
    mf_samples e2e_s;
    uint64_t n_requests;
    uint64_t n_counted;
    uint64_t n_within;
} mf_stream_samples;

typedef struct mf_collector {
    mf_samples ttft_s;
    mf_samples tpot_s;
    mf_samples e2e_s;
    mf_samples queue_s;
    uint64_t n_warm_up;         /* the first so many are left out, */
    uint64_t warm_up_ns;        /* and those that arrive before */
    mf_stream_samples *streams; /* owned; NULL: they are not told apart */
    size_t n_streams;
    mf_promise promise;
    uint64_t n_counted; /* after the warm-up */
    uint64_t n_within;
    uint64_t n_outcomes[MF_SERVED_REFUSED + 1];
    uint64_t input_tokens; /* of those that were taken in */
    uint64_t output_tokens;
    mf_served_fn *served;
    void *payload;
    mf_served_request *held; /* ended, but one that came before has not: a ring, by id */
    bool *is_held;
    uint64_t n_ring; /* a power of two */
    uint64_t n_told;
} mf_collector;

/* Start with zeros but for the warm-up, promise, served and payload. */
void mf_collector_free(mf_collector *collector);

/* As a hook of the world. */
mf_status mf_collect(void *collector, const mf_outcome_row *row, mf_error *err);

/* Tells so many streams apart. MF_E_NOMEM. */
mf_status mf_collector_split(mf_collector *collector, size_t n_streams, mf_error *err);

mf_status mf_collector_spread(mf_latency *spread, const mf_samples *samples, mf_error *err);

#endif
