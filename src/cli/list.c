/*
 * list.c - lists of names on the command line.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void mf_cli_list_free(mf_cli_list *list)
{
    free(list->text);
    free(list->names);
    mf_names_free(&list->all);
    *list = (mf_cli_list){0};
}

mf_status mf_cli_list_cut(mf_cli_list *list, const char *text, mf_error *err)
{
    size_t n = 1;
    for (const char *c = text; *c != '\0'; c++) {
        n += *c == ',' ? 1 : 0;
    }
    list->text = mf_strdup(text);
    list->names = calloc(n, sizeof *list->names);
    if (list->text == NULL || list->names == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a list");
    }
    for (char *name = list->text; name != NULL;) {
        char *comma = strchr(name, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        list->names[list->n++] = name;
        name = comma != NULL ? comma + 1 : NULL;
    }
    return MF_OK;
}

mf_status mf_cli_list_of(mf_cli_list *list,
                         const char *said,
                         const mf_database *database,
                         mf_entry_kind kind,
                         mf_error *err)
{
    if (said != NULL) {
        return mf_cli_list_cut(list, said, err);
    }
    const mf_status status = mf_database_list(&list->all, database, kind, err);
    list->names = status == MF_OK ? calloc(list->all.n_items + 1, sizeof *list->names) : NULL;
    if (status == MF_OK && list->names == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a list");
    }
    for (size_t i = 0; status == MF_OK && i < list->all.n_items; i++) {
        list->names[list->n++] = list->all.items[i];
    }
    return status;
}
