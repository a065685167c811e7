/*
 * gguf.c - a GGUF model from one file, from a split set, or from memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "import/gguf_model.h"
#include "memfit/import.h"

enum {
    MAX_SHARDS = 99999, /* five digits in the name */
    NUMBER_DIGITS = 5,
};

#define SHARD_TAIL "-00001-of-00001.gguf"

typedef struct split_keys {
    uint64_t number;   /* from 0 */
    uint64_t n_shards; /* 0 or 1: not split */
    uint64_t n_tensors;
} split_keys;

static mf_status
read_split_key(uint64_t *out, mf_gguf_file *file, const char *key, bool needed, mf_error *err)
{
    const mf_gguf_value *value = mf_gguf_find(file, key);
    if (value != NULL) {
        return mf_gguf_uint(out, file, value, 0, err);
    }
    return needed ? mf_fail(err,
                            MF_E_DATA,
                            "%s: 'split.count' is there, but the key '%s' is missing",
                            file->bytes.name,
                            key)
                  : MF_OK;
}

static mf_status read_split(split_keys *split, mf_gguf_file *file, mf_error *err)
{
    *split = (split_keys){0};
    mf_status status = read_split_key(&split->n_shards, file, "split.count", false, err);
    if (status != MF_OK || split->n_shards <= 1) {
        return status;
    }
    status = read_split_key(&split->number, file, "split.no", true, err);
    if (status == MF_OK) {
        status = read_split_key(&split->n_tensors, file, "split.tensors.count", true, err);
    }
    if (status == MF_OK && (split->n_shards > MAX_SHARDS || split->number >= split->n_shards)) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: 'split.no' is %llu of 'split.count' %llu",
                       file->bytes.name,
                       (unsigned long long)split->number,
                       (unsigned long long)split->n_shards);
    }
    return status;
}

/* Path of shard i of the set that `path` belongs to; NULL if there is no memory. */
static char *shard_path(const char *path, uint64_t i, uint64_t n_shards)
{
    mf_str text = {0};
    mf_str_add_n(&text, path, strlen(path) - (sizeof SHARD_TAIL - 1));
    mf_str_printf(&text,
                  "-%0*llu-of-%0*llu.gguf",
                  NUMBER_DIGITS,
                  (unsigned long long)i + 1,
                  NUMBER_DIGITS,
                  (unsigned long long)n_shards);
    if (mf_str_status(&text, NULL) != MF_OK) {
        mf_str_free(&text);
    }
    return text.data;
}

static mf_status check_shard_name(const char *path, const split_keys *split, mf_error *err)
{
    const size_t n = strlen(path);
    char *expected =
        n >= sizeof SHARD_TAIL - 1 ? shard_path(path, split->number, split->n_shards) : NULL;
    const bool same = expected != NULL && strcmp(expected, path) == 0;
    free(expected);
    return same ? MF_OK
                : mf_fail(err,
                          MF_E_DATA,
                          "%s: is part %llu of %llu, but not named so; call it "
                          "NAME-%05llu-of-%05llu.gguf, the others likewise",
                          path,
                          (unsigned long long)split->number + 1,
                          (unsigned long long)split->n_shards,
                          (unsigned long long)split->number + 1,
                          (unsigned long long)split->n_shards);
}

/* Names every shard that is not beside the others, as far as the message has room. */
static mf_status find_missing(char *const *paths, size_t n, mf_error *err)
{
    mf_str missing = {0};
    size_t n_missing = 0;
    for (size_t i = 0; i < n; i++) {
        if (access(paths[i], F_OK) != 0) {
            mf_str_printf(&missing, "%s'%s'", n_missing == 0 ? "" : ", ", paths[i]);
            n_missing++;
        }
    }
    mf_status status = mf_str_status(&missing, err);
    if (status == MF_OK && n_missing > 0) {
        status = mf_fail(err,
                         MF_E_IO,
                         "%zu of %zu files of the split set are missing, put them beside the "
                         "others: %s",
                         n_missing,
                         n,
                         missing.data);
    }
    mf_str_free(&missing);
    return status;
}

static mf_status read_file(mf_gguf_file *file, const char *path, mf_error *err)
{
    mf_gguf_bytes bytes = {0};
    mf_status status = mf_gguf_open(&bytes, path, err);
    if (status == MF_OK) {
        status = mf_gguf_file_read(file, bytes, err);
    }
    if (status != MF_OK) {
        return status;
    }
    status = mf_gguf_file_check_size(file, err);
    if (status != MF_OK) {
        mf_gguf_file_free(file);
    }
    return status;
}

static mf_status
check_shard(mf_gguf_file *file, size_t number, const split_keys *set, mf_error *err)
{
    split_keys own = {0};
    const mf_status status = read_split(&own, file, err);
    if (status != MF_OK) {
        return status;
    }
    if (own.number != number || own.n_shards != set->n_shards || own.n_tensors != set->n_tensors) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: says it is part %llu of %llu with %llu tensors in all, its set wants "
                       "part %zu of %llu with %llu; files of two sets are mixed",
                       file->bytes.name,
                       (unsigned long long)own.number + 1,
                       (unsigned long long)own.n_shards,
                       (unsigned long long)own.n_tensors,
                       number + 1,
                       (unsigned long long)set->n_shards,
                       (unsigned long long)set->n_tensors);
    }
    return MF_OK;
}

static int by_name(const void *a, const void *b)
{
    const mf_tensor *const *left = a;
    const mf_tensor *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* Each file is without doubles already; here is one across files. */
static mf_status
check_set(const mf_gguf_file *files, size_t n_files, const split_keys *set, mf_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < n_files; i++) {
        n += files[i].n_tensors;
    }
    if (n != set->n_tensors) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: 'split.tensors.count' is %llu, the %zu files have %zu tensors",
                       files[0].bytes.name,
                       (unsigned long long)set->n_tensors,
                       n_files,
                       n);
    }
    const mf_tensor **sorted = calloc(n + 1, sizeof sorted[0]);
    if (sorted == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu tensors", n);
    }
    size_t filled = 0;
    for (size_t i = 0; i < n_files; i++) {
        for (size_t j = 0; j < files[i].n_tensors; j++) {
            sorted[filled++] = &files[i].tensors[j].tensor;
        }
    }
    qsort(sorted, n, sizeof sorted[0], by_name);
    mf_status status = MF_OK;
    for (size_t i = 1; status == MF_OK && i < n; i++) {
        if (by_name(&sorted[i - 1], &sorted[i]) == 0) {
            status = mf_fail(err,
                             MF_E_DATA,
                             "%s: tensor '%s' is in two files of the split set",
                             files[0].bytes.name,
                             sorted[i]->name);
        }
    }
    free(sorted);
    return status;
}

static mf_status
read_shards(mf_model **out, char *const *paths, size_t n, const split_keys *set, mf_error *err)
{
    size_t n_read = 0;
    mf_gguf_file *files = calloc(n, sizeof files[0]);
    mf_status status = files != NULL ? find_missing(paths, n, err)
                                     : mf_fail(err, MF_E_NOMEM, "no memory for %zu files", n);
    while (status == MF_OK && n_read < n) {
        status = read_file(&files[n_read], paths[n_read], err);
        if (status == MF_OK) {
            status = check_shard(&files[n_read], n_read, set, err);
            if (n_read > 0) { /* hundreds of shards must not hold hundreds of windows */
                mf_gguf_close(&files[n_read].bytes);
            }
            n_read++;
        }
    }
    if (status == MF_OK) {
        status = check_set(files, n, set, err);
    }
    if (status == MF_OK) {
        status = mf_gguf_model(out, files, n, err);
    }
    for (size_t i = 0; i < n_read; i++) {
        mf_gguf_file_free(&files[i]);
    }
    free(files);
    return status;
}

static mf_status read_set(mf_model **out, const char *path, const split_keys *set, mf_error *err)
{
    const size_t n = (size_t)set->n_shards;
    mf_status status = check_shard_name(path, set, err);
    if (status != MF_OK) {
        return status;
    }
    char **paths = calloc(n, sizeof paths[0]);
    for (size_t i = 0; paths != NULL && i < n; i++) {
        paths[i] = shard_path(path, i, set->n_shards);
        if (paths[i] == NULL) {
            status = MF_E_NOMEM;
        }
    }
    status = paths != NULL && status == MF_OK
                 ? read_shards(out, paths, n, set, err)
                 : mf_fail(err, MF_E_NOMEM, "no memory for the names of %zu files", n);
    for (size_t i = 0; paths != NULL && i < n; i++) {
        free(paths[i]);
    }
    free(paths);
    return status;
}

mf_status mf_gguf_read(mf_model **out, const char *path, mf_error *err)
{
    mf_gguf_file file;
    split_keys split;
    mf_status status = read_file(&file, path, err);
    if (status != MF_OK) {
        return status;
    }
    status = read_split(&split, &file, err);
    if (status == MF_OK && split.n_shards > 1) {
        mf_gguf_file_free(&file);
        return read_set(out, path, &split, err);
    }
    if (status == MF_OK) {
        status = mf_gguf_model(out, &file, 1, err);
    }
    mf_gguf_file_free(&file);
    return status;
}

mf_status
mf_gguf_parse(mf_model **out, const void *data, size_t size, const char *name, mf_error *err)
{
    mf_gguf_file file;
    split_keys split;
    mf_status status = mf_gguf_file_read(&file, mf_gguf_memory(data, size, name), err);
    if (status != MF_OK) {
        return status;
    }
    status = read_split(&split, &file, err);
    if (status == MF_OK && split.n_shards > 1) {
        status = mf_fail(err,
                         MF_E_UNSUPPORTED,
                         "%s: is part %llu of %llu; read it as a file, with the others beside it",
                         name,
                         (unsigned long long)split.number + 1,
                         (unsigned long long)split.n_shards);
    }
    if (status == MF_OK) {
        status = mf_gguf_model(out, &file, 1, err);
    }
    mf_gguf_file_free(&file);
    return status;
}
