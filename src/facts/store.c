#include "facts/store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "facts/fields.h"

enum { MAX_SUGGESTIONS = 3 };

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
    [MF_ENTRY_RECORD] = {"calibration",  "records",  "hwdb/records",  NULL                      },
};

const char *mf_entry_kind_name(mf_entry_kind kind)
{
    return kinds[kind].name;
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

enum { MAX_SQUEEZED = 128 };

/* Small letters and digits alone: "RTX 4090" and "rtx-4090" are the same. */
static void squeeze(char out[MAX_SQUEEZED], const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < MAX_SQUEEZED; text++) {
        if (isalnum((unsigned char)*text)) {
            out[n++] = (char)tolower((unsigned char)*text);
        }
    }
    out[n] = '\0';
}

/* How many words of a text a squeezed name holds, wherever. */
typedef struct held_words {
    size_t n;    /* of the text */
    size_t held; /* in the name */
    bool
        all_types; /* those with a digit, which tell one chip or size from another, are all in it, and there is one */
} held_words;

static held_words words_held(const char *name, const char *text)
{
    char word[MAX_SQUEEZED];
    held_words words = {.all_types = strpbrk(text, "0123456789") != NULL};
    while (*text != '\0') {
        size_t n = 0;
        while (isalnum((unsigned char)*text) && n + 1 < MAX_SQUEEZED) {
            word[n++] = (char)tolower((unsigned char)*text++);
        }
        word[n] = '\0';
        const bool held = n > 0 && strstr(name, word) != NULL;
        words.n++;
        words.held += held ? 1 : 0;
        words.all_types = words.all_types && (held || strpbrk(word, "0123456789") == NULL);
        text += strspn(text, " -_.:/");
        text += n == 0 && *text != '\0' && !isalnum((unsigned char)*text) ? 1 : 0;
    }
    return words;
}

static bool has_words(const char *name, const char *text)
{
    const held_words words = words_held(name, text);
    return words.held == words.n;
}

typedef struct suggestions {
    const char *names[MAX_SUGGESTIONS];
    size_t n;
} suggestions;

static void add_suggestion(suggestions *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->names[i] == name) {
            return;
        }
    }
    if (name != NULL && list->n < MAX_SUGGESTIONS) {
        list->names[list->n++] = name;
    }
}

/* The next longer name, in the order of the list among those alike, that holds the text, is held by it or (words) has all of
   its words. */
static const char *next_alike(const mf_names *names, const char *id, const char *after, bool words)
{
    char wanted[MAX_SQUEEZED];
    char name[MAX_SQUEEZED];
    const char *best = NULL;
    bool behind = after == NULL;
    squeeze(wanted, id);
    for (size_t i = 0; wanted[0] != '\0' && i < names->n_items; i++) {
        const char *item = names->items[i];
        const size_t size = strlen(item);
        const bool later =
            after == NULL || size > strlen(after) || (behind && size == strlen(after));
        behind = behind || item == after;
        squeeze(name, item);
        if (later && (best == NULL || size < strlen(best)) &&
            (strstr(name, wanted) != NULL || strstr(wanted, name) != NULL ||
             (words && has_words(name, id)))) {
            best = item;
        }
    }
    return best;
}

/* The name that holds most of the words and all those with a digit, the shortest of equal ones, among those that are not
   suggested yet; NULL: none holds half of them. */
static const char *most_words(const mf_names *names, const char *id, const suggestions *list)
{
    char name[MAX_SQUEEZED];
    const char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < names->n_items; i++) {
        const char *item = names->items[i];
        bool listed = false;
        for (size_t k = 0; k < list->n; k++) {
            listed = listed || list->names[k] == item;
        }
        squeeze(name, item);
        const held_words words = words_held(name, id);
        const bool enough = !listed && words.all_types && 2 * words.held >= words.n;
        const bool as_many = best != NULL && words.held == most;
        if (enough &&
            (best == NULL || words.held > most || (as_many && strlen(item) < strlen(best)))) {
            best = item;
            most = words.held;
        }
    }
    return best;
}

static const char *same_letters(const mf_names *names, const char *id)
{
    char wanted[MAX_SQUEEZED];
    char name[MAX_SQUEEZED];
    squeeze(wanted, id);
    for (size_t i = 0; wanted[0] != '\0' && i < names->n_items; i++) {
        squeeze(name, names->items[i]);
        if (strcmp(name, wanted) == 0) {
            return names->items[i];
        }
    }
    return NULL;
}

/* The same letters; else a slip of the fingers, then what is alike, the shortest first, and the nearest by spelling. */
static suggestions suggest(const mf_names *names, const char *id)
{
    enum { SLIP = 2 };
    suggestions list = {0};
    mf_nearest nearest = {.text = id};
    add_suggestion(&list, same_letters(names, id));
    if (list.n > 0) {
        return list;
    }
    for (size_t i = 0; i < names->n_items; i++) {
        mf_nearest_try(&nearest, names->items[i]);
    }
    if (nearest.distance <= SLIP) {
        add_suggestion(&list, nearest.best);
    }
    const bool words = list.n == 0;
    const char *alike = next_alike(names, id, NULL, words);
    while (alike != NULL && list.n < MAX_SUGGESTIONS) {
        add_suggestion(&list, alike);
        alike = next_alike(names, id, alike, words);
    }
    add_suggestion(&list, nearest.best);
    for (bool more = list.n == 0; more && list.n < MAX_SUGGESTIONS;) {
        const char *name = most_words(names, id, &list);
        add_suggestion(&list, name);
        more = name != NULL;
    }
    return list;
}

static mf_status unknown_among(
    const mf_database *database, mf_entry_kind kind, bool or_device, const char *id, mf_error *err)
{
    mf_names names = {0};
    mf_names devices = {0};
    mf_status status = mf_database_list(&names, database, kind, err);
    if (status == MF_OK && or_device) {
        status = mf_database_list(&devices, database, MF_ENTRY_DEVICE, err);
    }
    for (size_t i = 0; status == MF_OK && i < devices.n_items; i++) {
        status = mf_names_add(&names, devices.items[i], strlen(devices.items[i]), err);
    }
    if (status == MF_OK) {
        const suggestions list = suggest(&names, id);
        const size_t n = list.n;
        mf_str text = {0};
        for (size_t i = 0; i < n; i++) {
            mf_str_printf(&text,
                          "%s'%s'",
                          i == 0       ? ", did you mean "
                          : i + 1 == n ? " or "
                                       : ", ",
                          list.names[i]);
        }
        if (n == 0) {
            mf_str_printf(&text,
                          ", 'memfit db list %s'%s the %zu there are",
                          kinds[kind].list,
                          or_device ? " and 'memfit db list devices' have" : " has",
                          names.n_items);
        }
        status = mf_fail(err,
                         MF_E_UNKNOWN,
                         "unknown %s '%.100s'%s%s",
                         kinds[kind].name,
                         id,
                         text.data != NULL ? text.data : "",
                         n > 0 ? "?" : "");
        mf_str_free(&text);
    }
    mf_names_free(&names);
    mf_names_free(&devices);
    return status;
}

mf_status
mf_store_unknown(const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err)
{
    return unknown_among(database, kind, kind == MF_ENTRY_MACHINE, id, err);
}

mf_status mf_store_no_machine(const mf_database *database, const char *id, mf_error *err)
{
    return unknown_among(database, MF_ENTRY_MACHINE, false, id, err);
}
