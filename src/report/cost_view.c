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

static const char *currency_of(const mf_cost_shown *shown)
{
    return mf_currency_name(shown->plan->currency);
}

/* "12 345" with thin groups is hard to copy: plain digits. Whole money from 100 on, cents below 10. */
static const char *amount(text out, double value)
{
    const double size = fabs(value);
    char number[MF_NUMBER_SIZE];
    const char *digits = mf_fixed_text(number, value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%s",
                   strcmp(digits, "-0") == 0 || strcmp(digits, "-0.00") == 0 ? "0" : digits);
    return out;
}

const char *mf_money_text(char out[MF_NUMBER_SIZE + 16], double value, mf_currency currency)
{
    text number;
    (void)snprintf(
        out, MF_NUMBER_SIZE + 16, "%.40s %s", amount(number, value), mf_currency_name(currency));
    return out;
}

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

static void show_buy(mf_document *d, const mf_cost_shown *shown)
{
    text price;
    text hours;
    text active;
    text idle;
    const mf_cost_plan *plan = shown->plan;
    const mf_rate *decode = &shown->buy.prediction->decode;
    mf_document_cell(d, "buy");
    mf_document_cell(d,
                     "%s, %s %s%s%s%s; decode %s tok/s, computing %s h a day at %s W, idle %s W",
                     shown->buy.run->machine->name,
                     amount(price, plan->price.value),
                     currency_of(shown),
                     plan->price.row != NULL ? " (" : "",
                     plan->price.row != NULL ? plan->price.row->date : "",
                     plan->price.row != NULL ? ")" : "",
                     mf_rate_text((text){0}, decode),
                     mf_number_text(hours, shown->cost->ways[MF_WAY_BUY].busy_hours_per_day, 2),
                     mf_number_text(active, plan->run.inputs[MF_COST_ACTIVE_W].value, 3),
                     mf_number_text(idle, plan->run.inputs[MF_COST_IDLE_W].value, 2));
}

static const char *rent_price(text out, const mf_cost_shown *shown)
{
    text number;
    const mf_renting *rent = &shown->plan->renting;
    const bool monthly = rent->billing == MF_BILLING_MONTH;
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%.32s %s a%s",
                   amount(number, monthly ? rent->price_per_month : rent->price_per_hour),
                   currency_of(shown),
                   monthly ? " month" : "n hour");
    return out;
}

static void show_rent(mf_document *d, const mf_cost_shown *shown)
{
    text price;
    text hours;
    const mf_cost_plan *plan = shown->plan;
    const bool by_hours = plan->renting.billing == MF_BILLING_HOUR ||
                          plan->renting.billing == MF_BILLING_SPOT ||
                          plan->renting.billing == MF_BILLING_SURVEY;
    mf_document_cell(d, "rent");
    mf_document_cell(
        d,
        "%s%s, %s%s%s%s; decode %s tok/s%s%s%s",
        plan->offer != NULL ? plan->offer->id : shown->rent.run->machine->id,
        plan->offer_chosen ? " (the provider's cheapest by the hour)" : "",
        rent_price(price, shown),
        plan->offer != NULL ? " (" : "",
        plan->offer != NULL ? plan->offer->date : "",
        plan->offer != NULL ? ")" : "",
        mf_rate_text((text){0}, &shown->rent.prediction->decode),
        by_hours ? ", billed " : "",
        by_hours ? mf_number_text(hours, shown->cost->ways[MF_WAY_RENT].billed_hours_per_day, 2)
                 : "",
        by_hours ? " h a day of use" : "");
}

static void show_api(mf_document *d, const mf_cost_shown *shown)
{
    text in;
    text out;
    const mf_api *api = &shown->plan->api;
    mf_document_cell(d, "per token");
    mf_document_cell(d,
                     "%s %s per million in, %s out, as you said for %s",
                     amount(in, api->input_per_mtok),
                     currency_of(shown),
                     amount(out, api->output_per_mtok),
                     shown->buy.run->model->id);
}

/* "2776 USD saved", "247 USD lost". */
static const char *saved(text out, const mf_cost_shown *shown, double value)
{
    text number;
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%.32s %s %s",
                   amount(number, fabs(value)),
                   currency_of(shown),
                   value < 0 ? "lost" : "saved");
    return out;
}

static void show_verdict(mf_document *d, const mf_cost_shown *shown, const mf_versus *v)
{
    static const double sure = 0.9;
    text chance;
    text p10;
    text p50;
    text p90;
    text years;
    const bool buy = v->buy_cheaper >= sure;
    const bool other = v->buy_cheaper <= 1 - sure;
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    mf_document_tone(d, buy ? MF_TONE_GOOD : other ? MF_TONE_BAD : MF_TONE_CAREFUL);
    mf_document_cell(d,
                     "%s",
                     buy     ? "BUY"
                     : other ? (v->way == MF_WAY_RENT ? "RENT" : "PAY PER TOKEN")
                             : "IT DEPENDS");
    mf_document_cell(d,
                     "buying is cheaper than %s over %s with a probability of %s: %s (80 %%: "
                     "%s to %s)",
                     mf_cost_way_title(v->way),
                     mf_span_text(years, shown->plan->run.years),
                     percent(chance, v->buy_cheaper),
                     saved(p50, shown, v->p50),
                     saved(p10, shown, v->p10),
                     saved(p90, shown, v->p90));
}

static size_t ground_note(mf_document *d, const mf_cost_shown *shown, const char *what)
{
    for (size_t i = 0; i < shown->plan->n_grounds; i++) {
        const mf_cost_ground *ground = &shown->plan->grounds[i];
        if (strcmp(ground->what, what) == 0 && ground->source != NULL) {
            return mf_document_footnote(d, ground->source);
        }
    }
    return 0;
}

static void part_inputs(mf_document *d, const mf_cost_shown *shown, mf_cost_part part)
{
    static const struct {
        mf_cost_part part;
        mf_cost_input input;
        const char *ground;
    } rows[] = {
        {MF_PART_PRICE,         MF_COST_PRICE,         "purchase price"    },
        {MF_PART_TAX,           MF_COST_PRICE,         "purchase price"    },
        {MF_PART_ENERGY_ACTIVE, MF_COST_ACTIVE_W,      "power under load"  },
        {MF_PART_ENERGY_ACTIVE, MF_COST_TARIFF,        "electricity tariff"},
        {MF_PART_ENERGY_IDLE,   MF_COST_IDLE_W,        "idle power"        },
        {MF_PART_ENERGY_IDLE,   MF_COST_TARIFF,        "electricity tariff"},
        {MF_PART_RENT,          MF_COST_RENT_DRIFT,    "rent"              },
        {MF_PART_OVERHEAD,      MF_COST_RENT_OVERHEAD, "rent"              },
        {MF_PART_TOKENS_IN,     MF_COST_API_DRIFT,     "price per token"   },
        {MF_PART_TOKENS_OUT,    MF_COST_API_DRIFT,     "price per token"   },
        {MF_PART_RESALE,        MF_COST_RESALE_KEPT,   "purchase price"    },
        {MF_PART_RESALE,        MF_COST_RESALE_YEARLY, "purchase price"    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].part == part) {
            const mf_range *range = &shown->plan->run.inputs[rows[i].input];
            text value;
            text low;
            text high;
            mf_document_input(d,
                              ground_note(d, shown, rows[i].ground),
                              mf_cost_input_title(rows[i].input),
                              "%s (%s to %s)",
                              mf_number_text(value, range->value, 4),
                              mf_number_text(low, range->low, 4),
                              mf_number_text(high, range->high, 4));
        }
    }
    if (part == MF_PART_COUNT) {
        const mf_cost_case *run = &shown->plan->run;
        mf_document_input(d, 0, "from", "the parts above with the inputs of each");
        mf_document_input(
            d, 0, "draws", "%u from seed %llu", run->n_draws, (unsigned long long)run->seed);
    }
    if (part == MF_PART_RENT) {
        text price;
        mf_document_input(d, ground_note(d, shown, "rent"), "rent", "%s", rent_price(price, shown));
    }
}

static bool has_part(const mf_cost *c, mf_cost_part part)
{
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        if (fabs(c->ways[w].parts[part]) > 0) {
            return true;
        }
    }
    return false;
}

static void amount_cells(mf_document *d,
                         const mf_cost_shown *shown,
                         const char *id,
                         const char *formula,
                         const double values[MF_WAY_COUNT],
                         mf_cost_part part)
{
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        text number;
        if (!shown->cost->has[w]) {
            continue;
        }
        const bool none = !(fabs(values[w]) > 0);
        mf_document_cell(d, "%s", none ? "-" : amount(number, values[w]));
        if (!none) {
            text full;
            (void)snprintf(full, sizeof full, "cost/%s/%s", mf_cost_way_key((mf_cost_way)w), id);
            mf_document_figure(d, full, formula, currency_of(shown), values[w]);
            part_inputs(d, shown, part);
        }
    }
}

static size_t count_ways(const mf_cost *c)
{
    size_t n = 0;
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        n += c->has[w] ? 1 : 0;
    }
    return n;
}

static void way_headings(mf_document *d, const mf_cost *c, const char *first)
{
    mf_document_cell(d, "%s", first);
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        if (c->has[w]) {
            mf_document_cell(d, "%s", mf_cost_way_title((mf_cost_way)w));
        }
    }
}

static void show_parts(mf_document *d, const mf_cost_shown *shown)
{
    const mf_cost *c = shown->cost;
    text heading;
    text years;
    double totals[4][MF_WAY_COUNT] = {{0}};
    (void)snprintf(heading,
                   sizeof heading,
                   "Cost over %s, %s of today",
                   mf_span_text(years, shown->plan->run.years),
                   currency_of(shown));
    mf_document_begin(d, MF_BLOCK_TABLE, 1 + count_ways(c), heading);
    way_headings(d, c, " ");
    for (size_t p = 0; p < MF_PART_COUNT; p++) {
        double values[MF_WAY_COUNT];
        for (size_t w = 0; w < MF_WAY_COUNT; w++) {
            values[w] = c->ways[w].parts[p];
        }
        if (has_part(c, (mf_cost_part)p)) {
            mf_document_cell(d, "%s", mf_cost_part_title((mf_cost_part)p));
            const mf_cost_part part = (mf_cost_part)p;
            amount_cells(
                d, shown, mf_cost_part_key(part), mf_cost_part_formula(part), values, part);
        }
    }
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        const double values[4] = {c->ways[w].total, c->ways[w].p10, c->ways[w].p50, c->ways[w].p90};
        for (size_t i = 0; i < 4; i++) {
            totals[i][w] = values[i];
        }
    }
    static const struct {
        const char *title;
        const char *id;
        const char *formula;
    } rows[4] = {
        {"total", "total", "sum of the parts, every input at its centre"},
        {"P10",   "p10",   "10 % of the drawn worlds cost less"         },
        {"P50",   "p50",   "half of the drawn worlds cost less"         },
        {"P90",   "p90",   "90 % of the drawn worlds cost less"         },
    };
    for (size_t i = 0; i < 4; i++) {
        mf_document_cell(d, "%s", rows[i].title);
        amount_cells(d, shown, rows[i].id, rows[i].formula, totals[i], MF_PART_COUNT);
    }
}

static void show_token_prices(mf_document *d, const mf_cost_shown *shown)
{
    const mf_cost *c = shown->cost;
    double in[MF_WAY_COUNT];
    double out[MF_WAY_COUNT];
    double year[MF_WAY_COUNT];
    text heading;
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        in[w] = c->ways[w].per_mtok_in;
        out[w] = c->ways[w].per_mtok_out;
        year[w] = c->ways[w].per_year;
    }
    (void)snprintf(heading, sizeof heading, "What it comes to, %s", currency_of(shown));
    mf_document_begin(d, MF_BLOCK_TABLE, 1 + count_ways(c), heading);
    way_headings(d, c, " ");
    mf_document_cell(d, "a year");
    amount_cells(d,
                 shown,
                 "per-year",
                 "total as equal yearly payments at the interest",
                 year,
                 MF_PART_COUNT);
    mf_document_cell(d, "million input tokens");
    amount_cells(d,
                 shown,
                 "per-mtok-in",
                 "yearly cost / busy seconds x seconds of a million",
                 in,
                 MF_PART_COUNT);
    mf_document_cell(d, "million output tokens");
    amount_cells(d,
                 shown,
                 "per-mtok-out",
                 "yearly cost / busy seconds x seconds of a million",
                 out,
                 MF_PART_COUNT);
}

static const char *turn_text(text out, const mf_break_even *b, const char *unit, double per)
{
    char number[MF_NUMBER_SIZE];
    switch (b->turn) {
    case MF_TURN_AT:
        (void)snprintf(
            out, MF_WORDING_SIZE, "from %s %s on", mf_number_text(number, b->value / per, 3), unit);
        return out;
    case MF_TURN_UNTIL:
        (void)snprintf(
            out, MF_WORDING_SIZE, "up to %s %s", mf_number_text(number, b->value / per, 3), unit);
        return out;
    case MF_TURN_ALWAYS:
        return "always";
    case MF_TURN_NEVER:
        break;
    }
    return "never pays";
}

static void show_turns(mf_document *d, const mf_cost_shown *shown)
{
    text line;
    text years;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, "When buying is cheaper");
    for (size_t i = 0; i < shown->cost->n_versus; i++) {
        const mf_versus *v = &shown->cost->versus[i];
        mf_document_cell(d, "than %s", mf_cost_way_title(v->way));
        mf_document_cell(d,
                         "%s, over %s",
                         turn_text(line, &v->hours_per_day, "hours a day of use", 1),
                         mf_span_text(years, shown->plan->run.years));
        if (v->way == MF_WAY_RENT && shown->plan->renting.min_hours > 0) {
            mf_document_cell(d, "  by days");
            mf_document_cell(d, "%s", turn_text(line, &v->days_per_week, "days of use a week", 1));
        }
        mf_document_cell(d, "  if sold then");
        mf_document_cell(d, "%s", turn_text(line, &v->months, "months", 1));
        mf_document_cell(d, "  if never sold");
        mf_document_cell(d,
                         "%s",
                         v->months_unsold.turn == MF_TURN_NEVER
                             ? "not within 10 years"
                             : turn_text(line, &v->months_unsold, "months", 1));
    }
}

static void show_machine(mf_document *d, const mf_cost_shown *shown)
{
    text number;
    text other;
    const mf_cost *c = shown->cost;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, "The bought machine");
    if (c->price_per_gib > 0) {
        mf_document_cell(d, "price per GiB");
        mf_document_cell(d,
                         "%s %s of memory that the model may use",
                         amount(number, c->price_per_gib),
                         currency_of(shown));
    }
    if (c->price_per_tok_s > 0 && c->kwh_per_mtok_out > 0) {
        mf_document_cell(d, "per tok/s");
        mf_document_cell(d,
                         "%s %s of decode, %s %s of prefill",
                         amount(number, c->price_per_tok_s),
                         currency_of(shown),
                         amount(other, c->price_per_prefill_tok_s),
                         currency_of(shown));
        mf_document_cell(d, "electricity");
        mf_document_cell(d,
                         "%s kWh per million output tokens, %s per million input tokens",
                         mf_number_text(number, c->kwh_per_mtok_out, 3),
                         mf_number_text(other, c->kwh_per_mtok_in, 3));
    }
    mf_document_cell(d, c->kwh_per_mtok_out > 0 ? "  a year" : "electricity");
    mf_document_cell(d, "%s kWh, idle hours included", mf_number_text(number, c->kwh_per_year, 3));
    if (c->co2_kg_per_mtok_out > 0) {
        mf_document_cell(d, "carbon dioxide");
        mf_document_cell(d,
                         "%s kg per million output tokens",
                         mf_number_text(number, c->co2_kg_per_mtok_out, 3));
    }
}

static void show_swings(mf_document *d, const mf_cost_shown *shown, const mf_versus *v)
{
    enum { SHOWN = 8 };
    text heading;
    (void)snprintf(heading,
                   sizeof heading,
                   "What matters against %s, %s saved",
                   mf_cost_way_title(v->way),
                   currency_of(shown));
    mf_document_begin(d, MF_BLOCK_TABLE, 4, heading);
    mf_document_cell(d, "uncertain number");
    mf_document_cell(d, "at its P10");
    mf_document_cell(d, "at its P90");
    mf_document_cell(d, "rank");
    for (size_t i = 0; i < v->n_swings && i < SHOWN; i++) {
        const mf_swing *s = &v->swings[i];
        text number;
        mf_document_cell(d, "%s", mf_cost_input_title(s->input));
        mf_document_cell(d, "%s", amount(number, s->at_p10));
        mf_document_cell(d, "%s", amount(number, s->at_p90));
        mf_document_cell(d, "%s", mf_fixed_text(number, s->rank, 2));
    }
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

void mf_show_cost_tables(mf_document *document, const mf_cost_shown *shown)
{
    show_parts(document, shown);
    show_token_prices(document, shown);
    show_turns(document, shown);
    show_machine(document, shown);
    for (size_t i = 0; i < shown->cost->n_versus; i++) {
        show_swings(document, shown, &shown->cost->versus[i]);
    }
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
