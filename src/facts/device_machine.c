/*
 * device_machine.c - a device as a machine: a card with its own memory, a chip with the memory that its id is told
 * ("apple-m3-max-40c-64gb"), as no list has each laptop.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "facts/sources.h"
#include "facts/store.h"

enum { MAX_CHIP = 80 };

/* "apple-m3-max-40c-64gb" is the chip and 64 GiB; false if the id does not end so. */
static bool cut_memory(char chip[MAX_CHIP], uint64_t *gib, const char *id)
{
    enum { MOST_GIB = 4096 };
    static const char unit[] = "gb";
    char number[8];
    const char *dash = strrchr(id, '-');
    const size_t size = dash != NULL ? strlen(dash + 1) : 0;
    if (dash == NULL || (size_t)(dash - id) >= MAX_CHIP || size <= strlen(unit) ||
        size - strlen(unit) >= sizeof number || !mf_ends_with(dash, unit)) {
        return false;
    }
    memcpy(chip, id, (size_t)(dash - id));
    chip[dash - id] = '\0';
    memcpy(number, dash + 1, size - strlen(unit));
    number[size - strlen(unit)] = '\0';
    return mf_parse_uint(gib, number) && *gib > 0 && *gib <= MOST_GIB;
}

/* A chip without memory of its own is no machine: how it becomes one, and those that have it. Their ids hold the chip's without
   maker. */
static mf_status needs_machine(const mf_database *database, const mf_device *device, mf_error *err)
{
    const char *dash = strchr(device->id, '-');
    mf_error hint = {0};
    (void)mf_store_no_machine(database, dash != NULL ? dash : device->id, &hint);
    const char *names = strstr(hint.message, "did you mean");
    return mf_fail(err,
                   MF_E_USAGE,
                   "'%s' has no memory of its own, write how much: %s-64gb, or name a machine%s%s",
                   device->id,
                   device->id,
                   names != NULL ? ", " : "",
                   names != NULL ? names : "");
}

/* The memory that was said, with its source and in the name. */
static mf_status give_memory(mf_device *device, uint64_t gib, const char *id, mf_error *err)
{
    enum { GIB_SHIFT = 30 };
    char covers[] = "memory";
    mf_str title = {0};
    mf_str name = {0};
    mf_str_printf(&title, "given: %s", id);
    mf_str_printf(&name, "%s, %llu GiB", device->name, (unsigned long long)gib);
    const mf_source source = {.covers = covers, .title = title.data, .kind = MF_SOURCE_ASSUMED};
    mf_status status = mf_str_status(&title, err);
    status = status == MF_OK ? mf_str_status(&name, err) : status;
    status = status == MF_OK ? mf_sources_add(&device->sources, &source, err) : status;
    if (status == MF_OK) {
        device->memory_bytes = (mf_fact){.value = (double)(gib << GIB_SHIFT),
                                         .known = true,
                                         .source = (int)device->sources.n_items - 1};
        free(device->name);
        device->name = name.data;
        name.data = NULL;
    }
    mf_str_free(&name);
    mf_str_free(&title);
    return status;
}

/* One device with its own memory. Facts keep their source numbers, as the sources are copied in order. */
static mf_status
wrap_device(mf_machine *machine, const mf_device *device, const char *id, mf_error *err)
{
    machine->id = mf_strdup(id);
    machine->name = mf_strdup(device->name);
    machine->n_nodes = 1;
    machine->pools = calloc(1, sizeof *machine->pools);
    machine->devices = calloc(1, sizeof *machine->devices);
    if (machine->id == NULL || machine->name == NULL || machine->pools == NULL ||
        machine->devices == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    machine->n_pools = 1;
    machine->pools[0] = (mf_pool){
        .name = mf_strdup("memory"),
        .kind = device->host_link != NULL ? MF_POOL_DEVICE : MF_POOL_UNIFIED,
        .capacity_bytes = device->memory_bytes,
        .bandwidth_bytes_per_s = device->bandwidth_bytes_per_s,
    };
    machine->n_devices = 1;
    machine->devices[0] = (mf_machine_device){.device_id = mf_strdup(device->id), .count = 1};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < device->sources.n_items; i++) {
        status = mf_sources_add(&machine->sources, &device->sources.items[i], err);
    }
    if (machine->pools[0].name == NULL || machine->devices[0].device_id == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    return status;
}

/* The device of the id itself, or of its chip with the memory that follows. */
static mf_status
find_device(mf_device **out, const mf_database *database, const char *id, mf_error *err)
{
    char chip[MAX_CHIP];
    uint64_t gib = 0;
    mf_device *device = NULL;
    mf_status status = mf_database_device(&device, database, id, err);
    if (status == MF_E_UNKNOWN) {
        if (!cut_memory(chip, &gib, id) ||
            mf_database_device(&device, database, chip, NULL) != MF_OK ||
            device->memory_bytes.known) {
            mf_device_free(device);
            return mf_store_unknown(database, MF_ENTRY_MACHINE, id, err);
        }
        status = give_memory(device, gib, id, err);
    } else if (status == MF_OK && !device->memory_bytes.known) {
        status = needs_machine(database, device, err);
    }
    if (status != MF_OK) {
        mf_device_free(device);
        return status;
    }
    *out = device;
    return MF_OK;
}

mf_status mf_store_device_machine(mf_machine **out,
                                  const mf_database *database,
                                  const char *id,
                                  mf_error *err)
{
    mf_device *device = NULL;
    mf_status status = find_device(&device, database, id, err);
    if (status != MF_OK) {
        return status;
    }
    mf_machine *machine = calloc(1, sizeof *machine);
    status = machine != NULL ? wrap_device(machine, device, id, err)
                             : mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    if (status != MF_OK) {
        mf_device_free(device);
        mf_machine_free(machine);
        return status;
    }
    machine->devices[0].device = device;
    *out = machine;
    return MF_OK;
}
