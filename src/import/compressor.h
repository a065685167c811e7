/*
 * compressor.h - DeepSeek V4: one cached entry for every `ratio` tokens. Entries of ratio 4 overlap two blocks of tokens
 * and are selected by keys of an indexer.
 */
#ifndef MF_IMPORT_COMPRESSOR_H
#define MF_IMPORT_COMPRESSOR_H

#include "memfit/model.h"

enum { MF_OVERLAPPING_RATIO = 4, MF_OVERLAPPING_BLOCKS = 2 };

/* Values and scores of the tokens that no entry has yet (llama-kv-cache-dsv4.cpp: llama_dsv4_comp_state). */
static inline mf_recurrent
mf_compressor_state(uint32_t ratio, uint32_t head_dim, uint32_t index_dim)
{
    const uint64_t blocks = ratio == MF_OVERLAPPING_RATIO ? MF_OVERLAPPING_BLOCKS : 1;
    const uint64_t width = (uint64_t)head_dim + (blocks > 1 ? index_dim : 0);
    return (mf_recurrent){.kind = MF_RECURRENT_COMPRESSOR,
                          .state_elements = 2 * blocks * ratio * blocks * width};
}

#endif
