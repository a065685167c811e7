/*
 * markdown.c - a document as GitHub flavoured Markdown.
 */
#include <string.h>

#include "report/document.h"

static const char *cell_of(const mf_block *block, size_t i)
{
    return i < block->n_cells ? block->cells[i] : "";
}

/* Text inside a table: a bar would end the cell. */
static void add_escaped(mf_str *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        mf_str_add(out, *c == '|' ? "\\|" : (char[]){*c, '\0'});
    }
}

static void add_row(mf_str *out, const mf_block *block, size_t first, size_t n_columns)
{
    mf_str_add(out, "|");
    for (size_t c = 0; c < n_columns; c++) {
        mf_str_add(out, " ");
        add_escaped(out, cell_of(block, first + c));
        mf_str_add(out, " |");
    }
    mf_str_add(out, "\n");
}

static void add_rule(mf_str *out, size_t n_columns)
{
    mf_str_add(out, "|");
    for (size_t c = 0; c < n_columns; c++) {
        mf_str_add(out, c == 0 ? " --- |" : " ---: |");
    }
    mf_str_add(out, "\n");
}

static void add_table(mf_str *out, const mf_block *block, bool has_headings)
{
    const size_t n = block->n_columns;
    if (!has_headings) {
        mf_str_add(out, "|");
        for (size_t c = 0; c < n; c++) {
            mf_str_add(out, "  |");
        }
        mf_str_add(out, "\n");
        add_rule(out, n);
    }
    for (size_t i = 0; i < block->n_cells; i += n) {
        add_row(out, block, i, n);
        if (has_headings && i == 0) {
            add_rule(out, n);
        }
    }
}

static void add_lines(mf_str *out, const mf_block *block, const char *before)
{
    for (size_t i = 0; i < block->n_cells; i++) {
        const char *text = block->cells[i];
        const bool marked = strncmp(text, "- ", 2) == 0;
        mf_str_printf(out, "%s%s\n", before, marked ? text + 2 : text);
    }
}

static void add_block(mf_str *out, const mf_block *block)
{
    if (block->kind == MF_BLOCK_CHART) {
        return;
    }
    if (block->heading != NULL) {
        mf_str_printf(out, "\n### %s\n\n", block->heading);
    }
    switch (block->kind) {
    case MF_BLOCK_CHART:
        break;
    case MF_BLOCK_SECTION:
        mf_str_printf(out, "\n## %s\n", cell_of(block, 0));
        break;
    case MF_BLOCK_PROSE:
        add_lines(out, block, "\n");
        break;
    case MF_BLOCK_TITLE:
        mf_str_printf(out, "**%s** %s  \n", cell_of(block, 0), cell_of(block, 1));
        break;
    case MF_BLOCK_VERDICT:
        mf_str_printf(out, "\n**%s** %s\n", cell_of(block, 0), cell_of(block, 1));
        break;
    case MF_BLOCK_PAIRS:
    case MF_BLOCK_BARS:
        mf_str_add(out, block->heading == NULL && out->size > 0 ? "\n" : "");
        add_table(out, block, false);
        break;
    case MF_BLOCK_TABLE:
        add_table(out, block, true);
        break;
    case MF_BLOCK_LIST:
        add_lines(out, block, "- ");
        break;
    case MF_BLOCK_COMMAND:
        mf_str_add(out, "```sh\n");
        add_lines(out, block, "");
        mf_str_add(out, "```\n");
        break;
    }
}

mf_status mf_write_markdown(mf_str *out, const mf_document *document, mf_error *err)
{
    for (size_t i = 0; i < document->n_blocks; i++) {
        add_block(out, &document->blocks[i]);
    }
    return mf_str_status(out, err);
}
