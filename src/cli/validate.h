/*
 * validate.h - the parts of `memfit validate`: the command (cmd_validate.c), its rows (validate_rows.c) and why rows are far
 * off, as far as that is known (validate_causes.c).
 */
#ifndef MF_CLI_VALIDATE_H
#define MF_CLI_VALIDATE_H

#include "cli/cli.h"
#include "memfit/validation.h"

/* The CSV file's rows in order, five columns more. */
mf_status
mf_validate_rows(mf_str *out, const mf_str *csv, const mf_validation *validation, mf_error *err);

/* Of ROWS.csv the lines of ROWS_causes.csv beside it, which name rows by what they have in common. */
typedef struct mf_causes {
    char *text;
    const char **
        items; /* one per row, NULL: not known; borrowed from the text. NULL: there is no such file */
} mf_causes;

mf_status
mf_causes_load(mf_causes *out, const char *rows_path, const mf_measurements *rows, mf_error *err);
void mf_causes_free(mf_causes *causes);

#endif
