/*
 * validate.h - the parts of `memfit validate`: the command (cmd_validate.c) and its rows (validate_rows.c).
 */
#ifndef MF_CLI_VALIDATE_H
#define MF_CLI_VALIDATE_H

#include "cli/cli.h"
#include "memfit/validation.h"

/* The CSV file's rows in order, five columns more. */
mf_status
mf_validate_rows(mf_str *out, const mf_str *csv, const mf_validation *validation, mf_error *err);

#endif
