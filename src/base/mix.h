/*
 * mix.h - one number out of many, in their order: equal sequences give equal numbers, others hardly ever.
 */
#ifndef MF_BASE_MIX_H
#define MF_BASE_MIX_H

#include <stdint.h>

static inline uint64_t mf_mix(uint64_t hash, uint64_t value)
{
    static const uint64_t odd = 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
    enum { SHIFT = 29 };
    hash = (hash ^ value) * odd;
    return hash ^ hash >> SHIFT;
}

#endif
