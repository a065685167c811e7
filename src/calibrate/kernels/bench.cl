// Kernels of the OpenCL backend (1.2). MF_CPU is defined for devices that are a processor: there one work-item walks
// memory by itself (21 to 30 GB/s instead of 2 with a GPU's pattern on PoCL), and local memory gains nothing.

typedef struct mf_args {
    uint m;
    uint n;
    uint k;
    uint turns;
} mf_args;

__kernel void noop(__global const float *a, __global const float *b, __global float *out, mf_args args)
{
}

__kernel void spin(__global const float *in, __global const float *in2, __global float *out, mf_args args)
{
    const uint id = get_global_id(0);
    float a = (float)(id & 7u), b = a + 1.0f, c = a + 2.0f, d = a + 3.0f;
    float e = a + 4.0f, f = a + 5.0f, g = a + 6.0f, h = a + 7.0f;
    for (uint i = 0; i < args.turns; i++) {
        a = mad(a, 0.999f, 0.001f);
        b = mad(b, 0.999f, 0.001f);
        c = mad(c, 0.999f, 0.001f);
        d = mad(d, 0.999f, 0.001f);
        e = mad(e, 0.999f, 0.001f);
        f = mad(f, 0.999f, 0.001f);
        g = mad(g, 0.999f, 0.001f);
        h = mad(h, 0.999f, 0.001f);
    }
    out[id] = ((a + b) + (c + d)) + ((e + f) + (g + h));
}

// First, end and step of a work-item's vectors.
#ifdef MF_CPU
#define WALK                                                              \
    const uint n_items = get_global_size(0), item = get_global_id(0);     \
    const uint step = 1, first = (uint)((ulong)args.n * item / n_items);  \
    const uint end = (uint)((ulong)args.n * (item + 1) / n_items);
#else
#define WALK \
    const uint step = get_global_size(0), first = get_global_id(0), end = args.n;
#endif

__kernel void stream_read(__global const float4 *a, __global const float4 *b, __global float *out, mf_args args)
{
    WALK
    float4 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    uint i = first;
    for (; i + 3 * step < end; i += 4 * step) {
        s0 += a[i];
        s1 += a[i + step];
        s2 += a[i + 2 * step];
        s3 += a[i + 3 * step];
    }
    for (; i < end; i += step) {
        s0 += a[i];
    }
    const float4 s = (s0 + s1) + (s2 + s3);
    out[get_global_id(0)] = (s.x + s.y) + (s.z + s.w);
}

__kernel void stream_copy(__global const float4 *a, __global const float4 *b, __global float4 *out, mf_args args)
{
    WALK
    for (uint i = first; i < end; i += step) {
        out[i] = a[i];
    }
}

__kernel void stream_triad(__global const float4 *a, __global const float4 *b, __global float4 *out, mf_args args)
{
    WALK
    for (uint i = first; i < end; i += step) {
        out[i] = a[i] + 3.0f * b[i];
    }
}

// out[m][n] = a[m][k] b[k][n]: 8 x 8 work-items make 32 x 32, each 4 rows of 4.
__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void
gemm_f32(__global const float *a, __global const float *b, __global float *out, mf_args args)
{
    const uint row = get_group_id(1) * 32 + get_local_id(0) / 8 * 4;
    const uint column = get_group_id(0) * 32 + get_local_id(0) % 8 * 4;
    float4 sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint k = 0; k < args.k; k++) {
        const float4 v = vload4(0, b + (size_t)k * args.n + column);
        for (uint i = 0; i < 4; i++) {
            sums[i] += a[(size_t)(row + i) * args.k + k] * v;
        }
    }
    for (uint i = 0; i < 4; i++) {
        vstore4(sums[i], 0, out + (size_t)(row + i) * args.n + column);
    }
}

// Matrix times vector: 32 work-items share a row's blocks on a GPU, one takes it all on a processor.
#ifdef MF_CPU
#define LANES 1
#define ROWS 1
#else
#define LANES 32
#define ROWS 4
#endif

#define SHARE                                             \
    const uint lane = get_local_id(0) % LANES;            \
    const uint slot = get_local_id(0) / LANES;            \
    const uint row = get_group_id(0) * ROWS + slot;       \
    float sum = 0.0f;

#ifdef MF_CPU
#define FINISH        \
    if (row < args.m) \
        out[row] = sum;
#else
#define FINISH                                            \
    __local float parts[LANES * ROWS];                    \
    parts[get_local_id(0)] = sum;                         \
    for (uint half = LANES / 2; half > 0; half /= 2) {    \
        barrier(CLK_LOCAL_MEM_FENCE);                     \
        if (lane < half)                                  \
            parts[get_local_id(0)] += parts[get_local_id(0) + half]; \
    }                                                     \
    if (lane == 0 && row < args.m)                        \
        out[row] = parts[get_local_id(0)];
#endif

__kernel void matvec_f16(__global const half *w, __global const float *x, __global float *out, mf_args args)
{
    SHARE
    if (row < args.m) {
        for (uint i = lane; i < args.k / 4; i += LANES) {
            sum += dot(vload_half4((size_t)row * (args.k / 4) + i, w), vload4(i, x));
        }
    }
    FINISH
}

float half_at(__global const uchar *p)
{
    return vload_half(0, (__global const half *)p);
}

__kernel void matvec_q8_0(__global const uchar *w, __global const float *x, __global float *out, mf_args args)
{
    SHARE
    const uint n = args.k / 32;
    if (row < args.m) {
        for (uint b = lane; b < n; b += LANES) {
            __global const uchar *block = w + ((size_t)row * n + b) * 34;
            __global const char *qs = (__global const char *)(block + 2);
            float s = 0.0f;
            for (uint i = 0; i < 32; i++) {
                s += (float)qs[i] * x[b * 32 + i];
            }
            sum += half_at(block) * s;
        }
    }
    FINISH
}

__kernel void matvec_q4_0(__global const uchar *w, __global const float *x, __global float *out, mf_args args)
{
    SHARE
    const uint n = args.k / 32;
    if (row < args.m) {
        for (uint b = lane; b < n; b += LANES) {
            __global const uchar *block = w + ((size_t)row * n + b) * 18;
            float s = 0.0f;
            for (uint i = 0; i < 16; i++) {
                const int byte = block[2 + i];
                s += (float)((byte & 15) - 8) * x[b * 32 + i] + (float)((byte >> 4) - 8) * x[b * 32 + i + 16];
            }
            sum += half_at(block) * s;
        }
    }
    FINISH
}

// A lane takes groups of 32 weights: 8 of them make a block.
__kernel void matvec_q4_K(__global const uchar *w, __global const float *x, __global float *out, mf_args args)
{
    SHARE
    const uint n = args.k / 32;
    if (row < args.m) {
        for (uint i = lane; i < n; i += LANES) {
            const uint g = i % 8;
            __global const uchar *block = w + ((size_t)row * (n / 8) + i / 8) * 144;
            __global const uchar *scales = block + 4;
            __global const uchar *qs = block + 16 + g / 2 * 32;
            uint scale = scales[g & 3] & 63u;
            uint minimum = scales[(g & 3) + 4] & 63u;
            if (g > 3) {
                scale = (scales[g + 4] & 15u) | ((scales[g - 4] >> 6) << 4);
                minimum = (scales[g + 4] >> 4) | ((scales[g] >> 6) << 4);
            }
            const uint shift = (g & 1) * 4;
            float s = 0.0f, total = 0.0f;
            for (uint k = 0; k < 32; k++) {
                const float v = x[i * 32 + k];
                s += (float)((qs[k] >> shift) & 15) * v;
                total += v;
            }
            sum += half_at(block) * (float)scale * s - half_at(block + 2) * (float)minimum * total;
        }
    }
    FINISH
}

// Unfinished attention of one token: a group walks 256 positions of one KV head; each of its 4 work-items has a query.
__kernel void attend(__global const half *cache, __global const float *queries, __global float *out, mf_args args)
{
    const uint head = get_group_id(1), query = head * 4 + get_local_id(0);
    const size_t row = (size_t)args.n * 128;
    __global const float *q = queries + query * 128;
    __global const half *keys = cache + head * 128;
    __global const half *values = keys + args.k * row;
    const uint first = get_group_id(0) * 256, end = min(first + 256u, args.k);
    __global float *partial = out + (query * get_num_groups(0) + get_group_id(0)) * 130;
    float4 sums[32];
    float most = -1e30f, total = 0.0f;
    for (uint i = 0; i < 32; i++) {
        sums[i] = 0.0f;
    }
    for (uint p = first; p < end; p++) {
        float score = 0.0f;
        for (uint i = 0; i < 32; i++) {
            score += dot(vload_half4(i, keys + p * row), vload4(i, q));
        }
        const float now = fmax(most, score);
        const float shrink = exp(most - now), weight = exp(score - now);
        for (uint i = 0; i < 32; i++) {
            sums[i] = sums[i] * shrink + weight * vload_half4(i, values + p * row);
        }
        total = total * shrink + weight;
        most = now;
    }
    partial[0] = total;
    partial[1] = most;
    for (uint i = 0; i < 32; i++) {
        vstore4(sums[i], i, partial + 2);
    }
}
