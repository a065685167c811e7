#include "cli/simulate_table.h"

#include <stdlib.h>

#include "base/num.h"
#include "cli/ledger.h"
#include "cli/simulate_case.h"
#include "report/simulation.h"

typedef struct table {
    mf_cli_list models;
    mf_cli_list machines;
    mf_cli_list rates; /* one without a name: what the other options say */
    mf_ledger out;
    mf_database *database;
} table;

static mf_status set_lists(table *t, const mf_arguments *a, mf_error *err)
{
    mf_status status = mf_cli_list_cut(&t->models, a->positional[0], err);
    if (status == MF_OK) {
        status = mf_cli_list_cut(&t->machines, a->on, err);
    }
    if (status == MF_OK) {
        status =
            mf_cli_list_cut(&t->rates, a->simulate.rates != NULL ? a->simulate.rates : "", err);
    }
    return status;
}

static mf_status rate_of(double *rate, const table *t, size_t i, mf_error *err)
{
    const char *text = t->rates.names[i];
    const char *end = NULL;
    if (!mf_parse_number(rate, text, &end) || *end != '\0' || !(*rate > 0)) {
        return mf_fail(err, MF_E_USAGE, "--rates takes numbers above 0, not '%s'", text);
    }
    return MF_OK;
}

/* The arguments of one line, names and rate apart as they were said. */
static mf_status arguments_of(mf_arguments *one, const table *t, size_t line, mf_error *err)
{
    const size_t n_rates = t->rates.n;
    one->positional[0] = t->models.names[line / n_rates / t->machines.n];
    one->on = t->machines.names[line / n_rates % t->machines.n];
    return one->simulate.rates != NULL ? rate_of(&one->simulate.rate, t, line % n_rates, err)
                                       : MF_OK;
}

static mf_status check_rates(const table *t, const mf_arguments *a, mf_error *err)
{
    mf_status status = MF_OK;
    double rate = 0;
    for (size_t i = 0; status == MF_OK && a->simulate.rates != NULL && i < t->rates.n; i++) {
        status = rate_of(&rate, t, i, err);
    }
    return status;
}

/* A name that does not exist is found before the table begins, not in the midst of it. */
static mf_status check_names(const table *t, const mf_arguments *a, mf_error *err)
{
    mf_status status = MF_OK;
    mf_arguments other = *a;
    other.output = -1; /* of the requests, not of the case */
    for (size_t i = 0; status == MF_OK && i < t->models.n + t->machines.n; i++) {
        mf_cli_case loaded = {0};
        const bool is_model = i < t->models.n;
        status = mf_cli_case_load(&loaded,
                                  t->database,
                                  &other,
                                  t->models.names[is_model ? i : 0],
                                  t->machines.names[is_model ? 0 : i - t->models.n],
                                  err);
        mf_cli_case_free(&loaded);
    }
    return status;
}

/* A line at a time, so that whoever waits for a long table sees it grow. */
static mf_status emit(table *t, mf_error *err)
{
    if (t->out.path != NULL) {
        return mf_ledger_flush(&t->out, err);
    }
    const mf_status status = mf_str_status(&t->out.text, err);
    const mf_status written = status == MF_OK ? mf_cli_write(&t->out.text, NULL, err) : status;
    mf_str_free(&t->out.text);
    return written;
}

static mf_status write_line(table *t, const mf_arguments *a, size_t line, mf_error *err)
{
    mf_arguments one = *a;
    mf_cli_simulation *found = calloc(1, sizeof *found);
    mf_status status =
        found != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a simulation");
    if (status == MF_OK) {
        status = arguments_of(&one, t, line, err);
    }
    if (status == MF_OK) {
        status = mf_cli_simulate(found, t->database, &one, err);
        /* No ground for a figure: the line has none. */
        status = status == MF_E_UNSUPPORTED && found->loaded.run.engine != NULL ? MF_OK : status;
    }
    if (status == MF_OK) {
        const bool of_rates = found->searched && found->search.kind == MF_SEARCH_RATE;
        const mf_simulation_row row = {.of = mf_cli_shown(&found->loaded),
                                       .simulation = &found->simulation,
                                       .search = found->searched ? &found->search : NULL,
                                       .rate_per_s =
                                           of_rates ? found->search.best : one.simulate.rate,
                                       .promise = one.simulate.promise};
        mf_simulation_csv_line(&t->out.text, &row);
        status = emit(t, err);
    }
    if (found != NULL) {
        mf_cli_case_free(&found->loaded);
    }
    free(found);
    return status;
}

mf_status mf_cli_simulate_table(const mf_arguments *a, mf_error *err)
{
    table t = {0};
    mf_cli_part part = {0};
    mf_status status = set_lists(&t, a, err);
    if (status == MF_OK) {
        status = check_rates(&t, a, err);
    }
    if (status == MF_OK) {
        status = mf_cli_part_of(&part, a->shard, t.models.n * t.machines.n * t.rates.n, err);
    }
    if (status == MF_OK) {
        status = mf_cli_database(&t.database, a, err);
    }
    if (status == MF_OK) {
        status = check_names(&t, a, err);
    }
    if (status == MF_OK) {
        status = mf_ledger_open(&t.out, a->output_file, err);
    }
    if (status == MF_OK && part.begins) {
        mf_simulation_csv_header(&t.out.text);
        status = emit(&t, err);
    }
    for (size_t line = part.first; status == MF_OK && line < part.last; line++) {
        status = write_line(&t, a, line, err);
    }
    status = mf_ledger_close(&t.out, status, err);
    mf_cli_list_free(&t.models);
    mf_cli_list_free(&t.machines);
    mf_cli_list_free(&t.rates);
    mf_database_close(t.database);
    return status;
}
