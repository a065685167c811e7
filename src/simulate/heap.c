#include "simulate/heap.h"

#include <stdlib.h>

#include "simulate/clock.h"

static bool before(const mf_event *a, const mf_event *b)
{
    return a->ns != b->ns ? a->ns < b->ns : a->sequence < b->sequence;
}

static bool make_room(mf_heap *heap)
{
    if (heap->n_items < heap->capacity) {
        return true;
    }
    const size_t capacity = heap->capacity > 0 ? 2 * heap->capacity : 64;
    mf_event *items = realloc(heap->items, capacity * sizeof *items);
    if (items == NULL) {
        return false;
    }
    heap->items = items;
    heap->capacity = capacity;
    return true;
}

bool mf_heap_add(mf_heap *heap, uint64_t ns, uint64_t what)
{
    if (!make_room(heap)) {
        return false;
    }
    const mf_event event = {.ns = ns, .sequence = heap->n_added++, .what = what};
    size_t at = heap->n_items++;
    while (at > 0 && before(&event, &heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = event;
    return true;
}

uint64_t mf_heap_next_ns(const mf_heap *heap)
{
    return heap->n_items > 0 ? heap->items[0].ns : MF_NEVER;
}

mf_event mf_heap_take(mf_heap *heap)
{
    const mf_event first = heap->items[0];
    const mf_event last = heap->items[--heap->n_items];
    size_t at = 0;
    for (size_t child = 1; child < heap->n_items; child = 2 * at + 1) {
        if (child + 1 < heap->n_items && before(&heap->items[child + 1], &heap->items[child])) {
            child++;
        }
        if (!before(&heap->items[child], &last)) {
            break;
        }
        heap->items[at] = heap->items[child];
        at = child;
    }
    if (heap->n_items > 0) {
        heap->items[at] = last;
    }
    return first;
}

void mf_heap_free(mf_heap *heap)
{
    free(heap->items);
    *heap = (mf_heap){0};
}
