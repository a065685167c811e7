/*
 * validation_bars.c - what the law is held to, beside what a validation found. A validation speaks of the bars that are set for
 * what it leaves out.
 */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "report/validation.h"

typedef struct bar bar;

/* What a bar's figure is taken from. */
typedef struct ground {
    const mf_validation *validation;
    const mf_validation_group *groups;
    size_t n_groups;
} ground;

/* False: the validation has no such rows. */
typedef bool (*bar_figure)(double *value, const ground *g, const bar *b);

typedef enum statistic {
    STATISTIC_MEAN,
    STATISTIC_MEDIAN,
    STATISTIC_P90,
    STATISTIC_COVERED,
    STATISTIC_COVERED_BY_CHIP,
    STATISTIC_WIDTH,
} statistic;

struct bar {
    mf_hold_out left_out;
    const char *text;
    bar_figure figure;
    mf_speed_test test;
    mf_group_by by;
    const char *key;
    statistic what;
    double least; /* shares, and times of a rule's error */
    double most;  /* 0: none */
};

static const mf_validation_group *
group_of(const ground *g, mf_speed_test test, mf_group_by by, const char *key)
{
    for (size_t i = 0; i < g->n_groups; i++) {
        const mf_validation_group *group = &g->groups[i];
        if (group->test == test && group->by == by && strcmp(group->key, key) == 0) {
            return group;
        }
    }
    return NULL;
}

static bool of_group(double *value, const ground *g, const bar *b)
{
    const mf_validation_group *group = group_of(g, b->test, b->by, b->key);
    if (group == NULL) {
        return false;
    }
    const double values[] = {
        [STATISTIC_MEAN] = group->mape,
        [STATISTIC_MEDIAN] = group->median_ape,
        [STATISTIC_P90] = group->p90_ape,
        [STATISTIC_COVERED] = group->coverage90,
        [STATISTIC_COVERED_BY_CHIP] = group->chip_coverage90,
        [STATISTIC_WIDTH] = group->mean_width,
    };
    *value = values[b->what];
    return true;
}

/* Mean over chips of the mean error of a chip's other rows. */
static bool of_given(double *value, const ground *g, const bar *b)
{
    for (size_t i = 0; i < g->validation->n_given; i++) {
        const mf_validation_given *given = &g->validation->given[i];
        if (given->test == b->test && strcmp(given->key, b->key) == 0) {
            *value = given->chips_after;
            return true;
        }
    }
    return false;
}

/* Both tests, all vendors. */
static bool of_several(double *value, const ground *g, const bar *b)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < g->n_groups; i++) {
        if (g->groups[i].by == b->by) {
            sum += g->groups[i].mape * (double)g->groups[i].n;
            n += g->groups[i].n;
        }
    }
    *value = n > 0 ? sum / (double)n : 0;
    return n > 0;
}

/* The best of the published rules over the law. */
static bool of_rules(double *value, const ground *g, const bar *b)
{
    const mf_validation_group *group = group_of(g, b->test, b->by, b->key);
    if (group == NULL || !(group->mape > 0)) {
        return false;
    }
    *value = group->rules[0] / group->mape;
    for (size_t r = 1; r < MF_PUBLISHED_COUNT; r++) {
        const double times = group->rules[r] / group->mape;
        *value = times < *value ? times : *value;
    }
    return true;
}

static bool of_skipped(double *value, const ground *g, const bar *b)
{
    (void)b;
    size_t n = 0;
    size_t n_skipped = 0;
    for (size_t i = 0; i < g->validation->n_items; i++) {
        const mf_validated *row = &g->validation->items[i];
        const bool usable =
            row->measurement->trust == MF_TRUST_HIGH || row->measurement->trust == MF_TRUST_MEDIUM;
        n += usable ? 1 : 0;
        n_skipped += usable && row->skip != NULL ? 1 : 0;
    }
    *value = n > 0 ? (double)n_skipped / (double)n : 0;
    return n > 0;
}

#define CHIP MF_HOLD_OUT_CHIP
#define MODEL MF_HOLD_OUT_MODEL
#define DECODE MF_TEST_DECODE
#define PREFILL MF_TEST_PREFILL
#define MEAN STATISTIC_MEAN

static const bar bars[] = {
    {CHIP,  "decode, mean",                            of_group,   DECODE,  MF_GROUP_ALL,     "",       MEAN,                      0, 0.10},
    {CHIP,
     "decode below 1 500 tokens",                      of_group,
     DECODE,                                                                MF_GROUP_DEPTH,
     "below 1500",                                                                                      MEAN,
     0,                                                                                                                               0.08},
    {CHIP,  "decode, nine of ten rows",                of_group,   DECODE,  MF_GROUP_ALL,     "",       STATISTIC_P90,             0, 0.20},
    {CHIP,  "decode, NVIDIA",                          of_group,   DECODE,  MF_GROUP_VENDOR,  "nvidia", MEAN,                      0, 0.08},
    {CHIP,  "decode, Apple",                           of_group,   DECODE,  MF_GROUP_VENDOR,  "apple",  MEAN,                      0, 0.12},
    {CHIP,  "decode, AMD",                             of_group,   DECODE,  MF_GROUP_VENDOR,  "amd",    MEAN,                      0, 0.16},
    {CHIP,  "prefill, Apple",                          of_group,   PREFILL, MF_GROUP_VENDOR,  "apple",  MEAN,                      0, 0.20},
    {CHIP,
     "prefill, NVIDIA's cards with GDDR",              of_group,
     PREFILL,                                                               MF_GROUP_FAMILY,
     "nvidia-gddr",                                                                                     MEAN,
     0,                                                                                                                               0.20},
    {CHIP,
     "prefill, AMD, one row of the chip given",        of_given,
     PREFILL,                                                               MF_GROUP_VENDOR,
     "amd",                                                                                             MEAN,
     0,                                                                                                                               0.20},
    {CHIP,
     "decode, rows in their interval",                 of_group,
     DECODE,                                                                MF_GROUP_ALL,
     "",                                                                                                STATISTIC_COVERED,
     0.86,                                                                                                                            0.94},
    {CHIP,
     "the same, mean over chips",                      of_group,
     DECODE,                                                                MF_GROUP_ALL,
     "",                                                                                                STATISTIC_COVERED_BY_CHIP,
     0.86,                                                                                                                            0.94},
    {CHIP,
     "prefill, rows in their interval",                of_group,
     PREFILL,                                                               MF_GROUP_ALL,
     "",                                                                                                STATISTIC_COVERED,
     0.86,                                                                                                                            0.94},
    {CHIP,
     "the same, mean over chips",                      of_group,
     PREFILL,                                                               MF_GROUP_ALL,
     "",                                                                                                STATISTIC_COVERED_BY_CHIP,
     0.86,                                                                                                                            0.94},
    {CHIP,
     "decode, half width of the interval",             of_group,
     DECODE,                                                                MF_GROUP_ALL,
     "",                                                                                                STATISTIC_WIDTH,
     0,                                                                                                                               0.22},
    {CHIP,  "rows of several devices",                 of_several, DECODE,  MF_GROUP_SEVERAL, "",       MEAN,                      0, 0.20},
    {CHIP,  "usable rows skipped",                     of_skipped, DECODE,  MF_GROUP_ALL,     "",       MEAN,                      0, 0.05},
    {CHIP,
     "error of the best published rule over memfit's", of_rules,
     DECODE,                                                                MF_GROUP_ALL,
     "",                                                                                                MEAN,
     2.5,                                                                                                                             0   },
    {MODEL,
     "decode on a known chip, mean",                   of_group,
     DECODE,                                                                MF_GROUP_BASIS,
     "chip",                                                                                            MEAN,
     0,                                                                                                                               0.10},
    {MODEL,
     "decode on a known chip, median",                 of_group,
     DECODE,                                                                MF_GROUP_BASIS,
     "chip",                                                                                            STATISTIC_MEDIAN,
     0,                                                                                                                               0.06},
    {MODEL,
     "decode in a filled context",                     of_group,
     DECODE,                                                                MF_GROUP_START,
     "filled",                                                                                          MEAN,
     0,                                                                                                                               0.14},
    {MODEL,
     "decode, mixtures of experts",                    of_group,
     DECODE,                                                                MF_GROUP_KIND,
     "mixture of experts",                                                                              MEAN,
     0,                                                                                                                               0.14},
    {MODEL,
     "prefill on a known chip, mean",                  of_group,
     PREFILL,                                                               MF_GROUP_BASIS,
     "chip",                                                                                            MEAN,
     0,                                                                                                                               0.18},
};

/* "2.5 times", "8.9 %" */
static void add_value(char *out, size_t size, const bar *b, double value)
{
    char text[MF_NUMBER_SIZE];
    const bool times = b->figure == of_rules;
    (void)snprintf(out,
                   size,
                   "%s %s",
                   mf_fixed_text(text, times ? value : 100 * value, 1),
                   times ? "times" : "%");
}

static void show_bar(mf_document *d, const bar *b, double value)
{
    char found[MF_NUMBER_SIZE + 8];
    char least[MF_NUMBER_SIZE + 8];
    char most[MF_NUMBER_SIZE + 8];
    const bool holds = value >= b->least && (!(b->most > 0) || value <= b->most);
    add_value(found, sizeof found, b, value);
    add_value(least, sizeof least, b, b->least);
    add_value(most, sizeof most, b, b->most);
    mf_document_cell(d, "%s", b->text);
    mf_document_cell(d, "%s", found);
    if (b->least > 0 && b->most > 0) {
        mf_document_cell(d, "%s to %s", least, most);
    } else {
        mf_document_cell(d, "at %s %s", b->most > 0 ? "most" : "least", b->most > 0 ? most : least);
    }
    mf_document_cell(d, "%s", holds ? "holds" : "does not hold");
}

void mf_show_bars(mf_document *document,
                  const mf_validation *validation,
                  const mf_validation_group *groups,
                  size_t n_groups)
{
    static const char *const names[] = {"bar", "found", "asked", ""};
    const ground g = {.validation = validation, .groups = groups, .n_groups = n_groups};
    bool open = false;
    for (size_t i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        double value = 0;
        if (bars[i].left_out != validation->left_out || !bars[i].figure(&value, &g, &bars[i])) {
            continue;
        }
        if (!open) {
            mf_document_begin(document, MF_BLOCK_TABLE, sizeof names / sizeof names[0], "Bars");
            for (size_t c = 0; c < sizeof names / sizeof names[0]; c++) {
                mf_document_cell(document, "%s", names[c]);
            }
            open = true;
        }
        show_bar(document, &bars[i], value);
    }
}
