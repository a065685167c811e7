/*
 * cuda_blas.h - matrix products by NVIDIA's libraries, found at run time: cuBLAS for floats and halves, cuBLASLt for FP8.
 * Neither is part of the driver; without one its products are not tested.
 */
#ifndef MF_CALIBRATE_CUDA_BLAS_H
#define MF_CALIBRATE_CUDA_BLAS_H

#include "calibrate/gpu.h"

typedef struct mf_cublas {
    int (*cublasCreate_v2)(void **);
    int (*cublasDestroy_v2)(void *);
    int (*cublasGemmEx)(void *handle,
                        int trans_a,
                        int trans_b,
                        int m,
                        int n,
                        int k,
                        const void *alpha,
                        const void *a,
                        int type_a,
                        int lda,
                        const void *b,
                        int type_b,
                        int ldb,
                        const void *beta,
                        void *c,
                        int type_c,
                        int ldc,
                        int compute,
                        int algorithm);
} mf_cublas;

/* cublasLtMatmulHeuristicResult_t */
typedef struct mf_cublaslt_choice {
    uint64_t algorithm[8];
    size_t workspace_bytes;
    int state;
    float n_waves;
    int reserved[4];
} mf_cublaslt_choice;

typedef struct mf_cublaslt {
    int (*cublasLtCreate)(void **);
    int (*cublasLtDestroy)(void *);
    int (*cublasLtMatmulDescCreate)(void **desc, int compute, int scale_type);
    int (*cublasLtMatmulDescDestroy)(void *);
    int (*cublasLtMatmulDescSetAttribute)(void *, int attribute, const void *value, size_t size);
    int (*cublasLtMatrixLayoutCreate)(
        void **layout, int type, uint64_t rows, uint64_t columns, int64_t ld);
    int (*cublasLtMatrixLayoutDestroy)(void *);
    int (*cublasLtMatmulPreferenceCreate)(void **);
    int (*cublasLtMatmulPreferenceDestroy)(void *);
    int (*cublasLtMatmulAlgoGetHeuristic)(void *handle,
                                          void *desc,
                                          void *a,
                                          void *b,
                                          void *c,
                                          void *d,
                                          void *preference,
                                          int n_wanted,
                                          mf_cublaslt_choice *choices,
                                          int *n_choices);
    int (*cublasLtMatmul)(void *handle,
                          void *desc,
                          const void *alpha,
                          const void *a,
                          void *layout_a,
                          const void *b,
                          void *layout_b,
                          const void *beta,
                          const void *c,
                          void *layout_c,
                          void *d,
                          void *layout_d,
                          const uint64_t *algorithm,
                          void *workspace,
                          size_t workspace_bytes,
                          void *stream);
} mf_cublaslt;

typedef struct mf_cuda_blas {
    mf_cublas blas;
    mf_cublaslt lt;
    void *handle;    /* of cuBLAS; NULL: not there */
    void *lt_handle; /* of cuBLASLt; NULL: not there, or no FP8 on this device */
    /* What cuBLASLt made for the last shape. */
    mf_gpu_args planned;
    void *desc;
    void *layouts[3]; /* of b, a and the result */
    mf_cublaslt_choice choice;
} mf_cuda_blas;

/* Opens what is installed; fp8: the device multiplies FP8 (compute capability 8.9 and later). */
void mf_cuda_blas_open(mf_cuda_blas *b, bool fp8);
void mf_cuda_blas_close(mf_cuda_blas *b);

bool mf_cuda_blas_is(mf_probe probe);
bool mf_cuda_blas_has(const mf_cuda_blas *b, mf_probe probe);

/* Queues one product on the default stream; a cublasStatus_t. */
int mf_cuda_blas_multiply(mf_cuda_blas *b, const mf_gpu_job *job);

#endif
