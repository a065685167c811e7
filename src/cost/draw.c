#include "cost/draw.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_DIMENSIONS = MF_COST_INPUT_COUNT + MF_PATH_KINDS * MF_COST_MAX_YEARS, TABLE = 1024 };

#define WIDTH_OF_90_PERCENT 1.6448536269514722 /* standard normal at 0.95 */

static const mf_draw_kind kinds[MF_COST_INPUT_COUNT] = {
#define KIND_OF(name, key, title, kind) [name] = (kind),
    MF_COST_INPUT_LIST(KIND_OF)
#undef KIND_OF
};

struct mf_drawer {
    const mf_cost_model *model;
    gsl_qrng *sobol; /* NULL: MT19937 */
    gsl_rng *rng;
    double shift[MAX_DIMENSIONS];
    size_t n_dimensions;
    size_t n_years;
    bool
        drawn[MF_COST_INPUT_COUNT]; /* inputs that have a range and are read by a way of the case */
    double factor[MF_PATH_KINDS][MF_PATH_KINDS]; /* Cholesky factor of the correlations, lower */
    double beta[TABLE + 1];                      /* quantiles of MF_COST_HOURS */
};

/* Symmetric beta on [0, 2 value] whose standard deviation is high - value. */
static double beta_at(const mf_range *range, double probability)
{
    const double sd = (range->high - range->value) / range->value;
    const double shape = (1 / (sd * sd) - 1) / 2;
    return 2 * range->value * gsl_cdf_beta_Pinv(probability, shape, shape);
}

static double triangle_at(const mf_range *range, double probability)
{
    const double width = range->high - range->low;
    const double left = (range->value - range->low) / width;
    if (probability < left) {
        return range->low + sqrt(probability * width * (range->value - range->low));
    }
    return range->high - sqrt((1 - probability) * width * (range->high - range->value));
}

double mf_poisson_at(double mean, double probability)
{
    enum { MOST = 64 };
    double p = exp(-mean);
    double below = p;
    int n = 0;
    while (below < probability && n < MOST) {
        n++;
        p *= mean / n;
        below += p;
    }
    return n;
}

double mf_range_at(const mf_range *range, mf_draw_kind kind, double probability)
{
    if (kind == MF_DRAW_NORMAL) {
        return gsl_cdf_ugaussian_Pinv(probability);
    }
    if (kind == MF_DRAW_POISSON) {
        return mf_poisson_at(range->value, probability);
    }
    if (!(range->high > range->low)) {
        return range->value;
    }
    if (kind == MF_DRAW_BETA) {
        return beta_at(range, probability);
    }
    if (kind == MF_DRAW_TRIANGLE) {
        return triangle_at(range, probability);
    }
    const double z = gsl_cdf_ugaussian_Pinv(probability);
    const double side = z < 0 ? log(range->value / range->low) : log(range->high / range->value);
    return range->value * exp(side * z / WIDTH_OF_90_PERCENT);
}

static mf_status correlate(mf_drawer *d, const mf_cost_case *run, mf_error *err)
{
    const double ra = run->correlation_rent_api;
    const double rr = run->correlation_rent_resale;
    const double ar = run->correlation_api_resale;
    double values[MF_PATH_KINDS * MF_PATH_KINDS] = {1, ra, rr, ra, 1, ar, rr, ar, 1};
    gsl_matrix_view matrix = gsl_matrix_view_array(values, MF_PATH_KINDS, MF_PATH_KINDS);
    if (gsl_linalg_cholesky_decomp1(&matrix.matrix) != 0) {
        return mf_fail(err, MF_E_USAGE, "no three price paths have these correlations together");
    }
    for (size_t i = 0; i < MF_PATH_KINDS; i++) {
        for (size_t j = 0; j <= i; j++) {
            d->factor[i][j] = gsl_matrix_get(&matrix.matrix, i, j);
        }
    }
    return MF_OK;
}

/* Inputs of ways that are not compared are not drawn: their numbers would be spent for nothing. */
static bool is_read(const mf_cost_case *run, mf_cost_input input)
{
    switch (input) {
    case MF_COST_RENT_TIME:
    case MF_COST_RENT_OVERHEAD:
    case MF_COST_RENT_DRIFT:
        return run->rent != NULL;
    case MF_COST_RENT_REDONE:
        return run->rent != NULL && run->rent->billing == MF_BILLING_SPOT;
    case MF_COST_API_DRIFT:
        return run->api != NULL;
    case MF_COST_RESALE_PATH: /* paths have dimensions of their own */
    case MF_COST_RENT_PATH:
    case MF_COST_API_PATH:
        return false;
    case MF_COST_PRICE:
    case MF_COST_HOURS:
    case MF_COST_BUY_TIME:
    case MF_COST_ACTIVE_W:
    case MF_COST_IDLE_W:
    case MF_COST_TARIFF:
    case MF_COST_TARIFF_DRIFT:
    case MF_COST_INTEREST:
    case MF_COST_RESALE_KEPT:
    case MF_COST_RESALE_YEARLY:
    case MF_COST_GENERATION_YEARS:
    case MF_COST_GENERATION_DROP:
    case MF_COST_GENERATIONS:
    case MF_COST_INPUT_COUNT:
        break;
    }
    return true;
}

static void choose_dimensions(mf_drawer *d)
{
    const mf_cost_case *run = d->model->run;
    d->n_years = (size_t)ceil(run->years);
    d->n_dimensions = MF_PATH_KINDS * d->n_years;
    for (size_t i = 0; i < MF_COST_INPUT_COUNT; i++) {
        const mf_range *range = &run->inputs[i];
        d->drawn[i] = is_read(run, (mf_cost_input)i) &&
                      (kinds[i] == MF_DRAW_POISSON || range->high > range->low);
        d->n_dimensions += d->drawn[i] ? 1 : 0;
    }
    const mf_range *hours = &run->inputs[MF_COST_HOURS];
    for (size_t i = 0; d->drawn[MF_COST_HOURS] && i <= TABLE; i++) {
        d->beta[i] = beta_at(hours, (double)i / TABLE);
    }
}

static mf_status start_sampler(mf_drawer *d, mf_error *err)
{
    const mf_cost_case *run = d->model->run;
    d->rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (d->rng == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a random generator");
    }
    gsl_rng_set(d->rng, (unsigned long)run->seed);
    if (run->sampler == MF_SAMPLER_MT19937) {
        return MF_OK;
    }
    if (d->n_dimensions > gsl_qrng_sobol->max_dimension) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "%zu uncertain numbers are more than the %u of Sobol points, use mt or fewer "
            "years",
            d->n_dimensions,
            gsl_qrng_sobol->max_dimension);
    }
    d->sobol = gsl_qrng_alloc(gsl_qrng_sobol, (unsigned)d->n_dimensions);
    if (d->sobol == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for Sobol points");
    }
    /* The points are the same every time; the seed moves them round the torus (Cranley and Patterson 1976). */
    for (size_t i = 0; i < d->n_dimensions; i++) {
        d->shift[i] = gsl_rng_uniform(d->rng);
    }
    return MF_OK;
}

mf_status mf_drawer_new(mf_drawer **out, const mf_cost_model *model, mf_error *err)
{
    mf_drawer *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for draws");
    }
    d->model = model;
    choose_dimensions(d);
    mf_status status = correlate(d, model->run, err);
    if (status == MF_OK) {
        status = start_sampler(d, err);
    }
    if (status != MF_OK) {
        mf_drawer_free(d);
        return status;
    }
    *out = d;
    return MF_OK;
}

void mf_drawer_free(mf_drawer *drawer)
{
    if (drawer == NULL) {
        return;
    }
    if (drawer->sobol != NULL) {
        gsl_qrng_free(drawer->sobol);
    }
    if (drawer->rng != NULL) {
        gsl_rng_free(drawer->rng);
    }
    free(drawer);
}

/* Uniforms strictly between 0 and 1. */
static void next_point(mf_drawer *d, double *point)
{
    static const double least = 1e-12;
    if (d->sobol == NULL) {
        for (size_t i = 0; i < d->n_dimensions; i++) {
            point[i] = gsl_rng_uniform_pos(d->rng);
        }
        return;
    }
    (void)gsl_qrng_get(d->sobol, point);
    for (size_t i = 0; i < d->n_dimensions; i++) {
        const double moved = point[i] + d->shift[i];
        point[i] = fmin(1 - least, fmax(least, moved - floor(moved)));
    }
}

static double hours_at(const mf_drawer *d, double probability)
{
    const double place = probability * TABLE;
    const size_t i = (size_t)place < TABLE ? (size_t)place : TABLE - 1;
    return d->beta[i] + (place - (double)i) * (d->beta[i + 1] - d->beta[i]);
}

static void draw_shocks(mf_world *world, double *uniforms, const mf_drawer *d, const double *point)
{
    static const mf_cost_input of[MF_PATH_KINDS] = {[MF_PATH_RENT] = MF_COST_RENT_PATH,
                                                    [MF_PATH_API] = MF_COST_API_PATH,
                                                    [MF_PATH_RESALE] = MF_COST_RESALE_PATH};
    for (size_t y = 0; y < d->n_years; y++) {
        double z[MF_PATH_KINDS];
        for (size_t k = 0; k < MF_PATH_KINDS; k++) {
            z[k] = gsl_cdf_ugaussian_Pinv(point[y * MF_PATH_KINDS + k]);
        }
        for (size_t i = 0; i < MF_PATH_KINDS; i++) {
            double sum = 0;
            for (size_t j = 0; j <= i; j++) {
                sum += d->factor[i][j] * z[j];
            }
            world->shocks[i][y] = sum;
            uniforms[of[i]] += sum;
        }
    }
}

void mf_drawer_next(mf_world *world, double *uniforms, mf_drawer *drawer)
{
    double point[MAX_DIMENSIONS];
    const mf_cost_case *run = drawer->model->run;
    *world = mf_world_centre(drawer->model);
    next_point(drawer, point);
    size_t next = MF_PATH_KINDS * drawer->n_years;
    for (size_t i = 0; i < MF_COST_INPUT_COUNT; i++) {
        uniforms[i] = 0;
        if (!drawer->drawn[i]) {
            continue;
        }
        const double u = point[next++];
        uniforms[i] = u;
        if (i == MF_COST_HOURS) {
            world->x[i] = hours_at(drawer, u);
        } else if (i == MF_COST_GENERATIONS) {
            /* Years between generations come before it in the list. */
            world->x[i] = mf_poisson_at(run->years / world->x[MF_COST_GENERATION_YEARS], u);
        } else {
            world->x[i] = mf_range_at(&run->inputs[i], kinds[i], u);
        }
    }
    draw_shocks(world, uniforms, drawer, point);
}
