/*
 * gpu_check.h - what GPU kernels are fed and compared with, the same for every GPU backend. Data is random, not square and
 * does not commute: a kernel that swaps its factors or its sides is found out.
 */
#ifndef MF_CALIBRATE_GPU_CHECK_H
#define MF_CALIBRATE_GPU_CHECK_H

#include <stdbool.h>

#include "calibrate/blocks.h"
#include "memfit/record.h"

#define MF_GPU_ROW_WEIGHTS 4096
#define MF_GPU_SUM_TOLERANCE 2e-4
#define MF_GPU_SPIN_TOLERANCE 1e-3 /* each turn rounds once more */
#define MF_GPU_PRODUCT_TOLERANCE 2e-3
#define MF_GPU_HEAD 128
#define MF_GPU_KV_BLOCK 256
#define MF_GPU_KV_PARTIAL 130

/* Random bits in [-1, 1); 4 MiB of them, repeated: random numbers for a gigabyte take seconds. */
void mf_gpu_fill_floats(float *out, uint64_t n_bytes, uint64_t *random);

/* READ: out are partial sums of a. COPY, TRIAD (a + 3 b): out is as long as a. */
typedef struct mf_gpu_stream {
    const float *a;
    const float *b;
    const float *out;
    size_t n;
    size_t n_out;
} mf_gpu_stream;
double mf_gpu_stream_error(const mf_gpu_stream *s, mf_probe probe);
double mf_gpu_stream_tolerance(mf_probe probe);

/* out[i] of the kernel `spin` with 8 chains. */
double mf_gpu_spin_error(const float *out, size_t n, uint32_t turns);

/* out[m] = weights[m][k] x. */
typedef struct mf_gpu_matvec {
    mf_block_format format;
    size_t m;
    size_t k;
    void *weights;
    float *x;
    float *out; /* m + 1: the last one must stay as it was filled */
} mf_gpu_matvec;
void mf_gpu_matvec_fill(mf_gpu_matvec *v, uint64_t *random);
double mf_gpu_matvec_error(const mf_gpu_matvec *v);

/* Unfinished attention: per query (4 a head) and block of 256 positions the sum of weights, the largest score and the
   weighted values. cache: keys [position][head][128] in halves, then values alike. */
typedef struct mf_gpu_attend {
    size_t n_heads;
    size_t n_positions;
    size_t n_blocks;
    uint16_t *cache;
    float *queries;
    float *out;
} mf_gpu_attend;
void mf_gpu_attend_fill(mf_gpu_attend *a, uint64_t *random);
double mf_gpu_attend_error(const mf_gpu_attend *a);

typedef enum mf_gpu_number {
    MF_GPU_F32,
    MF_GPU_F16,
    MF_GPU_F8 /* E4M3 */
} mf_gpu_number;
size_t mf_gpu_number_bytes(mf_gpu_number number);

/* out[m][n] = a[m][k] b[k][n], or a[m][k] b[n][k] where b is transposed. */
typedef struct mf_gpu_product {
    mf_gpu_number number;
    mf_gpu_number out_number;
    bool transposed;
    size_t m;
    size_t n;
    size_t k;
    void *a;
    void *b;
    void *out; /* NULL: operands are filled only */
} mf_gpu_product;
void mf_gpu_product_fill(mf_gpu_product *p, uint64_t *random);
double mf_gpu_product_error(const mf_gpu_product *p);

#endif
