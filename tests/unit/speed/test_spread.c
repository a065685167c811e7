#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>

#include "sample.h"
#include "speed/spread.h"

/* The sample model on the sample card, with knobs that are known exactly. */
typedef struct bench {
    sample s;
    mf_work work;
    mf_peaks peaks;
    mf_knobs knobs;
    mf_step step;
} bench;

static const mf_setting setting = {
    .chip_class = MF_CLASS_NVIDIA_GDDR, .runtime = MF_RUNTIME_CUDA, .flash_attention = true};

static void bench_fill(bench *b)
{
    mf_calibration *calibration = NULL;
    const char *reason = NULL;
    const mf_device card = sample_card();
    sample_fill(&b->s);
    cr_assert(eq(int, mf_calibration_new(&calibration, "llama.cpp", NULL), MF_OK));
    cr_assert(
        eq(int, mf_work_build(&b->work, &b->s.model, b->s.types, &(mf_work_part){0}, NULL), MF_OK));
    cr_assert(mf_peaks_of(&b->peaks, &reason, &card, MF_RUNTIME_CUDA));
    b->knobs = mf_knobs_of(calibration, &setting);
    b->knobs.variances = (mf_knob_variances){0};
    b->step = (mf_step){
        .depth = 3000, .n_tokens = 700, .ubatch = 512, .cache = {2, 2}
    };
    mf_calibration_free(calibration);
}

static double decode_sd(const bench *b)
{
    const mf_decode_time t = mf_law_decode(&b->work, &b->peaks, &b->knobs, b->step);
    return mf_decode_log_sd(&t, &b->peaks, &b->knobs);
}

static double prefill_sd(const bench *b)
{
    const mf_prefill_time t = mf_law_prefill(&b->work, &b->peaks, &b->knobs, b->step);
    return mf_prefill_log_sd(&t, &b->knobs);
}

Test(spread, exact_coefficients_leave_the_row_alone)
{
    bench b;
    bench_fill(&b);
    cr_assert(epsilon_eq(dbl, decode_sd(&b), mf_row_log_sd(MF_TEST_DECODE), 1e-12));
    cr_assert(epsilon_eq(dbl, prefill_sd(&b), mf_row_log_sd(MF_TEST_PREFILL), 1e-12));
}

/* What the time's logarithm moves by, for a small move of a knob's. */
static double slope_of(bench *b, double *knob, mf_speed_test test)
{
    static const double move = 1e-4;
    const double before = test == MF_TEST_DECODE
                              ? mf_law_decode(&b->work, &b->peaks, &b->knobs, b->step).total_s
                              : mf_law_prefill(&b->work, &b->peaks, &b->knobs, b->step).total_s;
    const double kept = *knob;
    *knob *= exp(move);
    const double after = test == MF_TEST_DECODE
                             ? mf_law_decode(&b->work, &b->peaks, &b->knobs, b->step).total_s
                             : mf_law_prefill(&b->work, &b->peaks, &b->knobs, b->step).total_s;
    *knob = kept;
    return log(after / before) / move;
}

Test(spread, a_knob_counts_as_far_as_it_moves_the_time)
{
    static const struct {
        mf_knob knob;
        mf_speed_test test;
    } cases[] = {
        {MF_KNOB_LAYER,     MF_TEST_DECODE },
        {MF_KNOB_KV,        MF_TEST_DECODE },
        {MF_KNOB_ATTENTION, MF_TEST_PREFILL},
        {MF_KNOB_PASS,      MF_TEST_PREFILL}
    };
    bench b;
    bench_fill(&b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mf_speed_test test = cases[i].test;
        const double ease = b.knobs.ease[cases[i].knob];
        const double slope = ease * slope_of(&b, &b.knobs.value[cases[i].knob], test);
        cr_assert(gt(dbl, slope, 0.001), "case %zu", i);
        b.knobs.variances.value[cases[i].knob] = 0.49;
        const double sd = test == MF_TEST_DECODE ? decode_sd(&b) : prefill_sd(&b);
        const double expected = hypot(mf_row_log_sd(test), 0.7 * slope);
        cr_assert(epsilon_eq(dbl, sd, expected, 1e-4 * expected), "case %zu", i);
        b.knobs.variances.value[cases[i].knob] = 0;
    }
}

Test(spread, what_formats_share_moves_them_together)
{
    bench b;
    bench_fill(&b);
    b.work.dense_weights[MF_FORMAT_Q8_0] = b.work.dense_weights[MF_FORMAT_Q4_K] = 1e9;
    b.knobs.variances.value[MF_KNOB_WORK] = 0.25;
    const double together = prefill_sd(&b);
    b.knobs.variances.value[MF_KNOB_WORK] = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        b.knobs.variances.work[f] = 0.25;
    }
    const double apart = prefill_sd(&b);
    cr_assert(gt(dbl, together, 1.1 * apart));
    cr_assert(gt(dbl, apart, 1.1 * mf_row_log_sd(MF_TEST_PREFILL)));
}

Test(spread, effects_without_rows_are_off_as_far_as_their_kind_scatters)
{
    mf_calibration *c = NULL;
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", NULL), MF_OK));
    const double before = mf_calibration_logs(c, &setting).variances.value[MF_KNOB_ETA];
    c->spreads[0] = 0.3; /* eta; its prior sd is 0.03 */
    const double wide = mf_calibration_logs(c, &setting).variances.value[MF_KNOB_ETA];
    cr_assert(epsilon_eq(dbl, wide - before, 0.09 - 0.0009, 1e-12));
    c->effects[0].n_rows = 40;
    c->effects[0].log_sd = 0.02;
    const double known = mf_calibration_logs(c, &setting).variances.value[MF_KNOB_ETA];
    cr_assert(epsilon_eq(dbl, wide - known, 0.09 - 0.0004, 1e-12));
    mf_calibration_free(c);
}

/* Base, vendor, class: rows of many chips tell the sum for one of them, not the parts. */
Test(spread, a_chip_with_rows_is_certain_of_what_has_rows)
{
    mf_calibration *c = NULL;
    mf_setting of_chip = setting;
    of_chip.chip = "a-card";
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", NULL), MF_OK));
    c->effects[0] = (mf_effect){.log_sd = 0.02, .n_rows = 40};
    const double stranger = mf_calibration_logs(c, &of_chip).variances.value[MF_KNOB_ETA];
    mf_chip_effects *chip = mf_calibration_add_chip(c, "a-card");
    cr_assert(ne(ptr, chip, NULL));
    chip->knobs[MF_KNOB_ETA] = (mf_effect){.log_sd = 0.05, .n_rows = 3};
    chip->n_prefill_rows = 3;
    const double of_prompts = mf_calibration_logs(c, &of_chip).variances.value[MF_KNOB_ETA];
    chip->n_decode_rows = 3;
    const double known = mf_calibration_logs(c, &of_chip).variances.value[MF_KNOB_ETA];
    const double own = mf_chip_effect_sd(MF_KNOB_ETA);
    cr_assert(epsilon_eq(dbl, stranger - of_prompts, own * own - 0.0025, 1e-12));
    cr_assert(epsilon_eq(dbl, of_prompts - known, 0.0025 + 0.0004, 1e-12));
    mf_calibration_free(c);
}
