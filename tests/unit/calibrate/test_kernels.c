#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate/cpu_kernels.h"
#include "calibrate/gemm.h"
#include "calibrate/workers.h"

/* The kernels as the sanitizers see them: this program compiles their sources again. */

static const mf_cpu_kernels *sets[MF_MOST_CPU_KERNELS];
static size_t n_sets;

static void set_up(void)
{
    n_sets = mf_cpu_kernels_list(sets);
}

TestSuite(kernels, .init = set_up);

static double
value_of_dot(mf_block_format format, const void *w, const void *a, size_t n, double *size)
{
    float *x = calloc(2 * n, sizeof *x);
    double sum = 0;
    *size = 0;
    mf_blocks_values(x, format, w, n);
    mf_activations_values(x + n, format, a, n);
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[n + i];
        *size += fabs((double)x[i] * (double)x[n + i]);
    }
    free(x);
    return sum;
}

/* Random weights (two rows) and activations (two columns) of exactly n: the sanitizer sees a byte too many. */
typedef struct data {
    size_t n, row_bytes, column_bytes;
    uint8_t *rows, *columns;
} data;

static data make(mf_block_format format, size_t n, uint64_t seed)
{
    data d = {.n = n, .row_bytes = mf_blocks_bytes(format, n)};
    float *values = calloc(n, sizeof *values);
    d.column_bytes = mf_activation_bytes(format, n);
    d.rows = malloc(2 * d.row_bytes);
    d.columns = malloc(2 * d.column_bytes);
    mf_blocks_fill(d.rows, format, 2 * n, 0.02F, &seed);
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < n; i++) {
            values[i] = mf_random_float(&seed);
        }
        mf_activations_pack(d.columns + c * d.column_bytes, format, values, n);
    }
    free(values);
    return d;
}

Test(kernels, every_set_multiplies_every_format)
{
    static const size_t lengths[] = {256, 768, 4096, 2816};
    for (size_t s = 0; s < n_sets; s++) {
        for (int f = 0; f < MF_BLOCK_FORMAT_COUNT; f++) {
            for (size_t l = 0; l < 4; l++) {
                double size = 0;
                data d = make((mf_block_format)f, lengths[l], 7 + l);
                const double want = value_of_dot((mf_block_format)f, d.rows, d.columns, d.n, &size);
                const double got = (double)sets[s]->dot[f](d.rows, d.columns, d.n);
                cr_expect(lt(dbl, fabs(got - want) / size, 1e-5),
                          "%s, format %d, %zu weights: %g instead of %g",
                          sets[s]->name,
                          f,
                          d.n,
                          got,
                          want);
                free(d.rows);
                free(d.columns);
            }
        }
    }
}

Test(kernels, odd_number_of_blocks)
{
    for (size_t s = 0; s < n_sets; s++) {
        for (int f = MF_BLOCK_Q8_0; f <= MF_BLOCK_Q4_0; f++) {
            double size = 0;
            data d = make((mf_block_format)f, 32 * 3, 99);
            const double want = value_of_dot((mf_block_format)f, d.rows, d.columns, d.n, &size);
            cr_expect(
                lt(dbl, fabs((double)sets[s]->dot[f](d.rows, d.columns, d.n) - want) / size, 1e-5));
            free(d.rows);
            free(d.columns);
        }
    }
}

Test(kernels, every_tile_is_four_dots)
{
    for (size_t s = 0; s < n_sets; s++) {
        for (int f = MF_BLOCK_Q8_0; f < MF_BLOCK_FORMAT_COUNT; f++) {
            float out[4] = {NAN, NAN, NAN, NAN};
            data d = make((mf_block_format)f, 1280, 5);
            sets[s]->tile[f](out, d.rows, d.row_bytes, d.columns, d.column_bytes, d.n);
            for (size_t i = 0; i < 4; i++) {
                double size = 0;
                const double want = value_of_dot((mf_block_format)f,
                                                 d.rows + i / 2 * d.row_bytes,
                                                 d.columns + i % 2 * d.column_bytes,
                                                 d.n,
                                                 &size);
                cr_expect(lt(dbl, fabs((double)out[i] - want) / size, 1e-5),
                          "%s, format %d, element %zu",
                          sets[s]->name,
                          f,
                          i);
            }
            free(d.rows);
            free(d.columns);
        }
    }
}

Test(kernels, matrix_product_of_every_set_and_split)
{
    enum { ROWS = 48, DEPTH = 300, COLUMNS = 96 };
    uint64_t seed = 3;
    float *a = malloc(sizeof(float) * ROWS * DEPTH);
    float *b = malloc(sizeof(float) * DEPTH * COLUMNS);
    float *c = malloc(sizeof(float) * ROWS * COLUMNS);
    float *scratch = malloc(sizeof(float) * mf_gemm_scratch());
    for (size_t i = 0; i < ROWS * DEPTH; i++) {
        a[i] = mf_random_float(&seed);
    }
    for (size_t i = 0; i < DEPTH * COLUMNS; i++) {
        b[i] = mf_random_float(&seed);
    }
    for (size_t s = 0; s < n_sets; s++) {
        cr_assert(eq(sz, MF_GEMM_ROWS % sets[s]->gemm_rows, 0));
        cr_assert(eq(sz, MF_GEMM_COLUMNS % sets[s]->gemm_columns, 0));
        const mf_gemm g = {sets[s], c, a, b, ROWS, COLUMNS, DEPTH};
        for (size_t i = 0; i < ROWS * COLUMNS; i++) {
            c[i] = NAN;
        }
        for (size_t t = 0; t < 2; t++) {
            mf_gemm_part(&g, scratch, t, 2);
        }
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < COLUMNS; j++) {
                double sum = 0;
                for (size_t p = 0; p < DEPTH; p++) {
                    sum += (double)a[i * DEPTH + p] * (double)b[p * COLUMNS + j];
                }
                cr_assert(epsilon_eq(dbl, (double)c[i * COLUMNS + j], sum, 1e-4),
                          "%s at %zu, %zu",
                          sets[s]->name,
                          i,
                          j);
            }
        }
    }
    free(a);
    free(b);
    free(c);
    free(scratch);
}

Test(kernels, scaled_sum_of_halves_and_witness)
{
    for (size_t s = 0; s < n_sets; s++) {
        float sum[32];
        uint16_t halves[32];
        for (size_t i = 0; i < 32; i++) {
            sum[i] = (float)i;
            halves[i] = mf_half_from(0.5F * (float)i);
        }
        sets[s]->add_halves(sum, halves, 3, 32);
        for (size_t i = 0; i < 32; i++) {
            cr_assert(epsilon_eq(flt, sum[i], 2.5F * (float)i, 1e-5F));
        }
        float keep[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        cr_assert(ge(dbl, sets[s]->spin(keep, 3), 16.0));
        cr_assert(isfinite(keep[7]));
    }
}

Test(kernels, halves_as_the_standard_has_them)
{
    static const struct {
        float value;
        uint16_t half;
    } rows[] = {
        {0,              0     },
        {1,              0x3c00},
        {-2,             0xc000},
        {65504,          0x7bff},
        {65519.9F,       0x7bff},
        {65520,          0x7c00},
        {0x1p-14F,       0x0400},
        {0x1p-24F,       0x0001},
        {0x1p-26F,       0x0000},
        {1.00048828125F, 0x3c00}, /* a tie goes to even */
        {1.00146484375F, 0x3c02},
        {INFINITY,       0x7c00}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect(eq(u16, mf_half_from(rows[i].value), rows[i].half), "%g", (double)rows[i].value);
    }
    for (uint32_t h = 0; h < 0x7c00; h++) {
        cr_assert(eq(u16, mf_half_from(mf_half_value((uint16_t)h)), (uint16_t)h));
    }
    cr_assert(isnan(mf_half_value(mf_half_from(NAN))));
}

Test(kernels, six_bit_scales_come_out_of_their_packing)
{
    /* Scale of group g is 3 g + 1 and its minimum 60 - 5 g, packed by hand after the format's description. */
    uint8_t packed[12] = {0};
    for (size_t g = 0; g < 8; g++) {
        const uint8_t s = (uint8_t)(3 * g + 1);
        const uint8_t m = (uint8_t)(60 - 5 * g);
        if (g < 4) {
            packed[g] |= s;
            packed[g + 4] |= m;
        } else {
            packed[g + 4] = (uint8_t)((s & 15) | (m & 15) << 4);
            packed[g - 4] |= (uint8_t)((s >> 4) << 6);
            packed[g] |= (uint8_t)((m >> 4) << 6);
        }
    }
    for (size_t g = 0; g < 8; g++) {
        uint8_t scale = 0;
        uint8_t minimum = 0;
        mf_q4_k_scale(&scale, &minimum, packed, g);
        cr_assert(eq(u8, scale, (uint8_t)(3 * g + 1)));
        cr_assert(eq(u8, minimum, (uint8_t)(60 - 5 * g)));
    }
}

Test(kernels, q4_0_by_hand)
{
    mf_block_q4_0 w = {.d = mf_half_from(0.5F)};
    float values[32];
    w.qs[0] = 0x1f; /* weight 0: 15 - 8, weight 16: 1 - 8 */
    mf_blocks_values(values, MF_BLOCK_Q4_0, &w, 32);
    cr_assert(epsilon_eq(flt, values[0], 3.5F, 0));
    cr_assert(epsilon_eq(flt, values[16], -3.5F, 0));
    cr_assert(epsilon_eq(flt, values[1], -4, 0));
}

static void count(void *payload, size_t thread)
{
    ((size_t *)payload)[thread * 16]++;
}

Test(kernels, workers_all_run_each_task_once)
{
    mf_workers *workers = NULL;
    size_t counts[5 * 16] = {0};
    cr_assert(eq(int, mf_workers_new(&workers, 5, NULL), MF_OK));
    for (size_t i = 0; i < 1000; i++) {
        mf_workers_run(workers, count, counts);
        for (size_t t = 0; t < 5; t++) {
            cr_assert(eq(sz, counts[t * 16], i + 1));
        }
    }
    mf_workers_free(workers);
}
