/*
 * simulate_table.h - `memfit simulate --format csv`: a line for every model, machine and rate, in parts if wanted.
 */
#ifndef MF_CLI_SIMULATE_TABLE_H
#define MF_CLI_SIMULATE_TABLE_H

#include "cli/cli.h"

/* A case of the command line, simulated or searched. */
typedef struct mf_cli_simulated {
    mf_cli_case loaded;
    mf_simulation simulation;
    mf_search search;
    bool searched;
    bool draws; /* the requests are drawn at a rate */
} mf_cli_simulated;

/* Simulates what the arguments say of one model and machine. Free with mf_cli_case_free(&found->loaded), whatever comes back. */
mf_status mf_cli_simulate(mf_cli_simulated *found,
                          const mf_database *database,
                          const mf_arguments *a,
                          mf_error *err);

/* Writes the table, or the part of it that --shard names, as its lines are known. */
mf_status mf_cli_simulate_table(const mf_arguments *a, mf_error *err);

#endif
