/*
 * calibration.h - the coefficients of the speed law for one engine, with what each stands on.
 *
 * The law (speed/law.h) has some fifteen knobs: bandwidth efficiency, lane slots per weight, seconds per layer, ... A
 * knob's value for one case is the product of a base and of factors for the vendor, the chip class, its generation, the
 * weight format, the runtime and flash attention; each factor is pulled towards 1 as far as factors of its kind were
 * found to scatter, so that a chip without rows borrows from its generation, class and vendor.
 * hwdb/calibration/<engine>.json holds the factors, those of chips that have rows and of model architectures, and the
 * residuals that the 90 % intervals are read from. A program writes it (mf_calibration_fit), nobody else.
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
    X(MF_FORMAT_Q5_0, "q5_0")                                                                      \
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

/* Microarchitectures, as hwdb's devices name them; one that is not listed has no factors of its own. */
#define MF_GENERATION_LIST(X)                                                                      \
    X(MF_GENERATION_OTHER, "other")                                                                \
    X(MF_GENERATION_M1, "m1")                                                                      \
    X(MF_GENERATION_M2, "m2")                                                                      \
    X(MF_GENERATION_M3, "m3")                                                                      \
    X(MF_GENERATION_M4, "m4")                                                                      \
    X(MF_GENERATION_M5, "m5")                                                                      \
    X(MF_GENERATION_M6, "m6")                                                                      \
    X(MF_GENERATION_PASCAL, "pascal")                                                              \
    X(MF_GENERATION_VOLTA, "volta")                                                                \
    X(MF_GENERATION_TURING, "turing")                                                              \
    X(MF_GENERATION_AMPERE, "ampere")                                                              \
    X(MF_GENERATION_ADA, "ada")                                                                    \
    X(MF_GENERATION_HOPPER, "hopper")                                                              \
    X(MF_GENERATION_BLACKWELL, "blackwell")                                                        \
    X(MF_GENERATION_RDNA2, "rdna2")                                                                \
    X(MF_GENERATION_RDNA3, "rdna3")                                                                \
    X(MF_GENERATION_RDNA35, "rdna3.5")                                                             \
    X(MF_GENERATION_RDNA4, "rdna4")                                                                \
    X(MF_GENERATION_CDNA2, "cdna2")                                                                \
    X(MF_GENERATION_CDNA3, "cdna3")                                                                \
    X(MF_GENERATION_CDNA4, "cdna4")                                                                \
    X(MF_GENERATION_ALCHEMIST, "alchemist")                                                        \
    X(MF_GENERATION_BATTLEMAGE, "battlemage")

typedef enum mf_generation {
#define MF_GENERATION_ENUM(name, text) name,
    MF_GENERATION_LIST(MF_GENERATION_ENUM)
#undef MF_GENERATION_ENUM
        MF_GENERATION_COUNT
} mf_generation;

/* The law's knobs; X(name, text, unit). LANE and WORK have one value a weight format. */
#define MF_KNOB_LIST(X)                                                                            \
    X(MF_KNOB_ETA, "eta", "fraction of the specified bandwidth")                                   \
    X(MF_KNOB_LANE, "lane", "lane slots per weight")                                               \
    X(MF_KNOB_LAYER, "layer", "seconds per layer and token")                                       \
    X(MF_KNOB_MOE, "moe", "seconds per expert layer and token")                                    \
    X(MF_KNOB_LINEAR, "linear", "seconds per recurrent layer and token")                           \
    X(MF_KNOB_KV, "kv", "times the time at full bandwidth")                                        \
    X(MF_KNOB_MLA, "mla", "lane slots per latent attention multiply-add")                          \
    X(MF_KNOB_SLOT, "slot", "seconds per expert whose format has no kernel for one token")         \
    X(MF_KNOB_WORK, "work", "times the time at the matrix peak")                                   \
    X(MF_KNOB_EXPERT, "expert", "times the work of dense weights")                                 \
    X(MF_KNOB_ATTENTION, "attention", "times the time at the matrix peak")                         \
    X(MF_KNOB_ATTENTION_MLA, "attention_mla", "times the work of other attention")                 \
    X(MF_KNOB_PASS, "pass", "seconds per layer and micro-batch")                                   \
    X(MF_KNOB_PADDING, "padding", "rows computed in vain per touched expert and micro-batch")      \
    X(MF_KNOB_SCAN, "scan", "seconds per recurrent layer and token of a prompt")                   \
    X(MF_KNOB_WIDE, "attention_wide", "times the work of heads of 128 or fewer")                   \
    X(MF_KNOB_STREAM, "stream", "times that products' inputs and outputs pass through memory")

typedef enum mf_knob {
#define MF_KNOB_ENUM(name, text, unit) name,
    MF_KNOB_LIST(MF_KNOB_ENUM)
#undef MF_KNOB_ENUM
        MF_KNOB_COUNT
} mf_knob;

#define MF_FIRST_PREFILL_KNOB MF_KNOB_WORK

/* What a case is to the calibration. chip is a device id, architecture a model's; borrowed, NULL for one without. */
typedef struct mf_setting {
    const char *chip;
    const char *architecture;
    mf_chip_class chip_class;
    mf_generation generation;
    mf_runtime runtime;
    bool flash_attention;
    bool keeps_reads;  /* the last level cache holds what several kernels read at once */
    double clock_log;  /* of the GPU's clock over 1.4 GHz; 0: not known, or no matter */
    double extra_dies; /* joined with the first: 1 for Apple's Ultra chips */
    double
        power_log; /* of a card's watts per TFLOP/s of its matrix units, over 1.4; 0: not known, or no matter */
} mf_setting;

/* One factor, kept as a logarithm. n_rows: measurements that it multiplies. */
typedef struct mf_effect {
    double log_value;
    double log_sd;
    uint32_t n_rows;
} mf_effect;

#define MF_MAX_KNOB_EFFECTS 12

/* An effect's part in a knob: the knob's logarithm is the sum of weight times value. The weight is 1 but for effects of a
   setting's continuous properties. */
typedef struct mf_effect_use {
    size_t index;
    double weight;
    bool by_format; /* formats don't share it */
} mf_effect_use;

/* The effects that make a knob's value in a setting; format matters for LANE and WORK only. Returns their number.
   Thread-safe. */
MF_API size_t mf_knob_effects(mf_effect_use uses[MF_MAX_KNOB_EFFECTS],
                              mf_knob knob,
                              const mf_setting *setting,
                              mf_format format);

/* Number of effects, and one's file name and keys: "lane_by_vendor_format", {"apple", "q4_K"}. Static storage. */
typedef struct mf_effect_info {
    const char *name;
    const char *keys[3];
    size_t n_keys;
    size_t family;          /* 0 .. mf_effect_family_count() - 1: effects of one name */
    double prior_log_value; /* an exponent for effects of continuous properties */
    double prior_log_sd;    /* before the rows say how effects of this family scatter */
} mf_effect_info;

/* index is below mf_effect_count(). No failure. */
MF_API size_t mf_effect_count(void);
MF_API mf_effect_info mf_effect_describe(size_t index);

/* Families: effects of one file name. */
MF_API size_t mf_effect_family_count(void);
MF_API const char *mf_effect_family_name(size_t family);
MF_API double mf_effect_family_sd(size_t family); /* prior_log_sd of its effects */

typedef enum mf_speed_test { MF_TEST_DECODE, MF_TEST_PREFILL, MF_TEST_COUNT } mf_speed_test;

/* What a chip with rows of its own adds, per knob; 0 where it does not apply. */
typedef struct mf_chip_effects {
    char *device_id;
    mf_effect knobs[MF_KNOB_COUNT];
    uint32_t n_decode_rows;
    uint32_t n_prefill_rows;
    /* What a calibration of this very machine adds, in memory only. */
    double lane_log[MF_FORMAT_COUNT]; /* beside knobs[MF_KNOB_LANE] */
    double work_log[MF_FORMAT_COUNT];
    bool calibrated[MF_TEST_COUNT];
    double half_width_log[MF_TEST_COUNT]; /* of the 90 % interval; 0: from the pools */
} mf_chip_effects;

/* Prior sd of a knob's chip effect; 0: the knob has none. */
MF_API double mf_chip_effect_sd(mf_knob knob);

/* What a model's architecture does to a test's time beyond the law (kernels that the law does not count). */
typedef struct mf_architecture_effects {
    char *name; /* as in GGUF's general.architecture */
    mf_effect tests[MF_TEST_COUNT];
} mf_architecture_effects;

MF_API double mf_architecture_effect_sd(mf_speed_test test); /* prior sd */

/* How far off the law was on cases left out of the fit: how many of a case's own log sds (speed/spread.h) hold 90 % of
   |ln(measured / predicted)|.
   left_out: "model" (the chip has rows of others), "chip" (it has none, its class has), "class" (neither has). */
typedef enum mf_left_out {
    MF_LEFT_OUT_MODEL,
    MF_LEFT_OUT_CHIP,
    MF_LEFT_OUT_CLASS,
    MF_LEFT_OUT_COUNT
} mf_left_out;

/* Whose residuals: a class's, a vendor's for classes without any, everybody's. */
typedef enum mf_pool_scope { MF_POOL_ALL, MF_POOL_VENDOR, MF_POOL_CLASS } mf_pool_scope;

typedef struct mf_residual_pool {
    mf_speed_test test;
    mf_left_out left_out;
    mf_pool_scope scope;
    mf_vendor vendor;
    mf_chip_class chip_class;
    double half_width_sds;
    double mean_error; /* of |predicted / measured - 1|, and its median */
    double median_error;
    uint32_t n_rows;
} mf_residual_pool;

typedef struct mf_calibration {
    char *engine;
    char *data;             /* what it was fitted to */
    char *method;           /* how */
    char *fitted;           /* date of the newest row it was fitted to */
    mf_effect *effects;     /* mf_effect_count() of them; those not in the file hold their prior */
    mf_chip_effects *chips; /* sorted by device_id */
    size_t n_chips;
    mf_architecture_effects *architectures; /* sorted by name */
    size_t n_architectures;
    double *spreads; /* how effects scatter, log sd: one per family of effects */
    double chip_spreads[MF_KNOB_COUNT];
    double architecture_spreads[MF_TEST_COUNT];
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

/* The architecture's effects, NULL if it has none. Borrowed. */
MF_API const mf_architecture_effects *mf_calibration_architecture(const mf_calibration *calibration,
                                                                  const char *name);

/* How far the knobs' logarithms may be off, as variances: sums over their effects, as if these were off independently. For
   a chip with rows of its own the sum is known much better than its parts: effects with rows then count as known.
   LANE and WORK have in `value` what all formats share, in lane and work what a format has of its own. */
typedef struct mf_knob_variances {
    double value[MF_KNOB_COUNT];
    double lane[MF_FORMAT_COUNT];
    double work[MF_FORMAT_COUNT];
    double test[MF_TEST_COUNT];
} mf_knob_variances;

/* Logarithms of all knobs in a setting, the chip's own effects included; `test` what the model's architecture adds to
   the time of each test. LANE and WORK are in lane and work, one a format. */
typedef struct mf_knob_logs {
    double value[MF_KNOB_COUNT];
    double lane[MF_FORMAT_COUNT];
    double work[MF_FORMAT_COUNT];
    double test[MF_TEST_COUNT];
    mf_knob_variances variances;
} mf_knob_logs;

MF_API mf_knob_logs mf_calibration_logs(const mf_calibration *calibration,
                                        const mf_setting *setting);

/* Product of a knob's effects in a setting, the chip's own included. */
MF_API double mf_calibration_value(const mf_calibration *calibration,
                                   mf_knob knob,
                                   const mf_setting *setting,
                                   mf_format format);

MF_API const char *mf_runtime_name(mf_runtime runtime);

/* What a build of the first months of new hardware became, whose kernels were written for older; others are themselves. */
MF_API mf_runtime mf_runtime_mature(mf_runtime runtime);
MF_API const char *mf_knob_name(mf_knob knob);
MF_API mf_generation
mf_generation_of(const char *architecture);                /* MF_GENERATION_OTHER if not listed */
MF_API const char *mf_speed_test_name(mf_speed_test test); /* "decode", "prefill" */
MF_API const char *mf_left_out_name(mf_left_out left_out); /* "model", "chip", "class" */
MF_API const char *
mf_residual_pool_name(const mf_residual_pool *pool); /* "all", a vendor's or class's name */
MF_API mf_format mf_format_of(mf_tensor_type type);

#ifdef __cplusplus
}
#endif

#endif
