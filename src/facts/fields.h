/*
 * fields.h - what stands in a fact file, as tables of rows. One table drives the reader, the checker, the template of
 * `db new`, the text of `db explain` and the JSON Schema, so that they can't drift apart.
 */
#ifndef MF_FACTS_FIELDS_H
#define MF_FACTS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/units.h"
#include "facts/json.h"
#include "memfit/fact.h"

typedef enum mf_field_kind {
    MF_FIELD_TEXT, /* char * */
    MF_FIELD_DATE, /* char *: 2026, 2026-01 or 2026-01-31 */
    MF_FIELD_PERIOD, /* char *: a date, or two with '/' between them, the first may be ".." (ISO 8601-2) */
    MF_FIELD_CHOICE,   /* an enum whose values index `words` */
    MF_FIELD_BOOL,     /* bool */
    MF_FIELD_COUNT,    /* uint32_t or uint64_t; null leaves it as it is */
    MF_FIELD_NUMBER,   /* mf_fact from a bare number */
    MF_FIELD_QUANTITY, /* mf_fact from text with a unit */
    MF_FIELD_TEXTS,    /* const mf_node * of a list of texts, borrowed from the JSON */
    MF_FIELD_RECORD,   /* the struct of `table` */
    MF_FIELD_LIST,     /* pointer to an array of the struct of `table`, and a size_t for how many */
    MF_FIELD_SOURCES,  /* goes to mf_reader.sources */
    MF_FIELD_SOURCE,   /* the one source of a row; null: the file's sources */
} mf_field_kind;

typedef struct mf_table mf_table;

typedef struct mf_field {
    const char *key;
    mf_field_kind kind;
    bool optional;   /* the key may be absent */
    bool nullable;   /* null: not known, or does not apply */
    bool whole;      /* NUMBER: no fraction */
    bool sourced;    /* COUNT: needs a source like a NUMBER or QUANTITY */
    bool below_zero; /* NUMBER: negative values make sense */
    bool zero;       /* NUMBER, QUANTITY: 0 makes sense; elsewhere it hides an unknown */
    bool stored;     /* offset and width are set */
    size_t offset;   /* of the member in the struct */
    size_t width;    /* of the member */
    size_t n_offset; /* LIST: where the number of items goes */
    double min;      /* bounds, in SI; a max of 0 is none */
    double max;
    mf_dimension dimension;
    const char *const *words;
    size_t n_words;
    size_t first_word; /* words before it have no text in files */
    const mf_table *table;
    const char *help; /* one line */
    const char
        *example; /* JSON text for the template; NULL for RECORD and LIST, whose table has them */
} mf_field;

struct mf_table {
    const char *name;
    const mf_field *fields;
    size_t n_fields;
    size_t size; /* of the struct; 0 if nothing is stored */
};

#define MF_INTO(type, member)                                                                      \
    .stored = true, .offset = offsetof(type, member), .width = sizeof(((type *)NULL)->member)

/* A row as designated initialisers. (A macro, as clang-format 14 crashes on arrays whose braces differ in form.) */
#define MF_FIELD(...)                                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* Rows that every kind of file has. */
#define MF_SCHEMA_FIELD                                                                            \
    {                                                                                              \
        .key = "schema", .kind = MF_FIELD_COUNT, .min = 1, .max = 1,                               \
        .help = "version of this form", .example = "1"                                             \
    }
#define MF_NOTES_FIELD                                                                             \
    {                                                                                              \
        .key = "notes", .kind = MF_FIELD_TEXTS, .help = "what a reader should know",               \
        .example = "[]"                                                                            \
    }
#define MF_SOURCES_FIELD                                                                           \
    {                                                                                              \
        .key = "sources", .kind = MF_FIELD_SOURCES, .table = &mf_file_source_table,                \
        .help = "where the numbers come from"                                                      \
    }
#define MF_ROW_SOURCE_FIELD                                                                        \
    {                                                                                              \
        .key = "source", .kind = MF_FIELD_SOURCE, .nullable = true, .table = &mf_row_source_table, \
        .help = "where the row comes from; null: the file's sources cover it"                      \
    }
#define MF_NOTE_FIELD                                                                              \
    {                                                                                              \
        .key = "note", .kind = MF_FIELD_TEXT, .nullable = true,                                    \
        .help = "what a reader should know", .example = "null"                                     \
    }

#define MF_TABLE(name_, fields_, size_)                                                            \
    {                                                                                              \
        .name = (name_), .fields = (fields_), .n_fields = sizeof(fields_) / sizeof(fields_)[0],    \
        .size = (size_)                                                                            \
    }

extern const mf_table mf_file_source_table; /* mf_source of a "sources" list */
extern const mf_table mf_row_source_table;  /* mf_source of a row; "for" may be absent: all of it */

/* Told of each problem; message is "name:line:column: 'path' ...". */
typedef void mf_problem_fn(void *payload, const char *message);

enum { MF_PATH_SIZE = 160 };

/* One reading of one file. Start with json and err (and on_problem to hear of every problem, not only the first). */
typedef struct mf_reader {
    const mf_json *json;
    mf_error *err;
    mf_problem_fn *on_problem;
    void *payload;
    mf_status status;        /* of the first problem */
    mf_sources *sources;     /* filled from "sources" or "source"; facts index it */
    mf_sources scratch;      /* stands in where sources is NULL */
    char path[MF_PATH_SIZE]; /* of the value at hand: "memory[0].bandwidth" */
    size_t path_size;
    size_t sources_at; /* where in the path the record that the sources belong to begins */
} mf_reader;

/* Fills target (a zeroed struct of the table, NULL to check only) from an object. False if the reading must stop; what
   was filled by then is freed with mf_fields_free. */
bool mf_fields_read(mf_reader *reader, const mf_table *table, const mf_node *node, void *target);

/* Frees the texts and lists that mf_fields_read put into target, not target itself. */
void mf_fields_free(const mf_table *table, void *target);

void mf_sources_free(mf_sources *sources);

/* Notes a problem of node with the current path in front. False if the reading must stop. */
bool mf_reader_problem(mf_reader *reader, const mf_node *node, const char *format, ...)
    MF_PRINTF(3, 4);

/* Adds ".key" or "[index]" to the path; returns what mf_reader_leave takes back. */
size_t mf_reader_enter(mf_reader *reader, const char *key);
size_t mf_reader_enter_index(mf_reader *reader, size_t index);
void mf_reader_leave(mf_reader *reader, size_t mark);

/* True if one of the comma separated paths in covers is "*", path itself or a parent of it. Indices do not count. */
bool mf_source_covers(const char *covers, const char *path);

const mf_field *mf_table_field(const mf_table *table, const char *key);

/* The name nearest to text: fewest edits, at most a third of its length. NULL if none is near. */
typedef struct mf_nearest {
    const char *text;
    const char *best;
    size_t distance;
} mf_nearest;
void mf_nearest_try(mf_nearest *nearest, const char *name);

#endif
