#include "cli/report_sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "report/wording.h"

enum { MAX_WORDS = 48 };

/* Words between spaces; "..." keeps spaces, as a shell does. */
typedef struct words {
    char *text;
    char *items[MAX_WORDS];
    int n;
} words;

static mf_status split(words *w, const char *command, mf_error *err)
{
    char *out = calloc(strlen(command) + 2, 1);
    bool quoted = false;
    bool inside = false;
    if (out == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a command");
    }
    w->text = out;
    for (const char *c = command; *c != '\0'; c++) {
        if (*c == '"') {
            quoted = !quoted;
            continue;
        }
        if (*c == ' ' && !quoted) {
            out += inside ? 1 : 0;
            inside = false;
            continue;
        }
        if (!inside && w->n == MAX_WORDS) {
            return mf_fail(err, MF_E_USAGE, "more than %d words in '%.60s'", MAX_WORDS, command);
        }
        if (!inside) {
            w->items[w->n++] = out;
            inside = true;
        }
        *out++ = *c;
        *out = '\0';
    }
    return w->n > 0 && !quoted
               ? MF_OK
               : mf_fail(err, MF_E_USAGE, "'%.60s' is no command, or a \" is missing", command);
}

static const struct {
    const char *name;
    mf_command_bit bit;
    mf_status (*show)(mf_document *document, const mf_arguments *arguments, mf_error *err);
} shows[] = {
    {"fit",     MF_FOR_FIT,     mf_fit_show    },
    {"compare", MF_FOR_COMPARE, mf_compare_show},
    {"plan",    MF_FOR_PLAN,    mf_plan_show   },
    {"cost",    MF_FOR_COST,    mf_cost_show   },
};

static mf_status run(mf_document *document, words *w, const char *data, mf_error *err)
{
    for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++) {
        if (strcmp(shows[i].name, w->items[0]) != 0) {
            continue;
        }
        mf_arguments a = {0};
        mf_status status = mf_parse_arguments(&a, shows[i].bit, w->n - 1, w->items + 1, err);
        if (status == MF_OK && (a.n_positional + (a.any ? 1 : 0) != 1 || a.format != NULL ||
                                a.output_file != NULL || a.help)) {
            status = mf_fail(err, MF_E_USAGE, "a report's command names models and options only");
        }
        if (status == MF_OK) {
            a.data = a.data != NULL ? a.data : data;
            status = shows[i].show(document, &a, err);
        }
        mf_arguments_free(&a);
        return status;
    }
    return mf_fail(
        err, MF_E_USAGE, "'%s' is no command of a report: fit, compare, plan or cost", w->items[0]);
}

mf_status
mf_report_command(mf_document *document, const char *command, const char *data, mf_error *err)
{
    words w = {0};
    mf_status status = split(&w, command, err);
    status = status == MF_OK ? run(document, &w, data, err) : status;
    free(w.text);
    if (status == MF_OK) {
        mf_document_begin(document, MF_BLOCK_COMMAND, 1, NULL);
        mf_document_cell(document, "memfit %s", command);
    }
    return status;
}

static mf_status
predict_row(mf_rate *rate, const mf_measured_row *row, const mf_database *database, mf_error *err)
{
    mf_cli_case c = {0};
    mf_arguments a = {0};
    char *no_words[1] = {NULL};
    mf_status status = mf_parse_arguments(&a, MF_FOR_FIT, 0, no_words, err);
    a.quant = row->quant;
    a.prompt = (int64_t)(row->n_prompt > 0 ? row->n_prompt : row->depth);
    a.output = row->n_prompt > 0 ? 1 : (int64_t)row->n_output;
    if (status == MF_OK) {
        status = mf_cli_case_load(&c, database, &a, row->model, row->machine, err);
    }
    if (status == MF_OK) {
        *rate = row->n_prompt > 0 ? c.prediction.prefill : c.prediction.decode;
    }
    mf_cli_case_free(&c);
    mf_arguments_free(&a);
    return status;
}

static void measured_cells(mf_document *d, const mf_measured_row *row, const mf_rate *rate)
{
    char shown[MF_WORDING_SIZE];
    char number[MF_NUMBER_SIZE];
    char id[160];
    const double percent = 100;
    const size_t footnote = mf_document_footnote(d, &row->source);
    const char *test = row->n_prompt > 0 ? "prefill" : "decode";
    const unsigned long long tokens = row->n_prompt > 0 ? row->n_prompt : row->depth;
    const char *like = strstr(row->machine, "like=");
    mf_document_cell(d, "%s", like != NULL ? like + strlen("like=") : row->machine);
    mf_document_cell(d, "%s", row->model);
    mf_document_cell(d, "%s", row->quant);
    mf_document_cell(d, row->n_prompt > 0 ? "%s of %llu" : "%s at %llu", test, tokens);
    mf_document_cell(d, "%s", mf_number_text(number, row->tok_s, 3));
    (void)snprintf(id, sizeof id, "measured-%s/%.50s/%.40s", test, row->model, row->machine);
    mf_document_figure(d, id, "published measurement", "tok/s", row->tok_s);
    mf_document_input(d, footnote, "measured", "%s tok/s", number);
    mf_document_cell(d, "%s", mf_rate_text(shown, rate));
    if (rate->known) {
        (void)snprintf(id, sizeof id, "predicted-%s/%.50s/%.40s", test, row->model, row->machine);
        mf_document_figure(d, id, "speed law: docs/speed.md", "tok/s", rate->tok_s);
        mf_document_interval(d, rate->low_tok_s, rate->high_tok_s);
        mf_document_input(d, 0, "basis", "%s", mf_basis_name(rate->basis));
    }
    mf_document_cell(d, "%s", mf_range_text(shown, rate));
    if (rate->known) {
        const double error = percent * (rate->tok_s / row->tok_s - 1);
        mf_document_cell(d, "%s%s %%", error > 0 ? "+" : "", mf_fixed_text(number, error, 0));
    } else {
        mf_document_cell(d, "-");
    }
}

mf_status mf_report_measured(
    mf_document *document, const mf_measured_row *rows, size_t n, const char *data, mf_error *err)
{
    static const char *const headings[] = {
        "machine", "model", "weights", "test", "measured", "predicted", "90 % range", "error"};
    const mf_arguments a = {.data = data};
    mf_database *database = NULL;
    mf_status status = mf_cli_database(&database, &a, err);
    mf_document_begin(document, MF_BLOCK_TABLE, 8, "Measured and predicted tokens per second");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        mf_rate rate = {0};
        status = predict_row(&rate, &rows[i], database, err);
        if (status == MF_OK) {
            measured_cells(document, &rows[i], &rate);
        }
    }
    mf_database_close(database);
    return status;
}
