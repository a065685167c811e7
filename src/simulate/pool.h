/*
 * pool.h - blocks of KV cache as vLLM keeps them (vllm/v1/core/block_pool.py): freed blocks keep what they hold until they are
 * taken again, the one that was freed first being taken first, so that a text which comes again may still be there.
 */
#ifndef MF_SIMULATE_POOL_H
#define MF_SIMULATE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/status.h"

/* What a block holds: number `index` of a text; 0: nothing that may be found again. */
typedef uint64_t mf_stamp;

typedef struct mf_block {
    mf_stamp stamp;
    uint32_t ticket; /* the low bits of its place in the queue of free blocks, if it has no users */
    uint32_t n_users;
} mf_block;

/* Free blocks stand in a queue, a ring of their numbers. One that is found again leaves its number behind: who comes to it sees by
   the ticket that it is not its any more. (A list would wait for memory at every step.) */
typedef struct mf_block_pool {
    uint32_t n_blocks;
    uint32_t n_free;
    mf_block *blocks;
    uint32_t *ring;
    uint64_t ring_size; /* a power of two, at most 2^31: low bits tell tickets apart */
    uint64_t first;     /* ticket of the next number */
    uint64_t end;
} mf_block_pool;

/* Only numbers are kept, and blocks have none: until something that a block holds may be wanted again. */
void mf_pool_init(mf_block_pool *pool, uint32_t n_blocks);

/* From now on blocks are told apart. All are free: whoever held some takes as many again. MF_E_NOMEM. */
mf_status mf_pool_track(mf_block_pool *pool, mf_error *err);
void mf_pool_free(mf_block_pool *pool);

static inline bool mf_pool_tracks(const mf_block_pool *pool)
{
    return pool->blocks != NULL;
}

/* Blocks are rarely in the processor's cache when their turn comes: asked for so many turns before. */
enum { MF_POOL_AHEAD = 16 };

static inline void mf_pool_expect(const mf_block_pool *pool, uint32_t block)
{
    __builtin_prefetch(&pool->blocks[block], 1);
}

/* The block that was freed first. There must be one. */
uint32_t mf_pool_take(mf_block_pool *pool);

/* One user less; without users it is free. */
void mf_pool_give(mf_block_pool *pool, uint32_t block);

/* One user more of a block that holds what is wanted. */
void mf_pool_share(mf_block_pool *pool, uint32_t block);

/* Texts that several requests have in common, each a list of the blocks that hold it, by number of the text. */
typedef struct mf_texts mf_texts;

mf_status mf_texts_new(mf_texts **out, mf_error *err);
void mf_texts_free(mf_texts *texts);

/* The stamp of a block of a text. MF_E_NOMEM. */
mf_status mf_texts_stamp(mf_stamp *stamp, mf_texts *texts, uint64_t number, uint32_t index);

/* Remembers which block has a stamp; a block that still has it is kept unless `replace`. MF_E_NOMEM. */
mf_status mf_texts_put(mf_texts *texts,
                       mf_block_pool *pool,
                       mf_stamp stamp,
                       uint32_t block,
                       bool replace,
                       mf_error *err);

/* The block that has a stamp, if there still is one. */
bool mf_texts_find(uint32_t *block,
                   const mf_texts *texts,
                   const mf_block_pool *pool,
                   mf_stamp stamp);

#endif
