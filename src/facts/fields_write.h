/*
 * fields_write.h - a struct of a table as JSON text, the way back of fields.h: what is written reads as the same struct.
 */
#ifndef MF_FACTS_FIELDS_WRITE_H
#define MF_FACTS_FIELDS_WRITE_H

#include "base/str.h"
#include "facts/fields.h"

/* Appends the whole document, its "schema" (1) and its sources included. Lists of records that hold no list are one line
   an entry. An unknown fact and a NULL text are null. Fields that are not stored, the schema aside, are []. */
void mf_fields_write(mf_str *out,
                     const mf_table *table,
                     const void *from,
                     const mf_sources *sources);

#endif
