// Kernels of the Metal backend. The text is compiled on the Mac at run time, and on any computer as C++ by the tests, so
// it keeps to what both understand the same way: threadgroup memory comes in as an argument, vectors are assigned by
// component, kernels are no templates.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
#include "metal_bindings.h"
using namespace metal;

struct mf_args {
    uint m;
    uint n;
    uint k;
    uint turns;
};

kernel void noop(device float *out [[buffer(MF_BIND_OUT)]])
{
    (void)out;
}

// Multiply-adds in registers: 8 scalar chains keep the units busy (vectors reached 22 % on an M5, scalars 94 %).
kernel void spin(device float *out [[buffer(MF_BIND_OUT)]],
                 constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                 uint gid [[thread_position_in_grid]])
{
    float a = float(gid & 7u), b = a + 1.0f, c = a + 2.0f, d = a + 3.0f;
    float e = a + 4.0f, f = a + 5.0f, g = a + 6.0f, h = a + 7.0f;
    for (uint i = 0; i < args.turns; i++) {
        a = fma(a, 0.999f, 0.001f);
        b = fma(b, 0.999f, 0.001f);
        c = fma(c, 0.999f, 0.001f);
        d = fma(d, 0.999f, 0.001f);
        e = fma(e, 0.999f, 0.001f);
        f = fma(f, 0.999f, 0.001f);
        g = fma(g, 0.999f, 0.001f);
        h = fma(h, 0.999f, 0.001f);
    }
    out[gid] = ((a + b) + (c + d)) + ((e + f) + (g + h));
}

// Streams: a grid's stride between a thread's vectors, four of them in flight.
kernel void stream_read(device const float4 *in [[buffer(MF_BIND_A)]],
                        device float *out [[buffer(MF_BIND_OUT)]],
                        constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                        uint gid [[thread_position_in_grid]],
                        uint size [[threads_per_grid]])
{
    float4 s0 = float4(0.0f), s1 = float4(0.0f), s2 = float4(0.0f), s3 = float4(0.0f);
    uint i = gid;
    for (; i + 3u * size < args.n; i += 4u * size) {
        s0 += in[i];
        s1 += in[i + size];
        s2 += in[i + 2u * size];
        s3 += in[i + 3u * size];
    }
    for (; i < args.n; i += size) {
        s0 += in[i];
    }
    const float4 s = (s0 + s1) + (s2 + s3);
    out[gid] = (s.x + s.y) + (s.z + s.w);
}

kernel void stream_copy(device const float4 *in [[buffer(MF_BIND_A)]],
                        device float4 *out [[buffer(MF_BIND_OUT)]],
                        constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                        uint gid [[thread_position_in_grid]],
                        uint size [[threads_per_grid]])
{
    for (uint i = gid; i < args.n; i += size) {
        out[i] = in[i];
    }
}

kernel void stream_triad(device const float4 *a [[buffer(MF_BIND_A)]],
                         device const float4 *b [[buffer(MF_BIND_B)]],
                         device float4 *out [[buffer(MF_BIND_OUT)]],
                         constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                         uint gid [[thread_position_in_grid]],
                         uint size [[threads_per_grid]])
{
    for (uint i = gid; i < args.n; i += size) {
        out[i] = a[i] + 3.0f * b[i];
    }
}

// out[m][n] = a[m][k] b[k][n]. A threadgroup makes 64 x 64, each of its 4 SIMD-groups a quarter in 16 accumulators.
kernel void gemm_f16(device const half *a [[buffer(MF_BIND_A)]],
                     device const half *b [[buffer(MF_BIND_B)]],
                     device float *out [[buffer(MF_BIND_OUT)]],
                     constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                     threadgroup half *ga [[threadgroup(MF_GROUP_A)]],
                     threadgroup half *gb [[threadgroup(MF_GROUP_B)]],
                     uint3 group [[threadgroup_position_in_grid]],
                     ushort thread_index [[thread_index_in_threadgroup]],
                     ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint row = group.y * MF_TILE, column = group.x * MF_TILE;
    const ushort r0 = (simd >> 1) * 32, c0 = (simd & 1) * 32;
    simdgroup_float8x8 sums[4][4];
    for (ushort i = 0; i < 4; i++) {
        for (ushort j = 0; j < 4; j++) {
            sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
        }
    }
    for (uint k0 = 0; k0 < args.k; k0 += MF_DEPTH_F16) {
        for (ushort e = thread_index; e < MF_TILE * MF_DEPTH_F16; e += MF_GROUP_THREADS) {
            const ushort ar = e / MF_DEPTH_F16, ac = e % MF_DEPTH_F16;
            const ushort br = e / MF_TILE, bc = e % MF_TILE;
            ga[e] = a[(row + ar) * args.k + k0 + ac];
            gb[e] = b[(k0 + br) * args.n + column + bc];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (ushort k = 0; k < MF_DEPTH_F16; k += 8) {
            simdgroup_half8x8 x[4], y[4];
            for (ushort i = 0; i < 4; i++) {
                simdgroup_load(x[i], ga + (r0 + 8 * i) * MF_DEPTH_F16 + k, MF_DEPTH_F16);
                simdgroup_load(y[i], gb + k * MF_TILE + c0 + 8 * i, MF_TILE);
            }
            for (ushort i = 0; i < 4; i++) {
                for (ushort j = 0; j < 4; j++) {
                    simdgroup_multiply_accumulate(sums[i][j], x[i], y[j], sums[i][j]);
                }
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    for (ushort i = 0; i < 4; i++) {
        for (ushort j = 0; j < 4; j++) {
            simdgroup_store(sums[i][j], out + (row + r0 + 8 * i) * args.n + column + c0 + 8 * j, args.n);
        }
    }
}

kernel void gemm_f32(device const float *a [[buffer(MF_BIND_A)]],
                     device const float *b [[buffer(MF_BIND_B)]],
                     device float *out [[buffer(MF_BIND_OUT)]],
                     constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                     threadgroup float *ga [[threadgroup(MF_GROUP_A)]],
                     threadgroup float *gb [[threadgroup(MF_GROUP_B)]],
                     uint3 group [[threadgroup_position_in_grid]],
                     ushort thread_index [[thread_index_in_threadgroup]],
                     ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint row = group.y * MF_TILE, column = group.x * MF_TILE;
    const ushort r0 = (simd >> 1) * 32, c0 = (simd & 1) * 32;
    simdgroup_float8x8 sums[4][4];
    for (ushort i = 0; i < 4; i++) {
        for (ushort j = 0; j < 4; j++) {
            sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
        }
    }
    for (uint k0 = 0; k0 < args.k; k0 += MF_DEPTH_F32) {
        for (ushort e = thread_index; e < MF_TILE * MF_DEPTH_F32; e += MF_GROUP_THREADS) {
            const ushort ar = e / MF_DEPTH_F32, ac = e % MF_DEPTH_F32;
            const ushort br = e / MF_TILE, bc = e % MF_TILE;
            ga[e] = a[(row + ar) * args.k + k0 + ac];
            gb[e] = b[(k0 + br) * args.n + column + bc];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (ushort k = 0; k < MF_DEPTH_F32; k += 8) {
            simdgroup_float8x8 x[4], y[4];
            for (ushort i = 0; i < 4; i++) {
                simdgroup_load(x[i], ga + (r0 + 8 * i) * MF_DEPTH_F32 + k, MF_DEPTH_F32);
                simdgroup_load(y[i], gb + k * MF_TILE + c0 + 8 * i, MF_TILE);
            }
            for (ushort i = 0; i < 4; i++) {
                for (ushort j = 0; j < 4; j++) {
                    simdgroup_multiply_accumulate(sums[i][j], x[i], y[j], sums[i][j]);
                }
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    for (ushort i = 0; i < 4; i++) {
        for (ushort j = 0; j < 4; j++) {
            simdgroup_store(sums[i][j], out + (row + r0 + 8 * i) * args.n + column + c0 + 8 * j, args.n);
        }
    }
}

// out[row] = w[row] x. A SIMD-group makes 4 rows, so that x is loaded once for them; its lanes share the columns.
kernel void matvec_f16(device const half4 *w [[buffer(MF_BIND_A)]],
                       device const float4 *x [[buffer(MF_BIND_B)]],
                       device float *out [[buffer(MF_BIND_OUT)]],
                       constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                       uint3 group [[threadgroup_position_in_grid]],
                       ushort lane [[thread_index_in_simdgroup]],
                       ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint row = group.x * MF_ROWS_PER_GROUP + simd * MF_ROWS_PER_SIMD;
    const uint n4 = args.k / 4u;
    float sums[MF_ROWS_PER_SIMD] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint i = lane; i < n4; i += MF_SIMD_WIDTH) {
        const float4 v = x[i];
        for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
            if (row + r < args.m) {
                const half4 h = w[(row + r) * n4 + i];
                sums[r] += float(h.x) * v.x + float(h.y) * v.y + float(h.z) * v.z + float(h.w) * v.w;
            }
        }
    }
    for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
        const float sum = simd_sum(sums[r]);
        if (lane == 0 && row + r < args.m) {
            out[row + r] = sum;
        }
    }
}

struct block_q8_0 {
    half d;
    char qs[32];
};
static_assert(sizeof(block_q8_0) == 34, "GGUF");

kernel void matvec_q8_0(device const block_q8_0 *w [[buffer(MF_BIND_A)]],
                        device const float *x [[buffer(MF_BIND_B)]],
                        device float *out [[buffer(MF_BIND_OUT)]],
                        constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                        uint3 group [[threadgroup_position_in_grid]],
                        ushort lane [[thread_index_in_simdgroup]],
                        ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint row = group.x * MF_ROWS_PER_GROUP + simd * MF_ROWS_PER_SIMD;
    const uint n_blocks = args.k / 32u;
    float sums[MF_ROWS_PER_SIMD] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint b = lane; b < n_blocks; b += MF_SIMD_WIDTH) {
        float v[32];
        for (ushort i = 0; i < 32; i++) {
            v[i] = x[b * 32u + i];
        }
        for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
            if (row + r < args.m) {
                device const block_q8_0 *q = w + (row + r) * n_blocks + b;
                float s = 0.0f;
                for (ushort i = 0; i < 32; i++) {
                    s += float(q->qs[i]) * v[i];
                }
                sums[r] += float(q->d) * s;
            }
        }
    }
    for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
        const float sum = simd_sum(sums[r]);
        if (lane == 0 && row + r < args.m) {
            out[row + r] = sum;
        }
    }
}

struct block_q4_0 {
    half d;
    uchar qs[16];
};
static_assert(sizeof(block_q4_0) == 18, "GGUF");

kernel void matvec_q4_0(device const block_q4_0 *w [[buffer(MF_BIND_A)]],
                        device const float *x [[buffer(MF_BIND_B)]],
                        device float *out [[buffer(MF_BIND_OUT)]],
                        constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                        uint3 group [[threadgroup_position_in_grid]],
                        ushort lane [[thread_index_in_simdgroup]],
                        ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint row = group.x * MF_ROWS_PER_GROUP + simd * MF_ROWS_PER_SIMD;
    const uint n_blocks = args.k / 32u;
    float sums[MF_ROWS_PER_SIMD] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint b = lane; b < n_blocks; b += MF_SIMD_WIDTH) {
        float v[32];
        float total = 0.0f;
        for (ushort i = 0; i < 32; i++) {
            v[i] = x[b * 32u + i];
            total += v[i];
        }
        for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
            if (row + r < args.m) {
                device const block_q4_0 *q = w + (row + r) * n_blocks + b;
                float s = -8.0f * total;
                for (ushort i = 0; i < 16; i++) {
                    const uchar byte = q->qs[i];
                    s += float(byte & 15) * v[i] + float(byte >> 4) * v[i + 16];
                }
                sums[r] += float(q->d) * s;
            }
        }
    }
    for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
        const float sum = simd_sum(sums[r]);
        if (lane == 0 && row + r < args.m) {
            out[row + r] = sum;
        }
    }
}

struct block_q4_K {
    half d;
    half dmin;
    uchar scales[12];
    uchar qs[128];
};
static_assert(sizeof(block_q4_K) == 144, "GGUF");

// 8 lanes share a block of 256, one group of 32 each.
kernel void matvec_q4_K(device const block_q4_K *w [[buffer(MF_BIND_A)]],
                        device const float *x [[buffer(MF_BIND_B)]],
                        device float *out [[buffer(MF_BIND_OUT)]],
                        constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                        uint3 group [[threadgroup_position_in_grid]],
                        ushort lane [[thread_index_in_simdgroup]],
                        ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint row = group.x * MF_ROWS_PER_GROUP + simd * MF_ROWS_PER_SIMD;
    const uint n_blocks = args.k / 256u;
    const ushort g = lane & 7;
    const ushort shift = (g & 1) * 4;
    float sums[MF_ROWS_PER_SIMD] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint b = lane >> 3; b < n_blocks; b += MF_SIMD_WIDTH / 8) {
        float v[32];
        float total = 0.0f;
        for (ushort i = 0; i < 32; i++) {
            v[i] = x[b * 256u + g * 32u + i];
            total += v[i];
        }
        for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
            if (row + r < args.m) {
                device const block_q4_K *q = w + (row + r) * n_blocks + b;
                uint scale = q->scales[g & 3] & 63u;
                uint minimum = q->scales[(g & 3) + 4] & 63u;
                if (g > 3) {
                    scale = (q->scales[g + 4] & 15u) | ((q->scales[g - 4] >> 6) << 4);
                    minimum = (uint(q->scales[g + 4]) >> 4) | ((uint(q->scales[g]) >> 6) << 4);
                }
                device const uchar *qs = q->qs + (g >> 1) * 32;
                float s = 0.0f;
                for (ushort i = 0; i < 32; i++) {
                    s += float((qs[i] >> shift) & 15) * v[i];
                }
                sums[r] += float(q->d) * float(scale) * s - float(q->dmin) * float(minimum) * total;
            }
        }
    }
    for (ushort r = 0; r < MF_ROWS_PER_SIMD; r++) {
        const float sum = simd_sum(sums[r]);
        if (lane == 0 && row + r < args.m) {
            out[row + r] = sum;
        }
    }
}

// Attention of one new token, unfinished: each threadgroup walks 256 positions of one KV head (grid x: blocks, y: heads),
// each SIMD-group for one of its 4 queries. cache: keys [position][head][128], then values; args: k positions, n heads.
kernel void attend(device const half4 *cache [[buffer(MF_BIND_A)]],
                   device const float4 *queries [[buffer(MF_BIND_B)]],
                   device float *out [[buffer(MF_BIND_OUT)]],
                   constant mf_args &args [[buffer(MF_BIND_ARGS)]],
                   uint3 group [[threadgroup_position_in_grid]],
                   uint3 groups [[threadgroups_per_grid]],
                   ushort lane [[thread_index_in_simdgroup]],
                   ushort simd [[simdgroup_index_in_threadgroup]])
{
    const uint head = group.y;
    const uint query = head * 4u + simd;
    const uint stride = args.n * (MF_HEAD / 4);
    device const half4 *keys = cache + head * (MF_HEAD / 4) + lane;
    device const half4 *values = keys + args.k * stride;
    const float4 q = queries[query * (MF_HEAD / 4) + lane];
    float4 sum = float4(0.0f);
    float most = -1e30f, total = 0.0f;
    const uint first = group.x * MF_KV_BLOCK;
    const uint end = min(first + MF_KV_BLOCK, args.k);
    for (uint p = first; p < end; p++) {
        const half4 key = keys[p * stride];
        const float part = float(key.x) * q.x + float(key.y) * q.y + float(key.z) * q.z + float(key.w) * q.w;
        const float score = simd_sum(part);
        const float now = max(most, score);
        const float shrink = exp(most - now);
        const float weight = exp(score - now);
        const half4 value = values[p * stride];
        sum.x = sum.x * shrink + weight * float(value.x);
        sum.y = sum.y * shrink + weight * float(value.y);
        sum.z = sum.z * shrink + weight * float(value.z);
        sum.w = sum.w * shrink + weight * float(value.w);
        total = total * shrink + weight;
        most = now;
    }
    device float *partial = out + (query * groups.x + group.x) * MF_KV_PARTIAL;
    if (lane == 0) {
        partial[0] = total;
        partial[1] = most;
    }
    partial[2 + 4 * lane] = sum.x;
    partial[3 + 4 * lane] = sum.y;
    partial[4 + 4 * lane] = sum.z;
    partial[5 + 4 * lane] = sum.w;
}
