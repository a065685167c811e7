/*
 * fact.h - a number that knows whether it is known and where it comes from.
 *
 * "Not published" is a value of its own and never 0: test `known` before `value`. Units are SI: bytes, bytes per
 * second, FLOP per second, watts, seconds; a fact's field name says which.
 */
#ifndef MF_MEMFIT_FACT_H
#define MF_MEMFIT_FACT_H

#include <stdbool.h>
#include <stddef.h>

#include "memfit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_NO_SOURCE (-1)

/* A number with its ground: `source` indexes the mf_sources of the file it was read from, MF_NO_SOURCE if none. */
typedef struct mf_fact {
    double value;
    bool known;
    int source;
} mf_fact;

/* How a source came by its numbers, best first. */
typedef enum mf_source_kind {
    MF_SOURCE_VENDOR,   /* published by the maker */
    MF_SOURCE_MEASURED, /* somebody measured it */
    MF_SOURCE_DERIVED,  /* computed from other facts; the title says how */
    MF_SOURCE_ASSUMED,  /* taken from a neighbour or general knowledge: weak ground */
} mf_source_kind;

/* One entry of a file's "sources". Strings are owned by the mf_sources; title is never NULL, the rest may be. */
typedef struct mf_source {
    char *covers; /* field paths it is good for, comma separated: "bandwidth,fp32" or "*" */
    char *title;
    char *url;
    char *seen; /* date the source was read, "2026-09-22" */
    mf_source_kind kind;
} mf_source;

typedef struct mf_sources {
    mf_source *items;
    size_t n_items;
} mf_sources;

/* "vendor", "measured", "derived" or "assumed". Static storage. */
MF_API const char *mf_source_kind_name(mf_source_kind kind);

#ifdef __cplusplus
}
#endif

#endif
