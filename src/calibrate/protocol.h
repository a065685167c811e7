/*
 * protocol.h - the inside of a measurement, shared by its files: how tests take turns (protocol.c) and what their samples
 * say (verdict.c).
 */
#ifndef MF_CALIBRATE_PROTOCOL_H
#define MF_CALIBRATE_PROTOCOL_H

#include "calibrate/prober.h"

#define MF_PROBE_MESSAGE_SIZE 200
#define MF_PROBE_ROUNDS 3

/* One test on its way. */
typedef struct mf_test_run {
    mf_probe probe;
    mf_outcome outcome;
    mf_probe_plan plan;
    uint32_t n_calls; /* repetitions in one submission */
    double sample_s;  /* what one sample takes, all told */
    bool device_clock;
    bool unsettled;
    char message[MF_PROBE_MESSAGE_SIZE];
    mf_record_sample *samples;
    double *submit_s; /* LAUNCH: of each sample */
    size_t n_samples;
    size_t capacity;
} mf_test_run;

/* What its samples say, into a zeroed result, which takes the samples over. MF_E_NOMEM. */
mf_status mf_verdict(mf_record_result *result, mf_test_run *test, mf_error *err);

/* True where work is done faster than the device can, with 2 % for what a specification rounds. */
bool mf_too_fast(const mf_probe_plan *plan, double seconds_per_call);

#endif
