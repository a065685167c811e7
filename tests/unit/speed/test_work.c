#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "sample.h"
#include "speed/work.h"

static const double dense_weights = 256.0 * 288 * 2 + 512.0 * 256 * 2 + 256.0 * 8 + 256.0 * 256;
static const double all_experts = 64.0 * 256 * 8;
static const double head = 256.0 * 1000;

static mf_work work_of(sample *s, mf_work_part part)
{
    mf_work work = {0};
    cr_assert(eq(int, mf_work_build(&work, &s->model, s->types, &part, NULL), MF_OK));
    return work;
}

Test(work, a_token_reads_the_head_and_its_share_of_experts_but_not_the_embedding)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    cr_assert(epsilon_eq(dbl, work.read_bytes, 2 * (dense_weights + head + all_experts / 4), 1e-6));
    cr_assert(epsilon_eq(
        dbl, work.read_weights[MF_FORMAT_F16], dense_weights + head + all_experts / 4, 1e-6));
}

Test(work, a_tied_embedding_is_read_once_as_head)
{
    sample s;
    sample_fill(&s);
    const mf_work untied = work_of(&s, (mf_work_part){0});
    s.model.tied_embeddings = true;
    s.model.tensors[1] = s.model.tensors[8];
    s.model.n_tensors = 8;
    s.model.tensors[1].layer = 2;
    const mf_work tied = work_of(&s, (mf_work_part){0});
    cr_assert(epsilon_eq(dbl, tied.read_bytes, untied.read_bytes, 1e-6));
}

Test(work, a_next_token_block_is_not_read)
{
    sample s;
    sample_fill(&s);
    const mf_work with = work_of(&s, (mf_work_part){0});
    s.layers[2].is_nextn = true;
    const mf_work without = work_of(&s, (mf_work_part){0});
    const double block = 2 * (256.0 * 256 + 512.0 * 256);
    cr_assert(epsilon_eq(dbl, with.read_bytes - without.read_bytes, block, 1e-6));
    cr_assert(epsilon_eq(dbl, without.n_layers, 2, 1e-9));
    cr_assert(epsilon_eq(dbl, without.state_bytes, 0, 1e-9));
}

Test(work, what_is_mapped_is_all_but_next_token_blocks)
{
    sample s;
    sample_fill(&s);
    const mf_work whole = work_of(&s, (mf_work_part){0});
    cr_assert(
        epsilon_eq(dbl, whole.mapped_bytes, 2 * (dense_weights + 2 * head + all_experts), 1e-6));
    s.layers[2].is_nextn = true;
    const double block = 2 * (256.0 * 256 + 512.0 * 256);
    cr_assert(epsilon_eq(
        dbl, work_of(&s, (mf_work_part){0}).mapped_bytes, whole.mapped_bytes - block, 1e-6));
    s.tensors[7].role = MF_ROLE_PER_LAYER_EMBEDDING;
    s.layers[2].is_nextn = false;
    const mf_work looked_up = work_of(&s, (mf_work_part){0});
    cr_assert(epsilon_eq(dbl, looked_up.mapped_bytes, whole.mapped_bytes, 1e-6));
    cr_assert(epsilon_eq(dbl, looked_up.dense_bytes, whole.dense_bytes - 2 * 256.0 * 256, 1e-6));
}

Test(work, the_head_is_no_work_of_a_prompt)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    cr_assert(epsilon_eq(dbl, work.dense_weights[MF_FORMAT_F16], dense_weights, 1e-6));
    cr_assert(epsilon_eq(dbl, work.expert_weights[MF_FORMAT_F16], all_experts / 4, 1e-6));
}

Test(work, each_format_is_counted_apart)
{
    sample s;
    sample_fill(&s);
    s.types[3] = MF_TYPE_Q4_K;
    const mf_work work = work_of(&s, (mf_work_part){0});
    cr_assert(epsilon_eq(dbl, work.read_weights[MF_FORMAT_Q4_K], 512.0 * 256, 1e-6));
    cr_assert(epsilon_eq(
        dbl, work.dense_bytes, 2 * (dense_weights - 512.0 * 256) + 512.0 * 256 * 0.5625, 1e-6));
}

Test(work, unpacked_weights_are_multiplied_as_f16_and_pass_memory_twice_more)
{
    sample s;
    sample_fill(&s);
    s.types[3] = MF_TYPE_Q4_K;
    s.types[5] = MF_TYPE_Q8_0;
    const mf_work packed = work_of(&s, (mf_work_part){0});
    const mf_work work = mf_work_unpacked(&packed);
    cr_assert(epsilon_eq(dbl, work.dense_weights[MF_FORMAT_Q4_K], 0, 1e-9));
    cr_assert(epsilon_eq(dbl, work.dense_weights[MF_FORMAT_F16], dense_weights, 1e-6));
    cr_assert(epsilon_eq(dbl, work.expert_weights[MF_FORMAT_F16], all_experts / 4, 1e-6));
    cr_assert(epsilon_eq(dbl, work.dense_bytes - packed.dense_bytes, 4 * 512.0 * 256, 1e-6));
    cr_assert(epsilon_eq(dbl, work.expert_bytes - packed.expert_bytes, 4 * all_experts, 1e-6),
              "all experts are unpacked, not those of one token");
    cr_assert(epsilon_eq(
        dbl, work.read_weights[MF_FORMAT_Q4_K], packed.read_weights[MF_FORMAT_Q4_K], 1e-9));
}

Test(work, a_host_that_sorts_walks_over_all_pairs_of_expert_and_row)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    const mf_work sorted = mf_work_sorted(&work);
    cr_assert(epsilon_eq(dbl, work.sorting_s, 0, 1e-15));
    /* 8 experts, 2 a token, in one layer; three products of 6 ns a pair */
    cr_assert(epsilon_eq(dbl, work.expert_pairs, 16, 1e-12));
    cr_assert(epsilon_eq(dbl, sorted.sorting_s, 3 * 16 * 6e-9, 1e-15));
    cr_assert(epsilon_eq(dbl, mf_work_scaled(&sorted, 0.5).sorting_s, 3 * 8 * 6e-9, 1e-15));
}

Test(work, a_window_stops_the_cache_reads_from_growing)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    const mf_cache_width f16 = {2, 2};
    const double per_token = 2.0 * (48 + 32) * 2;
    cr_assert(epsilon_eq(dbl, mf_work_kv_bytes(&work, f16, 70), 2 * 70 * per_token, 1e-6));
    cr_assert(epsilon_eq(dbl, mf_work_kv_bytes(&work, f16, 1000), (1000 + 100) * per_token, 1e-6));
}

Test(work, kernels_differ_in_how_often_query_heads_read_a_kv_head)
{
    static const struct {
        uint32_t n_heads; /* of 2 KV heads */
        double by_tile;
        double by_head;
    } cases[] = {
        {2,  1, 1  }, /* one head reads at least what is there */
        {4,  1, 1  },
        {6,  3, 1  }, /* 3 a KV head: no tile divides them */
        {8,  1, 1  },
        {12, 3, 1.5},
        {16, 1, 2  },
        {32, 2, 4  },
        {40, 5, 5  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sample s;
        sample_fill(&s);
        s.layers[0].attention.n_heads = s.layers[1].attention.n_heads = cases[i].n_heads;
        const mf_work work = work_of(&s, (mf_work_part){0});
        const mf_cache_width f16 = {2, 2};
        const double once = mf_work_kv_bytes(&work, f16, 1000);
        cr_expect(
            epsilon_eq(dbl, mf_work_kv_time_bytes(&work, f16, MF_READ_ONCE, 1000), once, 1e-6));
        cr_expect(epsilon_eq(dbl,
                             mf_work_kv_time_bytes(&work, f16, MF_READ_BY_TILE, 1000),
                             cases[i].by_tile * once,
                             1e-6),
                  "%u heads",
                  cases[i].n_heads);
        cr_expect(epsilon_eq(dbl,
                             mf_work_kv_time_bytes(&work, f16, MF_READ_BY_HEAD, 1000),
                             cases[i].by_head * once,
                             1e-6),
                  "%u heads",
                  cases[i].n_heads);
    }
}

Test(work, a_latent_cache_is_read_once_whoever_reads_it)
{
    sample s;
    sample_fill(&s);
    s.layers[0].attention = s.layers[1].attention = (mf_attention){
        .kind = MF_ATTENTION_MLA, .n_heads = 24, .n_kv_heads = 1, .kv_rank = 40, .rope_dim = 8};
    const mf_work work = work_of(&s, (mf_work_part){0});
    const mf_cache_width f16 = {2, 2};
    const double once = mf_work_kv_bytes(&work, f16, 300);
    cr_expect(epsilon_eq(dbl, mf_work_kv_time_bytes(&work, f16, MF_READ_BY_HEAD, 300), once, 1e-6));
    cr_expect(epsilon_eq(dbl, mf_work_kv_time_bytes(&work, f16, MF_READ_BY_TILE, 300), once, 1e-6));
}

Test(work, a_quantized_cache_is_narrower)
{
    const mf_workload w = {.kv_type_k = MF_TYPE_Q8_0, .kv_type_v = MF_TYPE_F16};
    const mf_cache_width width = mf_cache_width_of(&w);
    cr_assert(epsilon_eq(dbl, width.key_bytes, 34.0 / 32, 1e-12));
    cr_assert(epsilon_eq(dbl, width.value_bytes, 2, 1e-12));
}

Test(work, a_latent_layer_attends_in_the_latent_space)
{
    sample s;
    sample_fill(&s);
    s.layers[0].attention = (mf_attention){
        .kind = MF_ATTENTION_MLA, .n_heads = 6, .n_kv_heads = 1, .kv_rank = 40, .rope_dim = 8};
    const mf_work work = work_of(&s, (mf_work_part){0});
    const double flop = 2.0 * 6 * (2 * 40 + 8) * 50;
    cr_assert(epsilon_eq(dbl, mf_work_attention_flop(&work, 50, true), flop, 1e-6));
    cr_assert(epsilon_eq(dbl,
                         mf_work_kv_bytes(&work, (mf_cache_width){2, 2}, 50),
                         (40 + 8) * 2 * 50 + 2 * (48 + 32) * 2 * 50,
                         1e-6));
}

Test(work, attention_over_a_prompt_is_the_sum_over_its_tokens)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    double sum = 0;
    for (int i = 0; i < 500; i++) {
        sum += mf_work_attention_flop(&work, 30 + i + 0.5, false);
    }
    const double whole = mf_work_prompt_attention_flop(&work, 30, 500, false);
    cr_assert(epsilon_eq(dbl, whole / sum, 1, 1e-3));
}

Test(work, heads_above_128_are_counted_apart)
{
    sample s;
    sample_fill(&s);
    s.layers[0].attention.key_dim = s.layers[0].attention.value_dim = 128;
    const mf_work narrow = work_of(&s, (mf_work_part){0});
    cr_assert(epsilon_eq(dbl, mf_work_prompt_wide_flop(&narrow, 20, 30), 0, 1e-12));
    s.layers[0].attention.key_dim = s.layers[0].attention.value_dim = 192;
    const mf_work wide = work_of(&s, (mf_work_part){0});
    const double pairs = (50.0 * 50 - 20 * 20) / 2;
    cr_assert(epsilon_eq(
        dbl, mf_work_prompt_wide_flop(&wide, 20, 30), 2.0 * 6 * (192 + 192) * pairs, 1e-6));
}

Test(work, a_token_passes_what_its_products_read_and_write)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    double sum = 0;
    for (size_t i = 0; i < SAMPLE_TENSORS; i++) {
        const mf_tensor *t = &s.tensors[i];
        const bool table = t->role == MF_ROLE_OUTPUT || t->role == MF_ROLE_TOKEN_EMBEDDING;
        const double times = t->role == MF_ROLE_EXPERT ? 2 : 1;
        sum += table || t->n_dims < 2 ? 0 : times * (double)(t->dims[0] + t->dims[1]);
    }
    cr_assert(gt(dbl, sum, 0));
    cr_assert(epsilon_eq(dbl, work.passed_elements, sum, 1e-9));
    const mf_work half = mf_work_scaled(&work, 0.5);
    cr_assert(epsilon_eq(dbl, half.passed_elements, sum / 2, 1e-9));
}

Test(work, more_tokens_touch_more_experts_up_to_all)
{
    sample s;
    sample_fill(&s);
    const mf_work work = work_of(&s, (mf_work_part){0});
    const double dense = work.dense_bytes;
    cr_assert(
        epsilon_eq(dbl, mf_work_touched_bytes(&work, 1) - dense, 2 * all_experts * 2 / 8, 1e-6));
    cr_assert(epsilon_eq(
        dbl, mf_work_touched_bytes(&work, 2) - dense, 2 * all_experts * (1 - 0.5625), 1e-6));
    cr_assert(epsilon_eq(dbl, mf_work_touched_bytes(&work, 500), dense + 2 * all_experts, 1e-3));
}

Test(work, device_and_host_parts_add_up_to_the_whole)
{
    sample s;
    sample_fill(&s);
    int8_t tensors[SAMPLE_TENSORS] = {0};
    int8_t layers[SAMPLE_LAYERS + 1] = {1}; /* the first layer is on the host, experts too */
    for (size_t i = 0; i < SAMPLE_TENSORS; i++) {
        const mf_tensor *tensor = &s.model.tensors[i];
        tensors[i] = tensor->layer == 0 || tensor->role == MF_ROLE_EXPERT ? 1 : 0;
    }
    const mf_tensor_map map = {.tensors = tensors, .layers = layers, .host = 1};
    mf_work_part part = {.map = &map};
    const mf_work whole = work_of(&s, (mf_work_part){0});
    const mf_work device = work_of(&s, part);
    part.host = true;
    const mf_work host = work_of(&s, part);
    cr_assert(epsilon_eq(dbl, device.read_bytes + host.read_bytes, whole.read_bytes, 1e-6));
    cr_assert(epsilon_eq(dbl, device.n_layers + host.n_layers, whole.n_layers, 1e-9));
    cr_assert(epsilon_eq(dbl, host.expert_bytes, 2 * all_experts, 1e-6));
    const mf_cache_width f16 = {2, 2};
    cr_assert(epsilon_eq(dbl,
                         mf_work_kv_bytes(&device, f16, 300) + mf_work_kv_bytes(&host, f16, 300),
                         mf_work_kv_bytes(&whole, f16, 300),
                         1e-6));
}

Test(work, a_share_scales_everything)
{
    sample s;
    sample_fill(&s);
    const mf_work whole = work_of(&s, (mf_work_part){0});
    const mf_work third = mf_work_scaled(&whole, 1.0 / 3);
    cr_assert(epsilon_eq(dbl, third.read_bytes * 3, whole.read_bytes, 1e-6));
    cr_assert(epsilon_eq(dbl, third.state_bytes * 3, whole.state_bytes, 1e-6));
    cr_assert(epsilon_eq(dbl, third.mapped_bytes * 3, whole.mapped_bytes, 1e-6));
    cr_assert(epsilon_eq(dbl,
                         3 * mf_work_attention_flop(&third, 77, false),
                         mf_work_attention_flop(&whole, 77, false),
                         1e-6));
}

Test(work, a_tensor_that_is_no_whole_number_of_blocks_is_refused)
{
    sample s;
    sample_fill(&s);
    s.types[5] = MF_TYPE_Q4_K; /* rows of 64 */
    mf_work work = {0};
    mf_error err = {0};
    cr_assert(
        eq(int, mf_work_build(&work, &s.model, s.types, &(mf_work_part){0}, &err), MF_E_DATA));
    cr_assert(gt(dbl, (double)err.message[0], 0));
}

Test(work, too_many_windows_are_refused)
{
    sample s;
    sample_fill(&s);
    mf_layer layers[MF_MAX_ATTENTION_GROUPS + 1];
    for (uint32_t i = 0; i <= MF_MAX_ATTENTION_GROUPS; i++) {
        layers[i] = s.layers[0];
        layers[i].attention.window = 100 * (i + 1);
    }
    s.model.layers = layers;
    s.model.n_layers = MF_MAX_ATTENTION_GROUPS + 1;
    mf_work work = {0};
    cr_assert(eq(
        int, mf_work_build(&work, &s.model, s.types, &(mf_work_part){0}, NULL), MF_E_UNSUPPORTED));
}
