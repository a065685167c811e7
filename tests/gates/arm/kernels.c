/*
 * kernels.c - the ARM kernels of the CPU backend against their references; arm.sh runs it on an emulated processor.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "calibrate/cpu_kernels.h"

enum { N = 768 };

typedef struct operands {
    uint8_t *rows;
    uint8_t *columns;
    size_t row_bytes;
    size_t column_bytes;
} operands;

static operands make(mf_block_format format)
{
    uint64_t seed = 5;
    float values[N];
    operands o = {.row_bytes = mf_blocks_bytes(format, N),
                  .column_bytes = mf_activation_bytes(format, N)};
    o.rows = malloc(2 * o.row_bytes);
    o.columns = malloc(2 * o.column_bytes);
    mf_blocks_fill(o.rows, format, 2 * N, 0.02F, &seed);
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < N; i++) {
            values[i] = mf_random_float(&seed);
        }
        mf_activations_pack(o.columns + c * o.column_bytes, format, values, N);
    }
    return o;
}

/* Difference of one product from its value, relative to the size of its terms. */
static double error_of(const operands *o, mf_block_format format, size_t element, double got)
{
    float w[N];
    float a[N];
    double sum = 0;
    double size = 0;
    mf_blocks_values(w, format, o->rows + element / 2 * o->row_bytes, N);
    mf_activations_values(a, format, o->columns + element % 2 * o->column_bytes, N);
    for (size_t i = 0; i < N; i++) {
        sum += (double)w[i] * (double)a[i];
        size += fabs((double)w[i] * (double)a[i]);
    }
    return fabs(got - sum) / size;
}

static int check(const mf_cpu_kernels *set, mf_block_format format)
{
    int n_wrong = 0;
    operands o = make(format);
    float tile[4] = {0};
    if (set->tile[format] != NULL) {
        set->tile[format](tile, o.rows, o.row_bytes, o.columns, o.column_bytes, N);
    }
    for (size_t i = 0; i < 4; i++) {
        const double dot = (double)set->dot[format](
            o.rows + i / 2 * o.row_bytes, o.columns + i % 2 * o.column_bytes, N);
        const bool right =
            error_of(&o, format, i, dot) < 1e-5 &&
            (set->tile[format] == NULL || error_of(&o, format, i, (double)tile[i]) < 1e-5);
        n_wrong += right ? 0 : 1;
    }
    free(o.rows);
    free(o.columns);
    if (n_wrong > 0) {
        printf("%s: format %d is wrong\n", set->name, (int)format);
    }
    return n_wrong;
}

static int check_product(const mf_cpu_kernels *set)
{
    enum { DEPTH = 10, MOST = 16 };
    float a[DEPTH * MOST];
    float b[DEPTH * MOST];
    float c[MOST * MOST] = {0};
    int n_wrong = 0;
    for (size_t i = 0; i < DEPTH * MOST; i++) {
        a[i] = (float)(i % 13) - 5;
        b[i] = (float)(i % 7) - 2;
    }
    set->gemm_tile(c, MOST, a, b, DEPTH);
    for (size_t i = 0; i < set->gemm_rows; i++) {
        for (size_t j = 0; j < set->gemm_columns; j++) {
            float sum = 0;
            for (size_t p = 0; p < DEPTH; p++) {
                sum += a[p * set->gemm_rows + i] * b[p * set->gemm_columns + j];
            }
            n_wrong += fabsf(c[i * MOST + j] - sum) < 1e-3F ? 0 : 1;
        }
    }
    return n_wrong;
}

int main(void)
{
    const mf_cpu_kernels *sets[MF_MOST_CPU_KERNELS];
    const size_t n = mf_cpu_kernels_list(sets);
    int n_wrong = 0;
    for (size_t s = 0; s < n; s++) {
        printf("%s\n", sets[s]->name);
        n_wrong += check_product(sets[s]);
        for (int f = 0; f < MF_BLOCK_FORMAT_COUNT; f++) {
            n_wrong += check(sets[s], (mf_block_format)f);
        }
    }
    return n_wrong > 0;
}
