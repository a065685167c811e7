/*
 * kinds.h - every kind of fact file: its table, its place in the database, and the texts that are printed from the table.
 */
#ifndef MF_FACTS_KINDS_H
#define MF_FACTS_KINDS_H

#include "base/str.h"
#include "facts/fields.h"

typedef enum mf_file_kind {
    MF_FILE_DEVICE,
    MF_FILE_MACHINE,
    MF_FILE_ENGINE,
    MF_FILE_MODEL,
    MF_FILE_LINKS,
    MF_FILE_GPU_LIMITS,
    MF_FILE_KERNELS,
    MF_FILE_PURCHASES,
    MF_FILE_RENTALS,
    MF_FILE_ELECTRICITY,
    MF_FILE_ECONOMICS,
    MF_FILE_ASSUMPTIONS,
    MF_FILE_QUANTS,
    MF_FILE_RELEASES,
    MF_FILE_RECORD,
    MF_FILE_KIND_COUNT,
} mf_file_kind;

typedef struct mf_file_info {
    const char *name; /* "device", as in `memfit db new device` */
    const mf_table *table;
    const char *folder; /* one file an entry: "hwdb/devices"; models lie one folder deeper */
    const char *file;   /* one file for all: "hwdb/links.json" */
    const char *schema; /* "hwdb/device.schema.json" */
} mf_file_info;

/* Borrowed, static storage. */
const mf_file_info *mf_file_kind_info(mf_file_kind kind);

/* MF_E_UNKNOWN names the nearest kind. */
mf_status mf_file_kind_by_name(mf_file_kind *kind, const char *name, mf_error *err);

/* The kind whose keys an object has most of; false if it has none of any. */
bool mf_file_kind_guess(mf_file_kind *kind, const mf_node *root);

/* Appends a file of made-up values to be replaced (`db new KIND`). */
void mf_template_write(mf_str *out, mf_file_kind kind);

/* Appends what the keys of a kind mean (`db explain KIND[.key]`); path is "machine" or "machine.memory.capacity".
   MF_E_UNKNOWN names the nearest key. */
mf_status mf_explain_write(mf_str *out, const char *path, mf_error *err);

/* Appends the JSON Schema (draft 2020-12) of a kind; the committed *.schema.json are its output. */
void mf_schema_write(mf_str *out, mf_file_kind kind);

#endif
