/*
 * own.h - what the user measured on this machine: records of `memfit calibrate` and runs of engines, in the user's own
 * data folder (hwdb/records/<id>.json, hwdb/runs/<device>.csv).
 */
#ifndef MF_CLI_OWN_H
#define MF_CLI_OWN_H

#include "cli/cli.h"
#include "memfit/record.h"

/* Writes hwdb/FOLDER/NAME of the user's data folder (--data, $MEMFIT_DATA, $XDG_DATA_HOME/memfit, ~/.local/share/memfit),
   which is made if it is not there. *path, which the caller frees, is where it went. */
mf_status mf_own_write(char **path,
                       const mf_arguments *a,
                       const char *folder,
                       const char *name,
                       const mf_str *text,
                       mf_error *err);

/* A record by its id, or a .json file. MF_E_UNKNOWN names those that there are. The caller frees *out. */
mf_status
mf_own_record(mf_record **out, const mf_database *database, const char *id, mf_error *err);

/* The machine of a record; for "this" the best of this machine's: a GPU's before the processor's. *out is NULL where there
   is none. The caller frees *out. */
mf_status
mf_own_machine(mf_machine **out, const mf_database *database, const char *id, mf_error *err);

/* Is it "this" or a record of this machine? Own measurements count then. */
bool mf_own_is_this(const char *machine);

/* Adds what was measured on this machine to the calibration of its devices. `note` becomes what a reader has to know of
   the measurement; it stays as it is where all is well, and may be NULL. */
mf_status mf_own_calibrate(mf_calibration *calibration,
                           char note[MF_WARNING_SIZE],
                           const mf_machine *machine,
                           const mf_database *database,
                           mf_error *err);

#endif
