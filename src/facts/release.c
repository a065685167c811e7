/*
 * release.c - further releases of a model: the same shape under another name, trained for another context. The model's file is
 * read, so that a tuned model needs no copy of it.
 */
#include <stdlib.h>

#include "base/str.h"
#include "facts/readers.h"
#include "facts/sources.h"

static const mf_field release_fields[] = {
    MF_FIELD(.key = "id",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_release, id),
             .example = "\"example-3b-coder\"",
             .help = "lower case with dashes, unlike any model's"),
    MF_FIELD(.key = "of",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_release, of),
             .example = "\"llama-3.1-8b\"",
             .help = "id of the model whose tensors it has"),
    MF_FIELD(.key = "name",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_release, name),
             .example = "\"Example-3B-Coder\"",
             .help = "as its maker calls it"),
    MF_FIELD(.key = "context",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_release, context),
             .min = 1,
             .max = 1u << 30,
             .example = "131072",
             .help = "tokens it was trained for"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table release_table = MF_TABLE("release", release_fields, sizeof(mf_release));

static const mf_field releases_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "rows",
             .kind = MF_FIELD_LIST,
             .table = &release_table,
             .help = "one a release"),
    MF_SOURCES_FIELD,
};

const mf_table mf_releases_table = MF_TABLE("releases", releases_fields, 0);

mf_status mf_release_read(mf_release *release, const mf_json *json, mf_row row, mf_error *err)
{
    mf_release read = {0};
    mf_status status = mf_row_read(&release_table, json, row, &read, &read.sources, err);
    if (status == MF_OK && mf_sources_find(&read.sources, "context") == MF_NO_SOURCE) {
        status = mf_json_fail(json, row.node, err, "the context of '%s' has no source", read.id);
    }
    if (status != MF_OK) {
        mf_release_clear(&read);
        return status;
    }
    *release = read;
    return MF_OK;
}

void mf_release_clear(mf_release *release)
{
    mf_fields_free(&release_table, release);
    mf_sources_free(&release->sources);
}

mf_status mf_release_apply(mf_model *model, const mf_release *release, mf_error *err)
{
    char covers[] = "context";
    mf_source source = release->sources.items[mf_sources_find(&release->sources, covers)];
    char *id = mf_strdup(release->id);
    char *name = mf_strdup(release->name);
    mf_status status = id != NULL && name != NULL
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "out of memory for a model's name");
    if (status == MF_OK) {
        source.covers = covers;
        status = mf_sources_add(&model->sources, &source, err);
    }
    if (status != MF_OK) {
        free(id);
        free(name);
        return status;
    }
    free(model->id);
    free(model->name);
    model->id = id;
    model->name = name;
    model->context_max = release->context;
    return MF_OK;
}
