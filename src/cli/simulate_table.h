/*
 * simulate_table.h - `memfit simulate --format csv`: a line for every model, machine and rate, in parts if wanted.
 */
#ifndef MF_CLI_SIMULATE_TABLE_H
#define MF_CLI_SIMULATE_TABLE_H

#include "cli/options.h"

/* Writes the table, or the part of it that --shard names, as its lines are known. */
mf_status mf_cli_simulate_table(const mf_arguments *a, mf_error *err);

#endif
