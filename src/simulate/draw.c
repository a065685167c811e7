/*
 * draw.c - requests drawn from a seed: gaps from a gamma or Weibull distribution of given mean and coefficient of
 * variation, lengths log-normal with given mean and coefficient of variation. What request k is does not depend on
 * the rate, so that runs at several rates compare like with like.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate/amount.h"
#include "simulate/clock.h"
#include "simulate/requests.h"

enum draw_stream { DRAW_GAPS = 1, DRAW_INPUT, DRAW_OUTPUT };

typedef struct drawn {
    mf_open_load load;
    mf_gaps gaps;
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
    return mf_gaps_draw(&d->gaps, &rng) / d->load.rate_per_s;
}

static uint32_t draw_tokens(const drawn *d, enum draw_stream stream, double mean)
{
    if (!(d->load.spread > 0)) {
        return (uint32_t)floor(mean + 0.5);
    }
    mf_rng rng =
        mf_rng_start((mf_rng_key){.seed = d->load.seed, .stream = stream, .item = d->n_taken});
    const mf_amount tokens = {
        .kind = MF_AMOUNT_LOGNORMAL, .mean = mean, .variation = d->load.spread};
    return mf_amount_draw_whole(&tokens, &rng, 1);
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

mf_status mf_open_load_check(const mf_open_load *load, mf_error *err)
{
    if (!is_positive(load->rate_per_s)) {
        return mf_fail(err, MF_E_USAGE, "the rate of requests must be above 0");
    }
    if (load->n_requests == 0) {
        return mf_fail(err, MF_E_USAGE, "no requests are asked for");
    }
    if (!(load->input_tokens >= 1) || !(load->output_tokens >= 1) ||
        load->input_tokens > MF_MOST_TOKENS || load->output_tokens > MF_MOST_TOKENS) {
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
    const mf_status status = mf_open_load_check(load, err);
    if (status != MF_OK) {
        return status;
    }
    drawn *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a source of requests");
    }
    d->load = *load;
    d->gaps = mf_gaps_of(load->gaps, load->burstiness);
    d->next_s = gap_s(d);
    const mf_requests made = {
        .source = {.self = d, .next_ns = drawn_next, .take = drawn_take},
        .free_self = free,
        .n_requests = load->n_requests,
        .is_drawn = true
    };
    return mf_requests_wrap(out, &made, err);
}
