#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate/fake.h"
#include "memfit/memfit.h"

/* A scripted device and the options to measure it with its own clock. */
typedef struct bench {
    mf_fake_script script;
    mf_prober backend;
    mf_probe_options options;
    size_t n_told;
    double last_fraction;
    double first_left_s;
    bool backwards;
} bench;

static bench b;

static double now(void *payload)
{
    return mf_fake_now(&((bench *)payload)->script);
}

static void told(void *payload, const mf_probe_progress *progress)
{
    bench *to = payload;
    to->first_left_s = to->n_told == 0 ? progress->left_s : to->first_left_s;
    to->n_told++;
    to->backwards = to->backwards || progress->fraction < 0 || progress->fraction > 1;
    to->last_fraction = progress->fraction;
}

static void set_up(void)
{
    mf_init();
    memset(&b, 0, sizeof b);
    mf_fake_fill(&b.script);
    b.backend = mf_prober_fake;
    b.backend.context = &b.script;
    b.options = (mf_probe_options){.now_s = now,
                                   .on_progress = told,
                                   .payload = &b,
                                   .stop = &b.script.stop,
                                   .date = "2026-11-28"};
}

static mf_record *measure(void)
{
    mf_record *record = NULL;
    mf_error err = {0};
    const mf_status status = mf_protocol_run(&record, &b.backend, 0, &b.options, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    cr_assert(eq(sz, b.script.n_open, 0), "the device was closed");
    return record;
}

static const mf_record_result *result_of(const mf_record *record, mf_probe probe)
{
    for (size_t i = 0; i < record->n_results; i++) {
        if (record->results[i].probe == probe) {
            return &record->results[i];
        }
    }
    return NULL;
}

TestSuite(protocol, .init = set_up);

Test(protocol, healthy_device_gives_its_rates)
{
    mf_record *r = measure();
    cr_assert(eq(sz, r->n_results, MF_PROBE_COUNT));
    cr_assert(r->complete);
    cr_assert(not(r->noisy));
    cr_assert(not(r->throttled));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 100e9, 1e3));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_GEMM_F16), 2e12, 1e4));
    cr_assert(eq(str, r->id, "this-fake-scripted-device"));
    mf_record_free(r);
}

Test(protocol, launch_is_the_slope_and_submission_the_intercept)
{
    b.script.tests[MF_PROBE_LAUNCH].call_s = 3e-6;
    mf_record *r = measure();
    const mf_record_result *launch = mf_record_find(r, MF_PROBE_LAUNCH);
    cr_assert(epsilon_eq(dbl, launch->median_s.value, 3e-6, 1e-10));
    cr_assert(epsilon_eq(dbl, launch->submit_s.value, 0, 1e-9), "device times have none");
    mf_record_free(r);
}

Test(protocol, outliers_move_neither_median_nor_interval)
{
    b.script.tests[MF_PROBE_READ].outlier_every = 5;
    b.script.tests[MF_PROBE_READ].outlier_factor = 9;
    mf_record *r = measure();
    const mf_record_result *read = mf_record_find(r, MF_PROBE_READ);
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 100e9, 1e3));
    cr_assert(epsilon_eq(dbl, read->high_s.value, read->low_s.value, 1e-12));
    cr_assert(not(read->noisy));
    cr_assert(gt(sz, read->n_samples, 40));
    mf_record_free(r);
}

/* The bar of two runs within 5 %, on a computer as quiet as real ones are: a little jitter, now and then a long one. */
Test(protocol, two_runs_of_a_quiet_machine_agree)
{
    mf_record *runs[2] = {NULL};
    for (size_t i = 0; i < 2; i++) {
        set_up();
        b.script.random = 0x9e3779b97f4a7c15u * (i + 1);
        for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
            b.script.tests[p].noise = 0.1;
            b.script.tests[p].outlier_every = 7;
            b.script.tests[p].outlier_factor = 2;
        }
        runs[i] = measure();
        cr_assert(not(runs[i]->noisy));
    }
    size_t n_differ = 0;
    for (size_t i = 0; i < runs[0]->n_results; i++) {
        const double one = runs[0]->results[i].median_s.value;
        const double other = runs[1]->results[i].median_s.value;
        cr_expect(lt(dbl, fabs(one / other - 1), 0.05), "test %zu: %g and %g s", i, one, other);
        n_differ += one < other || one > other;
    }
    cr_assert(gt(sz, n_differ, MF_PROBE_COUNT / 2), "the noise was not the same");
    mf_record_free(runs[0]);
    mf_record_free(runs[1]);
}

Test(protocol, even_noise_is_flagged_as_noise)
{
    b.script.tests[MF_PROBE_READ].noise = 0.9;
    mf_record *r = measure();
    const mf_record_result *read = mf_record_find(r, MF_PROBE_READ);
    cr_assert(read->noisy);
    cr_assert(read->unsettled);
    cr_assert(lt(dbl, read->low_s.value, read->median_s.value));
    cr_assert(gt(dbl, read->high_s.value, read->median_s.value));
    cr_assert(not(r->noisy), "one test of many");
    mf_record_free(r);
}

Test(protocol, record_is_noisy_when_half_of_its_tests_are)
{
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        b.script.tests[p].noise = 0.9;
    }
    mf_record *r = measure();
    cr_assert(r->noisy);
    mf_record_free(r);
}

Test(protocol, throttling_shows_in_the_last_round)
{
    b.script.tests[MF_PROBE_CLOCK].drift = 0.002;
    mf_record *r = measure();
    const mf_record_result *clock = mf_record_find(r, MF_PROBE_CLOCK);
    cr_assert(clock->throttled);
    cr_assert(r->throttled);
    cr_assert(gt(dbl, clock->last_s.value, 1.05 * clock->first_s.value));
    cr_assert(not(mf_record_find(r, MF_PROBE_READ)->throttled));
    mf_record_free(r);
}

Test(protocol, slight_drift_is_no_throttling)
{
    b.script.tests[MF_PROBE_READ].drift = 0.0005;
    mf_record *r = measure();
    cr_assert(not(r->throttled));
    mf_record_free(r);
}

Test(protocol, cold_start_is_warmed_away)
{
    b.script.tests[MF_PROBE_GEMM_F16].cold_runs = 9;
    b.script.tests[MF_PROBE_GEMM_F16].cold_factor = 6;
    mf_record *r = measure();
    const mf_record_result *gemm = mf_record_find(r, MF_PROBE_GEMM_F16);
    cr_assert(epsilon_eq(dbl, gemm->median_s.value, 5e-3, 1e-9));
    cr_assert(not(gemm->throttled));
    cr_assert(not(gemm->noisy));
    mf_record_free(r);
}

Test(protocol, wrong_kernel_gets_no_figure)
{
    b.script.tests[MF_PROBE_MATVEC_Q4_K].error = 0.01;
    b.script.tests[MF_PROBE_MATVEC_Q4_0].error = NAN;
    mf_record *r = measure();
    static const mf_probe wrong[] = {MF_PROBE_MATVEC_Q4_K, MF_PROBE_MATVEC_Q4_0};
    for (size_t i = 0; i < 2; i++) {
        cr_assert(eq(ptr, (void *)mf_record_find(r, wrong[i]), NULL));
        cr_assert(eq(int, result_of(r, wrong[i])->outcome, MF_OUTCOME_WRONG));
        cr_assert(not(result_of(r, wrong[i])->median_s.known));
        cr_assert(eq(sz, b.script.n_runs[wrong[i]], 0), "it was not even timed");
    }
    mf_record_free(r);
}

Test(protocol, failing_check_and_failing_run_leave_the_others_alone)
{
    b.script.tests[MF_PROBE_COPY].fails_check = true;
    b.script.tests[MF_PROBE_TRIAD].fails_at = 12;
    mf_record *r = measure();
    cr_assert(eq(int, result_of(r, MF_PROBE_COPY)->outcome, MF_OUTCOME_FAILED));
    cr_assert(eq(str, result_of(r, MF_PROBE_COPY)->message, "scripted failure of the check"));
    cr_assert(eq(int, result_of(r, MF_PROBE_TRIAD)->outcome, MF_OUTCOME_FAILED));
    cr_assert(ne(ptr, (void *)mf_record_find(r, MF_PROBE_READ), NULL));
    mf_record_free(r);
}

Test(protocol, cache_hits_double_the_buffer)
{
    mf_fake_test *read = &b.script.tests[MF_PROBE_READ];
    b.options.spec_bytes_per_s = 110e9;
    read->cache_bytes = 1.5e9;
    read->cache_factor = 3;
    mf_record *r = measure();
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 100e9, 1e3));
    cr_assert(epsilon_eq(dbl, mf_record_find(r, MF_PROBE_READ)->work.value, 2e9, 1));
    mf_record_free(r);
}

Test(protocol, cache_that_holds_everything_gets_no_figure)
{
    mf_fake_test *read = &b.script.tests[MF_PROBE_READ];
    b.options.spec_bytes_per_s = 110e9;
    read->cache_bytes = 1e12;
    read->cache_factor = 3;
    mf_record *r = measure();
    cr_assert(eq(int, result_of(r, MF_PROBE_READ)->outcome, MF_OUTCOME_CACHED));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 0, 0));
    mf_record_free(r);
}

Test(protocol, far_below_the_specification_is_said)
{
    b.options.spec_bytes_per_s = 300e9;
    mf_record *r = measure();
    cr_assert(eq(
        str, mf_record_find(r, MF_PROBE_READ)->message, "below half of the specified bandwidth"));
    mf_record_free(r);
}

Test(protocol, work_that_was_left_out_gets_no_figure)
{
    b.script.tests[MF_PROBE_GEMM_F32].most_per_s = 0.5e12;
    b.script.tests[MF_PROBE_GEMM_F16].most_per_s =
        1.99e12; /* 2e12 is within what a data sheet rounds */
    mf_record *r = measure();
    cr_assert(eq(int, result_of(r, MF_PROBE_GEMM_F32)->outcome, MF_OUTCOME_OPTIMISED));
    cr_assert(eq(int, result_of(r, MF_PROBE_GEMM_F16)->outcome, MF_OUTCOME_MEASURED));
    mf_record_free(r);
}

Test(protocol, without_a_device_clock_the_round_trip_is_taken_off)
{
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        b.script.tests[p].no_clock = true;
        b.script.tests[p].submit_s = 4e-3;
    }
    mf_record *r = measure();
    const mf_record_result *read = mf_record_find(r, MF_PROBE_READ);
    cr_assert(not(read->device_clock));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 100e9, 0.1e9));
    mf_record_free(r);
}

Test(protocol, clock_that_says_zero_is_not_believed)
{
    b.script.tests[MF_PROBE_READ].zero_clock = true;
    mf_record *r = measure();
    const mf_record_result *read = mf_record_find(r, MF_PROBE_READ);
    cr_assert(not(read->device_clock));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 100e9, 0.1e9));
    mf_record_free(r);
}

Test(protocol, clock_that_says_nan_fails_the_test)
{
    b.script.tests[MF_PROBE_READ].nan_clock = true;
    mf_record *r = measure();
    cr_assert(eq(int, result_of(r, MF_PROBE_READ)->outcome, MF_OUTCOME_FAILED));
    mf_record_free(r);
}

Test(protocol, tests_take_turns)
{
    mf_record *r = measure();
    const mf_record_result *read = mf_record_find(r, MF_PROBE_READ);
    size_t n_in_round[4] = {0};
    for (size_t i = 0; i < read->n_samples; i++) {
        n_in_round[read->samples[i].round]++;
    }
    cr_assert(eq(sz, n_in_round[1], 15));
    cr_assert(eq(sz, n_in_round[2], 15));
    cr_assert(eq(sz, n_in_round[3], 15));
    cr_assert(gt(sz, mf_record_find(r, MF_PROBE_CLOCK)->n_samples, 60), "the witness runs more");
    mf_record_free(r);
}

Test(protocol, submissions_last_20_to_100_ms)
{
    b.script.tests[MF_PROBE_READ].call_s = 7e-3;
    b.script.tests[MF_PROBE_COPY].call_s = 1e-6;
    b.script.tests[MF_PROBE_TRIAD].call_s = 0.019;
    mf_record *r = measure();
    static const mf_probe probes[] = {MF_PROBE_READ, MF_PROBE_COPY, MF_PROBE_TRIAD};
    for (size_t p = 0; p < 3; p++) {
        const mf_record_result *result = mf_record_find(r, probes[p]);
        cr_assert(ge(dbl, result->samples[0].time_s.value, 0.02));
        cr_assert(le(dbl, result->samples[0].time_s.value, 0.1));
    }
    mf_record_free(r);
}

Test(protocol, keeps_the_time_it_was_given)
{
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        b.script.tests[p].call_s *= 10; /* a slow machine: 0.1 s a call */
    }
    mf_record *r = measure();
    cr_assert(lt(dbl, b.script.clock_s, 1.05 * MF_PROBE_DEFAULT_BUDGET_S));
    cr_assert(r->complete, "fewer samples, not fewer rounds");
    cr_assert(ne(ptr, (void *)mf_record_find(r, MF_PROBE_READ), NULL));
    mf_record_free(r);
}

Test(protocol, too_slow_a_machine_ends_in_time_and_says_so)
{
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        b.script.tests[p].call_s *= 400;
    }
    mf_record *r = measure();
    cr_assert(lt(dbl, b.script.clock_s, MF_PROBE_DEFAULT_BUDGET_S + 5));
    cr_assert(not(r->complete));
    mf_record_free(r);
}

Test(protocol, thorough_takes_more_samples)
{
    b.options.thorough = true;
    mf_record *r = measure();
    cr_assert(eq(sz, mf_record_find(r, MF_PROBE_READ)->n_samples, 75));
    cr_assert(lt(dbl, b.script.clock_s, MF_PROBE_THOROUGH_BUDGET_S));
    mf_record_free(r);
}

Test(protocol, stop_keeps_what_was_measured)
{
    size_t n_all = 0;
    mf_record_free(measure());
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        n_all += b.script.n_runs[p];
    }
    set_up();
    b.script.stop_after = n_all / 2;
    mf_record *r = measure();
    cr_assert(not(r->complete));
    cr_assert(ne(ptr, (void *)mf_record_find(r, MF_PROBE_READ), NULL));
    mf_record_free(r);
}

Test(protocol, stop_at_once_measures_nothing)
{
    b.script.stop = 1;
    mf_record *r = measure();
    cr_assert(not(r->complete));
    cr_assert(eq(sz, r->n_results, 0));
    mf_record_free(r);
}

Test(protocol, stop_while_warming_up_gives_no_figure)
{
    b.script.stop_after = 30;
    mf_record *r = measure();
    cr_assert(eq(int, result_of(r, MF_PROBE_READ)->outcome, MF_OUTCOME_STOPPED));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 0, 0));
    mf_record_free(r);
}

Test(protocol, progress_moves_and_ends)
{
    mf_record *r = measure();
    cr_assert(gt(sz, b.n_told, 60));
    cr_assert(not(b.backwards));
    cr_assert(gt(dbl, b.last_fraction, 0.9));
    cr_assert(epsilon_eq(dbl, b.first_left_s, MF_PROBE_DEFAULT_BUDGET_S, 0.1));
    mf_record_free(r);
}

Test(protocol, unsupported_tests_are_left_out)
{
    b.script.tests[MF_PROBE_GEMM_F16_TENSOR].supported = false;
    mf_record *r = measure();
    cr_assert(eq(ptr, (void *)result_of(r, MF_PROBE_GEMM_F16_TENSOR), NULL));
    cr_assert(eq(sz, r->n_results, MF_PROBE_COUNT - 1));
    mf_record_free(r);
}

Test(protocol, no_device_and_wrong_number_are_errors)
{
    mf_record *record = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_protocol_run(&record, &b.backend, 3, &b.options, &err), MF_E_USAGE));
    b.script.no_device = "no such card";
    cr_assert(eq(int, mf_protocol_run(&record, &b.backend, 0, &b.options, &err), MF_E_UNSUPPORTED));
    cr_assert(eq(str, err.message, "no such card"));
}

Test(protocol, same_script_same_record)
{
    b.script.tests[MF_PROBE_READ].noise = 0.3;
    mf_record *first = measure();
    set_up();
    b.script.tests[MF_PROBE_READ].noise = 0.3;
    mf_record *second = measure();
    char *texts[2] = {NULL, NULL};
    cr_assert(eq(int, mf_record_text(&texts[0], first, NULL), MF_OK));
    cr_assert(eq(int, mf_record_text(&texts[1], second, NULL), MF_OK));
    cr_assert(eq(str, texts[0], texts[1]));
    free(texts[0]);
    free(texts[1]);
    mf_record_free(first);
    mf_record_free(second);
}

Test(protocol, a_backend_that_is_not_built_says_why)
{
    const mf_prober *metal = mf_prober_find(MF_PROBE_BACKEND_METAL);
    if (metal->absent != NULL) {
        mf_probe_place places[MF_MAX_PLACES_LISTED];
        size_t n = 0;
        mf_error err = {0};
        cr_assert(
            eq(int, mf_probe_list(places, &n, MF_PROBE_BACKEND_METAL, &err), MF_E_UNSUPPORTED));
        cr_assert(eq(str, err.message, (char *)metal->absent));
        mf_record *record = NULL;
        cr_assert(eq(int,
                     mf_probe_measure(&record, MF_PROBE_BACKEND_METAL, 0, &b.options, &err),
                     MF_E_UNSUPPORTED));
    }
}

Test(protocol, every_backend_has_a_row)
{
    static const mf_probe_backend_id ids[] = {MF_PROBE_BACKEND_METAL,
                                              MF_PROBE_BACKEND_CUDA,
                                              MF_PROBE_BACKEND_OPENCL,
                                              MF_PROBE_BACKEND_CPU,
                                              MF_PROBE_BACKEND_FAKE};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        cr_assert(ne(ptr, (void *)mf_prober_find(ids[i]), NULL));
    }
}
