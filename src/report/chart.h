/*
 * chart.h - a drawing as data: series of points with bands, rules, axes. svg.c draws it, chart.c measures it.
 */
#ifndef MF_REPORT_CHART_H
#define MF_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* How a verdict, a bar or a point is meant. */
typedef enum mf_tone {
    MF_TONE_PLAIN,
    MF_TONE_GOOD,
    MF_TONE_CAREFUL,
    MF_TONE_BAD,
} mf_tone;

typedef enum mf_mark {
    MF_MARK_LINE,   /* with a band between low and high, where they differ */
    MF_MARK_POINTS, /* with a cross between low and high */
    MF_MARK_CLOUD,  /* many small points without labels */
    MF_MARK_BARS,   /* horizontal, one row a point, from low to high; y counts rows */
} mf_mark;

typedef enum mf_axis_kind {
    MF_AXIS_LINEAR,
    MF_AXIS_LOG,
    MF_AXIS_TOKENS, /* linear, ticks at multiples of powers of two */
} mf_axis_kind;

typedef struct mf_axis {
    mf_axis_kind kind;
    const char *title; /* with the unit; static storage or outliving the document */
    bool from_zero;
} mf_axis;

typedef struct mf_chart_point {
    double x;
    double y;
    double low;
    double high;
    mf_tone tone;
    char *label; /* of a point or a bar; NULL in what is passed in, as is note */
    char *note;  /* BARS: the value in words, behind the bar */
} mf_chart_point;

typedef struct mf_chart_series {
    char *name;
    mf_mark mark;
    bool dashed;
    mf_chart_point *points;
    size_t n_points;
} mf_chart_series;

/* A line across the whole drawing: a limit, a budget. */
typedef struct mf_rule {
    bool vertical;
    double value;
    char *label;
} mf_rule;

typedef struct mf_chart {
    char *alt;
    mf_axis x;
    mf_axis y;
    mf_chart_series *series;
    size_t n_series;
    mf_rule *rules;
    size_t n_rules;
    bool square; /* as high as it is wide */
} mf_chart;

void mf_chart_free(mf_chart *chart); /* NULL is fine */

typedef struct mf_span {
    double low;
    double high;
} mf_span;

/* A range of values laid on a range of pixels. */
typedef struct mf_scale {
    mf_axis_kind kind;
    double low;
    double high;
    double from; /* pixel of low */
    double to;
} mf_scale;

/* The scale of an axis over values between low and high: widened to whole ticks, never empty. */
mf_scale mf_scale_of(const mf_axis *axis, mf_span values, mf_span pixels);
double mf_scale_at(const mf_scale *scale, double value);

enum { MF_MAX_TICKS = 16 };

/* Round values inside the scale, about `wanted` of them, rising. Returns how many. */
size_t mf_scale_ticks(double ticks[MF_MAX_TICKS], const mf_scale *scale, size_t wanted);

/* "32k" for tokens, "1.5k" or "20" otherwise. */
const char *mf_tick_text(char text[40], const mf_scale *scale, double value);

typedef struct mf_point {
    double x;
    double y;
} mf_point;

typedef struct mf_box {
    double left;
    double top;
    double right;
    double bottom;
} mf_box;

/* Cuts a line to a box (Liang and Barsky 1984). False if nothing of it is inside. */
bool mf_clip_line(mf_point *a, mf_point *b, const mf_box *box);

bool mf_boxes_overlap(const mf_box *a, const mf_box *b);

/* Lowest and highest of what is drawn along an axis, bands and rules included. False, and nothing written, if nothing is. */
bool mf_chart_extent(double *low, double *high, const mf_chart *chart, bool along_x);

/* What the drawing shows, for those who can't see it: its alternative text, then what each series, bar and rule says. */
void mf_chart_words(mf_str *out, const mf_chart *chart);

#endif
