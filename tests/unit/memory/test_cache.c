#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "small.h"

static mf_cache_size size_of(const small *s)
{
    mf_cache_size size = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_cache_bytes(&size, &s->model, &s->run.workload, &err), MF_OK),
              "%s",
              err.message);
    return size;
}

/* K 2 x 96 and V 2 x 64 elements of 2 bytes a cell. */
enum { CELL = (2 * 96 + 2 * 64) * 2 };

Test(cache, a_window_layer_holds_its_window_and_a_micro_batch)
{
    small s;
    small_build(&s);
    const mf_cache_size size = size_of(&s);
    cr_expect(eq(u64, size.cells, (uint64_t)1024));
    cr_expect(eq(u64, size.swa_cells, (uint64_t)768), "100 + 512 padded to 256");
    cr_expect(eq(u64, size.kv_bytes, (uint64_t)CELL * (1024 + 768 + 1024)));
}

Test(cache, streams_of_separate_sequences_are_padded_each)
{
    small s;
    small_build(&s);
    s.run.workload.n_ctx = 5000;
    s.run.workload.n_parallel = 3;
    const mf_cache_size size = size_of(&s);
    cr_expect(eq(u64, size.cells, (uint64_t)1792));
    cr_expect(eq(u32, size.streams, 3U));
    cr_expect(eq(u64, size.kv_bytes, (uint64_t)CELL * 3 * (1792 + 768 + 1792)));
}

Test(cache, a_unified_cache_has_the_window_once_per_sequence)
{
    small s;
    small_build(&s);
    s.run.workload.n_ctx = 5000;
    s.run.workload.n_parallel = 3;
    s.run.workload.kv_unified = true;
    const mf_cache_size size = size_of(&s);
    cr_expect(eq(u64, size.cells, (uint64_t)5120));
    cr_expect(eq(u64, size.swa_cells, (uint64_t)1024), "3 x 100 + 512 padded to 256");
}

Test(cache, quantized_rows_use_whole_blocks)
{
    small s;
    small_build(&s);
    s.run.workload.kv_type_k = MF_TYPE_Q8_0;
    s.run.workload.kv_type_v = MF_TYPE_Q4_0;
    const uint64_t cell = 192 / 32 * 34 + 128 / 32 * 18;
    cr_expect(eq(u64, size_of(&s).kv_bytes, cell * (1024 + 768 + 1024)));
}

Test(cache, shared_layers_cache_nothing_and_latent_layers_no_values)
{
    small s;
    small_build(&s);
    s.layers[0].attention.shares_kv = true;
    s.layers[2].attention =
        (mf_attention){.kind = MF_ATTENTION_MLA, .n_heads = 6, .kv_rank = 80, .rope_dim = 16};
    cr_expect(eq(u64, size_of(&s).kv_bytes, (uint64_t)CELL * 768 + (uint64_t)96 * 2 * 1024));
}

Test(cache, without_flash_attention_v_is_as_wide_as_the_widest)
{
    small s;
    small_build(&s);
    s.run.workload.flash_attention = false;
    s.layers[2].attention.value_dim = 32;
    cr_expect(eq(u64, size_of(&s).kv_bytes, (uint64_t)CELL * (1024 + 768 + 1024)));
}

Test(cache, state_is_f32_and_per_sequence_whatever_the_context)
{
    small s;
    small_build(&s);
    s.layers[1].recurrent =
        (mf_recurrent){.kind = MF_RECURRENT_MAMBA2, .conv_elements = 30, .state_elements = 700};
    s.run.workload.n_parallel = 3;
    cr_expect(eq(u64, size_of(&s).state_bytes, (uint64_t)730 * 4 * 3));
    s.run.workload.n_ctx = 8000;
    cr_expect(eq(u64, size_of(&s).state_bytes, (uint64_t)730 * 4 * 3));
}

Test(cache, a_context_beyond_64_bits_is_refused)
{
    small s;
    small_build(&s);
    mf_cache_size size = {0};
    s.run.workload.n_ctx = UINT64_MAX - 100;
    cr_expect(eq(int, mf_cache_bytes(&size, &s.model, &s.run.workload, NULL), MF_E_OVERFLOW));
    s.run.workload.n_ctx = UINT64_MAX / 8;
    cr_expect(eq(int, mf_cache_bytes(&size, &s.model, &s.run.workload, NULL), MF_E_OVERFLOW));
    s.run.workload.n_ctx = 0;
    cr_expect(eq(int, mf_cache_bytes(&size, &s.model, &s.run.workload, NULL), MF_E_USAGE));
}

Test(cache, more_context_never_needs_less)
{
    small s;
    small_build(&s);
    uint64_t before = 0;
    for (uint64_t n = 1; n < 6000; n += 97) {
        s.run.workload.n_ctx = n;
        const uint64_t now = size_of(&s).kv_bytes;
        cr_expect(ge(u64, now, before));
        before = now;
    }
}

/* The window of the second layer, of one sequence, without the micro-batch; state of that layer as f32. */
Test(cache, a_checkpoint_is_the_window_and_the_state_of_one_sequence)
{
    small s;
    uint64_t bytes = 0;
    small_build(&s);
    s.run.workload.n_parallel = 3;
    cr_assert(eq(int, mf_checkpoint_bytes(&bytes, &s.model, &s.run.workload, NULL), MF_OK));
    cr_expect(eq(u64, bytes, (uint64_t)CELL * 100));
    s.layers[0].recurrent =
        (mf_recurrent){.kind = MF_RECURRENT_DELTA, .conv_elements = 30, .state_elements = 700};
    cr_assert(eq(int, mf_checkpoint_bytes(&bytes, &s.model, &s.run.workload, NULL), MF_OK));
    cr_expect(eq(u64, bytes, (uint64_t)CELL * 100 + 730 * 4));
}
