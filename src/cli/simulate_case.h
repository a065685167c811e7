/*
 * simulate_case.h - what the options of `memfit simulate` ask for, run: one simulation with its files beside it, or a search.
 */
#ifndef MF_CLI_SIMULATE_CASE_H
#define MF_CLI_SIMULATE_CASE_H

#include "cli/cli.h"

/* A case of the command line, simulated or searched. */
typedef struct mf_cli_simulation {
    mf_cli_case loaded;
    mf_open_load load; /* as the options say it, drawn or not */
    uint32_t n_users;  /* 0: not said */
    mf_simulation simulation;
    mf_search search;
    bool searched;
    bool draws; /* the requests are drawn at a rate */
} mf_cli_simulation;

/* Simulates what the arguments say of one model and machine. Free with mf_cli_case_free(&found->loaded), whatever comes back. */
mf_status mf_cli_simulate(mf_cli_simulation *found,
                          const mf_database *database,
                          const mf_arguments *a,
                          mf_error *err);

/* Is it told who asks for what, and what users are promised? */
bool mf_cli_has_source(const mf_arguments *a);
bool mf_cli_has_promise(const mf_arguments *a);

/* What is searched; false: nothing. With a promise and no requests, the rate that keeps it. */
bool mf_cli_is_search(mf_search_kind *kind, const mf_arguments *a);

#endif
