#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/validation.h"

static const char *depth_band(double depth)
{
    static const struct {
        double below;
        const char *name;
    } bands[] = {
        {1500,  "below 1500" },
        {10000, "below 10000"},
    };
    for (size_t i = 0; i < sizeof bands / sizeof bands[0]; i++) {
        if (depth < bands[i].below) {
            return bands[i].name;
        }
    }
    return "10000 and more";
}

static const char *key_of(mf_group_by by, const mf_validated *row)
{
    switch (by) {
    case MF_GROUP_VENDOR:
    case MF_GROUP_SEVERAL:
        return mf_vendor_name(mf_chip_class_vendor(row->chip_class));
    case MF_GROUP_FAMILY:
        return mf_chip_class_name(row->chip_class);
    case MF_GROUP_DEVICE:
        return row->measurement->device;
    case MF_GROUP_MODEL:
        return row->measurement->model;
    case MF_GROUP_QUANT:
        return row->measurement->quant;
    case MF_GROUP_ENGINE:
        return mf_runtime_name(row->measurement->runtime);
    case MF_GROUP_BASIS:
        return mf_basis_name(row->rate.basis);
    case MF_GROUP_KIND:
        return row->has_experts ? "mixture of experts" : "dense";
    case MF_GROUP_START:
        return row->measurement->depth_tokens > 0 ? "filled" : "empty";
    case MF_GROUP_DEPTH:
        return depth_band(row->depth_tokens);
    case MF_GROUP_ALL:
    case MF_GROUP_COUNT:
        break;
    }
    return "";
}

static bool is_member(const mf_validation_group *g, const mf_validated *row)
{
    const bool several = row->measurement->n_devices > 1;
    return !row->skip && row->rate.known && row->measurement->test == g->test &&
           several == (g->by == MF_GROUP_SEVERAL) && strcmp(key_of(g->by, row), g->key) == 0;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool is_covered(const mf_validated *row)
{
    const double tok_s = row->measurement->tok_s;
    return tok_s >= row->rate.low_tok_s && tok_s <= row->rate.high_tok_s;
}

/* Rows of one device and how many of them their intervals hold. */
typedef struct chip_count {
    const char *device;
    size_t n;
    size_t n_covered;
} chip_count;

static void count_chip(chip_count *chips, size_t *n_chips, const mf_validated *row)
{
    size_t i = 0;
    while (i < *n_chips && strcmp(chips[i].device, row->measurement->device) != 0) {
        i++;
    }
    if (i == *n_chips) {
        chips[i] = (chip_count){.device = row->measurement->device};
        *n_chips += 1;
    }
    chips[i].n++;
    chips[i].n_covered += is_covered(row) ? 1 : 0;
}

typedef struct scratch {
    double *sizes;
    chip_count *chips;
} scratch;

static void add_row(mf_validation_group *g, const mf_validated *row, scratch *s, size_t *n_chips)
{
    const double error = mf_validated_error(row);
    s->sizes[g->n] = fabs(error);
    g->n++;
    g->mape += fabs(error);
    g->bias += error;
    g->coverage90 += is_covered(row) ? 1 : 0;
    g->mean_width += (row->rate.high_tok_s - row->rate.low_tok_s) / 2 / row->rate.tok_s;
    for (size_t r = 0; r < MF_PUBLISHED_COUNT; r++) {
        g->rules[r] += fabs(row->rules[r] / row->measurement->tok_s - 1);
    }
    count_chip(s->chips, n_chips, row);
}

static void measure(mf_validation_group *g, const mf_validation *v, scratch *s)
{
    size_t n_chips = 0;
    for (size_t i = 0; i < v->n_items; i++) {
        if (is_member(g, &v->items[i])) {
            add_row(g, &v->items[i], s, &n_chips);
        }
    }
    const double n = (double)g->n;
    double *const sums[] = {&g->mape, &g->bias, &g->coverage90, &g->mean_width};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        *sums[i] /= n;
    }
    for (size_t r = 0; r < MF_PUBLISHED_COUNT; r++) {
        g->rules[r] /= n;
    }
    for (size_t i = 0; i < n_chips; i++) {
        g->chip_coverage90 += (double)s->chips[i].n_covered / (double)s->chips[i].n;
    }
    g->chip_coverage90 /= (double)n_chips;
    qsort(s->sizes, g->n, sizeof *s->sizes, by_size);
    g->median_ape = s->sizes[(g->n - 1) / 2];
    g->p90_ape = s->sizes[(g->n * 9 + 9) / 10 - 1];
}

static bool is_known(const mf_validation_group *groups, size_t n, const mf_validation_group *wanted)
{
    for (size_t i = 0; i < n; i++) {
        if (groups[i].test == wanted->test && groups[i].by == wanted->by &&
            strcmp(groups[i].key, wanted->key) == 0) {
            return true;
        }
    }
    return false;
}

/* Appends the groups of one kind, in order of their first row. */
static mf_status add_groups(mf_validation_group **groups,
                            size_t *n_groups,
                            const mf_validation *v,
                            mf_validation_group kind,
                            mf_error *err)
{
    for (size_t i = 0; i < v->n_items; i++) {
        mf_validation_group g = kind;
        g.key = key_of(g.by, &v->items[i]);
        if (!is_member(&g, &v->items[i]) || is_known(*groups, *n_groups, &g)) {
            continue;
        }
        mf_validation_group *more = realloc(*groups, (*n_groups + 1) * sizeof *more);
        if (!more) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %zu groups", *n_groups + 1);
        }
        *groups = more;
        more[*n_groups] = g;
        *n_groups += 1;
    }
    return MF_OK;
}

mf_status mf_validation_groups(mf_validation_group **groups,
                               size_t *n_groups,
                               const mf_validation *validation,
                               mf_error *err)
{
    mf_validation_group *made = NULL;
    size_t n = 0;
    scratch s = {.sizes = calloc(validation->n_items + 1, sizeof *s.sizes),
                 .chips = calloc(validation->n_items + 1, sizeof *s.chips)};
    mf_status status =
        s.sizes && s.chips ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for groups");
    for (size_t i = 0; status == MF_OK && i < (size_t)MF_TEST_COUNT * MF_GROUP_COUNT; i++) {
        const mf_validation_group kind = {.test = (mf_speed_test)(i / MF_GROUP_COUNT),
                                          .by = (mf_group_by)(i % MF_GROUP_COUNT)};
        status = add_groups(&made, &n, validation, kind, err);
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        measure(&made[i], validation, &s);
    }
    free(s.sizes);
    free(s.chips);
    if (status != MF_OK) {
        free(made);
        return status;
    }
    *groups = made;
    *n_groups = n;
    return MF_OK;
}

#define NAME_OF(name, text) [name] = (text),
static const char *const group_names[] = {MF_GROUP_LIST(NAME_OF)};

const char *mf_group_name(mf_group_by by)
{
    return group_names[by];
}
