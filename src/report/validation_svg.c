/*
 * validation_svg.c - the plots beside a validation's Markdown, drawn as those of pages are.
 */
#include <math.h>

#include "report/html.h"
#include "report/validation.h"

#define NORMAL_90 1.6448536269514722 /* half of a normal's 90 % interval in sds */

static bool is_scored(const mf_validated *row)
{
    return !row->skip && row->rate.known && row->measurement->n_devices == 1;
}

/* One chart of one document, as a file. */
static mf_status write_chart(mf_str *out, mf_document *document, mf_error *err)
{
    mf_status status = mf_document_status(document, err);
    if (status == MF_OK) {
        mf_chart *chart = document->blocks[0].chart;
        chart->square = true;
        mf_svg_write_file(out, chart, document->blocks[0].heading);
        status = mf_str_status(out, err);
    }
    mf_document_free(document);
    return status;
}

static void add_line(mf_document *d, const char *name, double low, double high)
{
    mf_document_series(d, MF_MARK_LINE, true, name);
    mf_document_point(d, (mf_chart_point){.x = low, .y = low, .low = low, .high = low}, NULL);
    mf_document_point(d, (mf_chart_point){.x = high, .y = high, .low = high, .high = high}, NULL);
}

/* Vendors with colours of their own; the last takes all others. */
static const struct {
    mf_vendor vendor;
    const char *name;
} shown[] = {
    {MF_VENDOR_APPLE,  "Apple" },
    {MF_VENDOR_NVIDIA, "NVIDIA"},
    {MF_VENDOR_AMD,    "AMD"   },
    {MF_VENDOR_OTHER,  "others"},
};

static size_t shown_as(mf_vendor vendor)
{
    size_t i = 0;
    while (i + 1 < sizeof shown / sizeof shown[0] && shown[i].vendor != vendor) {
        i++;
    }
    return i;
}

mf_status mf_write_scatter_svg(mf_str *out,
                               const mf_validation *validation,
                               mf_speed_test test,
                               mf_error *err)
{
    const bool decode = test == MF_TEST_DECODE;
    mf_document d = {0};
    mf_document_chart(&d,
                      decode ? "Decode" : "Prefill",
                      "Predicted over measured tokens per second, by vendor",
                      (mf_axis){.kind = MF_AXIS_LOG, .title = "measured, tok/s"},
                      (mf_axis){.kind = MF_AXIS_LOG, .title = "predicted, tok/s"});
    double low = HUGE_VAL;
    double high = 0;
    for (size_t v = 0; v < sizeof shown / sizeof shown[0]; v++) {
        mf_document_series(&d, MF_MARK_CLOUD, false, shown[v].name);
        for (size_t i = 0; i < validation->n_items; i++) {
            const mf_validated *row = &validation->items[i];
            if (!is_scored(row) || row->measurement->test != test ||
                shown_as(mf_chip_class_vendor(row->chip_class)) != v) {
                continue;
            }
            const double x = row->measurement->tok_s;
            const double y = row->rate.tok_s;
            mf_document_point(&d, (mf_chart_point){.x = x, .y = y, .low = y, .high = y}, NULL);
            low = fmin(low, fmin(x, y));
            high = fmax(high, fmax(x, y));
        }
    }
    if (low < high) {
        add_line(&d, "as measured", low, high);
    }
    return write_chart(out, &d, err);
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
    static const char *const names[MF_TEST_COUNT] = {
        [MF_TEST_DECODE] = "decode", [MF_TEST_PREFILL] = "prefill"};
    mf_document d = {0};
    mf_document_chart(
        &d,
        "Rows inside intervals",
        "Share of measured rows inside the predicted interval, by its level",
        (mf_axis){.kind = MF_AXIS_LINEAR, .title = "nominal, %", .from_zero = true},
        (mf_axis){.kind = MF_AXIS_LINEAR, .title = "rows inside, %", .from_zero = true});
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        mf_document_series(&d, MF_MARK_LINE, false, names[t]);
        for (int level = 5; level < 100; level += 5) {
            const double scale = scale_of(level / 100.0);
            const double y = 100 * share_within(validation, (mf_speed_test)t, scale);
            mf_document_point(&d, (mf_chart_point){.x = level, .y = y, .low = y, .high = y}, NULL);
        }
    }
    add_line(&d, "as promised", 0, 100);
    return write_chart(out, &d, err);
}
