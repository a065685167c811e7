#include "memfit/calibration.h"

#include <math.h>
#include <string.h>

/* What an effect depends on; the keys of its entry in the file, in this order. */
typedef enum key_kind {
    KEY_NONE,
    KEY_VENDOR,
    KEY_CLASS,
    KEY_GENERATION,
    KEY_RUNTIME,
    KEY_MATURE, /* the runtime that an early build became */
    KEY_SOURCE, /* the runtime that its kernels are written for */
    KEY_FLASH,
    KEY_FORMAT,
    KEY_KERNEL, /* what multiplies a format in a prompt: formats that share it have most of their cost in common */
    KEY_KIND_COUNT
} key_kind;

/* What an effect is multiplied with: a setting's continuous property. */
typedef enum property {
    PROPERTY_ONE,
    PROPERTY_CLOCK,
    PROPERTY_DIES,
    PROPERTY_POWER,
    PROPERTY_EARLY,
    PROPERTY_BF16
} property;

/* 16 bit weights go to a library or a kernel for wide types, packed ones to kernels that unpack as they multiply. */
typedef enum kernel { KERNEL_F16, KERNEL_BF16, KERNEL_PACKED, N_KERNELS } kernel;

#define MAX_KEYS 3

typedef struct family {
    const char *name;
    unsigned knobs; /* bits of those that it multiplies */
    key_kind keys[MAX_KEYS];
    double prior; /* of the base; factors start at 1, exponents at this value */
    double log_sd;
    property property;
} family;

#define BIT(knob) (1U << (knob))
#define OVERHEADS (BIT(MF_KNOB_LAYER) | BIT(MF_KNOB_MOE) | BIT(MF_KNOB_LINEAR))

/* Forms and prior widths: the ablation in docs/speed.md. A base is wide, what shares it is narrow, so that a class or
   runtime without rows stays at the base. Where a family has several effects with rows, the fit estimates the width. */
static const family families[] = {
    {"eta",                              BIT(MF_KNOB_ETA),           {KEY_NONE},                  0.92,   0.03, PROPERTY_ONE  },
    {"eta_by_class",                     BIT(MF_KNOB_ETA),           {KEY_CLASS},                 1,      0.03, PROPERTY_ONE  },
    {"eta_by_generation",                BIT(MF_KNOB_ETA),           {KEY_CLASS, KEY_GENERATION}, 1,      0.03, PROPERTY_ONE  },
    {"eta_by_class_runtime",             BIT(MF_KNOB_ETA),           {KEY_CLASS, KEY_MATURE},     1,      0.05, PROPERTY_ONE  },
    {"eta_by_dies",                      BIT(MF_KNOB_ETA),           {KEY_NONE},                  0,      0.1,  PROPERTY_DIES },
    {"lane",                             BIT(MF_KNOB_LANE),          {KEY_NONE},                  4,      1.5,  PROPERTY_ONE  },
    {"lane_by_format",                   BIT(MF_KNOB_LANE),          {KEY_FORMAT},                1,      0.5,  PROPERTY_ONE  },
    {"lane_by_vendor",                   BIT(MF_KNOB_LANE),          {KEY_VENDOR},                1,      0.4,  PROPERTY_ONE  },
    {"lane_by_class",                    BIT(MF_KNOB_LANE),          {KEY_CLASS},                 1,      0.4,  PROPERTY_ONE  },
    {"lane_by_dies",                     BIT(MF_KNOB_LANE),          {KEY_NONE},                  0,      0.2,  PROPERTY_DIES },
    {"lane_by_generation",               BIT(MF_KNOB_LANE),          {KEY_CLASS, KEY_GENERATION}, 1,      0.2,  PROPERTY_ONE  },
    {"lane_by_vendor_format",            BIT(MF_KNOB_LANE),          {KEY_VENDOR, KEY_FORMAT},    1,      0.3,  PROPERTY_ONE  },
    {"layer",                            BIT(MF_KNOB_LAYER),         {KEY_NONE},                  60e-6,  1,    PROPERTY_ONE  },
    {"layer_by_vendor",                  BIT(MF_KNOB_LAYER),         {KEY_VENDOR},                1,      0.3,  PROPERTY_ONE  },
    {"layer_by_runtime",                 BIT(MF_KNOB_LAYER),         {KEY_RUNTIME},               1,      0.5,  PROPERTY_ONE  },
    {"layer_by_mature",                  BIT(MF_KNOB_LAYER),         {KEY_MATURE},                1,      0.4,  PROPERTY_ONE  },
    {"layer_by_class",                   BIT(MF_KNOB_LAYER),         {KEY_CLASS},                 1,      0.3,  PROPERTY_ONE  },
    {"layer_by_generation",              BIT(MF_KNOB_LAYER),         {KEY_CLASS, KEY_GENERATION}, 1,      0.2,  PROPERTY_ONE  },
    {"overhead_by_clock",                OVERHEADS,                  {KEY_NONE},                  -1,     0.5,  PROPERTY_CLOCK},
    {"overhead_by_dies",                 OVERHEADS,                  {KEY_NONE},                  0,      0.3,  PROPERTY_DIES },
    {"moe",                              BIT(MF_KNOB_MOE),           {KEY_NONE},                  45e-6,  0.7,  PROPERTY_ONE  },
    {"moe_by_vendor",                    BIT(MF_KNOB_MOE),           {KEY_VENDOR},                1,      0.5,  PROPERTY_ONE  },
    {"moe_by_runtime",                   BIT(MF_KNOB_MOE),           {KEY_RUNTIME},               1,      0.4,  PROPERTY_ONE  },
    {"linear",                           BIT(MF_KNOB_LINEAR),        {KEY_NONE},                  20e-6,  0.7,  PROPERTY_ONE  },
    {"linear_by_vendor",                 BIT(MF_KNOB_LINEAR),        {KEY_VENDOR},                1,      0.5,  PROPERTY_ONE  },
    {"linear_by_runtime",                BIT(MF_KNOB_LINEAR),        {KEY_RUNTIME},               1,      0.4,  PROPERTY_ONE  },
    {"kv",                               BIT(MF_KNOB_KV),            {KEY_NONE},                  2.2,    1,    PROPERTY_ONE  },
    {"kv_by_flash",                      BIT(MF_KNOB_KV),            {KEY_FLASH},                 1,      0.7,  PROPERTY_ONE  },
    {"kv_by_vendor",                     BIT(MF_KNOB_KV),            {KEY_VENDOR},                1,      0.3,  PROPERTY_ONE  },
    {"kv_by_runtime_flash",              BIT(MF_KNOB_KV),            {KEY_RUNTIME, KEY_FLASH},    1,      0.5,  PROPERTY_ONE  },
    {"kv_by_class_runtime_flash",
     BIT(MF_KNOB_KV),
     {KEY_CLASS, KEY_RUNTIME, KEY_FLASH},
     1,                                                                                                   0.4,
     PROPERTY_ONE                                                                                                             },
    {"mla",                              BIT(MF_KNOB_MLA),           {KEY_NONE},                  8,      1,    PROPERTY_ONE  },
    {"mla_by_vendor",                    BIT(MF_KNOB_MLA),           {KEY_VENDOR},                1,      0.7,  PROPERTY_ONE  },
    {"mla_by_runtime",                   BIT(MF_KNOB_MLA),           {KEY_RUNTIME},               1,      0.5,  PROPERTY_ONE  },
    {"slot",                             BIT(MF_KNOB_SLOT),          {KEY_NONE},                  2e-6,   1.5,  PROPERTY_ONE  },
    {"work",                             BIT(MF_KNOB_WORK),          {KEY_NONE},                  1.8,    0.4,  PROPERTY_ONE  },
    {"work_by_vendor",                   BIT(MF_KNOB_WORK),          {KEY_VENDOR},                1,      0.3,  PROPERTY_ONE  },
    {"work_by_class",                    BIT(MF_KNOB_WORK),          {KEY_CLASS},                 1,      0.4,  PROPERTY_ONE  },
    {"work_by_generation",               BIT(MF_KNOB_WORK),          {KEY_CLASS, KEY_GENERATION}, 1,      0.2,  PROPERTY_ONE  },
    {"work_by_power",                    BIT(MF_KNOB_WORK),          {KEY_NONE},                  0,      0.5,  PROPERTY_POWER},
    {"work_by_format",                   BIT(MF_KNOB_WORK),          {KEY_FORMAT},                1,      0.3,  PROPERTY_ONE  },
    {"work_by_early",                    BIT(MF_KNOB_WORK),          {KEY_NONE},                  0.7,    0.5,  PROPERTY_EARLY},
    {"work_by_emulated_bf16",            BIT(MF_KNOB_WORK),          {KEY_NONE},                  0,      0.5,  PROPERTY_BF16 },
    {"work_by_runtime_kernel",           BIT(MF_KNOB_WORK),          {KEY_MATURE, KEY_KERNEL},    1,      0.3,  PROPERTY_ONE  },
    {"work_by_source_format",            BIT(MF_KNOB_WORK),          {KEY_SOURCE, KEY_FORMAT},    1,      0.2,  PROPERTY_ONE  },
    {"work_by_class_runtime",            BIT(MF_KNOB_WORK),          {KEY_CLASS, KEY_RUNTIME},    1,      0.3,  PROPERTY_ONE  },
    {"work_by_class_kernel",             BIT(MF_KNOB_WORK),          {KEY_CLASS, KEY_KERNEL},     1,      0.2,  PROPERTY_ONE  },
    {"expert",                           BIT(MF_KNOB_EXPERT),        {KEY_NONE},                  1.9,    0.5,  PROPERTY_ONE  },
    {"expert_by_runtime",                BIT(MF_KNOB_EXPERT),        {KEY_RUNTIME},               1,      0.3,  PROPERTY_ONE  },
    {"attention",                        BIT(MF_KNOB_ATTENTION),     {KEY_NONE},                  3,      0.4,  PROPERTY_ONE  },
    {"attention_by_flash",               BIT(MF_KNOB_ATTENTION),     {KEY_FLASH},                 1,      0.7,  PROPERTY_ONE  },
    {"attention_by_runtime_flash",
     BIT(MF_KNOB_ATTENTION),
     {KEY_RUNTIME, KEY_FLASH},
     1,                                                                                                   0.8,
     PROPERTY_ONE                                                                                                             },
    {"attention_by_class_runtime_flash",
     BIT(MF_KNOB_ATTENTION),
     {KEY_CLASS, KEY_RUNTIME, KEY_FLASH},
     1,                                                                                                   0.5,
     PROPERTY_ONE                                                                                                             },
    {"attention_mla",                    BIT(MF_KNOB_ATTENTION_MLA), {KEY_NONE},                  1,      0.7,  PROPERTY_ONE  },
    {"attention_mla_by_vendor",          BIT(MF_KNOB_ATTENTION_MLA), {KEY_VENDOR},                1,      0.5,  PROPERTY_ONE  },
    {"attention_wide_by_class_runtime",
     BIT(MF_KNOB_WIDE),
     {KEY_CLASS, KEY_MATURE},
     1,                                                                                                   0.7,
     PROPERTY_ONE                                                                                                             },
    {"pass",                             BIT(MF_KNOB_PASS),          {KEY_NONE},                  500e-6, 0.5,  PROPERTY_ONE  },
    {"pass_by_runtime",                  BIT(MF_KNOB_PASS),          {KEY_RUNTIME},               1,      0.5,  PROPERTY_ONE  },
    {"padding",                          BIT(MF_KNOB_PADDING),       {KEY_NONE},                  8,      1,    PROPERTY_ONE  },
    {"padding_by_runtime",               BIT(MF_KNOB_PADDING),       {KEY_RUNTIME},               1,      0.5,  PROPERTY_ONE  },
    {"scan",                             BIT(MF_KNOB_SCAN),          {KEY_NONE},                  0.3e-6, 1.5,  PROPERTY_ONE  },
    {"scan_by_runtime",                  BIT(MF_KNOB_SCAN),          {KEY_RUNTIME},               1,      0.5,  PROPERTY_ONE  },
    {"stream",                           BIT(MF_KNOB_STREAM),        {KEY_NONE},                  2,      0.7,  PROPERTY_ONE  },
    {"stream_by_runtime",                BIT(MF_KNOB_STREAM),        {KEY_MATURE},                1,      0.5,  PROPERTY_ONE  },
};
#define N_FAMILIES (sizeof families / sizeof families[0])

/* A format nobody measured keeps the cost relative to others that CUDA's unpacking code has. Q5_0 is no cheap
   cousin of Q4_0: each fifth bit is shifted, masked and joined alone (22 operations for 8 weights; Q4_0 takes 5), as much
   as Q5_K's scales and bits. */
static const double lane_prior_of_format[MF_FORMAT_COUNT] = {
    [MF_FORMAT_F16] = 2.3,
    [MF_FORMAT_BF16] = 2.3,
    [MF_FORMAT_Q8_0] = 0.9,
    [MF_FORMAT_Q6_K] = 1.2,
    [MF_FORMAT_Q5_K] = 1.0,
    [MF_FORMAT_Q4_K] = 0.8,
    [MF_FORMAT_Q3_K] = 1.1,
    [MF_FORMAT_Q4_0] = 0.4,
    [MF_FORMAT_Q5_0] = 1.0,
    [MF_FORMAT_IQ] = 1.6,
    [MF_FORMAT_MXFP4] = 1.0,
    [MF_FORMAT_MLX4] = 0.9,
    [MF_FORMAT_MLX8] = 0.8,
    [MF_FORMAT_FP8] = 0.9,
    [MF_FORMAT_INT4] = 0.8,
};

static const double chip_sd[MF_KNOB_COUNT] = {
    [MF_KNOB_ETA] = 0.08,
    [MF_KNOB_LANE] = 0.2,
    [MF_KNOB_LAYER] = 0.25,
    [MF_KNOB_WORK] = 0.2,
};

static const double architecture_sd[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.06,
    [MF_TEST_PREFILL] = 0.03,
};

#define NAME_OF(name, text) [name] = (text),
#define NAME_OF3(name, text, unused) [name] = (text),
static const char *const runtime_names[] = {MF_RUNTIME_LIST(NAME_OF)};
static const char *const format_names[] = {MF_FORMAT_LIST(NAME_OF)};
static const char *const generation_names[] = {MF_GENERATION_LIST(NAME_OF)};
static const char *const knob_names[] = {MF_KNOB_LIST(NAME_OF3)};
static const char *const test_names[MF_TEST_COUNT] = {"decode", "prefill"};
static const char *const left_out_names[MF_LEFT_OUT_COUNT] = {"model", "chip", "class"};
static const char *const kernel_names[N_KERNELS] = {"f16", "bf16", "packed"};
static const char *const flash_names[] = {"no-flash", "flash"};
enum {
#define COUNTED(name, text) COUNTED_##name,
    MF_VENDOR_LIST(COUNTED)
#undef COUNTED
        N_VENDORS
};

const char *mf_runtime_name(mf_runtime runtime)
{
    return runtime_names[runtime];
}

const char *mf_knob_name(mf_knob knob)
{
    return knob_names[knob];
}

mf_generation mf_generation_of(const char *architecture)
{
    for (size_t i = 0; architecture && i < MF_GENERATION_COUNT; i++) {
        if (strcmp(generation_names[i], architecture) == 0) {
            return (mf_generation)i;
        }
    }
    return MF_GENERATION_OTHER;
}

const char *mf_speed_test_name(mf_speed_test test)
{
    return test_names[test];
}

const char *mf_left_out_name(mf_left_out left_out)
{
    return left_out_names[left_out];
}

double mf_chip_effect_sd(mf_knob knob)
{
    return chip_sd[knob];
}

double mf_architecture_effect_sd(mf_speed_test test)
{
    return architecture_sd[test];
}

static const size_t key_sizes[KEY_KIND_COUNT] = {
    [KEY_NONE] = 1,
    [KEY_VENDOR] = N_VENDORS,
    [KEY_CLASS] = MF_CLASS_COUNT,
    [KEY_GENERATION] = MF_GENERATION_COUNT,
    [KEY_RUNTIME] = MF_RUNTIME_COUNT,
    [KEY_MATURE] = MF_RUNTIME_COUNT,
    [KEY_SOURCE] = MF_RUNTIME_COUNT,
    [KEY_FLASH] = 2,
    [KEY_FORMAT] = MF_FORMAT_COUNT,
    [KEY_KERNEL] = N_KERNELS,
};

static kernel kernel_of(mf_format format)
{
    return format == MF_FORMAT_F16    ? KERNEL_F16
           : format == MF_FORMAT_BF16 ? KERNEL_BF16
                                      : KERNEL_PACKED;
}

static bool is_by_format(key_kind kind)
{
    return kind == KEY_FORMAT || kind == KEY_KERNEL;
}

mf_runtime mf_runtime_mature(mf_runtime runtime)
{
    static const struct {
        mf_runtime early;
        mf_runtime mature;
    } became[] = {
        {MF_RUNTIME_CUDA_2025,     MF_RUNTIME_CUDA  },
        {MF_RUNTIME_ROCM_2025,     MF_RUNTIME_ROCM  },
        {MF_RUNTIME_ROCM_WMMA,     MF_RUNTIME_ROCM  },
        {MF_RUNTIME_VULKAN_2025,   MF_RUNTIME_VULKAN},
        {MF_RUNTIME_VULKAN_AMDVLK, MF_RUNTIME_VULKAN},
    };
    for (size_t i = 0; i < sizeof became / sizeof became[0]; i++) {
        if (became[i].early == runtime) {
            return became[i].mature;
        }
    }
    return runtime;
}

/* llama.cpp's kernels for ROCm are those for CUDA, translated. */
static mf_runtime source_of(mf_runtime runtime)
{
    const mf_runtime mature = mf_runtime_mature(runtime);
    return mature == MF_RUNTIME_ROCM || mature == MF_RUNTIME_CUDA_2024 ? MF_RUNTIME_CUDA : mature;
}

/* CUDA's kernels for a new chip are those of its generation's others: GB10's first builds multiply as fast as its later. */
static bool is_early(mf_runtime runtime)
{
    return mf_runtime_mature(runtime) != runtime && runtime != MF_RUNTIME_CUDA_2025;
}

/* MLX keeps activations and scales in BF16, which Apple's GPUs have had since M3. */
static bool emulates_bf16(const mf_setting *setting)
{
    return setting->runtime == MF_RUNTIME_MLX && setting->chip_class == MF_CLASS_APPLE_M1_M2;
}

static size_t key_size(key_kind kind)
{
    return kind < KEY_KIND_COUNT ? key_sizes[kind] : 1;
}

static size_t key_value(key_kind kind, const mf_setting *setting, mf_format format)
{
    switch (kind) {
    case KEY_VENDOR:
        return mf_chip_class_vendor(setting->chip_class);
    case KEY_CLASS:
        return setting->chip_class;
    case KEY_GENERATION:
        return setting->generation;
    case KEY_RUNTIME:
        return setting->runtime;
    case KEY_MATURE:
        return mf_runtime_mature(setting->runtime);
    case KEY_SOURCE:
        return source_of(setting->runtime);
    case KEY_FLASH:
        return setting->flash_attention ? 1 : 0;
    case KEY_FORMAT:
        return format;
    case KEY_KERNEL:
        return kernel_of(format);
    case KEY_NONE:
    case KEY_KIND_COUNT:
        break;
    }
    return 0;
}

static const char *key_name(key_kind kind, size_t value)
{
    switch (kind) {
    case KEY_VENDOR:
        return mf_vendor_name((mf_vendor)value);
    case KEY_CLASS:
        return mf_chip_class_name((mf_chip_class)value);
    case KEY_GENERATION:
        return generation_names[value];
    case KEY_RUNTIME:
    case KEY_MATURE:
    case KEY_SOURCE:
        return runtime_names[value];
    case KEY_FLASH:
        return flash_names[value];
    case KEY_FORMAT:
        return format_names[value];
    case KEY_KERNEL:
        return kernel_names[value];
    case KEY_NONE:
    case KEY_KIND_COUNT:
        break;
    }
    return "";
}

static size_t family_size(const family *f)
{
    return key_size(f->keys[0]) * key_size(f->keys[1]) * key_size(f->keys[2]);
}

size_t mf_effect_count(void)
{
    size_t count = 0;
    for (size_t f = 0; f < N_FAMILIES; f++) {
        count += family_size(&families[f]);
    }
    return count;
}

size_t mf_effect_family_count(void)
{
    return N_FAMILIES;
}

const char *mf_effect_family_name(size_t number)
{
    return families[number].name;
}

double mf_effect_family_sd(size_t number)
{
    return families[number].log_sd;
}

static double weight_of(property p, const mf_setting *setting)
{
    switch (p) {
    case PROPERTY_CLOCK:
        return setting->clock_log;
    case PROPERTY_DIES:
        return setting->extra_dies;
    case PROPERTY_POWER:
        return setting->power_log;
    case PROPERTY_EARLY:
        return is_early(setting->runtime) ? 1 : 0;
    case PROPERTY_BF16:
        return emulates_bf16(setting) ? 1 : 0;
    case PROPERTY_ONE:
        break;
    }
    return 1;
}

size_t mf_knob_effects(mf_effect_use uses[MF_MAX_KNOB_EFFECTS],
                       mf_knob knob,
                       const mf_setting *setting,
                       mf_format format)
{
    size_t n = 0;
    size_t offset = 0;
    for (size_t f = 0; f < N_FAMILIES; f++) {
        const double weight = weight_of(families[f].property, setting);
        if ((families[f].knobs & BIT(knob)) != 0 && fabs(weight) > 0) {
            size_t index = 0;
            bool by_format = false;
            for (size_t k = 0; k < MAX_KEYS; k++) {
                const key_kind kind = families[f].keys[k];
                index = index * key_sizes[kind] + key_value(kind, setting, format);
                by_format = by_format || is_by_format(kind);
            }
            uses[n] =
                (mf_effect_use){.index = offset + index, .weight = weight, .by_format = by_format};
            n++;
        }
        offset += family_size(&families[f]);
    }
    return n;
}

/* An effect without rows is off as far as its kind scatters. */
static double variance_of(const mf_effect *effect, double spread, bool known_chip)
{
    const double seen = known_chip ? 0 : effect->log_sd;
    const double sd = effect->n_rows > 0 ? seen : spread;
    return sd * sd;
}

static bool is_known(const mf_chip_effects *chip, size_t knob)
{
    return chip && (knob < MF_FIRST_PREFILL_KNOB ? chip->n_decode_rows : chip->n_prefill_rows) > 0;
}

/* Adds a family's effect to every knob and format that it multiplies. */
static void add_family(mf_knob_logs *logs,
                       const family *f,
                       const mf_effect *effects,
                       double spread,
                       const mf_setting *setting,
                       const mf_chip_effects *chip)
{
    size_t first = 0;
    size_t stride = 0;
    bool by_kernel = false;
    for (size_t k = 0; k < MAX_KEYS; k++) {
        const key_kind kind = f->keys[k];
        const bool by_format = is_by_format(kind);
        first = first * key_size(kind) + (by_format ? 0 : key_value(kind, setting, MF_FORMAT_F16));
        stride = by_format ? 1 : stride * key_size(kind);
        by_kernel = by_kernel || kind == KEY_KERNEL;
    }
    const double weight = weight_of(f->property, setting);
    const bool formats = (f->knobs & (BIT(MF_KNOB_LANE) | BIT(MF_KNOB_WORK))) != 0;
    const bool lanes = (f->knobs & BIT(MF_KNOB_LANE)) != 0;
    double *const by_format = lanes ? logs->lane : logs->work;
    const bool known_format = is_known(chip, lanes ? MF_KNOB_LANE : MF_KNOB_WORK);
    double *const own = lanes ? logs->variances.lane : logs->variances.work;
    for (size_t i = 0; formats && i < MF_FORMAT_COUNT; i++) {
        const size_t value = by_kernel ? (size_t)kernel_of((mf_format)i) : i;
        const mf_effect *effect = &effects[first + value * stride];
        by_format[i] += weight * effect->log_value;
        own[i] += stride > 0 ? variance_of(effect, spread, known_format) : 0;
    }
    for (size_t k = 0; k < MF_KNOB_COUNT && stride == 0; k++) {
        if ((f->knobs & BIT(k)) != 0) {
            logs->value[k] += formats ? 0 : weight * effects[first].log_value;
            logs->variances.value[k] +=
                weight * weight * variance_of(&effects[first], spread, is_known(chip, k));
        }
    }
}

mf_knob_logs mf_calibration_logs(const mf_calibration *calibration, const mf_setting *setting)
{
    mf_knob_logs logs = {0};
    size_t offset = 0;
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    for (size_t f = 0; f < N_FAMILIES; f++) {
        add_family(&logs,
                   &families[f],
                   calibration->effects + offset,
                   calibration->spreads[f],
                   setting,
                   chip);
        offset += family_size(&families[f]);
    }
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        const mf_effect own = chip ? chip->knobs[k] : (mf_effect){0};
        logs.value[k] += own.log_value;
        logs.variances.value[k] +=
            variance_of(&own, calibration->chip_spreads[k], is_known(chip, k));
    }
    for (size_t f = 0; chip && f < MF_FORMAT_COUNT; f++) {
        logs.lane[f] += chip->knobs[MF_KNOB_LANE].log_value + chip->lane_log[f];
        logs.work[f] += chip->knobs[MF_KNOB_WORK].log_value + chip->work_log[f];
    }
    const mf_architecture_effects *model =
        mf_calibration_architecture(calibration, setting->architecture);
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        const mf_effect own = model ? model->tests[t] : (mf_effect){0};
        logs.test[t] = own.log_value;
        logs.variances.test[t] = variance_of(&own, calibration->architecture_spreads[t], false);
    }
    return logs;
}

/* The CPU has no rows of its own in the fit: figures of a 2-core Zen 4 with llama.cpp b10470, 0.5 to 3 B models
   (decode reaches 0.65 of the specified bandwidth, KV at depth costs four times its reading, products run near peak). */
static const struct {
    const char *family;
    size_t first_key;
    double prior;
} cpu_priors[] = {
    {"eta_by_class",        MF_CLASS_CPU,   0.68},
    {"lane_by_class",       MF_CLASS_CPU,   0.8 },
    {"work_by_class",       MF_CLASS_CPU,   0.6 },
    {"kv_by_runtime_flash", MF_RUNTIME_CPU, 1.8 },
};

static double prior_of(const family *f, const size_t values[MAX_KEYS])
{
    if (f->property != PROPERTY_ONE) {
        return f->prior;
    }
    for (size_t i = 0; i < sizeof cpu_priors / sizeof cpu_priors[0]; i++) {
        if (cpu_priors[i].first_key == values[0] && strcmp(cpu_priors[i].family, f->name) == 0) {
            return log(cpu_priors[i].prior);
        }
    }
    const bool unpacking = (f->knobs & BIT(MF_KNOB_LANE)) != 0 && f->keys[0] == KEY_FORMAT;
    return log(unpacking ? lane_prior_of_format[values[0]] : f->prior);
}

mf_effect_info mf_effect_describe(size_t index)
{
    size_t f = 0;
    while (f + 1 < N_FAMILIES && index >= family_size(&families[f])) {
        index -= family_size(&families[f]);
        f++;
    }
    size_t values[MAX_KEYS] = {0};
    for (size_t k = MAX_KEYS; k > 0; k--) {
        const size_t size = key_sizes[families[f].keys[k - 1]];
        values[k - 1] = index % size;
        index /= size;
    }
    mf_effect_info info = {.name = families[f].name,
                           .family = f,
                           .prior_log_value = prior_of(&families[f], values),
                           .prior_log_sd = families[f].log_sd};
    for (size_t k = 0; k < MAX_KEYS && families[f].keys[k] != KEY_NONE; k++) {
        info.keys[k] = key_name(families[f].keys[k], values[k]);
        info.n_keys = k + 1;
    }
    return info;
}

mf_format mf_format_of(mf_tensor_type type)
{
    static const mf_format formats[MF_TYPE_COUNT] = {
        [MF_TYPE_F32] = MF_FORMAT_F16,         [MF_TYPE_F16] = MF_FORMAT_F16,
        [MF_TYPE_Q4_0] = MF_FORMAT_Q4_0,       [MF_TYPE_Q4_1] = MF_FORMAT_Q4_0,
        [MF_TYPE_Q5_0] = MF_FORMAT_Q5_0,       [MF_TYPE_Q5_1] = MF_FORMAT_Q5_0,
        [MF_TYPE_Q8_0] = MF_FORMAT_Q8_0,       [MF_TYPE_Q8_1] = MF_FORMAT_Q8_0,
        [MF_TYPE_Q2_K] = MF_FORMAT_Q3_K,       [MF_TYPE_Q3_K] = MF_FORMAT_Q3_K,
        [MF_TYPE_Q4_K] = MF_FORMAT_Q4_K,       [MF_TYPE_Q5_K] = MF_FORMAT_Q5_K,
        [MF_TYPE_Q6_K] = MF_FORMAT_Q6_K,       [MF_TYPE_Q8_K] = MF_FORMAT_Q8_0,
        [MF_TYPE_IQ2_XXS] = MF_FORMAT_IQ,      [MF_TYPE_IQ2_XS] = MF_FORMAT_IQ,
        [MF_TYPE_IQ3_XXS] = MF_FORMAT_IQ,      [MF_TYPE_IQ1_S] = MF_FORMAT_IQ,
        [MF_TYPE_IQ4_NL] = MF_FORMAT_Q4_0,     [MF_TYPE_IQ3_S] = MF_FORMAT_IQ,
        [MF_TYPE_IQ2_S] = MF_FORMAT_IQ,        [MF_TYPE_IQ4_XS] = MF_FORMAT_IQ,
        [MF_TYPE_I8] = MF_FORMAT_Q8_0,         [MF_TYPE_I16] = MF_FORMAT_F16,
        [MF_TYPE_I32] = MF_FORMAT_F16,         [MF_TYPE_I64] = MF_FORMAT_F16,
        [MF_TYPE_F64] = MF_FORMAT_F16,         [MF_TYPE_IQ1_M] = MF_FORMAT_IQ,
        [MF_TYPE_BF16] = MF_FORMAT_BF16,       [MF_TYPE_TQ1_0] = MF_FORMAT_IQ,
        [MF_TYPE_TQ2_0] = MF_FORMAT_IQ,        [MF_TYPE_MXFP4] = MF_FORMAT_MXFP4,
        [MF_TYPE_NVFP4] = MF_FORMAT_MXFP4,     [MF_TYPE_MLX_Q2] = MF_FORMAT_MLX4,
        [MF_TYPE_MLX_Q3] = MF_FORMAT_MLX4,     [MF_TYPE_MLX_Q4] = MF_FORMAT_MLX4,
        [MF_TYPE_MLX_Q5] = MF_FORMAT_MLX8,     [MF_TYPE_MLX_Q6] = MF_FORMAT_MLX8,
        [MF_TYPE_MLX_Q8] = MF_FORMAT_MLX8,     [MF_TYPE_MLX_Q4_G32] = MF_FORMAT_MLX4,
        [MF_TYPE_MLX_Q8_G32] = MF_FORMAT_MLX8, [MF_TYPE_FP8] = MF_FORMAT_FP8,
        [MF_TYPE_INT4_G128] = MF_FORMAT_INT4,  [MF_TYPE_INT4_G32] = MF_FORMAT_INT4,
    };
    return formats[type];
}
