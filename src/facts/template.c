/*
 * template.c - what a kind's table says to people: a file to start from, and what each key means.
 */
#include <string.h>

#include "facts/kinds.h"

static void write_record(mf_str *out, const mf_table *table, size_t indent);

static bool is_list(const mf_field *field)
{
    return field->kind == MF_FIELD_LIST || field->kind == MF_FIELD_SOURCES;
}

static void write_value(mf_str *out, const mf_field *field, size_t indent)
{
    if (is_list(field)) {
        mf_str_add(out, "[\n");
        mf_str_add_char(out, ' ', indent + 2);
        write_record(out, field->table, indent + 2);
        mf_str_add(out, "\n");
        mf_str_add_char(out, ' ', indent);
        mf_str_add(out, "]");
    } else if (field->example != NULL) {
        mf_str_add(out, field->example);
    } else {
        write_record(out, field->table, indent);
    }
}

static void write_record(mf_str *out, const mf_table *table, size_t indent)
{
    mf_str_add(out, "{");
    const char *comma = "";
    for (size_t i = 0; i < table->n_fields; i++) {
        const mf_field *field = &table->fields[i];
        if (field->optional) {
            continue;
        }
        mf_str_printf(out, "%s\n", comma);
        mf_str_add_char(out, ' ', indent + 2);
        mf_str_printf(out, "\"%s\": ", field->key);
        write_value(out, field, indent + 2);
        comma = ",";
    }
    mf_str_add(out, "\n");
    mf_str_add_char(out, ' ', indent);
    mf_str_add(out, "}");
}

void mf_template_write(mf_str *out, mf_file_kind kind)
{
    write_record(out, mf_file_kind_info(kind)->table, 0);
    mf_str_add(out, "\n");
}

static void write_words(mf_str *out, const mf_field *field)
{
    enum { FEW_WORDS = 16 };
    mf_str_add(out, "one of ");
    for (size_t i = field->first_word; i < field->n_words && i < FEW_WORDS; i++) {
        mf_str_printf(out, "%s%s", i > field->first_word ? ", " : "", field->words[i]);
    }
    mf_str_add(out, field->n_words > FEW_WORDS ? ", ..." : "");
}

static void write_form(mf_str *out, const mf_field *field)
{
    switch (field->kind) {
    case MF_FIELD_TEXT:
        mf_str_add(out, "text");
        break;
    case MF_FIELD_DATE:
        mf_str_add(out, "date like \"2026-01-31\" or \"2026-01\"");
        break;
    case MF_FIELD_PERIOD:
        mf_str_add(out, "date or period like \"2026-01\" or \"2026-01/2026-03\"");
        break;
    case MF_FIELD_CHOICE:
        write_words(out, field);
        break;
    case MF_FIELD_BOOL:
        mf_str_add(out, "true or false");
        break;
    case MF_FIELD_COUNT:
        mf_str_add(out, "whole number");
        break;
    case MF_FIELD_NUMBER:
        mf_str_add(out, field->whole ? "whole number" : "number");
        break;
    case MF_FIELD_QUANTITY:
        mf_str_printf(out, "quantity like \"%s\"", mf_dimension_example(field->dimension));
        break;
    case MF_FIELD_TEXTS:
        mf_str_add(out, "list of texts");
        break;
    case MF_FIELD_RECORD:
    case MF_FIELD_SOURCE:
        mf_str_add(out, "object");
        break;
    case MF_FIELD_LIST:
    case MF_FIELD_SOURCES:
        mf_str_add(out, "list of objects");
        break;
    }
    mf_str_add(out, field->nullable ? ", or null" : "");
    mf_str_add(out, field->optional ? ", may be absent" : "");
}

static void explain_table(mf_str *out, const mf_table *table, size_t indent);

static void explain_field(mf_str *out, const mf_field *field, size_t indent)
{
    mf_str_add_char(out, ' ', indent);
    mf_str_printf(out, "%s: ", field->key);
    write_form(out, field);
    mf_str_add(out, "\n");
    mf_str_add_char(out, ' ', indent + 4);
    mf_str_printf(out, "%s\n", field->help);
    if (field->table != NULL) {
        explain_table(out, field->table, indent + 4);
    }
}

static void explain_table(mf_str *out, const mf_table *table, size_t indent)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        explain_field(out, &table->fields[i], indent);
    }
}

static mf_status unknown_key(const mf_table *table, const char *key, mf_error *err)
{
    mf_nearest nearest = {.text = key};
    for (size_t i = 0; i < table->n_fields; i++) {
        mf_nearest_try(&nearest, table->fields[i].key);
    }
    if (nearest.best == NULL) {
        return mf_fail(err, MF_E_UNKNOWN, "%s has no key '%s'", table->name, key);
    }
    return mf_fail(err,
                   MF_E_UNKNOWN,
                   "%s has no key '%s', did you mean '%s'?",
                   table->name,
                   key,
                   nearest.best);
}

/* Copies the next part of a dotted path; false if it is too long for any key. */
static bool next_part(char *part, size_t size, const char **path)
{
    const size_t n = strcspn(*path, ".");
    if (n >= size) {
        return false;
    }
    memcpy(part, *path, n);
    part[n] = '\0';
    *path += n + ((*path)[n] == '.' ? 1 : 0);
    return true;
}

mf_status mf_explain_write(mf_str *out, const char *path, mf_error *err)
{
    char part[64];
    mf_file_kind kind = MF_FILE_DEVICE;
    if (!next_part(part, sizeof part, &path)) {
        return mf_fail(err, MF_E_UNKNOWN, "unknown kind '%.100s'", path);
    }
    const mf_status status = mf_file_kind_by_name(&kind, part, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_table *table = mf_file_kind_info(kind)->table;
    const mf_field *field = NULL;
    while (*path != '\0') {
        if (table == NULL || !next_part(part, sizeof part, &path)) {
            return mf_fail(err, MF_E_UNKNOWN, "nothing below the key '%s'", part);
        }
        field = mf_table_field(table, part);
        if (field == NULL) {
            return unknown_key(table, part, err);
        }
        table = field->table;
    }
    if (field != NULL) {
        explain_field(out, field, 0);
    } else {
        explain_table(out, table, 0);
    }
    return mf_str_status(out, err);
}
