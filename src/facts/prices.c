/*
 * prices.c - the forms of hwdb/prices. Nothing is computed from them yet but they are checked like everything else.
 */
#include "facts/readers.h"

#define TEXT(key_, example_, help_)                                                                \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, .example = (example_), .help = (help_)               \
    }
#define TEXT_OR_NULL(key_, example_, help_)                                                        \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, .nullable = true, .example = (example_),             \
        .help = (help_)                                                                            \
    }
#define PERIOD(key_, help_)                                                                        \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_PERIOD, .example = "\"2026-01-31\"", .help = (help_)       \
    }
#define MONEY_OR_NULL(key_, example_, help_)                                                       \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, .dimension = MF_DIM_MONEY, .nullable = true,     \
        .example = (example_), .help = (help_)                                                     \
    }
#define NUMBER_OR_NULL(key_, help_)                                                                \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_NUMBER, .nullable = true, .below_zero = true,              \
        .zero = true, .example = "null", .help = (help_)                                           \
    }
#define ROWS(table_, help_)                                                                        \
    {                                                                                              \
        .key = "rows", .kind = MF_FIELD_LIST, .table = &(table_), .help = (help_)                  \
    }

static const char *const conditions[] = {"new", "used"};

static const mf_field purchase_fields[] = {
    TEXT("item", "\"nvidia-rtx-4090\"", "id of a machine or device"),
    MONEY_OR_NULL("price", "\"1599 USD\"", "null where only a range is known"),
    MONEY_OR_NULL("low", "null", "lower end of a range"),
    MONEY_OR_NULL("high", "null", "upper end of a range"),
    MF_FIELD(.key = "condition",
             .kind = MF_FIELD_CHOICE,
             .words = conditions,
             .n_words = sizeof conditions / sizeof conditions[0],
             .example = "\"new\"",
             .help = "new or used"),
    TEXT("region", "\"US\"", "where the price holds"),
    PERIOD("date", "when it held"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_field rental_fields[] = {
    TEXT("id", "\"example-h100-on-demand\"", "provider, device and tier, lower case, with dashes"),
    TEXT("provider", "\"Example\"", "who rents it out"),
    TEXT("device", "\"H100 SXM\"", "as the provider calls it"),
    TEXT_OR_NULL(
        "device_id", "\"nvidia-h100-sxm\"", "id of the device or machine; null: not in hwdb"),
    TEXT_OR_NULL("tier", "\"on-demand\"", "what kind of offer"),
    MF_FIELD(.key = "devices",
             .kind = MF_FIELD_COUNT,
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
    MONEY_OR_NULL("price_per_hour", "\"2.69 USD\"", "of one device"),
    MONEY_OR_NULL("price_per_month", "null", "of one device"),
    MF_FIELD(.key = "min_commit_hours",
             .kind = MF_FIELD_NUMBER,
             .nullable = true,
             .zero = true,
             .example = "null",
             .help = "shortest time one pays for"),
    PERIOD("date", "when the price held"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_field electricity_fields[] = {
    TEXT("id", "\"us-residential\"", "how a cost question names it"),
    TEXT("name", "\"US residential average\"", "as people know it"),
    TEXT("region", "\"US\"", "where it holds"),
    MF_FIELD(.key = "price_per_kwh",
             .kind = MF_FIELD_QUANTITY,
             .dimension = MF_DIM_MONEY,
             .max = 10,
             .example = "\"0.19 USD\"",
             .help = "of one kWh"),
    PERIOD("date", "when it held"),
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
             .example = "\"resale\"",
             .help = "what the number is about"),
    TEXT("item", "\"RTX 3090 used\"", "what it was seen on"),
    NUMBER_OR_NULL("value", "in the unit; null where only a range is known"),
    NUMBER_OR_NULL("low", "lower end of a range"),
    NUMBER_OR_NULL("high", "upper end of a range"),
    TEXT("unit", "\"USD\"", "of value, low and high"),
    TEXT_OR_NULL("period", "\"2026\"", "when it held"),
    TEXT_OR_NULL("region", "\"US\"", "where it held"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table purchase_table = MF_TABLE("purchase", purchase_fields, 0);
static const mf_table rental_table = MF_TABLE("rental", rental_fields, 0);
static const mf_table electricity_table = MF_TABLE("electricity", electricity_fields, 0);
static const mf_table economics_table = MF_TABLE("economics", economics_fields, 0);

static const mf_field purchases_fields[] = {
    MF_SCHEMA_FIELD, ROWS(purchase_table, "one a price"), MF_SOURCES_FIELD};
static const mf_field rentals_fields[] = {
    MF_SCHEMA_FIELD, ROWS(rental_table, "one an offer"), MF_SOURCES_FIELD};
static const mf_field electricities_fields[] = {
    MF_SCHEMA_FIELD, ROWS(electricity_table, "one a tariff"), MF_SOURCES_FIELD};
static const mf_field economies_fields[] = {
    MF_SCHEMA_FIELD, ROWS(economics_table, "one an observation"), MF_SOURCES_FIELD};

const mf_table mf_purchases_table = MF_TABLE("purchase", purchases_fields, 0);
const mf_table mf_rentals_table = MF_TABLE("rentals", rentals_fields, 0);
const mf_table mf_electricity_table = MF_TABLE("electricity", electricities_fields, 0);
const mf_table mf_economics_table = MF_TABLE("economics", economies_fields, 0);
