#include "calibrate/blocks.h"

#include <math.h>
#include <string.h>

static const struct {
    size_t weights;
    size_t bytes;
} shapes[MF_BLOCK_FORMAT_COUNT] = {
    [MF_BLOCK_F16] = {1,   2                    },
    [MF_BLOCK_Q8_0] = {32,  sizeof(mf_block_q8_0)},
    [MF_BLOCK_Q4_0] = {32,  sizeof(mf_block_q4_0)},
    [MF_BLOCK_Q4_K] = {256, sizeof(mf_block_q4_k)},
};

size_t mf_blocks_bytes(mf_block_format format, size_t n)
{
    return n / shapes[format].weights * shapes[format].bytes;
}

float mf_half_value(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = (half >> 10) & 0x1f;
    const uint32_t fraction = half & 0x3ff;
    uint32_t bits = 0;
    if (exponent == 0) {
        const float tiny = (float)fraction * 0x1p-24F;
        return sign != 0 ? -tiny : tiny;
    }
    if (exponent == 0x1f) {
        bits = sign | 0x7f800000U | (fraction << 13);
    } else {
        bits = sign | ((exponent + 112) << 23) | (fraction << 13);
    }
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float mf_f8_value(uint8_t code)
{
    const int exponent = (code >> 3) & 15;
    const float fraction = (float)(code & 7) / 8;
    float size = exponent == 0 ? ldexpf(fraction, -6) : ldexpf(1 + fraction, exponent - 7);
    if ((code & 0x7f) == 0x7f) {
        size = NAN;
    }
    return (code & 0x80) != 0 ? -size : size;
}

uint16_t mf_half_from(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    const float size = fabsf(value);
    if (!(size < 65520.0F)) {
        return (uint16_t)(sign | (isnan(value) ? 0x7e00 : 0x7c00));
    }
    if (size < 0x1p-14F) {
        return (uint16_t)(sign | (uint16_t)lrintf(size * 0x1p24F));
    }
    bits &= 0x7fffffffU;
    const uint32_t rounded = bits + 0xfff + ((bits >> 13) & 1);
    return (uint16_t)(sign | ((rounded - (UINT32_C(112) << 23)) >> 13));
}

void mf_q4_k_scale(uint8_t *scale, uint8_t *minimum, const uint8_t *packed, size_t group)
{
    if (group < 4) {
        *scale = packed[group] & 63;
        *minimum = packed[group + 4] & 63;
    } else {
        /* The upper four have their low bits together and their high bits on top of the lower four's. */
        *scale = (uint8_t)((packed[group + 4] & 15) | ((packed[group - 4] >> 6) << 4));
        *minimum = (uint8_t)((packed[group + 4] >> 4) | ((packed[group] >> 6) << 4));
    }
}

uint64_t mf_random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

float mf_random_float(uint64_t *state)
{
    return (float)((double)(mf_random_next(state) >> 11) / 4503599627370496.0 - 1);
}

static void fill_block(uint8_t *block, mf_block_format format, float scale, uint64_t *random)
{
    uint16_t half = mf_half_from(scale * (0.5F + 0.5F * fabsf(mf_random_float(random))));
    if (format == MF_BLOCK_F16) {
        half = mf_half_from(scale * mf_random_float(random));
    }
    memcpy(block, &half, sizeof half);
    size_t done = sizeof half;
    if (format == MF_BLOCK_Q4_K) {
        half = mf_half_from(scale * fabsf(mf_random_float(random)));
        memcpy(block + done, &half, sizeof half);
        done += sizeof half;
    }
    while (done < shapes[format].bytes) {
        uint64_t bits = mf_random_next(random);
        const size_t left = shapes[format].bytes - done;
        const size_t n = left < sizeof bits ? left : sizeof bits;
        memcpy(block + done, &bits, n);
        done += n;
    }
}

void mf_blocks_fill(void *out, mf_block_format format, size_t n, float scale, uint64_t *random)
{
    uint8_t *block = out;
    for (size_t i = 0; i < n; i += shapes[format].weights) {
        fill_block(block, format, scale, random);
        block += shapes[format].bytes;
    }
}

static void q4_k_values(float out[256], const mf_block_q4_k *block)
{
    const float d = mf_half_value(block->d);
    const float dmin = mf_half_value(block->dmin);
    for (size_t i = 0; i < 256; i++) {
        const size_t group = i / 32;
        const uint8_t byte = block->qs[group / 2 * 32 + i % 32];
        const int q = group % 2 == 0 ? byte & 15 : byte >> 4;
        uint8_t scale = 0;
        uint8_t minimum = 0;
        mf_q4_k_scale(&scale, &minimum, block->scales, group);
        out[i] = d * (float)scale * (float)q - dmin * (float)minimum;
    }
}

static void block_values(float *out, mf_block_format format, const void *block)
{
    switch (format) {
    case MF_BLOCK_F16: {
        uint16_t half = 0;
        memcpy(&half, block, sizeof half);
        *out = mf_half_value(half);
        break;
    }
    case MF_BLOCK_Q8_0: {
        const mf_block_q8_0 *b = block;
        for (size_t i = 0; i < 32; i++) {
            out[i] = mf_half_value(b->d) * (float)b->qs[i];
        }
        break;
    }
    case MF_BLOCK_Q4_0: {
        const mf_block_q4_0 *b = block;
        for (size_t i = 0; i < 32; i++) {
            const int q = i < 16 ? b->qs[i] & 15 : b->qs[i - 16] >> 4;
            out[i] = mf_half_value(b->d) * (float)(q - 8);
        }
        break;
    }
    case MF_BLOCK_Q4_K:
        q4_k_values(out, block);
        break;
    case MF_BLOCK_FORMAT_COUNT:
        break;
    }
}

void mf_blocks_values(float *out, mf_block_format format, const void *blocks, size_t n)
{
    const uint8_t *block = blocks;
    for (size_t i = 0; i < n; i += shapes[format].weights) {
        block_values(out + i, format, block);
        block += shapes[format].bytes;
    }
}

size_t mf_activation_bytes(mf_block_format format, size_t n)
{
    switch (format) {
    case MF_BLOCK_F16:
        return n * sizeof(uint16_t);
    case MF_BLOCK_Q8_0:
    case MF_BLOCK_Q4_0:
        return n / 32 * sizeof(mf_block_q8_0);
    case MF_BLOCK_Q4_K:
    case MF_BLOCK_FORMAT_COUNT:
        break;
    }
    return n / 256 * sizeof(mf_block_q8_k);
}

static float round_to_8_bits(int8_t *out, const float *values, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(values[i]));
    }
    const float d = most / 127;
    for (size_t i = 0; i < n; i++) {
        out[i] = (int8_t)(d > 0 ? lrintf(values[i] / d) : 0);
    }
    return d;
}

void mf_activations_pack(void *out, mf_block_format format, const float *values, size_t n)
{
    if (format == MF_BLOCK_F16) {
        uint16_t *halves = out;
        for (size_t i = 0; i < n; i++) {
            halves[i] = mf_half_from(values[i]);
        }
    } else if (format == MF_BLOCK_Q4_K) {
        mf_block_q8_k *block = out;
        for (size_t i = 0; i < n; i += 256, block++) {
            block->d = round_to_8_bits(block->qs, values + i, 256);
            for (size_t g = 0; g < 16; g++) {
                int sum = 0;
                for (size_t k = 0; k < 16; k++) {
                    sum += block->qs[g * 16 + k];
                }
                block->sums[g] = (int16_t)sum;
            }
        }
    } else {
        mf_block_q8_0 *block = out;
        for (size_t i = 0; i < n; i += 32, block++) {
            block->d = mf_half_from(round_to_8_bits(block->qs, values + i, 32));
        }
    }
}

void mf_activations_values(float *out, mf_block_format format, const void *packed, size_t n)
{
    if (format == MF_BLOCK_Q4_K) {
        const mf_block_q8_k *block = packed;
        for (size_t i = 0; i < n; i++) {
            const mf_block_q8_k *of = &block[i / 256];
            out[i] = of->d * (float)of->qs[i % 256];
        }
    } else {
        mf_blocks_values(out, format == MF_BLOCK_F16 ? MF_BLOCK_F16 : MF_BLOCK_Q8_0, packed, n);
    }
}
