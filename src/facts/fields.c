#include "facts/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "facts/sources.h"
#include "memfit/price.h"

static bool
read_record(mf_reader *reader, const mf_table *table, const mf_node *node, void *target);

static void *member(const mf_field *field, void *target)
{
    return field->stored && target != NULL ? (char *)target + field->offset : NULL;
}

size_t mf_reader_enter(mf_reader *reader, const char *key)
{
    const size_t mark = reader->path_size;
    const size_t room = sizeof reader->path - mark;
    const int n = snprintf(reader->path + mark, room, "%s%s", mark > 0 ? "." : "", key);
    reader->path_size = n > 0 && (size_t)n < room ? mark + (size_t)n : mark;
    return mark;
}

size_t mf_reader_enter_index(mf_reader *reader, size_t index)
{
    const size_t mark = reader->path_size;
    const size_t room = sizeof reader->path - mark;
    const int n = snprintf(reader->path + mark, room, "[%zu]", index);
    reader->path_size = n > 0 && (size_t)n < room ? mark + (size_t)n : mark;
    return mark;
}

void mf_reader_leave(mf_reader *reader, size_t mark)
{
    reader->path_size = mark;
    reader->path[mark] = '\0';
}

static bool note(mf_reader *reader, const mf_error *problem)
{
    if (reader->status == MF_OK) {
        reader->status = problem->status;
        (void)mf_fail(reader->err, problem->status, "%s", problem->message);
    }
    if (reader->on_problem != NULL) {
        reader->on_problem(reader->payload, problem->message);
    }
    return reader->on_problem != NULL && problem->status != MF_E_NOMEM;
}

bool mf_reader_problem(mf_reader *reader, const mf_node *node, const char *format, ...)
{
    char text[MF_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mf_error problem = {0};
    if (reader->path_size > 0) {
        (void)mf_json_fail(reader->json, node, &problem, "'%s' %s", reader->path, text);
    } else {
        (void)mf_json_fail(reader->json, node, &problem, "%s", text);
    }
    return note(reader, &problem);
}

static bool no_memory(mf_reader *reader)
{
    mf_error problem = {.status = MF_E_NOMEM, .message = "out of memory for a fact file"};
    return note(reader, &problem);
}

static bool store_text(mf_reader *reader, char **slot, const char *text)
{
    if (slot == NULL) {
        return true;
    }
    *slot = mf_strdup(text);
    return *slot != NULL || no_memory(reader);
}

static bool read_text(mf_reader *reader, const mf_field *field, const mf_node *node, void *slot)
{
    const char *text = mf_node_string(node);
    if (text == NULL) {
        return mf_reader_problem(reader, node, "must be text");
    }
    if (text[0] == '\0') {
        return mf_reader_problem(reader, node, "is empty%s", field->nullable ? ", write null" : "");
    }
    return store_text(reader, slot, text);
}

static bool in_range(const char *digits, const char *low, const char *high)
{
    return memcmp(digits, low, 2) >= 0 && memcmp(digits, high, 2) <= 0;
}

/* 2026, 2026-01 or 2026-01-31 in text[0..size). */
static bool is_date(const char *text, size_t size)
{
    static const char shape[] = "dddd-dd-dd";
    if (size != 4 && size != 7 && size != 10) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == 'd' ? !digit : text[i] != '-') {
            return false;
        }
    }
    return (size < 7 || in_range(text + 5, "01", "12")) &&
           (size < 10 || in_range(text + 8, "01", "31"));
}

static bool is_period(const char *text)
{
    const size_t size = strcspn(text, "/");
    if (text[size] == '\0') {
        return is_date(text, size);
    }
    const char *end = text + size + 1;
    return (is_date(text, size) || (size == 2 && memcmp(text, "..", 2) == 0)) &&
           is_date(end, strlen(end));
}

static bool read_date(mf_reader *reader, const mf_node *node, void *slot)
{
    const char *text = mf_node_string(node);
    if (text == NULL || !is_date(text, strlen(text))) {
        return mf_reader_problem(
            reader, node, "must be a date, write \"2026-01-31\" or \"2026-01\"");
    }
    return store_text(reader, slot, text);
}

static bool read_period(mf_reader *reader, const mf_node *node, void *slot)
{
    const char *text = mf_node_string(node);
    if (text == NULL || !is_period(text)) {
        return mf_reader_problem(
            reader, node, "must be a date or period, write \"2026-01-31\" or \"2026-01/2026-03\"");
    }
    return store_text(reader, slot, text);
}

static bool
unknown_choice(mf_reader *reader, const mf_field *field, const mf_node *node, const char *text)
{
    enum { FEW_WORDS = 16 };
    mf_nearest nearest = {.text = text};
    mf_str words = {0};
    for (size_t i = field->first_word; i < field->n_words; i++) {
        mf_nearest_try(&nearest, field->words[i]);
        mf_str_printf(&words, "%s%s", words.size > 0 ? ", " : "", field->words[i]);
    }
    bool more = false;
    if (nearest.best != NULL) {
        more = mf_reader_problem(
            reader, node, "can't be '%s', did you mean '%s'?", text, nearest.best);
    } else if (field->n_words <= FEW_WORDS && words.data != NULL) {
        more = mf_reader_problem(reader, node, "can't be '%s', it is one of %s", text, words.data);
    } else {
        more = mf_reader_problem(reader, node, "can't be '%s', see 'memfit db explain'", text);
    }
    mf_str_free(&words);
    return more;
}

static bool read_choice(mf_reader *reader, const mf_field *field, const mf_node *node, void *slot)
{
    const char *text = mf_node_string(node);
    if (text == NULL) {
        return mf_reader_problem(reader, node, "must be text, %s for instance", field->example);
    }
    unsigned value = (unsigned)field->first_word;
    while (value < field->n_words && strcmp(field->words[value], text) != 0) {
        value++;
    }
    if (value == field->n_words) {
        return unknown_choice(reader, field, node, text);
    }
    if (slot != NULL) {
        memcpy(slot, &value, sizeof value);
    }
    return true;
}

static bool read_bool(mf_reader *reader, const mf_node *node, bool *slot)
{
    bool value = false;
    if (!mf_node_bool(&value, node)) {
        return mf_reader_problem(reader, node, "must be true or false");
    }
    if (slot != NULL) {
        *slot = value;
    }
    return true;
}

/* True if the value is fine; otherwise *more tells whether to go on. */
static bool
check_range(mf_reader *reader, const mf_field *field, const mf_node *node, double value, bool *more)
{
    char number[MF_NUMBER_SIZE];
    *more = true;
    if (value < field->min && !field->below_zero) {
        *more =
            mf_reader_problem(reader, node, "is below %s", mf_number_text(number, field->min, 6));
        return false;
    }
    if (field->max > 0 && value > field->max) {
        char quantity[MF_NUMBER_SIZE + 16];
        const char *limit = field->kind == MF_FIELD_QUANTITY
                                ? mf_quantity_text(quantity, field->max, field->dimension, 6)
                                : mf_number_text(number, field->max, 15);
        *more = mf_reader_problem(reader, node, "is above %s, check its unit", limit);
        return false;
    }
    return true;
}

/* Index of the source that covers the current path; MF_NO_SOURCE is a problem and sets *more. */
static int find_source(mf_reader *reader, const mf_node *node, bool *more)
{
    const char *path = reader->path + reader->sources_at;
    const int source = mf_sources_find(reader->sources, path);
    *more = true;
    if (source == MF_NO_SOURCE) {
        *more = mf_reader_problem(
            reader, node, "has no source, add one to \"sources\" whose \"for\" names '%s'", path);
    }
    return source;
}

static bool read_count(mf_reader *reader, const mf_field *field, const mf_node *node, void *slot)
{
    uint64_t value = 0;
    if (!mf_node_uint(&value, node)) {
        return mf_reader_problem(
            reader, node, "must be a whole number, %s for instance", field->example);
    }
    bool more = true;
    if (!check_range(reader, field, node, (double)value, &more)) {
        return more;
    }
    if (field->sourced && find_source(reader, node, &more) == MF_NO_SOURCE) {
        return more;
    }
    if (field->width == sizeof(uint32_t) && value > UINT32_MAX) {
        return mf_reader_problem(reader, node, "is above %u", UINT32_MAX);
    }
    if (slot != NULL && field->width == sizeof(uint32_t)) {
        memcpy(slot, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
    } else if (slot != NULL) {
        memcpy(slot, &value, sizeof value);
    }
    return true;
}

static bool store_fact(
    mf_reader *reader, const mf_field *field, const mf_node *node, double value, mf_fact *slot)
{
    bool more = true;
    if (!check_range(reader, field, node, value, &more)) {
        return more;
    }
    if (!field->zero && !(fabs(value) > 0)) {
        return mf_reader_problem(reader, node, "is 0, write null if it is not known");
    }
    const int source = find_source(reader, node, &more);
    if (source == MF_NO_SOURCE) {
        return more;
    }
    if (slot != NULL) {
        *slot = (mf_fact){.value = value, .known = true, .source = source};
    }
    return true;
}

static bool
read_number(mf_reader *reader, const mf_field *field, const mf_node *node, mf_fact *slot)
{
    double value = 0;
    uint64_t whole = 0;
    if (!mf_node_double(&value, node) || (field->whole && !mf_node_uint(&whole, node))) {
        return mf_reader_problem(reader,
                                 node,
                                 "must be a %s, %s for instance",
                                 field->whole ? "whole number" : "bare number",
                                 field->example);
    }
    return store_fact(reader, field, node, value, slot);
}

static bool
read_quantity(mf_reader *reader, const mf_field *field, const mf_node *node, mf_fact *slot)
{
    const char *text = mf_node_string(node);
    if (text == NULL) {
        return mf_reader_problem(reader,
                                 node,
                                 "must be text with a unit, write \"%s\"",
                                 mf_dimension_example(field->dimension));
    }
    double value = 0;
    mf_error problem = {0};
    if (mf_parse_quantity(&value, text, field->dimension, &problem) != MF_OK) {
        return mf_reader_problem(reader, node, "is wrong: %s", problem.message);
    }
    if (slot != NULL && field->dimension == MF_DIM_MONEY && field->width == sizeof(mf_money)) {
        mf_money *money = (mf_money *)(void *)slot; /* whose first member the fact is */
        money->currency = strstr(text, "EUR") != NULL ? MF_EUR : MF_USD;
    }
    return store_fact(reader, field, node, value, slot);
}

static bool read_texts(mf_reader *reader, const mf_node *node, const mf_node **slot)
{
    if (mf_node_kind_of(node) != MF_NODE_ARRAY) {
        return mf_reader_problem(reader, node, "must be a list of texts");
    }
    size_t index = 0;
    for (const mf_node *item = mf_node_first(node); item != NULL; item = mf_node_next(item)) {
        const size_t mark = mf_reader_enter_index(reader, index++);
        const bool more =
            mf_node_string(item) != NULL || mf_reader_problem(reader, item, "must be text");
        mf_reader_leave(reader, mark);
        if (!more) {
            return false;
        }
    }
    if (slot != NULL) {
        *slot = node;
    }
    return true;
}

static bool read_items(mf_reader *reader, const mf_field *field, const mf_node *node, char *items)
{
    size_t index = 0;
    for (const mf_node *item = mf_node_first(node); item != NULL; item = mf_node_next(item)) {
        const size_t mark = mf_reader_enter_index(reader, index);
        void *target = items == NULL ? NULL : items + index * field->table->size;
        const bool more = read_record(reader, field->table, item, target);
        mf_reader_leave(reader, mark);
        index++;
        if (!more) {
            return false;
        }
    }
    return true;
}

static bool read_list(mf_reader *reader, const mf_field *field, const mf_node *node, void *target)
{
    if (mf_node_kind_of(node) != MF_NODE_ARRAY) {
        return mf_reader_problem(reader, node, "must be a list");
    }
    const size_t n = mf_node_count(node);
    if ((double)n < field->min && !mf_reader_problem(reader, node, "needs an entry")) {
        return false;
    }
    void **slot = member(field, target);
    if (slot == NULL || n == 0) {
        return read_items(reader, field, node, NULL);
    }
    *slot = calloc(n, field->table->size);
    if (*slot == NULL) {
        return no_memory(reader);
    }
    memcpy((char *)target + field->n_offset, &n, sizeof n);
    return read_items(reader, field, node, *slot);
}

static bool read_field(mf_reader *reader, const mf_field *field, const mf_node *node, void *target)
{
    if (field->nullable && mf_node_kind_of(node) == MF_NODE_NULL) {
        return true;
    }
    void *slot = member(field, target);
    switch (field->kind) {
    case MF_FIELD_TEXT:
        return read_text(reader, field, node, slot);
    case MF_FIELD_DATE:
        return read_date(reader, node, slot);
    case MF_FIELD_PERIOD:
        return read_period(reader, node, slot);
    case MF_FIELD_CHOICE:
        return read_choice(reader, field, node, slot);
    case MF_FIELD_BOOL:
        return read_bool(reader, node, slot);
    case MF_FIELD_COUNT:
        return read_count(reader, field, node, slot);
    case MF_FIELD_NUMBER:
        return read_number(reader, field, node, slot);
    case MF_FIELD_QUANTITY:
        return read_quantity(reader, field, node, slot);
    case MF_FIELD_TEXTS:
        return read_texts(reader, node, slot);
    case MF_FIELD_RECORD:
        return read_record(reader, field->table, node, slot);
    case MF_FIELD_LIST:
        return read_list(reader, field, node, target);
    case MF_FIELD_SOURCES:
    case MF_FIELD_SOURCE:
        return true; /* read first, as facts point to them */
    }
    return true;
}

static bool read_source_field(mf_reader *reader, const mf_field *field, const mf_node *node)
{
    if (field->kind == MF_FIELD_SOURCE) {
        reader->sources_at = reader->path_size > 0 ? reader->path_size + 1 : 0;
        mf_sources_free(reader->sources);
    }
    /* A row without a source of its own stands on the file's. */
    const mf_node *root = mf_json_root(reader->json);
    if (field->kind == MF_FIELD_SOURCE && mf_node_kind_of(node) == MF_NODE_NULL) {
        const mf_node *list = mf_node_get(root, "sources");
        return list == NULL || read_list(reader, &mf_sources_field, list, reader->sources);
    }
    const size_t mark = mf_reader_enter(reader, field->key);
    bool more = true;
    if (field->kind == MF_FIELD_SOURCES) {
        mf_sources_free(reader->sources);
        more = read_list(reader, &mf_sources_field, node, reader->sources);
    } else {
        mf_source *item = calloc(1, sizeof *item);
        more = item != NULL || no_memory(reader);
        if (item != NULL) {
            *reader->sources = (mf_sources){.items = item, .n_items = 1};
            more = read_record(reader, &mf_row_source_table, node, item);
        }
    }
    mf_reader_leave(reader, mark);
    return more;
}

static bool read_sources_first(mf_reader *reader, const mf_table *table, const mf_node *node)
{
    bool more = true;
    for (size_t i = 0; more && i < table->n_fields; i++) {
        const mf_field *field = &table->fields[i];
        if (field->kind == MF_FIELD_SOURCES || field->kind == MF_FIELD_SOURCE) {
            const mf_node *child = mf_node_get(node, field->key);
            more = child == NULL || read_source_field(reader, field, child);
        }
    }
    return more;
}

static bool refuse_unknown_key(mf_reader *reader, const mf_table *table, const mf_node *child)
{
    const char *key = mf_node_key(child);
    mf_nearest nearest = {.text = key};
    for (size_t i = 0; i < table->n_fields; i++) {
        mf_nearest_try(&nearest, table->fields[i].key);
    }
    if (nearest.best != NULL) {
        return mf_reader_problem(
            reader, child, "has the unknown key '%s', did you mean '%s'?", key, nearest.best);
    }
    return mf_reader_problem(reader, child, "has the unknown key '%s'", key);
}

static bool read_member(mf_reader *reader, const mf_field *field, const mf_node *node, void *target)
{
    const mf_node *child = mf_node_get(node, field->key);
    if (child == NULL && field->optional) {
        return true;
    }
    const size_t mark = mf_reader_enter(reader, field->key);
    const bool more =
        child != NULL ? read_field(reader, field, child, target)
                      : mf_reader_problem(reader,
                                          node,
                                          "is missing%s",
                                          field->nullable ? ", write null if it is not known" : "");
    mf_reader_leave(reader, mark);
    return more;
}

static bool read_record(mf_reader *reader, const mf_table *table, const mf_node *node, void *target)
{
    if (mf_node_kind_of(node) != MF_NODE_OBJECT) {
        return mf_reader_problem(reader, node, "must be an object");
    }
    bool more = read_sources_first(reader, table, node);
    for (size_t i = 0; more && i < table->n_fields; i++) {
        more = read_member(reader, &table->fields[i], node, target);
    }
    for (const mf_node *child = mf_node_first(node); more && child != NULL;
         child = mf_node_next(child)) {
        if (mf_table_field(table, mf_node_key(child)) == NULL &&
            strcmp(mf_node_key(child), "$schema") != 0) {
            more = refuse_unknown_key(reader, table, child);
        }
    }
    return more;
}

bool mf_fields_read(mf_reader *reader, const mf_table *table, const mf_node *node, void *target)
{
    const bool own = reader->sources == NULL;
    if (own) {
        reader->sources = &reader->scratch;
    }
    const bool more = read_record(reader, table, node, target);
    if (own) {
        mf_sources_free(&reader->scratch);
        reader->sources = NULL;
    }
    return more;
}

static void free_list(const mf_field *field, void *target)
{
    char **slot = member(field, target);
    size_t n = 0;
    memcpy(&n, (char *)target + field->n_offset, sizeof n);
    for (size_t i = 0; i < n; i++) {
        mf_fields_free(field->table, *slot + i * field->table->size);
    }
    free(*slot);
}

void mf_fields_free(const mf_table *table, void *target)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        const mf_field *field = &table->fields[i];
        void *slot = member(field, target);
        if (slot == NULL) {
            continue;
        }
        if (field->kind == MF_FIELD_TEXT || field->kind == MF_FIELD_DATE ||
            field->kind == MF_FIELD_PERIOD) {
            free(*(char **)slot);
        } else if (field->kind == MF_FIELD_RECORD) {
            mf_fields_free(field->table, slot);
        } else if (field->kind == MF_FIELD_LIST) {
            free_list(field, target);
        }
    }
}

const mf_field *mf_table_field(const mf_table *table, const char *key)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        if (strcmp(table->fields[i].key, key) == 0) {
            return &table->fields[i];
        }
    }
    return NULL;
}

void mf_nearest_try(mf_nearest *nearest, const char *name)
{
    const size_t limit = strlen(nearest->text) / 3 + 1;
    const size_t distance = mf_edit_distance(nearest->text, name, limit);
    if (distance <= limit && (nearest->best == NULL || distance < nearest->distance)) {
        nearest->best = name;
        nearest->distance = distance;
    }
}
