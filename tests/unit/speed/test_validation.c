#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/memfit.h"

static mf_validation_group find_group(const mf_validation *v, mf_group_by by, const char *key)
{
    mf_validation_group *groups = NULL;
    mf_validation_group found = {0};
    size_t n = 0;
    cr_assert(eq(int, mf_validation_groups(&groups, &n, v, NULL), MF_OK));
    for (size_t i = 0; i < n; i++) {
        if (groups[i].by == by && strcmp(groups[i].key, key) == 0) {
            found = groups[i];
        }
    }
    free(groups);
    return found;
}

static char device_a[] = "a";
static char device_b[] = "b";
static char model[] = "m";
static char quant[] = "Q4_K_M";

/* Three rows of chip a (10 % high, 20 % low, 30 % low), one of chip b (exact), one that is skipped. */
static void fill(mf_validation *v, mf_validated items[5], mf_measurement measured[5])
{
    static const double predicted[5] = {110, 80, 70, 100, 1e6};
    for (size_t i = 0; i < 5; i++) {
        measured[i] = (mf_measurement){
            .device = i < 3 ? device_a : device_b, .model = model, .quant = quant, .tok_s = 100};
        items[i] = (mf_validated){
            .measurement = &measured[i],
            .rate = {.known = true,
                     .tok_s = predicted[i],
                     .low_tok_s = 0.8 * predicted[i],
                     .high_tok_s = 1.3 * predicted[i]},
            .skip = i == 4 ? "low trust" : NULL,
            .chip_class = i < 3 ? MF_CLASS_AMD_GDDR : MF_CLASS_APPLE_M5,
        };
        items[i].rules[MF_PUBLISHED_075] = 150;
    }
    *v = (mf_validation){.items = items, .n_items = 5};
}

Test(validation, groups_hold_the_figures_of_scored_rows)
{
    mf_validation v;
    mf_validated items[5];
    mf_measurement measured[5];
    fill(&v, items, measured);
    const mf_validation_group all = find_group(&v, MF_GROUP_ALL, "");
    cr_assert(eq(sz, all.n, 4));
    cr_assert(epsilon_eq(dbl, all.mape, 0.15, 1e-12));
    cr_assert(epsilon_eq(dbl, all.median_ape, 0.1, 1e-12));
    cr_assert(epsilon_eq(dbl, all.p90_ape, 0.3, 1e-12));
    cr_assert(epsilon_eq(dbl, all.bias, -0.1, 1e-12));
    cr_assert(epsilon_eq(dbl, all.coverage90, 0.75, 1e-12)); /* 70 * 1.3 is 91 */
    cr_assert(epsilon_eq(dbl, all.chip_coverage90, (2.0 / 3 + 1) / 2, 1e-12));
    cr_assert(epsilon_eq(dbl, all.mean_width, 0.25, 1e-12));
    cr_assert(epsilon_eq(dbl, all.rules[MF_PUBLISHED_075], 0.5, 1e-12));
    const mf_validation_group amd = find_group(&v, MF_GROUP_VENDOR, "amd");
    cr_assert(eq(sz, amd.n, 3));
    cr_assert(epsilon_eq(dbl, amd.mape, 0.2, 1e-12));
    cr_assert(eq(sz, find_group(&v, MF_GROUP_DEVICE, "b").n, 1));
}

static mf_database *database;
static mf_calibration *calibration;

static void set_up(void)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_init();
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
    cr_assert(eq(
        int,
        mf_calibration_load(&calibration, MF_SOURCE_DIR "/hwdb/calibration/llama.cpp.json", NULL),
        MF_OK));
}

static void tear_down(void)
{
    mf_calibration_free(calibration);
    mf_database_close(database);
}

static const char rows_csv[] =
    "device,n_devices,engine,model,quant,test,n_tokens,tok_s,trust,date\n"
    "nvidia-rtx-4090,1,llama.cpp,llama-3.1-8b,Q4_K_M,tg,128,150,high,2026-01\n"
    "nvidia-rtx-4090,2,llama.cpp,llama-3.1-8b,Q4_K_M,tg,128,150,high,2026-01\n"
    "nvidia-rtx-4090,1,llama.cpp,llama-3.1-8b,Q4_K_M,tg,128,900,flagged,2026-01\n"
    "nvidia-rtx-9999,1,llama.cpp,llama-3.1-8b,Q4_K_M,tg,128,150,high,2026-01\n"
    "nvidia-rtx-4090,1,vllm,llama-3.1-8b,BF16,tg,128,50,high,2026-01\n"
    "nvidia-rtx-3090,1,llama.cpp,llama-3.1-8b,F16,tg,128,52,high,2025-02\n"
    "nvidia-rtx-4080,1,llama.cpp,qwen3-8b,Q8_0,tg,128,70,high,2025-03\n";

static mf_validation validated(mf_measurements *rows, mf_hold_out left_out, const char *after)
{
    mf_error err = {0};
    mf_validation v = {0};
    mf_validation_options options = {.left_out = left_out, .after = after};
    options.calibrations[MF_ENGINE_LLAMACPP] = calibration;
    cr_assert(
        eq(int, mf_measurements_parse(rows, rows_csv, strlen(rows_csv), "rows.csv", &err), MF_OK),
        "%s",
        err.message);
    cr_assert(eq(int, mf_validate(&v, rows, database, &options, &err), MF_OK), "%s", err.message);
    cr_assert(eq(sz, v.n_items, 7));
    return v;
}

Test(validation, every_row_has_a_prediction_or_a_reason, .init = set_up, .fini = tear_down)
{
    mf_measurements rows = {0};
    mf_validation v = validated(&rows, MF_HOLD_OUT_NONE, NULL);
    static const char *const reasons[] = {NULL,
                                          NULL,
                                          "flagged: contradicts itself or physics",
                                          "unknown device",
                                          "engine without a calibration",
                                          NULL,
                                          NULL};
    for (size_t i = 0; i < 7; i++) {
        const char *skip = v.items[i].skip;
        cr_assert(reasons[i] == NULL ? skip == NULL : skip != NULL && strcmp(skip, reasons[i]) == 0,
                  "row %zu: %s",
                  i,
                  skip);
        cr_assert(skip != NULL || v.items[i].rate.known);
    }
    const double split = v.items[1].rate.tok_s / v.items[0].rate.tok_s;
    cr_assert(lt(dbl, split, 1),
              "layers of two cards run one after the other, and the state moves");
    cr_assert(gt(dbl, split, 0.9));
    const mf_rate rate = v.items[0].rate;
    cr_assert(eq(int, rate.basis, MF_BASIS_CHIP));
    cr_assert(lt(dbl, rate.low_tok_s, rate.tok_s));
    cr_assert(lt(dbl, rate.tok_s, rate.high_tok_s));
    cr_assert(le(dbl, rate.high_tok_s, rate.ceiling_tok_s));
    mf_validation_free(&v);
    mf_measurements_free(&rows);
}

Test(validation, what_is_left_out_decides_the_basis, .init = set_up, .fini = tear_down)
{
    mf_measurements rows = {0};
    mf_validation v = validated(&rows, MF_HOLD_OUT_CHIP, NULL);
    cr_assert(v.items[0].rate.known);
    cr_assert(eq(int, v.items[0].rate.basis, MF_BASIS_FAMILY));
    mf_validation_free(&v);
    mf_measurements_free(&rows);
}

Test(validation, rows_before_the_date_stay_in_the_fit, .init = set_up, .fini = tear_down)
{
    mf_measurements rows = {0};
    mf_validation v = validated(&rows, MF_HOLD_OUT_AFTER, "2026");
    cr_assert(v.items[0].rate.known && v.items[0].skip == NULL);
    cr_assert(not(v.items[5].rate.known));
    cr_assert(eq(str, (char *)v.items[5].skip, "in the fit: older than the date"));
    mf_validation_free(&v);
    mf_measurements_free(&rows);
}

/* Two cards of 32 GiB: 97.3 and 98.2 % full with these contexts. ROCm fails where Vulkan goes on. */
Test(validation, a_full_card_is_no_ground_for_a_speed, .init = set_up, .fini = tear_down)
{
    static const char text[] =
        "device,n_devices,engine,model,quant,test,n_tokens,depth,tok_s,trust,date,notes\n"
        "amd-r9700,2,llama.cpp,gpt-oss-120b,MXFP4,tg,32,16384,69,high,2025-12,vulkan; FA on\n"
        "amd-r9700,2,llama.cpp,gpt-oss-120b,MXFP4,tg,32,32768,8.9,high,2025-12,vulkan; FA on\n"
        "amd-r9700,2,llama.cpp,gpt-oss-120b,MXFP4,tg,32,32768,60,high,2025-12,rocm; FA on\n";
    mf_error err = {0};
    mf_measurements rows = {0};
    mf_validation v = {0};
    mf_validation_options options = {.left_out = MF_HOLD_OUT_NONE};
    options.calibrations[MF_ENGINE_LLAMACPP] = calibration;
    cr_assert(eq(int, mf_measurements_parse(&rows, text, strlen(text), "rows.csv", &err), MF_OK),
              "%s",
              err.message);
    cr_assert(eq(int, mf_validate(&v, &rows, database, &options, &err), MF_OK), "%s", err.message);
    cr_assert(v.items[0].rate.known && v.items[0].skip == NULL, "%s", v.items[0].skip);
    cr_assert(eq(
        str, (char *)v.items[1].skip, "a card so full that its driver moves a part to the host"));
    cr_assert(v.items[2].rate.known && v.items[2].skip == NULL);
    mf_validation_free(&v);
    mf_measurements_free(&rows);
}
