#include <stdlib.h>

#include "cli/audit.h"

static mf_status audit(bool *possible, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_audited_list list = {0};
    mf_status status = mf_cli_database(&database, a, err);
    if (status == MF_OK && a->n_positional > 0) {
        status = mf_audit_load_file(&list, database, a, a->positional[0], err);
    } else if (status == MF_OK) {
        list.items = calloc(1, sizeof *list.items);
        list.n_items = list.items != NULL ? 1 : 0;
        status = list.items != NULL ? mf_audit_load(&list.items[0], database, a, err)
                                    : mf_fail(err, MF_E_NOMEM, "out of memory for a claim");
    }
    if (status == MF_OK) {
        status = mf_audit_write(&list, a, err);
    }
    for (size_t i = 0; status == MF_OK && i < list.n_items; i++) {
        *possible = *possible && mf_audit_is_possible(&list.items[i]);
    }
    mf_audit_list_free(&list);
    mf_database_close(database);
    return status;
}

static mf_status check_words(const mf_arguments *a, mf_error *err)
{
    const bool one =
        a->on != NULL && mf_audit_claims(a) == 1 && (a->model == NULL) != (a->bytes == NULL);
    const bool file = a->n_positional == 1 && a->on == NULL && mf_audit_claims(a) == 0 &&
                      a->model == NULL && a->bytes == NULL;
    if (!file && (!one || a->n_positional > 0)) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "audit takes --model M or --bytes SIZE, --on MACHINE and one of --tok-s X, "
                       "--prefill-tok-s X and --ttft S, or a CSV file of claims");
    }
    return mf_cli_is_format(a, "csv")
               ? mf_fail(err, MF_E_USAGE, "audit writes text, markdown, html or json")
               : MF_OK;
}

int mf_cmd_audit(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    bool possible = true;
    mf_status status = mf_parse_arguments(&a, MF_FOR_AUDIT, n_words, words, &err);
    if (status == MF_OK && a.help) {
        mf_arguments_free(&a);
        return mf_cli_help(mf_cli_command("audit"), MF_FOR_AUDIT);
    }
    status = status == MF_OK ? check_words(&a, &err) : status;
    status = status == MF_OK ? audit(&possible, &a, &err) : status;
    mf_arguments_free(&a);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return possible ? MF_EXIT_YES : MF_EXIT_NO;
}
