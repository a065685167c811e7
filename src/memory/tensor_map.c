/*
 * tensor_map.c - the places of all tensors, for those who ask what runs where: the same plan that the breakdown counts.
 */
#include <stdlib.h>
#include <string.h>

#include "memory/llamacpp_place.h"

static mf_status follow_plan(mf_tensor_map *map,
                             const mf_memory *memory,
                             const mf_case *run,
                             const layout *at,
                             mf_error *err)
{
    llamacpp_plan plan = {0};
    const mf_status status = mf_llamacpp_place(&plan, memory, run, at, err);
    for (size_t i = 0; status == MF_OK && i < run->model->n_tensors; i++) {
        map->tensors[i] = mf_llamacpp_tensor_place(&plan, run, at, i);
    }
    if (status == MF_OK) {
        memcpy(map->layers, plan.layers, run->model->n_layers + 1);
        if (plan.tensors != NULL) {
            map->layers[run->model->n_layers] = plan.tensors[run->model->n_tensors];
        }
    }
    mf_llamacpp_place_free(&plan);
    return status;
}

mf_status mf_tensor_map_make(mf_tensor_map *map, const mf_case *run, mf_error *err)
{
    mf_memory memory = {0};
    const mf_model *model = run->model;
    const layout at = mf_layout_places(&memory, run);
    mf_tensor_map made = {.tensors = calloc(model->n_tensors + 1, sizeof *made.tensors),
                          .layers = calloc(model->n_layers + 1, sizeof *made.layers),
                          .host = (int8_t)at.host,
                          .attention_on_host = !run->workload.kv_offload};
    mf_status status = MF_OK;
    if (made.tensors == NULL || made.layers == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for %zu tensors", model->n_tensors);
    } else if (mf_rules_of(run)->placed) {
        status = follow_plan(&made, &memory, run, &at, err);
    }
    if (status != MF_OK) {
        mf_tensor_map_free(&made);
        return status;
    }
    *map = made;
    return MF_OK;
}

void mf_tensor_map_free(mf_tensor_map *map)
{
    free(map->tensors);
    free(map->layers);
    *map = (mf_tensor_map){0};
}
