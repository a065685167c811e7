/*
 * document.h - a result as titled blocks, ready for any writer: text for a terminal, Markdown, HTML or JSON.
 *
 * Adding never fails loudly: after the first failed allocation nothing more is added and
 * mf_document_status tells, so that a view checks once, at the end.
 */
#ifndef MF_REPORT_DOCUMENT_H
#define MF_REPORT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "memfit/fact.h"
#include "report/chart.h"

typedef enum mf_block_kind {
    MF_BLOCK_TITLE,   /* one line of two weights: cells name, detail */
    MF_BLOCK_SECTION, /* one cell: a heading above those of blocks */
    MF_BLOCK_PROSE,   /* one column: paragraphs */
    MF_BLOCK_CHART, /* a drawing of what tables beside it say; writers without drawings leave it out */
    MF_BLOCK_VERDICT, /* cells: verdict, explanation */
    MF_BLOCK_PAIRS,   /* two columns: name, value */
    MF_BLOCK_BARS,    /* three columns: name, value, remark; a share each */
    MF_BLOCK_TABLE,   /* first row holds the headings */
    MF_BLOCK_LIST,    /* one column: wrapped paragraphs */
    MF_BLOCK_COMMAND, /* one column: lines to copy */
} mf_block_kind;

/* One number that a figure was computed from. */
typedef struct mf_figure_input {
    char *name;
    char *text;      /* with its unit */
    size_t footnote; /* 0: none */
} mf_figure_input;

enum { MF_MAX_FIGURE_INPUTS = 12 };

/* A number of a report that can be traced: what it is computed from and how. Belongs to a cell. */
typedef struct mf_figure {
    char *id;      /* "decode/mac-studio-m4-max-40c-128gb" */
    char *formula; /* in words and symbols */
    char *unit;
    double value;
    double low; /* equal to value where there is no interval */
    double high;
    mf_figure_input inputs[MF_MAX_FIGURE_INPUTS];
    size_t n_inputs;
    size_t block;
    size_t cell;
} mf_figure;

/* A source that cells and figures refer to by its number, from 1. */
typedef struct mf_footnote {
    char *title;
    char *url;  /* may be NULL */
    char *seen; /* date; may be NULL */
    const char *kind;
} mf_footnote;

typedef struct mf_block {
    mf_block_kind kind;
    mf_tone tone;
    char *heading; /* may be NULL */
    size_t n_columns;
    char **cells; /* row by row */
    size_t n_cells;
    double *shares; /* BARS: of the row, 0 to 1 */
    size_t n_shares;
    mf_chart *chart; /* CHART */
} mf_block;

typedef struct mf_document {
    mf_block *blocks;
    size_t n_blocks;
    mf_figure *figures; /* in the order of their cells */
    size_t n_figures;
    mf_footnote *footnotes;
    size_t n_footnotes;
    bool failed;
} mf_document;

void mf_document_free(mf_document *document);

/* The array with room for one item more than the n it holds, for the files that fill documents; NULL once one failed. */
void *mf_document_grown(mf_document *document, void *items, size_t n, size_t item_size);

mf_status mf_document_status(const mf_document *document, mf_error *err);

/* Begins a block; cells go to the latest one. */
void mf_document_begin(mf_document *document,
                       mf_block_kind kind,
                       size_t n_columns,
                       const char *heading);
void mf_document_tone(mf_document *document, mf_tone tone);
void mf_document_cell(mf_document *document, const char *format, ...) MF_PRINTF(2, 3);
void mf_document_share(mf_document *document, double share);

/* Number of a source, the same for the same one. 0 if source is NULL. */
size_t mf_document_footnote(mf_document *document, const mf_source *source);

/* Makes the latest cell a figure; inputs go to the latest figure. The id is made unique by a number. */
void mf_document_figure(
    mf_document *document, const char *id, const char *formula, const char *unit, double value);
void mf_document_interval(mf_document *document, double low, double high);
void mf_document_input(mf_document *document,
                       size_t footnote,
                       const char *name,
                       const char *format,
                       ...) MF_PRINTF(4, 5);

/* The figure of a cell, NULL if it has none. */
const mf_figure *mf_document_figure_of(const mf_document *document, size_t block, size_t cell);

/* Begins a chart block; alt says in words what is drawn. Series, points and rules go to the latest chart. */
void mf_document_chart(
    mf_document *document, const char *heading, const char *alt, mf_axis x, mf_axis y);
void mf_document_series(mf_document *document, mf_mark mark, bool dashed, const char *name);
void mf_document_point(mf_document *document, mf_chart_point point, const char *label);
void mf_document_point_note(mf_document *document, const char *format, ...) MF_PRINTF(2, 3);
void mf_document_rule(mf_document *document, bool vertical, double value, const char *label);

/* What a writer may use; decided by the program, which knows the terminal. */
typedef struct mf_text_options {
    size_t width; /* columns, at least 40 */
    bool unicode; /* bars and lines of block characters, otherwise ASCII only */
    bool colour;  /* ANSI colours */
} mf_text_options;

mf_status
mf_write_text(mf_str *out, const mf_document *document, mf_text_options options, mf_error *err);
mf_status mf_write_markdown(mf_str *out, const mf_document *document, mf_error *err);

/* One file, complete in itself: styles, drawings and the script that sorts tables are inside. */
mf_status mf_write_html(mf_str *out, const mf_document *document, const char *title, mf_error *err);

/* Blocks, figures with their formulas and inputs, sources: schema memfit.report/1. */
mf_status
mf_write_document_json(mf_str *out, const mf_document *document, const char *title, mf_error *err);

/* One line a figure. */
mf_status mf_write_figures_csv(mf_str *out, const mf_document *document, mf_error *err);

#endif
