/*
 * cost.h - a cost comparison as a document, JSON (schema memfit.cost/1, docs/json.md) or CSV.
 */
#ifndef MF_REPORT_COST_H
#define MF_REPORT_COST_H

#include "base/num.h"
#include "memfit/cost_setup.h"
#include "report/prediction.h"
#include "report/wording.h"

/* Borrowed. rent.run is NULL where nothing is rented. */
typedef struct mf_cost_shown {
    const mf_cost *cost;
    const mf_cost_plan *plan;
    mf_shown buy;
    mf_shown rent;
    const char *simulated[2]; /* what simulations said of the two machines; NULL: none */
} mf_cost_shown;

void mf_show_cost(mf_document *document, const mf_cost_shown *shown);

/* The charts alone, for reports: cost over time and what matters. */
void mf_show_cost_charts(mf_document *document, const mf_cost_shown *shown);
void mf_show_cost_tables(mf_document *document, const mf_cost_shown *shown);

mf_status mf_write_cost_json(mf_str *out, const mf_cost_shown *shown, mf_error *err);

/* One header line, then one for each way. */
mf_status mf_write_cost_csv(mf_str *out, const mf_cost_shown *shown, mf_error *err);

const char *mf_cost_currency(const mf_cost_shown *shown);

/* "2.69 USD an hour", "350 EUR a month". */
const char *mf_cost_rent_text(char out[MF_WORDING_SIZE], const mf_cost_shown *shown);

/* Money without its currency: whole from 100 on, cents below 10. */
const char *mf_amount_text(char out[MF_WORDING_SIZE], double value);

/* Number of the source that a ground stands on, 0 if it has none. */
size_t mf_cost_ground_note(mf_document *document, const mf_cost_shown *shown, const char *what);

/* How many worlds were drawn, from which seed: an input of the latest figure. */
void mf_cost_draws_input(mf_document *document, const mf_cost_shown *shown);

/* Figures of the latest cell, which is a sentence with several numbers. */
void mf_cost_trace_buy(mf_document *document, const mf_cost_shown *shown);
void mf_cost_trace_rent(mf_document *document, const mf_cost_shown *shown);
void mf_cost_trace_versus(mf_document *document, const mf_cost_shown *shown, const mf_versus *v);
void mf_cost_trace_turn(mf_document *document,
                        const mf_versus *v,
                        const mf_break_even *turn,
                        const char *what,
                        const char *unit);

/* In words and symbols. */
const char *mf_cost_part_formula(mf_cost_part part);

/* "1 234 USD", rounded to whole money above 100. */
const char *mf_money_text(char out[MF_NUMBER_SIZE + 16], double value, mf_currency currency);

#endif
