#include "cost/setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define NOT_SAID (-1.0)

mf_cost_options mf_cost_options_default(void)
{
    enum { DRAWS = 20000 };
    static const double days_per_week = 7;
    static const double years = 3;
    return (mf_cost_options){.price = NOT_SAID,
                             .price_around_cards = NOT_SAID,
                             .hours_per_day = NOT_SAID,
                             .busy = 1,
                             .days_per_week = days_per_week,
                             .requests_per_day = NOT_SAID,
                             .years = years,
                             .on_hours_per_day = NOT_SAID,
                             .active_w = NOT_SAID,
                             .idle_w = NOT_SAID,
                             .tariff_per_kwh = NOT_SAID,
                             .wage_per_hour = NOT_SAID,
                             .admin_hours_buy = NOT_SAID,
                             .admin_hours_rent = NOT_SAID,
                             .setup_hours_buy = NOT_SAID,
                             .setup_hours_rent = NOT_SAID,
                             .cooling = 1,
                             .rent_price_per_hour = NOT_SAID,
                             .rent_price_per_month = NOT_SAID,
                             .rent_min_hours = NOT_SAID,
                             .reserved_years = NOT_SAID,
                             .storage_gb = NOT_SAID,
                             .storage_per_gb_month = NOT_SAID,
                             .api_in = NOT_SAID,
                             .api_out = NOT_SAID,
                             .api_cached = NOT_SAID,
                             .usd_per_eur = NOT_SAID,
                             .seed = 1,
                             .n_draws = DRAWS,
                             .sampler = MF_SAMPLER_SOBOL};
}

/* Ids have dashes where words have blanks. */
static mf_cost_ground *add_ground(setup *s, const char *id, const char *what)
{
    mf_cost_plan *plan = s->plan;
    if (plan->n_grounds == MF_COST_MAX_GROUNDS) {
        return NULL;
    }
    mf_cost_ground *ground = &plan->grounds[plan->n_grounds++];
    (void)snprintf(ground->id, sizeof ground->id, "%s", id);
    for (char *c = ground->id; *c != '\0'; c++) {
        *c = *c == ' ' || *c == '\'' ? '-' : *c;
    }
    (void)snprintf(ground->what, sizeof ground->what, "%s", what);
    return ground;
}

static void stand_on(mf_cost_ground *ground, const mf_source *source, const char *date)
{
    if (ground != NULL) {
        (void)snprintf(ground->text, sizeof ground->text, "%s", source->title);
        ground->source = source;
        ground->date = date;
    }
}

void mf_setup_ground(setup *s, const char *what, const mf_source *source, const char *date)
{
    stand_on(add_ground(s, what, what), source, date);
}

void mf_setup_said(setup *s, const char *what)
{
    mf_cost_ground *ground = add_ground(s, what, what);
    if (ground != NULL) {
        (void)snprintf(ground->text, sizeof ground->text, "as you said");
    }
}

mf_status mf_setup_assume(mf_range *range, setup *s, const char *id)
{
    const mf_assumption *row = NULL;
    for (size_t i = s->options->n_set; i > 0; i--) {
        if (strcmp(s->options->set[i - 1].id, id) == 0) {
            const double value = s->options->set[i - 1].value;
            *range = (mf_range){.value = value, .low = value, .high = value};
            mf_setup_said(s, id);
            return MF_OK;
        }
    }
    mf_status status = mf_price_assumption(&row, s->prices, id, s->err);
    if (status == MF_OK && !row->value.known) {
        status = mf_fail(s->err, MF_E_USAGE, "'%s' has no value, say --set %s=VALUE", id, id);
    }
    if (status == MF_OK) {
        status = mf_cost_assume(range, s->prices, id, s->err);
    }
    if (status == MF_OK && row->sources.n_items > 0) {
        stand_on(add_ground(s, id, row->name), &row->sources.items[0], NULL);
    }
    return status;
}

static mf_status assume_value(double *value, setup *s, const char *id)
{
    mf_range range = {0};
    const mf_status status = mf_setup_assume(&range, s, id);
    *value = range.value;
    return status;
}

/* Factor from one currency to the plan's. */
static mf_status exchange(double *factor, setup *s, mf_currency from, const char *what)
{
    *factor = 1;
    if (from == s->plan->currency) {
        return MF_OK;
    }
    if (s->options->usd_per_eur <= 0) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "%s is priced in %s, the rest in %s: say --usd-per-eur, like 1.16",
                       what,
                       mf_currency_name(from),
                       mf_currency_name(s->plan->currency));
    }
    *factor = from == MF_EUR ? s->options->usd_per_eur : 1 / s->options->usd_per_eur;
    return MF_OK;
}

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
            return assume_value(&s->plan->buying.co2_kg_per_kwh, s, known[i].id);
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
        status = exchange(&factor, s, plan->tariff->per_kwh.currency, plan->tariff->name);
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

static bool is_apple(const mf_machine *machine)
{
    return machine->n_devices > 0 && machine->devices[0].device != NULL &&
           machine->devices[0].device->vendor == MF_VENDOR_APPLE;
}

static mf_status set_resale(setup *s)
{
    mf_range *inputs = s->plan->run.inputs;
    const bool apple = is_apple(s->buy.machine);
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
        status = assume_value(&s->plan->buying.resale_spread,
                              s,
                              apple ? "resale-apple-spread" : "resale-other-spread");
    }
    return status;
}

static mf_served served_of(const mf_prediction *prediction)
{
    return (mf_served){.prefill = prediction->prefill,
                       .decode = prediction->decode,
                       .effective = prediction->effective};
}

static double said_or(double said, double otherwise)
{
    return said >= 0 ? said : otherwise;
}

static mf_status set_buying(setup *s)
{
    static const double whole_day = 24;
    mf_cost_plan *plan = s->plan;
    const mf_cost_options *o = s->options;
    mf_status status = set_price(s);
    plan->buying.served = served_of(s->buy.prediction);
    plan->buying.usable_bytes =
        s->buy.prediction->memory_known ? mf_memory_usable_bytes(&s->buy.prediction->memory) : 0;
    plan->buying.powered_hours_per_day = said_or(o->on_hours_per_day, whole_day);
    plan->buying.cooling = o->cooling;
    plan->buying.admin_hours_per_month = said_or(o->admin_hours_buy, 0);
    plan->buying.setup_hours = said_or(o->setup_hours_buy, 0);
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

static mf_status set_rent_price(setup *s)
{
    const mf_cost_options *o = s->options;
    const mf_rental *offer = s->plan->offer;
    mf_renting *rent = &s->plan->renting;
    if (o->rent_price_per_hour >= 0 || o->rent_price_per_month >= 0) {
        rent->billing =
            o->rent_price_per_hour >= 0
                ? (offer != NULL && offer->billing != MF_BILLING_MONTH ? offer->billing
                                                                       : MF_BILLING_HOUR)
                : MF_BILLING_MONTH;
        rent->price_per_hour = said_or(o->rent_price_per_hour, 0);
        rent->price_per_month = said_or(o->rent_price_per_month, 0);
        mf_setup_said(s, "rent");
        return MF_OK;
    }
    if (offer == NULL || (!offer->per_hour.amount.known && !offer->per_month.amount.known)) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "the price of %s%s%s is not known, say --rent-price per hour or "
                       "--rent-per-month",
                       offer != NULL ? "'" : "the rented machine",
                       offer != NULL ? offer->id : "",
                       offer != NULL ? "'" : "");
    }
    double factor = 1;
    const bool hourly = offer->billing != MF_BILLING_MONTH && offer->per_hour.amount.known;
    const mf_money *money = hourly ? &offer->per_hour : &offer->per_month;
    rent->billing = hourly ? offer->billing : MF_BILLING_MONTH;
    const mf_status status = exchange(&factor, s, money->currency, offer->id);
    const double all = factor * money->amount.value * offer->n_devices;
    *(hourly ? &rent->price_per_hour : &rent->price_per_month) = all;
    mf_setup_ground(s, "rent", &offer->sources.items[0], offer->date);
    return status;
}

static mf_status set_reservation(setup *s)
{
    const double years = s->options->reserved_years;
    if (years < 0) {
        return MF_OK;
    }
    const bool one = fabs(years - 1) < 0.5;
    const bool three = fabs(years - 3) < 0.5;
    if ((!one && !three) || s->plan->renting.billing == MF_BILLING_MONTH) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "a reservation is for 1 or 3 years of an offer that is paid by the hour");
    }
    s->plan->renting.billing = MF_BILLING_RESERVED;
    s->plan->renting.term_years = one ? 1 : 3;
    return assume_value(
        &s->plan->renting.discount, s, one ? "rent-reserved-1-year" : "rent-reserved-3-years");
}

/* What comes on top of the sticker applies to machines that come and go. Whole days hold starts and idle minutes. */
static mf_status set_overhead(setup *s)
{
    static const double day = 24;
    mf_range *inputs = s->plan->run.inputs;
    const mf_billing billing = s->plan->renting.billing;
    mf_status status = MF_OK;
    if (billing == MF_BILLING_HOUR || billing == MF_BILLING_SPOT || billing == MF_BILLING_SURVEY) {
        const bool whole_days = s->plan->renting.min_hours >= day;
        status = mf_setup_assume(&inputs[MF_COST_RENT_OVERHEAD],
                                 s,
                                 whole_days ? "rent-overhead-whole-days" : "rent-overhead");
    }
    if (status == MF_OK && billing == MF_BILLING_SPOT) {
        status = mf_setup_assume(&inputs[MF_COST_RENT_REDONE], s, "rent-spot-redone");
    }
    if (status == MF_OK) {
        status = mf_setup_assume(&inputs[MF_COST_RENT_DRIFT],
                                 s,
                                 is_apple(s->rent.machine) ? "rent-mac-drift" : "rent-gpu-drift");
    }
    return status == MF_OK ? assume_value(&s->plan->renting.rent_spread, s, "rent-spread") : status;
}

static mf_status set_renting(setup *s)
{
    const mf_cost_options *o = s->options;
    mf_renting *rent = &s->plan->renting;
    if (s->rent.machine == NULL) {
        return MF_OK;
    }
    const mf_rental *offer = s->plan->offer;
    rent->served = served_of(s->rent.prediction);
    rent->kept_up = o->rent_kept_up;
    rent->min_hours =
        said_or(o->rent_min_hours,
                offer != NULL && offer->min_commit_hours.known ? offer->min_commit_hours.value : 0);
    rent->admin_hours_per_month = said_or(o->admin_hours_rent, 0);
    rent->setup_hours = said_or(o->setup_hours_rent, 0);
    if (o->storage_gb >= 0 && o->storage_per_gb_month < 0) {
        return mf_fail(
            s->err, MF_E_USAGE, "say what a GB of storage costs a month: --storage-price 0.07");
    }
    if (o->storage_gb >= 0) {
        rent->storage_per_month = o->storage_gb * o->storage_per_gb_month;
        mf_setup_said(s, "storage");
    }
    mf_status status = set_rent_price(s);
    if (status == MF_OK) {
        status = set_reservation(s);
    }
    if (status == MF_OK) {
        status = set_overhead(s);
    }
    s->plan->run.rent = rent;
    return status;
}

static mf_status set_api(setup *s)
{
    const mf_cost_options *o = s->options;
    mf_api *api = &s->plan->api;
    if (o->api_in < 0 && o->api_out < 0) {
        return MF_OK;
    }
    if (o->api_in < 0 || o->api_out < 0) {
        return mf_fail(
            s->err, MF_E_USAGE, "a price per token has two sides: --api-in and --api-out");
    }
    api->input_per_mtok = o->api_in;
    api->output_per_mtok = o->api_out;
    api->cached_per_mtok = said_or(o->api_cached, o->api_in);
    api->cached_share = o->api_cached_share;
    mf_setup_said(s, "price per token");
    mf_status status = mf_setup_assume(&s->plan->run.inputs[MF_COST_API_DRIFT], s, "api-drift");
    if (status == MF_OK) {
        status = assume_value(&api->api_spread, s, "api-spread");
    }
    s->plan->run.api = api;
    return status;
}

static mf_status set_correlations(setup *s)
{
    mf_cost_case *run = &s->plan->run;
    const struct {
        double *value;
        const char *id;
    } rows[] = {
        {&run->correlation_rent_api,    "correlation-rent-api"   },
        {&run->correlation_rent_resale, "correlation-rent-resale"},
        {&run->correlation_api_resale,  "correlation-api-resale" },
    };
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof rows / sizeof rows[0]; i++) {
        status = assume_value(rows[i].value, s, rows[i].id);
    }
    return status;
}

static mf_status set_usage(setup *s, const mf_workload *workload)
{
    const mf_cost_options *o = s->options;
    mf_range spread = {0};
    if (o->hours_per_day < 0 && o->requests_per_day < 0) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "say how much it is used: --hours-per-day 8 or --requests-per-day 500");
    }
    s->plan->run.usage = (mf_usage){.hours_per_day = said_or(o->hours_per_day, 0),
                                    .busy = o->busy,
                                    .requests_per_day = said_or(o->requests_per_day, 0),
                                    .days_per_week = o->days_per_week,
                                    .n_prompt = workload->n_prompt,
                                    .n_output = workload->n_output};
    const mf_status status = mf_setup_assume(&spread, s, "hours-spread");
    s->plan->run.inputs[MF_COST_HOURS] =
        (mf_range){.value = 1, .low = 1 - spread.value, .high = 1 + spread.value};
    return status;
}

/* A misspelt --set would go unnoticed otherwise. */
static mf_status check_set(setup *s)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < s->options->n_set; i++) {
        const mf_assumption *row = NULL;
        status = mf_price_assumption(&row, s->prices, s->options->set[i].id, s->err);
    }
    return status == MF_E_UNKNOWN ? MF_E_USAGE : status;
}

mf_status mf_cost_setup(mf_cost_plan *plan,
                        const mf_prices *prices,
                        const mf_cost_options *options,
                        const mf_rental *offer,
                        mf_cost_place buy,
                        mf_cost_place rent,
                        const mf_workload *workload,
                        mf_error *err)
{
    *plan = (mf_cost_plan){.offer = offer};
    setup s = {
        .plan = plan, .prices = prices, .options = options, .buy = buy, .rent = rent, .err = err};
    plan->run.years = options->years;
    plan->run.wage_per_hour = said_or(options->wage_per_hour, 0);
    plan->run.seed = options->seed;
    plan->run.n_draws = options->n_draws;
    plan->run.sampler = options->sampler;
    typedef mf_status (*step)(setup *);
    static const step steps[] = {check_set, set_buying, set_renting, set_api, set_correlations};
    mf_status status = set_usage(&s, workload);
    for (size_t i = 0; status == MF_OK && i < sizeof steps / sizeof steps[0]; i++) {
        status = steps[i](&s);
    }
    return status == MF_OK ? mf_setup_assume(&plan->run.inputs[MF_COST_INTEREST], &s, "interest")
                           : status;
}

/* The smallest machine of hwdb that has exactly these devices. */
static mf_status
machine_with(char **id, const mf_rental *offer, const mf_database *database, mf_error *err)
{
    mf_names names = {0};
    mf_status status = mf_database_list(&names, database, MF_ENTRY_MACHINE, err);
    for (size_t i = 0; status == MF_OK && *id == NULL && i < names.n_items; i++) {
        mf_machine *machine = NULL;
        status = mf_database_machine(&machine, database, names.items[i], err);
        if (status == MF_OK && machine->n_devices == 1 && machine->n_nodes == 1 &&
            machine->devices[0].count == offer->n_devices &&
            strcmp(machine->devices[0].device_id, offer->device_id) == 0) {
            *id = mf_strdup(machine->id);
            status = *id != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a name");
        }
        mf_machine_free(machine);
    }
    mf_names_free(&names);
    return status;
}

mf_status
mf_cost_offer_machine(char **id, const mf_rental *offer, const mf_database *database, mf_error *err)
{
    char *found = NULL;
    mf_status status = MF_OK;
    if (offer->device_id != NULL && offer->n_devices > 1) {
        status = machine_with(&found, offer, database, err);
    } else if (offer->device_id != NULL) {
        found = mf_strdup(offer->device_id);
        status = found != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a name");
    }
    if (status == MF_OK && found == NULL) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "the offer '%s' (%s, %u of them) is no machine of hwdb: say which one it is "
                       "like, --rent-on MACHINE",
                       offer->id,
                       offer->device,
                       offer->n_devices);
    }
    if (status == MF_OK) {
        *id = found;
    }
    return status;
}
