/*
 * cost_tables.c - what buying, renting and paying per token cost part by part, what it comes to, when it turns and what
 * matters most.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/cost.h"
#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

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
                              mf_cost_ground_note(d, shown, rows[i].ground),
                              mf_cost_input_title(rows[i].input),
                              "%s (%s to %s)",
                              mf_number_text(value, range->value, 4),
                              mf_number_text(low, range->low, 4),
                              mf_number_text(high, range->high, 4));
        }
    }
    if (part == MF_PART_COUNT) {
        mf_document_input(d, 0, "from", "the parts above with the inputs of each");
        mf_cost_draws_input(d, shown);
    }
    if (part == MF_PART_RENT) {
        text price;
        mf_document_input(d,
                          mf_cost_ground_note(d, shown, "rent"),
                          "rent",
                          "%s",
                          mf_cost_rent_text(price, shown));
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
        mf_document_cell(d, "%s", none ? "-" : mf_amount_text(number, values[w]));
        if (!none) {
            text full;
            (void)snprintf(full, sizeof full, "cost/%s/%s", mf_cost_way_key((mf_cost_way)w), id);
            mf_document_figure(d, full, formula, mf_cost_currency(shown), values[w]);
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
                   mf_cost_currency(shown));
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
    (void)snprintf(heading, sizeof heading, "What it comes to, %s", mf_cost_currency(shown));
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

/* No more digits than the range supports: one where it spans more than four times. */
static int turn_digits(const mf_break_even *b)
{
    static const double wide = 4;
    if (!b->spread_known) {
        return 3;
    }
    return b->value < 10 && !(b->p90 <= wide * b->p10) ? 1 : 2;
}

static const char *turn_text(text out, const mf_break_even *b, const char *unit)
{
    char number[MF_NUMBER_SIZE];
    const char *about = b->spread_known ? "about " : "";
    (void)mf_number_text(number, b->value, turn_digits(b));
    switch (b->turn) {
    case MF_TURN_AT:
        (void)snprintf(out, MF_WORDING_SIZE, "from %s%s %s on", about, number, unit);
        return out;
    case MF_TURN_UNTIL:
        (void)snprintf(out, MF_WORDING_SIZE, "up to %s %s", number, unit);
        return out;
    case MF_TURN_ALWAYS:
        return "always";
    case MF_TURN_NEVER:
        break;
    }
    return "never pays";
}

/* " (80 %: 1.9 to 9.2)"; nothing where the draws were not asked or say nothing. */
static const char *hours_spread(text out, const mf_break_even *b)
{
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    if (!b->spread_known || isinf(b->p10)) {
        return "";
    }
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   " (80 %%: %s%s to %s)",
                   b->p10 > 0 ? mf_number_text(low, b->p10, 2) : "any",
                   b->turn == MF_TURN_NEVER ? " hours a day" : "",
                   isinf(b->p90) ? "never" : mf_number_text(high, b->p90, 2));
    return out;
}

/* "; in one drawn world of ten within 2.2 months, in one of ten not within 3 years". */
static const char *months_spread(text out, const mf_break_even *b, const char *beyond)
{
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    if (!b->spread_known || isinf(b->p10)) {
        return "";
    }
    (void)mf_number_text(low, b->p10, 2);
    (void)mf_number_text(high, b->p90, 2);
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "; in one drawn world of ten %s%s%s, in one of ten %s%s%.80s",
                   b->p10 > 0 ? "within " : "at once",
                   b->p10 > 0 ? low : "",
                   b->p10 > 0 ? " months" : "",
                   isinf(b->p90) ? "not within " : "only after ",
                   isinf(b->p90) ? "" : high,
                   isinf(b->p90) ? beyond : " months");
    return out;
}

/* The centre looks ten years ahead, the draws as far as the comparison goes. */
static void show_turns(mf_document *d, const mf_cost_shown *shown)
{
    text line;
    text years;
    text beyond;
    text spread;
    (void)mf_span_text(beyond, shown->plan->run.years);
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, "When buying is cheaper");
    for (size_t i = 0; i < shown->cost->n_versus; i++) {
        const mf_versus *v = &shown->cost->versus[i];
        mf_document_cell(d, "than %s", mf_cost_way_title(v->way));
        mf_document_cell(d,
                         "%s%s, over %s",
                         turn_text(line, &v->hours_per_day, "hours a day of use"),
                         hours_spread(spread, &v->hours_per_day),
                         mf_span_text(years, shown->plan->run.years));
        mf_cost_trace_turn(d, v, &v->hours_per_day, "turn-hours-per-day", "h");
        if (v->way == MF_WAY_RENT && shown->plan->renting.min_hours > 0) {
            mf_document_cell(d, "  by days");
            mf_document_cell(d, "%s", turn_text(line, &v->days_per_week, "days of use a week"));
            mf_cost_trace_turn(d, v, &v->days_per_week, "turn-days-per-week", "days");
        }
        mf_document_cell(d, "  if sold then");
        mf_document_cell(d,
                         "%s%s",
                         turn_text(line, &v->months, "months"),
                         months_spread(spread, &v->months, beyond));
        mf_cost_trace_turn(d, v, &v->months, "turn-months", "months");
        mf_document_cell(d, "  if never sold");
        mf_document_cell(d,
                         "%s%s",
                         v->months_unsold.turn == MF_TURN_NEVER
                             ? "not within 10 years"
                             : turn_text(line, &v->months_unsold, "months"),
                         months_spread(spread, &v->months_unsold, beyond));
        mf_cost_trace_turn(d, v, &v->months_unsold, "turn-months-unsold", "months");
    }
}

/* Predictions are of the first minutes; what heat does after them. */
static void show_sustained(mf_document *d, const mf_cost_shown *shown)
{
    text low;
    text rate;
    const mf_rate *decode = &shown->buy.prediction->decode;
    if (!decode->known) {
        return;
    }
    mf_document_cell(d, "sustained");
    if (shown->buy.run->machine->fanless) {
        mf_document_cell(d,
                         "%s tok/s at first; it has no fan and settles lower after minutes of "
                         "work, at %s or more",
                         mf_rate_text(rate, decode),
                         mf_number_text(low, decode->low_tok_s, 2));
    } else {
        mf_document_cell(d,
                         "%s tok/s, as at first: it has a fan (measured over minutes, nobody's "
                         "hours are known)",
                         mf_rate_text(rate, decode));
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
                         mf_amount_text(number, c->price_per_gib),
                         mf_cost_currency(shown));
    }
    if (c->price_per_tok_s > 0 && c->kwh_per_mtok_out > 0) {
        mf_document_cell(d, "per tok/s");
        mf_document_cell(d,
                         "%s %s of decode, %s %s of prefill",
                         mf_amount_text(number, c->price_per_tok_s),
                         mf_cost_currency(shown),
                         mf_amount_text(other, c->price_per_prefill_tok_s),
                         mf_cost_currency(shown));
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
    show_sustained(d, shown);
}

static void show_swings(mf_document *d, const mf_cost_shown *shown, const mf_versus *v)
{
    enum { SHOWN = 8 };
    text heading;
    (void)snprintf(heading,
                   sizeof heading,
                   "What matters against %s, %s saved",
                   mf_cost_way_title(v->way),
                   mf_cost_currency(shown));
    mf_document_begin(d, MF_BLOCK_TABLE, 4, heading);
    mf_document_cell(d, "uncertain number");
    mf_document_cell(d, "at its P10");
    mf_document_cell(d, "at its P90");
    mf_document_cell(d, "correlation");
    for (size_t i = 0; i < v->n_swings && i < SHOWN; i++) {
        const mf_swing *s = &v->swings[i];
        text number;
        mf_document_cell(d, "%s", mf_cost_input_title(s->input));
        mf_document_cell(d, "%s", mf_amount_text(number, s->at_p10));
        mf_document_cell(d, "%s", mf_amount_text(number, s->at_p90));
        mf_document_cell(d, "%s", mf_fixed_text(number, s->rank, 2));
    }
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
