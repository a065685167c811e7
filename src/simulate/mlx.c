/*
 * mlx.c - mlx-lm's server, 0.31 (mlx_lm/server.py and generate.py): a step of all sequences that generate, then a step of the
 * prompts that wait to be computed, in turns, so that whoever generates waits for every piece of a prompt.
 *
 * Up to decode_concurrency (32) sequences; a step of prompts takes prefill_step_size (2048) tokens of each of up to 8. The texts of
 * the 10 requests that ended last are kept (LRU); who goes on with one takes it over. Nothing is preempted and nothing bounds the
 * cache but the memory: where that is full, kept texts go first, then everyone in work fails.
 */
#include <stdlib.h>
#include <string.h>

#include "simulate/rules.h"
#include "simulate/text.h"

typedef struct mlx {
    mf_text *kept; /* the oldest first */
    uint32_t n_kept;
    bool decoded; /* the last step gave tokens to those that generate */
} mlx;

static mf_status open_mlx(mf_server *server, mf_error *err)
{
    mlx *m = calloc(1, sizeof *m);
    server->state = m;
    if (m != NULL) {
        m->kept = calloc((size_t)server->settings.n_kept_prompts + 1, sizeof *m->kept);
    }
    return m != NULL && m->kept != NULL ? MF_OK
                                        : mf_fail(err, MF_E_NOMEM, "no memory for kept prompts");
}

static void close_mlx(mf_server *server)
{
    mlx *m = server->state;
    if (m == NULL) {
        return;
    }
    for (uint32_t i = 0; i < m->n_kept; i++) {
        mf_text_forget(&m->kept[i]);
    }
    free(m->kept);
    free(m);
    server->state = NULL;
}

static void take_out(mlx *m, uint32_t at)
{
    m->n_kept--;
    memmove(&m->kept[at], &m->kept[at + 1], (m->n_kept - at) * sizeof *m->kept);
}

static void drop_oldest(mf_server *server)
{
    mlx *m = server->state;
    server->cache_used -= m->kept[0].n_tokens;
    mf_text_forget(&m->kept[0]);
    take_out(m, 0);
}

/* Frees memory for so many tokens. False if kept texts are not enough. */
static bool make_room(mf_server *server, uint64_t n_tokens)
{
    const mlx *m = server->state;
    const uint64_t limit = server->settings.cache_tokens;
    while (limit > 0 && server->cache_used + n_tokens > limit) {
        if (m->n_kept == 0) {
            return false;
        }
        drop_oldest(server);
    }
    return true;
}

/* Takes over what is kept of its text: the whole of it, or a copy of the beginning. */
static void launch(mf_server *server, uint32_t live)
{
    mlx *m = server->state;
    mf_live *entry = mf_server_live(server, live);
    uint32_t best = 0;
    uint32_t most = 0;
    for (uint32_t i = 0; i < m->n_kept; i++) {
        const uint32_t n = mf_text_common(&entry->request, &m->kept[i]);
        best = n > most ? i : best;
        most = n > most ? n : most;
    }
    if (most > 0 && most == m->kept[best].n_tokens) {
        mf_text_forget(&m->kept[best]);
        take_out(m, best);
    } else if (most > 0 && make_room(server, most)) {
        server->cache_used += most;
    } else {
        most = 0;
    }
    entry->computed = most;
    entry->cached = most;
    server->counts.cached_tokens += most;
    mf_waiting_remove(server, live);
    server->running[server->n_running++] = live;
}

static bool wants_prompt(const mf_live *live)
{
    return live->computed < live->request.input_tokens;
}

/* Tokens that a sequence puts into a step. */
static uint32_t share_of(const mf_server *server, const mf_live *live, bool decode)
{
    if (wants_prompt(live) == decode) {
        return 0;
    }
    const uint32_t lacks = decode ? 1 : live->request.input_tokens - live->computed;
    return lacks < server->settings.max_tokens ? lacks : server->settings.max_tokens;
}

/* Runs over what a step holds: adds it to the batch, or only counts its tokens. */
static mf_status
walk_step(mf_server *server, bool decode, bool add, uint64_t *n_tokens, mf_error *err)
{
    mf_status status = MF_OK;
    uint32_t n_parts = 0;
    *n_tokens = 0;
    for (uint32_t i = 0; status == MF_OK && i < server->n_running; i++) {
        const uint32_t at = server->running[i];
        mf_live *live = mf_server_live(server, at);
        const uint32_t n = share_of(server, live, decode);
        if (n == 0 || (!decode && n_parts == server->settings.n_prompts)) {
            continue;
        }
        n_parts++;
        *n_tokens += n;
        if (add) {
            if (live->computed == live->cached) {
                live->start_ns = server->now_ns;
            }
            live->computed += n;
            server->cache_used += n;
            const bool gives = !wants_prompt(live);
            live->asked += gives ? 1 : 0;
            status = mf_batch_add(
                server->composed, (mf_part){.live = at, .n_tokens = n, .gives = gives}, err);
        }
    }
    return status;
}

static bool next_decodes(const mf_server *server)
{
    const mlx *m = server->state;
    uint32_t n_prompts = 0;
    for (uint32_t i = 0; i < server->n_running; i++) {
        n_prompts += wants_prompt(mf_server_live(server, server->running[i])) ? 1 : 0;
    }
    return n_prompts == 0 || (n_prompts < server->n_running && !m->decoded);
}

static mf_status compose_mlx(mf_server *server, mf_error *err)
{
    mlx *m = server->state;
    mf_status status = MF_OK;
    uint64_t n_tokens = 0;
    while (server->n_waiting > 0 && server->n_running < server->settings.max_sequences) {
        launch(server, server->waiting_first);
    }
    const bool decode = next_decodes(server);
    status = walk_step(server, decode, false, &n_tokens, err);
    if (status == MF_OK && !make_room(server, n_tokens)) {
        while (status == MF_OK && server->n_running > 0) {
            status = mf_server_end_live(server, server->running[0], MF_SERVED_FAILED, err);
            while (m->n_kept > 0) {
                drop_oldest(server); /* the process has died */
            }
        }
        return status;
    }
    m->decoded = decode;
    return status == MF_OK ? walk_step(server, decode, true, &n_tokens, err) : status;
}

static uint64_t steady_mlx(const mf_server *server, uint64_t most)
{
    const uint64_t limit = server->settings.cache_tokens;
    if (server->n_waiting > 0 && server->n_running < server->settings.max_sequences) {
        return 0;
    }
    if (limit == 0) {
        return most;
    }
    uint64_t held = 0; /* by those in work: kept texts would be dropped */
    for (uint32_t i = 0; i < server->n_running; i++) {
        held += mf_server_live(server, server->running[i])->computed;
    }
    const uint64_t fits =
        held < limit && server->n_running > 0 ? (limit - held) / server->n_running : 0;
    return fits < most ? fits : most;
}

static void grow_mlx(mf_server *server, uint64_t n)
{
    (void)make_room(server, n * server->n_running);
    server->cache_used += n * server->n_running;
}

static void leave_mlx(mf_server *server, uint32_t live)
{
    mlx *m = server->state;
    mf_live *entry = mf_server_live(server, live);
    if (entry->is_waiting) {
        return;
    }
    if (!server->settings.prefix_cache || server->settings.n_kept_prompts == 0) {
        server->cache_used -= entry->computed;
        return;
    }
    if (m->n_kept == server->settings.n_kept_prompts) {
        drop_oldest(server);
    }
    m->kept[m->n_kept++] = (mf_text){.request = entry->request, .n_tokens = entry->computed};
    entry->request.chunks = NULL;
}

const mf_rules mf_rules_mlx = {.open = open_mlx,
                               .close = close_mlx,
                               .compose = compose_mlx,
                               .steady = steady_mlx,
                               .grow = grow_mlx,
                               .leave = leave_mlx};
