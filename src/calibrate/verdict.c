#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/str.h"
#include "calibrate/protocol.h"
#include "calibrate/stats.h"

#define SPEC_ROUNDING 1.02
#define NOISE 0.05    /* width of the median's interval */
#define SLOWDOWN 0.95 /* last round against the first */
#define FAR_BELOW 0.5 /* of what the device should reach */
#define LEAST_SAMPLES 3

bool mf_too_fast(const mf_probe_plan *plan, double seconds_per_call)
{
    return plan->most_per_s > 0 && seconds_per_call > 0 &&
           plan->work / seconds_per_call > SPEC_ROUNDING * plan->most_per_s;
}

static mf_fact fact(double value)
{
    return (mf_fact){.value = value, .known = true};
}

/* Seconds of a call in each sample of a round; 0: of all rounds. Returns their number. */
static size_t collect(double *values, const mf_test_run *test, uint32_t round)
{
    size_t n = 0;
    for (size_t i = 0; i < test->n_samples; i++) {
        const mf_record_sample *sample = &test->samples[i];
        if (round == 0 || sample->round == round) {
            values[n] = sample->time_s.value / sample->n_calls;
            n++;
        }
    }
    return n;
}

static void judge_rate(mf_record_result *result, const mf_test_run *test)
{
    char number[MF_NUMBER_SIZE];
    if (mf_too_fast(&test->plan, result->median_s.value)) {
        const bool bytes = mf_probe_unit(test->probe) == MF_UNIT_BYTE;
        const double ratio = test->plan.work / result->median_s.value / test->plan.most_per_s;
        result->outcome = bytes ? MF_OUTCOME_CACHED : MF_OUTCOME_OPTIMISED;
        mf_str text = {0};
        mf_str_printf(&text,
                      "%s times what the device can do: %s",
                      mf_number_text(number, ratio, 3),
                      bytes ? "a cache answered" : "the work was left out");
        result->message = text.data;
    } else if (test->plan.most_per_s > 0 && mf_probe_unit(test->probe) == MF_UNIT_BYTE &&
               test->plan.work / result->median_s.value < FAR_BELOW * test->plan.most_per_s) {
        result->message = mf_strdup("below half of the specified bandwidth");
    }
}

static void summarise(mf_record_result *result, const mf_test_run *test, double *values)
{
    mf_summary all = {0};
    mf_summary first = {0};
    mf_summary last = {0};
    const uint32_t last_round = test->samples[test->n_samples - 1].round;
    if (!mf_summarise(&first, values, collect(values, test, 1)) ||
        !mf_summarise(&last, values, collect(values, test, last_round)) ||
        !mf_summarise(&all, values, collect(values, test, 0)) || all.median <= 0) {
        result->outcome = MF_OUTCOME_FAILED;
        result->message = mf_strdup("the clock gave no usable time");
        return;
    }
    result->best_s = fact(all.best);
    result->median_s = fact(all.median);
    result->low_s = fact(all.low);
    result->high_s = fact(all.high);
    result->first_s = fact(first.median);
    result->last_s = fact(last.median);
    result->noisy = all.high - all.low > NOISE * all.median;
    result->throttled = last_round > 1 && first.median < SLOWDOWN * last.median;
    result->outcome = MF_OUTCOME_MEASURED;
    judge_rate(result, test);
}

mf_status mf_verdict(mf_record_result *result, mf_test_run *test, mf_error *err)
{
    double *values = calloc(test->n_samples + 1, sizeof *values);
    if (values == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a result");
    }
    result->probe = test->probe;
    result->unit = mf_probe_unit(test->probe);
    result->outcome = test->outcome;
    result->device_clock = test->device_clock;
    result->unsettled = test->unsettled;
    result->work = (mf_fact){.value = test->plan.work, .known = test->plan.work > 0};
    result->error = (mf_fact){.value = test->plan.error, .known = isfinite(test->plan.error) != 0};
    if (test->outcome == MF_OUTCOME_MEASURED && test->n_samples < LEAST_SAMPLES) {
        result->outcome = MF_OUTCOME_STOPPED;
    } else if (test->outcome == MF_OUTCOME_MEASURED) {
        summarise(result, test, values);
    }
    mf_summary submit = {0};
    if (test->submit_s != NULL && mf_summarise(&submit, test->submit_s, test->n_samples)) {
        result->submit_s = fact(fmax(0, submit.median));
    }
    free(values);
    if (test->message[0] != '\0' && result->message == NULL) {
        result->message = mf_strdup(test->message);
    }
    result->samples = test->samples;
    result->n_samples = test->n_samples;
    test->samples = NULL;
    return MF_OK;
}
