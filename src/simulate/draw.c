/*
 * draw.c - requests drawn from a seed: gaps from a gamma distribution of given mean and coefficient of variation c (shape
 * 1/c^2, scale c^2/rate), lengths log-normal with given mean and coefficient of variation. What request k is does not depend on
 * the rate, so that runs at several rates compare like with like.
 */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "simulate/clock.h"
#include "simulate/requests.h"

enum draw_stream { DRAW_GAPS = 1, DRAW_INPUT, DRAW_OUTPUT };

#define LEAST_BURSTINESS 1e-3 /* below it: a metronome */
#define MOST_TOKENS 1e8

typedef struct drawn {
    mf_open_load load;
    uint64_t n_taken;
    double next_s; /* sums of gaps, not of rounded times */
} drawn;

mf_open_load mf_open_load_default(void)
{
    return (mf_open_load){.seed = 1,
                          .n_requests = 10000,
                          .rate_per_s = 1,
                          .burstiness = 1,
                          .input_tokens = 1024,
                          .output_tokens = 128};
}

static double gap_s(const drawn *d)
{
    mf_rng rng =
        mf_rng_start((mf_rng_key){.seed = d->load.seed, .stream = DRAW_GAPS, .item = d->n_taken});
    const double mean = 1 / d->load.rate_per_s;
    const double c = d->load.burstiness;
    if (c < LEAST_BURSTINESS) {
        return mean;
    }
    if (fabs(c - 1) < LEAST_BURSTINESS) {
        return mf_rng_exponential(&rng, mean);
    }
    return mf_rng_gamma(&rng, 1 / (c * c), c * c * mean);
}

static uint32_t draw_tokens(const drawn *d, enum draw_stream stream, double mean)
{
    mf_rng rng =
        mf_rng_start((mf_rng_key){.seed = d->load.seed, .stream = stream, .item = d->n_taken});
    double tokens = mean;
    if (d->load.spread > 0) {
        const double log_variance = log1p(d->load.spread * d->load.spread);
        tokens = mf_rng_lognormal(&rng, log(mean) - log_variance / 2, sqrt(log_variance));
    }
    return (uint32_t)fmax(1, fmin(MOST_TOKENS, floor(tokens + 0.5)));
}

static uint64_t drawn_next(void *self)
{
    const drawn *d = self;
    return d->n_taken < d->load.n_requests ? mf_nanoseconds(d->next_s) : MF_NEVER;
}

static mf_status drawn_take(void *self, mf_request *request, mf_error *err)
{
    (void)err;
    drawn *d = self;
    *request = (mf_request){.arrival_ns = drawn_next(d),
                            .input_tokens = draw_tokens(d, DRAW_INPUT, d->load.input_tokens),
                            .output_tokens = draw_tokens(d, DRAW_OUTPUT, d->load.output_tokens)};
    d->n_taken++;
    d->next_s += gap_s(d);
    return MF_OK;
}

static bool is_positive(double x)
{
    return isfinite(x) && x > 0;
}

static mf_status check_load(const mf_open_load *load, mf_error *err)
{
    if (!is_positive(load->rate_per_s)) {
        return mf_fail(err, MF_E_USAGE, "the rate of requests must be above 0");
    }
    if (load->n_requests == 0) {
        return mf_fail(err, MF_E_USAGE, "no requests are asked for");
    }
    if (!(load->input_tokens >= 1) || !(load->output_tokens >= 1) ||
        load->input_tokens > MOST_TOKENS || load->output_tokens > MOST_TOKENS) {
        return mf_fail(err, MF_E_USAGE, "requests have at least 1 token of input and of output");
    }
    if (!(load->burstiness >= 0) || !(load->spread >= 0) || !isfinite(load->burstiness) ||
        !isfinite(load->spread)) {
        return mf_fail(err, MF_E_USAGE, "coefficients of variation are 0 or more");
    }
    return MF_OK;
}

mf_status mf_requests_draw(mf_requests **out, const mf_open_load *load, mf_error *err)
{
    const mf_status status = check_load(load, err);
    if (status != MF_OK) {
        return status;
    }
    drawn *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a source of requests");
    }
    d->load = *load;
    d->next_s = gap_s(d);
    const mf_requests made = {
        .source = {.self = d, .next_ns = drawn_next, .take = drawn_take},
        .free_self = free,
        .n_requests = load->n_requests,
        .is_drawn = true
    };
    return mf_requests_wrap(out, &made, err);
}
