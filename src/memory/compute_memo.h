/*
 * compute_memo.h - compute buffers of one model that were laid out before, by everything that they depend on.
 *
 * Graphs of the same structure differ in sizes alone (compute_replay.h): they are scheduled once, whatever they are of.
 * Contexts of different lengths give such graphs, whose sizes are affine in the cells of the cache. Between two
 * lengths that were built a graph need not be built again: its sizes are known. And it need not be replayed if both
 * ends took the same way: every decision of a replay compares two sums of sizes (galloc.h: path), so that one that came
 * out alike at both ends comes out alike between them, and a buffer's end, such a sum itself, lies on the line.
 */
#ifndef MF_MEMORY_COMPUTE_MEMO_H
#define MF_MEMORY_COMPUTE_MEMO_H

#include "memfit/tensor_type.h"
#include "memory/build.h"
#include "memory/compute_replay.h"

enum { COMPUTE_MAX_WAYS = 3 };

/* What a graph is built from beside the model. The layers' places are borrowed. */
typedef struct compute_key {
    const int8_t *layer_places;
    size_t n_layer_places;
    uint64_t cells;     /* the only number in which graphs of one series differ */
    uint64_t cell_step; /* sizes may be affine between multiples of it alone */
    uint64_t window_cells;
    size_t n_unpicked; /* layers of sparse attention that attend to all cells */
    uint64_t n_tokens;
    uint64_t n_outputs;
    uint64_t n_sequences;
    uint64_t n_streams;
    uint32_t n_cpu_moe;
    mf_tensor_type kv_type_k;
    mf_tensor_type kv_type_v;
    compute_places places;
    graph_scratch scratch;
    bool flash_attention;
    bool kv_offload;
    bool offloads;
    bool norms_stay;
    bool attends_on_host;
    uint64_t host_types; /* of the weights, where devices take some along; otherwise 0 */
} compute_key;

typedef struct compute_memo compute_memo;

compute_memo *mf_compute_memo_new(void); /* NULL without memory */
void mf_compute_memo_free(compute_memo *memo);

/* True if the ways are known from before or follow from their neighbours. memo may be NULL. */
bool mf_compute_memo_find(compute_way *ways, compute_memo *memo, const compute_key *key);

/* Which kernels are given up in a placement, by the part of the key that decides it, all else zero. False if it's not known;
   memo may be NULL. What there is no memory for is forgotten. */
bool mf_compute_memo_find_unfused(bool unfused[FUSED_OPS],
                                  const compute_memo *memo,
                                  const compute_key *key);
void mf_compute_memo_keep_unfused(compute_memo *memo,
                                  const compute_key *key,
                                  const bool unfused[FUSED_OPS]);

/* How many periods of a run of layers were kept last; COMPUTE_LEAST_KEPT if of none like it. More than it needs
   give the same buffers; fewer cost another graph. memo may be NULL. */
size_t mf_compute_memo_kept(const compute_memo *memo, const layer_run *run);

/* Remembers them. What there is no memory for is forgotten. */
void mf_compute_memo_keep(compute_memo *memo, const compute_form *form);

/* memo may be NULL in all below: then there is none, and nothing is kept. */

/* The graph of this structure, to be given its sizes; the memo's. NULL if it has none. */
compute_form *mf_compute_memo_form(compute_memo *memo, uint64_t structure);

/* Takes a form that was replayed, which afterwards is an older one that is given up for it, or empty. NULL if there is no
   memory: then the form is as it was. */
compute_form *mf_compute_memo_take(compute_memo *memo, compute_form *form);

/* Memory to replay in, the memo's; NULL without one. */
compute_room *mf_compute_memo_room(compute_memo *memo);

/* Memory to build the next graph in, and back. */
void mf_compute_memo_take_blank(compute_form *blank, compute_memo *memo);
void mf_compute_memo_give_blank(compute_memo *memo, compute_form *blank);

/* The forms are the memo's, in the sizes of the key; NULL if one was not kept. What there is no memory for is forgotten. */
void mf_compute_memo_add(compute_memo *memo,
                         const compute_key *key,
                         const compute_way *ways,
                         compute_form *const *forms,
                         size_t n_ways);

#endif
