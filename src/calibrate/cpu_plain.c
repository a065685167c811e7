#include "calibrate/cpu_kernels.h"

#include <math.h>
#include <string.h>

static float dot_f16(const void *weights, const void *activations, size_t n)
{
    const uint16_t *w = weights;
    const uint16_t *a = activations;
    float sums[4] = {0};
    for (size_t i = 0; i < n; i++) {
        sums[i % 4] += mf_half_value(w[i]) * mf_half_value(a[i]);
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static float dot_q8_0(const void *weights, const void *activations, size_t n)
{
    const mf_block_q8_0 *w = weights;
    const mf_block_q8_0 *a = activations;
    float sum = 0;
    for (size_t b = 0; b < n / 32; b++) {
        int whole = 0;
        for (size_t i = 0; i < 32; i++) {
            whole += w[b].qs[i] * a[b].qs[i];
        }
        sum += mf_half_value(w[b].d) * mf_half_value(a[b].d) * (float)whole;
    }
    return sum;
}

static float dot_q4_0(const void *weights, const void *activations, size_t n)
{
    const mf_block_q4_0 *w = weights;
    const mf_block_q8_0 *a = activations;
    float sum = 0;
    for (size_t b = 0; b < n / 32; b++) {
        int whole = 0;
        for (size_t i = 0; i < 16; i++) {
            whole += ((w[b].qs[i] & 15) - 8) * a[b].qs[i];
            whole += ((w[b].qs[i] >> 4) - 8) * a[b].qs[i + 16];
        }
        sum += mf_half_value(w[b].d) * mf_half_value(a[b].d) * (float)whole;
    }
    return sum;
}

static float dot_q4_k(const void *weights, const void *activations, size_t n)
{
    const mf_block_q4_k *w = weights;
    const mf_block_q8_k *a = activations;
    float sum = 0;
    for (size_t b = 0; b < n / 256; b++) {
        int scaled = 0;
        int minima = 0;
        for (size_t g = 0; g < 8; g++) {
            uint8_t scale = 0;
            uint8_t minimum = 0;
            int whole = 0;
            mf_q4_k_scale(&scale, &minimum, w[b].scales, g);
            for (size_t i = 0; i < 32; i++) {
                const uint8_t byte = w[b].qs[g / 2 * 32 + i];
                whole += (g % 2 == 0 ? byte & 15 : byte >> 4) * a[b].qs[g * 32 + i];
            }
            scaled += scale * whole;
            minima += minimum * (a[b].sums[2 * g] + a[b].sums[2 * g + 1]);
        }
        sum += mf_half_value(w[b].d) * a[b].d * (float)scaled;
        sum -= mf_half_value(w[b].dmin) * a[b].d * (float)minima;
    }
    return sum;
}

MF_TILE_OF_DOTS(tile_q8_0, dot_q8_0)
MF_TILE_OF_DOTS(tile_q4_0, dot_q4_0)
MF_TILE_OF_DOTS(tile_q4_k, dot_q4_k)

enum { ROWS = 4, COLUMNS = 8 };

static void gemm_tile(float *c, size_t ldc, const float *a, const float *b, size_t k)
{
    float sums[ROWS][COLUMNS] = {{0}};
    for (size_t p = 0; p < k; p++) {
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < COLUMNS; j++) {
                sums[i][j] += a[p * ROWS + i] * b[p * COLUMNS + j];
            }
        }
    }
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            c[i * ldc + j] += sums[i][j];
        }
    }
}

static void add_halves(float *sum, const uint16_t *halves, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sum[i] += scale * mf_half_value(halves[i]);
    }
}

static double spin(float *keep, size_t n_turns)
{
    enum { CHAINS = 8 };
    float x[CHAINS];
    memcpy(x, keep, sizeof x);
    for (size_t t = 0; t < n_turns; t++) {
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = x[i] * 0.9999F + 0.0001F;
        }
    }
    memcpy(keep, x, sizeof x);
    return 2.0 * CHAINS;
}

const mf_cpu_kernels mf_cpu_plain = MF_CPU_KERNELS("plain C");

size_t mf_cpu_kernels_list(const mf_cpu_kernels *out[MF_MOST_CPU_KERNELS])
{
    const mf_cpu_kernels *const sets[MF_MOST_CPU_KERNELS] = {&mf_cpu_plain,
                                                             mf_cpu_neon(),
                                                             mf_cpu_neon_dotprod(),
                                                             mf_cpu_neon_i8mm(),
                                                             mf_cpu_avx2(),
                                                             mf_cpu_avx512()};
    size_t n = 0;
    for (size_t i = 0; i < MF_MOST_CPU_KERNELS; i++) {
        if (sets[i] != NULL) {
            out[n] = sets[i];
            n++;
        }
    }
    return n;
}
