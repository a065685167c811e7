/*
 * search.c - how much a machine can take, how many of them a load needs, and which settings serve it best. Every simulation of a search
 * has the same requests, closer together, of more users or on more machines, so that the share that keeps the promise falls
 * or rises with what varies but for noise.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate/usage.h"

#define DEFAULT_SHARE 0.95
#define LONGEST_S 1e9 /* that the requests are spread over, at the lowest rate */
#define MOST_RATE 1e6
#define RATIO 1.02

enum { MOST_USERS = 1 << 20, MOST_MACHINES = 1024, LEAST_VISITS = 20 };

typedef struct search {
    const mf_simulation_run *run;
    mf_demand demand;
    mf_serving serving;
    double share;
    uint64_t n_requests; /* as the demand has it */
    mf_simulation *last;
    mf_search *made;
} search;

const char *mf_search_name(mf_search_kind kind)
{
    static const char *const names[] = {[MF_SEARCH_RATE] = "rate",
                                        [MF_SEARCH_USERS] = "users",
                                        [MF_SEARCH_MACHINES] = "machines",
                                        [MF_SEARCH_SLOTS] = "slots",
                                        [MF_SEARCH_BATCH] = "batch"};
    return names[kind];
}

/* Simulates what the search stands at; *kept: is the promise, without saturation? */
static mf_status simulate_once(bool *kept, search *s, mf_error *err)
{
    mf_simulation_run run = *s->run;
    run.served = NULL;
    run.stepped = NULL;
    run.serving = s->serving;
    const mf_status status = mf_simulate_demand(s->last, &run, &s->demand, err);
    *kept = status == MF_OK && s->last->fits && !s->last->saturated &&
            s->last->within_share >= s->share;
    return status;
}

static void note_trial(search *s, double value, bool kept)
{
    mf_search *made = s->made;
    const mf_simulation *at = s->last;
    if (made->n_trials < MF_MAX_TRIALS) {
        made->trials[made->n_trials++] = (mf_trial){.value = value,
                                                    .fits = at->fits,
                                                    .kept = kept,
                                                    .within_share = at->within_share,
                                                    .output_tok_s = at->output_tok_s,
                                                    .ttft_s = at->ttft_s,
                                                    .tpot_s = at->tpot_s,
                                                    .e2e_s = at->e2e_s};
    }
}

static void keep_best(search *s, double value)
{
    s->made->found = true;
    s->made->best = value;
    s->made->at = *s->last;
}

static mf_status try_rate(bool *kept, search *s, double rate, mf_error *err)
{
    s->demand.rate_per_s = rate;
    return simulate_once(kept, s, err);
}

/* The highest rate, in s->made. Trials are noted if they are what the caller asked for. */
static mf_status find_rate(search *s, bool note, mf_error *err)
{
    if (s->demand.n_requests == 0) {
        s->demand.n_requests = mf_open_load_default().n_requests; /* a usage's time would not do */
    }
    const uint64_t n = s->demand.load != NULL ? s->demand.load->n_requests : s->demand.n_requests;
    double low = (double)n / LONGEST_S;
    double high = MOST_RATE;
    bool kept = false;
    mf_status status = try_rate(&kept, s, low, err);
    s->made->at = *s->last;
    if (status != MF_OK || !kept) {
        return status;
    }
    while (status == MF_OK && high > RATIO * low) {
        const double middle = sqrt(low * high);
        status = try_rate(&kept, s, middle, err);
        if (status == MF_OK && note) {
            note_trial(s, middle, kept);
        }
        if (status == MF_OK && kept) {
            low = middle;
            keep_best(s, middle);
        } else {
            high = middle;
        }
    }
    return status;
}

/* Sets what varies to a whole number and simulates. */
static mf_status try_whole(bool *kept, search *s, uint32_t value, mf_error *err)
{
    if (s->made->kind == MF_SEARCH_USERS) {
        s->demand.n_users = value;
        if (s->n_requests > 0) {
            /* Long enough that each comes back often. */
            const uint64_t least = (uint64_t)LEAST_VISITS * value;
            s->demand.n_requests = s->n_requests > least ? s->n_requests : least;
        }
    } else {
        s->serving.n_machines = value;
    }
    const mf_status status = simulate_once(kept, s, err);
    if (status == MF_OK) {
        note_trial(s, value, *kept);
    }
    return status;
}

/* Users: the last number that is kept. Machines: the first. Doubled until that changes, then bisected. */
static mf_status find_whole(search *s, mf_error *err)
{
    const bool users = s->made->kind == MF_SEARCH_USERS;
    const uint32_t most = users ? MOST_USERS : MOST_MACHINES;
    uint32_t low = 0; /* kept by users, not enough machines */
    uint32_t high = 1;
    bool kept = false;
    mf_status status = try_whole(&kept, s, high, err);
    s->made->at = *s->last;
    while (status == MF_OK && s->last->fits && kept == users && high < most) {
        if (kept) {
            keep_best(s, high);
        }
        low = high;
        high *= 2;
        status = try_whole(&kept, s, high, err);
        s->made->at = users ? s->made->at : *s->last;
    }
    if (status == MF_OK && kept) {
        keep_best(s, high);
        low = users ? high : low;
    }
    while (status == MF_OK && s->made->found && high > low + 1) {
        const uint32_t middle = low + (high - low) / 2;
        status = try_whole(&kept, s, middle, err);
        if (status == MF_OK && kept) {
            keep_best(s, middle);
        }
        if (kept == users) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return status;
}

/* Does a trial serve better than the best so far? Shares that differ by less than requests come in are alike. */
static bool serves_better(const mf_trial *a, const mf_trial *b)
{
    static const double alike = 1e-3;
    if (a->most_rate > RATIO * b->most_rate || b->most_rate > RATIO * a->most_rate) {
        return a->most_rate > b->most_rate;
    }
    if (fabs(a->within_share - b->within_share) > alike) {
        return a->within_share > b->within_share;
    }
    if (a->e2e_s.known != b->e2e_s.known) {
        return a->e2e_s.known;
    }
    return a->e2e_s.known ? a->e2e_s.mean < b->e2e_s.mean : a->output_tok_s > b->output_tok_s;
}

static mf_status try_setting(search *s, uint32_t value, bool with_rate, mf_error *err)
{
    mf_search *inner = calloc(1, sizeof *inner);
    if (inner == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a search");
    }
    const bool slots = s->made->kind == MF_SEARCH_SLOTS;
    search at = *s;
    bool kept = false;
    at.serving.max_sequences = slots ? value : at.serving.max_sequences;
    at.serving.max_batch_tokens = slots ? at.serving.max_batch_tokens : value;
    at.made = inner;
    const mf_status status =
        with_rate ? find_rate(&at, false, err) : simulate_once(&kept, &at, err);
    if (status == MF_OK) {
        *s->last = with_rate ? inner->at : *s->last;
        note_trial(s, value, with_rate ? inner->found : kept);
        mf_trial *trial = &s->made->trials[s->made->n_trials - 1];
        trial->most_rate = inner->found ? inner->best : 0;
        const bool better =
            s->made->n_trials == 1 || serves_better(trial, &s->made->trials[s->made->best_trial]);
        if (trial->fits && better) {
            s->made->best_trial = s->made->n_trials - 1;
            s->made->most_rate = trial->most_rate;
            s->made->best = value;
            s->made->at = *s->last;
            s->made->found = trial->kept;
        }
    }
    free(inner);
    return status;
}

static mf_status find_setting(search *s, bool with_rate, mf_error *err)
{
    enum { LEAST_BATCH = 256, MOST_BATCH = 16384, MOST_SLOTS = 64, MOST_SEQUENCES = 1024 };
    const bool slots = s->made->kind == MF_SEARCH_SLOTS;
    const bool vllm = s->run->run->engine->id == MF_ENGINE_VLLM;
    const uint32_t most = slots ? (vllm ? MOST_SEQUENCES : MOST_SLOTS) : MOST_BATCH;
    mf_status status = MF_OK;
    for (uint32_t value = slots ? 1 : LEAST_BATCH; status == MF_OK && value <= most; value *= 2) {
        status = try_setting(s, value, with_rate, err);
        if (status == MF_OK && !s->last->fits) {
            s->made->at = s->made->n_trials == 1 ? *s->last : s->made->at;
            break; /* more does not either */
        }
    }
    return status;
}

static int by_value(const void *a, const void *b)
{
    const mf_trial *x = a;
    const mf_trial *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

static mf_status check(const search *s, const mf_promise *p, mf_error *err)
{
    const mf_search_kind kind = s->made->kind;
    const mf_usage *usage = s->demand.usage;
    const bool promised = p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0;
    if (!(s->share <= 1) || (!promised && (kind == MF_SEARCH_RATE || kind == MF_SEARCH_USERS))) {
        return mf_fail(err, MF_E_USAGE, "a search needs a limit on some time, and a share up to 1");
    }
    if (kind == MF_SEARCH_USERS && (usage == NULL || !mf_usage_has_users(usage))) {
        return mf_fail(err, MF_E_USAGE, "a search for users needs a workload with users");
    }
    if (kind == MF_SEARCH_RATE && s->demand.load == NULL &&
        (usage == NULL || !mf_usage_has_rate(usage))) {
        return mf_fail(
            err, MF_E_USAGE, "a search for the rate needs a load, or a workload with one");
    }
    return MF_OK;
}

static mf_status find(search *s, bool promised, mf_error *err)
{
    switch (s->made->kind) {
    case MF_SEARCH_RATE:
        return find_rate(s, true, err);
    case MF_SEARCH_USERS:
    case MF_SEARCH_MACHINES:
        return find_whole(s, err);
    case MF_SEARCH_SLOTS:
    case MF_SEARCH_BATCH:
        break;
    }
    const mf_demand *d = &s->demand;
    const bool with_rate =
        d->load != NULL && !(d->rate_per_s > 0) && !(d->load->rate_per_s > 0) && promised;
    return find_setting(s, with_rate, err);
}

mf_status mf_simulate_search(mf_search *out,
                             mf_search_kind kind,
                             const mf_simulation_run *run,
                             const mf_demand *demand,
                             mf_error *err)
{
    const mf_promise *p = &run->promise;
    mf_search *made = calloc(1, sizeof *made);
    mf_simulation *last = calloc(1, sizeof *last);
    mf_status status =
        made != NULL && last != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for a search");
    if (status == MF_OK) {
        made->kind = kind;
        search s = {.run = run,
                    .demand = *demand,
                    .serving = run->serving,
                    .share = p->share > 0 ? p->share : DEFAULT_SHARE,
                    .n_requests = mf_demand_count(demand),
                    .last = last,
                    .made = made};
        status = check(&s, p, err);
        if (status == MF_OK) {
            status = find(&s, p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0, err);
        }
    }
    if (status == MF_OK) {
        const double best = made->best;
        qsort(made->trials, made->n_trials, sizeof *made->trials, by_value);
        for (size_t i = 0; i < made->n_trials; i++) {
            made->best_trial = fabs(made->trials[i].value - best) > 0 ? made->best_trial : i;
        }
        *out = *made;
    }
    free(last);
    free(made);
    return status;
}
