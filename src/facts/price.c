/*
 * price.c - finding a price: the newest, the whole machine's, the offer somebody meant.
 */
#include "memfit/price.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "facts/fields.h"
#include "facts/store.h"

/* The end of a period, "2026-09" of "2026-01/2026-09"; dates of this form compare as text. */
static const char *end_of(const char *date)
{
    const char *slash = date != NULL ? strchr(date, '/') : NULL;
    return slash != NULL ? slash + 1 : date != NULL ? date : "";
}

static bool has_price(const mf_purchase *row)
{
    return row->price.amount.known || (row->low.amount.known && row->high.amount.known);
}

const mf_purchase *
mf_price_purchase(const mf_prices *prices, const char *item, mf_condition condition)
{
    const mf_purchase *best = NULL;
    for (size_t i = 0; i < prices->n_purchases; i++) {
        const mf_purchase *row = &prices->purchases[i];
        if (strcmp(row->item, item) == 0 && row->condition == condition && has_price(row) &&
            (best == NULL || strcmp(end_of(row->date), end_of(best->date)) > 0)) {
            best = row;
        }
    }
    return best;
}

static mf_price price_of_row(const mf_purchase *row)
{
    mf_price price = {.known = true, .row = row, .currency = row->price.currency};
    if (row->price.amount.known) {
        price.value = row->price.amount.value;
        price.low = row->low.amount.known ? row->low.amount.value : price.value;
        price.high = row->high.amount.known ? row->high.amount.value : price.value;
        return price;
    }
    price.currency = row->low.currency;
    price.low = row->low.amount.value;
    price.high = row->high.amount.value;
    price.value = (price.low + price.high) / 2;
    return price;
}

/* Sum over the cards of all nodes; known false if one of them has no price, or they differ in currency. */
static mf_price
price_of_cards(const mf_prices *prices, const mf_machine *machine, mf_condition condition)
{
    mf_price sum = {.known = machine->n_devices > 0};
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_machine_device *slot = &machine->devices[i];
        const mf_purchase *row = mf_price_purchase(prices, slot->device_id, condition);
        if (row == NULL) {
            return (mf_price){0};
        }
        const mf_price one = price_of_row(row);
        const double n = (double)slot->count * (machine->n_nodes > 0 ? machine->n_nodes : 1);
        sum.known = sum.known && (i == 0 || one.currency == sum.currency);
        sum.currency = one.currency;
        sum.row = row;
        sum.value += n * one.value;
        sum.low += n * one.low;
        sum.high += n * one.high;
        sum.n_cards += (uint32_t)n;
    }
    return sum;
}

/* Months of "2026-09-22", "2026-09" or "2026". */
static int months_of(const char *date)
{
    enum { MONTHS = 12, TEN = 10, YEAR_DIGITS = 4 };
    int numbers[2] = {0, 1};
    size_t n = 0;
    for (size_t i = 0; n < 2 && date[i] != '\0'; i++) {
        if (isdigit((unsigned char)date[i]) == 0) {
            n++;
            numbers[1] = n < 2 ? 0 : numbers[1];
        } else {
            numbers[n] = TEN * numbers[n] + (date[i] - '0');
        }
    }
    return MONTHS * numbers[0] + numbers[1];
}

/* What shops ask is looked up anew; a list price stands until somebody does. There is no clock here: the newest price
   that is known is the present. */
static bool is_old(const mf_prices *prices, const mf_purchase *row)
{
    enum { OLD_MONTHS = 36 };
    int newest = 0;
    for (size_t i = 0; i < prices->n_purchases; i++) {
        const int months = months_of(end_of(prices->purchases[i].date));
        newest = months > newest ? months : newest;
    }
    return row->condition == MF_NEW && row->sources.n_items > 0 &&
           row->sources.items[0].kind == MF_SOURCE_VENDOR &&
           months_of(end_of(row->date)) + OLD_MONTHS < newest;
}

static mf_price_standing
standing_of(const mf_prices *prices, const mf_machine *machine, const mf_purchase *row)
{
    if (row->condition == MF_NEW && mf_machine_is_past(machine)) {
        return MF_PRICE_PAST;
    }
    return is_old(prices, row) ? MF_PRICE_OLD : MF_PRICE_CURRENT;
}

mf_price mf_price_machine(const mf_prices *prices,
                          const mf_machine *machine,
                          mf_condition condition,
                          double around_cards)
{
    const mf_purchase *row = mf_price_purchase(prices, machine->id, condition);
    if (row != NULL) {
        mf_price price = price_of_row(row);
        price.standing = standing_of(prices, machine, row);
        return price;
    }
    mf_price cards = price_of_cards(prices, machine, condition);
    if (!cards.known) {
        return (mf_price){0};
    }
    cards.standing = standing_of(prices, machine, cards.row);
    cards.cards_low = cards.low;
    cards.cards_high = cards.high;
    cards.known = around_cards > 0;
    cards.value += around_cards;
    cards.low += around_cards;
    cards.high += around_cards;
    return cards;
}

mf_price
mf_price_asked(const mf_prices *prices, const mf_machine *machine, bool used, double around_cards)
{
    if (used) {
        const mf_price price = mf_price_machine(prices, machine, MF_USED, around_cards);
        if (price.known || price.n_cards > 0) {
            return price;
        }
    }
    return mf_price_machine(prices, machine, MF_NEW, around_cards);
}

bool mf_price_rather_used(const mf_prices *prices, const mf_machine *machine)
{
    const mf_price asked = mf_price_machine(prices, machine, MF_NEW, 0);
    const mf_price used = mf_price_machine(prices, machine, MF_USED, 0);
    const bool of_today = (asked.known || asked.n_cards > 0) && asked.standing == MF_PRICE_CURRENT;
    return !of_today && (used.known || used.n_cards > 0);
}

/* "Mac mini M4 (M4-S)" as ids write it: "mac-mini-m4-m4-s". */
static void add_slug(mf_str *out, const char *text)
{
    bool gap = false;
    for (const char *c = text; *c != '\0'; c++) {
        if (isalnum((unsigned char)*c) == 0 && *c != '.') {
            gap = true;
            continue;
        }
        if (gap && out->size > 0) {
            mf_str_add(out, "-");
        }
        gap = false;
        mf_str_add_char(out, (char)tolower((unsigned char)*c), 1);
    }
}

static bool is_offer_of(const mf_rental *offer, const char *text)
{
    mf_str slug = {0};
    add_slug(&slug, offer->provider);
    mf_str_add(&slug, "-");
    mf_str device = {0};
    add_slug(&device, offer->device);
    mf_str_add(&slug, device.data != NULL ? device.data : "");
    const bool same = slug.data != NULL && strcmp(slug.data, text) == 0;
    mf_str_free(&slug);
    mf_str_free(&device);
    return same;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Has the tier a newer row? */
static bool is_outdated(const mf_prices *prices, const mf_rental *offer)
{
    for (size_t i = 0; i < prices->n_rentals; i++) {
        const mf_rental *other = &prices->rentals[i];
        if (strcmp(other->provider, offer->provider) == 0 &&
            strcmp(other->device, offer->device) == 0 && same_text(other->tier, offer->tier) &&
            other->n_devices == offer->n_devices &&
            strcmp(end_of(other->date), end_of(offer->date)) > 0) {
            return true;
        }
    }
    return false;
}

/* What one would rather take of two: by the hour before anything else, then the cheaper one. */
static bool is_better(const mf_rental *a, const mf_rental *b)
{
    if (b == NULL || a->billing != b->billing) {
        return b == NULL || a->billing < b->billing;
    }
    const mf_money *left = a->per_hour.amount.known ? &a->per_hour : &a->per_month;
    const mf_money *right = b->per_hour.amount.known ? &b->per_hour : &b->per_month;
    if (left->amount.known != right->amount.known) {
        return left->amount.known;
    }
    return left->amount.value < right->amount.value;
}

static mf_status unknown(
    const char *what, const char *id, const mf_nearest *nearest, const char *file, mf_error *err)
{
    if (nearest->best != NULL) {
        return mf_fail(
            err, MF_E_UNKNOWN, "unknown %s '%.100s', did you mean '%s'?", what, id, nearest->best);
    }
    return mf_fail(err, MF_E_UNKNOWN, "unknown %s '%.100s', see %s", what, id, file);
}

static mf_status unknown_rental(const mf_prices *prices, const char *id, mf_error *err)
{
    enum { LISTED = 3 };
    mf_nearest nearest = {.text = id};
    mf_str list = {0};
    size_t n = 0;
    for (size_t i = 0; i < prices->n_rentals; i++) {
        const char *name = prices->rentals[i].id;
        mf_nearest_try(&nearest, name);
        if ((strstr(name, id) != NULL || mf_store_has_words(name, id)) && n < LISTED) {
            mf_str_printf(&list, "%s'%s'", n++ > 0 ? ", " : "", name);
        }
    }
    const mf_status status =
        n > 0
            ? mf_fail(err, MF_E_UNKNOWN, "unknown offer '%.100s', is it one of %s?", id, list.data)
        : nearest.best != NULL
            ? unknown("offer", id, &nearest, "hwdb/prices/rentals.json", err)
            : mf_fail(err,
                      MF_E_UNKNOWN,
                      "unknown offer '%.100s', 'memfit db list rentals' has those "
                      "there are; a price of your own: --rent-price 2.50",
                      id);
    mf_str_free(&list);
    return status;
}

mf_status mf_price_rental(
    const mf_rental **offer, bool *chosen, const mf_prices *prices, const char *id, mf_error *err)
{
    const mf_rental *best = NULL;
    for (size_t i = 0; i < prices->n_rentals; i++) {
        const mf_rental *row = &prices->rentals[i];
        if (strcmp(row->id, id) == 0) {
            *offer = row;
            *chosen = false;
            return MF_OK;
        }
        if (row->billing != MF_BILLING_SURVEY && is_offer_of(row, id) &&
            !is_outdated(prices, row) && is_better(row, best)) {
            best = row;
        }
    }
    if (best == NULL) {
        return unknown_rental(prices, id, err);
    }
    *offer = best;
    *chosen = true;
    return MF_OK;
}

mf_status
mf_price_tariff(const mf_tariff **tariff, const mf_prices *prices, const char *id, mf_error *err)
{
    mf_nearest nearest = {.text = id};
    for (size_t i = 0; i < prices->n_tariffs; i++) {
        if (strcmp(prices->tariffs[i].id, id) == 0) {
            *tariff = &prices->tariffs[i];
            return MF_OK;
        }
        mf_nearest_try(&nearest, prices->tariffs[i].id);
    }
    return unknown("tariff", id, &nearest, "hwdb/prices/electricity.json", err);
}

mf_status mf_price_assumption(const mf_assumption **assumption,
                              const mf_prices *prices,
                              const char *id,
                              mf_error *err)
{
    mf_nearest nearest = {.text = id};
    for (size_t i = 0; i < prices->n_assumptions; i++) {
        if (strcmp(prices->assumptions[i].id, id) == 0) {
            *assumption = &prices->assumptions[i];
            return MF_OK;
        }
        mf_nearest_try(&nearest, prices->assumptions[i].id);
    }
    return unknown("assumption", id, &nearest, "hwdb/prices/assumptions.json", err);
}
