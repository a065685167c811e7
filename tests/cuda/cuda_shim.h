/* What bench.cu uses of CUDA C++, on the fibers of tests/metal/runner.cpp: a block is a threadgroup, a warp a SIMD-group. */
#ifndef MF_CUDA_SHIM_H
#define MF_CUDA_SHIM_H

#include <math.h>

#include "runner.h"

extern "C" const msl_context *msl_here(void);
namespace metal
{
enum class mem_flags;
void threadgroup_barrier(mem_flags flags);
float simd_sum(float value);
} // namespace metal

struct float4 {
    float x, y, z, w;
};
typedef unsigned short half_bits;
struct ushort4 {
    half_bits x, y, z, w;
};

extern "C" float mf_half_value(unsigned short half);
static inline float half_value(half_bits h)
{
    return mf_half_value(h);
}
static inline float warp_sum(float v)
{
    return metal::simd_sum(v);
}
static inline void __syncthreads(void)
{
    metal::threadgroup_barrier((metal::mem_flags)0);
}

#define threadIdx (*(const msl_xyz *)msl_here()->thread_position_in_threadgroup)
#define blockIdx (*(const msl_xyz *)msl_here()->threadgroup_position_in_grid)
#define blockDim (*(const msl_xyz *)msl_here()->threads_per_threadgroup)
#define gridDim (*(const msl_xyz *)msl_here()->threadgroups_per_grid)
struct msl_xyz {
    unsigned x, y, z;
};
/* One block runs at a time, so that a static is its shared memory. */
#define __shared__ static
#define KERNEL static void

#endif
