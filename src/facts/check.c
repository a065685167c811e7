#include "facts/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "facts/readers.h"
#include "facts/store.h"

/* What all files are checked with: the names they may refer to. */
typedef struct checker {
    const mf_database *database;
    mf_check_counts *counts;
    mf_problem_fn *on_problem;
    void *payload;
    mf_error *err;
    mf_names devices;
    mf_names machines;
    mf_names models;
    mf_names links;
    mf_names seen; /* ids of the kind at hand */
} checker;

/* One file that is being checked. */
typedef struct file {
    checker *check;
    const mf_json *json;
    const mf_node *root;
    mf_file_kind kind;
} file;

static void report(void *payload, const char *message)
{
    checker *check = payload;
    check->counts->n_problems++;
    check->on_problem(check->payload, message);
}

static void complain(const file *at, const mf_node *node, const char *format, ...) MF_PRINTF(3, 4);

static void complain(const file *at, const mf_node *node, const char *format, ...)
{
    char text[MF_ERROR_MESSAGE_SIZE];
    mf_error problem = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)mf_json_fail(at->json, node, &problem, "%s", text);
    report(at->check, problem.message);
}

static bool has_name(const mf_names *names, const char *name)
{
    for (size_t i = 0; i < names->n_items; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A text that names an entry must name one that exists; null and what is no text is not judged here. */
static void
check_reference(const file *at, const mf_node *node, const mf_names *names, const char *what)
{
    const char *name = mf_node_string(node);
    if (name == NULL || has_name(names, name)) {
        return;
    }
    mf_nearest nearest = {.text = name};
    for (size_t i = 0; i < names->n_items; i++) {
        mf_nearest_try(&nearest, names->items[i]);
    }
    if (nearest.best != NULL) {
        complain(at,
                 node,
                 "'%s' names the unknown %s '%s', did you mean '%s'?",
                 mf_node_key(node),
                 what,
                 name,
                 nearest.best);
    } else {
        complain(at, node, "'%s' names the unknown %s '%s'", mf_node_key(node), what, name);
    }
}

/* A device or a machine. */
static void check_hardware(const file *at, const mf_node *node)
{
    const char *name = mf_node_string(node);
    if (name != NULL && !has_name(&at->check->devices, name)) {
        check_reference(at, node, &at->check->machines, "machine or device");
    }
}

static void check_link(const file *at, const char *key)
{
    check_reference(at, mf_node_get(at->root, key), &at->check->links, "link");
}

/* Paths in "for" begin at the file's own keys, or in a row file at those of its lists. */
static bool is_covered_key(const mf_table *table, const char *key)
{
    if (mf_table_field(table, "rows") == NULL) {
        return mf_table_field(table, key) != NULL;
    }
    for (size_t i = 0; i < table->n_fields; i++) {
        if (table->fields[i].kind == MF_FIELD_LIST &&
            mf_table_field(table->fields[i].table, key) != NULL) {
            return true;
        }
    }
    return false;
}

/* What "for" lists must be keys, or the source covers nothing. */
static void check_covers(const file *at, const mf_table *table, const mf_node *covers)
{
    const char *text = mf_node_string(covers);
    char key[64];
    while (text != NULL && *text != '\0') {
        text += strspn(text, ", ");
        const size_t size = strcspn(text, ", ");
        const size_t first = strcspn(text, ", .[");
        if (size > 0 && first < sizeof key && strcmp(text, "*") != 0) {
            memcpy(key, text, first);
            key[first] = '\0';
            if (strcmp(key, "*") != 0 && !is_covered_key(table, key)) {
                complain(at, covers, "'for' names '%s', which is no key here", key);
            }
        }
        text += size;
    }
}

static void check_sources(const file *at)
{
    const mf_table *table = mf_file_kind_info(at->kind)->table;
    const mf_node *source = mf_node_first(mf_node_get(at->root, "sources"));
    for (; source != NULL; source = mf_node_next(source)) {
        check_covers(at, table, mf_node_get(source, "for"));
    }
}

static void check_device(const file *at)
{
    check_link(at, "host_link");
    check_link(at, "peer_link");
    mf_device *device = NULL;
    if (mf_device_read(&device, at->json, NULL) != MF_OK) {
        return;
    }
    const bool any = device->chip_class == MF_CLASS_CPU || device->chip_class == MF_CLASS_UNKNOWN;
    if (!any && mf_chip_class_vendor(device->chip_class) != device->vendor) {
        complain(at,
                 mf_node_get(at->root, "class"),
                 "'class' %s is not one of vendor %s",
                 mf_chip_class_name(device->chip_class),
                 mf_vendor_name(device->vendor));
    }
    if (device->measured_bytes_per_s.known && device->bandwidth_bytes_per_s.known &&
        device->measured_bytes_per_s.value > device->bandwidth_bytes_per_s.value) {
        complain(at,
                 mf_node_get(at->root, "measured_bandwidth"),
                 "'measured_bandwidth' is above the specified 'bandwidth'");
    }
    mf_device_free(device);
}

static void check_pools(const file *at, const mf_machine *machine)
{
    const mf_node *node = mf_node_first(mf_node_get(at->root, "memory"));
    for (size_t i = 0; i < machine->n_pools; i++, node = mf_node_next(node)) {
        const mf_pool *pool = &machine->pools[i];
        if (pool->usable_bytes.known && pool->usable_bytes.value > pool->capacity_bytes.value) {
            complain(at, node, "'memory[%zu].usable' is above its capacity", i);
        }
        bool used = pool->kind == MF_POOL_HOST;
        for (size_t j = 0; j < machine->n_devices; j++) {
            used = used || machine->devices[j].pool == i;
        }
        if (!used) {
            complain(at, node, "no device computes from the memory '%s'", pool->name);
        }
    }
}

static void check_machine(const file *at)
{
    check_link(at, "host_link");
    check_link(at, "device_link");
    check_link(at, "node_link");
    const mf_node *device = mf_node_first(mf_node_get(at->root, "devices"));
    for (; device != NULL; device = mf_node_next(device)) {
        check_reference(at, mf_node_get(device, "device"), &at->check->devices, "device");
    }
    mf_machine *machine = NULL;
    mf_error problem = {0};
    if (mf_machine_read(&machine, at->json, &problem) == MF_OK) {
        check_pools(at, machine);
        mf_machine_free(machine);
    } else {
        report(at->check, problem.message);
    }
}

static void check_model(const file *at)
{
    mf_model *model = NULL;
    mf_error problem = {0};
    if (mf_model_read(&model, at->json, &problem) != MF_OK) {
        report(at->check, problem.message);
        return;
    }
    if (mf_model_check(model, &problem) != MF_OK) {
        complain(at, at->root, "%s", problem.message);
    }
    mf_model_free(model);
}

/* Calls for every row of the file. */
static void each_row(const file *at, void (*check)(const file *at, const mf_node *row))
{
    const mf_node *row = mf_node_first(mf_node_get(at->root, "rows"));
    for (; row != NULL; row = mf_node_next(row)) {
        check(at, row);
    }
}

static void check_row_id(const file *at, const mf_node *row)
{
    const mf_node *node = mf_node_get(row, "id");
    const char *id = mf_node_string(node);
    for (size_t i = 0; id != NULL && i < at->check->seen.n_items; i++) {
        if (strcasecmp(at->check->seen.items[i], id) == 0) {
            complain(at, node, "the id '%s' stands twice", id);
            return;
        }
    }
    if (id != NULL) {
        (void)mf_names_add(&at->check->seen, id, strlen(id), NULL);
    }
}

static void check_ids(const file *at)
{
    each_row(at, check_row_id);
}

static void check_rental(const file *at, const mf_node *row)
{
    check_row_id(at, row);
    check_hardware(at, mf_node_get(row, "device_id"));
}

static void check_rentals(const file *at)
{
    each_row(at, check_rental);
}

static bool has_source(const file *at, const mf_node *row)
{
    return mf_node_first(mf_node_get(row, "source")) != NULL ||
           mf_node_first(mf_node_get(at->root, "sources")) != NULL;
}

/* Of a model that is there, and not called like one. */
static void check_release(const file *at, const mf_node *row)
{
    check_row_id(at, row);
    check_reference(at, mf_node_get(row, "of"), &at->check->models, "model");
    const mf_node *id = mf_node_get(row, "id");
    if (mf_node_string(id) != NULL && has_name(&at->check->models, mf_node_string(id))) {
        complain(at, id, "'%s' is a model's id already", mf_node_string(id));
    } else if (!has_source(at, row)) {
        complain(at, row, "nothing says where the context is from, add a 'source'");
    }
}

static void check_releases(const file *at)
{
    each_row(at, check_release);
}

static void check_purchase(const file *at, const mf_node *row)
{
    check_hardware(at, mf_node_get(row, "item"));
}

static void check_purchases(const file *at)
{
    each_row(at, check_purchase);
}

static void check_observation(const file *at, const mf_node *row)
{
    check_reference(at, mf_node_get(row, "machine_id"), &at->check->machines, "machine");
}

static void check_economics(const file *at)
{
    each_row(at, check_observation);
}

/* What a kind's files are checked for beyond their form. */
static void (*const further[MF_FILE_KIND_COUNT])(const file *at) = {
    [MF_FILE_DEVICE] = check_device,
    [MF_FILE_MACHINE] = check_machine,
    [MF_FILE_MODEL] = check_model,
    [MF_FILE_LINKS] = check_ids,
    [MF_FILE_PURCHASES] = check_purchases,
    [MF_FILE_RENTALS] = check_rentals,
    [MF_FILE_ELECTRICITY] = check_ids,
    [MF_FILE_ECONOMICS] = check_economics,
    [MF_FILE_ASSUMPTIONS] = check_ids,
    [MF_FILE_QUANTS] = check_ids,
    [MF_FILE_RELEASES] = check_releases,
};

static void check_file_id(const file *at, const char *name)
{
    const mf_node *node = mf_node_get(at->root, "id");
    const char *id = mf_node_string(node);
    if (id != NULL && name != NULL && strcmp(id, name) != 0) {
        complain(at, node, "'id' is '%s' but the file's name says '%s'", id, name);
    }
}

/* name: what the file is called without .json, NULL if that does not matter. */
static void check_json(checker *check, const mf_json *json, mf_file_kind kind, const char *name)
{
    const file at = {.check = check, .json = json, .root = mf_json_root(json), .kind = kind};
    const mf_file_info *info = mf_file_kind_info(kind);
    mf_reader reader = {.json = json, .on_problem = report, .payload = check};
    (void)mf_fields_read(&reader, info->table, at.root, NULL);
    check->counts->n_files++;
    check->counts->n_entries[kind] +=
        info->file != NULL ? mf_node_count(mf_node_get(at.root, "rows")) : 1;
    check_sources(&at);
    check_file_id(&at, name);
    if (reader.status == MF_OK && further[kind] != NULL) {
        further[kind](&at);
    }
}

static mf_status check_path(checker *check, const char *path, mf_file_kind kind, const char *name)
{
    mf_json *json = NULL;
    mf_error problem = {0};
    const mf_status status = mf_json_load(&json, path, &problem);
    if (status == MF_E_NOMEM) {
        return mf_fail(check->err, status, "%s", problem.message);
    }
    if (status != MF_OK) {
        check->counts->n_files++;
        report(check, problem.message);
        return MF_OK;
    }
    check_json(check, json, kind, name);
    mf_json_free(json);
    return MF_OK;
}

static mf_status
check_entry(checker *check, const char *folder, const char *name, mf_file_kind kind)
{
    mf_str path = {0};
    mf_str_printf(&path, "%s/%s.json", folder, name);
    mf_status status = mf_str_status(&path, check->err);
    if (status == MF_OK && has_name(&check->seen, name)) {
        mf_str text = {0};
        mf_str_printf(
            &text, "%s: another file of this folder's siblings has the same name", path.data);
        report(check, text.data != NULL ? text.data : name);
        mf_str_free(&text);
    }
    if (status == MF_OK) {
        status = mf_names_add(&check->seen, name, strlen(name), check->err);
    }
    if (status == MF_OK) {
        status = check_path(check, path.data, kind, name);
    }
    mf_str_free(&path);
    return status;
}

static mf_status check_folder(checker *check, const char *folder, mf_file_kind kind)
{
    mf_names names = {0};
    mf_status status = mf_names_add_files(&names, folder, check->err);
    mf_names_sort(&names);
    for (size_t i = 0; status == MF_OK && i < names.n_items; i++) {
        status = check_entry(check, folder, names.items[i], kind);
    }
    mf_names_free(&names);
    return status;
}

/* Models lie in folders of families. */
static mf_status check_families(checker *check, const char *folder)
{
    mf_names families = {0};
    mf_status status = mf_names_add_folders(&families, folder, check->err);
    for (size_t i = 0; status == MF_OK && i < families.n_items; i++) {
        mf_str family = {0};
        mf_str_printf(&family, "%s/%s", folder, families.items[i]);
        status = mf_str_status(&family, check->err);
        if (status == MF_OK) {
            status = check_folder(check, family.data, MF_FILE_MODEL);
        }
        mf_str_free(&family);
    }
    mf_names_free(&families);
    return status;
}

static mf_status check_kind(checker *check, const char *root, mf_file_kind kind)
{
    const mf_file_info *info = mf_file_kind_info(kind);
    mf_str path = {0};
    mf_str_printf(&path, "%s/%s", root, info->folder != NULL ? info->folder : info->file);
    mf_status status = mf_str_status(&path, check->err);
    mf_names_free(&check->seen);
    if (status == MF_OK && kind == MF_FILE_MODEL) {
        status = check_families(check, path.data);
    } else if (status == MF_OK && info->folder != NULL) {
        status = check_folder(check, path.data, kind);
    } else if (status == MF_OK && mf_store_exists(path.data)) {
        status = check_path(check, path.data, kind, NULL);
    }
    mf_str_free(&path);
    return status;
}

static mf_status load_names(checker *check)
{
    mf_status status =
        mf_database_list(&check->devices, check->database, MF_ENTRY_DEVICE, check->err);
    if (status == MF_OK) {
        status = mf_database_list(&check->machines, check->database, MF_ENTRY_MACHINE, check->err);
    }
    if (status == MF_OK) {
        status = mf_database_list(&check->models, check->database, MF_ENTRY_MODEL, check->err);
    }
    if (status == MF_OK) {
        /* A links.json that does not parse is a problem to report when its turn comes, not the end. */
        const mf_status links =
            mf_database_list(&check->links, check->database, MF_ENTRY_LINK, NULL);
        status = links == MF_E_NOMEM ? mf_fail(check->err, links, "out of memory") : MF_OK;
    }
    return status;
}

static void free_names(checker *check)
{
    mf_names_free(&check->devices);
    mf_names_free(&check->machines);
    mf_names_free(&check->models);
    mf_names_free(&check->links);
    mf_names_free(&check->seen);
}

mf_status mf_database_check(mf_check_counts *counts,
                            const mf_database *database,
                            mf_problem_fn *on_problem,
                            void *payload,
                            mf_error *err)
{
    mf_check_counts found = {0};
    checker check = {.database = database,
                     .counts = &found,
                     .on_problem = on_problem,
                     .payload = payload,
                     .err = err};
    mf_status status = load_names(&check);
    for (size_t i = 0; status == MF_OK && i < database->n_folders; i++) {
        for (size_t kind = 0; status == MF_OK && kind < MF_FILE_KIND_COUNT; kind++) {
            status = check_kind(&check, database->folders[i], (mf_file_kind)kind);
        }
    }
    free_names(&check);
    if (status == MF_OK) {
        *counts = found;
    }
    return status;
}

/* The file's name without .json if it lies in a folder of its kind, as the last folder's name tells. */
static char *name_in_folder(const char *path, mf_file_kind kind)
{
    const mf_file_info *info = mf_file_kind_info(kind);
    const char *slash = strrchr(path, '/');
    if (slash == NULL || info->folder == NULL) {
        return NULL;
    }
    mf_str folder = {0};
    mf_str_add_n(&folder, path, (size_t)(slash - path));
    const bool inside = folder.data != NULL && strstr(folder.data, info->folder) != NULL;
    mf_str_free(&folder);
    const char *dot = strrchr(slash, '.');
    return inside && dot != NULL ? strndup(slash + 1, (size_t)(dot - slash - 1)) : NULL;
}

mf_status mf_file_check(mf_check_counts *counts,
                        const mf_database *database,
                        const char *path,
                        mf_problem_fn *on_problem,
                        void *payload,
                        mf_error *err)
{
    mf_check_counts found = {0};
    checker check = {.database = database,
                     .counts = &found,
                     .on_problem = on_problem,
                     .payload = payload,
                     .err = err};
    mf_file_kind kind = MF_FILE_DEVICE;
    mf_json *json = NULL;
    mf_error problem = {0};
    mf_status status = mf_json_load(&json, path, &problem);
    if (status == MF_E_DATA) {
        found.n_files = 1;
        report(&check, problem.message);
        status = MF_OK;
    } else if (status != MF_OK) {
        status = mf_fail(err, status, "%s", problem.message);
    } else if (!mf_file_kind_guess(&kind, mf_json_root(json))) {
        status = mf_json_fail(json, NULL, err, "no kind of fact file has these keys");
    } else {
        status = load_names(&check);
    }
    if (status == MF_OK && json != NULL) {
        char *name = name_in_folder(path, kind);
        check_json(&check, json, kind, name);
        free(name);
    }
    mf_json_free(json);
    free_names(&check);
    if (status == MF_OK) {
        *counts = found;
    }
    return status;
}
