#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "report/simulation.h"

/* The file of --requests: written as requests end, under another name until it is whole. */
typedef struct ledger {
    FILE *file;
    char *temporary;
    mf_str text;
} ledger;

static mf_status flush(ledger *l, mf_error *err)
{
    mf_status status = mf_str_status(&l->text, err);
    if (status == MF_OK && fwrite(l->text.data, 1, l->text.size, l->file) != l->text.size) {
        status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", l->temporary, strerror(errno));
    }
    mf_str_free(&l->text);
    return status;
}

static mf_status open_ledger(ledger *l, const char *path, mf_error *err)
{
    static const char ending[] = ".part";
    l->temporary = malloc(strlen(path) + sizeof ending);
    if (l->temporary == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory");
    }
    (void)snprintf(l->temporary, strlen(path) + sizeof ending, "%s%s", path, ending);
    l->file = fopen(l->temporary, "wb");
    if (l->file == NULL) {
        return mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
    }
    mf_served_csv_header(&l->text);
    return MF_OK;
}

static mf_status note_served(void *payload, const mf_served_request *served, mf_error *err)
{
    enum { FULL = 1 << 16 };
    ledger *l = payload;
    mf_served_csv_line(&l->text, served);
    return l->text.size < FULL ? MF_OK : flush(l, err);
}

/* Keeps the file if all went well. */
static mf_status close_ledger(ledger *l, mf_status status, const char *path, mf_error *err)
{
    if (l->file != NULL && status == MF_OK) {
        status = flush(l, err);
    }
    if (l->file != NULL) {
        const bool closed = fclose(l->file) == 0;
        if (status == MF_OK && (!closed || rename(l->temporary, path) != 0)) {
            status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
        }
        if (status != MF_OK) {
            (void)unlink(l->temporary);
        }
    }
    mf_str_free(&l->text);
    free(l->temporary);
    return status;
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
                        .prefix_cache = s->prefix_cache,
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

static mf_status run_case(mf_simulation *simulation,
                          const mf_cli_case *loaded,
                          mf_requests *requests,
                          const mf_arguments *a,
                          mf_error *err)
{
    ledger l = {0};
    const char *path = a->simulate.requests;
    mf_status status = path != NULL ? open_ledger(&l, path, err) : MF_OK;
    if (status == MF_OK) {
        const mf_simulation_run run = {.run = &loaded->run,
                                       .calibration = loaded->calibration,
                                       .serving = serving_of(a),
                                       .promise = a->simulate.promise,
                                       .requests = requests,
                                       .served = path != NULL ? note_served : NULL,
                                       .payload = &l};
        status = mf_simulate(simulation, &run, err);
    }
    return close_ledger(&l, status, path, err);
}

static bool is_search(const mf_arguments *a)
{
    const mf_promise *p = &a->simulate.promise;
    return a->simulate.rate <= 0 && a->simulate.trace == NULL &&
           (p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0);
}

static mf_status open_requests(mf_requests **out, const mf_arguments *a, mf_error *err)
{
    const mf_open_load load = load_of(a);
    const double speedup = a->simulate.speedup > 0 ? a->simulate.speedup : 1;
    if (is_search(a)) {
        return MF_OK;
    }
    return a->simulate.trace != NULL ? mf_requests_open(out, a->simulate.trace, speedup, err)
                                     : mf_requests_draw(out, &load, err);
}

/* One simulation, or the search for the rate. */
static mf_status run_or_search(mf_simulation *simulation,
                               mf_open_load *load,
                               const mf_cli_case *loaded,
                               mf_requests *requests,
                               const mf_arguments *a,
                               mf_error *err)
{
    if (!is_search(a)) {
        return run_case(simulation, loaded, requests, a, err);
    }
    const mf_simulation_run run = {.run = &loaded->run,
                                   .calibration = loaded->calibration,
                                   .serving = serving_of(a),
                                   .promise = a->simulate.promise};
    return mf_simulate_highest_rate(&load->rate_per_s, simulation, &run, load, err);
}

static mf_status simulate(bool *fits, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_requests *requests = NULL;
    mf_cli_case loaded = {0};
    mf_simulation simulation = {0};
    mf_str text = {0};
    mf_open_load load = load_of(a);
    mf_status status = open_requests(&requests, a, err);
    if (status == MF_OK) {
        status = mf_cli_database(&database, a, err);
    }
    if (status == MF_OK) {
        mf_arguments other = *a;
        other.output = -1; /* of the requests, not of the case */
        status = mf_cli_case_load(&loaded, database, &other, a->positional[0], a->on, err);
    }
    if (status == MF_OK) {
        status = run_or_search(&simulation, &load, &loaded, requests, a, err);
    }
    if (status == MF_OK) {
        *fits = simulation.fits && !(is_search(a) && load.rate_per_s <= 0);
        const mf_simulation_shown shown = {.of = mf_cli_shown(&loaded),
                                           .simulation = &simulation,
                                           .load = a->simulate.trace == NULL ? &load : NULL,
                                           .trace = a->simulate.trace,
                                           .promise = a->simulate.promise,
                                           .searched = is_search(a)};
        status = write_simulation(&text, &shown, a, err);
    }
    if (status == MF_OK) {
        status = mf_cli_write(&text, a->output_file, err);
    }
    mf_str_free(&text);
    mf_requests_free(requests);
    mf_cli_case_free(&loaded);
    mf_database_close(database);
    return status;
}

static mf_status check(const mf_arguments *a, mf_error *err)
{
    if (a->n_positional != 1 || a->on == NULL) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "simulate takes a model and a machine, like: memfit simulate llama-3.1-8b "
                       "--on server-a100-sxm-80gb --engine vllm --rate 4");
    }
    if (is_search(a) && a->simulate.requests != NULL) {
        return mf_fail(err, MF_E_USAGE, "a search has no --requests: say the --rate it found");
    }
    if (!is_search(a) && (a->simulate.rate > 0) == (a->simulate.trace != NULL)) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "say which requests come: --rate R (a second) or --trace FILE, one of them; or "
            "--slo-ttft S to find the rate");
    }
    if (mf_cli_is_format(a, "csv")) {
        return mf_fail(
            err, MF_E_USAGE, "simulate writes CSV with --requests FILE, a line for every request");
    }
    return MF_OK;
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
        status = simulate(&fits, &a, &err);
    }
    mf_arguments_free(&a);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return fits ? MF_EXIT_YES : MF_EXIT_NO;
}
