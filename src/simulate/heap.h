/*
 * heap.h - events to come, the earliest first; of two at the same time the one that was added first.
 */
#ifndef MF_SIMULATE_HEAP_H
#define MF_SIMULATE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mf_event {
    uint64_t ns;
    uint64_t sequence;
    uint64_t what; /* the owner's number of it */
} mf_event;

/* Start with `mf_heap heap = {0};`, end with mf_heap_free. */
typedef struct mf_heap {
    mf_event *items;
    size_t n_items;
    size_t capacity;
    uint64_t n_added;
} mf_heap;

bool mf_heap_add(mf_heap *heap, uint64_t ns, uint64_t what); /* false without memory */
uint64_t mf_heap_next_ns(const mf_heap *heap);               /* MF_NEVER if it is empty */
mf_event mf_heap_take(mf_heap *heap);                        /* of a heap that has one */
void mf_heap_free(mf_heap *heap);

#endif
