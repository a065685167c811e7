/*
 * simulated.h - what a simulation says of a machine at a load, for commands that else think of one request at a time.
 */
#ifndef MF_CLI_SIMULATED_H
#define MF_CLI_SIMULATED_H

#include "cli/cli.h"

typedef struct mf_cli_simulated {
    double request_per_s;
    double input_tokens; /* of a request, on average */
    double output_tokens;
    double output_tok_s; /* while the machine computes, all requests together */
    double low_factor;   /* of its interval; 0: the simulation does not say */
    double high_factor;
    mf_basis basis;
    double utilization;
    uint32_t side_by_side; /* requests in work while it computes, on average, rounded up */
} mf_cli_simulated;

/* Reads what `memfit simulate --format json -o FILE` wrote. MF_E_DATA with the place for another file, and for a run in
   which the machine was saturated or requests were not answered: what it could do is not known then; and for one of
   another model or machine than these (NULL: any). */
mf_status mf_cli_simulated_read(mf_cli_simulated *simulated,
                                const char *path,
                                const char *model,
                                const char *machine,
                                mf_error *err);

/* The case with the simulation's requests, answered as fast as there. The interval is as wide as the prediction's, or the
   simulation's where no speed is predicted (vLLM). MF_E_USAGE if neither is known. */
mf_status
mf_cli_simulated_apply(mf_cli_case *loaded, const mf_cli_simulated *simulated, mf_error *err);

#endif
