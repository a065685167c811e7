#include "calibrate/cpu_kernels.h"

#if defined(__aarch64__) && defined(__GNUC__)

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

/* Clang and gcc name extensions of a function differently. */
#if defined(__clang__)
#define DOTPROD __attribute__((target("dotprod")))
#define I8MM __attribute__((target("i8mm,dotprod")))
#else
#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define I8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#endif

static inline float half_value(uint16_t half)
{
    __fp16 value = 0;
    memcpy(&value, &half, sizeof value);
    return (float)value;
}

static inline float32x4_t halves_at(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

/* Products of 16 signed bytes, summed into four words. */
static inline int32x4_t add_plain(int32x4_t sum, int8x16_t w, int8x16_t a)
{
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(w), vget_low_s8(a)));
    return vpadalq_s16(sum, vmull_high_s8(w, a));
}

DOTPROD static inline int32x4_t add_dotprod(int32x4_t sum, int8x16_t w, int8x16_t a)
{
    return vdotq_s32(sum, w, a);
}

static float dot_f16(const void *weights, const void *activations, size_t n)
{
    const uint16_t *w = weights;
    const uint16_t *a = activations;
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    for (size_t i = 0; i < n; i += 16) {
        for (size_t k = 0; k < 4; k++) {
            sums[k] = vfmaq_f32(sums[k], halves_at(w + i + 4 * k), halves_at(a + i + 4 * k));
        }
    }
    return vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
}

typedef struct pair {
    int8x16_t low;
    int8x16_t high;
} pair;

static inline pair q8_0_at(const mf_block_q8_0 *b)
{
    return (pair){vld1q_s8(b->qs), vld1q_s8(b->qs + 16)};
}

static inline pair q4_0_at(const mf_block_q4_0 *b)
{
    const uint8x16_t packed = vld1q_u8(b->qs);
    const int8x16_t eight = vdupq_n_s8(8);
    return (pair){
        vsubq_s8(vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15))), eight),
        vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(packed, 4)), eight),
    };
}

#define BLOCK_DOT(name, attribute, block, unpack, add)                                             \
    attribute static float name(const void *weights, const void *activations, size_t n)            \
    {                                                                                              \
        const block *w = weights;                                                                  \
        const mf_block_q8_0 *a = activations;                                                      \
        float32x4_t sum = vdupq_n_f32(0);                                                          \
        for (size_t b = 0; b < n / 32; b++) {                                                      \
            const pair x = unpack(&w[b]);                                                          \
            int32x4_t whole = add(vdupq_n_s32(0), x.low, vld1q_s8(a[b].qs));                       \
            whole = add(whole, x.high, vld1q_s8(a[b].qs + 16));                                    \
            const float d = half_value(w[b].d) * half_value(a[b].d);                               \
            sum = vfmaq_n_f32(sum, vcvtq_f32_s32(whole), d);                                       \
        }                                                                                          \
        return vaddvq_f32(sum);                                                                    \
    }

#define Q4_K_DOT(name, attribute, add)                                                             \
    attribute static float name(const void *weights, const void *activations, size_t n)            \
    {                                                                                              \
        const mf_block_q4_k *w = weights;                                                          \
        const mf_block_q8_k *a = activations;                                                      \
        float sum = 0;                                                                             \
        for (size_t b = 0; b < n / 256; b++) {                                                     \
            int32x4_t scaled = vdupq_n_s32(0);                                                     \
            int minima = 0;                                                                        \
            for (size_t g = 0; g < 8; g++) {                                                       \
                uint8_t scale = 0;                                                                 \
                uint8_t minimum = 0;                                                               \
                mf_q4_k_scale(&scale, &minimum, w[b].scales, g);                                   \
                const uint8_t *qs = w[b].qs + g / 2 * 32;                                          \
                const int8_t *y = a[b].qs + g * 32;                                                \
                const pair x = nibbles_at(qs, g % 2 == 1);                                         \
                int32x4_t whole = add(vdupq_n_s32(0), x.low, vld1q_s8(y));                         \
                whole = add(whole, x.high, vld1q_s8(y + 16));                                      \
                scaled = vmlaq_n_s32(scaled, whole, scale);                                        \
                minima += minimum * (a[b].sums[2 * g] + a[b].sums[2 * g + 1]);                     \
            }                                                                                      \
            sum += half_value(w[b].d) * a[b].d * (float)vaddvq_s32(scaled);                        \
            sum -= half_value(w[b].dmin) * a[b].d * (float)minima;                                 \
        }                                                                                          \
        return sum;                                                                                \
    }

static inline pair nibbles_at(const uint8_t *qs, bool upper)
{
    const uint8x16_t first = vld1q_u8(qs);
    const uint8x16_t second = vld1q_u8(qs + 16);
    const uint8x16_t low = vdupq_n_u8(15);
    return (pair){
        vreinterpretq_s8_u8(upper ? vshrq_n_u8(first, 4) : vandq_u8(first, low)),
        vreinterpretq_s8_u8(upper ? vshrq_n_u8(second, 4) : vandq_u8(second, low)),
    };
}

BLOCK_DOT(plain_q8_0, , mf_block_q8_0, q8_0_at, add_plain)
BLOCK_DOT(plain_q4_0, , mf_block_q4_0, q4_0_at, add_plain)
Q4_K_DOT(plain_q4_k, , add_plain)
BLOCK_DOT(dotprod_q8_0, DOTPROD, mf_block_q8_0, q8_0_at, add_dotprod)
BLOCK_DOT(dotprod_q4_0, DOTPROD, mf_block_q4_0, q4_0_at, add_dotprod)
Q4_K_DOT(dotprod_q4_k, DOTPROD, add_dotprod)

MF_TILE_OF_DOTS(plain_tile_q8_0, plain_q8_0)
MF_TILE_OF_DOTS(plain_tile_q4_0, plain_q4_0)
MF_TILE_OF_DOTS(plain_tile_q4_k, plain_q4_k)
MF_TILE_OF_DOTS(dotprod_tile_q8_0, dotprod_q8_0)
MF_TILE_OF_DOTS(dotprod_tile_q4_0, dotprod_q4_0)
MF_TILE_OF_DOTS(dotprod_tile_q4_k, dotprod_q4_k)

/* One instruction makes the four products of two rows and two columns, 8 deep. */
I8MM static inline int32x4_t
add_rows(int32x4_t sum, int8x16_t w0, int8x16_t w1, int8x16_t a0, int8x16_t a1)
{
    const int8x16_t w_low = vcombine_s8(vget_low_s8(w0), vget_low_s8(w1));
    const int8x16_t a_low = vcombine_s8(vget_low_s8(a0), vget_low_s8(a1));
    const int8x16_t w_high = vcombine_s8(vget_high_s8(w0), vget_high_s8(w1));
    const int8x16_t a_high = vcombine_s8(vget_high_s8(a0), vget_high_s8(a1));
    return vmmlaq_s32(vmmlaq_s32(sum, w_low, a_low), w_high, a_high);
}

#define I8MM_TILE(name, block, unpack)                                                             \
    I8MM static void name(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],                               \
                          const uint8_t *weights,                                                  \
                          size_t row_bytes,                                                        \
                          const uint8_t *activations,                                              \
                          size_t column_bytes,                                                     \
                          size_t n)                                                                \
    {                                                                                              \
        const block *w0 = (const block *)(const void *)weights;                                    \
        const block *w1 = (const block *)(const void *)(weights + row_bytes);                      \
        const mf_block_q8_0 *a0 = (const mf_block_q8_0 *)(const void *)activations;                \
        const mf_block_q8_0 *a1 =                                                                  \
            (const mf_block_q8_0 *)(const void *)(activations + column_bytes);                     \
        float32x4_t sum = vdupq_n_f32(0);                                                          \
        for (size_t b = 0; b < n / 32; b++) {                                                      \
            const pair x0 = unpack(&w0[b]);                                                        \
            const pair x1 = unpack(&w1[b]);                                                        \
            const pair y0 = q8_0_at(&a0[b]);                                                       \
            const pair y1 = q8_0_at(&a1[b]);                                                       \
            int32x4_t whole = add_rows(vdupq_n_s32(0), x0.low, x1.low, y0.low, y1.low);            \
            whole = add_rows(whole, x0.high, x1.high, y0.high, y1.high);                           \
            const float d0 = half_value(w0[b].d);                                                  \
            const float d1 = half_value(w1[b].d);                                                  \
            const float e0 = half_value(a0[b].d);                                                  \
            const float e1 = half_value(a1[b].d);                                                  \
            const float32x4_t scales = {d0 * e0, d0 * e1, d1 * e0, d1 * e1};                       \
            sum = vfmaq_f32(sum, vcvtq_f32_s32(whole), scales);                                    \
        }                                                                                          \
        vst1q_f32(out, sum);                                                                       \
    }

I8MM_TILE(i8mm_tile_q8_0, mf_block_q8_0, q8_0_at)
I8MM_TILE(i8mm_tile_q4_0, mf_block_q4_0, q4_0_at)

enum { ROWS = 8, COLUMNS = 8 };

static void gemm_tile(float *c, size_t ldc, const float *a, const float *b, size_t k)
{
    float32x4_t s[ROWS][2];
    for (size_t i = 0; i < ROWS; i++) {
        s[i][0] = vld1q_f32(c + i * ldc);
        s[i][1] = vld1q_f32(c + i * ldc + 4);
    }
    for (size_t p = 0; p < k; p++) {
        const float32x4_t b0 = vld1q_f32(b + p * COLUMNS);
        const float32x4_t b1 = vld1q_f32(b + p * COLUMNS + 4);
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            const float x = a[p * ROWS + i];
            s[i][0] = vfmaq_n_f32(s[i][0], b0, x);
            s[i][1] = vfmaq_n_f32(s[i][1], b1, x);
        }
    }
    for (size_t i = 0; i < ROWS; i++) {
        vst1q_f32(c + i * ldc, s[i][0]);
        vst1q_f32(c + i * ldc + 4, s[i][1]);
    }
}

static void add_halves(float *sum, const uint16_t *halves, float scale, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        vst1q_f32(sum + i, vfmaq_n_f32(vld1q_f32(sum + i), halves_at(halves + i), scale));
    }
}

static double spin(float *keep, size_t n_turns)
{
    enum { CHAINS = 16 };
    float32x4_t x[CHAINS];
    for (size_t i = 0; i < CHAINS; i++) {
        x[i] = vdupq_n_f32(keep[i % 8]);
    }
    const float32x4_t factor = vdupq_n_f32(-0.0001F);
    for (size_t t = 0; t < n_turns; t++) {
#pragma GCC unroll 16
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = vfmaq_f32(x[i], x[i], factor);
        }
    }
    for (size_t i = 0; i < CHAINS; i++) {
        keep[i % 8] = vaddvq_f32(x[i]) / 4;
    }
    return 2.0 * 4 * CHAINS;
}

#define NEON_SET(name_, dot_, tile_q8_0_, tile_q4_0_, tile_q4_k_)                                  \
    {                                                                                              \
        .name = (name_),                                                                           \
        .dot = {[MF_BLOCK_F16] = dot_f16,                                                          \
                [MF_BLOCK_Q8_0] = dot_##_q8_0,                                                     \
                [MF_BLOCK_Q4_0] = dot_##_q4_0,                                                     \
                [MF_BLOCK_Q4_K] = dot_##_q4_k},                                                    \
        .tile = {[MF_BLOCK_Q8_0] = tile_q8_0_,                                                     \
                 [MF_BLOCK_Q4_0] = tile_q4_0_,                                                     \
                 [MF_BLOCK_Q4_K] = tile_q4_k_},                                                    \
        .gemm_tile = gemm_tile, .gemm_rows = ROWS, .gemm_columns = COLUMNS,                        \
        .add_halves = add_halves, .spin = spin,                                                    \
    }

static const mf_cpu_kernels neon =
    NEON_SET("NEON", plain, plain_tile_q8_0, plain_tile_q4_0, plain_tile_q4_k);
static const mf_cpu_kernels neon_dotprod =
    NEON_SET("NEON dot product", dotprod, dotprod_tile_q8_0, dotprod_tile_q4_0, dotprod_tile_q4_k);
static const mf_cpu_kernels neon_i8mm =
    NEON_SET("NEON i8mm", dotprod, i8mm_tile_q8_0, i8mm_tile_q4_0, dotprod_tile_q4_k);

#if defined(__APPLE__)

static bool has(const char *name)
{
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value != 0;
}

static bool has_dotprod(void)
{
    return has("hw.optional.arm.FEAT_DotProd");
}

static bool has_i8mm(void)
{
    return has("hw.optional.arm.FEAT_I8MM");
}

#elif defined(__linux__)

/* Bits of the kernel's arch/arm64/include/uapi/asm/hwcap.h. */
#define CAP_DOTPROD (1UL << 20)
#define CAP2_I8MM (1UL << 13)

static bool has_dotprod(void)
{
    return (getauxval(AT_HWCAP) & CAP_DOTPROD) != 0;
}

static bool has_i8mm(void)
{
    return (getauxval(AT_HWCAP2) & CAP2_I8MM) != 0;
}

#else

static bool has_dotprod(void)
{
    return false;
}

static bool has_i8mm(void)
{
    return false;
}

#endif

const mf_cpu_kernels *mf_cpu_neon(void)
{
    return &neon;
}

const mf_cpu_kernels *mf_cpu_neon_dotprod(void)
{
    return has_dotprod() ? &neon_dotprod : NULL;
}

const mf_cpu_kernels *mf_cpu_neon_i8mm(void)
{
    return has_dotprod() && has_i8mm() ? &neon_i8mm : NULL;
}

#else

const mf_cpu_kernels *mf_cpu_neon(void)
{
    return NULL;
}

const mf_cpu_kernels *mf_cpu_neon_dotprod(void)
{
    return NULL;
}

const mf_cpu_kernels *mf_cpu_neon_i8mm(void)
{
    return NULL;
}

#endif
