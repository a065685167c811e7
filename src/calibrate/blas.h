/*
 * blas.h - the matrix product of a library that is found at run time: Accelerate, OpenBLAS, BLIS, MKL.
 */
#ifndef MF_CALIBRATE_BLAS_H
#define MF_CALIBRATE_BLAS_H

#include <stddef.h>

typedef struct mf_blas {
    const char *name; /* static storage */
    void *library;
    void (*sgemm)(int order,
                  int trans_a,
                  int trans_b,
                  int m,
                  int n,
                  int k,
                  float alpha,
                  const float *a,
                  int lda,
                  const float *b,
                  int ldb,
                  float beta,
                  float *c,
                  int ldc);
} mf_blas;

/* Finds one and has it use n_threads where it can be told; leaves *blas empty (sgemm NULL) if there is none. */
void mf_blas_open(mf_blas *blas, size_t n_threads);
void mf_blas_close(mf_blas *blas);

/* c = a b, all row major. */
void mf_blas_product(
    const mf_blas *blas, float *c, const float *a, const float *b, const int m_n_k[3]);

#endif
