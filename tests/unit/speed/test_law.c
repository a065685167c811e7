#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>

#include "sample.h"
#include "speed/law.h"

/* The law with priors on the sample model and card; tests change one thing at a time. */
typedef struct bench {
    sample s;
    mf_work work;
    mf_device card;
    mf_peaks peaks;
    mf_knobs knobs;
    mf_step step;
} bench;

static void setting_of(bench *b, mf_chip_class chip_class, mf_runtime runtime)
{
    mf_calibration *calibration = NULL;
    const char *reason = NULL;
    cr_assert(eq(int, mf_calibration_new(&calibration, "llama.cpp", NULL), MF_OK));
    const mf_setting setting = {
        .chip_class = chip_class, .runtime = runtime, .flash_attention = true};
    b->card.chip_class = chip_class;
    b->card.vendor = mf_chip_class_vendor(chip_class);
    b->knobs = mf_knobs_of(calibration, &setting);
    cr_assert(mf_peaks_of(&b->peaks, &reason, &b->card, runtime));
    mf_calibration_free(calibration);
}

static void bench_fill(bench *b)
{
    sample_fill(&b->s);
    b->card = sample_card();
    cr_assert(
        eq(int, mf_work_build(&b->work, &b->s.model, b->s.types, &(mf_work_part){0}, NULL), MF_OK));
    b->step = (mf_step){
        .n_tokens = 128, .ubatch = 512, .cache = {2, 2}
    };
    setting_of(b, MF_CLASS_NVIDIA_GDDR, MF_RUNTIME_CUDA);
}

static double decode_s(const bench *b)
{
    return mf_law_decode(&b->work, &b->peaks, &b->knobs, b->step).total_s;
}

static double prefill_s(const bench *b)
{
    return mf_law_prefill(&b->work, &b->peaks, &b->knobs, b->step).total_s;
}

Test(law, decode_is_the_sum_of_its_terms)
{
    bench b;
    bench_fill(&b);
    const mf_decode_time t = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    const double sum = t.weights_s + t.kv_s + t.mla_s + t.layer_s + t.moe_s + t.linear_s + t.slot_s;
    cr_assert(epsilon_eq(dbl, t.total_s, sum, 1e-15));
    cr_assert(epsilon_eq(dbl, t.layer_s, 3 * b.knobs.value[MF_KNOB_LAYER], 1e-15));
}

Test(law, memory_and_lanes_add_up_on_amd_and_partly_on_nvidia)
{
    bench b;
    bench_fill(&b);
    const mf_decode_time nvidia = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(lt(dbl, nvidia.weights_s, 0.99 * (nvidia.memory_s + nvidia.lanes_s)));
    cr_assert(gt(dbl, nvidia.weights_s, 1.01 * fmax(nvidia.memory_s, nvidia.lanes_s)));
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_ROCM);
    const mf_decode_time amd = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, amd.weights_s, amd.memory_s + amd.lanes_s, 1e-15));
}

Test(law, what_an_architecture_adds_multiplies_the_whole)
{
    bench b;
    bench_fill(&b);
    const double decode = decode_s(&b);
    const double prefill = prefill_s(&b);
    b.knobs.scale[MF_TEST_DECODE] = 1.5;
    cr_assert(epsilon_eq(dbl, decode_s(&b), 1.5 * decode, 1e-12));
    cr_assert(epsilon_eq(dbl, prefill_s(&b), prefill, 1e-12));
    b.knobs.scale[MF_TEST_PREFILL] = 1.25;
    cr_assert(epsilon_eq(dbl, prefill_s(&b), 1.25 * prefill, 1e-12));
}

Test(law, bf16_experts_cost_every_expert_where_the_backend_has_no_kernel_for_one_token)
{
    bench b;
    bench_fill(&b);
    for (size_t i = 0; i < SAMPLE_TENSORS; i++) {
        b.s.types[i] = MF_TYPE_BF16;
    }
    cr_assert(
        eq(int, mf_work_build(&b.work, &b.s.model, b.s.types, &(mf_work_part){0}, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, b.work.bf16_experts, 8, 1e-12));
    const double before = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step).slot_s;
    cr_assert(epsilon_eq(dbl, before, 0, 1e-18), "CUDA has one");
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_VULKAN);
    const mf_decode_time t = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, t.slot_s, 8 * b.knobs.value[MF_KNOB_SLOT], 1e-15));
}

Test(law, half_empty_tiles_of_experts_cost_less_with_larger_micro_batches)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 2048;
    double padding[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        b.step.ubatch = i == 0 ? 512 : 2048;
        padding[i] = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).padding_s[MF_FORMAT_F16];
    }
    cr_assert(epsilon_eq(dbl, padding[0], 4 * padding[1], 1e-9 * padding[0]));
    /* 2 FLOP x weights of all 8 experts (all are touched) x rows */
    const double flop = 2 * 64 * 256 * 8.0 * b.knobs.value[MF_KNOB_PADDING];
    const double expected = flop * b.knobs.work[MF_FORMAT_F16] / b.peaks.matrix_flop_per_s;
    cr_assert(epsilon_eq(dbl, padding[1], expected, 1e-6 * expected));
}

Test(law, cuda_and_rocm_multiply_16_bit_experts_one_by_one)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 1024; /* two micro-batches that touch all 8 experts */
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_ROCM);
    const mf_prefill_time wide = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, wide.loop_s, 2 * 8 * 36e-6, 1e-12));
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_VULKAN);
    cr_assert(
        epsilon_eq(dbl, mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).loop_s, 0, 1e-18));
    b.s.types[5] = MF_TYPE_Q4_0;
    cr_assert(
        eq(int, mf_work_build(&b.work, &b.s.model, b.s.types, &(mf_work_part){0}, NULL), MF_OK));
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_ROCM);
    const mf_prefill_time packed = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, packed.loop_s, 0, 1e-18));
    const mf_work sorted = mf_work_sorted(&b.work);
    const mf_prefill_time waiting = mf_law_prefill(&sorted, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, waiting.loop_s, 1024 * sorted.sorting_s, 1e-15));
    const double sum = packed.compute_s + mf_attending_s(&packed) + packed.touch_s + packed.pass_s +
                       packed.scan_s + packed.stream_s;
    cr_assert(epsilon_eq(dbl, packed.total_s, sum * b.knobs.scale[MF_TEST_PREFILL], 1e-12));
    const double more = wide.compute_s + mf_attending_s(&wide) + wide.touch_s + wide.pass_s +
                        wide.loop_s + wide.scan_s + wide.stream_s;
    cr_assert(epsilon_eq(dbl, wide.total_s, more * b.knobs.scale[MF_TEST_PREFILL], 1e-12));
}

Test(law, a_lazy_engine_leaves_out_what_fills_no_cache)
{
    bench b;
    bench_fill(&b);
    b.s.layers[2].recurrent.kind = MF_RECURRENT_NONE;
    b.s.layers[2].attention = b.s.layers[0].attention;
    b.s.layers[2].attention.shares_kv = true;
    cr_assert(
        eq(int, mf_work_build(&b.work, &b.s.model, b.s.types, &(mf_work_part){0}, NULL), MF_OK));
    cr_assert(epsilon_eq(dbl, b.work.tail_weights[MF_FORMAT_F16], 256 * 256 + 512 * 256, 1e-9));
    b.step.n_tokens = 4096;
    const double whole = prefill_s(&b);
    b.knobs.skips_tail = true;
    cr_assert(lt(dbl, prefill_s(&b), whole));
}

Test(law, state_is_read_and_written)
{
    bench b;
    bench_fill(&b);
    const mf_decode_time t = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    const double bytes = b.work.read_bytes + 2 * 4 * 530;
    cr_assert(epsilon_eq(dbl, t.memory_s, bytes / (b.knobs.value[MF_KNOB_ETA] * 1000e9), 1e-15));
}

Test(law, memory_and_lanes_overlap_on_apple)
{
    bench b;
    bench_fill(&b);
    setting_of(&b, MF_CLASS_APPLE_M1_M2, MF_RUNTIME_METAL);
    const mf_decode_time t = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    const double high = t.memory_s > t.lanes_s ? t.memory_s : t.lanes_s;
    cr_assert(ge(dbl, t.weights_s, high));
    cr_assert(le(dbl, t.weights_s, 1.06 * high), "at most 2^(1/12) above the longer one");
}

Test(law, formats_multiply_at_their_own_rates)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 512;
    b.s.types[3] = MF_TYPE_Q4_K;
    b.s.types[2] = MF_TYPE_BF16;
    cr_assert(
        eq(int, mf_work_build(&b.work, &b.s.model, b.s.types, &(mf_work_part){0}, NULL), MF_OK));
    const mf_prefill_time before = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    b.peaks.packed_flop_per_s /= 3;
    b.peaks.bf16_flop_per_s /= 5;
    const mf_prefill_time after = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(
        epsilon_eq(dbl, after.dense_s[MF_FORMAT_Q4_K], 3 * before.dense_s[MF_FORMAT_Q4_K], 1e-12));
    cr_assert(
        epsilon_eq(dbl, after.dense_s[MF_FORMAT_BF16], 5 * before.dense_s[MF_FORMAT_BF16], 1e-12));
    cr_assert(epsilon_eq(dbl, after.dense_s[MF_FORMAT_F16], before.dense_s[MF_FORMAT_F16], 1e-15));
}

Test(law, without_flash_attention_scores_go_through_memory)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 512;
    b.card.bandwidth_bytes_per_s.value /= 2;
    mf_peaks slower;
    const char *reason = NULL;
    cr_assert(mf_peaks_of(&slower, &reason, &b.card, MF_RUNTIME_CUDA));
    const double flash[] = {mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).attention_s,
                            mf_law_prefill(&b.work, &slower, &b.knobs, b.step).attention_s};
    cr_assert(epsilon_eq(dbl, flash[1], flash[0], 1e-15));
    b.knobs.keeps_scores = true;
    const double kept[] = {mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).attention_s,
                           mf_law_prefill(&b.work, &slower, &b.knobs, b.step).attention_s};
    cr_assert(epsilon_eq(dbl, kept[1], 2 * kept[0], 1e-12));
}

Test(law, activations_pass_through_memory)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 700;
    const mf_prefill_time t = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    const double passes = b.knobs.value[MF_KNOB_STREAM];
    const double bytes = 700 * 4.0 * b.work.passed_elements;
    cr_assert(gt(dbl, b.work.passed_elements, 0));
    cr_assert(epsilon_eq(dbl, t.stream_s, passes * bytes / 1000e9, 1e-12));
    b.knobs.skips_tail = true;
    b.work.tail_passed_elements = 0.25 * b.work.passed_elements;
    const mf_prefill_time skipped = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, skipped.stream_s, 0.75 * t.stream_s, 1e-12));
}

Test(law, wide_heads_have_kernels_of_their_own)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 300;
    const double narrow = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).attention_s;
    b.knobs.value[MF_KNOB_WIDE] = 1.75;
    const double unmoved = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).attention_s;
    cr_assert(epsilon_eq(dbl, unmoved, narrow, 1e-15));
    for (size_t g = 0; g < b.work.n_groups; g++) {
        b.work.groups[g].wide = true;
    }
    const double wide = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).attention_s;
    cr_assert(epsilon_eq(dbl, wide, 1.75 * narrow, 1e-12));
}

Test(law, rocm_reads_the_cache_once_for_16_queries)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 512;
    b.step.depth = 100000;
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_VULKAN);
    cr_assert(
        epsilon_eq(dbl, mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).cache_s, 0, 1e-18));
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_ROCM);
    /* Two layers of 2 KV heads, 80 elements and 2 bytes; one of them sees a window of 100 tokens. */
    const double pairs = 512.0 * (100000 + 256) + 512.0 * 100;
    const double expected = 2 * 80 * 2 * pairs / 16 / b.peaks.bandwidth_bytes_per_s;
    const mf_prefill_time t = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, t.cache_s, expected, 1e-9 * expected));
    b.peaks.bandwidth_bytes_per_s /= 1e6;
    const mf_prefill_time bound = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step);
    cr_assert(epsilon_eq(dbl, mf_attending_s(&bound), 1e6 * expected, 1e-3 * expected * 1e6));
}

/* Share of a token's attention that 6 query heads of 2 KV heads read again. */
static double readings(mf_runtime runtime, bool flash_attention)
{
    bench b;
    bench_fill(&b);
    b.step.depth = 5000;
    const double once = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step).kv_s;
    const mf_setting setting = {.runtime = runtime, .flash_attention = flash_attention};
    b.knobs.reading = mf_knobs_start(&setting).reading;
    return mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step).kv_s / once;
}

Test(law, query_heads_read_the_cache_together_where_the_kernel_lets_them)
{
    cr_expect(epsilon_eq(dbl, readings(MF_RUNTIME_CUDA, true), 1, 1e-12));
    cr_expect(epsilon_eq(dbl, readings(MF_RUNTIME_METAL, true), 1, 1e-12));
    cr_expect(epsilon_eq(dbl, readings(MF_RUNTIME_ROCM, true), 3, 1e-12));
    cr_expect(epsilon_eq(dbl, readings(MF_RUNTIME_ROCM, false), 1, 1e-12));
    cr_expect(epsilon_eq(dbl, readings(MF_RUNTIME_ROCM_2025, true), 1, 1e-12));
}

Test(law, a_large_last_level_cache_keeps_what_tiles_read_again)
{
    mf_device card = sample_card();
    card.cache_bytes = (mf_fact){.known = true, .value = 64.0 * (1 << 20)};
    const mf_setting large = mf_setting_of(&card, MF_RUNTIME_ROCM, true, "llama");
    card.cache_bytes.value = 6.0 * (1 << 20);
    const mf_setting small = mf_setting_of(&card, MF_RUNTIME_ROCM, true, "llama");
    card.cache_bytes.known = false;
    const mf_setting unknown = mf_setting_of(&card, MF_RUNTIME_ROCM, true, "llama");
    cr_expect(eq(int, mf_knobs_start(&large).reading, MF_READ_ONCE));
    cr_expect(eq(int, mf_knobs_start(&small).reading, MF_READ_BY_TILE));
    cr_expect(eq(int, mf_knobs_start(&unknown).reading, MF_READ_BY_TILE));
}

Test(law, mlx_maps_the_weights_once_a_prompt)
{
    bench b;
    bench_fill(&b);
    setting_of(&b, MF_CLASS_APPLE_M5, MF_RUNTIME_METAL);
    const double metal = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).touch_s;
    setting_of(&b, MF_CLASS_APPLE_M5, MF_RUNTIME_MLX);
    const double mlx = mf_law_prefill(&b.work, &b.peaks, &b.knobs, b.step).touch_s;
    const double all = b.work.mapped_bytes;
    cr_assert(epsilon_eq(dbl, mlx - metal, all / 95e9, 1e-9 * mlx));
}

Test(law, efficiency_bends_below_its_limit)
{
    double ease = 0;
    for (double eta = 0.3; eta < 3; eta += 0.1) {
        cr_assert(lt(dbl, mf_soft_eta(eta, &ease), 0.97));
        cr_assert(le(dbl, mf_soft_eta(eta, &ease), eta));
    }
    cr_assert(epsilon_eq(dbl, mf_soft_eta(0.7, &ease), 0.7, 1e-3));
    cr_assert(epsilon_eq(dbl, ease, 1, 1e-2));
}

/* Everything below holds for every class and runtime that the law knows. */
static void for_all_settings(void (*check)(bench *b))
{
    for (int c = 0; c < MF_CLASS_COUNT; c++) {
        for (int r = 0; r < MF_RUNTIME_COUNT; r++) {
            bench b;
            bench_fill(&b);
            setting_of(&b, (mf_chip_class)c, (mf_runtime)r);
            check(&b);
        }
    }
}

static void more_bandwidth(bench *b)
{
    const double decode = decode_s(b);
    const double prefill = prefill_s(b);
    b->peaks.bandwidth_bytes_per_s *= 1.1;
    cr_assert(le(dbl, decode_s(b), decode));
    cr_assert(le(dbl, prefill_s(b), prefill));
}

Test(law, more_bandwidth_is_never_slower)
{
    for_all_settings(more_bandwidth);
}

static void more_depth(bench *b)
{
    double decode = 0;
    double prefill = 0;
    for (double depth = 0; depth < 1e6; depth = 2 * depth + 50) {
        b->step.depth = depth;
        cr_assert(ge(dbl, decode_s(b), decode));
        cr_assert(ge(dbl, prefill_s(b), prefill));
        decode = decode_s(b);
        prefill = prefill_s(b);
    }
}

Test(law, more_depth_is_never_faster)
{
    for_all_settings(more_depth);
}

Test(law, a_quantized_cache_is_no_faster_than_one_of_16_bits)
{
    bench b;
    bench_fill(&b);
    b.step.depth = 30000;
    const double f16 = decode_s(&b);
    b.step.cache = (mf_cache_width){17.0 / 16, 9.0 / 16};
    cr_assert(epsilon_eq(dbl, decode_s(&b), f16, 1e-12));
    b.step.cache = (mf_cache_width){4, 4};
    cr_assert(gt(dbl, decode_s(&b), f16));
}

static void below_ceiling(bench *b)
{
    for (double n = 1; n < 1e5; n *= 3) {
        b->step.n_tokens = n;
        cr_assert(gt(dbl, decode_s(b), mf_ceiling_decode_s(&b->work, &b->peaks, b->step)));
        cr_assert(gt(dbl, prefill_s(b), mf_ceiling_prefill_s(&b->work, &b->peaks, b->step)));
    }
}

Test(law, nothing_beats_the_ceiling)
{
    for_all_settings(below_ceiling);
}

Test(law, nothing_beats_the_ceiling_with_knobs_too_good_to_be_true)
{
    bench b;
    bench_fill(&b);
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        b.knobs.value[k] = k == MF_KNOB_ETA ? 5 : 1e-9;
    }
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        b.knobs.lane[f] = b.knobs.work[f] = 1e-9;
    }
    mf_knobs_limit(&b.knobs);
    below_ceiling(&b);
}

Test(law, a_smaller_micro_batch_is_never_faster)
{
    bench b;
    bench_fill(&b);
    b.step.n_tokens = 4096;
    double before = 0;
    for (double ubatch = 4096; ubatch >= 32; ubatch /= 2) {
        b.step.ubatch = ubatch;
        cr_assert(ge(dbl, prefill_s(&b), before));
        before = prefill_s(&b);
    }
}

static void more_bits(bench *b)
{
    static const mf_tensor_type kinds[][3] = {
        {MF_TYPE_Q4_0,   MF_TYPE_Q5_0,   MF_TYPE_Q5_1  },
        {MF_TYPE_Q4_0,   MF_TYPE_Q8_0,   MF_TYPE_F16   },
        {MF_TYPE_Q4_K,   MF_TYPE_Q5_K,   MF_TYPE_Q6_K  },
        {MF_TYPE_MLX_Q4, MF_TYPE_MLX_Q6, MF_TYPE_MLX_Q8},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        double before = 0;
        for (size_t i = 0; i < 3; i++) {
            for (size_t t = 0; t < b->s.model.n_tensors; t++) {
                const bool whole = b->s.tensors[t].dims[0] % 256 == 0;
                b->s.types[t] = whole ? kinds[k][i] : MF_TYPE_F16;
            }
            const mf_status status =
                mf_work_build(&b->work, &b->s.model, b->s.types, &(mf_work_part){0}, NULL);
            cr_assert(eq(int, status, MF_OK));
            cr_assert(gt(dbl, decode_s(b), before));
            before = decode_s(b);
        }
    }
}

Test(law, more_bits_of_a_kind_are_never_faster)
{
    for_all_settings(more_bits);
}

Test(law, lanes_that_put_more_bits_below_fewer_bend)
{
    bench b;
    bench_fill(&b);
    const double q4 = b.knobs.lane[MF_FORMAT_Q4_K];
    b.knobs.lane[MF_FORMAT_Q5_K] = b.knobs.lane[MF_FORMAT_Q6_K] = q4 / 3;
    mf_knobs_limit(&b.knobs);
    cr_assert(gt(dbl, b.knobs.lane[MF_FORMAT_Q5_K], 0.999 * q4));
    cr_assert(gt(dbl, b.knobs.lane[MF_FORMAT_Q6_K], b.knobs.lane[MF_FORMAT_Q5_K]));
    cr_assert(epsilon_eq(dbl, b.knobs.lane[MF_FORMAT_Q4_K], q4, 1e-12));
}

/* The analytic shares against differences: what the fit's Jacobian rests on. */
Test(law, shares_of_decode_are_its_derivatives)
{
    static const mf_knob knobs[] = {
        MF_KNOB_KV, MF_KNOB_LAYER, MF_KNOB_MOE, MF_KNOB_LINEAR, MF_KNOB_ETA};
    bench b;
    bench_fill(&b);
    setting_of(&b, MF_CLASS_APPLE_M1_M2, MF_RUNTIME_METAL);
    b.knobs.ease[MF_KNOB_ETA] = b.knobs.ease[MF_KNOB_KV] = 1;
    const mf_decode_time t = mf_law_decode(&b.work, &b.peaks, &b.knobs, b.step);
    const mf_shares shares = mf_decode_shares(&t, &b.peaks, &b.knobs);
    for (size_t i = 0; i < sizeof knobs / sizeof knobs[0]; i++) {
        bench moved = b;
        moved.knobs.value[knobs[i]] *= 1 + 1e-6;
        const double slope = (decode_s(&moved) / decode_s(&b) - 1) / 1e-6;
        cr_assert(epsilon_eq(dbl, shares.value[knobs[i]], slope, 1e-4));
    }
    bench moved = b;
    moved.knobs.lane[MF_FORMAT_F16] *= 1 + 1e-6;
    const double slope = (decode_s(&moved) / decode_s(&b) - 1) / 1e-6;
    cr_assert(epsilon_eq(dbl, shares.lane[MF_FORMAT_F16], slope, 1e-4));
}

static void check_prefill_shares(const bench *b)
{
    static const mf_knob knobs[] = {MF_KNOB_EXPERT,
                                    MF_KNOB_ATTENTION,
                                    MF_KNOB_WIDE,
                                    MF_KNOB_PASS,
                                    MF_KNOB_PADDING,
                                    MF_KNOB_SCAN,
                                    MF_KNOB_STREAM};
    const mf_prefill_time t = mf_law_prefill(&b->work, &b->peaks, &b->knobs, b->step);
    const mf_shares shares = mf_prefill_shares(&t, &b->knobs);
    for (size_t i = 0; i < sizeof knobs / sizeof knobs[0]; i++) {
        bench moved = *b;
        moved.knobs.value[knobs[i]] *= 1 + 1e-6;
        const double slope = (prefill_s(&moved) / prefill_s(b) - 1) / 1e-6;
        cr_assert(epsilon_eq(dbl, shares.value[knobs[i]], slope, 1e-4));
    }
}

Test(law, shares_of_prefill_are_its_derivatives)
{
    bench b;
    bench_fill(&b);
    b.work.groups[1].wide = true;
    check_prefill_shares(&b);
    setting_of(&b, MF_CLASS_AMD_GDDR, MF_RUNTIME_ROCM);
    b.step.n_tokens = 512;
    b.step.depth = 30000;
    b.peaks.bandwidth_bytes_per_s /= 30; /* reading and products about as long */
    check_prefill_shares(&b);
}
