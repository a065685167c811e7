#include "speed/pools.h"

#include <math.h>
#include <stdlib.h>

#define COVERAGE 0.9
#define LEAST_POOL 3        /* residuals below which a pool speaks for nobody */
#define UNITS_OF_PARENT 6.0 /* the vendor's, or everybody's, width counts as that many chips */

mf_residual mf_residual_of(const mf_speed_row *row, mf_fit_error error)
{
    return (mf_residual){.test = row->measurement->test,
                         .chip_class = row->setting.chip_class,
                         .device = row->device,
                         .fold = row->device,
                         .error = error};
}

mf_status mf_residuals_add(mf_residuals *list, mf_residual one, mf_error *err)
{
    if (list->n_items == list->capacity) {
        const size_t more = list->capacity > 0 ? 2 * list->capacity : 1024;
        mf_residual *items = realloc(list->items, more * sizeof *items);
        if (!items) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %zu residuals", more);
        }
        list->items = items;
        list->capacity = more;
    }
    list->items[list->n_items] = one;
    list->n_items++;
    return MF_OK;
}

void mf_residuals_free(mf_residuals *list)
{
    free(list->items);
    *list = (mf_residuals){0};
}

static bool in_scope(const mf_residual *r, const mf_residual *like, mf_pool_scope scope)
{
    if (r->test != like->test || r->fold == like->fold) {
        return false;
    }
    switch (scope) {
    case MF_POOL_VENDOR:
        return mf_chip_class_vendor(r->chip_class) == mf_chip_class_vendor(like->chip_class);
    case MF_POOL_CLASS:
        return r->chip_class == like->chip_class;
    case MF_POOL_ALL:
        break;
    }
    return true;
}

/* A residual in its log sds, whose it is and what it counts. */
typedef struct sampled {
    double size;
    size_t device;
    mf_chip_class chip_class;
    double weight;
} sampled;

static int by_size(const void *a, const void *b)
{
    const double x = ((const sampled *)a)->size;
    const double y = ((const sampled *)b)->size;
    return (x > y) - (x < y);
}

static int by_device(const void *a, const void *b)
{
    const size_t x = ((const sampled *)a)->device;
    const size_t y = ((const sampled *)b)->device;
    return (x > y) - (x < y);
}

/* The residuals of one scope. */
typedef struct scope_sample {
    sampled *items;
    size_t n;
    double n_chips;
    double n_units; /* of what was left out at once and seen from here: classes, else chips */
} scope_sample;

typedef struct scope_step {
    mf_pool_scope scope;
    double level;
    double parent; /* width of the next wider scope */
} scope_step;

/* What a row counts beside others, of a chip with so many: as in the fit. Of chips left out it counts more: most have rows of
   one 7B model alone, those with many have the models, caches and runtimes that are harder. */
static double row_weight(double n_of_chip, mf_left_out left_out)
{
    static const double as_in_fit = -0.6;
    static const double harder = -0.25;
    return pow(n_of_chip, left_out == MF_LEFT_OUT_CHIP ? harder : as_in_fit);
}

static double count_classes(const scope_sample *sample)
{
    bool seen[MF_CLASS_COUNT] = {false};
    double n = 0;
    for (size_t i = 0; i < sample->n; i++) {
        n += seen[sample->items[i].chip_class] ? 0 : 1;
        seen[sample->items[i].chip_class] = true;
    }
    return n;
}

static void weigh_sample(scope_sample *sample, mf_left_out left_out)
{
    qsort(sample->items, sample->n, sizeof *sample->items, by_device);
    sample->n_chips = 0;
    for (size_t start = 0; start < sample->n;) {
        size_t end = start;
        while (end < sample->n && sample->items[end].device == sample->items[start].device) {
            end++;
        }
        const double weight = row_weight((double)(end - start), left_out);
        for (; start < end; start++) {
            sample->items[start].weight = weight;
        }
        sample->n_chips++;
    }
    sample->n_units = left_out == MF_LEFT_OUT_CLASS ? count_classes(sample) : sample->n_chips;
}

static void take_sample(scope_sample *sample,
                        const mf_residuals *list,
                        const mf_residual *like,
                        mf_pool_scope scope)
{
    sample->n = 0;
    for (size_t i = 0; i < list->n_items; i++) {
        const mf_residual *r = &list->items[i];
        if (in_scope(r, like, scope)) {
            sample->items[sample->n] = (sampled){.size = fabs(r->error.log_error) / r->error.log_sd,
                                                 .device = r->device,
                                                 .chip_class = r->chip_class};
            sample->n++;
        }
    }
    weigh_sample(sample, list->left_out);
}

/* The smallest size that at least `level` of the sample's weight does not exceed. */
static double quantile(scope_sample *sample, double level)
{
    static const double rounding = 1e-9;
    double all = 0;
    qsort(sample->items, sample->n, sizeof *sample->items, by_size);
    for (size_t i = 0; i < sample->n; i++) {
        all += sample->items[i].weight;
    }
    size_t at = 0;
    double sum = sample->items[0].weight;
    while (at + 1 < sample->n && sum < (level - rounding) * all) {
        at++;
        sum += sample->items[at].weight;
    }
    return sample->items[at].size;
}

/* One step from a parent's width to a scope's own quantile; a parent of 0 has no say. */
static double
narrow(const mf_residuals *list, const mf_residual *like, scope_step step, scope_sample *sample)
{
    take_sample(sample, list, like, step.scope);
    if (sample->n < LEAST_POOL) {
        return step.parent;
    }
    const double parent = step.parent > 0 ? UNITS_OF_PARENT * log(step.parent) : 0;
    const double weight = sample->n_units + (step.parent > 0 ? UNITS_OF_PARENT : 0);
    return exp((sample->n_units * log(quantile(sample, step.level)) + parent) / weight);
}

/* From everybody's residuals down to the scope's. */
static double
half_width(scope_sample *sample, const mf_residuals *list, const mf_residual *like, size_t scope)
{
    take_sample(sample, list, like, MF_POOL_ALL);
    const double n_chips = fmax(1, sample->n_chips);
    scope_step step = {.level = fmin(1, COVERAGE * (n_chips + 1) / n_chips)};
    for (size_t s = 0; s <= scope; s++) {
        step.scope = (mf_pool_scope)s;
        step.parent = narrow(list, like, step, sample);
    }
    return step.parent;
}

static bool make_sample(scope_sample *sample, const mf_residuals *list)
{
    sample->items = calloc(list->n_items + 1, sizeof *sample->items);
    return sample->items != NULL;
}

double mf_residuals_half_width(const mf_residuals *list, const mf_residual *like)
{
    scope_sample sample = {0};
    const double width =
        make_sample(&sample, list) ? half_width(&sample, list, like, MF_POOL_CLASS) : 0;
    free(sample.items);
    return width;
}

static void measure_errors(mf_residual_pool *pool,
                           scope_sample *sample,
                           const mf_residuals *list,
                           const mf_residual *like)
{
    double sum = 0;
    sample->n = 0;
    for (size_t i = 0; i < list->n_items; i++) {
        if (in_scope(&list->items[i], like, pool->scope)) {
            const double error = fabs(expm1(-list->items[i].error.log_error));
            sample->items[sample->n] = (sampled){.size = error, .weight = 1};
            sample->n++;
            sum += error;
        }
    }
    if (sample->n > 0) {
        pool->mean_error = sum / (double)sample->n;
        pool->median_error = quantile(sample, 0.5);
    }
    pool->n_rows = (uint32_t)sample->n;
}

static mf_chip_class any_class_of(mf_vendor vendor)
{
    for (size_t i = 0; i < MF_CLASS_COUNT; i++) {
        if (mf_chip_class_vendor((mf_chip_class)i) == vendor) {
            return (mf_chip_class)i;
        }
    }
    return (mf_chip_class)0;
}

bool mf_residuals_pool(mf_residual_pool *pool, const mf_residuals *list)
{
    const mf_residual like = {
        .test = pool->test,
        .chip_class = pool->scope == MF_POOL_CLASS ? pool->chip_class : any_class_of(pool->vendor),
        .fold = SIZE_MAX,
    };
    scope_sample sample = {0};
    bool made = make_sample(&sample, list);
    if (made) {
        measure_errors(pool, &sample, list, &like);
        made = pool->n_rows > 0;
    }
    if (made) {
        pool->half_width_sds = half_width(&sample, list, &like, pool->scope);
    }
    free(sample.items);
    return made && pool->half_width_sds > 0;
}
