/*
 * document_json.c - a document as JSON, schema memfit.report/1 (docs/json.md), and its figures as CSV.
 */
#include "base/num.h"
#include "report/column_notes.h"
#include "report/json_writer.h"

static const char *const kind_names[] = {[MF_BLOCK_TITLE] = "title",
                                         [MF_BLOCK_SECTION] = "section",
                                         [MF_BLOCK_PROSE] = "prose",
                                         [MF_BLOCK_CHART] = "chart",
                                         [MF_BLOCK_VERDICT] = "verdict",
                                         [MF_BLOCK_PAIRS] = "pairs",
                                         [MF_BLOCK_BARS] = "bars",
                                         [MF_BLOCK_TABLE] = "table",
                                         [MF_BLOCK_LIST] = "list",
                                         [MF_BLOCK_COMMAND] = "command"};

static void write_points(mf_json_writer *w, const mf_chart_series *series)
{
    mf_jw_open(w, "points", '[');
    for (size_t i = 0; i < series->n_points; i++) {
        const mf_chart_point *p = &series->points[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_number(w, "x", true, p->x);
        mf_jw_number(w, "y", true, p->y);
        mf_jw_number(w, "low", true, p->low);
        mf_jw_number(w, "high", true, p->high);
        mf_jw_text(w, "label", p->label);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_chart(mf_json_writer *w, const mf_chart *chart)
{
    mf_jw_text(w, "alt", chart->alt);
    mf_jw_text(w, "x_axis", chart->x.title);
    mf_jw_text(w, "y_axis", chart->y.title);
    mf_jw_open(w, "series", '[');
    for (size_t i = 0; i < chart->n_series; i++) {
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "name", chart->series[i].name);
        write_points(w, &chart->series[i]);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_rows(mf_json_writer *w, const mf_block *block)
{
    const size_t n_columns = block->n_columns > 0 ? block->n_columns : 1;
    mf_jw_open(w, "rows", '[');
    for (size_t i = 0; i < block->n_cells; i += n_columns) {
        mf_jw_open(w, NULL, '[');
        for (size_t k = i; k < i + n_columns && k < block->n_cells; k++) {
            mf_jw_text(w, NULL, block->cells[k]);
        }
        mf_jw_close(w, ']');
    }
    mf_jw_close(w, ']');
}

static void write_inputs(mf_json_writer *w, const mf_figure *f)
{
    for (size_t i = 0; i < f->n_inputs; i++) {
        const mf_figure_input *input = &f->inputs[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "name", input->name);
        mf_jw_text(w, "text", input->text);
        if (input->footnote > 0) {
            mf_jw_uint(w, "source", input->footnote);
        } else {
            mf_jw_null(w, "source");
        }
        mf_jw_close(w, '}');
    }
}

/* Where it stands: block, row, column, from 0. */
static void write_place(mf_json_writer *w, const mf_block *block, size_t index, size_t cell)
{
    const size_t n_columns = block->n_columns > 0 ? block->n_columns : 1;
    mf_jw_text(w, "shown", block->cells[cell]);
    mf_jw_uint(w, "block", index);
    mf_jw_uint(w, "row", cell / n_columns);
    mf_jw_uint(w, "column", cell % n_columns);
}

static void write_figure(mf_json_writer *w, const mf_document *document, const mf_figure *f)
{
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "id", f->id);
    write_place(w, &document->blocks[f->block], f->block, f->cell);
    mf_jw_number(w, "value", true, f->value);
    mf_jw_number(w, "low", true, f->low);
    mf_jw_number(w, "high", true, f->high);
    mf_jw_text(w, "unit", f->unit);
    mf_jw_text(w, "formula", f->formula);
    mf_jw_open(w, "inputs", '[');
    write_inputs(w, f);
    mf_jw_close(w, ']');
    mf_jw_close(w, '}');
}

/* A number that no view made a figure says what its column does, and stands on what its row's figures stand on. */
static void write_derived(mf_json_writer *w, const mf_document *d, size_t index, size_t cell)
{
    const mf_block *block = &d->blocks[index];
    const size_t n = block->n_columns;
    const size_t row = cell - cell % n;
    const mf_column_note *note = mf_column_note_of(block, cell);
    mf_str id = {0};
    double value = 0;
    const char *behind = NULL;
    bool any = false;
    const bool number = block->kind != MF_BLOCK_PAIRS
                            ? mf_is_number(&value, &behind, block->cells[cell])
                            : mf_first_number(&value, &behind, block->cells[cell]);
    if (note == NULL || !number || mf_document_figure_of(d, index, cell) != NULL) {
        return;
    }
    mf_str_printf(&id, "%s/%zu.%zu", note->id, index, cell);
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "id", id.data);
    write_place(w, block, index, cell);
    mf_jw_number(w, "value", true, value);
    mf_jw_number(w, "low", true, value);
    mf_jw_number(w, "high", true, value);
    mf_jw_text(w, "unit", mf_unit_shown(behind, note));
    mf_jw_text(w, "formula", note->formula);
    mf_jw_open(w, "inputs", '[');
    for (size_t i = row; i < row + n && i < block->n_cells; i++) {
        const mf_figure *of_row = mf_document_figure_of(d, index, i);
        if (of_row != NULL && !any) {
            write_inputs(w, of_row);
            any = true;
        }
    }
    if (!any) {
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "name", block->kind == MF_BLOCK_TABLE ? block->cells[0] : "of");
        mf_jw_text(w, "text", block->cells[row]);
        mf_jw_null(w, "source");
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
    mf_jw_close(w, '}');
    mf_str_free(&id);
}

static void write_figures(mf_json_writer *w, const mf_document *document)
{
    mf_jw_open(w, "figures", '[');
    for (size_t i = 0; i < document->n_figures; i++) {
        write_figure(w, document, &document->figures[i]);
    }
    for (size_t b = 0; b < document->n_blocks; b++) {
        const mf_block *block = &document->blocks[b];
        const bool table = block->kind == MF_BLOCK_TABLE;
        for (size_t c = table ? block->n_columns : 1;
             (table || block->kind == MF_BLOCK_PAIRS || block->kind == MF_BLOCK_BARS) &&
             c < block->n_cells;
             c++) {
            if (c % block->n_columns > 0) {
                write_derived(w, document, b, c);
            }
        }
    }
    mf_jw_close(w, ']');
}

static void write_sources(mf_json_writer *w, const mf_document *document)
{
    mf_jw_open(w, "sources", '[');
    for (size_t i = 0; i < document->n_footnotes; i++) {
        const mf_footnote *f = &document->footnotes[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_uint(w, "number", i + 1);
        mf_jw_text(w, "title", f->title);
        mf_jw_text(w, "url", f->url);
        mf_jw_text(w, "kind", f->kind);
        mf_jw_text(w, "seen", f->seen);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

mf_status
mf_write_document_json(mf_str *out, const mf_document *document, const char *title, mf_error *err)
{
    mf_json_writer writer = {.out = out};
    mf_json_writer *w = &writer;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "schema", "memfit.report/1");
    mf_jw_text(w, "title", title);
    mf_jw_open(w, "blocks", '[');
    for (size_t i = 0; i < document->n_blocks; i++) {
        const mf_block *block = &document->blocks[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "kind", kind_names[block->kind]);
        mf_jw_text(w, "heading", block->heading);
        if (block->chart != NULL) {
            write_chart(w, block->chart);
        } else {
            write_rows(w, block);
        }
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
    write_figures(w, document);
    write_sources(w, document);
    mf_jw_close(w, '}');
    return mf_str_status(out, err);
}

static void add_quoted(mf_str *out, const char *text)
{
    mf_str_add(out, "\"");
    for (; *text != '\0'; text++) {
        mf_str_printf(out, *text == '"' ? "\"\"" : "%c", *text);
    }
    mf_str_add(out, "\"");
}

mf_status mf_write_figures_csv(mf_str *out, const mf_document *document, mf_error *err)
{
    enum { DIGITS = 6 };
    mf_str_add(out, "figure,value,low,high,unit,formula\n");
    for (size_t i = 0; i < document->n_figures; i++) {
        const mf_figure *f = &document->figures[i];
        const double values[] = {f->value, f->low, f->high};
        add_quoted(out, f->id);
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            char number[MF_NUMBER_SIZE];
            mf_str_printf(out, ",%s", mf_number_text(number, values[k], DIGITS));
        }
        mf_str_printf(out, ",%s,", f->unit);
        add_quoted(out, f->formula);
        mf_str_add(out, "\n");
    }
    return mf_str_status(out, err);
}
