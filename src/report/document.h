/*
 * document.h - a result as titled blocks, ready for any writer: text for a terminal or Markdown.
 *
 * Adding never fails loudly: after the first failed allocation nothing more is added and
 * mf_document_status tells, so that a view checks once, at the end.
 */
#ifndef MF_REPORT_DOCUMENT_H
#define MF_REPORT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

typedef enum mf_block_kind {
    MF_BLOCK_TITLE,   /* one line of two weights: cells name, detail */
    MF_BLOCK_VERDICT, /* cells: verdict, explanation */
    MF_BLOCK_PAIRS,   /* two columns: name, value */
    MF_BLOCK_BARS,    /* three columns: name, value, remark; a share each */
    MF_BLOCK_TABLE,   /* first row holds the headings */
    MF_BLOCK_LIST,    /* one column: wrapped paragraphs */
    MF_BLOCK_COMMAND, /* one column: lines to copy */
} mf_block_kind;

/* How a verdict or a bar is meant; a terminal colours it. */
typedef enum mf_tone {
    MF_TONE_PLAIN,
    MF_TONE_GOOD,
    MF_TONE_CAREFUL,
    MF_TONE_BAD,
} mf_tone;

typedef struct mf_block {
    mf_block_kind kind;
    mf_tone tone;
    char *heading; /* may be NULL */
    size_t n_columns;
    char **cells; /* row by row */
    size_t n_cells;
    double *shares; /* BARS: of the row, 0 to 1 */
    size_t n_shares;
} mf_block;

typedef struct mf_document {
    mf_block *blocks;
    size_t n_blocks;
    bool failed;
} mf_document;

void mf_document_free(mf_document *document);
mf_status mf_document_status(const mf_document *document, mf_error *err);

/* Begins a block; cells go to the latest one. */
void mf_document_begin(mf_document *document,
                       mf_block_kind kind,
                       size_t n_columns,
                       const char *heading);
void mf_document_tone(mf_document *document, mf_tone tone);
void mf_document_cell(mf_document *document, const char *format, ...) MF_PRINTF(2, 3);
void mf_document_share(mf_document *document, double share);

/* What a writer may use; decided by the program, which knows the terminal. */
typedef struct mf_text_options {
    size_t width; /* columns, at least 40 */
    bool unicode; /* bars and lines of block characters, otherwise ASCII only */
    bool colour;  /* ANSI colours */
} mf_text_options;

mf_status
mf_write_text(mf_str *out, const mf_document *document, mf_text_options options, mf_error *err);
mf_status mf_write_markdown(mf_str *out, const mf_document *document, mf_error *err);

#endif
