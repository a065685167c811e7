/*
 * usage.c - requests of people, agents and programs that come back: each waits for its answer, thinks or lets a tool run, and goes
 * on where the session stood. A machine that is slow is asked less often: a closed loop never queues without end.
 *
 * What a user does follows from the seed, the user's number, the session's and the turn's, so that runs with other settings or
 * more users share it (common random numbers).
 */
#include "simulate/usage.h"

#include <math.h>
#include <stdlib.h>

#include "simulate/clock.h"
#include "simulate/heap.h"
#include "simulate/requests.h"

enum {
    PARTS = 16,
    GAPS = MF_USAGE_PART_COUNT
}; /* streams of random numbers per stream of requests */

#define MOST_REQUESTS UINT64_C(1000000000)
#define MOST_TEXT UINT64_C(100000000)      /* tokens: a session that is longer is over */
#define SHUT_OUT_S 1.0                     /* a user who got an error does not try again sooner */
#define SESSION_BEGINS (UINT64_C(1) << 63) /* an event of a stream, not of a party */

/* A user, or a session that began by itself. */
typedef struct party {
    uint32_t stream;
    uint32_t turn;
    uint32_t n_turns; /* 0: the next request begins a session */
    uint32_t next;    /* in the list of free entries */
    uint32_t user;    /* from 1; 0: none */
    uint64_t n_sessions;
    uint64_t session; /* number of its text; 0: said once */
    uint64_t text_tokens;
} party;

typedef struct source {
    const mf_usage *usage;
    uint64_t seed;
    mf_gaps gaps[MF_MAX_STREAMS];
    double rates[MF_MAX_STREAMS];
    double next_s[MF_MAX_STREAMS]; /* sums of gaps, not of rounded times */
    uint64_t n_begun[MF_MAX_STREAMS];
    mf_heap events;
    party *parties;
    uint32_t n_parties;
    uint32_t capacity;
    uint32_t free;
    uint64_t n_texts;
    uint64_t n_taken;
    uint64_t n_most;
    uint64_t end_ns;
} source;

static mf_rng rng_of(const source *s, const party *p, unsigned part)
{
    return mf_rng_start((mf_rng_key){.seed = s->seed,
                                     .stream = (uint64_t)p->stream * PARTS + part,
                                     .item = (uint64_t)p->user << 32 | p->n_sessions,
                                     .part = p->turn});
}

static uint32_t draw_whole(const source *s, const party *p, mf_usage_part part, uint32_t least)
{
    mf_rng rng = rng_of(s, p, part);
    return mf_amount_draw_whole(&s->usage->streams[p->stream].parts[part], &rng, least);
}

static double draw_s(const source *s, const party *p, mf_usage_part part)
{
    mf_rng rng = rng_of(s, p, part);
    return mf_amount_draw(&s->usage->streams[p->stream].parts[part], &rng);
}

static mf_status plan_event(source *s, uint64_t ns, uint64_t what, mf_error *err)
{
    return mf_heap_add(&s->events, ns, what) ? MF_OK
                                             : mf_fail(err, MF_E_NOMEM, "no memory for events");
}

static mf_status take_party(uint32_t *out, source *s, mf_error *err)
{
    enum { FIRST = 64 };
    if (s->free != UINT32_MAX) {
        *out = s->free;
        s->free = s->parties[s->free].next;
        return MF_OK;
    }
    if (s->n_parties == s->capacity) {
        const uint32_t capacity = s->capacity > 0 ? 2 * s->capacity : FIRST;
        party *parties = realloc(s->parties, capacity * sizeof *parties);
        if (parties == NULL) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %u sessions", (unsigned)capacity);
        }
        s->parties = parties;
        s->capacity = capacity;
    }
    *out = s->n_parties++;
    return MF_OK;
}

static mf_status plan_session(source *s, uint32_t stream, mf_error *err)
{
    mf_rng rng = mf_rng_start((mf_rng_key){
        .seed = s->seed, .stream = (uint64_t)stream * PARTS + GAPS, .item = s->n_begun[stream]++});
    s->next_s[stream] += mf_gaps_draw(&s->gaps[stream], &rng) / s->rates[stream];
    return plan_event(s, mf_nanoseconds(s->next_s[stream]), SESSION_BEGINS | stream, err);
}

/* Users come one by one, as if each had just been away. */
static mf_status add_users(source *s, uint32_t stream, uint32_t n_users, mf_error *err)
{
    mf_status status = MF_OK;
    for (uint32_t i = 0; status == MF_OK && i < n_users; i++) {
        uint32_t at = 0;
        status = take_party(&at, s, err);
        if (status == MF_OK) {
            s->parties[at] = (party){.stream = stream, .user = i + 1};
            status =
                plan_event(s, mf_nanoseconds(draw_s(s, &s->parties[at], MF_USAGE_AWAY)), at, err);
        }
    }
    return status;
}

static uint64_t usage_next(void *self)
{
    const source *s = self;
    const uint64_t ns = mf_heap_next_ns(&s->events);
    return s->n_taken < s->n_most && ns < s->end_ns ? ns : MF_NEVER;
}

static void begin_session(source *s, party *p)
{
    p->turn = 0;
    p->n_turns = draw_whole(s, p, MF_USAGE_TURNS, 1);
    p->session = p->n_turns > 1 ? ++s->n_texts : 0;
    p->text_tokens = 0;
}

/* What a turn adds to what was said before. */
static uint32_t new_tokens(const source *s, const party *p, uint32_t system_tokens)
{
    const mf_amount *parts = s->usage->streams[p->stream].parts;
    const bool first =
        p->turn == 0 && parts[MF_USAGE_FIRST].mean + (double)parts[MF_USAGE_FIRST].n > 0;
    const uint32_t documents = draw_whole(s, p, MF_USAGE_DOCUMENTS, 0);
    return draw_whole(s, p, first ? MF_USAGE_FIRST : MF_USAGE_INPUT, 1) +
           (documents > 0 ? documents * draw_whole(s, p, MF_USAGE_DOCUMENT, 1) : 0) +
           (p->turn == 0 ? system_tokens : 0);
}

static mf_status usage_take(void *self, mf_request *request, mf_error *err)
{
    source *s = self;
    const mf_event event = mf_heap_take(&s->events);
    uint32_t at = (uint32_t)event.what;
    mf_status status = MF_OK;
    if ((event.what & SESSION_BEGINS) != 0) {
        const uint32_t stream = (uint32_t)event.what;
        const uint64_t number = s->n_begun[stream];
        status = take_party(&at, s, err);
        if (status == MF_OK) {
            s->parties[at] = (party){.stream = stream, .n_sessions = number};
            status = plan_session(s, stream, err);
        }
    }
    if (status != MF_OK) {
        return status;
    }
    party *p = &s->parties[at];
    if (p->turn == p->n_turns) {
        begin_session(s, p);
    }
    const uint32_t system_tokens =
        (uint32_t)s->usage->streams[p->stream].parts[MF_USAGE_SYSTEM].mean;
    const uint32_t added = new_tokens(s, p, system_tokens);
    s->n_taken++;
    *request = (mf_request){.arrival_ns = event.ns,
                            .input_tokens = (uint32_t)p->text_tokens + added,
                            .output_tokens = draw_whole(s, p, MF_USAGE_OUTPUT, 1),
                            .session = p->session,
                            .prefix_tokens = (uint32_t)p->text_tokens,
                            .shared = system_tokens > 0 ? p->stream + 1 : 0,
                            .shared_tokens = system_tokens,
                            .stream = p->stream,
                            .party = at};
    return MF_OK;
}

/* The session is over: a user comes back, others do not. */
static mf_status end_session(source *s, uint32_t at, uint64_t now_ns, bool failed, mf_error *err)
{
    party *p = &s->parties[at];
    if (p->user == 0) {
        p->next = s->free;
        s->free = at;
        return MF_OK;
    }
    p->turn = 0;
    p->n_turns = 0;
    p->n_sessions++;
    const double away_s = draw_s(s, p, MF_USAGE_AWAY);
    const double pause_s = failed ? fmax(away_s, SHUT_OUT_S) : away_s;
    return plan_event(s, now_ns + mf_nanoseconds(pause_s), at, err);
}

static mf_status usage_ended(void *self, const mf_outcome_row *row, mf_error *err)
{
    source *s = self;
    const uint32_t at = row->request->party;
    party *p = &s->parties[at];
    const bool failed = row->outcome == MF_SERVED_FAILED || row->outcome == MF_SERVED_REFUSED;
    p->text_tokens = (uint64_t)row->request->input_tokens + row->given_tokens;
    p->turn++;
    if (row->outcome != MF_SERVED_DONE || p->turn >= p->n_turns || p->text_tokens > MOST_TEXT) {
        return end_session(s, at, row->end_ns, failed, err);
    }
    return plan_event(s, row->end_ns + mf_nanoseconds(draw_s(s, p, MF_USAGE_PAUSE)), at, err);
}

static void usage_source_free(void *self)
{
    source *s = self;
    mf_heap_free(&s->events);
    free(s->parties);
    free(s);
}

/* n users shared out over the streams that have some, as the file's numbers are to each other. */
static void share_users(uint32_t users[MF_MAX_STREAMS], const mf_usage *usage, uint32_t n)
{
    uint64_t said = 0;
    for (size_t i = 0; i < usage->n_streams; i++) {
        said += usage->streams[i].n_users;
    }
    uint64_t sum = 0;
    uint64_t given = 0;
    for (size_t i = 0; i < usage->n_streams; i++) {
        const uint32_t own = usage->streams[i].n_users;
        sum += own;
        const uint64_t sums = said > 0 && n > 0 ? (sum * n + said / 2) / said : sum;
        users[i] = (uint32_t)(sums - given);
        given = sums;
    }
}

static double sum_rates(const mf_usage *usage)
{
    double sum = 0;
    for (size_t i = 0; i < usage->n_streams; i++) {
        sum += usage->streams[i].rate_per_s;
    }
    return sum;
}

static mf_status fill(source *s, const mf_demand *demand, mf_error *err)
{
    const mf_usage *usage = demand->usage;
    uint32_t users[MF_MAX_STREAMS] = {0};
    const double all = sum_rates(usage);
    const double scale = demand->rate_per_s > 0 && all > 0 ? demand->rate_per_s / all : 1;
    mf_status status = MF_OK;
    share_users(users, usage, demand->n_users);
    for (uint32_t i = 0; status == MF_OK && i < usage->n_streams; i++) {
        const mf_usage_stream *stream = &usage->streams[i];
        s->gaps[i] = mf_gaps_of(stream->gaps, stream->burstiness);
        s->rates[i] = scale * stream->rate_per_s;
        status = stream->n_users > 0 ? add_users(s, i, users[i], err) : plan_session(s, i, err);
    }
    return status;
}

uint64_t mf_demand_count(const mf_demand *demand)
{
    const bool timed = demand->usage != NULL && demand->usage->duration_s > 0;
    if (demand->n_requests > 0 || timed) {
        return demand->n_requests;
    }
    return mf_open_load_default().n_requests;
}

mf_status mf_usage_of_users(
    mf_usage **out, const mf_open_load *load, uint32_t n_users, double think_s, mf_error *err)
{
    if (n_users == 0 || !(think_s >= 0) || !isfinite(think_s)) {
        return mf_fail(err, MF_E_USAGE, "users are one or more, and think for 0 seconds or more");
    }
    mf_open_load lengths = *load;
    lengths.rate_per_s = 1;
    mf_status status = mf_open_load_check(&lengths, err);
    mf_usage *usage = status == MF_OK ? calloc(1, sizeof *usage) : NULL;
    if (usage == NULL) {
        return status != MF_OK ? status : mf_fail(err, MF_E_NOMEM, "no memory for a workload");
    }
    const mf_amount_kind kind = load->spread > 0 ? MF_AMOUNT_LOGNORMAL : MF_AMOUNT_FIXED;
    const mf_amount think = {.kind = think_s > 0 ? MF_AMOUNT_EXPONENTIAL : MF_AMOUNT_FIXED,
                             .mean = think_s};
    usage->n_streams = 1;
    usage->streams[0] = (mf_usage_stream){
        .name = "users",
        .n_users = n_users,
        .parts = {[MF_USAGE_TURNS] = {.mean = 1},
                  [MF_USAGE_INPUT] = {kind, load->input_tokens, load->spread, NULL, NULL, 0},
                  [MF_USAGE_OUTPUT] = {kind, load->output_tokens, load->spread, NULL, NULL, 0},
                  [MF_USAGE_AWAY] = think}
    };
    *out = usage;
    return MF_OK;
}

/* Requests of a demand's usage. */
static mf_status use(mf_requests **out, const mf_demand *demand, mf_error *err)
{
    const mf_usage *usage = demand->usage;
    source *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a source of requests");
    }
    const uint64_t count = mf_demand_count(demand);
    *s = (source){.usage = usage,
                  .seed = demand->seed,
                  .free = UINT32_MAX,
                  .n_most = count > 0 ? count : MOST_REQUESTS,
                  .end_ns = count > 0 ? MF_NEVER : mf_nanoseconds(usage->duration_s)};
    const mf_status status = fill(s, demand, err);
    if (status != MF_OK) {
        usage_source_free(s);
        return status;
    }
    const mf_requests made = {
        .source = {.self = s, .next_ns = usage_next, .take = usage_take, .ended = usage_ended},
        .free_self = usage_source_free,
        .n_requests = count,
        .duration_ns = count > 0 ? 0 : s->end_ns,
        .usage = usage,
        .is_drawn = true
    };
    return mf_requests_wrap(out, &made, err);
}

bool mf_usage_has_users(const mf_usage *usage)
{
    uint64_t n = 0;
    for (size_t i = 0; i < usage->n_streams; i++) {
        n += usage->streams[i].n_users;
    }
    return n > 0;
}

bool mf_usage_has_rate(const mf_usage *usage)
{
    return sum_rates(usage) > 0;
}

mf_status mf_requests_again(mf_requests **out, const mf_demand *demand, uint32_t n, mf_error *err)
{
    mf_demand again = *demand;
    mf_open_load load = {0};
    again.seed += n;
    if (demand->load != NULL) {
        load = *demand->load;
        load.seed += n;
        again.load = &load;
    }
    return mf_requests_of(out, &again, err);
}

mf_status mf_requests_of(mf_requests **out, const mf_demand *demand, mf_error *err)
{
    if (demand->usage != NULL) {
        return use(out, demand, err);
    }
    if (demand->load == NULL) {
        return mf_requests_open(out, demand->trace, demand->speedup, err);
    }
    mf_open_load load = *demand->load;
    load.rate_per_s = demand->rate_per_s > 0 ? demand->rate_per_s : load.rate_per_s;
    return mf_requests_draw(out, &load, err);
}
