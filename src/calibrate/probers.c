#include <stddef.h>

#include "calibrate/cpu.h"
#include "calibrate/cuda.h"
#include "calibrate/opencl.h"

#ifdef __APPLE__
#include "calibrate/metal.h"
#define METAL &mf_prober_metal
#else
static const mf_prober no_metal = {.id = MF_PROBE_BACKEND_METAL,
                                   .absent = "not built: Metal is a part of macOS"};
#define METAL &no_metal
#endif

/* A backend that is not built keeps its row, which says why. */
static const mf_prober *const probers[] = {
    METAL, &mf_prober_cuda, &mf_prober_opencl, &mf_prober_cpu, &mf_prober_fake};

const mf_prober *mf_prober_find(mf_probe_backend_id id)
{
    for (size_t i = 0; i < sizeof probers / sizeof probers[0]; i++) {
        if (probers[i]->id == id) {
            return probers[i];
        }
    }
    return NULL;
}

/* NULL, and why, for one that is not built. */
static const mf_prober *find(mf_probe_backend_id id, mf_error *err)
{
    const mf_prober *prober = mf_prober_find(id);
    if (prober != NULL && prober->absent == NULL) {
        return prober;
    }
    (void)mf_fail(err, MF_E_UNSUPPORTED, "%s", prober != NULL ? prober->absent : "no such backend");
    return NULL;
}

mf_status mf_probe_list(mf_probe_place places[MF_MAX_PLACES_LISTED],
                        size_t *n_places,
                        mf_probe_backend_id backend,
                        mf_error *err)
{
    const mf_prober *found = find(backend, err);
    return found != NULL ? found->available(places, n_places, found->context, err)
                         : MF_E_UNSUPPORTED;
}

mf_status mf_probe_measure(mf_record **out,
                           mf_probe_backend_id backend,
                           size_t index,
                           const mf_probe_options *options,
                           mf_error *err)
{
    const mf_prober *found = find(backend, err);
    return found != NULL ? mf_protocol_run(out, found, index, options, err) : MF_E_UNSUPPORTED;
}
