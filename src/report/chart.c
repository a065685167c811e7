#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

void mf_chart_free(mf_chart *chart)
{
    if (chart == NULL) {
        return;
    }
    for (size_t i = 0; i < chart->n_series; i++) {
        mf_chart_series *series = &chart->series[i];
        for (size_t k = 0; k < series->n_points; k++) {
            free(series->points[k].label);
            free(series->points[k].note);
        }
        free(series->points);
        free(series->name);
    }
    for (size_t i = 0; i < chart->n_rules; i++) {
        free(chart->rules[i].label);
    }
    free(chart->series);
    free(chart->rules);
    free(chart->alt);
    free(chart);
}

/* 1, 2 or 5 times a power of ten, at least `least`. */
static double round_step(double least)
{
    static const double steps[] = {1, 2, 5, 10};
    const double power = pow(10, floor(log10(least)));
    size_t i = 0;
    while (i + 1 < sizeof steps / sizeof steps[0] && steps[i] * power < least * (1 - 1e-9)) {
        i++;
    }
    return steps[i] * power;
}

static double step_of(mf_axis_kind kind, double span, size_t wanted)
{
    const double least = span / (double)(wanted > 0 ? wanted : 1);
    return kind == MF_AXIS_TOKENS ? fmax(1, exp2(ceil(log2(least) - 1e-9))) : round_step(least);
}

mf_scale mf_scale_of(const mf_axis *axis, mf_span values, mf_span pixels)
{
    const double low = values.low;
    const double high = values.high;
    enum { TICKS = 5 };
    mf_scale scale = {
        .kind = axis->kind, .low = low, .high = high, .from = pixels.low, .to = pixels.high};
    if (axis->kind == MF_AXIS_LOG) {
        /* Zero and less have no place on it. */
        scale.high = high > 0 ? high : 1;
        scale.low = low > 0 ? low : scale.high / 1000;
        if (scale.high < scale.low * 1.2) {
            scale.low /= 2;
            scale.high *= 2;
        }
        scale.low /= 1.1;
        scale.high *= 1.1;
        return scale;
    }
    if (axis->from_zero) {
        scale.low = fmin(0, low);
        scale.high = fmax(0, high);
    }
    if (!(scale.high > scale.low)) {
        const double around = fmax(1, fabs(scale.low));
        scale.low -= axis->from_zero && scale.low >= 0 ? 0 : around / 2;
        scale.high += around / 2;
    }
    const double step = step_of(axis->kind, scale.high - scale.low, TICKS);
    scale.low = floor(scale.low / step + 1e-9) * step;
    scale.high = ceil(scale.high / step - 1e-9) * step;
    return scale;
}

double mf_scale_at(const mf_scale *scale, double value)
{
    if (scale->kind == MF_AXIS_LOG) {
        const double least = scale->low / 10;
        const double share = log(fmax(value, least) / scale->low) / log(scale->high / scale->low);
        return scale->from + share * (scale->to - scale->from);
    }
    return scale->from +
           (value - scale->low) / (scale->high - scale->low) * (scale->to - scale->from);
}

static size_t add_tick(double ticks[MF_MAX_TICKS], size_t n, const mf_scale *scale, double value)
{
    const double slack = 1e-9 * fmax(fabs(scale->low), fabs(scale->high));
    if (n < MF_MAX_TICKS && value >= scale->low - slack && value <= scale->high + slack) {
        ticks[n++] = value;
    }
    return n;
}

/* Powers of ten, with 2 and 5 between them where there are few. */
static size_t log_ticks(double ticks[MF_MAX_TICKS], const mf_scale *scale)
{
    static const double between[] = {1, 2, 5};
    const double decades = log10(scale->high / scale->low);
    const size_t n_between = decades < 3 ? 3 : 1;
    const int skip = decades > 8 ? 2 : 1;
    size_t n = 0;
    const int first = (int)floor(log10(scale->low));
    const int last = (int)ceil(log10(scale->high));
    for (int e = first; e <= last; e += skip) {
        for (size_t i = 0; i < n_between; i++) {
            n = add_tick(ticks, n, scale, between[i] * pow(10, e));
        }
    }
    return n;
}

size_t mf_scale_ticks(double ticks[MF_MAX_TICKS], const mf_scale *scale, size_t wanted)
{
    if (scale->kind == MF_AXIS_LOG) {
        return log_ticks(ticks, scale);
    }
    const double step = step_of(scale->kind, scale->high - scale->low, wanted);
    const double first = ceil(scale->low / step - 1e-9);
    size_t n = 0;
    for (size_t i = 0; i < MF_MAX_TICKS; i++) {
        const double value = (first + (double)i) * step;
        n = add_tick(ticks, n, scale, fabs(value) < step / 2 ? 0 : value);
    }
    return n;
}

const char *mf_tick_text(char text[40], const mf_scale *scale, double value)
{
    static const struct {
        double scale;
        const char *suffix;
    } units[] = {
        {1e12, "T"},
        {1e9,  "G"},
        {1e6,  "M"},
        {1e3,  "k"},
    };
    enum { DIGITS = 4 };
    char number[MF_NUMBER_SIZE];
    const double ki = 1024;
    if (scale->kind == MF_AXIS_TOKENS && value >= ki) {
        (void)snprintf(text, 40, "%.30sk", mf_number_text(number, value / ki, DIGITS));
        return text;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (fabs(value) >= units[i].scale * (i == 3 ? 10 : 1)) {
            (void)snprintf(text,
                           40,
                           "%.30s%s",
                           mf_number_text(number, value / units[i].scale, DIGITS),
                           units[i].suffix);
            return text;
        }
    }
    (void)snprintf(text, 40, "%.38s", mf_number_text(number, value, DIGITS));
    return text;
}

/* Shrinks the part [t0, t1] of the line that is on the right side of one edge. */
static bool clip_edge(double *t0, double *t1, double direction, double distance)
{
    if (fabs(direction) < 1e-12) {
        return distance >= 0;
    }
    const double t = distance / direction;
    if (direction < 0) {
        *t0 = fmax(*t0, t);
    } else {
        *t1 = fmin(*t1, t);
    }
    return *t0 <= *t1;
}

bool mf_clip_line(mf_point *a, mf_point *b, const mf_box *box)
{
    const double dx = b->x - a->x;
    const double dy = b->y - a->y;
    double t0 = 0;
    double t1 = 1;
    if (!clip_edge(&t0, &t1, -dx, a->x - box->left) ||
        !clip_edge(&t0, &t1, dx, box->right - a->x) || !clip_edge(&t0, &t1, -dy, a->y - box->top) ||
        !clip_edge(&t0, &t1, dy, box->bottom - a->y)) {
        return false;
    }
    const mf_point start = *a;
    *a = (mf_point){start.x + t0 * dx, start.y + t0 * dy};
    *b = (mf_point){start.x + t1 * dx, start.y + t1 * dy};
    return true;
}

bool mf_boxes_overlap(const mf_box *a, const mf_box *b)
{
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

static void include(double *low, double *high, double value)
{
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

bool mf_chart_extent(double *low, double *high, const mf_chart *chart, bool along_x)
{
    double least = (double)INFINITY;
    double most = -(double)INFINITY;
    for (size_t s = 0; s < chart->n_series; s++) {
        const mf_chart_series *series = &chart->series[s];
        for (size_t i = 0; i < series->n_points; i++) {
            const mf_chart_point *p = &series->points[i];
            /* Bars lie along x, bands and crosses along y. */
            const bool banded = (series->mark == MF_MARK_BARS) == along_x;
            include(&least, &most, along_x ? p->x : p->y);
            if (banded) {
                include(&least, &most, p->low);
                include(&least, &most, p->high);
            }
        }
    }
    for (size_t i = 0; i < chart->n_rules; i++) {
        if (chart->rules[i].vertical == along_x) {
            include(&least, &most, chart->rules[i].value);
        }
    }
    if (!(least <= most)) {
        return false;
    }
    *low = least;
    *high = most;
    return true;
}
