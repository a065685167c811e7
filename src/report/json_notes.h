/*
 * json_notes.h - what the numbers of a command's JSON are computed from.
 *
 * A number is named by the keys on the way to it: "memory.devices.gpu0.need_bytes", where an element of a list stands by its
 * name. A note is for all numbers whose way ends as it says.
 */
#ifndef MF_REPORT_JSON_NOTES_H
#define MF_REPORT_JSON_NOTES_H

#include <stddef.h>

typedef struct mf_json_note {
    const char *schema;  /* how it begins: "memfit.cost" */
    const char *path;    /* keys with dots; * stands for any one */
    const char *formula; /* NULL: that of a part of a cost */
    const char *
        inputs; /* other values of the JSON, cut by blanks: looked for in the number's own object first, then
                            outwards. May hold *. NULL: none */
    const char *
        sources; /* their `id`, or what they are for; cut by blanks, a * at its end stands for any ending. NULL: none */
} mf_json_note;

/* labels: the n keys on the way to a number. NULL: nothing is known of it. */
const mf_json_note *mf_json_note_of(const char *schema, const char *const *labels, size_t n);

/* In words and symbols. */
const char *mf_json_note_formula(const mf_json_note *note, const char *const *labels, size_t n);

#endif
