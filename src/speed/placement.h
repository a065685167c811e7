/*
 * placement.h - the fastest placement that fits, where a model may lie on devices and in host memory.
 */
#ifndef MF_SPEED_PLACEMENT_H
#define MF_SPEED_PLACEMENT_H

#include "memfit/calibration.h"
#include "memfit/predict.h"

/* Tries llama.cpp's ways to share a model with the host: experts of the first layers there, whole layers there, both, the
   KV cache there, what its --fit would choose, and everything there. Takes the one that answers the workload's prompt
   and output soonest; as asked if that is one of them. placed->known is false if nothing fits or no speed is known, and
   *reason (static storage) says why. types: one per tensor. */
mf_status mf_placement_search(mf_placed *placed,
                              const char **reason,
                              const mf_case *run,
                              const mf_tensor_type *types,
                              const mf_calibration *calibration,
                              mf_error *err);

/* As *placed has it, with the fewest layers whose experts are on the host, or with the most layers on the devices. *found
   is false if no number of them fits; otherwise placed->memory is the breakdown. A footprint in *run makes it quick, and so
   does a breakdown of a case like it in placed->memory, all 0 if there is none: the search begins where its compute buffers
   leave room. */
mf_status
mf_placement_fewest_experts(bool *found, mf_placed *placed, const mf_case *run, mf_error *err);
mf_status
mf_placement_most_layers(bool *found, mf_placed *placed, const mf_case *run, mf_error *err);

#endif
