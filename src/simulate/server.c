#include "simulate/server.h"

#include <stdlib.h>
#include <string.h>

mf_status mf_server_open(mf_server *server,
                         const mf_rules *rules,
                         const mf_pace *pace,
                         const mf_server_settings *settings,
                         mf_lives *lives,
                         mf_error *err)
{
    uint32_t *running = calloc((size_t)settings->max_sequences + 1, sizeof *running);
    if (running == NULL) {
        return mf_fail(err,
                       MF_E_NOMEM,
                       "no memory for %u sequences at once",
                       (unsigned)settings->max_sequences);
    }
    mf_server made = {.rules = rules,
                      .pace = pace,
                      .settings = *settings,
                      .lives = lives,
                      .running = running,
                      .waiting_first = MF_NO_LIVE,
                      .waiting_last = MF_NO_LIVE};
    const mf_status status = rules->open != NULL ? rules->open(&made, err) : MF_OK;
    if (status != MF_OK) {
        mf_server_close(&made);
        return status;
    }
    *server = made;
    server->executing = &server->batches[0];
    server->ahead = &server->batches[1];
    server->composed = &server->batches[2];
    return MF_OK;
}

void mf_server_close(mf_server *server)
{
    if (server->rules != NULL && server->rules->close != NULL) {
        server->rules->close(server);
    }
    for (size_t i = 0; i < sizeof server->batches / sizeof server->batches[0]; i++) {
        free(server->batches[i].parts);
    }
    free(server->running);
    *server = (mf_server){0};
}

uint64_t mf_server_next_ns(const mf_server *server)
{
    if (server->is_executing) {
        return server->is_patient && server->quiet_ns > server->end.ns ? server->quiet_ns
                                                                       : server->end.ns;
    }
    return server->n_waiting > 0 ? server->now_ns : MF_NEVER;
}

/* Carries the integrals of counts forward: what is there now has been there since. */
static void count_until(mf_server *server, uint64_t ns)
{
    const uint64_t span = ns - server->counted_ns;
    server->counts.present_ns += (mf_wide)(server->n_running + server->n_waiting) * span;
    server->counts.waiting_ns += (mf_wide)server->n_waiting * span;
    server->counts.cache_ns += (mf_wide)server->cache_used * span;
    server->counted_ns = ns;
}

mf_status mf_batch_grow(mf_batch *batch, mf_error *err)
{
    enum { FIRST = 64 };
    const size_t capacity = batch->capacity > 0 ? 2 * batch->capacity : FIRST;
    mf_part *parts = realloc(batch->parts, capacity * sizeof *parts);
    if (parts == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a batch of %zu", capacity);
    }
    batch->parts = parts;
    batch->capacity = capacity;
    return MF_OK;
}

static void swap(mf_batch **a, mf_batch **b)
{
    mf_batch *const kept = *a;
    *a = *b;
    *b = kept;
}

static uint32_t count_stalled(const mf_server *server)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < server->n_running; i++) {
        const mf_live *live = mf_server_live(server, server->running[i]);
        n += live->given > 0 && live->computed >= live->request.input_tokens ? 1 : 0;
    }
    return n;
}

/* The load of a batch whose parts are what the running sequences do next: computed counts them already. */
static void weigh(mf_server *server, mf_batch *batch)
{
    bool uniform = batch->n_parts == server->n_running;
    mf_load_clear(&batch->load, server->pace);
    for (size_t i = 0; i < batch->n_parts; i++) {
        const mf_part *part = &batch->parts[i];
        const mf_live *live = mf_server_live(server, part->live);
        if (part->n_tokens == 1 && part->gives && live->asked > 1) {
            mf_load_decode(&batch->load, server->pace, live->computed);
        } else {
            mf_load_prompt(
                &batch->load, server->pace, live->computed - part->n_tokens, part->n_tokens);
            batch->load.n_rows += part->gives ? 1 : 0;
            uniform = false;
        }
        server->counts.computed_tokens += part->n_tokens;
    }
    batch->is_uniform = uniform;
    if (batch->load.n_decode == 0 && batch->n_parts < server->n_running) {
        batch->load.n_stalled = count_stalled(server);
    }
}

static mf_status compose(mf_server *server, mf_error *err)
{
    server->composed->n_parts = 0;
    const mf_status status = server->rules->compose(server, err);
    if (status == MF_OK && server->composed->n_parts > 0) {
        weigh(server, server->composed);
    }
    const uint64_t used = server->cache_used;
    uint64_t *peak = &server->counts.peak_cache_tokens;
    *peak = used > *peak ? used : *peak;
    return status;
}

static void start(mf_server *server, mf_batch **batch)
{
    swap(&server->executing, batch);
    server->is_executing = true;
    server->step_ps = mf_pace_step_ps(server->pace, &server->executing->load);
    server->begin = server->end;
    server->end = mf_clock_after(server->begin, server->step_ps);
}

/* The device is free: starts what comes next, and composes ahead where the engine does. */
static mf_status go_on(mf_server *server, mf_error *err)
{
    mf_status status = MF_OK;
    if (server->is_ahead) {
        server->is_ahead = false;
        start(server, &server->ahead);
    } else {
        status = compose(server, err);
        if (status == MF_OK && server->composed->n_parts > 0) {
            start(server, &server->composed);
        }
    }
    if (status == MF_OK && server->is_executing && server->rules->n_ahead > 0) {
        status = compose(server, err);
        if (status == MF_OK && server->composed->n_parts > 0) {
            swap(&server->ahead, &server->composed);
            server->is_ahead = true;
        }
    }
    return status;
}

static void forget_running(mf_server *server, uint32_t live)
{
    uint32_t at = 0;
    while (at < server->n_running && server->running[at] != live) {
        at++;
    }
    if (at < server->n_running) {
        server->n_running--;
        memmove(&server->running[at],
                &server->running[at + 1],
                (server->n_running - at) * sizeof *server->running);
    }
}

mf_status
mf_server_end_live(mf_server *server, uint32_t live, mf_served_outcome outcome, mf_error *err)
{
    mf_live *entry = mf_server_live(server, live);
    if (outcome == MF_SERVED_DONE && entry->target < entry->request.output_tokens) {
        outcome = MF_SERVED_CUT;
    }
    const mf_request request = entry->request;
    const mf_outcome_row row = {.request = &request,
                                .id = entry->id,
                                .start_ns = entry->start_ns,
                                .first_ns = entry->first_ns,
                                .end_ns = server->now_ns,
                                .given_tokens = entry->given,
                                .cached_tokens = entry->cached,
                                .context_tokens = entry->computed,
                                .n_preempted = entry->n_preempted,
                                .outcome = outcome};
    if (server->rules->leave != NULL) {
        server->rules->leave(server, live);
    }
    if (entry->is_waiting) {
        mf_waiting_remove(server, live);
    } else {
        forget_running(server, live);
    }
    const mf_status status = server->hooks.ended(server->hooks.payload, &row, err);
    mf_lives_give(server->lives, live);
    return status;
}

static void report(const mf_server *server, mf_step_report *step)
{
    if (server->hooks.stepped != NULL) {
        step->server = server->index;
        step->load = &server->executing->load;
        step->n_running = server->n_running;
        step->n_waiting = server->n_waiting;
        step->cache_tokens = server->cache_used;
        server->hooks.stepped(server->hooks.payload, step);
    }
}

/* The executing batch has ended: its tokens come out. */
static mf_status finish(mf_server *server, mf_error *err)
{
    mf_status status = MF_OK;
    mf_step_report step = {.begin_ns = server->begin.ns,
                           .end_ns = server->end.ns,
                           .n_steps = 1,
                           .first_ps = server->step_ps,
                           .last_ps = server->step_ps};
    count_until(server, server->end.ns);
    server->now_ns = server->end.ns;
    server->counts.busy_ns += server->end.ns - server->begin.ns;
    server->counts.n_steps++;
    server->is_executing = false;
    report(server, &step);
    for (size_t i = 0; status == MF_OK && i < server->executing->n_parts; i++) {
        const mf_part *part = &server->executing->parts[i];
        mf_live *live = mf_server_live(server, part->live);
        if (!part->gives) {
            continue;
        }
        live->given++;
        if (live->given == 1) {
            live->first_ns = server->now_ns;
        }
        if (live->given == live->target) {
            status = mf_server_end_live(server, part->live, MF_SERVED_DONE, err);
        }
    }
    return status;
}

/* Of the sequences that the run's first load holds, how far until one reaches the limit of a term. */
static uint64_t steps_to_limits(const mf_server *server, uint64_t n, uint64_t seen_more)
{
    const mf_pace *pace = server->pace;
    for (size_t k = 0; k < pace->n_terms; k++) {
        const uint64_t limit = pace->terms[k].limit_tokens;
        if (limit == MF_NO_LIMIT) {
            continue;
        }
        for (uint32_t i = 0; i < server->n_running; i++) {
            const uint64_t seen = mf_server_live(server, server->running[i])->computed + seen_more;
            if (seen < limit && limit - seen < n) {
                n = limit - seen;
            }
        }
    }
    return n;
}

static uint64_t uniform_steps(const mf_server *server)
{
    const bool ahead = server->rules->n_ahead > 0;
    if (server->settings.one_by_one || !server->executing->is_uniform ||
        server->executing->n_parts != server->n_running ||
        (ahead && !(server->is_ahead && server->ahead->is_uniform &&
                    server->ahead->n_parts == server->n_running))) {
        return 0;
    }
    uint64_t n = UINT64_MAX;
    for (uint32_t i = 0; i < server->n_running; i++) {
        const mf_live *live = mf_server_live(server, server->running[i]);
        const uint64_t left = live->target - live->asked;
        n = left < n ? left : n;
    }
    n = steps_to_limits(server, n, ahead ? 0 : 1);
    return n > 1 ? server->rules->steady(server, n) : n;
}

/* Steady: the load of a step in which every running sequence decodes, `later` steps behind the last one composed. */
static void weigh_steady(mf_server *server, uint32_t later)
{
    mf_load *load = &server->steady;
    mf_load_clear(load, server->pace);
    for (uint32_t i = 0; i < server->n_running; i++) {
        const uint64_t computed = mf_server_live(server, server->running[i])->computed;
        mf_load_decode(load, server->pace, computed + later);
    }
}

/* The same sequences, so many steps on: none of them reaches a limit on the way. */
static void set_later(mf_load *later, const mf_server *server, uint64_t n_steps)
{
    mf_load_copy(later, &server->steady, server->pace);
    for (size_t k = 0; k < server->pace->n_terms; k++) {
        later->seen[k] += n_steps * later->growing[k];
    }
}

/* n steps at once. The i-th of them ends the batch that executes and composes one more of the same sequences. */
static void leap(mf_server *server, const mf_run *run, uint64_t n)
{
    const bool ahead = server->rules->n_ahead > 0;
    const mf_clock last = mf_clock_after(server->end, mf_run_sum(run, n - 1));
    const mf_wide whole = mf_run_sum(run, n);
    mf_step_report step = {
        .begin_ns = server->begin.ns, .end_ns = last.ns, .n_steps = n, .first_ps = server->step_ps};
    const uint64_t last_ps =
        n > 1 ? (uint64_t)(mf_run_sum(run, n - 1) - mf_run_sum(run, n - 2)) : server->step_ps;
    step.last_ps = last_ps;
    report(server, &step);
    const uint64_t held = server->cache_used;
    server->rules->grow(server, n);
    const uint64_t grown = server->cache_used;
    server->cache_used = (held + grown) / 2; /* on average over the run */
    count_until(server, last.ns);
    server->cache_used = grown;
    for (uint32_t i = 0; i < server->n_running; i++) {
        mf_live *live = mf_server_live(server, server->running[i]);
        live->computed += (uint32_t)n;
        live->asked += (uint32_t)n;
        live->given += (uint32_t)n;
    }
    server->counts.busy_ns += last.ns - server->begin.ns;
    server->counts.n_steps += n;
    server->counts.n_jumps++;
    server->counts.computed_tokens += n * server->n_running;
    uint64_t *peak = &server->counts.peak_cache_tokens;
    *peak = grown > *peak ? grown : *peak;
    server->now_ns = last.ns;
    server->begin = last;
    server->end = mf_clock_after(server->end, whole);
    server->step_ps = (uint64_t)(whole - mf_run_sum(run, n - 1));
    set_later(&server->executing->load, server, n - 1);
    if (ahead) {
        set_later(&server->ahead->load, server, n);
    }
}

/* Jumps as far as nothing happens but decoding. */
static void try_leap(mf_server *server, uint64_t until_ns)
{
    const uint64_t most = uniform_steps(server);
    if (most < 2) {
        return;
    }
    weigh_steady(server, server->rules->n_ahead > 0 ? 0 : 1);
    const mf_run run = mf_pace_run(server->pace, &server->steady);
    const mf_wide room = (mf_wide)until_ns * MF_PS_PER_NS - mf_clock_ps(server->end);
    const uint64_t n = 1 + mf_run_fit(&run, room, most - 1);
    if (n > 1) {
        leap(server, &run, n);
    }
}

/* Until when the running sequences do nothing but decode. */
static uint64_t quiet_until(mf_server *server)
{
    const uint64_t most = uniform_steps(server);
    if (most < 2) {
        return server->end.ns;
    }
    weigh_steady(server, server->rules->n_ahead > 0 ? 0 : 1);
    const mf_run run = mf_pace_run(server->pace, &server->steady);
    return mf_clock_after(server->end, mf_run_sum(&run, most)).ns;
}

mf_status mf_server_add(mf_server *server, uint32_t live, mf_error *err)
{
    mf_live *entry = mf_server_live(server, live);
    const uint64_t arrival_ns = entry->request.arrival_ns;
    const uint64_t room = server->settings.context_tokens;
    count_until(server, arrival_ns);
    if (!server->is_executing) {
        server->now_ns = arrival_ns;
        server->end = (mf_clock){.ns = arrival_ns};
    }
    server->quiet_ns = 0;
    entry->target = entry->request.output_tokens;
    if (room > 0 && entry->request.input_tokens >= room) {
        server->now_ns = arrival_ns;
        mf_waiting_push(server, live);
        return mf_server_end_live(server, live, MF_SERVED_REFUSED, err);
    }
    if (room > 0 && entry->target > room - entry->request.input_tokens) {
        entry->target = (uint32_t)(room - entry->request.input_tokens);
    }
    mf_waiting_push(server, live);
    return MF_OK;
}

mf_status mf_server_run(mf_server *server, const uint64_t *until_ns, mf_error *err)
{
    mf_status status = MF_OK;
    if (!server->is_executing && server->n_waiting > 0 && server->now_ns < *until_ns) {
        status = go_on(server, err);
    }
    while (status == MF_OK && server->is_executing && server->end.ns < *until_ns) {
        try_leap(server, *until_ns);
        if (server->end.ns >= *until_ns) {
            break;
        }
        status = finish(server, err);
        status = status == MF_OK ? go_on(server, err) : status;
    }
    if (server->is_patient && status == MF_OK && server->is_executing) {
        server->quiet_ns = quiet_until(server);
    }
    return status;
}

/* The server whose step runs; one that has nothing to do has no step. */
static mf_server *stepping(const mf_group *group)
{
    for (uint32_t i = 0; i < group->n_servers; i++) {
        if (group->servers[i].is_executing) {
            return &group->servers[i];
        }
    }
    return NULL;
}

uint64_t mf_group_next_ns(const mf_group *group)
{
    const mf_server *one = stepping(group);
    uint64_t next_ns = MF_NEVER;
    if (one != NULL) {
        return one->end.ns;
    }
    for (uint32_t i = 0; i < group->n_servers; i++) {
        const uint64_t ns = mf_server_next_ns(&group->servers[i]);
        next_ns = ns < next_ns ? ns : next_ns;
    }
    return next_ns;
}

/* Where all stand between two steps. */
static mf_clock barrier(const mf_group *group)
{
    const mf_server *one = stepping(group);
    return one != NULL ? one->end : (mf_clock){.ns = mf_group_next_ns(group)};
}

static mf_status next_batch(mf_server *server, mf_clock now, mf_error *err)
{
    mf_status status = MF_OK;
    if (server->is_executing) {
        status = finish(server, err);
    } else if (server->n_waiting > 0) {
        count_until(server, now.ns);
        server->now_ns = now.ns;
        server->end = now;
    } else {
        return MF_OK;
    }
    return status == MF_OK ? go_on(server, err) : status;
}

mf_status mf_group_step(const mf_group *group, mf_error *err)
{
    const mf_clock now = barrier(group);
    mf_group_load load = {0};
    mf_status status = MF_OK;
    for (uint32_t i = 0; status == MF_OK && i < group->n_servers; i++) {
        status = next_batch(&group->servers[i], now, err);
    }
    for (uint32_t i = 0; i < group->n_servers; i++) {
        if (group->servers[i].is_executing) {
            mf_group_load_add(&load, group->servers[i].pace, &group->servers[i].executing->load);
        }
    }
    for (uint32_t i = 0; i < group->n_servers; i++) {
        mf_server *server = &group->servers[i];
        if (server->is_executing) {
            server->step_ps = mf_pace_group_ps(server->pace, &load);
            server->end = mf_clock_after(now, server->step_ps);
        }
    }
    return status;
}
