/*
 * test_reference.c - the engines against a second telling of their rules: plain arrays, one step after the other, times in a single
 * number of picoseconds. Shares nothing with the simulator but the numbers of the pace. No caches of prefixes (test_caches.c has them).
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { MOST = 1200, BLOCK = 16 };

typedef struct job {
    uint64_t arrival_ns;
    uint64_t first_ns;
    uint64_t end_ns;
    uint32_t input;
    uint32_t target;
    uint32_t computed;
    uint32_t asked;
    uint32_t given;
    uint32_t n_blocks;
    uint32_t n_preempted;
    bool failed;
    bool over;
} job;

typedef struct part {
    uint32_t job;
    uint32_t n;
    uint32_t before;
    bool gives;
    bool prompt;
} part;

typedef struct step {
    part parts[64];
    uint32_t n_parts;
} step;

typedef struct settings {
    uint32_t max_sequences;
    uint32_t max_tokens;
    uint32_t n_prompts;
    uint64_t room; /* blocks, or tokens */
    bool ahead;
} settings;

typedef struct engine {
    settings set;
    job *jobs;
    uint32_t n_jobs;
    uint32_t n_come;
    uint32_t waiting[MOST];
    uint32_t n_waiting;
    uint32_t running[64];
    uint32_t n_running;
    uint32_t slots[64]; /* llama.cpp: job + 1 */
    uint64_t left_ns[64];
    bool was_used[64];
    uint64_t free_blocks;
    uint64_t now_ns;
    bool decoded; /* mlx: what the last step did */
} engine;

typedef void compose_fn(engine *e, step *s);

static const uint64_t step_ps = 6123456789;
static const uint64_t each_ps = 71234567;
static const uint64_t token_ps = 91234567;
static const uint64_t seen_ps = 131071;
static const uint64_t mixed_ps = 300007;
static const uint64_t pair_ps = 4001;
static const uint64_t host_ps = 6900000001;

/* What the step takes, from what is in it. */
static uint64_t duration_ps(const step *s, bool overlaps)
{
    uint64_t n_tokens = 0;
    uint64_t n_decode = 0;
    uint64_t seen = 0;
    uint64_t prompts_ps = 0;
    for (uint32_t i = 0; i < s->n_parts; i++) {
        const part *p = &s->parts[i];
        n_tokens += p->n;
        n_decode += p->prompt ? 0 : 1;
        seen += p->prompt ? 0 : p->before + 1;
        prompts_ps +=
            p->prompt ? (2 * (uint64_t)p->before * p->n + (uint64_t)p->n * p->n) * pair_ps / 2 : 0;
    }
    const bool mixed = n_decode < s->n_parts;
    const uint64_t device = step_ps + (mixed ? n_tokens * token_ps + prompts_ps + seen * mixed_ps
                                             : n_decode * each_ps + seen * seen_ps);
    return overlaps ? (device > host_ps ? device : host_ps) : device + host_ps;
}

static void put(engine *e, step *s, uint32_t at, uint32_t n)
{
    job *j = &e->jobs[at];
    part *p = &s->parts[s->n_parts++];
    *p = (part){.job = at, .n = n, .before = j->computed};
    j->computed += n;
    p->gives = j->computed == j->input + j->asked;
    p->prompt = n > 1 || !p->gives || j->asked == 0;
    j->asked += p->gives ? 1 : 0;
}

static void drop(uint32_t *list, uint32_t *n, uint32_t at)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (list[i] == at) {
            memmove(&list[i], &list[i + 1], (*n - i - 1) * sizeof *list);
            --*n;
            return;
        }
    }
}

static void leave(engine *e, uint32_t at, bool failed)
{
    job *j = &e->jobs[at];
    j->over = true;
    j->failed = failed;
    j->end_ns = e->now_ns;
    e->free_blocks += j->n_blocks;
    j->n_blocks = 0;
    drop(e->running, &e->n_running, at);
    drop(e->waiting, &e->n_waiting, at);
    for (uint32_t i = 0; i < e->set.max_sequences; i++) {
        if (e->slots[i] == at + 1) {
            e->slots[i] = 0;
            e->left_ns[i] = e->now_ns;
            e->was_used[i] = true;
        }
    }
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t blocks_of(uint32_t n_tokens)
{
    return (n_tokens + BLOCK - 1) / BLOCK;
}

static void preempt(engine *e, uint32_t at)
{
    job *j = &e->jobs[at];
    e->n_running--;
    e->free_blocks += j->n_blocks;
    j->n_blocks = 0;
    j->computed = 0;
    j->n_preempted++;
    memmove(&e->waiting[1], e->waiting, e->n_waiting++ * sizeof *e->waiting);
    e->waiting[0] = at;
}

/* vLLM V1: who runs in order, the last one makes room; then who waits, if nobody had to. */
static void compose_vllm(engine *e, step *s)
{
    uint32_t budget = e->set.max_tokens;
    bool preempted = false;
    for (uint32_t i = 0; i < e->n_running && budget > 0; i++) {
        const uint32_t at = e->running[i];
        job *j = &e->jobs[at];
        const uint32_t n = least(j->input + j->asked - j->computed, budget);
        if (j->asked >= j->target) {
            continue;
        }
        const uint32_t need = blocks_of(j->computed + n) - j->n_blocks;
        while (need > e->free_blocks && e->n_running > i) {
            preempt(e, e->running[e->n_running - 1]);
            preempted = true;
        }
        if (e->n_running <= i) {
            break;
        }
        e->free_blocks -= need;
        j->n_blocks += need;
        budget -= n;
        put(e, s, at, n);
    }
    preempted &= e->n_running > 0;
    while (!preempted && budget > 0 && e->n_waiting > 0 && e->n_running < e->set.max_sequences) {
        const uint32_t at = e->waiting[0];
        job *j = &e->jobs[at];
        const uint32_t all = j->input + j->asked;
        if (j->asked >= j->target || blocks_of(all) > e->free_blocks) {
            break;
        }
        const uint32_t n = least(all, budget);
        drop(e->waiting, &e->n_waiting, at);
        e->running[e->n_running++] = at;
        j->n_blocks = blocks_of(n);
        e->free_blocks -= j->n_blocks;
        budget -= n;
        put(e, s, at, n);
    }
}

/* llama.cpp: a request takes the slot that has been idle longest. */
static void take_slots(engine *e)
{
    while (e->n_waiting > 0 && e->n_running < e->set.max_sequences) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < e->set.max_sequences; i++) {
            const bool older = best != UINT32_MAX && (e->left_ns[i] < e->left_ns[best] ||
                                                      (e->was_used[best] && !e->was_used[i]));
            best = e->slots[i] == 0 && (best == UINT32_MAX || older) ? i : best;
        }
        const uint32_t at = e->waiting[0];
        e->slots[best] = at + 1;
        drop(e->waiting, &e->n_waiting, at);
        e->running[e->n_running++] = at;
    }
}

/* Tokens first, then prompts slot by slot; where cells run out everyone in work fails. */
static void compose_slots(engine *e, step *s)
{
    take_slots(e);
    for (;;) {
        uint64_t held = 0;
        uint32_t shares[64] = {0};
        uint32_t room = e->set.max_tokens;
        uint32_t in_all = 0;
        for (int prompts = 0; prompts < 2; prompts++) {
            for (uint32_t i = 0; i < e->set.max_sequences; i++) {
                const job *j = e->slots[i] > 0 ? &e->jobs[e->slots[i] - 1] : NULL;
                if (j == NULL || (j->computed < j->input) != (prompts == 1)) {
                    continue;
                }
                held += j->computed;
                shares[i] = least(prompts == 1 ? j->input - j->computed : 1, room);
                room -= shares[i];
                in_all += shares[i];
            }
        }
        if (e->set.room == 0 || held + in_all <= e->set.room || e->n_running == 0) {
            for (int prompts = 0; prompts < 2; prompts++) {
                for (uint32_t i = 0; i < e->set.max_sequences; i++) {
                    const uint32_t at = e->slots[i] - 1;
                    const bool wants = e->slots[i] > 0 && e->jobs[at].computed < e->jobs[at].input;
                    if (shares[i] > 0 && wants == (prompts == 1)) {
                        put(e, s, at, shares[i]);
                        shares[i] = 0;
                    }
                }
            }
            return;
        }
        while (e->n_running > 0) {
            leave(e, e->running[0], true);
        }
        take_slots(e);
    }
}

/* mlx-lm: all who generate, and a piece of the prompts, by turns. */
static void compose_mlx(engine *e, step *s)
{
    while (e->n_waiting > 0 && e->n_running < e->set.max_sequences) {
        const uint32_t at = e->waiting[0];
        drop(e->waiting, &e->n_waiting, at);
        e->running[e->n_running++] = at;
    }
    uint32_t n_prompts = 0;
    for (uint32_t i = 0; i < e->n_running; i++) {
        const job *j = &e->jobs[e->running[i]];
        n_prompts += j->computed < j->input ? 1 : 0;
    }
    e->decoded = n_prompts == 0 || (n_prompts < e->n_running && !e->decoded);
    for (uint32_t i = 0; i < e->n_running; i++) {
        const uint32_t at = e->running[i];
        const job *j = &e->jobs[at];
        const bool wants = j->computed < j->input;
        if (wants != e->decoded && (!wants || s->n_parts < e->set.n_prompts)) {
            put(e, s, at, wants ? least(j->input - j->computed, e->set.max_tokens) : 1);
        }
    }
}

static void end_step(engine *e, const step *s)
{
    for (uint32_t i = 0; i < s->n_parts; i++) {
        job *j = &e->jobs[s->parts[i].job];
        if (!s->parts[i].gives) {
            continue;
        }
        j->given++;
        j->first_ns = j->given == 1 ? e->now_ns : j->first_ns;
        if (j->given == j->target) {
            leave(e, s->parts[i].job, false);
        }
    }
}

static void come(engine *e)
{
    while (e->n_come < e->n_jobs && e->jobs[e->n_come].arrival_ns <= e->now_ns) {
        e->waiting[e->n_waiting++] = e->n_come++;
    }
}

static void play(engine *e, compose_fn *compose)
{
    uint64_t now_ps = 0;
    step ahead = {0};
    while (e->n_come < e->n_jobs || e->n_waiting > 0 || e->n_running > 0) {
        step s = ahead;
        ahead.n_parts = 0;
        come(e);
        if (s.n_parts == 0) {
            compose(e, &s);
        }
        if (s.n_parts == 0 && e->n_come == e->n_jobs) {
            cr_assert(e->n_waiting == 0 && e->n_running == 0, "it hangs");
            return; /* the last ones have failed */
        }
        if (s.n_parts == 0) {
            e->now_ns = e->jobs[e->n_come].arrival_ns;
            now_ps = e->now_ns * 1000;
            continue;
        }
        if (e->set.ahead) {
            compose(e, &ahead);
        }
        now_ps += duration_ps(&s, e->set.ahead);
        e->now_ns = now_ps / 1000;
        /* Who comes in the same nanosecond in which a step ends was there before. */
        come(e);
        end_step(e, &s);
    }
}

static void mixed_lengths(mf_request *request, mf_rng *rng)
{
    request->input_tokens = 1 + (uint32_t)mf_rng_exponential(rng, 300);
    request->output_tokens = 1 + (uint32_t)mf_rng_exponential(rng, 80);
}

static mf_pace pace_of(const settings *set, uint32_t most_tokens)
{
    mf_pace pace = make_pace((simple_pace){.max_sequences = set->max_sequences,
                                           .max_tokens = most_tokens,
                                           .step_ps = step_ps,
                                           .each_ps = each_ps,
                                           .token_ps = token_ps});
    pace.terms[0] = (mf_pace_term){.limit_tokens = MF_NO_LIMIT,
                                   .decode_ps = seen_ps,
                                   .mixed_ps = mixed_ps,
                                   .pair_ps = pair_ps};
    pace.n_terms = 1;
    pace.host_ps = host_ps;
    pace.host_overlaps = set->ahead;
    return pace;
}

static void assert_alike(const engine *e, const ledger *l)
{
    cr_assert(eq(sz, l->n_rows, e->n_jobs));
    for (uint32_t i = 0; i < e->n_jobs; i++) {
        const job *j = &e->jobs[i];
        const ended_row *r = &l->rows[i];
        cr_assert(r->end_ns == j->end_ns && r->given == j->given,
                  "request %u ends at %llu with %u tokens, by the reference at %llu with %u",
                  i,
                  (unsigned long long)r->end_ns,
                  r->given,
                  (unsigned long long)j->end_ns,
                  j->given);
        cr_assert(j->given == 0 || r->first_ns == j->first_ns);
        cr_assert(eq(u32, r->n_preempted, j->n_preempted));
        cr_assert_eq(r->outcome == MF_SERVED_FAILED, j->failed);
    }
}

/* Plays the same requests through both. Returns how many were preempted or failed. */
static uint64_t
compare(const mf_rules *rules, compose_fn *compose, settings set, mf_server_settings same)
{
    uint64_t n_hurt = 0;
    for (uint64_t seed = 3; seed < 7; seed++) {
        drawn d = {
            .seed = seed, .n_requests = MOST, .rate = 4.0 + (double)seed, .fill = mixed_lengths};
        drawn again = d;
        engine *e = calloc(1, sizeof *e);
        job *jobs = calloc(MOST, sizeof *jobs);
        ledger l = {.keep_rows = true};
        cr_assert(e != NULL && jobs != NULL);
        *e = (engine){.set = set, .jobs = jobs, .n_jobs = MOST, .free_blocks = set.room};
        mf_arrivals source = source_of_drawn(&again);
        for (uint32_t i = 0; i < MOST; i++) {
            mf_request request = {0};
            cr_assert(source.take(&again, &request, NULL) == MF_OK);
            jobs[i] = (job){.arrival_ns = request.arrival_ns,
                            .input = request.input_tokens,
                            .target = request.output_tokens};
        }
        play(e, compose);
        same.max_sequences = set.max_sequences;
        same.max_tokens = set.max_tokens;
        mf_pace pace = pace_of(&set, 64 * set.max_tokens);
        (void)run_world(
            &l,
            (mf_world_setup){
                .rules = rules, .pace = &pace, .settings = same, .source = source_of_drawn(&d)});
        assert_alike(e, &l);
        for (uint32_t i = 0; i < MOST; i++) {
            n_hurt += jobs[i].n_preempted + (jobs[i].failed ? 1 : 0);
        }
        mf_pace_free(&pace);
        ledger_free(&l);
        free(jobs);
        free(e);
    }
    return n_hurt;
}

Test(reference, vllm_with_blocks_that_run_out)
{
    const settings set = {.max_sequences = 13, .max_tokens = 512, .room = 190, .ahead = true};
    const mf_server_settings same = {.cache_tokens = 190 * BLOCK, .block_tokens = BLOCK};
    cr_expect(compare(&mf_rules_vllm, compose_vllm, set, same) > 20, "none were preempted");
}

Test(reference, vllm_in_turn_with_few_tokens_a_step)
{
    const settings set = {.max_sequences = 7, .max_tokens = 61, .room = 900};
    const mf_server_settings same = {.cache_tokens = 900 * BLOCK, .block_tokens = BLOCK};
    cr_expect(eq(u64, compare(&mf_rules_vllm_in_turn, compose_vllm, set, same), 0));
}

Test(reference, slots)
{
    const settings set = {.max_sequences = 5, .max_tokens = 203};
    cr_expect(eq(u64, compare(&mf_rules_slots, compose_slots, set, (mf_server_settings){0}), 0));
}

Test(reference, slots_that_share_cells)
{
    const settings set = {.max_sequences = 5, .max_tokens = 512, .room = 2600};
    const mf_server_settings same = {.context_tokens = 2600, .cache_tokens = 2600, .unified = true};
    cr_expect(compare(&mf_rules_slots, compose_slots, set, same) > 20, "none failed");
}

Test(reference, turns_of_mlx)
{
    const settings set = {.max_sequences = 9, .max_tokens = 64, .n_prompts = 3};
    const mf_server_settings same = {.n_prompts = 3};
    cr_expect(eq(u64, compare(&mf_rules_mlx, compose_mlx, set, same), 0));
}
