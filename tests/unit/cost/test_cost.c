#include "memfit/cost.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

static mf_cost computed(const mf_cost_case *run)
{
    mf_cost cost = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_cost_compute(&cost, run, &err), MF_OK), "%s", err.message);
    return cost;
}

Test(cost, a_figure_has_a_range)
{
    /* Calculators that give a single point: science base 5.4. */
    const mf_cost_case run = a_case();
    const mf_cost cost = computed(&run);
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        cr_expect(lt(dbl, cost.ways[w].p10, cost.ways[w].p50));
        cr_expect(lt(dbl, cost.ways[w].p50, cost.ways[w].p90));
    }
    cr_expect(eq(sz, cost.n_versus, 2));
    cr_expect(gt(dbl, cost.versus[0].buy_cheaper, 0));
    cr_expect(lt(dbl, cost.versus[0].buy_cheaper, 1));
}

Test(cost, at_the_break_even_hours_both_cost_the_same)
{
    mf_cost_case run = a_case();
    const mf_cost cost = computed(&run);
    cr_assert(eq(int, cost.versus[0].hours_per_day.turn, MF_TURN_AT));
    run.usage.hours_per_day = cost.versus[0].hours_per_day.value;
    const mf_cost turned = computed(&run);
    cr_expect(
        epsilon_eq(dbl, turned.versus[0].difference, 0, 1e-3), "%g", turned.versus[0].difference);
}

/* With hours that are certain, the share of worlds in which buying is cheaper at the ends of the range. */
Test(cost, at_the_ends_of_the_break_even_range_one_and_nine_of_ten_worlds_favour_buying)
{
    mf_cost_case run = a_case();
    run.inputs[MF_COST_HOURS] = certain(1);
    const mf_break_even hours = computed(&run).versus[0].hours_per_day;
    cr_assert(hours.spread_known);
    cr_assert(lt(dbl, hours.p10, hours.value));
    cr_assert(gt(dbl, hours.p90, hours.value));
    cr_assert(isfinite(hours.p90));
    run.usage.hours_per_day = hours.p10;
    const double few = computed(&run).versus[0].buy_cheaper;
    cr_expect(epsilon_eq(dbl, few, 0.1, 0.03), "%g", few);
    run.usage.hours_per_day = hours.p90;
    const double most = computed(&run).versus[0].buy_cheaper;
    cr_expect(epsilon_eq(dbl, most, 0.9, 0.03), "%g", most);
}

Test(cost, at_the_break_even_month_both_cost_the_same)
{
    mf_cost_case run = a_case();
    run.usage.busy = 0.9;
    const mf_cost cost = computed(&run);
    cr_assert(eq(int, cost.versus[0].months.turn, MF_TURN_AT));
    /* The number of generations grows with the horizon, so that the same world is asked at another time. */
    run.years = cost.versus[0].months.value / 12;
    cr_expect(epsilon_eq(dbl, computed(&run).versus[0].difference, 0, 1e-3));
}

/* Nine of ten worlds turn within the years exactly where buying is cheaper over them in nine of ten. */
Test(cost, break_even_months_have_a_range_that_ends_where_the_years_do)
{
    mf_cost_case run = a_case();
    bool seen[2] = {false, false};
    for (int hours = 2; hours <= 22; hours += 2) {
        run.usage.hours_per_day = hours;
        const mf_cost cost = computed(&run);
        const mf_versus *v = &cost.versus[0];
        if (v->months.turn != MF_TURN_AT) {
            continue;
        }
        cr_expect(v->months.spread_known && v->months_unsold.spread_known);
        if (v->buy_cheaper > 0.93) {
            cr_expect(le(dbl, v->months.p10, v->months.value));
            cr_expect(ge(dbl, v->months.p90, v->months.value));
            cr_expect(le(dbl, v->months.p90, 12 * run.years));
            cr_expect(le(dbl, v->months.p10, v->months_unsold.p10));
            seen[0] = true;
        } else if (v->buy_cheaper < 0.87) {
            cr_expect(isinf(v->months.p90), "%d: %g", hours, v->months.p90);
            seen[1] = true;
        }
    }
    cr_expect(seen[0] && seen[1]);
}

/* Shorter than the months that are asked from. */
Test(cost, a_case_of_a_day_is_compared)
{
    mf_cost_case run = a_case();
    run.years = 1 / 365.25;
    const mf_cost cost = computed(&run);
    const mf_versus *v = &cost.versus[0];
    cr_expect(eq(int, v->months_unsold.turn, MF_TURN_AT));
    cr_expect(v->months_unsold.spread_known && isinf(v->months_unsold.p10));
}

Test(cost, buying_for_an_hour_a_week_never_pays)
{
    mf_cost_case run = a_case();
    run.usage =
        (mf_usage){.requests_per_day = 20, .days_per_week = 1, .n_prompt = 1400, .n_output = 300};
    const mf_cost cost = computed(&run);
    cr_expect(eq(int, cost.versus[1].way, MF_WAY_API));
    cr_expect(eq(int, cost.versus[1].months.turn, MF_TURN_NEVER));
    cr_expect(lt(dbl, cost.versus[1].buy_cheaper, 0.01));
}

Test(cost, a_free_machine_always_pays)
{
    mf_cost_case run = a_case();
    run.inputs[MF_COST_PRICE] = certain(0);
    mf_renting rent = an_offer;
    rent.billing = MF_BILLING_MONTH;
    rent.price_per_month = 500;
    run.rent = &rent;
    cr_expect(eq(int, computed(&run).versus[0].hours_per_day.turn, MF_TURN_ALWAYS));
}

Test(cost, a_flat_rent_is_worth_it_only_for_those_who_use_it)
{
    mf_cost_case run = a_case();
    mf_renting rent = an_offer;
    rent.billing = MF_BILLING_MONTH;
    rent.price_per_month = 110;
    run.rent = &rent;
    /* Electricity grows with the hours, the rent does not. */
    run.inputs[MF_COST_TARIFF] = certain(1.5);
    const mf_break_even hours = computed(&run).versus[0].hours_per_day;
    cr_expect(eq(int, hours.turn, MF_TURN_UNTIL), "%d %g", (int)hours.turn, hours.value);
    cr_expect(not(hours.spread_known), "a range of 'from' would say the opposite");
}

Test(cost, the_largest_swing_comes_first_and_nothing_idle_is_listed)
{
    const mf_cost_case run = a_case();
    const mf_cost cost = computed(&run);
    const mf_versus *versus = &cost.versus[0];
    cr_assert(gt(sz, versus->n_swings, 5));
    for (size_t i = 1; i < versus->n_swings; i++) {
        const mf_swing *a = &versus->swings[i - 1];
        const mf_swing *b = &versus->swings[i];
        cr_expect(ge(dbl, fabs(a->at_p90 - a->at_p10), fabs(b->at_p90 - b->at_p10)));
    }
    for (size_t i = 0; i < versus->n_swings; i++) {
        cr_expect(ne(int, (int)versus->swings[i].input, MF_COST_API_DRIFT),
                  "rent does not know of it");
        cr_expect(ne(int, (int)versus->swings[i].input, MF_COST_IDLE_W), "it is certain");
    }
}

Test(cost, ranks_have_the_sign_of_the_swing)
{
    const mf_cost_case run = a_case();
    const mf_cost cost = computed(&run);
    const mf_versus *versus = &cost.versus[0];
    for (size_t i = 0; i < 4; i++) {
        const mf_swing *s = &versus->swings[i];
        cr_expect(gt(dbl, s->rank * (s->at_p90 - s->at_p10), 0), "%s", mf_cost_input_key(s->input));
        cr_expect(lt(dbl, fabs(s->rank), 1));
    }
}

Test(cost, more_expensive_power_never_helps_buying)
{
    mf_cost_case run = a_case();
    const double before = computed(&run).versus[0].difference;
    run.inputs[MF_COST_TARIFF] = certain(0.6);
    cr_expect(lt(dbl, computed(&run).versus[0].difference, before));
}

Test(cost, the_band_over_time_ends_where_the_total_does)
{
    const mf_cost_case run = a_case();
    const mf_cost cost = computed(&run);
    cr_assert(eq(sz, cost.n_points, 5));
    const mf_cost_point *last = &cost.points[4];
    cr_expect(epsilon_eq(dbl, last->years, 3.5, 1e-12));
    cr_expect(epsilon_eq(dbl, last->value[MF_WAY_BUY], cost.ways[MF_WAY_BUY].total, 1e-9));
    cr_expect(epsilon_eq(dbl, last->p10[MF_WAY_RENT], cost.ways[MF_WAY_RENT].p10, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.points[0].value[MF_WAY_RENT], 0, 1e-12));
}

Test(cost, a_machine_that_may_be_too_slow_is_told)
{
    mf_cost_case run = a_case();
    run.usage.hours_per_day = 23;
    run.usage.busy = 1;
    const mf_cost cost = computed(&run);
    cr_expect(gt(dbl, cost.overload, 0.2));
    cr_expect(lt(dbl, cost.overload, 0.8));
}

static mf_prices *shipped(void)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    mf_prices *prices = NULL;
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
    cr_assert(eq(int, mf_prices_load(&prices, database, NULL), MF_OK));
    mf_database_close(database);
    return prices;
}

static void assume(mf_range *range, const mf_prices *prices, const char *group, const char *what)
{
    char id[64];
    (void)snprintf(id, sizeof id, "resale-%s%s", group, what);
    mf_error err = {0};
    cr_assert(eq(int, mf_cost_assume(range, prices, id, &err), MF_OK), "%s", err.message);
}

/* What is left of a price of 1, without interest: 1 less the total of a machine that uses nothing. */
static mf_way_cost kept(const mf_prices *prices, const char *group, double years)
{
    mf_cost_case run = a_case();
    mf_buying buy = a_machine;
    mf_range spread = {0};
    char yearly[32];
    (void)snprintf(yearly, sizeof yearly, "%s-", group);
    assume(&run.inputs[MF_COST_RESALE_KEPT], prices, "", "kept");
    assume(&run.inputs[MF_COST_GENERATION_DROP], prices, "", "generation-drop");
    assume(&run.inputs[MF_COST_RESALE_YEARLY], prices, yearly, "yearly");
    assume(&run.inputs[MF_COST_GENERATION_YEARS], prices, yearly, "generation-years");
    assume(&spread, prices, yearly, "spread");
    buy.resale_spread = spread.value;
    buy.tax = 0;
    run.buy = &buy;
    run.rent = NULL;
    run.api = NULL;
    run.years = years;
    run.inputs[MF_COST_PRICE] = certain(1);
    run.inputs[MF_COST_INTEREST] = certain(0);
    run.inputs[MF_COST_TARIFF] = certain(0);
    const mf_cost cost = computed(&run);
    return cost.ways[MF_WAY_BUY];
}

/* Resale values that somebody saw (hwdb/prices/economics.json, science base 5.2), as shares of the new price. */
static const struct {
    const char *group;
    const char *what;
    double years;
    double low;
    double high;
} seen[] = {
    {"apple", "dealers, first year",             1,    0.40, 0.65},
    {"apple", "MacBook Pro on an auction site",  1,    0.69, 0.69},
    {"apple", "MacBook Pro on an auction site",  3,    0.49, 0.49},
    {"apple", "Mac Studio M2 Ultra 192 GB",      2.65, 0.30, 0.37},
    {"other", "RTX 3090",                        5.5,  0.33, 0.67},
    {"other", "RTX 4090",                        3.5,  0.88, 1.06},
    {"other", "A100, two listings' yearly loss", 1,    0.58, 0.75},
};

Test(cost, resale_values_that_were_seen_lie_within_the_models_band)
{
    mf_prices *prices = shipped();
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        const mf_way_cost way = kept(prices, seen[i].group, seen[i].years);
        cr_expect(
            le(dbl, 1 - way.p90, seen[i].high), "%s: at least %.2f", seen[i].what, 1 - way.p90);
        cr_expect(ge(dbl, 1 - way.p10, seen[i].low), "%s: at most %.2f", seen[i].what, 1 - way.p10);
    }
    mf_prices_free(prices);
}
