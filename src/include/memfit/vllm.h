/*
 * vllm.h - how many blocks of KV cache vLLM makes of what its share of a card leaves beside weights and activations.
 */
#ifndef MF_MEMFIT_VLLM_H
#define MF_MEMFIT_VLLM_H

#include "memfit/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The cache of one device; every device of a tensor-parallel group has the same. */
typedef struct mf_vllm_cache {
    uint64_t block_tokens; /* 16; more where a recurrent state must fit into one page */
    uint64_t
        n_groups; /* kinds of layers, cut into groups of one size: each has blocks of its own */
    uint64_t block_bytes; /* one block of every layer of a group */
    uint64_t n_blocks;    /* what the card that has least holds: "num_gpu_blocks" */
    uint64_t n_tokens;    /* "GPU KV cache size" of its log */
} mf_vllm_cache;

/* The workload's n_batch is max_num_batched_tokens, n_outputs max_num_seqs. MF_E_UNSUPPORTED without a GPU or for
   another engine. */
MF_API mf_status mf_vllm_cache_size(mf_vllm_cache *out, const mf_case *run, mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
