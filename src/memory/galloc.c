#include "memory/galloc.h"

#include <string.h>

void mf_galloc_begin(galloc_buffer *buffer, uint64_t alignment, bool has_scratch)
{
    buffer->blocks[0] = (galloc_block){.offset = 0, .size = UINT64_MAX / 2};
    buffer->n_blocks = 1;
    buffer->alignment = alignment;
    buffer->max_size = 0;
    buffer->path = 0;
    buffer->has_scratch = has_scratch;
    buffer->has_empty = false;
    buffer->failed = false;
}

/* FNV's way, with a larger multiplier: outcomes are small numbers. */
static void note(galloc_buffer *buffer, uint64_t outcome)
{
    static const uint64_t odd = 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
    buffer->path = (buffer->path ^ (outcome + 1)) * odd;
}

static uint64_t aligned(const galloc_buffer *buffer, uint64_t size)
{
    return (size + buffer->alignment - 1) & ~(buffer->alignment - 1);
}

static void remove_block(galloc_buffer *buffer, size_t index)
{
    buffer->n_blocks--;
    memmove(&buffer->blocks[index],
            &buffer->blocks[index + 1],
            (buffer->n_blocks - index) * sizeof buffer->blocks[0]);
}

/* The smallest block that is large enough, the last one of equals; the open end only if no other is. */
static inline uint64_t take(galloc_buffer *buffer, uint64_t wanted)
{
    enum { ODD = 2 * GALLOC_MAX_BLOCKS + 1 };
    const size_t n = buffer->n_blocks - 1;
    size_t best = n;
    uint64_t best_size = UINT64_MAX;
    uint64_t outcomes = 0; /* of all, in one number: products wait for each other */
    for (size_t i = 0; i < n; i++) {
        const uint64_t free_size = buffer->blocks[i].size;
        const bool enough = free_size >= wanted;
        const bool better = enough && free_size <= best_size;
        best = better ? i : best;
        best_size = better ? free_size : best_size;
        outcomes = 3 * outcomes + (enough ? 1U : 0U);
    }
    galloc_block *block = &buffer->blocks[best];
    const uint64_t offset = block->offset;
    if (block->size < wanted) {
        buffer->failed = true;
        return offset;
    }
    block->offset += wanted;
    block->size -= wanted;
    const bool used_up = block->size == 0;
    const bool higher = offset + wanted > buffer->max_size;
    note(buffer, 4 * (ODD * outcomes + best) + (used_up ? 2U : 0U) + (higher ? 1U : 0U));
    buffer->has_empty |= wanted == 0;
    if (used_up) {
        remove_block(buffer, best);
    }
    if (higher) {
        buffer->max_size = offset + wanted;
    }
    return offset;
}

uint64_t mf_galloc_take(galloc_buffer *buffer, uint64_t size)
{
    return take(buffer, aligned(buffer, size));
}

static void insert_block(galloc_buffer *buffer, galloc_block block)
{
    if (buffer->n_blocks == GALLOC_MAX_BLOCKS) {
        buffer->failed = true;
        return;
    }
    size_t at = 0;
    while (at < buffer->n_blocks && buffer->blocks[at].offset < block.offset) {
        at++;
    }
    note(buffer, at);
    memmove(&buffer->blocks[at + 1],
            &buffer->blocks[at],
            (buffer->n_blocks - at) * sizeof buffer->blocks[0]);
    buffer->blocks[at] = block;
    buffer->n_blocks++;
}

/* Joins the first block that it touches, as ggml does: an empty tensor (no rows) may leave an empty block behind,
   which later keeps its neighbours apart. Without one blocks lie in their order, so that behind it none is touched. */
static inline void give(galloc_buffer *buffer, uint64_t offset, uint64_t given)
{
    galloc_block *blocks = buffer->blocks;
    const uint64_t end = offset + given;
    for (size_t i = 0; i < buffer->n_blocks; i++) {
        const uint64_t start = blocks[i].offset;
        if (start + blocks[i].size == offset) {
            const bool joins = i + 1 < buffer->n_blocks && end == blocks[i + 1].offset;
            note(buffer, 4 * i + (joins ? 1 : 0));
            blocks[i].size += given;
            if (joins) {
                blocks[i].size += blocks[i + 1].size;
                remove_block(buffer, i + 1);
            }
            return;
        }
        if (start == end) {
            const bool joins = i > 0 && blocks[i - 1].offset + blocks[i - 1].size == offset;
            note(buffer, 4 * i + (joins ? 3 : 2));
            blocks[i].offset = offset;
            blocks[i].size += given;
            if (joins) {
                blocks[i - 1].size += blocks[i].size;
                remove_block(buffer, i);
            }
            return;
        }
        if (start > end && !buffer->has_empty) {
            break;
        }
    }
    insert_block(buffer, (galloc_block){.offset = offset, .size = given});
}

void mf_galloc_give(galloc_buffer *buffer, uint64_t offset, uint64_t size)
{
    give(buffer, offset, aligned(buffer, size));
}

static bool is_view(const graph_node *node)
{
    return node->view_src != GRAPH_NONE;
}

static uint64_t bytes_of(const galloc *a, const graph_node *node, uint8_t buffer)
{
    const uint64_t scratch =
        node->apart && node->apart_bytes > 0 ? node->apart_bytes : node->scratch_bytes;
    return node->bytes + (a->buffers[buffer].has_scratch ? scratch : 0);
}

/* 0 for the same layout, otherwise which one is the larger in the first dimension that differs. The copy of a view has
   the gaps of that view. */
static unsigned compare_layouts(const graph_node *a, const graph_node *b)
{
    enum { A_IS_LARGER = 1, B_IS_LARGER = 2, OTHER_ELEMENTS = 3 };
    for (size_t i = 0; i < sizeof a->shape.ne / sizeof a->shape.ne[0]; i++) {
        if (a->shape.ne[i] != b->shape.ne[i]) {
            return a->shape.ne[i] > b->shape.ne[i] ? A_IS_LARGER : B_IS_LARGER;
        }
    }
    return a->element_bytes == b->element_bytes && a->bytes == b->bytes ? 0 : OTHER_ELEMENTS;
}

static bool writes_in_place(const graph_node *node)
{
    return node->op == GRAPH_IN_PLACE || node->op == GRAPH_ROPE;
}

/* The first source whose memory the node may take over: its last reader, of the same layout, kept by no one else. A
   view is never its own memory's owner, so that a reshaped source is not taken. */
static graph_tensor
reusable_source(const galloc *a, const graph *g, const graph_node *node, galloc_buffer *buffer)
{
    if (!writes_in_place(node)) {
        return GRAPH_NONE;
    }
    for (size_t i = 0; i < node->n_src; i++) {
        const graph_node *source = &g->nodes[node->src[i]];
        if (a->readers[node->src[i]] == (GALLOC_HERE | 1) && !source->output) {
            const unsigned order = compare_layouts(node, source);
            note(buffer, order);
            if (order == 0) {
                return node->src[i];
            }
        }
    }
    return GRAPH_NONE;
}

static uint64_t size_in(const galloc *a, const graph_node *node, uint8_t buffer)
{
    return aligned(&a->buffers[buffer], bytes_of(a, node, buffer));
}

/* Memory of its own, that it has not yet. */
static inline void place(galloc *a, const graph *g, graph_tensor t, uint8_t buffer)
{
    const graph_node *node = &g->nodes[t];
    galloc_state *state = &a->states[t];
    a->readers[t] |= GALLOC_HERE;
    const graph_tensor source = reusable_source(a, g, node, &a->buffers[buffer]);
    if (source == GRAPH_NONE) {
        state->buffer = buffer;
        state->size = size_in(a, node, buffer);
        state->offset = take(&a->buffers[buffer], state->size);
        return;
    }
    const galloc_state *from = &a->states[source];
    state->buffer = from->buffer;
    state->offset = from->offset;
    state->size = size_in(a, node, from->buffer);
    a->readers[source] &= ~GALLOC_HERE;
    galloc_buffer *b = &a->buffers[state->buffer];
    const bool smaller = from->size > state->size;
    note(b, smaller ? 1 : 0);
    if (smaller) {
        give(b, state->offset + state->size, from->size - state->size);
    }
}

static inline void release(galloc *a, const graph *g, graph_tensor t)
{
    const galloc_state *state = &a->states[t];
    if (!g->nodes[t].output) {
        give(&a->buffers[state->buffer], state->offset, state->size);
        a->readers[t] &= ~GALLOC_HERE;
    }
}

void mf_galloc_leaf(galloc *a, const graph *g, const galloc_step *leaf)
{
    const graph_node *node = &g->nodes[leaf->tensor];
    if (!node->external && !is_view(node) && (a->readers[leaf->tensor] & GALLOC_HERE) == 0) {
        place(a, g, leaf->tensor, leaf->buffer);
    }
}

void mf_galloc_keep(galloc *a, const graph *g, const galloc_step *leaf)
{
    const uint64_t size = size_in(a, &g->nodes[leaf->tensor], leaf->buffer);
    (void)take(&a->buffers[leaf->buffer], size);
}

void mf_galloc_count(galloc_readers *readers, const graph *g, const galloc_order *order)
{
    uint32_t n = 0;
    for (size_t i = 0; i < order->n_steps; i++) {
        galloc_step *step = &order->steps[i];
        const graph_node *node = &g->nodes[step->tensor];
        const size_t n_src = node->n_src;
        step->reads = n;
        step->allocates = !node->external && !is_view(node);
        for (size_t k = 0; k < n_src; k++) {
            const graph_node *source = &g->nodes[node->src[k]];
            const graph_tensor owner =
                source->view_src != GRAPH_NONE ? source->view_src : node->src[k];
            if (!g->nodes[owner].external) {
                order->reads[n++] = owner;
                readers[owner]++;
            }
        }
        step->n_reads = (uint8_t)(n - step->reads);
    }
}

void mf_galloc_run(galloc *a, const graph *g, const galloc_step *steps, size_t n)
{
    galloc_readers *readers = a->readers;
    for (size_t i = 0; i < n; i++) {
        const galloc_step *step = &steps[i];
        const graph_tensor *reads = &a->reads[step->reads];
        if (step->allocates && (readers[step->tensor] & GALLOC_HERE) == 0) {
            place(a, g, step->tensor, step->buffer);
        }
        for (size_t k = 0; k < step->n_reads; k++) {
            readers[reads[k]]--;
            if (readers[reads[k]] == GALLOC_HERE) {
                release(a, g, reads[k]);
            }
        }
    }
}
