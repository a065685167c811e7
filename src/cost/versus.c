/*
 * versus.c - one way against buying: which inputs matter, and from when on buying is cheaper.
 */
#include <math.h>

#include "cost/compute.h"
#include "cost/draw.h"
#include "cost/turn.h"

#define MONTHS_PER_YEAR 12.0

static const mf_draw_kind kinds[MF_COST_INPUT_COUNT] = {
#define KIND_OF(name, key, title, kind) [name] = (kind),
    MF_COST_INPUT_LIST(KIND_OF)
#undef KIND_OF
};

static double
difference(const mf_cost_model *model, const mf_world *world, mf_cost_way way, double years)
{
    return mf_model_total(NULL, model, world, way, years) -
           mf_model_total(NULL, model, world, MF_WAY_BUY, years);
}

/* A path whose surprises add up to this quantile of theirs. */
static void set_path(mf_world *world, mf_path_kind kind, double years, double z)
{
    const double n = ceil(years);
    for (size_t y = 0; y < (size_t)n; y++) {
        world->shocks[kind][y] = z / sqrt(n);
    }
}

static void set_input(mf_world *world, const mf_cost_model *model, mf_cost_input input, double p)
{
    const mf_cost_case *run = model->run;
    const double value = mf_range_at(&run->inputs[input], kinds[input], p);
    switch (input) {
    case MF_COST_RENT_PATH:
        set_path(world, MF_PATH_RENT, run->years, value);
        break;
    case MF_COST_API_PATH:
        set_path(world, MF_PATH_API, run->years, value);
        break;
    case MF_COST_RESALE_PATH:
        set_path(world, MF_PATH_RESALE, run->years, value);
        break;
    case MF_COST_GENERATIONS:
        world->x[input] = mf_poisson_at(run->years / world->x[MF_COST_GENERATION_YEARS], p);
        break;
    case MF_COST_GENERATION_YEARS:
        world->x[input] = value;
        world->x[MF_COST_GENERATIONS] = run->years / value;
        break;
    case MF_COST_PRICE:
    case MF_COST_HOURS:
    case MF_COST_BUY_TIME:
    case MF_COST_RENT_TIME:
    case MF_COST_ACTIVE_W:
    case MF_COST_IDLE_W:
    case MF_COST_TARIFF:
    case MF_COST_TARIFF_DRIFT:
    case MF_COST_INTEREST:
    case MF_COST_RESALE_KEPT:
    case MF_COST_RESALE_YEARLY:
    case MF_COST_GENERATION_DROP:
    case MF_COST_RENT_OVERHEAD:
    case MF_COST_RENT_REDONE:
    case MF_COST_RENT_DRIFT:
    case MF_COST_API_DRIFT:
        world->x[input] = value;
        break;
    case MF_COST_INPUT_COUNT:
        break;
    }
}

static double width(const mf_swing *swing)
{
    return fabs(swing->at_p90 - swing->at_p10);
}

/* Keeps the list sorted: widest first, by input where equal. */
static void insert(mf_versus *versus, mf_swing swing)
{
    size_t at = versus->n_swings++;
    while (at > 0 && width(&versus->swings[at - 1]) < width(&swing)) {
        versus->swings[at] = versus->swings[at - 1];
        at--;
    }
    versus->swings[at] = swing;
}

void mf_cost_swings(mf_versus *versus, const mf_cost_model *model)
{
    static const double least = 1e-6; /* of the currency: below it nothing changes */
    for (size_t i = 0; i < MF_COST_INPUT_COUNT; i++) {
        const mf_cost_input input = (mf_cost_input)i;
        mf_world low = mf_world_centre(model);
        mf_world high = low;
        set_input(&low, model, input, 0.1);
        set_input(&high, model, input, 0.9);
        const mf_swing swing = {.input = input,
                                .at_p10 = difference(model, &low, versus->way, model->run->years),
                                .at_p90 = difference(model, &high, versus->way, model->run->years)};
        if (width(&swing) > least) {
            insert(versus, swing);
        }
    }
}

#define LEAST_MONTHS 0.1 /* from where on they are asked */

static const mf_range hours_asked = {.low = 0.01, .high = 24};

typedef struct question {
    const mf_cost_model *model;
    mf_cost_way way;
    mf_world world;
    bool unsold;
} question;

/* By hours: the work grows with them. */
static double by_hours(double hours, const void *payload)
{
    const question *q = payload;
    mf_world world = q->world;
    world.scale = hours / q->model->hours_per_day;
    return difference(q->model, &world, q->way, q->model->run->years);
}

static double by_days(double days, const void *payload)
{
    const question *q = payload;
    mf_cost_model model = *q->model;
    model.days_per_year *= days / q->model->run->usage.days_per_week;
    return difference(&model, &q->world, q->way, q->model->run->years);
}

static double by_months(double months, const void *payload)
{
    const question *q = payload;
    const double years = months / MONTHS_PER_YEAR;
    double parts[MF_PART_COUNT];
    const double buy = mf_model_total(parts, q->model, &q->world, MF_WAY_BUY, years);
    const double other = mf_model_total(NULL, q->model, &q->world, q->way, years);
    return other - (q->unsold ? buy - parts[MF_PART_RESALE] : buy);
}

/* What is found as a number: 0 always, INFINITY never; what only pays below a number always does. */
static double turn_of(const mf_break_even *found)
{
    return found->turn == MF_TURN_AT      ? found->value
           : found->turn == MF_TURN_NEVER ? (double)INFINITY
                                          : 0;
}

mf_status mf_cost_world_turns(double turns[MF_TURN_KINDS],
                              const mf_cost_model *model,
                              const mf_world *world,
                              mf_cost_way way,
                              mf_error *err)
{
    enum { STEPS_A_YEAR = 4 };
    const double end = model->run->years * MONTHS_PER_YEAR;
    const size_t n_steps = (size_t)ceil(model->run->years * STEPS_A_YEAR);
    const mf_range months = {.low = fmin(LEAST_MONTHS, end), .high = end};
    mf_break_even found[MF_TURN_KINDS] = {{0}};
    question asked = {.model = model, .way = way, .world = *world};
    question q = asked;
    asked.world.x[MF_COST_HOURS] = 1; /* the hours are what is asked for */
    mf_status status = mf_turn_find(&found[MF_TURN_HOURS], by_hours, &asked, hours_asked, 1, err);
    if (status == MF_OK) {
        status = mf_turn_find(&found[MF_TURN_MONTHS], by_months, &q, months, n_steps, err);
    }
    q.unsold = true;
    if (status == MF_OK) {
        status = mf_turn_find(&found[MF_TURN_UNSOLD], by_months, &q, months, n_steps, err);
    }
    for (size_t k = 0; status == MF_OK && k < MF_TURN_KINDS; k++) {
        turns[k] = turn_of(&found[k]);
    }
    return status;
}

mf_status mf_cost_turns(mf_versus *versus, const mf_cost_model *model, mf_error *err)
{
    enum { HOUR_STEPS = 96, DAY_STEPS = 28, MONTH_STEPS = MF_COST_MAX_YEARS * 12 };
    static const mf_range days = {.low = 0.05, .high = 7};
    static const mf_range months = {.low = LEAST_MONTHS,
                                    .high = MF_COST_MAX_YEARS * MONTHS_PER_YEAR};
    question q = {.model = model, .way = versus->way, .world = mf_world_centre(model)};
    mf_status status =
        mf_turn_find(&versus->hours_per_day, by_hours, &q, hours_asked, HOUR_STEPS, err);
    if (status == MF_OK) {
        status = mf_turn_find(&versus->days_per_week, by_days, &q, days, DAY_STEPS, err);
    }
    if (status == MF_OK) {
        status = mf_turn_find(&versus->months, by_months, &q, months, MONTH_STEPS, err);
    }
    q.unsold = true;
    if (status == MF_OK) {
        status = mf_turn_find(&versus->months_unsold, by_months, &q, months, MONTH_STEPS, err);
    }
    return status;
}
