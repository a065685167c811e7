#include "simulate/pool.h"

#include <stdlib.h>

static void stand_in(mf_block_pool *pool, uint32_t block)
{
    pool->blocks[block].ticket = (uint32_t)pool->end;
    pool->ring[pool->end & (pool->ring_size - 1)] = block;
    pool->end++;
}

void mf_pool_init(mf_block_pool *pool, uint32_t n_blocks)
{
    *pool = (mf_block_pool){.n_blocks = n_blocks, .n_free = n_blocks};
}

mf_status mf_pool_track(mf_block_pool *pool, mf_error *err)
{
    mf_block_pool made = {.n_blocks = pool->n_blocks, .n_free = pool->n_blocks, .ring_size = 1};
    while (made.ring_size < 2 * (uint64_t)made.n_blocks) {
        made.ring_size *= 2;
    }
    made.blocks = calloc(made.n_blocks, sizeof *made.blocks);
    made.ring = calloc((size_t)made.ring_size, sizeof *made.ring);
    if (made.blocks == NULL || made.ring == NULL) {
        mf_pool_free(&made);
        return mf_fail(err, MF_E_NOMEM, "no memory for %u blocks", (unsigned)pool->n_blocks);
    }
    for (uint32_t b = 0; b < made.n_blocks; b++) {
        stand_in(&made, b);
    }
    *pool = made;
    return MF_OK;
}

void mf_pool_free(mf_block_pool *pool)
{
    free(pool->blocks);
    free(pool->ring);
    *pool = (mf_block_pool){0};
}

/* The block whose turn it is, if the number is still its own. */
static uint32_t step_up(mf_block_pool *pool, bool *stands)
{
    const uint32_t block = pool->ring[pool->first & (pool->ring_size - 1)];
    mf_pool_expect(pool, pool->ring[(pool->first + MF_POOL_AHEAD) & (pool->ring_size - 1)]);
    const mf_block *b = &pool->blocks[block];
    *stands = b->n_users == 0 && b->ticket == (uint32_t)pool->first;
    pool->first++;
    return block;
}

uint32_t mf_pool_take(mf_block_pool *pool)
{
    bool stands = false;
    uint32_t block = 0;
    while (!stands) {
        block = step_up(pool, &stands);
    }
    pool->blocks[block] = (mf_block){.n_users = 1};
    pool->n_free--;
    return block;
}

/* Numbers that nobody stands for any more fill the ring: those that count move up. */
static void close_ranks(mf_block_pool *pool)
{
    const uint64_t end = pool->end;
    while (pool->first < end) {
        bool stands = false;
        const uint32_t block = step_up(pool, &stands);
        if (stands) {
            stand_in(pool, block);
        }
    }
}

void mf_pool_give(mf_block_pool *pool, uint32_t block)
{
    if (--pool->blocks[block].n_users > 0) {
        return;
    }
    if (pool->end - pool->first == pool->ring_size) {
        close_ranks(pool);
    }
    stand_in(pool, block);
    pool->n_free++;
}

void mf_pool_share(mf_block_pool *pool, uint32_t block)
{
    if (pool->blocks[block].n_users++ == 0) {
        pool->n_free--;
    }
}

typedef struct text {
    uint64_t number;
    uint32_t *blocks;
    uint32_t n_blocks;
} text;

struct mf_texts {
    text *items; /* a stamp names the item, from 1 */
    uint32_t n_items;
    uint32_t room;
    uint32_t *slots; /* item + 1 by hash of the number; 0: empty */
    uint32_t n_slots;
};

mf_status mf_texts_new(mf_texts **out, mf_error *err)
{
    enum { FIRST_SLOTS = 256 };
    mf_texts *texts = calloc(1, sizeof *texts);
    if (texts != NULL) {
        texts->n_slots = FIRST_SLOTS;
        texts->slots = calloc(texts->n_slots, sizeof *texts->slots);
    }
    if (texts == NULL || texts->slots == NULL) {
        mf_texts_free(texts);
        return mf_fail(err, MF_E_NOMEM, "no memory for cached texts");
    }
    *out = texts;
    return MF_OK;
}

void mf_texts_free(mf_texts *texts)
{
    if (texts == NULL) {
        return;
    }
    for (uint32_t i = 0; i < texts->n_items; i++) {
        free(texts->items[i].blocks);
    }
    free(texts->items);
    free(texts->slots);
    free(texts);
}

static uint32_t *find_slot(const mf_texts *texts, uint64_t number)
{
    const uint64_t hash = (number ^ (number >> 29)) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(hash >> 32) & (texts->n_slots - 1);
    while (texts->slots[at] != 0 && texts->items[texts->slots[at] - 1].number != number) {
        at = (at + 1) & (texts->n_slots - 1);
    }
    return &texts->slots[at];
}

static bool make_text_room(mf_texts *texts)
{
    if (texts->n_items == texts->room) {
        const uint32_t room = texts->room > 0 ? 2 * texts->room : 64;
        text *items = realloc(texts->items, room * sizeof *items);
        if (items == NULL) {
            return false;
        }
        texts->items = items;
        texts->room = room;
    }
    if (2 * texts->n_items < texts->n_slots) {
        return true;
    }
    const size_t n_slots = texts->n_slots > 0 ? 2 * (size_t)texts->n_slots : 1;
    uint32_t *slots = calloc(n_slots, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    free(texts->slots);
    texts->slots = slots;
    texts->n_slots = (uint32_t)n_slots;
    for (uint32_t i = 0; i < texts->n_items; i++) {
        *find_slot(texts, texts->items[i].number) = i + 1;
    }
    return true;
}

mf_status mf_texts_stamp(mf_stamp *stamp, mf_texts *texts, uint64_t number, uint32_t index)
{
    uint32_t *slot = find_slot(texts, number);
    if (*slot == 0) {
        if (!make_text_room(texts)) {
            return MF_E_NOMEM;
        }
        slot = find_slot(texts, number);
        texts->items[texts->n_items] = (text){.number = number};
        *slot = ++texts->n_items;
    }
    *stamp = (uint64_t)*slot << 32 | index;
    return MF_OK;
}

static text *text_of(const mf_texts *texts, mf_stamp stamp)
{
    return &texts->items[(stamp >> 32) - 1];
}

bool mf_texts_find(uint32_t *block,
                   const mf_texts *texts,
                   const mf_block_pool *pool,
                   mf_stamp stamp)
{
    const text *t = text_of(texts, stamp);
    const uint32_t index = (uint32_t)stamp;
    if (index >= t->n_blocks || t->blocks[index] >= pool->n_blocks ||
        pool->blocks[t->blocks[index]].stamp != stamp) {
        return false;
    }
    *block = t->blocks[index];
    return true;
}

mf_status mf_texts_put(mf_texts *texts,
                       mf_block_pool *pool,
                       mf_stamp stamp,
                       uint32_t block,
                       bool replace,
                       mf_error *err)
{
    text *t = text_of(texts, stamp);
    const uint32_t index = (uint32_t)stamp;
    uint32_t held = 0;
    pool->blocks[block].stamp = stamp;
    if (!replace && mf_texts_find(&held, texts, pool, stamp)) {
        return MF_OK;
    }
    if (index >= t->n_blocks) {
        const uint32_t n = index + 32;
        uint32_t *blocks = realloc(t->blocks, n * sizeof *blocks);
        if (blocks == NULL) {
            return mf_fail(err, MF_E_NOMEM, "no memory for a cached text");
        }
        for (uint32_t i = t->n_blocks; i < n; i++) {
            blocks[i] = UINT32_MAX;
        }
        t->blocks = blocks;
        t->n_blocks = n;
    }
    t->blocks[index] = block;
    return MF_OK;
}
