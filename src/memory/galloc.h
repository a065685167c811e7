/*
 * galloc.h - ggml's graph allocator (ggml/src/ggml-alloc.c at llama.cpp b10470), replayed on shapes alone.
 *
 * Every tensor gets a block of its buffer when its turn comes and gives it back behind its last reader; some take over
 * a source's block. A free block is picked by best fit. A buffer's size is the highest end that was ever reached.
 * ggml splits buffers into chunks at the backend's largest allocation; they are one here.
 */
#ifndef MF_MEMORY_GALLOC_H
#define MF_MEMORY_GALLOC_H

#include "memory/graph.h"

#define GALLOC_MAX_BLOCKS 256 /* MAX_FREE_BLOCKS */
#define GALLOC_MAX_BUFFERS 18

typedef struct galloc_block {
    uint64_t offset;
    uint64_t size;
} galloc_block;

/* One buffer: its free blocks in the order of their offsets. The last one is the open end. */
typedef struct galloc_buffer {
    galloc_block blocks[GALLOC_MAX_BLOCKS];
    size_t n_blocks;
    uint64_t alignment; /* a power of two */
    uint64_t max_size;
    uint64_t path;    /* a hash of how every comparison of sizes came out */
    bool has_scratch; /* a device, where kernels' scratch lies behind a tensor's data */
    bool has_empty;   /* tensors without bytes, which may lie anywhere */
    bool failed;      /* more free blocks than ggml keeps */
} galloc_buffer;

void mf_galloc_begin(galloc_buffer *buffer, uint64_t alignment, bool has_scratch);
uint64_t mf_galloc_take(galloc_buffer *buffer, uint64_t size);
void mf_galloc_give(galloc_buffer *buffer, uint64_t offset, uint64_t size);

/* A tensor and the buffer it runs in. */
typedef struct galloc_step {
    graph_tensor tensor;
    uint32_t reads; /* where what it reads begins in the order's list */
    uint8_t n_reads;
    uint8_t buffer;
    bool allocates; /* memory of its own */
} galloc_step;

typedef struct galloc_order {
    galloc_step *steps; /* tensors and buffers are given */
    size_t n_steps;
    graph_tensor *
        reads; /* the tensors whose memory is read and not outside, once for each source; room for all sources of all steps */
} galloc_order;

/* Where a tensor is and who still needs it: ggml counts readers and views apart and gives memory back when there is none
   of either; that is when the last reader of the tensor or of any view of it has run. */
typedef struct galloc_state {
    uint64_t offset;
    uint64_t size; /* of its block, aligned */
    uint8_t buffer;
} galloc_state;

/* How many readers a tensor and its views still have, and whether it is in memory. */
typedef uint32_t galloc_readers;
#define GALLOC_HERE 0x80000000U

typedef struct galloc {
    galloc_buffer *buffers;    /* begun by the caller */
    galloc_state *states;      /* one for every tensor of the graph, where it is in memory */
    galloc_readers *readers;   /* one for every tensor, at the beginning as they were counted */
    const graph_tensor *reads; /* the order's */
} galloc;

/* Counts readers, from those that are there, and fills the order's steps and its list, none of which depends on sizes. */
void mf_galloc_count(galloc_readers *readers, const graph *g, const galloc_order *order);

/* All leaves in their order, then the steps, some at a time, so that a caller may look at the buffers between. */
void mf_galloc_leaf(galloc *a, const graph *g, const galloc_step *leaf);
/* One more like a leaf, that nobody gives back. */
void mf_galloc_keep(galloc *a, const graph *g, const galloc_step *leaf);
void mf_galloc_run(galloc *a, const graph *g, const galloc_step *steps, size_t n);

#endif
