#include "base/str.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256, MAX_DISTANCE_TEXT = 128 };

/* Room for `more` bytes and the final 0. */
static bool reserve(mf_str *text, size_t more)
{
    if (text->failed) {
        return false;
    }
    if (more < text->capacity - text->size && text->data != NULL) {
        return true;
    }
    size_t capacity = text->capacity > 0 ? text->capacity : FIRST_CAPACITY;
    while (capacity - text->size <= more) {
        if (capacity > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void mf_str_add_n(mf_str *text, const char *piece, size_t size)
{
    if (!reserve(text, size)) {
        return;
    }
    memcpy(text->data + text->size, piece, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void mf_str_add(mf_str *text, const char *piece)
{
    mf_str_add_n(text, piece, strlen(piece));
}

void mf_str_add_char(mf_str *text, char c, size_t count)
{
    if (!reserve(text, count)) {
        return;
    }
    memset(text->data + text->size, c, count);
    text->size += count;
    text->data[text->size] = '\0';
}

char *mf_str_room(mf_str *text, size_t size)
{
    return reserve(text, size) ? text->data + text->size : NULL;
}

/* Most pieces find room where they go. */
void mf_str_printf(mf_str *text, const char *format, ...)
{
    const size_t room = text->data != NULL && !text->failed ? text->capacity - text->size : 0;
    char *end = room > 0 ? text->data + text->size : NULL;
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(end, room, format, args);
    va_end(args);
    if (n < 0) {
        text->failed = true;
    } else if ((size_t)n < room) {
        text->size += (size_t)n;
    } else if (reserve(text, (size_t)n)) {
        (void)vsnprintf(text->data + text->size, text->capacity - text->size, format, again);
        text->size += (size_t)n;
    }
    va_end(again);
}

mf_status mf_str_status(const mf_str *text, mf_error *err)
{
    return text->failed ? mf_fail(err, MF_E_NOMEM, "out of memory for a text") : MF_OK;
}

void mf_str_free(mf_str *text)
{
    free(text->data);
    *text = (mf_str){0};
}

char *mf_strdup(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

size_t mf_str_columns(const char *text)
{
    size_t n = 0;
    for (const char *c = text; c != NULL && *c != '\0'; c++) {
        n += ((unsigned char)*c & 0xC0) != 0x80 ? 1 : 0;
    }
    return n;
}

bool mf_ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t mf_edit_distance(const char *a, const char *b, size_t limit)
{
    const size_t n = strlen(a);
    const size_t m = strlen(b);
    const size_t gap = n > m ? n - m : m - n;
    if (gap > limit || m >= MAX_DISTANCE_TEXT) {
        return limit + 1;
    }
    /* One row of the Levenshtein table: row[j] is the distance of a[0..i) and b[0..j). */
    size_t row[MAX_DISTANCE_TEXT];
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < n; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < m; j++) {
            const size_t above = row[j + 1];
            const size_t changed = diagonal + (same_letter(a[i], b[j]) ? 0 : 1);
            row[j + 1] = smaller(smaller(above, row[j]) + 1, changed);
            diagonal = above;
        }
    }
    return row[m] <= limit ? row[m] : limit + 1;
}
