#include "memfit/simulate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "simulate/collect.h"
#include "simulate/requests.h"
#include "simulate/serving.h"
#include "simulate/usage.h"

uint64_t mf_simulation_answered(const mf_simulation *simulation)
{
    return simulation->n_outcomes[MF_SERVED_DONE] + simulation->n_outcomes[MF_SERVED_CUT];
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
static mf_status
set_up_collector(mf_collector *c, uint32_t n_servers, const mf_requests *requests, mf_error *err)
{
    enum { SHARE = 10 };
    c->n_warm_up = requests->is_drawn ? requests->n_requests / SHARE : 0;
    c->warm_up_ns = requests->duration_ns / SHARE;
    const mf_status status = mf_collector_set_up(c, n_servers, err);
    return status == MF_OK && requests->usage != NULL
               ? mf_collector_split(c, requests->usage->n_streams, err)
               : status;
}

static double per(double amount, double whole)
{
    return whole > 0 ? amount / whole : 0;
}

static void fill_settings(mf_simulation *s, const mf_served_setup *setup, const mf_serving *serving)
{
    s->n_machines = serving->n_machines > 0 ? serving->n_machines : 1;
    s->kv_tokens = setup->settings.cache_tokens;
    s->max_sequences = setup->settings.max_sequences;
    s->max_batch_tokens = setup->settings.max_tokens;
    s->context_tokens = setup->settings.context_tokens;
    s->n_servers = setup->n_servers;
    s->devices_per_server = setup->devices_per_server;
    s->basis = setup->ground.basis;
    s->slowest = setup->ground.slowest;
    s->fastest = setup->ground.fastest;
    if (setup->ground.warning[0] != '\0') {
        warn(s, "%s", setup->ground.warning);
    }
}

/* Replications together. */
typedef struct pooled {
    mf_collector all;
    mf_world_totals totals; /* sums, but for times and peaks */
    double span_ns;
    mf_samples ttft_s; /* means, one a replication */
    mf_samples tpot_s;
    mf_samples e2e_s;
    mf_samples queue_s;
    uint32_t n_done;
    uint32_t n_saturated;
} pooled;

static void free_pooled(pooled *p)
{
    mf_collector_free(&p->all);
    mf_samples_free(&p->ttft_s);
    mf_samples_free(&p->tpot_s);
    mf_samples_free(&p->e2e_s);
    mf_samples_free(&p->queue_s);
}

static void add_totals(pooled *p, const mf_world_totals *t)
{
    mf_world_totals *sum = &p->totals;
    sum->n_arrived += t->n_arrived;
    sum->n_ended += t->n_ended;
    mf_server_counts_add(&sum->counts, &t->counts);
    if (t->peak_cache_tokens > sum->peak_cache_tokens) {
        sum->peak_cache_tokens = t->peak_cache_tokens;
    }
    p->span_ns += (double)(t->end_ns > t->first_ns ? t->end_ns - t->first_ns : 0);
}

static void fill_totals(mf_simulation *s, const pooled *p)
{
    const mf_world_totals *t = &p->totals;
    const mf_collector *c = &p->all;
    const double span_ns = p->span_ns;
    const double servers = (double)s->n_servers;
    const double cache = (double)s->kv_tokens;
    s->n_replications = p->n_done;
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
    const double at_once = per(s->mean_running, servers * s->max_sequences);
    s->load = at_once > s->kv_mean_fraction ? at_once : s->kv_mean_fraction;
    s->within_share = per((double)c->n_within, (double)c->n_counted);
    s->n_preempted = t->counts.n_preempted;
    s->computed_tokens = t->counts.computed_tokens;
    s->cached_tokens = t->counts.cached_tokens;
    s->recomputed_tokens = t->counts.recomputed_tokens;
    s->n_steps = t->counts.n_steps;
    s->n_leaps = t->counts.n_jumps;
    s->saturated = 2 * p->n_saturated > p->n_done;
    s->n_series = mf_series_points(s->series, &c->series);
}

/* More comes in than goes out: of four quarters of the requests, each waits longer than the one before, the last half far longer than
   the first, and what waits takes long to be worked off once nothing comes any more. */
static bool is_saturated(const mf_world_totals *t, const mf_collector *c)
{
    static const double drain_share = 0.02;
    static const double wait_share = 0.01;
    static const double growth = 1.5;
    enum { QUARTERS = 4 };
    const mf_samples *q = &c->queue_s;
    const double arrivals_ns = (double)(t->last_ns - t->first_ns);
    const double drain_ns = (double)(t->end_ns - t->last_ns);
    const size_t quarter = q->n_batches / QUARTERS;
    double sums[QUARTERS] = {0};
    bool grows = quarter > 1;
    for (size_t k = 0; k < QUARTERS; k++) {
        for (size_t i = 0; i < quarter; i++) {
            sums[k] += q->batch_sums[k * quarter + i];
        }
        grows = grows && (k == 0 || sums[k] > sums[k - 1]);
    }
    return grows && sums[2] + sums[3] > growth * (sums[0] + sums[1]) &&
           drain_ns > drain_share * arrivals_ns && q->mean * MF_NS_PER_S > wait_share * arrivals_ns;
}

static mf_status fill_spreads(mf_simulation *s, const pooled *p, mf_error *err)
{
    const mf_collector *c = &p->all;
    mf_status status =
        mf_collector_spread(&s->ttft_s, s->ttft_curve_s, &c->ttft_s, &p->ttft_s, err);
    if (status == MF_OK) {
        status = mf_collector_spread(&s->tpot_s, s->tpot_curve_s, &c->tpot_s, &p->tpot_s, err);
    }
    if (status == MF_OK) {
        status = mf_collector_spread(&s->e2e_s, s->e2e_curve_s, &c->e2e_s, &p->e2e_s, err);
    }
    mf_collector_itl(&s->itl_s, c);
    return status == MF_OK ? mf_collector_spread(&s->queue_s, NULL, &c->queue_s, &p->queue_s, err)
                           : status;
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
        status = mf_collector_spread(&to->ttft_s, NULL, &from->ttft_s, NULL, err);
        status = status == MF_OK ? mf_collector_spread(&to->tpot_s, NULL, &from->tpot_s, NULL, err)
                                 : status;
        status = status == MF_OK ? mf_collector_spread(&to->e2e_s, NULL, &from->e2e_s, NULL, err)
                                 : status;
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

/* Waiting is a good part of the time to the first token, and little room is left or its mean is not known well: small errors in
   capacity or load then change it many times over. */
static bool is_near_saturation(const mf_simulation *s)
{
    static const double much = 0.25;
    static const double full = 0.8;
    const mf_latency *ttft = &s->ttft_s;
    const bool unsure = ttft->error_known && ttft->mean_error > much * ttft->mean;
    return ttft->known && s->queue_s.mean > much * ttft->mean && (s->load > full || unsure);
}

/* Of a load that goes on, there is no mean wait once the queue grows without end. */
static void judge(mf_simulation *s, bool is_drawn)
{
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
    if (is_drawn && is_near_saturation(s)) {
        s->ttft_s.swings = true;
        s->queue_s.swings = true;
        warn(s,
             "near saturation, at %u %% of what fits at once: waiting swings widely; more "
             "requests (--count) or --replications make it surer",
             (unsigned)(100 * s->load + 0.5));
    }
}

/* One run of the requests, added to those before. */
static mf_status replicate(pooled *p,
                           const mf_served_setup *setup,
                           const mf_simulation_run *run,
                           const mf_requests *requests,
                           mf_error *err)
{
    const bool first = p->n_done == 0;
    mf_collector c = {.promise = run->promise,
                      .served = first ? run->served : NULL,
                      .stepped = first ? run->stepped : NULL,
                      .payload = run->payload};
    mf_world_totals totals = {0};
    const mf_world_setup world = {
        .rules = setup->rules,
        .pace = &setup->pace,
        .settings = setup->settings,
        .n_servers = setup->n_servers,
        .n_together = setup->n_together,
        .source = requests->source,
        .hooks = {.ended = mf_collect, .stepped = mf_collect_steps, .payload = &c}
    };
    mf_status status = set_up_collector(&c, setup->n_servers, requests, err);
    if (status == MF_OK) {
        status = mf_world_run(&totals, &world, err);
    }
    if (status == MF_OK && c.step_status != MF_OK) {
        status = mf_fail(err, c.step_status, "%s", c.step_error.message);
    }
    status =
        status == MF_OK && c.ttft_s.n > 0 ? mf_samples_add(&p->ttft_s, c.ttft_s.mean, err) : status;
    status =
        status == MF_OK && c.tpot_s.n > 0 ? mf_samples_add(&p->tpot_s, c.tpot_s.mean, err) : status;
    status =
        status == MF_OK && c.e2e_s.n > 0 ? mf_samples_add(&p->e2e_s, c.e2e_s.mean, err) : status;
    status = status == MF_OK && c.queue_s.n > 0 ? mf_samples_add(&p->queue_s, c.queue_s.mean, err)
                                                : status;
    if (status == MF_OK) {
        p->n_saturated += is_saturated(&totals, &c) ? 1 : 0;
        p->n_done++;
        add_totals(p, &totals);
    }
    if (status == MF_OK && first) {
        p->all = c;
        return MF_OK;
    }
    status = status == MF_OK ? mf_collector_join(&p->all, &c, err) : status;
    mf_collector_free(&c);
    return status;
}

static mf_status
fill_all(mf_simulation *s, const pooled *p, const mf_requests *requests, mf_error *err)
{
    mf_status status = fill_spreads(s, p, err);
    if (status == MF_OK) {
        status = fill_streams(s, &p->all, requests->usage, err);
    }
    if (status == MF_OK) {
        fill_totals(s, p);
        judge(s, requests->is_drawn);
        warn_of_outcomes(s);
        warn_of_dropped(s, requests);
    }
    return status;
}

/* The run's own requests, or those of a demand as often as the run says. */
static mf_status run_all(mf_simulation *s,
                         const mf_served_setup *setup,
                         const mf_simulation_run *run,
                         const mf_demand *demand,
                         mf_error *err)
{
    pooled *p = calloc(1, sizeof *p);
    const uint32_t n = demand != NULL && run->n_replications > 1 ? run->n_replications : 1;
    mf_status status = p != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for measures");
    for (uint32_t i = 0; status == MF_OK && i < n; i++) {
        mf_requests *own = NULL;
        if (demand != NULL) {
            status = mf_requests_again(&own, demand, i, err);
        }
        const mf_requests *requests = demand != NULL ? own : run->requests;
        status = status == MF_OK ? replicate(p, setup, run, requests, err) : status;
        if (status == MF_OK && i + 1 == n) {
            status = fill_all(s, p, requests, err);
        }
        mf_requests_free(own);
    }
    if (p != NULL) {
        free_pooled(p);
    }
    free(p);
    return status;
}

static mf_status simulate_any(mf_simulation *simulation,
                              const mf_simulation_run *run,
                              const mf_demand *demand,
                              mf_error *err)
{
    mf_served_setup setup;
    mf_simulation *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a simulation");
    }
    mf_status status = mf_served_set_up(&setup, run, err);
    if (status == MF_OK) {
        fill_settings(s, &setup, &run->serving);
        s->fits = setup.fits;
        if (!setup.fits) {
            warn(s, "%s", setup.why);
        }
    }
    if (status == MF_OK && setup.fits) {
        status = run_all(s, &setup, run, demand, err);
    }
    mf_served_free(&setup);
    if (status == MF_OK) {
        *simulation = *s;
    }
    free(s);
    return status;
}

mf_status mf_simulate(mf_simulation *simulation, const mf_simulation_run *run, mf_error *err)
{
    return simulate_any(simulation, run, NULL, err);
}

mf_status mf_simulate_demand(mf_simulation *simulation,
                             const mf_simulation_run *run,
                             const mf_demand *demand,
                             mf_error *err)
{
    enum { MOST_REPLICATIONS = 10000 };
    if (run->n_replications > MOST_REPLICATIONS) {
        return mf_fail(err, MF_E_USAGE, "at most %d replications", (int)MOST_REPLICATIONS);
    }
    if (run->n_replications > 1 && demand->usage == NULL && demand->load == NULL) {
        return mf_fail(err, MF_E_USAGE, "a trace is the same every time: it has no replications");
    }
    return simulate_any(simulation, run, demand, err);
}
