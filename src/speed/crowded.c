#include "speed/crowded.h"

#define FULL 0.975

bool mf_may_crowd(const mf_case *run)
{
    const mf_device *device = run->machine->n_devices > 0 ? run->machine->devices[0].device : NULL;
    return run->backend == MF_BACKEND_VULKAN && device && device->vendor == MF_VENDOR_AMD &&
           device->chip_class != MF_CLASS_AMD_UNIFIED;
}

const char *mf_crowded(const mf_case *run, const mf_memory *memory)
{
    if (!mf_may_crowd(run)) {
        return NULL;
    }
    for (size_t i = 0; i + 1 < memory->n_places; i++) { /* the last one is the host */
        const mf_place *place = &memory->places[i];
        if (place->limit_known && (double)place->need_bytes > FULL * (double)place->limit_bytes) {
            return "a card so full that its driver moves a part to the host";
        }
    }
    return NULL;
}
