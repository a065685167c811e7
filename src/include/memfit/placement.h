/*
 * placement.h - where the layers and tensors of a model lie, kept in a file (memfit.placement/1 of docs/json.md), so that
 * it can be looked at, changed and asked for again.
 */
#ifndef MF_MEMFIT_PLACEMENT_H
#define MF_MEMFIT_PLACEMENT_H

#include "memfit/status.h"
#include "memfit/workload.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mf_saved_placement {
    int32_t gpu_layers; /* MF_ALL_LAYERS: null in the file */
    uint32_t n_cpu_moe;
    bool kv_offload;
    mf_split_mode split;
    mf_placement placement; /* borrows the overrides below */
    mf_override *overrides; /* owned, as their patterns */
    char **patterns;
} mf_saved_placement;

/* Reads a file, or a text of size bytes that `name` stands for in messages. MF_E_IO, or MF_E_DATA with the place. The
   caller frees *out. */
MF_API mf_status mf_placement_load(mf_saved_placement **out, const char *path, mf_error *err);
MF_API mf_status mf_placement_parse(
    mf_saved_placement **out, const char *text, size_t size, const char *name, mf_error *err);
/* One that says what the workload says. */
MF_API mf_status mf_placement_new(mf_saved_placement **out,
                                  const mf_workload *workload,
                                  mf_error *err);
MF_API void mf_placement_free(mf_saved_placement *saved); /* NULL is fine */

/* Adds what --override-tensor says, as llama.cpp writes it: PATTERN=CPU,PATTERN=gpu1. `host`, `CPU` and devices by number
   or as gpuN. MF_E_USAGE. */
MF_API mf_status mf_placement_add_overrides(mf_saved_placement *saved,
                                            const char *text,
                                            mf_error *err);

/* Sets what --tensor-split says: parts of each device, "3,1" or "3/1". MF_E_USAGE. */
MF_API mf_status mf_placement_set_split(mf_saved_placement *saved, const char *text, mf_error *err);

/* Writes it over the workload's placement, which then borrows from `saved`. */
MF_API void mf_placement_use(mf_workload *workload, const mf_saved_placement *saved);

#ifdef __cplusplus
}
#endif

#endif
