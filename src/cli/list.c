/*
 * list.c - lists of names on the command line.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
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

mf_status mf_cli_part_of(mf_cli_part *part, const char *text, size_t n_units, mf_error *err)
{
    uint64_t i = 1;
    uint64_t n = 1;
    if (text != NULL) {
        char first[24];
        const char *slash = strchr(text, '/');
        const size_t size = slash != NULL ? (size_t)(slash - text) : sizeof first;
        if (size < sizeof first) {
            memcpy(first, text, size);
            first[size] = '\0';
        }
        if (size >= sizeof first || !mf_parse_uint(&i, first) || !mf_parse_uint(&n, slash + 1) ||
            i < 1 || i > n || n > UINT32_MAX) {
            return mf_fail(err, MF_E_USAGE, "--shard takes I/N, like 2/8, not '%s'", text);
        }
    }
    part->begins = i == 1;
    part->first = (size_t)((i - 1) * n_units / n);
    part->last = (size_t)(i * n_units / n);
    return MF_OK;
}
