/*
 * probe.h - measuring the machine at hand: short microbenchmarks whose result is a record (record.h).
 *
 * A backend (Metal, CUDA, OpenCL, CPU) only checks, encodes and times its kernels; warm-up, rounds, statistics and doubts
 * are the same for all. Nothing here reads a clock, the environment or the date by itself, or prints: the caller hands
 * them in.
 */
#ifndef MF_MEMFIT_PROBE_H
#define MF_MEMFIT_PROBE_H

#include <signal.h>

#include "memfit/record.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_PROBE_DEFAULT_BUDGET_S 35.0
#define MF_PROBE_THOROUGH_BUDGET_S 60.0

typedef struct mf_probe_progress {
    double fraction;   /* 0 to 1 */
    double left_s;     /* estimate */
    mf_probe probe;    /* the test at hand */
    const char *phase; /* "checking", "warming up", "measuring"; static storage */
} mf_probe_progress;

typedef struct mf_probe_options {
    double (*now_s)(void *payload); /* required: a clock that never goes back, in seconds */
    void (*on_progress)(void *payload, const mf_probe_progress *progress); /* may be NULL */
    void *payload;                                                         /* of both */
    const volatile sig_atomic_t *stop; /* not 0: stop soon and return what there is; may be NULL */
    double
        budget_s; /* seconds for everything; 0: MF_PROBE_DEFAULT_BUDGET_S, thorough MF_PROBE_THOROUGH_BUDGET_S */
    bool thorough;         /* more samples */
    uint32_t n_threads;    /* CPU; 0: all cores */
    uint64_t buffer_bytes; /* for streams; 0: 1 GiB, or what the device takes */
    uint64_t seed;         /* of the random data */
    const char *date;      /* "2026-11-28", goes into the record */
    const char *device_id; /* of hwdb where the caller knows it; NULL */
    double
        spec_bytes_per_s; /* its specified bandwidth; 0: not known, then no gate against caches */
} mf_probe_options;

/* A device that a backend found. Texts are static or live until the next listing: copy what is kept. */
#define MF_PLACE_TEXT_SIZE 128

typedef struct mf_probe_place {
    char name[MF_PLACE_TEXT_SIZE];
    char system[MF_PLACE_TEXT_SIZE];
    char driver[MF_PLACE_TEXT_SIZE]; /* "" where there is none to name */
    char device_id
        [MF_PLACE_TEXT_SIZE]; /* what hwdb would call it: "apple-m4-max-40c"; "" where the backend can't tell */
    mf_vendor vendor;
    mf_chip_class chip_class;
    uint32_t cores;         /* 0: not known */
    uint64_t memory_bytes;  /* 0: not known */
    uint64_t limit_bytes;   /* 0: not known, or all */
    double peak_flop_per_s; /* no product runs faster; 0: not known */
    bool unified;
} mf_probe_place;

#define MF_MAX_PLACES_LISTED 16

/* Devices of a backend. MF_E_UNSUPPORTED says why there is none: not built in, no library, no device. */
MF_API mf_status mf_probe_list(mf_probe_place places[MF_MAX_PLACES_LISTED],
                               size_t *n_places,
                               mf_probe_backend_id backend,
                               mf_error *err);

/* Measures one device of a backend. A stop, a wrong kernel or a doubtful figure is no error: the record tells.
   MF_E_USAGE for an index beyond the list, MF_E_UNSUPPORTED as mf_probe_list. The caller frees *out. */
MF_API mf_status mf_probe_measure(mf_record **out,
                                  mf_probe_backend_id backend,
                                  size_t index,
                                  const mf_probe_options *options,
                                  mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
