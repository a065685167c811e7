/*
 * ranks_mpi.c - the module that talks MPI. Texts of any length go as their size and pieces of at most 1 GiB.
 */
#include <mpi.h>
#include <stdlib.h>

#include "cli/ranks.h"

enum { SIZE_TAG = 1, TEXT_TAG = 2, PIECE = 1 << 30 };

static int open_ranks(int *rank, int *n_ranks)
{
    int status = MPI_Init(NULL, NULL);
    if (status == MPI_SUCCESS) {
        status = MPI_Comm_rank(MPI_COMM_WORLD, rank);
    }
    return status == MPI_SUCCESS ? MPI_Comm_size(MPI_COMM_WORLD, n_ranks) : status;
}

static int piece_of(uint64_t left)
{
    return left < PIECE ? (int)left : PIECE;
}

static int send_text(const char *text, uint64_t size)
{
    int status = MPI_Send(&size, 1, MPI_UINT64_T, 0, SIZE_TAG, MPI_COMM_WORLD);
    for (uint64_t at = 0; status == MPI_SUCCESS && at < size; at += PIECE) {
        status = MPI_Send(text + at, piece_of(size - at), MPI_CHAR, 0, TEXT_TAG, MPI_COMM_WORLD);
    }
    return status;
}

static int receive_text(char **text, uint64_t *size, uint64_t *capacity, int rank)
{
    int status = MPI_Recv(size, 1, MPI_UINT64_T, rank, SIZE_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (status == MPI_SUCCESS && *size > *capacity) {
        char *grown = realloc(*text, *size);
        if (grown == NULL) {
            return MPI_ERR_NO_MEM;
        }
        *text = grown;
        *capacity = *size;
    }
    for (uint64_t at = 0; status == MPI_SUCCESS && at < *size; at += PIECE) {
        status = MPI_Recv(*text + at,
                          piece_of(*size - at),
                          MPI_CHAR,
                          rank,
                          TEXT_TAG,
                          MPI_COMM_WORLD,
                          MPI_STATUS_IGNORE);
    }
    return status;
}

static void stop_all(int code)
{
    (void)MPI_Abort(MPI_COMM_WORLD, code);
}

extern const mf_ranks_calls mf_ranks_module;

__attribute__((visibility("default"))) const mf_ranks_calls mf_ranks_module = {
    .open = open_ranks,
    .send = send_text,
    .receive = receive_text,
    .stop = stop_all,
    .close = MPI_Finalize,
};
