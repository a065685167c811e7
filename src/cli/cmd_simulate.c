#include <stdlib.h>

#include "cli/simulate_case.h"
#include "cli/simulate_table.h"
#include "report/simulation.h"

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

static mf_status show_answer(const mf_cli_simulation *answer,
                             const mf_database *database,
                             const mf_arguments *a,
                             mf_error *err)
{
    mf_str text = {0};
    const mf_cli_case *loaded = &answer->loaded;
    const mf_simulate_arguments *s = &a->simulate;
    mf_open_load load = answer->load;
    if (answer->searched && answer->search.kind == MF_SEARCH_RATE) {
        load.rate_per_s = answer->search.best;
    }
    mf_simulation_shown shown = {.of = mf_cli_shown(loaded),
                                 .simulation = &answer->simulation,
                                 .load = answer->draws ? &load : NULL,
                                 .trace = s->trace,
                                 .workload = s->workload,
                                 .n_users = answer->n_users,
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

static mf_status simulate(bool *yes, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_cli_simulation *found = calloc(1, sizeof *found);
    mf_status status =
        found != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a simulation");
    if (status == MF_OK) {
        status = mf_cli_database(&database, a, err);
    }
    if (status == MF_OK) {
        status = mf_cli_simulate(found, database, a, err);
    }
    if (status == MF_OK) {
        *yes = found->simulation.fits &&
               (found->searched ? found->search.found
                                : mf_simulation_answered(&found->simulation) > 0);
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
    const bool searches = mf_cli_is_search(&kind, a);
    const bool several = s->trace != NULL ? s->rate > 0 || s->workload != NULL || s->users > 0
                                          : s->workload == NULL && s->users > 0 && s->rate > 0;
    if (several) {
        return mf_fail(err, MF_E_USAGE, "a trace, a rate and users are told one at a time");
    }
    if (!searches && !mf_cli_has_source(a) && s->rates == NULL) {
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
    if (searches && kind == MF_SEARCH_MACHINES && !mf_cli_has_source(a)) {
        return mf_fail(err, MF_E_USAGE, "how many machines for which requests? say --rate R");
    }
    if (searches && (kind == MF_SEARCH_SLOTS || kind == MF_SEARCH_BATCH) && !mf_cli_has_source(a) &&
        !mf_cli_has_promise(a)) {
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
    if (s->rates != NULL && mf_cli_has_source(a)) {
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
