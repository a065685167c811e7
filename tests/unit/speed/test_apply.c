#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/calibration.h"
#include "speed/interval.h"
#include "speed/law.h"

/* A record made by hand: rates in SI, work of one repetition 1. */
typedef struct bench {
    mf_record record;
    mf_record_result results[MF_PROBE_COUNT];
    mf_device device;
    mf_calibration *calibration;
    mf_setting setting;
} bench;

static void measure(bench *b, mf_probe probe, double rate)
{
    mf_record_result *r = &b->results[b->record.n_results];
    *r = (mf_record_result){
        .probe = probe,
        .outcome = MF_OUTCOME_MEASURED,
        .work = {.value = 1,        .known = true},
        .median_s = {.value = 1 / rate, .known = true}
    };
    b->record.n_results++;
    b->record.results = b->results;
}

static void set_up(bench *b, mf_chip_class chip_class, mf_runtime runtime)
{
    memset(b, 0, sizeof *b);
    cr_assert(eq(int, mf_calibration_new(&b->calibration, "llama.cpp", NULL), MF_OK));
    b->record.id = "this-one";
    b->device = (mf_device){
        .id = "this-one",
        .vendor = mf_chip_class_vendor(chip_class),
        .chip_class = chip_class,
        .bandwidth_bytes_per_s = {.value = 400e9, .known = true},
        .fp32_flop_per_s = {.value = 14e12, .known = true}
    };
    b->record.backend = MF_PROBE_BACKEND_METAL;
    b->setting = (mf_setting){
        .chip = "this-one", .chip_class = chip_class, .runtime = runtime, .flash_attention = true};
}

static double value(const bench *b, mf_knob knob, mf_format format)
{
    return mf_calibration_value(b->calibration, knob, &b->setting, format);
}

static void apply(bench *b)
{
    mf_error err = {0};
    const mf_status status = mf_calibration_apply(b->calibration, &b->record, &b->device, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
}

Test(apply, a_slow_memory_lowers_eta_and_a_fast_one_raises_it)
{
    static const double reads[] = {0.6, 0.95};
    for (size_t i = 0; i < 2; i++) {
        bench b;
        set_up(&b, MF_CLASS_APPLE_M3_M4, MF_RUNTIME_METAL);
        const double before = value(&b, MF_KNOB_ETA, MF_FORMAT_F16);
        measure(&b, MF_PROBE_READ, reads[i] * 400e9);
        apply(&b);
        const double after = value(&b, MF_KNOB_ETA, MF_FORMAT_F16);
        /* Between the class and the measurement, nearer to the measurement: sd 0.05 against 0.08. */
        const double target = 1.02 * reads[i];
        const double share = log(after / before) / log(target / before);
        cr_assert(epsilon_eq(dbl, share, 0.0064 / (0.0064 + 0.0025), 1e-6));
        mf_calibration_free(b.calibration);
    }
}

Test(apply, an_unmeasured_part_keeps_its_ground)
{
    bench b;
    set_up(&b, MF_CLASS_APPLE_M3_M4, MF_RUNTIME_METAL);
    measure(&b, MF_PROBE_READ, 350e9);
    const double work = value(&b, MF_KNOB_WORK, MF_FORMAT_Q4_K);
    apply(&b);
    cr_assert(epsilon_eq(dbl, value(&b, MF_KNOB_WORK, MF_FORMAT_Q4_K), work, 1e-12));
    cr_assert(
        eq(int, mf_interval_basis(b.calibration, &b.setting, MF_TEST_DECODE), MF_BASIS_CALIBRATED));
    cr_assert(
        eq(int, mf_interval_basis(b.calibration, &b.setting, MF_TEST_PREFILL), MF_BASIS_DATASHEET));
    mf_calibration_free(b.calibration);
}

Test(apply, a_faster_product_is_less_work)
{
    bench b;
    set_up(&b, MF_CLASS_APPLE_M3_M4, MF_RUNTIME_METAL);
    measure(&b, MF_PROBE_READ, 350e9);
    measure(&b, MF_PROBE_GEMM_F32, 6e12);
    measure(&b, MF_PROBE_GEMM_F16_OWN, 13e12); /* the best one counts */
    const double before = value(&b, MF_KNOB_WORK, MF_FORMAT_Q4_K);
    apply(&b);
    const double target = 1.15 * 14 / 13;
    const double f16 = value(&b, MF_KNOB_WORK, MF_FORMAT_F16);
    cr_assert(lt(dbl, value(&b, MF_KNOB_WORK, MF_FORMAT_Q4_K), before));
    cr_assert(gt(dbl, f16, target * 0.99));
    cr_assert(eq(
        int, mf_interval_basis(b.calibration, &b.setting, MF_TEST_PREFILL), MF_BASIS_CALIBRATED));
    mf_calibration_free(b.calibration);
}

Test(apply, a_chip_with_rows_keeps_what_they_say)
{
    bench b;
    set_up(&b, MF_CLASS_APPLE_M3_M4, MF_RUNTIME_METAL);
    mf_chip_effects *chip = mf_calibration_add_chip(b.calibration, "this-one");
    chip->knobs[MF_KNOB_ETA] = (mf_effect){.log_value = -0.2, .log_sd = 0.01, .n_rows = 40};
    chip->n_decode_rows = 40;
    const double before = value(&b, MF_KNOB_ETA, MF_FORMAT_F16);
    measure(&b, MF_PROBE_READ, 390e9);
    apply(&b);
    const double moved = log(value(&b, MF_KNOB_ETA, MF_FORMAT_F16) / before);
    cr_assert(gt(dbl, moved, 0));
    cr_assert(lt(dbl, moved, 0.02), "40 rows weigh more than one probe");
    mf_calibration_free(b.calibration);
}

static void measure_cpu(bench *b)
{
    set_up(b, MF_CLASS_CPU, MF_RUNTIME_CPU);
    b->record.backend = MF_PROBE_BACKEND_CPU;
    b->device.bandwidth_bytes_per_s.value = 30e9;
    b->device.fp32_flop_per_s.value = 200e9;
    b->device.int8_matrix_op_per_s = (mf_fact){.value = 260e9, .known = true};
    measure(b, MF_PROBE_READ, 30e9);
    measure(b, MF_PROBE_GEMM_F32, 180e9);
    measure(b, MF_PROBE_LAUNCH, 1 / 3e-6);
    measure(b, MF_PROBE_UNPACK_F16, 80e9);
    measure(b, MF_PROBE_UNPACK_Q8_0, 90e9);
    measure(b, MF_PROBE_UNPACK_Q4_0, 70e9);
    measure(b, MF_PROBE_UNPACK_Q4_K, 75e9);
    measure(b, MF_PROBE_PROMPT_Q8_0, 150e9);
    measure(b, MF_PROBE_PROMPT_Q4_0, 260e9);
    measure(b, MF_PROBE_PROMPT_Q4_K, 200e9);
    measure(b, MF_PROBE_KV_F16, 5e9);
}

Test(apply, a_cpu_is_what_was_measured)
{
    bench b;
    measure_cpu(&b);
    apply(&b);
    mf_peaks peaks = {0};
    const char *reason = NULL;
    cr_assert(mf_peaks_of(&peaks, &reason, &b.device, MF_RUNTIME_CPU));
    /* Slots per weight, so that 2 N slots / lanes is N weights at the measured rate. */
    const double slots = value(&b, MF_KNOB_LANE, MF_FORMAT_Q4_0);
    const double per_weight_s = 2 * slots / peaks.lane_flop_per_s;
    cr_assert(epsilon_eq(dbl,
                         per_weight_s,
                         value(&b, MF_KNOB_LANE, MF_FORMAT_Q4_K) * 2 / 200e9 * (75.0 / 70),
                         0.7 * per_weight_s));
    cr_assert(
        gt(dbl, value(&b, MF_KNOB_LANE, MF_FORMAT_Q6_K), value(&b, MF_KNOB_LANE, MF_FORMAT_Q4_K)));
    cr_assert(epsilon_eq(dbl, value(&b, MF_KNOB_ETA, MF_FORMAT_F16), 0.92, 0.05));
    cr_assert(epsilon_eq(dbl, peaks.matrix_flop_per_s, 260e9, 1),
              "products run on the integer units");
    cr_assert(eq(
        int, mf_interval_basis(b.calibration, &b.setting, MF_TEST_PREFILL), MF_BASIS_CALIBRATED));
    cr_assert(
        lt(dbl,
           mf_interval_width_of(b.calibration, &b.setting, MF_TEST_DECODE, MF_BASIS_CALIBRATED).log,
           0.4));
    mf_calibration_free(b.calibration);
}

/* As on a busy computer: the median is anywhere between the best sample and `factor` times the median. */
static void disturb(bench *b, double factor)
{
    for (size_t i = 0; i < b->record.n_results; i++) {
        mf_record_result *r = &b->results[i];
        r->best_s = (mf_fact){.value = r->median_s.value / sqrt(factor), .known = true};
        r->high_s = (mf_fact){.value = r->median_s.value * factor, .known = true};
    }
}

Test(apply, a_noisy_cpu_record_widens_the_interval)
{
    static const double factors[] = {1, 1.01, 4};
    double widths[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        bench b;
        measure_cpu(&b);
        disturb(&b, factors[i]);
        apply(&b);
        widths[i] =
            mf_interval_width_of(b.calibration, &b.setting, MF_TEST_DECODE, MF_BASIS_CALIBRATED)
                .log;
        mf_calibration_free(b.calibration);
    }
    cr_assert(epsilon_eq(dbl, widths[1], widths[0], 0.001), "a quiet one costs nothing");
    cr_assert(ge(dbl, widths[2], log(4)));
}

Test(apply, a_noisy_read_moves_a_gpu_less)
{
    double moved[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        bench b;
        set_up(&b, MF_CLASS_APPLE_M3_M4, MF_RUNTIME_METAL);
        const double before = value(&b, MF_KNOB_ETA, MF_FORMAT_F16);
        measure(&b, MF_PROBE_READ, 0.6 * 400e9);
        disturb(&b, i == 0 ? 1 : 1.5);
        apply(&b);
        moved[i] = fabs(log(value(&b, MF_KNOB_ETA, MF_FORMAT_F16) / before));
        mf_calibration_free(b.calibration);
    }
    cr_assert(lt(dbl, moved[1], 0.3 * moved[0]));
}

Test(apply, twice_the_rates_is_half_the_time)
{
    bench slow;
    bench fast;
    measure_cpu(&slow);
    measure_cpu(&fast);
    for (size_t i = 0; i < fast.record.n_results; i++) {
        if (mf_probe_unit(fast.results[i].probe) == MF_UNIT_FLOP) {
            fast.results[i].median_s.value /= 2;
        }
    }
    apply(&slow);
    apply(&fast);
    cr_assert(epsilon_eq(dbl,
                         value(&slow, MF_KNOB_LANE, MF_FORMAT_Q4_K) /
                             value(&fast, MF_KNOB_LANE, MF_FORMAT_Q4_K),
                         2,
                         1e-9));
    cr_assert(epsilon_eq(dbl,
                         value(&slow, MF_KNOB_WORK, MF_FORMAT_Q8_0) /
                             value(&fast, MF_KNOB_WORK, MF_FORMAT_Q8_0),
                         2,
                         1e-9));
    mf_calibration_free(slow.calibration);
    mf_calibration_free(fast.calibration);
}

Test(apply, without_bandwidth_there_is_no_calibration)
{
    bench b;
    mf_error err = {0};
    set_up(&b, MF_CLASS_APPLE_M3_M4, MF_RUNTIME_METAL);
    measure(&b, MF_PROBE_GEMM_F32, 6e12);
    cr_assert(eq(int, mf_calibration_apply(b.calibration, &b.record, &b.device, &err), MF_E_DATA));
    cr_assert(ne(ptr, strstr(err.message, "no 'read' test"), NULL));
    mf_calibration_free(b.calibration);
}

Test(apply, chips_stay_sorted)
{
    mf_calibration *c = NULL;
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", NULL), MF_OK));
    static const char *const ids[] = {"m", "a", "z", "k", "a"};
    for (size_t i = 0; i < 5; i++) {
        cr_assert(ne(ptr, mf_calibration_add_chip(c, ids[i]), NULL));
    }
    cr_assert(eq(sz, c->n_chips, 4));
    cr_assert(eq(str, c->chips[0].device_id, "a"));
    cr_assert(eq(str, c->chips[3].device_id, "z"));
    cr_assert(ne(ptr, (void *)mf_calibration_chip(c, "k"), NULL));
    mf_calibration_free(c);
}
