/*
 * pace.h - how long a step of an engine takes: the one thing that the simulator asks of the speed model.
 *
 * Everything that depends on how many tokens and sequences a step holds is a table, made once for a case; what depends on
 * depth is linear in the tokens that are seen, each up to a limit (sliding windows, sparse attention). Whole picoseconds
 * throughout: sums are exact, so that a run of steps has a closed form that equals stepping to the last bit.
 *
 * Filled by pace_speed.c from the law of speed and by pace_kernels.c from a card's kernel profile.
 */
#ifndef MF_SIMULATE_PACE_H
#define MF_SIMULATE_PACE_H

#include <stdbool.h>
#include <stddef.h>

#include "memfit/status.h"
#include "simulate/clock.h"

enum { MF_PACE_TERMS = 8 };

#define MF_NO_LIMIT UINT64_MAX

/* What it costs that a token is seen, for the layers that see this far back. */
typedef struct mf_pace_term {
    uint64_t limit_tokens; /* no more than so many are seen; MF_NO_LIMIT */
    uint64_t decode_ps;    /* per token that a decoding sequence sees */
    uint64_t alone_ps;     /* so much less where one sequence decodes alone */
    uint64_t mixed_ps;     /* per token that it sees in a step that also holds a prompt */
    uint64_t pair_ps;      /* per token of a prompt and token that it sees */
} mf_pace_term;

typedef struct mf_pace {
    uint32_t max_sequences;
    uint32_t max_tokens; /* of a step */
    uint64_t *decode_ps; /* [max_sequences + 1]: a step of so many decoding sequences */
    uint64_t *prompt_ps; /* [max_tokens + 1]: a step of so many tokens, some of them of prompts */
    uint64_t *rows_ps;   /* [max_sequences + 1]: so many rows of output beside prompt_ps */
    uint32_t n_together; /* servers that share experts and step together; 0 or 1: none */
    uint64_t *shared_ps; /* [max_tokens + 1]: what they do together with so many tokens each */
    uint64_t chunk_ps;   /* per prompt in a step */
    uint64_t start_ps;   /* and where it has nothing in the cache yet */
    uint64_t mixed_sequence_ps; /* per decoding sequence in a step that also holds a prompt */
    uint64_t mixed_token_ps;    /* and per token of the longest of its prompts */
    uint32_t least_queries;     /* a prompt's attention takes no less than that of so many tokens */
    uint64_t host_ps;           /* the engine's own work between two steps */
    uint64_t host_sequence_ps;
    bool host_overlaps; /* it goes on while the device computes: the longer of the two counts */
    mf_pace_term terms[MF_PACE_TERMS];
    size_t n_terms;
} mf_pace;

/* Tables of zeros. MF_E_NOMEM. */
mf_status mf_pace_init(mf_pace *pace, uint32_t max_sequences, uint32_t max_tokens, mf_error *err);
/* The table of what servers do together. MF_E_NOMEM; the pace is to be freed all the same. */
mf_status mf_pace_share(mf_pace *pace, uint32_t n_together, mf_error *err);
void mf_pace_free(mf_pace *pace); /* frees the tables, not the struct */

/* What one step holds. Start with zeros. */
typedef struct mf_load {
    uint32_t n_decode;
    uint32_t n_tokens; /* of all sequences */
    uint32_t n_rows;   /* tokens that come out */
    uint32_t n_chunks;
    uint32_t longest;   /* tokens of the longest prompt */
    uint32_t n_stalled; /* sequences that generate, left out of a step of nothing but prompts */
    uint64_t chunks_ps; /* attention of the prompts */
    uint64_t seen[MF_PACE_TERMS];    /* tokens that the decoding sequences see, per term */
    uint32_t growing[MF_PACE_TERMS]; /* of these sequences, those below the term's limit */
} mf_load;

/* Terms that the pace does not have are left as they are: nobody reads them. */
static inline void mf_load_clear(mf_load *load, const mf_pace *pace)
{
    load->n_decode = 0;
    load->n_tokens = 0;
    load->n_rows = 0;
    load->n_chunks = 0;
    load->longest = 0;
    load->n_stalled = 0;
    load->chunks_ps = 0;
    for (size_t k = 0; k < pace->n_terms; k++) {
        load->seen[k] = 0;
        load->growing[k] = 0;
    }
}

static inline void mf_load_copy(mf_load *copy, const mf_load *load, const mf_pace *pace)
{
    copy->n_decode = load->n_decode;
    copy->n_tokens = load->n_tokens;
    copy->n_rows = load->n_rows;
    copy->n_chunks = load->n_chunks;
    copy->longest = load->longest;
    copy->n_stalled = load->n_stalled;
    copy->chunks_ps = load->chunks_ps;
    for (size_t k = 0; k < pace->n_terms; k++) {
        copy->seen[k] = load->seen[k];
        copy->growing[k] = load->growing[k];
    }
}

/* Adds a sequence that decodes and sees so many tokens, its own among them. */
static inline void mf_load_decode(mf_load *load, const mf_pace *pace, uint64_t n_seen)
{
    for (size_t k = 0; k < pace->n_terms; k++) {
        const uint64_t limit = pace->terms[k].limit_tokens;
        load->seen[k] += n_seen < limit ? n_seen : limit;
        load->growing[k] += n_seen < limit ? 1 : 0;
    }
    load->n_decode++;
    load->n_tokens++;
    load->n_rows++;
}

/* Adds n_tokens of a prompt behind n_before that are in the cache. */
void mf_load_prompt(mf_load *load, const mf_pace *pace, uint64_t n_before, uint32_t n_tokens);

uint64_t mf_pace_step_ps(const mf_pace *pace, const mf_load *load);

/* One step of servers that step together. Start with zeros. */
typedef struct mf_group_load {
    uint64_t device_ps; /* of the slowest */
    uint64_t host_ps;
    uint64_t n_tokens; /* of all */
} mf_group_load;

void mf_group_load_add(mf_group_load *sum, const mf_pace *pace, const mf_load *load);
uint64_t mf_pace_group_ps(const mf_pace *pace, const mf_group_load *load);

/* A run of steps in which the same sequences decode: step j, from 0, takes max(least, first + j slope). */
typedef struct mf_run {
    uint64_t first_ps;
    uint64_t slope_ps;
    uint64_t least_ps;
} mf_run;

/* The run whose step 0 holds this load, no prompts. Holds until a sequence reaches the limit of a term. */
mf_run mf_pace_run(const mf_pace *pace, const mf_load *load);

mf_wide mf_run_sum(const mf_run *run, uint64_t n_steps);

/* The most steps, up to max, that take less than room. */
uint64_t mf_run_fit(const mf_run *run, mf_wide room_ps, uint64_t max);

#endif
