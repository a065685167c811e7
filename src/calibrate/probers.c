#include <stddef.h>

#include "calibrate/prober.h"

/* A backend that is not built keeps its row, which says why. */
static const mf_prober *const probers[] = {&mf_prober_fake};

const mf_prober *mf_prober_find(mf_probe_backend_id id)
{
    for (size_t i = 0; i < sizeof probers / sizeof probers[0]; i++) {
        if (probers[i]->id == id) {
            return probers[i];
        }
    }
    return NULL;
}

static mf_status find(const mf_prober **out, mf_probe_backend_id id, mf_error *err)
{
    const mf_prober *backend = mf_prober_find(id);
    if (backend == NULL || backend->absent != NULL) {
        return mf_fail(
            err, MF_E_UNSUPPORTED, "%s", backend != NULL ? backend->absent : "no such backend");
    }
    *out = backend;
    return MF_OK;
}

mf_status mf_probe_list(mf_probe_place places[MF_MAX_PLACES_LISTED],
                        size_t *n_places,
                        mf_probe_backend_id backend,
                        mf_error *err)
{
    const mf_prober *found = NULL;
    const mf_status status = find(&found, backend, err);
    return status == MF_OK ? found->available(places, n_places, found->context, err) : status;
}

mf_status mf_probe_measure(mf_record **out,
                           mf_probe_backend_id backend,
                           size_t index,
                           const mf_probe_options *options,
                           mf_error *err)
{
    const mf_prober *found = NULL;
    const mf_status status = find(&found, backend, err);
    return status == MF_OK ? mf_protocol_run(out, found, index, options, err) : status;
}
