/*
 * trace.c - requests from a file, read line by line as time goes on: memfit's own CSV, or a published trace as it is.
 *
 * Azure (github.com/Azure/AzurePublicDataset, 2023 and 2024): CSV with dates. BurstGPT (github.com/HPMLL/BurstGPT): CSV with
 * seconds. Mooncake (github.com/kvcache-ai/Mooncake): a JSON object a line, milliseconds, and numbers for blocks of 512 tokens
 * that begin alike.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "facts/json.h"
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

/* A format with columns: what each is called, NULL where there is none. */
typedef struct trace_format {
    const char *names[COLUMN_COUNT];
    bool has_dates; /* otherwise seconds */
    bool
        drops_empty; /* rows without tokens are failures that were recorded: left out, and counted */
} trace_format;

static const trace_format formats[] = {
    {.names = {[COLUMN_ARRIVAL] = "arrival_s",
               [COLUMN_INPUT] = "input_tokens",
               [COLUMN_OUTPUT] = "output_tokens",
               [COLUMN_SESSION] = "session",
               [COLUMN_PREFIX] = "prefix_tokens"}  },
    { .names = {[COLUMN_ARRIVAL] = "TIMESTAMP",
               [COLUMN_INPUT] = "ContextTokens",
               [COLUMN_OUTPUT] = "GeneratedTokens"},
     .has_dates = true,
     .drops_empty = true},
    {                                   .names = {[COLUMN_ARRIVAL] = "Timestamp",
               [COLUMN_INPUT] = "Request tokens",
               [COLUMN_OUTPUT] = "Response tokens"},
     .drops_empty = true},
};

enum {
    MAX_FIELDS = 32,
    NO_COLUMN = MAX_FIELDS,
    LONGEST_LINE = 1 << 20,
    MOONCAKE_CHUNK = 512,
    MOST_CHUNKS = 1 << 16
};

#define LATEST_S 1e9 /* 31 years */
#define MS_PER_S 1e3

typedef struct trace {
    const char *path;
    FILE *file;
    char *line;
    size_t line_size;
    size_t number;              /* of the line read last, from 1 */
    const trace_format *format; /* NULL: Mooncake's */
    size_t at[COLUMN_COUNT];
    double speedup;
    double first_s; /* dates count from the first */
    bool has_first;
    uint64_t *n_dropped;
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

/* Finds the columns of a format; COLUMN_COUNT, or the first needed one that is missing. */
static trace_column find_columns(trace *t, const trace_format *format, char **fields, size_t n)
{
    trace_column missing = COLUMN_COUNT;
    for (size_t c = COLUMN_COUNT; c-- > 0;) {
        t->at[c] = NO_COLUMN;
        for (size_t i = 0; format->names[c] != NULL && i < n; i++) {
            t->at[c] = strcmp(fields[i], format->names[c]) == 0 ? i : t->at[c];
        }
        if (c <= COLUMN_OUTPUT && t->at[c] == NO_COLUMN) {
            missing = (trace_column)c;
        }
    }
    t->format = format;
    return missing;
}

static mf_status read_header(trace *t, mf_error *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    char *fields[MAX_FIELDS];
    const bool marked = strncmp(t->line, byte_order_mark, sizeof byte_order_mark - 1) == 0;
    const size_t n = split(fields, t->line + (marked ? sizeof byte_order_mark - 1 : 0));
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        if (find_columns(t, &formats[f], fields, n) == COLUMN_COUNT) {
            return MF_OK;
        }
    }
    const trace_column missing = find_columns(t, &formats[0], fields, n);
    return mf_fail(err,
                   MF_E_DATA,
                   "%s:%zu: no column '%s': a trace has arrival_s, input_tokens and output_tokens, "
                   "or is one of Azure's, BurstGPT's or Mooncake's",
                   t->path,
                   t->number,
                   formats[0].names[missing]);
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

/* Days from 1970-01-01 (Howard Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2 ? 1 : 0;
    const int64_t era = year / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

/* So many digits as a number; false if there are others. */
static bool read_digits(int64_t *value, const char **text, size_t n)
{
    *value = 0;
    for (size_t i = 0; i < n; i++, (*text)++) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        *value = 10 * *value + (**text - '0');
    }
    return true;
}

/* "2023-11-16 18:17:03.9799600", perhaps with +00:00 behind it. */
static bool read_date(double *seconds, const char *text)
{
    static const struct {
        size_t digits;
        char behind;
    } parts[] = {
        {4, '-'},
        {2, '-'},
        {2, ' '},
        {2, ':'},
        {2, ':'}
    };
    int64_t v[5] = {0};
    const char *end = NULL;
    double second = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!read_digits(&v[i], &text, parts[i].digits) ||
            (*text != parts[i].behind && !(parts[i].behind == ' ' && *text == 'T'))) {
            return false;
        }
        text++;
    }
    if (!mf_parse_number(&second, text, &end) || second < 0 || second >= 61 || v[1] < 1 ||
        v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 24 || v[4] > 59 ||
        (*end != '\0' && strcmp(end, "+00:00") != 0 && strcmp(end, "Z") != 0)) {
        return false;
    }
    const int64_t minutes = (days_from_civil(v[0], v[1], v[2]) * 24 + v[3]) * 60 + v[4];
    *seconds = 60.0 * (double)minutes + second;
    return true;
}

/* Arrival of the next request: sped up, counted from the first where there are dates. */
static mf_status
set_arrival(trace *t, mf_request *request, double at_s, bool from_first, mf_error *err)
{
    if (from_first && !t->has_first) {
        t->first_s = at_s;
    }
    t->has_first = true;
    const double arrival_s = (at_s - t->first_s) / t->speedup;
    if (!(arrival_s >= 0) || arrival_s > LATEST_S) {
        return trace_fail(t, err, "arrives before the first request, or decades later");
    }
    request->arrival_ns = mf_nanoseconds(arrival_s);
    if (request->arrival_ns < t->next.arrival_ns) {
        return trace_fail(t, err, "arrives before the request above it: sort the trace by time");
    }
    return MF_OK;
}

static mf_status read_sessions(trace *t, mf_request *request, char **fields, mf_error *err)
{
    if (t->at[COLUMN_SESSION] != NO_COLUMN &&
        !mf_parse_uint(&request->session, fields[t->at[COLUMN_SESSION]])) {
        return trace_fail(t, err, "'session' is a whole number, 0 for none");
    }
    if (t->at[COLUMN_PREFIX] != NO_COLUMN &&
        (!read_tokens(&request->prefix_tokens, fields[t->at[COLUMN_PREFIX]], 0) ||
         request->prefix_tokens > request->input_tokens)) {
        return trace_fail(t, err, "'prefix_tokens' is a whole number, at most 'input_tokens'");
    }
    return MF_OK;
}

/* A row of a table; *kept false if it is one to be left out. */
static mf_status read_row(trace *t, mf_request *request, bool *kept, mf_error *err)
{
    char *fields[MAX_FIELDS];
    size_t needed = 0;
    double at_s = 0;
    const char *end = NULL;
    const size_t n = split(fields, t->line);
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        needed = t->at[c] != NO_COLUMN && t->at[c] >= needed ? t->at[c] + 1 : needed;
    }
    if (n < needed) {
        return trace_fail(t, err, "has fewer fields than the first line");
    }
    const char *arrival = fields[t->at[COLUMN_ARRIVAL]];
    const bool fine = t->format->has_dates
                          ? read_date(&at_s, arrival)
                          : mf_parse_number(&at_s, arrival, &end) && *end == '\0' && at_s >= 0;
    if (!fine) {
        return trace_fail(t, err, "the time of arrival is none");
    }
    const uint32_t least = t->format->drops_empty ? 0 : 1;
    if (!read_tokens(&request->input_tokens, fields[t->at[COLUMN_INPUT]], least) ||
        !read_tokens(&request->output_tokens, fields[t->at[COLUMN_OUTPUT]], least)) {
        return trace_fail(
            t, err, "tokens of input and output are whole numbers above 0 and below 2^31");
    }
    *kept = request->input_tokens > 0 && request->output_tokens > 0;
    const mf_status status = read_sessions(t, request, fields, err);
    return status == MF_OK ? set_arrival(t, request, at_s, t->format->has_dates, err) : status;
}

static mf_status read_chunks(trace *t, mf_request *request, const mf_node *ids, mf_error *err)
{
    const size_t n = mf_node_count(ids);
    if (n == 0 || n > MOST_CHUNKS) {
        return n == 0 ? MF_OK : trace_fail(t, err, "'hash_ids' has too many numbers");
    }
    mf_chunks *chunks = malloc(sizeof *chunks + n * sizeof chunks->ids[0]);
    if (chunks == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a request's blocks");
    }
    *chunks = (mf_chunks){.n_ids = n, .chunk_tokens = MOONCAKE_CHUNK};
    request->chunks = chunks;
    size_t i = 0;
    for (const mf_node *id = mf_node_first(ids); id != NULL; id = mf_node_next(id), i++) {
        if (!mf_node_uint(&chunks->ids[i], id)) {
            return trace_fail(t, err, "'hash_ids' are whole numbers");
        }
    }
    return MF_OK;
}

/* A JSON object of Mooncake's. */
static mf_status read_object(trace *t, mf_request *request, bool *kept, mf_error *err)
{
    mf_json *json = NULL;
    double ms = 0;
    uint64_t input = 0;
    uint64_t output = 0;
    mf_status status = mf_json_parse(&json, t->line, strlen(t->line), t->path, NULL);
    if (status != MF_OK) {
        return trace_fail(t, err, "this is no JSON object of a trace");
    }
    const mf_node *root = mf_json_root(json);
    if (!mf_node_double(&ms, mf_node_get(root, "timestamp")) || ms < 0 ||
        !mf_node_uint(&input, mf_node_get(root, "input_length")) || input > INT32_MAX ||
        !mf_node_uint(&output, mf_node_get(root, "output_length")) || output > INT32_MAX) {
        status = trace_fail(
            t, err, "needs 'timestamp' in milliseconds, 'input_length' and 'output_length'");
    }
    request->input_tokens = (uint32_t)input;
    request->output_tokens = (uint32_t)output;
    *kept = input > 0 && output > 0;
    if (status == MF_OK) {
        status = set_arrival(t, request, ms / MS_PER_S, false, err);
    }
    if (status == MF_OK && *kept) {
        status = read_chunks(t, request, mf_node_get(root, "hash_ids"), err);
    }
    mf_json_free(json);
    return status;
}

/* The next request that counts, from the line at hand where there is one. */
static mf_status read_next(trace *t, bool at_hand, mf_error *err)
{
    bool more = at_hand;
    t->has_next = false;
    mf_status status = at_hand ? MF_OK : next_line(t, &more, err);
    while (status == MF_OK && more) {
        mf_request request = {0};
        bool kept = false;
        status = t->format != NULL ? read_row(t, &request, &kept, err)
                                   : read_object(t, &request, &kept, err);
        if (status == MF_OK && kept) {
            t->next = request;
            t->has_next = true;
            return MF_OK;
        }
        free(request.chunks);
        *t->n_dropped += status == MF_OK ? 1 : 0;
        status = status == MF_OK ? next_line(t, &more, err) : status;
    }
    return status;
}

/* The first line tells the format. */
static mf_status begin(trace *t, mf_error *err)
{
    bool more = false;
    mf_status status = next_line(t, &more, err);
    if (status != MF_OK || !more) {
        return status != MF_OK ? status : mf_fail(err, MF_E_DATA, "%s: is empty", t->path);
    }
    const bool is_object = t->line[0] == '{';
    status = is_object ? MF_OK : read_header(t, err);
    status = status == MF_OK ? read_next(t, is_object, err) : status;
    return status == MF_OK && !t->has_next
               ? mf_fail(err, MF_E_DATA, "%s: holds no request", t->path)
               : status;
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
    t->failed = read_next(t, false, &t->why);
    return MF_OK;
}

static void trace_free(void *self)
{
    trace *t = self;
    (void)fclose(t->file);
    if (t->has_next) {
        free(t->next.chunks);
    }
    free(t->line);
    free(t->n_dropped);
    free(t);
}

mf_status
mf_requests_read(mf_requests **out, FILE *file, const char *path, double speedup, mf_error *err)
{
    trace *t = calloc(1, sizeof *t);
    uint64_t *n_dropped = calloc(1, sizeof *n_dropped);
    if (t == NULL || n_dropped == NULL) {
        (void)fclose(file);
        free(t);
        free(n_dropped);
        return mf_fail(err, MF_E_NOMEM, "no memory for a trace");
    }
    *t = (trace){.path = path, .file = file, .speedup = speedup, .n_dropped = n_dropped};
    mf_status status = isfinite(speedup) && speedup > 0
                           ? begin(t, err)
                           : mf_fail(err, MF_E_USAGE, "a trace is sped up by a factor above 0");
    if (status != MF_OK) {
        trace_free(t);
        return status;
    }
    const mf_requests made = {
        .source = {.self = t, .next_ns = trace_next, .take = trace_take},
        .free_self = trace_free,
        .n_dropped = n_dropped
    };
    return mf_requests_wrap(out, &made, err);
}

mf_status mf_requests_open(mf_requests **out, const char *path, double speedup, mf_error *err)
{
    FILE *file = fopen(path, "r");
    return file != NULL ? mf_requests_read(out, file, path, speedup, err)
                        : mf_fail(err, MF_E_IO, "can't open '%s': %s", path, strerror(errno));
}
