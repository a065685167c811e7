#include "memory/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { FIRST_CAPACITY = 1024, F32_BYTES = 4 };

void mf_graph_free(graph *g)
{
    free(g->nodes);
    free(g->order);
    free(g->leaves);
    free(g->stack);
    *g = (graph){0};
}

void mf_graph_clear(graph *g)
{
    g->n_nodes = 0;
    g->n_order = 0;
    g->n_leaves = 0;
    g->status = MF_OK;
}

static bool resize_list(graph_tensor **list, uint32_t n)
{
    graph_tensor *larger = realloc(*list, n * sizeof **list);
    if (larger == NULL) {
        return false;
    }
    *list = larger;
    return true;
}

static bool make_room(graph *g, size_t n_nodes)
{
    const uint32_t n = n_nodes < UINT32_MAX / 4 ? (uint32_t)n_nodes : 0;
    graph_node *larger = n > 0 ? realloc(g->nodes, n * sizeof *larger) : NULL;
    if (larger != NULL) {
        g->nodes = larger;
    }
    if (larger == NULL || !resize_list(&g->order, n) || !resize_list(&g->leaves, n) ||
        !resize_list(&g->stack, n)) {
        g->status = MF_E_NOMEM;
        return false;
    }
    g->capacity = n;
    return true;
}

static bool grow(graph *g)
{
    return make_room(g, g->capacity > 0 ? 2 * (size_t)g->capacity : FIRST_CAPACITY);
}

void mf_graph_reserve(graph *g, size_t n_nodes)
{
    if (g->status == MF_OK && n_nodes > g->capacity) {
        (void)make_room(g, n_nodes);
    }
}

static bool count_bytes(uint64_t *bytes, const graph_shape *s, uint64_t element_bytes)
{
    uint64_t n = 0;
    return mf_mul(&n, s->ne[0], s->ne[1]) && mf_mul(&n, n, s->ne[2]) && mf_mul(&n, n, s->ne[3]) &&
           mf_mul(bytes, n, element_bytes);
}

/* A tensor of this shape, all else still to be written; NULL if it can't be. The next one is added behind it. */
static graph_node *add_node(graph *g, const graph_shape *shape, uint8_t element_bytes)
{
    if (g->status != MF_OK || (g->n_nodes + 1 >= g->capacity && !grow(g))) {
        return NULL;
    }
    if (g->n_nodes == 0) {
        g->nodes[g->n_nodes++] = (graph_node){0};
    }
    graph_node *node = &g->nodes[g->n_nodes];
    *node =
        (graph_node){.shape = *shape, .element_bytes = element_bytes, .runs_at = GRAPH_ANYWHERE};
    if (!count_bytes(&node->bytes, &node->shape, element_bytes) || node->bytes > UINT64_MAX / 4) {
        g->status = MF_E_OVERFLOW; /* far above: offsets add up */
        return NULL;
    }
    g->n_nodes++;
    return node;
}

static graph_tensor index_of(const graph *g, const graph_node *node)
{
    return node != NULL ? (graph_tensor)(node - g->nodes) : GRAPH_NONE;
}

static void add_source(graph_node *node, graph_tensor source)
{
    if (source != GRAPH_NONE) {
        node->src[node->n_src++] = source;
    }
}

graph_tensor mf_graph_input(graph *g, uint8_t element_bytes, graph_shape shape)
{
    graph_node *node = add_node(g, &shape, element_bytes);
    if (node != NULL) {
        node->input = true;
    }
    return index_of(g, node);
}

graph_tensor mf_graph_unset(graph *g, uint8_t element_bytes, graph_shape shape)
{
    return index_of(g, add_node(g, &shape, element_bytes));
}

graph_tensor mf_graph_external(graph *g, graph_shape shape, int8_t place, bool weight)
{
    graph_node *node = add_node(g, &shape, F32_BYTES);
    if (node != NULL) {
        node->external = true;
        node->weight = weight;
        node->place = place;
    }
    return index_of(g, node);
}

graph_tensor mf_graph_op(graph *g, graph_op op, graph_shape shape, graph_sources sources)
{
    graph_node *node = add_node(g, &shape, F32_BYTES);
    if (node != NULL) {
        node->op = (uint8_t)op;
        for (size_t i = 0; i < GRAPH_MAX_SOURCES; i++) {
            add_source(node, sources.src[i]);
        }
    }
    return index_of(g, node);
}

void mf_graph_retype(graph *g, graph_tensor t, uint8_t element_bytes)
{
    if (t != GRAPH_NONE) {
        graph_node *node = &g->nodes[t];
        node->bytes = node->bytes / node->element_bytes * element_bytes;
        node->element_bytes = element_bytes;
    }
}

static uint64_t count_elements(const graph_node *node)
{
    const uint64_t *ne = node->shape.ne;
    return ne[0] * ne[1] * ne[2] * ne[3]; /* did not overflow when the node was added */
}

graph_tensor mf_graph_view(graph *g, graph_tensor of, graph_shape shape)
{
    graph_node *node = g->status == MF_OK ? add_node(g, &shape, g->nodes[of].element_bytes) : NULL;
    if (node != NULL) {
        node->op = GRAPH_VIEW;
        node->src[0] = of;
        node->n_src = 1;
        node->view_src = mf_graph_owner(g, of);
        if (count_elements(node) == count_elements(&g->nodes[of])) {
            node->bytes = g->nodes[of].bytes; /* all of it, gaps as well */
        }
    }
    return index_of(g, node);
}

graph_tensor
mf_graph_slice(graph *g, graph_tensor of, uint64_t row, uint64_t inner, graph_shape shape)
{
    const graph_tensor t = mf_graph_view(g, of, shape);
    if (t == GRAPH_NONE || inner == 0) {
        return t;
    }
    graph_node *node = &g->nodes[t];
    const uint64_t n_rows = count_elements(node) / inner;
    if (n_rows > 0) {
        node->bytes = ((n_rows - 1) * row + inner) * node->element_bytes;
    }
    return t;
}

/* Results are in the memory of another tensor, whose shape they have. */
static graph_node *add_store(graph *g, graph_tensor into)
{
    if (g->status != MF_OK) {
        return NULL;
    }
    const graph_shape shape = g->nodes[into].shape;
    graph_node *node = add_node(g, &shape, g->nodes[into].element_bytes);
    if (node != NULL) {
        node->op = GRAPH_STORE;
        node->view_src = mf_graph_owner(g, into);
    }
    return node;
}

graph_tensor mf_graph_store(graph *g, graph_tensor into, graph_tensor data, graph_tensor rows)
{
    graph_node *node = add_store(g, into);
    if (node != NULL) {
        node->src[node->n_src++] = data;
        add_source(node, rows);
        node->src[node->n_src++] = into;
    }
    return index_of(g, node);
}

graph_tensor mf_graph_overwrite(graph *g, graph_tensor x, graph_tensor y)
{
    graph_node *node = add_store(g, x);
    if (node != NULL) {
        node->src[node->n_src++] = x;
        add_source(node, y);
    }
    return index_of(g, node);
}

/* What kernels want behind a cache they want behind its copy; other scratch belongs to what computes. */
static void size_copy(const graph *g, graph_node *copy)
{
    const graph_node *of = &g->nodes[copy->copy_of];
    copy->shape = of->shape;
    copy->element_bytes = of->element_bytes;
    copy->bytes = of->bytes;
    const bool lasts =
        of->copy_of != GRAPH_NONE || g->nodes[mf_graph_owner(g, copy->copy_of)].external;
    copy->scratch_bytes = lasts ? of->scratch_bytes : 0;
}

graph_tensor mf_graph_copy(graph *g, graph_tensor of)
{
    static const graph_shape empty;
    graph_node *node = g->status == MF_OK ? add_node(g, &empty, g->nodes[of].element_bytes) : NULL;
    if (node != NULL) {
        node->copy_of = of;
        size_copy(g, node);
    }
    return index_of(g, node);
}

void mf_graph_resize(graph *g, graph_tensor at, const graph *like, graph_tensor from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const graph_node *source = &like->nodes[from + i];
        graph_node *node = &g->nodes[at + i];
        node->shape = source->shape;
        node->bytes = source->bytes;
        node->scratch_bytes = source->scratch_bytes;
        node->apart_bytes = source->apart_bytes;
        node->element_bytes = source->element_bytes;
    }
}

void mf_graph_resize_copies(graph *g, graph_tensor from)
{
    for (graph_tensor i = from; i < g->n_nodes; i++) {
        if (g->nodes[i].copy_of != GRAPH_NONE) {
            size_copy(g, &g->nodes[i]); /* of a copy: that one has come before */
        }
    }
}

graph_tensor mf_graph_dependency(graph *g, graph_tensor of)
{
    static const graph_shape empty;
    graph_node *node = add_node(g, &empty, F32_BYTES);
    if (node != NULL) {
        node->src[0] = of;
        node->n_src = 1;
        node->view_src = mf_graph_owner(g, of);
    }
    return index_of(g, node);
}

/* Weights and caches have their memory elsewhere. */
static void append(graph *g, graph_tensor t)
{
    const graph_node *node = &g->nodes[t];
    if (node->op != GRAPH_LEAF) {
        g->order[g->n_order++] = t;
    } else if (!node->external) {
        g->leaves[g->n_leaves++] = t;
    }
}

/* Depth first, left to right, without recursion: a tensor on the stack keeps the next source to visit. */
void mf_graph_expand(graph *g, graph_tensor t)
{
    if (g->status != MF_OK || t == GRAPH_NONE || g->nodes[t].visited || g->unordered) {
        return;
    }
    size_t depth = 0;
    g->nodes[t].visited = true;
    g->stack[depth++] = t;
    while (depth > 0) {
        graph_node *node = &g->nodes[g->stack[depth - 1]];
        if (node->next_src == node->n_src) {
            append(g, g->stack[--depth]);
            continue;
        }
        const graph_tensor src = node->src[node->next_src++];
        graph_node *source = &g->nodes[src];
        source->read = true;
        if (source->visited) {
            continue;
        }
        source->visited = true;
        if (source->n_src == 0) {
            append(g, src);
        } else {
            g->stack[depth++] = src;
        }
    }
}
