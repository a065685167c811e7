#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memfit/calibration.h"
#include "speed/interval.h"

/* Writes text to a scratch file and reads it as a calibration. */
static mf_status load_text(mf_calibration **out, const char *text, mf_error *err)
{
    char path[] = "/tmp/memfit-calibration-XXXXXX";
    const int file = mkstemp(path);
    cr_assert(ge(int, file, 0));
    cr_assert(eq(sz, (size_t)write(file, text, strlen(text)), strlen(text)));
    close(file);
    const mf_status status = mf_calibration_load(out, path, err);
    unlink(path);
    return status;
}

static mf_calibration *priors(void)
{
    mf_calibration *c = NULL;
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", NULL), MF_OK));
    return c;
}

Test(calibration, what_is_written_reads_the_same)
{
    mf_calibration *c = priors();
    const mf_setting m1 = {
        .chip = "apple-m1-7c", .chip_class = MF_CLASS_APPLE_M1_M2, .runtime = MF_RUNTIME_METAL};
    mf_effect_use uses[MF_MAX_KNOB_EFFECTS];
    mf_knob_effects(uses, MF_KNOB_LANE, &m1, MF_FORMAT_Q4_K);
    c->effects[uses[1].index] = (mf_effect){.log_value = log(1.25), .log_sd = 0.125, .n_rows = 7};
    c->chips = calloc(1, sizeof *c->chips);
    c->chips[0].device_id = strdup("apple-m1-7c");
    c->chips[0].n_decode_rows = 3;
    c->chips[0].knobs[MF_KNOB_LANE] = (mf_effect){.log_value = log(0.5), .n_rows = 3};
    c->n_chips = 1;
    c->pools = calloc(1, sizeof *c->pools);
    c->pools[0] = (mf_residual_pool){.test = MF_TEST_PREFILL,
                                     .left_out = MF_LEFT_OUT_CHIP,
                                     .scope = MF_POOL_VENDOR,
                                     .vendor = MF_VENDOR_NVIDIA,
                                     .half_width_sds = 0.25,
                                     .n_rows = 40};
    c->n_pools = 1;
    c->architectures = calloc(1, sizeof *c->architectures);
    c->architectures[0].name = strdup("qwen3moe");
    c->architectures[0].tests[MF_TEST_PREFILL] = (mf_effect){.log_value = log(1.5), .n_rows = 2};
    c->n_architectures = 1;
    c->spreads[3] = 0.375;
    c->chip_spreads[MF_KNOB_LAYER] = 0.625;
    c->n_rows[MF_TEST_DECODE][MF_CLASS_APPLE_M1_M2] = 3;
    const double before = mf_calibration_value(c, MF_KNOB_LANE, &m1, MF_FORMAT_Q4_K);
    char *text = NULL;
    cr_assert(eq(int, mf_calibration_text(&text, c, NULL), MF_OK));
    mf_calibration_free(c);
    mf_error err = {0};
    cr_assert(eq(int, load_text(&c, text, &err), MF_OK), "%s", err.message);
    cr_assert(epsilon_eq(
        dbl, mf_calibration_value(c, MF_KNOB_LANE, &m1, MF_FORMAT_Q4_K), before, 1e-4 * before));
    cr_assert(eq(sz, c->n_pools, 1));
    cr_assert(eq(u32, c->n_rows[MF_TEST_DECODE][MF_CLASS_APPLE_M1_M2], 3));
    char *again = NULL;
    cr_assert(eq(int, mf_calibration_text(&again, c, NULL), MF_OK));
    cr_assert(eq(str, again, text));
    free(text);
    free(again);
    mf_calibration_free(c);
}

Test(calibration, every_effect_has_a_name_of_its_own)
{
    for (size_t i = 1; i < mf_effect_count(); i++) {
        const mf_effect_info a = mf_effect_describe(i - 1);
        const mf_effect_info b = mf_effect_describe(i);
        bool same = strcmp(a.name, b.name) == 0 && a.n_keys == b.n_keys;
        for (size_t k = 0; same && k < a.n_keys; k++) {
            same = strcmp(a.keys[k], b.keys[k]) == 0;
        }
        cr_assert(not(same), "effects %zu and %zu", i - 1, i);
    }
}

Test(calibration, a_setting_finds_the_effects_that_carry_its_keys)
{
    const mf_setting setting = {
        .chip_class = MF_CLASS_AMD_UNIFIED, .runtime = MF_RUNTIME_VULKAN, .flash_attention = true};
    mf_effect_use uses[MF_MAX_KNOB_EFFECTS];
    const size_t n = mf_knob_effects(uses, MF_KNOB_KV, &setting, MF_FORMAT_F16);
    cr_assert(eq(sz, n, 5));
    const mf_effect_info last = mf_effect_describe(uses[4].index);
    cr_assert(eq(str, (char *)last.keys[0], "amd-unified"));
    cr_assert(eq(str, (char *)last.keys[1], "vulkan"));
    cr_assert(eq(str, (char *)last.keys[2], "flash"));
}

#define HEAD                                                                                       \
    "{\"schema\": 1, \"engine\": \"x\", \"fitted\": \"\", \"data\": \"\", \"method\": \"\", "
#define NEW_LISTS "\"spreads\": [], \"architectures\": [], "
#define LISTS NEW_LISTS "\"class_rows\": [], \"chips\": [], \"intervals\": [], "

/* The effect of a family in a setting; SIZE_MAX without. */
static size_t effect_of(const char *family, mf_setting setting, mf_format format)
{
    mf_effect_use uses[MF_MAX_KNOB_EFFECTS];
    const size_t n = mf_knob_effects(uses, MF_KNOB_WORK, &setting, format);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(mf_effect_describe(uses[i].index).name, family) == 0) {
            return uses[i].index;
        }
    }
    return SIZE_MAX;
}

static size_t effect_in(const char *family, mf_runtime runtime, mf_format format)
{
    return effect_of(
        family, (mf_setting){.chip_class = MF_CLASS_NVIDIA_GDDR, .runtime = runtime}, format);
}

Test(calibration, apples_first_gpus_emulate_what_mlx_computes_in)
{
    const char *family = "work_by_emulated_bf16";
    mf_setting setting = {.chip_class = MF_CLASS_APPLE_M1_M2, .runtime = MF_RUNTIME_MLX};
    cr_assert(ne(sz, effect_of(family, setting, MF_FORMAT_MLX4), SIZE_MAX));
    setting.chip_class = MF_CLASS_APPLE_M3_M4;
    cr_assert(eq(sz, effect_of(family, setting, MF_FORMAT_MLX4), SIZE_MAX));
    setting = (mf_setting){.chip_class = MF_CLASS_APPLE_M1_M2, .runtime = MF_RUNTIME_METAL};
    cr_assert(eq(sz, effect_of(family, setting, MF_FORMAT_Q4_0), SIZE_MAX));
}

Test(calibration, packed_formats_share_a_kernel_and_backends_their_source)
{
    const char *kernel = "work_by_runtime_kernel";
    const size_t packed = effect_in(kernel, MF_RUNTIME_CUDA, MF_FORMAT_Q4_0);
    cr_assert(ne(sz, packed, SIZE_MAX));
    cr_assert(eq(sz, packed, effect_in(kernel, MF_RUNTIME_CUDA, MF_FORMAT_Q6_K)));
    cr_assert(ne(sz, packed, effect_in(kernel, MF_RUNTIME_CUDA, MF_FORMAT_F16)));
    cr_assert(ne(sz, packed, effect_in(kernel, MF_RUNTIME_ROCM, MF_FORMAT_Q4_0)));
    const char *source = "work_by_source_format";
    const size_t cuda = effect_in(source, MF_RUNTIME_CUDA, MF_FORMAT_Q4_0);
    cr_assert(eq(sz, cuda, effect_in(source, MF_RUNTIME_ROCM_2025, MF_FORMAT_Q4_0)));
    cr_assert(ne(sz, cuda, effect_in(source, MF_RUNTIME_VULKAN, MF_FORMAT_Q4_0)));
    cr_assert(ne(sz, cuda, effect_in(source, MF_RUNTIME_CUDA, MF_FORMAT_Q4_K)));
}

Test(calibration, what_is_learnt_of_a_kernel_reaches_each_of_its_formats)
{
    mf_calibration *c = priors();
    const mf_setting setting = {.chip_class = MF_CLASS_NVIDIA_GDDR, .runtime = MF_RUNTIME_CUDA};
    const size_t i = effect_in("work_by_runtime_kernel", MF_RUNTIME_CUDA, MF_FORMAT_Q4_K);
    const double packed = mf_calibration_value(c, MF_KNOB_WORK, &setting, MF_FORMAT_Q6_K);
    const double plain = mf_calibration_value(c, MF_KNOB_WORK, &setting, MF_FORMAT_F16);
    c->effects[i] = (mf_effect){.log_value = log(1.75), .n_rows = 3};
    cr_assert(epsilon_eq(
        dbl, mf_calibration_value(c, MF_KNOB_WORK, &setting, MF_FORMAT_Q6_K), 1.75 * packed, 1e-9));
    cr_assert(epsilon_eq(
        dbl, mf_calibration_value(c, MF_KNOB_WORK, &setting, MF_FORMAT_F16), plain, 1e-9));
    mf_calibration_free(c);
}

Test(calibration, broken_files_are_refused_with_a_place)
{
    static const char *const texts[] = {
        "{}",
        "{\"schema\": 2}",
        HEAD LISTS "\"effects\": [{\"effect\": \"eta\", \"of\": []}]}",
        HEAD LISTS
        "\"effects\": [{\"effect\": \"nonsense\", \"of\": [], \"factor\": 1, \"log_sd\": 0, "
        "\"rows\": 1}]}",
        HEAD LISTS "\"effects\": [{\"effect\": \"eta\", \"of\": [\"cuda\"], \"factor\": 1, "
                   "\"log_sd\": 0, \"rows\": 1}]}",
        HEAD LISTS "\"effects\": [{\"effect\": \"eta\", \"of\": [], \"factor\": 0, \"log_sd\": 0, "
                   "\"rows\": 1}]}",
        HEAD LISTS "\"effects\": [{\"effect\": \"eta\", \"of\": [], \"factor\": -1, \"log_sd\": 0, "
                   "\"rows\": 1}]}",
        HEAD NEW_LISTS "\"class_rows\": [{\"class\": \"zx81\"}], \"chips\": [], \"intervals\": [], "
                       "\"effects\": []}",
        HEAD NEW_LISTS "\"class_rows\": [], \"chips\": [{\"device\": 5}], \"intervals\": [], "
                       "\"effects\": []}",
        HEAD NEW_LISTS
        "\"class_rows\": [], \"intervals\": [], \"effects\": [], \"chips\": [{\"device\": \"b\", "
        "\"decode_rows\": 1, \"prefill_rows\": 1, \"effects\": []}, {\"device\": \"a\", "
        "\"decode_rows\": 1, \"prefill_rows\": 1, \"effects\": []}]}",
        HEAD NEW_LISTS
        "\"class_rows\": [], \"chips\": [], \"effects\": [], \"intervals\": [{\"test\": "
        "\"decode\"}]}",
        HEAD "\"class_rows\": [], \"chips\": [], \"effects\": [], \"intervals\": [], "
             "\"architectures\": [], \"spreads\": [{\"effect\": \"zx81\", \"log_sd\": 1}]}",
        HEAD "\"class_rows\": [], \"chips\": [], \"effects\": [], \"intervals\": [], "
             "\"spreads\": [], \"architectures\": [{\"architecture\": \"b\", \"effects\": []}, "
             "{\"architecture\": \"a\", \"effects\": []}]}",
        HEAD "\"class_rows\": [], \"chips\": [], \"effects\": [], \"intervals\": [], "
             "\"spreads\": [], \"architectures\": [{\"architecture\": \"b\", \"effects\": "
             "[{\"test\": \"train\", \"factor\": 1, \"log_sd\": 1, \"rows\": 1}]}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        mf_calibration *c = NULL;
        mf_error err = {0};
        cr_assert(eq(int, load_text(&c, texts[i], &err), MF_E_DATA), "text %zu", i);
        cr_assert(ne(ptr, strstr(err.message, ":1:"), NULL), "%s", err.message);
    }
}

Test(calibration, a_missing_file_is_an_io_error)
{
    mf_calibration *c = NULL;
    cr_assert(eq(int, mf_calibration_load(&c, "/nonexistent/x.json", NULL), MF_E_IO));
}

Test(calibration, basis_follows_from_the_rows_behind_it)
{
    mf_calibration *c = priors();
    c->chips = calloc(1, sizeof *c->chips);
    c->chips[0].device_id = strdup("card");
    c->chips[0].n_decode_rows = 2;
    c->n_chips = 1;
    c->n_rows[MF_TEST_PREFILL][MF_CLASS_AMD_GDDR] = 5;
    const mf_setting setting = {.chip = "card", .chip_class = MF_CLASS_AMD_GDDR};
    cr_assert(eq(int, mf_interval_basis(c, &setting, MF_TEST_DECODE), MF_BASIS_CHIP));
    cr_assert(eq(int, mf_interval_basis(c, &setting, MF_TEST_PREFILL), MF_BASIS_FAMILY));
    const mf_setting other = {.chip = "other", .chip_class = MF_CLASS_INTEL_ARC};
    cr_assert(eq(int, mf_interval_basis(c, &other, MF_TEST_DECODE), MF_BASIS_DATASHEET));
    mf_calibration_free(c);
}

Test(calibration, the_pool_of_the_class_goes_before_that_of_its_vendor)
{
    mf_calibration *c = priors();
    const mf_residual_pool pools[] = {
        {.left_out = MF_LEFT_OUT_CHIP,    .half_width_sds = 0.1},
        { .left_out = MF_LEFT_OUT_CHIP,
         .scope = MF_POOL_CLASS,
         .chip_class = MF_CLASS_AMD_GDDR,
         .half_width_sds = 0.4},
        {                                  .left_out = MF_LEFT_OUT_CHIP,
         .scope = MF_POOL_VENDOR,
         .vendor = MF_VENDOR_AMD,
         .half_width_sds = 0.2},
    };
    c->pools = malloc(sizeof pools);
    memcpy(c->pools, pools, sizeof pools);
    c->n_pools = 3;
    mf_setting setting = {.chip_class = MF_CLASS_AMD_GDDR};
    const mf_basis family = MF_BASIS_FAMILY;
    cr_assert(
        epsilon_eq(dbl, mf_interval_width_of(c, &setting, MF_TEST_DECODE, family).sds, 0.4, 1e-12));
    setting.chip_class = MF_CLASS_AMD_UNIFIED;
    cr_assert(
        epsilon_eq(dbl, mf_interval_width_of(c, &setting, MF_TEST_DECODE, family).sds, 0.2, 1e-12));
    setting.chip_class = MF_CLASS_INTEL_ARC;
    cr_assert(gt(dbl, mf_interval_width_of(c, &setting, MF_TEST_DECODE, family).log, 0.5));
    cr_assert(gt(dbl, mf_interval_width_of(c, &setting, MF_TEST_PREFILL, family).log, 0.5));
    mf_calibration_free(c);
}
