/*
 * metal.h - the Metal backend's two halves: the GPU (metal.m, Objective-C) and what the system says of the chip
 * (metal_facts.c, plain C), so that each can be run against stand-ins on any computer.
 */
#ifndef MF_CALIBRATE_METAL_H
#define MF_CALIBRATE_METAL_H

#include "calibrate/prober.h"

typedef struct mf_metal_facts {
    char chip[MF_PLACE_TEXT_SIZE]; /* "Apple M4 Max"; "" if the system does not say */
    uint64_t memory_bytes;         /* 0: not known */
    int64_t wired_limit_mb;        /* the user's; 0: the system's default */
    uint32_t cores;                /* of the GPU; 0: not known */
} mf_metal_facts;

void mf_metal_facts_read(mf_metal_facts *facts);

/* Class, id in hwdb and peak of a chip, into a place whose name is set. */
void mf_apple_place(mf_probe_place *place, uint32_t cores);

extern const mf_prober mf_prober_metal;

/* The kernels' text, from kernels/bench.metal and tensor.metal with their header put in. */
extern const char mf_metal_bench_source[];
extern const char mf_metal_tensor_source[];

#endif
