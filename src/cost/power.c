/*
 * power.c - watts at the wall under a language model and at rest, with the best ground there is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cost/setup.h"

/* A single measured peak: the mean over a run lies somewhat below. */
#define MEAN_OF_PEAK 0.95
#define LEAST_OF_PEAK 0.85

static mf_range certain(double value)
{
    return (mf_range){.value = value, .low = value, .high = value};
}

static bool has_cards(const mf_machine *machine)
{
    for (size_t i = 0; i < machine->n_devices; i++) {
        if (machine->pools[machine->devices[i].pool].kind == MF_POOL_DEVICE) {
            return true;
        }
    }
    return false;
}

static double nodes_of(const mf_machine *machine)
{
    return machine->n_nodes > 0 ? machine->n_nodes : 1;
}

/* Rows of this machine: of power while idle, or under load. */
static bool measured(mf_range *range, setup *s, bool idle)
{
    double low = (double)INFINITY;
    double high = 0;
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->prices->n_observations; i++) {
        const mf_observation *row = &s->prices->observations[i];
        const bool rests = strstr(row->item, "idle") != NULL;
        if (row->kind != MF_SEEN_POWER || row->machine_id == NULL || rests != idle ||
            strcmp(row->machine_id, s->buy.machine->id) != 0) {
            continue;
        }
        const double least = row->low.known ? row->low.value : row->value.value;
        const double most = row->high.known ? row->high.value : row->value.value;
        low = fmin(low, least);
        high = fmax(high, most);
        sum += (least + most) / 2;
        n++;
        mf_setup_ground(
            s, idle ? "idle power" : "power under load", &row->sources.items[0], row->period);
    }
    if (n == 0) {
        return false;
    }
    *range =
        n > 1 || high > low || idle
            ? (mf_range){.value = sum / (double)n, .low = low, .high = high}
            : (mf_range){.value = MEAN_OF_PEAK * high, .low = LEAST_OF_PEAK * high, .high = high};
    return true;
}

static void ground_of_fact(setup *s, const char *what, const mf_sources *sources, mf_fact fact)
{
    if (fact.source >= 0 && (size_t)fact.source < sources->n_items) {
        mf_setup_ground(s, what, &sources->items[fact.source], NULL);
    }
}

static mf_range scaled(mf_range share, double by, double plus)
{
    return (mf_range){.value = share.value * by + plus,
                      .low = share.low * by + plus,
                      .high = share.high * by + plus};
}

/* Sum of the devices' board or package power; false if one is not published. */
static bool device_power(double *watts, setup *s)
{
    const mf_machine *machine = s->buy.machine;
    *watts = 0;
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_device *device = machine->devices[i].device;
        if (device == NULL || !device->power_w.known) {
            return false;
        }
        *watts += machine->devices[i].count * device->power_w.value;
        ground_of_fact(s, "power of the chip or card", &device->sources, device->power_w);
    }
    *watts *= nodes_of(machine);
    return machine->n_devices > 0;
}

static mf_status from_devices(mf_range *active, setup *s, double idle_w)
{
    double watts = 0;
    mf_range share = {0};
    mf_range around = {0};
    if (!device_power(&watts, s)) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "the power of '%s' under load is not known, say --active-watts",
                       s->buy.machine->id);
    }
    const bool apple = mf_setup_is_apple(s->buy.machine);
    mf_status status =
        mf_setup_assume(&share, s, apple ? "power-mac-over-chip" : "power-card-share");
    if (status == MF_OK && has_cards(s->buy.machine)) {
        status = mf_setup_assume(&around, s, "power-around-card");
    }
    const double n = nodes_of(s->buy.machine);
    *active = scaled(share, watts, apple ? idle_w : 0);
    active->value += n * around.value;
    active->low += n * around.low;
    active->high += n * around.high;
    return status;
}

static mf_status set_active(setup *s, double idle_w)
{
    const mf_machine *machine = s->buy.machine;
    mf_range *active = &s->plan->run.inputs[MF_COST_ACTIVE_W];
    if (s->options->active_w >= 0) {
        mf_setup_said(s, "power under load");
        *active = certain(s->options->active_w);
        return MF_OK;
    }
    if (measured(active, s, false)) {
        return MF_OK;
    }
    if (machine->max_w.known) {
        mf_range share = {0};
        ground_of_fact(s, "the machine's highest power", &machine->sources, machine->max_w);
        const mf_status status = mf_setup_assume(&share, s, "power-max-share");
        *active = scaled(share, machine->max_w.value * nodes_of(machine), 0);
        return status;
    }
    return from_devices(active, s, idle_w);
}

static mf_status set_idle(setup *s)
{
    const mf_machine *machine = s->buy.machine;
    mf_range *idle = &s->plan->run.inputs[MF_COST_IDLE_W];
    if (s->options->idle_w >= 0) {
        mf_setup_said(s, "idle power");
        *idle = certain(s->options->idle_w);
        return MF_OK;
    }
    if (machine->idle_w.known) {
        ground_of_fact(s, "idle power", &machine->sources, machine->idle_w);
        *idle = certain(machine->idle_w.value * nodes_of(machine));
        return MF_OK;
    }
    if (measured(idle, s, true)) {
        return MF_OK;
    }
    const char *id = mf_setup_is_apple(machine) ? "power-mac-idle"
                     : has_cards(machine)       ? "power-pc-idle"
                                                : "power-small-idle";
    mf_range one = {0};
    const mf_status status = mf_setup_assume(&one, s, id);
    *idle = scaled(one, nodes_of(machine), 0);
    return status;
}

mf_status mf_setup_power(setup *s)
{
    const mf_status status = set_idle(s);
    return status == MF_OK ? set_active(s, s->plan->run.inputs[MF_COST_IDLE_W].value) : status;
}

mf_status mf_cost_watts(mf_range *active,
                        mf_range *idle,
                        const mf_prices *prices,
                        const mf_machine *machine,
                        mf_error *err)
{
    const mf_cost_options options = mf_cost_options_default();
    mf_cost_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for power");
    }
    setup s = {.plan = plan,
               .prices = prices,
               .options = &options,
               .buy = {.machine = machine},
               .err = err};
    const mf_status status = mf_setup_power(&s);
    if (status == MF_OK) {
        *active = plan->run.inputs[MF_COST_ACTIVE_W];
        *idle = plan->run.inputs[MF_COST_IDLE_W];
    }
    free(plan);
    return status;
}
