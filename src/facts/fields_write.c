#include "facts/fields_write.h"

#include <inttypes.h>
#include <string.h>

#include "facts/sources.h"

#define FILE_DIGITS 6

typedef struct writer {
    mf_str *out;
    const mf_sources *sources;
} writer;

static void write_object(writer *to, const mf_table *table, const void *from, size_t indent);

static const void *member(const mf_field *field, const void *from)
{
    return (const char *)from + field->offset;
}

static const char *text_member(const mf_field *field, const void *from)
{
    char *text = NULL;
    memcpy(&text, member(field, from), sizeof text);
    return text;
}

static void write_fact(writer *to, const mf_field *field, const mf_fact *fact)
{
    char buffer[MF_NUMBER_SIZE + 16];
    char number[MF_NUMBER_SIZE];
    if (!fact->known) {
        mf_str_add(to->out, "null");
    } else if (field->kind == MF_FIELD_QUANTITY) {
        mf_str_printf(to->out,
                      "\"%s\"",
                      mf_quantity_text(buffer, fact->value, field->dimension, FILE_DIGITS));
    } else {
        const int digits = field->whole ? 15 : FILE_DIGITS;
        mf_str_add(to->out, mf_number_text(number, fact->value, digits));
    }
}

static void write_count(writer *to, const mf_field *field, const void *slot)
{
    uint64_t value = 0;
    uint32_t narrow = 0;
    if (field->width == sizeof narrow) {
        memcpy(&narrow, slot, sizeof narrow);
        value = narrow;
    } else {
        memcpy(&value, slot, sizeof value);
    }
    mf_str_printf(to->out, "%" PRIu64, value);
}

static bool is_flat(const mf_table *table)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        const mf_field_kind kind = table->fields[i].kind;
        if (kind == MF_FIELD_LIST || kind == MF_FIELD_RECORD || kind == MF_FIELD_SOURCES) {
            return false;
        }
    }
    return true;
}

static void write_flat(writer *to, const mf_table *table, const void *from);

static void
write_items(writer *to, const mf_table *table, const char *items, size_t n_items, size_t indent)
{
    mf_str_add(to->out, "[");
    for (size_t i = 0; i < n_items; i++) {
        const char *item = items + i * table->size;
        mf_str_add(to->out, i > 0 ? ",\n" : "\n");
        mf_str_add_char(to->out, ' ', indent + 2);
        if (is_flat(table)) {
            write_flat(to, table, item);
        } else {
            write_object(to, table, item, indent + 2);
        }
    }
    if (n_items > 0) {
        mf_str_add(to->out, "\n");
        mf_str_add_char(to->out, ' ', indent);
    }
    mf_str_add(to->out, "]");
}

static void write_list(writer *to, const mf_field *field, const void *from, size_t indent)
{
    char *items = NULL;
    size_t n_items = 0;
    memcpy(&items, member(field, from), sizeof items);
    memcpy(&n_items, (const char *)from + field->n_offset, sizeof n_items);
    write_items(to, field->table, items, n_items, indent);
}

static void write_value(writer *to, const mf_field *field, const void *from, size_t indent)
{
    unsigned choice = 0;
    if (field->kind == MF_FIELD_SOURCES) {
        write_items(
            to, field->table, (const char *)to->sources->items, to->sources->n_items, indent);
        return;
    }
    if (!field->stored) {
        mf_str_add(to->out, field->kind == MF_FIELD_COUNT ? field->example : "[]");
        return;
    }
    const void *slot = member(field, from);
    switch (field->kind) {
    case MF_FIELD_TEXT:
    case MF_FIELD_DATE:
    case MF_FIELD_PERIOD:
        mf_json_quote(to->out, text_member(field, from));
        break;
    case MF_FIELD_CHOICE:
        memcpy(&choice, slot, sizeof choice);
        mf_json_quote(to->out, field->words[choice]);
        break;
    case MF_FIELD_BOOL:
        mf_str_add(to->out, *(const bool *)slot ? "true" : "false");
        break;
    case MF_FIELD_COUNT:
        write_count(to, field, slot);
        break;
    case MF_FIELD_NUMBER:
    case MF_FIELD_QUANTITY:
        write_fact(to, field, slot);
        break;
    case MF_FIELD_RECORD:
        write_object(to, field->table, slot, indent);
        break;
    case MF_FIELD_LIST:
        write_list(to, field, from, indent);
        break;
    case MF_FIELD_TEXTS:
    case MF_FIELD_SOURCES:
    case MF_FIELD_SOURCE:
        mf_str_add(to->out, "null");
        break;
    }
}

static void write_flat(writer *to, const mf_table *table, const void *from)
{
    mf_str_add(to->out, "{");
    for (size_t i = 0; i < table->n_fields; i++) {
        const mf_field *field = &table->fields[i];
        mf_str_printf(to->out, "%s\"%s\": ", i > 0 ? ", " : "", field->key);
        write_value(to, field, from, 0);
    }
    mf_str_add(to->out, "}");
}

static void write_object(writer *to, const mf_table *table, const void *from, size_t indent)
{
    mf_str_add(to->out, "{");
    for (size_t i = 0; i < table->n_fields; i++) {
        const mf_field *field = &table->fields[i];
        mf_str_add(to->out, i > 0 ? ",\n" : "\n");
        mf_str_add_char(to->out, ' ', indent + 2);
        mf_str_printf(to->out, "\"%s\": ", field->key);
        write_value(to, field, from, indent + 2);
    }
    mf_str_add(to->out, "\n");
    mf_str_add_char(to->out, ' ', indent);
    mf_str_add(to->out, "}");
}

void mf_fields_write(mf_str *out,
                     const mf_table *table,
                     const void *from,
                     const mf_sources *sources)
{
    writer to = {.out = out, .sources = sources};
    write_object(&to, table, from, 0);
    mf_str_add(out, "\n");
}
