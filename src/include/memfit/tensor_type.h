/*
 * tensor_type.h - storage formats of tensors: how many bytes a row of weights takes.
 *
 * Every format is a block format: `block_elements` weights are stored together in `block_bytes` bytes. That holds for
 * ggml's types (ggml.c, type_traits), for MLX's affine groups (packed bits + a 16-bit scale and bias per group), for
 * the OCP microscaling formats and for the 4-bit GPTQ/AWQ layouts (packed bits + 16-bit scale + 4-bit zero per group).
 */
#ifndef MF_MEMFIT_TENSOR_TYPE_H
#define MF_MEMFIT_TENSOR_TYPE_H

#include <stdint.h>

#include "memfit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_NOT_GGML (-1)

/* X(enum suffix, name, id in GGUF files or MF_NOT_GGML, elements per block, bytes per block) */
#define MF_TENSOR_TYPE_LIST(X)                                                                     \
    X(F32, "f32", 0, 1, 4)                                                                         \
    X(F16, "f16", 1, 1, 2)                                                                         \
    X(Q4_0, "q4_0", 2, 32, 18)                                                                     \
    X(Q4_1, "q4_1", 3, 32, 20)                                                                     \
    X(Q5_0, "q5_0", 6, 32, 22)                                                                     \
    X(Q5_1, "q5_1", 7, 32, 24)                                                                     \
    X(Q8_0, "q8_0", 8, 32, 34)                                                                     \
    X(Q8_1, "q8_1", 9, 32, 36)                                                                     \
    X(Q2_K, "q2_K", 10, 256, 84)                                                                   \
    X(Q3_K, "q3_K", 11, 256, 110)                                                                  \
    X(Q4_K, "q4_K", 12, 256, 144)                                                                  \
    X(Q5_K, "q5_K", 13, 256, 176)                                                                  \
    X(Q6_K, "q6_K", 14, 256, 210)                                                                  \
    X(Q8_K, "q8_K", 15, 256, 292)                                                                  \
    X(IQ2_XXS, "iq2_xxs", 16, 256, 66)                                                             \
    X(IQ2_XS, "iq2_xs", 17, 256, 74)                                                               \
    X(IQ3_XXS, "iq3_xxs", 18, 256, 98)                                                             \
    X(IQ1_S, "iq1_s", 19, 256, 50)                                                                 \
    X(IQ4_NL, "iq4_nl", 20, 32, 18)                                                                \
    X(IQ3_S, "iq3_s", 21, 256, 110)                                                                \
    X(IQ2_S, "iq2_s", 22, 256, 82)                                                                 \
    X(IQ4_XS, "iq4_xs", 23, 256, 136)                                                              \
    X(I8, "i8", 24, 1, 1)                                                                          \
    X(I16, "i16", 25, 1, 2)                                                                        \
    X(I32, "i32", 26, 1, 4)                                                                        \
    X(I64, "i64", 27, 1, 8)                                                                        \
    X(F64, "f64", 28, 1, 8)                                                                        \
    X(IQ1_M, "iq1_m", 29, 256, 56)                                                                 \
    X(BF16, "bf16", 30, 1, 2)                                                                      \
    X(TQ1_0, "tq1_0", 34, 256, 54)                                                                 \
    X(TQ2_0, "tq2_0", 35, 256, 66)                                                                 \
    X(MXFP4, "mxfp4", 39, 32, 17)                                                                  \
    X(NVFP4, "nvfp4", 40, 64, 36)                                                                  \
    X(MLX_Q2, "mlx_q2_g64", MF_NOT_GGML, 64, 20)                                                   \
    X(MLX_Q3, "mlx_q3_g64", MF_NOT_GGML, 64, 28)                                                   \
    X(MLX_Q4, "mlx_q4_g64", MF_NOT_GGML, 64, 36)                                                   \
    X(MLX_Q5, "mlx_q5_g64", MF_NOT_GGML, 64, 44)                                                   \
    X(MLX_Q6, "mlx_q6_g64", MF_NOT_GGML, 64, 52)                                                   \
    X(MLX_Q8, "mlx_q8_g64", MF_NOT_GGML, 64, 68)                                                   \
    X(MLX_Q4_G32, "mlx_q4_g32", MF_NOT_GGML, 32, 20)                                               \
    X(MLX_Q8_G32, "mlx_q8_g32", MF_NOT_GGML, 32, 36)                                               \
    X(FP8, "fp8", MF_NOT_GGML, 1, 1)                                                               \
    X(INT4_G128, "int4_g128", MF_NOT_GGML, 256, 133)                                               \
    X(INT4_G32, "int4_g32", MF_NOT_GGML, 32, 18)

typedef enum mf_tensor_type {
#define MF_TENSOR_TYPE_ENUM(suffix, name, gguf_id, elements, bytes) MF_TYPE_##suffix,
    MF_TENSOR_TYPE_LIST(MF_TENSOR_TYPE_ENUM)
#undef MF_TENSOR_TYPE_ENUM
        MF_TYPE_COUNT
} mf_tensor_type;

typedef struct mf_tensor_type_info {
    const char *name;
    int gguf_id; /* MF_NOT_GGML where the format has no number in GGUF files */
    uint32_t block_elements;
    uint32_t block_bytes;
} mf_tensor_type_info;

/* Borrowed, static storage; type must be below MF_TYPE_COUNT. */
MF_API const mf_tensor_type_info *mf_tensor_type_get(mf_tensor_type type);

/* By name ("q4_K"; case is ignored) or by the number in a GGUF file. MF_E_UNKNOWN if there is none. */
MF_API mf_status mf_tensor_type_by_name(mf_tensor_type *type, const char *name, mf_error *err);
MF_API mf_status mf_tensor_type_by_gguf_id(mf_tensor_type *type, uint32_t gguf_id, mf_error *err);

/* Bytes of one row of n_elements weights. MF_E_DATA if the row is not a whole number of blocks, MF_E_OVERFLOW. */
MF_API mf_status mf_tensor_row_bytes(uint64_t *bytes,
                                     mf_tensor_type type,
                                     uint64_t n_elements,
                                     mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
