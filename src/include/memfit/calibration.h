/*
 * calibration.h - the coefficients of the speed law for one engine, with what each stands on.
 *
 * The law (speed/law.h) has a dozen knobs: bandwidth efficiency, lane slots per weight, seconds per layer, ... A knob's
 * value for one case is the product of a base and of factors for the chip class, the vendor, the weight format, the
 * runtime and flash attention; each factor is pulled towards 1 where few rows speak (ridge priors), so that a chip
 * without rows borrows from its class. hwdb/calibration/<engine>.json holds the factors, the factors of chips that have
 * rows, and the residuals that the 90 % intervals are read from. A program writes it (mf_calibration_fit), nobody else.
 */
#ifndef MF_MEMFIT_CALIBRATION_H
#define MF_MEMFIT_CALIBRATION_H

#include "memfit/database.h"
#include "memfit/record.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What executes the kernels. 2024 builds had no CUDA graphs and mostly no flash attention; AMD's unified parts and the
   GB10 came out with kernels that later builds made 2 to 5 times faster: other coefficients. */
#define MF_RUNTIME_LIST(X)                                                                         \
    X(MF_RUNTIME_METAL, "metal")                                                                   \
    X(MF_RUNTIME_METAL_2024, "metal-2024")                                                         \
    X(MF_RUNTIME_MLX, "mlx")                                                                       \
    X(MF_RUNTIME_CUDA, "cuda")                                                                     \
    X(MF_RUNTIME_CUDA_2024, "cuda-2024")                                                           \
    X(MF_RUNTIME_CUDA_2025, "cuda-2025")                                                           \
    X(MF_RUNTIME_ROCM_2025, "rocm-2025")                                                           \
    X(MF_RUNTIME_VULKAN_2025, "vulkan-2025")                                                       \
    X(MF_RUNTIME_ROCM, "rocm")                                                                     \
    X(MF_RUNTIME_ROCM_WMMA, "rocm-wmma")                                                           \
    X(MF_RUNTIME_VULKAN, "vulkan")                                                                 \
    X(MF_RUNTIME_VULKAN_AMDVLK, "vulkan-amdvlk")                                                   \
    X(MF_RUNTIME_SYCL, "sycl")                                                                     \
    X(MF_RUNTIME_CPU, "cpu")                                                                       \
    X(MF_RUNTIME_VLLM, "vllm")

typedef enum mf_runtime {
#define MF_RUNTIME_ENUM(name, text) name,
    MF_RUNTIME_LIST(MF_RUNTIME_ENUM)
#undef MF_RUNTIME_ENUM
        MF_RUNTIME_COUNT
} mf_runtime;

/* Weight formats that cost the same to unpack. */
#define MF_FORMAT_LIST(X)                                                                          \
    X(MF_FORMAT_F16, "f16")                                                                        \
    X(MF_FORMAT_BF16, "bf16")                                                                      \
    X(MF_FORMAT_Q8_0, "q8_0")                                                                      \
    X(MF_FORMAT_Q6_K, "q6_K")                                                                      \
    X(MF_FORMAT_Q5_K, "q5_K")                                                                      \
    X(MF_FORMAT_Q4_K, "q4_K")                                                                      \
    X(MF_FORMAT_Q3_K, "q3_K")                                                                      \
    X(MF_FORMAT_Q4_0, "q4_0")                                                                      \
    X(MF_FORMAT_IQ, "iq")                                                                          \
    X(MF_FORMAT_MXFP4, "mxfp4")                                                                    \
    X(MF_FORMAT_MLX4, "mlx4")                                                                      \
    X(MF_FORMAT_MLX8, "mlx8")                                                                      \
    X(MF_FORMAT_FP8, "fp8")                                                                        \
    X(MF_FORMAT_INT4, "int4")

typedef enum mf_format {
#define MF_FORMAT_ENUM(name, text) name,
    MF_FORMAT_LIST(MF_FORMAT_ENUM)
#undef MF_FORMAT_ENUM
        MF_FORMAT_COUNT
} mf_format;

/* The law's knobs; X(name, text, unit). LANE and WORK have one value a weight format. */
#define MF_KNOB_LIST(X)                                                                            \
    X(MF_KNOB_ETA, "eta", "fraction of the specified bandwidth")                                   \
    X(MF_KNOB_LANE, "lane", "lane slots per weight")                                               \
    X(MF_KNOB_LAYER, "layer", "seconds per layer and token")                                       \
    X(MF_KNOB_MOE, "moe", "seconds per expert layer and token")                                    \
    X(MF_KNOB_LINEAR, "linear", "seconds per recurrent layer and token")                           \
    X(MF_KNOB_KV, "kv", "times the time at full bandwidth")                                        \
    X(MF_KNOB_MLA, "mla", "lane slots per latent attention multiply-add")                          \
    X(MF_KNOB_WORK, "work", "times the time at the matrix peak")                                   \
    X(MF_KNOB_EXPERT, "expert", "times the work of dense weights")                                 \
    X(MF_KNOB_ATTENTION, "attention", "times the time at the matrix peak")                         \
    X(MF_KNOB_ATTENTION_MLA, "attention_mla", "times the work of other attention")                 \
    X(MF_KNOB_PASS, "pass", "seconds per layer and micro-batch")

typedef enum mf_knob {
#define MF_KNOB_ENUM(name, text, unit) name,
    MF_KNOB_LIST(MF_KNOB_ENUM)
#undef MF_KNOB_ENUM
        MF_KNOB_COUNT
} mf_knob;

#define MF_FIRST_PREFILL_KNOB MF_KNOB_WORK

/* What a case is to the calibration. chip is a device id, borrowed, NULL for a device without one. */
typedef struct mf_setting {
    const char *chip;
    mf_chip_class chip_class;
    mf_runtime runtime;
    bool flash_attention;
} mf_setting;

/* One factor, kept as a logarithm. n_rows: measurements that it multiplies. */
typedef struct mf_effect {
    double log_value;
    double log_sd;
    uint32_t n_rows;
} mf_effect;

#define MF_MAX_KNOB_EFFECTS 6

/* Indices of the effects whose product is a knob's value in a setting; format matters for LANE and WORK only.
   Returns their number. Thread-safe. */
MF_API size_t mf_knob_effects(size_t indices[MF_MAX_KNOB_EFFECTS],
                              mf_knob knob,
                              const mf_setting *setting,
                              mf_format format);

/* Number of effects, and one's file name and keys: "lane_by_vendor_format", {"apple", "q4_K"}. Static storage. */
typedef struct mf_effect_info {
    const char *name;
    const char *keys[3];
    size_t n_keys;
    mf_knob knob;
    double prior_log_value;
    double prior_log_sd;
} mf_effect_info;

MF_API size_t mf_effect_count(void);
MF_API mf_effect_info mf_effect_describe(size_t index);

/* What a chip with rows of its own adds, per knob; 0 where it does not apply. */
typedef struct mf_chip_effects {
    char *device_id;
    mf_effect knobs[MF_KNOB_COUNT];
    uint32_t n_decode_rows;
    uint32_t n_prefill_rows;
    /* What a calibration of this very machine adds, in memory only. */
    double lane_log[MF_FORMAT_COUNT]; /* beside knobs[MF_KNOB_LANE] */
    double work_log[MF_FORMAT_COUNT];
    bool calibrated[2];       /* by mf_speed_test */
    double half_width_log[2]; /* of the 90 % interval; 0: from the pools */
} mf_chip_effects;

/* Prior sd of a knob's chip effect; 0: the knob has none. */
MF_API double mf_chip_effect_sd(mf_knob knob);

typedef enum mf_speed_test { MF_TEST_DECODE, MF_TEST_PREFILL, MF_TEST_COUNT } mf_speed_test;

/* How far off the law was on cases left out of the fit: half width that holds 90 % of |ln(measured / predicted)|.
   left_out: "model" (the chip has rows), "chip" (only its class has), "class" (neither). */
typedef enum mf_left_out {
    MF_LEFT_OUT_MODEL,
    MF_LEFT_OUT_CHIP,
    MF_LEFT_OUT_CLASS,
    MF_LEFT_OUT_COUNT
} mf_left_out;

typedef struct mf_residual_pool {
    mf_speed_test test;
    mf_left_out left_out;
    mf_chip_class chip_class; /* MF_CLASS_COUNT: all classes together */
    bool deep;                /* at MF_DEEP_TOKENS and beyond */
    double half_width_log;
    double mean_error; /* of |predicted / measured - 1|, and its median */
    double median_error;
    uint32_t n_rows;
} mf_residual_pool;

#define MF_DEEP_TOKENS 4096

typedef struct mf_calibration {
    char *engine;
    char *data;             /* what it was fitted to */
    char *method;           /* how */
    char *fitted;           /* date of the newest row it was fitted to */
    mf_effect *effects;     /* mf_effect_count() of them; those not in the file hold their prior */
    mf_chip_effects *chips; /* sorted by device_id */
    size_t n_chips;
    mf_residual_pool *pools;
    size_t n_pools;
    uint32_t n_rows[MF_TEST_COUNT][MF_CLASS_COUNT];
} mf_calibration;

/* Every effect at its prior, no chips, no pools. The caller frees *out. MF_E_NOMEM. */
MF_API mf_status mf_calibration_new(mf_calibration **out, const char *engine, mf_error *err);
MF_API void mf_calibration_free(mf_calibration *calibration); /* NULL is fine */

/* Reads hwdb/calibration/<engine>.json. MF_E_IO, MF_E_DATA with file:line:column. The caller frees *out. */
MF_API mf_status mf_calibration_load(mf_calibration **out, const char *path, mf_error *err);

/* The file's text; the same calibration always gives the same bytes. The caller frees *text. */
MF_API mf_status mf_calibration_text(char **text, const mf_calibration *calibration, mf_error *err);

/* The chip's own effects, added if it has none; NULL without memory. Borrowed, until the next one is added. */
MF_API mf_chip_effects *mf_calibration_add_chip(mf_calibration *calibration, const char *device_id);

/* Takes what was measured on a machine as the effects of its device, which is then a chip of its own: bandwidth and
   products for a GPU, everything for a CPU. `device` is the one whose peaks the law will use: of hwdb, or of
   mf_record_machine. MF_E_DATA if the record lacks the read test. How, and what it is worth: docs/calibration.md. */
MF_API mf_status mf_calibration_apply(mf_calibration *calibration,
                                      const mf_record *record,
                                      const mf_device *device,
                                      mf_error *err);

/* The chip's own effects, NULL if it has none. Borrowed. */
MF_API const mf_chip_effects *mf_calibration_chip(const mf_calibration *calibration,
                                                  const char *device_id);

/* Product of a knob's effects in a setting, the chip's own included. */
MF_API double mf_calibration_value(const mf_calibration *calibration,
                                   mf_knob knob,
                                   const mf_setting *setting,
                                   mf_format format);

MF_API const char *mf_runtime_name(mf_runtime runtime);
MF_API const char *mf_format_name(mf_format format);
MF_API const char *mf_knob_name(mf_knob knob);
MF_API const char *mf_speed_test_name(mf_speed_test test); /* "decode", "prefill" */
MF_API const char *mf_left_out_name(mf_left_out left_out); /* "model", "chip", "class" */
MF_API mf_format mf_format_of(mf_tensor_type type);

#ifdef __cplusplus
}
#endif

#endif
