#include "calibrate/gemm.h"

#include <string.h>

/* A panel of b (256 x 256) stays in the second cache, one of a (96 x 256) beside it. */
#define BLOCK_DEPTH 256
#define BLOCK_COLUMNS 256
#define BLOCK_ROWS 96

size_t mf_gemm_scratch(void)
{
    return (size_t)BLOCK_DEPTH * (BLOCK_COLUMNS + BLOCK_ROWS);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Tiles of `width` columns (of b) one after the other, depth by depth. */
static void pack_b(float *out, const mf_gemm *g, const size_t at[2], const size_t size[2])
{
    const size_t width = g->kernels->gemm_columns;
    for (size_t j = 0; j < size[1]; j += width) {
        for (size_t p = 0; p < size[0]; p++) {
            memcpy(out, g->b + (at[0] + p) * g->columns + at[1] + j, width * sizeof *out);
            out += width;
        }
    }
}

static void pack_a(float *out, const mf_gemm *g, const size_t at[2], const size_t size[2])
{
    const size_t height = g->kernels->gemm_rows;
    for (size_t i = 0; i < size[0]; i += height) {
        for (size_t p = 0; p < size[1]; p++) {
            for (size_t r = 0; r < height; r++) {
                *out = g->a[(at[0] + i + r) * g->depth + at[1] + p];
                out++;
            }
        }
    }
}

static void
multiply(const mf_gemm *g, const float *a, const float *b, float *c, const size_t size[3])
{
    const size_t height = g->kernels->gemm_rows;
    const size_t width = g->kernels->gemm_columns;
    for (size_t j = 0; j < size[1]; j += width) {
        for (size_t i = 0; i < size[0]; i += height) {
            g->kernels->gemm_tile(
                c + i * g->columns + j, g->columns, a + i * size[2], b + j * size[2], size[2]);
        }
    }
}

void mf_gemm_part(const mf_gemm *g, float *scratch, size_t thread, size_t n_threads)
{
    const size_t n_stripes = g->columns / MF_GEMM_COLUMNS;
    const size_t first = n_stripes * thread / n_threads * MF_GEMM_COLUMNS;
    const size_t end = n_stripes * (thread + 1) / n_threads * MF_GEMM_COLUMNS;
    float *const packed_a = scratch + (size_t)BLOCK_DEPTH * BLOCK_COLUMNS;
    for (size_t i = 0; i < g->rows; i++) {
        memset(g->c + i * g->columns + first, 0, (end - first) * sizeof *g->c);
    }
    for (size_t j = first; j < end; j += BLOCK_COLUMNS) {
        const size_t n_columns = least(BLOCK_COLUMNS, end - j);
        for (size_t p = 0; p < g->depth; p += BLOCK_DEPTH) {
            const size_t depth = least(BLOCK_DEPTH, g->depth - p);
            pack_b(scratch, g, (size_t[]){p, j}, (size_t[]){depth, n_columns});
            for (size_t i = 0; i < g->rows; i += BLOCK_ROWS) {
                const size_t n_rows = least(BLOCK_ROWS, g->rows - i);
                pack_a(packed_a, g, (size_t[]){i, p}, (size_t[]){n_rows, depth});
                multiply(g,
                         packed_a,
                         scratch,
                         g->c + i * g->columns + j,
                         (size_t[]){n_rows, n_columns, depth});
            }
        }
    }
}
