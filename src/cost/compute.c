/*
 * compute.c - checks a case, then asks the model: totals, what a token costs, when it turns, how sure that is.
 */
#include "cost/compute.h"

#include <math.h>

#define SECONDS_PER_HOUR 3600.0
#define HOURS_PER_DAY 24.0
#define TOKENS_PER_MTOK 1e6
#define WATTS_PER_KW 1000.0
#define BYTES_PER_GIB 1073741824.0
#define DAYS_PER_WEEK 7.0

static mf_status check_speed(const mf_served *served, const char *what, mf_error *err)
{
    if (!served->effective.known) {
        const char *reason = !served->decode.known    ? served->decode.reason
                             : !served->prefill.known ? served->prefill.reason
                                                      : served->effective.reason;
        return mf_fail(err,
                       MF_E_USAGE,
                       "the speed of the %s machine is not known: %s",
                       what,
                       reason != NULL ? reason : "no reason given");
    }
    return MF_OK;
}

static bool is_fraction(double value)
{
    return value >= 0 && value <= 1;
}

static mf_status check_usage(const mf_usage *usage, mf_error *err)
{
    if (!(usage->hours_per_day >= 0) || usage->hours_per_day > HOURS_PER_DAY) {
        return mf_fail(err, MF_E_USAGE, "hours per day lie between 0 and 24");
    }
    if (!(usage->hours_per_day > 0) && !(usage->requests_per_day > 0)) {
        return mf_fail(err, MF_E_USAGE, "say how much it is used: hours or requests per day");
    }
    const bool idle = !(usage->requests_per_day > 0) && !(usage->busy > 0);
    if (!is_fraction(usage->busy) || idle || !(usage->days_per_week > 0) ||
        usage->days_per_week > DAYS_PER_WEEK) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "the busy share lies above 0 and up to 100 %%, days per week above 0 and up to 7");
    }
    if (usage->n_output == 0) {
        return mf_fail(err, MF_E_USAGE, "a request without output has no cost per token");
    }
    return MF_OK;
}

static mf_status check_ranges(const mf_cost_case *run, mf_error *err)
{
    for (size_t i = 0; i < MF_COST_INPUT_COUNT; i++) {
        const mf_range *r = &run->inputs[i];
        if (!isfinite(r->low) || !isfinite(r->high) || !(r->low <= r->value) ||
            !(r->value <= r->high)) {
            return mf_fail(err,
                           MF_E_USAGE,
                           "the range of '%s' is not in order",
                           mf_cost_input_title((mf_cost_input)i));
        }
    }
    const mf_range *hours = &run->inputs[MF_COST_HOURS];
    if (!(hours->high - hours->value < 0.57 * hours->value)) {
        /* A symmetric beta on [0, 2 value] that has one peak. */
        return mf_fail(err, MF_E_USAGE, "hours of use spread by less than 57 %%");
    }
    if (!(run->inputs[MF_COST_GENERATION_YEARS].low > 0)) {
        return mf_fail(err, MF_E_USAGE, "there is time between two generations");
    }
    return MF_OK;
}

static mf_status check(const mf_cost_case *run, mf_error *err)
{
    enum { MOST_DRAWS = 200000 };
    if (run->buy == NULL) {
        return mf_fail(err, MF_E_USAGE, "name the machine to buy");
    }
    if (!(run->years > 0) || run->years > MF_COST_MAX_YEARS) {
        return mf_fail(err, MF_E_USAGE, "years lie between 0 and %d", MF_COST_MAX_YEARS);
    }
    if (run->n_draws < 2 || run->n_draws > MOST_DRAWS) {
        return mf_fail(err, MF_E_USAGE, "draws lie between 2 and %d", MOST_DRAWS);
    }
    mf_status status = check_usage(&run->usage, err);
    if (status == MF_OK) {
        status = check_ranges(run, err);
    }
    if (status == MF_OK) {
        status = check_speed(&run->buy->served, "bought", err);
    }
    if (status == MF_OK && run->rent != NULL) {
        status = check_speed(&run->rent->served, "rented", err);
    }
    return status;
}

/* The interval of the effective speed is that of the time a request takes, turned over. */
static mf_range time_range(const mf_served *served)
{
    const mf_rate *r = &served->effective;
    return (mf_range){.value = 1,
                      .low = fmin(1, r->tok_s / r->high_tok_s),
                      .high = fmax(1, r->tok_s / r->low_tok_s)};
}

static mf_status prepare(mf_cost_model *model, mf_cost_case *own, mf_error *err)
{
    const mf_usage *usage = &own->usage;
    const double output = (double)usage->n_output;
    own->inputs[MF_COST_BUY_TIME] = time_range(&own->buy->served);
    *model = (mf_cost_model){
        .run = own, .days_per_year = MF_DAYS_PER_YEAR / DAYS_PER_WEEK * usage->days_per_week};
    model->request_s[MF_WAY_BUY] = output / own->buy->served.effective.tok_s;
    if (own->rent != NULL) {
        own->inputs[MF_COST_RENT_TIME] = time_range(&own->rent->served);
        model->request_s[MF_WAY_RENT] = output / own->rent->served.effective.tok_s;
    }
    model->hours_per_day = usage->hours_per_day;
    model->requests_per_day =
        usage->requests_per_day > 0
            ? usage->requests_per_day
            : usage->hours_per_day * usage->busy * SECONDS_PER_HOUR / model->request_s[MF_WAY_BUY];
    const double busy = model->requests_per_day * model->request_s[MF_WAY_BUY] / SECONDS_PER_HOUR;
    if (usage->hours_per_day > 0 && busy > usage->hours_per_day * (1 + 1e-9)) {
        return mf_fail(
            err, MF_E_USAGE, "the requests take the bought machine longer than the hours of use");
    }
    if (busy > HOURS_PER_DAY) {
        return mf_fail(
            err, MF_E_USAGE, "a day is too short for the bought machine to do this work");
    }
    if (usage->requests_per_day > 0 && usage->hours_per_day > 0) {
        own->usage.busy = busy / usage->hours_per_day;
    } else if (usage->requests_per_day > 0) {
        model->hours_per_day = busy;
        own->usage.busy = 1;
    }
    return MF_OK;
}

/* Equal payments at the middle of each year that are worth the same. */
static double per_year(const mf_cost_case *run, double total)
{
    const double r = run->inputs[MF_COST_INTEREST].value;
    double worth = 0;
    for (int y = 0; y < run->years; y++) {
        const double length = fmin(1, run->years - y);
        worth += length * pow(1 + r, -(y + length / 2));
    }
    return total / worth;
}

/* Seconds of a token of the prompt, or of the answer, with all that is served beside it: requests that are served side
   by side take less each than alone, and what they save is shared as alone. 0: not known. */
static double
token_s(const mf_usage *usage, const mf_served *served, double request_s, double tok_s)
{
    if (!served->prefill.known || !served->decode.known) {
        return 0;
    }
    const double alone_s = (double)usage->n_prompt / served->prefill.tok_s +
                           (double)usage->n_output / served->decode.tok_s;
    return request_s / alone_s / tok_s;
}

static void price_tokens(mf_way_cost *way, const mf_cost_model *model, mf_cost_way which)
{
    const mf_usage *usage = &model->run->usage;
    const double requests = model->requests_per_day * model->days_per_year;
    if (which == MF_WAY_API) {
        const double share_in = way->parts[MF_PART_TOKENS_IN] / way->total;
        way->per_mtok_in = way->per_year * share_in * TOKENS_PER_MTOK /
                           (requests * fmax(1, (double)usage->n_prompt));
        way->per_mtok_out =
            way->per_year * (1 - share_in) * TOKENS_PER_MTOK / (requests * (double)usage->n_output);
        return;
    }
    const mf_served *served =
        which == MF_WAY_BUY ? &model->run->buy->served : &model->run->rent->served;
    const double request_s = model->request_s[which];
    const double per_mtok_s = way->per_year / (requests * request_s) * TOKENS_PER_MTOK;
    way->per_mtok_in = per_mtok_s * token_s(usage, served, request_s, served->prefill.tok_s);
    way->per_mtok_out = per_mtok_s * token_s(usage, served, request_s, served->decode.tok_s);
}

static void fill_ways(mf_cost *cost, const mf_cost_model *model)
{
    const mf_cost_case *run = model->run;
    const mf_world world = mf_world_centre(model);
    cost->has[MF_WAY_BUY] = true;
    cost->has[MF_WAY_RENT] = run->rent != NULL;
    cost->has[MF_WAY_API] = run->api != NULL;
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        mf_way_cost *way = &cost->ways[w];
        if (!cost->has[w]) {
            continue;
        }
        way->total = mf_model_total(way->parts, model, &world, (mf_cost_way)w, run->years);
        way->busy_hours_per_day = mf_model_busy_hours(model, &world, (mf_cost_way)w);
        way->per_year = per_year(run, way->total);
        price_tokens(way, model, (mf_cost_way)w);
    }
    if (run->rent != NULL) {
        cost->ways[MF_WAY_RENT].billed_hours_per_day = mf_model_billed_hours(model, &world);
    }
}

static void fill_machine(mf_cost *cost, const mf_cost_model *model)
{
    const mf_cost_case *run = model->run;
    const mf_buying *buy = run->buy;
    const double watts = run->inputs[MF_COST_ACTIVE_W].value;
    const double price = run->inputs[MF_COST_PRICE].value;
    const double kwh_per_s = watts / WATTS_PER_KW / SECONDS_PER_HOUR;
    const double busy = cost->ways[MF_WAY_BUY].busy_hours_per_day * model->days_per_year;
    const double on = fmax(busy, buy->powered_hours_per_day * MF_DAYS_PER_YEAR);
    const mf_served *served = &buy->served;
    const double request_s = model->request_s[MF_WAY_BUY];
    const double in_s = token_s(&run->usage, served, request_s, served->prefill.tok_s);
    const double out_s = token_s(&run->usage, served, request_s, served->decode.tok_s);
    cost->kwh_per_mtok_in = kwh_per_s * TOKENS_PER_MTOK * in_s;
    cost->kwh_per_mtok_out = kwh_per_s * TOKENS_PER_MTOK * out_s;
    cost->kwh_per_year =
        (busy * watts + (on - busy) * run->inputs[MF_COST_IDLE_W].value) / WATTS_PER_KW;
    cost->co2_kg_per_mtok_out = cost->kwh_per_mtok_out * buy->co2_kg_per_kwh;
    cost->price_per_gib =
        buy->usable_bytes > 0 ? price / ((double)buy->usable_bytes / BYTES_PER_GIB) : 0;
    cost->price_per_tok_s = served->decode.known ? price / served->decode.tok_s : 0;
    cost->price_per_prefill_tok_s = served->prefill.known ? price / served->prefill.tok_s : 0;
    cost->watts_per_tok_s = watts * out_s;
}

static void fill_work(mf_cost *cost, const mf_cost_model *model)
{
    const mf_usage *usage = &model->run->usage;
    cost->requests_per_day = model->requests_per_day;
    cost->tokens_in_per_year =
        model->requests_per_day * model->days_per_year * (double)usage->n_prompt;
    cost->tokens_out_per_year =
        model->requests_per_day * model->days_per_year * (double)usage->n_output;
}

static void fill_points(mf_cost *cost, const mf_cost_model *model)
{
    const mf_world world = mf_world_centre(model);
    cost->n_points = (size_t)ceil(model->run->years) + 1;
    for (size_t i = 0; i < cost->n_points; i++) {
        mf_cost_point *point = &cost->points[i];
        point->years = fmin((double)i, model->run->years);
        for (size_t w = 0; w < MF_WAY_COUNT; w++) {
            if (cost->has[w]) {
                point->value[w] = mf_model_total(NULL, model, &world, (mf_cost_way)w, point->years);
            }
        }
    }
}

static mf_status compare(mf_cost *cost, const mf_cost_model *model, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t w = MF_WAY_RENT; status == MF_OK && w < MF_WAY_COUNT; w++) {
        if (!cost->has[w]) {
            continue;
        }
        mf_versus *versus = &cost->versus[cost->n_versus++];
        versus->way = (mf_cost_way)w;
        versus->difference = cost->ways[w].total - cost->ways[MF_WAY_BUY].total;
        mf_cost_swings(versus, model);
        status = mf_cost_turns(versus, model, err);
    }
    return status;
}

mf_status mf_cost_compute(mf_cost *cost, const mf_cost_case *run, mf_error *err)
{
    mf_cost result = {0};
    mf_cost_case own = *run;
    mf_cost_model model = {0};
    mf_status status = check(run, err);
    if (status == MF_OK) {
        status = prepare(&model, &own, err);
    }
    if (status == MF_OK) {
        fill_work(&result, &model);
        fill_ways(&result, &model);
        fill_machine(&result, &model);
        fill_points(&result, &model);
        status = compare(&result, &model, err);
    }
    if (status == MF_OK) {
        status = mf_cost_simulate(&result, &model, err);
    }
    if (status == MF_OK) {
        *cost = result;
    }
    return status;
}
