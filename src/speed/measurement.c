#include "memfit/measurement.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "speed/covariates.h"
#include "speed/csv.h"

#define MAX_COLUMNS 64
#define MAX_FILE_BYTES (64L << 20)

#define COLUMN_LIST(X)                                                                             \
    X(DEVICE, "device", true)                                                                      \
    X(ENGINE, "engine", true)                                                                      \
    X(MODEL, "model", true)                                                                        \
    X(QUANT, "quant", true)                                                                        \
    X(TEST, "test", true)                                                                          \
    X(TOK_S, "tok_s", true)                                                                        \
    X(N_DEVICES, "n_devices", false)                                                               \
    X(KV_TYPE, "kv_type", false)                                                                   \
    X(N_TOKENS, "n_tokens", false)                                                                 \
    X(DEPTH, "depth", false)                                                                       \
    X(TRUST, "trust", false)                                                                       \
    X(DATE, "date", false)                                                                         \
    X(SOURCE, "source_url", false)                                                                 \
    X(NOTES, "notes", false)

#define COLUMN_ENUM(id, name, needed) COLUMN_##id,
#define COLUMN_NAME(id, name, needed) name,
#define COLUMN_NEEDED(id, name, needed) needed,
enum { COLUMN_LIST(COLUMN_ENUM) N_COLUMNS };
static const char *const column_names[] = {COLUMN_LIST(COLUMN_NAME)};
static const bool column_needed[] = {COLUMN_LIST(COLUMN_NEEDED)};

typedef struct named_value {
    const char *text;
    int value;
} named_value;

static const named_value engines[] = {
    {"llama.cpp", MF_ENGINE_LLAMACPP},
    {"ollama",    MF_ENGINE_LLAMACPP},
    {"llamafile", MF_ENGINE_LLAMACPP},
    {"mlx",       MF_ENGINE_MLX     },
    {"vllm",      MF_ENGINE_VLLM    }
};
static const named_value trusts[] = {
    {"high",    MF_TRUST_HIGH   },
    {"medium",  MF_TRUST_MEDIUM },
    {"low",     MF_TRUST_LOW    },
    {"flagged", MF_TRUST_FLAGGED},
    {"",        MF_TRUST_HIGH   }
};
static const named_value tests[] = {
    {"tg", MF_TEST_DECODE },
    {"pp", MF_TEST_PREFILL}
};
/* 8-bit caches of mlx are groups of 64 with scale and bias; blank is the engines' default. */
static const named_value kv_types[] = {
    {"f16",  MF_TYPE_F16   },
    {"bf16", MF_TYPE_BF16  },
    {"f32",  MF_TYPE_F32   },
    {"8bit", MF_TYPE_MLX_Q8},
    {"q8_0", MF_TYPE_Q8_0  },
    {"q4_0", MF_TYPE_Q4_0  },
    {"",     MF_TYPE_F16   }
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool find_value(int *out, const char *text, const named_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(values[i].text, text) == 0) {
            *out = values[i].value;
            return true;
        }
    }
    return false;
}

typedef struct row_reader {
    const char *name;
    size_t line;
    char **fields;
    size_t n_fields;
    const size_t *columns; /* index of each known column, SIZE_MAX if missing */
    mf_error *err;
} row_reader;

static const char *field(const row_reader *r, size_t column)
{
    const size_t index = r->columns[column];
    return index < r->n_fields ? r->fields[index] : "";
}

static mf_status bad_field(const row_reader *r, size_t column)
{
    return mf_fail(r->err,
                   MF_E_DATA,
                   "%s:%zu: '%s' is no value of column '%s'",
                   r->name,
                   r->line,
                   field(r, column),
                   column_names[column]);
}

/* Blank is 0. */
static mf_status read_number(double *out, const row_reader *r, size_t column)
{
    const char *text = field(r, column);
    const char *end = NULL;
    double value = 0;
    if (*text != '\0' && (!mf_parse_number(&value, text, &end) || *end != '\0' || value < 0)) {
        return bad_field(r, column);
    }
    *out = value;
    return MF_OK;
}

static mf_status read_numbers(mf_measurement *m, const row_reader *r)
{
    double n_devices = 0;
    mf_status status = read_number(&m->tok_s, r, COLUMN_TOK_S);
    if (status == MF_OK) {
        status = read_number(&m->n_tokens, r, COLUMN_N_TOKENS);
    }
    if (status == MF_OK) {
        status = read_number(&m->depth_tokens, r, COLUMN_DEPTH);
    }
    if (status == MF_OK) {
        status = read_number(&n_devices, r, COLUMN_N_DEVICES);
    }
    m->n_devices = n_devices >= 2 && n_devices < 1e6 ? (uint32_t)n_devices : 1;
    return status;
}

static mf_status read_names(mf_measurement *m, const row_reader *r)
{
    int engine = 0;
    int trust = 0;
    int test = 0;
    int kv_type = 0;
    if (!find_value(&engine, field(r, COLUMN_ENGINE), engines, COUNT(engines))) {
        return bad_field(r, COLUMN_ENGINE);
    }
    if (!find_value(&trust, field(r, COLUMN_TRUST), trusts, COUNT(trusts))) {
        return bad_field(r, COLUMN_TRUST);
    }
    if (!find_value(&test, field(r, COLUMN_TEST), tests, COUNT(tests))) {
        return bad_field(r, COLUMN_TEST);
    }
    if (!find_value(&kv_type, field(r, COLUMN_KV_TYPE), kv_types, COUNT(kv_types))) {
        return bad_field(r, COLUMN_KV_TYPE);
    }
    m->engine = (mf_engine_id)engine;
    m->trust = (mf_trust)trust;
    m->test = (mf_speed_test)test;
    m->kv_type = (mf_tensor_type)kv_type;
    return MF_OK;
}

static mf_status copy_texts(mf_measurement *m, const row_reader *r)
{
    char **const texts[] = {&m->device, &m->model, &m->quant, &m->source, &m->notes, &m->date};
    static const size_t columns[] = {
        COLUMN_DEVICE, COLUMN_MODEL, COLUMN_QUANT, COLUMN_SOURCE, COLUMN_NOTES, COLUMN_DATE};
    for (size_t i = 0; i < COUNT(columns); i++) {
        *texts[i] = mf_strdup(field(r, columns[i]));
        if (!*texts[i]) {
            return mf_fail(r->err, MF_E_NOMEM, "no memory for row %zu", r->line);
        }
    }
    return MF_OK;
}

static mf_status read_row(mf_measurement *m, const row_reader *r)
{
    mf_status status = copy_texts(m, r);
    if (status == MF_OK) {
        status = read_names(m, r);
    }
    if (status == MF_OK) {
        status = read_numbers(m, r);
    }
    if (status == MF_OK) {
        m->line = r->line;
        mf_covariates_read(m);
    }
    return status;
}

static mf_status read_header(size_t columns[N_COLUMNS], const row_reader *r)
{
    for (size_t c = 0; c < N_COLUMNS; c++) {
        columns[c] = SIZE_MAX;
        for (size_t i = 0; i < r->n_fields && columns[c] == SIZE_MAX; i++) {
            columns[c] = strcmp(r->fields[i], column_names[c]) == 0 ? i : SIZE_MAX;
        }
        if (columns[c] == SIZE_MAX && column_needed[c]) {
            return mf_fail(r->err,
                           MF_E_DATA,
                           "%s:1: no column '%s', name the columns in the first line",
                           r->name,
                           column_names[c]);
        }
    }
    return MF_OK;
}

static mf_status append(mf_measurements *all, size_t *capacity, mf_error *err)
{
    if (all->n_items == *capacity) {
        const size_t more = *capacity > 0 ? 2 * *capacity : 256;
        mf_measurement *items = realloc(all->items, more * sizeof *items);
        if (!items) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %zu rows", more);
        }
        all->items = items;
        *capacity = more;
    }
    memset(&all->items[all->n_items], 0, sizeof *all->items);
    all->n_items++;
    return MF_OK;
}

static mf_status parse_rows(mf_measurements *all, char *text, const char *name, mf_error *err)
{
    char *fields[MAX_COLUMNS] = {0};
    size_t columns[N_COLUMNS] = {0};
    size_t capacity = 0;
    mf_csv csv = {.next = text};
    row_reader r = {.name = name, .fields = fields, .columns = columns, .err = err};
    if (!mf_csv_row(&csv, fields, MAX_COLUMNS, &r.n_fields)) {
        return mf_fail(err, MF_E_DATA, "%s: the file is empty", name);
    }
    r.n_fields = r.n_fields < MAX_COLUMNS ? r.n_fields : MAX_COLUMNS;
    const size_t n_columns = r.n_fields;
    mf_status status = read_header(columns, &r);
    while (status == MF_OK && mf_csv_row(&csv, fields, MAX_COLUMNS, &r.n_fields)) {
        r.line = csv.line;
        if (r.n_fields == 1 && fields[0][0] == '\0') {
            continue;
        }
        if (r.n_fields != n_columns) {
            return mf_fail(err,
                           MF_E_DATA,
                           "%s:%zu: %zu fields, the header has %zu",
                           name,
                           r.line,
                           r.n_fields,
                           n_columns);
        }
        status = append(all, &capacity, err);
        if (status == MF_OK) {
            status = read_row(&all->items[all->n_items - 1], &r);
        }
    }
    return status;
}

mf_status mf_measurements_parse(
    mf_measurements *out, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_measurements all = {0};
    char *copy = malloc(size + 1);
    if (!copy) {
        return mf_fail(err, MF_E_NOMEM, "no memory for '%s'", name);
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    mf_status status = MF_OK;
    if (strlen(copy) != size) {
        status = mf_fail(err, MF_E_DATA, "%s: a zero byte in a text file", name);
    }
    if (status == MF_OK) {
        status = parse_rows(&all, copy, name, err);
    }
    free(copy);
    if (status != MF_OK) {
        mf_measurements_free(&all);
        return status;
    }
    *out = all;
    return MF_OK;
}

static mf_status read_file(char **text, size_t *size, const char *path, mf_error *err)
{
    FILE *file = fopen(path, "rb");
    long length = -1;
    if (file && fseek(file, 0, SEEK_END) == 0) {
        length = ftell(file);
    }
    char *data = length >= 0 && length <= MAX_FILE_BYTES ? malloc((size_t)length + 1) : NULL;
    const bool good = data && fseek(file, 0, SEEK_SET) == 0 &&
                      fread(data, 1, (size_t)length, file) == (size_t)length;
    if (file) {
        fclose(file);
    }
    if (!good) {
        free(data);
        return mf_fail(err, MF_E_IO, "can't read '%s' (at most 64 MiB)", path);
    }
    *text = data;
    *size = (size_t)length;
    return MF_OK;
}

mf_status mf_measurements_load(mf_measurements *out, const char *path, mf_error *err)
{
    char *text = NULL;
    size_t size = 0;
    mf_status status = read_file(&text, &size, path, err);
    if (status == MF_OK) {
        status = mf_measurements_parse(out, text, size, path, err);
    }
    free(text);
    return status;
}

void mf_measurements_free(mf_measurements *measurements)
{
    for (size_t i = 0; i < measurements->n_items; i++) {
        mf_measurement *m = &measurements->items[i];
        free(m->device);
        free(m->model);
        free(m->quant);
        free(m->source);
        free(m->notes);
        free(m->date);
    }
    free(measurements->items);
    *measurements = (mf_measurements){0};
}
