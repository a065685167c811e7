/*
 * served.h - cases of the real databases, served: what tests of whole simulations share.
 */
#ifndef TESTS_UNIT_SIMULATE_SERVED_H
#define TESTS_UNIT_SIMULATE_SERVED_H

#include "memfit/memfit.h"

typedef struct served_case {
    mf_database *database;
    mf_model *model;
    mf_machine *machine;
    mf_engine *engine;
    mf_quant *quant;
    mf_calibration *calibration;
    mf_case run;
} served_case;

served_case
open_case(const char *model, const char *quant, const char *machine, const char *engine);
void close_case(served_case *c);

/* Simulates and asserts that it worked. Frees the requests. */
mf_simulation serve(const served_case *c, mf_serving serving, mf_requests *requests);

mf_requests *draw_requests(mf_open_load load);

#endif
