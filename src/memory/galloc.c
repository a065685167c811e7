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
uint64_t mf_galloc_take(galloc_buffer *buffer, uint64_t size)
{
    const uint64_t wanted = aligned(buffer, size);
    size_t best = buffer->n_blocks - 1;
    uint64_t best_size = UINT64_MAX;
    uint64_t outcomes = 0; /* three each; one product for all, as they wait for each other */
    for (size_t i = 0; i + 1 < buffer->n_blocks; i++) {
        const uint64_t free_size = buffer->blocks[i].size;
        const bool enough = free_size >= wanted;
        const bool better = enough && free_size <= best_size;
        best = better ? i : best;
        best_size = better ? free_size : best_size;
        outcomes = 3 * outcomes + (enough ? 1U : 0U) + (better ? 1U : 0U);
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
    note(buffer, 4 * outcomes + (used_up ? 2U : 0U) + (higher ? 1U : 0U));
    if (used_up) {
        remove_block(buffer, best);
    }
    if (higher) {
        buffer->max_size = offset + wanted;
    }
    return offset;
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
   which later keeps its neighbours apart. */
void mf_galloc_give(galloc_buffer *buffer, uint64_t offset, uint64_t size)
{
    const uint64_t given = aligned(buffer, size);
    galloc_block *blocks = buffer->blocks;
    for (size_t i = 0; i < buffer->n_blocks; i++) {
        if (blocks[i].offset + blocks[i].size == offset) {
            const bool joins = i + 1 < buffer->n_blocks && offset + given == blocks[i + 1].offset;
            note(buffer, 4 * i + (joins ? 1 : 0));
            blocks[i].size += given;
            if (joins) {
                blocks[i].size += blocks[i + 1].size;
                remove_block(buffer, i + 1);
            }
            return;
        }
        if (offset + given == blocks[i].offset) {
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
    }
    insert_block(buffer, (galloc_block){.offset = offset, .size = given});
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
        const galloc_state *state = &a->states[node->src[i]];
        if (state->allocated && !source->output && state->n_readers == 1) {
            const unsigned order = compare_layouts(node, source);
            note(buffer, order);
            if (order == 0) {
                return node->src[i];
            }
        }
    }
    return GRAPH_NONE;
}

/* Memory of its own, that it has not yet. */
static void place(galloc *a, const graph *g, graph_tensor t, uint8_t buffer)
{
    const graph_node *node = &g->nodes[t];
    galloc_state *state = &a->states[t];
    state->allocated = true;
    const graph_tensor source = reusable_source(a, g, node, &a->buffers[buffer]);
    if (source == GRAPH_NONE) {
        state->buffer = buffer;
        state->offset = mf_galloc_take(&a->buffers[buffer], bytes_of(a, node, buffer));
        return;
    }
    galloc_state *from = &a->states[source];
    state->buffer = from->buffer;
    state->offset = from->offset;
    from->allocated = false;
    galloc_buffer *b = &a->buffers[state->buffer];
    const uint64_t had = aligned(b, bytes_of(a, &g->nodes[source], state->buffer));
    const uint64_t needs = aligned(b, bytes_of(a, node, state->buffer));
    note(b, had > needs ? 1 : 0);
    if (had > needs) {
        mf_galloc_give(b, state->offset + needs, had - needs);
    }
}

static void release(galloc *a, const graph *g, graph_tensor t)
{
    const graph_node *node = &g->nodes[t];
    galloc_state *state = &a->states[t];
    if (node->output) {
        return;
    }
    mf_galloc_give(&a->buffers[state->buffer], state->offset, bytes_of(a, node, state->buffer));
    state->allocated = false;
}

void mf_galloc_leaf(galloc *a, const graph *g, const galloc_step *leaf)
{
    const graph_node *node = &g->nodes[leaf->tensor];
    if (!node->external && !is_view(node) && !a->states[leaf->tensor].allocated) {
        place(a, g, leaf->tensor, leaf->buffer);
    }
}

void mf_galloc_keep(galloc *a, const graph *g, const galloc_step *leaf)
{
    const uint64_t bytes = bytes_of(a, &g->nodes[leaf->tensor], leaf->buffer);
    (void)mf_galloc_take(&a->buffers[leaf->buffer], bytes);
}

void mf_galloc_count(galloc_state *states, const graph *g, const galloc_order *order)
{
    uint32_t n = 0;
    for (size_t i = 0; i < order->n_steps; i++) {
        galloc_step *step = &order->steps[i];
        const graph_node *node = &g->nodes[step->tensor];
        step->reads = n;
        step->n_reads = node->n_src;
        step->allocates = !node->external && !is_view(node);
        for (size_t k = 0; k < node->n_src; k++) {
            const graph_tensor owner = mf_graph_owner(g, node->src[k]);
            order->reads[n++] = owner;
            states[owner].n_readers++;
        }
    }
}

void mf_galloc_run(galloc *a, const graph *g, const galloc_step *steps, size_t n)
{
    galloc_state *states = a->states;
    for (size_t i = 0; i < n; i++) {
        const galloc_step *step = &steps[i];
        const graph_tensor *reads = &a->reads[step->reads];
        if (step->allocates && !states[step->tensor].allocated) {
            place(a, g, step->tensor, step->buffer);
        }
        for (size_t k = 0; k < step->n_reads; k++) {
            galloc_state *read = &states[reads[k]];
            read->n_readers--;
            if (read->n_readers == 0 && read->allocated) {
                release(a, g, reads[k]);
            }
        }
    }
}
