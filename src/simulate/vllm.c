/*
 * vllm.c - the V1 scheduler of vLLM 0.19 (vllm/v1/core/sched/scheduler.py, kv_cache_manager.py).
 *
 * Running requests first, in the order they were taken in: each gets the tokens that it lacks, one where it decodes, as far as
 * max_num_batched_tokens go. Where blocks run out, the last of them is preempted: it loses its blocks and waits at the
 * front. Then, if none was preempted, waiting requests, each only if blocks for its whole input are free. Blocks that are
 * full can be found again by their content (prefix caching), those of a preempted request as well, until they are taken
 * for something else. Scheduling is asynchronous: a step is composed when the one before the running one has ended.
 */
#include <stdlib.h>
#include <string.h>

#include "simulate/pool.h"
#include "simulate/rules.h"

typedef struct vllm {
    mf_block_pool pool;
    mf_texts *texts; /* NULL without prefix caching */
    uint32_t block_tokens;
    uint32_t *order;  /* scratch of grow: running requests by when they need a block */
    uint32_t *phases; /* scratch of grow: how many need one at each step */
    mf_status failed; /* of a call that has no way to say so; the next one does */
} vllm;

enum text_kind { TEXT_SESSION, TEXT_SHARED, TEXT_CHUNK };

static vllm *state_of(const mf_server *server)
{
    return server->state;
}

/* Blocks that a request lacks to hold so many tokens: mostly none, and then without a division. */
static uint32_t blocks_for(const vllm *v, uint64_t n_tokens);

static uint32_t blocks_lacking(const vllm *v, const mf_live *entry, uint64_t n_tokens)
{
    return n_tokens <= (uint64_t)entry->n_blocks * v->block_tokens
               ? 0
               : blocks_for(v, n_tokens) - entry->n_blocks;
}

static uint32_t blocks_for(const vllm *v, uint64_t n_tokens)
{
    return (uint32_t)((n_tokens + v->block_tokens - 1) / v->block_tokens);
}

static mf_status open_vllm(mf_server *server, mf_error *err)
{
    const mf_server_settings *settings = &server->settings;
    vllm *v = calloc(1, sizeof *v);
    server->state = v;
    if (v == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for vllm's state");
    }
    v->block_tokens = settings->block_tokens;
    const uint64_t n_blocks = settings->cache_tokens / settings->block_tokens;
    if (n_blocks == 0 || n_blocks >= 1U << 30) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "vllm needs blocks of KV cache, %llu are none to work with",
                       (unsigned long long)n_blocks);
    }
    mf_pool_init(&v->pool, (uint32_t)n_blocks);
    const mf_status status = settings->prefix_cache ? mf_texts_new(&v->texts, err) : MF_OK;
    v->order = calloc((size_t)settings->max_sequences + 1, sizeof *v->order);
    v->phases = calloc((size_t)v->block_tokens + 2, sizeof *v->phases);
    return status == MF_OK && (v->order == NULL || v->phases == NULL)
               ? mf_fail(err, MF_E_NOMEM, "no memory for vllm's state")
               : status;
}

static void close_vllm(mf_server *server)
{
    vllm *v = state_of(server);
    if (v != NULL) {
        mf_pool_free(&v->pool);
        mf_texts_free(v->texts);
        free(v->order);
        free(v->phases);
        free(v);
        server->state = NULL;
    }
}

/* Where the content of a block of a request stands: the stamp that it has or gets. Content that nobody else can have is stamped
   with the request's own index, for when it is preempted. */
static mf_status
stamp_of(mf_stamp *stamp, const vllm *v, const mf_server *server, uint32_t live, uint32_t index)
{
    const mf_request *r = &mf_server_live(server, live)->request;
    const uint64_t begin = (uint64_t)index * v->block_tokens;
    if (r->chunks != NULL && begin / r->chunks->chunk_tokens < r->chunks->n_ids) {
        const uint64_t id = r->chunks->ids[begin / r->chunks->chunk_tokens];
        const uint64_t inside = begin % r->chunks->chunk_tokens / v->block_tokens;
        return mf_texts_stamp(stamp, v->texts, id << 2 | TEXT_CHUNK, (uint32_t)inside);
    }
    if (r->shared != 0 && begin + v->block_tokens <= r->shared_tokens) {
        return mf_texts_stamp(stamp, v->texts, (uint64_t)r->shared << 2 | TEXT_SHARED, index);
    }
    if (r->session != 0) {
        return mf_texts_stamp(stamp, v->texts, r->session << 2 | TEXT_SESSION, index);
    }
    *stamp = (uint64_t)(UINT32_MAX - live) << 32 | index;
    return MF_OK;
}

/* A stamp of content that nobody else can have belongs to no text. */
static bool is_own(mf_stamp stamp, uint32_t live)
{
    return stamp >> 32 == UINT32_MAX - live;
}

static bool has_content(const mf_request *r)
{
    return r->chunks != NULL || r->shared != 0 || r->session != 0;
}

/* May a block of an input be in the cache already, from other requests? */
static bool is_known_text(const vllm *v, const mf_request *r, uint32_t index)
{
    const uint64_t end = ((uint64_t)index + 1) * v->block_tokens;
    if (r->chunks != NULL) {
        return end <= (uint64_t)r->chunks->n_ids * r->chunks->chunk_tokens;
    }
    return end <= r->prefix_tokens || (r->shared != 0 && end <= r->shared_tokens);
}

/* The block that holds number `index` of a request that waits, if there is one. */
static bool find_block(uint32_t *block, const mf_server *server, uint32_t live, uint32_t index)
{
    const vllm *v = state_of(server);
    const mf_live *entry = mf_server_live(server, live);
    mf_stamp stamp = 0;
    if (stamp_of(&stamp, v, server, live, index) != MF_OK) {
        return false;
    }
    /* It was preempted: its own blocks, if nobody took them. n_blocks counts what it left behind. */
    if (index < entry->place && v->pool.blocks[entry->blocks[index]].stamp == stamp) {
        *block = entry->blocks[index];
        return true;
    }
    return has_content(&entry->request) && is_known_text(v, &entry->request, index) &&
           mf_texts_find(block, v->texts, &v->pool, stamp);
}

/* Blocks at the beginning of a waiting request that are in the cache; the last token is always computed. */
typedef struct hits {
    uint32_t n;
    uint32_t n_free; /* of them, those that nobody uses: they must be taken out of the free ones */
} hits;

static hits find_hits(const mf_server *server, uint32_t live)
{
    const vllm *v = state_of(server);
    const mf_live *entry = mf_server_live(server, live);
    hits found = {0};
    if (!mf_pool_tracks(&v->pool) || (entry->place == 0 && !has_content(&entry->request))) {
        return found;
    }
    const uint32_t most = (mf_live_tokens(entry) - 1) / v->block_tokens;
    uint32_t block = 0;
    while (found.n < most && find_block(&block, server, live, found.n)) {
        found.n_free += v->pool.blocks[block].n_users == 0 ? 1 : 0;
        found.n++;
    }
    return found;
}

static bool can_admit(const mf_server *server, uint32_t live, const hits *found)
{
    const vllm *v = state_of(server);
    const uint64_t all = blocks_for(v, mf_live_tokens(mf_server_live(server, live)));
    return all - found->n + found->n_free <= v->pool.n_free;
}

static void count_used(mf_server *server)
{
    const vllm *v = state_of(server);
    server->cache_used = (uint64_t)(v->pool.n_blocks - v->pool.n_free) * v->block_tokens;
}

static mf_status make_list(mf_live *entry, const vllm *v, mf_error *err)
{
    const uint32_t n =
        blocks_for(v, (uint64_t)entry->request.input_tokens + entry->request.output_tokens);
    if (entry->block_room >= n) {
        return MF_OK;
    }
    uint32_t *blocks = realloc(entry->blocks, n * sizeof *blocks);
    if (blocks == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a list of %u blocks", (unsigned)n);
    }
    entry->blocks = blocks;
    entry->block_room = n;
    return MF_OK;
}

/* Takes n blocks that are free. */
static void take_blocks(vllm *v, mf_live *entry, uint32_t n)
{
    if (!mf_pool_tracks(&v->pool)) {
        v->pool.n_free -= n;
        entry->n_blocks += n;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        entry->blocks[entry->n_blocks++] = mf_pool_take(&v->pool);
    }
}

/* Is there anything of a request that others may find? */
static bool has_texts(const mf_server *server, const mf_live *entry)
{
    return state_of(server)->texts != NULL && has_content(&entry->request);
}

/* Of a request's context that grows from n_before to n_after tokens, the blocks that become full can be found from then on. */
static mf_status register_full(
    const mf_server *server, uint32_t live, uint64_t n_before, uint64_t n_after, mf_error *err)
{
    vllm *v = state_of(server);
    const mf_live *entry = mf_server_live(server, live);
    mf_status status = MF_OK;
    const uint32_t end = (uint32_t)(n_after / v->block_tokens);
    for (uint32_t i = (uint32_t)(n_before / v->block_tokens); status == MF_OK && i < end; i++) {
        mf_stamp stamp = 0;
        status = stamp_of(&stamp, v, server, live, i);
        if (status == MF_OK && !is_own(stamp, live)) {
            const bool fresh = !is_known_text(v, &entry->request, i);
            status = mf_texts_put(v->texts, &v->pool, stamp, entry->blocks[i], fresh, err);
        }
    }
    return status;
}

static void give_blocks(vllm *v, mf_live *entry)
{
    if (!mf_pool_tracks(&v->pool)) {
        v->pool.n_free += entry->n_blocks;
    } else {
        /* The last one first: it is the least likely to be wanted again. */
        for (uint32_t i = entry->n_blocks; i > 0; i--) {
            mf_pool_expect(&v->pool, entry->blocks[i > MF_POOL_AHEAD ? i - MF_POOL_AHEAD : 0]);
            mf_pool_give(&v->pool, entry->blocks[i - 1]);
        }
    }
    entry->n_blocks = 0;
}

/* The last of the running requests loses its blocks and waits in front of all others. */
static uint32_t preempt_last(mf_server *server)
{
    vllm *v = state_of(server);
    const uint32_t live = server->running[--server->n_running];
    mf_live *entry = mf_server_live(server, live);
    const uint32_t n_full = entry->computed / v->block_tokens;
    entry->place = v->texts != NULL ? n_full : 0;
    for (uint32_t i = 0; i < entry->place; i++) {
        mf_stamp *stamp = &v->pool.blocks[entry->blocks[i]].stamp;
        *stamp = *stamp != 0 ? *stamp : (uint64_t)(UINT32_MAX - live) << 32 | i;
    }
    give_blocks(v, entry);
    server->counts.recomputed_tokens += entry->computed;
    server->counts.n_preempted++;
    entry->computed = 0;
    entry->n_preempted++;
    mf_waiting_push_front(server, live);
    return live;
}

static inline mf_status add_part(mf_server *server, uint32_t live, uint32_t n_tokens, mf_error *err)
{
    mf_live *entry = mf_server_live(server, live);
    const uint32_t n_before = entry->computed;
    entry->computed += n_tokens;
    const bool gives = entry->computed == mf_live_tokens(entry);
    entry->asked += gives ? 1 : 0;
    const mf_part part = {.live = live, .n_tokens = n_tokens, .gives = gives};
    const mf_status status = mf_batch_add(server->composed, part, err);
    return status == MF_OK && has_texts(server, entry)
               ? register_full(server, live, n_before, entry->computed, err)
               : status;
}

/* Something may be wanted again for the first time: a text that others share, or what a preempted request had. */
static mf_status track_blocks(mf_server *server, mf_error *err)
{
    vllm *v = state_of(server);
    if (v->texts == NULL || mf_pool_tracks(&v->pool)) {
        return MF_OK;
    }
    mf_status status = mf_pool_track(&v->pool, err);
    for (uint32_t i = 0; status == MF_OK && i < server->n_running; i++) {
        mf_live *entry = mf_server_live(server, server->running[i]);
        const uint32_t n = entry->n_blocks;
        status = make_list(entry, v, err);
        if (status == MF_OK) {
            entry->n_blocks = 0;
            take_blocks(v, entry, n);
        }
    }
    return status;
}

/* What nearly every request does in nearly every step: one more token into a block that it has, which nobody else may find. */
static inline bool goes_on(const vllm *v, const mf_live *entry)
{
    return entry->asked < entry->target && mf_live_tokens(entry) - entry->computed == 1 &&
           entry->computed < (uint64_t)entry->n_blocks * v->block_tokens &&
           (v->texts == NULL || !has_content(&entry->request));
}

static mf_status
schedule_running(mf_server *server, uint32_t *budget, bool *preempted, mf_error *err)
{
    vllm *v = state_of(server);
    mf_status status = MF_OK;
    for (uint32_t i = 0; status == MF_OK && i<server->n_running && * budget> 0; i++) {
        const uint32_t live = server->running[i];
        mf_live *entry = mf_server_live(server, live);
        if (goes_on(v, entry)) {
            entry->computed++;
            entry->asked++;
            --*budget;
            status = mf_batch_add(
                server->composed, (mf_part){.live = live, .n_tokens = 1, .gives = true}, err);
            continue;
        }
        if (entry->asked >= entry->target) {
            continue; /* its last token is on the way */
        }
        const uint32_t lacks = mf_live_tokens(entry) - entry->computed;
        const uint32_t n = lacks < *budget ? lacks : *budget;
        const uint32_t need = blocks_lacking(v, entry, (uint64_t)entry->computed + n);
        if (need > v->pool.n_free) {
            status = track_blocks(server, err);
        }
        while (status == MF_OK && need > v->pool.n_free && server->n_running > i) {
            *preempted = true;
            (void)preempt_last(server);
        }
        if (status != MF_OK || server->n_running == i) {
            break; /* it was the last one itself */
        }
        take_blocks(v, entry, need);
        *budget -= n;
        status = add_part(server, live, n, err);
    }
    return status;
}

static mf_status
admit(mf_server *server, uint32_t live, const hits *found, uint32_t n, mf_error *err)
{
    vllm *v = state_of(server);
    mf_live *entry = mf_server_live(server, live);
    mf_status status = mf_pool_tracks(&v->pool) ? make_list(entry, v, err) : MF_OK;
    if (status != MF_OK) {
        return status;
    }
    for (uint32_t i = 0; i < found->n; i++) {
        uint32_t block = 0;
        if (find_block(&block, server, live, i)) {
            mf_pool_share(&v->pool, block);
            entry->blocks[i] = block;
        }
    }
    entry->n_blocks = found->n;
    entry->computed = found->n * v->block_tokens;
    server->counts.cached_tokens += entry->computed;
    if (entry->n_preempted == 0) {
        entry->cached = entry->computed;
        entry->start_ns = server->now_ns;
    }
    entry->place = 0;
    take_blocks(v, entry, blocks_lacking(v, entry, (uint64_t)entry->computed + n));
    mf_waiting_remove(server, live);
    server->running[server->n_running++] = live;
    return add_part(server, live, n, err);
}

static mf_status schedule_waiting(mf_server *server, uint32_t *budget, mf_error *err)
{
    mf_status status = MF_OK;
    while (status == MF_OK && server->n_waiting > 0 && *budget > 0 &&
           server->n_running < server->settings.max_sequences) {
        const uint32_t live = server->waiting_first;
        const mf_live *entry = mf_server_live(server, live);
        if (has_content(&entry->request)) {
            status = track_blocks(server, err);
        }
        const hits found = find_hits(server, live);
        if (status != MF_OK || entry->asked >= entry->target || !can_admit(server, live, &found)) {
            break;
        }
        const uint32_t lacks = mf_live_tokens(entry) - found.n * state_of(server)->block_tokens;
        const uint32_t n = lacks < *budget ? lacks : *budget;
        *budget -= n;
        status = admit(server, live, &found, n, err);
    }
    return status;
}

/* With nothing running and nothing admitted, the first that waits is larger than the whole cache. */
static mf_status refuse_too_large(mf_server *server, mf_error *err)
{
    mf_status status = MF_OK;
    while (status == MF_OK && server->n_waiting > 0 && server->n_running == 0) {
        const hits none = {0};
        const uint32_t live = server->waiting_first;
        const mf_live *entry = mf_server_live(server, live);
        if (can_admit(server, live, &none) || entry->given < entry->asked) {
            break; /* it fits, or a token of it is still on the way */
        }
        const mf_served_outcome outcome =
            entry->n_preempted > 0 ? MF_SERVED_FAILED : MF_SERVED_REFUSED;
        status = mf_server_end_live(server, live, outcome, err);
    }
    return status;
}

static mf_status compose_vllm(mf_server *server, mf_error *err)
{
    uint32_t budget = server->settings.max_tokens;
    bool preempted = false;
    if (state_of(server)->failed != MF_OK) {
        return mf_fail(err, state_of(server)->failed, "no memory for cached texts");
    }
    mf_status status = schedule_running(server, &budget, &preempted, err);
    if (status == MF_OK && server->n_running == 0 && server->n_waiting > 0) {
        status = refuse_too_large(server, err);
        preempted = false;
    }
    if (status == MF_OK && !preempted) {
        status = schedule_waiting(server, &budget, err);
    }
    count_used(server);
    return status;
}

/* Blocks that n more tokens of every running request need. */
static uint64_t blocks_to_grow(const mf_server *server, uint64_t n)
{
    const vllm *v = state_of(server);
    uint64_t need = 0;
    for (uint32_t i = 0; i < server->n_running; i++) {
        const mf_live *entry = mf_server_live(server, server->running[i]);
        need += blocks_lacking(v, entry, entry->computed + n);
    }
    return need;
}

static uint64_t steady_vllm(const mf_server *server, uint64_t most)
{
    const vllm *v = state_of(server);
    if (server->n_waiting > 0 && server->n_running < server->settings.max_sequences) {
        const hits found = find_hits(server, server->waiting_first);
        if (can_admit(server, server->waiting_first, &found)) {
            return 0;
        }
    }
    /* In so many steps each crosses into so many blocks, whatever its phase; then step by step. */
    uint64_t fits = (uint64_t)(v->pool.n_free / server->n_running) * v->block_tokens;
    uint64_t too_many = fits + v->block_tokens;
    while (fits < most && too_many - fits > 1) {
        const uint64_t middle = fits + (too_many - fits) / 2;
        if (blocks_to_grow(server, middle) <= v->pool.n_free) {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    return fits < most ? fits : most;
}

/* Steps until a request needs its next block, less one. */
static uint32_t phase_of(const vllm *v, const mf_live *entry)
{
    return entry->n_blocks * v->block_tokens - entry->computed;
}

/* The running requests in the order in which their next blocks fall due: by step, then as they run. */
static void order_by_phase(const mf_server *server)
{
    const vllm *v = state_of(server);
    uint32_t *begins = v->phases;
    memset(begins, 0, ((size_t)v->block_tokens + 1) * sizeof *begins);
    for (uint32_t i = 0; i < server->n_running; i++) {
        begins[phase_of(v, mf_server_live(server, server->running[i])) + 1]++;
    }
    for (uint32_t p = 1; p <= v->block_tokens; p++) {
        begins[p] += begins[p - 1];
    }
    for (uint32_t i = 0; i < server->n_running; i++) {
        v->order[begins[phase_of(v, mf_server_live(server, server->running[i]))]++] =
            server->running[i];
    }
}

/* As stepping would: blocks are taken in the order of steps, so that the same old contents are lost. */
static void take_in_order(mf_server *server, uint64_t n)
{
    vllm *v = state_of(server);
    bool more = true;
    order_by_phase(server);
    while (more) {
        more = false;
        for (uint32_t i = 0; i < server->n_running; i++) {
            mf_live *entry = mf_server_live(server, v->order[i]);
            if (entry->n_blocks < blocks_for(v, entry->computed + n)) {
                take_blocks(v, entry, 1);
                more = true;
            }
        }
    }
}

static void grow_vllm(mf_server *server, uint64_t n)
{
    vllm *v = state_of(server);
    if (mf_pool_tracks(&v->pool)) {
        take_in_order(server, n);
    }
    for (uint32_t i = 0; i < server->n_running; i++) {
        mf_live *entry = mf_server_live(server, server->running[i]);
        const uint64_t after = entry->computed + n;
        take_blocks(v, entry, blocks_lacking(v, entry, after));
        if (has_texts(server, entry)) {
            const mf_status status =
                register_full(server, server->running[i], entry->computed, after, NULL);
            v->failed = status != MF_OK ? status : v->failed;
        }
    }
    count_used(server);
}

static void leave_vllm(mf_server *server, uint32_t live)
{
    give_blocks(state_of(server), mf_server_live(server, live));
    count_used(server);
}

#define VLLM_RULES                                                                                 \
    .open = open_vllm, .close = close_vllm, .compose = compose_vllm, .steady = steady_vllm,        \
    .grow = grow_vllm, .leave = leave_vllm

const mf_rules mf_rules_vllm = {.n_ahead = 1, VLLM_RULES};
const mf_rules mf_rules_vllm_in_turn = {.n_ahead = 0, VLLM_RULES};
