/*
 * setup.h - what the files of mf_cost_setup share.
 */
#ifndef MF_COST_SETUP_H
#define MF_COST_SETUP_H

#include "memfit/cost_setup.h"

typedef struct setup {
    mf_cost_plan *plan;
    const mf_prices *prices;
    const mf_cost_options *options;
    mf_cost_place buy;
    mf_cost_place rent;
    mf_error *err;
} setup;

void mf_setup_ground(setup *s, const char *what, const mf_source *source, const char *date);
void mf_setup_said(setup *s, const char *what);

/* A range from an assumption, or what --set says; its ground is noted. */
mf_status mf_setup_assume(mf_range *range, setup *s, const char *id);

/* The value alone, where there is no range. */
mf_status mf_setup_value(double *value, setup *s, const char *id);

/* Factor from a currency to the plan's; `what` is priced in it. MF_E_USAGE where it is not said. */
mf_status mf_setup_exchange(double *factor, setup *s, mf_currency from, const char *what);

/* Options that were not said are negative. */
double mf_said_or(double said, double otherwise);

bool mf_setup_is_apple(const mf_machine *machine);
mf_served mf_setup_served(const mf_prediction *prediction);

/* Watts of the bought machine. */
mf_status mf_setup_power(setup *s);

/* The sides of the plan: buying, and renting where a machine is rented. */
mf_status mf_setup_buying(setup *s);
mf_status mf_setup_renting(setup *s);

#endif
