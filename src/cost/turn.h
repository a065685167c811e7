/*
 * turn.h - where the difference of two ways changes sign.
 */
#ifndef MF_COST_TURN_H
#define MF_COST_TURN_H

#include "memfit/cost.h"

/* The other way's cost less buying's at x. */
typedef double mf_difference(double x, const void *payload);

/* Looks for the first change of sign between low and high in n steps, then refines it (Brent). MF_E_INTERNAL if the
   solver fails. */
mf_status mf_turn_find(mf_break_even *found,
                       mf_difference *difference,
                       const void *payload,
                       mf_range between,
                       size_t n_steps,
                       mf_error *err);

#endif
