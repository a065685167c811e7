/*
 * work.h - what one token costs before any machine is known: bytes to read, weights to unpack, multiply-adds.
 *
 * A summary of a model in given tensor formats, computed once and used for every machine, context and engine. Linear:
 * two parts of a model add up, and a share of a model is its work scaled.
 */
#ifndef MF_SPEED_WORK_H
#define MF_SPEED_WORK_H

#include "memfit/calibration.h"
#include "memfit/memory.h"

#define MF_MAX_ATTENTION_GROUPS 16
#define MF_FLOP_PER_CACHED_BYTE 4.0 /* of an F16 cache with 4 query heads a KV head */
#define MF_WIDEST_NARROW_HEAD 128

/* Layers whose attention sees the same tokens, summed. */
typedef struct mf_attention_group {
    bool latent;   /* MLA */
    bool wide;     /* heads wider than MF_WIDEST_NARROW_HEAD: other kernels */
    double window; /* tokens; 0: all */
    double top_k;  /* sparse attention: tokens attended after selection; 0: all */
    double ratio;  /* compressed entries: one per this many tokens beside the window; 0: none */
    double keys;   /* elements of K read per visible token */
    double values; /* elements of V */
    double again;  /* elements of both that tiles of query heads read once more (MF_READ_BY_TILE) */
    double index;  /* elements of index keys read per token in the context */
    double flop;   /* attention FLOP per query and visible token */
} mf_attention_group;

typedef struct mf_work {
    double read_bytes;                      /* decode: the weights one token touches */
    double read_weights[MF_FORMAT_COUNT];   /* the same, counted */
    double dense_weights[MF_FORMAT_COUNT];  /* without head and embedding: prefill */
    double expert_weights[MF_FORMAT_COUNT]; /* of the experts that one token picks */
    double dense_bytes;                     /* prefill: read once per micro-batch */
    double expert_bytes;                    /* all experts */
    double mapped_bytes;                    /* of all tensors, tables that are looked up too */
    double expert_share;                    /* picked per token, used / total */
    double state_bytes;                     /* recurrent state of one sequence */
    double bf16_experts; /* all layers' experts whose weights are BF16, counted */
    double wide_experts; /* the same of F16 and BF16 */
    double expert_pairs; /* experts times those that a token picks, over all layers */
    double sorting_s;    /* on the host, a prompt's token; 0: the device sorts */
    double tail_weights[MF_FORMAT_COUNT]; /* dense, of layers behind the last that fills a cache */
    double
        passed_elements; /* a prompt's token: inputs and outputs of all products but the head's */
    double tail_passed_elements; /* of these, in layers behind the last that fills a cache */
    double n_layers;
    double n_moe_layers;
    double n_linear_layers;
    mf_attention_group groups[MF_MAX_ATTENTION_GROUPS];
    size_t n_groups;
} mf_work;

/* Which part of a model: what the devices hold, or what the host's CPU does. */
typedef struct mf_work_part {
    const mf_tensor_map *map; /* NULL: everything is on the devices */
    bool host;
} mf_work_part;

/* Work of a part (all zero: the whole model) in these formats, one per tensor. MF_E_UNSUPPORTED beyond
   MF_MAX_ATTENTION_GROUPS, MF_E_OVERFLOW, MF_E_DATA from the tensors' sizes. Thread-safe. */
mf_status mf_work_build(mf_work *work,
                        const mf_model *model,
                        const mf_tensor_type *types,
                        const mf_work_part *part,
                        mf_error *err);

/* Work of a share (0 to 1) of the layers. */
mf_work mf_work_scaled(const mf_work *work, double share);

/* Work of a prompt where quantized weights are unpacked to F16 in memory, once a micro-batch, and multiplied as such: beside
   the reading that is counted, 2 bytes a weight are written and read again. */
mf_work mf_work_unpacked(const mf_work *work);

/* Work of a prompt whose rows the host sorts by expert: for each of a layer's three products it walks over all pairs of an
   expert and a row, while the device waits. */
mf_work mf_work_sorted(const mf_work *work);

/* Bytes per element of the two caches. */
typedef struct mf_cache_width {
    double key_bytes;
    double value_bytes;
} mf_cache_width;

mf_cache_width mf_cache_width_of(const mf_workload *workload);

/* Bytes of KV cache read for one token with n tokens in the context. */
double mf_work_kv_bytes(const mf_work *work, mf_cache_width width, double n_tokens);

/* How one token's attention reads the cache. Query heads have KV heads in common, but not every kernel reads them once. */
typedef enum mf_cache_reading {
    MF_READ_ONCE,
    MF_READ_BY_TILE, /* once for 8, 4 or 2 query heads, the most that divide a KV head's */
    MF_READ_BY_HEAD  /* once for each; counted in such as 4 query heads read */
} mf_cache_reading;

/* The same as it takes time: a cache below 16 bits is unpacked in the attention kernel, and no published row shows it faster
   than F16's (tests/truth/speed.csv has no decode at a depth with one), so it counts as that. */
double mf_work_kv_time_bytes(const mf_work *work,
                             mf_cache_width width,
                             mf_cache_reading reading,
                             double n_tokens);

/* FLOP of the attention of one query with n tokens in the context: latent layers or the others. */
double mf_work_attention_flop(const mf_work *work, double n_tokens, bool latent);

/* The same summed over the queries at depth .. depth + n_tokens. */
double
mf_work_prompt_attention_flop(const mf_work *work, double depth, double n_tokens, bool latent);

/* Bytes of KV cache that the queries at depth .. depth + n_tokens read, each for itself. */
double mf_work_prompt_cache_bytes(const mf_work *work,
                                  mf_cache_width width,
                                  double depth,
                                  double n_tokens);

/* The part of those that are not latent that wide heads have. */
double mf_work_prompt_wide_flop(const mf_work *work, double depth, double n_tokens);

/* Bytes of weights touched by a batch: experts picked at random leave E (1 - k/E)^T untouched (arXiv 2505.19645). */
double mf_work_touched_bytes(const mf_work *work, double n_tokens);

#endif
