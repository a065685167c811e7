/*
 * compute.h - the steps of mf_cost_compute, in files of their own.
 */
#ifndef MF_COST_COMPUTE_H
#define MF_COST_COMPUTE_H

#include "cost/model.h"

/* Percentiles of totals and differences, the probability that buying is cheaper, ranks of the inputs. */
mf_status mf_cost_simulate(mf_cost *cost, const mf_cost_model *model, mf_error *err);

/* Swings of one comparison, largest first. */
void mf_cost_swings(mf_versus *versus, const mf_cost_model *model);

/* Break-even hours and months of one comparison. */
mf_status mf_cost_turns(mf_versus *versus, const mf_cost_model *model, mf_error *err);

/* What turns in each world. */
typedef enum mf_turn_kind {
    MF_TURN_HOURS,
    MF_TURN_MONTHS,
    MF_TURN_UNSOLD,
    MF_TURN_KINDS
} mf_turn_kind;

/* Hours a day of use from which buying is cheaper in one world, months from which it is if the machine is sold then, and if it
   is kept; 0: always, INFINITY: not within a day, or within the years of the case, for which worlds are drawn. MF_E_NOMEM,
   MF_E_INTERNAL if the solver fails. */
mf_status mf_cost_world_turns(double turns[MF_TURN_KINDS],
                              const mf_cost_model *model,
                              const mf_world *world,
                              mf_cost_way way,
                              mf_error *err);

#endif
