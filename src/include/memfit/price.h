/*
 * price.h - what machines cost to buy, to rent and to run: hwdb/prices, with dates and sources.
 *
 * Prices age, so they live apart from the machines. A price that is not known stays unknown: callers ask for it instead
 * of inventing one. Money keeps its currency; nothing here converts.
 */
#ifndef MF_MEMFIT_PRICE_H
#define MF_MEMFIT_PRICE_H

#include <stdint.h>

#include "memfit/database.h"
#include "memfit/fact.h"
#include "memfit/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_CURRENCY_LIST(X)                                                                        \
    X(MF_USD, "USD")                                                                               \
    X(MF_EUR, "EUR")

typedef enum mf_currency {
#define MF_CURRENCY_ENUM(name, text) name,
    MF_CURRENCY_LIST(MF_CURRENCY_ENUM)
#undef MF_CURRENCY_ENUM
        MF_CURRENCY_COUNT
} mf_currency;

/* "USD", "EUR". Static storage. */
MF_API const char *mf_currency_name(mf_currency currency);

typedef struct mf_money {
    mf_fact amount;
    mf_currency currency;
} mf_money;

typedef enum mf_condition { MF_NEW, MF_USED } mf_condition;

/* A price somebody asked. Where only a range is known `price` is not, and low and high are. */
typedef struct mf_purchase {
    char *item; /* id of a machine or device */
    mf_money price;
    mf_money low;
    mf_money high;
    mf_condition condition;
    char *region;
    char *date; /* "2026-09-22" or a period "2026-01/2026-09" */
    char *note; /* may be NULL */
    mf_sources sources;
} mf_purchase;

/* How an offer is paid. */
#define MF_BILLING_LIST(X)                                                                         \
    X(MF_BILLING_HOUR, "hour")         /* by the hour, started and stopped at will */              \
    X(MF_BILLING_SPOT, "spot")         /* by the hour, may be taken away */                        \
    X(MF_BILLING_RESERVED, "reserved") /* every hour of the term */                                \
    X(MF_BILLING_MONTH, "month")       /* by the month */                                          \
    X(MF_BILLING_SURVEY, "survey") /* a figure over several offers, or a claim: nothing to book */

typedef enum mf_billing {
#define MF_BILLING_ENUM(name, text) name,
    MF_BILLING_LIST(MF_BILLING_ENUM)
#undef MF_BILLING_ENUM
        MF_BILLING_COUNT
} mf_billing;

MF_API const char *mf_billing_name(mf_billing billing);

typedef struct mf_rental {
    char *id; /* provider, device, tier: "runpod-h100-sxm-community" */
    char *provider;
    char *device;    /* as the provider calls it */
    char *device_id; /* of a device or machine; NULL: not in hwdb */
    char *tier;      /* may be NULL */
    mf_billing billing;
    uint32_t n_devices; /* of one instance */
    mf_money per_hour;  /* of one device */
    mf_money per_month;
    mf_fact min_commit_hours; /* shortest time one pays for */
    char *date;
    char *note;
    mf_sources sources;
} mf_rental;

typedef struct mf_tariff {
    char *id;
    char *name;
    char *region;
    mf_money per_kwh;
    char *date;
    mf_sources sources;
} mf_tariff;

typedef enum mf_observation_kind {
    MF_SEEN_DEPRECIATION,
    MF_SEEN_RESALE,
    MF_SEEN_PRICE_SHOCK,
    MF_SEEN_POWER,
    MF_SEEN_EFFICIENCY,
} mf_observation_kind;

typedef struct mf_observation {
    mf_observation_kind kind;
    char *item;
    char *machine_id; /* where the item is one of hwdb's machines, else NULL */
    mf_fact value;
    mf_fact low;
    mf_fact high;
    char *unit;
    char *period;
    mf_sources sources;
} mf_observation;

/* A number of the cost model that no price list has; drawn from a triangle where it has a range. */
typedef struct mf_assumption {
    char *id;
    char *name;
    mf_fact value;
    mf_fact low; /* unknown: the value is taken as certain */
    mf_fact high;
    char *unit;
    mf_sources sources;
} mf_assumption;

/* All rows of hwdb/prices, those of earlier folders first. */
typedef struct mf_prices {
    mf_purchase *purchases;
    mf_rental *rentals;
    mf_tariff *tariffs;
    mf_observation *observations;
    mf_assumption *assumptions;
    size_t n_purchases;
    size_t n_rentals;
    size_t n_tariffs;
    size_t n_observations;
    size_t n_assumptions;
} mf_prices;

/* Reads every row. MF_E_DATA with file:line:column. The caller frees *out. */
MF_API mf_status mf_prices_load(mf_prices **out, const mf_database *database, mf_error *err);
MF_API void mf_prices_free(mf_prices *prices); /* NULL is fine */

/* The newest price of an item in this condition, by the end of its date; NULL if there is none. Borrowed. */
MF_API const mf_purchase *
mf_price_purchase(const mf_prices *prices, const char *item, mf_condition condition);

/* What a price is worth to who would buy today. */
typedef enum mf_price_standing {
    MF_PRICE_CURRENT,
    MF_PRICE_OLD,  /* the maker's, years before the newest price of the list */
    MF_PRICE_PAST, /* of a machine that is no longer sold new */
} mf_price_standing;

/* A price for people and for arithmetic: the middle of a range stands for it. */
typedef struct mf_price {
    bool known;
    mf_price_standing standing;
    double value;
    double low; /* equal to value where there is no range */
    double high;
    mf_currency currency;
    const mf_purchase
        *row;         /* of the machine, or of its card; NULL if somebody else gave the price */
    uint32_t n_cards; /* known false: cards whose price is known while the computer's is not */
    double cards_low;
    double cards_high;
} mf_price;

/* Price of a whole machine. A machine built around cards has none of its own: the cards' and around_cards (0: not
   given), the computer without them. Thread-safe. */
MF_API mf_price mf_price_machine(const mf_prices *prices,
                                 const mf_machine *machine,
                                 mf_condition condition,
                                 double around_cards);

/* The same of a used one if `used` and such a price is known, of a new one otherwise: row->condition tells. */
MF_API mf_price mf_price_asked(const mf_prices *prices,
                               const mf_machine *machine,
                               bool used,
                               double around_cards);

/* True if what is asked for a new one is years old or past, and a price of a used one is known. */
MF_API bool mf_price_rather_used(const mf_prices *prices, const mf_machine *machine);

/* An offer by id, or by provider and device without the tier ("runpod-h100-sxm"): then the cheapest that is started by
   the hour, of several dates of one tier the newest; *chosen tells that. MF_E_UNKNOWN suggests names. Borrowed. */
MF_API mf_status mf_price_rental(
    const mf_rental **offer, bool *chosen, const mf_prices *prices, const char *id, mf_error *err);

/* A tariff by id. MF_E_UNKNOWN suggests names. Borrowed. */
MF_API mf_status mf_price_tariff(const mf_tariff **tariff,
                                 const mf_prices *prices,
                                 const char *id,
                                 mf_error *err);

/* An assumption by id. MF_E_UNKNOWN suggests names. Borrowed. */
MF_API mf_status mf_price_assumption(const mf_assumption **assumption,
                                     const mf_prices *prices,
                                     const char *id,
                                     mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
