/*
 * store.h - the folders behind a database: where an entry's file is, what there is, what an unknown name may mean (suggest.c).
 */
#ifndef MF_FACTS_STORE_H
#define MF_FACTS_STORE_H

#include "facts/json.h"
#include "memfit/database.h"

enum { MF_STORE_MAX_ROWS = 8 }; /* files of rows */

/* Files of rows that were read: a machine asks for those of links, limits and kernels again and again. */
typedef struct mf_store_rows {
    const char *relative[MF_STORE_MAX_ROWS]; /* static */
    mf_json *files[MF_STORE_MAX_ROWS];
    size_t n;
} mf_store_rows;

struct mf_database {
    char **folders;
    size_t n_folders;
    uint32_t macos; /* 0: the newest */
    mf_store_rows *rows;
};

/* Path of the file of one entry; *path NULL if there is none. Not for kinds that are rows of a file. */
mf_status mf_store_find(
    char **path, const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err);

/* Fails with MF_E_UNKNOWN, names of this kind (and of machines' devices) that id may have meant in the message. */
mf_status
mf_store_unknown(const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err);

/* The name holds each word of the text, however they are written and cut. */
bool mf_store_has_words(const char *name, const char *text);

/* The same of machines alone. */
mf_status mf_store_no_machine(const mf_database *database, const char *id, mf_error *err);

/* A device's id as a machine, or that of a chip without memory with how much it has behind ("apple-m3-max-40c-64gb"). */
mf_status mf_store_device_machine(mf_machine **out,
                                  const mf_database *database,
                                  const char *id,
                                  mf_error *err);

/* "model", "machine", ... and for kinds kept as rows "hwdb/links.json", ...; NULL for the others. */
const char *mf_entry_kind_name(mf_entry_kind kind);
const char *mf_entry_list_name(mf_entry_kind kind); /* "models", as in `db list` */
const char *mf_entry_rows_file(mf_entry_kind kind);

/* Path of a file or folder inside the first folder that has it, NULL in *path if none has. */
mf_status
mf_store_path(char **path, const mf_database *database, const char *relative, mf_error *err);

/* A file of rows, kept by the database, in the first folder that has it; *json NULL if none has. `relative` is static. */
mf_status mf_store_rows_file(const mf_json **json,
                             const mf_database *database,
                             const char *relative,
                             mf_error *err);
void mf_store_rows_free(mf_store_rows *rows);

bool mf_store_exists(const char *path);

/* Adds a copy of name; mf_names_sort sorts by byte value and drops twins. */
mf_status mf_names_add(mf_names *names, const char *name, size_t size, mf_error *err);
void mf_names_sort(mf_names *names);

/* Adds the names of files *.json in a folder, without .json; a missing folder has none. */
mf_status mf_names_add_files(mf_names *names, const char *folder, mf_error *err);

/* Adds the names of the folders in a folder. */
mf_status mf_names_add_folders(mf_names *names, const char *folder, mf_error *err);

#endif
