#include <math.h>
#include <stdlib.h>

#include "calibrate/cpu.h"

#define CACHED_BYTES                                                                               \
    (UINT64_C(96) << 10) /* a thread's: beside the activations in any second-level cache */
#define UNPACK_TURNS 16  /* of a thread's matrix in one call */
#define ROWS_CHECKED 32
#define ROWS_RANDOM                                                                                \
    256 /* the rest repeats them: no cache is that fooled, and random numbers take seconds */
#define WEIGHT_SCALE 0.01F
/* Sums of 4096 single precision products, relative to the sum of their sizes. */
#define TOLERANCE 1e-5

static mf_status make_matrix(mf_cpu_matrix *m,
                             mf_cpu *cpu,
                             mf_block_format format,
                             size_t n_rows,
                             size_t n_copies,
                             mf_error *err)
{
    if (m->weights != NULL) {
        return MF_OK;
    }
    const size_t n = MF_CPU_ROW_WEIGHTS;
    m->n_rows = n_rows;
    m->row_bytes = mf_blocks_bytes(format, n);
    m->column_bytes = mf_activation_bytes(format, n);
    m->weights = mf_cpu_memory(n_rows * n_copies * m->row_bytes);
    m->activations = mf_cpu_memory(MF_CPU_COLUMNS * m->column_bytes);
    m->out = calloc(n_rows * n_copies * MF_CPU_COLUMNS, sizeof *m->out);
    float *values = calloc(n, sizeof *values);
    if (m->weights == NULL || m->activations == NULL || m->out == NULL || values == NULL) {
        free(values);
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu rows of weights", n_rows);
    }
    const size_t n_random = n_rows * n_copies < ROWS_RANDOM ? n_rows * n_copies : ROWS_RANDOM;
    mf_blocks_fill(m->weights, format, n_random * n, WEIGHT_SCALE, &cpu->random);
    mf_cpu_repeat(cpu, m->weights, n_rows * n_copies * m->row_bytes, n_random * m->row_bytes);
    for (size_t c = 0; c < MF_CPU_COLUMNS; c++) {
        for (size_t i = 0; i < n; i++) {
            values[i] = mf_random_float(&cpu->random);
        }
        mf_activations_pack(m->activations + c * m->column_bytes, format, values, n);
    }
    free(values);
    return MF_OK;
}

/* Largest difference of out[row * stride + column] from the products in double precision. */
static mf_status check(
    double *error, const mf_cpu_matrix *m, mf_block_format format, size_t n_columns, mf_error *err)
{
    const size_t n = MF_CPU_ROW_WEIGHTS;
    float *w = calloc(2 * n, sizeof *w);
    if (w == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory to check a product");
    }
    float *a = w + n;
    double worst = 0;
    for (size_t r = 0; r < m->n_rows && r < ROWS_CHECKED; r++) {
        mf_blocks_values(w, format, m->weights + r * m->row_bytes, n);
        for (size_t c = 0; c < n_columns; c++) {
            double sum = 0;
            double size = 0;
            mf_activations_values(a, format, m->activations + c * m->column_bytes, n);
            for (size_t i = 0; i < n; i++) {
                sum += (double)w[i] * (double)a[i];
                size += fabs((double)w[i] * (double)a[i]);
            }
            const double difference = fabs((double)m->out[r * n_columns + c] - sum) / size;
            /* Written so that a NaN stays. */
            worst = difference <= worst ? worst : difference;
        }
    }
    free(w);
    *error = worst;
    return MF_OK;
}

static mf_status run_and_check(mf_probe_plan *plan,
                               mf_cpu_matrix *m,
                               mf_cpu_job *job,
                               mf_work_fn *work,
                               size_t n_columns,
                               mf_error *err)
{
    for (size_t i = 0; i < m->n_rows * n_columns; i++) {
        m->out[i] = NAN;
    }
    mf_workers_run(job->cpu->workers, work, job);
    plan->tolerance = TOLERANCE;
    return check(&plan->error, m, job->format, n_columns, err);
}

mf_status mf_cpu_prepare_tall(
    mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    mf_cpu_matrix *m = &cpu->tall[format];
    (void)bytes;
    const size_t row_bytes = mf_blocks_bytes(format, MF_CPU_ROW_WEIGHTS);
    const size_t n_rows = (size_t)(cpu->matrix_bytes / row_bytes) + ROWS_CHECKED;
    mf_status status = make_matrix(m, cpu, format, n_rows, 1, err);
    mf_cpu_job job = {.cpu = cpu, .format = format};
    if (status == MF_OK) {
        status = run_and_check(plan, m, &job, mf_cpu_matvec, 1, err);
    }
    if (status == MF_OK) {
        plan->work = (double)(m->n_rows * m->row_bytes);
        plan->bytes = plan->work;
    }
    return status;
}

static mf_status
make_cached(mf_cpu_matrix **out, mf_cpu *cpu, mf_block_format format, mf_error *err)
{
    const size_t row_bytes = mf_blocks_bytes(format, MF_CPU_ROW_WEIGHTS);
    const size_t n_rows = CACHED_BYTES / row_bytes / MF_TILE_ROWS * MF_TILE_ROWS;
    *out = &cpu->cached[format];
    return make_matrix(*out, cpu, format, n_rows, cpu->n_threads, err);
}

mf_status mf_cpu_prepare_cached(
    mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    mf_cpu_matrix *m = NULL;
    (void)bytes;
    mf_status status = make_cached(&m, cpu, format, err);
    mf_cpu_job job = {.cpu = cpu, .format = format};
    if (status == MF_OK) {
        status = run_and_check(plan, m, &job, mf_cpu_unpack, 1, err);
    }
    if (status == MF_OK) {
        const double weights = (double)m->n_rows * (double)MF_CPU_ROW_WEIGHTS;
        plan->work = 2 * weights * (double)cpu->n_threads * UNPACK_TURNS;
        plan->most_per_s = mf_cpu_most_flop(cpu);
    }
    return status;
}

mf_status mf_cpu_prepare_prompt(
    mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    mf_cpu_matrix *m = NULL;
    (void)bytes;
    mf_status status = make_cached(&m, cpu, format, err);
    mf_cpu_job job = {.cpu = cpu, .format = format};
    if (status == MF_OK) {
        status = run_and_check(plan, m, &job, mf_cpu_prompt, MF_CPU_COLUMNS, err);
    }
    if (status == MF_OK) {
        const double weights = (double)m->n_rows * (double)MF_CPU_ROW_WEIGHTS;
        plan->work = 2 * weights * MF_CPU_COLUMNS * (double)cpu->n_threads;
        plan->most_per_s = mf_cpu_most_flop(cpu);
    }
    return status;
}

void mf_cpu_matvec(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    const mf_cpu *cpu = job->cpu;
    const mf_cpu_matrix *m = &cpu->tall[job->format];
    mf_dot_fn *dot = cpu->kernels->dot[job->format];
    const size_t end = m->n_rows * (thread + 1) / cpu->n_threads;
    for (size_t r = m->n_rows * thread / cpu->n_threads; r < end; r++) {
        m->out[r] = dot(m->weights + r * m->row_bytes, m->activations, MF_CPU_ROW_WEIGHTS);
    }
}

void mf_cpu_unpack(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    const mf_cpu_matrix *m = &job->cpu->cached[job->format];
    mf_dot_fn *dot = job->cpu->kernels->dot[job->format];
    const uint8_t *weights = m->weights + thread * m->n_rows * m->row_bytes;
    float *out = m->out + thread * m->n_rows * MF_CPU_COLUMNS;
    for (size_t turn = 0; turn < UNPACK_TURNS; turn++) {
        for (size_t r = 0; r < m->n_rows; r++) {
            out[r] = dot(weights + r * m->row_bytes, m->activations, MF_CPU_ROW_WEIGHTS);
        }
    }
}

void mf_cpu_prompt(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    const mf_cpu_matrix *m = &job->cpu->cached[job->format];
    mf_tile_fn *tile = job->cpu->kernels->tile[job->format];
    const uint8_t *weights = m->weights + thread * m->n_rows * m->row_bytes;
    float *out = m->out + thread * m->n_rows * MF_CPU_COLUMNS;
    for (size_t r = 0; r < m->n_rows; r += MF_TILE_ROWS) {
        for (size_t c = 0; c < MF_CPU_COLUMNS; c += MF_TILE_COLUMNS) {
            float sums[MF_TILE_ROWS * MF_TILE_COLUMNS];
            tile(sums,
                 weights + r * m->row_bytes,
                 m->row_bytes,
                 m->activations + c * m->column_bytes,
                 m->column_bytes,
                 MF_CPU_ROW_WEIGHTS);
            for (size_t i = 0; i < (size_t)MF_TILE_ROWS * MF_TILE_COLUMNS; i++) {
                const size_t row = r + i / MF_TILE_COLUMNS;
                out[row * MF_CPU_COLUMNS + c + i % MF_TILE_COLUMNS] = sums[i];
            }
        }
    }
}
