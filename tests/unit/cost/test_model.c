#include "cost/model.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "case.h"
#include "memfit/memfit.h"

/* No interest, no drift, nothing uncertain: sums that one can do by hand. */
static mf_cost_case plain(void)
{
    mf_cost_case run = a_case();
    run.inputs[MF_COST_HOURS] = certain(1);
    run.inputs[MF_COST_INTEREST] = certain(0);
    run.inputs[MF_COST_TARIFF_DRIFT] = certain(0);
    run.inputs[MF_COST_RENT_DRIFT] = certain(0);
    run.inputs[MF_COST_API_DRIFT] = certain(0);
    run.inputs[MF_COST_RENT_OVERHEAD] = certain(0);
    return run;
}

static mf_cost computed(const mf_cost_case *run)
{
    mf_cost cost = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_cost_compute(&cost, run, &err), MF_OK), "%s", err.message);
    return cost;
}

Test(cost_model, work_follows_from_hours_and_the_seconds_of_a_request)
{
    const mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    /* 7.5 h x 0.6 = 16 200 s at 17 s each */
    cr_expect(epsilon_eq(dbl, cost.requests_per_day, 16200.0 / 17, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].busy_hours_per_day, 4.5, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.tokens_out_per_year, 16200.0 / 17 * 300 * 365.25 * 5 / 7, 1e-3));
}

Test(cost_model, a_rented_machine_computes_faster_but_waits_as_long)
{
    const mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    const double computing = 16200.0 / 17 * 300 / 73.17073 / 3600;
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_RENT].busy_hours_per_day, computing, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_RENT].billed_hours_per_day, 3 + computing, 1e-9));
}

Test(cost_model, idle_hours_are_paid_for)
{
    /* Calculators that leave idle power out: science base 5.4, infercost. */
    const mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    const double busy = 4.5 * 365.25 * 5 / 7;
    const double idle = 24 * 365.25 - busy;
    cr_expect(epsilon_eq(
        dbl, cost.ways[MF_WAY_BUY].parts[MF_PART_ENERGY_IDLE], 3.5 * idle * 0.006 * 0.1883, 1e-6));
    cr_expect(epsilon_eq(
        dbl, cost.ways[MF_WAY_BUY].parts[MF_PART_ENERGY_ACTIVE], 3.5 * busy * 0.13 * 0.1883, 1e-6));
    cr_expect(epsilon_eq(dbl, cost.kwh_per_year, busy * 0.13 + idle * 0.006, 1e-6));
}

Test(cost_model, a_machine_that_is_switched_off_has_no_idle_hours)
{
    mf_cost_case run = plain();
    mf_buying buy = a_machine;
    buy.powered_hours_per_day = 0;
    run.buy = &buy;
    const mf_cost cost = computed(&run);
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].parts[MF_PART_ENERGY_IDLE], 0, 1e-9));
}

Test(cost_model, what_is_left_is_sold)
{
    /* Calculators without resale: science base 5.4. */
    const mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    const double value = 3499 * 0.87 * exp(-0.13 * 3.5 - 0.2 * 3.5 / 1.5);
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].parts[MF_PART_RESALE], -value, 1e-6));
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].parts[MF_PART_TAX], 0.0825 * 3499, 1e-9));
}

Test(cost_model, interest_makes_later_money_smaller)
{
    mf_cost_case run = plain();
    run.inputs[MF_COST_INTEREST] = certain(0.1);
    const mf_cost cost = computed(&run);
    const mf_cost_case without = plain();
    const mf_cost same = computed(&without);
    double worth = 0;
    for (int y = 0; y < 3; y++) {
        worth += pow(1.1, -(y + 0.5));
    }
    worth += 0.5 * pow(1.1, -3.25);
    cr_expect(epsilon_eq(
        dbl, cost.ways[MF_WAY_RENT].total, same.ways[MF_WAY_RENT].total / 3.5 * worth, 1e-6));
}

Test(cost_model, prices_per_token_fall_unless_told_otherwise)
{
    /* Calculators with a constant API price: science base 5.4. */
    mf_cost_case run = plain();
    const double constant = computed(&run).ways[MF_WAY_API].total;
    run.inputs[MF_COST_API_DRIFT] = certain(-0.3);
    const double falling = computed(&run).ways[MF_WAY_API].total;
    const double levels = exp(-0.15) + exp(-0.45) + exp(-0.75) + 0.5 * exp(-0.3 * 3.25);
    cr_expect(epsilon_eq(dbl, falling, constant / 3.5 * levels, 1e-6));
}

Test(cost_model, prompt_tokens_cost_too)
{
    /* Calculators that count output tokens only: science base 5.4. */
    mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    const double years = 3.5 * 365.25 * 5 / 7 * 16200.0 / 17;
    cr_expect(epsilon_eq(
        dbl, cost.ways[MF_WAY_API].parts[MF_PART_TOKENS_IN], years * 1400 * 0.6e-6, 1e-6));
    cr_expect(epsilon_eq(
        dbl, cost.ways[MF_WAY_API].parts[MF_PART_TOKENS_OUT], years * 300 * 2.4e-6, 1e-6));
    cr_expect(gt(dbl, cost.ways[MF_WAY_BUY].per_mtok_in, 0));
    run.usage.n_prompt = 0;
    cr_expect(epsilon_eq(dbl, computed(&run).ways[MF_WAY_API].parts[MF_PART_TOKENS_IN], 0, 1e-12));
}

Test(cost_model, cached_prompt_tokens_have_their_own_price)
{
    mf_cost_case run = plain();
    const double without = computed(&run).ways[MF_WAY_API].parts[MF_PART_TOKENS_IN];
    mf_api api = a_price;
    api.cached_share = 0.75;
    api.cached_per_mtok = 0.06;
    run.api = &api;
    cr_expect(epsilon_eq(dbl,
                         computed(&run).ways[MF_WAY_API].parts[MF_PART_TOKENS_IN],
                         without * (0.25 + 0.075),
                         1e-6));
}

Test(cost_model, tokens_times_their_price_are_the_yearly_cost)
{
    /* A page that printed 1.04 USD per Mtok for 300 USD over 841 Mtok: science base 5.4. */
    cr_expect(epsilon_eq(dbl, 300.0 / 841, 0.3567, 1e-4));
    mf_cost_case run = a_case();
    const mf_cost cost = computed(&run);
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        const mf_way_cost *way = &cost.ways[w];
        const double sum = (cost.tokens_in_per_year * way->per_mtok_in +
                            cost.tokens_out_per_year * way->per_mtok_out) /
                           1e6;
        cr_expect(epsilon_eq(dbl, sum, way->per_year, 1e-6 * way->per_year),
                  "%s",
                  mf_cost_way_key((mf_cost_way)w));
    }
}

/* Side by side requests take less than alone: tokens then cost less, and still add up to the year. */
Test(cost_model, tokens_of_requests_side_by_side_add_up_as_well)
{
    mf_cost_case run = plain();
    mf_buying buy = a_machine;
    const double alone = computed(&run).kwh_per_mtok_out;
    buy.served.effective.tok_s *= 2.5;
    run.buy = &buy;
    const mf_cost cost = computed(&run);
    const mf_way_cost *way = &cost.ways[MF_WAY_BUY];
    cr_expect(epsilon_eq(dbl,
                         (way->per_mtok_in * cost.tokens_in_per_year +
                          way->per_mtok_out * cost.tokens_out_per_year) /
                             1e6,
                         way->per_year,
                         1e-6));
    cr_expect(epsilon_eq(dbl, cost.kwh_per_mtok_out, alone / 2.5, 1e-9));
}

Test(cost_model, a_speed_of_whole_requests_gives_no_price_of_a_token)
{
    mf_cost_case run = plain();
    mf_buying buy = a_machine;
    buy.served.prefill.known = false;
    buy.served.decode.known = false;
    run.buy = &buy;
    const mf_cost cost = computed(&run);
    cr_expect(gt(dbl, cost.ways[MF_WAY_BUY].total, 0));
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].per_mtok_in, 0, 1e-12));
    cr_expect(epsilon_eq(dbl, cost.kwh_per_mtok_out, 0, 1e-12));
    cr_expect(gt(dbl, cost.kwh_per_year, 0));
}

Test(cost_model, all_ways_do_the_same_work)
{
    /* A small model's speed against a big model's price: science base 5.4. Work is one number for all three. */
    const mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    const double requests = cost.requests_per_day;
    cr_expect(
        epsilon_eq(dbl, cost.ways[MF_WAY_BUY].busy_hours_per_day * 3600 / 17, requests, 1e-6));
    cr_expect(epsilon_eq(
        dbl, cost.ways[MF_WAY_RENT].busy_hours_per_day * 3600 * 73.17073 / 300, requests, 1e-6));
}

Test(cost_model, a_rented_machine_may_be_kept_up_all_the_hours)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.kept_up = true;
    run.rent = &rent;
    cr_expect(epsilon_eq(dbl, computed(&run).ways[MF_WAY_RENT].billed_hours_per_day, 7.5, 1e-9));
}

Test(cost_model, a_lease_of_24_hours_is_paid_whole)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.min_hours = 24;
    run.rent = &rent;
    cr_expect(epsilon_eq(dbl, computed(&run).ways[MF_WAY_RENT].billed_hours_per_day, 24, 1e-9));
    rent.min_hours = 1;
    const double computing = 16200.0 / 17 * 300 / 73.17073 / 3600;
    cr_expect(epsilon_eq(
        dbl, computed(&run).ways[MF_WAY_RENT].billed_hours_per_day, ceil(3 + computing), 1e-9));
}

Test(cost_model, months_and_reservations_do_not_ask_for_hours)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.billing = MF_BILLING_MONTH;
    rent.price_per_month = 99;
    rent.storage_per_month = 7;
    run.rent = &rent;
    const mf_cost monthly = computed(&run);
    cr_expect(epsilon_eq(dbl, monthly.ways[MF_WAY_RENT].parts[MF_PART_RENT], 42 * 99, 1e-6));
    cr_expect(epsilon_eq(dbl, monthly.ways[MF_WAY_RENT].parts[MF_PART_STORAGE], 42 * 7, 1e-6));
    rent.billing = MF_BILLING_RESERVED;
    rent.discount = 0.28;
    cr_expect(epsilon_eq(
        dbl, computed(&run).ways[MF_WAY_RENT].parts[MF_PART_RENT], 3.5 * 8766 * 2.69 * 0.72, 1e-6));
}

/* 3.5 years of a plain case: two terms of 3 years are paid, the first at today's price, the second at that of year 3. */
Test(cost_model, a_reservation_is_paid_to_its_end_at_the_price_of_its_start)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.billing = MF_BILLING_RESERVED;
    rent.discount = 0.49;
    rent.term_years = 3;
    run.rent = &rent;
    run.inputs[MF_COST_RENT_DRIFT] = certain(-0.3);
    const double term = 3 * 8766 * 2.69 * 0.51;
    cr_expect(epsilon_eq(
        dbl, computed(&run).ways[MF_WAY_RENT].parts[MF_PART_RENT], term * (1 + exp(-0.9)), 1e-6));
}

Test(cost_model, a_month_that_is_begun_is_paid_whole)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.billing = MF_BILLING_MONTH;
    rent.price_per_month = 99;
    run.rent = &rent;
    run.years = 0.04;
    cr_expect(epsilon_eq(dbl, computed(&run).ways[MF_WAY_RENT].parts[MF_PART_RENT], 99, 1e-9));
}

Test(cost_model, spot_machines_do_some_work_twice)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.billing = MF_BILLING_SPOT;
    run.rent = &rent;
    run.inputs[MF_COST_RENT_REDONE] = certain(0.1);
    const double hourly = 3 + 16200.0 / 17 * 300 / 73.17073 / 3600;
    cr_expect(
        epsilon_eq(dbl, computed(&run).ways[MF_WAY_RENT].billed_hours_per_day, 1.1 * hourly, 1e-9));
}

Test(cost_model, ones_own_hours_have_a_price_if_it_is_said)
{
    mf_cost_case run = plain();
    mf_buying buy = a_machine;
    buy.admin_hours_per_month = 2;
    run.buy = &buy;
    cr_expect(epsilon_eq(dbl, computed(&run).ways[MF_WAY_BUY].parts[MF_PART_ADMIN], 0, 1e-12));
    run.wage_per_hour = 45;
    cr_expect(
        epsilon_eq(dbl, computed(&run).ways[MF_WAY_BUY].parts[MF_PART_ADMIN], 42 * 2 * 45, 1e-6));
}

Test(cost_model, setting_up_is_paid_once_however_long_it_is_kept)
{
    mf_cost_case run = plain();
    mf_buying buy = a_machine;
    mf_renting rent = an_offer;
    buy.setup_hours = 4;
    rent.setup_hours = 1.5;
    run.buy = &buy;
    run.rent = &rent;
    run.wage_per_hour = 45;
    for (int i = 0; i < 2; i++) {
        const mf_cost cost = computed(&run);
        cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].parts[MF_PART_ADMIN], 180, 1e-9));
        cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_RENT].parts[MF_PART_ADMIN], 67.5, 1e-9));
        run.years = 0.3;
    }
}

/* A lease of whole days costs the same however long a day's work is: it turns with the days. */
Test(cost_model, buying_turns_at_so_many_days_of_use_a_week)
{
    mf_cost_case run = plain();
    mf_renting rent = an_offer;
    rent.min_hours = 24;
    rent.price_per_hour = 0.2;
    run.rent = &rent;
    const mf_break_even turn = computed(&run).versus[0].days_per_week;
    cr_assert(eq(int, (int)turn.turn, (int)MF_TURN_AT));
    cr_assert(gt(dbl, turn.value, 0.1));
    run.usage.days_per_week = turn.value;
    cr_expect(epsilon_eq(dbl, computed(&run).versus[0].difference, 0, 1e-5));
}

Test(cost_model, the_machines_own_figures)
{
    const mf_cost_case run = plain();
    const mf_cost cost = computed(&run);
    cr_expect(epsilon_eq(dbl, cost.price_per_gib, 3499 / (115448725504.0 / 1073741824), 1e-9));
    cr_expect(epsilon_eq(dbl, cost.price_per_tok_s, 3499.0 / 30, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.watts_per_tok_s, 130.0 / 30, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.kwh_per_mtok_out, 0.13 * 1e6 / 30 / 3600, 1e-9));
    cr_expect(epsilon_eq(dbl, cost.co2_kg_per_mtok_out, 0.37 * 0.13 * 1e6 / 30 / 3600, 1e-9));
}

Test(cost_model, requests_may_be_said_instead_of_hours)
{
    mf_cost_case run = plain();
    run.usage.hours_per_day = 0;
    run.usage.requests_per_day = 100;
    const mf_cost cost = computed(&run);
    cr_expect(epsilon_eq(dbl, cost.ways[MF_WAY_BUY].busy_hours_per_day, 100 * 17.0 / 3600, 1e-9));
    cr_expect(
        epsilon_eq(
            dbl, cost.ways[MF_WAY_RENT].billed_hours_per_day, 100 * 300 / 73.17073 / 3600, 1e-9),
        "nobody waits between requests that are sent as one batch");
}

static const struct {
    const char *what;
    const char *message;
} faults[] = {
    {"no machine",        "name the machine to buy"                                          },
    {"no years",          "years lie between 0 and 10"                                       },
    {"25 hours",          "hours per day lie between 0 and 24"                               },
    {"no use",            "say how much it is used"                                          },
    {"busy twice",        "the busy share"                                                   },
    {"8 days a week",     "the busy share"                                                   },
    {"no output",         "a request without output"                                         },
    {"one draw",          "draws lie between"                                                },
    {"range",             "the range of 'electricity tariff' is not in order"                },
    {"not a number",      "the range of 'purchase price' is not in order"                    },
    {"unknown speed",     "the speed of the rented machine is not known: no rows"            },
    {"too many requests", "the requests take the bought machine longer than the hours of use"},
    {"more than a day",   "a day is too short for the bought machine"                        },
    {"correlations",      "no three price paths have these correlations together"            },
    {"wild hours",        "hours of use spread by less than 57 %"                            },
    {"dimensions",        "uncertain numbers are more than the 40 of Sobol points"           },
};

static void spoil(mf_cost_case *run, mf_renting *rent, size_t fault)
{
    switch (fault) {
    case 0:
        run->buy = NULL;
        break;
    case 1:
        run->years = 0;
        break;
    case 2:
        run->usage.hours_per_day = 25;
        break;
    case 3:
        run->usage.hours_per_day = 0;
        break;
    case 4:
        run->usage.busy = 2;
        break;
    case 5:
        run->usage.days_per_week = 8;
        break;
    case 6:
        run->usage.n_output = 0;
        break;
    case 7:
        run->n_draws = 1;
        break;
    case 8:
        run->inputs[MF_COST_TARIFF].low = 0.5;
        break;
    case 9:
        run->inputs[MF_COST_PRICE].value = NAN;
        break;
    case 10:
        rent->served.decode = (mf_rate){.reason = "no rows"};
        rent->served.effective = (mf_rate){.reason = "no rows"};
        run->rent = rent;
        break;
    case 11:
        run->usage.requests_per_day = 3000;
        break;
    case 12:
        run->usage.hours_per_day = 0;
        run->usage.requests_per_day = 6000;
        break;
    case 13:
        run->correlation_rent_api = 0.9;
        run->correlation_rent_resale = -0.9;
        break;
    case 14:
        run->inputs[MF_COST_HOURS] = (mf_range){1, 0.4, 1.6};
        break;
    default:
        run->years = 10;
        break;
    }
}

Test(cost_model, each_fault_has_its_message)
{
    mf_init(); /* GSL would end the process at the correlations */
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        mf_cost_case run = a_case();
        mf_renting rent = an_offer;
        mf_cost cost = {0};
        mf_error err = {0};
        spoil(&run, &rent, i);
        cr_expect(eq(int, mf_cost_compute(&cost, &run, &err), MF_E_USAGE), "%s", faults[i].what);
        cr_expect(
            strstr(err.message, faults[i].message) != NULL, "%s: %s", faults[i].what, err.message);
    }
}
