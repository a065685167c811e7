#include "simulate/world.h"

#include <stdlib.h>

typedef struct world {
    const mf_world_setup *setup;
    mf_server *servers;
    uint32_t n_open;
    mf_lives lives;
    mf_world_totals totals;
    uint64_t until_ns; /* of the server that runs */
} world;

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static mf_status on_ended(void *payload, const mf_outcome_row *row, mf_error *err)
{
    world *w = payload;
    const mf_world_setup *setup = w->setup;
    w->totals.n_ended++;
    w->totals.sojourn_ns += row->end_ns - row->request->arrival_ns;
    w->totals.context_tokens += row->context_tokens;
    if (row->context_tokens > 0 && mf_served_is_answered(row->outcome)) {
        const uint64_t made = (uint64_t)row->request->input_tokens + row->given_tokens - 1;
        w->totals.n_odd += row->context_tokens != made ? 1 : 0;
    }
    mf_status status = setup->hooks.ended(setup->hooks.payload, row, err);
    if (status == MF_OK && setup->source.ended != NULL) {
        status = setup->source.ended(setup->source.self, row, err);
        w->until_ns = least(w->until_ns, setup->source.next_ns(setup->source.self));
    }
    return status;
}

static void on_stepped(void *payload, const mf_step_report *report)
{
    const world *w = payload;
    w->setup->hooks.stepped(w->setup->hooks.payload, report);
}

/* vLLM's balancer: a waiting request weighs four times one that runs (vllm/v1/engine/core_client.py). */
static mf_server *least_loaded(const world *w)
{
    enum { WAITING_WEIGHT = 4 };
    mf_server *best = &w->servers[0];
    for (uint32_t i = 1; i < w->n_open; i++) {
        mf_server *other = &w->servers[i];
        const uint64_t load = (uint64_t)WAITING_WEIGHT * other->n_waiting + other->n_running;
        if (load < (uint64_t)WAITING_WEIGHT * best->n_waiting + best->n_running) {
            best = other;
        }
    }
    return best;
}

static bool goes_together(const world *w)
{
    return w->setup->n_together > 1;
}

static mf_status take_arrival(world *w, mf_error *err)
{
    mf_request request = {0};
    uint32_t live = 0;
    const mf_arrivals *source = &w->setup->source;
    mf_status status = source->take(source->self, &request, err);
    if (status != MF_OK) {
        return status;
    }
    status = mf_lives_take(&live, &w->lives, err);
    if (status != MF_OK) {
        free(request.chunks);
        return status;
    }
    if (w->totals.n_arrived == 0) {
        w->totals.first_ns = request.arrival_ns;
    }
    w->totals.last_ns = request.arrival_ns;
    w->lives.items[live].request = request;
    w->lives.items[live].id = w->totals.n_arrived++;
    /* A patient server has steps to make up for. */
    mf_server *server = least_loaded(w);
    w->until_ns = request.arrival_ns;
    status = goes_together(w) ? MF_OK : mf_server_run(server, &w->until_ns, err);
    w->until_ns = MF_NEVER;
    return status == MF_OK ? mf_server_add(server, live, err) : status;
}

/* The server whose event comes first, and when the next one of another server does. */
static mf_server *next_server(const world *w, uint64_t *other_ns)
{
    mf_server *first = NULL;
    uint64_t first_ns = MF_NEVER;
    *other_ns = MF_NEVER;
    for (uint32_t i = 0; i < w->n_open; i++) {
        const uint64_t ns = mf_server_next_ns(&w->servers[i]);
        if (ns < first_ns) {
            *other_ns = first_ns;
            first_ns = ns;
            first = &w->servers[i];
        } else {
            *other_ns = least(*other_ns, ns);
        }
    }
    return first;
}

static mf_status run_events(world *w, mf_error *err)
{
    const mf_arrivals *source = &w->setup->source;
    mf_status status = MF_OK;
    while (status == MF_OK) {
        uint64_t other_ns = MF_NEVER;
        const uint64_t arrival_ns = source->next_ns(source->self);
        mf_server *server = next_server(w, &other_ns);
        const uint64_t server_ns = server != NULL ? mf_server_next_ns(server) : MF_NEVER;
        if (arrival_ns == MF_NEVER && server == NULL) {
            break;
        }
        if (arrival_ns <= server_ns) {
            status = take_arrival(w, err);
            continue;
        }
        w->until_ns = arrival_ns;
        if (source->ended != NULL && other_ns < arrival_ns) {
            /* What ends elsewhere may bring a request: go no further than there. */
            w->until_ns = other_ns > server_ns ? other_ns : server_ns + 1;
        }
        status = mf_server_run(server, &w->until_ns, err);
        w->totals.end_ns = server->now_ns > w->totals.end_ns ? server->now_ns : w->totals.end_ns;
    }
    return status;
}

/* The same where servers step together: their steps are the events. */
static mf_status run_groups(world *w, mf_error *err)
{
    const mf_arrivals *source = &w->setup->source;
    mf_status status = MF_OK;
    while (status == MF_OK) {
        mf_group first = {0};
        uint64_t first_ns = MF_NEVER;
        for (uint32_t i = 0; i < w->n_open; i += w->setup->n_together) {
            const mf_group group = {&w->servers[i], w->setup->n_together};
            const uint64_t ns = mf_group_next_ns(&group);
            first = ns < first_ns ? group : first;
            first_ns = least(ns, first_ns);
        }
        const uint64_t arrival_ns = source->next_ns(source->self);
        if (arrival_ns == MF_NEVER && first_ns == MF_NEVER) {
            break;
        }
        if (arrival_ns <= first_ns) {
            status = take_arrival(w, err);
            continue;
        }
        status = mf_group_step(&first, err);
        w->totals.end_ns = w->totals.end_ns > first_ns ? w->totals.end_ns : first_ns;
    }
    return status;
}

void mf_server_counts_add(mf_server_counts *sum, const mf_server_counts *counts)
{
    const mf_server_counts *c = counts;
    sum->n_steps += c->n_steps;
    sum->n_jumps += c->n_jumps;
    sum->busy_ns += c->busy_ns;
    sum->computed_tokens += c->computed_tokens;
    sum->cached_tokens += c->cached_tokens;
    sum->recomputed_tokens += c->recomputed_tokens;
    sum->n_preempted += c->n_preempted;
    sum->present_ns += c->present_ns;
    sum->waiting_ns += c->waiting_ns;
    sum->cache_ns += c->cache_ns;
    sum->peak_cache_tokens += c->peak_cache_tokens;
}

static void add_counts(mf_world_totals *totals, const mf_server *server)
{
    const mf_server_counts *c = &server->counts;
    mf_server_counts_add(&totals->counts, c);
    if (c->peak_cache_tokens > totals->peak_cache_tokens) {
        totals->peak_cache_tokens = c->peak_cache_tokens;
    }
}

/* Little's law: the time that requests spent inside is the integral of how many were inside. Tokens: what the contexts held in
   the end was computed or found in a cache, and nothing else was, but for what was lost on the way. */
static mf_status check_conservation(const mf_world_totals *t, mf_error *err)
{
    const mf_server_counts *c = &t->counts;
    if (t->n_left > 0 || t->n_ended != t->n_arrived) {
        return mf_fail(err,
                       MF_E_INTERNAL,
                       "%llu of %llu requests never ended",
                       (unsigned long long)(t->n_arrived - t->n_ended),
                       (unsigned long long)t->n_arrived);
    }
    if (c->present_ns != t->sojourn_ns) {
        return mf_fail(err, MF_E_INTERNAL, "Little's law does not hold: requests were lost");
    }
    const uint64_t kept = t->context_tokens + c->recomputed_tokens;
    if (c->computed_tokens + c->cached_tokens != kept || t->n_odd > 0) {
        return mf_fail(err,
                       MF_E_INTERNAL,
                       "contexts of %llu tokens from %llu computed, %llu found, %llu lost",
                       (unsigned long long)t->context_tokens,
                       (unsigned long long)c->computed_tokens,
                       (unsigned long long)c->cached_tokens,
                       (unsigned long long)c->recomputed_tokens);
    }
    return MF_OK;
}

static mf_status open_servers(world *w, mf_error *err)
{
    const mf_world_setup *setup = w->setup;
    mf_status status = MF_OK;
    w->servers = calloc(setup->n_servers, sizeof *w->servers);
    if (w->servers == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %u servers", (unsigned)setup->n_servers);
    }
    while (status == MF_OK && w->n_open < setup->n_servers) {
        mf_server *server = &w->servers[w->n_open];
        status =
            mf_server_open(server, setup->rules, setup->pace, &setup->settings, &w->lives, err);
        if (status == MF_OK) {
            server->index = w->n_open++;
            server->is_patient =
                setup->n_servers > 1 && !setup->settings.one_by_one && !goes_together(w);
            server->hooks =
                (mf_server_hooks){.ended = on_ended,
                                  .stepped = setup->hooks.stepped != NULL ? on_stepped : NULL,
                                  .payload = w};
        }
    }
    return status;
}

mf_status mf_world_run(mf_world_totals *totals, const mf_world_setup *setup, mf_error *err)
{
    world w = {.setup = setup, .until_ns = MF_NEVER};
    mf_status status = open_servers(&w, err);
    if (status == MF_OK) {
        status = goes_together(&w) ? run_groups(&w, err) : run_events(&w, err);
    }
    w.totals.n_left = w.lives.n_used;
    for (uint32_t i = 0; i < w.n_open; i++) {
        add_counts(&w.totals, &w.servers[i]);
        mf_server_close(&w.servers[i]);
    }
    free(w.servers);
    mf_lives_free(&w.lives);
    if (status == MF_OK) {
        status = check_conservation(&w.totals, err);
    }
    if (status == MF_OK) {
        *totals = w.totals;
    }
    return status;
}
