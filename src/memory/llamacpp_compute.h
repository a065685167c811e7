/*
 * llamacpp_compute.h - llama.cpp's compute buffers: the graph of a prompt, scheduled and allocated as ggml does it.
 */
#ifndef MF_MEMORY_LLAMACPP_COMPUTE_H
#define MF_MEMORY_LLAMACPP_COMPUTE_H

#include "memory/build.h"
#include "memory/footprint.h"
#include "memory/galloc.h"

/* Where everything lies: devices first, the host is the last place. */
typedef struct compute_setup {
    const mf_footprint *footprint;
    const mf_workload *workload;
    const mf_cache_size *cache;
    const int8_t *layer_places; /* one more than layers: the output */
    const int8_t
        *tensor_places; /* by tensor, or NULL: as the layer, experts by n_cpu_moe; one more:
                                    the output's table */
    uint8_t n_places;
    uint8_t n_copies;
    bool offloads; /* schedule.h */
    bool fully_offloaded;
    bool
        as_run; /* as llama.cpp allocates to run: its dry run forgets what it asked to have run where */
    graph_scratch scratch;
    uint64_t alignment; /* of devices */
} compute_setup;

typedef struct compute_size {
    uint64_t bytes[GALLOC_MAX_BUFFERS];
    bool exact;       /* not only bounded */
    size_t n_tensors; /* of the graph, all layers */
    size_t n_splits;
} compute_size;

mf_status mf_llamacpp_compute(compute_size *size, const compute_setup *setup, mf_error *err);

/* Without a graph: every piece of the widest layer at once, generously. llamacpp_bound.c */
mf_status mf_llamacpp_compute_bound(compute_size *size, const compute_setup *setup);

/* Something of a layer may lie elsewhere than the layer: only then may what it computes. llamacpp_bound.c */
bool mf_llamacpp_is_apart(const compute_setup *setup);
/* A layer, its experts, the output or some tensor may lie on the host. llamacpp_bound.c */
bool mf_llamacpp_has_host_weights(const compute_setup *setup);

/* The same as mf_llamacpp_compute with every layer in the graph: what tests hold the shortened one against. */
mf_status mf_llamacpp_compute_whole(compute_size *size, const compute_setup *setup, mf_error *err);

#endif
