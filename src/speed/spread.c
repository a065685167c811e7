#include "speed/spread.h"

#include <math.h>

double mf_row_log_sd(mf_speed_test test)
{
    static const double row_sd[MF_TEST_COUNT] = {
        [MF_TEST_DECODE] = 0.12,
        [MF_TEST_PREFILL] = 0.18,
    };
    return row_sd[test];
}

/* Formats move together by what they share, each for itself by its own. Most are not there. */
static double sum_formats(const double *shares, double shared, const double *own)
{
    double together = 0;
    double apart = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        if (fabs(shares[f]) > 0) {
            together += shares[f];
            apart += shares[f] * shares[f] * own[f];
        }
    }
    return together * together * shared + apart;
}

static double log_sd(const mf_shares *shares, const mf_knob_variances *v, mf_speed_test test)
{
    const double row = mf_row_log_sd(test);
    double sum = row * row + v->test[test];
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        sum += shares->value[k] * shares->value[k] * v->value[k];
    }
    sum += test == MF_TEST_DECODE ? sum_formats(shares->lane, v->value[MF_KNOB_LANE], v->lane)
                                  : sum_formats(shares->work, v->value[MF_KNOB_WORK], v->work);
    return sqrt(sum);
}

double mf_decode_log_sd(const mf_decode_time *time, const mf_peaks *peaks, const mf_knobs *knobs)
{
    const mf_shares shares = mf_decode_shares(time, peaks, knobs);
    return log_sd(&shares, &knobs->variances, MF_TEST_DECODE);
}

double mf_prefill_log_sd(const mf_prefill_time *time, const mf_knobs *knobs)
{
    const mf_shares shares = mf_prefill_shares(time, knobs);
    return log_sd(&shares, &knobs->variances, MF_TEST_PREFILL);
}
