/*
 * text.c - a document for a terminal: aligned columns, bars, wrapped notes.
 */
#include <stdint.h>
#include <string.h>

#include "report/document.h"

enum { MIN_WIDTH = 40, MAX_COLUMNS = 16, INDENT = 2, GAP = 2, MIN_BAR = 8, MAX_BAR = 32 };

typedef struct page {
    mf_str *out;
    const mf_text_options *options;
} page;

static void colour_on(const page *p, const char *code)
{
    if (p->options->colour) {
        mf_str_printf(p->out, "\033[%sm", code);
    }
}

static void colour_off(const page *p)
{
    if (p->options->colour) {
        mf_str_add(p->out, "\033[0m");
    }
}

static const char *tone_colour(mf_tone tone)
{
    switch (tone) {
    case MF_TONE_PLAIN:
        return "1";
    case MF_TONE_GOOD:
        return "1;32";
    case MF_TONE_CAREFUL:
        return "1;33";
    case MF_TONE_BAD:
        return "1;31";
    }
    return "0";
}

static void padded(const page *p, const char *text, size_t width, bool right)
{
    const size_t used = mf_str_columns(text);
    const size_t gap = used < width ? width - used : 0;
    mf_str_add_char(p->out, ' ', right ? gap : 0);
    mf_str_add(p->out, text);
    mf_str_add_char(p->out, ' ', right ? 0 : gap);
}

/* Lines never end in spaces. */
static void end_line(const page *p)
{
    while (p->out->size > 0 && p->out->data[p->out->size - 1] == ' ') {
        p->out->data[--p->out->size] = '\0';
    }
    mf_str_add(p->out, "\n");
}

/* Bytes of the longest start of text that takes at most `width` columns and ends at a space. */
static size_t line_bytes(const char *text, size_t width)
{
    size_t columns = 0;
    size_t best = 0;
    size_t i = 0;
    for (; text[i] != '\0' && columns <= width; i++) {
        if (text[i] == ' ') {
            best = i;
        }
        columns += ((unsigned char)text[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    if (text[i] == '\0' && columns <= width) {
        return i;
    }
    return best > 0 ? best : i;
}

/* Wraps text; the first line begins where the cursor is, later ones at `indent`. */
static void wrapped(const page *p, const char *text, size_t indent)
{
    const size_t width =
        p->options->width > indent + MIN_BAR ? p->options->width - indent : MIN_BAR;
    size_t n = line_bytes(text, width);
    mf_str_add_n(p->out, text, n);
    while (text[n] != '\0') {
        text += n;
        while (*text == ' ') {
            text++;
        }
        end_line(p);
        mf_str_add_char(p->out, ' ', indent);
        n = line_bytes(text, width);
        mf_str_add_n(p->out, text, n);
    }
    end_line(p);
}

static const char *cell_of(const mf_block *block, size_t row, size_t column)
{
    const size_t i = row * block->n_columns + column;
    return i < block->n_cells ? block->cells[i] : "";
}

static size_t column_width(const mf_block *block, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < block->n_cells; i += block->n_columns) {
        const size_t used = mf_str_columns(block->cells[i]);
        width = used > width ? used : width;
    }
    return width;
}

static size_t row_count(const mf_block *block)
{
    return block->n_columns > 0 ? (block->n_cells + block->n_columns - 1) / block->n_columns : 0;
}

static void heading(const page *p, const mf_block *block)
{
    if (block->heading != NULL) {
        mf_str_add(p->out, "\n");
        colour_on(p, "1");
        mf_str_add(p->out, block->heading);
        colour_off(p);
        end_line(p);
    }
}

static void write_title(const page *p, const mf_block *block)
{
    colour_on(p, "1");
    mf_str_add(p->out, cell_of(block, 0, 0));
    colour_off(p);
    mf_str_add_char(p->out, ' ', GAP);
    wrapped(p, cell_of(block, 0, 1), mf_str_columns(cell_of(block, 0, 0)) + GAP);
}

static void write_verdict(const page *p, const mf_block *block)
{
    mf_str_add(p->out, "\n");
    colour_on(p, tone_colour(block->tone));
    mf_str_add(p->out, cell_of(block, 0, 0));
    colour_off(p);
    mf_str_add_char(p->out, ' ', GAP);
    wrapped(p, cell_of(block, 0, 1), mf_str_columns(cell_of(block, 0, 0)) + GAP);
}

static void write_pairs(const page *p, const mf_block *block)
{
    const size_t names = column_width(block, 0);
    for (size_t row = 0; row < row_count(block); row++) {
        mf_str_add_char(p->out, ' ', INDENT);
        padded(p, cell_of(block, row, 0), names + GAP, false);
        wrapped(p, cell_of(block, row, 1), INDENT + names + GAP);
    }
}

/* A bar in eighths of a column where the terminal has block characters. */
static void write_bar(const page *p, double share, size_t width)
{
    enum { EIGHTHS = 8 };
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double clipped = share < 0 ? 0 : share > 1 ? 1 : share;
    const size_t eighths = (size_t)(clipped * (double)(width * EIGHTHS) + 0.5);
    const bool visible = share > 0 && eighths == 0;
    if (!p->options->unicode) {
        const size_t whole = (size_t)(clipped * (double)width + 0.5);
        const size_t n = whole > 0 ? whole : share > 0 ? 1 : 0;
        mf_str_add_char(p->out, '#', n);
        mf_str_add_char(p->out, '.', width - n);
        return;
    }
    const size_t full = eighths / EIGHTHS;
    for (size_t i = 0; i < full; i++) {
        mf_str_add(p->out, "█");
    }
    const char *part = visible ? parts[1] : parts[eighths % EIGHTHS];
    mf_str_add(p->out, part);
    mf_str_add_char(p->out, ' ', width - full - (part[0] != '\0' ? 1 : 0));
}

static void write_bars(const page *p, const mf_block *block)
{
    const size_t names = column_width(block, 0);
    const size_t values = column_width(block, 1);
    const size_t remarks = column_width(block, 2);
    const size_t fixed = INDENT + names + values + remarks + (size_t)3 * GAP;
    const size_t room = p->options->width > fixed + MIN_BAR ? p->options->width - fixed : MIN_BAR;
    const size_t width = room < MAX_BAR ? room : MAX_BAR;
    for (size_t row = 0; row < row_count(block); row++) {
        mf_str_add_char(p->out, ' ', INDENT);
        padded(p, cell_of(block, row, 0), names + GAP, false);
        padded(p, cell_of(block, row, 1), values, true);
        mf_str_add_char(p->out, ' ', GAP);
        if (row < block->n_shares) {
            write_bar(p, block->shares[row], width);
            mf_str_add_char(p->out, ' ', GAP);
        }
        mf_str_add(p->out, cell_of(block, row, 2));
        end_line(p);
    }
}

/* Columns from the second on; the first is a name. */
static void write_figures(const page *p, const mf_block *block, size_t row)
{
    for (size_t c = 1; c < block->n_columns && c < MAX_COLUMNS; c++) {
        padded(p, cell_of(block, row, c), column_width(block, c), true);
        mf_str_add_char(p->out, ' ', GAP);
    }
    end_line(p);
}

/* A table that is too wide has each name on a line of its own. */
static void write_table(const page *p, const mf_block *block)
{
    const size_t names = column_width(block, 0);
    size_t width = INDENT + names;
    for (size_t c = 1; c < block->n_columns && c < MAX_COLUMNS; c++) {
        width += GAP + column_width(block, c);
    }
    const bool wide = width > p->options->width;
    for (size_t row = 0; row < row_count(block); row++) {
        mf_str_add_char(p->out, ' ', INDENT);
        if (!wide) {
            padded(p, cell_of(block, row, 0), names + GAP, false);
        } else if (row > 0) {
            mf_str_add(p->out, cell_of(block, row, 0));
            end_line(p);
        }
        mf_str_add_char(p->out, ' ', wide ? (row > 0 ? INDENT + GAP : GAP) : 0);
        write_figures(p, block, row);
    }
}

static void write_lines(const page *p, const mf_block *block, bool wrap)
{
    for (size_t row = 0; row < row_count(block); row++) {
        mf_str_add_char(p->out, ' ', INDENT);
        if (wrap) {
            wrapped(p, cell_of(block, row, 0), INDENT + GAP);
        } else {
            mf_str_add(p->out, cell_of(block, row, 0));
            end_line(p);
        }
    }
}

/* A heading with a line below it. */
static void write_section(const page *p, const mf_block *block)
{
    const char *text = cell_of(block, 0, 0);
    mf_str_add(p->out, "\n");
    colour_on(p, "1");
    mf_str_add(p->out, text);
    colour_off(p);
    mf_str_add(p->out, "\n");
    for (size_t i = 0; i < mf_str_columns(text); i++) {
        mf_str_add(p->out, p->options->unicode ? "─" : "-");
    }
    mf_str_add(p->out, "\n");
}

static void write_prose(const page *p, const mf_block *block)
{
    for (size_t row = 0; row < row_count(block); row++) {
        mf_str_add(p->out, row > 0 || block->heading == NULL ? "\n" : "");
        wrapped(p, cell_of(block, row, 0), 0);
    }
}

static void write_block(const page *p, const mf_block *block)
{
    if (block->kind == MF_BLOCK_CHART) {
        return;
    }
    heading(p, block);
    switch (block->kind) {
    case MF_BLOCK_CHART:
        break;
    case MF_BLOCK_TITLE:
        write_title(p, block);
        break;
    case MF_BLOCK_SECTION:
        write_section(p, block);
        break;
    case MF_BLOCK_PROSE:
        write_prose(p, block);
        break;
    case MF_BLOCK_VERDICT:
        write_verdict(p, block);
        break;
    case MF_BLOCK_PAIRS:
        write_pairs(p, block);
        break;
    case MF_BLOCK_BARS:
        write_bars(p, block);
        break;
    case MF_BLOCK_TABLE:
        write_table(p, block);
        break;
    case MF_BLOCK_LIST:
        write_lines(p, block, true);
        break;
    case MF_BLOCK_COMMAND:
        write_lines(p, block, false);
        break;
    }
}

mf_status
mf_write_text(mf_str *out, const mf_document *document, mf_text_options options, mf_error *err)
{
    if (options.width < MIN_WIDTH) {
        options.width = MIN_WIDTH;
    }
    const page p = {.out = out, .options = &options};
    for (size_t i = 0; i < document->n_blocks; i++) {
        write_block(&p, &document->blocks[i]);
    }
    return mf_str_status(out, err);
}
