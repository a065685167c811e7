#include "memfit/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define FILE_DIGITS 5

/* Our own texts only: no quotes, backslashes or control characters to escape. */
static void add_text_field(mf_str *text, const char *key, const char *value)
{
    mf_str_printf(text, "  \"%s\": \"%s\",\n", key, value ? value : "");
}

static void add_factor(mf_str *text, const mf_effect *effect)
{
    char factor[MF_NUMBER_SIZE];
    char sd[MF_NUMBER_SIZE];
    mf_str_printf(text,
                  "\"factor\": %s, \"log_sd\": %s, \"rows\": %u",
                  mf_number_text(factor, exp(effect->log_value), FILE_DIGITS),
                  mf_number_text(sd, effect->log_sd, FILE_DIGITS),
                  effect->n_rows);
}

/* Effects without rows hold their prior: the reader knows it. */
static void add_effects(mf_str *text, const mf_calibration *c)
{
    const char *separator = "\n";
    mf_str_add(text, "  \"effects\": [");
    for (size_t i = 0; i < mf_effect_count(); i++) {
        if (c->effects[i].n_rows == 0) {
            continue;
        }
        const mf_effect_info info = mf_effect_describe(i);
        mf_str_printf(text, "%s    {\"effect\": \"%s\", \"of\": [", separator, info.name);
        for (size_t k = 0; k < info.n_keys; k++) {
            mf_str_printf(text, "%s\"%s\"", k > 0 ? ", " : "", info.keys[k]);
        }
        mf_str_add(text, "], ");
        add_factor(text, &c->effects[i]);
        mf_str_add(text, "}");
        separator = ",\n";
    }
    mf_str_add(text, "\n  ],\n");
}

static void add_spread(mf_str *text, const char *start, const char *key, const char *of, double sd)
{
    char number[MF_NUMBER_SIZE];
    mf_str_printf(text,
                  "%s    {\"%s\": \"%s\", \"log_sd\": %s}",
                  start,
                  key,
                  of,
                  mf_number_text(number, sd, FILE_DIGITS));
}

static void add_spreads(mf_str *text, const mf_calibration *c)
{
    mf_str_add(text, "  \"spreads\": [");
    for (size_t f = 0; f < mf_effect_family_count(); f++) {
        add_spread(text, f > 0 ? ",\n" : "\n", "effect", mf_effect_family_name(f), c->spreads[f]);
    }
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        if (c->chip_spreads[k] > 0) {
            add_spread(text, ",\n", "chip", mf_knob_name((mf_knob)k), c->chip_spreads[k]);
        }
    }
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        const char *test = mf_speed_test_name((mf_speed_test)t);
        add_spread(text, ",\n", "architecture", test, c->architecture_spreads[t]);
    }
    mf_str_add(text, "\n  ],\n");
}

static void add_architectures(mf_str *text, const mf_calibration *c)
{
    mf_str_add(text, "  \"architectures\": [");
    for (size_t i = 0; i < c->n_architectures; i++) {
        const mf_architecture_effects *a = &c->architectures[i];
        const char *separator = "";
        mf_str_printf(
            text, "%s\n    {\"architecture\": \"%s\", \"effects\": [", i > 0 ? "," : "", a->name);
        for (size_t t = 0; t < MF_TEST_COUNT; t++) {
            if (a->tests[t].n_rows == 0) {
                continue;
            }
            mf_str_printf(
                text, "%s{\"test\": \"%s\", ", separator, mf_speed_test_name((mf_speed_test)t));
            add_factor(text, &a->tests[t]);
            mf_str_add(text, "}");
            separator = ", ";
        }
        mf_str_add(text, "]}");
    }
    mf_str_add(text, "\n  ],\n");
}

static void add_chips(mf_str *text, const mf_calibration *c)
{
    mf_str_add(text, "  \"chips\": [");
    for (size_t i = 0; i < c->n_chips; i++) {
        const mf_chip_effects *chip = &c->chips[i];
        const char *separator = "\n";
        mf_str_printf(text,
                      "%s\n    {\"device\": \"%s\", \"decode_rows\": %u, \"prefill_rows\": %u,"
                      " \"effects\": [",
                      i > 0 ? "," : "",
                      chip->device_id,
                      chip->n_decode_rows,
                      chip->n_prefill_rows);
        for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
            if (chip->knobs[k].n_rows == 0) {
                continue;
            }
            mf_str_printf(text, "%s      {\"knob\": \"%s\", ", separator, mf_knob_name((mf_knob)k));
            add_factor(text, &chip->knobs[k]);
            mf_str_add(text, "}");
            separator = ",\n";
        }
        mf_str_add(text, "]}");
    }
    mf_str_add(text, "\n  ],\n");
}

const char *mf_residual_pool_name(const mf_residual_pool *pool)
{
    switch (pool->scope) {
    case MF_POOL_CLASS:
        return mf_chip_class_name(pool->chip_class);
    case MF_POOL_VENDOR:
        return mf_vendor_name(pool->vendor);
    case MF_POOL_ALL:
        break;
    }
    return "all";
}

static void add_pools(mf_str *text, const mf_calibration *c)
{
    mf_str_add(text, "  \"intervals\": [");
    for (size_t i = 0; i < c->n_pools; i++) {
        const mf_residual_pool *pool = &c->pools[i];
        char width[MF_NUMBER_SIZE];
        char mean[MF_NUMBER_SIZE];
        char median[MF_NUMBER_SIZE];
        mf_str_printf(
            text,
            "%s\n    {\"test\": \"%s\", \"left_out\": \"%s\", \"of\": \"%s\","
            " \"half_width_sds\": %s, \"mean_error\": %s, \"median_error\": %s, \"rows\": %u}",
            i > 0 ? "," : "",
            mf_speed_test_name(pool->test),
            mf_left_out_name(pool->left_out),
            mf_residual_pool_name(pool),
            mf_number_text(width, pool->half_width_sds, FILE_DIGITS),
            mf_number_text(mean, pool->mean_error, FILE_DIGITS),
            mf_number_text(median, pool->median_error, FILE_DIGITS),
            pool->n_rows);
    }
    mf_str_add(text, "\n  ]\n");
}

static void add_class_rows(mf_str *text, const mf_calibration *c)
{
    const char *separator = "\n";
    mf_str_add(text, "  \"class_rows\": [");
    for (size_t i = 0; i < MF_CLASS_COUNT; i++) {
        const uint32_t decode = c->n_rows[MF_TEST_DECODE][i];
        const uint32_t prefill = c->n_rows[MF_TEST_PREFILL][i];
        if (decode == 0 && prefill == 0) {
            continue;
        }
        mf_str_printf(text,
                      "%s    {\"class\": \"%s\", \"decode\": %u, \"prefill\": %u}",
                      separator,
                      mf_chip_class_name((mf_chip_class)i),
                      decode,
                      prefill);
        separator = ",\n";
    }
    mf_str_add(text, "\n  ],\n");
}

mf_status mf_calibration_text(char **text, const mf_calibration *calibration, mf_error *err)
{
    mf_str out = {0};
    mf_str_add(&out, "{\n  \"schema\": 1,\n");
    add_text_field(&out, "engine", calibration->engine);
    add_text_field(&out, "fitted", calibration->fitted);
    add_text_field(&out, "data", calibration->data);
    add_text_field(&out, "method", calibration->method);
    add_class_rows(&out, calibration);
    add_spreads(&out, calibration);
    add_effects(&out, calibration);
    add_architectures(&out, calibration);
    add_chips(&out, calibration);
    add_pools(&out, calibration);
    mf_str_add(&out, "}\n");
    const mf_status status = mf_str_status(&out, err);
    if (status != MF_OK) {
        mf_str_free(&out);
        return status;
    }
    *text = out.data;
    return MF_OK;
}
