/*
 * slots.c - llama.cpp's server, b10470 (tools/server/server-context.cpp): slots that share one batch.
 *
 * Each step holds one token of every slot that generates, then prompts slot by slot up to n_batch. A request takes the idle slot
 * whose cached text it begins with (more than a tenth of it), else the one that has been idle longest; texts that are about to
 * be lost go to a cache in host memory (--cache-ram). Nothing is preempted: where the cells run out, idle slots are emptied
 * first, then every request in work ends with an error. One slot is the old way of Ollama: one request after the other.
 */
#include <stdlib.h>

#include "simulate/rules.h"
#include "simulate/text.h"

#define LEAST_SIMILARITY 0.1 /* slot_prompt_similarity */
#define LEAST_KEPT 0.5       /* of a slot's text: with less, it is saved before it is lost */

typedef struct slot {
    uint32_t live;  /* MF_NO_LIVE: idle */
    mf_text cached; /* of a slot in work: only n_tokens counts */
    uint64_t used_ns;
    bool was_used;
} slot;

typedef struct slots {
    slot *items;
    uint32_t n_items;
    mf_text *saved; /* in host memory, the oldest first */
    size_t n_saved;
    size_t saved_room;
    uint64_t saved_tokens;
} slots;

static mf_status open_slots(mf_server *server, mf_error *err)
{
    slots *s = calloc(1, sizeof *s);
    server->state = s;
    if (s != NULL) {
        s->n_items = server->settings.max_sequences;
        s->items = calloc(s->n_items, sizeof *s->items);
    }
    if (s == NULL || s->items == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for slots");
    }
    for (uint32_t i = 0; i < s->n_items; i++) {
        s->items[i].live = MF_NO_LIVE;
    }
    return MF_OK;
}

static void close_slots(mf_server *server)
{
    slots *s = server->state;
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->n_items && s->items != NULL; i++) {
        mf_text_forget(&s->items[i].cached);
    }
    for (size_t i = 0; i < s->n_saved; i++) {
        mf_text_forget(&s->saved[i]);
    }
    free(s->items);
    free(s->saved);
    free(s);
    server->state = NULL;
}

static void empty_slot(mf_server *server, slot *s)
{
    server->cache_used -= s->cached.n_tokens;
    mf_text_forget(&s->cached);
}

/* Drops saved texts that a new one contains, then the oldest until it fits. */
static void make_saved_room(slots *s, const mf_text *coming, uint64_t limit)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_saved; i++) {
        mf_text *old = &s->saved[i];
        const uint32_t n = mf_request_common(&coming->request, &old->request, old->n_tokens);
        if (n == old->n_tokens || s->saved_tokens + coming->n_tokens > limit) {
            s->saved_tokens -= old->n_tokens;
            mf_text_forget(old);
        } else {
            s->saved[kept++] = *old;
        }
    }
    s->n_saved = kept;
}

/* Keeps a copy of a slot's text in host memory. */
static mf_status save_text(mf_server *server, const mf_text *from, mf_error *err)
{
    slots *s = server->state;
    const uint64_t limit = server->settings.host_cache_tokens;
    if (from->n_tokens == 0 || from->n_tokens > limit) {
        return MF_OK;
    }
    make_saved_room(s, from, limit);
    if (s->n_saved == s->saved_room) {
        const size_t room = s->saved_room > 0 ? 2 * s->saved_room : 16;
        mf_text *saved = realloc(s->saved, room * sizeof *saved);
        if (saved == NULL) {
            return mf_fail(err, MF_E_NOMEM, "no memory for %zu saved prompts", room);
        }
        s->saved = saved;
        s->saved_room = room;
    }
    mf_text copy = *from;
    if (!mf_chunks_copy(&copy.request.chunks, from->request.chunks)) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a saved prompt");
    }
    s->saved[s->n_saved++] = copy;
    s->saved_tokens += copy.n_tokens;
    return MF_OK;
}

/* Takes a saved text that serves the request better than what the slot holds. */
static void load_text(mf_server *server, slot *to, const mf_request *request)
{
    slots *s = server->state;
    uint32_t most = mf_text_common(request, &to->cached);
    size_t best = s->n_saved;
    for (size_t i = 0; i < s->n_saved; i++) {
        const uint32_t n = mf_text_common(request, &s->saved[i]);
        if (n > most) {
            most = n;
            best = i;
        }
    }
    if (best == s->n_saved) {
        return;
    }
    empty_slot(server, to);
    to->cached = s->saved[best];
    server->cache_used += to->cached.n_tokens;
    s->saved_tokens -= to->cached.n_tokens;
    s->n_saved--;
    for (size_t i = best; i < s->n_saved; i++) {
        s->saved[i] = s->saved[i + 1];
    }
}

typedef struct choice {
    slot *slot;
    bool save; /* its text is worth keeping */
} choice;

static choice choose_slot(const slots *s, const mf_request *request)
{
    choice chosen = {0};
    double best = LEAST_SIMILARITY;
    for (uint32_t i = 0; i < s->n_items; i++) {
        slot *at = &s->items[i];
        if (at->live != MF_NO_LIVE || at->cached.n_tokens == 0) {
            continue;
        }
        const double common = mf_text_common(request, &at->cached);
        if (common / request->input_tokens > best) {
            best = common / request->input_tokens;
            chosen.slot = at;
            chosen.save = common < LEAST_KEPT * at->cached.n_tokens;
        }
    }
    for (uint32_t i = 0; chosen.slot == NULL && i < s->n_items; i++) {
        slot *at = &s->items[i];
        if (at->live == MF_NO_LIVE) {
            slot *oldest = at;
            for (uint32_t k = i + 1; k < s->n_items; k++) {
                slot *other = &s->items[k];
                const bool older =
                    other->used_ns < oldest->used_ns || (oldest->was_used && !other->was_used);
                oldest = other->live == MF_NO_LIVE && older ? other : oldest;
            }
            chosen = (choice){.slot = oldest, .save = true};
        }
    }
    return chosen;
}

static mf_status launch(mf_server *server, choice chosen, uint32_t live, mf_error *err)
{
    mf_live *entry = mf_server_live(server, live);
    slot *at = chosen.slot;
    mf_status status = MF_OK;
    if (chosen.save) {
        status = save_text(server, &at->cached, err);
    }
    if (status != MF_OK) {
        return status;
    }
    load_text(server, at, &entry->request);
    const uint32_t common = mf_text_common(&entry->request, &at->cached);
    server->cache_used -= at->cached.n_tokens - common;
    free(at->cached.request.chunks);
    at->cached = (mf_text){.n_tokens = common};
    at->live = live;
    entry->place = (uint32_t)(at - ((slots *)server->state)->items);
    entry->computed = common;
    entry->cached = common;
    entry->start_ns = server->now_ns;
    server->counts.cached_tokens += common;
    mf_waiting_remove(server, live);
    server->running[server->n_running++] = live;
    return MF_OK;
}

static mf_status take_waiting(mf_server *server, mf_error *err)
{
    const slots *s = server->state;
    mf_status status = MF_OK;
    while (status == MF_OK && server->n_waiting > 0 && server->n_running < s->n_items) {
        const uint32_t live = server->waiting_first;
        const choice chosen = choose_slot(s, &mf_server_live(server, live)->request);
        status = launch(server, chosen, live, err);
    }
    return status;
}

static bool wants_prompt(const mf_live *live)
{
    return live->computed < live->request.input_tokens;
}

/* Tokens that a slot puts into a batch that has room for so many more. */
static uint32_t share_of(const mf_live *live, bool prompts, uint32_t room)
{
    if (wants_prompt(live) != prompts || live->asked >= live->target) {
        return 0;
    }
    const uint32_t n = prompts ? live->request.input_tokens - live->computed : 1;
    return n < room ? n : room;
}

static bool is_limited(const mf_server *server)
{
    return server->settings.unified && server->settings.cache_tokens > 0;
}

/* Frees cells by emptying idle slots one by one. False if that is not enough. */
static bool make_cells(mf_server *server, uint64_t n_tokens)
{
    const slots *s = server->state;
    const uint64_t limit = server->settings.cache_tokens;
    for (uint32_t i = 0; is_limited(server) && server->cache_used + n_tokens > limit; i++) {
        if (i == s->n_items) {
            return false;
        }
        if (s->items[i].live == MF_NO_LIVE) {
            empty_slot(server, &s->items[i]);
        }
    }
    return true;
}

/* "Context size has been exceeded." to everyone in work. */
static mf_status fail_all(mf_server *server, mf_error *err)
{
    mf_status status = MF_OK;
    while (status == MF_OK && server->n_running > 0) {
        status = mf_server_end_live(server, server->running[0], MF_SERVED_FAILED, err);
    }
    return status;
}

static uint32_t batch_tokens(const mf_server *server)
{
    const slots *s = server->state;
    uint32_t room = server->settings.max_tokens;
    for (int prompts = 0; prompts < 2; prompts++) {
        for (uint32_t i = 0; i < s->n_items; i++) {
            if (s->items[i].live != MF_NO_LIVE) {
                room -= share_of(mf_server_live(server, s->items[i].live), prompts == 1, room);
            }
        }
    }
    return server->settings.max_tokens - room;
}

static mf_status fill_batch(mf_server *server, mf_error *err)
{
    const slots *s = server->state;
    mf_status status = MF_OK;
    uint32_t room = server->settings.max_tokens;
    for (int prompts = 0; prompts < 2; prompts++) {
        for (uint32_t i = 0; status == MF_OK && i < s->n_items; i++) {
            slot *at = &s->items[i];
            mf_live *live = at->live != MF_NO_LIVE ? mf_server_live(server, at->live) : NULL;
            const uint32_t n = live != NULL ? share_of(live, prompts == 1, room) : 0;
            if (n == 0) {
                continue;
            }
            room -= n;
            live->computed += n;
            at->cached.n_tokens += n;
            server->cache_used += n;
            const bool gives = !wants_prompt(live);
            live->asked += gives ? 1 : 0;
            status = mf_batch_add(
                server->composed, (mf_part){.live = at->live, .n_tokens = n, .gives = gives}, err);
        }
    }
    return status;
}

static mf_status compose_slots(mf_server *server, mf_error *err)
{
    mf_status status = take_waiting(server, err);
    while (status == MF_OK && server->n_running > 0 && !make_cells(server, batch_tokens(server))) {
        status = fail_all(server, err);
        status = status == MF_OK ? take_waiting(server, err) : status;
    }
    return status == MF_OK ? fill_batch(server, err) : status;
}

static uint64_t steady_slots(const mf_server *server, uint64_t most)
{
    const slots *s = server->state;
    if (server->n_waiting > 0 && server->n_running < s->n_items) {
        return 0;
    }
    if (!is_limited(server)) {
        return most;
    }
    uint64_t held = 0; /* by slots in work: idle ones would be emptied */
    for (uint32_t i = 0; i < s->n_items; i++) {
        held += s->items[i].live != MF_NO_LIVE ? s->items[i].cached.n_tokens : 0;
    }
    const uint64_t fits = (server->settings.cache_tokens - held) / server->n_running;
    return fits < most ? fits : most;
}

static void grow_slots(mf_server *server, uint64_t n)
{
    const slots *s = server->state;
    (void)make_cells(server, n * server->n_running);
    for (uint32_t i = 0; i < server->n_running; i++) {
        const uint32_t place = mf_server_live(server, server->running[i])->place;
        s->items[place].cached.n_tokens += (uint32_t)n;
    }
    server->cache_used += n * server->n_running;
}

static void leave_slot(mf_server *server, uint32_t live)
{
    slots *s = server->state;
    mf_live *entry = mf_server_live(server, live);
    if (entry->is_waiting) {
        return;
    }
    slot *at = &s->items[entry->place];
    at->live = MF_NO_LIVE;
    at->used_ns = server->now_ns;
    at->was_used = true;
    at->cached.request = entry->request;
    entry->request.chunks = NULL;
    if (!server->settings.prefix_cache) {
        empty_slot(server, at);
    }
}

const mf_rules mf_rules_slots = {.open = open_slots,
                                 .close = close_slots,
                                 .compose = compose_slots,
                                 .steady = steady_slots,
                                 .grow = grow_slots,
                                 .leave = leave_slot};
