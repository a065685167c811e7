#include <stdlib.h>
#include <string.h>

#include "facts/readers.h"

static const char *const pool_kinds[] = {
    [MF_POOL_UNIFIED] = "unified",
    [MF_POOL_DEVICE] = "device",
    [MF_POOL_HOST] = "host",
};

/* A machine's file names the pool of a device, a machine knows its index. */
typedef struct device_row {
    char *device;
    uint32_t count;
    char *memory;
} device_row;

typedef struct machine_file {
    mf_machine machine;
    device_row *rows;
    size_t n_rows;
} machine_file;

static const mf_field pool_fields[] = {
    MF_FIELD(.key = "name",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_pool, name),
             .example = "\"vram\"",
             .help = "how the devices below name it"),
    MF_FIELD(.key = "kind",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_pool, kind),
             .words = pool_kinds,
             .n_words = sizeof pool_kinds / sizeof pool_kinds[0],
             .example = "\"device\"",
             .help = "unified: CPU and GPU share it; device: each device that names it has its "
                     "own; host"),
    MF_FIELD(.key = "capacity",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_pool, capacity_bytes),
             .dimension = MF_DIM_CAPACITY,
             .max = 64.0 * 1099511627776.0,
             .example = "\"24 GiB\"",
             .help = "size; of one device where each has its own"),
    MF_FIELD(.key = "usable",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_pool, usable_bytes),
             .nullable = true,
             .dimension = MF_DIM_CAPACITY,
             .max = 64.0 * 1099511627776.0,
             .example = "null",
             .help = "what the GPU may use, where the maker limits it"),
    MF_FIELD(.key = "bandwidth",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_pool, bandwidth_bytes_per_s),
             .nullable = true,
             .dimension = MF_DIM_BANDWIDTH,
             .max = 100e12,
             .example = "\"500 GB/s\"",
             .help = "specified peak"),
};

static const mf_table pool_table = MF_TABLE("memory", pool_fields, sizeof(mf_pool));

static const mf_field device_row_fields[] = {
    MF_FIELD(.key = "device",
             .kind = MF_FIELD_TEXT,
             MF_INTO(device_row, device),
             .example = "\"nvidia-rtx-4090\"",
             .help = "id in devices/"),
    MF_FIELD(.key = "count",
             .kind = MF_FIELD_COUNT,
             MF_INTO(device_row, count),
             .min = 1,
             .max = 64,
             .example = "1",
             .help = "how many of them in one computer"),
    MF_FIELD(.key = "memory",
             .kind = MF_FIELD_TEXT,
             MF_INTO(device_row, memory),
             .example = "\"vram\"",
             .help = "name of the memory it computes from"),
};

static const mf_table device_row_table = MF_TABLE("devices", device_row_fields, sizeof(device_row));

#define LINK(key_, member_, help_)                                                                 \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, MF_INTO(machine_file, machine.member_),              \
        .nullable = true, .example = "null", .help = (help_)                                       \
    }

#define POWER(key_, member_, example_, help_)                                                      \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, MF_INTO(machine_file, machine.member_),          \
        .nullable = true, .dimension = MF_DIM_POWER, .max = 200e3, .example = (example_),          \
        .help = (help_)                                                                            \
    }

static const mf_field machine_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "id",
             .kind = MF_FIELD_TEXT,
             MF_INTO(machine_file, machine.id),
             .example = "\"example-pc-24gb\"",
             .help = "the file's name without .json"),
    MF_FIELD(.key = "name",
             .kind = MF_FIELD_TEXT,
             MF_INTO(machine_file, machine.name),
             .example = "\"Example PC\"",
             .help = "as people know it"),
    MF_FIELD(.key = "released",
             .kind = MF_FIELD_DATE,
             MF_INTO(machine_file, machine.released),
             .nullable = true,
             .example = "\"2026-01\"",
             .help = "when it came out"),
    MF_FIELD(.key = "status",
             .kind = MF_FIELD_TEXT,
             MF_INTO(machine_file, machine.status),
             .nullable = true,
             .example = "\"current\"",
             .help = "\"current\", \"discontinued 2026-08-25\", ..."),
    MF_FIELD(.key = "fanless",
             .kind = MF_FIELD_BOOL,
             MF_INTO(machine_file, machine.fanless),
             .example = "false",
             .help = "without a fan the sustained speed falls below the burst"),
    MF_FIELD(.key = "nodes",
             .kind = MF_FIELD_COUNT,
             MF_INTO(machine_file, machine.n_nodes),
             .min = 1,
             .max = 1024,
             .example = "1",
             .help = "identical computers, each as described below"),
    MF_FIELD(.key = "memory",
             .kind = MF_FIELD_LIST,
             MF_INTO(machine_file, machine.pools),
             .n_offset = offsetof(machine_file, machine.n_pools),
             .min = 1,
             .table = &pool_table,
             .help = "its memories"),
    MF_FIELD(.key = "devices",
             .kind = MF_FIELD_LIST,
             MF_INTO(machine_file, rows),
             .n_offset = offsetof(machine_file, n_rows),
             .table = &device_row_table,
             .min = 1,
             .help = "what computes in it"),
    LINK("host_link",
         host_link,
         "id in links.json between host and devices; null: the device's own"),
    LINK("device_link", device_link, "id of the link between its devices"),
    LINK("node_link", node_link, "id of the link between its nodes"),
    POWER("idle", idle_w, "null", "at the wall, doing nothing"),
    POWER("max", max_w, "\"500 W\"", "at the wall, at most"),
    MF_SOURCES_FIELD,
    MF_NOTES_FIELD,
};

const mf_table mf_machine_table = MF_TABLE("machine", machine_fields, sizeof(machine_file));

static bool pool_index(size_t *index, const mf_machine *machine, const char *name)
{
    for (size_t i = 0; i < machine->n_pools; i++) {
        if (strcmp(machine->pools[i].name, name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

static const mf_node *device_node(const mf_json *json, size_t index)
{
    const mf_node *item = mf_node_first(mf_node_get(mf_json_root(json), "devices"));
    while (item != NULL && index-- > 0) {
        item = mf_node_next(item);
    }
    return item;
}

/* Moves the rows into machine.devices. */
static mf_status resolve_devices(machine_file *file, const mf_json *json, mf_error *err)
{
    mf_machine *machine = &file->machine;
    machine->devices = calloc(file->n_rows, sizeof *machine->devices);
    if (machine->devices == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    machine->n_devices = file->n_rows;
    for (size_t i = 0; i < file->n_rows; i++) {
        mf_machine_device *device = &machine->devices[i];
        if (!pool_index(&device->pool, machine, file->rows[i].memory)) {
            return mf_json_fail(json,
                                mf_node_get(device_node(json, i), "memory"),
                                err,
                                "'devices[%zu].memory' names '%s', which is not in \"memory\"",
                                i,
                                file->rows[i].memory);
        }
        device->count = file->rows[i].count;
        device->device_id = file->rows[i].device;
        file->rows[i].device = NULL;
    }
    return MF_OK;
}

static void free_parts(mf_machine *machine)
{
    for (size_t i = 0; i < machine->n_devices; i++) {
        free(machine->devices[i].device_id);
        mf_device_free(machine->devices[i].device);
    }
    free(machine->devices);
    for (size_t i = 0; i < machine->n_links; i++) {
        mf_link_clear(&machine->links[i]);
    }
    free(machine->links);
}

static void free_file(machine_file *file)
{
    mf_fields_free(&mf_machine_table, file);
    free_parts(&file->machine);
    mf_sources_free(&file->machine.sources);
}

mf_status mf_machine_read(mf_machine **out, const mf_json *json, mf_error *err)
{
    machine_file file = {0};
    mf_machine *machine = calloc(1, sizeof *machine);
    mf_status status = machine == NULL ? mf_fail(err, MF_E_NOMEM, "out of memory") : MF_OK;
    if (status == MF_OK) {
        status = mf_document_read(&mf_machine_table, json, &file, &file.machine.sources, err);
    }
    if (status == MF_OK) {
        status = resolve_devices(&file, json, err);
    }
    if (status != MF_OK) {
        free_file(&file);
        free(machine);
        return status;
    }
    *machine = file.machine;
    file.machine = (mf_machine){0};
    free_file(&file);
    *out = machine;
    return MF_OK;
}

size_t mf_machine_count_devices(const mf_machine *machine)
{
    size_t n = 0;
    for (size_t i = 0; i < machine->n_devices; i++) {
        n += machine->devices[i].count;
    }
    return n * (machine->n_nodes > 0 ? machine->n_nodes : 1);
}

const mf_pool *mf_machine_pool(const mf_machine *machine, mf_pool_kind kind)
{
    for (size_t i = 0; i < machine->n_pools; i++) {
        if (machine->pools[i].kind == kind) {
            return &machine->pools[i];
        }
    }
    return NULL;
}

/* As hwdb's files say it: "discontinued 2026-08-25", "512 GB option withdrawn March 2026". */
bool mf_machine_is_past(const mf_machine *machine)
{
    static const char *const words[] = {"discontinued", "withdrawn"};
    bool past = false;
    for (size_t i = 0; machine->status != NULL && i < sizeof words / sizeof words[0]; i++) {
        past = past || strstr(machine->status, words[i]) != NULL;
    }
    return past;
}

void mf_machine_free(mf_machine *machine)
{
    if (machine == NULL) {
        return;
    }
    machine_file file = {.machine = *machine};
    free_file(&file);
    free(machine);
}
