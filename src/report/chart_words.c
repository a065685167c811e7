/*
 * chart_words.c - what a drawing shows, in words: the text that a screen reader reads instead of it.
 */
#include "base/num.h"
#include "report/chart.h"

enum { DIGITS = 2, MOST_NAMED = 12 };

typedef struct shown {
    char text[MF_NUMBER_SIZE];
} shown;

static shown in_digits(double value)
{
    shown s = {""};
    (void)mf_number_text(s.text, value, DIGITS);
    return s;
}

/* A place on an axis, as its ticks are written. */
static shown on_axis(const mf_axis *axis, double value)
{
    const mf_scale scale = {.kind = axis->kind};
    shown s = in_digits(value);
    if (axis->kind == MF_AXIS_TOKENS) {
        (void)mf_tick_text(s.text, &scale, value);
    }
    return s;
}

/* Ends of a curve, which say where it goes. */
static void add_curve(mf_str *out, const mf_chart_series *series, const mf_axis *x)
{
    const mf_chart_point *first = &series->points[0];
    const mf_chart_point *last = &series->points[series->n_points - 1];
    mf_str_printf(out, "from %s at %s", in_digits(first->y).text, on_axis(x, first->x).text);
    if (series->n_points > 1) {
        mf_str_printf(out, " to %s at %s", in_digits(last->y).text, on_axis(x, last->x).text);
    }
}

static void add_bars(mf_str *out, const mf_chart_series *series)
{
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_chart_point *p = &series->points[i];
        mf_str_printf(out, "%s%s ", i > 0 ? ", " : "", p->label != NULL ? p->label : "");
        if (p->note != NULL) {
            mf_str_add(out, p->note);
        } else {
            mf_str_printf(out, "%s to %s", in_digits(p->low).text, in_digits(p->high).text);
        }
    }
}

static void add_points(mf_str *out, const mf_chart_series *series)
{
    size_t n_named = 0;
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_chart_point *p = &series->points[i];
        if (p->label == NULL || n_named == MOST_NAMED) {
            continue;
        }
        mf_str_printf(out,
                      "%s%s %s at %s",
                      n_named > 0 ? ", " : "",
                      p->label,
                      in_digits(p->y).text,
                      in_digits(p->x).text);
        n_named++;
    }
    if (n_named < series->n_points) {
        mf_str_printf(out, "%s%zu points", n_named > 0 ? " of " : "", series->n_points);
    }
}

static void add_series(mf_str *out, const mf_chart_series *series, const mf_axis *x)
{
    if (series->n_points == 0) {
        return;
    }
    mf_str_add(out, "; ");
    if (series->name != NULL && series->name[0] != '\0') {
        mf_str_printf(out, "%s: ", series->name);
    }
    switch (series->mark) {
    case MF_MARK_LINE:
        add_curve(out, series, x);
        break;
    case MF_MARK_BARS:
        add_bars(out, series);
        break;
    case MF_MARK_POINTS:
        add_points(out, series);
        break;
    case MF_MARK_CLOUD:
        mf_str_printf(out, "%zu points", series->n_points);
        break;
    }
}

void mf_chart_words(mf_str *out, const mf_chart *chart)
{
    mf_str_add(out, chart->alt != NULL ? chart->alt : "");
    for (size_t i = 0; i < chart->n_series; i++) {
        add_series(out, &chart->series[i], &chart->x);
    }
    for (size_t i = 0; i < chart->n_rules; i++) {
        const mf_rule *rule = &chart->rules[i];
        if (rule->label != NULL) {
            mf_str_printf(out, "; %s: %s", rule->label, in_digits(rule->value).text);
        }
    }
    const mf_axis *value =
        chart->y.title != NULL && chart->y.title[0] != '\0' ? &chart->y : &chart->x;
    if (value->title != NULL && value->title[0] != '\0') {
        mf_str_printf(out, " (%s)", value->title);
    }
}
