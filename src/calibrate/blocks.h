/*
 * blocks.h - weights as they lie in files (GGUF's block formats), random data for them, and their values: what every
 * kernel of every backend is compared with.
 *
 * Formats are facts of the file format: q4_0 and q8_0 share one scale among 32 weights; q4_K has 8 groups of 32 in a
 * block of 256, each with a 6-bit scale and a 6-bit minimum.
 */
#ifndef MF_CALIBRATE_BLOCKS_H
#define MF_CALIBRATE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

typedef enum mf_block_format {
    MF_BLOCK_F16,
    MF_BLOCK_Q8_0,
    MF_BLOCK_Q4_0,
    MF_BLOCK_Q4_K,
    MF_BLOCK_FORMAT_COUNT
} mf_block_format;

typedef struct mf_block_q8_0 {
    uint16_t d;
    int8_t qs[32];
} mf_block_q8_0;

typedef struct mf_block_q4_0 {
    uint16_t d;
    uint8_t qs[16]; /* weight i in the low half of byte i, weight i + 16 in the high half */
} mf_block_q4_0;

typedef struct mf_block_q4_k {
    uint16_t d;
    uint16_t dmin;
    uint8_t scales[12];
    uint8_t qs[128]; /* per 64 weights 32 bytes: the first 32 in the low halves */
} mf_block_q4_k;

/* Activations that K formats are multiplied with: sums of 16 spare the minimum's products. */
typedef struct mf_block_q8_k {
    float d;
    int8_t qs[256];
    int16_t sums[16];
} mf_block_q8_k;

_Static_assert(sizeof(mf_block_q8_0) == 34, "GGUF");
_Static_assert(sizeof(mf_block_q4_0) == 18, "GGUF");
_Static_assert(sizeof(mf_block_q4_k) == 144, "GGUF");

/* Bytes of n weights; n is a multiple of the block. */
size_t mf_blocks_bytes(mf_block_format format, size_t n);

/* IEEE half precision, round to nearest even; written out, as not every compiler has the type. */
float mf_half_value(uint16_t half);
uint16_t mf_half_from(float value);
/* FP8 of the kind E4M3 (arXiv:2209.05433): no infinities, both codes of all ones are NaN. */
#define MF_F8_ONE 0x38
float mf_f8_value(uint8_t code);

/* 6-bit scale and minimum of group 0 to 7. */
void mf_q4_k_scale(uint8_t *scale, uint8_t *minimum, const uint8_t *packed, size_t group);

/* Seeded generator (xorshift64*), the same numbers on every machine. State must not be 0. */
uint64_t mf_random_next(uint64_t *state);
float mf_random_float(uint64_t *state); /* -1 to 1 */

/* Any bytes that make a block with scales of about `scale`; never a NaN. */
void mf_blocks_fill(void *out, mf_block_format format, size_t n, float scale, uint64_t *random);

/* Values of n weights. */
void mf_blocks_values(float *out, mf_block_format format, const void *blocks, size_t n);

/* Activations: F16, or rounded to 8 bits as the format's kernels take them (Q8_0, or Q8_K for Q4_K), and their values. */
size_t mf_activation_bytes(mf_block_format format, size_t n);
void mf_activations_pack(void *out, mf_block_format format, const float *values, size_t n);
void mf_activations_values(float *out, mf_block_format format, const void *packed, size_t n);

#endif
