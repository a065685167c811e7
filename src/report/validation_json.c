#include <stdlib.h>
#include <string.h>

#include "report/json_writer.h"
#include "report/validation.h"

static const char *const test_keys[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = "tg",
    [MF_TEST_PREFILL] = "pp",
};

static void write_group(mf_json_writer *w, const mf_validation_group *g)
{
    const struct {
        const char *key;
        double share;
    } figures[] = {
        {"mape_percent",            g->mape           },
        {"median_ape_percent",      g->median_ape     },
        {"p90_ape_percent",         g->p90_ape        },
        {"bias_percent",            g->bias           },
        {"coverage90_percent",      g->coverage90     },
        {"chip_coverage90_percent", g->chip_coverage90},
        {"mean_width_percent",      g->mean_width     },
    };
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "test", test_keys[g->test]);
    mf_jw_text(w, "by", mf_group_name(g->by));
    mf_jw_text(w, "key", g->key);
    mf_jw_uint(w, "n", g->n);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        mf_jw_number(w, figures[i].key, true, 100 * figures[i].share);
    }
    mf_jw_close(w, '}');
}

static void write_rules(mf_json_writer *w, const mf_validation_group *groups, size_t n)
{
    mf_jw_open(w, "rules", '[');
    for (size_t i = 0; i < n; i++) {
        const bool wanted = groups[i].test == MF_TEST_DECODE && groups[i].by == MF_GROUP_ALL;
        for (size_t r = 0; wanted && r < MF_PUBLISHED_COUNT; r++) {
            mf_jw_open(w, NULL, '{');
            mf_jw_text(w, "rule", mf_published_rule_name((mf_published_rule)r));
            mf_jw_uint(w, "n", groups[i].n);
            mf_jw_number(w, "mape_percent", true, 100 * groups[i].rules[r]);
            mf_jw_close(w, '}');
        }
    }
    mf_jw_close(w, ']');
}

static void write_given(mf_json_writer *w, const mf_validation *v)
{
    mf_jw_open(w, "one_row_given", '[');
    for (size_t i = 0; i < v->n_given; i++) {
        const mf_validation_given *g = &v->given[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "test", test_keys[g->test]);
        mf_jw_text(w, "key", g->key);
        mf_jw_uint(w, "chips", g->n_chips);
        mf_jw_uint(w, "n", g->n_rows);
        mf_jw_number(w, "chips_mape_before_percent", true, 100 * g->chips_before);
        mf_jw_number(w, "chips_mape_percent", true, 100 * g->chips_after);
        mf_jw_number(w, "mape_before_percent", true, 100 * g->rows_before);
        mf_jw_number(w, "mape_percent", true, 100 * g->rows_after);
        mf_jw_number(w, "coverage90_percent", true, 100 * g->coverage90);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static bool same_reason(const mf_validated *a, const mf_validated *b)
{
    return a->skip && b->skip && strcmp(a->skip, b->skip) == 0;
}

static void write_skipped(mf_json_writer *w, const mf_validation *v)
{
    mf_jw_open(w, "skipped", '[');
    for (size_t i = 0; i < v->n_items; i++) {
        size_t n = 0;
        bool seen = !v->items[i].skip;
        for (size_t j = 0; j < v->n_items && !seen; j++) {
            const bool same = same_reason(&v->items[i], &v->items[j]);
            seen = same && j < i;
            n += same ? 1 : 0;
        }
        if (!seen) {
            mf_jw_open(w, NULL, '{');
            mf_jw_text(w, "reason", v->items[i].skip);
            mf_jw_uint(w, "n", n);
            mf_jw_close(w, '}');
        }
    }
    mf_jw_close(w, ']');
}

mf_status mf_write_validation_json(mf_str *out, const mf_validation *validation, mf_error *err)
{
    mf_validation_group *groups = NULL;
    size_t n = 0;
    const mf_status status = mf_validation_groups(&groups, &n, validation, err);
    if (status != MF_OK) {
        return status;
    }
    mf_json_writer w = {.out = out};
    mf_jw_open(&w, NULL, '{');
    mf_jw_text(&w, "schema", "memfit.validation/1");
    mf_jw_text(&w, "left_out", mf_hold_out_name(validation->left_out));
    mf_jw_uint(&w, "rows", validation->n_items);
    mf_jw_open(&w, "groups", '[');
    for (size_t i = 0; i < n; i++) {
        write_group(&w, &groups[i]);
    }
    mf_jw_close(&w, ']');
    write_given(&w, validation);
    write_skipped(&w, validation);
    write_rules(&w, groups, n);
    mf_jw_close(&w, '}');
    mf_str_add(out, "\n");
    free(groups);
    return mf_str_status(out, err);
}
