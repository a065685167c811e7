#include "import/hf_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

void mf_hf_fail(mf_hf *hf, const mf_node *node, const char *format, ...)
{
    if (hf->status != MF_OK) {
        return;
    }
    char message[MF_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    hf->status = mf_json_fail(hf->json, node, hf->err, "%s", message);
}

/* One of the keys "a|b" in one object. */
static const mf_node *find_in(const mf_node *object, const char *keys)
{
    char key[64];
    while (*keys != '\0') {
        const size_t n = strcspn(keys, "|");
        if (n < sizeof key) {
            memcpy(key, keys, n);
            key[n] = '\0';
            const mf_node *node = mf_node_get(object, key);
            if (node != NULL && mf_node_kind_of(node) != MF_NODE_NULL) {
                return node;
            }
        }
        keys += n + (keys[n] == '|' ? 1 : 0);
    }
    return NULL;
}

const mf_node *mf_hf_find(const mf_hf *hf, const char *keys)
{
    const mf_node *node = find_in(hf->text, keys);
    return node != NULL ? node : find_in(hf->root, keys);
}

static uint32_t number_of(mf_hf *hf, const mf_node *node, const char *keys)
{
    uint64_t value = 0;
    bool flag = false;
    if (mf_node_bool(&flag, node)) {
        return flag ? 1 : 0;
    }
    if (!mf_node_uint(&value, node) || value > MF_HF_MAX_COUNT) {
        mf_hf_fail(hf,
                   node,
                   "'%s' must be a whole number of at most %d",
                   mf_node_key(node) != NULL ? mf_node_key(node) : keys,
                   MF_HF_MAX_COUNT);
        return 0;
    }
    return (uint32_t)value;
}

uint32_t mf_hf_count_or(mf_hf *hf, const char *keys, uint32_t otherwise)
{
    const mf_node *node = mf_hf_find(hf, keys);
    return node != NULL ? number_of(hf, node, keys) : otherwise;
}

uint32_t mf_hf_count(mf_hf *hf, const char *keys)
{
    const mf_node *node = mf_hf_find(hf, keys);
    if (node == NULL) {
        mf_hf_fail(hf, NULL, "the key '%s' is missing", keys);
        return 0;
    }
    const uint32_t value = number_of(hf, node, keys);
    if (value == 0) {
        mf_hf_fail(hf, node, "'%s' is 0", keys);
    }
    return value;
}

bool mf_hf_flag(mf_hf *hf, const char *keys, bool otherwise)
{
    const mf_node *node = mf_hf_find(hf, keys);
    bool value = otherwise;
    if (node != NULL && !mf_node_bool(&value, node)) {
        mf_hf_fail(hf, node, "'%s' must be true or false", keys);
    }
    return value;
}

uint32_t mf_hf_count_in(mf_hf *hf, const char *object, const char *key)
{
    const mf_node *node = mf_node_get(mf_hf_find(hf, object), key);
    if (node == NULL) {
        mf_hf_fail(hf, NULL, "the key '%s.%s' is missing", object, key);
        return 0;
    }
    const uint32_t value = number_of(hf, node, key);
    if (value == 0) {
        mf_hf_fail(hf, node, "'%s.%s' is 0", object, key);
    }
    return value;
}

/* Item i of a list; a fault if there is none. */
static const mf_node *item_of(mf_hf *hf, const mf_node *list, const char *keys, uint32_t i)
{
    const mf_node *item = mf_node_first(list);
    for (uint32_t k = 0; k < i && item != NULL; k++) {
        item = mf_node_next(item);
    }
    if (item == NULL) {
        mf_hf_fail(hf,
                   list,
                   "'%s' has %zu entries, but the model has a layer %u",
                   keys,
                   mf_node_count(list),
                   i);
    }
    return item;
}

uint32_t mf_hf_item(mf_hf *hf, const char *keys, uint32_t i, uint32_t otherwise)
{
    const mf_node *node = mf_hf_find(hf, keys);
    if (node == NULL) {
        return otherwise;
    }
    if (mf_node_kind_of(node) == MF_NODE_ARRAY) {
        node = item_of(hf, node, keys, i);
    }
    return node != NULL ? number_of(hf, node, keys) : 0;
}

bool mf_hf_item_is(mf_hf *hf, const char *keys, uint32_t i, const char *word)
{
    const mf_node *list = mf_hf_find(hf, keys);
    const mf_node *item = list != NULL ? item_of(hf, list, keys, i) : NULL;
    if (item == NULL) {
        return false;
    }
    const char *text = mf_node_string(item);
    if (text == NULL) {
        mf_hf_fail(hf, item, "'%s' must be a list of words", keys);
    }
    return text != NULL && strcmp(text, word) == 0;
}

bool mf_hf_has_item(mf_hf *hf, const char *keys, uint32_t number)
{
    const mf_node *list = mf_hf_find(hf, keys);
    if (mf_node_count(list) > MF_HF_MAX_LAYERS) {
        mf_hf_fail(hf, list, "'%s' has more than %d entries", keys, MF_HF_MAX_LAYERS);
        return false;
    }
    for (const mf_node *item = mf_node_first(list); item != NULL; item = mf_node_next(item)) {
        uint64_t value = 0;
        if (mf_node_uint(&value, item) && value == number) {
            return true;
        }
    }
    return false;
}

uint32_t mf_hf_product(mf_hf *hf, uint32_t a, uint32_t b)
{
    const uint64_t product = (uint64_t)a * b;
    if (product > MF_HF_MAX_COUNT) {
        mf_hf_fail(
            hf, NULL, "layer %d has a part %llu wide", hf->index, (unsigned long long)product);
        return 0;
    }
    return (uint32_t)product;
}

/* Room for one more in an array that doubles; false if there is no memory. */
static bool grow(void **items, size_t n, size_t *capacity, size_t size)
{
    enum { FIRST = 64 };
    if (n < *capacity) {
        return true;
    }
    const size_t wanted = *capacity > 0 ? 2 * *capacity : FIRST;
    void *more = realloc(*items, wanted * size);
    if (more == NULL) {
        return false;
    }
    *items = more;
    *capacity = wanted;
    return true;
}

void mf_hf_begin_layer(mf_hf *hf)
{
    mf_model *model = hf->model;
    void *layers = model->layers;
    if (hf->status != MF_OK) {
        return;
    }
    if (model->n_layers == MF_HF_MAX_LAYERS) {
        mf_hf_fail(hf, NULL, "more than %d layers", MF_HF_MAX_LAYERS);
        return;
    }
    if (!grow(&layers, model->n_layers, &hf->layer_capacity, sizeof *model->layers)) {
        hf->status = mf_fail(hf->err, MF_E_NOMEM, "no memory for the layers of '%s'", hf->name);
        return;
    }
    model->layers = layers;
    hf->index = (int32_t)model->n_layers;
    hf->layer = &model->layers[model->n_layers++];
    *hf->layer = (mf_layer){0};
}

static void add(mf_hf *hf, const char *name, int32_t layer, const uint64_t dims[3])
{
    mf_model *model = hf->model;
    void *tensors = model->tensors;
    if (hf->status != MF_OK) {
        return;
    }
    if (!grow(&tensors, model->n_tensors, &hf->tensor_capacity, sizeof *model->tensors)) {
        hf->status = mf_fail(hf->err, MF_E_NOMEM, "no memory for the tensors of '%s'", hf->name);
        return;
    }
    model->tensors = tensors;
    mf_tensor *tensor = &model->tensors[model->n_tensors];
    *tensor = (mf_tensor){
        .layer = layer, .dims = {1, 1, 1, 1}
    };
    if (layer == MF_GLOBAL_TENSOR) {
        (void)snprintf(tensor->name, sizeof tensor->name, "%s", name);
    } else {
        (void)snprintf(tensor->name, sizeof tensor->name, "blk.%d.%s", layer, name);
    }
    while (tensor->n_dims < 3 && dims[tensor->n_dims] > 0) {
        tensor->dims[tensor->n_dims] = dims[tensor->n_dims];
        tensor->n_dims++;
    }
    if (tensor->n_dims == 0) {
        mf_hf_fail(hf, NULL, "tensor '%s' has no width: a size is missing or 0", tensor->name);
        return;
    }
    int32_t found = MF_GLOBAL_TENSOR;
    tensor->role = mf_tensor_role_of(tensor->name, &found);
    tensor->type = mf_tensor_converted_type(tensor->name, tensor->n_dims);
    model->n_tensors++;
}

void mf_hf_add(mf_hf *hf, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2)
{
    add(hf, name, hf->index, (const uint64_t[3]){ne0, ne1, ne2});
}

void mf_hf_add_global(mf_hf *hf, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2)
{
    add(hf, name, MF_GLOBAL_TENSOR, (const uint64_t[3]){ne0, ne1, ne2});
}

void mf_hf_leave_out_from(mf_hf *hf, size_t first_layer)
{
    mf_model *model = hf->model;
    size_t kept = 0;
    for (size_t i = 0; hf->status == MF_OK && i < model->n_tensors; i++) {
        uint64_t n = 0;
        if (model->tensors[i].layer < 0 || (size_t)model->tensors[i].layer < first_layer) {
            model->tensors[kept++] = model->tensors[i];
            continue;
        }
        hf->status = mf_tensor_elements(&n, &model->tensors[i], hf->err);
        if (hf->status == MF_OK && !mf_add(&hf->left_out, hf->left_out, n)) {
            hf->status = mf_fail(hf->err, MF_E_OVERFLOW, "'%s' is too large", hf->name);
        }
    }
    if (hf->status == MF_OK) {
        model->n_tensors = kept;
        model->n_layers = first_layer < model->n_layers ? first_layer : model->n_layers;
        hf->layer = NULL;
    }
}
