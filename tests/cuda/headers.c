/* What cuda_blas.c declares and numbers, against NVIDIA's headers where they are installed; nothing of it runs. */
#include <cublasLt.h>
#include <cuda.h>
#include <stddef.h>

#include "calibrate/cuda_blas.h"

_Static_assert(sizeof(mf_cublaslt_choice) == sizeof(cublasLtMatmulHeuristicResult_t), "a choice");
_Static_assert(offsetof(mf_cublaslt_choice, state) ==
                   offsetof(cublasLtMatmulHeuristicResult_t, state),
               "its state");
_Static_assert(sizeof((mf_cublaslt_choice){0}.algorithm) == sizeof(cublasLtMatmulAlgo_t),
               "its algorithm");
_Static_assert(CUDA_R_32F == 0 && CUDA_R_16F == 2 && CUDA_R_8F_E4M3 == 28, "types of numbers");
_Static_assert(CUBLAS_COMPUTE_32F == 68 && CUBLAS_GEMM_DEFAULT == -1 && CUBLAS_OP_T == 1,
               "ways of multiplying");
_Static_assert(CUBLASLT_MATMUL_DESC_TRANSA == 3 && CUBLAS_STATUS_NOT_SUPPORTED == 15,
               "an attribute, a status");
_Static_assert(CU_DEVICE_ATTRIBUTE_CLOCK_RATE == 13 &&
                   CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT == 16 &&
                   CU_DEVICE_ATTRIBUTE_INTEGRATED == 18 &&
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR == 75 &&
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR == 76,
               "attributes of a device");
