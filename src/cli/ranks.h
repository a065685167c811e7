/*
 * ranks.h - several processes of one command, as mpirun starts them. Without MPI there is one.
 *
 * MPI is a module of its own that is loaded when a launcher's variables say so: linking it would cost every other command
 * its start-up time.
 */
#ifndef MF_CLI_RANKS_H
#define MF_CLI_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "memfit/status.h"

/* What the module exports as mf_ranks_module. Every function returns 0 or an MPI error. */
typedef struct mf_ranks_calls {
    int (*open)(int *rank, int *n_ranks);
    /* Sends text to rank 0; returns once the text may be changed. */
    int (*send)(const char *text, uint64_t size);
    /* Receives the next text of a rank into *text (grown with realloc). */
    int (*receive)(char **text, uint64_t *size, uint64_t *capacity, int rank);
    void (*stop)(int code); /* all ranks, at once: an error */
    int (*close)(void);
} mf_ranks_calls;

typedef struct mf_ranks {
    int rank;
    int n_ranks;
    const mf_ranks_calls *calls; /* NULL: one process */
    void *module;
} mf_ranks;

/* MF_E_UNSUPPORTED if a launcher started several processes and there is no module. */
mf_status mf_ranks_open(mf_ranks *ranks, mf_error *err);
void mf_ranks_close(mf_ranks *ranks);

#endif
