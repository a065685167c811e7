#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "report/validation.h"
#include "report/wording.h"

enum { N_WORST = 20, N_FIGURES = 8, FEW = 20 };

static void add_percent(mf_document *d, double share)
{
    char text[MF_NUMBER_SIZE];
    mf_document_cell(d, "%s", mf_fixed_text(text, 100 * share, 1));
}

static void show_group(mf_document *d, const mf_validation_group *g)
{
    mf_document_cell(d, "%s", g->key[0] != '\0' ? g->key : "all");
    mf_document_cell(d, "%zu", g->n);
    add_percent(d, g->mape);
    add_percent(d, g->median_ape);
    add_percent(d, g->p90_ape);
    add_percent(d, g->bias);
    add_percent(d, g->coverage90);
    add_percent(d, g->mean_width);
}

static void show_headings(mf_document *d, const char *heading, const char *by)
{
    static const char *const names[] = {
        "rows", "mean", "median", "90 %", "bias", "covered", "half width"};
    mf_document_begin(d, MF_BLOCK_TABLE, N_FIGURES, heading);
    mf_document_cell(d, "%s", by);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mf_document_cell(d, "%s", names[i]);
    }
}

static void show_kind(
    mf_document *d, const mf_validation_group *groups, size_t n, mf_speed_test test, mf_group_by by)
{
    char heading[64] = "";
    bool open = false;
    for (size_t i = 0; i < n; i++) {
        if (groups[i].test != test || groups[i].by != by) {
            continue;
        }
        if (!open) {
            (void)snprintf(heading,
                           sizeof heading,
                           "%s by %s",
                           test == MF_TEST_DECODE ? "Decode" : "Prefill",
                           mf_group_name(by));
            show_headings(d, by == MF_GROUP_ALL ? mf_speed_test_name(test) : heading, "per cent");
            open = true;
        }
        show_group(d, &groups[i]);
    }
}

static bool is_usable(const mf_validated *row)
{
    const mf_measurement *m = row->measurement;
    return m->trust == MF_TRUST_HIGH || m->trust == MF_TRUST_MEDIUM;
}

static void show_reasons(mf_document *d, const mf_validation *v)
{
    bool any = false;
    for (size_t i = 0; i < v->n_items; i++) {
        any = any || v->items[i].skip;
    }
    if (!any) {
        return;
    }
    mf_document_begin(d, MF_BLOCK_TABLE, 2, "Skipped");
    mf_document_cell(d, "reason");
    mf_document_cell(d, "rows");
    for (size_t i = 0; i < v->n_items; i++) {
        size_t n = 0;
        bool seen = !v->items[i].skip;
        for (size_t j = 0; j < v->n_items && !seen; j++) {
            const bool same = v->items[j].skip && strcmp(v->items[i].skip, v->items[j].skip) == 0;
            seen = same && j < i;
            n += same ? 1 : 0;
        }
        if (!seen) {
            mf_document_cell(d, "%s", v->items[i].skip);
            mf_document_cell(d, "%zu", n);
        }
    }
}

static void show_skipped(mf_document *d, const mf_validation *v)
{
    char text[MF_NUMBER_SIZE];
    size_t n_skipped = 0;
    size_t n_usable = 0;
    for (size_t i = 0; i < v->n_items; i++) {
        const bool usable = is_usable(&v->items[i]);
        n_usable += usable ? 1 : 0;
        n_skipped += usable && v->items[i].skip ? 1 : 0;
    }
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(d, "rows");
    mf_document_cell(d, "%zu", v->n_items);
    mf_document_cell(d, "of trust high or medium");
    mf_document_cell(d, "%zu", n_usable);
    mf_document_cell(d, "of these skipped");
    const double share = n_usable > 0 ? (double)n_skipped / (double)n_usable : 0;
    mf_document_cell(d, "%zu (%s %%)", n_skipped, mf_fixed_text(text, 100 * share, 1));
    mf_document_cell(d, "left out of the fit by");
    mf_document_cell(d, "%s", mf_hold_out_name(v->left_out));
    show_reasons(d, v);
}
static void show_rules(mf_document *d, const mf_validation_group *groups, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const mf_validation_group *g = &groups[i];
        if (g->test != MF_TEST_DECODE || g->by != MF_GROUP_ALL) {
            continue;
        }
        mf_document_begin(d, MF_BLOCK_TABLE, 2, "Decode by rules that others publish, same rows");
        mf_document_cell(d, "rule");
        mf_document_cell(d, "mean error, %%");
        mf_document_cell(d, "memfit");
        add_percent(d, g->mape);
        for (size_t r = 0; r < MF_PUBLISHED_COUNT; r++) {
            mf_document_cell(d, "%s", mf_published_rule_name((mf_published_rule)r));
            add_percent(d, g->rules[r]);
        }
    }
}

/* What one row of a chip that was left out tells of its others. */
static void show_given(mf_document *d, const mf_validation *v, mf_speed_test test)
{
    static const char *const names[] = {"mean error in per cent",
                                        "chips",
                                        "rows",
                                        "chips: none given",
                                        "one given",
                                        "rows: none given",
                                        "one given",
                                        "covered"};
    bool open = false;
    for (size_t i = 0; i < v->n_given; i++) {
        const mf_validation_given *g = &v->given[i];
        if (g->test != test) {
            continue;
        }
        if (!open) {
            mf_document_begin(d,
                              MF_BLOCK_TABLE,
                              sizeof names / sizeof names[0],
                              test == MF_TEST_DECODE ? "Decode with one row of the chip given"
                                                     : "Prefill with one row of the chip given");
            for (size_t c = 0; c < sizeof names / sizeof names[0]; c++) {
                mf_document_cell(d, "%s", names[c]);
            }
            open = true;
        }
        mf_document_cell(d, "%s", g->key);
        mf_document_cell(d, "%zu", g->n_chips);
        mf_document_cell(d, "%zu", g->n_rows);
        add_percent(d, g->chips_before);
        add_percent(d, g->chips_after);
        add_percent(d, g->rows_before);
        add_percent(d, g->rows_after);
        add_percent(d, g->coverage90);
    }
}

static double size_of(const mf_validated *row)
{
    return fabs(log1p(mf_validated_error(row)));
}

static int by_badness(const void *a, const void *b)
{
    const mf_validated *x = *(const mf_validated *const *)a;
    const mf_validated *y = *(const mf_validated *const *)b;
    const double left = size_of(x);
    const double right = size_of(y);
    if (left < right || left > right) {
        return left < right ? 1 : -1;
    }
    return (x > y) - (x < y);
}

static void show_worst_row(mf_document *d, const mf_validated *row, const char *cause)
{
    char text[MF_NUMBER_SIZE];
    const mf_measurement *m = row->measurement;
    mf_document_cell(d, "%zu", m->line);
    add_percent(d, mf_validated_error(row));
    mf_document_cell(d, "%s", m->device);
    mf_document_cell(d, "%s %s", m->model, m->quant);
    mf_document_cell(d, "%s", mf_runtime_name(m->runtime));
    mf_document_cell(d, "%s", mf_number_text(text, m->depth_tokens, 6));
    mf_document_cell(d, "%s", mf_number_text(text, m->tok_s, 4));
    mf_document_cell(d, "%s", mf_number_text(text, row->rate.tok_s, 3));
    mf_document_cell(d, "%s%s%s", m->date, m->notes[0] != '\0' ? "; " : "", m->notes);
    mf_document_cell(d, "%s", cause != NULL ? cause : "not known");
}

static mf_status show_worst(mf_document *d,
                            const mf_validation *v,
                            const char *const *causes,
                            mf_speed_test test,
                            mf_error *err)
{
    static const char *const names[] = {"line",
                                        "error, %",
                                        "device",
                                        "model",
                                        "engine",
                                        "depth",
                                        "measured",
                                        "predicted",
                                        "what is said of it",
                                        "why"};
    const mf_validated **rows = calloc(v->n_items + 1, sizeof *rows);
    size_t n = 0;
    if (!rows) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu rows", v->n_items);
    }
    for (size_t i = 0; i < v->n_items; i++) {
        const mf_measurement *m = v->items[i].measurement;
        if (!v->items[i].skip && m->n_devices <= 1 && m->test == test) {
            rows[n] = &v->items[i];
            n++;
        }
    }
    qsort(rows, n, sizeof *rows, by_badness);
    mf_document_begin(d,
                      MF_BLOCK_TABLE,
                      sizeof names / sizeof names[0],
                      test == MF_TEST_DECODE ? "Worst rows of decode" : "Worst rows of prefill");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mf_document_cell(d, "%s", names[i]);
    }
    for (size_t i = 0; i < n && i < N_WORST; i++) {
        show_worst_row(d, rows[i], causes != NULL ? causes[rows[i] - v->items] : NULL);
    }
    free(rows);
    return MF_OK;
}

/* Who validates a few runs of his own asks for each of them. */
static void show_rows(mf_document *d, const mf_validation *v)
{
    static const char *const names[] = {"row",
                                        "test",
                                        "depth",
                                        "measured",
                                        "predicted",
                                        "90 % range",
                                        "error, %",
                                        "in it",
                                        "basis"};
    char text[MF_WORDING_SIZE];
    mf_document_begin(d, MF_BLOCK_TABLE, sizeof names / sizeof names[0], "Row by row");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mf_document_cell(d, "%s", names[i]);
    }
    for (size_t i = 0; i < v->n_items; i++) {
        const mf_validated *row = &v->items[i];
        const mf_measurement *m = row->measurement;
        const bool inside = m->tok_s >= row->rate.low_tok_s && m->tok_s <= row->rate.high_tok_s;
        mf_document_cell(d, "%s %s", m->model, m->quant);
        mf_document_cell(d, "%s", mf_speed_test_name(m->test));
        mf_document_cell(d, "%s", mf_number_text(text, m->depth_tokens, 6));
        mf_document_cell(d, "%s", mf_number_text(text, m->tok_s, 4));
        mf_document_cell(d, "%s", mf_rate_text(text, &row->rate));
        mf_document_cell(d, "%s", mf_range_text(text, &row->rate));
        mf_document_cell(
            d, "%s", row->rate.known ? mf_fixed_text(text, 100 * mf_validated_error(row), 1) : "-");
        mf_document_cell(d, "%s", !row->rate.known ? "-" : inside ? "yes" : "no");
        mf_document_cell(d,
                         "%s",
                         row->skip != NULL ? row->skip
                         : row->rate.known ? mf_basis_name(row->rate.basis)
                                           : "-");
    }
}

static void show_kinds(mf_document *d,
                       const mf_validation *v,
                       const mf_validation_group *groups,
                       size_t n,
                       size_t n_kinds)
{
    static const mf_group_by kinds[] = {MF_GROUP_ALL,
                                        MF_GROUP_VENDOR,
                                        MF_GROUP_FAMILY,
                                        MF_GROUP_ENGINE,
                                        MF_GROUP_BASIS,
                                        MF_GROUP_DEPTH,
                                        MF_GROUP_SEVERAL,
                                        MF_GROUP_START,
                                        MF_GROUP_KIND,
                                        MF_GROUP_QUANT,
                                        MF_GROUP_DEVICE};
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        for (size_t k = 0; k < n_kinds && k < sizeof kinds / sizeof kinds[0]; k++) {
            show_kind(d, groups, n, (mf_speed_test)t, kinds[k]);
        }
        show_given(d, v, (mf_speed_test)t);
    }
}

mf_status mf_show_validation(mf_document *document, const mf_validation *validation, mf_error *err)
{
    enum { N_SHORT = 7 };
    mf_validation_group *groups = NULL;
    size_t n = 0;
    const mf_status status = mf_validation_groups(&groups, &n, validation, err);
    if (status != MF_OK) {
        return status;
    }
    const bool few = validation->n_items <= FEW;
    show_skipped(document, validation);
    if (few) {
        show_rows(document, validation);
    }
    show_kinds(document, validation, groups, n, few ? 1 : N_SHORT);
    show_rules(document, groups, n);
    free(groups);
    return mf_document_status(document, err);
}

mf_status mf_show_validation_in_full(mf_document *document,
                                     const mf_validation *validation,
                                     const char *const *causes,
                                     mf_error *err)
{
    mf_validation_group *groups = NULL;
    size_t n = 0;
    mf_status status = mf_validation_groups(&groups, &n, validation, err);
    if (status != MF_OK) {
        return status;
    }
    show_skipped(document, validation);
    mf_show_bars(document, validation, groups, n);
    show_kinds(document, validation, groups, n, MF_GROUP_COUNT);
    show_rules(document, groups, n);
    free(groups);
    for (size_t t = 0; status == MF_OK && t < MF_TEST_COUNT; t++) {
        status = show_worst(document, validation, causes, (mf_speed_test)t, err);
    }
    return status == MF_OK ? mf_document_status(document, err) : status;
}
