#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "facts/check.h"
#include "facts/model_json.h"

typedef mf_status (*db_action)(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err);

static mf_status need_word(const mf_arguments *a, const char *usage, mf_error *err)
{
    return a->n_positional >= 2 ? MF_OK : mf_fail(err, MF_E_USAGE, "write: memfit db %s", usage);
}

static const struct {
    const char *name;
    mf_entry_kind kind;
} listed[] = {
    {"models",   MF_ENTRY_MODEL  },
    {"machines", MF_ENTRY_MACHINE},
    {"devices",  MF_ENTRY_DEVICE },
    {"links",    MF_ENTRY_LINK   },
    {"quants",   MF_ENTRY_QUANT  },
    {"engines",  MF_ENTRY_ENGINE },
    {"rentals",  MF_ENTRY_RENTAL },
    {"releases", MF_ENTRY_RELEASE},
};

static mf_status
list_kind(mf_str *out, const mf_database *database, size_t row, const char *part, mf_error *err)
{
    mf_names names = {0};
    const mf_status status = mf_database_list(&names, database, listed[row].kind, err);
    for (size_t i = 0; status == MF_OK && i < names.n_items; i++) {
        if (part == NULL || strstr(names.items[i], part) != NULL) {
            mf_str_printf(out, "%s\n", names.items[i]);
        }
    }
    mf_names_free(&names);
    return status;
}

/* Without a kind: how many there are of each. */
static mf_status count_kinds(mf_str *out, const mf_database *database, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof listed / sizeof listed[0]; i++) {
        mf_names names = {0};
        status = mf_database_list(&names, database, listed[i].kind, err);
        if (status == MF_OK) {
            mf_str_printf(out, "%-10s%6zu\n", listed[i].name, names.n_items);
        }
        mf_names_free(&names);
    }
    return status;
}

static mf_status db_list(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err)
{
    mf_database *database = NULL;
    mf_status status = mf_cli_database(&database, a, err);
    *fine = true;
    if (status == MF_OK && a->n_positional < 2) {
        status = count_kinds(out, database, err);
    } else if (status == MF_OK) {
        status = MF_E_USAGE;
        for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
            if (strcmp(a->positional[1], listed[i].name) == 0) {
                status =
                    list_kind(out, database, i, a->n_positional > 2 ? a->positional[2] : NULL, err);
                break;
            }
        }
        if (status == MF_E_USAGE) {
            (void)mf_fail(err,
                          status,
                          "no list '%s': models, machines, devices, links, quants, engines, "
                          "rentals or releases",
                          a->positional[1]);
        }
    }
    mf_database_close(database);
    return status;
}

/* Neither model nor machine: whichever of both complaints has a name to offer. */
static mf_status unknown_name(const mf_database *database, const char *name, mf_error *err)
{
    mf_machine *machine = NULL;
    mf_error other = {0};
    (void)mf_database_machine(&machine, database, name, &other);
    mf_machine_free(machine);
    if (strstr(err->message, "did you mean") != NULL) {
        return MF_E_UNKNOWN;
    }
    if (strstr(other.message, "did you mean") != NULL) {
        *err = other;
        return MF_E_UNKNOWN;
    }
    return mf_fail(
        err, MF_E_UNKNOWN, "no model, machine, device or engine '%s', see 'memfit db list'", name);
}

static mf_status db_show(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err)
{
    mf_database *database = NULL;
    mf_model *model = NULL;
    char *path = NULL;
    *fine = true;
    mf_status status = need_word(a, "show NAME", err);
    status = status == MF_OK ? mf_cli_database(&database, a, err) : status;
    static const char *const folders[] = {"hwdb/machines", "hwdb/devices", "hwdb/engines"};
    bool found = false;
    for (size_t i = 0; status == MF_OK && !found && i < sizeof folders / sizeof folders[0]; i++) {
        char relative[256];
        (void)snprintf(relative, sizeof relative, "%s/%s.json", folders[i], a->positional[1]);
        found = mf_database_path(&path, database, relative, NULL) == MF_OK;
    }
    if (found) {
        status = mf_cli_read(out, path, err);
    } else if (status == MF_OK) {
        status = mf_database_model(&model, database, a->positional[1], err);
        status = status == MF_OK          ? mf_model_write(out, model, err)
                 : status == MF_E_UNKNOWN ? unknown_name(database, a->positional[1], err)
                                          : status;
    }
    mf_model_free(model);
    free(path);
    mf_database_close(database);
    return status;
}

static void print_problem(void *payload, const char *message)
{
    mf_str_printf(payload, "%s\n", message);
}

static bool has_entries(const mf_check_counts *counts)
{
    size_t n = 0;
    for (size_t k = 0; k < MF_FILE_KIND_COUNT; k++) {
        n += counts->n_entries[k];
    }
    return n > 0;
}

static mf_status db_check(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err)
{
    mf_database *database = NULL;
    mf_check_counts counts = {0};
    mf_status status = mf_cli_database(&database, a, err);
    if (status == MF_OK && a->n_positional < 2) {
        status = mf_database_check(&counts, database, print_problem, out, err);
    }
    for (size_t i = 1; status == MF_OK && i < a->n_positional; i++) {
        mf_check_counts one = {0};
        status = mf_file_check(&one, database, a->positional[i], print_problem, out, err);
        counts.n_files += one.n_files;
        counts.n_problems += one.n_problems;
        for (size_t k = 0; k < MF_FILE_KIND_COUNT; k++) {
            counts.n_entries[k] += one.n_entries[k];
        }
    }
    if (status == MF_OK) {
        mf_str_printf(out,
                      "%zu file%s, %zu problem%s%s",
                      counts.n_files,
                      counts.n_files == 1 ? "" : "s",
                      counts.n_problems,
                      counts.n_problems == 1 ? "" : "s",
                      has_entries(&counts) ? ":" : "");
        for (size_t k = 0; k < MF_FILE_KIND_COUNT; k++) {
            if (counts.n_entries[k] > 0) {
                mf_str_printf(
                    out, " %zu %s", counts.n_entries[k], mf_file_kind_info((mf_file_kind)k)->name);
            }
        }
        mf_str_add(out, "\n");
    }
    *fine = counts.n_problems == 0;
    mf_database_close(database);
    return status;
}

static mf_status
kind_of(mf_file_kind *kind, const mf_arguments *a, const char *usage, mf_error *err)
{
    const mf_status status = need_word(a, usage, err);
    return status == MF_OK ? mf_file_kind_by_name(kind, a->positional[1], err) : status;
}

static mf_status db_new(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err)
{
    mf_file_kind kind = MF_FILE_MACHINE;
    const mf_status status = kind_of(&kind, a, "new KIND, like: memfit db new machine", err);
    *fine = true;
    if (status == MF_OK) {
        mf_template_write(out, kind);
    }
    return status;
}

static mf_status db_schema(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err)
{
    mf_file_kind kind = MF_FILE_MACHINE;
    const mf_status status = kind_of(&kind, a, "schema KIND, like: memfit db schema machine", err);
    *fine = true;
    if (status == MF_OK) {
        mf_schema_write(out, kind);
    }
    return status;
}

static mf_status db_explain(mf_str *out, const mf_arguments *a, bool *fine, mf_error *err)
{
    const mf_status status =
        need_word(a, "explain KIND[.key], like: memfit db explain machine.memory", err);
    *fine = true;
    return status == MF_OK ? mf_explain_write(out, a->positional[1], err) : status;
}

static const struct {
    const char *name;
    db_action run;
} actions[] = {
    {"list",    db_list   },
    {"show",    db_show   },
    {"check",   db_check  },
    {"new",     db_new    },
    {"explain", db_explain},
    {"schema",  db_schema },
};

static db_action find_action(const mf_arguments *a)
{
    for (size_t i = 0; a->n_positional > 0 && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, a->positional[0]) == 0) {
            return actions[i].run;
        }
    }
    return NULL;
}

int mf_cmd_db(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a;
    mf_str text = {0};
    bool fine = true;
    mf_status status = mf_parse_arguments(&a, MF_FOR_DB, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("db"), MF_FOR_DB);
    }
    const db_action action = status == MF_OK ? find_action(&a) : NULL;
    if (status == MF_OK && action == NULL) {
        status = mf_fail(&err, MF_E_USAGE, "db takes list, show, check, new, explain or schema");
    }
    if (status == MF_OK) {
        status = action(&text, &a, &fine, &err);
    }
    if (status == MF_OK) {
        status = mf_cli_write(&text, a.output_file, &err);
    }
    mf_str_free(&text);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return fine ? MF_EXIT_YES : mf_status_exit_code(MF_E_DATA);
}
