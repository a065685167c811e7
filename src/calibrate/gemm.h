/*
 * gemm.h - a blocked matrix product on the CPU's inner kernel, for machines without a BLAS, and as a second opinion.
 */
#ifndef MF_CALIBRATE_GEMM_H
#define MF_CALIBRATE_GEMM_H

#include "calibrate/cpu_kernels.h"

/* Multiples that fit every kernel's tile. */
#define MF_GEMM_ROWS 24
#define MF_GEMM_COLUMNS 32

typedef struct mf_gemm {
    const mf_cpu_kernels *kernels;
    float *c;       /* rows x columns; zeroed here */
    const float *a; /* rows x depth */
    const float *b; /* depth x columns */
    size_t rows;    /* a multiple of MF_GEMM_ROWS */
    size_t columns; /* a multiple of MF_GEMM_COLUMNS */
    size_t depth;
} mf_gemm;

/* Floats that one thread needs for itself. */
size_t mf_gemm_scratch(void);

/* The share of one thread of n. */
void mf_gemm_part(const mf_gemm *gemm, float *scratch, size_t thread, size_t n_threads);

#endif
