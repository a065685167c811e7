// Kernels of the CUDA backend. bench.ptx is made of them by tests/cuda/make_ptx.sh and shipped, since machines that run
// models have a driver but seldom a compiler. The same text runs as C++ on the fibers of tests/metal/runner.cpp.
#ifdef __CUDACC__
typedef unsigned short half_bits;
__device__ static inline float half_value(half_bits h)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
__device__ static inline float warp_sum(float v)
{
    for (int mask = 16; mask > 0; mask /= 2) {
        v += __shfl_xor_sync(0xffffffffu, v, mask);
    }
    return v;
}
#define KERNEL extern "C" __global__ void
#else
#include "cuda_shim.h"
#endif

#define ROWS_PER_WARP 4
#define TILE 64
#define DEPTH 16

struct mf_args {
    unsigned m;
    unsigned n;
    unsigned k;
    unsigned turns;
};

KERNEL noop(const float *a, const float *b, float *out, mf_args args)
{
}

KERNEL spin(const float *in, const float *in2, float *out, mf_args args)
{
    const unsigned id = blockIdx.x * blockDim.x + threadIdx.x;
    float a = (float)(id & 7u), b = a + 1.0f, c = a + 2.0f, d = a + 3.0f;
    float e = a + 4.0f, f = a + 5.0f, g = a + 6.0f, h = a + 7.0f;
    for (unsigned i = 0; i < args.turns; i++) {
        a = fmaf(a, 0.999f, 0.001f);
        b = fmaf(b, 0.999f, 0.001f);
        c = fmaf(c, 0.999f, 0.001f);
        d = fmaf(d, 0.999f, 0.001f);
        e = fmaf(e, 0.999f, 0.001f);
        f = fmaf(f, 0.999f, 0.001f);
        g = fmaf(g, 0.999f, 0.001f);
        h = fmaf(h, 0.999f, 0.001f);
    }
    out[id] = ((a + b) + (c + d)) + ((e + f) + (g + h));
}

KERNEL stream_read(const float4 *a, const float4 *b, float *out, mf_args args)
{
    const unsigned id = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    unsigned i = id;
    for (; i + 3 * step < args.n; i += 4 * step) {
        const float4 x = a[i], y = a[i + step], z = a[i + 2 * step], w = a[i + 3 * step];
        s0 += (x.x + x.y) + (x.z + x.w);
        s1 += (y.x + y.y) + (y.z + y.w);
        s2 += (z.x + z.y) + (z.z + z.w);
        s3 += (w.x + w.y) + (w.z + w.w);
    }
    for (; i < args.n; i += step) {
        const float4 x = a[i];
        s0 += (x.x + x.y) + (x.z + x.w);
    }
    out[id] = (s0 + s1) + (s2 + s3);
}

KERNEL stream_copy(const float4 *a, const float4 *b, float4 *out, mf_args args)
{
    const unsigned step = gridDim.x * blockDim.x;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < args.n; i += step) {
        out[i] = a[i];
    }
}

KERNEL stream_triad(const float4 *a, const float4 *b, float4 *out, mf_args args)
{
    const unsigned step = gridDim.x * blockDim.x;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < args.n; i += step) {
        const float4 x = a[i], y = b[i];
        float4 s;
        s.x = x.x + 3.0f * y.x;
        s.y = x.y + 3.0f * y.y;
        s.z = x.z + 3.0f * y.z;
        s.w = x.w + 3.0f * y.w;
        out[i] = s;
    }
}

// out[m][n] = a[m][k] b[k][n]: 256 threads make 64 x 64, each 4 x 4.
KERNEL gemm_f32(const float *a, const float *b, float *out, mf_args args)
{
    __shared__ float ga[DEPTH][TILE], gb[DEPTH][TILE];
    const unsigned row = blockIdx.y * TILE, column = blockIdx.x * TILE;
    const unsigned r0 = threadIdx.x / 16 * 4, c0 = threadIdx.x % 16 * 4;
    float sums[4][4] = {{0}};
    for (unsigned k0 = 0; k0 < args.k; k0 += DEPTH) {
        for (unsigned e = threadIdx.x; e < DEPTH * TILE; e += blockDim.x) {
            ga[e % DEPTH][e / DEPTH] = a[(unsigned long long)(row + e / DEPTH) * args.k + k0 + e % DEPTH];
            gb[e / TILE][e % TILE] = b[(unsigned long long)(k0 + e / TILE) * args.n + column + e % TILE];
        }
        __syncthreads();
        for (unsigned k = 0; k < DEPTH; k++) {
            for (unsigned i = 0; i < 4; i++) {
                for (unsigned j = 0; j < 4; j++) {
                    sums[i][j] += ga[k][r0 + i] * gb[k][c0 + j];
                }
            }
        }
        __syncthreads();
    }
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < 4; j++) {
            out[(unsigned long long)(row + r0 + i) * args.n + column + c0 + j] = sums[i][j];
        }
    }
}

// Matrix times vector: a warp makes 4 rows, so that x is loaded once for them; its lanes share the columns.
#define ROW_OF_WARP                                                                               \
    const unsigned lane = threadIdx.x % 32;                                                       \
    const unsigned row = (blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32) * ROWS_PER_WARP;     \
    float sums[ROWS_PER_WARP] = {0, 0, 0, 0};

#define STORE_ROWS                                                                                \
    for (unsigned r = 0; r < ROWS_PER_WARP; r++) {                                                \
        const float sum = warp_sum(sums[r]);                                                      \
        if (lane == 0 && row + r < args.m) {                                                      \
            out[row + r] = sum;                                                                   \
        }                                                                                         \
    }

KERNEL matvec_f16(const ushort4 *w, const float4 *x, float *out, mf_args args)
{
    ROW_OF_WARP
    const unsigned n = args.k / 4;
    for (unsigned i = lane; i < n; i += 32) {
        const float4 v = x[i];
        for (unsigned r = 0; r < ROWS_PER_WARP; r++) {
            if (row + r < args.m) {
                const ushort4 h = w[(unsigned long long)(row + r) * n + i];
                sums[r] += half_value(h.x) * v.x + half_value(h.y) * v.y + half_value(h.z) * v.z + half_value(h.w) * v.w;
            }
        }
    }
    STORE_ROWS
}

KERNEL matvec_q8_0(const unsigned char *w, const float *x, float *out, mf_args args)
{
    ROW_OF_WARP
    const unsigned n = args.k / 32;
    for (unsigned b = lane; b < n; b += 32) {
        float v[32];
        for (unsigned i = 0; i < 32; i++) {
            v[i] = x[b * 32 + i];
        }
        for (unsigned r = 0; r < ROWS_PER_WARP; r++) {
            if (row + r < args.m) {
                const unsigned char *block = w + ((unsigned long long)(row + r) * n + b) * 34;
                const signed char *qs = (const signed char *)(block + 2);
                float s = 0;
                for (unsigned i = 0; i < 32; i++) {
                    s += (float)qs[i] * v[i];
                }
                sums[r] += half_value(*(const half_bits *)block) * s;
            }
        }
    }
    STORE_ROWS
}

KERNEL matvec_q4_0(const unsigned char *w, const float *x, float *out, mf_args args)
{
    ROW_OF_WARP
    const unsigned n = args.k / 32;
    for (unsigned b = lane; b < n; b += 32) {
        float v[32], total = 0;
        for (unsigned i = 0; i < 32; i++) {
            v[i] = x[b * 32 + i];
            total += v[i];
        }
        for (unsigned r = 0; r < ROWS_PER_WARP; r++) {
            if (row + r < args.m) {
                const unsigned char *block = w + ((unsigned long long)(row + r) * n + b) * 18;
                const half_bits *qs = (const half_bits *)block;
                float s = -8.0f * total;
                for (unsigned i = 0; i < 8; i++) {
                    const unsigned two = qs[1 + i];
                    s += (float)(two & 15) * v[2 * i] + (float)((two >> 4) & 15) * v[2 * i + 16];
                    s += (float)((two >> 8) & 15) * v[2 * i + 1] + (float)(two >> 12) * v[2 * i + 17];
                }
                sums[r] += half_value(qs[0]) * s;
            }
        }
    }
    STORE_ROWS
}

// A lane takes groups of 32 weights: 8 of them make a block.
KERNEL matvec_q4_K(const unsigned char *w, const float *x, float *out, mf_args args)
{
    ROW_OF_WARP
    const unsigned n = args.k / 32;
    for (unsigned q = lane; q < n; q += 32) {
        const unsigned g = q % 8, shift = (g & 1) * 4;
        float v[32], total = 0;
        for (unsigned i = 0; i < 32; i++) {
            v[i] = x[q * 32 + i];
            total += v[i];
        }
        for (unsigned r = 0; r < ROWS_PER_WARP; r++) {
            if (row + r < args.m) {
                const unsigned char *block = w + ((unsigned long long)(row + r) * (n / 8) + q / 8) * 144;
                const unsigned char *scales = block + 4;
                const unsigned *qs = (const unsigned *)(block + 16 + g / 2 * 32);
                unsigned scale = scales[g & 3] & 63u, minimum = scales[(g & 3) + 4] & 63u;
                if (g > 3) {
                    scale = (scales[g + 4] & 15u) | ((scales[g - 4] >> 6) << 4);
                    minimum = (scales[g + 4] >> 4) | ((scales[g] >> 6) << 4);
                }
                float s = 0;
                for (unsigned i = 0; i < 8; i++) {
                    const unsigned four = qs[i] >> shift;
                    s += (float)(four & 15) * v[4 * i] + (float)((four >> 8) & 15) * v[4 * i + 1];
                    s += (float)((four >> 16) & 15) * v[4 * i + 2] + (float)((four >> 24) & 15) * v[4 * i + 3];
                }
                const half_bits *d = (const half_bits *)block;
                sums[r] += half_value(d[0]) * (float)scale * s - half_value(d[1]) * (float)minimum * total;
            }
        }
    }
    STORE_ROWS
}

// Unfinished attention of one token: a block walks 256 positions of one KV head, each of its 4 warps for one query.
KERNEL attend(const ushort4 *cache, const float4 *queries, float *out, mf_args args)
{
    const unsigned lane = threadIdx.x % 32, head = blockIdx.y, query = head * 4 + threadIdx.x / 32;
    const unsigned long long stride = (unsigned long long)args.n * 32;
    const ushort4 *keys = cache + head * 32 + lane, *values = keys + args.k * stride;
    const float4 q = queries[query * 32 + lane];
    const unsigned first = blockIdx.x * 256, last = first + 256 < args.k ? first + 256 : args.k;
    float most = -1e30f, total = 0, s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (unsigned p = first; p < last; p++) {
        const ushort4 key = keys[p * stride], value = values[p * stride];
        const float score = warp_sum(half_value(key.x) * q.x + half_value(key.y) * q.y + half_value(key.z) * q.z +
                                     half_value(key.w) * q.w);
        const float now = fmaxf(most, score), shrink = expf(most - now), weight = expf(score - now);
        s0 = s0 * shrink + weight * half_value(value.x);
        s1 = s1 * shrink + weight * half_value(value.y);
        s2 = s2 * shrink + weight * half_value(value.z);
        s3 = s3 * shrink + weight * half_value(value.w);
        total = total * shrink + weight;
        most = now;
    }
    float *partial = out + (query * gridDim.x + blockIdx.x) * 130;
    if (lane == 0) {
        partial[0] = total;
        partial[1] = most;
    }
    partial[2 + 4 * lane] = s0;
    partial[3 + 4 * lane] = s1;
    partial[4 + 4 * lane] = s2;
    partial[5 + 4 * lane] = s3;
}
