/*
 * html.h - pieces of the HTML writer.
 */
#ifndef MF_REPORT_HTML_H
#define MF_REPORT_HTML_H

#include "base/str.h"
#include "report/chart.h"

/* Pieces of the style sheet; a drawing in a file of its own takes its colours and its marks. */
enum { MF_STYLE_COLOURS, MF_STYLE_PAGE, MF_STYLE_DRAWING, MF_STYLE_MEDIA, MF_STYLE_COUNT };
extern const char *const mf_html_style[MF_STYLE_COUNT];
extern const char *const mf_html_script;

/* Appends text with < > & " and ' as entities, so that nothing in a name is markup. */
void mf_html_escape(mf_str *out, const char *text);

/* The number that a cell is sorted by: "1.1 s" behind "980 ms", a range by its middle, "~16 MiB" by its number, "none" as 0.
   False if it has none. */
bool mf_sort_key(double *value, const char *text);

/* Appends a drawing. */
void mf_svg_write(mf_str *out, const mf_chart *chart);

/* The same as a file with its title, legend and colours, for Markdown to show. */
void mf_svg_write_file(mf_str *out, const mf_chart *chart, const char *title);

/* The mark of a series, 30 by 12. */
void mf_svg_swatch(mf_str *out, const mf_chart_series *series, size_t index);

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

enum { MF_MAX_LABELS = 400 };

/* Boxes of labels and marks that are placed already. */
typedef struct mf_labels {
    mf_box boxes[MF_MAX_LABELS];
    size_t n_boxes;
    mf_box lines[MF_MAX_LABELS]; /* pieces of lines */
    size_t n_lines;
} mf_labels;

/* Finds room for a label of n_columns characters near a point, inside the plot and clear of all boxes, and takes it: clear
   of lines as well, or across one if `crossing` and there is no other. False if there is none. */
bool mf_label_place(mf_box *box,
                    mf_labels *labels,
                    const mf_layout *layout,
                    mf_point near,
                    size_t n_columns,
                    bool crossing);

/* Takes the room of a line. */
void mf_label_take_line(mf_labels *labels, mf_point a, mf_point b);

/* Takes the room of a label that ends at a point, so that none is put over it. */
void mf_label_take(mf_labels *labels, mf_point end, size_t n_columns);

#endif
