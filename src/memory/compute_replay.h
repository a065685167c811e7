/*
 * compute_replay.h - ggml's allocator over a scheduled graph whose runs of equal layers are shortened.
 *
 * Layers repeat: of a run the graph has the first periods alone, and the second one is replayed as often as there are
 * more. What it finds in memory and leaves there then stands for the period before. Once it has left the free blocks and
 * all that is alive where they had been before, as many more again change nothing and are left out.
 */
#ifndef MF_MEMORY_COMPUTE_REPLAY_H
#define MF_MEMORY_COMPUTE_REPLAY_H

#include "memory/schedule.h"

/* With copies between places in a period a third one is needed, as the last is followed by other layers. */
enum { COMPUTE_LEAST_KEPT = 2, COMPUTE_KEPT_WITH_COPIES = 3 };

/* Equal periods of layers, the first few of which are in the graph. */
typedef struct layer_run {
    size_t begin; /* in the model */
    size_t period;
    size_t n_periods;
    size_t n_kept;
    size_t at; /* in the graph */
} layer_run;

/* The second period of a run, which stands for those that are not in the graph. */
typedef struct layer_repeat {
    graph_tensor before; /* the first tensor of the period before */
    graph_tensor first;
    uint32_t n;   /* tensors */
    size_t begin; /* steps */
    size_t end;
    size_t n_more;         /* periods */
    graph_tensor *outside; /* what the period reads that does not go round, once for each reader */
    size_t n_outside;
    size_t n_leaves;
    size_t leaves_begin; /* among the schedule's; others may lie between */
    size_t leaves_end;
    galloc_state *leaves; /* of each of those periods, then of the one in the graph */
    bool copies;          /* between places */
} layer_repeat;

/* The buffers of every place; the host is the last. */
typedef struct compute_places {
    uint8_t n_places;
    uint8_t n_copies; /* schedule.h */
    bool has_scratch;
    uint64_t alignment; /* of devices */
} compute_places;

/* A graph in its order. Start with all zero, end with mf_compute_form_free. */
typedef struct compute_form {
    graph g;
    schedule s; /* its parts are the layers and what follows */
    layer_run *runs;
    size_t n_runs;
    graph_tensor *first_ids; /* builder.first_ids */
    uint32_t n_built;        /* tensors; the others are copies */
    uint64_t structure;      /* mf_compute_structure; 0: nobody asks for it */
    galloc_readers *counted; /* before the first step; NULL: not counted yet */
    graph_tensor *reads;     /* galloc_order's */
    layer_repeat *repeats;   /* one for each run */
} compute_form;

/* Memory to replay in. Start with all zero, end with mf_compute_room_free. */
typedef struct compute_room {
    galloc_buffer *buffers; /* the places' */
    galloc_state *states;
    galloc_readers *readers;
    size_t n_tensors; /* room for so many */
} compute_room;

void mf_compute_room_free(compute_room *room);

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

/* *repeats is false if a run of layers is not, or can't be told from the periods that are kept to be, one of periods each
   of which reads itself, the one before it and what was there before the run; way is not written then. MF_E_NOMEM;
   MF_E_UNSUPPORTED: more free blocks than ggml keeps. */
mf_status mf_compute_replay(compute_way *way,
                            bool *repeats,
                            compute_form *form,
                            const compute_places *places,
                            compute_room *room);

#endif
