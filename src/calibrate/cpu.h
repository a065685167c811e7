/*
 * cpu.h - the inside of the CPU backend, shared by its files: state and buffers (cpu.c), what each test does (cpu_tests.c).
 */
#ifndef MF_CALIBRATE_CPU_H
#define MF_CALIBRATE_CPU_H

#include "calibrate/blas.h"
#include "calibrate/cpu_kernels.h"
#include "calibrate/gemm.h"
#include "calibrate/prober.h"
#include "calibrate/workers.h"

#define MF_CPU_ROW_WEIGHTS 4096 /* length of a weight row, as in an 8B model */
#define MF_CPU_COLUMNS 16       /* of a prompt, on one tile of rows */
#define MF_KV_HEADS 8
#define MF_KV_QUERIES 4 /* query heads a KV head */
#define MF_KV_HEAD_WEIGHTS 128
#define MF_KV_DEPTH 2048

/* Weights of one format: a tall matrix, or one a thread that stays in its cache. */
typedef struct mf_cpu_matrix {
    uint8_t *weights;
    uint8_t *activations; /* MF_CPU_COLUMNS columns */
    float *out;
    size_t n_rows; /* of one thread's matrix for those in the cache */
    size_t row_bytes;
    size_t column_bytes;
} mf_cpu_matrix;

typedef struct mf_cpu {
    const mf_cpu_kernels *kernels;
    mf_workers *workers;
    size_t n_threads;
    double (*now_s)(void *payload);
    void *payload;
    uint64_t random;
    uint64_t stream_bytes;
    uint64_t matrix_bytes;
    uint8_t *stream;
    double *sums; /* one a thread, a cache line apart */
    mf_cpu_matrix tall[MF_BLOCK_FORMAT_COUNT];
    mf_cpu_matrix cached[MF_BLOCK_FORMAT_COUNT];
    mf_blas blas;
    mf_gemm gemm;
    float *gemm_data;
    float *scratch; /* mf_gemm_scratch() a thread */
    uint16_t *kv;
    uint16_t *queries;
    size_t n_kv_layers;
} mf_cpu;

#define MF_CPU_LINE 16 /* doubles a thread in sums */
#define MF_CPU_PAGE 4096

/* Repeats the first n_first bytes up to n, each thread where it will read: memory comes from the nearest bank. */
void mf_cpu_repeat(const mf_cpu *cpu, void *memory, uint64_t n, uint64_t n_first);

/* What a thread does in one call; job says what. */
typedef struct mf_cpu_job {
    mf_cpu *cpu;
    mf_block_format format;
    const uint8_t *stream; /* READ: the bytes to sum */
    uint64_t stream_bytes;
} mf_cpu_job;

/* One test: how its buffers and its check come about, and its work. */
typedef mf_status mf_cpu_prepare_fn(
    mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err);
mf_cpu_prepare_fn mf_cpu_prepare_tall;
mf_cpu_prepare_fn mf_cpu_prepare_cached;
mf_cpu_prepare_fn mf_cpu_prepare_prompt;
mf_cpu_prepare_fn mf_cpu_prepare_kv;
mf_work_fn mf_cpu_matvec;
mf_work_fn mf_cpu_unpack;
mf_work_fn mf_cpu_prompt;
mf_work_fn mf_cpu_attend;

/* FLOP per second that no processor reaches: 256 a cycle and core (two 512-bit units on bytes) at 6 GHz. */
double mf_cpu_most_flop(const mf_cpu *cpu);

/* Aligned to a page, so that streams start alike; NULL without memory. free() frees it. */
void *mf_cpu_memory(uint64_t bytes);

bool mf_cpu_supports(const void *state, mf_probe probe);
mf_status
mf_cpu_prepare(mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err);
mf_status
mf_cpu_run(mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err);

extern const mf_prober mf_prober_cpu;

#endif
