/*
 * collect.h - what becomes of requests, as measures over all of them and one by one in order of arrival.
 */
#ifndef MF_SIMULATE_COLLECT_H
#define MF_SIMULATE_COLLECT_H

#include "memfit/simulate.h"
#include "simulate/samples.h"
#include "simulate/series.h"
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

/* Time that sequences which generate have waited while only prompts were computed. */
typedef struct mf_stall {
    uint64_t ps;
    uint32_t n; /* of them */
} mf_stall;

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
    mf_series series;
    mf_histogram itl; /* seconds between tokens of a request */
    double itl_sum_s;
    mf_stall *stalls;             /* of each server, owned */
    mf_stepped_steps_fn *stepped; /* of whoever asked */
    mf_status step_status;        /* of the first call of it that failed */
    mf_error step_error;
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

/* Start with zeros but for the warm-up, promise, served, stepped and payload, then set it up. */
mf_status mf_collector_set_up(mf_collector *collector, uint32_t n_servers, mf_error *err);
void mf_collector_free(mf_collector *collector);

/* As a hook of the world. */
mf_status mf_collect(void *collector, const mf_outcome_row *row, mf_error *err);

/* As a hook of the world. */
void mf_collect_steps(void *collector, const mf_step_report *step);

/* Adds what another collector of the same streams holds, but for its series. */
mf_status mf_collector_join(mf_collector *collector, const mf_collector *other, mf_error *err);

/* The time between tokens as a measure. */
void mf_collector_itl(mf_latency *itl_s, const mf_collector *collector);

/* Tells so many streams apart. MF_E_NOMEM. */
mf_status mf_collector_split(mf_collector *collector, size_t n_streams, mf_error *err);

/* A measure, its intervals from means of replications, or of batches where there are none (NULL); curve: quantiles at equal steps,
   MF_MAX_CURVE of them, may be NULL. */
mf_status mf_collector_spread(mf_latency *spread,
                              double *curve,
                              const mf_samples *samples,
                              const mf_samples *means,
                              mf_error *err);

#endif
