#include "cli/simulate_case.h"

#include <string.h>

#include "cli/ledger.h"
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

bool mf_cli_has_promise(const mf_arguments *a)
{
    const mf_promise *p = &a->simulate.promise;
    return p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0;
}

bool mf_cli_has_source(const mf_arguments *a)
{
    const mf_simulate_arguments *s = &a->simulate;
    return s->rate > 0 || s->trace != NULL || s->workload != NULL || s->users > 0;
}

static bool finds(const mf_arguments *a, mf_search_kind kind)
{
    return a->simulate.find != NULL && strcmp(a->simulate.find, mf_search_name(kind)) == 0;
}

bool mf_cli_is_search(mf_search_kind *kind, const mf_arguments *a)
{
    for (int i = MF_SEARCH_RATE; i <= MF_SEARCH_BATCH; i++) {
        *kind = (mf_search_kind)i;
        if (finds(a, *kind)) {
            return true;
        }
    }
    *kind = MF_SEARCH_RATE;
    return !mf_cli_has_source(a) && mf_cli_has_promise(a);
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
static mf_status run_or_search(mf_cli_simulation *answer,
                               const mf_demand *demand,
                               const mf_arguments *a,
                               mf_error *err)
{
    mf_search_kind kind = MF_SEARCH_RATE;
    answer->searched = mf_cli_is_search(&kind, a);
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

mf_status mf_cli_simulate(mf_cli_simulation *found,
                          const mf_database *database,
                          const mf_arguments *a,
                          mf_error *err)
{
    mf_usage *usage = NULL;
    mf_demand demand = {0};
    found->load = load_of(a);
    mf_status status = make_demand(&demand, &usage, &found->load, a, err);
    found->n_users = demand.n_users;
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
