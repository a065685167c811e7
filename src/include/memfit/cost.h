/*
 * cost.h - buy, rent or pay per token: what the same work costs over some years, how sure that is, and when it turns.
 *
 * The work is a number of requests a day, each of so many prompt and output tokens; the machines' seconds per request
 * come from mf_predict with their interval. Formulas (docs/cost.md says where they come from):
 *   buy   price (1 + tax) + sum over years of (energy + own time) / (1 + r)^t - resale / (1 + r)^T
 *   rent  sum over years of (billed hours x price (1 + overhead) + storage) / (1 + r)^t
 *   api   sum over years of (tokens x price per token) / (1 + r)^t
 * Every uncertain number is an input with a range. One function evaluates all three for given inputs; the central
 * estimate, the draws, the swings and the break-even points call it.
 *
 * Money is in one currency throughout; callers convert.
 */
#ifndef MF_MEMFIT_COST_H
#define MF_MEMFIT_COST_H

#include <stdint.h>

#include "memfit/predict.h"
#include "memfit/price.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How an input is drawn between low and high. */
typedef enum mf_draw_kind {
    MF_DRAW_TRIANGLE,  /* most likely at value, never outside */
    MF_DRAW_LOGNORMAL, /* low and high bound 90 % */
    MF_DRAW_BETA, /* between 0 and twice the value; low and high are one standard deviation away */
    MF_DRAW_NORMAL,  /* standard normal: the noise of a path, scaled by its spread */
    MF_DRAW_POISSON, /* generations in the time, mean from MF_COST_GENERATION_YEARS */
} mf_draw_kind;

/* X(name, key, title for people, how it is drawn) */
#define MF_COST_INPUT_LIST(X)                                                                      \
    X(MF_COST_PRICE, "price", "purchase price", MF_DRAW_TRIANGLE)                                  \
    X(MF_COST_HOURS, "hours", "hours of use", MF_DRAW_BETA)                                        \
    X(MF_COST_BUY_TIME, "buy_time", "speed of the bought machine", MF_DRAW_LOGNORMAL)              \
    X(MF_COST_RENT_TIME, "rent_time", "speed of the rented machine", MF_DRAW_LOGNORMAL)            \
    X(MF_COST_ACTIVE_W, "active_w", "power under load", MF_DRAW_TRIANGLE)                          \
    X(MF_COST_IDLE_W, "idle_w", "idle power", MF_DRAW_TRIANGLE)                                    \
    X(MF_COST_TARIFF, "tariff", "electricity tariff", MF_DRAW_TRIANGLE)                            \
    X(MF_COST_TARIFF_DRIFT, "tariff_drift", "rise of the tariff", MF_DRAW_TRIANGLE)                \
    X(MF_COST_INTEREST, "interest", "interest", MF_DRAW_TRIANGLE)                                  \
    X(MF_COST_RESALE_KEPT, "resale_kept", "value kept at once", MF_DRAW_TRIANGLE)                  \
    X(MF_COST_RESALE_YEARLY, "resale_yearly", "yearly loss of value", MF_DRAW_TRIANGLE)            \
    X(MF_COST_GENERATION_YEARS, "generation_years", "years between generations", MF_DRAW_TRIANGLE) \
    X(MF_COST_GENERATION_DROP, "generation_drop", "drop at a new generation", MF_DRAW_TRIANGLE)    \
    X(MF_COST_GENERATIONS, "generations", "number of new generations", MF_DRAW_POISSON)            \
    X(MF_COST_RESALE_PATH, "resale_path", "resale market", MF_DRAW_NORMAL)                         \
    X(MF_COST_RENT_OVERHEAD, "rent_overhead", "paid beyond the rent", MF_DRAW_TRIANGLE)            \
    X(MF_COST_RENT_REDONE, "rent_redone", "work redone on spot machines", MF_DRAW_TRIANGLE)        \
    X(MF_COST_RENT_DRIFT, "rent_drift", "trend of rents", MF_DRAW_TRIANGLE)                        \
    X(MF_COST_RENT_PATH, "rent_path", "rental market", MF_DRAW_NORMAL)                             \
    X(MF_COST_API_DRIFT, "api_drift", "trend of prices per token", MF_DRAW_TRIANGLE)               \
    X(MF_COST_API_PATH, "api_path", "market of prices per token", MF_DRAW_NORMAL)

typedef enum mf_cost_input {
#define MF_COST_INPUT_ENUM(name, key, title, kind) name,
    MF_COST_INPUT_LIST(MF_COST_INPUT_ENUM)
#undef MF_COST_INPUT_ENUM
        MF_COST_INPUT_COUNT
} mf_cost_input;

/* The key of JSON and the title for people. Static storage, as below for ways and parts. */
MF_API const char *mf_cost_input_key(mf_cost_input input);
MF_API const char *mf_cost_input_title(mf_cost_input input);

/* An input's range; certain where low = value = high. */
typedef struct mf_range {
    double value;
    double low;
    double high;
} mf_range;

/* X(name, key, title) */
#define MF_COST_WAY_LIST(X)                                                                        \
    X(MF_WAY_BUY, "buy", "buying")                                                                 \
    X(MF_WAY_RENT, "rent", "renting")                                                              \
    X(MF_WAY_API, "api", "paying per token")

typedef enum mf_cost_way {
#define MF_COST_WAY_ENUM(name, key, title) name,
    MF_COST_WAY_LIST(MF_COST_WAY_ENUM)
#undef MF_COST_WAY_ENUM
        MF_WAY_COUNT
} mf_cost_way;

MF_API const char *mf_cost_way_key(mf_cost_way way);
MF_API const char *mf_cost_way_title(mf_cost_way way);

/* Speed of a machine at the work, from mf_predict. */
typedef struct mf_served {
    mf_rate prefill;
    mf_rate decode;
    mf_rate effective; /* its interval is that of the time per request */
} mf_served;

typedef struct mf_buying {
    double tax;                   /* fraction of the price */
    double powered_hours_per_day; /* on, busy or idle; the rest of the day off */
    double cooling;               /* factor on energy: 1 at home */
    double admin_hours_per_month;
    double setup_hours;    /* your own, once: choosing, setting up, and selling it in the end */
    double resale_spread;  /* log per square root of a year */
    uint64_t usable_bytes; /* that the model may use: for the price of a GiB */
    double co2_kg_per_kwh; /* 0: not known */
    mf_served served;
} mf_buying;

typedef struct mf_renting {
    mf_billing billing;
    double price_per_hour;  /* of all devices; HOUR, SPOT, RESERVED */
    double price_per_month; /* MONTH */
    double discount;        /* RESERVED: fraction off the hourly price */
    double term_years;      /* RESERVED: paid whole at the price of its start; 0: none */
    double min_hours;       /* shortest time one pays for at each start */
    bool kept_up; /* runs all the hours of use; otherwise given back when the work is done */
    double storage_per_month;
    double admin_hours_per_month;
    double setup_hours; /* once */
    double rent_spread;
    mf_served served;
} mf_renting;

typedef struct mf_api {
    double input_per_mtok;
    double cached_per_mtok; /* of prompt tokens that were seen before */
    double cached_share;    /* of the prompt, 0 to 1 */
    double output_per_mtok;
    double api_spread;
} mf_api;

/* What is asked of the machine on a day of use. */
typedef struct mf_usage {
    double hours_per_day;    /* in which somebody works with it */
    double busy;             /* share of them in which the bought machine computes, above 0 to 1 */
    double requests_per_day; /* instead of hours times busy; 0: from them */
    double days_per_week;
    uint64_t n_prompt;
    uint64_t n_output;
} mf_usage;

typedef enum mf_sampler { MF_SAMPLER_SOBOL, MF_SAMPLER_MT19937 } mf_sampler;

typedef struct mf_cost_case {
    mf_usage usage;
    double years;
    double wage_per_hour; /* of your own time; 0: not counted */
    mf_range inputs[MF_COST_INPUT_COUNT];
    double correlation_rent_api;
    double correlation_rent_resale;
    double correlation_api_resale;
    const mf_buying *buy;   /* needed */
    const mf_renting *rent; /* NULL: not compared */
    const mf_api *api;      /* NULL: not compared */
    uint64_t seed;
    uint32_t n_draws;
    mf_sampler sampler;
} mf_cost_case;

/* X(name, key, title): parts of a way's cost, present value over the years */
#define MF_COST_PART_LIST(X)                                                                       \
    X(MF_PART_PRICE, "price", "purchase")                                                          \
    X(MF_PART_TAX, "tax", "tax")                                                                   \
    X(MF_PART_ENERGY_ACTIVE, "energy_active", "electricity while busy")                            \
    X(MF_PART_ENERGY_IDLE, "energy_idle", "electricity while idle")                                \
    X(MF_PART_RENT, "rent", "rent")                                                                \
    X(MF_PART_OVERHEAD, "overhead", "overhead of renting")                                         \
    X(MF_PART_STORAGE, "storage", "storage")                                                       \
    X(MF_PART_TOKENS_IN, "tokens_in", "input tokens")                                              \
    X(MF_PART_TOKENS_OUT, "tokens_out", "output tokens")                                           \
    X(MF_PART_ADMIN, "admin", "your own time")                                                     \
    X(MF_PART_RESALE, "resale", "resale")

typedef enum mf_cost_part {
#define MF_COST_PART_ENUM(name, key, title) name,
    MF_COST_PART_LIST(MF_COST_PART_ENUM)
#undef MF_COST_PART_ENUM
        MF_PART_COUNT
} mf_cost_part;

MF_API const char *mf_cost_part_key(mf_cost_part part);
MF_API const char *mf_cost_part_title(mf_cost_part part);

typedef struct mf_way_cost {
    double parts[MF_PART_COUNT]; /* resale is negative */
    double total;
    double busy_hours_per_day;   /* computing, on a day of use */
    double billed_hours_per_day; /* RENT */
    double per_year;             /* the total as equal yearly payments */
    double
        per_mtok_in; /* cost of its seconds, 0: not known; API: the price's mean over the years */
    double per_mtok_out;
    double p10; /* of the total, over the draws */
    double p50;
    double p90;
} mf_way_cost;

/* When something turns. */
typedef enum mf_turn {
    MF_TURN_AT,     /* from `value` on */
    MF_TURN_UNTIL,  /* below `value`, not above */
    MF_TURN_ALWAYS, /* buying is cheaper throughout the range */
    MF_TURN_NEVER,  /* buying is never cheaper in the range */
} mf_turn;

typedef struct mf_break_even {
    mf_turn turn; /* every input at its centre */
    double value;
    bool
        spread_known; /* from which buying is cheaper, of hours a day and of months: over the draws */
    double p10;       /* 0: always */
    double p90;       /* INFINITY: not within a day; of months: not within the years of the case */
} mf_break_even;

typedef struct mf_swing {
    mf_cost_input input;
    double at_p10; /* difference with this input at its 10 % point, the others at their centre */
    double at_p90;
    double rank; /* Spearman's correlation with the difference over the draws */
} mf_swing;

/* Another way against buying; the difference is its cost less buying's: positive means that buying is cheaper. */
typedef struct mf_versus {
    mf_cost_way way;
    double difference;
    double p10;
    double p50;
    double p90;
    double buy_cheaper; /* probability */
    mf_break_even hours_per_day;
    mf_break_even days_per_week;          /* of as many hours as stated */
    mf_break_even months;                 /* the machine sold at the time */
    mf_break_even months_unsold;          /* and kept, worth nothing */
    mf_swing swings[MF_COST_INPUT_COUNT]; /* largest first; those that change nothing left out */
    size_t n_swings;
} mf_versus;

#define MF_COST_MAX_YEARS 10

/* Total up to the end of a year, sold then: centre and band. */
typedef struct mf_cost_point {
    double years;
    double value[MF_WAY_COUNT];
    double p10[MF_WAY_COUNT];
    double p90[MF_WAY_COUNT];
} mf_cost_point;

typedef struct mf_cost {
    double requests_per_day; /* on a day of use */
    double tokens_in_per_year;
    double tokens_out_per_year;
    bool has[MF_WAY_COUNT];
    mf_way_cost ways[MF_WAY_COUNT];
    mf_versus versus[MF_WAY_COUNT - 1];
    size_t n_versus;
    mf_cost_point points[MF_COST_MAX_YEARS + 1];
    size_t n_points;
    double overload; /* share of the draws in which the bought machine can't do the work in a day */
    double kwh_per_mtok_in; /* this and what follows: 0 is not known */
    double kwh_per_mtok_out;
    double kwh_per_year;
    double co2_kg_per_mtok_out;
    double price_per_gib;   /* of usable memory */
    double price_per_tok_s; /* of decode */
    double price_per_prefill_tok_s;
    double watts_per_tok_s; /* joules per output token */
} mf_cost;

/* Everything above for one case. MF_E_USAGE for hours or years out of range, a machine whose speed is not known, or more
   work than a day has hours. Thread-safe, no I/O; the same case gives the same bytes. */
MF_API mf_status mf_cost_compute(mf_cost *cost, const mf_cost_case *run, mf_error *err);

/* Sets an input from an assumption of the price files: certain where the row has no range. MF_E_UNKNOWN. */
MF_API mf_status mf_cost_assume(mf_range *range,
                                const mf_prices *prices,
                                const char *id,
                                mf_error *err);

/* How an input of this range is drawn, at a probability between 0 and 1: what the draws and the swings use. */
MF_API double mf_range_at(const mf_range *range, mf_draw_kind kind, double probability);

#ifdef __cplusplus
}
#endif

#endif
