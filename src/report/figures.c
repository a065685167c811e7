/*
 * figures.c - what stands behind a document's numbers: sources, figures with their inputs, and drawings.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/document.h"

static char *copied(mf_document *document, const char *text)
{
    char *copy = mf_strdup(text);
    document->failed |= text != NULL && copy == NULL;
    return copy;
}

static bool same(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

size_t mf_document_footnote(mf_document *document, const mf_source *source)
{
    if (source == NULL) {
        return 0;
    }
    for (size_t i = 0; i < document->n_footnotes; i++) {
        const mf_footnote *note = &document->footnotes[i];
        if (same(note->title, source->title) && same(note->url, source->url) &&
            same(note->seen, source->seen)) {
            return i + 1;
        }
    }
    mf_footnote *notes = mf_document_grown(
        document, document->footnotes, document->n_footnotes, sizeof *document->footnotes);
    if (notes == NULL) {
        return 0;
    }
    document->footnotes = notes;
    notes[document->n_footnotes++] = (mf_footnote){.title = copied(document, source->title),
                                                   .url = copied(document, source->url),
                                                   .seen = copied(document, source->seen),
                                                   .kind = mf_source_kind_name(source->kind)};
    return document->n_footnotes;
}

static bool has_id(const mf_document *document, const char *id)
{
    for (size_t i = 0; i < document->n_figures; i++) {
        if (same(document->figures[i].id, id)) {
            return true;
        }
    }
    return false;
}

static char *unique_id(mf_document *document, const char *id)
{
    mf_str text = {0};
    mf_str_add(&text, id);
    for (unsigned n = 2; text.data != NULL && has_id(document, text.data); n++) {
        mf_str_free(&text);
        mf_str_printf(&text, "%s/%u", id, n);
    }
    document->failed |= text.failed;
    return text.data;
}

void mf_document_figure(
    mf_document *document, const char *id, const char *formula, const char *unit, double value)
{
    if (document->failed || document->n_blocks == 0 ||
        document->blocks[document->n_blocks - 1].n_cells == 0) {
        return;
    }
    mf_figure *figures = mf_document_grown(
        document, document->figures, document->n_figures, sizeof *document->figures);
    if (figures == NULL) {
        return;
    }
    document->figures = figures;
    figures[document->n_figures] =
        (mf_figure){.id = unique_id(document, id),
                    .formula = copied(document, formula),
                    .unit = copied(document, unit),
                    .value = value,
                    .low = value,
                    .high = value,
                    .block = document->n_blocks - 1,
                    .cell = document->blocks[document->n_blocks - 1].n_cells - 1};
    document->n_figures++;
}

void mf_document_interval(mf_document *document, double low, double high)
{
    if (!document->failed && document->n_figures > 0) {
        document->figures[document->n_figures - 1].low = low;
        document->figures[document->n_figures - 1].high = high;
    }
}

void mf_document_input(
    mf_document *document, size_t footnote, const char *name, const char *format, ...)
{
    mf_figure *figure = document->failed || document->n_figures == 0
                            ? NULL
                            : &document->figures[document->n_figures - 1];
    if (figure == NULL || figure->n_inputs == MF_MAX_FIGURE_INPUTS) {
        return;
    }
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    figure->inputs[figure->n_inputs++] = (mf_figure_input){
        .name = copied(document, name), .text = copied(document, text), .footnote = footnote};
}

const mf_figure *mf_document_figure_of(const mf_document *document, size_t block, size_t cell)
{
    for (size_t i = 0; i < document->n_figures; i++) {
        if (document->figures[i].block == block && document->figures[i].cell == cell) {
            return &document->figures[i];
        }
    }
    return NULL;
}

static mf_chart *latest_chart(mf_document *document)
{
    return document->failed || document->n_blocks == 0
               ? NULL
               : document->blocks[document->n_blocks - 1].chart;
}

void mf_document_chart(
    mf_document *document, const char *heading, const char *alt, mf_axis x, mf_axis y)
{
    mf_document_begin(document, MF_BLOCK_CHART, 1, heading);
    mf_chart *chart = calloc(1, sizeof *chart);
    if (document->failed || chart == NULL) {
        document->failed = true;
        free(chart);
        return;
    }
    chart->x = x;
    chart->y = y;
    chart->alt = copied(document, alt);
    document->blocks[document->n_blocks - 1].chart = chart;
}

void mf_document_series(mf_document *document, mf_mark mark, bool dashed, const char *name)
{
    mf_chart *chart = latest_chart(document);
    mf_chart_series *series =
        chart == NULL
            ? NULL
            : mf_document_grown(document, chart->series, chart->n_series, sizeof *chart->series);
    if (series == NULL) {
        return;
    }
    chart->series = series;
    series[chart->n_series] =
        (mf_chart_series){.name = copied(document, name), .mark = mark, .dashed = dashed};
    chart->n_series++;
}

void mf_document_point(mf_document *document, mf_chart_point point, const char *label)
{
    mf_chart *chart = latest_chart(document);
    mf_chart_series *series =
        chart == NULL || chart->n_series == 0 ? NULL : &chart->series[chart->n_series - 1];
    mf_chart_point *points =
        series == NULL
            ? NULL
            : mf_document_grown(document, series->points, series->n_points, sizeof *series->points);
    if (points == NULL) {
        return;
    }
    series->points = points;
    points[series->n_points] = point;
    points[series->n_points].label = copied(document, label);
    series->n_points++;
}

void mf_document_point_note(mf_document *document, const char *format, ...)
{
    mf_chart *chart = latest_chart(document);
    mf_chart_series *series =
        chart == NULL || chart->n_series == 0 ? NULL : &chart->series[chart->n_series - 1];
    if (series == NULL || series->n_points == 0) {
        return;
    }
    char text[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    free(series->points[series->n_points - 1].note);
    series->points[series->n_points - 1].note = copied(document, text);
}

void mf_document_rule(mf_document *document, bool vertical, double value, const char *label)
{
    mf_chart *chart = latest_chart(document);
    mf_rule *rules =
        chart == NULL
            ? NULL
            : mf_document_grown(document, chart->rules, chart->n_rules, sizeof *chart->rules);
    if (rules == NULL) {
        return;
    }
    chart->rules = rules;
    rules[chart->n_rules++] =
        (mf_rule){.vertical = vertical, .value = value, .label = copied(document, label)};
}
