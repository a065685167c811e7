#include "calibrate/cpu_x86.h"

#if defined(__x86_64__) && defined(__GNUC__)

/* Products of 32 signed bytes, summed by fours. maddubs takes unsigned times signed: the sign moves over. */
MF_AVX2 static inline __m256i products(__m256i w, __m256i a)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

MF_AVX2 static float dot_f16(const void *weights, const void *activations, size_t n)
{
    const uint16_t *w = weights;
    const uint16_t *a = activations;
    __m256 sums[4] = {
        _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = 0; i < n; i += 32) {
        for (size_t k = 0; k < 4; k++) {
            const __m256 x =
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(w + i + 8 * k)));
            const __m256 y =
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(a + i + 8 * k)));
            sums[k] = _mm256_fmadd_ps(x, y, sums[k]);
        }
    }
    return mf_x86_sum(
        _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
}

MF_AVX2 static inline __m256
add_block(__m256 sum, __m256i w, const mf_block_q8_0 *a, float weight_scale)
{
    const __m256 scale = _mm256_set1_ps(weight_scale * mf_x86_half(a->d));
    return _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(products(w, mf_x86_load(a->qs))), sum);
}

MF_AVX2 static inline __m256i
q4_k_products(const mf_block_q4_k *w, const mf_block_q8_k *a, const uint8_t scales[8])
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256i sum = _mm256_setzero_si256();
    for (size_t j = 0; j < 4; j++) {
        const __m256i packed = mf_x86_load(w->qs + 32 * j);
        const __m256i first =
            _mm256_maddubs_epi16(_mm256_and_si256(packed, low), mf_x86_load(a->qs + 64 * j));
        const __m256i second = _mm256_maddubs_epi16(
            _mm256_and_si256(_mm256_srli_epi16(packed, 4), low), mf_x86_load(a->qs + 64 * j + 32));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(first, _mm256_set1_epi16(scales[2 * j])));
        sum =
            _mm256_add_epi32(sum, _mm256_madd_epi16(second, _mm256_set1_epi16(scales[2 * j + 1])));
    }
    return sum;
}

MF_X86_DOT(MF_AVX2, dot_q8_0, mf_block_q8_0, mf_x86_load)
MF_X86_DOT(MF_AVX2, dot_q4_0, mf_block_q4_0, mf_x86_nibbles)
MF_X86_TILE(MF_AVX2, tile_q8_0, mf_block_q8_0, mf_x86_load)
MF_X86_TILE(MF_AVX2, tile_q4_0, mf_block_q4_0, mf_x86_nibbles)
MF_X86_Q4_K_COLUMNS(MF_AVX2)
MF_X86_Q4_K_DOT(MF_AVX2)
MF_X86_Q4_K_TILE(MF_AVX2)

enum { ROWS = 6, COLUMNS = 16 };

/* 12 of the 16 registers hold the sums: 6 rows of two vectors. */
MF_AVX2 static void gemm_tile(float *c, size_t ldc, const float *a, const float *b, size_t k)
{
    __m256 s[ROWS][2];
#pragma GCC unroll 6
    for (size_t i = 0; i < ROWS; i++) {
        s[i][0] = _mm256_loadu_ps(c + i * ldc);
        s[i][1] = _mm256_loadu_ps(c + i * ldc + 8);
    }
    for (size_t p = 0; p < k; p++) {
        const __m256 b0 = _mm256_loadu_ps(b + p * COLUMNS);
        const __m256 b1 = _mm256_loadu_ps(b + p * COLUMNS + 8);
#pragma GCC unroll 6
        for (size_t i = 0; i < ROWS; i++) {
            const __m256 x = _mm256_broadcast_ss(a + p * ROWS + i);
            s[i][0] = _mm256_fmadd_ps(x, b0, s[i][0]);
            s[i][1] = _mm256_fmadd_ps(x, b1, s[i][1]);
        }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < ROWS; i++) {
        _mm256_storeu_ps(c + i * ldc, s[i][0]);
        _mm256_storeu_ps(c + i * ldc + 8, s[i][1]);
    }
}

MF_AVX2 static void add_halves(float *sum, const uint16_t *halves, float scale, size_t n)
{
    const __m256 factor = _mm256_set1_ps(scale);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 x =
            _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(halves + i)));
        _mm256_storeu_ps(sum + i, _mm256_fmadd_ps(x, factor, _mm256_loadu_ps(sum + i)));
    }
}

MF_AVX2 static double spin(float *keep, size_t n_turns)
{
    enum { CHAINS = 12 };
    __m256 x[CHAINS];
    for (size_t i = 0; i < CHAINS; i++) {
        x[i] = _mm256_set1_ps(keep[i % 8]);
    }
    const __m256 factor = _mm256_set1_ps(0.9999F);
    const __m256 step = _mm256_set1_ps(0.0001F);
    for (size_t t = 0; t < n_turns; t++) {
#pragma GCC unroll 12
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm256_fmadd_ps(x[i], factor, step);
        }
    }
    for (size_t i = 0; i < CHAINS; i++) {
        keep[i % 8] = mf_x86_sum(x[i]) / 8;
    }
    return 2.0 * 8 * CHAINS;
}

static const mf_cpu_kernels avx2 = MF_CPU_KERNELS("AVX2");

const mf_cpu_kernels *mf_cpu_avx2(void)
{
    /* F16C came before AVX2: every processor with the one has the other. */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : NULL;
}

#else

const mf_cpu_kernels *mf_cpu_avx2(void)
{
    return NULL;
}

#endif
