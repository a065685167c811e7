/*
 * setup_buy.c - what a bought machine costs: its price, its electricity, what it is sold for again.
 */
#include <string.h>

#include "base/num.h"
#include "cost/setup.h"

static mf_status ask_for_price(setup *s)
{
    const mf_price *p = &s->plan->price;
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    if (p->n_cards > 0) {
        return mf_fail(
            s->err,
            MF_E_USAGE,
            "the price of '%s' is not known: its cards are %s to %s %s (%s); say what the "
            "computer around them costs, --around-cards, or all of it, --price",
            s->buy.machine->id,
            mf_number_text(low, p->cards_low, 6),
            mf_number_text(high, p->cards_high, 6),
            mf_currency_name(p->currency),
            p->row->date);
    }
    const mf_purchase *as_new =
        s->options->used ? mf_price_purchase(s->prices, s->buy.machine->id, MF_NEW) : NULL;
    if (as_new != NULL && as_new->price.amount.known) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "no price of a used '%s' is known (new it was %s %s, %s): say --price",
                       s->buy.machine->id,
                       mf_number_text(low, as_new->price.amount.value, 6),
                       mf_currency_name(as_new->price.currency),
                       as_new->date);
    }
    return mf_fail(s->err,
                   MF_E_USAGE,
                   "the price of %s'%s' is not known, say --price",
                   s->options->used ? "a used " : "",
                   s->buy.machine->id);
}

static mf_status set_price(setup *s)
{
    mf_cost_plan *plan = s->plan;
    const mf_cost_options *o = s->options;
    plan->buying.tax = o->tax;
    if (o->price >= 0) {
        plan->price =
            (mf_price){.known = true, .value = o->price, .low = o->price, .high = o->price};
        mf_setup_said(s, "purchase price");
    } else {
        plan->price = mf_price_machine(s->prices,
                                       s->buy.machine,
                                       o->used ? MF_USED : MF_NEW,
                                       o->price_around_cards > 0 ? o->price_around_cards : 0);
        if (!plan->price.known) {
            return ask_for_price(s);
        }
        mf_setup_ground(
            s, "purchase price", &plan->price.row->sources.items[0], plan->price.row->date);
        if (plan->price.n_cards > 0) {
            mf_setup_said(s, "computer around the cards");
        }
        plan->rather_used = !o->used && mf_price_rather_used(s->prices, s->buy.machine);
    }
    plan->currency = plan->price.currency;
    plan->run.inputs[MF_COST_PRICE] =
        (mf_range){.value = plan->price.value, .low = plan->price.low, .high = plan->price.high};
    return MF_OK;
}

static mf_status set_co2(setup *s, const char *region)
{
    static const struct {
        const char *region;
        const char *id;
    } known[] = {
        {"US", "co2-us"},
        {"EU", "co2-eu"},
        {"DE", "co2-de"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(region, known[i].region, 2) == 0) {
            return mf_setup_value(&s->plan->buying.co2_kg_per_kwh, s, known[i].id);
        }
    }
    return MF_OK;
}

static mf_status set_tariff(setup *s)
{
    mf_cost_plan *plan = s->plan;
    const mf_cost_options *o = s->options;
    mf_range *tariff = &plan->run.inputs[MF_COST_TARIFF];
    if (o->tariff_per_kwh >= 0) {
        *tariff = (mf_range){o->tariff_per_kwh, o->tariff_per_kwh, o->tariff_per_kwh};
        mf_setup_said(s, "electricity tariff");
        return MF_OK;
    }
    double factor = 1;
    mf_range spread = {0};
    const char *id = o->tariff != NULL ? o->tariff : "us-residential-average";
    mf_status status = mf_price_tariff(&plan->tariff, s->prices, id, s->err);
    if (status == MF_OK) {
        status = mf_setup_exchange(&factor, s, plan->tariff->per_kwh.currency, plan->tariff->name);
    }
    if (status == MF_OK) {
        mf_setup_ground(
            s, "electricity tariff", &plan->tariff->sources.items[0], plan->tariff->date);
        status = mf_setup_assume(&spread, s, "tariff-spread");
    }
    if (status == MF_OK) {
        const double value = factor * plan->tariff->per_kwh.amount.value;
        *tariff = (mf_range){.value = value * (1 + spread.value),
                             .low = value * (1 + spread.low),
                             .high = value * (1 + spread.high)};
        status = set_co2(s, plan->tariff->region);
    }
    return status;
}

static mf_status set_resale(setup *s)
{
    mf_range *inputs = s->plan->run.inputs;
    const bool apple = mf_setup_is_apple(s->buy.machine);
    mf_status status = mf_setup_assume(&inputs[MF_COST_RESALE_KEPT], s, "resale-kept");
    if (status == MF_OK) {
        status = mf_setup_assume(&inputs[MF_COST_RESALE_YEARLY],
                                 s,
                                 apple ? "resale-apple-yearly" : "resale-other-yearly");
    }
    if (status == MF_OK) {
        status = mf_setup_assume(&inputs[MF_COST_GENERATION_YEARS],
                                 s,
                                 apple ? "resale-apple-generation-years"
                                       : "resale-other-generation-years");
    }
    if (status == MF_OK) {
        status = mf_setup_assume(&inputs[MF_COST_GENERATION_DROP], s, "resale-generation-drop");
    }
    if (status == MF_OK) {
        status = mf_setup_value(&s->plan->buying.resale_spread,
                                s,
                                apple ? "resale-apple-spread" : "resale-other-spread");
    }
    return status;
}

mf_status mf_setup_buying(setup *s)
{
    static const double whole_day = 24;
    mf_cost_plan *plan = s->plan;
    const mf_cost_options *o = s->options;
    mf_status status = set_price(s);
    plan->buying.served = mf_setup_served(s->buy.prediction);
    plan->buying.usable_bytes =
        s->buy.prediction->memory_known ? mf_memory_usable_bytes(&s->buy.prediction->memory) : 0;
    plan->buying.powered_hours_per_day = mf_said_or(o->on_hours_per_day, whole_day);
    plan->buying.cooling = o->cooling;
    plan->buying.admin_hours_per_month = mf_said_or(o->admin_hours_buy, 0);
    plan->buying.setup_hours = mf_said_or(o->setup_hours_buy, 0);
    if (status == MF_OK) {
        status = set_tariff(s);
    }
    if (status == MF_OK) {
        status = mf_setup_assume(&plan->run.inputs[MF_COST_TARIFF_DRIFT], s, "tariff-drift");
    }
    if (status == MF_OK) {
        status = mf_setup_power(s);
    }
    if (status == MF_OK) {
        status = set_resale(s);
    }
    plan->run.buy = &plan->buying;
    return status;
}
