/*
 * simulation_charts.c - a simulation drawn: latencies as shares of requests, what happened over time, and what keeps the promise; in a
 * terminal as rows of small blocks.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/simulation.h"
#include "report/wording.h"

typedef struct small_chart {
    const char *name;
    double values[MF_MAX_SERIES];
    const char *unit;
} small_chart;

/* Every column the mean of as many points. */
static void draw_small(mf_str *out, const small_chart *chart, size_t n, bool unicode)
{
    enum { COLUMNS = 48, LEVELS = 9 };
    static const char *const blocks[LEVELS] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[LEVELS] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
    const size_t each = (n + COLUMNS - 1) / COLUMNS;
    double highest = 0;
    for (size_t i = 0; i < n; i++) {
        highest = chart->values[i] > highest ? chart->values[i] : highest;
    }
    for (size_t i = 0; i < n; i += each) {
        double sum = 0;
        size_t count = 0;
        for (size_t k = i; k < n && k < i + each; k++, count++) {
            sum += chart->values[k];
        }
        const double share = highest > 0 ? sum / (double)count / highest : 0;
        const int level = (int)(share * (LEVELS - 1) + (share > 0 ? 0.999 : 0));
        const int kept = level < LEVELS ? level : LEVELS - 1;
        mf_str_add(out, unicode ? blocks[kept] : plain[kept]);
    }
}

static double highest_of(const small_chart *chart, size_t n)
{
    double highest = 0;
    for (size_t i = 0; i < n; i++) {
        highest = chart->values[i] > highest ? chart->values[i] : highest;
    }
    return highest;
}

enum { CHART_RUNNING, CHART_WAITING, CHART_CACHE, CHART_OUTPUT, CHARTS };

static void fill_charts(small_chart charts[CHARTS], const mf_simulation *s)
{
    static const char *const names[CHARTS] = {"in work", "waiting", "cache", "output"};
    static const char *const units[CHARTS] = {"requests", "requests", "tokens", "tokens a second"};
    for (size_t c = 0; c < CHARTS; c++) {
        charts[c].name = names[c];
        charts[c].unit = units[c];
    }
    for (size_t i = 0; i < s->n_series; i++) {
        const mf_series_point *p = &s->series[i];
        charts[CHART_RUNNING].values[i] = p->running;
        charts[CHART_WAITING].values[i] = p->waiting;
        charts[CHART_CACHE].values[i] = p->kv_tokens;
        charts[CHART_OUTPUT].values[i] = p->output_tok_s;
    }
}

void mf_show_simulation_over_time(mf_document *d, const mf_simulation *s, bool unicode)
{
    enum { LEAST_POINTS = 8, DIGITS = 3 };
    small_chart charts[CHARTS] = {0};
    char highest[MF_NUMBER_SIZE];
    if (s->n_series < LEAST_POINTS) {
        return;
    }
    fill_charts(charts, s);
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, "Over time");
    for (size_t c = 0; c < CHARTS; c++) {
        mf_str row = {0};
        draw_small(&row, &charts[c], s->n_series, unicode);
        mf_document_cell(d, "%s", charts[c].name);
        mf_document_cell(d,
                         "%s  at most %s %s",
                         row.data != NULL ? row.data : "",
                         mf_number_text(highest, highest_of(&charts[c], s->n_series), DIGITS),
                         charts[c].unit);
        mf_str_free(&row);
    }
}

/* A line of a chart, without what has no place on a logarithmic axis. */
static void add_curve(mf_document *d, const char *name, const double *seconds)
{
    mf_document_series(d, MF_MARK_LINE, false, name);
    for (size_t i = 0; i < MF_MAX_CURVE; i++) {
        if (seconds[i] > 0) {
            const double share = 100.0 * (double)i / (MF_MAX_CURVE - 1);
            mf_document_point(
                d,
                (mf_chart_point){.x = seconds[i], .y = share, .low = share, .high = share},
                NULL);
        }
    }
}

static void draw_latencies(mf_document *d, const mf_simulation *s)
{
    if (!s->e2e_s.known) {
        return;
    }
    mf_document_chart(d,
                      "Latency of requests",
                      "share of the requests that wait no longer than so many seconds",
                      (mf_axis){.kind = MF_AXIS_LOG, .title = "seconds"},
                      (mf_axis){.title = "% of the requests", .from_zero = true});
    add_curve(d, "to the first token", s->ttft_curve_s);
    add_curve(d, "to the end", s->e2e_curve_s);
    if (s->tpot_s.known) {
        add_curve(d, "per token after the first", s->tpot_curve_s);
    }
}

static void add_line(mf_document *d, const char *name, const mf_simulation *s, const double *values)
{
    mf_document_series(d, MF_MARK_LINE, false, name);
    for (size_t i = 0; i < s->n_series; i++) {
        const double middle_s = (s->series[i].begin_s + s->series[i].end_s) / 2;
        mf_document_point(d,
                          (mf_chart_point){.x = middle_s - s->series[0].begin_s,
                                           .y = values[i],
                                           .low = values[i],
                                           .high = values[i]},
                          NULL);
    }
}

static void draw_time(mf_document *d, const mf_simulation *s)
{
    small_chart charts[CHARTS] = {0};
    const mf_axis seconds = {.title = "seconds", .from_zero = true};
    if (s->n_series < 2) {
        return;
    }
    fill_charts(charts, s);
    mf_document_chart(d,
                      "Requests over time",
                      "how many requests are in work and how many wait",
                      seconds,
                      (mf_axis){.title = "requests", .from_zero = true});
    add_line(d, "in work", s, charts[CHART_RUNNING].values);
    add_line(d, "waiting", s, charts[CHART_WAITING].values);
    mf_document_chart(d,
                      "Output over time",
                      "output tokens a second of all requests together",
                      seconds,
                      (mf_axis){.title = "tokens a second", .from_zero = true});
    add_line(d, "output", s, charts[CHART_OUTPUT].values);
    mf_document_chart(d,
                      "Cache over time",
                      "tokens that the cache holds",
                      seconds,
                      (mf_axis){.title = "tokens", .from_zero = true});
    add_line(d, "cache", s, charts[CHART_CACHE].values);
}

static void draw_promise(mf_document *d, const mf_simulation_shown *shown)
{
    static const char *const axes[] = {[MF_SEARCH_RATE] = "requests a second",
                                       [MF_SEARCH_USERS] = "users",
                                       [MF_SEARCH_MACHINES] = "machines",
                                       [MF_SEARCH_SLOTS] = "requests at once",
                                       [MF_SEARCH_BATCH] = "tokens a step"};
    static const double usual_share = 0.95;
    const mf_search *search = shown->search;
    if (search == NULL || search->n_trials < 2) {
        return;
    }
    const bool linear = search->kind == MF_SEARCH_USERS || search->kind == MF_SEARCH_MACHINES;
    mf_document_chart(
        d,
        "What keeps the promise",
        "share of the requests that keep the promise",
        (mf_axis){.kind = linear ? MF_AXIS_LINEAR : MF_AXIS_LOG, .title = axes[search->kind]},
        (mf_axis){.title = "% of the requests", .from_zero = true});
    mf_document_series(d, MF_MARK_LINE, false, "within");
    for (size_t i = 0; i < search->n_trials; i++) {
        const mf_trial *t = &search->trials[i];
        const double share = 100 * t->within_share;
        if (t->fits) {
            mf_document_point(
                d, (mf_chart_point){.x = t->value, .y = share, .low = share, .high = share}, NULL);
        }
    }
    mf_document_rule(d,
                     false,
                     100 * (shown->promise.share > 0 ? shown->promise.share : usual_share),
                     "promised");
}

void mf_draw_simulation(mf_document *d, const mf_simulation_shown *shown)
{
    draw_promise(d, shown);
    draw_latencies(d, shown->simulation);
    draw_time(d, shown->simulation);
}
