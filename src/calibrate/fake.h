/*
 * fake.h - a backend that measures nothing: times, drift, outliers and failures come from a script, and so does the clock.
 * The protocol is tested on it, to the last sample, in no time.
 */
#ifndef MF_CALIBRATE_FAKE_H
#define MF_CALIBRATE_FAKE_H

#include "calibrate/prober.h"

/* How one test behaves. Zero means that nothing is wrong with it. */
typedef struct mf_fake_test {
    bool supported;
    double work;   /* of a call */
    double call_s; /* at full clock */
    double submit_s;
    double most_per_s;
    double bytes;
    double error;         /* of the check; the tolerance is 1e-3 */
    double noise;         /* times vary by up to this share, evenly */
    size_t outlier_every; /* each so many submissions one takes outlier_factor times as long */
    double outlier_factor;
    size_t cold_runs; /* the first submissions take cold_factor times as long */
    double cold_factor;
    double drift;       /* times grow by this share per submission */
    double cache_bytes; /* below it, cache_factor times as fast */
    double cache_factor;
    size_t fails_at;  /* the so-many-th submission fails */
    bool fails_check; /* prepare returns an error */
    bool zero_clock;  /* the device's clock says 0 */
    bool no_clock;    /* there is none */
    bool nan_clock;   /* it and the computer's say NaN */
} mf_fake_test;

typedef struct mf_fake_script {
    mf_fake_test tests[MF_PROBE_COUNT];
    mf_probe_place place;
    const char *no_device; /* why there is none; NULL: there is */
    double clock_s;        /* advanced by what submissions take */
    double check_s;        /* what a check takes */
    uint64_t random;
    size_t n_runs[MF_PROBE_COUNT];
    size_t n_open;     /* devices opened and not closed */
    size_t stop_after; /* runs in all after which `stop` is set; 0: never */
    volatile sig_atomic_t stop;
} mf_fake_script;

/* A healthy device of 100 GB/s and 2 TFLOP/s. */
void mf_fake_fill(mf_fake_script *script);

/* The script's clock, for mf_probe_options.now_s with the script as payload. */
double mf_fake_now(void *script);

#endif
