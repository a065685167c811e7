/*
 * bench.h - what the tests of the simulator share: a made-up engine, requests from a list or drawn, and what became of them.
 */
#ifndef TESTS_UNIT_SIMULATE_BENCH_H
#define TESTS_UNIT_SIMULATE_BENCH_H

#include "base/rng.h"
#include "simulate/rules.h"
#include "simulate/samples.h"
#include "simulate/world.h"

/* Open arrivals drawn on the fly. */
typedef struct drawn {
    uint64_t seed;
    uint64_t n_requests;
    uint64_t n_taken;
    double rate;
    uint64_t next_ns;
    void (*fill)(mf_request *request, mf_rng *rng); /* lengths; arrival is set */
    void *payload;
} drawn;

mf_arrivals source_of_drawn(drawn *d);

/* A list of requests, sorted by arrival. */
typedef struct listed {
    const mf_request *items;
    size_t n_items;
    size_t n_taken;
} listed;

mf_arrivals source_of_list(listed *l);

/* Everything that became of the requests. */
typedef struct ended_row {
    uint64_t id;
    uint64_t arrival_ns;
    uint64_t start_ns;
    uint64_t first_ns;
    uint64_t end_ns;
    uint32_t given;
    uint32_t cached;
    uint32_t n_preempted;
    mf_served_outcome outcome;
} ended_row;

typedef struct ledger {
    ended_row *rows; /* by id */
    size_t n_rows;
    size_t room;
    bool keep_rows;
    mf_samples sojourn_s;
    mf_samples wait_s;
    double skip; /* first requests that are not counted */
} ledger;

void ledger_free(ledger *l);

/* Runs and asserts that it worked; hooks note everything in the ledger. */
mf_world_totals run_world(ledger *l, mf_world_setup setup);

/* A pace with terms to be set: a step of B decoding sequences takes step_ps + B each_ps, prompts token_ps a token more. */
typedef struct simple_pace {
    uint32_t max_sequences;
    uint32_t max_tokens;
    uint64_t step_ps;
    uint64_t each_ps;
    uint64_t token_ps;
} simple_pace;

mf_pace make_pace(simple_pace simple);

#endif
