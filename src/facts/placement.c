#include "memfit/placement.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "facts/json.h"

enum { MAX_OVERRIDES = 4096, MAX_LAYERS = 100000 };

void mf_placement_free(mf_saved_placement *saved)
{
    if (saved == NULL) {
        return;
    }
    for (size_t i = 0; i < saved->placement.n_overrides; i++) {
        free(saved->patterns[i]);
    }
    free(saved->patterns);
    free(saved->overrides);
    free(saved);
}

void mf_placement_use(mf_workload *workload, const mf_saved_placement *saved)
{
    workload->gpu_layers = saved->gpu_layers;
    workload->n_cpu_moe = saved->n_cpu_moe;
    workload->kv_offload = saved->kv_offload;
    workload->split = saved->split;
    workload->placement =
        saved->placement.n_overrides + saved->placement.n_split > 0 ? &saved->placement : NULL;
}

/* "host", "CPU", "1", "gpu1". */
static bool read_device(int32_t *device, const char *text)
{
    uint64_t number = 0;
    if (strcmp(text, "host") == 0 || strcmp(text, "CPU") == 0) {
        *device = MF_ON_HOST;
        return true;
    }
    const char *digits = strncmp(text, "gpu", 3) == 0 ? text + 3 : text;
    if (!mf_parse_uint(&number, digits) || number >= MF_MAX_SPLITS) {
        return false;
    }
    *device = (int32_t)number;
    return true;
}

/* Takes a copy of the pattern. */
static mf_status
add_override(mf_saved_placement *saved, const char *pattern, int32_t device, mf_error *err)
{
    const size_t n = saved->placement.n_overrides;
    mf_override *overrides = realloc(saved->overrides, (n + 1) * sizeof *overrides);
    if (overrides != NULL) {
        saved->overrides = overrides;
        saved->placement.overrides = overrides;
    }
    char **patterns = realloc(saved->patterns, (n + 1) * sizeof *patterns);
    if (patterns != NULL) {
        saved->patterns = patterns;
    }
    char *copy = overrides != NULL && patterns != NULL ? mf_strdup(pattern) : NULL;
    if (copy == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu overrides", n + 1);
    }
    saved->patterns[n] = copy;
    saved->overrides[n] = (mf_override){.pattern = copy, .device = device};
    saved->placement.n_overrides = n + 1;
    return MF_OK;
}

static mf_status add_one(mf_saved_placement *saved, char *word, mf_error *err)
{
    int32_t device = 0;
    char *sign = strrchr(word, '=');
    if (sign == NULL || sign == word || !read_device(&device, sign + 1)) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "'%s' is no override, write PATTERN=CPU or PATTERN=gpu1, several with commas",
            word);
    }
    *sign = '\0';
    return add_override(saved, word, device, err);
}

mf_status mf_placement_add_overrides(mf_saved_placement *saved, const char *text, mf_error *err)
{
    char *words = mf_strdup(text);
    mf_status status = MF_OK;
    if (words == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for overrides");
    }
    for (char *word = words; status == MF_OK && word != NULL;) {
        char *comma = strchr(word, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        status = add_one(saved, word, err);
        word = comma != NULL ? comma + 1 : NULL;
    }
    free(words);
    return status;
}

mf_status mf_placement_set_split(mf_saved_placement *saved, const char *text, mf_error *err)
{
    double split[MF_MAX_SPLITS] = {0};
    double sum = 0;
    size_t n = 0;
    const char *rest = text;
    bool good = true;
    bool last = false;
    while (good && !last && n < MF_MAX_SPLITS && mf_parse_number(&split[n], rest, &rest)) {
        good = split[n] >= 0 && (*rest == ',' || *rest == '/' || *rest == '\0');
        sum += split[n];
        n++;
        last = *rest == '\0';
        rest += last ? 0 : 1;
    }
    if (!good || !last || sum <= 0) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "'%s' is no split, write the part of each of up to %d devices, like 3,1",
                       text,
                       MF_MAX_SPLITS);
    }
    memcpy(saved->placement.split, split, sizeof split);
    saved->placement.n_split = n;
    return MF_OK;
}

/* A count; null leaves it as it is. */
static mf_status read_count(int32_t *out, const mf_json *json, const char *key, mf_error *err)
{
    uint64_t number = 0;
    const mf_node *node = mf_node_get(mf_json_root(json), key);
    if (node != NULL && mf_node_kind_of(node) == MF_NODE_NULL) {
        return MF_OK;
    }
    if (!mf_node_uint(&number, node) || number > MAX_LAYERS) {
        return mf_json_fail(json, node, err, "'%s' must be a whole number or null", key);
    }
    *out = (int32_t)number;
    return MF_OK;
}

static mf_status read_split_mode(mf_saved_placement *saved, const mf_json *json, mf_error *err)
{
    const mf_node *node = mf_node_get(mf_json_root(json), "split");
    const char *text = mf_node_string(node);
    for (int i = MF_SPLIT_LAYER; text != NULL && i <= MF_SPLIT_TENSOR; i++) {
        if (strcmp(text, mf_split_name((mf_split_mode)i)) == 0) {
            saved->split = (mf_split_mode)i;
            return MF_OK;
        }
    }
    return mf_json_fail(json, node, err, "'split' must be \"layer\" or \"tensor\"");
}

static mf_status read_parts(mf_saved_placement *saved, const mf_json *json, mf_error *err)
{
    mf_placement *p = &saved->placement;
    double sum = 0;
    const mf_node *list = mf_node_get(mf_json_root(json), "tensor_split");
    if (mf_node_kind_of(list) != MF_NODE_ARRAY || mf_node_count(list) > MF_MAX_SPLITS) {
        return mf_json_fail(
            json, list, err, "'tensor_split' must be a list of at most %d parts", MF_MAX_SPLITS);
    }
    for (const mf_node *n = mf_node_first(list); n != NULL; n = mf_node_next(n)) {
        if (!mf_node_double(&p->split[p->n_split], n) || p->split[p->n_split] < 0) {
            return mf_json_fail(json, n, err, "a part must be a number that is not negative");
        }
        sum += p->split[p->n_split++];
    }
    return p->n_split > 0 && sum <= 0
               ? mf_json_fail(json, list, err, "'tensor_split' leaves nothing for any device")
               : MF_OK;
}

static mf_status read_overrides(mf_saved_placement *saved, const mf_json *json, mf_error *err)
{
    mf_status status = MF_OK;
    const mf_node *list = mf_node_get(mf_json_root(json), "overrides");
    if (mf_node_kind_of(list) != MF_NODE_ARRAY || mf_node_count(list) > MAX_OVERRIDES) {
        return mf_json_fail(json,
                            list,
                            err,
                            "'overrides' must be a list of at most %d {\"pattern\", \"device\"}",
                            MAX_OVERRIDES);
    }
    for (const mf_node *n = mf_node_first(list); status == MF_OK && n != NULL;
         n = mf_node_next(n)) {
        int32_t device = 0;
        const char *pattern = mf_node_string(mf_node_get(n, "pattern"));
        const char *name = mf_node_string(mf_node_get(n, "device"));
        if (pattern == NULL || name == NULL || !read_device(&device, name)) {
            return mf_json_fail(
                json, n, err, "an override needs a \"pattern\" and a \"device\": host, gpu0, ...");
        }
        status = add_override(saved, pattern, device, err);
    }
    return status;
}

static mf_status read_placement(mf_saved_placement *saved, const mf_json *json, mf_error *err)
{
    const mf_node *root = mf_json_root(json);
    const char *schema = mf_node_string(mf_node_get(root, "schema"));
    int32_t experts = 0;
    if (schema == NULL || strcmp(schema, "memfit.placement/1") != 0) {
        return mf_json_fail(json,
                            root,
                            err,
                            "no placement: \"schema\" is not \"memfit.placement/1\", make one with "
                            "'memfit fit ... --save-placement FILE'");
    }
    mf_status status = read_count(&saved->gpu_layers, json, "gpu_layers", err);
    status = status == MF_OK ? read_count(&experts, json, "cpu_moe_layers", err) : status;
    status = status == MF_OK ? read_split_mode(saved, json, err) : status;
    if (status == MF_OK && !mf_node_bool(&saved->kv_offload, mf_node_get(root, "kv_offload"))) {
        status = mf_json_fail(json, root, err, "'kv_offload' must be true or false");
    }
    status = status == MF_OK ? read_parts(saved, json, err) : status;
    saved->n_cpu_moe = (uint32_t)experts;
    return status == MF_OK ? read_overrides(saved, json, err) : status;
}

mf_status mf_placement_new(mf_saved_placement **out, const mf_workload *workload, mf_error *err)
{
    mf_saved_placement *saved = calloc(1, sizeof *saved);
    if (saved == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a placement");
    }
    saved->gpu_layers = workload->gpu_layers;
    saved->n_cpu_moe = workload->n_cpu_moe;
    saved->kv_offload = workload->kv_offload;
    saved->split = workload->split;
    *out = saved;
    return MF_OK;
}

static mf_status take(mf_saved_placement **out, mf_json *json, mf_error *err)
{
    mf_saved_placement *saved = NULL;
    mf_status status = mf_placement_new(&saved, &(mf_workload){.gpu_layers = MF_ALL_LAYERS}, err);
    if (status == MF_OK) {
        status = read_placement(saved, json, err);
    }
    mf_json_free(json);
    if (status != MF_OK) {
        mf_placement_free(saved);
        return status;
    }
    *out = saved;
    return MF_OK;
}

mf_status mf_placement_parse(
    mf_saved_placement **out, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_json *json = NULL;
    const mf_status status = mf_json_parse(&json, text, size, name, err);
    return status == MF_OK ? take(out, json, err) : status;
}

mf_status mf_placement_load(mf_saved_placement **out, const char *path, mf_error *err)
{
    mf_json *json = NULL;
    const mf_status status = mf_json_load(&json, path, err);
    return status == MF_OK ? take(out, json, err) : status;
}
