/*
 * plan_facts.h - what a plan is searched over, loaded: schemes, engines, prices, lists of models and machines.
 */
#ifndef MF_CLI_PLAN_FACTS_H
#define MF_CLI_PLAN_FACTS_H

#include "cli/cli.h"
#include "memfit/plan.h"
#include "report/plan.h"

enum { MF_PLAN_ENGINES = 2 };

/* Start with `mf_plan_facts facts = {0};`, end with mf_plan_facts_free. */
typedef struct mf_plan_facts {
    const mf_arguments *arguments;
    mf_arguments
        with_load; /* the arguments with a simulation's tokens and sequences where none were said */
    mf_plan_load load;
    mf_database *database;
    mf_prices *prices;
    mf_qualities qualities;
    mf_quants all;
    const mf_quant **quants; /* that are searched */
    size_t n_quants;
    mf_engine *engines[MF_PLAN_ENGINES];
    mf_calibration *calibrations[MF_PLAN_ENGINES];
    mf_plan_engine searched[MF_PLAN_ENGINES];
    size_t n_engines;
    double max_divergence; /* of --min-quality; 0: none */
    mf_cli_list models;
    mf_cli_list machines;
} mf_plan_facts;

/* `usual`: for many searches, over the schemes that people download; prices are loaded then. */
mf_status
mf_plan_facts_load(mf_plan_facts *facts, const mf_arguments *arguments, bool usual, mf_error *err);

/* Where none were needed before. */
mf_status mf_plan_facts_prices(mf_plan_facts *facts, mf_error *err);
void mf_plan_facts_free(mf_plan_facts *facts);

/* The wishes of searches over many models, whose contexts differ where none was said. */
mf_wish mf_plan_facts_wish(const mf_plan_facts *facts);

/* A request for one model; `many`: one of many searches, at the wished context only. Borrows facts and model. */
mf_status mf_plan_facts_request(mf_plan_request *request,
                                const mf_plan_facts *facts,
                                const mf_model *model,
                                bool many,
                                mf_error *err);

/* Every machine of hwdb that grants the wishes, cheapest first; those without a price last. The caller frees *out. */
mf_status
mf_plan_offers(mf_offers *out, const mf_plan_facts *facts, const mf_model *model, mf_error *err);

/* The same search with the limit of the machine's GPU raised, where the result leaves something to wish. `name` is how the
   machine was named. */
mf_status mf_plan_search_raised(mf_plan_raised *raised,
                                mf_planner *planner,
                                const mf_plan_facts *facts,
                                const mf_plan_shown *shown,
                                const char *name,
                                mf_error *err);

/* The same in a few words. */
mf_status mf_plan_raised_answer(mf_raised_answer *out,
                                mf_planner *planner,
                                const mf_plan_facts *facts,
                                const mf_plan_shown *shown,
                                const char *name,
                                mf_error *err);

/* What would grant the wishes that `machine` does not: more memory, the next chip, another card, the cheapest. The planner
   is one for the model, which is asked anew. */
mf_status mf_plan_ways_out(mf_document *document,
                           const mf_plan_facts *facts,
                           mf_planner *planner,
                           const mf_model *model,
                           const mf_machine *machine,
                           mf_error *err);

/* Each model at its best on one machine. *any is true if one of them grants the wishes. */
mf_status
mf_plan_models(mf_document *document, bool *any, const mf_plan_facts *facts, mf_error *err);

/* What each machine, by its memory, runs that no smaller one runs. */
mf_status mf_plan_steps(mf_document *document, const mf_plan_facts *facts, mf_error *err);

#endif
