#include "cost/model.h"

#include <math.h>
#include <string.h>

#define SECONDS_PER_HOUR 3600.0
#define HOURS_PER_DAY 24.0
#define WATTS_PER_KW 1000.0
#define MONTHS_PER_YEAR 12.0
#define TOKENS_PER_MTOK 1e6

mf_world mf_world_centre(const mf_cost_model *model)
{
    mf_world world = {.scale = 1};
    for (size_t i = 0; i < MF_COST_INPUT_COUNT; i++) {
        world.x[i] = model->run->inputs[i].value;
    }
    /* Expected number; draws round it. */
    world.x[MF_COST_GENERATIONS] = model->run->years / world.x[MF_COST_GENERATION_YEARS];
    return world;
}

static double requests_per_day(const mf_cost_model *model, const mf_world *world)
{
    return model->requests_per_day * world->scale * world->x[MF_COST_HOURS];
}

double mf_model_busy_hours(const mf_cost_model *model, const mf_world *world, mf_cost_way way)
{
    const double factor = way == MF_WAY_BUY    ? world->x[MF_COST_BUY_TIME]
                          : way == MF_WAY_RENT ? world->x[MF_COST_RENT_TIME]
                                               : 0;
    return requests_per_day(model, world) * model->request_s[way] * factor / SECONDS_PER_HOUR;
}

/* The pauses between requests last as long as before, computing takes what it takes there; a machine that is kept up
   waits for the end of the hours. */
double mf_model_billed_hours(const mf_cost_model *model, const mf_world *world)
{
    const mf_renting *rent = model->run->rent;
    const double present = model->hours_per_day * world->scale * world->x[MF_COST_HOURS];
    const double computing = mf_model_busy_hours(model, world, MF_WAY_RENT);
    double hours = rent->kept_up ? fmax(present, computing)
                                 : present * (1 - model->run->usage.busy) + computing;
    if (rent->billing == MF_BILLING_SPOT) {
        hours *= 1 + world->x[MF_COST_RENT_REDONE];
    }
    /* Starts are rounded up to what one has to pay for; a hair of rounding is no start. */
    const double least = rent->min_hours;
    return least > 0 ? ceil(hours / least - 1e-9) * least : hours;
}

typedef struct flow {
    const mf_cost_model *model;
    const mf_world *world;
    double *parts;
    double years;
} flow;

/* Length of year y inside the horizon. */
static double length_of(const flow *f, size_t y)
{
    return fmin(1, f->years - (double)y);
}

static double middle_of(const flow *f, size_t y)
{
    return (double)y + length_of(f, y) / 2;
}

static double discount(const flow *f, double years)
{
    return pow(1 + f->world->x[MF_COST_INTEREST], -years);
}

/* Level of a price path in the middle of year y: half of that year's surprise has happened. */
static double path_level(const flow *f, mf_path_kind kind, size_t y, double drift, double spread)
{
    double surprise = 0;
    for (size_t i = 0; i < y; i++) {
        surprise += f->world->shocks[kind][i];
    }
    surprise += f->world->shocks[kind][y] * sqrt(0.5);
    return exp(drift * middle_of(f, y) + spread * surprise);
}

/* Of a reservation that holds a price until its term ends: the level at the term's start. */
static double held_level(const flow *f, size_t y)
{
    const mf_renting *rent = f->model->run->rent;
    const double drift = f->world->x[MF_COST_RENT_DRIFT];
    if (rent->billing != MF_BILLING_RESERVED || !(rent->term_years > 0)) {
        return path_level(f, MF_PATH_RENT, y, drift, rent->rent_spread);
    }
    const size_t start = (size_t)(floor((double)y / rent->term_years) * rent->term_years);
    double surprise = 0;
    for (size_t i = 0; i < start; i++) {
        surprise += f->world->shocks[MF_PATH_RENT][i];
    }
    return exp(drift * (double)start + rent->rent_spread * surprise);
}

/* Months and reservations are paid whole. */
static double paid_years(const flow *f)
{
    const mf_renting *rent = f->model->run->rent;
    const double unit = rent->billing == MF_BILLING_MONTH      ? 1 / MONTHS_PER_YEAR
                        : rent->billing == MF_BILLING_RESERVED ? rent->term_years
                                                               : 0;
    return unit > 0 ? ceil(f->years / unit - 1e-9) * unit : f->years;
}

static double resale(const flow *f)
{
    const mf_buying *buy = f->model->run->buy;
    const double *x = f->world->x;
    const double share = f->model->run->years > 0 ? f->years / f->model->run->years : 0;
    double surprise = 0;
    for (size_t y = 0; y < MF_COST_MAX_YEARS && (double)y < f->years; y++) {
        surprise += f->world->shocks[MF_PATH_RESALE][y] * sqrt(length_of(f, y));
    }
    const double value = x[MF_COST_PRICE] * x[MF_COST_RESALE_KEPT] *
                         exp(-x[MF_COST_RESALE_YEARLY] * f->years -
                             x[MF_COST_GENERATION_DROP] * x[MF_COST_GENERATIONS] * share +
                             buy->resale_spread * surprise);
    return -value * discount(f, f->years);
}

/* Before the first year: what setting up takes is most of it. */
static double once(const flow *f, double hours)
{
    return hours * f->model->run->wage_per_hour;
}

static double admin_per_year(const flow *f, double hours_per_month)
{
    return hours_per_month * MONTHS_PER_YEAR * f->model->run->wage_per_hour;
}

static void buy_flow(const flow *f)
{
    const mf_buying *buy = f->model->run->buy;
    const double *x = f->world->x;
    const double busy = fmin(HOURS_PER_DAY, mf_model_busy_hours(f->model, f->world, MF_WAY_BUY)) *
                        f->model->days_per_year;
    const double on = fmax(busy, buy->powered_hours_per_day * MF_DAYS_PER_YEAR);
    f->parts[MF_PART_PRICE] = x[MF_COST_PRICE];
    f->parts[MF_PART_TAX] = x[MF_COST_PRICE] * buy->tax;
    f->parts[MF_PART_ADMIN] = once(f, buy->setup_hours);
    for (size_t y = 0; y < MF_COST_MAX_YEARS && (double)y < f->years; y++) {
        const double worth = length_of(f, y) * discount(f, middle_of(f, y));
        const double per_kwh =
            x[MF_COST_TARIFF] * exp(x[MF_COST_TARIFF_DRIFT] * middle_of(f, y)) * buy->cooling;
        f->parts[MF_PART_ENERGY_ACTIVE] +=
            worth * busy * x[MF_COST_ACTIVE_W] / WATTS_PER_KW * per_kwh;
        f->parts[MF_PART_ENERGY_IDLE] +=
            worth * (on - busy) * x[MF_COST_IDLE_W] / WATTS_PER_KW * per_kwh;
        f->parts[MF_PART_ADMIN] += worth * admin_per_year(f, buy->admin_hours_per_month);
    }
    f->parts[MF_PART_RESALE] = resale(f);
}

static double rent_per_year(const flow *f)
{
    const mf_renting *rent = f->model->run->rent;
    switch (rent->billing) {
    case MF_BILLING_MONTH:
        return rent->price_per_month * MONTHS_PER_YEAR;
    case MF_BILLING_RESERVED:
        return rent->price_per_hour * (1 - rent->discount) * MF_HOURS_PER_YEAR;
    case MF_BILLING_HOUR:
    case MF_BILLING_SPOT:
    case MF_BILLING_SURVEY:
    case MF_BILLING_COUNT:
        break;
    }
    return rent->price_per_hour * mf_model_billed_hours(f->model, f->world) *
           f->model->days_per_year;
}

static void rent_flow(const flow *f)
{
    enum { LONGEST_TERM = 3 };
    const mf_renting *rent = f->model->run->rent;
    const double *x = f->world->x;
    const double per_year = rent_per_year(f);
    flow paid = *f;
    paid.years = paid_years(f);
    f->parts[MF_PART_ADMIN] = once(f, rent->setup_hours);
    for (size_t y = 0; y < MF_COST_MAX_YEARS + LONGEST_TERM && (double)y < paid.years; y++) {
        const double worth = length_of(&paid, y) * discount(f, middle_of(&paid, y));
        f->parts[MF_PART_RENT] += worth * per_year * held_level(&paid, y);
    }
    for (size_t y = 0; y < MF_COST_MAX_YEARS && (double)y < f->years; y++) {
        const double worth = length_of(f, y) * discount(f, middle_of(f, y));
        f->parts[MF_PART_STORAGE] += worth * rent->storage_per_month * MONTHS_PER_YEAR;
        f->parts[MF_PART_ADMIN] += worth * admin_per_year(f, rent->admin_hours_per_month);
    }
    f->parts[MF_PART_OVERHEAD] = f->parts[MF_PART_RENT] * x[MF_COST_RENT_OVERHEAD];
}

static void api_flow(const flow *f)
{
    const mf_api *api = f->model->run->api;
    const mf_usage *usage = &f->model->run->usage;
    const double requests = requests_per_day(f->model, f->world) * f->model->days_per_year;
    const double per_input_mtok =
        (1 - api->cached_share) * api->input_per_mtok + api->cached_share * api->cached_per_mtok;
    const double in = requests * (double)usage->n_prompt / TOKENS_PER_MTOK * per_input_mtok;
    const double out = requests * (double)usage->n_output / TOKENS_PER_MTOK * api->output_per_mtok;
    for (size_t y = 0; y < MF_COST_MAX_YEARS && (double)y < f->years; y++) {
        const double worth =
            length_of(f, y) * discount(f, middle_of(f, y)) *
            path_level(f, MF_PATH_API, y, f->world->x[MF_COST_API_DRIFT], api->api_spread);
        f->parts[MF_PART_TOKENS_IN] += worth * in;
        f->parts[MF_PART_TOKENS_OUT] += worth * out;
    }
}

double mf_model_total(double parts[MF_PART_COUNT],
                      const mf_cost_model *model,
                      const mf_world *world,
                      mf_cost_way way,
                      double years)
{
    double own[MF_PART_COUNT] = {0};
    const flow f = {.model = model, .world = world, .parts = own, .years = years};
    switch (way) {
    case MF_WAY_BUY:
        buy_flow(&f);
        break;
    case MF_WAY_RENT:
        rent_flow(&f);
        break;
    case MF_WAY_API:
        api_flow(&f);
        break;
    case MF_WAY_COUNT:
        break;
    }
    double total = 0;
    for (size_t i = 0; i < MF_PART_COUNT; i++) {
        total += own[i];
    }
    if (parts != NULL) {
        memcpy(parts, own, sizeof own);
    }
    return total;
}
