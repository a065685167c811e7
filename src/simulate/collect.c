#include "simulate/collect.h"

#include <stdlib.h>

#define NAME_OF(name, share, key) [name] = (share),
static const double quantile_shares[MF_QUANTILE_COUNT] = {MF_QUANTILE_LIST(NAME_OF)};

void mf_collector_free(mf_collector *collector)
{
    mf_samples_free(&collector->ttft_s);
    mf_samples_free(&collector->tpot_s);
    mf_samples_free(&collector->e2e_s);
    mf_samples_free(&collector->queue_s);
    for (size_t i = 0; i < collector->n_streams; i++) {
        mf_samples_free(&collector->streams[i].ttft_s);
        mf_samples_free(&collector->streams[i].tpot_s);
        mf_samples_free(&collector->streams[i].e2e_s);
    }
    free(collector->streams);
    free(collector->held);
    free(collector->is_held);
    *collector = (mf_collector){0};
}

mf_status mf_collector_split(mf_collector *collector, size_t n_streams, mf_error *err)
{
    collector->streams = calloc(n_streams + 1, sizeof *collector->streams);
    if (collector->streams == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu streams", n_streams);
    }
    collector->n_streams = n_streams;
    return MF_OK;
}

static mf_served_request served_of(const mf_outcome_row *row)
{
    const mf_request *r = row->request;
    mf_served_request served = {.arrival_s = mf_seconds(r->arrival_ns),
                                .input_tokens = r->input_tokens,
                                .output_tokens = row->given_tokens,
                                .cached_tokens = row->cached_tokens,
                                .n_preempted = row->n_preempted,
                                .outcome = row->outcome};
    if (row->outcome == MF_SERVED_REFUSED) {
        return served;
    }
    served.e2e_s = mf_seconds(row->end_ns - r->arrival_ns);
    if (row->given_tokens > 0) {
        served.queue_s = mf_seconds(row->start_ns - r->arrival_ns);
        served.ttft_s = mf_seconds(row->first_ns - r->arrival_ns);
    }
    if (row->given_tokens > 1) {
        served.tpot_s = mf_seconds(row->end_ns - row->first_ns) / (row->given_tokens - 1);
    }
    return served;
}

/* Makes the ring large enough for one more id, all of those held at their new places. */
static mf_status grow_ring(mf_collector *c, uint64_t id, mf_error *err)
{
    enum { FIRST = 1024 };
    uint64_t n = c->n_ring > 0 ? c->n_ring : FIRST;
    while (id - c->n_told >= n) {
        n *= 2;
    }
    mf_served_request *held = malloc((size_t)n * sizeof *held);
    bool *is_held = calloc((size_t)n, sizeof *is_held);
    if (held == NULL || is_held == NULL) {
        free(held);
        free(is_held);
        return mf_fail(
            err, MF_E_NOMEM, "no memory to bring %llu requests in order", (unsigned long long)n);
    }
    for (uint64_t i = 0; i < c->n_ring; i++) {
        const uint64_t old = c->n_told + i;
        if (c->is_held[old & (c->n_ring - 1)]) {
            held[old & (n - 1)] = c->held[old & (c->n_ring - 1)];
            is_held[old & (n - 1)] = true;
        }
    }
    free(c->held);
    free(c->is_held);
    c->held = held;
    c->is_held = is_held;
    c->n_ring = n;
    return MF_OK;
}

/* Tells of requests as far as all that came before have ended. */
static mf_status tell(mf_collector *c, uint64_t id, const mf_served_request *served, mf_error *err)
{
    mf_status status = MF_OK;
    if (id - c->n_told >= c->n_ring) {
        status = grow_ring(c, id, err);
    }
    if (status != MF_OK) {
        return status;
    }
    c->held[id & (c->n_ring - 1)] = *served;
    c->is_held[id & (c->n_ring - 1)] = true;
    while (status == MF_OK && c->is_held[c->n_told & (c->n_ring - 1)]) {
        const uint64_t at = c->n_told & (c->n_ring - 1);
        c->is_held[at] = false;
        c->n_told++;
        status = c->served(c->payload, &c->held[at], err);
    }
    return status;
}

static mf_status add_measures(mf_samples *ttft_s,
                              mf_samples *tpot_s,
                              mf_samples *e2e_s,
                              const mf_served_request *served,
                              mf_error *err)
{
    mf_status status = mf_samples_add(ttft_s, served->ttft_s, err);
    if (status == MF_OK) {
        status = mf_samples_add(e2e_s, served->e2e_s, err);
    }
    return status == MF_OK && served->output_tokens > 1
               ? mf_samples_add(tpot_s, served->tpot_s, err)
               : status;
}

static bool is_within(const mf_promise *promise, const mf_served_request *served)
{
    return served->outcome == MF_SERVED_DONE &&
           (promise->ttft_s <= 0 || served->ttft_s <= promise->ttft_s) &&
           (promise->tpot_s <= 0 || served->tpot_s <= promise->tpot_s) &&
           (promise->e2e_s <= 0 || served->e2e_s <= promise->e2e_s);
}

mf_status mf_collect(void *collector, const mf_outcome_row *row, mf_error *err)
{
    mf_collector *c = collector;
    const mf_served_request served = served_of(row);
    mf_status status = MF_OK;
    c->n_outcomes[served.outcome]++;
    c->output_tokens += served.output_tokens;
    if (served.outcome != MF_SERVED_REFUSED) {
        c->input_tokens += served.input_tokens;
    }
    const bool within = is_within(&c->promise, &served);
    const bool counts = row->id >= c->n_warm_up && row->request->arrival_ns >= c->warm_up_ns;
    const bool measured =
        counts && (served.outcome == MF_SERVED_DONE || served.outcome == MF_SERVED_CUT);
    c->n_counted += counts ? 1 : 0;
    c->n_within += counts && within ? 1 : 0;
    if (measured) {
        status = add_measures(&c->ttft_s, &c->tpot_s, &c->e2e_s, &served, err);
        status = status == MF_OK ? mf_samples_add(&c->queue_s, served.queue_s, err) : status;
    }
    if (status == MF_OK && row->request->stream < c->n_streams) {
        mf_stream_samples *stream = &c->streams[row->request->stream];
        stream->n_requests++;
        stream->n_counted += counts ? 1 : 0;
        stream->n_within += counts && within ? 1 : 0;
        status = measured
                     ? add_measures(&stream->ttft_s, &stream->tpot_s, &stream->e2e_s, &served, err)
                     : MF_OK;
    }
    return status == MF_OK && c->served != NULL ? tell(c, row->id, &served, err) : status;
}

mf_status mf_collector_spread(mf_latency *spread, const mf_samples *samples, mf_error *err)
{
    mf_latency made = {.known = samples->n > 0, .n = samples->n, .mean = samples->mean};
    made.mean_error = mf_samples_mean_error(samples, &made.error_known);
    const mf_status status =
        mf_samples_quantiles(made.quantiles, quantile_shares, MF_QUANTILE_COUNT, samples, err);
    if (status == MF_OK) {
        *spread = made;
    }
    return status;
}
