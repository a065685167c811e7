#include "report/json_writer.h"

#include <inttypes.h>

#include "base/num.h"
#include "facts/json.h"

enum { INDENT = 2, DIGITS = 6 };

/* Comma, line and key in front of a value. */
static void begin(mf_json_writer *w, const char *key)
{
    if (w->depth > 0) {
        mf_str_add(w->out, w->has_items[w->depth] ? ",\n" : "\n");
        w->has_items[w->depth] = true;
        mf_str_add_char(w->out, ' ', INDENT * w->depth);
    }
    if (key != NULL) {
        mf_json_quote(w->out, key);
        mf_str_add(w->out, ": ");
    }
}

void mf_jw_open(mf_json_writer *w, const char *key, char bracket)
{
    begin(w, key);
    mf_str_add_char(w->out, bracket, 1);
    if (w->depth + 1 < MF_JSON_MAX_DEPTH) {
        w->depth++;
        w->has_items[w->depth] = false;
    }
}

void mf_jw_close(mf_json_writer *w, char bracket)
{
    const bool had_items = w->has_items[w->depth];
    w->depth--;
    if (had_items) {
        mf_str_add(w->out, "\n");
        mf_str_add_char(w->out, ' ', INDENT * w->depth);
    }
    mf_str_add_char(w->out, bracket, 1);
    if (w->depth == 0) {
        mf_str_add(w->out, "\n");
    }
}

void mf_jw_text(mf_json_writer *w, const char *key, const char *text)
{
    begin(w, key);
    if (text == NULL) {
        mf_str_add(w->out, "null");
    } else {
        mf_json_quote(w->out, text);
    }
}

void mf_jw_uint(mf_json_writer *w, const char *key, uint64_t value)
{
    begin(w, key);
    mf_str_printf(w->out, "%" PRIu64, value);
}

void mf_jw_int(mf_json_writer *w, const char *key, int64_t value)
{
    begin(w, key);
    mf_str_printf(w->out, "%" PRId64, value);
}

void mf_jw_number(mf_json_writer *w, const char *key, bool known, double value)
{
    char text[MF_NUMBER_SIZE];
    begin(w, key);
    mf_str_add(w->out, known ? mf_number_text(text, value, DIGITS) : "null");
}

void mf_jw_bool(mf_json_writer *w, const char *key, bool value)
{
    begin(w, key);
    mf_str_add(w->out, value ? "true" : "false");
}

void mf_jw_null(mf_json_writer *w, const char *key)
{
    begin(w, key);
    mf_str_add(w->out, "null");
}
