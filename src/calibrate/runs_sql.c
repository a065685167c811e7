#include "calibrate/runs_sql.h"

#include <string.h>

static const char insert[] = "INSERT INTO";

/* What is left of one line. */
typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

static bool next_line(cursor *line, const char **text, const char *end)
{
    if (*text >= end) {
        return false;
    }
    const char *stop = memchr(*text, '\n', (size_t)(end - *text));
    *line = (cursor){.at = *text, .end = stop != NULL ? stop : end};
    *text = stop != NULL ? stop + 1 : end;
    return true;
}

static bool is_insert(cursor line)
{
    const size_t n = sizeof insert - 1;
    return (size_t)(line.end - line.at) >= n && strncmp(line.at, insert, n) == 0;
}

bool mf_runs_is_sql(const char *text, size_t size)
{
    const char *at = text;
    cursor line = {0};
    while (next_line(&line, &at, text + size)) {
        if (is_insert(line)) {
            return true;
        }
    }
    return false;
}

static void skip_blanks(cursor *line)
{
    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t')) {
        line->at++;
    }
}

/* One value, which may stand in quotes ('' is one), as a quoted CSV field. */
static bool take_value(mf_str *csv, cursor *line)
{
    skip_blanks(line);
    const bool quoted = line->at < line->end && *line->at == '\'';
    line->at += quoted ? 1 : 0;
    mf_str_add(csv, "\"");
    while (line->at < line->end) {
        const char c = *line->at;
        const bool twice = quoted && c == '\'' && line->at + 1 < line->end && line->at[1] == '\'';
        if (!twice && (quoted ? c == '\'' : c == ',' || c == ')')) {
            break;
        }
        mf_str_add(csv, c == '"' ? "\"" : "");
        mf_str_add_n(csv, &c, 1);
        line->at += twice ? 2 : 1;
    }
    mf_str_add(csv, "\"");
    const bool closed = !quoted || line->at < line->end;
    line->at += quoted && closed ? 1 : 0;
    skip_blanks(line);
    return closed;
}

/* "(a, b, c)" as one CSV row, from the next parenthesis. */
static bool take_list(mf_str *csv, cursor *line)
{
    while (line->at < line->end && *line->at != '(') {
        line->at++;
    }
    bool more = line->at < line->end;
    line->at += more ? 1 : 0;
    while (more) {
        if (!take_value(csv, line) || line->at >= line->end) {
            return false;
        }
        more = *line->at == ',';
        if (!more && *line->at != ')') {
            return false;
        }
        mf_str_add(csv, more ? "," : "\n");
        line->at++;
        if (!more) {
            return true;
        }
    }
    return false;
}

mf_status
mf_runs_sql_to_csv(mf_str *csv, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_str header = {0};
    const char *at = text;
    cursor line = {0};
    mf_status status = MF_OK;
    for (size_t number = 1; status == MF_OK && next_line(&line, &at, text + size); number++) {
        mf_str columns = {0};
        if (!is_insert(line)) {
            continue;
        }
        if (!take_list(&columns, &line)) {
            status = mf_fail(err, MF_E_DATA, "%s:%zu: INSERT without columns", name, number);
        } else if (header.data == NULL) {
            mf_str_add_n(&header, columns.data, columns.size);
            mf_str_add_n(csv, columns.data, columns.size);
        } else if (columns.failed || header.failed || strcmp(columns.data, header.data) != 0) {
            status = mf_fail(err, MF_E_DATA, "%s:%zu: other columns than before", name, number);
        }
        mf_str_free(&columns);
        if (status == MF_OK && !take_list(csv, &line)) {
            status = mf_fail(err, MF_E_DATA, "%s:%zu: INSERT without values", name, number);
        }
    }
    mf_str_free(&header);
    return status == MF_OK ? mf_str_status(csv, err) : status;
}
