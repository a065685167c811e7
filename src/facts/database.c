#include "memfit/database.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "facts/readers.h"
#include "facts/sources.h"
#include "facts/store.h"

static bool is_folder(const char *root, const char *name)
{
    mf_str path = {0};
    mf_str_printf(&path, "%s/%s", root, name);
    struct stat info = {0};
    const bool found = !path.failed && stat(path.data, &info) == 0 && S_ISDIR(info.st_mode);
    mf_str_free(&path);
    return found;
}

mf_status
mf_database_open(mf_database **out, const char *const *folders, size_t n_folders, mf_error *err)
{
    bool complete = false;
    for (size_t i = 0; i < n_folders; i++) {
        complete = complete || (is_folder(folders[i], "hwdb") && is_folder(folders[i], "modeldb"));
    }
    if (!complete) {
        return mf_fail(err,
                       MF_E_IO,
                       "no folders 'hwdb' and 'modeldb' in '%s'",
                       n_folders > 0 ? folders[0] : "");
    }
    mf_database *database = calloc(1, sizeof *database);
    mf_store_rows *rows = calloc(1, sizeof *rows);
    char **copies = calloc(n_folders, sizeof *copies);
    bool copied = database != NULL && rows != NULL && copies != NULL;
    for (size_t i = 0; copied && i < n_folders; i++) {
        copies[i] = mf_strdup(folders[i]);
        copied = copies[i] != NULL;
    }
    if (database == NULL || !copied) {
        for (size_t i = 0; copies != NULL && i < n_folders; i++) {
            free(copies[i]);
        }
        free(copies);
        free(rows);
        free(database);
        return mf_fail(err, MF_E_NOMEM, "out of memory for the database");
    }
    *database = (mf_database){.folders = copies, .n_folders = n_folders, .rows = rows};
    *out = database;
    return MF_OK;
}

void mf_database_set_macos(mf_database *database, uint32_t major)
{
    database->macos = major;
}

void mf_database_close(mf_database *database)
{
    if (database == NULL) {
        return;
    }
    for (size_t i = 0; i < database->n_folders; i++) {
        free(database->folders[i]);
    }
    free(database->folders);
    mf_store_rows_free(database->rows);
    free(database);
}

/* Opens the file of an entry, NULL in *json if there is none; its "id" must be the file's name. */
static mf_status open_entry(
    mf_json **json, const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err)
{
    char *path = NULL;
    mf_json *loaded = NULL;
    mf_status status = mf_store_find(&path, database, kind, id, err);
    if (status == MF_OK && path != NULL) {
        status = mf_json_load(&loaded, path, err);
    }
    free(path);
    if (status == MF_OK && loaded != NULL) {
        const mf_node *node = mf_node_get(mf_json_root(loaded), "id");
        const char *inside = mf_node_string(node);
        if (inside != NULL && strcmp(inside, id) != 0) {
            status = mf_json_fail(
                loaded, node, err, "'id' is '%s' but the file's name says '%s'", inside, id);
        }
    }
    if (status != MF_OK) {
        mf_json_free(loaded);
        return status;
    }
    *json = loaded;
    return MF_OK;
}

/* The same, but a missing entry is MF_E_UNKNOWN. */
static mf_status require_entry(
    mf_json **json, const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err)
{
    mf_json *found = NULL;
    const mf_status status = open_entry(&found, database, kind, id, err);
    if (status == MF_OK && found == NULL) {
        return mf_store_unknown(database, kind, id, err);
    }
    if (status == MF_OK) {
        *json = found;
    }
    return status;
}

static mf_status load_kernels(mf_device *device, const mf_database *database, mf_error *err)
{
    const mf_json *json = NULL;
    const mf_status status = mf_store_rows_file(&json, database, "hwdb/kernels.json", err);
    return status == MF_OK && json != NULL
               ? mf_kernels_find(&device->kernels, json, device->id, err)
               : status;
}

mf_status
mf_database_device(mf_device **out, const mf_database *database, const char *id, mf_error *err)
{
    mf_json *json = NULL;
    mf_device *device = NULL;
    mf_status status = require_entry(&json, database, MF_ENTRY_DEVICE, id, err);
    if (status == MF_OK) {
        status = mf_device_read(&device, json, err);
    }
    mf_json_free(json);
    if (status == MF_OK) {
        status = load_kernels(device, database, err);
    }
    if (status != MF_OK) {
        mf_device_free(device);
        return status;
    }
    *out = device;
    return MF_OK;
}

mf_status
mf_database_engine(mf_engine **out, const mf_database *database, const char *name, mf_error *err)
{
    mf_json *json = NULL;
    mf_status status = require_entry(&json, database, MF_ENTRY_ENGINE, name, err);
    if (status == MF_OK) {
        status = mf_engine_read(out, json, err);
    }
    mf_json_free(json);
    return status;
}

/* The row with this id, case ignored, in the first folder that has one; node NULL if none has. */
static mf_status find_row(const mf_json **json,
                          mf_row *row,
                          const mf_database *database,
                          mf_entry_kind kind,
                          const char *id,
                          mf_error *err)
{
    *row = (mf_row){0};
    const mf_status status = mf_store_rows_file(json, database, mf_entry_rows_file(kind), err);
    if (status != MF_OK || *json == NULL) {
        return status;
    }
    size_t index = 0;
    const mf_node *rows = mf_node_get(mf_json_root(*json), "rows");
    for (const mf_node *node = mf_node_first(rows); node != NULL; node = mf_node_next(node)) {
        const char *name = mf_node_string(mf_node_get(node, "id"));
        if (name != NULL && strcasecmp(name, id) == 0) {
            *row = (mf_row){.node = node, .index = index};
            return MF_OK;
        }
        index++;
    }
    return MF_OK;
}

/* A model of its own file; MF_E_UNKNOWN without a word if there is none. */
static mf_status
read_model(mf_model **out, const mf_database *database, const char *id, mf_error *err)
{
    mf_json *json = NULL;
    mf_status status = open_entry(&json, database, MF_ENTRY_MODEL, id, err);
    if (status == MF_OK) {
        status = json != NULL ? mf_model_read(out, json, err) : MF_E_UNKNOWN;
    }
    mf_json_free(json);
    return status;
}

static mf_status
read_release(mf_model **out, const mf_database *database, const char *id, mf_error *err)
{
    const mf_json *json = NULL;
    mf_row row = {0};
    mf_release release = {0};
    mf_model *model = NULL;
    mf_status status = find_row(&json, &row, database, MF_ENTRY_RELEASE, id, err);
    if (status == MF_OK) {
        status = row.node == NULL ? mf_store_unknown(database, MF_ENTRY_MODEL, id, err)
                                  : mf_release_read(&release, json, row, err);
    }
    if (status == MF_OK && release.of != NULL) {
        status = read_model(&model, database, release.of, err);
        if (status == MF_E_UNKNOWN) {
            status = mf_json_fail(json,
                                  row.node,
                                  err,
                                  "'%s' is of '%s', which has no file of its own",
                                  id,
                                  release.of);
        }
    }
    status = status == MF_OK && model != NULL ? mf_release_apply(model, &release, err) : status;
    mf_release_clear(&release);
    if (status != MF_OK) {
        mf_model_free(model);
        return status;
    }
    *out = model;
    return MF_OK;
}

mf_status
mf_database_model(mf_model **out, const mf_database *database, const char *id, mf_error *err)
{
    const mf_status status = read_model(out, database, id, err);
    return status == MF_E_UNKNOWN ? read_release(out, database, id, err) : status;
}

mf_status
mf_database_link(mf_link **out, const mf_database *database, const char *id, mf_error *err)
{
    const mf_json *json = NULL;
    mf_row row = {0};
    mf_status status = find_row(&json, &row, database, MF_ENTRY_LINK, id, err);
    if (status == MF_OK) {
        status = row.node == NULL ? mf_store_unknown(database, MF_ENTRY_LINK, id, err)
                                  : mf_link_read(out, json, row, err);
    }
    return status;
}

mf_status
mf_database_quant(mf_quant **out, const mf_database *database, const char *id, mf_error *err)
{
    const mf_json *json = NULL;
    mf_row row = {0};
    mf_status status = find_row(&json, &row, database, MF_ENTRY_QUANT, id, err);
    if (status == MF_OK) {
        status = row.node == NULL ? mf_store_unknown(database, MF_ENTRY_QUANT, id, err)
                                  : mf_quant_read(out, json, row, err);
    }
    return status;
}

/* Q4_K is llama-quantize's other name for Q4_K_M: a mix counts once, under its own name where it has one. */
static bool is_second_name(const mf_quant *quant)
{
    return quant->family == MF_QUANT_GGUF && quant->mix != NULL &&
           strcmp(quant->id, quant->mix) != 0;
}

mf_status mf_database_quants(mf_quants *out, const mf_database *database, mf_error *err)
{
    const mf_json *json = NULL;
    mf_quants all = {0};
    mf_status status = mf_store_rows_file(&json, database, mf_entry_rows_file(MF_ENTRY_QUANT), err);
    const mf_node *rows = json != NULL ? mf_node_get(mf_json_root(json), "rows") : NULL;
    all.items = calloc(mf_node_count(rows) + 1, sizeof(mf_quant *));
    if (status == MF_OK && all.items == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for schemes");
    }
    mf_row row = {.node = mf_node_first(rows)};
    for (; status == MF_OK && row.node != NULL; row.node = mf_node_next(row.node), row.index++) {
        mf_quant *quant = NULL;
        status = mf_quant_read(&quant, json, row, err);
        if (status == MF_OK && is_second_name(quant)) {
            mf_quant_free(quant);
        } else if (status == MF_OK) {
            all.items[all.n_items++] = quant;
        }
    }
    if (status != MF_OK) {
        mf_quants_free(&all);
        return status;
    }
    *out = all;
    return MF_OK;
}

mf_status mf_database_qualities(mf_qualities *out, const mf_database *database, mf_error *err)
{
    const mf_json *json = NULL;
    const mf_status status =
        mf_store_rows_file(&json, database, mf_entry_rows_file(MF_ENTRY_QUANT), err);
    if (status == MF_OK && json == NULL) {
        *out = (mf_qualities){0};
        return MF_OK;
    }
    return status == MF_OK ? mf_qualities_read(out, json, err) : status;
}

static bool has_link(const mf_machine *machine, const char *id)
{
    for (size_t i = 0; i < machine->n_links; i++) {
        if (strcmp(machine->links[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static mf_status
add_link(mf_machine *machine, const mf_database *database, const char *id, mf_error *err)
{
    if (id == NULL || has_link(machine, id)) {
        return MF_OK;
    }
    mf_link *link = NULL;
    const mf_status status = mf_database_link(&link, database, id, err);
    if (status != MF_OK) {
        mf_error_prefix(err, "machine '%s': ", machine->id);
        return status;
    }
    mf_link *grown = realloc(machine->links, (machine->n_links + 1) * sizeof *grown);
    if (grown == NULL) {
        mf_link_free(link);
        return mf_fail(err, MF_E_NOMEM, "out of memory for links");
    }
    machine->links = grown;
    grown[machine->n_links++] = *link;
    free(link); /* what it owned now belongs to the machine */
    return MF_OK;
}

static mf_status load_links(mf_machine *machine, const mf_database *database, mf_error *err)
{
    const char *const own[] = {machine->host_link, machine->device_link, machine->node_link};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof own / sizeof own[0]; i++) {
        status = add_link(machine, database, own[i], err);
    }
    for (size_t i = 0; status == MF_OK && i < machine->n_devices; i++) {
        const mf_device *device = machine->devices[i].device;
        status = add_link(machine, database, device->host_link, err);
        if (status == MF_OK) {
            status = add_link(machine, database, device->peer_link, err);
        }
    }
    return status;
}

static mf_status load_devices(mf_machine *machine, const mf_database *database, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < machine->n_devices; i++) {
        mf_machine_device *slot = &machine->devices[i];
        status = mf_database_device(&slot->device, database, slot->device_id, err);
        if (status == MF_E_UNKNOWN) {
            mf_error_prefix(err, "machine '%s': ", machine->id);
        }
    }
    return status;
}

static bool same_size(mf_fact a, mf_fact b)
{
    return a.known && b.known && a.value - b.value < 1 && b.value - a.value < 1;
}

/* The newest up to the wanted version, otherwise the oldest after it. `than` is 0 before there is any. */
static bool is_better(uint32_t macos, uint32_t than, uint32_t wanted)
{
    const bool fits = wanted == 0 || macos <= wanted;
    const bool fitted = wanted == 0 || than <= wanted;
    if (than == 0 || fits != fitted) {
        return than == 0 || fits;
    }
    return fits ? macos > than : macos < than;
}

/* The limit for this much memory and the newest macOS up to `wanted`; memory unknown in *best if there is none. */
static mf_status find_limit(
    mf_gpu_limit *best, const mf_json *json, mf_fact capacity, uint32_t wanted, mf_error *err)
{
    mf_row row = {.node = mf_node_first(mf_node_get(mf_json_root(json), "rows"))};
    for (; row.node != NULL; row.node = mf_node_next(row.node), row.index++) {
        mf_gpu_limit limit = {0};
        const mf_status status = mf_gpu_limit_read(&limit, json, row, err);
        if (status != MF_OK) {
            return status;
        }
        if (same_size(limit.memory_bytes, capacity) &&
            is_better(limit.macos, best->macos, wanted)) {
            mf_sources_free(&best->sources);
            *best = limit;
        } else {
            mf_sources_free(&limit.sources);
        }
    }
    return MF_OK;
}

static mf_status
limit_pool(mf_machine *machine, mf_pool *pool, const mf_json *json, uint32_t wanted, mf_error *err)
{
    mf_gpu_limit limit = {0};
    mf_status status = find_limit(&limit, json, pool->capacity_bytes, wanted, err);
    if (status == MF_OK && limit.usable_bytes.known) {
        const mf_source *source = &limit.sources.items[limit.usable_bytes.source];
        status = mf_sources_add(&machine->sources, source, err);
        if (status == MF_OK) {
            pool->usable_bytes = limit.usable_bytes;
            pool->usable_bytes.source = (int)machine->sources.n_items - 1;
        }
    }
    mf_sources_free(&limit.sources);
    return status;
}

static bool is_mac_pool(const mf_machine *machine, size_t pool)
{
    bool apple = false;
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_machine_device *slot = &machine->devices[i];
        apple = apple || (slot->pool == pool && slot->device->vendor == MF_VENDOR_APPLE);
    }
    return apple && machine->pools[pool].kind == MF_POOL_UNIFIED &&
           !machine->pools[pool].usable_bytes.known;
}

static mf_status limit_pools(mf_machine *machine, const mf_database *database, mf_error *err)
{
    const mf_json *json = NULL;
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < machine->n_pools; i++) {
        if (is_mac_pool(machine, i)) {
            status = mf_store_rows_file(&json, database, "hwdb/gpu_limits.json", err);
            status = status == MF_OK && json != NULL
                         ? limit_pool(machine, &machine->pools[i], json, database->macos, err)
                         : status;
        }
    }
    return status;
}

/* A what-if machine; its device borrows from the one that "like" names, unless that is a class. */
static mf_status
what_if(mf_machine **out, const mf_database *database, const char *text, mf_error *err)
{
    mf_machine *machine = NULL;
    mf_status status = mf_machine_parse(&machine, text, err);
    if (status != MF_OK) {
        return status;
    }
    mf_device *device = machine->devices[0].device;
    const char *like = machine->devices[0].device_id;
    const bool plain = strcmp(like, device->id) == 0;
    if (!plain && strcmp(like, mf_chip_class_name(device->chip_class)) != 0) {
        mf_device *model = NULL;
        status = mf_database_device(&model, database, like, err);
        if (status == MF_OK) {
            device->chip_class = model->chip_class;
            device->vendor = model->vendor;
            status = mf_what_if_borrow(device, model, err);
        }
        mf_device_free(model);
    }
    if (status != MF_OK) {
        mf_machine_free(machine);
        return status;
    }
    *out = machine;
    return MF_OK;
}

mf_status
mf_database_machine(mf_machine **out, const mf_database *database, const char *id, mf_error *err)
{
    if (mf_machine_is_what_if(id)) {
        return what_if(out, database, id, err);
    }
    mf_json *json = NULL;
    mf_machine *machine = NULL;
    mf_status status = open_entry(&json, database, MF_ENTRY_MACHINE, id, err);
    if (status == MF_OK && json != NULL) {
        status = mf_machine_read(&machine, json, err);
        if (status == MF_OK) {
            status = load_devices(machine, database, err);
        }
    } else if (status == MF_OK) {
        status = mf_store_device_machine(&machine, database, id, err);
    }
    mf_json_free(json);
    if (status == MF_OK) {
        status = load_links(machine, database, err);
    }
    if (status == MF_OK) {
        status = limit_pools(machine, database, err);
    }
    if (status != MF_OK) {
        mf_machine_free(machine);
        return status;
    }
    *out = machine;
    return MF_OK;
}
