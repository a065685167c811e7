#include "facts/store.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "facts/fields.h"

#define MODELS_FOLDER "modeldb/models"

/* Either a folder with one file an entry, or a file with one row an entry. Models lie one folder deeper. */
static const struct {
    const char *name;
    const char *list; /* in `db list` */
    const char *folder;
    const char *rows;
} kinds[] = {
    [MF_ENTRY_MODEL] = {"model",        "models",   MODELS_FOLDER,   NULL                      },
    [MF_ENTRY_MACHINE] = {"machine",      "machines", "hwdb/machines", NULL                      },
    [MF_ENTRY_DEVICE] = {"device",       "devices",  "hwdb/devices",  NULL                      },
    [MF_ENTRY_LINK] = {"link",         "links",    NULL,            "hwdb/links.json"         },
    [MF_ENTRY_QUANT] = {"quantization", "quants",   NULL,            "modeldb/quants.json"     },
    [MF_ENTRY_ENGINE] = {"engine",       "engines",  "hwdb/engines",  NULL                      },
    [MF_ENTRY_RENTAL] = {"rental",       "rentals",  NULL,            "hwdb/prices/rentals.json"},
    [MF_ENTRY_RELEASE] = {"release",      "releases", NULL,            "modeldb/releases.json"   },
    [MF_ENTRY_RECORD] = {"calibration",  "records",  "hwdb/records",  NULL                      },
};

const char *mf_entry_kind_name(mf_entry_kind kind)
{
    return kinds[kind].name;
}

const char *mf_entry_list_name(mf_entry_kind kind)
{
    return kinds[kind].list;
}

const char *mf_entry_rows_file(mf_entry_kind kind)
{
    return kinds[kind].rows;
}

mf_status mf_names_add(mf_names *names, const char *name, size_t size, mf_error *err)
{
    /* Grows whenever the count reaches a power of two. */
    if ((names->n_items & (names->n_items - 1)) == 0) {
        const size_t capacity = names->n_items > 0 ? 2 * names->n_items : 1;
        char **grown = realloc(names->items, capacity * sizeof *grown);
        if (grown == NULL) {
            return mf_fail(err, MF_E_NOMEM, "out of memory for names");
        }
        names->items = grown;
    }
    char *copy = strndup(name, size);
    if (copy == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for names");
    }
    names->items[names->n_items++] = copy;
    return MF_OK;
}

void mf_names_free(mf_names *names)
{
    for (size_t i = 0; i < names->n_items; i++) {
        free(names->items[i]);
    }
    free(names->items);
    *names = (mf_names){0};
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

void mf_names_sort(mf_names *names)
{
    if (names->n_items < 2) {
        return;
    }
    qsort(names->items, names->n_items, sizeof *names->items, compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < names->n_items; i++) {
        if (strcmp(names->items[i], names->items[kept - 1]) == 0) {
            free(names->items[i]);
        } else {
            names->items[kept++] = names->items[i];
        }
    }
    names->n_items = kept;
}

static char *join(const char *folder, const char *name, const char *end)
{
    mf_str path = {0};
    mf_str_printf(&path, "%s/%s%s", folder, name, end);
    return path.failed ? NULL : path.data;
}

static mf_status no_memory(mf_error *err)
{
    return mf_fail(err, MF_E_NOMEM, "out of memory for a path");
}

/* Names of a folder's files that end in `ending`, without it; NULL: of its folders. */
static mf_status add_entries(mf_names *names, const char *folder, const char *ending, mf_error *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return errno == ENOENT
                   ? MF_OK
                   : mf_fail(err, MF_E_IO, "can't read '%s': %s", folder, strerror(errno));
    }
    mf_status status = MF_OK;
    for (const struct dirent *entry = readdir(dir); status == MF_OK && entry != NULL;
         entry = readdir(dir)) {
        const size_t size = strlen(entry->d_name);
        const size_t tail = ending != NULL ? strlen(ending) : 0;
        const bool wanted = ending != NULL
                                ? size > tail && strcmp(entry->d_name + size - tail, ending) == 0
                                : strchr(entry->d_name, '.') == NULL;
        if (wanted && entry->d_name[0] != '.') {
            status = mf_names_add(names, entry->d_name, size - tail, err);
        }
    }
    (void)closedir(dir);
    return status;
}

mf_status mf_names_add_files(mf_names *names, const char *folder, mf_error *err)
{
    return add_entries(names, folder, ".json", err);
}

mf_status mf_names_add_folders(mf_names *names, const char *folder, mf_error *err)
{
    const mf_status status = add_entries(names, folder, NULL, err);
    mf_names_sort(names);
    return status;
}

/* A name that can't lead out of its folder. */
static bool is_plain(const char *id)
{
    return id[0] != '\0' && id[0] != '.' && strchr(id, '/') == NULL;
}

bool mf_store_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static mf_status find_in(char **path, const char *folder, const char *id, mf_error *err)
{
    char *candidate = join(folder, id, ".json");
    if (candidate == NULL) {
        return no_memory(err);
    }
    if (mf_store_exists(candidate)) {
        *path = candidate;
    } else {
        free(candidate);
    }
    return MF_OK;
}

static mf_status find_model(char **path, const char *folder, const char *id, mf_error *err)
{
    mf_names families = {0};
    mf_status status = mf_names_add_folders(&families, folder, err);
    for (size_t i = 0; status == MF_OK && *path == NULL && i < families.n_items; i++) {
        char *family = join(folder, families.items[i], "");
        status = family == NULL ? no_memory(err) : find_in(path, family, id, err);
        free(family);
    }
    mf_names_free(&families);
    return status;
}

mf_status mf_store_find(
    char **path, const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err)
{
    *path = NULL;
    mf_status status = MF_OK;
    for (size_t i = 0; is_plain(id) && status == MF_OK && *path == NULL && i < database->n_folders;
         i++) {
        char *folder = join(database->folders[i], kinds[kind].folder, "");
        if (folder == NULL) {
            return no_memory(err);
        }
        status = kind == MF_ENTRY_MODEL ? find_model(path, folder, id, err)
                                        : find_in(path, folder, id, err);
        free(folder);
    }
    return status;
}

mf_status
mf_store_path(char **path, const mf_database *database, const char *relative, mf_error *err)
{
    *path = NULL;
    for (size_t i = 0; i < database->n_folders; i++) {
        char *candidate = join(database->folders[i], relative, "");
        if (candidate == NULL) {
            return no_memory(err);
        }
        if (mf_store_exists(candidate)) {
            *path = candidate;
            return MF_OK;
        }
        free(candidate);
    }
    return MF_OK;
}

mf_status mf_store_rows_file(const mf_json **json,
                             const mf_database *database,
                             const char *relative,
                             mf_error *err)
{
    mf_store_rows *rows = database->rows;
    char *path = NULL;
    mf_json *loaded = NULL;
    *json = NULL;
    for (size_t i = 0; i < rows->n; i++) {
        if (strcmp(rows->relative[i], relative) == 0) {
            *json = rows->files[i];
            return MF_OK;
        }
    }
    mf_status status = rows->n < MF_STORE_MAX_ROWS
                           ? mf_store_path(&path, database, relative, err)
                           : mf_fail(err, MF_E_INTERNAL, "no room for '%s'", relative);
    if (status == MF_OK && path != NULL) {
        status = mf_json_load(&loaded, path, err);
    }
    free(path);
    if (status == MF_OK && loaded != NULL) {
        rows->relative[rows->n] = relative;
        rows->files[rows->n++] = loaded;
        *json = loaded;
    }
    return status;
}

void mf_store_rows_free(mf_store_rows *rows)
{
    for (size_t i = 0; rows != NULL && i < rows->n; i++) {
        mf_json_free(rows->files[i]);
    }
    free(rows);
}

mf_status
mf_database_path(char **path, const mf_database *database, const char *relative, mf_error *err)
{
    char *found = NULL;
    const mf_status status = mf_store_path(&found, database, relative, err);
    if (status == MF_OK && found == NULL) {
        return mf_fail(err, MF_E_UNKNOWN, "'%s' is in no database folder", relative);
    }
    if (status == MF_OK) {
        *path = found;
    }
    return status;
}

static mf_status list_files(mf_names *names, const char *root, mf_entry_kind kind, mf_error *err)
{
    char *folder = join(root, kinds[kind].folder, "");
    if (folder == NULL) {
        return no_memory(err);
    }
    mf_names families = {0};
    mf_status status = kind == MF_ENTRY_MODEL ? mf_names_add_folders(&families, folder, err)
                                              : mf_names_add_files(names, folder, err);
    for (size_t i = 0; status == MF_OK && i < families.n_items; i++) {
        char *family = join(folder, families.items[i], "");
        status = family == NULL ? no_memory(err) : mf_names_add_files(names, family, err);
        free(family);
    }
    mf_names_free(&families);
    free(folder);
    return status;
}

static mf_status list_rows(mf_names *names, const char *root, mf_entry_kind kind, mf_error *err)
{
    char *path = join(root, kinds[kind].rows, "");
    if (path == NULL) {
        return no_memory(err);
    }
    mf_json *json = NULL;
    mf_status status = mf_store_exists(path) ? mf_json_load(&json, path, err) : MF_OK;
    const mf_node *rows = json != NULL ? mf_node_get(mf_json_root(json), "rows") : NULL;
    for (const mf_node *row = mf_node_first(rows); status == MF_OK && row != NULL;
         row = mf_node_next(row)) {
        const char *id = mf_node_string(mf_node_get(row, "id"));
        status = id == NULL ? mf_json_fail(json, row, err, "a row has no \"id\"")
                            : mf_names_add(names, id, strlen(id), err);
    }
    mf_json_free(json);
    free(path);
    return status;
}

mf_status
mf_database_list(mf_names *names, const mf_database *database, mf_entry_kind kind, mf_error *err)
{
    mf_names found = {0};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < database->n_folders; i++) {
        status = kinds[kind].rows != NULL ? list_rows(&found, database->folders[i], kind, err)
                                          : list_files(&found, database->folders[i], kind, err);
    }
    if (status != MF_OK) {
        mf_names_free(&found);
        return status;
    }
    mf_names_sort(&found);
    *names = found;
    return MF_OK;
}
