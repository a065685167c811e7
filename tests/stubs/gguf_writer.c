#include "stubs/gguf_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/num.h"
#include "memfit/import.h"

enum {
    LINE_SIZE = 1 << 19,
    N_LAYERS_MAX = 4096,
    ALIGNMENT = 32,
    TYPE_STRING = 8,
    TYPE_ARRAY = 9,
};

typedef enum item_kind {
    ITEM_INTEGER,
    ITEM_FLOAT,
    ITEM_STRING,
} item_kind;

typedef struct item_type {
    const char *name;
    uint32_t number;
    size_t bytes;
    item_kind kind;
} item_type;

static const item_type item_types[] = {
    {"u8",   0,           1, ITEM_INTEGER},
    {"i8",   1,           1, ITEM_INTEGER},
    {"u16",  2,           2, ITEM_INTEGER},
    {"i16",  3,           2, ITEM_INTEGER},
    {"u32",  4,           4, ITEM_INTEGER},
    {"i32",  5,           4, ITEM_INTEGER},
    {"f32",  6,           4, ITEM_FLOAT  },
    {"bool", 7,           1, ITEM_INTEGER},
    {"str",  TYPE_STRING, 0, ITEM_STRING },
    {"u64",  10,          8, ITEM_INTEGER},
    {"i64",  11,          8, ITEM_INTEGER},
};

typedef struct writer {
    mf_str values;
    mf_str tensors;
    uint64_t n_values;
    uint64_t n_tensors;
    uint64_t data_bytes;
} writer;

static void put(mf_str *to, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        const char byte = (char)(value >> (8 * i));
        mf_str_add_n(to, &byte, 1);
    }
}

static void put_text(mf_str *to, const char *text, size_t n)
{
    put(to, n, sizeof(uint64_t));
    mf_str_add_n(to, text, n);
}

static bool put_item(mf_str *to, const item_type *type, const char *text)
{
    const char *end = NULL;
    double number = 0;
    uint64_t whole = 0;
    switch (type->kind) {
    case ITEM_STRING:
        put_text(to, text, strlen(text));
        return true;
    case ITEM_FLOAT: {
        if (!mf_parse_number(&number, text, &end) || *end != '\0') {
            return false;
        }
        const float narrow = (float)number;
        uint32_t bits = 0;
        memcpy(&bits, &narrow, sizeof bits);
        put(to, bits, sizeof bits);
        return true;
    }
    case ITEM_INTEGER:
        if (!mf_parse_uint(&whole, text[0] == '-' ? text + 1 : text)) {
            return false;
        }
        put(to, text[0] == '-' ? (uint64_t)0 - whole : whole, type->bytes);
        return true;
    }
    return false;
}

static const item_type *type_named(const char *name)
{
    for (size_t i = 0; i < sizeof item_types / sizeof item_types[0]; i++) {
        if (strcmp(item_types[i].name, name) == 0) {
            return &item_types[i];
        }
    }
    return NULL;
}

/* "5*16 4": items of an array. */
static bool put_items(mf_str *to, uint64_t *n, const item_type *type, char *text)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        uint64_t repeat = 1;
        char *star = strchr(word, '*');
        if (star != NULL) {
            *star = '\0';
            if (!mf_parse_uint(&repeat, word)) {
                return false;
            }
            word = star + 1;
        }
        for (uint64_t i = 0; i < repeat; i++) {
            if (!put_item(to, type, word)) {
                return false;
            }
        }
        *n += repeat;
    }
    return true;
}

/* Cuts the first word off; returns what follows. */
static char *cut_word(char *text)
{
    char *space = strchr(text, ' ');
    if (space == NULL) {
        return text + strlen(text);
    }
    *space = '\0';
    return space + 1;
}

static bool put_value(writer *w, char *line)
{
    static const char array[] = "arr_";
    char *type_name = cut_word(line);
    char *text = cut_word(type_name);
    const bool is_array = strncmp(type_name, array, sizeof array - 1) == 0;
    const item_type *type = type_named(is_array ? type_name + sizeof array - 1 : type_name);
    if (type == NULL) {
        return false;
    }
    w->n_values++;
    put_text(&w->values, line, strlen(line));
    if (!is_array) {
        put(&w->values, type->number, sizeof type->number);
        return put_item(&w->values, type, text);
    }
    mf_str items = {0};
    uint64_t n = 0;
    const bool fine = put_items(&items, &n, type, text);
    put(&w->values, TYPE_ARRAY, sizeof type->number);
    put(&w->values, type->number, sizeof type->number);
    put(&w->values, n, sizeof n);
    mf_str_add_n(&w->values, items.data != NULL ? items.data : "", items.size);
    mf_str_free(&items);
    return fine;
}

static bool parse_dims(mf_tensor *tensor, char *text)
{
    char *rest = NULL;
    for (size_t i = 0; i < MF_MAX_DIMS; i++) {
        tensor->dims[i] = 1;
    }
    for (char *word = strtok_r(text, "x", &rest); word != NULL; word = strtok_r(NULL, "x", &rest)) {
        if (tensor->n_dims == MF_MAX_DIMS ||
            !mf_parse_uint(&tensor->dims[tensor->n_dims++], word)) {
            return false;
        }
    }
    return tensor->n_dims > 0;
}

/* rest: "4096x4096 f16" */
static bool put_tensor(writer *w, const char *name, const char *rest)
{
    char shape[LINE_SIZE] = "";
    mf_tensor tensor = {.type = MF_TYPE_F16};
    uint64_t bytes = 0;
    snprintf(shape, sizeof shape, "%s", rest);
    snprintf(tensor.name, sizeof tensor.name, "%s", name);
    const char *type = cut_word(shape);
    if (!parse_dims(&tensor, shape) ||
        (*type != '\0' && mf_tensor_type_by_name(&tensor.type, type, NULL) != MF_OK) ||
        mf_tensor_bytes(&bytes, &tensor, tensor.type, NULL) != MF_OK) {
        return false;
    }
    put_text(&w->tensors, name, strlen(name));
    put(&w->tensors, tensor.n_dims, sizeof tensor.n_dims);
    for (size_t i = 0; i < tensor.n_dims; i++) {
        put(&w->tensors, tensor.dims[i], sizeof tensor.dims[i]);
    }
    put(&w->tensors, (uint64_t)mf_tensor_type_get(tensor.type)->gguf_id, sizeof(uint32_t));
    put(&w->tensors, w->data_bytes, sizeof w->data_bytes);
    w->n_tensors++;
    return mf_pad(&bytes, bytes, ALIGNMENT) && mf_add(&w->data_bytes, w->data_bytes, bytes);
}

/* Is layer in "0-2,4-6}..."? *last grows to the greatest layer named. */
static bool in_set(const char *set, long layer, long *last)
{
    bool found = false;
    char *at = NULL;
    while (*set != '}' && *set != '\0') {
        const long from = strtol(set, &at, 10);
        const long to = *at == '-' ? strtol(at + 1, &at, 10) : from;
        found = found || (layer >= from && layer <= to);
        *last = to > *last ? to : *last;
        set = *at == ',' ? at + 1 : at;
        if (set != at + 1 && *at != '}') {
            return false;
        }
    }
    return found;
}

/* "blk.{0-31}.attn_q.weight 4096x4096" for one layer. */
static bool put_layer_line(writer *w, const char *line, long layer, long *last)
{
    char name[MF_TENSOR_NAME_SIZE + LINE_SIZE] = "";
    const char *open = strchr(line, '{');
    const char *close = strchr(line, '}');
    const char *space = strchr(line, ' ');
    if (open == NULL || close == NULL || space == NULL || space < close) {
        return false;
    }
    if (!in_set(open + 1, layer, last)) {
        return true;
    }
    snprintf(name,
             sizeof name,
             "%.*s%ld%.*s",
             (int)(open - line),
             line,
             layer,
             (int)(space - close - 1),
             close + 1);
    return put_tensor(w, name, space + 1);
}

static bool put_line(writer *w, char *line, bool *in_tensors)
{
    if (line[0] == '\0' || line[0] == '#') {
        return true;
    }
    if (strcmp(line, "tensors") == 0) {
        *in_tensors = true;
        return true;
    }
    if (!*in_tensors) {
        return put_value(w, line);
    }
    const char *rest = cut_word(line);
    return put_tensor(w, line, rest);
}

static const char *copy_line(char line[LINE_SIZE], const char *text)
{
    const size_t n = strcspn(text, "\n");
    snprintf(line, LINE_SIZE, "%.*s", (int)n, text);
    return text[n] == '\n' ? text + n + 1 : text + n;
}

static mf_status put_manifest(writer *w, const char *text, mf_error *err)
{
    char line[LINE_SIZE] = "";
    char shown[LINE_SIZE] = "";
    bool in_tensors = false;
    const char *next = text;
    const char *layers = NULL;
    while (*next != '\0' && layers == NULL) {
        const char *start = next;
        next = copy_line(line, next);
        memcpy(shown, line, sizeof shown);
        if (in_tensors && strchr(line, '{') != NULL) {
            layers = start;
        } else if (!put_line(w, line, &in_tensors)) {
            return mf_fail(err, MF_E_DATA, "manifest: '%.200s'", shown);
        }
    }
    long last = 0;
    for (long layer = 0; layers != NULL && layer <= last && layer < N_LAYERS_MAX; layer++) {
        for (next = layers; *next != '\0';) {
            next = copy_line(line, next);
            if (!put_layer_line(w, line, layer, &last)) {
                return mf_fail(err, MF_E_DATA, "manifest: '%.200s'", line);
            }
        }
    }
    return MF_OK;
}

mf_status test_gguf_build(mf_str *header, uint64_t *data_bytes, const char *manifest, mf_error *err)
{
    enum { VERSION = 3 };
    writer w = {0};
    mf_str all = {0};
    mf_status status = put_manifest(&w, manifest, err);
    if (status == MF_OK) {
        mf_str_add(&all, "GGUF");
        put(&all, VERSION, sizeof(uint32_t));
        put(&all, w.n_tensors, sizeof w.n_tensors);
        put(&all, w.n_values, sizeof w.n_values);
        mf_str_add_n(&all, w.values.data != NULL ? w.values.data : "", w.values.size);
        mf_str_add_n(&all, w.tensors.data != NULL ? w.tensors.data : "", w.tensors.size);
        mf_str_add_char(&all, '\0', (ALIGNMENT - all.size % ALIGNMENT) % ALIGNMENT);
        status = mf_str_status(&all, err);
    }
    mf_str_free(&w.values);
    mf_str_free(&w.tensors);
    if (status != MF_OK) {
        mf_str_free(&all);
        return status;
    }
    *header = all;
    *data_bytes = w.data_bytes;
    return MF_OK;
}

mf_status test_gguf_write(const char *path, const char *manifest, mf_error *err)
{
    mf_str header = {0};
    uint64_t data_bytes = 0;
    mf_status status = test_gguf_build(&header, &data_bytes, manifest, err);
    if (status != MF_OK) {
        return status;
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, header.data, header.size) != (ssize_t)header.size ||
        ftruncate(fd, (off_t)(header.size + data_bytes)) != 0) {
        status = mf_fail(err, MF_E_IO, "'%s' can't be written", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    mf_str_free(&header);
    return status;
}

char *test_manifest_text(const char *name)
{
    enum { PATH_SIZE = 4096, CHUNK = 4096 };
    char path[PATH_SIZE] = "";
    char chunk[CHUNK] = "";
    snprintf(path, sizeof path, "%s/tests/truth/llamacpp/models/%s.txt", MF_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    mf_str text = {0};
    for (size_t n = 0; (n = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        mf_str_add_n(&text, chunk, n);
    }
    fclose(file);
    return text.data;
}

mf_status test_model_from_manifest(mf_model **out, const char *name, mf_error *err)
{
    mf_str header = {0};
    uint64_t data_bytes = 0;
    char *text = test_manifest_text(name);
    if (text == NULL) {
        return mf_fail(err, MF_E_IO, "there is no manifest '%s'", name);
    }
    mf_status status = test_gguf_build(&header, &data_bytes, text, err);
    if (status == MF_OK) {
        status = mf_gguf_parse(out, header.data, header.size, name, err);
    }
    mf_str_free(&header);
    free(text);
    return status;
}
