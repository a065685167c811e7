/*
 * setup_rent.c - what a rented machine costs, and which machine an offer is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cost/setup.h"

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
        rent->price_per_hour = mf_said_or(o->rent_price_per_hour, 0);
        rent->price_per_month = mf_said_or(o->rent_price_per_month, 0);
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
    const mf_status status = mf_setup_exchange(&factor, s, money->currency, offer->id);
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
    return mf_setup_value(
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
                                 mf_setup_is_apple(s->rent.machine) ? "rent-mac-drift"
                                                                    : "rent-gpu-drift");
    }
    return status == MF_OK ? mf_setup_value(&s->plan->renting.rent_spread, s, "rent-spread")
                           : status;
}

mf_status mf_setup_renting(setup *s)
{
    const mf_cost_options *o = s->options;
    mf_renting *rent = &s->plan->renting;
    if (s->rent.machine == NULL) {
        return MF_OK;
    }
    const mf_rental *offer = s->plan->offer;
    rent->served = mf_setup_served(s->rent.prediction);
    rent->kept_up = o->rent_kept_up;
    rent->min_hours = mf_said_or(
        o->rent_min_hours,
        offer != NULL && offer->min_commit_hours.known ? offer->min_commit_hours.value : 0);
    rent->admin_hours_per_month = mf_said_or(o->admin_hours_rent, 0);
    rent->setup_hours = mf_said_or(o->setup_hours_rent, 0);
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
