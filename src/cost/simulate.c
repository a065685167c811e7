/*
 * simulate.c - draws worlds and reads percentiles off what they cost.
 */
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>

#include "cost/compute.h"
#include "cost/draw.h"

/* Ranks need a sort per input: so many of the first draws are enough for two digits. */
enum { MOST_RANKED = 4096 };

/* Break-even points take a root each: so many of the first draws give their percentiles to a few per cent. */
enum { MOST_TURNS = 1024 };

#define HOURS_PER_DAY 24.0

/* Columns of the draws: the total of each way at each point, then the inputs. */
typedef struct draws {
    size_t n;
    size_t n_points;
    size_t n_ranked;
    double *totals; /* [way][point][draw] */
    double *inputs; /* [input][draw], the first n_ranked */
    size_t n_turns;
    double *turns; /* [way][kind][draw], the first n_turns: break-even hours and months */
    double *scratch;
    size_t n_overloaded;
} draws;

static double *column(const draws *d, size_t way, size_t point)
{
    return d->totals + (way * d->n_points + point) * d->n;
}

static double *turns_of(const draws *d, size_t way, size_t kind)
{
    return d->turns + (way * MF_TURN_KINDS + kind) * d->n_turns;
}

static mf_status draw_turns(draws *d,
                            size_t draw,
                            const mf_cost *cost,
                            const mf_cost_model *model,
                            const mf_world *world,
                            mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t v = 0; status == MF_OK && v < cost->n_versus; v++) {
        double turns[MF_TURN_KINDS] = {0};
        const mf_cost_way way = cost->versus[v].way;
        status = mf_cost_world_turns(turns, model, world, way, err);
        for (size_t k = 0; status == MF_OK && k < MF_TURN_KINDS; k++) {
            turns_of(d, way, k)[draw] = turns[k];
        }
    }
    return status;
}

static mf_status draw_all(
    draws *d, const mf_cost *cost, const mf_cost_model *model, mf_drawer *drawer, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < d->n; i++) {
        mf_world world;
        double uniforms[MF_COST_INPUT_COUNT];
        mf_drawer_next(&world, uniforms, drawer);
        for (size_t w = 0; w < MF_WAY_COUNT; w++) {
            for (size_t p = 0; cost->has[w] && p < d->n_points; p++) {
                column(d, w, p)[i] =
                    mf_model_total(NULL, model, &world, (mf_cost_way)w, cost->points[p].years);
            }
        }
        d->n_overloaded += mf_model_busy_hours(model, &world, MF_WAY_BUY) > HOURS_PER_DAY ? 1 : 0;
        if (i < d->n_turns) {
            status = draw_turns(d, i, cost, model, &world, err);
        }
        for (size_t k = 0; i < d->n_ranked && k < MF_COST_INPUT_COUNT; k++) {
            d->inputs[k * d->n_ranked + i] = uniforms[k];
        }
    }
    return status;
}

/* gsl_stats_select takes the k-th smallest in linear time and stirs what it is given. */
static double percentile_of(const draws *d, const double *values, size_t n, double p)
{
    const size_t k = (size_t)(p * (double)(n - 1) + 0.5);
    for (size_t i = 0; i < n; i++) {
        d->scratch[i] = values[i];
    }
    return gsl_stats_select(d->scratch, 1, n, k);
}

static double percentile(const draws *d, const double *values, double p)
{
    return percentile_of(d, values, d->n, p);
}

static void fill_totals(mf_cost *cost, const draws *d)
{
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        if (!cost->has[w]) {
            continue;
        }
        for (size_t p = 0; p < d->n_points; p++) {
            cost->points[p].p10[w] = percentile(d, column(d, w, p), 0.1);
            cost->points[p].p90[w] = percentile(d, column(d, w, p), 0.9);
        }
        const double *last = column(d, w, d->n_points - 1);
        cost->ways[w].p10 = percentile(d, last, 0.1);
        cost->ways[w].p50 = percentile(d, last, 0.5);
        cost->ways[w].p90 = percentile(d, last, 0.9);
    }
}

static void fill_ranks(mf_versus *versus, const draws *d, double *differences)
{
    double *work = d->scratch; /* as long as two columns */
    for (size_t i = 0; i < versus->n_swings; i++) {
        mf_swing *swing = &versus->swings[i];
        const double *input = d->inputs + (size_t)swing->input * d->n_ranked;
        swing->rank = gsl_stats_spearman(input, 1, differences, 1, d->n_ranked, work);
        if (!isfinite(swing->rank)) {
            swing->rank = 0; /* an input that the draws leave where it is */
        }
    }
}

/* From so much on buying is cheaper: where it is so below that, a range would say the opposite. */
static void fill_turn(mf_break_even *turn, const draws *d, mf_cost_way way, mf_turn_kind kind)
{
    const double *turns = turns_of(d, way, kind);
    const bool rises = turn->turn == MF_TURN_AT || turn->turn == MF_TURN_NEVER;
    if (!rises || d->n_turns == 0) {
        return;
    }
    turn->spread_known = true;
    turn->p10 = percentile_of(d, turns, d->n_turns, 0.1);
    turn->p90 = percentile_of(d, turns, d->n_turns, 0.9);
}

/* The difference replaces the other way's last column, which nothing reads afterwards. */
static void fill_versus(mf_versus *versus, const draws *d)
{
    double *differences = column(d, versus->way, d->n_points - 1);
    const double *buy = column(d, MF_WAY_BUY, d->n_points - 1);
    size_t n_cheaper = 0;
    for (size_t i = 0; i < d->n; i++) {
        differences[i] -= buy[i];
        n_cheaper += differences[i] > 0 ? 1 : 0;
    }
    versus->buy_cheaper = (double)n_cheaper / (double)d->n;
    versus->p10 = percentile(d, differences, 0.1);
    versus->p50 = percentile(d, differences, 0.5);
    versus->p90 = percentile(d, differences, 0.9);
    fill_ranks(versus, d, differences);
    fill_turn(&versus->hours_per_day, d, versus->way, MF_TURN_HOURS);
    fill_turn(&versus->months, d, versus->way, MF_TURN_MONTHS);
    fill_turn(&versus->months_unsold, d, versus->way, MF_TURN_UNSOLD);
}

mf_status mf_cost_simulate(mf_cost *cost, const mf_cost_model *model, mf_error *err)
{
    draws d = {.n = model->run->n_draws, .n_points = cost->n_points};
    d.n_ranked = d.n < MOST_RANKED ? d.n : MOST_RANKED;
    d.totals = calloc(MF_WAY_COUNT * d.n_points * d.n, sizeof *d.totals);
    d.inputs = calloc(MF_COST_INPUT_COUNT * d.n_ranked, sizeof *d.inputs);
    d.scratch = calloc(2 * d.n, sizeof *d.scratch);
    d.n_turns = d.n < MOST_TURNS ? d.n : MOST_TURNS;
    d.turns = calloc(d.n_turns * MF_WAY_COUNT * MF_TURN_KINDS, sizeof *d.turns);
    mf_drawer *drawer = NULL;
    mf_status status = d.totals != NULL && d.inputs != NULL && d.scratch != NULL && d.turns != NULL
                           ? mf_drawer_new(&drawer, model, err)
                           : mf_fail(err, MF_E_NOMEM, "out of memory for %zu draws", d.n);
    if (status == MF_OK) {
        status = draw_all(&d, cost, model, drawer, err);
    }
    if (status == MF_OK) {
        fill_totals(cost, &d);
        for (size_t i = 0; i < cost->n_versus; i++) {
            fill_versus(&cost->versus[i], &d);
        }
        cost->overload = (double)d.n_overloaded / (double)d.n;
    }
    mf_drawer_free(drawer);
    free(d.totals);
    free(d.inputs);
    free(d.scratch);
    free(d.turns);
    return status;
}
