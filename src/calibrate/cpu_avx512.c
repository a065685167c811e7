#include "calibrate/cpu_x86.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))

/* One instruction multiplies 32 bytes and sums by fours: the reason why this set exists. */
VNNI static inline __m256i products(__m256i w, __m256i a)
{
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
}

VNNI static float dot_f16(const void *weights, const void *activations, size_t n)
{
    const uint16_t *w = weights;
    const uint16_t *a = activations;
    __m512 even = _mm512_setzero_ps();
    __m512 odd = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 32) {
        even = _mm512_fmadd_ps(
            _mm512_cvtph_ps(mf_x86_load(w + i)), _mm512_cvtph_ps(mf_x86_load(a + i)), even);
        odd = _mm512_fmadd_ps(_mm512_cvtph_ps(mf_x86_load(w + i + 16)),
                              _mm512_cvtph_ps(mf_x86_load(a + i + 16)),
                              odd);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

VNNI static inline __m256
add_block(__m256 sum, __m256i w, const mf_block_q8_0 *a, float weight_scale)
{
    const __m256 scale = _mm256_set1_ps(weight_scale * mf_x86_half(a->d));
    return _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(products(w, mf_x86_load(a->qs))), sum);
}

MF_X86_DOT(VNNI, dot_q8_0, mf_block_q8_0, mf_x86_load)
MF_X86_DOT(VNNI, dot_q4_0, mf_block_q4_0, mf_x86_nibbles)

MF_X86_TILE(VNNI, tile_q8_0, mf_block_q8_0, mf_x86_load)
MF_X86_TILE(VNNI, tile_q4_0, mf_block_q4_0, mf_x86_nibbles)

VNNI static inline __m256i
q4_k_products(const mf_block_q4_k *w, const mf_block_q8_k *a, const uint8_t scales[8])
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_set1_epi8(15);
    __m256i sum = zero;
    for (size_t j = 0; j < 4; j++) {
        const __m256i packed = mf_x86_load(w->qs + 32 * j);
        const __m256i first =
            _mm256_dpbusd_epi32(zero, _mm256_and_si256(packed, low), mf_x86_load(a->qs + 64 * j));
        const __m256i second =
            _mm256_dpbusd_epi32(zero,
                                _mm256_and_si256(_mm256_srli_epi16(packed, 4), low),
                                mf_x86_load(a->qs + 64 * j + 32));
        sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(first, _mm256_set1_epi32(scales[2 * j])));
        sum =
            _mm256_add_epi32(sum, _mm256_mullo_epi32(second, _mm256_set1_epi32(scales[2 * j + 1])));
    }
    return sum;
}

MF_X86_Q4_K_COLUMNS(VNNI)
MF_X86_Q4_K_DOT(VNNI)
MF_X86_Q4_K_TILE(VNNI)

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
        const __m512 x = _mm512_cvtph_ps(mf_x86_load(halves + i));
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

static const mf_cpu_kernels avx512 = MF_CPU_KERNELS("AVX-512 VNNI");

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
