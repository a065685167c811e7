/*
 * json.h - strict JSON on top of cJSON, with places for messages. json.c is the only file that includes cJSON.
 *
 * cJSON alone is lenient; mf_json_parse also refuses: duplicate keys, trailing text, numbers like 01 or 1., numbers
 * that overflow a double, nesting deeper than 64, NUL in strings, invalid UTF-8.
 */
#ifndef MF_FACTS_JSON_H
#define MF_FACTS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "memfit/status.h"

typedef struct mf_json mf_json; /* a parsed text; owns its nodes */
typedef struct cJSON mf_node;   /* a value in it, borrowed from the mf_json */

typedef enum mf_node_kind {
    MF_NODE_NULL,
    MF_NODE_BOOL,
    MF_NODE_NUMBER,
    MF_NODE_STRING,
    MF_NODE_ARRAY,
    MF_NODE_OBJECT,
} mf_node_kind;

/* Parses text of size bytes; name stands in messages. MF_E_DATA with name:line:column. The caller frees *out. */
mf_status
mf_json_parse(mf_json **out, const char *text, size_t size, const char *name, mf_error *err);

/* Reads and parses a file of at most 64 MiB. MF_E_IO if it can't be read. */
mf_status mf_json_load(mf_json **out, const char *path, mf_error *err);

void mf_json_free(mf_json *json); /* NULL is fine */

const mf_node *mf_json_root(const mf_json *json);

mf_node_kind mf_node_kind_of(const mf_node *node);

/* Member of an object by exact key; NULL if absent or if node is not an object (NULL is fine). */
const mf_node *mf_node_get(const mf_node *node, const char *key);

/* Children of an array or object, in file order: first child or NULL, then the next or NULL. O(1) each. */
const mf_node *mf_node_first(const mf_node *node);
const mf_node *mf_node_next(const mf_node *node);
size_t mf_node_count(const mf_node *node);
const char *mf_node_key(const mf_node *node); /* key of an object's member; NULL elsewhere */

/* Values; false (and *out untouched) if the node is NULL or of another kind. Integers of 2^53 and more are refused, as JSON
   numbers are doubles. Strings are borrowed. */
bool mf_node_uint(uint64_t *out, const mf_node *node);
bool mf_node_double(double *out, const mf_node *node);
bool mf_node_bool(bool *out, const mf_node *node);
const char *mf_node_string(const mf_node *node); /* NULL if it is not a string */

/* Appends text as a JSON string in quotes, null for NULL. Bytes that are not UTF-8 become U+FFFD. */
void mf_json_quote(mf_str *out, const char *text);

/* Fails with "name:line:column: message" for a node of this document (NULL node: the document). MF_E_DATA. */
mf_status
mf_json_fail(const mf_json *json, const mf_node *node, mf_error *err, const char *format, ...)
    MF_PRINTF(4, 5);
#ifdef __clang_analyzer__
/* As mf_fail: what it returns is not seen from another file. */
#define mf_json_fail(...) ((void)(mf_json_fail)(__VA_ARGS__), MF_E_DATA)
#endif

#endif
