/*
 * cmd_explain.c - where a number of a report, or of another command's JSON, comes from.
 */
#include <string.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/explain_json.h"
#include "facts/json.h"
#include "report/column_notes.h"

static const char *or_dash(const mf_node *node)
{
    const char *text = node != NULL ? mf_node_string(node) : NULL;
    return text != NULL ? text : "-";
}

static const mf_node *source_of(const mf_node *root, uint64_t number)
{
    for (const mf_node *s = mf_node_first(mf_node_get(root, "sources")); s != NULL;
         s = mf_node_next(s)) {
        uint64_t n = 0;
        const mf_node *node = mf_node_get(s, "number");
        if (node != NULL && mf_node_uint(&n, node) && n == number) {
            return s;
        }
    }
    return NULL;
}

static void show_input(mf_str *out, const mf_node *root, const mf_node *input)
{
    uint64_t number = 0;
    const mf_node *source = mf_node_get(input, "source");
    mf_str_printf(out,
                  "  %s: %s\n",
                  or_dash(mf_node_get(input, "name")),
                  or_dash(mf_node_get(input, "text")));
    if (source == NULL || !mf_node_uint(&number, source)) {
        return;
    }
    const mf_node *s = source_of(root, number);
    if (s != NULL) {
        mf_str_printf(out,
                      "    source: %s (%s, %s)\n",
                      or_dash(mf_node_get(s, "title")),
                      or_dash(mf_node_get(s, "kind")),
                      or_dash(mf_node_get(s, "seen")));
        const char *url = or_dash(mf_node_get(s, "url"));
        if (strcmp(url, "-") != 0) {
            mf_str_printf(out, "    %s\n", url);
        }
    }
}

/* A price lies within what was asked for it; the intervals of predictions are of 90 %. */
static bool is_money(const char *unit)
{
    bool money = false;
    for (size_t i = 0; i < MF_CURRENCY_COUNT; i++) {
        money = money || strcmp(unit, mf_currency_name((mf_currency)i)) == 0;
    }
    return money;
}

static void show_figure(mf_str *out, const mf_node *root, const mf_node *figure)
{
    double low = 0;
    double high = 0;
    const mf_node *low_node = mf_node_get(figure, "low");
    const mf_node *high_node = mf_node_get(figure, "high");
    mf_str_printf(out,
                  "%s\n  shown as: %s (%s)\n  formula: %s\n",
                  or_dash(mf_node_get(figure, "id")),
                  or_dash(mf_node_get(figure, "shown")),
                  or_dash(mf_node_get(figure, "unit")),
                  or_dash(mf_node_get(figure, "formula")));
    if (low_node != NULL && high_node != NULL && mf_node_double(&low, low_node) &&
        mf_node_double(&high, high_node) && high > low) {
        char text[2][MF_NUMBER_SIZE];
        mf_str_printf(out,
                      "  %s: %s to %s\n",
                      is_money(or_dash(mf_node_get(figure, "unit"))) ? "range of prices"
                                                                     : "90 % range",
                      mf_number_text(text[0], low, 4),
                      mf_number_text(text[1], high, 4));
    }
    for (const mf_node *i = mf_node_first(mf_node_get(figure, "inputs")); i != NULL;
         i = mf_node_next(i)) {
        show_input(out, root, i);
    }
}

/* A figure stands at this cell. */
static bool has_figure(const mf_node *root, const uint64_t at[3])
{
    static const char *const keys[] = {"block", "row", "column"};
    for (const mf_node *f = mf_node_first(mf_node_get(root, "figures")); f != NULL;
         f = mf_node_next(f)) {
        bool here = true;
        for (size_t i = 0; i < 3; i++) {
            uint64_t n = 0;
            const mf_node *node = mf_node_get(f, keys[i]);
            here = here && node != NULL && mf_node_uint(&n, node) && n == at[i];
        }
        if (here) {
            return true;
        }
    }
    return false;
}

/* Numbers of tables and pairs that nothing is known of, in plain words. */
static void show_untraced(mf_str *out, const mf_node *root)
{
    uint64_t at[3] = {0};
    for (const mf_node *b = mf_node_first(mf_node_get(root, "blocks")); b != NULL;
         b = mf_node_next(b), at[0]++) {
        const char *kind = or_dash(mf_node_get(b, "kind"));
        const bool table = strcmp(kind, "table") == 0;
        at[1] = 0;
        for (const mf_node *row = mf_node_first(mf_node_get(b, "rows"));
             row != NULL && (table || strcmp(kind, "pairs") == 0);
             row = mf_node_next(row), at[1]++) {
            at[2] = 0;
            for (const mf_node *c = mf_node_first(row); c != NULL; c = mf_node_next(c), at[2]++) {
                double value = 0;
                const char *behind = NULL;
                if (at[2] > 0 && (at[1] > 0 || !table) &&
                    mf_is_number(&value, &behind, or_dash(c)) && !has_figure(root, at)) {
                    mf_str_printf(out, "not traced: %s\n", or_dash(c));
                }
            }
        }
    }
}

/* All figures' ids, or those that begin with the word in full. */
static mf_status explain(mf_str *out, const mf_json *json, const char *word, mf_error *err)
{
    const mf_node *root = mf_json_root(json);
    const char *schema = or_dash(mf_node_get(root, "schema"));
    const bool report = strcmp(schema, "memfit.report/1") == 0;
    size_t n = 0;
    if (!report && !mf_explains_json(root)) {
        return mf_json_fail(json,
                            root,
                            err,
                            "nothing that could be explained: that is what 'memfit report "
                            "DEFINITION -o FILE.json' and '--format json' of fit, compare, plan, "
                            "cost, simulate, validate and audit write");
    }
    n += report ? 0 : mf_explain_json(out, root, word);
    for (const mf_node *f = mf_node_first(mf_node_get(root, "figures")); f != NULL;
         f = mf_node_next(f)) {
        const char *id = or_dash(mf_node_get(f, "id"));
        if (word == NULL) {
            mf_str_printf(out, "%s  %s\n", id, or_dash(mf_node_get(f, "shown")));
            n++;
        } else if (strncmp(id, word, strlen(word)) == 0) {
            show_figure(out, root, f);
            n++;
        }
    }
    if (report && word == NULL) {
        show_untraced(out, root);
    }
    return n > 0 || word == NULL ? mf_str_status(out, err)
                                 : mf_fail(err,
                                           MF_E_USAGE,
                                           "no figure begins with '%s': without it all are listed",
                                           word);
}

int mf_cmd_explain(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    mf_json *json = NULL;
    mf_str text = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_EXPLAIN, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("explain"), MF_FOR_EXPLAIN);
    }
    if (status == MF_OK && (a.n_positional < 1 || a.n_positional > 2)) {
        status =
            mf_fail(&err,
                    MF_E_USAGE,
                    "explain takes a JSON file that memfit wrote and the figure, or how it begins");
    }
    status = status == MF_OK ? mf_json_load(&json, a.positional[0], &err) : status;
    status = status == MF_OK
                 ? explain(&text, json, a.n_positional > 1 ? a.positional[1] : NULL, &err)
                 : status;
    status = status == MF_OK ? mf_cli_write(&text, a.output_file, &err) : status;
    mf_str_free(&text);
    mf_json_free(json);
    mf_arguments_free(&a);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
