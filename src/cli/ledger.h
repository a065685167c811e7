/*
 * ledger.h - a file that is written while a command works, under another name until it is whole.
 */
#ifndef MF_CLI_LEDGER_H
#define MF_CLI_LEDGER_H

#include <stdio.h>

#include "base/str.h"

/* Starts with zeros. */
typedef struct mf_ledger {
    FILE *file;
    const char *path; /* NULL: nothing is written */
    char *temporary;
    mf_str text; /* not yet in the file */
} mf_ledger;

/* path is borrowed; NULL: none. */
mf_status mf_ledger_open(mf_ledger *ledger, const char *path, mf_error *err);

/* Writes what has gathered, once it is a lot. */
mf_status mf_ledger_flush(mf_ledger *ledger, mf_error *err);

/* Keeps the file if all went well, otherwise nothing is left of it. */
mf_status mf_ledger_close(mf_ledger *ledger, mf_status status, mf_error *err);

#endif
