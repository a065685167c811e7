/*
 * gguf_tensors.c - the tensor descriptions behind the key-value pairs of a GGUF file.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "import/gguf_file.h"

static mf_status
tensor_fail(const mf_gguf_file *file, const mf_gguf_tensor *tensor, mf_error *err, const char *what)
{
    return mf_fail(err,
                   MF_E_DATA,
                   "%s:byte %" PRIu64 ": tensor '%s' %s",
                   file->bytes.name,
                   tensor->at,
                   tensor->tensor.name,
                   what);
}

static mf_status read_dims(mf_gguf_file *file, mf_gguf_tensor *tensor, mf_error *err)
{
    mf_tensor *t = &tensor->tensor;
    mf_status status =
        mf_gguf_take_u32(&t->n_dims, &file->bytes, "the number of dimensions", t->name, err);
    if (status == MF_OK && (t->n_dims == 0 || t->n_dims > MF_MAX_DIMS)) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %" PRIu64 ": tensor '%s' has %u dimensions, 1 to %d are allowed",
                       file->bytes.name,
                       tensor->at,
                       t->name,
                       t->n_dims,
                       MF_MAX_DIMS);
    }
    for (size_t i = 0; status == MF_OK && i < MF_MAX_DIMS; i++) {
        t->dims[i] = 1;
        if (i < t->n_dims) {
            status = mf_gguf_take_u64(&t->dims[i], &file->bytes, "the shape", t->name, err);
        }
        if (status == MF_OK && t->dims[i] == 0) {
            return tensor_fail(file, tensor, err, "has a dimension of 0");
        }
    }
    return status;
}

static mf_status read_tensor(mf_gguf_file *file, mf_gguf_tensor *tensor, mf_error *err)
{
    mf_tensor *t = &tensor->tensor;
    uint32_t type = 0;
    tensor->at = file->bytes.at;
    mf_status status = mf_gguf_take_name(
        t->name, MF_TENSOR_NAME_SIZE - 1, &file->bytes, "the name of a tensor", err);
    if (status == MF_OK) {
        status = read_dims(file, tensor, err);
    }
    if (status == MF_OK) {
        status = mf_gguf_take_u32(&type, &file->bytes, "the type", t->name, err);
    }
    if (status != MF_OK) {
        return status;
    }
    if (mf_tensor_type_by_gguf_id(&t->type, type, NULL) != MF_OK) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %" PRIu64 ": tensor '%s' has type %u, which is not known",
                       file->bytes.name,
                       tensor->at,
                       t->name,
                       type);
    }
    status = mf_tensor_bytes(&tensor->bytes, t, t->type, err);
    if (status != MF_OK) {
        mf_error_prefix(err, "%s:byte %" PRIu64 ": ", file->bytes.name, tensor->at);
        return status;
    }
    t->role = mf_tensor_role_of(t->name, &t->layer);
    status = mf_gguf_take_u64(&tensor->offset, &file->bytes, "the offset", t->name, err);
    if (status == MF_OK && tensor->offset % file->alignment != 0) {
        return tensor_fail(file, tensor, err, "lies at an offset that is not aligned");
    }
    return status;
}

static int by_name(const void *a, const void *b)
{
    const mf_gguf_tensor *const *left = a;
    const mf_gguf_tensor *const *right = b;
    return strcmp((*left)->tensor.name, (*right)->tensor.name);
}

static int by_offset(const void *a, const void *b)
{
    const mf_gguf_tensor *const *left = a;
    const mf_gguf_tensor *const *right = b;
    return ((*left)->offset > (*right)->offset) - ((*left)->offset < (*right)->offset);
}

static mf_status
check_names(const mf_gguf_file *file, const mf_gguf_tensor **sorted, size_t n, mf_error *err)
{
    qsort(sorted, n, sizeof sorted[0], by_name);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(sorted[i - 1]->tensor.name, sorted[i]->tensor.name) == 0) {
            return tensor_fail(file, sorted[i], err, "is there twice");
        }
    }
    return MF_OK;
}

static mf_status
check_overlap(const mf_gguf_file *file, const mf_gguf_tensor **sorted, size_t n, mf_error *err)
{
    qsort(sorted, n, sizeof sorted[0], by_offset);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (sorted[i]->offset < end) {
            return mf_fail(err,
                           MF_E_DATA,
                           "%s:byte %" PRIu64 ": tensor '%s' overlaps tensor '%s'",
                           file->bytes.name,
                           sorted[i]->at,
                           sorted[i]->tensor.name,
                           sorted[i - 1]->tensor.name);
        }
        if (!mf_add(&end, sorted[i]->offset, sorted[i]->bytes) ||
            end > INT64_MAX - file->data_start) {
            return tensor_fail(file, sorted[i], err, "ends behind 2^63 bytes");
        }
    }
    return MF_OK;
}

mf_status mf_gguf_read_tensors(mf_gguf_file *file, uint64_t n_tensors, mf_error *err)
{
    const size_t n = (size_t)n_tensors;
    file->tensors = calloc(n + 1, sizeof file->tensors[0]);
    const mf_gguf_tensor **sorted = calloc(n + 1, sizeof sorted[0]);
    mf_status status = file->tensors != NULL && sorted != NULL
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "no memory for %zu tensors", n);
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        status = read_tensor(file, &file->tensors[i], err);
        sorted[i] = &file->tensors[i];
    }
    if (status == MF_OK && !mf_pad(&file->data_start, file->bytes.at, file->alignment)) {
        status = mf_fail(err, MF_E_OVERFLOW, "%s: the header is too long", file->bytes.name);
    }
    if (status == MF_OK && n > 0) {
        file->n_tensors = n;
        status = check_names(file, sorted, n, err);
    }
    if (status == MF_OK && n > 0) {
        status = check_overlap(file, sorted, n, err);
    }
    free(sorted);
    return status;
}

mf_status mf_gguf_file_check_size(const mf_gguf_file *file, mf_error *err)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const mf_gguf_tensor *tensor = &file->tensors[i];
        const uint64_t end = file->data_start + tensor->offset + tensor->bytes;
        if (end > file->bytes.size) {
            return mf_fail(err,
                           MF_E_DATA,
                           "%s:byte %" PRIu64 ": tensor '%s' ends at byte %" PRIu64
                           ", the file has %" PRIu64 "; it is cut short, fetch it again",
                           file->bytes.name,
                           tensor->at,
                           tensor->tensor.name,
                           end,
                           file->bytes.size);
        }
    }
    return MF_OK;
}
