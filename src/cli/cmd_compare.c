#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { MAX_NAMES = 24 };

/* A list of names cut at commas; what-if strings hold none. */
typedef struct name_list {
    char *text;
    const char *names[MAX_NAMES];
    size_t n;
} name_list;

static mf_status split_names(name_list *list, const char *text, mf_error *err)
{
    list->n = 0;
    list->text = mf_strdup(text);
    if (list->text == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory");
    }
    char *name = list->text;
    while (name != NULL) {
        char *comma = strchr(name, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        if (list->n == MAX_NAMES) {
            return mf_fail(err, MF_E_USAGE, "more than %d names at once", MAX_NAMES);
        }
        list->names[list->n++] = name;
        name = comma != NULL ? comma + 1 : NULL;
    }
    return MF_OK;
}

static mf_status
write_shown(mf_str *out, const mf_shown *shown, size_t n, const mf_arguments *a, mf_error *err)
{
    if (mf_cli_is_format(a, "json")) {
        return mf_write_comparison_json(out, shown, n, err);
    }
    if (mf_cli_is_format(a, "csv")) {
        return mf_write_prediction_csv(out, shown, n, err);
    }
    mf_document document = {0};
    mf_show_comparison(&document, shown, n);
    const mf_status status = mf_cli_write_document(out, &document, "memfit compare", a, err);
    mf_document_free(&document);
    return status;
}

typedef struct rows {
    mf_cli_case *cases;
    mf_shown *shown;
    size_t n;
} rows;

static mf_status load_rows(rows *r,
                           const mf_database *database,
                           const name_list *models,
                           const name_list *machines,
                           const mf_arguments *a,
                           mf_error *err)
{
    const size_t n = models->n * machines->n;
    r->cases = calloc(n, sizeof *r->cases);
    r->shown = calloc(n, sizeof *r->shown);
    if (r->cases == NULL || r->shown == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu cases", n);
    }
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        const char *model = models->names[i / machines->n];
        const char *machine = machines->names[i % machines->n];
        status = mf_cli_case_load(&r->cases[i], database, a, model, machine, err);
        if (status == MF_OK) {
            r->n++;
            r->shown[i] = mf_cli_shown(&r->cases[i]);
        }
    }
    return status;
}

static void free_rows(rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        mf_cli_case_free(&r->cases[i]);
    }
    free(r->cases);
    free(r->shown);
}

typedef mf_status (*use_rows)(void *out, const rows *r, const mf_arguments *a, mf_error *err);

/* Predicts all pairs and hands them on. */
static mf_status with_rows(use_rows use, void *out, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    name_list models = {0};
    name_list machines = {0};
    rows r = {0};
    mf_status status = mf_cli_database(&database, a, err);
    status = status == MF_OK ? split_names(&models, a->positional[0], err) : status;
    status = status == MF_OK ? split_names(&machines, a->on, err) : status;
    status = status == MF_OK ? load_rows(&r, database, &models, &machines, a, err) : status;
    status = status == MF_OK ? use(out, &r, a, err) : status;
    free_rows(&r);
    free(models.text);
    free(machines.text);
    mf_database_close(database);
    return status;
}

static mf_status write_rows(void *out, const rows *r, const mf_arguments *a, mf_error *err)
{
    return write_shown(out, r->shown, r->n, a, err);
}

static mf_status show_rows(void *out, const rows *r, const mf_arguments *a, mf_error *err)
{
    (void)a;
    mf_show_comparison(out, r->shown, r->n);
    return mf_document_status(out, err);
}

mf_status mf_compare_show(mf_document *document, const mf_arguments *a, mf_error *err)
{
    return a->on != NULL ? with_rows(show_rows, document, a, err)
                         : mf_fail(err, MF_E_USAGE, "say which machines: --on");
}

static mf_status compare(const mf_arguments *a, mf_error *err)
{
    mf_str text = {0};
    mf_status status = with_rows(write_rows, &text, a, err);
    status = status == MF_OK ? mf_cli_write(&text, a->output_file, err) : status;
    mf_str_free(&text);
    return status;
}

int mf_cmd_compare(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_COMPARE, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("compare"), MF_FOR_COMPARE);
    }
    if (status == MF_OK && (a.n_positional != 1 || a.on == NULL)) {
        status =
            mf_fail(&err, MF_E_USAGE, "compare takes MODEL[,MODEL..] --on MACHINE[,MACHINE..]");
    }
    if (status == MF_OK) {
        status = compare(&a, &err);
    }
    mf_arguments_free(&a);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
