#include "facts/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "facts/json_scan.h"

enum {
    MAX_FILE_SIZE = 64 << 20,
    FIRST_READ_SIZE = 64 << 10,
    FEW_KEYS = 16, /* compared pairwise, more are sorted */
};

/* From 2^53 on a double no longer holds every integer. */
static const double integer_limit = 9007199254740992.0;

struct mf_json {
    char *name;
    char *data; /* the text, kept for the places in messages */
    size_t size;
    cJSON *root;
};

/* Walks a tree in the order of the text, without recursion; depth is bounded by the scanner. */
typedef struct walk {
    const cJSON *path[MF_JSON_MAX_DEPTH + 1];
    size_t depth;
} walk;

static const cJSON *walk_next(walk *pos)
{
    const cJSON *node = pos->path[pos->depth];
    if (node->child != NULL) {
        pos->path[++pos->depth] = node->child;
        return node->child;
    }
    while (pos->depth > 0 && pos->path[pos->depth]->next == NULL) {
        pos->depth--;
    }
    if (pos->depth == 0) {
        return NULL;
    }
    pos->path[pos->depth] = pos->path[pos->depth]->next;
    return pos->path[pos->depth];
}

static mf_json_text text_of(const mf_json *json)
{
    return (mf_json_text){.name = json->name, .data = json->data, .size = json->size};
}

mf_status(mf_json_fail)(
    const mf_json *json, const mf_node *node, mf_error *err, const char *format, ...)
{
    char message[MF_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t n = 0;
    walk pos = {.path = {json->root}};
    for (const cJSON *at = json->root; node != NULL && at != NULL && at != node; n++) {
        at = walk_next(&pos);
    }
    const mf_json_text text = text_of(json);
    return mf_json_fail_at(&text, mf_json_offset(&text, n), err, message);
}

static int compare_keys(const void *a, const void *b)
{
    const cJSON *const *left = a;
    const cJSON *const *right = b;
    return strcmp((*left)->string, (*right)->string);
}

static const cJSON *twin_of_few(const cJSON *object)
{
    for (const cJSON *a = object->child; a != NULL; a = a->next) {
        for (const cJSON *b = a->next; b != NULL; b = b->next) {
            if (strcmp(a->string, b->string) == 0) {
                return b;
            }
        }
    }
    return NULL;
}

/* A member whose key another member has too, NULL if there is none. */
static mf_status find_twin(const cJSON **twin, const cJSON *object, mf_error *err)
{
    const size_t n = mf_node_count(object);
    *twin = NULL;
    if (n <= FEW_KEYS) {
        *twin = twin_of_few(object);
        return MF_OK;
    }
    const cJSON **members = calloc(n, sizeof *members);
    if (members == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu keys", n);
    }
    size_t filled = 0;
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        members[filled++] = member;
    }
    qsort(members, n, sizeof *members, compare_keys);
    for (size_t i = 1; i < n && *twin == NULL; i++) {
        if (strcmp(members[i - 1]->string, members[i]->string) == 0) {
            *twin = members[i];
        }
    }
    free(members);
    return MF_OK;
}

static mf_status refuse_twins(const mf_json *json, mf_error *err)
{
    walk pos = {.path = {json->root}};
    for (const cJSON *node = json->root; node != NULL; node = walk_next(&pos)) {
        if (!cJSON_IsObject(node)) {
            continue;
        }
        const cJSON *twin = NULL;
        const mf_status status = find_twin(&twin, node, err);
        if (status != MF_OK) {
            return status;
        }
        if (twin != NULL) {
            return mf_json_fail(json, twin, err, "'%s' stands twice in one object", twin->string);
        }
    }
    return MF_OK;
}

/* Takes over data, which has room for a final 0. */
static mf_status
parse_owned(mf_json **out, char *data, size_t size, const char *name, mf_error *err)
{
    mf_json *json = calloc(1, sizeof *json);
    if (json == NULL) {
        free(data);
        return mf_fail(err, MF_E_NOMEM, "out of memory for '%s'", name);
    }
    *json = (mf_json){.name = mf_strdup(name), .data = data, .size = size};
    mf_status status = json->name == NULL ? mf_fail(err, MF_E_NOMEM, "out of memory") : MF_OK;
    if (status == MF_OK) {
        data[size] = '\0';
        const mf_json_text text = text_of(json);
        status = mf_json_scan(&text, err);
    }
    if (status == MF_OK) {
        json->root = cJSON_ParseWithLength(data, size);
        /* The scanner is the stricter one, so only memory is left to fail. */
        status = json->root == NULL ? mf_fail(err, MF_E_NOMEM, "out of memory for '%s'", name)
                                    : refuse_twins(json, err);
    }
    if (status == MF_OK) {
        *out = json;
        return MF_OK;
    }
    mf_json_free(json);
    return status;
}

mf_status
mf_json_parse(mf_json **out, const char *text, size_t size, const char *name, mf_error *err)
{
    if (size > MAX_FILE_SIZE) {
        return mf_fail(err, MF_E_DATA, "'%s' is larger than 64 MiB", name);
    }
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for '%s'", name);
    }
    memcpy(copy, text, size);
    return parse_owned(out, copy, size, name, err);
}

/* Appends the stream to *data; stops one byte behind the limit. */
static mf_status read_all(char **data, size_t *size, FILE *file, const char *path, mf_error *err)
{
    size_t capacity = 0;
    for (;;) {
        if (*size + 1 >= capacity) {
            capacity = capacity > 0 ? 2 * capacity : FIRST_READ_SIZE;
            char *grown = realloc(*data, capacity);
            if (grown == NULL) {
                return mf_fail(err, MF_E_NOMEM, "out of memory for '%s'", path);
            }
            *data = grown;
        }
        const size_t n = fread(*data + *size, 1, capacity - *size - 1, file);
        *size += n;
        if (ferror(file)) {
            return mf_fail(err, MF_E_IO, "can't read '%s': %s", path, strerror(errno));
        }
        if (n == 0) {
            return MF_OK;
        }
        if (*size > MAX_FILE_SIZE) {
            return mf_fail(err, MF_E_DATA, "'%s' is larger than 64 MiB", path);
        }
    }
}

mf_status mf_json_load(mf_json **out, const char *path, mf_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return mf_fail(err, MF_E_IO, "can't open '%s': %s", path, strerror(errno));
    }
    char *data = NULL;
    size_t size = 0;
    const mf_status status = read_all(&data, &size, file, path, err);
    (void)fclose(file);
    if (status != MF_OK) {
        free(data);
        return status;
    }
    return parse_owned(out, data, size, path, err);
}

void mf_json_free(mf_json *json)
{
    if (json == NULL) {
        return;
    }
    cJSON_Delete(json->root);
    free(json->data);
    free(json->name);
    free(json);
}

void mf_json_quote(mf_str *out, const char *text)
{
    if (text == NULL) {
        mf_str_add(out, "null");
        return;
    }
    mf_str_add_char(out, '"', 1);
    for (size_t left = strlen(text); left > 0;) {
        const unsigned char c = (unsigned char)*text;
        const size_t size = mf_utf8_size((const unsigned char *)text, left);
        if (size == 0) {
            mf_str_add(out, "\xEF\xBF\xBD");
        } else if (c == '"' || c == '\\') {
            mf_str_printf(out, "\\%c", c);
        } else if (c < 0x20) {
            mf_str_printf(out, "\\u%04x", c);
        } else {
            mf_str_add_n(out, text, size);
        }
        text += size > 0 ? size : 1;
        left -= size > 0 ? size : 1;
    }
    mf_str_add_char(out, '"', 1);
}

const mf_node *mf_json_root(const mf_json *json)
{
    return json->root;
}

mf_node_kind mf_node_kind_of(const mf_node *node)
{
    static const struct {
        int type;
        mf_node_kind kind;
    } kinds[] = {
        {cJSON_False,  MF_NODE_BOOL  },
        {cJSON_True,   MF_NODE_BOOL  },
        {cJSON_Number, MF_NODE_NUMBER},
        {cJSON_String, MF_NODE_STRING},
        {cJSON_Array,  MF_NODE_ARRAY },
        {cJSON_Object, MF_NODE_OBJECT},
    };
    for (size_t i = 0; node != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((node->type & kinds[i].type) != 0) {
            return kinds[i].kind;
        }
    }
    return MF_NODE_NULL;
}

const mf_node *mf_node_get(const mf_node *node, const char *key)
{
    if (!cJSON_IsObject(node)) {
        return NULL;
    }
    const cJSON *member = node->child;
    while (member != NULL && strcmp(member->string, key) != 0) {
        member = member->next;
    }
    return member;
}

const mf_node *mf_node_first(const mf_node *node)
{
    return node == NULL ? NULL : node->child;
}

const mf_node *mf_node_next(const mf_node *node)
{
    return node == NULL ? NULL : node->next;
}

size_t mf_node_count(const mf_node *node)
{
    size_t n = 0;
    for (const mf_node *child = mf_node_first(node); child != NULL; child = child->next) {
        n++;
    }
    return n;
}

const char *mf_node_key(const mf_node *node)
{
    return node == NULL ? NULL : node->string;
}

bool mf_node_double(double *out, const mf_node *node)
{
    if (!cJSON_IsNumber(node)) {
        return false;
    }
    *out = node->valuedouble;
    return true;
}

bool mf_node_uint(uint64_t *out, const mf_node *node)
{
    double value = 0;
    if (!mf_node_double(&value, node) || value < 0 || value >= integer_limit) {
        return false;
    }
    const uint64_t whole = (uint64_t)value;
    if (value - (double)whole > 0) {
        return false;
    }
    *out = whole;
    return true;
}

bool mf_node_bool(bool *out, const mf_node *node)
{
    if (!cJSON_IsBool(node)) {
        return false;
    }
    *out = cJSON_IsTrue(node);
    return true;
}

const char *mf_node_string(const mf_node *node)
{
    return cJSON_IsString(node) ? node->valuestring : NULL;
}
