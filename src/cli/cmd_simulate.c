#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/ledger.h"
#include "cli/simulate_table.h"
#include "report/simulation.h"

/* The files of --requests and --trace-out. */
typedef struct books {
    mf_ledger requests;
    mf_ledger trace;
    uint64_t n_served;
} books;

static mf_status note_served(void *payload, const mf_served_request *served, mf_error *err)
{
    books *b = payload;
    mf_status status = MF_OK;
    if (b->requests.path != NULL) {
        mf_served_csv_line(&b->requests.text, served);
        status = mf_ledger_flush(&b->requests, err);
    }
    if (status == MF_OK && b->trace.path != NULL) {
        mf_trace_request(&b->trace.text, b->n_served, served);
        status = mf_ledger_flush(&b->trace, err);
    }
    b->n_served++;
    return status;
}

static mf_status note_steps(void *payload, const mf_served_steps *steps, mf_error *err)
{
    books *b = payload;
    mf_trace_steps(&b->trace.text, steps);
    return mf_ledger_flush(&b->trace, err);
}

static uint32_t said(int64_t number)
{
    return number > 0 ? (uint32_t)number : 0;
}

static mf_open_load load_of(const mf_arguments *a)
{
    mf_open_load load = a->simulate.load;
    load.seed = a->cost.seed;
    load.rate_per_s = a->simulate.rate;
    load.input_tokens = a->simulate.input > 0 ? (double)a->simulate.input : load.input_tokens;
    load.output_tokens = a->output >= 0 ? (double)a->output : load.output_tokens;
    load.n_requests = a->simulate.count > 0 ? (uint64_t)a->simulate.count : load.n_requests;
    load.gaps = a->simulate.gaps != NULL && strcmp(a->simulate.gaps, "weibull") == 0
                    ? MF_GAPS_WEIBULL
                    : MF_GAPS_GAMMA;
    return load;
}

static mf_serving serving_of(const mf_arguments *a)
{
    const mf_simulate_arguments *s = &a->simulate;
    return (mf_serving){.max_sequences = said(s->slots > 0 ? s->slots : s->max_seqs),
                        .max_batch_tokens = said(s->max_batch_tokens),
                        .context_tokens = said(a->ctx),
                        .kv_blocks = said(s->kv_blocks),
                        .tensor_parallel = said(s->tensor_parallel),
                        .data_parallel = said(s->data_parallel),
                        .n_machines = said(s->machines),
                        .prefix_cache = s->prefix_cache,
                        .async_scheduling = s->async_scheduling,
                        .step_by_step = s->step_by_step};
}

static mf_status write_simulation(mf_str *out,
                                  const mf_simulation_shown *shown,
                                  const mf_arguments *a,
                                  mf_error *err)
{
    if (mf_cli_is_format(a, "json")) {
        return mf_write_simulation_json(out, shown, err);
    }
    mf_document document = {0};
    mf_show_simulation(&document, shown);
    const mf_status status = mf_cli_write_document(out, &document, "memfit simulate", a, err);
    mf_document_free(&document);
    return status;
}

/* One simulation, its files beside it. */
static mf_status run_case(mf_simulation *simulation,
                          const mf_simulation_run *said,
                          const mf_demand *demand,
                          const mf_arguments *a,
                          mf_error *err)
{
    books b = {0};
    mf_simulation_run run = *said;
    const bool traced = a->simulate.trace_out != NULL;
    mf_status status = mf_ledger_open(&b.requests, a->simulate.requests, err);
    if (status == MF_OK) {
        status = mf_ledger_open(&b.trace, a->simulate.trace_out, err);
    }
    if (status == MF_OK && a->simulate.requests != NULL) {
        mf_served_csv_header(&b.requests.text);
    }
    if (status == MF_OK && traced) {
        mf_trace_begin(&b.trace.text);
    }
    if (status == MF_OK) {
        run.served = traced || a->simulate.requests != NULL ? note_served : NULL;
        run.stepped = traced ? note_steps : NULL;
        run.payload = &b;
        status = mf_simulate_demand(simulation, &run, demand, err);
    }
    if (status == MF_OK && traced) {
        mf_trace_end(&b.trace.text, simulation->n_servers);
    }
    status = mf_ledger_close(&b.requests, status, err);
    return mf_ledger_close(&b.trace, status, err);
}

static bool has_promise(const mf_arguments *a)
{
    const mf_promise *p = &a->simulate.promise;
    return p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0;
}

/* Is it told who asks for what? */
static bool has_source(const mf_arguments *a)
{
    const mf_simulate_arguments *s = &a->simulate;
    return s->rate > 0 || s->trace != NULL || s->workload != NULL || s->users > 0;
}

static bool finds(const mf_arguments *a, mf_search_kind kind)
{
    return a->simulate.find != NULL && strcmp(a->simulate.find, mf_search_name(kind)) == 0;
}

/* What is searched; false: nothing. With a promise and no requests, the rate that keeps it. */
static bool is_search(mf_search_kind *kind, const mf_arguments *a)
{
    for (int i = MF_SEARCH_RATE; i <= MF_SEARCH_BATCH; i++) {
        *kind = (mf_search_kind)i;
        if (finds(a, *kind)) {
            return true;
        }
    }
    *kind = MF_SEARCH_RATE;
    return !has_source(a) && has_promise(a);
}

/* Where the requests come from. What it opens is the caller's. */
static mf_status make_demand(mf_demand *demand,
                             mf_usage **usage,
                             const mf_open_load *load,
                             const mf_arguments *a,
                             mf_error *err)
{
    const mf_simulate_arguments *s = &a->simulate;
    const bool find_users = finds(a, MF_SEARCH_USERS);
    *demand = (mf_demand){.seed = a->cost.seed,
                          .n_requests = s->count > 0 ? (uint64_t)s->count : 0,
                          .n_users = said(s->users),
                          .rate_per_s = s->rate,
                          .trace = s->trace,
                          .speedup = s->speedup > 0 ? s->speedup : 1};
    mf_status status = MF_OK;
    if (s->workload != NULL) {
        status = mf_usage_open(usage, s->workload, err);
    } else if (s->trace == NULL && (s->users > 0 || find_users)) {
        const uint32_t n_users = said(s->users);
        status = mf_usage_of_users(usage, load, n_users > 0 ? n_users : 1, s->think_s, err);
    }
    demand->usage = *usage;
    demand->load = *usage == NULL && s->trace == NULL ? load : NULL;
    return status;
}

/* One simulation, or a search. */
static mf_status run_or_search(mf_cli_simulated *answer,
                               const mf_demand *demand,
                               const mf_arguments *a,
                               mf_error *err)
{
    mf_search_kind kind = MF_SEARCH_RATE;
    answer->searched = is_search(&kind, a);
    const mf_simulation_run run = {.run = &answer->loaded.run,
                                   .calibration = answer->loaded.calibration,
                                   .serving = serving_of(a),
                                   .n_replications = said(a->simulate.replications),
                                   .promise = a->simulate.promise};
    if (!answer->searched) {
        return run_case(&answer->simulation, &run, demand, a, err);
    }
    const mf_status status = mf_simulate_search(&answer->search, kind, &run, demand, err);
    answer->simulation = answer->search.at;
    return status;
}

/* What the machine draws, where that is known. */
static mf_status add_watts(mf_simulation_shown *shown,
                           const mf_database *database,
                           const mf_cli_case *loaded,
                           mf_error *err)
{
    mf_prices *prices = NULL;
    mf_range active = {0};
    mf_range idle = {0};
    const mf_status status = mf_prices_load(&prices, database, err);
    if (status == MF_OK &&
        mf_cost_watts(&active, &idle, prices, loaded->run.machine, NULL) == MF_OK) {
        shown->watts_known = true;
        shown->active_w = active.value;
        shown->idle_w = idle.value;
    }
    mf_prices_free(prices);
    return status;
}

static mf_status show_answer(const mf_cli_simulated *answer,
                             const mf_database *database,
                             const mf_arguments *a,
                             mf_error *err)
{
    mf_str text = {0};
    const mf_cli_case *loaded = &answer->loaded;
    const mf_simulate_arguments *s = &a->simulate;
    mf_open_load load = load_of(a);
    if (answer->searched && answer->search.kind == MF_SEARCH_RATE) {
        load.rate_per_s = answer->search.best;
    }
    mf_simulation_shown shown = {.of = mf_cli_shown(loaded),
                                 .simulation = &answer->simulation,
                                 .load = answer->draws ? &load : NULL,
                                 .trace = s->trace,
                                 .workload = s->workload,
                                 .n_users = said(s->users),
                                 .lengths = &load,
                                 .think_s = s->think_s,
                                 .seed = a->cost.seed,
                                 .promise = a->simulate.promise,
                                 .unicode = mf_cli_text_options(a).unicode,
                                 .draws = mf_cli_is_format(a, "html"),
                                 .search = answer->searched ? &answer->search : NULL};
    mf_status status = add_watts(&shown, database, loaded, err);
    if (status == MF_OK) {
        status = write_simulation(&text, &shown, a, err);
    }
    if (status == MF_OK) {
        status = mf_cli_write(&text, a->output_file, err);
    }
    mf_str_free(&text);
    return status;
}

mf_status mf_cli_simulate(mf_cli_simulated *found,
                          const mf_database *database,
                          const mf_arguments *a,
                          mf_error *err)
{
    mf_usage *usage = NULL;
    mf_demand demand = {0};
    const mf_open_load load = load_of(a);
    mf_status status = make_demand(&demand, &usage, &load, a, err);
    found->draws = demand.load != NULL;
    if (status == MF_OK) {
        mf_arguments other = *a;
        other.output = -1; /* of the requests, not of the case */
        status = mf_cli_case_load(&found->loaded, database, &other, a->positional[0], a->on, err);
    }
    if (status == MF_OK) {
        status = run_or_search(found, &demand, a, err);
    }
    mf_usage_free(usage);
    return status;
}

static mf_status simulate(bool *yes, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_cli_simulated *found = calloc(1, sizeof *found);
    mf_status status =
        found != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a simulation");
    if (status == MF_OK) {
        status = mf_cli_database(&database, a, err);
    }
    if (status == MF_OK) {
        status = mf_cli_simulate(found, database, a, err);
    }
    if (status == MF_OK) {
        const uint64_t *outcomes = found->simulation.n_outcomes;
        *yes = found->simulation.fits &&
               (found->searched ? found->search.found
                                : outcomes[MF_SERVED_DONE] + outcomes[MF_SERVED_CUT] > 0);
        status = show_answer(found, database, a, err);
    }
    if (found != NULL) {
        mf_cli_case_free(&found->loaded);
    }
    mf_database_close(database);
    free(found);
    return status;
}

/* Sources that would be asked at the same time. */
static mf_status check_source(const mf_arguments *a, mf_error *err)
{
    const mf_simulate_arguments *s = &a->simulate;
    mf_search_kind kind = MF_SEARCH_RATE;
    const bool searches = is_search(&kind, a);
    const bool several = s->trace != NULL ? s->rate > 0 || s->workload != NULL || s->users > 0
                                          : s->workload == NULL && s->users > 0 && s->rate > 0;
    if (several) {
        return mf_fail(err, MF_E_USAGE, "a trace, a rate and users are told one at a time");
    }
    if (!searches && !has_source(a) && s->rates == NULL) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "say which requests come: --rate R (a second), --users N, --workload FILE or --trace "
            "FILE; or --slo-ttft S to find the rate");
    }
    const bool writes = s->requests != NULL || s->trace_out != NULL;
    if (writes && searches) {
        return mf_fail(
            err, MF_E_USAGE, "a search has no --requests or --trace-out: say the --rate it found");
    }
    if (writes && s->replications > 1) {
        return mf_fail(
            err, MF_E_USAGE, "--requests and --trace-out are of one run: leave out --replications");
    }
    if (searches && kind == MF_SEARCH_MACHINES && !has_source(a)) {
        return mf_fail(err, MF_E_USAGE, "how many machines for which requests? say --rate R");
    }
    if (searches && (kind == MF_SEARCH_SLOTS || kind == MF_SEARCH_BATCH) && !has_source(a) &&
        !has_promise(a)) {
        return mf_fail(err, MF_E_USAGE, "best for which requests? say --rate R, or --slo-ttft S");
    }
    return MF_OK;
}

static mf_status check(const mf_arguments *a, mf_error *err)
{
    if (a->n_positional != 1 || a->on == NULL) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "simulate takes a model and a machine, like: memfit simulate llama-3.1-8b "
                       "--on server-a100-sxm-80gb --engine vllm --rate 4");
    }
    const mf_simulate_arguments *s = &a->simulate;
    const bool writes_table = mf_cli_is_format(a, "csv");
    if (!writes_table && (s->rates != NULL || a->shard != NULL)) {
        return mf_fail(err, MF_E_USAGE, "--rates and --shard are of a table: say --format csv");
    }
    if (writes_table && (s->requests != NULL || s->trace_out != NULL)) {
        return mf_fail(
            err, MF_E_USAGE, "--requests and --trace-out are of one run, not of a table");
    }
    if (s->rates != NULL && has_source(a)) {
        return mf_fail(err, MF_E_USAGE, "a trace, rates and users are told one at a time");
    }
    return check_source(a, err);
}

int mf_cmd_simulate(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    bool fits = false;
    mf_status status = mf_parse_arguments(&a, MF_FOR_SIMULATE, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("simulate"), MF_FOR_SIMULATE);
    }
    if (status == MF_OK) {
        status = check(&a, &err);
    }
    if (status == MF_OK) {
        fits = true; /* of a table, each line says so */
        status = mf_cli_is_format(&a, "csv") ? mf_cli_simulate_table(&a, &err)
                                             : simulate(&fits, &a, &err);
    }
    mf_arguments_free(&a);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return fits ? MF_EXIT_YES : MF_EXIT_NO;
}
