#include <stdio.h>

#include "report/json_writer.h"
#include "report/simulation.h"

#define KEY_OF(name, share, key) [name] = (key),
static const char *const quantile_keys[MF_QUANTILE_COUNT] = {MF_QUANTILE_LIST(KEY_OF)};

static void write_spread(mf_json_writer *w, const char *key, const mf_latency *spread)
{
    mf_jw_open(w, key, '{');
    const double low = spread->mean - spread->mean_error;
    const bool sure = spread->known && spread->error_known;
    mf_jw_number(w, "mean", spread->known && !spread->swings, spread->mean);
    mf_jw_number(w, "mean_error", sure && !spread->swings, spread->mean_error);
    mf_jw_number(w, "mean_low", sure, low > 0 ? low : 0);
    mf_jw_number(w, "mean_high", sure, spread->mean + spread->mean_error);
    for (size_t q = 0; q < MF_QUANTILE_COUNT; q++) {
        const bool bound = spread->known && spread->bounds_known[q];
        char edge[16];
        mf_jw_number(w, quantile_keys[q], spread->known, spread->quantiles[q]);
        (void)snprintf(edge, sizeof edge, "%s_low", quantile_keys[q]);
        mf_jw_number(w, edge, bound, spread->low[q]);
        (void)snprintf(edge, sizeof edge, "%s_high", quantile_keys[q]);
        mf_jw_number(w, edge, bound, spread->high[q]);
    }
    mf_jw_close(w, '}');
}

static void write_engine(mf_json_writer *w, const mf_simulation *s)
{
    mf_jw_open(w, "engine_settings", '{');
    mf_jw_uint(w, "max_sequences", s->max_sequences);
    mf_jw_uint(w, "max_batch_tokens", s->max_batch_tokens);
    mf_jw_uint(w, "context_tokens", s->context_tokens);
    mf_jw_uint(w, "kv_tokens", s->kv_tokens);
    mf_jw_uint(w, "servers", s->n_servers);
    mf_jw_uint(w, "devices_per_server", s->devices_per_server);
    mf_jw_close(w, '}');
}

static void write_outcomes(mf_json_writer *w, const mf_simulation *s)
{
    mf_jw_open(w, "outcomes", '{');
    for (size_t i = 0; i <= MF_SERVED_REFUSED; i++) {
        mf_jw_uint(w, mf_served_name((mf_served_outcome)i), s->n_outcomes[i]);
    }
    mf_jw_close(w, '}');
}

static void write_measures(mf_json_writer *w, const mf_simulation *s)
{
    write_spread(w, "ttft_s", &s->ttft_s);
    write_spread(w, "tpot_s", &s->tpot_s);
    write_spread(w, "itl_s", &s->itl_s);
    write_spread(w, "e2e_s", &s->e2e_s);
    write_spread(w, "queue_s", &s->queue_s);
    mf_jw_number(w, "request_per_s", s->fits, s->request_per_s);
    mf_jw_number(w, "output_tok_s", s->fits, s->output_tok_s);
    mf_jw_number(w, "total_tok_s", s->fits, s->total_tok_s);
    mf_jw_number(w, "utilization", s->fits, s->utilization);
    mf_jw_number(w, "load", s->fits, s->load);
    mf_jw_number(w, "mean_running", s->fits, s->mean_running);
    mf_jw_number(w, "mean_waiting", s->fits, s->mean_waiting);
    mf_jw_number(w, "kv_mean_fraction", s->fits, s->kv_mean_fraction);
    mf_jw_number(w, "kv_peak_fraction", s->fits, s->kv_peak_fraction);
    mf_jw_uint(w, "preemptions", s->n_preempted);
    mf_jw_uint(w, "computed_tokens", s->computed_tokens);
    mf_jw_uint(w, "cached_tokens", s->cached_tokens);
    mf_jw_uint(w, "recomputed_tokens", s->recomputed_tokens);
    mf_jw_uint(w, "steps", s->n_steps);
    mf_jw_bool(w, "saturated", s->saturated);
    mf_jw_text(w, "basis", s->fits ? mf_basis_name(s->basis) : NULL);
    mf_jw_number(w, "speed_low_factor", s->fits, s->slowest);
    mf_jw_number(w, "speed_high_factor", s->fits, s->fastest);
}

static void write_promise(mf_json_writer *w, const mf_simulation_shown *shown)
{
    const mf_promise *p = &shown->promise;
    const bool any = p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0;
    mf_jw_number(
        w, "rate_per_s", shown->load != NULL, shown->load != NULL ? shown->load->rate_per_s : 0);
    mf_jw_bool(w, "rate_searched", shown->search != NULL && shown->search->kind == MF_SEARCH_RATE);
    mf_jw_number(w, "within_slo", any && shown->simulation->fits, shown->simulation->within_share);
}

static void write_search(mf_json_writer *w, const mf_search *search)
{
    mf_jw_open(w, "search", '{');
    mf_jw_text(w, "for", mf_search_name(search->kind));
    mf_jw_number(w, "best", search->found, search->best);
    mf_jw_number(w, "rate_per_s", search->most_rate > 0, search->most_rate);
    mf_jw_open(w, "trials", '[');
    for (size_t i = 0; i < search->n_trials; i++) {
        const mf_trial *t = &search->trials[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_number(w, "value", true, t->value);
        mf_jw_bool(w, "kept", t->kept);
        mf_jw_number(w, "rate_per_s", t->most_rate > 0, t->most_rate);
        mf_jw_number(w, "within_slo", t->fits, t->within_share);
        mf_jw_number(w, "output_tok_s", t->fits, t->output_tok_s);
        mf_jw_number(w, "ttft_p95_s", t->ttft_s.known, t->ttft_s.quantiles[MF_P95]);
        mf_jw_number(w, "tpot_p95_s", t->tpot_s.known, t->tpot_s.quantiles[MF_P95]);
        mf_jw_number(w, "e2e_p95_s", t->e2e_s.known, t->e2e_s.quantiles[MF_P95]);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
    mf_jw_close(w, '}');
}

static void write_energy(mf_json_writer *w, const mf_simulation_shown *shown)
{
    const mf_simulation *s = shown->simulation;
    const bool known = shown->watts_known && s->fits;
    const double joules = known ? mf_simulation_joules(shown) : 0;
    const double tokens = s->output_tok_s * s->duration_s;
    mf_jw_number(w, "energy_j", known, joules);
    mf_jw_number(
        w, "energy_per_output_token_j", known && tokens > 0, tokens > 0 ? joules / tokens : 0);
    mf_jw_number(w, "active_w", known, shown->active_w);
    mf_jw_number(w, "idle_w", known, shown->idle_w);
}

static void write_series(mf_json_writer *w, const mf_simulation *s)
{
    mf_jw_open(w, "series", '[');
    for (size_t i = 0; i < s->n_series; i++) {
        const mf_series_point *p = &s->series[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_number(w, "begin_s", true, p->begin_s);
        mf_jw_number(w, "end_s", true, p->end_s);
        mf_jw_number(w, "busy_servers", true, p->utilization);
        mf_jw_number(w, "running", true, p->running);
        mf_jw_number(w, "waiting", true, p->waiting);
        mf_jw_number(w, "kv_tokens", true, p->kv_tokens);
        mf_jw_number(w, "output_tok_s", true, p->output_tok_s);
        mf_jw_number(w, "input_tok_s", true, p->input_tok_s);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_streams(mf_json_writer *w, const mf_simulation *s)
{
    mf_jw_open(w, "streams", '[');
    for (size_t i = 0; i < s->n_streams; i++) {
        const mf_stream_measures *stream = &s->streams[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "name", stream->name);
        mf_jw_uint(w, "requests", stream->n_requests);
        mf_jw_number(w, "within_slo", true, stream->within_share);
        write_spread(w, "ttft_s", &stream->ttft_s);
        write_spread(w, "tpot_s", &stream->tpot_s);
        write_spread(w, "e2e_s", &stream->e2e_s);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

mf_status mf_write_simulation_json(mf_str *out, const mf_simulation_shown *shown, mf_error *err)
{
    mf_json_writer writer = {.out = out};
    mf_json_writer *w = &writer;
    const mf_simulation *s = shown->simulation;
    const mf_case *run = shown->of.run;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "schema", "memfit.simulation/1");
    mf_jw_text(w, "model", run->model->id);
    mf_jw_text(w, "machine", run->machine->id);
    mf_jw_text(w, "quant", shown->of.quant_name);
    mf_jw_text(w, "engine", run->engine->name);
    write_engine(w, s);
    mf_jw_bool(w, "fits", s->fits);
    mf_jw_uint(w, "requests", s->n_requests);
    write_outcomes(w, s);
    mf_jw_uint(w, "warm_up_requests", s->n_warm_up);
    mf_jw_uint(w, "replications", s->n_replications);
    mf_jw_number(w, "duration_s", s->fits, s->duration_s);
    if (shown->trace == NULL) {
        mf_jw_uint(w, "seed", shown->seed);
    } else {
        mf_jw_null(w, "seed");
    }
    write_promise(w, shown);
    write_measures(w, s);
    write_energy(w, shown);
    write_series(w, s);
    if (s->n_streams > 0) {
        write_streams(w, s);
    }
    if (shown->search != NULL) {
        write_search(w, shown->search);
    }
    mf_jw_open(w, "warnings", '[');
    for (size_t i = 0; i < s->n_warnings; i++) {
        mf_jw_text(w, NULL, s->warnings[i]);
    }
    mf_jw_close(w, ']');
    mf_jw_close(w, '}');
    return mf_str_status(out, err);
}
