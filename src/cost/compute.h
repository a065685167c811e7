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

/* Hours a day of use from which buying is cheaper in one world; 0: always, INFINITY: not within a day. MF_E_NOMEM,
   MF_E_INTERNAL if the solver fails. */
mf_status mf_cost_turn_hours(double *hours,
                             const mf_cost_model *model,
                             const mf_world *world,
                             mf_cost_way way,
                             mf_error *err);

#endif
