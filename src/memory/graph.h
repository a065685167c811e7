/*
 * graph.h - the tensors of one computation, in the order in which ggml runs them.
 *
 * ggml builds a graph from tensors that name their sources; ggml_build_forward_expand (ggml.c) appends a tensor behind
 * everything that it needs, depth first. What the compute buffer takes depends on that order, on who still needs a
 * tensor and on which operations may write over a source. Nothing is computed here: a tensor is its shape.
 */
#ifndef MF_MEMORY_GRAPH_H
#define MF_MEMORY_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/status.h"

/* Index of a tensor in its graph. */
typedef uint32_t graph_tensor;

#define GRAPH_NONE 0
#define GRAPH_MAX_SOURCES 7
#define GRAPH_ANYWHERE (-1)

/* What the allocator and the scheduler have to know of an operation. */
typedef enum graph_op {
    GRAPH_LEAF,     /* an input, a weight or a cache */
    GRAPH_VIEW,     /* reshape, view, permute, transpose: no memory of its own, nothing to run */
    GRAPH_PLAIN,    /* writes to memory of its own */
    GRAPH_IN_PLACE, /* may write over a source of the same shape (ggml-alloc.c: ggml_op_can_inplace) */
    GRAPH_ROPE,     /* the same; its weight does not decide where it runs */
    GRAPH_STORE,    /* writes into another tensor's memory: set_rows, cpy, clamp, scale_inplace */
} graph_op;

typedef struct graph_shape {
    uint64_t ne[4]; /* elements, the contiguous dimension first */
} graph_shape;

typedef struct graph_node {
    graph_shape shape;
    uint64_t bytes;         /* of its data; of a view the gaps between its rows too */
    uint64_t scratch_bytes; /* behind its data, for a device's kernels */
    uint64_t
        apart_bytes; /* instead of that, if its sources are copies that share no memory any more */
    graph_tensor src[GRAPH_MAX_SOURCES];
    graph_tensor view_src; /* the tensor whose memory this one looks at */
    graph_tensor copies;   /* the first of its copies in other places; of a copy the next one */
    graph_tensor copy_of;  /* what has the same sizes */
    uint8_t n_src;
    uint8_t next_src; /* while the order is made */
    uint8_t op;       /* graph_op */
    uint8_t element_bytes;
    int8_t place;   /* of an external tensor or a copy: where its memory is */
    int8_t runs_at; /* where llama.cpp asks to have it run; GRAPH_ANYWHERE */
    bool external;  /* memory outside the compute buffer: weights and caches */
    bool weight;
    bool input;
    bool output; /* kept until the end */
    bool visited;
    bool read;     /* by a tensor that is in the order */
    bool looks_up; /* picks rows of a table (get_rows) */
    bool apart;    /* keys and values are copies */
    bool cuts;     /* begins a split because the one before it takes no more inputs */
} graph_node;

/* Start with `graph g = {0};`, end with mf_graph_free. After the first failure every call returns GRAPH_NONE and
   `status` says why: MF_E_NOMEM, or MF_E_OVERFLOW for a tensor of more than 64 bits of bytes. */
typedef struct graph {
    graph_node *nodes; /* index 0 is unused */
    graph_tensor *order;
    graph_tensor *leaves; /* that need memory, in the order in which they are met */
    graph_tensor *stack;
    uint32_t n_nodes;
    uint32_t capacity;
    uint32_t n_order;
    uint32_t n_leaves;
    mf_status status;
    bool unordered; /* shapes alone are asked for */
} graph;

typedef struct graph_sources {
    graph_tensor src[GRAPH_MAX_SOURCES]; /* GRAPH_NONE entries are skipped */
} graph_sources;

#define GRAPH_SHAPE(...)                                                                           \
    (graph_shape)                                                                                  \
    {                                                                                              \
        .ne = { __VA_ARGS__ }                                                                      \
    }
#define GRAPH_SOURCES(...)                                                                         \
    (graph_sources)                                                                                \
    {                                                                                              \
        .src = { __VA_ARGS__ }                                                                     \
    }

void mf_graph_free(graph *g);
void mf_graph_clear(graph *g); /* keeps the memory for the next graph */
/* Room for so many nodes at least; more are made room for as they come. */
void mf_graph_reserve(graph *g, size_t n_nodes);

/* All zero for GRAPH_NONE, so that building on after a failure is safe. */
static inline const graph_node *mf_graph_get(const graph *g, graph_tensor t)
{
    static const graph_node none;
    return t < g->n_nodes ? &g->nodes[t] : &none;
}

/* The tensor whose memory t is. */
static inline graph_tensor mf_graph_owner(const graph *g, graph_tensor t)
{
    const graph_tensor view_src = mf_graph_get(g, t)->view_src;
    return view_src != GRAPH_NONE ? view_src : t;
}

graph_tensor mf_graph_input(graph *g, uint8_t element_bytes, graph_shape shape);
/* A tensor that nothing has written yet. */
graph_tensor mf_graph_unset(graph *g, uint8_t element_bytes, graph_shape shape);
graph_tensor mf_graph_external(graph *g, graph_shape shape, int8_t place, bool weight);
/* A tensor of f32 elements. */
graph_tensor mf_graph_op(graph *g, graph_op op, graph_shape shape, graph_sources sources);
/* Elements of another width. */
void mf_graph_retype(graph *g, graph_tensor t, uint8_t element_bytes);

graph_tensor mf_graph_view(graph *g, graph_tensor of, graph_shape shape);
/* Of every `row` elements the first (or any other) `inner` ones. */
graph_tensor
mf_graph_slice(graph *g, graph_tensor of, uint64_t row, uint64_t inner, graph_shape shape);

/* Writes `data` into the memory of `into`, at `rows` if there are any. */
graph_tensor mf_graph_store(graph *g, graph_tensor into, graph_tensor data, graph_tensor rows);
/* A result that is x's memory, whoever else reads that; y may be none. */
graph_tensor mf_graph_overwrite(graph *g, graph_tensor x, graph_tensor y);

/* What the scheduler puts between: a copy in another memory, and a reader that only keeps a tensor. */
graph_tensor mf_graph_copy(graph *g, graph_tensor of);
graph_tensor mf_graph_dependency(graph *g, graph_tensor of);

/* n nodes from `at` on get the sizes of another graph's from `from` on. */
void mf_graph_resize(graph *g, graph_tensor at, const graph *like, graph_tensor from, uint32_t n);
/* Copies, all of which come behind `from`, get those of what they are copies of. */
void mf_graph_resize_copies(graph *g, graph_tensor from);

/* Appends t and what it needs to the order, if there is one. */
void mf_graph_expand(graph *g, graph_tensor t);

#endif
