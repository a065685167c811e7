/*
 * html.h - pieces of the HTML writer.
 */
#ifndef MF_REPORT_HTML_H
#define MF_REPORT_HTML_H

#include "base/str.h"
#include "report/chart.h"

extern const char *const mf_html_style[]; /* in pieces, NULL behind the last one */
extern const char *const mf_html_script;

/* Appends text with < > & " and ' as entities, so that nothing in a name is markup. */
void mf_html_escape(mf_str *out, const char *text);

/* Appends a drawing. */
void mf_svg_write(mf_str *out, const mf_chart *chart);

/* Where a chart's parts lie; svg.c draws what this says and tests look at it. */
typedef struct mf_layout {
    double width;
    double height;
    mf_box plot;
    mf_scale x;
    mf_scale y;
    size_t n_rows; /* of bars; 0 for other charts */
} mf_layout;

mf_layout mf_chart_layout(const mf_chart *chart);

/* Middle of a bar's row. */
double mf_layout_row(const mf_layout *layout, double row);

enum { MF_MAX_LABELS = 160 };

/* Boxes of labels that are placed already. */
typedef struct mf_labels {
    mf_box boxes[MF_MAX_LABELS];
    size_t n_boxes;
} mf_labels;

/* Finds room for a label of n_columns characters near a point, inside the plot and clear of all boxes, and takes it.
   False if there is none. */
bool mf_label_place(
    mf_box *box, mf_labels *labels, const mf_layout *layout, mf_point near, size_t n_columns);

#endif
