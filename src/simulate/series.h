/*
 * series.h - what a run looked like over time, in a fixed number of spans: they double whenever the run outgrows them.
 */
#ifndef MF_SIMULATE_SERIES_H
#define MF_SIMULATE_SERIES_H

#include "simulate/server.h"

/* Integrals over a span. */
typedef struct mf_bin {
    double busy_ns;
    double running_ns; /* requests in work, times how long */
    double waiting_ns;
    double cache_ns;
    double output_tokens;
    double input_tokens;
} mf_bin;

/* Starts with zeros. */
typedef struct mf_series {
    mf_bin bins[MF_MAX_SERIES];
    uint64_t begin_ns;
    uint64_t end_ns;
    uint64_t bin_ns;
    uint64_t last_ns; /* where the bin begins that the latest step fell into, */
    uint64_t last;    /* and its number */
} mf_series;

void mf_series_add(mf_series *series, const mf_step_report *step);

/* As points; how many of them hold something. */
size_t mf_series_points(mf_series_point points[MF_MAX_SERIES], const mf_series *series);

#endif
