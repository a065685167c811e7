/*
 * prober.h - what a backend does for the protocol: it lists devices, checks each kernel against a reference on the CPU,
 * and times repetitions. Everything statistical is in protocol.c, so that the scripted backend tests it all.
 */
#ifndef MF_CALIBRATE_PROBER_H
#define MF_CALIBRATE_PROBER_H

#include "memfit/probe.h"

/* What one repetition of a prepared test is. */
typedef struct mf_probe_plan {
    double work;         /* bytes, FLOP or calls (mf_probe_unit) */
    double error;        /* largest difference from the reference, relative to its size */
    double tolerance;    /* above it the kernel is wrong */
    double bytes;        /* what it reads and writes again and again: against caches */
    double most_per_s;   /* work per second that physics allows; 0: not known */
    uint32_t most_calls; /* in one submission; 0: any */
} mf_probe_plan;

typedef struct mf_probe_time {
    double time_s; /* by the device's clock, else wall_s */
    double wall_s;
    bool device_clock;
} mf_probe_time;

typedef struct mf_prober {
    mf_probe_backend_id id;
    const char *absent; /* why this build does not have it; NULL: it does */
    void *context;      /* handed to the next two; NULL but for the scripted backend */
    mf_status (*available)(mf_probe_place *places, size_t *n_places, void *context, mf_error *err);
    mf_status (*open)(
        void **state, size_t index, const mf_probe_options *options, void *context, mf_error *err);
    bool (*supports)(const void *state, mf_probe probe);
    /* Makes buffers of about `bytes` (streams; 0: as it likes), checks the kernel, fills the plan. */
    mf_status (*prepare)(
        mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err);
    mf_status (*run)(
        mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err);
    void (*close)(void *state); /* NULL is fine */
} mf_prober;

/* One row a backend, built in or not, in the order of preference. Static storage. */
const mf_prober *mf_prober_find(mf_probe_backend_id id);

/* The protocol on any backend: what mf_probe_measure does after it found the row. */
mf_status mf_protocol_run(mf_record **out,
                          const mf_prober *backend,
                          size_t index,
                          const mf_probe_options *options,
                          mf_error *err);

extern const mf_prober mf_prober_fake;

#endif
