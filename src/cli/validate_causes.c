/*
 * validate_causes.c - why rows are known to be far off: a table beside the measurements, whose blank fields stand for any.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/validate.h"
#include "speed/csv.h"

typedef enum field {
    FIELD_DEVICE,
    FIELD_DEVICES,
    FIELD_ENGINE,
    FIELD_MODEL,
    FIELD_QUANT,
    FIELD_TEST,
    FIELD_DEPTH,
    FIELD_CAUSE,
    FIELD_COUNT
} field;

static const char *const field_names[FIELD_COUNT] = {
    "device", "n_devices", "engine", "model", "quant", "test", "depth_from", "cause"};

/* "rows.csv" has its causes in "rows_causes.csv". */
static char *path_beside(const char *path)
{
    static const char end[] = ".csv";
    const size_t n = strlen(path);
    mf_str made = {0};
    if (n < sizeof end || strcmp(path + n - (sizeof end - 1), end) != 0) {
        return NULL;
    }
    mf_str_add_n(&made, path, n - (sizeof end - 1));
    mf_str_add(&made, "_causes.csv");
    return made.data;
}

static bool is_text(const char *asked, const char *is)
{
    return asked[0] == '\0' || strcmp(asked, is) == 0;
}

static bool is_number(const char *asked, double is)
{
    const char *end = NULL;
    double value = 0;
    return asked[0] == '\0' || (mf_parse_number(&value, asked, &end) && *end == '\0' &&
                                is > value - 1 && is < value + 1);
}

static bool is_from(const char *asked, double is)
{
    const char *end = NULL;
    double value = 0;
    return asked[0] == '\0' ||
           (mf_parse_number(&value, asked, &end) && *end == '\0' && is >= value);
}

static bool speaks_of(char *const fields[FIELD_COUNT], const mf_measurement *m)
{
    return is_text(fields[FIELD_DEVICE], m->device) &&
           is_number(fields[FIELD_DEVICES], (double)m->n_devices) &&
           is_text(fields[FIELD_ENGINE], mf_runtime_name(m->runtime)) &&
           is_text(fields[FIELD_MODEL], m->model) && is_text(fields[FIELD_QUANT], m->quant) &&
           is_text(fields[FIELD_TEST], mf_speed_test_name(m->test)) &&
           is_from(fields[FIELD_DEPTH], m->depth_tokens);
}

static mf_status read_header(mf_csv *csv, const char *path, mf_error *err)
{
    char *fields[FIELD_COUNT];
    size_t n = 0;
    bool good = mf_csv_row(csv, fields, FIELD_COUNT, &n) && n == FIELD_COUNT;
    for (size_t i = 0; good && i < FIELD_COUNT; i++) {
        good = strcmp(fields[i], field_names[i]) == 0;
    }
    return good
               ? MF_OK
               : mf_fail(err,
                         MF_E_DATA,
                         "%s:1: the columns of causes are device, n_devices, engine, model, quant, "
                         "test, depth_from, cause",
                         path);
}

/* The first line that speaks of a row counts. */
static mf_status
fill(const char **causes, mf_csv *csv, const mf_measurements *rows, const char *path, mf_error *err)
{
    char *fields[FIELD_COUNT];
    size_t n = 0;
    mf_status status = read_header(csv, path, err);
    while (status == MF_OK && mf_csv_row(csv, fields, FIELD_COUNT, &n)) {
        if (n != FIELD_COUNT || fields[FIELD_CAUSE][0] == '\0') {
            status = mf_fail(err, MF_E_DATA, "%s:%zu: not a cause", path, csv->line);
        }
        for (size_t i = 0; status == MF_OK && i < rows->n_items; i++) {
            if (causes[i] == NULL && speaks_of(fields, &rows->items[i])) {
                causes[i] = fields[FIELD_CAUSE];
            }
        }
    }
    return status;
}

mf_status
mf_causes_load(mf_causes *out, const char *rows_path, const mf_measurements *rows, mf_error *err)
{
    mf_str text = {0};
    char *path = path_beside(rows_path);
    if (path == NULL || access(path, F_OK) != 0) {
        free(path);
        return MF_OK;
    }
    mf_status status = mf_cli_read(&text, path, err);
    mf_causes made = {.text = text.data, .items = calloc(rows->n_items + 1, sizeof *made.items)};
    if (status == MF_OK && (made.items == NULL || made.text == NULL)) {
        status = mf_fail(err, MF_E_DATA, "%s: empty file", path);
    }
    if (status == MF_OK) {
        mf_csv csv = {.next = made.text};
        status = fill(made.items, &csv, rows, path, err);
    }
    free(path);
    if (status != MF_OK) {
        mf_causes_free(&made);
        return status;
    }
    *out = made;
    return MF_OK;
}

void mf_causes_free(mf_causes *causes)
{
    free(causes->text);
    free(causes->items);
    *causes = (mf_causes){0};
}
