/*
 * model.h - the one cost function: what each way costs for given inputs, up to any time.
 */
#ifndef MF_COST_MODEL_H
#define MF_COST_MODEL_H

#include "memfit/cost.h"

#define MF_DAYS_PER_YEAR 365.25
#define MF_HOURS_PER_YEAR (24 * MF_DAYS_PER_YEAR)

/* The three price paths that move together. */
typedef enum mf_path_kind { MF_PATH_RENT, MF_PATH_API, MF_PATH_RESALE, MF_PATH_KINDS } mf_path_kind;

/* One possible world: a value for every input, and a surprise (standard normal, correlated) a year and path. */
typedef struct mf_world {
    double x[MF_COST_INPUT_COUNT];
    double shocks[MF_PATH_KINDS][MF_COST_MAX_YEARS];
    double scale; /* on the work and its hours: 1 as stated */
} mf_world;

/* A case with what follows from it once. */
typedef struct mf_cost_model {
    const mf_cost_case *run;
    double request_s[MF_WAY_COUNT]; /* seconds of one request; API: 0 */
    double requests_per_day;
    double hours_per_day;
    double days_per_year;
} mf_cost_model;

/* Every input at its centre, no surprises. */
mf_world mf_world_centre(const mf_cost_model *model);

/* Present value of one way up to `years`, then sold. parts may be NULL. */
double mf_model_total(double parts[MF_PART_COUNT],
                      const mf_cost_model *model,
                      const mf_world *world,
                      mf_cost_way way,
                      double years);

/* Hours a day of use that the bought machine computes, without the limit of a day; and those that are billed. */
double mf_model_busy_hours(const mf_cost_model *model, const mf_world *world, mf_cost_way way);
double mf_model_billed_hours(const mf_cost_model *model, const mf_world *world);

#endif
