#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <regex.h>
#include <string.h>

#include "small.h"

static mf_memory need_of(const small *s)
{
    mf_memory memory;
    mf_error err = {0};
    cr_assert(eq(int, mf_memory_need(&memory, &s->run, &err), MF_OK), "%s", err.message);
    return memory;
}

static uint64_t weights_on(const mf_memory *m, size_t place)
{
    return m->places[place].terms[MF_TERM_WEIGHTS];
}

/* Two cards of the small machine. */
static void two_cards(small *s)
{
    small_build(s);
    s->devices[0].count = 2;
}

Test(placement, layers_are_split_by_the_parts_that_are_asked_for)
{
    small s;
    two_cards(&s);
    const mf_placement p = {
        .split = {1, 3},
          .n_split = 2
    };
    s.run.workload.placement = &p;
    const mf_memory m = need_of(&s);
    /* Four of them with the output: one on the first card. */
    cr_expect(eq(u64, weights_on(&m, 0), (uint64_t)(512 * 128 + 768 * 512 + 512 * 192) * 2));
}

Test(placement, equal_cards_share_the_layers_evenly)
{
    small s;
    two_cards(&s);
    const mf_memory m = need_of(&s);
    cr_expect(eq(u64,
                 m.places[0].terms[MF_TERM_KV_CACHE] + m.places[1].terms[MF_TERM_KV_CACHE],
                 m.terms[MF_TERM_KV_CACHE]));
    cr_expect(gt(u64, m.places[0].terms[MF_TERM_KV_CACHE], m.places[1].terms[MF_TERM_KV_CACHE]));
}

Test(placement, the_first_pattern_that_matches_sends_a_tensor)
{
    small s;
    small_build(&s);
    const mf_memory before = need_of(&s);
    const mf_override overrides[] = {
        {.pattern = "blk\\.2\\.ffn_(up|down)_exps", .device = MF_ON_HOST},
        {.pattern = "ffn_up_exps",                  .device = 0         },
    };
    const mf_placement p = {.overrides = overrides, .n_overrides = 2};
    s.run.workload.placement = &p;
    const mf_memory after = need_of(&s);
    const uint64_t experts = UINT64_C(2) * 2 * 512 * 256 * 5;
    cr_expect(eq(u64, weights_on(&before, 0) - weights_on(&after, 0), experts));
    cr_expect(eq(u64, weights_on(&after, 1) - weights_on(&before, 1), experts));
}

/* Choices, optional letters and escapes at a pattern's beginning are not what a name has to hold. */
Test(placement, patterns_match_as_expressions_whatever_they_begin_with)
{
    static const char *const patterns[] = {"ffn_up|blk.0",
                                           "blk\\.(0|2)",
                                           "[b|x]lk.1",
                                           "blkx?.1",
                                           "blkk*.2",
                                           "\\<blk",
                                           "a[(]b|output",
                                           "(up)|down",
                                           "blk\\.1\\.attn_k",
                                           "k{1}.0",
                                           "^output",
                                           "exps$",
                                           "x)|output",
                                           ".",
                                           ""};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        small s;
        regex_t expression;
        mf_tensor_map map = {0};
        small_build(&s);
        const mf_override override = {.pattern = patterns[i], .device = MF_ON_HOST};
        const mf_placement p = {.overrides = &override, .n_overrides = 1};
        s.run.workload.placement = &p;
        const bool is_one = regcomp(&expression, patterns[i], REG_EXTENDED | REG_NOSUB) == 0;
        cr_assert(is_one || strcmp(patterns[i], "x)|output") == 0, "'%s'", patterns[i]);
        cr_assert(eq(int, mf_tensor_map_make(&map, &s.run, NULL), is_one ? MF_OK : MF_E_USAGE));
        for (size_t t = 0; is_one && t < s.model.n_tensors; t++) {
            const char *name = s.model.tensors[t].name;
            const bool matches = regexec(&expression, name, 0, NULL, 0) == 0;
            const bool usual = s.model.tensors[t].role == MF_ROLE_TOKEN_EMBEDDING;
            cr_expect(eq(int, map.tensors[t] == map.host, matches || usual),
                      "'%s' and '%s'",
                      patterns[i],
                      name);
        }
        if (is_one) {
            regfree(&expression);
        }
        mf_tensor_map_free(&map);
    }
}

Test(placement, patterns_that_are_none_are_usage_errors)
{
    small s;
    small_build(&s);
    mf_memory memory;
    mf_error err = {0};
    mf_override override = {.pattern = "blk.(", .device = MF_ON_HOST};
    const mf_placement p = {.overrides = &override, .n_overrides = 1};
    s.run.workload.placement = &p;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    cr_expect(ne(ptr, strstr(err.message, "no extended regular expression"), NULL));
    override = (mf_override){.pattern = "exps", .device = 1};
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    cr_expect(ne(ptr, strstr(err.message, "device 1"), NULL));
}

Test(placement, a_model_of_unknown_tensors_is_bounded_not_exact)
{
    small s;
    small_build(&s);
    const mf_memory m = need_of(&s);
    cr_expect(not(mf_memory_is_exact(&m, MF_TERM_COMPUTE)));
    cr_expect(gt(u64, m.terms[MF_TERM_COMPUTE], (uint64_t)0));
}

Test(placement, a_footprint_gives_the_same_need)
{
    small s;
    small_build(&s);
    const mf_memory without = need_of(&s);
    mf_footprint *footprint = NULL;
    cr_assert(eq(int, mf_footprint_new(&footprint, &s.model, NULL, NULL), MF_OK));
    s.run.footprint = footprint;
    const mf_memory with = need_of(&s);
    cr_expect(eq(u64, with.total_bytes, without.total_bytes));
    cr_expect(eq(u64, with.terms[MF_TERM_WEIGHTS], without.terms[MF_TERM_WEIGHTS]));
    mf_footprint_free(footprint);
    mf_footprint_free(NULL);
}
