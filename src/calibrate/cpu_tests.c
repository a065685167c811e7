#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calibrate/cpu.h"

#define SPIN_TURNS 200000
#define CHECKED_BYTES ((size_t)1 << 20)
#define RANDOM_BYTES (UINT64_C(4) << 20)
#define TRIAD_FACTOR 3.0
/* The product that is timed, and the one that is checked: not square. */
#define GEMM_ROWS_TIMED 960
#define GEMM_DEPTH_TIMED 1024
#define GEMM_ROWS_CHECKED 48
#define GEMM_DEPTH_CHECKED 328
#define GEMM_TOLERANCE 1e-5

static void do_nothing(void *payload, size_t thread)
{
    (void)payload;
    (void)thread;
}

static void spin(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    float keep[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    (void)job->cpu->kernels->spin(keep, SPIN_TURNS);
    job->cpu->sums[thread * MF_CPU_LINE] = (double)keep[thread % 8];
}

typedef struct part {
    uint64_t first;
    uint64_t end;
} part;

/* Whole lines of 64 bytes for each thread. */
static part part_of(uint64_t bytes, size_t thread, size_t n_threads)
{
    const uint64_t lines = bytes / 64;
    return (part){lines * thread / n_threads * 64, lines * (thread + 1) / n_threads * 64};
}

static uint64_t sum_words(const uint64_t *words, size_t n)
{
    uint64_t sums[8] = {0};
    for (size_t i = 0; i + 8 <= n; i += 8) {
        for (size_t k = 0; k < 8; k++) {
            sums[k] += words[i + k];
        }
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static void read_stream(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    const part p = part_of(job->stream_bytes, thread, job->cpu->n_threads);
    const uint64_t sum =
        sum_words((const uint64_t *)(const void *)(job->stream + p.first), (p.end - p.first) / 8);
    memcpy(&job->cpu->sums[thread * MF_CPU_LINE], &sum, sizeof sum);
}

static void copy_stream(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    uint8_t *to = job->cpu->stream + job->stream_bytes;
    const part p = part_of(job->stream_bytes, thread, job->cpu->n_threads);
    const uint64_t *from = (const uint64_t *)(const void *)(job->stream + p.first);
    uint64_t *out = (uint64_t *)(void *)(to + p.first);
    /* Not memcpy: its streaming stores are another test. */
    for (size_t i = 0; i < (p.end - p.first) / 8; i++) {
        out[i] = from[i];
    }
}

static void triad_stream(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    uint8_t *base = job->cpu->stream;
    const part p = part_of(job->stream_bytes, thread, job->cpu->n_threads);
    const float *b = (const float *)(const void *)(base + p.first);
    const float *c = (const float *)(const void *)(base + job->stream_bytes + p.first);
    float *a = (float *)(void *)(base + 2 * job->stream_bytes + p.first);
    for (size_t i = 0; i < (p.end - p.first) / sizeof *a; i++) {
        a[i] = b[i] + (float)TRIAD_FACTOR * c[i];
    }
}

static void multiply(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    float *scratch = job->cpu->scratch + thread * mf_gemm_scratch();
    mf_gemm_part(&job->cpu->gemm, scratch, thread, job->cpu->n_threads);
}

static mf_status make_stream(mf_cpu *cpu, double bytes, mf_error *err)
{
    const uint64_t wanted = bytes > 0 ? (uint64_t)bytes : cpu->stream_bytes;
    if (cpu->stream != NULL && wanted <= cpu->stream_bytes) {
        return MF_OK;
    }
    free(cpu->stream);
    cpu->stream_bytes = wanted / MF_CPU_PAGE * MF_CPU_PAGE;
    cpu->stream = mf_cpu_memory(cpu->stream_bytes);
    if (cpu->stream == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a stream");
    }
    /* Floats of any bits are slow where they are denormal, so triad's are made floats. */
    float *values = (float *)(void *)cpu->stream;
    const uint64_t n_first = cpu->stream_bytes < RANDOM_BYTES ? cpu->stream_bytes : RANDOM_BYTES;
    for (size_t i = 0; i < n_first / sizeof *values; i++) {
        values[i] = mf_random_float(&cpu->random);
    }
    mf_cpu_repeat(cpu, cpu->stream, cpu->stream_bytes, n_first);
    return MF_OK;
}

static mf_status
prepare_read(mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)format;
    const mf_status status = make_stream(cpu, bytes, err);
    if (status != MF_OK) {
        return status;
    }
    const size_t checked = cpu->stream_bytes < CHECKED_BYTES ? cpu->stream_bytes : CHECKED_BYTES;
    mf_cpu_job job = {.cpu = cpu, .stream = cpu->stream, .stream_bytes = checked};
    mf_workers_run(cpu->workers, read_stream, &job);
    uint64_t sum = 0;
    uint64_t wanted = 0;
    for (size_t t = 0; t < cpu->n_threads; t++) {
        uint64_t one = 0;
        memcpy(&one, &cpu->sums[t * MF_CPU_LINE], sizeof one);
        sum += one;
    }
    for (size_t i = 0; i < checked / 64 * 64; i += sizeof wanted) {
        uint64_t word = 0;
        memcpy(&word, cpu->stream + i, sizeof word);
        wanted += word;
    }
    *plan = (mf_probe_plan){.work = (double)(cpu->stream_bytes - cpu->stream_bytes % 64),
                            .bytes = (double)cpu->stream_bytes,
                            .error = sum == wanted ? 0 : 1};
    return MF_OK;
}

static mf_status
prepare_copy(mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)format;
    const mf_status status = make_stream(cpu, bytes, err);
    if (status != MF_OK) {
        return status;
    }
    mf_cpu_job job = {
        .cpu = cpu, .stream = cpu->stream, .stream_bytes = cpu->stream_bytes / 128 * 64};
    memset(cpu->stream + job.stream_bytes, 0, job.stream_bytes);
    mf_workers_run(cpu->workers, copy_stream, &job);
    const bool same = memcmp(cpu->stream, cpu->stream + job.stream_bytes, job.stream_bytes) == 0;
    *plan = (mf_probe_plan){.work = 2 * (double)job.stream_bytes,
                            .bytes = (double)cpu->stream_bytes,
                            .error = same ? 0 : 1};
    return MF_OK;
}

static mf_status
prepare_triad(mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)format;
    const mf_status status = make_stream(cpu, bytes, err);
    if (status != MF_OK) {
        return status;
    }
    mf_cpu_job job = {
        .cpu = cpu, .stream = cpu->stream, .stream_bytes = cpu->stream_bytes / 192 * 64};
    const float *b = (const float *)(const void *)cpu->stream;
    const size_t n = job.stream_bytes / sizeof *b;
    double worst = 0;
    mf_workers_run(cpu->workers, triad_stream, &job);
    for (size_t i = 0; i < n; i += 997) {
        const double wanted = (double)b[i] + TRIAD_FACTOR * (double)b[n + i];
        worst = fmax(worst, fabs((double)b[2 * n + i] - wanted));
    }
    *plan = (mf_probe_plan){.work = 3 * (double)job.stream_bytes,
                            .bytes = (double)cpu->stream_bytes,
                            .error = worst,
                            .tolerance = 1e-6};
    return MF_OK;
}

static mf_status prepare_launch(
    mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)cpu;
    (void)format;
    (void)bytes;
    (void)err;
    *plan = (mf_probe_plan){.work = 1};
    return MF_OK;
}

static mf_status
prepare_clock(mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)format;
    (void)bytes;
    (void)err;
    float keep[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const double per_turn = cpu->kernels->spin(keep, 1);
    *plan = (mf_probe_plan){.work = per_turn * SPIN_TURNS * (double)cpu->n_threads,
                            .error = isfinite(keep[0]) ? 0 : 1,
                            .most_per_s = mf_cpu_most_flop(cpu)};
    return MF_OK;
}

static size_t gemm_columns(const mf_cpu *cpu)
{
    enum { EACH = 64, LEAST = 1024 };
    const size_t n = EACH * cpu->n_threads;
    return n > LEAST ? n : LEAST;
}

static mf_status make_gemm(mf_cpu *cpu, mf_error *err)
{
    const size_t n = gemm_columns(cpu);
    if (cpu->gemm_data == NULL) {
        const size_t a = (size_t)GEMM_ROWS_TIMED * GEMM_DEPTH_TIMED;
        const size_t b = (size_t)GEMM_DEPTH_TIMED * n;
        const size_t c = GEMM_ROWS_TIMED * n;
        cpu->gemm_data = mf_cpu_memory((a + b + c) * sizeof *cpu->gemm_data);
        cpu->scratch = mf_cpu_memory(cpu->n_threads * mf_gemm_scratch() * sizeof *cpu->scratch);
        if (cpu->gemm_data == NULL || cpu->scratch == NULL) {
            return mf_fail(err, MF_E_NOMEM, "out of memory for a matrix product");
        }
        for (size_t i = 0; i < a + b; i++) {
            cpu->gemm_data[i] = mf_random_float(&cpu->random);
        }
        cpu->gemm = (mf_gemm){.kernels = cpu->kernels,
                              .a = cpu->gemm_data,
                              .b = cpu->gemm_data + a,
                              .c = cpu->gemm_data + a + b,
                              .columns = n};
    }
    return MF_OK;
}

static void product(mf_cpu *cpu, bool own)
{
    mf_cpu_job job = {.cpu = cpu};
    if (own) {
        mf_workers_run(cpu->workers, multiply, &job);
    } else {
        const int m_n_k[3] = {(int)cpu->gemm.rows, (int)cpu->gemm.columns, (int)cpu->gemm.depth};
        mf_blas_product(&cpu->blas, cpu->gemm.c, cpu->gemm.a, cpu->gemm.b, m_n_k);
    }
}

static double check_product(const mf_gemm *g)
{
    double worst = 0;
    for (size_t i = 0; i < g->rows; i++) {
        for (size_t j = i % 7; j < g->columns; j += 7) {
            double sum = 0;
            double size = 0;
            for (size_t p = 0; p < g->depth; p++) {
                const double one =
                    (double)g->a[i * g->depth + p] * (double)g->b[p * g->columns + j];
                sum += one;
                size += fabs(one);
            }
            const double difference = fabs((double)g->c[i * g->columns + j] - sum) / size;
            worst = difference <= worst ? worst : difference;
        }
    }
    return worst;
}

static mf_status prepare_product(mf_probe_plan *plan, mf_cpu *cpu, bool own, mf_error *err)
{
    const mf_status status = make_gemm(cpu, err);
    if (status != MF_OK) {
        return status;
    }
    cpu->gemm.rows = GEMM_ROWS_CHECKED;
    cpu->gemm.depth = GEMM_DEPTH_CHECKED;
    for (size_t i = 0; i < cpu->gemm.rows * cpu->gemm.columns; i++) {
        cpu->gemm.c[i] = NAN;
    }
    product(cpu, own);
    const double error = check_product(&cpu->gemm);
    cpu->gemm.rows = GEMM_ROWS_TIMED;
    cpu->gemm.depth = GEMM_DEPTH_TIMED;
    *plan = (mf_probe_plan){.work = 2.0 * GEMM_ROWS_TIMED * GEMM_DEPTH_TIMED *
                                    (double)cpu->gemm.columns,
                            .error = error,
                            .tolerance = GEMM_TOLERANCE,
                            .most_per_s = mf_cpu_most_flop(cpu)};
    return MF_OK;
}

static mf_status
prepare_blas(mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)format;
    (void)bytes;
    return prepare_product(plan, cpu, false, err);
}

static mf_status
prepare_own(mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)format;
    (void)bytes;
    return prepare_product(plan, cpu, true, err);
}

/* A test without `prepare` is none of the CPU's. */
static const struct {
    mf_cpu_prepare_fn *prepare;
    mf_work_fn *work;
    mf_block_format format;
    uint64_t n_streams; /* the buffer's parts that a stream walks at once */
} tests[MF_PROBE_COUNT] = {
    [MF_PROBE_CLOCK] = {prepare_clock,         spin,          MF_BLOCK_F16,  1},
    [MF_PROBE_LAUNCH] = {prepare_launch,        do_nothing,    MF_BLOCK_F16,  1},
    [MF_PROBE_READ] = {prepare_read,          read_stream,   MF_BLOCK_F16,  1},
    [MF_PROBE_COPY] = {prepare_copy,          copy_stream,   MF_BLOCK_F16,  2},
    [MF_PROBE_TRIAD] = {prepare_triad,         triad_stream,  MF_BLOCK_F16,  3},
    [MF_PROBE_GEMM_F32] = {prepare_blas,          NULL,          MF_BLOCK_F16,  1},
    [MF_PROBE_GEMM_F32_OWN] = {prepare_own,           multiply,      MF_BLOCK_F16,  1},
    [MF_PROBE_MATVEC_F16] = {mf_cpu_prepare_tall,   mf_cpu_matvec, MF_BLOCK_F16,  1},
    [MF_PROBE_MATVEC_Q8_0] = {mf_cpu_prepare_tall,   mf_cpu_matvec, MF_BLOCK_Q8_0, 1},
    [MF_PROBE_MATVEC_Q4_0] = {mf_cpu_prepare_tall,   mf_cpu_matvec, MF_BLOCK_Q4_0, 1},
    [MF_PROBE_MATVEC_Q4_K] = {mf_cpu_prepare_tall,   mf_cpu_matvec, MF_BLOCK_Q4_K, 1},
    [MF_PROBE_UNPACK_F16] = {mf_cpu_prepare_cached, mf_cpu_unpack, MF_BLOCK_F16,  1},
    [MF_PROBE_UNPACK_Q8_0] = {mf_cpu_prepare_cached, mf_cpu_unpack, MF_BLOCK_Q8_0, 1},
    [MF_PROBE_UNPACK_Q4_0] = {mf_cpu_prepare_cached, mf_cpu_unpack, MF_BLOCK_Q4_0, 1},
    [MF_PROBE_UNPACK_Q4_K] = {mf_cpu_prepare_cached, mf_cpu_unpack, MF_BLOCK_Q4_K, 1},
    [MF_PROBE_PROMPT_Q8_0] = {mf_cpu_prepare_prompt, mf_cpu_prompt, MF_BLOCK_Q8_0, 1},
    [MF_PROBE_PROMPT_Q4_0] = {mf_cpu_prepare_prompt, mf_cpu_prompt, MF_BLOCK_Q4_0, 1},
    [MF_PROBE_PROMPT_Q4_K] = {mf_cpu_prepare_prompt, mf_cpu_prompt, MF_BLOCK_Q4_K, 1},
    [MF_PROBE_KV_F16] = {mf_cpu_prepare_kv,     mf_cpu_attend, MF_BLOCK_F16,  1},
};

bool mf_cpu_supports(const void *state, mf_probe probe)
{
    const mf_cpu *cpu = state;
    return tests[probe].prepare != NULL && (probe != MF_PROBE_GEMM_F32 || cpu->blas.sgemm != NULL);
}

mf_status
mf_cpu_prepare(mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err)
{
    *plan = (mf_probe_plan){0};
    return tests[probe].prepare(plan, state, tests[probe].format, bytes, err);
}

mf_status
mf_cpu_run(mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err)
{
    mf_cpu *cpu = state;
    (void)err;
    mf_cpu_job job = {.cpu = cpu,
                      .format = tests[probe].format,
                      .stream = cpu->stream,
                      .stream_bytes = cpu->stream_bytes / (64 * tests[probe].n_streams) * 64};
    const double start_s = cpu->now_s(cpu->payload);
    for (uint32_t i = 0; i < n_calls; i++) {
        if (tests[probe].work == NULL) {
            product(cpu, false);
        } else {
            mf_workers_run(cpu->workers, tests[probe].work, &job);
        }
    }
    time->wall_s = cpu->now_s(cpu->payload) - start_s;
    time->time_s = time->wall_s;
    time->device_clock = false;
    return MF_OK;
}
