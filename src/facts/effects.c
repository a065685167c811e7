#include "memfit/calibration.h"

#include <math.h>
#include <string.h>

/* What an effect depends on; the keys of its entry in the file, in this order. */
typedef enum key_kind {
    KEY_NONE,
    KEY_VENDOR,
    KEY_CLASS,
    KEY_RUNTIME,
    KEY_FLASH,
    KEY_FORMAT,
    KEY_KIND_COUNT
} key_kind;

#define MAX_KEYS 3

typedef struct family {
    const char *name;
    mf_knob knob;
    key_kind keys[MAX_KEYS];
    double prior; /* of the base; factors start at 1 */
    double log_sd;
} family;

/* Forms and prior widths: the ablation in docs/speed.md. A base is wide, what shares it is narrow, so that a class or
   runtime without rows stays at the base. */
static const family families[] = {
    {"eta",                              MF_KNOB_ETA,           {KEY_NONE},                          0.92,   0.03},
    {"eta_by_class",                     MF_KNOB_ETA,           {KEY_CLASS},                         1,      0.03},
    {"lane",                             MF_KNOB_LANE,          {KEY_NONE},                          4,      1.5 },
    {"lane_by_format",                   MF_KNOB_LANE,          {KEY_FORMAT},                        1,      0.5 },
    {"lane_by_class",                    MF_KNOB_LANE,          {KEY_CLASS},                         1,      0.4 },
    {"lane_by_vendor_format",            MF_KNOB_LANE,          {KEY_VENDOR, KEY_FORMAT},            1,      0.3 },
    {"layer",                            MF_KNOB_LAYER,         {KEY_NONE},                          60e-6,  1   },
    {"layer_by_runtime",                 MF_KNOB_LAYER,         {KEY_RUNTIME},                       1,      0.5 },
    {"layer_by_class",                   MF_KNOB_LAYER,         {KEY_CLASS},                         1,      0.3 },
    {"moe",                              MF_KNOB_MOE,           {KEY_NONE},                          45e-6,  0.7 },
    {"moe_by_vendor",                    MF_KNOB_MOE,           {KEY_VENDOR},                        1,      0.5 },
    {"linear",                           MF_KNOB_LINEAR,        {KEY_NONE},                          20e-6,  0.7 },
    {"linear_by_vendor",                 MF_KNOB_LINEAR,        {KEY_VENDOR},                        1,      0.5 },
    {"kv",                               MF_KNOB_KV,            {KEY_NONE},                          2.2,    1   },
    {"kv_by_runtime_flash",              MF_KNOB_KV,            {KEY_RUNTIME, KEY_FLASH},            1,      0.5 },
    {"kv_by_class_runtime_flash",        MF_KNOB_KV,            {KEY_CLASS, KEY_RUNTIME, KEY_FLASH}, 1,      0.4 },
    {"mla",                              MF_KNOB_MLA,           {KEY_NONE},                          8,      1   },
    {"mla_by_vendor",                    MF_KNOB_MLA,           {KEY_VENDOR},                        1,      0.7 },
    {"work",                             MF_KNOB_WORK,          {KEY_NONE},                          1.8,    0.4 },
    {"work_by_class",                    MF_KNOB_WORK,          {KEY_CLASS},                         1,      0.4 },
    {"work_by_runtime_format",           MF_KNOB_WORK,          {KEY_RUNTIME, KEY_FORMAT},           1,      0.4 },
    {"work_by_class_runtime",            MF_KNOB_WORK,          {KEY_CLASS, KEY_RUNTIME},            1,      0.3 },
    {"expert",                           MF_KNOB_EXPERT,        {KEY_NONE},                          1.9,    0.5 },
    {"expert_by_runtime",                MF_KNOB_EXPERT,        {KEY_RUNTIME},                       1,      0.3 },
    {"attention",                        MF_KNOB_ATTENTION,     {KEY_NONE},                          3,      0.4 },
    {"attention_by_runtime_flash",       MF_KNOB_ATTENTION,     {KEY_RUNTIME, KEY_FLASH},            1,      0.8 },
    {"attention_by_class_runtime_flash",
     MF_KNOB_ATTENTION,                                         {KEY_CLASS, KEY_RUNTIME, KEY_FLASH},
     1,                                                                                                      0.5 },
    {"attention_mla",                    MF_KNOB_ATTENTION_MLA, {KEY_NONE},                          1,      0.7 },
    {"attention_mla_by_vendor",          MF_KNOB_ATTENTION_MLA, {KEY_VENDOR},                        1,      0.5 },
    {"pass",                             MF_KNOB_PASS,          {KEY_NONE},                          500e-6, 0.5 },
    {"pass_by_runtime",                  MF_KNOB_PASS,          {KEY_RUNTIME},                       1,      0.5 },
};
#define N_FAMILIES (sizeof families / sizeof families[0])

/* A format nobody measured keeps the cost relative to others that CUDA's unpacking code has. */
static const double lane_prior_of_format[MF_FORMAT_COUNT] = {
    [MF_FORMAT_F16] = 2.3,
    [MF_FORMAT_BF16] = 2.3,
    [MF_FORMAT_Q8_0] = 0.9,
    [MF_FORMAT_Q6_K] = 1.2,
    [MF_FORMAT_Q5_K] = 1.0,
    [MF_FORMAT_Q4_K] = 0.8,
    [MF_FORMAT_Q3_K] = 1.1,
    [MF_FORMAT_Q4_0] = 0.4,
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

#define NAME_OF(name, text) [name] = (text),
#define NAME_OF3(name, text, unused) [name] = (text),
static const char *const runtime_names[] = {MF_RUNTIME_LIST(NAME_OF)};
static const char *const format_names[] = {MF_FORMAT_LIST(NAME_OF)};
static const char *const knob_names[] = {MF_KNOB_LIST(NAME_OF3)};
static const char *const test_names[MF_TEST_COUNT] = {"decode", "prefill"};
static const char *const left_out_names[MF_LEFT_OUT_COUNT] = {"model", "chip", "class"};
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

const char *mf_format_name(mf_format format)
{
    return format_names[format];
}

const char *mf_knob_name(mf_knob knob)
{
    return knob_names[knob];
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

static size_t key_size(key_kind kind)
{
    switch (kind) {
    case KEY_VENDOR:
        return N_VENDORS;
    case KEY_CLASS:
        return MF_CLASS_COUNT;
    case KEY_RUNTIME:
        return MF_RUNTIME_COUNT;
    case KEY_FLASH:
        return 2;
    case KEY_FORMAT:
        return MF_FORMAT_COUNT;
    case KEY_NONE:
    case KEY_KIND_COUNT:
        break;
    }
    return 1;
}

static size_t key_value(key_kind kind, const mf_setting *setting, mf_format format)
{
    switch (kind) {
    case KEY_VENDOR:
        return mf_chip_class_vendor(setting->chip_class);
    case KEY_CLASS:
        return setting->chip_class;
    case KEY_RUNTIME:
        return setting->runtime;
    case KEY_FLASH:
        return setting->flash_attention ? 1 : 0;
    case KEY_FORMAT:
        return format;
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
    case KEY_RUNTIME:
        return runtime_names[value];
    case KEY_FLASH:
        return flash_names[value];
    case KEY_FORMAT:
        return format_names[value];
    case KEY_NONE:
    case KEY_KIND_COUNT:
        break;
    }
    return "";
}

static size_t family_size(const family *f)
{
    size_t size = 1;
    for (size_t k = 0; k < MAX_KEYS; k++) {
        size *= key_size(f->keys[k]);
    }
    return size;
}

size_t mf_effect_count(void)
{
    size_t count = 0;
    for (size_t f = 0; f < N_FAMILIES; f++) {
        count += family_size(&families[f]);
    }
    return count;
}

size_t mf_knob_effects(size_t indices[MF_MAX_KNOB_EFFECTS],
                       mf_knob knob,
                       const mf_setting *setting,
                       mf_format format)
{
    size_t n = 0;
    size_t offset = 0;
    for (size_t f = 0; f < N_FAMILIES; f++) {
        if (families[f].knob == knob) {
            size_t index = 0;
            for (size_t k = 0; k < MAX_KEYS; k++) {
                const key_kind kind = families[f].keys[k];
                index = index * key_size(kind) + key_value(kind, setting, format);
            }
            indices[n] = offset + index;
            n++;
        }
        offset += family_size(&families[f]);
    }
    return n;
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
    for (size_t i = 0; i < sizeof cpu_priors / sizeof cpu_priors[0]; i++) {
        if (strcmp(cpu_priors[i].family, f->name) == 0 && cpu_priors[i].first_key == values[0]) {
            return log(cpu_priors[i].prior);
        }
    }
    const bool by_format_only = f->keys[0] == KEY_FORMAT;
    return log(by_format_only ? lane_prior_of_format[values[0]] : f->prior);
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
        const size_t size = key_size(families[f].keys[k - 1]);
        values[k - 1] = index % size;
        index /= size;
    }
    mf_effect_info info = {.name = families[f].name,
                           .knob = families[f].knob,
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
        [MF_TYPE_Q5_0] = MF_FORMAT_Q4_0,       [MF_TYPE_Q5_1] = MF_FORMAT_Q4_0,
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
        [MF_TYPE_INT4_G128] = MF_FORMAT_INT4,
    };
    return formats[type];
}
