/*
 * grounds.c - which sources stand behind a prediction: those that cover the figures it used.
 */
#include <string.h>

#include "report/prediction.h"

/* True if a source's list of fields holds this one, or everything. */
static bool covers(const mf_source *source, const char *field)
{
    const size_t n = strlen(field);
    const char *at = source->covers;
    while (at != NULL && *at != '\0') {
        if (*at == '*' || (strncmp(at, field, n) == 0 && (at[n] == '\0' || at[n] == ','))) {
            return true;
        }
        at = strchr(at, ',');
        at = at != NULL ? at + 1 : NULL;
        while (at != NULL && *at == ' ') {
            at++;
        }
    }
    return false;
}

static const mf_source *source_of(const mf_sources *sources, const char *field)
{
    for (size_t i = 0; i < sources->n_items; i++) {
        if (covers(&sources->items[i], field)) {
            return &sources->items[i];
        }
    }
    return NULL;
}

static size_t add(mf_ground *grounds, size_t n, const char *what, const mf_source *source)
{
    if (source == NULL || n == MF_MAX_GROUNDS) {
        return n;
    }
    grounds[n] = (mf_ground){.what = what, .source = source};
    return n + 1;
}

/* The peaks that the speed law reads. */
static const char *const device_fields[][2] = {
    {"bandwidth",   "device.bandwidth"  },
    {"fp32",        "device.fp32"       },
    {"int32",       "device.int32"      },
    {"fp16_matrix", "device.fp16_matrix"},
};

static size_t add_device(mf_ground *grounds, size_t n, const mf_device *device)
{
    for (size_t i = 0; i < sizeof device_fields / sizeof device_fields[0]; i++) {
        n = add(grounds, n, device_fields[i][1], source_of(&device->sources, device_fields[i][0]));
    }
    return n;
}

size_t mf_grounds(mf_ground grounds[MF_MAX_GROUNDS], const mf_shown *shown)
{
    const mf_machine *machine = shown->run->machine;
    const mf_model *model = shown->run->model;
    size_t n = add(grounds, 0, "model", source_of(&model->sources, "hidden"));
    n = add(grounds, n, "machine.memory", source_of(&machine->sources, "memory"));
    for (size_t i = 0; i < machine->n_pools; i++) {
        const int source = machine->pools[i].usable_bytes.source;
        if (machine->pools[i].usable_bytes.known && source >= 0 &&
            (size_t)source < machine->sources.n_items) {
            n = add(grounds, n, "machine.gpu_limit", &machine->sources.items[source]);
        }
    }
    for (size_t i = 0; i < machine->n_devices; i++) {
        if (machine->devices[i].device != NULL) {
            n = add_device(grounds, n, machine->devices[i].device);
        }
    }
    return add(grounds, n, "engine.runtime", source_of(&shown->run->engine->sources, "runtime"));
}
