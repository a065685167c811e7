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

/* Watts of the bought machine. */
mf_status mf_setup_power(setup *s);

#endif
