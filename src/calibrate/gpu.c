#include "calibrate/gpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STREAM_BYTES (UINT64_C(1) << 30)
#define DEFAULT_MATRIX_BYTES (UINT64_C(288) << 20)
#define STREAM_SHARE 8 /* of the device's memory */
#define MATRIX_SHARE 24
#define MOST_CALLS 4096
#define KV_HEADS 8

const char *const mf_gpu_kernels[MF_PROBE_COUNT] = {
    [MF_PROBE_CLOCK] = "spin",
    [MF_PROBE_LAUNCH] = "noop",
    [MF_PROBE_READ] = "stream_read",
    [MF_PROBE_COPY] = "stream_copy",
    [MF_PROBE_TRIAD] = "stream_triad",
    [MF_PROBE_GEMM_F32_OWN] = "gemm_f32",
    [MF_PROBE_MATVEC_F16] = "matvec_f16",
    [MF_PROBE_MATVEC_Q8_0] = "matvec_q8_0",
    [MF_PROBE_MATVEC_Q4_0] = "matvec_q4_0",
    [MF_PROBE_MATVEC_Q4_K] = "matvec_q4_K",
    [MF_PROBE_KV_F16] = "attend",
};

/* Host copies of a job's operands and result while its kernel is checked. */
typedef struct copies {
    void *a;
    void *b;
    void *out;
    size_t a_bytes;
    size_t b_bytes;
    size_t out_bytes;
} copies;

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void mf_gpu_set_sizes(mf_gpu_tests *gpu,
                      const mf_probe_options *options,
                      uint64_t memory,
                      uint64_t largest)
{
    gpu->stream_bytes = options->buffer_bytes;
    gpu->matrix_bytes = options->buffer_bytes / 4;
    if (gpu->stream_bytes == 0) {
        gpu->stream_bytes = least(DEFAULT_STREAM_BYTES, memory / STREAM_SHARE);
        gpu->matrix_bytes = least(DEFAULT_MATRIX_BYTES, memory / MATRIX_SHARE);
    }
    gpu->stream_bytes = least(gpu->stream_bytes, largest);
    gpu->matrix_bytes = least(gpu->matrix_bytes, largest);
    gpu->random = options->seed != 0 ? options->seed : 1;
}

static void drop_buffers(mf_gpu_tests *gpu, mf_gpu_job *job)
{
    gpu->driver->drop(gpu->device, job->a);
    gpu->driver->drop(gpu->device, job->b);
    gpu->driver->drop(gpu->device, job->out);
    job->a = job->b = job->out = NULL;
}

void mf_gpu_clear(mf_gpu_tests *gpu)
{
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        drop_buffers(gpu, &gpu->jobs[p]);
    }
}

static void free_copies(copies *c)
{
    free(c->a);
    free(c->b);
    free(c->out);
    *c = (copies){0};
}

/* Host memory of these sizes (0: none), the result filled with NaN. */
static mf_status make_copies(copies *c, mf_error *err)
{
    c->a = c->a_bytes > 0 ? malloc(c->a_bytes) : NULL;
    c->b = c->b_bytes > 0 ? malloc(c->b_bytes) : NULL;
    c->out = c->out_bytes > 0 ? malloc(c->out_bytes) : NULL;
    if ((c->a_bytes > 0 && c->a == NULL) || (c->b_bytes > 0 && c->b == NULL) || c->out == NULL) {
        free_copies(c);
        return mf_fail(err, MF_E_NOMEM, "out of memory to check a kernel");
    }
    memset(c->out, 0xff, c->out_bytes);
    return MF_OK;
}

static mf_status
make_and_write(void **buffer, mf_gpu_tests *gpu, const void *from, size_t n_bytes, mf_error *err)
{
    if (n_bytes == 0) {
        return MF_OK;
    }
    const mf_status status = gpu->driver->make(buffer, gpu->device, n_bytes, err);
    return status == MF_OK ? gpu->driver->write(gpu->device, *buffer, from, n_bytes, err) : status;
}

/* Copies to the device, one call, and the result back. */
static mf_status run_once(mf_gpu_tests *gpu, mf_gpu_job *job, copies *c, mf_error *err)
{
    mf_probe_time time = {0};
    mf_status status = make_and_write(&job->a, gpu, c->a, c->a_bytes, err);
    if (status == MF_OK) {
        status = make_and_write(&job->b, gpu, c->b, c->b_bytes, err);
    }
    if (status == MF_OK) {
        status = make_and_write(&job->out, gpu, c->out, c->out_bytes, err);
    }
    if (status == MF_OK) {
        status = gpu->driver->launch(&time, gpu->device, job, 1, err);
    }
    return status == MF_OK ? gpu->driver->read(c->out, gpu->device, job->out, c->out_bytes, err)
                           : status;
}

static mf_status
prepare_stream(mf_probe_plan *plan, mf_gpu_tests *gpu, mf_gpu_job *job, double bytes, mf_error *err)
{
    const bool read = job->probe == MF_PROBE_READ;
    const bool triad = job->probe == MF_PROBE_TRIAD;
    const uint64_t n_parts = read ? 1 : triad ? 3 : 2;
    const uint64_t wanted = bytes > 0 ? (uint64_t)bytes : gpu->stream_bytes;
    const size_t part = (size_t)(wanted / n_parts / 64 * 64);
    const size_t n_threads = gpu->shape.stream_groups * gpu->shape.stream_threads;
    copies c = {.a_bytes = part,
                .b_bytes = triad ? part : 0,
                .out_bytes = read ? n_threads * sizeof(float) : part};
    job->args.n = (uint32_t)(part / 16);
    job->groups[0] = gpu->shape.stream_groups;
    job->threads = gpu->shape.stream_threads;
    mf_status status = make_copies(&c, err);
    if (status != MF_OK) {
        return status;
    }
    mf_gpu_fill_floats(c.a, part, &gpu->random);
    if (triad) {
        mf_gpu_fill_floats(c.b, part, &gpu->random);
    }
    status = run_once(gpu, job, &c, err);
    if (status == MF_OK) {
        const mf_gpu_stream s = {.a = c.a,
                                 .b = c.b,
                                 .out = c.out,
                                 .n = part / sizeof(float),
                                 .n_out = c.out_bytes / sizeof(float)};
        plan->error = mf_gpu_stream_error(&s, job->probe);
        plan->tolerance = mf_gpu_stream_tolerance(job->probe);
        plan->work = (double)part * (double)n_parts;
        plan->bytes = plan->work;
    }
    free_copies(&c);
    return status;
}

static mf_status
prepare_spin(mf_probe_plan *plan, mf_gpu_tests *gpu, mf_gpu_job *job, mf_error *err)
{
    const bool launch = job->probe == MF_PROBE_LAUNCH;
    const size_t n = gpu->shape.spin_groups * gpu->shape.spin_threads;
    copies c = {.out_bytes = n * sizeof(float)};
    job->args.turns = gpu->shape.spin_turns;
    job->groups[0] = launch ? 1 : gpu->shape.spin_groups;
    job->threads = gpu->shape.spin_threads;
    mf_status status = make_copies(&c, err);
    if (status != MF_OK) {
        return status;
    }
    status = run_once(gpu, job, &c, err);
    if (status == MF_OK && !launch) {
        plan->error = mf_gpu_spin_error(c.out, n, job->args.turns);
        plan->tolerance = MF_GPU_SPIN_TOLERANCE;
        plan->work = 2.0 * 8 * job->args.turns * (double)n;
        plan->most_per_s = gpu->peak_flop_per_s;
    } else if (status == MF_OK) {
        plan->work = 1;
    }
    free_copies(&c);
    return status;
}

static mf_block_format format_of(mf_probe probe)
{
    static const mf_block_format formats[MF_PROBE_COUNT] = {
        [MF_PROBE_MATVEC_F16] = MF_BLOCK_F16,
        [MF_PROBE_MATVEC_Q8_0] = MF_BLOCK_Q8_0,
        [MF_PROBE_MATVEC_Q4_0] = MF_BLOCK_Q4_0,
        [MF_PROBE_MATVEC_Q4_K] = MF_BLOCK_Q4_K,
    };
    return formats[probe];
}

static mf_status
prepare_matvec(mf_probe_plan *plan, mf_gpu_tests *gpu, mf_gpu_job *job, mf_error *err)
{
    const size_t rows = gpu->shape.matvec_rows;
    mf_gpu_matvec v = {.format = format_of(job->probe), .k = MF_GPU_ROW_WEIGHTS};
    const size_t row_bytes = mf_blocks_bytes(v.format, v.k);
    /* Not a multiple of a group's rows: the last ones are checked too. */
    v.m = (size_t)(gpu->matrix_bytes / row_bytes) / rows * rows + rows / 2 + 1;
    copies c = {.a_bytes = v.m * row_bytes,
                .b_bytes = v.k * sizeof(float),
                .out_bytes = (v.m + 1) * sizeof(float)};
    job->args = (mf_gpu_args){.m = (uint32_t)v.m, .k = (uint32_t)v.k};
    job->groups[0] = (v.m + rows - 1) / rows;
    job->threads = gpu->shape.matvec_threads;
    mf_status status = make_copies(&c, err);
    if (status != MF_OK) {
        return status;
    }
    v.weights = c.a;
    v.x = c.b;
    v.out = c.out;
    mf_gpu_matvec_fill(&v, &gpu->random);
    status = run_once(gpu, job, &c, err);
    if (status == MF_OK) {
        plan->error = mf_gpu_matvec_error(&v);
        plan->tolerance = MF_GPU_SUM_TOLERANCE;
        plan->work = (double)c.a_bytes;
        plan->bytes = plan->work;
    }
    free_copies(&c);
    return status;
}

static mf_status
prepare_attend(mf_probe_plan *plan, mf_gpu_tests *gpu, mf_gpu_job *job, mf_error *err)
{
    const size_t position = sizeof(uint16_t) * 2 * KV_HEADS * MF_GPU_HEAD;
    const size_t n_whole =
        (size_t)(gpu->matrix_bytes / position) / MF_GPU_KV_BLOCK * MF_GPU_KV_BLOCK;
    mf_gpu_attend a = {.n_heads = KV_HEADS, .n_positions = n_whole + 37};
    a.n_blocks = (a.n_positions + MF_GPU_KV_BLOCK - 1) / MF_GPU_KV_BLOCK;
    const size_t n_queries = 4 * a.n_heads;
    copies c = {.a_bytes = a.n_positions * position,
                .b_bytes = n_queries * MF_GPU_HEAD * sizeof(float),
                .out_bytes = n_queries * a.n_blocks * MF_GPU_KV_PARTIAL * sizeof(float)};
    job->args = (mf_gpu_args){.n = (uint32_t)a.n_heads, .k = (uint32_t)a.n_positions};
    job->groups[0] = a.n_blocks;
    job->groups[1] = a.n_heads;
    job->threads = gpu->shape.attend_threads;
    mf_status status = make_copies(&c, err);
    if (status != MF_OK) {
        return status;
    }
    a.cache = c.a;
    a.queries = c.b;
    a.out = c.out;
    mf_gpu_attend_fill(&a, &gpu->random);
    status = run_once(gpu, job, &c, err);
    if (status == MF_OK) {
        plan->error = mf_gpu_attend_error(&a);
        plan->tolerance = MF_GPU_SUM_TOLERANCE;
        plan->work = (double)c.a_bytes;
        plan->bytes = plan->work;
    }
    free_copies(&c);
    return status;
}

static mf_gpu_number number_of(mf_probe probe)
{
    static const mf_gpu_number numbers[MF_PROBE_COUNT] = {
        [MF_PROBE_GEMM_F16] = MF_GPU_F16,
        [MF_PROBE_GEMM_F16_OWN] = MF_GPU_F16,
        [MF_PROBE_GEMM_F8] = MF_GPU_F8,
    };
    return numbers[probe];
}

static mf_gpu_number result_of(mf_gpu_number number, bool product_half_out)
{
    return number == MF_GPU_F8 || (number == MF_GPU_F16 && product_half_out) ? MF_GPU_F16
                                                                             : MF_GPU_F32;
}

/* One product of this shape; its buffers stay with the job. */
static mf_status
multiply(double *error, mf_gpu_tests *gpu, mf_gpu_job *job, const size_t m_n_k[3], mf_error *err)
{
    const mf_gpu_number number = number_of(job->probe);
    mf_gpu_product p = {.number = number,
                        .out_number = result_of(number, gpu->shape.product_half_out),
                        .transposed = number == MF_GPU_F8,
                        .m = m_n_k[0],
                        .n = m_n_k[1],
                        .k = m_n_k[2]};
    const size_t size = mf_gpu_number_bytes(number);
    copies c = {.a_bytes = p.m * p.k * size,
                .b_bytes = p.k * p.n * size,
                .out_bytes = p.m * p.n * mf_gpu_number_bytes(p.out_number)};
    mf_status status = make_copies(&c, err);
    if (status != MF_OK) {
        return status;
    }
    job->args = (mf_gpu_args){(uint32_t)p.m, (uint32_t)p.n, (uint32_t)p.k, 0};
    job->groups[0] = p.n / gpu->shape.tile;
    job->groups[1] = p.m / gpu->shape.tile;
    job->threads = gpu->shape.product_threads;
    p.a = c.a;
    p.b = c.b;
    p.out = c.out;
    mf_gpu_product_fill(&p, &gpu->random);
    drop_buffers(gpu, job);
    status = run_once(gpu, job, &c, err);
    if (status == MF_OK && error != NULL) {
        *error = mf_gpu_product_error(&p);
    }
    free_copies(&c);
    return status;
}

static mf_status
prepare_product(mf_probe_plan *plan, mf_gpu_tests *gpu, mf_gpu_job *job, mf_error *err)
{
    const size_t tile = gpu->shape.tile;
    const size_t n_fit = (size_t)(sqrt((double)gpu->matrix_bytes / 4) / (double)tile) * tile;
    size_t n = n_fit < gpu->shape.product_size ? n_fit : gpu->shape.product_size;
    n = n < tile ? tile : n;
    /* Not square, and its factors do not commute. */
    const mf_status status = multiply(&plan->error, gpu, job, (size_t[]){tile, 3 * tile, 96}, err);
    if (status != MF_OK) {
        return status;
    }
    plan->tolerance = MF_GPU_PRODUCT_TOLERANCE;
    plan->work = 2.0 * (double)n * (double)n * (double)n;
    plan->most_per_s = gpu->peak_flop_per_s * (job->probe == MF_PROBE_GEMM_F8 ? 2 : 1);
    return multiply(NULL, gpu, job, (size_t[]){n, n, n}, err);
}

mf_status
mf_gpu_prepare(mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err)
{
    mf_gpu_tests *gpu = state;
    mf_gpu_job *job = &gpu->jobs[probe];
    *plan = (mf_probe_plan){.most_calls = MOST_CALLS};
    drop_buffers(gpu, job);
    *job = (mf_gpu_job){
        .probe = probe, .groups = {1, 1}
    };
    switch (mf_probe_unit(probe)) {
    case MF_UNIT_CALL:
        return prepare_spin(plan, gpu, job, err);
    case MF_UNIT_FLOP:
        return probe == MF_PROBE_CLOCK ? prepare_spin(plan, gpu, job, err)
                                       : prepare_product(plan, gpu, job, err);
    case MF_UNIT_BYTE:
        break;
    }
    if (probe == MF_PROBE_KV_F16) {
        return prepare_attend(plan, gpu, job, err);
    }
    return probe <= MF_PROBE_TRIAD ? prepare_stream(plan, gpu, job, bytes, err)
                                   : prepare_matvec(plan, gpu, job, err);
}

bool mf_gpu_supports(const void *state, mf_probe probe)
{
    const mf_gpu_tests *gpu = state;
    return gpu->driver->has(gpu->device, probe);
}

mf_status
mf_gpu_run(mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err)
{
    const mf_gpu_tests *gpu = state;
    return gpu->driver->launch(time, gpu->device, &gpu->jobs[probe], n_calls, err);
}
