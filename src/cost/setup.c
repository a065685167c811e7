#include "cost/setup.h"

static mf_status set_api(setup *s)
{
    const mf_cost_options *o = s->options;
    mf_api *api = &s->plan->api;
    if (o->api_in < 0 && o->api_out < 0) {
        return MF_OK;
    }
    if (o->api_in < 0 || o->api_out < 0) {
        return mf_fail(
            s->err, MF_E_USAGE, "a price per token has two sides: --api-in and --api-out");
    }
    api->input_per_mtok = o->api_in;
    api->output_per_mtok = o->api_out;
    api->cached_per_mtok = mf_said_or(o->api_cached, o->api_in);
    api->cached_share = o->api_cached_share;
    mf_setup_said(s, "price per token");
    mf_status status = mf_setup_assume(&s->plan->run.inputs[MF_COST_API_DRIFT], s, "api-drift");
    if (status == MF_OK) {
        status = mf_setup_value(&api->api_spread, s, "api-spread");
    }
    s->plan->run.api = api;
    return status;
}

static mf_status set_correlations(setup *s)
{
    mf_cost_case *run = &s->plan->run;
    const struct {
        double *value;
        const char *id;
    } rows[] = {
        {&run->correlation_rent_api,    "correlation-rent-api"   },
        {&run->correlation_rent_resale, "correlation-rent-resale"},
        {&run->correlation_api_resale,  "correlation-api-resale" },
    };
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof rows / sizeof rows[0]; i++) {
        status = mf_setup_value(rows[i].value, s, rows[i].id);
    }
    return status;
}

static mf_status set_usage(setup *s, const mf_workload *workload)
{
    const mf_cost_options *o = s->options;
    mf_range spread = {0};
    if (o->hours_per_day < 0 && o->requests_per_day < 0) {
        return mf_fail(s->err,
                       MF_E_USAGE,
                       "say how much it is used: --hours-per-day 8 or --requests-per-day 500");
    }
    s->plan->run.usage = (mf_usage){.hours_per_day = mf_said_or(o->hours_per_day, 0),
                                    .busy = o->busy,
                                    .requests_per_day = mf_said_or(o->requests_per_day, 0),
                                    .days_per_week = o->days_per_week,
                                    .n_prompt = workload->n_prompt,
                                    .n_output = workload->n_output};
    const mf_status status = mf_setup_assume(&spread, s, "hours-spread");
    s->plan->run.inputs[MF_COST_HOURS] =
        (mf_range){.value = 1, .low = 1 - spread.value, .high = 1 + spread.value};
    return status;
}

/* A misspelt --set would go unnoticed otherwise. */
static mf_status check_set(setup *s)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < s->options->n_set; i++) {
        const mf_assumption *row = NULL;
        status = mf_price_assumption(&row, s->prices, s->options->set[i].id, s->err);
    }
    return status == MF_E_UNKNOWN ? MF_E_USAGE : status;
}

mf_status mf_cost_setup(mf_cost_plan *plan,
                        const mf_prices *prices,
                        const mf_cost_options *options,
                        const mf_rental *offer,
                        mf_cost_place buy,
                        mf_cost_place rent,
                        const mf_workload *workload,
                        mf_error *err)
{
    *plan = (mf_cost_plan){.offer = offer};
    setup s = {
        .plan = plan, .prices = prices, .options = options, .buy = buy, .rent = rent, .err = err};
    plan->run.years = options->years;
    plan->run.wage_per_hour = mf_said_or(options->wage_per_hour, 0);
    plan->run.seed = options->seed;
    plan->run.n_draws = options->n_draws;
    plan->run.sampler = options->sampler;
    typedef mf_status (*step)(setup *);
    static const step steps[] = {
        check_set, mf_setup_buying, mf_setup_renting, set_api, set_correlations};
    mf_status status = set_usage(&s, workload);
    for (size_t i = 0; status == MF_OK && i < sizeof steps / sizeof steps[0]; i++) {
        status = steps[i](&s);
    }
    return status == MF_OK ? mf_setup_assume(&plan->run.inputs[MF_COST_INTEREST], &s, "interest")
                           : status;
}
