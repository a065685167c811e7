/*
 * test_kernels.c - the .metal kernels, run by the runner forward and in reverse, against the references of gpu_check.h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate/gpu_check.h"
#include "calibrate/kernels/metal_bindings.h"
#include "runner.h"

extern const struct msl_kernel bench_kernels[];
extern const struct msl_kernel tensor_kernels[];
const struct msl_kernel *const msl_libraries[] = {bench_kernels, tensor_kernels, NULL};

typedef struct arguments {
    uint32_t m, n, k, turns;
} arguments;

static int n_failed;
static uint64_t seed;

static void report(const char *name, enum msl_order order, int rc, double error, double tolerance)
{
    if (rc != 0 || !(error <= tolerance)) {
        printf("%s, %s: status %d, error %g, at most %g\n",
               name,
               order == MSL_FORWARD ? "forward" : "in reverse",
               rc,
               error,
               tolerance);
        n_failed++;
    }
}

/* Exactly that many bytes, so that the sanitizer sees one too many. */
static void *memory(size_t bytes)
{
    void *m = malloc(bytes);
    memset(m, 0xff, bytes);
    return m;
}

static int dispatch(const char *name,
                    void *const *buffers,
                    unsigned group_bytes,
                    const unsigned groups[3],
                    unsigned threads,
                    enum msl_order order)
{
    const struct msl_kernel *k = msl_find(name);
    const unsigned all[3] = {threads, 1, 1};
    unsigned bytes[MSL_BUFFERS] = {group_bytes, group_bytes};
    return k == NULL ? -9 : msl_dispatch(k, buffers, bytes, groups, all, order);
}

static void test_streams(enum msl_order order)
{
    enum { VECTORS = 5003, GROUPS = 4, THREADS = MF_STREAM_THREADS };
    const size_t bytes = (size_t)VECTORS * 16;
    arguments args = {.n = VECTORS};
    float *a = memory(bytes);
    float *b = memory(bytes);
    float *out = memory(bytes);
    float *sums = memory(GROUPS * THREADS * sizeof *sums);
    const unsigned groups[3] = {GROUPS, 1, 1};
    mf_gpu_fill_floats(a, bytes, &seed);
    mf_gpu_fill_floats(b, bytes, &seed);
    void *buffers[MSL_BUFFERS] = {
        [MF_BIND_A] = a, [MF_BIND_B] = b, [MF_BIND_OUT] = sums, [MF_BIND_ARGS] = &args};
    mf_gpu_stream s = {a, b, sums, VECTORS * 4, GROUPS * THREADS};
    int rc = dispatch("stream_read", buffers, 0, groups, THREADS, order);
    report("stream_read",
           order,
           rc,
           mf_gpu_stream_error(&s, MF_PROBE_READ),
           mf_gpu_stream_tolerance(MF_PROBE_READ));
    s.out = buffers[MF_BIND_OUT] = out;
    rc = dispatch("stream_copy", buffers, 0, groups, THREADS, order);
    report("stream_copy",
           order,
           rc,
           mf_gpu_stream_error(&s, MF_PROBE_COPY),
           mf_gpu_stream_tolerance(MF_PROBE_COPY));
    memset(out, 0xff, bytes);
    rc = dispatch("stream_triad", buffers, 0, groups, THREADS, order);
    report("stream_triad",
           order,
           rc,
           mf_gpu_stream_error(&s, MF_PROBE_TRIAD),
           mf_gpu_stream_tolerance(MF_PROBE_TRIAD));
    free(a);
    free(b);
    free(out);
    free(sums);
}

static void test_spin(enum msl_order order)
{
    enum { N = 3 * MF_GROUP_THREADS };
    arguments args = {.turns = 700};
    float *out = memory(N * sizeof *out);
    const unsigned groups[3] = {3, 1, 1};
    void *buffers[MSL_BUFFERS] = {[MF_BIND_OUT] = out, [MF_BIND_ARGS] = &args};
    const int rc = dispatch("spin", buffers, 0, groups, MF_GROUP_THREADS, order);
    report("spin", order, rc, mf_gpu_spin_error(out, N, args.turns), MF_GPU_SPIN_TOLERANCE);
    report("noop", order, dispatch("noop", buffers, 0, groups, 1, order), 0, 0);
    free(out);
}

static void test_product(const char *name, bool half, unsigned group_bytes, enum msl_order order)
{
    static const size_t shapes[][3] = {
        {64,  192, 96 },
        {128, 64,  160}
    };
    for (size_t i = 0; i < 2; i++) {
        mf_gpu_product p = {.number = half ? MF_GPU_F16 : MF_GPU_F32,
                            .m = shapes[i][0],
                            .n = shapes[i][1],
                            .k = shapes[i][2]};
        const size_t size = mf_gpu_number_bytes(p.number);
        arguments args = {(uint32_t)p.m, (uint32_t)p.n, (uint32_t)p.k, 0};
        p.a = memory(p.m * p.k * size);
        p.b = memory(p.k * p.n * size);
        p.out = memory(p.m * p.n * sizeof(float));
        mf_gpu_product_fill(&p, &seed);
        const unsigned groups[3] = {(unsigned)p.n / MF_TILE, (unsigned)p.m / MF_TILE, 1};
        void *buffers[MSL_BUFFERS] = {
            [MF_BIND_A] = p.a, [MF_BIND_B] = p.b, [MF_BIND_OUT] = p.out, [MF_BIND_ARGS] = &args};
        const int rc = dispatch(name, buffers, group_bytes, groups, MF_GROUP_THREADS, order);
        report(name, order, rc, mf_gpu_product_error(&p), 1e-4);
        free(p.a);
        free(p.b);
        free(p.out);
    }
}

static void test_matvec(const char *name, mf_block_format format, enum msl_order order)
{
    static const size_t shapes[][2] = {
        {37, 1024},
        {16, 768 },
        {83, 4096}
    };
    for (size_t i = 0; i < 3; i++) {
        mf_gpu_matvec v = {.format = format, .m = shapes[i][0], .k = shapes[i][1]};
        arguments args = {.m = (uint32_t)v.m, .k = (uint32_t)v.k};
        v.weights = memory(v.m * mf_blocks_bytes(format, v.k));
        v.x = memory(v.k * sizeof *v.x);
        v.out = memory((v.m + 1) * sizeof *v.out);
        mf_gpu_matvec_fill(&v, &seed);
        const unsigned groups[3] = {
            (unsigned)(v.m + MF_ROWS_PER_GROUP - 1) / MF_ROWS_PER_GROUP, 1, 1};
        void *buffers[MSL_BUFFERS] = {[MF_BIND_A] = v.weights,
                                      [MF_BIND_B] = v.x,
                                      [MF_BIND_OUT] = v.out,
                                      [MF_BIND_ARGS] = &args};
        const int rc = dispatch(name, buffers, 0, groups, MF_GROUP_THREADS, order);
        report(name, order, rc, mf_gpu_matvec_error(&v), 1e-5);
        free(v.weights);
        free(v.x);
        free(v.out);
    }
}

static void test_attend(enum msl_order order)
{
    mf_gpu_attend a = {.n_heads = 2, .n_positions = 2 * MF_KV_BLOCK + 41, .n_blocks = 3};
    arguments args = {.n = (uint32_t)a.n_heads, .k = (uint32_t)a.n_positions};
    const size_t n_queries = 4 * a.n_heads;
    a.cache = memory(2 * a.n_positions * a.n_heads * MF_HEAD * sizeof *a.cache);
    a.queries = memory(n_queries * MF_HEAD * sizeof *a.queries);
    a.out = memory(n_queries * a.n_blocks * MF_KV_PARTIAL * sizeof *a.out);
    mf_gpu_attend_fill(&a, &seed);
    const unsigned groups[3] = {(unsigned)a.n_blocks, (unsigned)a.n_heads, 1};
    void *buffers[MSL_BUFFERS] = {[MF_BIND_A] = a.cache,
                                  [MF_BIND_B] = a.queries,
                                  [MF_BIND_OUT] = a.out,
                                  [MF_BIND_ARGS] = &args};
    const int rc = dispatch("attend", buffers, 0, groups, MF_GROUP_THREADS, order);
    report("attend", order, rc, mf_gpu_attend_error(&a), 1e-4);
    free(a.cache);
    free(a.queries);
    free(a.out);
}

int main(void)
{
    for (int order = MSL_FORWARD; order <= MSL_REVERSE; order++) {
        const enum msl_order o = (enum msl_order)order;
        seed = 11;
        test_streams(o);
        test_spin(o);
        test_product("gemm_f16", true, MF_TILE * MF_DEPTH_F16 * 2, o);
        test_product("gemm_f32", false, MF_TILE * MF_DEPTH_F32 * 4, o);
        test_product("gemm_tensor", true, 0, o);
        test_matvec("matvec_f16", MF_BLOCK_F16, o);
        test_matvec("matvec_q8_0", MF_BLOCK_Q8_0, o);
        test_matvec("matvec_q4_0", MF_BLOCK_Q4_0, o);
        test_matvec("matvec_q4_K", MF_BLOCK_Q4_K, o);
        test_attend(o);
    }
    printf("%s\n", n_failed == 0 && msl_misuses() == 0 ? "all kernels are right" : "FAILED");
    return n_failed > 0 || msl_misuses() > 0;
}
