/*
 * str.h - a growing text. Appending never fails loudly: after the first failed allocation the text stays as it is and
 * mf_str_status tells, so that a writer checks once, at the end.
 */
#ifndef MF_BASE_STR_H
#define MF_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "memfit/status.h"

/* Start with `mf_str text = {0};`, end with mf_str_free. data is NULL or 0-terminated. */
typedef struct mf_str {
    char *data;
    size_t size; /* without the final 0 */
    size_t capacity;
    bool failed;
} mf_str;

void mf_str_add(mf_str *text, const char *piece);
void mf_str_add_n(mf_str *text, const char *piece, size_t size);
void mf_str_add_char(mf_str *text, char c, size_t count);
/* Room for `size` more bytes behind the text, NULL if there is none; whoever fills it adds to size. */
char *mf_str_room(mf_str *text, size_t size);
void mf_str_printf(mf_str *text, const char *format, ...) MF_PRINTF(2, 3);
mf_status mf_str_status(const mf_str *text, mf_error *err);
void mf_str_free(mf_str *text);

/* Copy of text on the heap, NULL if there is no memory or text is NULL. The caller frees it. */
char *mf_strdup(const char *text);

/* Columns that a UTF-8 text takes: its characters, none of ours is wide. 0 for NULL. */
size_t mf_str_columns(const char *text);

bool mf_ends_with(const char *text, const char *end);

/* Number of single-character edits between two texts, case ignored; gives up above `limit` and returns limit + 1. */
size_t mf_edit_distance(const char *a, const char *b, size_t limit);

#endif
