/*
 * json_scan.h - checks a text against the JSON grammar without building anything, and finds the place of a value in it.
 *
 * cJSON accepts more than JSON and says little about what is wrong; this scanner runs first and refuses with a place.
 */
#ifndef MF_FACTS_JSON_SCAN_H
#define MF_FACTS_JSON_SCAN_H

#include <stddef.h>

#include "memfit/status.h"

enum { MF_JSON_MAX_DEPTH = 64 };

typedef struct mf_json_text {
    const char *name; /* stands in messages */
    const char *data;
    size_t size;
} mf_json_text;

/* MF_E_DATA with name:line:column at the first fault; duplicate keys are not looked for. */
mf_status mf_json_scan(const mf_json_text *text, mf_error *err);

/* Byte offset of the n-th value (0: the root, then in the order of the text); the text's size if it has fewer. */
size_t mf_json_offset(const mf_json_text *text, size_t n);

/* Length of the UTF-8 sequence at data (n_left >= 1), 0 if it is not valid. */
size_t mf_utf8_size(const unsigned char *data, size_t n_left);

/* Fails with MF_E_DATA and "name:line:column: message"; lines and columns count from 1, columns in characters. */
mf_status
mf_json_fail_at(const mf_json_text *text, size_t offset, mf_error *err, const char *message);

#endif
