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

static const char *range_name(const char *unit, const char *formula)
{
    return strstr(formula, "P10") != NULL                         ? "P10 to P90"
           : is_money(unit)                                       ? "range of prices"
           : strcmp(unit, "times") == 0 || strcmp(unit, "W") == 0 ? "from, to"
                                                                  : "90 % range";
}

/* A sentence holds several numbers: which of them is meant. */
static void show_shown(mf_str *out, const mf_node *figure)
{
    double value = 0;
    const char *behind = NULL;
    char number[MF_NUMBER_SIZE];
    const char *shown = or_dash(mf_node_get(figure, "shown"));
    const char *unit = or_dash(mf_node_get(figure, "unit"));
    const mf_node *node = mf_node_get(figure, "value");
    if (mf_is_number(&value, &behind, shown) || node == NULL || !mf_node_double(&value, node)) {
        mf_str_printf(out, "  shown as: %s (%s)\n", shown, unit);
    } else {
        mf_str_printf(out,
                      "  value: %s (%s)\n  shown in: %s\n",
                      mf_number_text(number, value, 6),
                      unit,
                      shown);
    }
}

static void show_figure(mf_str *out, const mf_node *root, const mf_node *figure)
{
    double low = 0;
    double high = 0;
    const mf_node *low_node = mf_node_get(figure, "low");
    const mf_node *high_node = mf_node_get(figure, "high");
    const char *unit = or_dash(mf_node_get(figure, "unit"));
    const char *formula = or_dash(mf_node_get(figure, "formula"));
    mf_str_printf(out, "%s\n", or_dash(mf_node_get(figure, "id")));
    show_shown(out, figure);
    mf_str_printf(out, "  formula: %s\n", formula);
    if (low_node != NULL && high_node != NULL && mf_node_double(&low, low_node) &&
        mf_node_double(&high, high_node) && high > low) {
        char text[2][MF_NUMBER_SIZE];
        mf_str_printf(out,
                      "  %s: %s to %s\n",
                      range_name(unit, formula),
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

/* Sources and notes on the method speak of numbers that are not the document's own; a machine's name may hold its memory. */
static bool is_of_others(const char *kind, const char *heading, const char *name)
{
    static const char *const headings[] = {"Grounds",
                                           "Notes",
                                           "Sources",
                                           "Given or assumed, without a source",
                                           "How to get this again"};
    static const char *const names[] = {"machine", "model", "engine"};
    for (size_t i = 0; strcmp(kind, "list") == 0 && i < sizeof headings / sizeof headings[0]; i++) {
        if (strcmp(heading, headings[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; strcmp(kind, "pairs") == 0 && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Must a cell be traced? In tables what is or has a number, elsewhere what states a result. */
static bool is_to_trace(const char *kind, const char *text, const uint64_t at[3])
{
    double value = 0;
    const char *behind = NULL;
    if (strcmp(kind, "table") == 0) {
        return at[1] > 0 && at[2] > 0 &&
               (mf_is_number(&value, &behind, text) || mf_has_result(text));
    }
    const bool pairs = strcmp(kind, "pairs") == 0 || strcmp(kind, "bars") == 0;
    return (pairs && at[2] > 0 && (mf_is_number(&value, &behind, text) || mf_has_result(text))) ||
           ((strcmp(kind, "verdict") == 0 || strcmp(kind, "list") == 0) && mf_has_result(text));
}

/* Numbers that nothing is known of, in plain words. */
static void show_untraced(mf_str *out, const mf_node *root)
{
    uint64_t at[3] = {0};
    for (const mf_node *b = mf_node_first(mf_node_get(root, "blocks")); b != NULL;
         b = mf_node_next(b), at[0]++) {
        const char *kind = or_dash(mf_node_get(b, "kind"));
        const char *heading = or_dash(mf_node_get(b, "heading"));
        at[1] = 0;
        for (const mf_node *row = mf_node_first(mf_node_get(b, "rows")); row != NULL;
             row = mf_node_next(row), at[1]++) {
            const char *name = or_dash(mf_node_first(row));
            at[2] = 0;
            for (const mf_node *c = mf_node_first(row); c != NULL; c = mf_node_next(c), at[2]++) {
                if (is_to_trace(kind, or_dash(c), at) && !is_of_others(kind, heading, name) &&
                    !has_figure(root, at)) {
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
