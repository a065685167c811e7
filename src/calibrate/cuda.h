/*
 * cuda.h - the part of CUDA's driver interface that is used, as the library exports it; it is found at run time, so that
 * a machine with a driver alone can be measured.
 */
#ifndef MF_CALIBRATE_CUDA_H
#define MF_CALIBRATE_CUDA_H

#include "calibrate/gpu.h"

typedef uint64_t mf_cu_pointer; /* CUdeviceptr */
typedef void mf_cu_object;      /* context, module, function, stream, event */

/* X(name, arguments); all return a CUresult. Names with _v2 are the ones that headers have used since CUDA 3.2 and 4.0. */
#define MF_CU_FUNCTIONS(X)                                                                         \
    X(cuInit, (unsigned))                                                                          \
    X(cuDriverGetVersion, (int *))                                                                 \
    X(cuDeviceGetCount, (int *))                                                                   \
    X(cuDeviceGet, (int *, int))                                                                   \
    X(cuDeviceGetName, (char *, int, int))                                                         \
    X(cuDeviceTotalMem_v2, (size_t *, int))                                                        \
    X(cuDeviceGetAttribute, (int *, int, int))                                                     \
    X(cuDevicePrimaryCtxRetain, (mf_cu_object **, int))                                            \
    X(cuDevicePrimaryCtxRelease_v2, (int))                                                         \
    X(cuCtxSetCurrent, (mf_cu_object *))                                                           \
    X(cuCtxSynchronize, (void))                                                                    \
    X(cuModuleLoadDataEx, (mf_cu_object **, const void *, unsigned, int *, void **))               \
    X(cuModuleUnload, (mf_cu_object *))                                                            \
    X(cuModuleGetFunction, (mf_cu_object **, mf_cu_object *, const char *))                        \
    X(cuMemAlloc_v2, (mf_cu_pointer *, size_t))                                                    \
    X(cuMemFree_v2, (mf_cu_pointer))                                                               \
    X(cuMemcpyHtoD_v2, (mf_cu_pointer, const void *, size_t))                                      \
    X(cuMemcpyDtoH_v2, (void *, mf_cu_pointer, size_t))                                            \
    X(cuLaunchKernel,                                                                              \
      (mf_cu_object *,                                                                             \
       unsigned,                                                                                   \
       unsigned,                                                                                   \
       unsigned,                                                                                   \
       unsigned,                                                                                   \
       unsigned,                                                                                   \
       unsigned,                                                                                   \
       unsigned,                                                                                   \
       mf_cu_object *,                                                                             \
       void **,                                                                                    \
       void **))                                                                                   \
    X(cuEventCreate, (mf_cu_object **, unsigned))                                                  \
    X(cuEventDestroy_v2, (mf_cu_object *))                                                         \
    X(cuEventRecord, (mf_cu_object *, mf_cu_object *))                                             \
    X(cuEventElapsedTime, (float *, mf_cu_object *, mf_cu_object *))

typedef struct mf_cu {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration */
#define MF_CU_MEMBER(name, arguments) int(*name) arguments;
    MF_CU_FUNCTIONS(MF_CU_MEMBER)
#undef MF_CU_MEMBER
} mf_cu;

extern const mf_prober mf_prober_cuda;
extern const char mf_cuda_source[]; /* PTX */

#endif
