/*
 * cmd_sweep.c - the table of all cases, streamed. Parts are runs of whole units in order, so that the parts one behind the
 * other are the table; ranks take models in turn and rank 0 writes them in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/ranks.h"
#include "memfit/plan.h"

enum { MOST_CONTEXTS = 64 };

/* Everything a sweep needs. */
typedef struct work {
    mf_database *database;
    mf_cli_list models;
    mf_cli_list machines;
    mf_cli_list quants;
    mf_cli_list contexts;
    uint64_t n_tokens[MOST_CONTEXTS];
    mf_sweep_lists lists;
    mf_sweep *sweep;
    mf_ranks ranks;
    mf_cli_part part;
    bool heads; /* this is the part that begins the table, and nothing of it is written yet */
    FILE *out;
    bool progress;
} work;

static mf_status set_contexts(work *w, mf_error *err)
{
    for (size_t i = 0; i < w->contexts.n; i++) {
        if (i == MOST_CONTEXTS || !mf_parse_uint(&w->n_tokens[i], w->contexts.names[i]) ||
            w->n_tokens[i] == 0 || w->n_tokens[i] > INT32_MAX) {
            return mf_fail(err,
                           MF_E_USAGE,
                           "--contexts takes at most %d numbers of tokens, not '%s'",
                           MOST_CONTEXTS,
                           w->contexts.names[i]);
        }
    }
    return MF_OK;
}

/* A name that does not exist is found before the table begins, not in the midst of it. */
static mf_status check_names(const work *w, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < w->quants.n; i++) {
        mf_quant *quant = NULL;
        status = mf_database_quant(&quant, w->database, w->quants.names[i], err);
        mf_quant_free(quant);
    }
    for (size_t i = 0; status == MF_OK && i < w->models.n; i++) {
        mf_model *model = NULL;
        status = mf_database_model(&model, w->database, w->models.names[i], err);
        mf_model_free(model);
    }
    return status;
}

static mf_status set_lists(work *w, const mf_arguments *a, mf_error *err)
{
    enum { OUTPUT = 512 };
    static const char *const quants =
        "F16,Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q4_0,IQ4_XS,Q3_K_M,IQ3_XXS,Q2_K,IQ2_XXS,IQ1_S";
    static const char *const contexts = "2048,4096,8192,16384,32768,65536,131072,262144";
    const char *models = a->n_positional > 0 ? a->positional[0] : NULL;
    mf_status status = mf_cli_list_of(&w->models, models, w->database, MF_ENTRY_MODEL, err);
    if (status == MF_OK) {
        status = mf_cli_list_of(&w->machines, a->on, w->database, MF_ENTRY_MACHINE, err);
    }
    if (status == MF_OK) {
        status = mf_cli_list_cut(&w->quants, a->quant != NULL ? a->quant : quants, err);
    }
    if (status == MF_OK) {
        status = mf_cli_list_cut(&w->contexts, a->contexts != NULL ? a->contexts : contexts, err);
    }
    if (status == MF_OK) {
        status = set_contexts(w, err);
    }
    if (status == MF_OK && (models != NULL || a->quant != NULL)) {
        status = check_names(w, err);
    }
    w->lists = (mf_sweep_lists){.models = w->models.names,
                                .n_models = w->models.n,
                                .machines = w->machines.names,
                                .n_machines = w->machines.n,
                                .quants = w->quants.names,
                                .n_quants = w->quants.n,
                                .contexts = w->n_tokens,
                                .n_contexts = w->contexts.n,
                                .engine = a->engine != NULL ? a->engine : "llama.cpp",
                                .n_output = a->output >= 0 ? (uint64_t)a->output : OUTPUT};
    return status;
}

/* The first text that there is follows the names of the columns. */
static mf_status put(work *w, const char *text, size_t size, mf_error *err)
{
    const char *header = w->heads ? mf_sweep_header() : "";
    w->heads = false;
    return fputs(header, w->out) >= 0 && fwrite(text, 1, size, w->out) == size
               ? MF_OK
               : mf_fail(err, MF_E_IO, "the table can't be written (%s)", strerror(errno));
}

static void show_progress(const work *w, size_t unit)
{
    enum { STEP = 12, PERCENT = 100 };
    if (w->progress && ((unit - w->part.first) % STEP == 0 || unit + 1 == w->part.last)) {
        (void)fprintf(stderr,
                      "\rmemfit: %3zu %%, %zu cases",
                      PERCENT * (unit + 1 - w->part.first) / (w->part.last - w->part.first),
                      (unit + 1 - w->part.first) * mf_sweep_unit_cases(w->sweep));
        (void)fputs(unit + 1 == w->part.last ? "\n" : "", stderr);
    }
}

/* Whole models in turn, as the schemes of a model share work. */
static int rank_of(const work *w, size_t unit)
{
    return (int)(unit / w->quants.n % (size_t)w->ranks.n_ranks);
}

static mf_status receive(work *w, char **text, uint64_t *capacity, int rank, mf_error *err)
{
    uint64_t size = 0;
    if (w->ranks.calls->receive(text, &size, capacity, rank) != 0) {
        return mf_fail(err, MF_E_IO, "rank %d sent nothing", rank);
    }
    return put(w, *text, (size_t)size, err);
}

static mf_status stream(work *w, mf_error *err)
{
    char *received = NULL;
    uint64_t capacity = 0;
    const bool writes = w->ranks.rank == 0;
    mf_status status = MF_OK;
    for (size_t unit = w->part.first; status == MF_OK && unit < w->part.last; unit++) {
        const int rank = rank_of(w, unit);
        const char *text = NULL;
        size_t size = 0;
        if (rank == w->ranks.rank) {
            status = mf_sweep_unit(&text, &size, w->sweep, unit, err);
            if (status == MF_OK && writes) {
                status = put(w, text, size, err);
            } else if (status == MF_OK && w->ranks.calls->send(text, size) != 0) {
                status = mf_fail(err, MF_E_IO, "rank %d could not send", rank);
            }
        } else if (writes) {
            status = receive(w, &received, &capacity, rank, err);
        }
        if (writes) {
            show_progress(w, unit);
        }
    }
    free(received);
    return status == MF_OK && writes && w->heads ? put(w, "", 0, err) : status;
}

static mf_status sweep_to(work *w, const char *path, mf_error *err)
{
    if (path == NULL || w->ranks.rank > 0) {
        w->out = stdout;
        const mf_status status = stream(w, err);
        return status == MF_OK && fflush(stdout) != 0
                   ? mf_fail(err, MF_E_IO, "the table can't be written (%s)", strerror(errno))
                   : status;
    }
    mf_str temporary = {0};
    mf_str_printf(&temporary, "%s.tmp", path);
    mf_status status = mf_str_status(&temporary, err);
    w->out = status == MF_OK ? fopen(temporary.data, "wb") : NULL;
    if (status == MF_OK && w->out == NULL) {
        status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
    }
    status = status == MF_OK ? stream(w, err) : status;
    if (w->out != NULL && fclose(w->out) != 0 && status == MF_OK) {
        status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
    }
    if (status == MF_OK && rename(temporary.data, path) != 0) {
        status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
    }
    if (status != MF_OK && temporary.data != NULL) {
        (void)unlink(temporary.data);
    }
    mf_str_free(&temporary);
    return status;
}

static mf_status sweep(const mf_arguments *a, mf_error *err)
{
    work w = {.progress = isatty(STDERR_FILENO) != 0};
    mf_status status = mf_ranks_open(&w.ranks, err);
    if (status == MF_OK) {
        status = mf_cli_database(&w.database, a, err);
    }
    if (status == MF_OK) {
        status = set_lists(&w, a, err);
    }
    if (status == MF_OK) {
        status = mf_sweep_new(&w.sweep, w.database, &w.lists, err);
    }
    if (status == MF_OK) {
        status = mf_cli_part_of(&w.part, a->shard, mf_sweep_units(w.sweep), err);
        w.heads = w.part.begins;
    }
    if (status == MF_OK) {
        status = sweep_to(&w, a->output_file, err);
    }
    if (status != MF_OK && w.ranks.n_ranks > 1) {
        (void)mf_cli_fail(status, err);
        w.ranks.calls->stop(mf_status_exit_code(status));
    }
    mf_ranks_close(&w.ranks);
    mf_sweep_free(w.sweep);
    mf_cli_list_free(&w.models);
    mf_cli_list_free(&w.machines);
    mf_cli_list_free(&w.quants);
    mf_cli_list_free(&w.contexts);
    mf_database_close(w.database);
    return status;
}

int mf_cmd_sweep(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_SWEEP, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("sweep"), MF_FOR_SWEEP);
    }
    if (status == MF_OK && a.n_positional > 1) {
        status = mf_fail(&err, MF_E_USAGE, "sweep takes one list of models, cut by commas");
    }
    if (status == MF_OK && a.format != NULL && !mf_cli_is_format(&a, "csv")) {
        status = mf_fail(&err, MF_E_USAGE, "sweep writes csv only");
    }
    if (status == MF_OK) {
        status = sweep(&a, &err);
    }
    mf_arguments_free(&a);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
