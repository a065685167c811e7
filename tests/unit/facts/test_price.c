#include "memfit/price.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRICES MF_SOURCE_DIR "/tests/unit/facts/prices"
#define TOY MF_SOURCE_DIR "/tests/unit/facts/db"

static mf_prices *loaded(const char *first, const char *second)
{
    const char *const folders[] = {first, second};
    mf_database *database = NULL;
    mf_prices *prices = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, folders, second != NULL ? 2 : 1, &err), MF_OK),
              "%s",
              err.message);
    cr_assert(eq(int, mf_prices_load(&prices, database, &err), MF_OK), "%s", err.message);
    mf_database_close(database);
    return prices;
}

Test(price, the_newest_price_of_a_condition_is_taken)
{
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_purchase *row = mf_price_purchase(prices, "box", MF_NEW);
    cr_assert(row != NULL);
    cr_expect(epsilon_eq(dbl, row->price.amount.value, 1250, 1e-9));
    cr_expect(eq(str, row->date, "2026-09-22"), "a later row without a price is no price");
    cr_expect(
        epsilon_eq(dbl, mf_price_purchase(prices, "box", MF_USED)->price.amount.value, 600, 1e-9));
    cr_expect(mf_price_purchase(prices, "boxes", MF_NEW) == NULL);
    mf_prices_free(prices);
}

Test(price, a_period_counts_by_its_end_and_a_range_by_its_middle)
{
    mf_prices *prices = loaded(PRICES, NULL);
    mf_machine_device device = {.device_id = "card", .count = 1};
    const mf_machine machine = {.id = "card", .devices = &device, .n_devices = 1, .n_nodes = 1};
    const mf_price price = mf_price_machine(prices, &machine, MF_NEW, 0);
    cr_assert(price.known);
    cr_expect(epsilon_eq(dbl, price.value, 550, 1e-9));
    cr_expect(epsilon_eq(dbl, price.low, 400, 1e-9));
    cr_expect(epsilon_eq(dbl, price.high, 700, 1e-9));
    cr_expect(eq(int, price.currency, MF_EUR));
    mf_prices_free(prices);
}

static mf_price_standing standing_of(const char *item, const char *status, mf_condition condition)
{
    char id[16] = "";
    char words[64] = "";
    mf_prices *prices = loaded(PRICES, NULL);
    (void)snprintf(id, sizeof id, "%s", item);
    (void)snprintf(words, sizeof words, "%s", status);
    const mf_machine machine = {.id = id, .status = words, .n_nodes = 1};
    const mf_price price = mf_price_machine(prices, &machine, condition, 0);
    cr_assert(price.known);
    mf_prices_free(prices);
    return price.standing;
}

Test(price, what_is_no_longer_sold_has_a_price_of_the_past)
{
    cr_expect(eq(int, standing_of("box", "current", MF_NEW), MF_PRICE_CURRENT));
    cr_expect(eq(int, standing_of("box", "discontinued 2026-08-25", MF_NEW), MF_PRICE_PAST));
    cr_expect(
        eq(int, standing_of("box", "512 GB option withdrawn March 2026", MF_NEW), MF_PRICE_PAST));
    cr_expect(eq(int, standing_of("box", "discontinued", MF_USED), MF_PRICE_CURRENT));
}

Test(price, a_list_price_grows_old_three_years_before_the_newest_price)
{
    cr_expect(eq(int, standing_of("relic", "", MF_NEW), MF_PRICE_OLD));
    cr_expect(eq(int, standing_of("veteran", "", MF_NEW), MF_PRICE_CURRENT));
}

static mf_condition asked_condition(const char *item, bool used)
{
    char id[16] = "";
    mf_prices *prices = loaded(PRICES, NULL);
    (void)snprintf(id, sizeof id, "%s", item);
    const mf_machine machine = {.id = id, .n_nodes = 1};
    const mf_price price = mf_price_asked(prices, &machine, used, 0);
    cr_assert(price.known);
    const mf_condition condition = price.row->condition;
    mf_prices_free(prices);
    return condition;
}

Test(price, a_used_price_is_taken_where_it_is_asked_for_and_known)
{
    cr_expect(eq(int, asked_condition("box", true), MF_USED));
    cr_expect(eq(int, asked_condition("box", false), MF_NEW));
    cr_expect(eq(int, asked_condition("relic", true), MF_NEW), "nobody sold a used one");
}

Test(price, what_has_an_old_list_price_is_rather_bought_used_if_that_has_a_price)
{
    char box[] = "box";
    char relic[] = "relic";
    char gone[] = "discontinued";
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_machine sold = {.id = box, .n_nodes = 1};
    const mf_machine past = {.id = box, .status = gone, .n_nodes = 1};
    const mf_machine old = {.id = relic, .n_nodes = 1};
    cr_expect(not(mf_price_rather_used(prices, &sold)));
    cr_expect(mf_price_rather_used(prices, &past));
    cr_expect(not(mf_price_rather_used(prices, &old)), "no used one has a price");
    mf_prices_free(prices);
}

Test(price, a_computer_around_cards_has_no_price_unless_it_is_given)
{
    mf_prices *prices = loaded(PRICES, NULL);
    mf_machine_device device = {.device_id = "card", .count = 3};
    const mf_machine machine = {
        .id = "pc-3x-card", .devices = &device, .n_devices = 1, .n_nodes = 2};
    const mf_price without = mf_price_machine(prices, &machine, MF_NEW, 0);
    cr_expect(not(without.known));
    cr_expect(eq(u32, without.n_cards, 6));
    cr_expect(epsilon_eq(dbl, without.cards_low, 2400, 1e-9));
    cr_expect(epsilon_eq(dbl, without.cards_high, 4200, 1e-9));
    const mf_price with = mf_price_machine(prices, &machine, MF_NEW, 1500);
    cr_expect(with.known);
    cr_expect(epsilon_eq(dbl, with.value, 4800, 1e-9));
    device.device_id = "nobody";
    const mf_price unknown = mf_price_machine(prices, &machine, MF_NEW, 1500);
    cr_expect(not(unknown.known));
    cr_expect(eq(u32, unknown.n_cards, 0));
    mf_prices_free(prices);
}

Test(price, an_offer_without_tier_is_the_cheapest_by_the_hour_of_the_newest_rows)
{
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_rental *offer = NULL;
    bool chosen = false;
    mf_error err = {0};
    cr_assert(eq(int, mf_price_rental(&offer, &chosen, prices, "cloud-big-gpu", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(str, offer->id, "cloud-big-gpu-plain"),
              "neither spot nor average nor the outdated 3 USD");
    cr_expect(chosen);
    cr_assert(
        eq(int, mf_price_rental(&offer, &chosen, prices, "cloud-big-gpu-secure", &err), MF_OK));
    cr_expect(eq(str, offer->id, "cloud-big-gpu-secure"), "a whole id is what it says");
    cr_expect(not(chosen));
    mf_prices_free(prices);
}

Test(price, a_monthly_offer_is_found_by_the_device_as_ids_write_it)
{
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_rental *offer = NULL;
    bool chosen = false;
    mf_error err = {0};
    cr_assert(eq(int, mf_price_rental(&offer, &chosen, prices, "cloud-mac-m4-m4-s", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(int, offer->billing, MF_BILLING_MONTH),
              "no billing stated and only a monthly price");
    cr_expect(eq(int, offer->per_month.currency, MF_EUR));
    cr_expect(epsilon_eq(dbl, offer->min_commit_hours.value, 24, 1e-9));
    mf_prices_free(prices);
}

Test(price, an_offer_without_a_price_is_found_and_has_none)
{
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_rental *offer = NULL;
    bool chosen = false;
    cr_assert(eq(int, mf_price_rental(&offer, &chosen, prices, "elsewhere-rental", NULL), MF_OK));
    cr_expect(not(offer->per_hour.amount.known));
    cr_expect(not(offer->per_month.amount.known));
    mf_prices_free(prices);
}

Test(price, unknown_names_suggest_those_there_are)
{
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_rental *offer = NULL;
    const mf_tariff *tariff = NULL;
    const mf_assumption *assumption = NULL;
    bool chosen = false;
    mf_error err = {0};
    cr_expect(eq(int, mf_price_rental(&offer, &chosen, prices, "cloud-big", &err), MF_E_UNKNOWN));
    cr_expect(
        strstr(err.message, "is it one of 'cloud-big-gpu-secure', ") != NULL, "%s", err.message);
    cr_expect(
        eq(int, mf_price_rental(&offer, &chosen, prices, "clud-big-gpu-spot", &err), MF_E_UNKNOWN));
    cr_expect(strstr(err.message, "did you mean 'cloud-big-gpu-spot'?") != NULL, "%s", err.message);
    cr_expect(eq(int, mf_price_rental(&offer, &chosen, prices, "zzzz", &err), MF_E_UNKNOWN));
    cr_expect(strstr(err.message, "--rent-price") != NULL, "%s", err.message);
    cr_expect(eq(int, mf_price_tariff(&tariff, prices, "hers", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown tariff 'hers', did you mean 'here'?"));
    cr_expect(eq(int, mf_price_assumption(&assumption, prices, "intrest", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown assumption 'intrest', did you mean 'interest'?"));
    mf_prices_free(prices);
}

Test(price, a_folder_of_ones_own_adds_rows_and_wins_by_date)
{
    mf_prices *prices = loaded(PRICES "/overlay", PRICES);
    cr_expect(
        epsilon_eq(dbl, mf_price_purchase(prices, "box", MF_NEW)->price.amount.value, 900, 1e-9));
    cr_expect(mf_price_purchase(prices, "card", MF_NEW) != NULL, "the other rows are still there");
    mf_prices_free(prices);
}

Test(price, an_assumption_knows_its_range_or_has_none)
{
    mf_prices *prices = loaded(PRICES, NULL);
    const mf_assumption *a = NULL;
    cr_assert(eq(int, mf_price_assumption(&a, prices, "interest", NULL), MF_OK));
    cr_expect(epsilon_eq(dbl, a->high.value, 0.08, 1e-12));
    cr_expect(eq(str, a->sources.items[a->value.source].title, "made up for tests"));
    cr_assert(eq(int, mf_price_assumption(&a, prices, "spread", NULL), MF_OK));
    cr_expect(not(a->low.known));
    mf_prices_free(prices);
}

Test(price, a_folder_without_prices_has_none)
{
    mf_prices *prices = loaded(TOY, NULL);
    cr_expect(eq(sz, prices->n_purchases, 0));
    cr_expect(eq(sz, prices->n_rentals, 1));
    mf_prices_free(prices);
    mf_prices_free(NULL);
}

Test(price, a_broken_row_is_named_with_its_place)
{
    char folder[] = "/tmp/memfit-price-XXXXXX";
    cr_assert(mkdtemp(folder) != NULL);
    char command[256];
    (void)snprintf(
        command, sizeof command, "cp -r %s/. %s && chmod -R u+w %s", PRICES, folder, folder);
    cr_assert(eq(int, system(command), 0));
    (void)snprintf(command,
                   sizeof command,
                   "sed -i 's/1250 USD/1250 GBP/' %s/hwdb/prices/purchase.json",
                   folder);
    cr_assert(eq(int, system(command), 0));
    const char *const folders[] = {folder};
    mf_database *database = NULL;
    mf_prices *prices = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, folders, 1, &err), MF_OK));
    cr_expect(eq(int, mf_prices_load(&prices, database, &err), MF_E_DATA));
    cr_expect(strstr(err.message, "purchase.json:5:") != NULL && strstr(err.message, "GBP") != NULL,
              "%s",
              err.message);
    mf_database_close(database);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect(eq(int, system(command), 0));
}

Test(quality, a_row_without_importance_matrix_is_preferred_and_the_rise_is_a_fraction)
{
    mf_quality items[] = {
        {.model = "m",      .quant = "Q2_K", .imatrix = "some", .perplexity = {9, true, 0}},
        {            .model = "m",
         .quant = "Q2_K",
         .perplexity = {9.9, true, 0},
         .perplexity_rise = {0.9, true, 0}                                              },
        { .model = "m",
         .quant = "IQ2_S",
         .imatrix = "some",
         .perplexity = {0.5, true, 0},
         .perplexity_rise = {0.5, true, 0}}
    };
    const mf_qualities all = {.items = items, .n_items = 3};
    double rise = 0;
    cr_expect(mf_quality_find(&all, "m", "q2_k") == &items[1]);
    cr_expect(mf_quality_find(&all, "m", "IQ2_S") == &items[2]);
    cr_expect(mf_quality_find(&all, "n", "Q2_K") == NULL);
    cr_expect(mf_quality_rise(&rise, &items[1]));
    cr_expect(epsilon_eq(dbl, rise, 0.1, 1e-12));
    cr_expect(not(mf_quality_rise(&rise, &items[0])));
    cr_expect(not(mf_quality_rise(&rise, &items[2])), "a base of 0 is no ground for a fraction");
}

Test(quality, the_database_has_rows_with_sources)
{
    const char *const folders[] = {TOY};
    mf_database *database = NULL;
    mf_qualities all = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, folders, 1, &err), MF_OK));
    cr_assert(eq(int, mf_database_qualities(&all, database, &err), MF_OK), "%s", err.message);
    cr_assert(eq(sz, all.n_items, 1));
    cr_expect(epsilon_eq(dbl, all.items[0].divergence.value, 0.03, 1e-12));
    cr_expect(eq(str, all.items[0].sources.items[0].title, "made up for tests"));
    mf_qualities_free(&all);
    mf_database_close(database);
}
