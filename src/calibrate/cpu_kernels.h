/*
 * cpu_kernels.h - the CPU backend's inner loops, one set an instruction set, chosen at run time.
 *
 * They do what engines do: 8-bit activations against packed weights, F16 against F16, FP32 sums. A set that the compiler
 * can't make or the processor does not have is NULL.
 */
#ifndef MF_CALIBRATE_CPU_KERNELS_H
#define MF_CALIBRATE_CPU_KERNELS_H

#include <stdint.h>

#include "calibrate/blocks.h"

#define MF_TILE_ROWS 2
#define MF_TILE_COLUMNS 2
#define MF_GEMM_MOST_ROWS 16
#define MF_GEMM_MOST_COLUMNS 64

/* One row of n packed weights times packed activations. */
typedef float mf_dot_fn(const void *weights, const void *activations, size_t n);

/* Two rows times two columns, out[row * 2 + column]; strides in bytes. */
typedef void mf_tile_fn(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],
                        const uint8_t *weights,
                        size_t row_bytes,
                        const uint8_t *activations,
                        size_t column_bytes,
                        size_t n);

/* c[rows][columns] += a b, of panels a[k][rows] and b[k][columns]. */
typedef void mf_gemm_tile_fn(float *c, size_t ldc, const float *a, const float *b, size_t k);

typedef struct mf_cpu_kernels {
    const char *name;
    mf_dot_fn *dot[MF_BLOCK_FORMAT_COUNT];
    mf_tile_fn *tile[MF_BLOCK_FORMAT_COUNT]; /* NULL for F16: engines use the matrix product */
    mf_gemm_tile_fn *gemm_tile;
    size_t gemm_rows;
    size_t gemm_columns;
    /* sum += scale * half[i]: an attention's second half. */
    void (*add_halves)(float *sum, const uint16_t *halves, float scale, size_t n);
    /* 8 chains of multiply-adds in registers; returns FLOP per turn. */
    double (*spin)(float *keep, size_t n_turns);
} mf_cpu_kernels;

/* A set from what its source calls its loops. */
#define MF_CPU_KERNELS(label)                                                                      \
    {                                                                                              \
        .name = (label),                                                                           \
        .dot = {[MF_BLOCK_F16] = dot_f16,                                                          \
                [MF_BLOCK_Q8_0] = dot_q8_0,                                                        \
                [MF_BLOCK_Q4_0] = dot_q4_0,                                                        \
                [MF_BLOCK_Q4_K] = dot_q4_k},                                                       \
        .tile = {[MF_BLOCK_Q8_0] = tile_q8_0,                                                      \
                 [MF_BLOCK_Q4_0] = tile_q4_0,                                                      \
                 [MF_BLOCK_Q4_K] = tile_q4_k},                                                     \
        .gemm_tile = gemm_tile, .gemm_rows = ROWS, .gemm_columns = COLUMNS,                        \
        .add_halves = add_halves, .spin = spin,                                                    \
    }

/* A tile by four rows, where the set has nothing better. */
#define MF_TILE_OF_DOTS(name, dot)                                                                 \
    static void name(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],                                    \
                     const uint8_t *weights,                                                       \
                     size_t row_bytes,                                                             \
                     const uint8_t *activations,                                                   \
                     size_t column_bytes,                                                          \
                     size_t n)                                                                     \
    {                                                                                              \
        for (size_t r = 0; r < MF_TILE_ROWS; r++) {                                                \
            for (size_t c = 0; c < MF_TILE_COLUMNS; c++) {                                         \
                out[r * MF_TILE_COLUMNS + c] =                                                     \
                    dot(weights + r * row_bytes, activations + c * column_bytes, n);               \
            }                                                                                      \
        }                                                                                          \
    }

extern const mf_cpu_kernels mf_cpu_plain;
const mf_cpu_kernels *mf_cpu_avx2(void);
const mf_cpu_kernels *mf_cpu_avx512(void);
const mf_cpu_kernels *mf_cpu_neon(void);
const mf_cpu_kernels *mf_cpu_neon_dotprod(void);
const mf_cpu_kernels *mf_cpu_neon_i8mm(void);

/* All that this processor runs, the best last; returns their number, at least one. */
#define MF_MOST_CPU_KERNELS 6
size_t mf_cpu_kernels_list(const mf_cpu_kernels *out[MF_MOST_CPU_KERNELS]);

#endif
