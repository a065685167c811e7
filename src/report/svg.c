/*
 * svg.c - draws a chart. Colours come from the page's style sheet, so that they follow its light or dark scheme.
 *
 * Why no library draws: of those that C programs have, cairo 1.16 knows neither axes nor marks and writes letters as
 * outlines, which no one can search, read aloud or recolour; PLplot 5.15 keeps one global state, loads its drivers at run
 * time and writes fixed colours; GNU libplot 2.6 has no axes either (its program `graph` has), fixed colours, and needs X11;
 * gnuplot is a program to be started, with fixed colours. All of them would leave the parts that take work - which ticks,
 * which labels find room, what lies outside - to chart.c and layout.c, or take them out of reach of tests
 * (tests/unit/report/test_chart.c). What is here is text with class names and numbers, the same bytes everywhere.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "report/html.h"

enum { TICKS = 5, COLOURS = 6, DASHES = 3, SHAPES = 4 };

typedef struct drawing {
    mf_str *out;
    const mf_chart *chart;
    mf_layout at;
    mf_labels labels;
} drawing;

/* A coordinate with one decimal, ready to be printed four at a time. */
typedef struct number {
    char text[MF_NUMBER_SIZE];
} number;

static number px(double value)
{
    number n = {""};
    (void)mf_fixed_text(n.text, value, 1);
    return n;
}

static void add_line(drawing *d, const char *class, mf_point a, mf_point b)
{
    mf_str_printf(d->out,
                  "<line class=\"%s\" x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\"/>",
                  class,
                  px(a.x).text,
                  px(a.y).text,
                  px(b.x).text,
                  px(b.y).text);
}

static void
add_text(drawing *d, const char *class, mf_point at, const char *anchor, const char *text)
{
    mf_str_printf(d->out,
                  "<text class=\"%s\" x=\"%s\" y=\"%s\" text-anchor=\"%s\">",
                  class,
                  px(at.x).text,
                  px(at.y).text,
                  anchor);
    mf_html_escape(d->out, text);
    mf_str_add(d->out, "</text>");
}

static void draw_x_axis(drawing *d)
{
    static const double text_below = 16;
    static const double title_above_edge = 8;
    const mf_box *plot = &d->at.plot;
    double ticks[MF_MAX_TICKS];
    char text[40];
    const size_t n = mf_scale_ticks(ticks, &d->at.x, TICKS);
    double free_from = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double x = mf_scale_at(&d->at.x, ticks[i]);
        const char *label = mf_tick_text(text, &d->at.x, ticks[i]);
        const double half = 3.5 * (double)strlen(label);
        add_line(d, "grid", (mf_point){x, plot->top}, (mf_point){x, plot->bottom});
        if (x - half > free_from) {
            add_text(d, "tick", (mf_point){x, plot->bottom + text_below}, "middle", label);
            free_from = x + half + 4;
        }
    }
    add_text(d,
             "title",
             (mf_point){(plot->left + plot->right) / 2, d->at.height - title_above_edge},
             "middle",
             d->chart->x.title != NULL ? d->chart->x.title : "");
}

static void draw_y_axis(drawing *d)
{
    static const double title_x = 13;
    const mf_box *plot = &d->at.plot;
    double ticks[MF_MAX_TICKS];
    char text[40];
    const size_t n = mf_scale_ticks(ticks, &d->at.y, TICKS);
    for (size_t i = 0; i < n; i++) {
        const double y = mf_scale_at(&d->at.y, ticks[i]);
        add_line(d, "grid", (mf_point){plot->left, y}, (mf_point){plot->right, y});
        add_text(d,
                 "tick",
                 (mf_point){plot->left - 6, y + 4},
                 "end",
                 mf_tick_text(text, &d->at.y, ticks[i]));
    }
    const double middle = (plot->top + plot->bottom) / 2;
    mf_str_printf(d->out,
                  "<text class=\"title\" x=\"%s\" y=\"%s\" text-anchor=\"middle\" "
                  "transform=\"rotate(-90 %s %s)\">",
                  px(title_x).text,
                  px(middle).text,
                  px(title_x).text,
                  px(middle).text);
    mf_html_escape(d->out, d->chart->y.title != NULL ? d->chart->y.title : "");
    mf_str_add(d->out, "</text>");
}

static double clamped(double value, double low, double high)
{
    return fmin(high, fmax(low, value));
}

static mf_point place(const drawing *d, double x, double y)
{
    return (mf_point){mf_scale_at(&d->at.x, x), mf_scale_at(&d->at.y, y)};
}

static bool has_band(const mf_chart_series *series)
{
    for (size_t i = 0; i < series->n_points; i++) {
        if (series->points[i].high > series->points[i].low) {
            return true;
        }
    }
    return false;
}

/* Up along the high ends, back along the low ones, held inside the plot. */
static void draw_band(drawing *d, const mf_chart_series *series, size_t colour)
{
    const mf_box *plot = &d->at.plot;
    mf_str_printf(d->out, "<polygon class=\"band f%zu\" points=\"", colour);
    for (size_t k = 0; k < 2 * series->n_points; k++) {
        const size_t i = k < series->n_points ? k : 2 * series->n_points - 1 - k;
        const mf_chart_point *p = &series->points[i];
        const mf_point at = place(d, p->x, k < series->n_points ? p->high : p->low);
        mf_str_printf(d->out,
                      "%s%s,%s",
                      k > 0 ? " " : "",
                      px(clamped(at.x, plot->left, plot->right)).text,
                      px(clamped(at.y, plot->top, plot->bottom)).text);
    }
    mf_str_add(d->out, "\"/>");
}

/* Colours come round again behind the sixth series: other dashes tell those apart. */
static void begin_line(mf_str *out, const mf_chart_series *series, size_t index)
{
    static const char *const dashes[DASHES] = {"", " dotted", " chained"};
    mf_str_printf(out,
                  "<path class=\"line s%zu%s\" d=\"",
                  index % COLOURS + 1,
                  series->dashed ? " dashed" : dashes[index / COLOURS % DASHES]);
}

static void draw_curve(drawing *d, const mf_chart_series *series, size_t index)
{
    begin_line(d->out, series, index);
    mf_point last = {(double)NAN, (double)NAN};
    for (size_t i = 1; i < series->n_points; i++) {
        mf_point a = place(d, series->points[i - 1].x, series->points[i - 1].y);
        mf_point b = place(d, series->points[i].x, series->points[i].y);
        if (!mf_clip_line(&a, &b, &d->at.plot)) {
            continue;
        }
        const bool joined = fabs(a.x - last.x) < 0.01 && fabs(a.y - last.y) < 0.01;
        if (!joined) {
            mf_str_printf(d->out, "M%s %s", px(a.x).text, px(a.y).text);
        }
        mf_str_printf(d->out, "L%s %s", px(b.x).text, px(b.y).text);
        mf_label_take_line(&d->labels, a, b);
        last = b;
    }
    mf_str_add(d->out, "\"/>");
}

static bool is_inside(const mf_box *box, mf_point p)
{
    return p.x >= box->left - 1 && p.x <= box->right + 1 && p.y >= box->top - 1 &&
           p.y <= box->bottom + 1;
}

static size_t shape_of(const mf_chart_series *series, size_t index)
{
    return series->mark == MF_MARK_CLOUD ? 0 : index % SHAPES;
}

/* A circle, a square, a triangle or a diamond, so that colour is not all that tells series apart. Left open. */
static void begin_marker(mf_str *out, size_t index, size_t shape, mf_point at)
{
    static const char *const paths[SHAPES] = {
        NULL, "m-3.6-3.6h7.2v7.2h-7.2z", "m0-4.8l4.6 8h-9.2z", "m0-5l5 5l-5 5l-5-5z"};
    const char *path = paths[shape];
    const size_t colour = index % COLOURS + 1;
    if (path == NULL) {
        mf_str_printf(out,
                      "<circle class=\"f%zu\" cx=\"%s\" cy=\"%s\" r=\"4\">",
                      colour,
                      px(at.x).text,
                      px(at.y).text);
    } else {
        mf_str_printf(out,
                      "<path class=\"f%zu\" d=\"M%s %s%s\">",
                      colour,
                      px(at.x).text,
                      px(at.y).text,
                      path);
    }
}

static const char *end_marker(size_t shape)
{
    return shape == 0 ? "</circle>" : "</path>";
}

static void draw_cloud(drawing *d, const mf_chart_series *series, size_t index)
{
    mf_str_printf(d->out, "<g class=\"cloud f%zu\">", index % COLOURS + 1);
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_point at = place(d, series->points[i].x, series->points[i].y);
        if (is_inside(&d->at.plot, at)) {
            mf_str_printf(
                d->out, "<circle cx=\"%s\" cy=\"%s\" r=\"2\"/>\n", px(at.x).text, px(at.y).text);
        }
    }
    mf_str_add(d->out, "</g>");
}

void mf_svg_swatch(mf_str *out, const mf_chart_series *series, size_t index)
{
    if (series->mark == MF_MARK_LINE) {
        begin_line(out, series, index);
        mf_str_add(out, "M1 6L29 6\"/>");
        return;
    }
    const size_t shape = shape_of(series, index);
    begin_marker(out, index, shape, (mf_point){15, 6});
    mf_str_add(out, end_marker(shape));
}

static void draw_dots(drawing *d, const mf_chart_series *series, size_t index)
{
    static const double reach = 5;
    const size_t colour = index % COLOURS + 1;
    const size_t shape = shape_of(series, index);
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_chart_point *p = &series->points[i];
        mf_point at = place(d, p->x, p->y);
        if (!is_inside(&d->at.plot, at)) {
            continue;
        }
        if (p->high > p->low) {
            mf_point a = place(d, p->x, p->low);
            mf_point b = place(d, p->x, p->high);
            if (mf_clip_line(&a, &b, &d->at.plot)) {
                char class[24];
                (void)snprintf(class, sizeof class, "cross s%zu", colour);
                add_line(d, class, a, b);
                mf_label_take_line(&d->labels, a, b);
            }
        }
        begin_marker(d->out, index, shape, at);
        mf_str_add(d->out, "<title>");
        mf_html_escape(d->out, p->label != NULL ? p->label : "");
        mf_str_add(d->out, "</title>");
        mf_str_add(d->out, end_marker(shape));
        if (d->labels.n_boxes < MF_MAX_LABELS) {
            d->labels.boxes[d->labels.n_boxes++] =
                (mf_box){at.x - reach, at.y - reach, at.x + reach, at.y + reach};
        }
    }
}

/* A dot on an earlier one of the series: one name is enough. */
static bool is_covered(const drawing *d, const mf_chart_series *series, size_t index)
{
    const mf_point at = place(d, series->points[index].x, series->points[index].y);
    bool covered = false;
    for (size_t i = 0; i < index; i++) {
        const mf_point other = place(d, series->points[i].x, series->points[i].y);
        covered = covered ||
                  (series->points[i].label != NULL && hypot(at.x - other.x, at.y - other.y) < 1.5);
    }
    return covered;
}

/* Once all dots are there, so that no label lies on one. Names cross lines where there is
   no other room for them: all of the first series, as that matters most, and of a series of few. */
static void draw_dot_labels(drawing *d, const mf_chart_series *series, bool first)
{
    enum { FEW = 8 };
    static const double baseline = 3;
    const bool crossing = first || series->n_points <= FEW;
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_chart_point *p = &series->points[i];
        const mf_point at = place(d, p->x, p->y);
        mf_box box;
        if (p->label != NULL && is_inside(&d->at.plot, at) && !is_covered(d, series, i) &&
            mf_label_place(&box, &d->labels, &d->at, at, mf_str_columns(p->label), crossing)) {
            const bool left = box.right <= at.x;
            const bool right = box.left >= at.x;
            const double x = left ? box.right : right ? box.left : at.x;
            add_text(d,
                     "label",
                     (mf_point){x, box.bottom - baseline},
                     left    ? "end"
                     : right ? "start"
                             : "middle",
                     p->label);
        }
    }
}

/* Bytes of the first n characters of a UTF-8 text. */
static size_t bytes_of(const char *text, size_t n)
{
    size_t i = 0;
    while (text[i] != '\0' && (n > 0 || ((unsigned char)text[i] & 0xC0) == 0x80)) {
        n -= ((unsigned char)text[i] & 0xC0) != 0x80 ? 1 : 0;
        i++;
    }
    return i;
}

static void add_row_label(drawing *d, double y, const char *label)
{
    enum { MOST = 28 };
    mf_str text = {0};
    if (mf_str_columns(label) > MOST) {
        mf_str_add_n(&text, label, bytes_of(label, MOST - 1));
        mf_str_add(&text, "\xE2\x80\xA6"); /* an ellipsis */
    } else {
        mf_str_add(&text, label);
    }
    add_text(d,
             "label",
             (mf_point){d->at.plot.left - 8, y + 4},
             "end",
             text.data != NULL ? text.data : "");
    mf_str_free(&text);
}

static const char *tone_class(mf_tone tone)
{
    switch (tone) {
    case MF_TONE_PLAIN:
        return "f1";
    case MF_TONE_GOOD:
        return "good";
    case MF_TONE_CAREFUL:
        return "careful";
    case MF_TONE_BAD:
        return "bad";
    }
    return "f1";
}

static void draw_bars(drawing *d, const mf_chart_series *series)
{
    static const double thickness = 14;
    const mf_box *plot = &d->at.plot;
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_chart_point *p = &series->points[i];
        const double y = mf_layout_row(&d->at, p->y);
        const double a =
            clamped(mf_scale_at(&d->at.x, fmin(p->low, p->high)), plot->left, plot->right);
        const double b =
            clamped(mf_scale_at(&d->at.x, fmax(p->low, p->high)), plot->left, plot->right);
        mf_str_printf(d->out,
                      "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" rx=\"2\"/>",
                      tone_class(p->tone),
                      px(a).text,
                      px(y - thickness / 2).text,
                      px(fmax(1, b - a)).text,
                      px(thickness).text);
        if (p->label != NULL) {
            add_row_label(d, y, p->label);
        }
        if (p->note != NULL) {
            add_text(d, "label", (mf_point){plot->right + 6, y + 4}, "start", p->note);
        }
    }
}

static void draw_rule(drawing *d, const mf_rule *rule)
{
    const mf_box *plot = &d->at.plot;
    mf_point a = {plot->left, 0};
    mf_point b = {plot->right, 0};
    if (rule->vertical) {
        a = (mf_point){mf_scale_at(&d->at.x, rule->value), plot->top};
        b = (mf_point){a.x, plot->bottom};
    } else if (d->at.n_rows == 0) {
        a.y = mf_scale_at(&d->at.y, rule->value);
        b.y = a.y;
    } else {
        return;
    }
    if (!mf_clip_line(&a, &b, plot)) {
        return;
    }
    add_line(d, "rule", a, b);
    mf_label_take_line(&d->labels, a, b);
    if (rule->label == NULL) {
        return;
    }
    const bool right = rule->vertical && a.x > (plot->left + plot->right) / 2;
    const mf_point at = rule->vertical ? (mf_point){right ? a.x - 4 : a.x + 4, plot->top - 3}
                                       : (mf_point){plot->right - 2, a.y - 4};
    add_text(d, "label", at, rule->vertical && !right ? "start" : "end", rule->label);
    if (!rule->vertical) {
        mf_label_take(&d->labels, at, strlen(rule->label));
    }
}

static void draw_series(drawing *d, size_t index)
{
    const mf_chart_series *series = &d->chart->series[index];
    const size_t colour = index % COLOURS + 1;
    switch (series->mark) {
    case MF_MARK_LINE:
        if (has_band(series)) {
            draw_band(d, series, colour);
        }
        draw_curve(d, series, index);
        break;
    case MF_MARK_POINTS:
        draw_dots(d, series, index);
        break;
    case MF_MARK_CLOUD:
        draw_cloud(d, series, index);
        break;
    case MF_MARK_BARS:
        draw_bars(d, series);
        break;
    }
}

static void draw_all(mf_str *out, const mf_chart *chart, const mf_layout *at)
{
    drawing d = {.out = out, .chart = chart, .at = *at};
    draw_x_axis(&d);
    if (d.at.n_rows == 0) {
        draw_y_axis(&d);
    }
    for (size_t i = 0; i < chart->n_series; i++) {
        draw_series(&d, i);
    }
    for (size_t i = 0; i < chart->n_rules; i++) {
        draw_rule(&d, &chart->rules[i]);
    }
    for (size_t i = 0; i < chart->n_series; i++) {
        if (chart->series[i].mark == MF_MARK_POINTS) {
            draw_dot_labels(&d, &chart->series[i], i == 0);
        }
    }
}

static void begin_svg(mf_str *out, const mf_chart *chart, double width, double height)
{
    mf_str_printf(
        out, " viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"", px(width).text, px(height).text);
    mf_str words = {0};
    mf_chart_words(&words, chart);
    mf_html_escape(out, words.data != NULL ? words.data : "");
    mf_str_free(&words);
    mf_str_add(out, "\">");
}

void mf_svg_write(mf_str *out, const mf_chart *chart)
{
    const mf_layout at = mf_chart_layout(chart);
    mf_str_add(out, "<svg");
    begin_svg(out, chart, at.width, at.height);
    draw_all(out, chart, &at);
    mf_str_add(out, "</svg>\n");
}

void mf_svg_write_file(mf_str *out, const mf_chart *chart, const char *title)
{
    static const double head = 44;
    static const double swatch = 34;
    static const double character = 6.6;
    static const double gap = 12;
    double x = 8;
    const mf_layout at = mf_chart_layout(chart);
    mf_str_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%s\" height=\"%s\"",
                  px(at.width).text,
                  px(at.height + head).text);
    begin_svg(out, chart, at.width, at.height + head);
    mf_str_printf(out,
                  "<style>%s%s</style>\n<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>",
                  mf_html_style[MF_STYLE_COLOURS],
                  mf_html_style[MF_STYLE_DRAWING]);
    mf_str_add(out, "<text x=\"8\" y=\"17\">");
    mf_html_escape(out, title);
    mf_str_add(out, "</text>");
    for (size_t i = 0; i < chart->n_series; i++) {
        const char *name = chart->series[i].name != NULL ? chart->series[i].name : "";
        if (chart->series[i].n_points == 0) {
            continue;
        }
        mf_str_printf(out, "<g transform=\"translate(%s 25)\">", px(x).text);
        mf_svg_swatch(out, &chart->series[i], i);
        mf_str_add(out, "<text class=\"label\" x=\"34\" y=\"10\">");
        mf_html_escape(out, name);
        mf_str_add(out, "</text></g>");
        x += swatch + character * (double)mf_str_columns(name) + gap;
    }
    mf_str_printf(out, "<g transform=\"translate(0 %s)\">\n", px(head).text);
    draw_all(out, chart, &at);
    mf_str_add(out, "</g></svg>\n");
}
