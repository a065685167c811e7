/*
 * json_writer.h - JSON text, written front to back. Numbers keep 6 significant digits, integers are
 * exact, what is not known is null.
 */
#ifndef MF_REPORT_JSON_WRITER_H
#define MF_REPORT_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { MF_JSON_MAX_DEPTH = 16 };

typedef struct mf_json_writer {
    mf_str *out;
    size_t depth;
    bool has_items[MF_JSON_MAX_DEPTH];
} mf_json_writer;

/* key is NULL in an array and for the outermost value. */
void mf_jw_open(mf_json_writer *w, const char *key, char bracket);     /* '{' or '[' */
void mf_jw_close(mf_json_writer *w, char bracket);                     /* '}' or ']' */
void mf_jw_text(mf_json_writer *w, const char *key, const char *text); /* NULL: null */
void mf_jw_uint(mf_json_writer *w, const char *key, uint64_t value);
void mf_jw_int(mf_json_writer *w, const char *key, int64_t value);
void mf_jw_number(mf_json_writer *w, const char *key, bool known, double value);
void mf_jw_bool(mf_json_writer *w, const char *key, bool value);
void mf_jw_null(mf_json_writer *w, const char *key);

#endif
