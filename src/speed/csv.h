/*
 * csv.h - comma separated values with quoted fields, split in place.
 */
#ifndef MF_SPEED_CSV_H
#define MF_SPEED_CSV_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mf_csv {
    char *next;  /* rest of the text, changed while it is split */
    size_t line; /* of the row read last */
    size_t next_line;
} mf_csv;

/* Splits one row into at most max fields, borrowed from the text; *n counts all of them. False at the end. */
bool mf_csv_row(mf_csv *csv, char **fields, size_t max, size_t *n);

#endif
