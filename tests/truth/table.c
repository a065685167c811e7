#include "truth/table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "stubs/gguf_writer.h"

enum { MAX_MODELS = 96 };

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL, "%s can't be opened", path);
    (void)fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    (void)fseek(file, 0, SEEK_SET);
    char *text = calloc(1, (size_t)size + 1);
    cr_assert(text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size, "%s", path);
    (void)fclose(file);
    return text;
}

/* Cuts one line into cells in place. */
static size_t split(char **cells, char *line)
{
    size_t n = 0;
    char *cell = line;
    while (cell != NULL && n < TABLE_COLUMNS) {
        char *comma = strchr(cell, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        cells[n++] = cell;
        cell = comma != NULL ? comma + 1 : NULL;
    }
    return n;
}

static char *take_line(table *t)
{
    char *line = t->next;
    char *end = strchr(line, '\n');
    if (end == NULL) {
        return NULL;
    }
    *end = '\0';
    t->next = end + 1;
    return line;
}

void table_open(table *t, const char *file)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/truth/%s", MF_SOURCE_DIR, file);
    *t = (table){.text = read_file(path)};
    t->next = t->text;
    t->n_columns = split(t->names, take_line(t));
}

bool table_next(table *t)
{
    char *line = take_line(t);
    if (line == NULL) {
        return false;
    }
    cr_assert(split(t->cells, line) == t->n_columns, "a row has other columns than the header");
    return true;
}

void table_close(table *t)
{
    free(t->text);
}

const char *table_text(const table *t, const char *column)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->names[i], column) == 0) {
            return t->cells[i];
        }
    }
    cr_assert(false, "no column %s", column);
    return "";
}

uint64_t table_number(const table *t, const char *column)
{
    uint64_t value = 0;
    cr_assert(mf_parse_uint(&value, table_text(t, column)), "%s is no number", column);
    return value;
}

static struct {
    char name[48];
    mf_model *model;
} models[MAX_MODELS];

const mf_model *truth_model(const char *name)
{
    size_t i = 0;
    while (i < MAX_MODELS && models[i].model != NULL && strcmp(models[i].name, name) != 0) {
        i++;
    }
    cr_assert(i < MAX_MODELS);
    if (models[i].model == NULL) {
        mf_error err = {0};
        cr_assert(test_model_from_manifest(&models[i].model, name, &err) == MF_OK,
                  "%s: %s",
                  name,
                  err.message);
        (void)snprintf(models[i].name, sizeof models[i].name, "%s", name);
    }
    return models[i].model;
}

void truth_models_free(void)
{
    for (size_t i = 0; i < MAX_MODELS; i++) {
        mf_model_free(models[i].model);
        models[i].model = NULL;
    }
}

mf_workload truth_workload(const table *t)
{
    mf_workload w = {.n_ctx = table_number(t, "n_ctx"),
                     .n_parallel = (uint32_t)table_number(t, "n_seq"),
                     .kv_unified = table_number(t, "kv_unified") == 1,
                     .n_batch = (uint32_t)table_number(t, "n_batch"),
                     .n_ubatch = (uint32_t)table_number(t, "n_ubatch"),
                     .n_outputs = (uint32_t)table_number(t, "n_outputs_max"),
                     .flash_attention = table_number(t, "flash_attn") == 1,
                     .gpu_layers = MF_ALL_LAYERS,
                     .kv_offload = true};
    cr_assert(mf_tensor_type_by_name(&w.kv_type_k, table_text(t, "type_k"), NULL) == MF_OK);
    cr_assert(mf_tensor_type_by_name(&w.kv_type_v, table_text(t, "type_v"), NULL) == MF_OK);
    return w;
}
