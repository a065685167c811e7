/*
 * server.h - one engine serving requests in steps: batches are composed by the engine's rules, take as long as the pace says,
 * and give their tokens when they end. While only the same sequences decode, it jumps over all steps up to the next
 * event by a closed form.
 */
#ifndef MF_SIMULATE_SERVER_H
#define MF_SIMULATE_SERVER_H

#include "simulate/pace.h"
#include "simulate/request.h"

#define MF_NO_LIVE UINT32_MAX

/* A request inside a server. */
typedef struct mf_live {
    mf_request request;
    uint64_t id;
    uint64_t start_ns;
    uint64_t first_ns;
    uint32_t computed; /* tokens of the context that batches hold or have computed */
    uint32_t asked;    /* output tokens that batches produce or have produced */
    uint32_t given;    /* output tokens that came out */
    uint32_t cached;   /* input tokens found in a cache when first taken up */
    uint32_t n_preempted;
    uint32_t target; /* output tokens it may have: fewer than asked for where the context ends */
    uint32_t next;   /* in the waiting list, or in the list of free entries */
    uint32_t previous;
    uint32_t place;    /* the engine's: slot, .. */
    uint32_t n_blocks; /* the engine's: blocks of cache held */
    uint32_t *blocks;  /* their numbers, as far as they matter; owned */
    uint32_t block_room;
    mf_served_outcome outcome;
    bool is_waiting;
} mf_live;

/* All requests that are somewhere in the simulation. Entries are named by their index. */
typedef struct mf_lives {
    mf_live *items;
    uint32_t n_items;
    uint32_t capacity;
    uint32_t free; /* first of the list of free entries */
    uint32_t n_used;
} mf_lives;

mf_status mf_lives_take(uint32_t *live, mf_lives *lives, mf_error *err);
void mf_lives_give(mf_lives *lives, uint32_t live); /* frees its chunks and blocks */
void mf_lives_free(mf_lives *lives);

typedef struct mf_part {
    uint32_t live;
    uint32_t n_tokens;
    bool gives; /* a token of output */
} mf_part;

/* What one step computes. */
typedef struct mf_batch {
    mf_part *parts;
    size_t n_parts;
    size_t capacity;
    mf_load load;
    bool is_uniform; /* every running sequence, each decoding */
} mf_batch;

typedef struct mf_server mf_server;

/* The rules of an engine. */
typedef struct mf_rules {
    unsigned
        n_ahead; /* batches composed before the running one has ended: 1 where scheduling is asynchronous */
    mf_status (*open)(mf_server *server, mf_error *err);
    void (*close)(mf_server *server);
    /* Fills server->composed with what comes next; no parts if there is nothing to do. */
    mf_status (*compose)(mf_server *server, mf_error *err);
    /* How many more uniform batches it could compose in a row, up to most, as far as its rules go. */
    uint64_t (*steady)(const mf_server *server, uint64_t most);
    /* Takes the cache that n more tokens of every running sequence need; never more than steady said. */
    void (*grow)(mf_server *server, uint64_t n);
    void (*leave)(mf_server *server, uint32_t live); /* ended: what it held is free */
} mf_rules;

/* The engine's settings, those of other engines are ignored. */
typedef struct mf_server_settings {
    uint32_t max_sequences;  /* max_num_seqs, slots, decode concurrency */
    uint32_t max_tokens;     /* of a step: max_num_batched_tokens, n_batch */
    uint64_t context_tokens; /* of one request, input and output */
    uint64_t cache_tokens;   /* of all: KV blocks or cells; 0: no limit */
    uint32_t block_tokens;   /* vLLM: 16 */
    bool prefix_cache;
    bool unified;               /* llama.cpp: one cache for all slots */
    uint64_t host_cache_tokens; /* llama.cpp: prompts kept in host memory */
    uint32_t n_kept_prompts;    /* mlx_lm: prompts kept beside those that run */
    uint32_t n_prompts;         /* mlx_lm: prompts computed side by side */
    bool one_by_one;            /* take every step: no jumps */
} mf_server_settings;

/* What a server did. */
typedef struct mf_server_counts {
    uint64_t n_steps;
    uint64_t n_jumps;
    uint64_t busy_ns;
    uint64_t computed_tokens;   /* given to the device */
    uint64_t cached_tokens;     /* found in a cache instead, whenever a request was taken up */
    uint64_t recomputed_tokens; /* had been computed before and were lost */
    uint64_t n_preempted;
    uint64_t peak_cache_tokens;
    mf_wide present_ns; /* integral of the number of requests inside over time */
    mf_wide waiting_ns; /* the same of those that wait */
    mf_wide cache_ns;   /* the same of tokens of cache held */
} mf_server_counts;

void mf_server_counts_add(mf_server_counts *sum, const mf_server_counts *counts);

/* Told of each request that has ended. */
typedef mf_status mf_ended_fn(void *payload, const mf_outcome_row *row, mf_error *err);

/* Told of each step, or of a run of them: for time series and traces. */
typedef struct mf_step_report {
    uint32_t server;
    uint64_t begin_ns;
    uint64_t end_ns;
    uint64_t n_steps;
    uint64_t first_ps; /* duration of the first one */
    uint64_t last_ps;
    const mf_load *load;
    uint32_t n_running;
    uint32_t n_waiting;
    uint64_t cache_tokens;
} mf_step_report;

typedef void mf_stepped_fn(void *payload, const mf_step_report *report);

typedef struct mf_server_hooks {
    mf_ended_fn *ended;
    mf_stepped_fn *stepped; /* may be NULL */
    void *payload;
} mf_server_hooks;

struct mf_server {
    const mf_rules *rules;
    const mf_pace *pace;
    mf_server_settings settings;
    mf_server_hooks hooks;
    mf_lives *lives;
    uint32_t index; /* of the server, among several */
    bool
        is_patient; /* is left alone until something changes for others: they count its requests only */
    uint64_t quiet_ns; /* patient: no request comes in or ends before */
    uint32_t waiting_first;
    uint32_t waiting_last;
    uint32_t n_waiting;
    uint32_t *running;
    uint32_t n_running;
    mf_batch batches[3];
    mf_batch *executing; /* these point into batches, by turns */
    mf_batch *ahead;     /* composed, waits for the device */
    mf_batch *composed;  /* what compose has filled */
    mf_load steady;      /* of the step with which a run of steps of the same sequences begins */
    bool is_executing;
    bool is_ahead;
    uint64_t step_ps; /* of the executing batch */
    mf_clock begin;   /* of the executing batch */
    mf_clock end;
    uint64_t now_ns;
    uint64_t counted_ns; /* up to where the integrals of counts go */
    uint64_t cache_used; /* tokens; kept by the rules */
    mf_server_counts counts;
    void *state; /* of the rules */
};

mf_status mf_server_open(mf_server *server,
                         const mf_rules *rules,
                         const mf_pace *pace,
                         const mf_server_settings *settings,
                         mf_lives *lives,
                         mf_error *err);
void mf_server_close(mf_server *server);

/* When it will next do something of itself that others can see: MF_NEVER if it is idle. A patient server's steps of nothing but decoding
   are left undone until then, or until it is run for an arrival. */
uint64_t mf_server_next_ns(const mf_server *server);

/* Takes in a request, at its arrival. No step that ended before that time may be left undone. */
mf_status mf_server_add(mf_server *server, uint32_t live, mf_error *err);

/* Does everything that falls before *until_ns, which may come closer while requests end. */
mf_status mf_server_run(mf_server *server, const uint64_t *until_ns, mf_error *err);

/* Servers that step together, as data-parallel ranks that share experts: one step of all takes what the slowest does, and what all
   of them do. None of them is ever run alone. */
typedef struct mf_group {
    mf_server *servers;
    uint32_t n_servers;
} mf_group;

/* When its step ends; the time it stands at if requests wait and nothing runs; MF_NEVER if it is idle. */
uint64_t mf_group_next_ns(const mf_group *group);

/* Ends the step that runs, if one does, and starts what comes next. */
mf_status mf_group_step(const mf_group *group, mf_error *err);

/* For the rules. */
mf_status mf_batch_grow(mf_batch *batch, mf_error *err); /* room for another part */

static inline mf_status mf_batch_add(mf_batch *batch, mf_part part, mf_error *err)
{
    if (batch->n_parts == batch->capacity && mf_batch_grow(batch, err) != MF_OK) {
        return MF_E_NOMEM;
    }
    batch->parts[batch->n_parts++] = part;
    return MF_OK;
}

void mf_waiting_push(mf_server *server, uint32_t live);       /* at the end */
void mf_waiting_push_front(mf_server *server, uint32_t live); /* it was preempted */
void mf_waiting_remove(mf_server *server, uint32_t live);
mf_status
mf_server_end_live(mf_server *server, uint32_t live, mf_served_outcome outcome, mf_error *err);

static inline mf_live *mf_server_live(const mf_server *server, uint32_t live)
{
    return &server->lives->items[live];
}

/* Tokens of its context once what is asked of it has come out: what it must compute to go on. */
static inline uint32_t mf_live_tokens(const mf_live *live)
{
    return live->request.input_tokens + live->asked;
}

#endif
