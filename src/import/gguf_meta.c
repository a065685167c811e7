#include "import/gguf_meta.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { KEY_SIZE = 256 };

const mf_gguf_value *mf_gguf_meta_find(const mf_gguf_meta *meta, const char *key)
{
    char full[KEY_SIZE] = "";
    snprintf(full, sizeof full, "%s.%s", meta->arch->name, key);
    return mf_gguf_find(meta->file, full);
}

mf_status mf_gguf_meta_fail(
    const mf_gguf_meta *meta, const mf_gguf_value *value, mf_error *err, const char *format, ...)
{
    char text[MF_ERROR_MESSAGE_SIZE] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mf_fail(err,
                   MF_E_DATA,
                   "%s:byte %" PRIu64 ": '%s' %s",
                   meta->file->bytes.name,
                   value->at,
                   value->key,
                   text);
}

static mf_status item_u32(uint32_t *out,
                          const mf_gguf_meta *meta,
                          const mf_gguf_value *value,
                          uint64_t item,
                          mf_error *err)
{
    uint64_t wide = 0;
    const mf_status status = mf_gguf_uint(&wide, meta->file, value, item, err);
    if (status == MF_OK && wide > UINT32_MAX) {
        return mf_gguf_meta_fail(meta, value, err, "is %" PRIu64 ", which is absurd", wide);
    }
    if (status == MF_OK) {
        *out = (uint32_t)wide;
    }
    return status;
}

mf_status mf_gguf_meta_u32(
    uint32_t *out, const mf_gguf_meta *meta, const char *key, uint32_t fallback, mf_error *err)
{
    const mf_gguf_value *value = mf_gguf_meta_find(meta, key);
    if (value == NULL) {
        *out = fallback;
        return MF_OK;
    }
    if (value->type == MF_GGUF_ARRAY) {
        return mf_gguf_meta_fail(meta, value, err, "is an array, one number is needed");
    }
    return item_u32(out, meta, value, 0, err);
}

mf_status mf_gguf_meta_need(uint32_t *out, const mf_gguf_meta *meta, const char *key, mf_error *err)
{
    const mf_gguf_value *value = mf_gguf_meta_find(meta, key);
    if (value == NULL) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: the key '%s.%s' is missing",
                       meta->file->bytes.name,
                       meta->arch->name,
                       key);
    }
    const mf_status status = mf_gguf_meta_u32(out, meta, key, 0, err);
    return status == MF_OK && *out == 0 ? mf_gguf_meta_fail(meta, value, err, "is 0") : status;
}

mf_status mf_gguf_meta_layer(uint32_t *out,
                             const mf_gguf_meta *meta,
                             mf_gguf_per_layer value,
                             uint32_t layer,
                             uint32_t fallback,
                             mf_error *err)
{
    if (value == NULL) {
        *out = fallback;
        return MF_OK;
    }
    if (value->type != MF_GGUF_ARRAY) {
        return item_u32(out, meta, value, 0, err);
    }
    const uint32_t n_run = meta->n_layers - meta->n_nextn;
    if (value->n != meta->n_layers && value->n != n_run) {
        return mf_gguf_meta_fail(meta,
                                 value,
                                 err,
                                 "has %" PRIu64 " items, the model has %u layers",
                                 value->n,
                                 meta->n_layers);
    }
    return item_u32(out, meta, value, layer < value->n ? layer : value->n - 1, err);
}

mf_status mf_gguf_meta_item(
    uint32_t *out, const mf_gguf_meta *meta, mf_gguf_per_layer value, uint32_t layer, mf_error *err)
{
    if (value == NULL || value->type != MF_GGUF_ARRAY || value->n <= meta->n_layers) {
        return mf_gguf_meta_layer(out, meta, value, layer, 0, err);
    }
    return item_u32(out, meta, value, layer, err);
}
