/*
 * plan_offers.h - what a machine is offered at, for the searches that end at one.
 */
#ifndef MF_CLI_PLAN_OFFERS_H
#define MF_CLI_PLAN_OFFERS_H

#include "cli/plan_facts.h"

/* All memory of the machine; a card's own counts as its devices say, its pool only where they don't. */
double mf_plan_capacity(const mf_machine *machine);

/* mf_planner_may_grant for all of that memory; true where some of it is not known. */
mf_status
mf_plan_may_grant(bool *may, mf_planner *planner, const mf_machine *machine, mf_error *err);

mf_price mf_plan_price(const mf_plan_facts *facts, const mf_machine *machine);

/* With a choice that grants the wishes. */
void mf_plan_fill_offer(mf_machine_offer *offer,
                        const mf_plan_facts *facts,
                        const mf_plan_request *request,
                        const mf_choice *choice,
                        const mf_machine *machine);

/* For qsort, of mf_machine_offer: what has a price of these days first; by currency and price, of equal ones the faster;
   without a price last, by memory. */
int mf_plan_by_price(const void *a, const void *b);

#endif
