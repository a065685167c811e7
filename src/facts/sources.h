/*
 * sources.h - where numbers come from: the "sources" of a file, the "source" of a row.
 */
#ifndef MF_FACTS_SOURCES_H
#define MF_FACTS_SOURCES_H

#include "facts/fields.h"

extern const mf_field mf_sources_field; /* a LIST that fills an mf_sources */

/* Index of the first source that covers path, MF_NO_SOURCE if none does. */
int mf_sources_find(const mf_sources *sources, const char *path);

/* Appends a copy. MF_E_NOMEM. */
mf_status mf_sources_add(mf_sources *sources, const mf_source *source, mf_error *err);

#endif
