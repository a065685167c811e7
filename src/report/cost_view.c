/*
 * cost_view.c - buy, rent or pay per token, for people: the verdict with its probability, what costs what, when it
 * turns, what matters most, and where the numbers come from.
 */
#include "report/cost.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/wording.h"

#define PERCENT 100.0
#define MONTHS_PER_YEAR 12.0

typedef char text[MF_WORDING_SIZE];

static const char *percent(text out, double share)
{
    char number[MF_NUMBER_SIZE];
    const double value = PERCENT * share;
    const bool edge = value > 99 || value < 1;
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%s%s %%",
                   value > 99  ? "over "
                   : value < 1 ? "under "
                               : "",
                   edge ? (value > 99 ? "99" : "1") : mf_number_text(number, value, 2));
    return out;
}

static void show_work(mf_document *d, const mf_cost_shown *shown)
{
    text number;
    text other;
    const mf_cost *c = shown->cost;
    const mf_usage *usage = &shown->plan->run.usage;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(d, "model");
    mf_document_cell(d, "%s %s", shown->buy.run->model->id, shown->buy.quant_name);
    mf_document_cell(d, "work");
    mf_document_cell(d,
                     "%s requests a day of %llu tokens in and %llu out, %s days a week",
                     mf_number_text(number, c->requests_per_day, 3),
                     (unsigned long long)usage->n_prompt,
                     (unsigned long long)usage->n_output,
                     mf_number_text(other, usage->days_per_week, 2));
    mf_document_cell(d, "a year");
    mf_document_cell(d,
                     "%s million tokens in, %s million out",
                     mf_number_text(number, c->tokens_in_per_year / 1e6, 3),
                     mf_number_text(other, c->tokens_out_per_year / 1e6, 3));
}

static const char *decode_text(text out, const mf_rate *decode)
{
    text rate;
    text range;
    if (!decode->known) {
        return "decode not known";
    }
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "decode %.60s tok/s (90 %%: %.60s)",
                   mf_rate_text(rate, decode),
                   mf_range_text(range, decode));
    return out;
}

static void show_buy(mf_document *d, const mf_cost_shown *shown)
{
    text price;
    text date;
    text decode;
    text hours;
    text active;
    text idle;
    const mf_cost_plan *plan = shown->plan;
    mf_document_cell(d, "buy");
    mf_document_cell(d,
                     "%s, %s %s (%s); %s, computing %s h a day at %s W, idle %s W",
                     shown->buy.run->machine->name,
                     mf_amount_text(price, plan->price.value),
                     mf_cost_currency(shown),
                     mf_price_date_text(date, &plan->price),
                     decode_text(decode, &shown->buy.prediction->decode),
                     mf_number_text(hours, shown->cost->ways[MF_WAY_BUY].busy_hours_per_day, 2),
                     mf_number_text(active, plan->run.inputs[MF_COST_ACTIVE_W].value, 3),
                     mf_number_text(idle, plan->run.inputs[MF_COST_IDLE_W].value, 2));
    mf_cost_trace_buy(d, shown);
}

/* How it is paid: hours of use, or whether it is used or not. */
static const char *billed_text(text out, const mf_cost_shown *shown)
{
    text number;
    text years;
    const mf_renting *rent = &shown->plan->renting;
    switch (rent->billing) {
    case MF_BILLING_HOUR:
    case MF_BILLING_SPOT:
    case MF_BILLING_SURVEY:
        (void)snprintf(
            out,
            MF_WORDING_SIZE,
            "billed %.40s h a day of use",
            mf_number_text(number, shown->cost->ways[MF_WAY_RENT].billed_hours_per_day, 2));
        return out;
    case MF_BILLING_RESERVED:
        (void)snprintf(out,
                       MF_WORDING_SIZE,
                       "reserved at %.20s less, every hour of %.60s is paid",
                       percent(number, rent->discount),
                       mf_span_text(years, rent->term_years));
        return out;
    case MF_BILLING_MONTH:
    case MF_BILLING_COUNT:
        break;
    }
    return "paid by whole months";
}

static void show_rent(mf_document *d, const mf_cost_shown *shown)
{
    text price;
    text decode;
    text billed;
    const mf_cost_plan *plan = shown->plan;
    mf_document_cell(d, "rent");
    mf_document_cell(d,
                     "%s%s, %s%s%s%s; %s, %s",
                     plan->offer != NULL ? plan->offer->id : shown->rent.run->machine->id,
                     plan->offer_chosen ? " (the provider's cheapest by the hour)" : "",
                     mf_cost_rent_text(price, shown),
                     plan->offer != NULL ? " (" : "",
                     plan->offer != NULL ? plan->offer->date : "",
                     plan->offer != NULL ? ")" : "",
                     decode_text(decode, &shown->rent.prediction->decode),
                     billed_text(billed, shown));
    mf_cost_trace_rent(d, shown);
}

static void show_api(mf_document *d, const mf_cost_shown *shown)
{
    text in;
    text out;
    const mf_api *api = &shown->plan->api;
    mf_document_cell(d, "per token");
    mf_document_cell(d,
                     "%s %s per million in, %s out, as you said for %s",
                     mf_amount_text(in, api->input_per_mtok),
                     mf_cost_currency(shown),
                     mf_amount_text(out, api->output_per_mtok),
                     shown->buy.run->model->id);
}

/* "2776 USD saved", "247 USD lost". */
static const char *saved(text out, const mf_cost_shown *shown, double value)
{
    text number;
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%.32s %s %s",
                   mf_amount_text(number, fabs(value)),
                   mf_cost_currency(shown),
                   value < 0 ? "lost" : "saved");
    return out;
}

/* A verdict takes nine of ten worlds, an advice seven. */
#define SURE 0.9
#define LIKELY 0.7

/* So that rounding does not say what the verdict denies. */
static const char *chance_text(text out, double share)
{
    static const double limits[] = {SURE, LIKELY, 1 - LIKELY, 1 - SURE};
    text rounded;
    text limit;
    (void)percent(rounded, share);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const bool high = limits[i] > 0.5;
        const bool short_of_it = high ? share < limits[i] : share > limits[i];
        if (short_of_it && strcmp(rounded, percent(limit, limits[i])) == 0) {
            (void)snprintf(out, MF_WORDING_SIZE, "just %s %.32s", high ? "under" : "over", rounded);
            return out;
        }
    }
    return percent(out, share);
}

static const char *verdict_of(const mf_versus *v)
{
    const bool rent = v->way == MF_WAY_RENT;
    if (v->buy_cheaper >= LIKELY) {
        return v->buy_cheaper >= SURE ? "BUY" : "RATHER BUY";
    }
    if (v->buy_cheaper <= 1 - SURE) {
        return rent ? "RENT" : "PAY PER TOKEN";
    }
    if (v->buy_cheaper <= 1 - LIKELY) {
        return rent ? "RATHER RENT" : "RATHER PAY PER TOKEN";
    }
    return "IT DEPENDS";
}

static void show_verdict(mf_document *d, const mf_cost_shown *shown, const mf_versus *v)
{
    text chance;
    text p10;
    text p50;
    text p90;
    text years;
    const bool buy = v->buy_cheaper >= SURE;
    const bool other = v->buy_cheaper <= 1 - SURE;
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    mf_document_tone(d, buy ? MF_TONE_GOOD : other ? MF_TONE_BAD : MF_TONE_CAREFUL);
    mf_document_cell(d, "%s", verdict_of(v));
    mf_document_cell(d,
                     "buying is cheaper than %s over %s with a probability of %s: %s (80 %%: "
                     "%s to %s)",
                     mf_cost_way_title(v->way),
                     mf_span_text(years, shown->plan->run.years),
                     chance_text(chance, v->buy_cheaper),
                     saved(p50, shown, v->p50),
                     saved(p10, shown, v->p10),
                     saved(p90, shown, v->p90));
    mf_cost_trace_versus(d, shown, v);
}

static void show_notes(mf_document *d, const mf_cost_shown *shown)
{
    const mf_cost_plan *plan = shown->plan;
    text number;
    mf_document_begin(d, MF_BLOCK_LIST, 1, "Notes");
    mf_document_cell(d,
                     "- %u worlds drawn by %s from seed %llu; P10 and P90 hold 80 %% of them",
                     plan->run.n_draws,
                     plan->run.sampler == MF_SAMPLER_SOBOL ? "shifted Sobol points" : "MT19937",
                     (unsigned long long)plan->run.seed);
    for (size_t i = 0; i < sizeof shown->simulated / sizeof shown->simulated[0]; i++) {
        if (shown->simulated[i] != NULL) {
            mf_document_cell(d, "- %s", shown->simulated[i]);
        }
    }
    if (plan->run.rent != NULL && !plan->renting.kept_up) {
        mf_document_cell(
            d, "- the rented machine is given back when the work is done (--kept-up: it is not)");
    }
    if (plan->run.rent != NULL && !(plan->renting.storage_per_month > 0)) {
        mf_document_cell(
            d, "- storage at the provider is not counted: say --storage and --storage-price");
    }
    if (!(plan->run.wage_per_hour > 0)) {
        mf_document_cell(
            d, "- your own hours are not counted: say --wage, --admin-hours and --setup-hours");
    }
    if (plan->price.standing != MF_PRICE_CURRENT) {
        mf_document_cell(d,
                         "- %s: %s--price takes what you are offered",
                         plan->price.standing == MF_PRICE_PAST
                             ? "the machine is no longer sold new, its price is the last one"
                             : "the maker's price is years old",
                         plan->rather_used ? "--used takes that of a used one, " : "");
    }
    if (!(plan->buying.tax > 0)) {
        mf_document_cell(d, "- no tax on the purchase: say --tax");
    }
    if (shown->cost->overload > 0.01) {
        mf_document_cell(d,
                         "- in %s of the worlds a day is too short for the bought machine",
                         percent(number, shown->cost->overload));
    }
    if (plan->run.rent != NULL && plan->renting.billing == MF_BILLING_SURVEY) {
        mf_document_cell(d,
                         "- the rent is a figure over several offers, not one that can be booked");
    }
    if (!shown->buy.prediction->memory.fits ||
        (shown->rent.run != NULL && !shown->rent.prediction->memory.fits)) {
        mf_document_cell(
            d, "- the model does not fit as a whole: speed is that of a part on the device");
    }
}

static void show_sources(mf_document *d, const mf_cost_shown *shown)
{
    mf_document_begin(d, MF_BLOCK_LIST, 1, "Grounds");
    for (size_t i = 0; i < shown->plan->n_grounds; i++) {
        const mf_cost_ground *g = &shown->plan->grounds[i];
        if (g->source == NULL) {
            mf_document_cell(d, "- %s: %s", g->what, g->text);
        } else {
            mf_document_cell(d,
                             "- %s: %s (%s%s%s)",
                             g->what,
                             g->text,
                             mf_source_kind_name(g->source->kind),
                             g->date != NULL ? ", " : "",
                             g->date != NULL ? g->date : "");
        }
    }
    mf_document_cell(d,
                     "- speed: %s, %s",
                     mf_basis_name(shown->buy.prediction->effective.basis),
                     shown->buy.calibration != NULL ? shown->buy.calibration->data : "");
}

void mf_show_cost(mf_document *document, const mf_cost_shown *shown)
{
    show_work(document, shown);
    show_buy(document, shown);
    if (shown->plan->run.rent != NULL) {
        show_rent(document, shown);
    }
    if (shown->plan->run.api != NULL) {
        show_api(document, shown);
    }
    for (size_t i = 0; i < shown->cost->n_versus; i++) {
        show_verdict(document, shown, &shown->cost->versus[i]);
    }
    mf_show_cost_charts(document, shown);
    mf_show_cost_tables(document, shown);
    show_notes(document, shown);
    show_sources(document, shown);
}
