#include <stdio.h>
#include <string.h>

#include "cost/setup.h"

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

mf_status mf_setup_value(double *value, setup *s, const char *id)
{
    mf_range range = {0};
    const mf_status status = mf_setup_assume(&range, s, id);
    *value = range.value;
    return status;
}

mf_status mf_setup_exchange(double *factor, setup *s, mf_currency from, const char *what)
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

bool mf_setup_is_apple(const mf_machine *machine)
{
    return machine->n_devices > 0 && machine->devices[0].device != NULL &&
           machine->devices[0].device->vendor == MF_VENDOR_APPLE;
}

mf_served mf_setup_served(const mf_prediction *prediction)
{
    return (mf_served){.prefill = prediction->prefill,
                       .decode = prediction->decode,
                       .effective = prediction->effective};
}

double mf_said_or(double said, double otherwise)
{
    return said >= 0 ? said : otherwise;
}
