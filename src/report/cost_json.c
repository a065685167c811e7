#include <math.h>
#include <stdio.h>

#include "report/cost.h"
#include "report/json_writer.h"

enum { DIGITS = 6 };

static void write_range(mf_json_writer *w, const char *key, const mf_range *range)
{
    mf_jw_open(w, key, '{');
    mf_jw_number(w, "value", true, range->value);
    mf_jw_number(w, "low", true, range->low);
    mf_jw_number(w, "high", true, range->high);
    mf_jw_close(w, '}');
}

static void write_inputs(mf_json_writer *w, const mf_cost_plan *plan)
{
    mf_jw_open(w, "inputs", '{');
    for (size_t i = 0; i < MF_COST_INPUT_COUNT; i++) {
        const bool path = i == MF_COST_RENT_PATH || i == MF_COST_API_PATH ||
                          i == MF_COST_RESALE_PATH || i == MF_COST_GENERATIONS ||
                          i == MF_COST_BUY_TIME || i == MF_COST_RENT_TIME;
        if (!path) {
            write_range(w, mf_cost_input_key((mf_cost_input)i), &plan->run.inputs[i]);
        }
    }
    mf_jw_close(w, '}');
}

static void write_machine(mf_json_writer *w, const char *key, const mf_shown *shown)
{
    const mf_prediction *p = shown->prediction;
    mf_jw_open(w, key, '{');
    mf_jw_text(w, "id", shown->run->machine->id);
    mf_jw_text(w, "name", shown->run->machine->name);
    mf_jw_bool(w, "fits", p->memory.fits);
    mf_jw_number(w, "decode_tok_s", p->decode.known, p->decode.tok_s);
    mf_jw_number(w, "prefill_tok_s", p->prefill.known, p->prefill.tok_s);
    mf_jw_number(w, "effective_tok_s", p->effective.known, p->effective.tok_s);
    mf_jw_number(w, "effective_low_tok_s", p->effective.known, p->effective.low_tok_s);
    mf_jw_number(w, "effective_high_tok_s", p->effective.known, p->effective.high_tok_s);
    mf_jw_text(w, "basis", p->effective.known ? mf_basis_name(p->effective.basis) : NULL);
    mf_jw_close(w, '}');
}

static void write_usage(mf_json_writer *w, const mf_cost_shown *shown)
{
    const mf_usage *usage = &shown->plan->run.usage;
    mf_jw_open(w, "usage", '{');
    mf_jw_number(w, "hours_per_day", usage->hours_per_day > 0, usage->hours_per_day);
    mf_jw_number(w, "busy", true, usage->busy);
    mf_jw_number(w, "days_per_week", true, usage->days_per_week);
    mf_jw_uint(w, "prompt_tokens", usage->n_prompt);
    mf_jw_uint(w, "output_tokens", usage->n_output);
    mf_jw_number(w, "requests_per_day", true, shown->cost->requests_per_day);
    mf_jw_number(w, "input_tokens_per_year", true, shown->cost->tokens_in_per_year);
    mf_jw_number(w, "output_tokens_per_year", true, shown->cost->tokens_out_per_year);
    mf_jw_close(w, '}');
}

/* What was said, or is as usual, and has no range. */
static void write_settings(mf_json_writer *w, const mf_cost_plan *plan)
{
    const bool rents = plan->run.rent != NULL;
    const bool pays = plan->run.api != NULL;
    mf_jw_open(w, "settings", '{');
    mf_jw_number(w, "tax", true, plan->buying.tax);
    mf_jw_number(w, "powered_hours_per_day", true, plan->buying.powered_hours_per_day);
    mf_jw_number(w, "cooling", true, plan->buying.cooling);
    mf_jw_number(w, "wage_per_hour", true, plan->run.wage_per_hour);
    mf_jw_number(w, "buy_admin_hours_per_month", true, plan->buying.admin_hours_per_month);
    mf_jw_number(w, "rent_admin_hours_per_month", rents, plan->renting.admin_hours_per_month);
    mf_jw_number(w, "buy_setup_hours", true, plan->buying.setup_hours);
    mf_jw_number(w, "rent_setup_hours", rents, plan->renting.setup_hours);
    mf_jw_number(w, "storage_per_month", rents, plan->renting.storage_per_month);
    mf_jw_number(w, "api_input_per_mtok", pays, plan->api.input_per_mtok);
    mf_jw_number(w, "api_cached_per_mtok", pays, plan->api.cached_per_mtok);
    mf_jw_number(w, "api_cached_share", pays, plan->api.cached_share);
    mf_jw_number(w, "api_output_per_mtok", pays, plan->api.output_per_mtok);
    mf_jw_close(w, '}');
}

static void write_offer(mf_json_writer *w, const mf_cost_plan *plan)
{
    const bool monthly = plan->renting.billing == MF_BILLING_MONTH;
    mf_jw_open(w, "offer", '{');
    mf_jw_text(w, "id", plan->offer != NULL ? plan->offer->id : NULL);
    mf_jw_bool(w, "tier_chosen", plan->offer_chosen);
    mf_jw_text(w, "billing", mf_billing_name(plan->renting.billing));
    mf_jw_number(w, "price_per_hour", !monthly, plan->renting.price_per_hour);
    mf_jw_number(w, "price_per_month", monthly, plan->renting.price_per_month);
    mf_jw_number(w, "min_hours", true, plan->renting.min_hours);
    mf_jw_text(w, "date", plan->offer != NULL ? plan->offer->date : NULL);
    mf_jw_close(w, '}');
}

static void write_way(mf_json_writer *w, const mf_cost *cost, mf_cost_way way)
{
    const mf_way_cost *c = &cost->ways[way];
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "way", mf_cost_way_key(way));
    mf_jw_open(w, "parts", '[');
    for (size_t i = 0; i < MF_PART_COUNT; i++) {
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "name", mf_cost_part_key((mf_cost_part)i));
        mf_jw_number(w, "amount", true, c->parts[i]);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
    mf_jw_number(w, "total", true, c->total);
    mf_jw_number(w, "p10", true, c->p10);
    mf_jw_number(w, "p50", true, c->p50);
    mf_jw_number(w, "p90", true, c->p90);
    mf_jw_number(w, "per_year", true, c->per_year);
    mf_jw_number(w, "per_mtok_in", c->per_mtok_in > 0, c->per_mtok_in);
    mf_jw_number(w, "per_mtok_out", c->per_mtok_out > 0, c->per_mtok_out);
    mf_jw_number(w, "busy_hours_per_day", way != MF_WAY_API, c->busy_hours_per_day);
    mf_jw_number(w, "billed_hours_per_day", way == MF_WAY_RENT, c->billed_hours_per_day);
    mf_jw_close(w, '}');
}

static void
write_turn(mf_json_writer *w, const char *key, const char *value, const mf_break_even *b)
{
    static const char *const names[] = {[MF_TURN_AT] = "from",
                                        [MF_TURN_UNTIL] = "until",
                                        [MF_TURN_ALWAYS] = "always",
                                        [MF_TURN_NEVER] = "never"};
    mf_jw_open(w, key, '{');
    mf_jw_text(w, "buying_is_cheaper", names[b->turn]);
    mf_jw_number(w, value, b->turn == MF_TURN_AT || b->turn == MF_TURN_UNTIL, b->value);
    if (b->spread_known) {
        mf_jw_number(w, "p10", !isinf(b->p10), b->p10);
        mf_jw_number(w, "p90", !isinf(b->p90), b->p90);
    }
    mf_jw_close(w, '}');
}

static void write_versus(mf_json_writer *w, const mf_versus *v)
{
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "way", mf_cost_way_key(v->way));
    mf_jw_number(w, "difference", true, v->difference);
    mf_jw_number(w, "p10", true, v->p10);
    mf_jw_number(w, "p50", true, v->p50);
    mf_jw_number(w, "p90", true, v->p90);
    mf_jw_number(w, "buy_cheaper_probability", true, v->buy_cheaper);
    write_turn(w, "break_even_hours_per_day", "hours", &v->hours_per_day);
    write_turn(w, "break_even_days_per_week", "days", &v->days_per_week);
    write_turn(w, "break_even_months", "months", &v->months);
    write_turn(w, "break_even_months_unsold", "months", &v->months_unsold);
    mf_jw_open(w, "tornado", '[');
    for (size_t i = 0; i < v->n_swings; i++) {
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "input", mf_cost_input_key(v->swings[i].input));
        mf_jw_number(w, "at_p10", true, v->swings[i].at_p10);
        mf_jw_number(w, "at_p90", true, v->swings[i].at_p90);
        mf_jw_number(w, "rank_correlation", true, v->swings[i].rank);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
    mf_jw_close(w, '}');
}

static void write_points(mf_json_writer *w, const mf_cost *cost)
{
    mf_jw_open(w, "by_year", '[');
    for (size_t i = 0; i < cost->n_points; i++) {
        const mf_cost_point *p = &cost->points[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_number(w, "years", true, p->years);
        for (size_t k = 0; k < MF_WAY_COUNT; k++) {
            if (cost->has[k]) {
                mf_jw_open(w, mf_cost_way_key((mf_cost_way)k), '{');
                mf_jw_number(w, "total", true, p->value[k]);
                mf_jw_number(w, "p10", true, p->p10[k]);
                mf_jw_number(w, "p90", true, p->p90[k]);
                mf_jw_close(w, '}');
            }
        }
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_own(mf_json_writer *w, const mf_cost *c)
{
    mf_jw_open(w, "bought", '{');
    mf_jw_number(w, "price_per_usable_gib", c->price_per_gib > 0, c->price_per_gib);
    mf_jw_number(w, "price_per_decode_tok_s", c->price_per_tok_s > 0, c->price_per_tok_s);
    mf_jw_number(
        w, "price_per_prefill_tok_s", c->price_per_prefill_tok_s > 0, c->price_per_prefill_tok_s);
    mf_jw_number(w, "kwh_per_mtok_in", c->kwh_per_mtok_in > 0, c->kwh_per_mtok_in);
    mf_jw_number(w, "kwh_per_mtok_out", c->kwh_per_mtok_out > 0, c->kwh_per_mtok_out);
    mf_jw_number(w, "kwh_per_year", true, c->kwh_per_year);
    mf_jw_number(w, "co2_kg_per_mtok_out", c->co2_kg_per_mtok_out > 0, c->co2_kg_per_mtok_out);
    mf_jw_number(w, "joule_per_output_token", c->watts_per_tok_s > 0, c->watts_per_tok_s);
    mf_jw_number(w, "overload_probability", true, c->overload);
    mf_jw_close(w, '}');
}

static void write_sources(mf_json_writer *w, const mf_cost_shown *shown)
{
    const mf_cost_plan *plan = shown->plan;
    mf_jw_open(w, "sources", '[');
    for (size_t i = 0; i < plan->n_grounds; i++) {
        const mf_cost_ground *g = &plan->grounds[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "id", g->id);
        mf_jw_text(w, "for", g->what);
        mf_jw_text(w, "title", g->text);
        mf_jw_text(w, "kind", g->source != NULL ? mf_source_kind_name(g->source->kind) : "said");
        mf_jw_text(w, "date", g->date);
        mf_jw_close(w, '}');
    }
    mf_write_grounds(w, &shown->buy, "buy.", "date");
    if (shown->rent.run != NULL) {
        mf_write_grounds(w, &shown->rent, "rent.", "date");
    }
    mf_jw_close(w, ']');
}

mf_status mf_write_cost_json(mf_str *out, const mf_cost_shown *shown, mf_error *err)
{
    mf_json_writer writer = {.out = out};
    mf_json_writer *w = &writer;
    const mf_cost_plan *plan = shown->plan;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "schema", "memfit.cost/1");
    mf_jw_text(w, "model", shown->buy.run->model->id);
    mf_jw_text(w, "quant", shown->buy.quant_name);
    mf_jw_text(w, "currency", mf_currency_name(plan->currency));
    mf_jw_number(w, "years", true, plan->run.years);
    mf_jw_uint(w, "seed", plan->run.seed);
    mf_jw_uint(w, "draws", plan->run.n_draws);
    mf_jw_text(w, "sampler", plan->run.sampler == MF_SAMPLER_SOBOL ? "sobol" : "mt19937");
    write_usage(w, shown);
    write_machine(w, "buy", &shown->buy);
    if (plan->run.rent != NULL) {
        write_machine(w, "rent", &shown->rent);
        write_offer(w, plan);
    }
    write_settings(w, plan);
    write_inputs(w, plan);
    mf_jw_open(w, "ways", '[');
    for (size_t i = 0; i < MF_WAY_COUNT; i++) {
        if (shown->cost->has[i]) {
            write_way(w, shown->cost, (mf_cost_way)i);
        }
    }
    mf_jw_close(w, ']');
    mf_jw_open(w, "versus", '[');
    for (size_t i = 0; i < shown->cost->n_versus; i++) {
        write_versus(w, &shown->cost->versus[i]);
    }
    mf_jw_close(w, ']');
    write_points(w, shown->cost);
    write_own(w, shown->cost);
    write_sources(w, shown);
    mf_jw_close(w, '}');
    return mf_str_status(out, err);
}

mf_status mf_write_cost_csv(mf_str *out, const mf_cost_shown *shown, mf_error *err)
{
    mf_str_add(
        out,
        "model,way,currency,years,total,p10,p50,p90,per_year,per_mtok_in,per_mtok_out,"
        "saved_by_buying_p10,saved_by_buying_p50,saved_by_buying_p90,buy_cheaper_probability\n");
    size_t versus = 0;
    for (size_t i = 0; i < MF_WAY_COUNT; i++) {
        const mf_way_cost *c = &shown->cost->ways[i];
        if (!shown->cost->has[i]) {
            continue;
        }
        mf_str_printf(out,
                      "%s,%s,%s",
                      shown->buy.run->model->id,
                      mf_cost_way_key((mf_cost_way)i),
                      mf_currency_name(shown->plan->currency));
        const double values[] = {shown->plan->run.years,
                                 c->total,
                                 c->p10,
                                 c->p50,
                                 c->p90,
                                 c->per_year,
                                 c->per_mtok_in,
                                 c->per_mtok_out};
        char number[MF_NUMBER_SIZE];
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            mf_str_printf(out, ",%s", mf_number_text(number, values[k], DIGITS));
        }
        if (i == MF_WAY_BUY) {
            mf_str_add(out, ",,,,\n");
            continue;
        }
        const mf_versus *v = &shown->cost->versus[versus++];
        const double differences[] = {v->p10, v->p50, v->p90, v->buy_cheaper};
        for (size_t k = 0; k < sizeof differences / sizeof differences[0]; k++) {
            mf_str_printf(out, ",%s", mf_number_text(number, differences[k], DIGITS));
        }
        mf_str_add(out, "\n");
    }
    return mf_str_status(out, err);
}
