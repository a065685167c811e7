#include "memfit/simulate.h"

#include <stdarg.h>
#include <stdio.h>

#include "simulate/collect.h"
#include "simulate/requests.h"
#include "simulate/serving.h"
#include "simulate/usage.h"

const char *mf_served_name(mf_served_outcome outcome)
{
    static const char *const names[] = {[MF_SERVED_DONE] = "done",
                                        [MF_SERVED_CUT] = "cut",
                                        [MF_SERVED_FAILED] = "failed",
                                        [MF_SERVED_REFUSED] = "refused"};
    return names[outcome];
}

static void warn(mf_simulation *s, const char *format, ...) MF_PRINTF(2, 3);

static void warn(mf_simulation *s, const char *format, ...)
{
    if (s->n_warnings == MF_MAX_WARNINGS) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(s->warnings[s->n_warnings], MF_WARNING_SIZE, format, arguments);
    va_end(arguments);
    s->n_warnings++;
}

/* The first tenth is not the steady state that the measures are of. */
static mf_status set_up_collector(mf_collector *c, const mf_requests *requests, mf_error *err)
{
    enum { SHARE = 10 };
    c->n_warm_up = requests->is_drawn ? requests->n_requests / SHARE : 0;
    c->warm_up_ns = requests->duration_ns / SHARE;
    return requests->usage != NULL ? mf_collector_split(c, requests->usage->n_streams, err) : MF_OK;
}

static double per(double amount, double whole)
{
    return whole > 0 ? amount / whole : 0;
}

static void fill_settings(mf_simulation *s, const mf_served_setup *setup)
{
    s->kv_tokens = setup->settings.cache_tokens;
    s->max_sequences = setup->settings.max_sequences;
    s->max_batch_tokens = setup->settings.max_tokens;
    s->context_tokens = setup->settings.context_tokens;
    s->n_servers = setup->n_servers;
    s->devices_per_server = setup->devices_per_server;
    s->basis = setup->ground.basis;
    if (setup->ground.warning[0] != '\0') {
        warn(s, "%s", setup->ground.warning);
    }
}

static void fill_totals(mf_simulation *s, const mf_world_totals *t, const mf_collector *c)
{
    const double span_ns = (double)(t->end_ns > t->first_ns ? t->end_ns - t->first_ns : 0);
    const double servers = (double)s->n_servers;
    const double cache = (double)s->kv_tokens;
    s->n_requests = t->n_arrived;
    s->n_warm_up = t->n_ended - c->n_counted;
    for (size_t i = 0; i <= MF_SERVED_REFUSED; i++) {
        s->n_outcomes[i] = c->n_outcomes[i];
    }
    s->duration_s = span_ns / MF_NS_PER_S;
    s->request_per_s = per((double)t->n_ended, s->duration_s);
    s->output_tok_s = per((double)c->output_tokens, s->duration_s);
    s->total_tok_s = per((double)(c->input_tokens + c->output_tokens), s->duration_s);
    s->utilization = per((double)t->counts.busy_ns, span_ns * servers);
    s->mean_waiting = per((double)t->counts.waiting_ns, span_ns);
    s->mean_running = per((double)t->counts.present_ns, span_ns) - s->mean_waiting;
    s->kv_mean_fraction = per((double)t->counts.cache_ns, span_ns * servers * cache);
    s->kv_peak_fraction = per((double)t->peak_cache_tokens, cache);
    s->within_share = per((double)c->n_within, (double)c->n_counted);
    s->n_preempted = t->counts.n_preempted;
    s->computed_tokens = t->counts.computed_tokens;
    s->cached_tokens = t->counts.cached_tokens;
    s->recomputed_tokens = t->counts.recomputed_tokens;
    s->n_steps = t->counts.n_steps;
    s->n_leaps = t->counts.n_jumps;
}

/* More comes in than goes out: of two halves of the requests, the later waits far longer, and what waits takes long to be worked off
   once nothing comes any more. */
static bool is_saturated(const mf_world_totals *t, const mf_collector *c, uint64_t last_arrival_ns)
{
    static const double drain_share = 0.05;
    static const double growth = 1.5;
    const mf_samples *q = &c->queue_s;
    const double arrivals_ns = (double)(last_arrival_ns - t->first_ns);
    const double drain_ns = (double)(t->end_ns - last_arrival_ns);
    const size_t half = q->n_batches / 2;
    double early = 0;
    double late = 0;
    for (size_t i = 0; i < half; i++) {
        early += q->batch_sums[i];
        late += q->batch_sums[half + i];
    }
    return half > 1 && drain_ns > drain_share * arrivals_ns && late > growth * early &&
           q->mean * MF_NS_PER_S > drain_share * arrivals_ns;
}

static mf_status fill_spreads(mf_simulation *s, const mf_collector *c, mf_error *err)
{
    mf_status status = mf_collector_spread(&s->ttft_s, &c->ttft_s, err);
    if (status == MF_OK) {
        status = mf_collector_spread(&s->tpot_s, &c->tpot_s, err);
    }
    if (status == MF_OK) {
        status = mf_collector_spread(&s->e2e_s, &c->e2e_s, err);
    }
    return status == MF_OK ? mf_collector_spread(&s->queue_s, &c->queue_s, err) : status;
}

static mf_status
fill_streams(mf_simulation *s, const mf_collector *c, const mf_usage *usage, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < c->n_streams; i++) {
        const mf_stream_samples *from = &c->streams[i];
        mf_stream_measures *to = &s->streams[i];
        (void)snprintf(to->name, sizeof to->name, "%s", usage->streams[i].name);
        to->n_requests = from->n_requests;
        to->within_share = per((double)from->n_within, (double)from->n_counted);
        status = mf_collector_spread(&to->ttft_s, &from->ttft_s, err);
        status = status == MF_OK ? mf_collector_spread(&to->tpot_s, &from->tpot_s, err) : status;
        status = status == MF_OK ? mf_collector_spread(&to->e2e_s, &from->e2e_s, err) : status;
    }
    s->n_streams = c->n_streams;
    return status;
}

static void warn_of_outcomes(mf_simulation *s)
{
    static const char *const reasons[] = {
        [MF_SERVED_DONE] = "",
        [MF_SERVED_CUT] = "ended early, their context was full",
        [MF_SERVED_FAILED] = "failed, the cache was full",
        [MF_SERVED_REFUSED] = "were refused, longer than the context or the whole cache"};
    for (size_t i = MF_SERVED_CUT; i <= MF_SERVED_REFUSED; i++) {
        if (s->n_outcomes[i] > 0) {
            warn(s,
                 "%llu of %llu requests %s",
                 (unsigned long long)s->n_outcomes[i],
                 (unsigned long long)s->n_requests,
                 reasons[i]);
        }
    }
}

static void warn_of_dropped(mf_simulation *s, const mf_requests *requests)
{
    if (requests->n_dropped != NULL && *requests->n_dropped > 0) {
        warn(s,
             "rows of the trace without tokens, left out: %llu",
             (unsigned long long)*requests->n_dropped);
    }
}

/* Of a load that goes on, there is no mean wait once the queue grows without end. */
static void judge(mf_simulation *s, bool is_drawn)
{
    static const double unsure = 0.25;
    if (s->saturated && is_drawn) {
        s->ttft_s.known = false;
        s->e2e_s.known = false;
        s->queue_s.known = false;
        for (size_t i = 0; i < s->n_streams; i++) {
            s->streams[i].ttft_s.known = false;
            s->streams[i].e2e_s.known = false;
        }
        warn(s, "saturated: requests come faster than they are served, waiting grows without end");
        return;
    }
    if (s->saturated) {
        warn(s,
             "requests came faster than they were served: latencies depend on how long that went "
             "on");
        return;
    }
    if (is_drawn && s->ttft_s.known && s->ttft_s.error_known &&
        s->ttft_s.mean_error > unsure * s->ttft_s.mean) {
        warn(s, "near saturation: waiting swings widely, more requests (--count) make it surer");
    }
}

static mf_status run_setup(mf_simulation *s,
                           const mf_served_setup *setup,
                           const mf_simulation_run *run,
                           mf_collector *c,
                           mf_error *err)
{
    mf_world_totals totals = {0};
    const mf_world_setup world = {
        .rules = setup->rules,
        .pace = &setup->pace,
        .settings = setup->settings,
        .n_servers = setup->n_servers,
        .source = run->requests->source,
        .hooks = {.ended = mf_collect, .payload = c}
    };
    mf_status status = mf_world_run(&totals, &world, err);
    if (status == MF_OK) {
        status = fill_spreads(s, c, err);
    }
    if (status == MF_OK) {
        status = fill_streams(s, c, run->requests->usage, err);
    }
    if (status == MF_OK) {
        fill_totals(s, &totals, c);
        s->saturated = is_saturated(&totals, c, totals.last_ns);
        judge(s, run->requests->is_drawn);
        warn_of_outcomes(s);
        warn_of_dropped(s, run->requests);
    }
    return status;
}

mf_status mf_simulate(mf_simulation *simulation, const mf_simulation_run *run, mf_error *err)
{
    mf_served_setup setup;
    mf_simulation s = {0};
    mf_collector c = {.promise = run->promise, .served = run->served, .payload = run->payload};
    mf_status status = mf_served_set_up(&setup, run, err);
    if (status == MF_OK) {
        fill_settings(&s, &setup);
        s.fits = setup.fits;
        if (!setup.fits) {
            warn(&s, "%s", setup.why);
        }
    }
    if (status == MF_OK && setup.fits) {
        status = set_up_collector(&c, run->requests, err);
        status = status == MF_OK ? run_setup(&s, &setup, run, &c, err) : status;
    }
    mf_collector_free(&c);
    mf_served_free(&setup);
    if (status == MF_OK) {
        *simulation = s;
    }
    return status;
}
