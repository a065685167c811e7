/*
 * request.h - one request: what a trace or a workload asks for, and what becomes of it.
 */
#ifndef MF_SIMULATE_REQUEST_H
#define MF_SIMULATE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/simulate.h"

/* Blocks of tokens that are the same wherever the same number stands (Mooncake's hash_ids): the beginning of an input. */
typedef struct mf_chunks {
    size_t n_ids;
    uint32_t chunk_tokens;
    uint64_t ids[];
} mf_chunks;

typedef struct mf_request {
    uint64_t arrival_ns;
    uint32_t input_tokens;  /* at least 1 */
    uint32_t output_tokens; /* at least 1 */
    uint64_t session;       /* requests that go on where the one before ended; 0: none */
    uint32_t
        prefix_tokens; /* of the input: what the session has said before, shared part included */
    uint32_t shared_tokens; /* of the input: what all sessions of `shared` begin with */
    uint32_t shared;        /* 0: none */
    uint32_t stream;        /* of the workload */
    uint32_t party;         /* the source's: who asks */
    mf_chunks *chunks;      /* NULL: none. Owned by whoever holds the request */
} mf_request;

/* A copy of the same; false without memory. NULL is copied as NULL. */
bool mf_chunks_copy(mf_chunks **copy, const mf_chunks *chunks);

/* How many of the first tokens of an input are those of another request's text of n tokens. */
uint32_t mf_request_common(const mf_request *request, const mf_request *other, uint64_t n_tokens);

/* What became of a request. */
typedef struct mf_outcome_row {
    const mf_request *request;
    uint64_t id;       /* in order of arrival, from 0 */
    uint64_t start_ns; /* first token of it given to the device */
    uint64_t first_ns; /* first token out */
    uint64_t end_ns;
    uint32_t given_tokens;   /* of output */
    uint32_t cached_tokens;  /* of its input, found in a cache when it was first taken up */
    uint32_t context_tokens; /* that it held at the end */
    uint32_t n_preempted;
    mf_served_outcome outcome;
} mf_outcome_row;

#endif
