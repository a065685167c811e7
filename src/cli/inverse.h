/*
 * inverse.h - the case turned round: the most sequences and the largest quantization that fit.
 */
#ifndef MF_CLI_INVERSE_H
#define MF_CLI_INVERSE_H

#include "cli/cli.h"

typedef struct mf_cli_inverse {
    mf_quants quants;
    mf_inverse found; /* borrows from quants */
} mf_cli_inverse;

/* End with mf_cli_inverse_free. */
mf_status mf_cli_inverse_make(mf_cli_inverse *inverse,
                              const mf_cli_case *loaded,
                              const mf_database *database,
                              mf_error *err);
void mf_cli_inverse_free(mf_cli_inverse *inverse);

#endif
