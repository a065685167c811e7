/*
 * compute_replay.h - ggml's allocator over a scheduled graph whose runs of equal layers are shortened.
 *
 * Layers repeat, and so does what the allocator does: once some periods of layers have left the free blocks and all that
 * is alive where they had been before, as many more again change nothing. A replay says if that has come about within
 * the periods that the graph has.
 */
#ifndef MF_MEMORY_COMPUTE_REPLAY_H
#define MF_MEMORY_COMPUTE_REPLAY_H

#include "memory/schedule.h"

enum { COMPUTE_FIRST_KEPT = 3, COMPUTE_MOST_KEPT = 24 };

/* Equal periods of layers, the first few of which are in the graph. */
typedef struct layer_run {
    size_t begin; /* in the model */
    size_t period;
    size_t n_periods;
    size_t n_kept;
    size_t at;                              /* in the graph */
    uint64_t states[COMPUTE_MOST_KEPT + 1]; /* of the allocator behind each period */
} layer_run;

/* The buffers of every place; the host is the last. */
typedef struct compute_places {
    uint8_t n_places;
    bool has_scratch;
    uint64_t alignment; /* of devices */
} compute_places;

/* A graph in its order. Start with all zero, end with mf_compute_form_free. */
typedef struct compute_form {
    graph g;
    schedule s;
    layer_run *runs;
    size_t n_runs;
    uint32_t *begins;    /* builder.begins */
    uint32_t *first_ids; /* builder.first_ids */
    galloc_state *
        counted; /* readers and views of every tensor before the first step; NULL: not counted yet */
    galloc_state *states;
} compute_form;

/* What a replay came to. */
typedef struct compute_way {
    uint64_t bytes[GALLOC_MAX_BUFFERS];
    size_t n_tensors;
    size_t n_splits;
    uint64_t path; /* how every comparison of sizes came out (galloc.h) */
} compute_way;

void mf_compute_form_free(compute_form *form);

/* Forgets the counts: the graph has been built again. */
void mf_compute_form_renew(compute_form *form);

/* *settled is false if a run of layers has not come back to an earlier state within the periods that were kept; n_kept
   then says how many to build. MF_E_NOMEM; MF_E_UNSUPPORTED: more free blocks than ggml keeps. */
mf_status mf_compute_replay(compute_way *way,
                            bool *settled,
                            compute_form *form,
                            const compute_places *places,
                            galloc_buffer *buffers);

/* Who reads whom and where: graphs with the same number differ in sizes alone. */
uint64_t mf_compute_form_hash(const compute_form *form);

#endif
