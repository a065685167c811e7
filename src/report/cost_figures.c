/*
 * cost_figures.c - what stands behind the sentences of a cost comparison: its machines, its verdict, when it turns.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/cost.h"

size_t mf_cost_ground_note(mf_document *document, const mf_cost_shown *shown, const char *what)
{
    for (size_t i = 0; i < shown->plan->n_grounds; i++) {
        const mf_cost_ground *ground = &shown->plan->grounds[i];
        if (strcmp(ground->what, what) == 0 && ground->source != NULL) {
            return mf_document_footnote(document, ground->source);
        }
    }
    return 0;
}

void mf_cost_draws_input(mf_document *document, const mf_cost_shown *shown)
{
    const mf_cost_case *run = &shown->plan->run;
    mf_document_input(
        document, 0, "draws", "%u from seed %llu", run->n_draws, (unsigned long long)run->seed);
}

static void trace_decode(mf_document *d, const mf_shown *of, const char *way)
{
    char id[64];
    const mf_rate *rate = &of->prediction->decode;
    if (!rate->known) {
        return;
    }
    (void)snprintf(id, sizeof id, "cost/%s/decode", way);
    mf_document_figure(d, id, "speed law, decode: docs/speed.md", "tok/s", rate->tok_s);
    mf_document_interval(d, rate->low_tok_s, rate->high_tok_s);
    mf_document_input(d, 0, "model", "%s %s", of->run->model->id, of->quant_name);
    mf_document_input(d, 0, "machine", "%s", of->run->machine->id);
    mf_document_input(d, 0, "basis", "%s", mf_basis_name(rate->basis));
}

static void trace_hours(mf_document *d, const mf_cost_shown *shown, mf_cost_way way, double hours)
{
    char id[64];
    char number[MF_NUMBER_SIZE];
    (void)snprintf(id, sizeof id, "cost/%s/hours-per-day", mf_cost_way_key(way));
    mf_document_figure(d, id, "requests a day x seconds of a request / 3600", "h", hours);
    mf_document_input(
        d, 0, "requests", "%s a day", mf_number_text(number, shown->cost->requests_per_day, 4));
}

void mf_cost_trace_buy(mf_document *document, const mf_cost_shown *shown)
{
    static const struct {
        mf_cost_input input;
        const char *id;
        const char *ground;
    } watts[] = {
        {MF_COST_ACTIVE_W, "cost/buy/watts",      "power under load"},
        {MF_COST_IDLE_W,   "cost/buy/idle-watts", "idle power"      },
    };
    const mf_price *price = &shown->plan->price;
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    mf_document_figure(document,
                       "cost/buy/price",
                       "newest price of the item, or as you said",
                       mf_cost_currency(shown),
                       price->value);
    mf_document_interval(document, price->low, price->high);
    mf_document_input(document,
                      mf_cost_ground_note(document, shown, "purchase price"),
                      "price",
                      "%s to %s %s",
                      mf_number_text(low, price->low, 6),
                      mf_number_text(high, price->high, 6),
                      mf_cost_currency(shown));
    trace_decode(document, &shown->buy, "buy");
    trace_hours(document, shown, MF_WAY_BUY, shown->cost->ways[MF_WAY_BUY].busy_hours_per_day);
    for (size_t i = 0; i < sizeof watts / sizeof watts[0]; i++) {
        const mf_range *range = &shown->plan->run.inputs[watts[i].input];
        mf_document_figure(
            document, watts[i].id, "watts at the wall: docs/cost.md", "W", range->value);
        mf_document_interval(document, range->low, range->high);
        mf_document_input(document,
                          mf_cost_ground_note(document, shown, watts[i].ground),
                          mf_cost_input_title(watts[i].input),
                          "%s to %s W",
                          mf_number_text(low, range->low, 4),
                          mf_number_text(high, range->high, 4));
    }
}

void mf_cost_trace_rent(mf_document *document, const mf_cost_shown *shown)
{
    char price[MF_WORDING_SIZE];
    const mf_renting *rent = &shown->plan->renting;
    const bool monthly = rent->billing == MF_BILLING_MONTH;
    mf_document_figure(document,
                       "cost/rent/price",
                       "newest price of the offer, or as you said",
                       mf_cost_currency(shown),
                       monthly ? rent->price_per_month : rent->price_per_hour);
    mf_document_input(document,
                      mf_cost_ground_note(document, shown, "rent"),
                      "rent",
                      "%s",
                      mf_cost_rent_text(price, shown));
    trace_decode(document, &shown->rent, "rent");
    trace_hours(document, shown, MF_WAY_RENT, shown->cost->ways[MF_WAY_RENT].billed_hours_per_day);
}

void mf_cost_trace_versus(mf_document *document, const mf_cost_shown *shown, const mf_versus *v)
{
    char id[64];
    (void)snprintf(id, sizeof id, "cost/%s/buy-cheaper", mf_cost_way_key(v->way));
    mf_document_figure(
        document, id, "share of the drawn worlds in which buying costs less", "1", v->buy_cheaper);
    mf_cost_draws_input(document, shown);
    (void)snprintf(id, sizeof id, "cost/%s/saved", mf_cost_way_key(v->way));
    mf_document_figure(document,
                       id,
                       "median over the draws of what buying saves, with P10 and P90",
                       mf_cost_currency(shown),
                       v->p50);
    mf_document_interval(document, v->p10, v->p90);
    mf_cost_draws_input(document, shown);
}

void mf_cost_trace_turn(mf_document *document,
                        const mf_versus *v,
                        const mf_break_even *turn,
                        const char *what,
                        const char *unit)
{
    char id[96];
    (void)snprintf(id, sizeof id, "cost/%s/%s", mf_cost_way_key(v->way), what);
    if (turn->turn == MF_TURN_NEVER && turn->spread_known && !isinf(turn->p10)) {
        mf_document_figure(
            document,
            id,
            "from where on a tenth of the first draws, 1024 at most, favours buying: "
            "docs/cost.md",
            unit,
            turn->p10);
        mf_document_input(document, 0, "against", "%s", mf_cost_way_title(v->way));
    }
    if (turn->turn != MF_TURN_AT && turn->turn != MF_TURN_UNTIL) {
        return;
    }
    mf_document_figure(document,
                       id,
                       turn->spread_known
                           ? "where both ways cost the same, every input at its centre, "
                             "with P10 and P90 of the first draws, 1024 at most: docs/cost.md"
                           : "where both ways cost the same, every input at its "
                             "centre: docs/cost.md",
                       unit,
                       turn->value);
    if (turn->spread_known && !isinf(turn->p90)) {
        mf_document_interval(document, turn->p10, turn->p90);
    }
    mf_document_input(document, 0, "against", "%s", mf_cost_way_title(v->way));
}
