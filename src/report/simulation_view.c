/*
 * simulation_view.c - a simulation for people: what was asked, how long requests wait and take, how busy the machine is.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/units.h"
#include "report/simulation.h"
#include "report/wording.h"

#define HEADING_OF(name, share, key) [name] = (key),

static const char *time_text(char text[MF_NUMBER_SIZE + 16], double seconds)
{
    enum { DIGITS = 3 };
    if (seconds <= 0) {
        return "0 s";
    }
    return mf_quantity_text(text, seconds, MF_DIM_TIME, DIGITS);
}

/* ", 1024 tokens in, 128 out, lengths with variation 1" */
static void add_lengths(mf_document *d, const char *front, const mf_open_load *load, uint64_t seed)
{
    char spread[MF_NUMBER_SIZE];
    char input[MF_NUMBER_SIZE];
    char output[MF_NUMBER_SIZE];
    mf_document_cell(d,
                     "%s, %s tokens in, %s out%s%s, seed %" PRIu64,
                     front,
                     mf_number_text(input, load->input_tokens, 6),
                     mf_number_text(output, load->output_tokens, 6),
                     load->spread > 0 ? ", lengths with variation " : "",
                     load->spread > 0 ? mf_number_text(spread, load->spread, 3) : "",
                     seed);
}

static void show_drawn(mf_document *d, const mf_open_load *load)
{
    enum { FRONT_SIZE = 160 };
    static const double alike = 1e-9;
    char front[FRONT_SIZE];
    char rate[MF_NUMBER_SIZE];
    char burst[MF_NUMBER_SIZE];
    const bool poisson = load->burstiness > 1 - alike && load->burstiness < 1 + alike;
    const char *how =
        load->gaps == MF_GAPS_WEIBULL ? ", Weibull gaps with variation " : ", gaps with variation ";
    const bool any = load->rate_per_s > 0;
    (void)snprintf(front,
                   sizeof front,
                   "%" PRIu64 "%s%s%s%s%s",
                   load->n_requests,
                   any ? ", " : "",
                   any ? mf_number_text(rate, load->rate_per_s, 6) : "",
                   any ? " a second" : "",
                   poisson ? " (Poisson)" : how,
                   poisson ? "" : mf_number_text(burst, load->burstiness, 3));
    add_lengths(d, front, load, load->seed);
}

static void show_load(mf_document *d, const mf_simulation_shown *shown)
{
    char think[MF_NUMBER_SIZE + 16];
    const mf_search *search = shown->search;
    const bool found = search != NULL && search->kind == MF_SEARCH_USERS;
    const uint32_t n_users = found ? (uint32_t)search->best : shown->n_users;
    mf_document_cell(d, "requests");
    if (shown->load != NULL) {
        show_drawn(d, shown->load);
    } else if (shown->trace != NULL) {
        mf_document_cell(d, "%s", shown->trace);
    } else if (shown->workload != NULL) {
        mf_document_cell(d, "%s, seed %" PRIu64, shown->workload, shown->seed);
    } else {
        char front[2 * MF_NUMBER_SIZE + 64];
        (void)snprintf(front,
                       sizeof front,
                       "%u user%s who think%s %s",
                       n_users,
                       n_users == 1 ? "" : "s",
                       n_users == 1 ? "s" : "",
                       time_text(think, shown->think_s));
        add_lengths(d, front, shown->lengths, shown->seed);
    }
}

static void show_head(mf_document *d, const mf_simulation_shown *shown)
{
    const mf_case *run = shown->of.run;
    const mf_simulation *s = shown->simulation;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(d, "model");
    mf_document_cell(d, "%s %s", run->model->id, shown->of.quant_name);
    mf_document_cell(d, "machine");
    mf_document_cell(d, "%s", run->machine->name);
    mf_document_cell(d, "engine");
    mf_document_cell(d, "%s %s", run->engine->name, run->engine->version);
    show_load(d, shown);
    if (!s->fits) {
        return;
    }
    if (s->n_servers > 1 || s->devices_per_server > 1) {
        mf_document_cell(d, "servers");
        mf_document_cell(d, "%u of %u devices", s->n_servers, s->devices_per_server);
    }
    mf_document_cell(d, "capacity");
    mf_document_cell(d,
                     "%u requests at once, %" PRIu64 " tokens of cache, batches of %u tokens",
                     s->max_sequences,
                     s->kv_tokens,
                     s->max_batch_tokens);
}

static void show_found(mf_document *d, const mf_search *search)
{
    static const struct {
        const char *verdict;
        const char *what;
        const char *none;
    } words[] = {
        [MF_SEARCH_RATE] = {"AT MOST",
                            "requests a second keep the promise", "not even by requests that have the machine alone"},
        [MF_SEARCH_USERS] = {"AT MOST",  "users keep the promise", "not even by one user"                            },
        [MF_SEARCH_MACHINES] = {"AT LEAST", "machines",               "not by any number of machines"                   },
        [MF_SEARCH_SLOTS] = {"BEST",     "requests at once",       "with no number of requests at once"              },
        [MF_SEARCH_BATCH] = {"BEST",     "tokens a step",          "with no size of a step"                          },
    };
    char value[MF_NUMBER_SIZE];
    char rate[MF_NUMBER_SIZE];
    const bool with_rate = search->most_rate > 0;
    mf_document_tone(d, search->found ? MF_TONE_GOOD : MF_TONE_BAD);
    mf_document_cell(d, "%s", search->found ? words[search->kind].verdict : "NOT KEPT");
    if (!search->found) {
        mf_document_cell(d, "%s", words[search->kind].none);
        return;
    }
    mf_document_cell(d,
                     "%s %s%s%s%s",
                     mf_number_text(value, search->best, search->kind == MF_SEARCH_RATE ? 3 : 9),
                     words[search->kind].what,
                     with_rate ? ": " : "",
                     with_rate ? mf_number_text(rate, search->most_rate, 3) : "",
                     with_rate ? " requests a second keep the promise" : "");
}

/* No request came to an end: there is nothing to tell of times. */
static bool is_nothing(const mf_simulation *s)
{
    return s->n_requests > 0 && mf_simulation_answered(s) == 0;
}

static void show_nothing(mf_document *d, const mf_simulation *s)
{
    mf_document_tone(d, MF_TONE_BAD);
    mf_document_cell(d, "NONE SERVED");
    if (s->n_outcomes[MF_SERVED_REFUSED] == s->n_requests) {
        const bool by_cache = s->kv_tokens > 0 && s->kv_tokens < s->context_tokens;
        mf_document_cell(d,
                         "each of %" PRIu64 " requests is longer than the %s of %" PRIu64 " tokens",
                         s->n_requests,
                         by_cache ? "cache" : "context",
                         by_cache ? s->kv_tokens : s->context_tokens);
    } else {
        mf_document_cell(
            d, "the cache was full before any of %" PRIu64 " requests ended", s->n_requests);
    }
}

static void show_verdict(mf_document *d, const mf_simulation_shown *shown)
{
    const mf_simulation *s = shown->simulation;
    char span[MF_NUMBER_SIZE + 16];
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    if (!s->fits) {
        mf_document_tone(d, MF_TONE_BAD);
        mf_document_cell(d, "DOES NOT FIT");
        mf_document_cell(d, "%s", s->n_warnings > 0 ? s->warnings[0] : "");
        return;
    }
    if (shown->search != NULL) {
        show_found(d, shown->search);
        return;
    }
    const uint64_t served = s->n_outcomes[MF_SERVED_DONE];
    const bool all = served == s->n_requests;
    if (is_nothing(s)) {
        show_nothing(d, s);
        return;
    }
    mf_document_tone(d, s->saturated ? MF_TONE_BAD : all ? MF_TONE_GOOD : MF_TONE_CAREFUL);
    mf_document_cell(d, "%s", s->saturated ? "SATURATED" : all ? "SERVED" : "NOT ALL SERVED");
    char times[MF_NUMBER_SIZE] = "";
    if (s->n_replications > 1) {
        (void)snprintf(times, sizeof times, ", %u replications", s->n_replications);
    }
    mf_document_cell(d,
                     "%" PRIu64 " of %" PRIu64 " requests in %s%s",
                     served,
                     s->n_requests,
                     time_text(span, s->duration_s),
                     times);
}

double mf_simulation_joules(const mf_simulation_shown *shown)
{
    const mf_simulation *s = shown->simulation;
    const double machines = s->n_machines > 0 ? (double)s->n_machines : 1;
    const double share = s->utilization < 1 ? s->utilization : 1;
    return machines * s->duration_s * (shown->idle_w + share * (shown->active_w - shown->idle_w));
}

static void show_energy(mf_document *d, const mf_simulation_shown *shown)
{
    enum { DIGITS = 3 };
    static const double joules_per_wh = 3600;
    const mf_simulation *s = shown->simulation;
    char whole[MF_NUMBER_SIZE];
    char each[MF_NUMBER_SIZE];
    char active[MF_NUMBER_SIZE];
    char idle[MF_NUMBER_SIZE];
    const double tokens = s->output_tok_s * s->duration_s;
    if (!shown->watts_known || !(tokens > 0)) {
        return;
    }
    const double wh = mf_simulation_joules(shown) / joules_per_wh;
    mf_document_cell(d, "energy");
    mf_document_cell(d,
                     "%s Wh, %s Wh per 1000 output tokens, at %s W computing and %s W idle",
                     mf_number_text(whole, wh, DIGITS),
                     mf_number_text(each, 1000 * wh / tokens, DIGITS),
                     mf_number_text(active, shown->active_w, DIGITS),
                     mf_number_text(idle, shown->idle_w, DIGITS));
}

/* Requests that are all alike leave the rounding of sums, which is no error. */
static const char *error_text(char text[MF_NUMBER_SIZE + 16], const mf_latency *spread)
{
    static const double rounding_s = 1e-9;
    if (!spread->error_known) {
        return "-";
    }
    return spread->mean_error < rounding_s
               ? "0 s"
               : mf_quantity_text(text, spread->mean_error, MF_DIM_TIME, 2);
}

static void show_spread(mf_document *d, const char *name, const mf_latency *spread)
{
    char text[MF_NUMBER_SIZE + 16];
    char error[MF_NUMBER_SIZE + 16];
    mf_document_cell(d, "%s", name);
    if (!spread->known) {
        for (size_t i = 0; i < MF_QUANTILE_COUNT + 2; i++) {
            mf_document_cell(d, "-");
        }
        return;
    }
    if (spread->swings) {
        mf_document_cell(d, "%s to", time_text(text, fmax(0, spread->mean - spread->mean_error)));
        mf_document_cell(d, "%s", time_text(error, spread->mean + spread->mean_error));
    } else {
        mf_document_cell(d, "%s", time_text(text, spread->mean));
        mf_document_cell(d, "%s", error_text(error, spread));
    }
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        mf_document_cell(d, "%s", time_text(text, spread->quantiles[q]));
    }
}

static void show_latencies(mf_document *d, const mf_simulation *s)
{
    static const char *const quantiles[MF_QUANTILE_COUNT] = {MF_QUANTILE_LIST(HEADING_OF)};
    mf_document_begin(d, MF_BLOCK_TABLE, MF_QUANTILE_COUNT + 3, "Latency");
    mf_document_cell(d, " ");
    mf_document_cell(d, "mean");
    mf_document_cell(d, "+-");
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        mf_document_cell(d, "%s", quantiles[q]);
    }
    show_spread(d, "waiting", &s->queue_s);
    show_spread(d, "to the first token", &s->ttft_s);
    show_spread(d, "per token after it", &s->tpot_s);
    show_spread(d, "between tokens", &s->itl_s);
    show_spread(d, "to the end", &s->e2e_s);
}

static void show_bounds_of(mf_document *d, const char *name, const mf_latency *spread)
{
    char low[MF_NUMBER_SIZE + 16];
    char high[MF_NUMBER_SIZE + 16];
    mf_document_cell(d, "%s", name);
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        if (spread->known && spread->bounds_known[q]) {
            mf_document_cell(
                d, "%s - %s", time_text(low, spread->low[q]), time_text(high, spread->high[q]));
        } else {
            mf_document_cell(d, "-");
        }
    }
}

/* Between which times the quantiles lie, at 95 %. */
static void show_bounds(mf_document *d, const mf_simulation *s)
{
    static const char *const quantiles[MF_QUANTILE_COUNT] = {MF_QUANTILE_LIST(HEADING_OF)};
    if (!s->ttft_s.bounds_known[MF_P50] && !s->tpot_s.bounds_known[MF_P50]) {
        return;
    }
    mf_document_begin(d, MF_BLOCK_TABLE, MF_QUANTILE_COUNT + 1, "95 % intervals");
    mf_document_cell(d, " ");
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        mf_document_cell(d, "%s", quantiles[q]);
    }
    show_bounds_of(d, "to the first token", &s->ttft_s);
    show_bounds_of(d, "per token after it", &s->tpot_s);
    show_bounds_of(d, "to the end", &s->e2e_s);
}

static void show_rates(mf_document *d, const mf_simulation_shown *shown)
{
    const mf_simulation *s = shown->simulation;
    enum { DIGITS = 4 };
    char text[MF_NUMBER_SIZE];
    char other[MF_NUMBER_SIZE];
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, "Throughput");
    mf_document_cell(d, "requests");
    mf_document_cell(d, "%s a second", mf_number_text(text, s->request_per_s, DIGITS));
    mf_document_cell(d, "output");
    mf_document_cell(d,
                     "%s tokens a second, %s with the input",
                     mf_number_text(text, s->output_tok_s, DIGITS),
                     mf_number_text(other, s->total_tok_s, DIGITS));
    const mf_promise *p = &shown->promise;
    if (p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0) {
        mf_document_cell(d, "within the promise");
        mf_document_cell(d,
                         "%s of the requests",
                         mf_percent_text((char[MF_WORDING_SIZE]){0}, s->within_share, 1));
    }
    mf_document_cell(d, "at once");
    mf_document_cell(d,
                     "%s in work, %s waiting, on average",
                     mf_number_text(text, s->mean_running, 3),
                     mf_number_text(other, s->mean_waiting, 3));
    if (s->cached_tokens > 0) {
        mf_document_cell(d, "found in a cache");
        mf_document_cell(d,
                         "%s of the input and what was lost",
                         mf_percent_text((char[MF_WORDING_SIZE]){0},
                                         (double)s->cached_tokens,
                                         (double)(s->cached_tokens + s->computed_tokens)));
    }
    if (s->n_preempted > 0) {
        mf_document_cell(d, "preempted");
        mf_document_cell(d,
                         "%" PRIu64 " times, %" PRIu64 " tokens computed again",
                         s->n_preempted,
                         s->recomputed_tokens);
    }
    show_energy(d, shown);
    mf_document_cell(d, "basis");
    mf_document_cell(d,
                     "%s; decoding is %s to %s times as fast, 90 %% sure",
                     mf_basis_name(s->basis),
                     mf_number_text(text, s->slowest, 2),
                     mf_number_text(other, s->fastest, 3));
}

static const char *p95_text(char text[MF_NUMBER_SIZE + 16], const mf_latency *spread)
{
    return spread->known ? time_text(text, spread->quantiles[MF_P95]) : "-";
}

/* Every value that was tried. */
static void show_trials(mf_document *d, const mf_search *search)
{
    static const char *const names[] = {[MF_SEARCH_RATE] = "rate",
                                        [MF_SEARCH_USERS] = "users",
                                        [MF_SEARCH_MACHINES] = "machines",
                                        [MF_SEARCH_SLOTS] = "at once",
                                        [MF_SEARCH_BATCH] = "tokens a step"};
    enum { COLUMNS = 6, DIGITS = 4 };
    char text[MF_NUMBER_SIZE + 16];
    const bool rates = search->n_trials > 0 && search->most_rate > 0;
    mf_document_begin(d, MF_BLOCK_TABLE, COLUMNS, "Tried");
    mf_document_cell(d, "%s", names[search->kind]);
    mf_document_cell(d, "%s", rates ? "rate" : "kept");
    mf_document_cell(d, "within");
    mf_document_cell(d, "first token, p95");
    mf_document_cell(d, "per token, p95");
    mf_document_cell(d, "tokens a second");
    for (size_t i = 0; i < search->n_trials; i++) {
        const mf_trial *t = &search->trials[i];
        mf_document_cell(d, "%s", mf_number_text(text, t->value, DIGITS + 2));
        if (rates) {
            mf_document_cell(d, "%s", t->kept ? mf_number_text(text, t->most_rate, 3) : "-");
        } else {
            mf_document_cell(d, "%s", !t->fits ? "does not fit" : t->kept ? "yes" : "no");
        }
        mf_document_cell(d,
                         "%s",
                         t->fits ? mf_percent_text((char[MF_WORDING_SIZE]){0}, t->within_share, 1)
                                 : "-");
        mf_document_cell(d, "%s", p95_text(text, &t->ttft_s));
        mf_document_cell(d, "%s", p95_text(text, &t->tpot_s));
        mf_document_cell(d, "%s", t->fits ? mf_number_text(text, t->output_tok_s, DIGITS) : "-");
    }
}

/* What each stream saw. */
static void show_streams(mf_document *d, const mf_simulation_shown *shown)
{
    enum { COLUMNS = 7 };
    const mf_simulation *s = shown->simulation;
    char text[MF_NUMBER_SIZE + 16];
    mf_document_begin(d, MF_BLOCK_TABLE, COLUMNS, "Streams");
    static const char *const headings[COLUMNS] = {
        " ", "requests", "within", "first token", "its p95", "per token", "to the end"};
    for (size_t i = 0; i < COLUMNS; i++) {
        mf_document_cell(d, "%s", headings[i]);
    }
    const mf_promise *p = &shown->promise;
    const bool promised = p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0;
    for (size_t i = 0; i < s->n_streams; i++) {
        const mf_stream_measures *m = &s->streams[i];
        mf_document_cell(d, "%s", m->name);
        mf_document_cell(d, "%" PRIu64, m->n_requests);
        mf_document_cell(d,
                         "%s",
                         promised && m->n_requests > 0
                             ? mf_percent_text((char[MF_WORDING_SIZE]){0}, m->within_share, 1)
                             : "-");
        mf_document_cell(d, "%s", m->ttft_s.known ? time_text(text, m->ttft_s.mean) : "-");
        mf_document_cell(d, "%s", p95_text(text, &m->ttft_s));
        mf_document_cell(d, "%s", m->tpot_s.known ? time_text(text, m->tpot_s.mean) : "-");
        mf_document_cell(d, "%s", m->e2e_s.known ? time_text(text, m->e2e_s.mean) : "-");
    }
}

static void show_bar(mf_document *d, const char *name, double share, const char *remark)
{
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", mf_percent_text((char[MF_WORDING_SIZE]){0}, share, 1));
    mf_document_cell(d, "%s", remark);
    mf_document_share(d, share < 1 ? share : 1);
}

static void show_load_bars(mf_document *d, const mf_simulation *s)
{
    mf_document_begin(d, MF_BLOCK_BARS, 3, "How full");
    show_bar(d, "computing", s->utilization, "of the time");
    show_bar(d, "cache, mean", s->kv_mean_fraction, "of its tokens");
    show_bar(d, "cache, peak", s->kv_peak_fraction, "of its tokens");
}

static void show_notes(mf_document *d, const mf_simulation *s)
{
    if (s->n_warnings > 0) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, "Notes");
        for (size_t i = 0; i < s->n_warnings; i++) {
            mf_document_cell(d, "- %s", s->warnings[i]);
        }
    }
}

void mf_show_simulation(mf_document *document, const mf_simulation_shown *shown)
{
    const mf_simulation *s = shown->simulation;
    show_head(document, shown);
    show_verdict(document, shown);
    if (s->fits && is_nothing(s)) {
        show_notes(document, s);
    } else if (s->fits) {
        show_latencies(document, s);
        show_bounds(document, s);
        if (s->n_streams > 1) {
            show_streams(document, shown);
        }
        show_rates(document, shown);
        show_load_bars(document, s);
        if (!shown->draws) {
            mf_show_simulation_over_time(document, s, shown->unicode);
        }
        if (shown->search != NULL && shown->search->kind != MF_SEARCH_RATE) {
            show_trials(document, shown->search);
        }
        mf_draw_simulation(document, shown);
        show_notes(document, s);
    }
}
