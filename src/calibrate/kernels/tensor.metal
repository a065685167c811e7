// A library of its own: it compiles only where the system has Metal 4, and then uses the tensor units from the M5 on.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
#include "metal_bindings.h"
using namespace metal;
using namespace mpp::tensor_ops;

struct mf_args {
    uint m;
    uint n;
    uint k;
    uint turns;
};

kernel void gemm_tensor(device half *a [[buffer(MF_BIND_A)]],
                        device half *b [[buffer(MF_BIND_B)]],
                        device float *out [[buffer(MF_BIND_OUT)]],
                        constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                        uint3 group [[threadgroup_position_in_grid]])
{
    auto all_a = tensor<device half, dextents<int32_t, 2>, tensor_inline>(
        a, dextents<int32_t, 2>(int(args.k), int(args.m)));
    auto all_b = tensor<device half, dextents<int32_t, 2>, tensor_inline>(
        b, dextents<int32_t, 2>(int(args.n), int(args.k)));
    auto all_out = tensor<device float, dextents<int32_t, 2>, tensor_inline>(
        out, dextents<int32_t, 2>(int(args.n), int(args.m)));
    constexpr auto shape = matmul2d_descriptor(
        MF_TILE, MF_TILE, static_cast<int>(dynamic_extent), false, false, false);
    matmul2d<shape, execution_simdgroups<MF_GROUP_THREADS / MF_SIMD_WIDTH>> product;
    auto rows = all_a.slice(0, int(group.y) * MF_TILE);
    auto columns = all_b.slice(int(group.x) * MF_TILE, 0);
    auto tile = all_out.slice(int(group.x) * MF_TILE, int(group.y) * MF_TILE);
    product.run(rows, columns, tile);
}
