/*
 * gguf_file.h - the header of one GGUF file: its key-value pairs and what it says about its tensors.
 *
 * Only places are remembered, not values: strings and arrays are read again through the window when somebody asks.
 * Format: ggml's gguf.h and gguf.md. Everything here is one file; split sets are put together in gguf.c.
 */
#ifndef MF_IMPORT_GGUF_FILE_H
#define MF_IMPORT_GGUF_FILE_H

#include "import/gguf_bytes.h"
#include "memfit/model.h"

/* X(name, number in the file, bytes of one; 0: its own length, text) */
#define MF_GGUF_VALUE_LIST(X)                                                                      \
    X(MF_GGUF_U8, 0, 1, "uint8")                                                                   \
    X(MF_GGUF_I8, 1, 1, "int8")                                                                    \
    X(MF_GGUF_U16, 2, 2, "uint16")                                                                 \
    X(MF_GGUF_I16, 3, 2, "int16")                                                                  \
    X(MF_GGUF_U32, 4, 4, "uint32")                                                                 \
    X(MF_GGUF_I32, 5, 4, "int32")                                                                  \
    X(MF_GGUF_F32, 6, 4, "float32")                                                                \
    X(MF_GGUF_BOOL, 7, 1, "bool")                                                                  \
    X(MF_GGUF_STRING, 8, 0, "string")                                                              \
    X(MF_GGUF_ARRAY, 9, 0, "array")                                                                \
    X(MF_GGUF_U64, 10, 8, "uint64")                                                                \
    X(MF_GGUF_I64, 11, 8, "int64")                                                                 \
    X(MF_GGUF_F64, 12, 8, "float64")

typedef enum mf_gguf_type {
#define MF_GGUF_TYPE_ENUM(name, number, bytes, text) name = (number),
    MF_GGUF_VALUE_LIST(MF_GGUF_TYPE_ENUM)
#undef MF_GGUF_TYPE_ENUM
        MF_GGUF_TYPE_COUNT
} mf_gguf_type;

typedef struct mf_gguf_value {
    const char *key; /* into mf_gguf_file.keys */
    size_t key_at;
    mf_gguf_type type;
    mf_gguf_type item_type; /* of an array */
    uint64_t n;             /* items of an array, bytes of a string, else 1 */
    uint64_t at; /* place of the first byte of the value, string or array data in the file */
} mf_gguf_value;

typedef struct mf_gguf_tensor {
    mf_tensor tensor;
    uint64_t offset; /* from the start of the tensor data */
    uint64_t bytes;
    uint64_t at; /* place of its description in the file, for messages */
} mf_gguf_tensor;

typedef struct mf_gguf_file {
    mf_gguf_bytes bytes;
    uint32_t version;
    mf_gguf_value *values; /* sorted by key */
    size_t n_values;
    char *keys;
    mf_gguf_tensor *tensors; /* in file order */
    size_t n_tensors;
    uint64_t alignment;
    uint64_t data_start; /* place of the tensor data in the file */
} mf_gguf_file;

/* Reads the header from bytes, which the file then owns (also on failure). MF_E_DATA, MF_E_UNSUPPORTED, MF_E_NOMEM. */
mf_status mf_gguf_file_read(mf_gguf_file *file, mf_gguf_bytes bytes, mf_error *err);

/* A step of mf_gguf_file_read: the tensors' descriptions. */
mf_status mf_gguf_read_tensors(mf_gguf_file *file, uint64_t n_tensors, mf_error *err);

/* Every tensor must lie inside the file: for files whose data is there. */
mf_status mf_gguf_file_check_size(const mf_gguf_file *file, mf_error *err);

void mf_gguf_file_free(mf_gguf_file *file);

/* Value by exact key, borrowed; NULL if there is none. */
const mf_gguf_value *mf_gguf_find(const mf_gguf_file *file, const char *key);

/* A whole number that is not negative; item is the index in an array, 0 for a scalar. MF_E_DATA names the key if the
   value is a float, a string or negative. */
mf_status mf_gguf_uint(
    uint64_t *out, mf_gguf_file *file, const mf_gguf_value *value, uint64_t item, mf_error *err);

/* The 32 bits of a float32. MF_E_DATA names the key if the value is none. */
mf_status
mf_gguf_f32_bits(uint32_t *out, mf_gguf_file *file, const mf_gguf_value *value, mf_error *err);

/* Copy of a string, cut after 255 bytes, with '?' for control characters and what is not UTF-8. The caller frees *out. */
mf_status mf_gguf_string(char **out, mf_gguf_file *file, const mf_gguf_value *value, mf_error *err);

#endif
