#include "memfit/tensor_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"

static const mf_tensor_type_info types[] = {
#define TYPE_ROW(suffix, type_name, id, elements, bytes)                                           \
    [MF_TYPE_##suffix] = {.name = (type_name),                                                     \
                          .gguf_id = (id),                                                         \
                          .block_elements = (elements),                                            \
                          .block_bytes = (bytes)},
    MF_TENSOR_TYPE_LIST(TYPE_ROW)
#undef TYPE_ROW
};

const mf_tensor_type_info *mf_tensor_type_get(mf_tensor_type type)
{
    return &types[type];
}

mf_status mf_tensor_type_by_name(mf_tensor_type *type, const char *name, mf_error *err)
{
    const char *longer = NULL; /* "q8_0" for "q8" */
    const size_t size = strlen(name);
    for (size_t i = 0; i < MF_TYPE_COUNT; i++) {
        if (strcasecmp(types[i].name, name) == 0) {
            *type = (mf_tensor_type)i;
            return MF_OK;
        }
        if (longer == NULL && size > 0 && strncasecmp(types[i].name, name, size) == 0) {
            longer = types[i].name;
        }
    }
    if (longer != NULL) {
        return mf_fail(err, MF_E_UNKNOWN, "no tensor type '%s', did you mean '%s'?", name, longer);
    }
    return mf_fail(
        err, MF_E_UNKNOWN, "no tensor type '%s', write one like \"q4_K\" or \"f16\"", name);
}

mf_status mf_tensor_type_by_gguf_id(mf_tensor_type *type, uint32_t gguf_id, mf_error *err)
{
    for (size_t i = 0; i < MF_TYPE_COUNT; i++) {
        if (types[i].gguf_id >= 0 && (uint32_t)types[i].gguf_id == gguf_id) {
            *type = (mf_tensor_type)i;
            return MF_OK;
        }
    }
    return mf_fail(err, MF_E_UNKNOWN, "no tensor type has the number %u", gguf_id);
}

mf_status
mf_tensor_row_bytes(uint64_t *bytes, mf_tensor_type type, uint64_t n_elements, mf_error *err)
{
    const mf_tensor_type_info *info = &types[type];
    if (n_elements % info->block_elements != 0) {
        return mf_fail(err,
                       MF_E_DATA,
                       "a row of %llu elements is not a whole number of %s blocks of %u",
                       (unsigned long long)n_elements,
                       info->name,
                       info->block_elements);
    }
    if (!mf_mul(bytes, n_elements / info->block_elements, info->block_bytes)) {
        return mf_fail(err, MF_E_OVERFLOW, "a row of %s exceeds 64 bits", info->name);
    }
    return MF_OK;
}
