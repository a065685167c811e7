#include "calibrate/cpu_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <string.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))

VNNI static inline float sum_of(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

VNNI static inline __m256i load(const void *p)
{
    return _mm256_loadu_si256(p);
}

VNNI static inline float half_value(uint16_t half)
{
    return _cvtsh_ss(half);
}

/* One instruction multiplies 32 bytes and sums by fours: the reason why this set exists. */
VNNI static inline __m256i products(__m256i w, __m256i a)
{
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
}

VNNI static inline __m256i nibbles(const uint8_t *qs)
{
    const __m128i packed = _mm_loadu_si128((const __m128i *)(const void *)qs);
    const __m256i both = _mm256_set_m128i(_mm_srli_epi16(packed, 4), packed);
    return _mm256_sub_epi8(_mm256_and_si256(both, _mm256_set1_epi8(15)), _mm256_set1_epi8(8));
}

VNNI static float dot_f16(const void *weights, const void *activations, size_t n)
{
    const uint16_t *w = weights;
    const uint16_t *a = activations;
    __m512 even = _mm512_setzero_ps();
    __m512 odd = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 32) {
        even = _mm512_fmadd_ps(_mm512_cvtph_ps(load(w + i)), _mm512_cvtph_ps(load(a + i)), even);
        odd = _mm512_fmadd_ps(
            _mm512_cvtph_ps(load(w + i + 16)), _mm512_cvtph_ps(load(a + i + 16)), odd);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

VNNI static inline __m256
add_block(__m256 sum, __m256i w, const mf_block_q8_0 *a, float weight_scale)
{
    const __m256 scale = _mm256_set1_ps(weight_scale * half_value(a->d));
    return _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(products(w, load(a->qs))), sum);
}

#define BLOCK_DOT(name, block, unpack)                                                             \
    VNNI static float name(const void *weights, const void *activations, size_t n)                 \
    {                                                                                              \
        const block *w = weights;                                                                  \
        const mf_block_q8_0 *a = activations;                                                      \
        __m256 even = _mm256_setzero_ps();                                                         \
        __m256 odd = _mm256_setzero_ps();                                                          \
        size_t b = 0;                                                                              \
        for (; b + 1 < n / 32; b += 2) {                                                           \
            even = add_block(even, unpack(w[b].qs), &a[b], half_value(w[b].d));                    \
            odd = add_block(odd, unpack(w[b + 1].qs), &a[b + 1], half_value(w[b + 1].d));          \
        }                                                                                          \
        for (; b < n / 32; b++) {                                                                  \
            even = add_block(even, unpack(w[b].qs), &a[b], half_value(w[b].d));                    \
        }                                                                                          \
        return sum_of(_mm256_add_ps(even, odd));                                                   \
    }

BLOCK_DOT(dot_q8_0, mf_block_q8_0, load)
BLOCK_DOT(dot_q4_0, mf_block_q4_0, nibbles)

#define BLOCK_TILE(name, block, unpack)                                                            \
    VNNI static void name(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],                               \
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
        __m256 s00 = _mm256_setzero_ps();                                                          \
        __m256 s01 = _mm256_setzero_ps();                                                          \
        __m256 s10 = _mm256_setzero_ps();                                                          \
        __m256 s11 = _mm256_setzero_ps();                                                          \
        for (size_t b = 0; b < n / 32; b++) {                                                      \
            const __m256i x0 = unpack(w0[b].qs);                                                   \
            const __m256i x1 = unpack(w1[b].qs);                                                   \
            const float d0 = half_value(w0[b].d);                                                  \
            const float d1 = half_value(w1[b].d);                                                  \
            s00 = add_block(s00, x0, &a0[b], d0);                                                  \
            s01 = add_block(s01, x0, &a1[b], d0);                                                  \
            s10 = add_block(s10, x1, &a0[b], d1);                                                  \
            s11 = add_block(s11, x1, &a1[b], d1);                                                  \
        }                                                                                          \
        out[0] = sum_of(s00);                                                                      \
        out[1] = sum_of(s01);                                                                      \
        out[2] = sum_of(s10);                                                                      \
        out[3] = sum_of(s11);                                                                      \
    }

BLOCK_TILE(tile_q8_0, mf_block_q8_0, load)
BLOCK_TILE(tile_q4_0, mf_block_q4_0, nibbles)

VNNI static inline void scales_of(uint8_t scales[8], uint8_t minima[8], const uint8_t packed[12])
{
    uint32_t words[3];
    memcpy(words, packed, sizeof words);
    const uint32_t unpacked[4] = {
        words[0] & 0x3f3f3f3f,
        (words[2] & 0x0f0f0f0f) | ((words[0] >> 2) & 0x30303030),
        words[1] & 0x3f3f3f3f,
        ((words[2] >> 4) & 0x0f0f0f0f) | ((words[1] >> 2) & 0x30303030),
    };
    memcpy(scales, &unpacked[0], 8);
    memcpy(minima, &unpacked[2], 8);
}

VNNI static inline int minima_sum(const uint8_t minima[8], const int16_t sums[16])
{
    const __m256i s = load(sums);
    const __m128i pairs = _mm_hadd_epi16(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    const __m128i m = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)minima));
    __m128i total = _mm_madd_epi16(pairs, m);
    total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x4e));
    total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0xb1));
    return _mm_cvtsi128_si32(total);
}

VNNI static inline __m256i
q4_k_products(const mf_block_q4_k *w, const mf_block_q8_k *a, const uint8_t scales[8])
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_set1_epi8(15);
    __m256i sum = zero;
    for (size_t j = 0; j < 4; j++) {
        const __m256i packed = load(w->qs + 32 * j);
        const __m256i first =
            _mm256_dpbusd_epi32(zero, _mm256_and_si256(packed, low), load(a->qs + 64 * j));
        const __m256i second = _mm256_dpbusd_epi32(
            zero, _mm256_and_si256(_mm256_srli_epi16(packed, 4), low), load(a->qs + 64 * j + 32));
        sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(first, _mm256_set1_epi32(scales[2 * j])));
        sum =
            _mm256_add_epi32(sum, _mm256_mullo_epi32(second, _mm256_set1_epi32(scales[2 * j + 1])));
    }
    return sum;
}

VNNI static void q4_k_columns(float *out,
                              const mf_block_q4_k *w,
                              const uint8_t *activations,
                              size_t column_bytes,
                              size_t n_columns,
                              size_t n)
{
    __m256 sums[MF_TILE_COLUMNS] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    float below[MF_TILE_COLUMNS] = {0};
    for (size_t b = 0; b < n / 256; b++) {
        uint8_t scales[8];
        uint8_t minima[8];
        scales_of(scales, minima, w[b].scales);
        for (size_t c = 0; c < n_columns; c++) {
            const mf_block_q8_k *a =
                (const mf_block_q8_k *)(const void *)(activations + c * column_bytes) + b;
            const __m256 d = _mm256_set1_ps(half_value(w[b].d) * a->d);
            sums[c] =
                _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(q4_k_products(&w[b], a, scales)), sums[c]);
            below[c] += half_value(w[b].dmin) * a->d * (float)minima_sum(minima, a->sums);
        }
    }
    for (size_t c = 0; c < n_columns; c++) {
        out[c] = sum_of(sums[c]) - below[c];
    }
}

VNNI static float dot_q4_k(const void *weights, const void *activations, size_t n)
{
    float out = 0;
    q4_k_columns(&out, weights, activations, 0, 1, n);
    return out;
}

VNNI static void tile_q4_k(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],
                           const uint8_t *weights,
                           size_t row_bytes,
                           const uint8_t *activations,
                           size_t column_bytes,
                           size_t n)
{
    for (size_t r = 0; r < MF_TILE_ROWS; r++) {
        q4_k_columns(out + r * MF_TILE_COLUMNS,
                     (const mf_block_q4_k *)(const void *)(weights + r * row_bytes),
                     activations,
                     column_bytes,
                     MF_TILE_COLUMNS,
                     n);
    }
}

enum { ROWS = 12, COLUMNS = 32 };

/* 24 of the 32 registers hold the sums: 12 rows of two vectors. */
VNNI static void gemm_tile(float *c, size_t ldc, const float *a, const float *b, size_t k)
{
    __m512 s[ROWS][2];
#pragma GCC unroll 12
    for (size_t i = 0; i < ROWS; i++) {
        s[i][0] = _mm512_loadu_ps(c + i * ldc);
        s[i][1] = _mm512_loadu_ps(c + i * ldc + 16);
    }
    for (size_t p = 0; p < k; p++) {
        const __m512 b0 = _mm512_loadu_ps(b + p * COLUMNS);
        const __m512 b1 = _mm512_loadu_ps(b + p * COLUMNS + 16);
#pragma GCC unroll 12
        for (size_t i = 0; i < ROWS; i++) {
            const __m512 x = _mm512_set1_ps(a[p * ROWS + i]);
            s[i][0] = _mm512_fmadd_ps(x, b0, s[i][0]);
            s[i][1] = _mm512_fmadd_ps(x, b1, s[i][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < ROWS; i++) {
        _mm512_storeu_ps(c + i * ldc, s[i][0]);
        _mm512_storeu_ps(c + i * ldc + 16, s[i][1]);
    }
}

VNNI static void add_halves(float *sum, const uint16_t *halves, float scale, size_t n)
{
    const __m512 factor = _mm512_set1_ps(scale);
    for (size_t i = 0; i < n; i += 16) {
        const __m512 x = _mm512_cvtph_ps(load(halves + i));
        _mm512_storeu_ps(sum + i, _mm512_fmadd_ps(x, factor, _mm512_loadu_ps(sum + i)));
    }
}

VNNI static double spin(float *keep, size_t n_turns)
{
    enum { CHAINS = 12 };
    __m512 x[CHAINS];
    for (size_t i = 0; i < CHAINS; i++) {
        x[i] = _mm512_set1_ps(keep[i % 8]);
    }
    const __m512 factor = _mm512_set1_ps(0.9999F);
    const __m512 step = _mm512_set1_ps(0.0001F);
    for (size_t t = 0; t < n_turns; t++) {
#pragma GCC unroll 12
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm512_fmadd_ps(x[i], factor, step);
        }
    }
    for (size_t i = 0; i < CHAINS; i++) {
        keep[i % 8] = _mm512_reduce_add_ps(x[i]) / 16;
    }
    return 2.0 * 16 * CHAINS;
}

static const mf_cpu_kernels avx512 = {
    .name = "AVX-512 VNNI",
    .dot = {[MF_BLOCK_F16] = dot_f16,
            [MF_BLOCK_Q8_0] = dot_q8_0,
            [MF_BLOCK_Q4_0] = dot_q4_0,
            [MF_BLOCK_Q4_K] = dot_q4_k},
    .tile = {[MF_BLOCK_Q8_0] = tile_q8_0,                        [MF_BLOCK_Q4_0] = tile_q4_0, [MF_BLOCK_Q4_K] = tile_q4_k},
    .gemm_tile = gemm_tile,
    .gemm_rows = ROWS,
    .gemm_columns = COLUMNS,
    .add_halves = add_halves,
    .spin = spin,
};

const mf_cpu_kernels *mf_cpu_avx512(void)
{
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               ? &avx512
               : NULL;
}

#else

const mf_cpu_kernels *mf_cpu_avx512(void)
{
    return NULL;
}

#endif
