/*
 * cost_setup.h - from facts and a few words to a cost case: which price, which tariff, how many watts, and on what ground.
 *
 * What the user said wins; then prices and measurements of hwdb; then assumptions of hwdb/prices/assumptions.json. A
 * price or a speed without ground is asked for, never invented.
 */
#ifndef MF_MEMFIT_COST_SETUP_H
#define MF_MEMFIT_COST_SETUP_H

#include "memfit/cost.h"
#include "memfit/database.h"
#include "memfit/predict.h"
#include "memfit/price.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_COST_MAX_SET 16

/* One assumption replaced: --set interest=0.03. */
typedef struct mf_cost_set {
    char id[48];
    double value;
} mf_cost_set;

/* What may be said. Start with mf_cost_options_default(): a negative number or NULL is not said. */
typedef struct mf_cost_options {
    double price; /* of the machine */
    double price_around_cards;
    double tax; /* fraction */
    bool used;  /* bought second-hand */
    double hours_per_day;
    double busy;
    double days_per_week;
    double requests_per_day;
    double years;
    double on_hours_per_day;
    double active_w;
    double idle_w;
    const char *tariff;    /* id; NULL: us-residential-average */
    double tariff_per_kwh; /* instead of an id */
    double wage_per_hour;
    double admin_hours_buy; /* per month */
    double admin_hours_rent;
    double setup_hours_buy; /* once */
    double setup_hours_rent;
    double cooling;
    double rent_price_per_hour; /* instead of the offer's */
    double rent_price_per_month;
    double rent_min_hours;
    double reserved_years; /* 1 or 3 */
    bool rent_kept_up;
    double storage_gb;
    double storage_per_gb_month;
    double api_in;
    double api_out;
    double api_cached;
    double api_cached_share;
    double usd_per_eur;
    mf_cost_set set[MF_COST_MAX_SET];
    size_t n_set;
    uint64_t seed;
    uint32_t n_draws;
    mf_sampler sampler;
} mf_cost_options;

MF_API mf_cost_options mf_cost_options_default(void);

/* A machine with its prediction, borrowed. */
typedef struct mf_cost_place {
    const mf_machine *machine;
    const mf_prediction *prediction;
} mf_cost_place;

/* Where a number comes from: a source of the databases, or "as you said". */
typedef struct mf_cost_ground {
    char id[40]; /* of an assumption; otherwise what, with dashes */
    char what[96];
    char text[192];
    const mf_source *source; /* NULL: said */
    const char *date;        /* of the price; may be NULL */
} mf_cost_ground;

#define MF_COST_MAX_GROUNDS 48

/* A case with what it stands on. Holds pointers into itself: fill it in place, do not copy it. */
typedef struct mf_cost_plan {
    mf_cost_case run;
    mf_buying buying;
    mf_renting renting;
    mf_api api;
    mf_currency currency;
    mf_price price;
    bool rather_used;       /* the price is an old one, and that of a used machine is known */
    const mf_rental *offer; /* NULL: a price that was said, or no renting */
    bool offer_chosen;      /* the tier was not said */
    const mf_tariff *tariff;
    mf_cost_ground grounds[MF_COST_MAX_GROUNDS];
    size_t n_grounds;
} mf_cost_plan;

/* buy is needed; rent.machine NULL: nothing is rented; offer NULL: the rent is said in the options. MF_E_USAGE asks for
   what is missing. workload gives the tokens of a request. Borrows from prices and the places. */
MF_API mf_status mf_cost_setup(mf_cost_plan *plan,
                               const mf_prices *prices,
                               const mf_cost_options *options,
                               const mf_rental *offer,
                               mf_cost_place buy,
                               mf_cost_place rent,
                               const mf_workload *workload,
                               mf_error *err);

/* Id of the machine that an offer is: its device, or the machine of hwdb with that many of them. MF_E_USAGE asks for one
   where the offer does not say. The caller frees *id. */
MF_API mf_status mf_cost_offer_machine(char **id,
                                       const mf_rental *offer,
                                       const mf_database *database,
                                       mf_error *err);

/* Watts of a machine under a language model and at rest, on the best ground there is. MF_E_USAGE if there is none. */
MF_API mf_status mf_cost_watts(mf_range *active,
                               mf_range *idle,
                               const mf_prices *prices,
                               const mf_machine *machine,
                               mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
