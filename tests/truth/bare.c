#include "truth/bare.h"

#include <criterion/criterion.h>

#include "memory/llamacpp_place.h"

compute_size truth_bare_compute(const mf_case *run, compute_setup how)
{
    mf_memory memory = {0};
    llamacpp_plan plan = {0};
    mf_cache_size cache = {0};
    compute_size size = {0};
    const layout at = mf_layout_places(&memory, run);
    cr_assert(mf_llamacpp_place(&plan, &memory, run, &at, NULL) == MF_OK);
    cr_assert(mf_cache_bytes(&cache, run->model, &run->workload, NULL) == MF_OK);
    how.footprint = run->footprint;
    how.workload = &run->workload;
    how.cache = &cache;
    how.n_copies = 1;
    if (how.layer_places == NULL) {
        how.layer_places = plan.layers;
        how.tensor_places = plan.tensors;
        how.n_places = (uint8_t)(at.n_devices + 1);
        how.fully_offloaded = plan.fully_offloaded;
        how.alignment = 32;
    }
    cr_assert(mf_llamacpp_compute(&size, &how, NULL) == MF_OK);
    mf_llamacpp_place_free(&plan);
    return size;
}
