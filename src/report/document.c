#include "report/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void mf_document_free(mf_document *document)
{
    for (size_t i = 0; i < document->n_blocks; i++) {
        mf_block *block = &document->blocks[i];
        for (size_t k = 0; k < block->n_cells; k++) {
            free(block->cells[k]);
        }
        free(block->heading);
        free(block->cells);
        free(block->shares);
        mf_chart_free(block->chart);
    }
    for (size_t i = 0; i < document->n_figures; i++) {
        mf_figure *figure = &document->figures[i];
        for (size_t k = 0; k < figure->n_inputs; k++) {
            free(figure->inputs[k].name);
            free(figure->inputs[k].text);
        }
        free(figure->id);
        free(figure->formula);
        free(figure->unit);
    }
    for (size_t i = 0; i < document->n_footnotes; i++) {
        free(document->footnotes[i].title);
        free(document->footnotes[i].url);
        free(document->footnotes[i].seen);
    }
    free(document->figures);
    free(document->footnotes);
    free(document->blocks);
    *document = (mf_document){0};
}

mf_status mf_document_status(const mf_document *document, mf_error *err)
{
    return document->failed ? mf_fail(err, MF_E_NOMEM, "out of memory for a report") : MF_OK;
}

void *mf_document_grown(mf_document *document, void *items, size_t n, size_t item_size)
{
    void *more = document->failed ? NULL : realloc(items, (n + 1) * item_size);
    document->failed |= more == NULL;
    return more;
}

static mf_block *latest(mf_document *document)
{
    return document->failed || document->n_blocks == 0 ? NULL
                                                       : &document->blocks[document->n_blocks - 1];
}

void mf_document_begin(mf_document *document,
                       mf_block_kind kind,
                       size_t n_columns,
                       const char *heading)
{
    mf_block *blocks =
        mf_document_grown(document, document->blocks, document->n_blocks, sizeof *document->blocks);
    if (blocks == NULL) {
        return;
    }
    document->blocks = blocks;
    blocks[document->n_blocks] = (mf_block){.kind = kind, .n_columns = n_columns};
    blocks[document->n_blocks].heading = mf_strdup(heading);
    document->failed |= heading != NULL && blocks[document->n_blocks].heading == NULL;
    document->n_blocks++;
}

void mf_document_tone(mf_document *document, mf_tone tone)
{
    mf_block *block = latest(document);
    if (block != NULL) {
        block->tone = tone;
    }
}

void mf_document_cell(mf_document *document, const char *format, ...)
{
    mf_block *block = latest(document);
    char **cells =
        block == NULL
            ? NULL
            : mf_document_grown(document, block->cells, block->n_cells, sizeof *block->cells);
    if (cells == NULL) {
        return;
    }
    block->cells = cells;
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    va_end(args);
    if (text == NULL) {
        document->failed = true;
    } else {
        (void)vsnprintf(text, (size_t)n + 1, format, again);
        cells[block->n_cells++] = text;
    }
    va_end(again);
}

void mf_document_share(mf_document *document, double share)
{
    mf_block *block = latest(document);
    double *shares =
        block == NULL
            ? NULL
            : mf_document_grown(document, block->shares, block->n_shares, sizeof *block->shares);
    if (shares != NULL) {
        block->shares = shares;
        shares[block->n_shares++] = share;
    }
}
