/*
 * places.c - what each memory of a machine may hold.
 *
 * A discrete card: its capacity. A Mac: the GPU's working set (pool.usable, from gpu_limits.json) and, beside it, what
 * the system keeps; raised, 90 % of the memory (iogpu.wired_limit_mb). An AMD chip with unified memory under Linux: GTT,
 * half of the memory unless ttm.pages_limit says more (drivers/gpu/drm/ttm/ttm_tt.c). Other unified machines and hosts:
 * the capacity less what a system at rest holds. Places that share one memory never add up to more than it has.
 */
#include <stdio.h>
#include <string.h>

#include "memory/internal.h"

static const double gtt_share = 0.50;
static const double raised_share = 0.90;         /* community advice, truth/hardware README */
static const double system_bytes = 4294967296.0; /* kernel and services of a machine at rest */

static double capacity_of(const mf_pool *pool)
{
    return pool != NULL && pool->capacity_bytes.known ? pool->capacity_bytes.value : 0;
}

static void set_limit(mf_place *place, double bytes, bool known)
{
    place->limit_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    place->raised_limit_bytes = place->limit_bytes;
    place->limit_known = known && bytes > 0;
}

static double without_system(double capacity)
{
    return capacity > 2 * system_bytes ? capacity - system_bytes : capacity / 2;
}

static void raise_limit(mf_place *device, double bytes, mf_limit_raise how)
{
    if (bytes > (double)device->limit_bytes) {
        device->raised_limit_bytes = (uint64_t)bytes;
        device->raise = how;
    }
}

static void limit_unified(mf_place *device, mf_place *host, const mf_case *run, const mf_pool *pool)
{
    const double capacity = capacity_of(pool);
    const mf_device *chip = run->machine->devices[0].device;
    if (pool->usable_bytes.known) {
        set_limit(device, pool->usable_bytes.value, true);
        if (chip == NULL || chip->vendor == MF_VENDOR_APPLE) {
            raise_limit(device, raised_share * capacity, MF_RAISE_WIRED);
        }
        set_limit(host, capacity - pool->usable_bytes.value, true);
        return;
    }
    const bool gtt = chip != NULL && chip->chip_class == MF_CLASS_AMD_UNIFIED;
    set_limit(device, gtt ? gtt_share * capacity : without_system(capacity), false);
    if (gtt) {
        raise_limit(device, without_system(capacity), MF_RAISE_GTT);
    }
    set_limit(host, without_system(capacity), capacity > 0);
}

/* On a Mac what the GPU may not use is left to the rest, so that the limits add up to the memory already. */
static uint64_t shared_limit(const mf_case *run, const mf_pool *pool)
{
    const double capacity = capacity_of(pool);
    const double nodes = run->machine->n_nodes > 0 ? run->machine->n_nodes : 1;
    return (uint64_t)(nodes * (pool->usable_bytes.known ? capacity : without_system(capacity)));
}

/* "gpu0" and so on, by hand: every breakdown begins with it. */
static void name_device(mf_place *place, size_t index)
{
    enum { TEN = 10 };
    char *end = place->name;
    *end++ = 'g';
    *end++ = 'p';
    *end++ = 'u';
    if (index >= TEN) {
        *end++ = (char)('0' + index / TEN % TEN);
    }
    *end++ = (char)('0' + index % TEN);
    *end = '\0';
}

static void name_devices(mf_memory *memory, const mf_case *run, size_t n_devices)
{
    size_t place = 0;
    for (uint32_t node = 0; node < run->machine->n_nodes; node++) {
        for (size_t i = 0; i < run->machine->n_devices; i++) {
            const mf_machine_device *d = &run->machine->devices[i];
            for (uint32_t k = 0; k < d->count && place < n_devices; k++, place++) {
                mf_place *p = &memory->places[place];
                name_device(p, place);
                const mf_pool *pool = &run->machine->pools[d->pool];
                set_limit(p,
                          pool->usable_bytes.known ? pool->usable_bytes.value : capacity_of(pool),
                          true);
            }
        }
    }
}

static size_t count_devices(const mf_machine *machine)
{
    const size_t n = mf_machine_count_devices(machine);
    return n < MF_MAX_PLACES - 1 ? n : MF_MAX_PLACES - 2;
}

layout mf_layout_places(mf_memory *memory, const mf_case *run)
{
    const mf_pool *unified = mf_machine_pool(run->machine, MF_POOL_UNIFIED);
    const mf_pool *host_pool = mf_machine_pool(run->machine, MF_POOL_HOST);
    layout at = {.unified = unified != NULL};
    if (run->backend != MF_BACKEND_CPU) {
        at.n_devices = count_devices(run->machine);
        name_devices(memory, run, at.n_devices);
    }
    at.host = at.n_devices;
    memory->n_places = at.n_devices + 1;
    mf_place *host = &memory->places[at.host];
    (void)snprintf(host->name, sizeof host->name, "host");
    if (unified != NULL && at.n_devices > 0) {
        for (size_t i = 0; i < at.n_devices; i++) {
            limit_unified(&memory->places[i], host, run, unified);
        }
        memory->shared_limit_bytes = shared_limit(run, unified);
    } else {
        const mf_pool *pool = host_pool != NULL ? host_pool : unified;
        const double capacity = capacity_of(pool);
        set_limit(host, capacity > 0 ? without_system(capacity) : 0, capacity > 0);
    }
    return at;
}

uint64_t mf_memory_gpu_limit(const mf_machine *machine, mf_backend backend)
{
    mf_memory memory = {0};
    const mf_case run = {.machine = machine, .backend = backend};
    const layout at = mf_layout_places(&memory, &run);
    uint64_t sum = 0;
    for (size_t i = 0; i < at.n_devices; i++) {
        sum += memory.places[i].limit_bytes;
    }
    return sum;
}

uint64_t mf_memory_usable_bytes(const mf_memory *memory)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < memory->n_places; i++) {
        if (strcmp(memory->places[i].name, "host") != 0 || memory->n_places == 1) {
            sum += memory->places[i].limit_bytes;
        }
    }
    return sum;
}
