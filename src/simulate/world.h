/*
 * world.h - servers, requests and time together: the event loop.
 */
#ifndef MF_SIMULATE_WORLD_H
#define MF_SIMULATE_WORLD_H

#include "simulate/server.h"
#include "simulate/source.h"

typedef struct mf_world_setup {
    const mf_rules *rules;
    const mf_pace *pace;
    mf_server_settings settings;
    uint32_t n_servers;  /* that share the requests: the one with the fewest takes the next */
    uint32_t n_together; /* of them step together, in groups of as many; 0 or 1: each for itself */
    mf_arrivals source;
    mf_server_hooks hooks;
} mf_world_setup;

/* Summed over servers. */
typedef struct mf_world_totals {
    mf_server_counts counts;
    uint64_t n_arrived;
    uint64_t n_ended;
    uint64_t first_ns; /* first arrival */
    uint64_t last_ns;  /* last arrival */
    uint64_t end_ns;   /* last end of a step */
    uint64_t n_left;   /* inside when nothing more happened: 0, or a fault */
    mf_wide
        sojourn_ns; /* sum over requests of end less arrival: equals counts.present_ns (Little) */
    uint64_t peak_cache_tokens; /* of one server */
    uint64_t context_tokens;    /* of all that ended: what their contexts held then */
    uint64_t n_odd;             /* ended well with another context than input and output make */
} mf_world_totals;

/* Runs until no request is left. MF_E_INTERNAL if a law of conservation is broken. */
mf_status mf_world_run(mf_world_totals *totals, const mf_world_setup *setup, mf_error *err);

#endif
