/*
 * layout.c - where the parts of a drawing go: margins from the longest texts, rows of bars, room for labels.
 */
#include <math.h>
#include <string.h>

#include "report/html.h"

/* Of a 12 px sans-serif font, on the wide side. */
#define CHARACTER_WIDTH 6.6
#define LABEL_HEIGHT 13.0
/* Names of schemes are capitals and digits; what is wide in some fonts must not run into the next. */
#define NAME_WIDTH 7.4
#define WIDTH 480.0
#define HEIGHT 300.0
#define ROW_HEIGHT 24.0
#define TOP 14.0
#define BOTTOM 46.0
#define RIGHT 16.0
#define AXIS_TITLE 18.0
#define MOST_LABEL 190.0

static double text_width(const char *text)
{
    return CHARACTER_WIDTH * (double)mf_str_columns(text);
}

/* Rows of bars; 0 if the chart has none. Also the widest texts before and behind them. */
static size_t count_rows(double *label, double *note, const mf_chart *chart)
{
    size_t n = 0;
    *label = 0;
    *note = 0;
    for (size_t s = 0; s < chart->n_series; s++) {
        const mf_chart_series *series = &chart->series[s];
        for (size_t i = 0; series->mark == MF_MARK_BARS && i < series->n_points; i++) {
            *label = fmax(*label, text_width(series->points[i].label));
            *note = fmax(*note, text_width(series->points[i].note));
            n = (size_t)series->points[i].y + 1 > n ? (size_t)series->points[i].y + 1 : n;
        }
    }
    return n;
}

static double widest_tick(const mf_scale *scale)
{
    enum { TICKS = 5 };
    double ticks[MF_MAX_TICKS];
    char text[40];
    double most = 0;
    const size_t n = mf_scale_ticks(ticks, scale, TICKS);
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, text_width(mf_tick_text(text, scale, ticks[i])));
    }
    return most;
}

mf_layout mf_chart_layout(const mf_chart *chart)
{
    double low = 0;
    double high = 1;
    double label = 0;
    double note = 0;
    mf_layout at = {.width = WIDTH, .height = chart->square ? WIDTH : HEIGHT};
    at.n_rows = count_rows(&label, &note, chart);
    at.plot = (mf_box){.top = TOP, .right = WIDTH - RIGHT};
    if (at.n_rows > 0) {
        at.height = TOP + BOTTOM + ROW_HEIGHT * (double)at.n_rows;
        at.plot.left = fmin(label, MOST_LABEL) + 12;
        at.plot.right -= note;
    }
    at.plot.bottom = at.height - BOTTOM;
    if (at.n_rows == 0) {
        (void)mf_chart_extent(&low, &high, chart, false);
        at.y = mf_scale_of(&chart->y, (mf_span){low, high}, (mf_span){at.plot.bottom, at.plot.top});
        at.plot.left = AXIS_TITLE + widest_tick(&at.y) + 10;
    }
    low = 0;
    high = 1;
    (void)mf_chart_extent(&low, &high, chart, true);
    at.x = mf_scale_of(&chart->x, (mf_span){low, high}, (mf_span){at.plot.left, at.plot.right});
    return at;
}

double mf_layout_row(const mf_layout *layout, double row)
{
    return layout->plot.top + ROW_HEIGHT * (row + 0.5);
}

static bool overlaps_any(const mf_box *box, const mf_box *others, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (mf_boxes_overlap(box, &others[i])) {
            return true;
        }
    }
    return false;
}

static bool is_free(const mf_labels *labels, const mf_box *box, const mf_box *plot, bool crossing)
{
    return box->left >= plot->left && box->right <= plot->right && box->top >= plot->top &&
           box->bottom <= plot->bottom && !overlaps_any(box, labels->boxes, labels->n_boxes) &&
           (crossing || !overlaps_any(box, labels->lines, labels->n_lines));
}

bool mf_label_place(mf_box *box,
                    mf_labels *labels,
                    const mf_layout *layout,
                    mf_point near,
                    size_t n_columns,
                    bool crossing)
{
    static const double gap = 7;
    const double width = NAME_WIDTH * (double)n_columns;
    const double half = LABEL_HEIGHT / 2;
    /* Right, left, above, below, then the corners. */
    const mf_point corners[] = {
        {near.x + gap,         near.y - half              },
        {near.x - gap - width, near.y - half              },
        {near.x - width / 2,   near.y - gap - LABEL_HEIGHT},
        {near.x - width / 2,   near.y + gap               },
        {near.x + gap,         near.y - gap - LABEL_HEIGHT},
        {near.x + gap,         near.y + gap               },
        {near.x - gap - width, near.y - gap - LABEL_HEIGHT},
        {near.x - gap - width, near.y + gap               },
    };
    const size_t n = sizeof corners / sizeof corners[0];
    for (size_t i = 0; i < (crossing ? 2 * n : n); i++) {
        const mf_point corner = corners[i % n];
        const mf_box candidate = {.left = corner.x,
                                  .top = corner.y,
                                  .right = corner.x + width,
                                  .bottom = corner.y + LABEL_HEIGHT};
        if (labels->n_boxes < MF_MAX_LABELS && is_free(labels, &candidate, &layout->plot, i >= n)) {
            labels->boxes[labels->n_boxes++] = candidate;
            *box = candidate;
            return true;
        }
    }
    return false;
}

void mf_label_take_line(mf_labels *labels, mf_point a, mf_point b)
{
    static const double piece = 12;
    const double length = hypot(b.x - a.x, b.y - a.y);
    const size_t n = (size_t)ceil(length / piece);
    for (size_t i = 0; i < n && labels->n_lines < MF_MAX_LABELS; i++) {
        const double t = (double)i / (double)n;
        const double u = (double)(i + 1) / (double)n;
        const mf_point from = {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
        const mf_point to = {a.x + u * (b.x - a.x), a.y + u * (b.y - a.y)};
        labels->lines[labels->n_lines++] = (mf_box){.left = fmin(from.x, to.x) - 1,
                                                    .top = fmin(from.y, to.y) - 1,
                                                    .right = fmax(from.x, to.x) + 1,
                                                    .bottom = fmax(from.y, to.y) + 1};
    }
}

void mf_label_take(mf_labels *labels, mf_point end, size_t n_columns)
{
    if (labels->n_boxes < MF_MAX_LABELS) {
        labels->boxes[labels->n_boxes++] = (mf_box){.left = end.x - NAME_WIDTH * (double)n_columns,
                                                    .top = end.y - LABEL_HEIGHT,
                                                    .right = end.x,
                                                    .bottom = end.y};
    }
}
