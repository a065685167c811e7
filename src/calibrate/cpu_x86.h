/*
 * cpu_x86.h - what the inner loops of AVX2 and AVX-512 VNNI share: both work on 256 bits of packed weights at a time and
 * differ in how they multiply bytes. Functions of the smaller set are compiled into those of the larger one.
 */
#ifndef MF_CALIBRATE_CPU_X86_H
#define MF_CALIBRATE_CPU_X86_H

#include "calibrate/cpu_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <string.h>

#define MF_AVX2 __attribute__((target("avx2,fma,f16c")))

MF_AVX2 static inline float mf_x86_sum(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

MF_AVX2 static inline __m256i mf_x86_load(const void *p)
{
    return _mm256_loadu_si256(p);
}

MF_AVX2 static inline float mf_x86_half(uint16_t half)
{
    return _cvtsh_ss(half);
}

/* 16 bytes of two weights each, as 32 signed ones. */
MF_AVX2 static inline __m256i mf_x86_nibbles(const uint8_t *qs)
{
    const __m128i packed = _mm_loadu_si128((const __m128i *)(const void *)qs);
    const __m256i both = _mm256_set_m128i(_mm_srli_epi16(packed, 4), packed);
    return _mm256_sub_epi8(_mm256_and_si256(both, _mm256_set1_epi8(15)), _mm256_set1_epi8(8));
}

/* The 8 scales and 8 minima of a Q4_K block as bytes: three words unpack them all. */
static inline void
mf_x86_q4_k_scales(uint8_t scales[8], uint8_t minima[8], const uint8_t packed[12])
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

/* The minima times the sums of the activations that they stand under. */
MF_AVX2 static inline int mf_x86_q4_k_below(const uint8_t minima[8], const int16_t sums[16])
{
    const __m256i s = mf_x86_load(sums);
    const __m128i pairs = _mm_hadd_epi16(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    const __m128i m = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)minima));
    __m128i total = _mm_madd_epi16(pairs, m);
    total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x4e));
    total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0xb1));
    return _mm_cvtsi128_si32(total);
}

/*
 * The rest calls the set's own products, so each set makes its own copy. `set` is its attribute;
 * add_block(sum, w, a, scale) adds a block's scaled products to eight sums.
 */
#define MF_X86_DOT(set, name, block, unpack)                                                       \
    static set float name(const void *weights, const void *activations, size_t n)                  \
    {                                                                                              \
        const block *w = weights;                                                                  \
        const mf_block_q8_0 *a = activations;                                                      \
        __m256 even = _mm256_setzero_ps();                                                         \
        __m256 odd = _mm256_setzero_ps();                                                          \
        size_t b = 0;                                                                              \
        for (; b + 1 < n / 32; b += 2) {                                                           \
            even = add_block(even, unpack(w[b].qs), &a[b], mf_x86_half(w[b].d));                   \
            odd = add_block(odd, unpack(w[b + 1].qs), &a[b + 1], mf_x86_half(w[b + 1].d));         \
        }                                                                                          \
        for (; b < n / 32; b++) {                                                                  \
            even = add_block(even, unpack(w[b].qs), &a[b], mf_x86_half(w[b].d));                   \
        }                                                                                          \
        return mf_x86_sum(_mm256_add_ps(even, odd));                                               \
    }

/* Two rows are unpacked once for two columns. */
#define MF_X86_TILE(set, name, block, unpack)                                                      \
    static set void name(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],                                \
                         const uint8_t *weights,                                                   \
                         size_t row_bytes,                                                         \
                         const uint8_t *activations,                                               \
                         size_t column_bytes,                                                      \
                         size_t n)                                                                 \
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
            const float d0 = mf_x86_half(w0[b].d);                                                 \
            const float d1 = mf_x86_half(w1[b].d);                                                 \
            s00 = add_block(s00, x0, &a0[b], d0);                                                  \
            s01 = add_block(s01, x0, &a1[b], d0);                                                  \
            s10 = add_block(s10, x1, &a0[b], d1);                                                  \
            s11 = add_block(s11, x1, &a1[b], d1);                                                  \
        }                                                                                          \
        out[0] = mf_x86_sum(s00);                                                                  \
        out[1] = mf_x86_sum(s01);                                                                  \
        out[2] = mf_x86_sum(s10);                                                                  \
        out[3] = mf_x86_sum(s11);                                                                  \
    }

/* Q4_K by rows and by tiles; q4_k_products(w, a, scales) are a block's eight whole sums. */
#define MF_X86_Q4_K_COLUMNS(set)                                                                   \
    static inline set void q4_k_columns(float *out,                                                \
                                        const mf_block_q4_k *w,                                    \
                                        const uint8_t *activations,                                \
                                        size_t column_bytes,                                       \
                                        size_t n_columns,                                          \
                                        size_t n)                                                  \
    {                                                                                              \
        __m256 sums[MF_TILE_COLUMNS] = {_mm256_setzero_ps(), _mm256_setzero_ps()};                 \
        float below[MF_TILE_COLUMNS] = {0};                                                        \
        for (size_t b = 0; b < n / 256; b++) {                                                     \
            uint8_t scales[8];                                                                     \
            uint8_t minima[8];                                                                     \
            mf_x86_q4_k_scales(scales, minima, w[b].scales);                                       \
            for (size_t c = 0; c < n_columns; c++) {                                               \
                const mf_block_q8_k *a =                                                           \
                    (const mf_block_q8_k *)(const void *)(activations + c * column_bytes) + b;     \
                const __m256 d = _mm256_set1_ps(mf_x86_half(w[b].d) * a->d);                       \
                const __m256 products = _mm256_cvtepi32_ps(q4_k_products(&w[b], a, scales));       \
                sums[c] = _mm256_fmadd_ps(d, products, sums[c]);                                   \
                below[c] +=                                                                        \
                    mf_x86_half(w[b].dmin) * a->d * (float)mf_x86_q4_k_below(minima, a->sums);     \
            }                                                                                      \
        }                                                                                          \
        for (size_t c = 0; c < n_columns; c++) {                                                   \
            out[c] = mf_x86_sum(sums[c]) - below[c];                                               \
        }                                                                                          \
    }

#define MF_X86_Q4_K_DOT(set)                                                                       \
    static set float dot_q4_k(const void *weights, const void *activations, size_t n)              \
    {                                                                                              \
        float out = 0;                                                                             \
        q4_k_columns(&out, weights, activations, 0, 1, n);                                         \
        return out;                                                                                \
    }

#define MF_X86_Q4_K_TILE(set)                                                                      \
    static set void tile_q4_k(float out[MF_TILE_ROWS * MF_TILE_COLUMNS],                           \
                              const uint8_t *weights,                                              \
                              size_t row_bytes,                                                    \
                              const uint8_t *activations,                                          \
                              size_t column_bytes,                                                 \
                              size_t n)                                                            \
    {                                                                                              \
        for (size_t r = 0; r < MF_TILE_ROWS; r++) {                                                \
            q4_k_columns(out + r * MF_TILE_COLUMNS,                                                \
                         (const mf_block_q4_k *)(const void *)(weights + r * row_bytes),           \
                         activations,                                                              \
                         column_bytes,                                                             \
                         MF_TILE_COLUMNS,                                                          \
                         n);                                                                       \
        }                                                                                          \
    }

#endif

#endif
