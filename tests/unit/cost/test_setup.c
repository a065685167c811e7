#include "memfit/cost_setup.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

/* The shipped facts: what people meet. */
typedef struct shop {
    mf_database *database;
    mf_prices *prices;
    mf_machine *machine;
    mf_machine *rented;
    mf_prediction prediction;
    mf_prediction rented_prediction;
    const mf_rental *offer;
    mf_cost_plan *plan;
    mf_error err;
} shop;

static shop opened(const char *machine, const char *offer)
{
    shop s = {.plan = calloc(1, sizeof(mf_cost_plan))};
    const char *const folders[] = {MF_SOURCE_DIR};
    bool chosen = false;
    cr_assert(eq(int, mf_database_open(&s.database, folders, 1, NULL), MF_OK));
    cr_assert(eq(int, mf_prices_load(&s.prices, s.database, &s.err), MF_OK), "%s", s.err.message);
    cr_assert(eq(int, mf_database_machine(&s.machine, s.database, machine, &s.err), MF_OK),
              "%s",
              s.err.message);
    if (offer != NULL) {
        char *id = NULL;
        cr_assert(eq(int, mf_price_rental(&s.offer, &chosen, s.prices, offer, &s.err), MF_OK),
                  "%s",
                  s.err.message);
        if (mf_cost_offer_machine(&id, s.offer, s.database, NULL) == MF_OK) {
            cr_assert(eq(int, mf_database_machine(&s.rented, s.database, id, &s.err), MF_OK),
                      "%s",
                      s.err.message);
        }
        free(id);
    }
    s.prediction.prefill = a_machine.served.prefill;
    s.prediction.decode = a_machine.served.decode;
    s.prediction.effective = a_machine.served.effective;
    s.rented_prediction.prefill = an_offer.served.prefill;
    s.rented_prediction.decode = an_offer.served.decode;
    s.rented_prediction.effective = an_offer.served.effective;
    return s;
}

static void closed(shop *s)
{
    free(s->plan);
    mf_machine_free(s->machine);
    mf_machine_free(s->rented);
    mf_prices_free(s->prices);
    mf_database_close(s->database);
}

static mf_status set_up(shop *s, const mf_cost_options *options)
{
    const mf_workload workload = {.n_prompt = 1400, .n_output = 300};
    const mf_cost_place buy = {s->machine, &s->prediction};
    const mf_cost_place rent = {s->rented, &s->rented_prediction};
    return mf_cost_setup(s->plan, s->prices, options, s->offer, buy, rent, &workload, &s->err);
}

static mf_cost_options eight_hours(void)
{
    mf_cost_options options = mf_cost_options_default();
    options.hours_per_day = 8;
    return options;
}

Test(setup, a_mac_has_a_dated_price_and_every_number_a_ground)
{
    shop s = opened("mac-studio-m5-max-40c-128gb", "runpod-h100-sxm");
    const mf_cost_options options = eight_hours();
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->price.value, 5099, 1e-9));
    cr_expect(eq(str, s.plan->price.row->date, "2026-09-22"));
    cr_expect(eq(str, s.plan->offer->id, "runpod-h100-sxm-community"));
    cr_expect(gt(sz, s.plan->n_grounds, 15));
    for (size_t i = 0; i < s.plan->n_grounds; i++) {
        cr_expect(gt(sz, strlen(s.plan->grounds[i].text), 0), "%s", s.plan->grounds[i].what);
    }
    mf_cost cost = {0};
    cr_expect(eq(int, mf_cost_compute(&cost, &s.plan->run, &s.err), MF_OK), "%s", s.err.message);
    closed(&s);
}

Test(setup, a_price_of_ones_own_wins)
{
    shop s = opened("mac-studio-m5-max-40c-128gb", "runpod-h100-sxm");
    mf_cost_options options = eight_hours();
    options.price = 4321;
    options.tariff_per_kwh = 0.31;
    options.active_w = 99;
    options.rent_price_per_hour = 1.5;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_PRICE].high, 4321, 1e-9));
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_TARIFF].low, 0.31, 1e-9));
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_ACTIVE_W].value, 99, 1e-9));
    cr_expect(epsilon_eq(dbl, s.plan->renting.price_per_hour, 1.5, 1e-9));
    closed(&s);
}

Test(setup, the_price_of_a_computer_around_cards_is_asked_for)
{
    shop s = opened("pc-2x-rtx-3090", "runpod-h100-sxm");
    mf_cost_options options = eight_hours();
    options.used = true;
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "its cards are 1400 to 2000 USD") != NULL, "%s", s.err.message);
    options.price_around_cards = 800;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->price.low, 2200, 1e-9));
    closed(&s);
}

Test(setup, a_machine_that_nobody_sells_has_its_price_asked_for)
{
    shop s = opened("mac-studio-m5-ultra-80c-512gb", "runpod-h100-sxm");
    const mf_cost_options options = eight_hours();
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(eq(str,
                 s.err.message,
                 "the price of 'mac-studio-m5-ultra-80c-512gb' is not known, say --price"));
    closed(&s);
}

Test(setup, an_offer_without_price_is_asked_for)
{
    shop s = opened("mac-studio-m5-max-40c-128gb", "macgpu.com-mac-rental");
    char *id = NULL;
    cr_expect(eq(int, mf_cost_offer_machine(&id, s.offer, s.database, &s.err), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "--rent-on MACHINE") != NULL, "%s", s.err.message);
    cr_assert(eq(int,
                 mf_database_machine(&s.rented, s.database, "mac-studio-m4-max-40c-128gb", &s.err),
                 MF_OK));
    mf_cost_options options = eight_hours();
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message,
                     "the price of 'macgpu.com-mac-rental' is not known, say --rent-price") != NULL,
              "%s",
              s.err.message);
    options.rent_price_per_month = 250;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(eq(int, s.plan->renting.billing, MF_BILLING_MONTH));
    closed(&s);
}

Test(setup, two_currencies_need_a_rate)
{
    shop s = opened("mac-mini-m5-pro-16c-64gb", "scaleway-mac-mini-m4-pro-m4-xl");
    mf_cost_options options = eight_hours();
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "is priced in EUR, the rest in USD: say --usd-per-eur") != NULL,
              "%s",
              s.err.message);
    options.usd_per_eur = 1.16;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->renting.price_per_hour, 0.49 * 1.16, 1e-9));
    cr_expect(epsilon_eq(dbl, s.plan->renting.min_hours, 24, 1e-9), "Apple's licence");
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_RENT_DRIFT].value, 0, 1e-9),
              "no trend of Mac rents known");
    closed(&s);
}

Test(setup, an_instance_of_eight_is_rented_whole)
{
    shop s = opened("mac-studio-m5-max-40c-128gb", "aws-h100-sxm-p5.48xlarge");
    const mf_cost_options options = eight_hours();
    cr_assert(s.rented != NULL);
    cr_expect(eq(str, s.rented->id, "server-8x-h100-sxm"));
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->renting.price_per_hour, 8 * 6.88, 1e-9));
    closed(&s);
}

/* Idle minutes are within the days that are billed. */
Test(setup, whole_days_have_no_overhead_of_idle_minutes)
{
    shop s = opened("mac-mini-m4-pro-16c-64gb", "scaleway-mac-mini-m4-pro-m4-xl-on-demand");
    mf_cost_options options = eight_hours();
    options.usd_per_eur = 1.16;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->renting.min_hours, 24, 1e-9));
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_RENT_OVERHEAD].value, 0.05, 1e-9));
    options.rent_min_hours = 1;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_RENT_OVERHEAD].value, 0.3, 1e-9));
    closed(&s);
}

Test(setup, power_has_the_best_ground_there_is)
{
    static const struct {
        const char *machine;
        double low;
        double high;
    } rows[] = {
        {"mac-studio-m3-ultra-80c-512gb", 227, 261.8}, /* measured: three models */
        {"mac-studio-m4-max-40c-128gb",   116, 145  }, /* 80 to 100 % of the maker's highest */
        {"pc-rtx-4090",                   432, 510  }, /* one measured peak */
        {"dgx-spark-128gb",               132, 156  },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        shop s = opened(rows[i].machine, "runpod-h100-sxm");
        mf_cost_options options = eight_hours();
        options.price = 1000;
        cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
        const mf_range *active = &s.plan->run.inputs[MF_COST_ACTIVE_W];
        cr_expect(
            epsilon_eq(dbl, active->low, rows[i].low, 1), "%s: %g", rows[i].machine, active->low);
        cr_expect(epsilon_eq(dbl, active->high, rows[i].high, 1),
                  "%s: %g",
                  rows[i].machine,
                  active->high);
        closed(&s);
    }
}

Test(setup, power_without_ground_is_asked_for)
{
    shop s = opened("jetson-agx-orin-64gb", "runpod-h100-sxm");
    mf_cost_options options = eight_hours();
    options.price = 1000;
    s.machine->devices[0].device->power_w.known = false;
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "say --active-watts") != NULL, "%s", s.err.message);
    closed(&s);
}

Test(setup, assumptions_are_replaced_and_misspelt_ones_refused)
{
    shop s = opened("mac-studio-m5-max-40c-128gb", "runpod-h100-sxm");
    mf_cost_options options = eight_hours();
    options.set[0] = (mf_cost_set){.id = "interest", .value = 0.5};
    options.set[1] = (mf_cost_set){.id = "interest", .value = 0.11};
    options.n_set = 2;
    cr_assert(eq(int, set_up(&s, &options), MF_OK), "%s", s.err.message);
    cr_expect(epsilon_eq(dbl, s.plan->run.inputs[MF_COST_INTEREST].high, 0.11, 1e-12),
              "the last word counts");
    memcpy(options.set[0].id, "intrest", sizeof "intrest");
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "did you mean 'interest'?") != NULL, "%s", s.err.message);
    closed(&s);
}

Test(setup, what_is_missing_is_asked_for)
{
    shop s = opened("mac-studio-m5-max-40c-128gb", "runpod-h100-sxm");
    mf_cost_options options = mf_cost_options_default();
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "--hours-per-day") != NULL);
    options = eight_hours();
    options.api_in = 1;
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "--api-out") != NULL);
    options = eight_hours();
    options.storage_gb = 50;
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "--storage-price") != NULL);
    options = eight_hours();
    options.reserved_years = 2;
    cr_expect(eq(int, set_up(&s, &options), MF_E_USAGE));
    cr_expect(strstr(s.err.message, "1 or 3 years") != NULL);
    closed(&s);
}

Test(setup, the_chips_of_calculators_that_got_them_wrong)
{
    /* M5 Max given the base M5's 153 GB/s, base M5 given 120: science base 5.4. */
    static const struct {
        const char *machine;
        double bandwidth;
    } rows[] = {
        {"mac-studio-m5-max-40c-128gb", 614e9},
        {"macbook-pro-14-m5-10c-16gb",  153e9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        shop s = opened(rows[i].machine, NULL);
        cr_expect(epsilon_eq(dbl,
                             s.machine->devices[0].device->bandwidth_bytes_per_s.value,
                             rows[i].bandwidth,
                             1e9));
        closed(&s);
    }
}
