/*
 * column_notes.h - what the numbers of a column are computed from, for those that are no figures of their own.
 */
#ifndef MF_REPORT_COLUMN_NOTES_H
#define MF_REPORT_COLUMN_NOTES_H

#include "report/document.h"

typedef struct mf_column_note {
    const char *table;  /* how its heading begins; NULL: any */
    const char *column; /* heading of the column, or name of the pair; NULL: any */
    const char *id;
    const char *formula;
    const char *unit; /* where the cell has none */
} mf_column_note;

/* The note of a cell's column; NULL: none. */
const mf_column_note *mf_column_note_of(const mf_block *block, size_t cell);

/* True if a cell begins with a number, behind signs of what it is ("~", "<"). *behind is what follows it. */
bool mf_is_number(double *value, const char **behind, const char *text);

/* True if a sentence has a number with a unit of a result in it ("84 % of", "decode 12 tok/s"): names have none. */
bool mf_has_result(const char *text);

/* The first number of a sentence: "context 8192, prompt 2048". */
bool mf_first_number(double *value, const char **behind, const char *text);

/* What stands behind the number, as "GiB", or the column's unit. */
const char *mf_unit_shown(const char *behind, const mf_column_note *note);

#endif
