#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "small.h"

static bool fits_with(small *s, uint32_t n_parallel, uint64_t n_ctx)
{
    mf_memory memory;
    mf_case run = s->run;
    run.workload.n_prompt = 0;
    run.workload.n_output = 0;
    run.workload.n_parallel = n_parallel;
    run.workload.n_outputs = n_parallel;
    run.workload.n_ctx = n_ctx;
    cr_assert(eq(int, mf_memory_need(&memory, &run, NULL), MF_OK));
    return memory.fits;
}

Test(limits, one_sequence_more_than_the_most_no_longer_fits)
{
    small s;
    small_build(&s);
    s.pools[0].capacity_bytes = small_fact(50.0 * 1024 * 1024);
    uint32_t most = 0;
    cr_assert(eq(int, mf_memory_max_parallel(&most, &s.run, NULL), MF_OK));
    cr_assert(gt(u32, most, 1U));
    cr_assert(lt(u32, most, 256U));
    cr_expect(fits_with(&s, most, 1000 * (uint64_t)most));
    cr_expect(not(fits_with(&s, most + 1, 1000 * ((uint64_t)most + 1))));
}

Test(limits, sequences_keep_the_context_they_have)
{
    small s;
    small_build(&s);
    s.pools[0].capacity_bytes = small_fact(50.0 * 1024 * 1024);
    uint32_t one = 0;
    uint32_t two = 0;
    cr_assert(eq(int, mf_memory_max_parallel(&one, &s.run, NULL), MF_OK));
    s.run.workload.n_parallel = 2;
    s.run.workload.n_outputs = 2;
    s.run.workload.n_ctx *= 2;
    cr_assert(eq(int, mf_memory_max_parallel(&two, &s.run, NULL), MF_OK));
    cr_expect(eq(u32, one, two));
}

Test(limits, no_sequence_fits_a_card_smaller_than_the_weights)
{
    small s;
    small_build(&s);
    s.pools[0].capacity_bytes = small_fact(1024.0 * 1024);
    uint32_t most = 7;
    cr_assert(eq(int, mf_memory_max_parallel(&most, &s.run, NULL), MF_OK));
    cr_expect(eq(u32, most, 0U));
}

static mf_quant quant_of(mf_tensor_type type, char *mix)
{
    return (mf_quant){.id = mix, .mix = mix, .family = MF_QUANT_GGUF, .base = type};
}

Test(limits, the_largest_quantization_is_the_one_with_most_bytes_that_fits)
{
    small s;
    small_build(&s);
    char names[3][8] = {"Q4_K_M", "Q8_0", "F16"};
    const mf_quant small_one = quant_of(MF_TYPE_Q4_K, names[0]);
    const mf_quant middle = quant_of(MF_TYPE_Q8_0, names[1]);
    const mf_quant large = quant_of(MF_TYPE_F16, names[2]);
    const mf_quant *const quants[] = {&small_one, &large, &middle};
    mf_memory needs[3];
    for (size_t i = 0; i < 3; i++) {
        mf_case run = s.run;
        run.quant = quants[i];
        cr_assert(eq(int, mf_memory_need(&needs[i], &run, NULL), MF_OK));
    }
    cr_assert(lt(u64, needs[0].places[0].need_bytes, needs[2].places[0].need_bytes));
    cr_assert(lt(u64, needs[2].places[0].need_bytes, needs[1].places[0].need_bytes));
    size_t best = 9;
    uint64_t bytes = 0;
    s.pools[0].capacity_bytes = small_fact((double)needs[2].places[0].need_bytes);
    cr_assert(eq(int, mf_memory_largest_quant(&best, &bytes, quants, 3, &s.run, NULL), MF_OK));
    cr_expect(eq(sz, best, (size_t)2));
    cr_expect(eq(u64, bytes, needs[2].terms[MF_TERM_WEIGHTS]));
    s.pools[0].capacity_bytes = small_fact((double)needs[0].places[0].need_bytes - 1);
    cr_assert(eq(int, mf_memory_largest_quant(&best, &bytes, quants, 3, &s.run, NULL), MF_OK));
    cr_expect(eq(sz, best, (size_t)3));
}

/* Blocks of 16 tokens, not the 256 that llama.cpp pads to. */
Test(limits, one_token_more_than_the_longest_context_of_vllm_no_longer_fits)
{
    small s;
    small_build(&s);
    uint64_t most = 0;
    s.engine.id = MF_ENGINE_VLLM;
    s.layers[1].attention.window = 0;
    s.pools[0].capacity_bytes = small_fact(20.0 * 1024 * 1024);
    s.run.workload.n_batch = 64;
    cr_assert(eq(int, mf_memory_max_context(&most, &s.run, NULL), MF_OK));
    cr_assert(gt(u64, most, 256));
    cr_assert(lt(u64, most, s.model.context_max));
    cr_expect(fits_with(&s, 1, most));
    cr_expect(not(fits_with(&s, 1, most + 1)));
    cr_expect(ne(u64, most % 256, 0));
}

/* It is searched from the first to the last one. */
Test(limits, the_longest_context_is_the_same_whichever_was_asked_for)
{
    static const uint64_t asked[] = {256, 1000, 1024, 2048, 4096, 8192};
    small s;
    small_build(&s);
    s.pools[0].capacity_bytes = small_fact(40.0 * 1024 * 1024);
    uint64_t first = 0;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        uint64_t most = 0;
        s.run.workload.n_ctx = asked[i];
        cr_assert(eq(int, mf_memory_max_context(&most, &s.run, NULL), MF_OK));
        first = i == 0 ? most : first;
        cr_expect(eq(u64, most, first));
    }
    cr_assert(gt(u64, first, 256));
    cr_assert(lt(u64, first, s.model.context_max));
    cr_expect(fits_with(&s, 1, first));
    cr_expect(not(fits_with(&s, 1, first + 256)));
}
