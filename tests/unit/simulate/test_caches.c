/* What servers keep of texts, and what they lose first: vLLM's blocks, llama.cpp's slots. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "bench.h"

enum { BLOCK = 16 };

static mf_request ask(uint64_t session, uint32_t prefix_tokens, uint32_t input_tokens)
{
    return (mf_request){.input_tokens = input_tokens,
                        .output_tokens = 5,
                        .session = session,
                        .prefix_tokens = prefix_tokens};
}

/* Requests one after the other, each long after the last has ended; how much of each was found. */
static void play(uint32_t *found,
                 const mf_rules *rules,
                 mf_server_settings settings,
                 mf_request *items,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i].arrival_ns = 1 + i * 1000000000U;
    }
    listed l = {.items = items, .n_items = n};
    ledger ended = {.keep_rows = true};
    mf_pace pace = make_pace((simple_pace){.max_sequences = settings.max_sequences,
                                           .max_tokens = settings.max_tokens,
                                           .step_ps = 1000000,
                                           .token_ps = 1000});
    (void)run_world(
        &ended,
        (mf_world_setup){
            .rules = rules, .pace = &pace, .settings = settings, .source = source_of_list(&l)});
    cr_assert(eq(sz, ended.n_rows, n));
    for (size_t i = 0; i < n; i++) {
        cr_assert(ended.rows[i].outcome == MF_SERVED_DONE);
        found[i] = ended.rows[i].cached;
    }
    mf_pace_free(&pace);
    ledger_free(&ended);
}

static const mf_server_settings eight_blocks = {.max_sequences = 4,
                                                .max_tokens = 512,
                                                .cache_tokens = 8 * BLOCK,
                                                .block_tokens = BLOCK,
                                                .prefix_cache = true};

/* What the third request finds of the first's five blocks, with one in between that takes so many tokens. */
static uint32_t found_after(uint32_t between)
{
    uint32_t found[3] = {0};
    mf_request items[] = {
        ask(7, 0, 80),
        ask(0, 0, between - 4),
        ask(7, 80, 96),
    };
    play(found, &mf_rules_vllm, eight_blocks, items, 3);
    cr_assert(found[0] == 0 && found[1] == 0);
    return found[2];
}

/* Blocks that nobody has had go first, then those that are free the longest, of one request the last. */
Test(caches, vllm_loses_the_end_of_the_oldest_text_first)
{
    cr_expect(eq(u32, found_after(3 * BLOCK), 80), "three were never used");
    cr_expect(eq(u32, found_after(4 * BLOCK), 64));
    cr_expect(eq(u32, found_after(6 * BLOCK), 32));
    cr_expect(eq(u32, found_after(8 * BLOCK), 0));
}

/* A block counts only when it is full, and the last token is computed in any case, since its row is wanted. */
Test(caches, vllm_finds_whole_blocks_and_not_the_last_token)
{
    static const uint32_t lengths[][2] = {
        {80, 64},
        {81, 80},
        {79, 64}
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t found[2] = {0};
        mf_request items[] = {
            ask(7, 0, 81),
            ask(7, lengths[i][0], lengths[i][0]),
        };
        play(found, &mf_rules_vllm, eight_blocks, items, 2);
        cr_expect(eq(u32, found[1], lengths[i][1]), "of %u tokens", lengths[i][0]);
    }
}

static const mf_server_settings three_slots = {
    .max_sequences = 3, .max_tokens = 512, .prefix_cache = true};

/* More than a tenth of the request has to be in the slot; else it takes the slot that is idle longest, and that one's text is lost. */
Test(caches, a_slot_is_chosen_by_what_it_holds_of_the_request)
{
    static const uint32_t shared[][2] = {
        {21, 21},
        {20, 0 },
        {19, 0 }
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t found[2] = {0};
        mf_request items[] = {
            ask(7, 0, 100),
            ask(7, shared[i][0], 200),
        };
        play(found, &mf_rules_slots, three_slots, items, 2);
        cr_expect(eq(u32, found[1], shared[i][1]), "%u of 200 tokens", shared[i][0]);
    }
}

Test(caches, the_slot_that_is_idle_longest_loses_its_text)
{
    uint32_t found[6] = {0};
    mf_request items[] = {
        ask(1, 0, 100),
        ask(2, 0, 100),
        ask(3, 0, 100),
        ask(4, 0, 100),
        ask(2, 104, 150),
        ask(1, 104, 150),
    };
    play(found, &mf_rules_slots, three_slots, items, 6);
    cr_expect(eq(u32, found[4], 104), "the second's slot was left alone");
    cr_expect(eq(u32, found[5], 0), "the first's went to the fourth");
}
