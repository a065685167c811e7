/*
 * checked.h - arithmetic on sizes that says when it overflows. Sizes come from files of strangers.
 */
#ifndef MF_BASE_CHECKED_H
#define MF_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* False, and *out untouched, if the true result needs more than 64 bits. */
static inline bool mf_add(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

static inline bool mf_mul(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/* Rounds up to a multiple of step (> 0). */
static inline bool mf_pad(uint64_t *out, uint64_t value, uint64_t step)
{
    uint64_t raised = 0;
    if (!mf_add(&raised, value, step - 1)) {
        return false;
    }
    *out = raised / step * step;
    return true;
}

#endif
