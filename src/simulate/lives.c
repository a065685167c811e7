#include <stdlib.h>

#include "simulate/server.h"

static mf_status make_room(mf_lives *lives, mf_error *err)
{
    enum { FIRST = 256 };
    if (lives->n_items < lives->capacity) {
        return MF_OK;
    }
    const size_t capacity = lives->capacity > 0 ? 2 * (size_t)lives->capacity : FIRST;
    mf_live *items = capacity < MF_NO_LIVE ? realloc(lives->items, capacity * sizeof *items) : NULL;
    if (items == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu requests at once", capacity);
    }
    lives->items = items;
    lives->capacity = (uint32_t)capacity;
    return MF_OK;
}

mf_status mf_lives_take(uint32_t *live, mf_lives *lives, mf_error *err)
{
    if (lives->n_items == 0) {
        lives->free = MF_NO_LIVE;
    }
    uint32_t taken = lives->free;
    if (taken != MF_NO_LIVE) {
        lives->free = lives->items[taken].next;
    } else {
        const mf_status status = make_room(lives, err);
        if (status != MF_OK) {
            return status;
        }
        taken = lives->n_items++;
        lives->items[taken] = (mf_live){0};
    }
    lives->n_used++;
    *live = taken;
    return MF_OK;
}

/* The list of blocks stays with the entry: the next request needs one as well. */
void mf_lives_give(mf_lives *lives, uint32_t live)
{
    mf_live *entry = &lives->items[live];
    free(entry->request.chunks);
    *entry =
        (mf_live){.next = lives->free, .blocks = entry->blocks, .block_room = entry->block_room};
    lives->free = live;
    lives->n_used--;
}

void mf_lives_free(mf_lives *lives)
{
    for (uint32_t i = 0; i < lives->n_items; i++) {
        free(lives->items[i].request.chunks);
        free(lives->items[i].blocks);
    }
    free(lives->items);
    *lives = (mf_lives){0};
}

void mf_waiting_push(mf_server *server, uint32_t live)
{
    mf_live *entry = mf_server_live(server, live);
    entry->is_waiting = true;
    entry->next = MF_NO_LIVE;
    entry->previous = server->waiting_last;
    if (server->waiting_last != MF_NO_LIVE) {
        mf_server_live(server, server->waiting_last)->next = live;
    } else {
        server->waiting_first = live;
    }
    server->waiting_last = live;
    server->n_waiting++;
}

void mf_waiting_push_front(mf_server *server, uint32_t live)
{
    mf_live *entry = mf_server_live(server, live);
    entry->is_waiting = true;
    entry->previous = MF_NO_LIVE;
    entry->next = server->waiting_first;
    if (server->waiting_first != MF_NO_LIVE) {
        mf_server_live(server, server->waiting_first)->previous = live;
    } else {
        server->waiting_last = live;
    }
    server->waiting_first = live;
    server->n_waiting++;
}

void mf_waiting_remove(mf_server *server, uint32_t live)
{
    mf_live *entry = mf_server_live(server, live);
    if (entry->previous != MF_NO_LIVE) {
        mf_server_live(server, entry->previous)->next = entry->next;
    } else {
        server->waiting_first = entry->next;
    }
    if (entry->next != MF_NO_LIVE) {
        mf_server_live(server, entry->next)->previous = entry->previous;
    } else {
        server->waiting_last = entry->previous;
    }
    entry->is_waiting = false;
    server->n_waiting--;
}
