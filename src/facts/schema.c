/*
 * schema.c - a kind's table as JSON Schema (draft 2020-12), for editors. Sources and references stay with `db check`.
 */
#include "base/num.h"
#include "facts/kinds.h"

#define DATE "[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?"

typedef struct writer {
    mf_str *out;
    size_t indent;
} writer;

static void write_object(writer *to, const mf_table *table, bool nullable);

static void line(writer *to)
{
    mf_str_add(to->out, "\n");
    mf_str_add_char(to->out, ' ', to->indent);
}

static void open_brace(writer *to)
{
    mf_str_add(to->out, "{");
    to->indent += 2;
}

static void close_brace(writer *to, const char *brace)
{
    to->indent -= 2;
    line(to);
    mf_str_add(to->out, brace);
}

static void write_type(writer *to, const char *type, bool nullable)
{
    line(to);
    mf_str_printf(to->out, nullable ? "\"type\": [\"%s\", \"null\"]" : "\"type\": \"%s\"", type);
}

static void write_bound(writer *to, const char *key, double value)
{
    char number[MF_NUMBER_SIZE];
    mf_str_add(to->out, ",");
    line(to);
    mf_str_printf(to->out, "\"%s\": %s", key, mf_number_text(number, value, 15));
}

static void write_number(writer *to, const mf_field *field, const char *type)
{
    write_type(to, type, field->nullable);
    if (field->kind == MF_FIELD_COUNT || !field->below_zero) {
        write_bound(to, "minimum", field->min);
    }
    if (field->max > 0) {
        write_bound(to, "maximum", field->max);
    }
}

static void write_text(writer *to, const mf_field *field, const char *pattern)
{
    write_type(to, "string", field->nullable);
    mf_str_add(to->out, ",");
    line(to);
    mf_str_printf(to->out, "\"pattern\": \"%s\"", pattern);
}

static void write_quantity(writer *to, const mf_field *field)
{
    mf_str pattern = {0};
    mf_str_add(&pattern, "^[0-9]+(\\\\.[0-9]+)?([eE][+-]?[0-9]+)? ?(");
    const char *unit = mf_dimension_unit(field->dimension, 0);
    for (size_t i = 0; unit != NULL; i++) {
        mf_str_printf(&pattern, "%s%s", i > 0 ? "|" : "", unit);
        unit = mf_dimension_unit(field->dimension, i + 1);
    }
    mf_str_add(&pattern, ")$");
    write_text(to, field, pattern.data != NULL ? pattern.data : "");
    mf_str_free(&pattern);
}

static void write_choice(writer *to, const mf_field *field)
{
    line(to);
    mf_str_add(to->out, "\"enum\": [");
    for (size_t i = field->first_word; i < field->n_words; i++) {
        mf_str_printf(to->out, "%s\"%s\"", i > field->first_word ? ", " : "", field->words[i]);
    }
    mf_str_add(to->out, field->nullable ? ", null]" : "]");
}

static void write_texts(writer *to, const mf_field *field)
{
    write_type(to, "array", field->nullable);
    mf_str_add(to->out, ",");
    line(to);
    mf_str_add(to->out, "\"items\": {\"type\": \"string\"}");
}

static void write_list(writer *to, const mf_field *field)
{
    write_type(to, "array", field->nullable);
    if (field->min > 0) {
        write_bound(to, "minItems", field->min);
    }
    mf_str_add(to->out, ",");
    line(to);
    mf_str_add(to->out, "\"items\": ");
    open_brace(to);
    write_object(to, field->table, false);
    close_brace(to, "}");
}

static void write_form(writer *to, const mf_field *field)
{
    switch (field->kind) {
    case MF_FIELD_TEXT:
        write_text(to, field, ".");
        break;
    case MF_FIELD_DATE:
        write_text(to, field, "^" DATE "$");
        break;
    case MF_FIELD_PERIOD:
        write_text(to, field, "^((" DATE "|\\\\.\\\\.)/)?" DATE "$");
        break;
    case MF_FIELD_CHOICE:
        write_choice(to, field);
        break;
    case MF_FIELD_BOOL:
        write_type(to, "boolean", field->nullable);
        break;
    case MF_FIELD_COUNT:
        write_number(to, field, "integer");
        break;
    case MF_FIELD_NUMBER:
        write_number(to, field, field->whole ? "integer" : "number");
        break;
    case MF_FIELD_QUANTITY:
        write_quantity(to, field);
        break;
    case MF_FIELD_TEXTS:
        write_texts(to, field);
        break;
    case MF_FIELD_RECORD:
    case MF_FIELD_SOURCE:
        write_object(to, field->table, field->nullable);
        break;
    case MF_FIELD_LIST:
    case MF_FIELD_SOURCES:
        write_list(to, field);
        break;
    }
}

static void write_property(writer *to, const mf_field *field)
{
    line(to);
    mf_str_printf(to->out, "\"%s\": ", field->key);
    open_brace(to);
    line(to);
    mf_str_add(to->out, "\"description\": ");
    mf_json_quote(to->out, field->help);
    mf_str_add(to->out, ",");
    write_form(to, field);
    close_brace(to, "}");
}

/* The members of an object's schema. */
static void write_object(writer *to, const mf_table *table, bool nullable)
{
    write_type(to, "object", nullable);
    mf_str_add(to->out, ",");
    line(to);
    mf_str_add(to->out, "\"additionalProperties\": false,");
    line(to);
    mf_str_add(to->out, "\"required\": [");
    const char *comma = "";
    for (size_t i = 0; i < table->n_fields; i++) {
        if (!table->fields[i].optional) {
            mf_str_printf(to->out, "%s\"%s\"", comma, table->fields[i].key);
            comma = ", ";
        }
    }
    mf_str_add(to->out, "],");
    line(to);
    mf_str_add(to->out, "\"properties\": ");
    open_brace(to);
    line(to);
    mf_str_add(to->out, "\"$schema\": {\"type\": \"string\"}");
    for (size_t i = 0; i < table->n_fields; i++) {
        mf_str_add(to->out, ",");
        write_property(to, &table->fields[i]);
    }
    close_brace(to, "}");
}

void mf_schema_write(mf_str *out, mf_file_kind kind)
{
    const mf_file_info *info = mf_file_kind_info(kind);
    writer to = {.out = out};
    open_brace(&to);
    line(&to);
    mf_str_add(out, "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",");
    line(&to);
    mf_str_printf(out, "\"title\": \"memfit %s\",", info->name);
    write_object(&to, info->table, false);
    close_brace(&to, "}");
    mf_str_add(out, "\n");
}
