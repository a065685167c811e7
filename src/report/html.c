/*
 * html.c - a document as one HTML file.
 */
#include "report/html.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/num.h"
#include "report/column_notes.h"
#include "report/document.h"

typedef struct page {
    mf_str *out;
    const mf_document *document;
    bool in_charts; /* a row of drawings is open */
} page;

/* Browsers break lines behind a hyphen: an option or a date stays in one piece. */
static bool is_one_piece(const char *word, size_t n)
{
    enum { MOST = 20 };
    const bool option = n > 2 && strncmp(word, "--", 2) == 0;
    const bool date = n > 7 && strspn(word, "(0123456789") > 3 && memchr(word, '-', n) != NULL;
    return n <= MOST && (option || date);
}

/* Text of sentences and commands: escaped, options and dates whole, "%" at its number. */
static void add_prose(mf_str *out, const char *text)
{
    while (*text != '\0') {
        const size_t spaces = strspn(text, " ");
        const size_t n = strcspn(text + spaces, " ");
        const char *word = text + spaces;
        mf_str piece = {0};
        mf_str_add_n(&piece, word, n);
        const bool percent = spaces == 1 && *word == '%';
        const bool whole = is_one_piece(word, n);
        mf_str_add(out, percent ? "&nbsp;" : "");
        mf_str_add_n(out, text, percent ? 0 : spaces);
        mf_str_add(out, whole ? "<span class=\"nb\">" : "");
        mf_html_escape(out, piece.data != NULL ? piece.data : "");
        mf_str_add(out, whole ? "</span>" : "");
        mf_str_free(&piece);
        text = word + n;
    }
}

static const char *cell_of(const mf_block *block, size_t i)
{
    return i < block->n_cells ? block->cells[i] : "";
}

static const char *tone_class(mf_tone tone)
{
    switch (tone) {
    case MF_TONE_PLAIN:
        return "";
    case MF_TONE_GOOD:
        return " good";
    case MF_TONE_CAREFUL:
        return " careful";
    case MF_TONE_BAD:
        return " bad";
    }
    return "";
}

static size_t index_of(const page *p, const mf_block *block)
{
    return (size_t)(block - p->document->blocks);
}

/* Inserts a number into a sorted list, each once. */
static size_t insert_note(size_t *notes, size_t n, size_t note)
{
    size_t at = n;
    while (at > 0 && notes[at - 1] >= note) {
        at--;
    }
    if (note == 0 || (at < n && notes[at] == note)) {
        return n;
    }
    memmove(&notes[at + 1], &notes[at], (n - at) * sizeof *notes);
    notes[at] = note;
    return n + 1;
}

typedef struct note_list {
    size_t notes[MF_MAX_FIGURE_INPUTS + 1];
    size_t n;
} note_list;

static note_list notes_of(const mf_figure *figure)
{
    note_list list = {.n = 0};
    for (size_t i = 0; figure != NULL && i < figure->n_inputs; i++) {
        list.n = insert_note(list.notes, list.n, figure->inputs[i].footnote);
    }
    return list;
}

/* The figure before in the row stands on the same sources: their numbers are not said again. */
static bool has_same_notes(const page *p, const mf_block *block, size_t i, const note_list *list)
{
    while (i % block->n_columns > 0) {
        const note_list other =
            notes_of(mf_document_figure_of(p->document, index_of(p, block), --i));
        if (other.n > 0) {
            return other.n == list->n &&
                   memcmp(other.notes, list->notes, list->n * sizeof *list->notes) == 0;
        }
    }
    return false;
}

/* Numbers of sources, runs of them as one: "2,16-21". */
static void add_references(const page *p, const note_list *list)
{
    const size_t n = list->n;
    const size_t *notes = list->notes;
    mf_str_add(p->out, n > 0 ? "<sup>" : "");
    for (size_t i = 0; i < n;) {
        size_t last = i;
        while (last + 1 < n && notes[last + 1] == notes[last] + 1) {
            last++;
        }
        mf_str_printf(p->out, "%s<a href=\"#s%zu\">%zu", i > 0 ? ",<wbr>" : "", notes[i], notes[i]);
        if (last > i) {
            mf_str_printf(p->out, "%s%zu", last > i + 1 ? "-" : ",", notes[last]);
        }
        mf_str_add(p->out, "</a>");
        i = last + 1;
    }
    mf_str_add(p->out, n > 0 ? "</sup>" : "");
}

/* What a table's columns hold, a bit each: columns are few. */
typedef struct column_kinds {
    uint64_t words;   /* read from the left; a column with a number in it lines up at the right */
    uint64_t numbers; /* sorted by their numbers; the first column if all of it has one */
} column_kinds;

static column_kinds kinds_of(const mf_block *block)
{
    column_kinds kinds = {0, 0};
    for (size_t c = 0; c < block->n_columns && c < 64; c++) {
        double value = 0;
        const char *behind = NULL;
        bool any_number = false;
        bool any_word = false;
        bool all_keys = true;
        for (size_t i = block->n_columns + c; i < block->n_cells; i += block->n_columns) {
            any_number = any_number || mf_is_number(&value, &behind, block->cells[i]);
            any_word = any_word || strcmp(block->cells[i], "-") != 0;
            all_keys = all_keys && mf_sort_key(&value, block->cells[i]);
        }
        const uint64_t bit = (uint64_t)1 << c;
        kinds.words |= any_word && !any_number ? bit : 0;
        kinds.numbers |= any_number && (c > 0 || all_keys) ? bit : 0;
    }
    return kinds;
}

static bool has(uint64_t columns, size_t column)
{
    return column < 64 && (columns >> column & 1) != 0;
}

/* A figure's own value is more exact than what is shown of it, if it is in the same unit. */
static double finer_key(double shown, const mf_figure *figure)
{
    const double digits_shown = 0.06;
    const bool same =
        figure != NULL && fabs(figure->value - shown) <= digits_shown * fabs(figure->value);
    return same ? figure->value : shown;
}

static void begin_cell(const page *p, const mf_block *block, size_t i, column_kinds kinds)
{
    enum { LONG = 36 };
    const char *text = cell_of(block, i);
    const mf_figure *figure = mf_document_figure_of(p->document, index_of(p, block), i);
    const size_t column = i % block->n_columns;
    const bool words = column > 0 && has(kinds.words, column);
    const bool is_long = strlen(text) > LONG && column > 0;
    double key = 0;
    mf_str_add(p->out, column == 0 ? "<th scope=\"row\"" : "<td");
    if (words || is_long) {
        mf_str_printf(p->out,
                      " class=\"%s%s%s\"",
                      words ? "text" : "",
                      words && is_long ? " " : "",
                      is_long ? "wide" : "");
    }
    if (has(kinds.numbers, column) && mf_sort_key(&key, text)) {
        char number[MF_NUMBER_SIZE];
        mf_str_printf(p->out, " data-v=\"%s\"", mf_number_text(number, finer_key(key, figure), 6));
    }
    if (figure != NULL) {
        mf_str_add(p->out, " id=\"");
        mf_html_escape(p->out, figure->id);
        mf_str_add(p->out, "\"");
    }
    mf_str_add(p->out, ">");
}

static void add_cell(const page *p, const mf_block *block, size_t i, column_kinds kinds)
{
    const mf_figure *figure = mf_document_figure_of(p->document, index_of(p, block), i);
    begin_cell(p, block, i, kinds);
    mf_html_escape(p->out, cell_of(block, i));
    const note_list notes = notes_of(figure);
    if (!has_same_notes(p, block, i, &notes)) {
        add_references(p, &notes);
    }
    mf_str_add(p->out, i % block->n_columns == 0 ? "</th>" : "</td>");
}

/* Wider than a page if no cell is broken: characters of the columns' longest cells, and what lies between them. */
static bool is_wide(const mf_block *block)
{
    enum { PAGE = 120, BETWEEN = 3 };
    size_t width = 0;
    for (size_t c = 0; c < block->n_columns; c++) {
        size_t longest = 0;
        for (size_t i = c; i < block->n_cells; i += block->n_columns) {
            const size_t length = strlen(cell_of(block, i));
            longest = length > longest ? length : longest;
        }
        width += longest + BETWEEN;
    }
    return width > PAGE;
}

/* A part that scrolls sideways can be reached by keyboard, and its table is called as its heading is. */
static void begin_scroll(const page *p, const mf_block *block, const char *class)
{
    mf_str_add(p->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" ");
    for (size_t i = 0; i < 2; i++) {
        if (block->heading != NULL) {
            mf_str_printf(p->out, "aria-labelledby=\"h%zu\"", index_of(p, block));
        } else {
            mf_str_add(p->out, "aria-label=\"table\"");
        }
        mf_str_add(p->out, i == 0 ? "><table " : "");
    }
    mf_str_printf(p->out, "%s>\n", class);
}

static void add_table(const page *p, const mf_block *block)
{
    const size_t n = block->n_columns;
    const column_kinds kinds = kinds_of(block);
    begin_scroll(p, block, is_wide(block) ? " class=\"sort tight\"" : " class=\"sort\"");
    mf_str_add(p->out, "<thead><tr>");
    for (size_t c = 0; c < n; c++) {
        mf_str_printf(p->out,
                      "<th scope=\"col\"%s><button type=\"button\">",
                      has(kinds.words, c) ? " class=\"text\"" : "");
        mf_html_escape(p->out, cell_of(block, c));
        mf_str_add(p->out, "</button></th>");
    }
    mf_str_add(p->out, "</tr></thead>\n<tbody>\n");
    for (size_t i = n; i < block->n_cells; i += n) {
        mf_str_add(p->out, "<tr>");
        for (size_t c = 0; c < n; c++) {
            add_cell(p, block, i + c, kinds);
        }
        mf_str_add(p->out, "</tr>\n");
    }
    mf_str_add(p->out, "</tbody></table></div>\n");
}

static void add_bars(const page *p, const mf_block *block)
{
    enum { PERCENT = 100 };
    char number[MF_NUMBER_SIZE];
    const column_kinds kinds = {0, 0}; /* not sorted */
    begin_scroll(p, block, "");
    mf_str_add(p->out, "<tbody>\n");
    for (size_t row = 0; row * block->n_columns < block->n_cells; row++) {
        mf_str_add(p->out, "<tr>");
        add_cell(p, block, row * block->n_columns, kinds);
        add_cell(p, block, row * block->n_columns + 1, kinds);
        const double share = row < block->n_shares ? block->shares[row] : 0;
        const double clipped = share < 0 ? 0 : share > 1 ? 1 : share;
        mf_str_printf(p->out,
                      "<td class=\"bar\"><i style=\"width:%s%%\"></i></td>",
                      mf_fixed_text(number, PERCENT * clipped, 1));
        add_cell(p, block, row * block->n_columns + 2, kinds);
        mf_str_add(p->out, "</tr>\n");
    }
    mf_str_add(p->out, "</tbody></table></div>\n");
}

static void add_pairs(const page *p, const mf_block *block)
{
    mf_str_add(p->out, "<dl>\n");
    for (size_t i = 0; i < block->n_cells; i += 2) {
        mf_str_add(p->out, "<dt>");
        mf_html_escape(p->out, cell_of(block, i));
        mf_str_add(p->out, "</dt><dd>");
        add_prose(p->out, cell_of(block, i + 1));
        const note_list notes =
            notes_of(mf_document_figure_of(p->document, index_of(p, block), i + 1));
        add_references(p, &notes);
        mf_str_add(p->out, "</dd>\n");
    }
    mf_str_add(p->out, "</dl>\n");
}

static void add_lines(const page *p, const mf_block *block, const char *open, const char *close)
{
    for (size_t i = 0; i < block->n_cells; i++) {
        const char *text = block->cells[i];
        mf_str_add(p->out, open);
        add_prose(p->out, strncmp(text, "- ", 2) == 0 ? text + 2 : text);
        mf_str_add(p->out, close);
    }
}

/* A swatch for each series, unless the only one says nothing new. */
static void add_legend(const page *p, const mf_chart *chart)
{
    if (chart->n_series < 2) {
        return;
    }
    mf_str_add(p->out, "<ul class=\"legend\">");
    for (size_t i = 0; i < chart->n_series; i++) {
        const mf_chart_series *series = &chart->series[i];
        if (series->name == NULL || series->n_points == 0) {
            continue;
        }
        mf_str_add(p->out, "<li><svg viewBox=\"0 0 30 12\" aria-hidden=\"true\">");
        mf_svg_swatch(p->out, series, i);
        mf_str_add(p->out, "</svg>");
        mf_html_escape(p->out, series->name);
        mf_str_add(p->out, "</li>");
    }
    mf_str_add(p->out, "</ul>");
}

static void add_chart(page *p, const mf_block *block)
{
    if (!p->in_charts) {
        mf_str_add(p->out, "<div class=\"charts\">\n");
        p->in_charts = true;
    }
    mf_str_add(p->out, "<figure>");
    if (block->heading != NULL) {
        mf_str_add(p->out, "<h3>");
        mf_html_escape(p->out, block->heading);
        mf_str_add(p->out, "</h3>");
    }
    add_legend(p, block->chart);
    mf_svg_write(p->out, block->chart);
    mf_str_add(p->out, "</figure>\n");
}

static void add_title(const page *p, const mf_block *block)
{
    mf_str_add(p->out, "<h1>");
    mf_html_escape(p->out, cell_of(block, 0));
    mf_str_add(p->out, "</h1>\n<p class=\"detail\">");
    mf_html_escape(p->out, cell_of(block, 1));
    mf_str_add(p->out, "</p>\n");
}

static void add_verdict(const page *p, const mf_block *block)
{
    mf_str_printf(p->out, "<p class=\"verdict%s\"><strong>", tone_class(block->tone));
    mf_html_escape(p->out, cell_of(block, 0));
    mf_str_add(p->out, "</strong> ");
    add_prose(p->out, cell_of(block, 1));
    mf_str_add(p->out, "</p>\n");
}

static void add_content(page *p, const mf_block *block)
{
    switch (block->kind) {
    case MF_BLOCK_TITLE:
        add_title(p, block);
        break;
    case MF_BLOCK_SECTION:
        add_lines(p, block, "<h2>", "</h2>\n");
        break;
    case MF_BLOCK_PROSE:
        add_lines(p, block, "<p>", "</p>\n");
        break;
    case MF_BLOCK_CHART:
        add_chart(p, block);
        break;
    case MF_BLOCK_VERDICT:
        add_verdict(p, block);
        break;
    case MF_BLOCK_PAIRS:
        add_pairs(p, block);
        break;
    case MF_BLOCK_BARS:
        add_bars(p, block);
        break;
    case MF_BLOCK_TABLE:
        add_table(p, block);
        break;
    case MF_BLOCK_LIST:
        mf_str_add(p->out, "<ul>\n");
        add_lines(p, block, "<li>", "</li>\n");
        mf_str_add(p->out, "</ul>\n");
        break;
    case MF_BLOCK_COMMAND:
        mf_str_add(p->out, "<pre>");
        add_lines(p, block, "", "\n");
        mf_str_add(p->out, "</pre>\n");
        break;
    }
}

static void add_block(page *p, const mf_block *block)
{
    if (block->kind != MF_BLOCK_CHART && p->in_charts) {
        mf_str_add(p->out, "</div>\n");
        p->in_charts = false;
    }
    if (block->heading != NULL && block->kind != MF_BLOCK_CHART) {
        mf_str_printf(p->out, "<h3 id=\"h%zu\">", index_of(p, block));
        mf_html_escape(p->out, block->heading);
        mf_str_add(p->out, "</h3>\n");
    }
    add_content(p, block);
}

/* Only addresses of the web become links: a source may have been typed by anybody. */
static bool is_web(const char *url)
{
    return url != NULL && (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0);
}

static void add_sources(const page *p)
{
    const mf_document *d = p->document;
    if (d->n_footnotes == 0) {
        return;
    }
    mf_str_add(p->out,
               "<h2>Sources and assumptions</h2>\n<p>A number without a mark has the sources of "
               "the one before it "
               "in its row.</p>\n<ol class=\"sources\">\n");
    for (size_t i = 0; i < d->n_footnotes; i++) {
        const mf_footnote *note = &d->footnotes[i];
        mf_str_printf(p->out, "<li id=\"s%zu\">", i + 1);
        if (is_web(note->url)) {
            mf_str_add(p->out, "<a href=\"");
            mf_html_escape(p->out, note->url);
            mf_str_add(p->out, "\">");
        }
        mf_html_escape(p->out, note->title != NULL ? note->title : "");
        mf_str_add(p->out, is_web(note->url) ? "</a> (" : " (");
        mf_str_add(p->out, note->kind);
        if (note->seen != NULL) {
            mf_str_add(p->out, ", seen ");
            mf_html_escape(p->out, note->seen);
        }
        mf_str_add(p->out, ")</li>\n");
    }
    mf_str_add(p->out, "</ol>\n");
}

mf_status mf_write_html(mf_str *out, const mf_document *document, const char *title, mf_error *err)
{
    page p = {.out = out, .document = document};
    mf_str_add(out,
               "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    mf_html_escape(out, title);
    mf_str_add(out, "</title>\n<style>\n");
    for (size_t i = 0; i < MF_STYLE_COUNT; i++) {
        mf_str_add(out, mf_html_style[i]);
    }
    mf_str_add(out, "</style>\n</head>\n<body>\n<main>\n");
    if (document->n_blocks == 0 || document->blocks[0].kind != MF_BLOCK_TITLE) {
        mf_str_add(out, "<h1>");
        mf_html_escape(out, title);
        mf_str_add(out, "</h1>\n");
    }
    for (size_t i = 0; i < document->n_blocks; i++) {
        add_block(&p, &document->blocks[i]);
    }
    if (p.in_charts) {
        mf_str_add(out, "</div>\n");
    }
    add_sources(&p);
    mf_str_add(out, "</main>\n<script>\n");
    mf_str_add(out, mf_html_script);
    mf_str_add(out, "</script>\n</body>\n</html>\n");
    return mf_str_status(out, err);
}
