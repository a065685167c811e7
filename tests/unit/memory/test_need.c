#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "small.h"

static mf_memory need_of(const small *s)
{
    mf_memory memory;
    mf_error err = {0};
    cr_assert(eq(int, mf_memory_need(&memory, &s->run, &err), MF_OK), "%s", err.message);
    return memory;
}

static uint64_t bytes_of(const mf_tensor *t)
{
    uint64_t bytes = 0;
    cr_assert(eq(int, mf_tensor_bytes(&bytes, t, t->type, NULL), MF_OK));
    return bytes;
}

Test(need, the_embedding_stays_on_the_host)
{
    small s;
    small_build(&s);
    const mf_memory m = need_of(&s);
    cr_expect(eq(u64, m.places[1].terms[MF_TERM_WEIGHTS], bytes_of(&s.tensors[0])));
    cr_expect(eq(str, (char *)m.places[1].name, "host"));
    cr_expect(eq(str, (char *)m.places[0].name, "gpu0"));
}

Test(need, terms_of_places_add_up_to_the_total)
{
    small s;
    small_build(&s);
    const mf_memory m = need_of(&s);
    uint64_t sum = 0;
    for (size_t i = 0; i < m.n_places; i++) {
        uint64_t place = 0;
        for (size_t t = 0; t < MF_TERM_COUNT; t++) {
            place += m.places[i].terms[t];
        }
        cr_expect(eq(u64, place, m.places[i].need_bytes));
        sum += place;
    }
    cr_expect(eq(u64, sum, m.total_bytes));
}

Test(need, a_tied_table_exists_twice_once_the_output_is_on_a_device)
{
    small s;
    small_build(&s);
    s.model.tied_embeddings = true;
    s.model.tensors++;
    s.model.n_tensors--;
    s.tensors[1] = s.tensors[0];
    const mf_memory both = need_of(&s);
    s.run.workload.gpu_layers = 0;
    const mf_memory host = need_of(&s);
    cr_expect(eq(
        u64, both.terms[MF_TERM_WEIGHTS] - host.terms[MF_TERM_WEIGHTS], bytes_of(&s.tensors[0])));
}

Test(need, the_vocabulary_lies_on_the_host_and_is_not_exact)
{
    small s;
    small_build(&s);
    const mf_memory m = need_of(&s);
    const uint64_t bytes = m.places[1].terms[MF_TERM_VOCABULARY];
    cr_expect(eq(u64, m.places[0].terms[MF_TERM_VOCABULARY], (uint64_t)0));
    cr_expect(ge(u64, bytes, 200 * s.model.vocabulary));
    cr_expect(not(mf_memory_is_exact(&m, MF_TERM_VOCABULARY)));
    cr_expect(lt(u64, mf_memory_low_bytes(&m, MF_TERM_VOCABULARY, bytes), bytes));
    cr_expect(mf_memory_is_exact(&m, MF_TERM_WEIGHTS));
    cr_expect(mf_memory_is_exact(&m, MF_TERM_KV_CACHE));
}

/* What malloc counted for 128256 tokens of up to 10 letters and 280147 pairs, and for 262144 tokens without pairs. */
Test(need, a_listed_vocabulary_takes_what_its_pairs_take)
{
    static const struct {
        uint64_t tokens, pairs, known;
    } listed[] = {
        {128256, 280147, 50833008},
        {262144, 0,      38497056},
        {201088, 446189, 80996304},
    };
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        small s;
        small_build(&s);
        s.model.vocabulary = listed[i].tokens;
        s.model.vocabulary_listed = true;
        s.model.vocabulary_pairs = listed[i].pairs;
        const mf_memory m = need_of(&s);
        const uint64_t bytes = m.terms[MF_TERM_VOCABULARY];
        cr_expect(le(u64, mf_memory_low_bytes(&m, MF_TERM_VOCABULARY, bytes), listed[i].known));
        cr_expect(ge(u64, mf_memory_high_bytes(&m, MF_TERM_VOCABULARY, bytes), listed[i].known));
        cr_expect(lt(u64, bytes, listed[i].known + listed[i].known / 8));
    }
}

Test(need, the_range_of_the_runtime_is_that_of_the_engine)
{
    small s;
    small_build(&s);
    s.engine.runtime_bytes[s.run.backend] = small_fact(4000);
    s.engine.runtime_low_bytes[s.run.backend] = small_fact(1000);
    s.engine.runtime_high_bytes[s.run.backend] = small_fact(9000);
    const mf_memory m = need_of(&s);
    cr_expect(eq(u64, mf_memory_low_bytes(&m, MF_TERM_RUNTIME, 4000), (uint64_t)1000));
    cr_expect(eq(u64, mf_memory_high_bytes(&m, MF_TERM_RUNTIME, 4000), (uint64_t)9000));
}

Test(need, layers_leave_the_device_from_the_front)
{
    small s;
    small_build(&s);
    s.run.workload.gpu_layers = 2; /* the output and the last layer */
    const mf_memory m = need_of(&s);
    uint64_t last = bytes_of(&s.tensors[1]);
    for (size_t i = 6; i < 10; i++) {
        last += bytes_of(&s.tensors[i]);
    }
    cr_expect(eq(u64, m.places[0].terms[MF_TERM_WEIGHTS], last));
}

Test(need, experts_of_the_first_layers_can_stay_on_the_host)
{
    small s;
    small_build(&s);
    const mf_memory before = need_of(&s);
    s.run.workload.n_cpu_moe = 3;
    const mf_memory after = need_of(&s);
    cr_expect(eq(u64,
                 before.places[0].terms[MF_TERM_WEIGHTS] - after.places[0].terms[MF_TERM_WEIGHTS],
                 bytes_of(&s.tensors[7]) + bytes_of(&s.tensors[8])));
}

Test(need, the_cpu_backend_holds_everything_once)
{
    small s;
    small_build(&s);
    s.run.backend = MF_BACKEND_CPU;
    const mf_memory m = need_of(&s);
    cr_expect(eq(sz, m.n_places, (size_t)1));
    cr_expect(eq(u64, m.places[0].need_bytes, m.total_bytes));
}

Test(need, a_mac_has_a_stock_and_a_raised_limit)
{
    small s;
    small_build(&s);
    const double gib = 1024.0 * 1024 * 1024;
    s.pools[0] = (mf_pool){.name = "unified", .kind = MF_POOL_UNIFIED};
    s.pools[0].capacity_bytes = small_fact(64 * gib);
    s.pools[0].usable_bytes = small_fact(48 * gib);
    s.machine.n_pools = 1;
    s.run.backend = MF_BACKEND_METAL;
    s.device.vendor = MF_VENDOR_APPLE;
    const mf_memory m = need_of(&s);
    cr_expect(eq(u64, m.places[0].limit_bytes, (uint64_t)(48 * gib)));
    cr_expect(eq(u64, m.places[0].raised_limit_bytes, (uint64_t)(0.9 * 64 * gib)));
    cr_expect(eq(u64, m.places[1].limit_bytes, (uint64_t)(16 * gib)));
    s.device.vendor = MF_VENDOR_AMD;
    cr_expect(eq(int, need_of(&s).places[0].raise, MF_RAISE_NONE), "no sysctl of macOS there");
}

Test(need, the_largest_context_fits_and_the_next_step_does_not)
{
    small s;
    small_build(&s);
    s.pools[0].capacity_bytes = small_fact(44.0 * 1024 * 1024);
    uint64_t n_ctx = 0;
    cr_assert(eq(int, mf_memory_max_context(&n_ctx, &s.run, NULL), MF_OK));
    cr_assert(gt(u64, n_ctx, (uint64_t)0));
    cr_assert(lt(u64, n_ctx, (uint64_t)8192));
    s.run.workload.n_prompt = 0;
    s.run.workload.n_output = 0;
    s.run.workload.n_ctx = n_ctx;
    cr_expect(need_of(&s).fits);
    s.run.workload.n_ctx = n_ctx + 256;
    cr_expect(not(need_of(&s).fits));
}

Test(need, no_context_fits_a_card_smaller_than_the_weights)
{
    small s;
    small_build(&s);
    s.pools[0].capacity_bytes = small_fact(1024.0 * 1024);
    uint64_t n_ctx = 7;
    cr_assert(eq(int, mf_memory_max_context(&n_ctx, &s.run, NULL), MF_OK));
    cr_expect(eq(u64, n_ctx, (uint64_t)0));
    const mf_memory m = need_of(&s);
    cr_expect(not(m.fits));
    cr_expect(lt(dbl, m.fits_probability, 0.01));
}

Test(need, contradicting_settings_are_usage_errors)
{
    small s;
    small_build(&s);
    mf_memory memory;
    mf_error err = {0};
    s.run.workload.flash_attention = false;
    s.run.workload.kv_type_v = MF_TYPE_Q8_0;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    cr_expect(ne(ptr, strstr(err.message, "--flash-attn on"), NULL));
    small_build(&s);
    s.run.workload.n_prompt = 990;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    cr_expect(ne(ptr, strstr(err.message, "raise --ctx"), NULL));
}

Test(need, mlx_needs_one_macs_gpu)
{
    small s;
    small_build(&s);
    mf_memory memory;
    s.engine.id = MF_ENGINE_MLX;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, NULL), MF_E_UNSUPPORTED));
}

Test(need, blocks_of_a_cache_must_fit_the_heads)
{
    small s;
    small_build(&s);
    mf_memory memory;
    mf_error err = {0};
    for (size_t i = 0; i < s.model.n_layers; i++) {
        s.model.layers[i].attention.key_dim = 40;
    }
    s.run.workload.kv_type_k = MF_TYPE_Q8_0;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    cr_expect(strstr(err.message, "40 wide") != NULL, "%s", err.message);
}

/* llama-context.cpp asks for flash attention alone; otherwise only a row of all heads has to be whole. */
Test(need, blocks_of_a_cache_may_cut_heads_without_flash_attention)
{
    small s;
    small_build(&s);
    mf_memory memory;
    mf_error err = {0};
    for (size_t i = 0; i < s.model.n_layers; i++) {
        s.model.layers[i].attention.key_dim = 48;
    }
    s.run.workload.kv_type_k = MF_TYPE_Q8_0;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    s.run.workload.flash_attention = false;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_OK), "%s", err.message);
}

static void put_on_a_mac(small *s)
{
    small_build(s);
    s->engine = (mf_engine){.id = MF_ENGINE_MLX, .name = "mlx"};
    s->run.backend = MF_BACKEND_METAL;
    s->pools[0].kind = MF_POOL_UNIFIED;
    s->machine.n_pools = 1;
}

Test(need, who_makes_an_mlx_scheme_holds_the_16_bit_weights_as_well)
{
    static char id[] = "mlx-8bit";
    const mf_quant quant = {.id = id, .mix = id, .family = MF_QUANT_MLX, .base = MF_TYPE_MLX_Q8};
    small s;
    mf_model_counts counts;
    put_on_a_mac(&s);
    cr_expect(eq(u64, need_of(&s).convert_peak_bytes, (uint64_t)0), "as stored");
    s.run.quant = &quant;
    const mf_memory m = need_of(&s);
    cr_assert(eq(int, mf_model_count(&counts, &s.model, NULL), MF_OK));
    cr_expect(eq(u64, m.convert_peak_bytes, m.terms[MF_TERM_WEIGHTS] + 2 * counts.parameters));
    cr_expect(eq(u64, m.load_peak_bytes, m.total_bytes));
}

Test(need, mlx_does_not_quantize_the_caches_of_windows)
{
    small s;
    mf_memory memory;
    mf_error err = {0};
    put_on_a_mac(&s);
    cr_assert(eq(int, mf_memory_need(&memory, &s.run, &err), MF_OK), "%s", err.message);
    s.run.workload.kv_type_v = MF_TYPE_MLX_Q8;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_USAGE));
    cr_expect(ne(ptr, strstr(err.message, "rotating"), NULL));
    s.layers[1].attention.window = 0;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_OK), "%s", err.message);
}

/* The small model's tensor 7 is of experts, 3 of a dense feed forward. */
Test(need, a_scheme_of_experts_leaves_the_rest_at_16_bits)
{
    small s;
    small_build(&s);
    char id[] = "INT4-experts";
    char mix[] = "bf16";
    const mf_quant quant = {
        .id = id, .mix = mix, .family = MF_QUANT_TENSOR, .base = MF_TYPE_INT4_G32};
    mf_tensor_type types[SMALL_TENSORS];
    bool estimated = true;
    cr_assert(eq(int, mf_quant_types(types, &estimated, &s.model, &quant, NULL), MF_OK));
    cr_expect(eq(int, types[3], MF_TYPE_BF16));
    cr_expect(eq(int, types[7], MF_TYPE_INT4_G32));
    cr_expect(not(estimated));
}

/* Of three layers none is at an end's eighth but the last; the third of three comes last too. */
Test(need, a_recipe_of_mlx_gives_more_bits_to_the_head_and_to_some_layers)
{
    small s;
    small_build(&s);
    char id[] = "mlx-mixed-4-6";
    char mix[] = "mixed_4_6";
    const mf_quant quant = {.id = id, .mix = mix, .family = MF_QUANT_MLX, .base = MF_TYPE_MLX_Q4};
    mf_tensor_type types[SMALL_TENSORS];
    bool estimated = true;
    cr_assert(eq(int, mf_quant_types(types, &estimated, &s.model, &quant, NULL), MF_OK));
    cr_expect(eq(int, types[0], MF_TYPE_MLX_Q4), "embedding");
    cr_expect(eq(int, types[1], MF_TYPE_MLX_Q6), "head");
    cr_expect(eq(int, types[3], MF_TYPE_MLX_Q4), "down projection of the first layer");
    cr_expect(eq(int, types[6], MF_TYPE_MLX_Q6), "values of the last");
    cr_expect(eq(int, types[7], MF_TYPE_MLX_Q6), "experts' down projection of the last");
    cr_expect(eq(int, types[8], MF_TYPE_MLX_Q4), "experts' up projection of the last");
}
