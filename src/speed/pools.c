#include "speed/pools.h"

#include <math.h>
#include <stdlib.h>

#define COVERAGE 0.9
#define LEAST_POOL 10        /* residuals below which a pool speaks for nobody */
#define CHIPS_OF_PARENT 10.0 /* the vendor's, or everybody's, width counts as that many chips */

mf_residual mf_residual_of(const mf_speed_row *row, double log_error)
{
    return (mf_residual){.test = row->measurement->test,
                         .chip_class = row->setting.chip_class,
                         .device = row->device,
                         .fold = row->device,
                         .depth = row->step.depth + row->step.n_tokens / 2,
                         .log_error = log_error};
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

static bool is_deep(double depth)
{
    return depth >= MF_DEEP_TOKENS;
}

static bool in_scope(const mf_residual *r, const mf_residual *like, mf_pool_scope scope)
{
    const bool same = r->test == like->test && is_deep(r->depth) == is_deep(like->depth);
    if (!same || r->fold == like->fold) {
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

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a;
    const size_t y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Sizes of log errors and numbers of chips of one scope. */
typedef struct scope_sample {
    double *sizes;
    size_t *devices;
    size_t n;
} scope_sample;

typedef struct scope_step {
    mf_pool_scope scope;
    double level;
    double parent; /* width of the next wider scope */
} scope_step;

static void take_sample(scope_sample *sample,
                        const mf_residuals *list,
                        const mf_residual *like,
                        mf_pool_scope scope)
{
    sample->n = 0;
    for (size_t i = 0; i < list->n_items; i++) {
        const mf_residual *r = &list->items[i];
        if (in_scope(r, like, scope)) {
            sample->sizes[sample->n] = fabs(r->log_error);
            sample->devices[sample->n] = r->device;
            sample->n++;
        }
    }
}

static double count_chips(scope_sample *sample)
{
    qsort(sample->devices, sample->n, sizeof *sample->devices, by_number);
    size_t distinct = sample->n > 0 ? 1 : 0;
    for (size_t i = 1; i < sample->n; i++) {
        distinct += sample->devices[i] != sample->devices[i - 1] ? 1 : 0;
    }
    return (double)distinct;
}

/* The smallest size that at least `level` of the sample do not exceed. */
static double quantile(scope_sample *sample, double level)
{
    qsort(sample->sizes, sample->n, sizeof *sample->sizes, by_size);
    const size_t rank = (size_t)ceil((double)sample->n * level);
    return sample->sizes[(rank < 1 ? 1 : rank < sample->n ? rank : sample->n) - 1];
}

/* One step from a parent's width to a scope's own quantile; a parent of 0 has no say. */
static double
narrow(const mf_residuals *list, const mf_residual *like, scope_step step, scope_sample *sample)
{
    take_sample(sample, list, like, step.scope);
    if (sample->n < LEAST_POOL) {
        return step.parent;
    }
    const double n_chips = count_chips(sample);
    const double parent = step.parent > 0 ? CHIPS_OF_PARENT * log(step.parent) : 0;
    const double weight = n_chips + (step.parent > 0 ? CHIPS_OF_PARENT : 0);
    return exp((n_chips * log(quantile(sample, step.level)) + parent) / weight);
}

/* From everybody's residuals down to the scope's. Long contexts have a handful of chips: theirs start from the width of
   short ones. */
static double
half_width(scope_sample *sample, const mf_residuals *list, const mf_residual *like, size_t scope)
{
    mf_residual shallow = *like;
    shallow.depth = 0;
    take_sample(sample, list, &shallow, MF_POOL_ALL);
    const double n_chips = fmax(1, count_chips(sample));
    scope_step step = {.level = fmin(1, COVERAGE * (n_chips + 1) / n_chips)};
    if (is_deep(like->depth)) {
        step.parent = narrow(list, &shallow, step, sample);
    }
    for (size_t s = 0; s <= scope; s++) {
        step.scope = (mf_pool_scope)s;
        step.parent = narrow(list, like, step, sample);
    }
    return step.parent;
}

static bool make_sample(scope_sample *sample, const mf_residuals *list)
{
    sample->sizes = calloc(list->n_items + 1, sizeof *sample->sizes);
    sample->devices = calloc(list->n_items + 1, sizeof *sample->devices);
    return sample->sizes && sample->devices;
}

static void free_sample(scope_sample *sample)
{
    free(sample->sizes);
    free(sample->devices);
}

double mf_residuals_blend(double shallow, double deep, double depth)
{
    if (shallow <= 0 || deep <= 0) {
        return fmax(shallow, deep);
    }
    /* from half to twice the border */
    const double at = 0.5 + log2(fmax(depth, 1) / MF_DEEP_TOKENS) / 2;
    const double share = fmax(0, fmin(1, at));
    return exp((1 - share) * log(shallow) + share * log(deep));
}

double mf_residuals_half_width(const mf_residuals *list, const mf_residual *like)
{
    scope_sample sample = {0};
    double width = 0;
    if (make_sample(&sample, list)) {
        mf_residual at = *like;
        at.depth = 0;
        const double shallow = half_width(&sample, list, &at, MF_POOL_CLASS);
        at.depth = MF_DEEP_TOKENS;
        const double deep = half_width(&sample, list, &at, MF_POOL_CLASS);
        width = mf_residuals_blend(shallow, deep, like->depth);
    }
    free_sample(&sample);
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
            const double error = fabs(expm1(-list->items[i].log_error));
            sample->sizes[sample->n] = error;
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
        .depth = pool->deep ? MF_DEEP_TOKENS : 0,
    };
    scope_sample sample = {0};
    bool made = make_sample(&sample, list);
    if (made) {
        measure_errors(pool, &sample, list, &like);
        made = pool->n_rows > 0;
    }
    if (made) {
        pool->half_width_log = half_width(&sample, list, &like, pool->scope);
    }
    free_sample(&sample);
    return made && pool->half_width_log > 0;
}
