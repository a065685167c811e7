#include <math.h>

#include "base/num.h"
#include "report/validation.h"

/* Plots are 480 by 480 with a margin of 48 for labels. */
#define SIDE 480.0
#define MARGIN 48.0
#define NORMAL_90 1.6448536269514722 /* half of a normal's 90 % interval in sds */

typedef struct plot {
    mf_str *out;
    double low; /* both axes alike */
    double high;
} plot;

static double place(const plot *p, double value)
{
    return (value - p->low) / (p->high - p->low) * (SIDE - 2 * MARGIN);
}

static void add_number(mf_str *out, const char *key, double value)
{
    char text[MF_NUMBER_SIZE];
    mf_str_printf(out, " %s=\"%s\"", key, mf_fixed_text(text, value, 1));
}

static void add_line(const plot *p, double x1, double y1, double x2, double y2)
{
    mf_str_add(p->out, "<line stroke=\"#888\"");
    add_number(p->out, "x1", MARGIN + place(p, x1));
    add_number(p->out, "y1", SIDE - MARGIN - place(p, y1));
    add_number(p->out, "x2", MARGIN + place(p, x2));
    add_number(p->out, "y2", SIDE - MARGIN - place(p, y2));
    mf_str_add(p->out, "/>\n");
}

static void add_dot(const plot *p, double x, double y, const char *colour)
{
    mf_str_printf(p->out, "<circle r=\"2\" fill=\"%s\" fill-opacity=\"0.5\"", colour);
    add_number(p->out, "cx", MARGIN + place(p, x));
    add_number(p->out, "cy", SIDE - MARGIN - place(p, y));
    mf_str_add(p->out, "/>\n");
}

static void add_text(const plot *p, double x, double y, const char *text)
{
    mf_str_add(p->out, "<text font-size=\"12\" font-family=\"sans-serif\"");
    add_number(p->out, "x", x);
    add_number(p->out, "y", y);
    mf_str_printf(p->out, ">%s</text>\n", text);
}

static void begin(const plot *p, const char *title, const char *x, const char *y)
{
    mf_str_add(p->out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"480\" "
               "viewBox=\"0 0 480 480\">\n<rect width=\"480\" height=\"480\" fill=\"#fff\"/>\n");
    add_text(p, MARGIN, 20, title);
    add_text(p, SIDE / 2 - MARGIN, SIDE - 8, x);
    add_text(p, 4, MARGIN - 8, y);
    add_line(p, p->low, p->low, p->high, p->low);
    add_line(p, p->low, p->low, p->low, p->high);
    add_line(p, p->low, p->low, p->high, p->high);
}

static void add_tick(const plot *p, double at, const char *text)
{
    add_text(p, MARGIN + place(p, at) - 8, SIDE - MARGIN + 16, text);
    add_text(p, 8, SIDE - MARGIN - place(p, at) + 4, text);
}

static bool is_scored(const mf_validated *row)
{
    return !row->skip && row->rate.known;
}

static const char *colour_of(mf_vendor vendor)
{
    switch (vendor) {
    case MF_VENDOR_APPLE:
        return "#1f77b4";
    case MF_VENDOR_NVIDIA:
        return "#2ca02c";
    case MF_VENDOR_AMD:
        return "#d62728";
    case MF_VENDOR_INTEL:
    case MF_VENDOR_OTHER:
        break;
    }
    return "#9467bd";
}

mf_status mf_write_scatter_svg(mf_str *out,
                               const mf_validation *validation,
                               mf_speed_test test,
                               mf_error *err)
{
    char text[MF_NUMBER_SIZE];
    const bool decode = test == MF_TEST_DECODE;
    const plot p = {.out = out, .low = decode ? 0 : 1, .high = decode ? 3 : 5};
    begin(&p,
          decode ? "Decode: blue Apple, green NVIDIA, red AMD, violet others"
                 : "Prefill: blue Apple, green NVIDIA, red AMD, violet others",
          "measured tok/s",
          "predicted tok/s");
    const int last = decode ? 3 : 5;
    for (int at = decode ? 0 : 1; at <= last; at++) {
        add_tick(&p, at, mf_number_text(text, pow(10, at), 6));
    }
    for (size_t i = 0; i < validation->n_items; i++) {
        const mf_validated *row = &validation->items[i];
        if (is_scored(row) && row->measurement->test == test) {
            const double x = fmax(p.low, fmin(p.high, log10(row->measurement->tok_s)));
            const double y = fmax(p.low, fmin(p.high, log10(row->rate.tok_s)));
            add_dot(&p, x, y, colour_of(mf_chip_class_vendor(row->chip_class)));
        }
    }
    mf_str_add(out, "</svg>\n");
    return mf_str_status(out, err);
}

/* Share of a test's rows within `scale` half widths, the half width being that of the lower bound. */
static double share_within(const mf_validation *v, mf_speed_test test, double scale)
{
    double n = 0;
    double inside = 0;
    for (size_t i = 0; i < v->n_items; i++) {
        const mf_validated *row = &v->items[i];
        if (is_scored(row) && row->measurement->test == test) {
            const double width = log(row->rate.tok_s / row->rate.low_tok_s);
            n += 1;
            inside += fabs(log1p(mf_validated_error(row))) <= scale * width ? 1 : 0;
        }
    }
    return n > 0 ? inside / n : 0;
}

/* Half width of a normal's central interval in units of the 90 % one, by bisection on erf. */
static double scale_of(double level)
{
    double low = 0;
    double high = 4;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (erf(middle * NORMAL_90 / sqrt(2)) < level) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

mf_status mf_write_calibration_svg(mf_str *out, const mf_validation *validation, mf_error *err)
{
    static const char *const colours[MF_TEST_COUNT] = {"#1f77b4", "#d62728"};
    char text[MF_NUMBER_SIZE];
    const plot p = {.out = out, .low = 0, .high = 100};
    begin(&p, "Rows inside intervals: blue decode, red prefill", "nominal, %", "rows inside, %");
    for (int level = 0; level <= 100; level += 20) {
        add_tick(&p, level, mf_number_text(text, level, 3));
    }
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        for (int level = 5; level < 100; level += 5) {
            const double scale = scale_of(level / 100.0);
            add_dot(&p, level, 100 * share_within(validation, (mf_speed_test)t, scale), colours[t]);
        }
    }
    mf_str_add(out, "</svg>\n");
    return mf_str_status(out, err);
}
