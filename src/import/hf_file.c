/*
 * hf_file.c - a config.json from a file or a folder, and what the index of the weights beside it says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "facts/json.h"
#include "memfit/import.h"

static char *joined(const char *folder, const char *name)
{
    mf_str path = {0};
    mf_str_printf(&path, "%s/%s", folder, name);
    if (mf_str_status(&path, NULL) != MF_OK) {
        mf_str_free(&path);
    }
    return path.data;
}

static mf_status read_file(mf_str *text, const char *path, mf_error *err)
{
    enum { MOST = 4 << 20 }; /* mf_hf_parse refuses more */
    char buffer[8192];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return mf_fail(err, MF_E_IO, "%s can't be read (%s)", path, strerror(errno));
    }
    for (size_t n = 1; n > 0 && text->size <= MOST;) {
        n = fread(buffer, 1, sizeof buffer, file);
        mf_str_add_n(text, buffer, n);
    }
    const bool failed = ferror(file) != 0;
    (void)fclose(file);
    return failed ? mf_fail(err, MF_E_IO, "%s can't be read", path) : mf_str_status(text, err);
}

/* 2 bits a weight with their scales at the least, f32 at the most; a tower of unknown size may come on top. */
static mf_status check_index(const mf_model *model, const char *path, mf_error *err)
{
    static const double least = 0.2;
    static const double most = 5.5;
    mf_json *json = NULL;
    mf_model_counts counts = {0};
    uint64_t total = 0;
    mf_status status = mf_json_load(&json, path, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_node *node = mf_node_get(mf_node_get(mf_json_root(json), "metadata"), "total_size");
    status = mf_model_count(&counts, model, err);
    if (status == MF_OK && mf_node_uint(&total, node)) {
        const double n = (double)counts.parameters + (double)counts.nextn_parameters +
                         (double)model->mtp_parameters + (double)model->vision_parameters;
        if ((double)total < least * n || (double)total > most * n) {
            status = mf_json_fail(json,
                                  node,
                                  err,
                                  "'total_size' is %llu bytes, but the config.json beside it "
                                  "describes %llu parameters: the files belong to different models",
                                  (unsigned long long)total,
                                  (unsigned long long)n);
        }
    }
    mf_json_free(json);
    return status;
}

static mf_status read_config(mf_model **out, const char *path, mf_error *err)
{
    mf_str text = {0};
    mf_status status = read_file(&text, path, err);
    if (status == MF_OK) {
        status = mf_hf_parse(out, text.data != NULL ? text.data : "", text.size, path, err);
    }
    mf_str_free(&text);
    return status;
}

/* The index stands beside the config, if the weights are in several files. */
static mf_status read_beside(mf_model **out, const char *config, mf_error *err)
{
    static const char name[] = "model.safetensors.index.json";
    mf_model *model = NULL;
    struct stat info;
    mf_str index = {0};
    const char *slash = strrchr(config, '/');
    mf_str_add_n(&index, config, slash != NULL ? (size_t)(slash + 1 - config) : 0);
    mf_str_add(&index, name);
    mf_status status = mf_str_status(&index, err);
    if (status == MF_OK) {
        status = read_config(&model, config, err);
    }
    if (status == MF_OK && stat(index.data, &info) == 0) {
        status = check_index(model, index.data, err);
    }
    mf_str_free(&index);
    if (status != MF_OK) {
        mf_model_free(model);
        return status;
    }
    *out = model;
    return MF_OK;
}

mf_status mf_hf_read(mf_model **out, const char *path, mf_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return mf_fail(err, MF_E_IO, "%s can't be read (%s)", path, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return read_beside(out, path, err);
    }
    char *config = joined(path, "config.json");
    if (config == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for the path of '%s'", path);
    }
    const mf_status status = read_beside(out, config, err);
    free(config);
    return status;
}
