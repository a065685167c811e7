#include "import/gguf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/str.h"
#include "facts/json_scan.h"

enum {
    MAX_VALUES = 1 << 16, /* real files have fewer than 100 */
    MAX_TENSORS = 1 << 18,
    MAX_HEADER_BYTES = 1 << 30,      /* a sparse file of zeros must not keep the reader busy */
    MAX_KEY_BYTES = 255,             /* the format allows 65535 */
    MIN_VALUE_BYTES = 8 + 1 + 4 + 1, /* key length, a key, type, the shortest value */
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8,
    DEFAULT_ALIGNMENT = 32,
    MAX_TEXT_BYTES = 255,
};

static const char *const type_names[] = {
#define TYPE_NAME(name, number, bytes, text) [number] = (text),
    MF_GGUF_VALUE_LIST(TYPE_NAME)
#undef TYPE_NAME
};

static const uint8_t type_bytes[] = {
#define TYPE_BYTES(name, number, bytes, text) [number] = (bytes),
    MF_GGUF_VALUE_LIST(TYPE_BYTES)
#undef TYPE_BYTES
};

static const char *type_name(mf_gguf_type type)
{
    return type_names[type];
}

static mf_status read_version(mf_gguf_file *file, mf_error *err)
{
    enum { MAGIC_BYTES = 4, LOW_HALF = 0xffff };
    mf_gguf_bytes *bytes = &file->bytes;
    const uint8_t *magic = NULL;
    mf_status status = mf_gguf_take(&magic, bytes, MAGIC_BYTES, "the magic number", NULL, err);
    if (status == MF_OK && memcmp(magic, "GGUF", MAGIC_BYTES) != 0) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte 0: is not a GGUF file, it does not start with \"GGUF\"",
                       bytes->name);
    }
    if (status == MF_OK) {
        status = mf_gguf_take_u32(&file->version, bytes, "the version", NULL, err);
    }
    if (status != MF_OK || file->version == 2 || file->version == 3) {
        return status;
    }
    if (file->version != 0 && (file->version & LOW_HALF) == 0) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "%s:byte 4: is a big-endian GGUF file, only little-endian ones are read; "
                       "convert it with gguf_convert_endian.py",
                       bytes->name);
    }
    return mf_fail(err,
                   MF_E_UNSUPPORTED,
                   "%s:byte 4: GGUF version %u, only 2 and 3 are read%s",
                   bytes->name,
                   file->version,
                   file->version == 1 ? "; convert the model again with a recent llama.cpp" : "");
}

/* A count that the bytes left can't hold is a lie; nothing is allocated for it. */
static mf_status read_count(uint64_t *count,
                            mf_gguf_bytes *bytes,
                            const char *what,
                            uint64_t min_bytes,
                            uint64_t max,
                            mf_error *err)
{
    const uint64_t at = bytes->at;
    const mf_status status = mf_gguf_take_u64(count, bytes, what, NULL, err);
    if (status != MF_OK) {
        return status;
    }
    if (*count > (bytes->size - bytes->at) / min_bytes || *count > max) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: %s is %llu, more than the %llu bytes left can hold or more "
                       "than %llu; the file is cut short or damaged",
                       bytes->name,
                       (unsigned long long)at,
                       what,
                       (unsigned long long)*count,
                       (unsigned long long)(bytes->size - bytes->at),
                       (unsigned long long)max);
    }
    return MF_OK;
}

static mf_status read_type(mf_gguf_type *type, mf_gguf_bytes *bytes, const char *key, mf_error *err)
{
    const uint64_t at = bytes->at;
    uint32_t number = 0;
    const mf_status status = mf_gguf_take_u32(&number, bytes, "the type", key, err);
    if (status == MF_OK && number >= MF_GGUF_TYPE_COUNT) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: '%s' has value type %u, GGUF knows 0 to %d",
                       bytes->name,
                       (unsigned long long)at,
                       key,
                       number,
                       MF_GGUF_TYPE_COUNT - 1);
    }
    *type = (mf_gguf_type)number;
    return status;
}

static mf_status
read_array(mf_gguf_value *value, mf_gguf_bytes *bytes, const char *key, mf_error *err)
{
    mf_status status = read_type(&value->item_type, bytes, key, err);
    if (status == MF_OK && value->item_type == MF_GGUF_ARRAY) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "%s:byte %llu: '%s' is an array of arrays, which llama.cpp does not read "
                       "either",
                       bytes->name,
                       (unsigned long long)value->at,
                       key);
    }
    if (status == MF_OK) {
        status = mf_gguf_take_u64(&value->n, bytes, "the length", key, err);
    }
    if (status != MF_OK) {
        return status;
    }
    value->at = bytes->at;
    if (value->item_type == MF_GGUF_STRING) {
        return mf_gguf_skip_strings(bytes, value->n, key, err);
    }
    uint64_t size = 0;
    if (!mf_mul(&size, value->n, type_bytes[value->item_type])) {
        size = UINT64_MAX;
    }
    return mf_gguf_skip(bytes, size, "the array", key, err);
}

/* Reads the type and goes past the value. */
static mf_status
read_value(mf_gguf_value *value, mf_gguf_bytes *bytes, const char *key, mf_error *err)
{
    mf_status status = read_type(&value->type, bytes, key, err);
    if (status != MF_OK) {
        return status;
    }
    value->n = 1;
    value->at = bytes->at;
    if (value->type == MF_GGUF_ARRAY) {
        return read_array(value, bytes, key, err);
    }
    if (value->type != MF_GGUF_STRING) {
        return mf_gguf_skip(bytes, type_bytes[value->type], "the value", key, err);
    }
    status = mf_gguf_take_u64(&value->n, bytes, "the length", key, err);
    value->at = bytes->at;
    return status == MF_OK ? mf_gguf_skip(bytes, value->n, "the text", key, err) : status;
}

static int by_key(const void *a, const void *b)
{
    const mf_gguf_value *left = a;
    const mf_gguf_value *right = b;
    return strcmp(left->key, right->key);
}

static mf_status sort_values(mf_gguf_file *file, mf_error *err)
{
    for (size_t i = 0; i < file->n_values; i++) {
        file->values[i].key = file->keys + file->values[i].key_at;
    }
    if (file->n_values > 0) {
        qsort(file->values, file->n_values, sizeof file->values[0], by_key);
    }
    for (size_t i = 1; i < file->n_values; i++) {
        if (strcmp(file->values[i - 1].key, file->values[i].key) == 0) {
            return mf_fail(err,
                           MF_E_DATA,
                           "%s:byte %llu: the key '%s' is there twice",
                           file->bytes.name,
                           (unsigned long long)file->values[i].at,
                           file->values[i].key);
        }
    }
    return MF_OK;
}

static mf_status read_values(mf_gguf_file *file, uint64_t n, mf_error *err)
{
    mf_str keys = {0};
    mf_status status = MF_OK;
    file->values = calloc((size_t)n + 1, sizeof file->values[0]);
    if (file->values == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %llu keys", (unsigned long long)n);
    }
    for (uint64_t i = 0; status == MF_OK && i < n; i++) {
        char key[MAX_KEY_BYTES + 1] = "";
        mf_gguf_value *value = &file->values[i];
        status = mf_gguf_take_name(key, MAX_KEY_BYTES, &file->bytes, "a key", err);
        if (status == MF_OK) {
            status = read_value(value, &file->bytes, key, err);
        }
        if (status == MF_OK && file->bytes.at > MAX_HEADER_BYTES) {
            status = mf_fail(err,
                             MF_E_DATA,
                             "%s: '%s' ends behind %d bytes, no model has such a header",
                             file->bytes.name,
                             key,
                             MAX_HEADER_BYTES);
        }
        value->key_at = keys.size;
        mf_str_add_n(&keys, key, strlen(key) + 1);
    }
    if (status == MF_OK) {
        status = mf_str_status(&keys, err);
    }
    file->keys = keys.data;
    if (status == MF_OK) {
        file->n_values = (size_t)n;
        status = sort_values(file, err);
    }
    return status;
}

static mf_status read_alignment(mf_gguf_file *file, mf_error *err)
{
    file->alignment = DEFAULT_ALIGNMENT;
    const mf_gguf_value *value = mf_gguf_find(file, "general.alignment");
    if (value == NULL) {
        return MF_OK;
    }
    const mf_status status = mf_gguf_uint(&file->alignment, file, value, 0, err);
    if (status != MF_OK) {
        return status;
    }
    if (file->alignment == 0 || (file->alignment & (file->alignment - 1)) != 0 ||
        file->alignment > UINT32_MAX) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: 'general.alignment' is %llu, it must be a power of two",
                       file->bytes.name,
                       (unsigned long long)value->at,
                       (unsigned long long)file->alignment);
    }
    return MF_OK;
}

mf_status mf_gguf_file_read(mf_gguf_file *file, mf_gguf_bytes bytes, mf_error *err)
{
    uint64_t n_tensors = 0;
    uint64_t n_values = 0;
    *file = (mf_gguf_file){.bytes = bytes};
    mf_status status = read_version(file, err);
    if (status == MF_OK) {
        status = read_count(
            &n_tensors, &file->bytes, "the number of tensors", MIN_TENSOR_BYTES, MAX_TENSORS, err);
    }
    if (status == MF_OK) {
        status = read_count(
            &n_values, &file->bytes, "the number of keys", MIN_VALUE_BYTES, MAX_VALUES, err);
    }
    if (status == MF_OK) {
        status = read_values(file, n_values, err);
    }
    const uint64_t tensors_at = file->bytes.at;
    if (status == MF_OK) {
        status = read_alignment(file, err);
    }
    if (status == MF_OK) {
        file->bytes.at = tensors_at;
        status = mf_gguf_read_tensors(file, n_tensors, err);
    }
    if (status != MF_OK) {
        mf_gguf_file_free(file);
    }
    return status;
}

void mf_gguf_file_free(mf_gguf_file *file)
{
    mf_gguf_close(&file->bytes);
    free(file->values);
    free(file->keys);
    free(file->tensors);
    *file = (mf_gguf_file){.bytes = {.fd = -1}};
}

const mf_gguf_value *mf_gguf_find(const mf_gguf_file *file, const char *key)
{
    const mf_gguf_value wanted = {.key = key};
    return file->n_values == 0
               ? NULL
               : bsearch(&wanted, file->values, file->n_values, sizeof file->values[0], by_key);
}

/* Two's complement, from as many bytes as the type has. */
static bool is_negative(mf_gguf_type type, uint64_t bits)
{
    enum { BITS_PER_BYTE = 8 };
    const bool is_signed =
        type == MF_GGUF_I8 || type == MF_GGUF_I16 || type == MF_GGUF_I32 || type == MF_GGUF_I64;
    return is_signed && (bits >> (BITS_PER_BYTE * type_bytes[type] - 1)) != 0;
}

mf_status mf_gguf_uint(
    uint64_t *out, mf_gguf_file *file, const mf_gguf_value *value, uint64_t item, mf_error *err)
{
    const bool is_array = value->type == MF_GGUF_ARRAY;
    const mf_gguf_type type = is_array ? value->item_type : value->type;
    const uint64_t at = value->at + item * type_bytes[type];
    if (type == MF_GGUF_F32 || type == MF_GGUF_F64 || type == MF_GGUF_STRING ||
        type == MF_GGUF_ARRAY || item >= value->n) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: '%s' is %s%s of %llu, a whole number is needed",
                       file->bytes.name,
                       (unsigned long long)value->at,
                       value->key,
                       is_array ? "an array of " : "a ",
                       type_name(type),
                       (unsigned long long)value->n);
    }
    const uint8_t *p = NULL;
    file->bytes.at = at;
    const mf_status status =
        mf_gguf_take(&p, &file->bytes, type_bytes[type], "the value", value->key, err);
    if (status != MF_OK) {
        return status;
    }
    const uint64_t bits = mf_gguf_number(p, type_bytes[type]);
    if (is_negative(type, bits) || (type == MF_GGUF_BOOL && bits > 1)) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: '%s' is %s",
                       file->bytes.name,
                       (unsigned long long)at,
                       value->key,
                       type == MF_GGUF_BOOL ? "a bool that is neither 0 nor 1" : "negative");
    }
    *out = bits;
    return MF_OK;
}

mf_status
mf_gguf_f32_bits(uint32_t *out, mf_gguf_file *file, const mf_gguf_value *value, mf_error *err)
{
    if (value->type != MF_GGUF_F32) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: '%s' is a %s, a float32 is needed",
                       file->bytes.name,
                       (unsigned long long)value->at,
                       value->key,
                       type_name(value->type));
    }
    const uint8_t *p = NULL;
    file->bytes.at = value->at;
    const mf_status status =
        mf_gguf_take(&p, &file->bytes, type_bytes[MF_GGUF_F32], "the value", value->key, err);
    if (status == MF_OK) {
        *out = (uint32_t)mf_gguf_number(p, type_bytes[MF_GGUF_F32]);
    }
    return status;
}

/* ASCII and Latin-1 control characters would drive a terminal. */
static bool is_control(const uint8_t *p)
{
    enum { DELETE = 0x7f, C1_LEAD = 0xc2, C1_END = 0xa0 };
    return p[0] < ' ' || p[0] == DELETE || (p[0] == C1_LEAD && p[1] < C1_END);
}

mf_status mf_gguf_string(char **out, mf_gguf_file *file, const mf_gguf_value *value, mf_error *err)
{
    if (value->type != MF_GGUF_STRING) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: '%s' is %s, a string is needed",
                       file->bytes.name,
                       (unsigned long long)value->at,
                       value->key,
                       type_name(value->type));
    }
    const uint8_t *p = NULL;
    const size_t n = value->n < MAX_TEXT_BYTES ? (size_t)value->n : MAX_TEXT_BYTES;
    file->bytes.at = value->at;
    const mf_status status = mf_gguf_take(&p, &file->bytes, n, "the text", value->key, err);
    if (status != MF_OK) {
        return status;
    }
    char *text = calloc(n + 1, 1);
    if (text == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for the text of '%s'", value->key);
    }
    for (size_t i = 0, step = 1; i < n; i += step) {
        const size_t size = mf_utf8_size(p + i, n - i);
        const bool shown = size > 0 && !is_control(p + i);
        step = size > 0 ? size : 1;
        memset(text + i, '?', step);
        if (shown) {
            memcpy(text + i, p + i, step);
        }
    }
    *out = text;
    return MF_OK;
}
