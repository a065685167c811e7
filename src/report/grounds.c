/*
 * grounds.c - which sources stand behind a prediction: those of the figures that it used.
 */
#include "report/prediction.h"

static size_t
add(mf_ground *grounds, size_t n, const char *what, const mf_sources *sources, int source)
{
    if (source < 0 || (size_t)source >= sources->n_items || n == MF_MAX_GROUNDS) {
        return n;
    }
    grounds[n] = (mf_ground){.what = what, .source = &sources->items[source]};
    return n + 1;
}

static size_t add_fact(
    mf_ground *grounds, size_t n, const char *what, const mf_sources *sources, const mf_fact *fact)
{
    return fact->known ? add(grounds, n, what, sources, fact->source) : n;
}

/* The peaks that the speed law reads. */
static const struct {
    const char *what;
    size_t offset;
} device_facts[] = {
    {"device.bandwidth",   offsetof(mf_device, bandwidth_bytes_per_s) },
    {"device.fp32",        offsetof(mf_device, fp32_flop_per_s)       },
    {"device.int32",       offsetof(mf_device, int32_op_per_s)        },
    {"device.fp16_matrix", offsetof(mf_device, fp16_matrix_flop_per_s)},
};

static size_t add_device(mf_ground *grounds, size_t n, const mf_device *device)
{
    for (size_t i = 0; i < sizeof device_facts / sizeof device_facts[0]; i++) {
        const mf_fact *fact =
            (const mf_fact *)(const void *)((const char *)device + device_facts[i].offset);
        n = add_fact(grounds, n, device_facts[i].what, &device->sources, fact);
    }
    return n;
}

size_t mf_grounds(mf_ground grounds[MF_MAX_GROUNDS], const mf_shown *shown)
{
    const mf_machine *machine = shown->run->machine;
    const mf_engine *engine = shown->run->engine;
    const mf_sources *sources = &machine->sources;
    size_t n = add(grounds, 0, "model", &shown->run->model->sources, 0);
    for (size_t i = 0; i < machine->n_pools; i++) {
        const mf_pool *pool = &machine->pools[i];
        if (i == 0) {
            n = add_fact(grounds, n, "machine.memory", sources, &pool->capacity_bytes);
        }
        n = add_fact(grounds, n, "machine.gpu_limit", sources, &pool->usable_bytes);
    }
    for (size_t i = 0; i < machine->n_devices; i++) {
        if (machine->devices[i].device != NULL) {
            n = add_device(grounds, n, machine->devices[i].device);
        }
    }
    return add_fact(grounds,
                    n,
                    "engine.runtime",
                    &engine->sources,
                    &engine->runtime_bytes[shown->run->backend]);
}
