/*
 * database.h - finding facts by name in folders that hold hwdb/ and modeldb/.
 *
 * Opening reads nothing but folder names: one question parses only the files it needs, and keeps those of links, limits,
 * kernels and schemes, so that a database is not for two threads at once. Several folders may be given, the first that has
 * a file wins, so that a user's own folder can override what is installed.
 */
#ifndef MF_MEMFIT_DATABASE_H
#define MF_MEMFIT_DATABASE_H

#include "memfit/engine.h"
#include "memfit/machine.h"
#include "memfit/model.h"
#include "memfit/quant.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mf_database mf_database;

typedef enum mf_entry_kind {
    MF_ENTRY_MODEL,
    MF_ENTRY_MACHINE,
    MF_ENTRY_DEVICE,
    MF_ENTRY_LINK,
    MF_ENTRY_QUANT,
    MF_ENTRY_ENGINE,
    MF_ENTRY_RENTAL,
    MF_ENTRY_RELEASE, /* models by another name; mf_database_model reads one */
    MF_ENTRY_RECORD,  /* calibrations of own machines; only listed, mf_record_load reads one */
} mf_entry_kind;

/* folders are searched in order; at least one must hold hwdb/ and modeldb/. MF_E_IO. The caller frees *out. */
MF_API mf_status mf_database_open(mf_database **out,
                                  const char *const *folders,
                                  size_t n_folders,
                                  mf_error *err);
/* Macs get the GPU limits of this major version of macOS or the newest before it, if those of their size are known; without
   it, and for 0, the newest. */
MF_API void mf_database_set_macos(mf_database *database, uint32_t major);
MF_API void mf_database_close(mf_database *database); /* NULL is fine */

/* Each reads one entry; the caller frees it. MF_E_UNKNOWN suggests the nearest names; MF_E_DATA has file:line:column. */
/* A model's id, or that of a release: the model that it is of, with its own name and context. */
MF_API mf_status mf_database_model(mf_model **out,
                                   const mf_database *database,
                                   const char *id,
                                   mf_error *err);

/* A machine with its devices. A device's id is accepted too: a machine of that device and its own memory, or, of a chip
   without, the memory behind its id ("apple-m3-max-40c-64gb"); a what-if string
   as well (MF_E_USAGE), whose `like` may name a device. A pool of a Mac
   whose usable share is not stated gets the share of gpu_limits.json for its RAM and the newest macOS there. */
MF_API mf_status mf_database_machine(mf_machine **out,
                                     const mf_database *database,
                                     const char *id,
                                     mf_error *err);
MF_API mf_status mf_database_device(mf_device **out,
                                    const mf_database *database,
                                    const char *id,
                                    mf_error *err);
MF_API mf_status mf_database_link(mf_link **out,
                                  const mf_database *database,
                                  const char *id,
                                  mf_error *err);

/* Case is ignored: "q4_k_m" finds Q4_K_M. */
MF_API mf_status mf_database_quant(mf_quant **out,
                                   const mf_database *database,
                                   const char *id,
                                   mf_error *err);

/* Every scheme but second names of one (same mix), in file order. Free with mf_quants_free. */
MF_API mf_status mf_database_quants(mf_quants *out, const mf_database *database, mf_error *err);

/* All measured qualities; free with mf_qualities_free. */
MF_API mf_status mf_database_qualities(mf_qualities *out,
                                       const mf_database *database,
                                       mf_error *err);
MF_API mf_status mf_database_engine(mf_engine **out,
                                    const mf_database *database,
                                    const char *name,
                                    mf_error *err);

/* Ids of a kind, sorted by byte value. Free with mf_names_free. */
typedef struct mf_names {
    char **items;
    size_t n_items;
} mf_names;

/* Empty where no folder has one. MF_E_IO, MF_E_DATA of a file of rows, MF_E_NOMEM. */
MF_API mf_status mf_database_list(mf_names *names,
                                  const mf_database *database,
                                  mf_entry_kind kind,
                                  mf_error *err);
MF_API void mf_names_free(mf_names *names);

/* Full path of "hwdb/calibration/<name>.json" or another file in the first folder that has it; MF_E_UNKNOWN. The caller
   frees *path. */
MF_API mf_status mf_database_path(char **path,
                                  const mf_database *database,
                                  const char *relative,
                                  mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
