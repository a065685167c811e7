/*
 * prices.c - the forms of hwdb/prices and the rows they are read into.
 */
#include "memfit/price.h"

#include <stdlib.h>
#include <string.h>

#include "facts/readers.h"
#include "facts/store.h"

#define TEXT(type_, member_, key_, example_, help_)                                                \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, MF_INTO(type_, member_), .example = (example_),      \
        .help = (help_)                                                                            \
    }
#define TEXT_OR_NULL(type_, member_, key_, example_, help_)                                        \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, MF_INTO(type_, member_), .nullable = true,           \
        .example = (example_), .help = (help_)                                                     \
    }
#define NOTE(type_)                                                                                \
    {                                                                                              \
        .key = "note", .kind = MF_FIELD_TEXT, MF_INTO(type_, note), .nullable = true,              \
        .example = "null", .help = "what a reader should know"                                     \
    }
#define PERIOD(type_, member_, key_, help_)                                                        \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_PERIOD, MF_INTO(type_, member_),                           \
        .example = "\"2026-01-31\"", .help = (help_)                                               \
    }
#define MONEY_OR_NULL(type_, member_, key_, example_, help_)                                       \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, .dimension = MF_DIM_MONEY,                       \
        MF_INTO(type_, member_), .nullable = true, .example = (example_), .help = (help_)          \
    }
#define NUMBER_OR_NULL(type_, member_, key_, example_, help_)                                      \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_NUMBER, MF_INTO(type_, member_), .nullable = true,         \
        .below_zero = true, .zero = true, .example = (example_), .help = (help_)                   \
    }
#define ROWS(table_, help_)                                                                        \
    {                                                                                              \
        .key = "rows", .kind = MF_FIELD_LIST, .table = &(table_), .help = (help_)                  \
    }

static const char *const conditions[] = {"new", "used"};

static const char *const billings[MF_BILLING_COUNT] = {
#define BILLING_WORD(name, text) [name] = (text),
    MF_BILLING_LIST(BILLING_WORD)
#undef BILLING_WORD
};

static const char *const currencies[MF_CURRENCY_COUNT] = {
#define CURRENCY_WORD(name, text) [name] = (text),
    MF_CURRENCY_LIST(CURRENCY_WORD)
#undef CURRENCY_WORD
};

static const mf_field purchase_fields[] = {
    TEXT(mf_purchase, item, "item", "\"nvidia-rtx-4090\"", "id of a machine or device"),
    MONEY_OR_NULL(mf_purchase, price, "price", "\"1599 USD\"", "null where only a range is known"),
    MONEY_OR_NULL(mf_purchase, low, "low", "null", "lower end of a range"),
    MONEY_OR_NULL(mf_purchase, high, "high", "null", "upper end of a range"),
    MF_FIELD(.key = "condition",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_purchase, condition),
             .words = conditions,
             .n_words = sizeof conditions / sizeof conditions[0],
             .example = "\"new\"",
             .help = "new or used"),
    TEXT(mf_purchase, region, "region", "\"US\"", "where the price holds"),
    PERIOD(mf_purchase, date, "date", "when it held"),
    MF_ROW_SOURCE_FIELD,
    NOTE(mf_purchase),
};

static const mf_field rental_fields[] = {
    TEXT(mf_rental,
         id,
         "id",
         "\"example-h100-on-demand\"",
         "provider, device and tier, lower case, with dashes"),
    TEXT(mf_rental, provider, "provider", "\"Example\"", "who rents it out"),
    TEXT(mf_rental, device, "device", "\"H100 SXM\"", "as the provider calls it"),
    TEXT_OR_NULL(mf_rental,
                 device_id,
                 "device_id",
                 "\"nvidia-h100-sxm\"",
                 "id of the device or machine; null: not in hwdb"),
    TEXT_OR_NULL(mf_rental, tier, "tier", "\"on-demand\"", "what kind of offer"),
    MF_FIELD(.key = "billing",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_rental, billing),
             .words = billings,
             .n_words = sizeof billings / sizeof billings[0],
             .optional = true,
             .example = "\"hour\"",
             .help = "how it is paid; survey: a figure over offers, nothing to book; absent: by "
                     "what is priced"),
    MF_FIELD(.key = "devices",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_rental, n_devices),
             .min = 1,
             .max = 1024,
             .nullable = true,
             .example = "1",
             .help = "devices of one instance"),
    MF_FIELD(.key = "memory",
             .kind = MF_FIELD_QUANTITY,
             .dimension = MF_DIM_CAPACITY,
             .nullable = true,
             .example = "\"80 GiB\"",
             .help = "of one device"),
    MONEY_OR_NULL(mf_rental, per_hour, "price_per_hour", "\"2.69 USD\"", "of one device"),
    MONEY_OR_NULL(mf_rental, per_month, "price_per_month", "null", "of one device"),
    MF_FIELD(.key = "min_commit_hours",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_rental, min_commit_hours),
             .nullable = true,
             .zero = true,
             .example = "null",
             .help = "shortest time one pays for"),
    PERIOD(mf_rental, date, "date", "when the price held"),
    MF_ROW_SOURCE_FIELD,
    NOTE(mf_rental),
};

static const mf_field electricity_fields[] = {
    TEXT(mf_tariff, id, "id", "\"us-residential\"", "how a cost question names it"),
    TEXT(mf_tariff, name, "name", "\"US residential average\"", "as people know it"),
    TEXT(mf_tariff, region, "region", "\"US\"", "where it holds"),
    MF_FIELD(.key = "price_per_kwh",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_tariff, per_kwh),
             .dimension = MF_DIM_MONEY,
             .max = 10,
             .example = "\"0.19 USD\"",
             .help = "of one kWh"),
    PERIOD(mf_tariff, date, "date", "when it held"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const char *const economics_kinds[] = {
    "depreciation", "resale", "price shock", "measured power", "efficiency"};

static const mf_field economics_fields[] = {
    MF_FIELD(.key = "kind",
             .kind = MF_FIELD_CHOICE,
             .words = economics_kinds,
             .n_words = sizeof economics_kinds / sizeof economics_kinds[0],
             MF_INTO(mf_observation, kind),
             .example = "\"resale\"",
             .help = "what the number is about"),
    TEXT(mf_observation, item, "item", "\"RTX 3090 used\"", "what it was seen on"),
    MF_FIELD(.key = "machine_id",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_observation, machine_id),
             .nullable = true,
             .optional = true,
             .example = "null",
             .help = "id of the machine, where it is one of hwdb"),
    NUMBER_OR_NULL(
        mf_observation, value, "value", "null", "in the unit; null where only a range is known"),
    NUMBER_OR_NULL(mf_observation, low, "low", "null", "lower end of a range"),
    NUMBER_OR_NULL(mf_observation, high, "high", "null", "upper end of a range"),
    TEXT(mf_observation, unit, "unit", "\"USD\"", "of value, low and high"),
    TEXT_OR_NULL(mf_observation, period, "period", "\"2026\"", "when it held"),
    MF_FIELD(.key = "region",
             .kind = MF_FIELD_TEXT,
             .nullable = true,
             .example = "\"US\"",
             .help = "where it held"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_field assumption_fields[] = {
    TEXT(mf_assumption, id, "id", "\"resale-kept\"", "how the cost model and --set name it"),
    TEXT(mf_assumption, name, "name", "\"kept at once\"", "what it is, for people"),
    NUMBER_OR_NULL(mf_assumption, value, "value", "0.87", "the most likely one, in the unit"),
    NUMBER_OR_NULL(mf_assumption, low, "low", "0.8", "lower end; null: taken as certain"),
    NUMBER_OR_NULL(mf_assumption, high, "high", "0.95", "upper end; null: taken as certain"),
    TEXT(mf_assumption, unit, "unit", "\"fraction\"", "of value, low and high"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table purchase_table = MF_TABLE("purchase", purchase_fields, sizeof(mf_purchase));
static const mf_table rental_table = MF_TABLE("rental", rental_fields, sizeof(mf_rental));
static const mf_table electricity_table =
    MF_TABLE("electricity", electricity_fields, sizeof(mf_tariff));
static const mf_table economics_table =
    MF_TABLE("economics", economics_fields, sizeof(mf_observation));
static const mf_table assumption_table =
    MF_TABLE("assumption", assumption_fields, sizeof(mf_assumption));

static const mf_field purchases_fields[] = {
    MF_SCHEMA_FIELD, ROWS(purchase_table, "one a price"), MF_SOURCES_FIELD};
static const mf_field rentals_fields[] = {
    MF_SCHEMA_FIELD, ROWS(rental_table, "one an offer"), MF_SOURCES_FIELD};
static const mf_field electricities_fields[] = {
    MF_SCHEMA_FIELD, ROWS(electricity_table, "one a tariff"), MF_SOURCES_FIELD};
static const mf_field economies_fields[] = {
    MF_SCHEMA_FIELD, ROWS(economics_table, "one an observation"), MF_SOURCES_FIELD};
static const mf_field assumptions_fields[] = {
    MF_SCHEMA_FIELD, ROWS(assumption_table, "one a number"), MF_SOURCES_FIELD};

const mf_table mf_purchases_table = MF_TABLE("purchase", purchases_fields, 0);
const mf_table mf_rentals_table = MF_TABLE("rentals", rentals_fields, 0);
const mf_table mf_electricity_table = MF_TABLE("electricity", electricities_fields, 0);
const mf_table mf_economics_table = MF_TABLE("economics", economies_fields, 0);
const mf_table mf_assumptions_table = MF_TABLE("assumptions", assumptions_fields, 0);

const char *mf_currency_name(mf_currency currency)
{
    return currencies[currency];
}

const char *mf_billing_name(mf_billing billing)
{
    return billings[billing];
}

/* One row file and where its rows go. */
static const struct {
    const char *file;
    const mf_table *table;
    size_t items;   /* offset of the pointer in mf_prices */
    size_t n_items; /* of the count */
    size_t sources; /* of mf_sources in a row */
} files[] = {
    {"hwdb/prices/purchase.json",
     &purchase_table,
     offsetof(mf_prices, purchases),
     offsetof(mf_prices, n_purchases),
     offsetof(mf_purchase,    sources)},
    {"hwdb/prices/rentals.json",
     &rental_table,
     offsetof(mf_prices, rentals),
     offsetof(mf_prices, n_rentals),
     offsetof(mf_rental,      sources)},
    {"hwdb/prices/electricity.json",
     &electricity_table,
     offsetof(mf_prices, tariffs),
     offsetof(mf_prices, n_tariffs),
     offsetof(mf_tariff,      sources)},
    {"hwdb/prices/economics.json",
     &economics_table,
     offsetof(mf_prices, observations),
     offsetof(mf_prices, n_observations),
     offsetof(mf_observation, sources)},
    {"hwdb/prices/assumptions.json",
     &assumption_table,
     offsetof(mf_prices, assumptions),
     offsetof(mf_prices, n_assumptions),
     offsetof(mf_assumption,  sources)},
};

enum { N_FILES = sizeof files / sizeof files[0] };

static void **items_of(mf_prices *prices, size_t file)
{
    return (void **)(void *)((char *)prices + files[file].items);
}

static size_t *count_of(mf_prices *prices, size_t file)
{
    return (size_t *)(void *)((char *)prices + files[file].n_items);
}

/* Appends the rows of one folder's file. */
static mf_status add_rows(mf_prices *prices, size_t file, const mf_json *json, mf_error *err)
{
    const size_t size = files[file].table->size;
    void **items = items_of(prices, file);
    size_t *n_items = count_of(prices, file);
    const mf_node *rows = mf_node_get(mf_json_root(json), "rows");
    const size_t n_rows = mf_node_count(rows);
    char *grown = realloc(*items, (*n_items + n_rows + 1) * size);
    if (grown == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu prices", n_rows);
    }
    *items = grown;
    mf_status status = MF_OK;
    mf_row row = {.node = mf_node_first(rows)};
    for (; status == MF_OK && row.node != NULL; row.node = mf_node_next(row.node), row.index++) {
        char *target = grown + *n_items * size;
        memset(target, 0, size);
        *n_items += 1;
        mf_sources *sources = (mf_sources *)(void *)(target + files[file].sources);
        status = mf_row_read(files[file].table, json, row, target, sources, err);
    }
    return status;
}

static mf_status
add_file(mf_prices *prices, size_t file, const mf_database *database, size_t folder, mf_error *err)
{
    mf_str path = {0};
    mf_str_printf(&path, "%s/%s", database->folders[folder], files[file].file);
    mf_json *json = NULL;
    mf_status status = mf_str_status(&path, err);
    if (status == MF_OK && mf_store_exists(path.data)) {
        status = mf_json_load(&json, path.data, err);
    }
    if (json != NULL) {
        status = add_rows(prices, file, json, err);
    }
    mf_json_free(json);
    mf_str_free(&path);
    return status;
}

/* An offer that states no billing is paid by what it has a price for. */
static void set_billing(mf_prices *prices)
{
    for (size_t i = 0; i < prices->n_rentals; i++) {
        mf_rental *offer = &prices->rentals[i];
        if (offer->billing == MF_BILLING_HOUR && !offer->per_hour.amount.known &&
            offer->per_month.amount.known) {
            offer->billing = MF_BILLING_MONTH;
        }
        offer->n_devices = offer->n_devices > 0 ? offer->n_devices : 1;
    }
}

mf_status mf_prices_load(mf_prices **out, const mf_database *database, mf_error *err)
{
    mf_prices *prices = calloc(1, sizeof *prices);
    if (prices == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for prices");
    }
    mf_status status = MF_OK;
    for (size_t file = 0; file < N_FILES; file++) {
        for (size_t folder = 0; status == MF_OK && folder < database->n_folders; folder++) {
            status = add_file(prices, file, database, folder, err);
        }
    }
    if (status != MF_OK) {
        mf_prices_free(prices);
        return status;
    }
    set_billing(prices);
    *out = prices;
    return MF_OK;
}

void mf_prices_free(mf_prices *prices)
{
    if (prices == NULL) {
        return;
    }
    for (size_t file = 0; file < N_FILES; file++) {
        char *items = *items_of(prices, file);
        for (size_t i = 0; i < *count_of(prices, file); i++) {
            char *row = items + i * files[file].table->size;
            mf_fields_free(files[file].table, row);
            mf_sources_free((mf_sources *)(void *)(row + files[file].sources));
        }
        free(items);
    }
    free(prices);
}
