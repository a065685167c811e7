/*
 * trace.c - requests from a CSV file, read line by line as time goes on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "simulate/clock.h"
#include "simulate/requests.h"

typedef enum trace_column {
    COLUMN_ARRIVAL,
    COLUMN_INPUT,
    COLUMN_OUTPUT,
    COLUMN_SESSION,
    COLUMN_PREFIX,
    COLUMN_COUNT
} trace_column;

static const char *const column_names[COLUMN_COUNT] = {[COLUMN_ARRIVAL] = "arrival_s",
                                                       [COLUMN_INPUT] = "input_tokens",
                                                       [COLUMN_OUTPUT] = "output_tokens",
                                                       [COLUMN_SESSION] = "session",
                                                       [COLUMN_PREFIX] = "prefix_tokens"};

enum { MAX_FIELDS = 32, NO_COLUMN = MAX_FIELDS, LONGEST_LINE = 1 << 16 };

#define LATEST_S 1e9 /* 31 years */

typedef struct trace {
    const char *path;
    FILE *file;
    char *line;
    size_t line_size;
    size_t number; /* of the line read last, from 1 */
    size_t at[COLUMN_COUNT];
    mf_request next;
    bool has_next;
    mf_status failed; /* of reading ahead: reported when the request is taken */
    mf_error why;
} trace;

static mf_status trace_fail(const trace *t, mf_error *err, const char *what)
{
    return mf_fail(err, MF_E_DATA, "%s:%zu: %s", t->path, t->number, what);
}

/* The next line that is not empty, without its end. *more false at the end of the file. */
static mf_status next_line(trace *t, bool *more, mf_error *err)
{
    *more = false;
    ssize_t size = 0;
    while ((size = getline(&t->line, &t->line_size, t->file)) >= 0) {
        t->number++;
        while (size > 0 && (t->line[size - 1] == '\n' || t->line[size - 1] == '\r')) {
            t->line[--size] = '\0';
        }
        if (size > LONGEST_LINE || strlen(t->line) != (size_t)size) {
            return trace_fail(t, err, "this is no line of a trace");
        }
        if (size > 0) {
            *more = true;
            return MF_OK;
        }
    }
    return ferror(t->file) ? mf_fail(err, MF_E_IO, "can't read '%s'", t->path) : MF_OK;
}

/* Cuts the line at its commas; returns how many fields it has. */
static size_t split(char *fields[MAX_FIELDS], char *line)
{
    size_t n = 0;
    char *field = line;
    while (field != NULL && n < MAX_FIELDS) {
        char *comma = strchr(field, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        const size_t size = strlen(field);
        if (size > 1 && field[0] == '"' && field[size - 1] == '"') {
            field[size - 1] = '\0';
            field++;
        }
        fields[n++] = field;
        field = comma != NULL ? comma + 1 : NULL;
    }
    return n;
}

static mf_status read_header(trace *t, mf_error *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    char *fields[MAX_FIELDS];
    bool more = false;
    const mf_status status = next_line(t, &more, err);
    if (status != MF_OK || !more) {
        return status != MF_OK ? status : mf_fail(err, MF_E_DATA, "%s: is empty", t->path);
    }
    const bool marked = strncmp(t->line, byte_order_mark, sizeof byte_order_mark - 1) == 0;
    const size_t n = split(fields, t->line + (marked ? sizeof byte_order_mark - 1 : 0));
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        t->at[c] = NO_COLUMN;
        for (size_t i = 0; i < n; i++) {
            t->at[c] = strcmp(fields[i], column_names[c]) == 0 ? i : t->at[c];
        }
        if (c <= COLUMN_OUTPUT && t->at[c] == NO_COLUMN) {
            return mf_fail(err,
                           MF_E_DATA,
                           "%s:%zu: no column '%s', a trace has arrival_s, input_tokens and "
                           "output_tokens",
                           t->path,
                           t->number,
                           column_names[c]);
        }
    }
    return MF_OK;
}

static bool read_tokens(uint32_t *tokens, const char *text, uint32_t least)
{
    uint64_t value = 0;
    if (!mf_parse_uint(&value, text) || value < least || value > INT32_MAX) {
        return false;
    }
    *tokens = (uint32_t)value;
    return true;
}

static mf_status read_request(trace *t, char **fields, mf_error *err)
{
    mf_request request = {0};
    double arrival_s = 0;
    const char *end = NULL;
    if (!mf_parse_number(&arrival_s, fields[t->at[COLUMN_ARRIVAL]], &end) || *end != '\0' ||
        arrival_s < 0 || arrival_s > LATEST_S) {
        return trace_fail(t, err, "'arrival_s' is no time in seconds");
    }
    request.arrival_ns = mf_nanoseconds(arrival_s);
    if (request.arrival_ns < t->next.arrival_ns) {
        return trace_fail(t, err, "arrives before the request above it: sort the trace by time");
    }
    if (!read_tokens(&request.input_tokens, fields[t->at[COLUMN_INPUT]], 1) ||
        !read_tokens(&request.output_tokens, fields[t->at[COLUMN_OUTPUT]], 1)) {
        return trace_fail(t, err, "'input_tokens' and 'output_tokens' are whole numbers above 0");
    }
    if (t->at[COLUMN_SESSION] != NO_COLUMN &&
        !mf_parse_uint(&request.session, fields[t->at[COLUMN_SESSION]])) {
        return trace_fail(t, err, "'session' is a whole number, 0 for none");
    }
    if (t->at[COLUMN_PREFIX] != NO_COLUMN &&
        (!read_tokens(&request.prefix_tokens, fields[t->at[COLUMN_PREFIX]], 0) ||
         request.prefix_tokens > request.input_tokens)) {
        return trace_fail(t, err, "'prefix_tokens' is a whole number, at most 'input_tokens'");
    }
    t->next = request;
    t->has_next = true;
    return MF_OK;
}

static mf_status read_next(trace *t, mf_error *err)
{
    char *fields[MAX_FIELDS];
    bool more = false;
    size_t needed = 0;
    t->has_next = false;
    const mf_status status = next_line(t, &more, err);
    if (status != MF_OK || !more) {
        return status;
    }
    const size_t n = split(fields, t->line);
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        needed = t->at[c] != NO_COLUMN && t->at[c] >= needed ? t->at[c] + 1 : needed;
    }
    return n < needed ? trace_fail(t, err, "has fewer fields than the first line")
                      : read_request(t, fields, err);
}

static uint64_t trace_next(void *self)
{
    const trace *t = self;
    /* A fault is an event of its own: whoever takes it hears of it. */
    return t->has_next || t->failed != MF_OK ? t->next.arrival_ns : MF_NEVER;
}

static mf_status trace_take(void *self, mf_request *request, mf_error *err)
{
    trace *t = self;
    if (!t->has_next) {
        return mf_fail(err, t->failed, "%s", t->why.message);
    }
    *request = t->next;
    t->failed = read_next(t, &t->why);
    return MF_OK;
}

static void trace_free(void *self)
{
    trace *t = self;
    (void)fclose(t->file);
    free(t->line);
    free(t);
}

mf_status mf_requests_read(mf_requests **out, FILE *file, const char *path, mf_error *err)
{
    trace *t = calloc(1, sizeof *t);
    if (t == NULL) {
        (void)fclose(file);
        return mf_fail(err, MF_E_NOMEM, "no memory for a trace");
    }
    t->path = path;
    t->file = file;
    mf_status status = read_header(t, err);
    status = status == MF_OK ? read_next(t, err) : status;
    if (status == MF_OK && !t->has_next) {
        status = mf_fail(err, MF_E_DATA, "%s: holds no request", path);
    }
    if (status != MF_OK) {
        trace_free(t);
        return status;
    }
    const mf_requests made = {
        .source = {.self = t, .next_ns = trace_next, .take = trace_take},
          .free_self = trace_free
    };
    return mf_requests_wrap(out, &made, err);
}

mf_status mf_requests_open(mf_requests **out, const char *path, mf_error *err)
{
    FILE *file = fopen(path, "r");
    return file != NULL ? mf_requests_read(out, file, path, err)
                        : mf_fail(err, MF_E_IO, "can't open '%s': %s", path, strerror(errno));
}
