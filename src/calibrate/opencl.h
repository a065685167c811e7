/*
 * opencl.h - the part of OpenCL 1.2 that is used, as the library exports it; it is found at run time.
 */
#ifndef MF_CALIBRATE_OPENCL_H
#define MF_CALIBRATE_OPENCL_H

#include "calibrate/gpu.h"

typedef int32_t mf_cl_int;
typedef uint32_t mf_cl_uint;
typedef uint64_t mf_cl_ulong;
typedef void mf_cl_object; /* platform, device, context, queue, program, kernel, memory, event */

/* X(type of the result, name, arguments) */
#define MF_CL_FUNCTIONS(X)                                                                         \
    X(mf_cl_int, clGetPlatformIDs, (mf_cl_uint, mf_cl_object **, mf_cl_uint *))                    \
    X(mf_cl_int, clGetPlatformInfo, (mf_cl_object *, mf_cl_uint, size_t, void *, size_t *))        \
    X(mf_cl_int,                                                                                   \
      clGetDeviceIDs,                                                                              \
      (mf_cl_object *, mf_cl_ulong, mf_cl_uint, mf_cl_object **, mf_cl_uint *))                    \
    X(mf_cl_int, clGetDeviceInfo, (mf_cl_object *, mf_cl_uint, size_t, void *, size_t *))          \
    X(mf_cl_object *,                                                                              \
      clCreateContext,                                                                             \
      (const intptr_t *, mf_cl_uint, mf_cl_object *const *, void *, void *, mf_cl_int *))          \
    X(mf_cl_object *,                                                                              \
      clCreateCommandQueue,                                                                        \
      (mf_cl_object *, mf_cl_object *, mf_cl_ulong, mf_cl_int *))                                  \
    X(mf_cl_object *,                                                                              \
      clCreateProgramWithSource,                                                                   \
      (mf_cl_object *, mf_cl_uint, const char **, const size_t *, mf_cl_int *))                    \
    X(mf_cl_int,                                                                                   \
      clBuildProgram,                                                                              \
      (mf_cl_object *, mf_cl_uint, mf_cl_object *const *, const char *, void *, void *))           \
    X(mf_cl_int,                                                                                   \
      clGetProgramBuildInfo,                                                                       \
      (mf_cl_object *, mf_cl_object *, mf_cl_uint, size_t, void *, size_t *))                      \
    X(mf_cl_object *, clCreateKernel, (mf_cl_object *, const char *, mf_cl_int *))                 \
    X(mf_cl_int, clSetKernelArg, (mf_cl_object *, mf_cl_uint, size_t, const void *))               \
    X(mf_cl_object *, clCreateBuffer, (mf_cl_object *, mf_cl_ulong, size_t, void *, mf_cl_int *))  \
    X(mf_cl_int,                                                                                   \
      clEnqueueWriteBuffer,                                                                        \
      (mf_cl_object *,                                                                             \
       mf_cl_object *,                                                                             \
       mf_cl_uint,                                                                                 \
       size_t,                                                                                     \
       size_t,                                                                                     \
       const void *,                                                                               \
       mf_cl_uint,                                                                                 \
       void *,                                                                                     \
       void *))                                                                                    \
    X(mf_cl_int,                                                                                   \
      clEnqueueReadBuffer,                                                                         \
      (mf_cl_object *,                                                                             \
       mf_cl_object *,                                                                             \
       mf_cl_uint,                                                                                 \
       size_t,                                                                                     \
       size_t,                                                                                     \
       void *,                                                                                     \
       mf_cl_uint,                                                                                 \
       void *,                                                                                     \
       void *))                                                                                    \
    X(mf_cl_int,                                                                                   \
      clEnqueueNDRangeKernel,                                                                      \
      (mf_cl_object *,                                                                             \
       mf_cl_object *,                                                                             \
       mf_cl_uint,                                                                                 \
       const size_t *,                                                                             \
       const size_t *,                                                                             \
       const size_t *,                                                                             \
       mf_cl_uint,                                                                                 \
       void *,                                                                                     \
       mf_cl_object **))                                                                           \
    X(mf_cl_int, clFinish, (mf_cl_object *))                                                       \
    X(mf_cl_int, clGetEventProfilingInfo, (mf_cl_object *, mf_cl_uint, size_t, void *, size_t *))  \
    X(mf_cl_int, clReleaseEvent, (mf_cl_object *))                                                 \
    X(mf_cl_int, clReleaseMemObject, (mf_cl_object *))                                             \
    X(mf_cl_int, clReleaseKernel, (mf_cl_object *))                                                \
    X(mf_cl_int, clReleaseProgram, (mf_cl_object *))                                               \
    X(mf_cl_int, clReleaseCommandQueue, (mf_cl_object *))                                          \
    X(mf_cl_int, clReleaseContext, (mf_cl_object *))

typedef struct mf_cl {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration */
#define MF_CL_MEMBER(result, name, arguments) result(*name) arguments;
    MF_CL_FUNCTIONS(MF_CL_MEMBER)
#undef MF_CL_MEMBER
} mf_cl;

extern const mf_prober mf_prober_opencl;
extern const char mf_opencl_source[];

#endif
