#include "facts/sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *const kind_names[] = {
    [MF_SOURCE_VENDOR] = "vendor",
    [MF_SOURCE_MEASURED] = "measured",
    [MF_SOURCE_DERIVED] = "derived",
    [MF_SOURCE_ASSUMED] = "assumed",
};

#define COVERS_FIELD                                                                               \
    .key = "for", .kind = MF_FIELD_TEXT, MF_INTO(mf_source, covers),                               \
    .help = "fields it is good for, comma separated; \"*\" for all", .example = "\"*\""

#define ORIGIN_FIELDS                                                                              \
    MF_FIELD(.key = "kind",                                                                        \
             .kind = MF_FIELD_CHOICE,                                                              \
             MF_INTO(mf_source, kind),                                                             \
             .words = kind_names,                                                                  \
             .n_words = sizeof kind_names / sizeof kind_names[0],                                  \
             .help = "how it came by its numbers",                                                 \
             .example = "\"vendor\""),                                                             \
        MF_FIELD(.key = "title",                                                                   \
                 .kind = MF_FIELD_TEXT,                                                            \
                 MF_INTO(mf_source, title),                                                        \
                 .help = "what was read; for a derived number, how it was computed",               \
                 .example = "\"data sheet\""),                                                     \
        MF_FIELD(.key = "url",                                                                     \
                 .kind = MF_FIELD_TEXT,                                                            \
                 MF_INTO(mf_source, url),                                                          \
                 .nullable = true,                                                                 \
                 .help = "where it can be read",                                                   \
                 .example = "null"),                                                               \
        MF_FIELD(.key = "seen",                                                                    \
                 .kind = MF_FIELD_DATE,                                                            \
                 MF_INTO(mf_source, seen),                                                         \
                 .nullable = true,                                                                 \
                 .help = "date it was read",                                                       \
                 .example = "\"2026-01-31\""),

static const mf_field row_source_fields[] = {MF_FIELD(COVERS_FIELD, .optional = true),
                                             ORIGIN_FIELDS};
static const mf_field file_source_fields[] = {MF_FIELD(COVERS_FIELD), ORIGIN_FIELDS};

const mf_table mf_row_source_table = MF_TABLE("source", row_source_fields, sizeof(mf_source));
const mf_table mf_file_source_table = MF_TABLE("source", file_source_fields, sizeof(mf_source));

const mf_field mf_sources_field = {
    .key = "sources",
    .kind = MF_FIELD_LIST,
    MF_INTO(mf_sources, items),
    .n_offset = offsetof(mf_sources, n_items),
    .table = &mf_file_source_table,
};

const char *mf_source_kind_name(mf_source_kind kind)
{
    return kind_names[kind];
}

void mf_sources_free(mf_sources *sources)
{
    for (size_t i = 0; i < sources->n_items; i++) {
        mf_fields_free(&mf_row_source_table, &sources->items[i]);
    }
    free(sources->items);
    *sources = (mf_sources){0};
}

static bool copied(const char *from, const char *to)
{
    return (from == NULL) == (to == NULL);
}

mf_status mf_sources_add(mf_sources *sources, const mf_source *source, mf_error *err)
{
    mf_source *grown = realloc(sources->items, (sources->n_items + 1) * sizeof *grown);
    if (grown == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for sources");
    }
    sources->items = grown;
    mf_source *copy = &grown[sources->n_items++];
    *copy = (mf_source){
        .covers = mf_strdup(source->covers),
        .title = mf_strdup(source->title),
        .url = mf_strdup(source->url),
        .seen = mf_strdup(source->seen),
        .kind = source->kind,
    };
    if (!copied(source->covers, copy->covers) || !copied(source->title, copy->title) ||
        !copied(source->url, copy->url) || !copied(source->seen, copy->seen)) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for sources");
    }
    return MF_OK;
}

/* Compares covers[0..size) with the start of path, indices in path skipped; *rest is set behind it. */
static bool starts_with(const char *path, const char *covers, size_t size, const char **rest)
{
    for (size_t i = 0; i < size; i++) {
        path += *path == '[' ? strcspn(path, "]") + 1 : 0;
        if (*path == '\0' || *path != covers[i]) {
            return false;
        }
        path++;
    }
    *rest = path;
    return true;
}

bool mf_source_covers(const char *covers, const char *path)
{
    while (*covers != '\0') {
        covers += strspn(covers, ", ");
        const size_t size = strcspn(covers, ", ");
        const char *rest = "x";
        if (size == 1 && *covers == '*') {
            return true;
        }
        if (size > 0 && starts_with(path, covers, size, &rest) &&
            (*rest == '\0' || *rest == '.' || *rest == '[')) {
            return true;
        }
        covers += size;
    }
    return false;
}

int mf_sources_find(const mf_sources *sources, const char *path)
{
    for (size_t i = 0; sources != NULL && i < sources->n_items; i++) {
        const char *covers = sources->items[i].covers;
        if (covers == NULL || mf_source_covers(covers, path)) {
            return (int)i;
        }
    }
    return MF_NO_SOURCE;
}
