/*
 * gpu.h - the tests of a GPU whose interface is plain C (OpenCL, CUDA): buffers, data and checks are the same for both;
 * a driver only makes buffers, moves bytes and times launches.
 */
#ifndef MF_CALIBRATE_GPU_H
#define MF_CALIBRATE_GPU_H

#include "calibrate/gpu_check.h"
#include "calibrate/prober.h"

/* How the driver's kernels are cut. */
typedef struct mf_gpu_shape {
    size_t stream_groups;
    size_t stream_threads;
    size_t spin_groups;
    size_t spin_threads;
    size_t matvec_rows; /* of a group */
    size_t matvec_threads;
    size_t tile; /* rows and columns of a product's group */
    size_t product_threads;
    size_t attend_threads; /* a group: one block of positions, one KV head */
    size_t product_size;   /* that is timed */
    bool product_half_out; /* a half product's result is in halves */
    uint32_t spin_turns;
} mf_gpu_shape;

typedef struct mf_gpu_args {
    uint32_t m;
    uint32_t n;
    uint32_t k;
    uint32_t turns;
} mf_gpu_args;

/* Names of the kernels of bench.cl and bench.cu; NULL: a test without one of its own. */
extern const char *const mf_gpu_kernels[MF_PROBE_COUNT];

/* One launch. */
typedef struct mf_gpu_job {
    mf_probe probe;
    void *a;
    void *b;
    void *out;
    mf_gpu_args args;
    size_t groups[2];
    size_t threads;
} mf_gpu_job;

typedef struct mf_gpu_driver {
    bool (*has)(const void *device, mf_probe probe);
    mf_status (*make)(void **buffer, void *device, size_t n_bytes, mf_error *err);
    void (*drop)(void *device, void *buffer); /* NULL is fine */
    mf_status (*write)(void *device, void *buffer, const void *from, size_t n_bytes, mf_error *err);
    mf_status (*read)(void *to, void *device, void *buffer, size_t n_bytes, mf_error *err);
    mf_status (*launch)(
        mf_probe_time *time, void *device, const mf_gpu_job *job, uint32_t n_calls, mf_error *err);
} mf_gpu_driver;

/* The tests on one open device. The driver's state stays the caller's. */
typedef struct mf_gpu_tests {
    const mf_gpu_driver *driver;
    void *device;
    mf_gpu_shape shape;
    uint64_t stream_bytes;
    uint64_t matrix_bytes;
    uint64_t random;
    double peak_flop_per_s; /* in halves; 0: not known */
    mf_gpu_job jobs[MF_PROBE_COUNT];
} mf_gpu_tests;

/* Sizes from what the device has, or from options.buffer_bytes. */
void mf_gpu_set_sizes(mf_gpu_tests *gpu,
                      const mf_probe_options *options,
                      uint64_t memory,
                      uint64_t largest);

/* mf_prober's functions of a backend whose state begins with its mf_gpu_tests. */
bool mf_gpu_supports(const void *state, mf_probe probe);
mf_status
mf_gpu_prepare(mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err);
mf_status
mf_gpu_run(mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err);

/* Drops all buffers. */
void mf_gpu_clear(mf_gpu_tests *gpu);

#endif
