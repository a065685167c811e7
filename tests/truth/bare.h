/*
 * bare.h - compute buffers of the stand-in devices that most rows were taken with: they have no kernel's scratch and work
 * alone, as none of memfit's backends does.
 */
#ifndef MF_TRUTH_BARE_H
#define MF_TRUTH_BARE_H

#include "memory/llamacpp_compute.h"

/* The case on such devices. `how` holds what rows differ in; footprint, workload, cache and places are the case's, unless
   layer_places is set. */
compute_size truth_bare_compute(const mf_case *run, compute_setup how);

#endif
