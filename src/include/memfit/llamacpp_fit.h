/*
 * llamacpp_fit.h - what llama.cpp would choose by itself: its tools reduce the context and leave layers or experts on
 * the host until every device keeps a margin free (common/fit.cpp of b10470, --fit, on by default).
 */
#ifndef MF_MEMFIT_LLAMACPP_FIT_H
#define MF_MEMFIT_LLAMACPP_FIT_H

#include "memfit/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mf_fit_target {
    uint64_t n_ctx;                     /* -c; 0: not said, so that it may be reduced */
    uint64_t n_ctx_min;                 /* --fit-ctx; 0: 4096 */
    uint64_t margin_bytes;              /* --fit-target, for every device; 0: 1024 MiB */
    uint64_t free_bytes[MF_MAX_SPLITS]; /* of every device; 0: its limit */
} mf_fit_target;

/* Layers of one device, as its loop counts them: the output layer is one. */
typedef struct mf_fit_device {
    uint32_t n_layers;
    uint32_t n_partial;  /* of them the last ones, which are cut */
    mf_layer_part first; /* how the first of these is cut; the others keep all but their experts */
    bool spills;         /* what is cut off the first goes to the next device, not to the host */
    uint64_t used_bytes;
} mf_fit_device;

typedef struct mf_fit_choice {
    bool fits_as_it_is; /* nothing was changed */
    bool fits;          /* false: even this is more than the devices hold */
    bool context_reduced;
    uint64_t n_ctx;     /* the -c that results: per the whole cache; 0 stands for the model's own */
    int32_t gpu_layers; /* -ngl; MF_ALL_LAYERS if it stays at its default */
    size_t n_overrides; /* patterns given to -ot, one a cut layer */
    mf_fit_device devices[MF_MAX_SPLITS];
    size_t n_devices;
} mf_fit_choice;

/* Follows the steps of llama.cpp with memfit's own breakdown in place of its dry runs. The workload's gpu_layers,
   n_cpu_moe and placement are what the user said: where one is, llama.cpp changes nothing but the context.
   MF_E_UNSUPPORTED for other engines and without a device. Thread-safe. */
MF_API mf_status mf_llamacpp_fit(mf_fit_choice *fit,
                                 const mf_case *run,
                                 const mf_fit_target *target,
                                 mf_error *err);

/* The tensors of a layer that are not on its device, as --fit has them: what its pattern ends with, behind "blk\\.N\\.ffn_".
   Static storage; "" for MF_PART_ALL. */
MF_API const char *mf_part_pattern(mf_layer_part part);

enum { MF_FIT_PATTERN_SIZE = 64 };

/* A choice as the placement of a workload. It points into itself and into the caller's parts: not to be copied. */
typedef struct mf_fit_placement {
    mf_placement placement;
    mf_override overrides[MF_MAX_SPLITS]; /* of what goes to the next device */
    char patterns[MF_MAX_SPLITS][MF_FIT_PATTERN_SIZE];
} mf_fit_placement;

/* With the choice's gpu_layers and n_ctx *out needs what was found. parts: room for model->n_layers + 1. */
MF_API void mf_llamacpp_fit_placement(mf_fit_placement *out,
                                      mf_layer_part *parts,
                                      const mf_fit_choice *fit,
                                      const mf_model *model);

#ifdef __cplusplus
}
#endif

#endif
