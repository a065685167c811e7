#include "simulate/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    free(collector->stalls);
    mf_histogram_free(&collector->itl);
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
    const bool measured = counts && mf_served_is_answered(served.outcome);
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

mf_status mf_collector_set_up(mf_collector *collector, uint32_t n_servers, mf_error *err)
{
    collector->stalls = calloc((size_t)n_servers + 1, sizeof *collector->stalls);
    if (collector->stalls == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %u servers", (unsigned)n_servers);
    }
    return mf_histogram_init(&collector->itl, err);
}

/* A token of every sequence that decodes comes a step after its last one; those that were there before wait for the prompts between. */
static void add_itl(mf_collector *c, const mf_step_report *step)
{
    mf_stall *stall = &c->stalls[step->server];
    const uint32_t n = step->load->n_decode;
    if (n == 0) {
        stall->ps += step->load->n_stalled > 0 ? step->first_ps : 0;
        stall->n = step->load->n_stalled;
        return;
    }
    if (c->n_counted > 0) {
        const uint32_t n_stalled = stall->ps > 0 ? (n < stall->n ? n : stall->n) : 0;
        const double first_s = (double)step->first_ps * 1e-12;
        const double last_s = (double)step->last_ps * 1e-12;
        const double late_s = (double)stall->ps * 1e-12;
        if (n_stalled > 0) {
            mf_histogram_add(&c->itl, first_s + late_s, n_stalled);
        }
        if (n_stalled < n) {
            mf_histogram_add(&c->itl, first_s, n - n_stalled);
        }
        c->itl_sum_s += first_s * n + late_s * n_stalled;
        if (step->n_steps > 1) {
            const uint64_t more = step->n_steps - 1;
            const double next_s = first_s + (last_s - first_s) / (double)more;
            mf_histogram_add_ramp(&c->itl, &(mf_ramp){next_s, last_s, more, n});
            c->itl_sum_s += (double)more * (next_s + last_s) / 2 * n;
        }
    }
    *stall = (mf_stall){0};
}

void mf_collect_steps(void *collector, const mf_step_report *step)
{
    mf_collector *c = collector;
    mf_series_add(&c->series, step);
    add_itl(c, step);
    if (c->stepped != NULL && c->step_status == MF_OK) {
        const mf_served_steps told = {.begin_s = mf_seconds(step->begin_ns),
                                      .end_s = mf_seconds(step->end_ns),
                                      .n_steps = step->n_steps,
                                      .server = step->server,
                                      .n_decode = step->load->n_decode,
                                      .n_prompt_tokens =
                                          step->load->n_tokens - step->load->n_decode,
                                      .n_running = step->n_running,
                                      .n_waiting = step->n_waiting,
                                      .kv_tokens = step->cache_tokens};
        c->step_status = c->stepped(c->payload, &told, &c->step_error);
    }
}

static mf_status join_stream(mf_stream_samples *to, const mf_stream_samples *from, mf_error *err)
{
    to->n_requests += from->n_requests;
    to->n_counted += from->n_counted;
    to->n_within += from->n_within;
    mf_status status = mf_samples_join(&to->ttft_s, &from->ttft_s, err);
    status = status == MF_OK ? mf_samples_join(&to->tpot_s, &from->tpot_s, err) : status;
    return status == MF_OK ? mf_samples_join(&to->e2e_s, &from->e2e_s, err) : status;
}

mf_status mf_collector_join(mf_collector *collector, const mf_collector *other, mf_error *err)
{
    mf_collector *c = collector;
    c->n_counted += other->n_counted;
    c->n_within += other->n_within;
    c->input_tokens += other->input_tokens;
    c->output_tokens += other->output_tokens;
    c->itl_sum_s += other->itl_sum_s;
    mf_histogram_join(&c->itl, &other->itl);
    for (size_t i = 0; i <= MF_SERVED_REFUSED; i++) {
        c->n_outcomes[i] += other->n_outcomes[i];
    }
    mf_status status = mf_samples_join(&c->ttft_s, &other->ttft_s, err);
    status = status == MF_OK ? mf_samples_join(&c->tpot_s, &other->tpot_s, err) : status;
    status = status == MF_OK ? mf_samples_join(&c->e2e_s, &other->e2e_s, err) : status;
    status = status == MF_OK ? mf_samples_join(&c->queue_s, &other->queue_s, err) : status;
    for (size_t i = 0; status == MF_OK && i < c->n_streams; i++) {
        status = join_stream(&c->streams[i], &other->streams[i], err);
    }
    return status;
}

void mf_collector_itl(mf_latency *itl_s, const mf_collector *collector)
{
    const mf_histogram *h = &collector->itl;
    *itl_s = (mf_latency){.known = h->n > 0, .n = h->n};
    if (h->n > 0) {
        itl_s->mean = collector->itl_sum_s / (double)h->n;
    }
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        itl_s->quantiles[q] = mf_histogram_quantile(h, quantile_shares[q]);
    }
}

/* The error of the mean, and how many independent samples would know it as well. */
static double error_of(bool *known, double *n, const mf_samples *samples, const mf_samples *means)
{
    if (means == NULL || means->n < 2) {
        *n = mf_samples_effective(samples);
        return mf_samples_mean_error(samples, known);
    }
    const double replications = (double)means->n;
    const double square = means->square / (replications - 1) / replications;
    const double variance = samples->n > 1 ? samples->square / (double)(samples->n - 1) : 0;
    *n = square > 0 ? fmin((double)samples->n, variance / square) : (double)samples->n;
    return mf_samples_own_error(means, known);
}

mf_status mf_collector_spread(mf_latency *spread,
                              double *curve,
                              const mf_samples *samples,
                              const mf_samples *means,
                              mf_error *err)
{
    enum { LOW = MF_QUANTILE_COUNT, HIGH = 2 * MF_QUANTILE_COUNT, CURVE = 3 * MF_QUANTILE_COUNT };
    double shares[CURVE + MF_MAX_CURVE];
    double values[CURVE + MF_MAX_CURVE];
    mf_latency made = {.known = samples->n > 0, .n = samples->n, .mean = samples->mean};
    double n = 0;
    made.mean_error = error_of(&made.error_known, &n, samples, means);
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        mf_share_bounds bounds = {0};
        shares[q] = quantile_shares[q];
        made.bounds_known[q] =
            made.error_known && mf_samples_bounds(&bounds, quantile_shares[q], n);
        shares[LOW + q] = bounds.low;
        shares[HIGH + q] = bounds.high;
    }
    for (size_t i = 0; i < MF_MAX_CURVE; i++) {
        shares[CURVE + i] = (double)i / (MF_MAX_CURVE - 1);
    }
    const size_t n_shares = curve != NULL ? CURVE + MF_MAX_CURVE : CURVE;
    const mf_status status = mf_samples_quantiles(values, shares, n_shares, samples, err);
    if (status != MF_OK) {
        return status;
    }
    memcpy(made.quantiles, values, sizeof made.quantiles);
    memcpy(made.low, values + LOW, sizeof made.low);
    memcpy(made.high, values + HIGH, sizeof made.high);
    if (curve != NULL) {
        memcpy(curve, values + CURVE, MF_MAX_CURVE * sizeof *curve);
    }
    *spread = made;
    return MF_OK;
}
