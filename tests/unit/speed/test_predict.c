#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/calibration.h"
#include "memfit/step.h"

/* Llama 3 8B-like geometry, small enough to write down: 4 layers, in Q4_0. */
enum { LAYERS = 4, PER_LAYER = 9, TENSORS = 3 + LAYERS * PER_LAYER };

typedef struct bench {
    mf_layer layers[LAYERS];
    mf_tensor tensors[TENSORS];
    mf_model model;
    mf_quant quant;
    mf_device card;
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_machine machine;
    mf_engine engine;
    mf_calibration *calibration;
    mf_case run;
} bench;

static mf_fact known(double value)
{
    return (mf_fact){.value = value, .known = true, .source = MF_NO_SOURCE};
}

static void set_tensor(mf_tensor *t, const char *name, uint64_t a, uint64_t b)
{
    *t = (mf_tensor){
        .dims = {a, b, 1, 1},
          .n_dims = b > 1 ? 2 : 1, .type = MF_TYPE_F16
    };
    snprintf(t->name, sizeof t->name, "%s", name);
    t->role = mf_tensor_role_of(name, &t->layer);
}

static void fill_model(bench *b)
{
    static const struct {
        const char *name;
        uint64_t a, b;
    } layer[PER_LAYER] = {
        {"attn_norm.weight",   1024, 1   },
        {"attn_q.weight",      1024, 1536},
        {"attn_k.weight",      1024, 384 },
        {"attn_v.weight",      1024, 384 },
        {"attn_output.weight", 1536, 1024},
        {"ffn_norm.weight",    1024, 1   },
        {"ffn_gate.weight",    1024, 2816},
        {"ffn_up.weight",      1024, 2816},
        {"ffn_down.weight",    2816, 1024},
    };
    static char id[] = "sample";
    set_tensor(&b->tensors[0], "token_embd.weight", 1024, 32000);
    set_tensor(&b->tensors[1], "output_norm.weight", 1024, 1);
    set_tensor(&b->tensors[2], "output.weight", 1024, 32000);
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t t = 0; t < PER_LAYER; t++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%zu.%s", l, layer[t].name);
            set_tensor(&b->tensors[3 + l * PER_LAYER + t], name, layer[t].a, layer[t].b);
        }
        b->layers[l].attention = (mf_attention){.kind = MF_ATTENTION_GQA,
                                                .n_heads = 12,
                                                .n_kv_heads = 3,
                                                .key_dim = 128,
                                                .value_dim = 128};
        b->layers[l].ffn = (mf_ffn){.kind = MF_FFN_DENSE, .width = 2816, .n_matrices = 3};
    }
    b->model = (mf_model){.id = id,
                          .name = id,
                          .architecture = "llama",
                          .context_max = 65536,
                          .vocabulary = 32000,
                          .hidden = 1024,
                          .layers = b->layers,
                          .n_layers = LAYERS,
                          .tensors = b->tensors,
                          .n_tensors = TENSORS};
    b->quant =
        (mf_quant){.id = "Q4_0", .family = MF_QUANT_GGUF, .base = MF_TYPE_Q4_0, .mix = "Q4_0"};
}

/* A card of this many MiB in a PC with 8 GiB at 60 GB/s. */
static void bench_fill(bench *b, double card_mib)
{
    static char id[] = "sample-card";
    memset(b, 0, sizeof *b);
    fill_model(b);
    b->card = (mf_device){.id = id,
                          .name = id,
                          .architecture = "ada",
                          .vendor = MF_VENDOR_NVIDIA,
                          .chip_class = MF_CLASS_NVIDIA_GDDR,
                          .memory_bytes = known(card_mib * 1048576),
                          .bandwidth_bytes_per_s = known(500e9),
                          .fp32_flop_per_s = known(30e12),
                          .int32_op_per_s = known(15e12),
                          .fp16_flop_per_s = known(30e12),
                          .fp16_matrix_flop_per_s = known(120e12)};
    b->pools[0] = (mf_pool){.name = "vram",
                            .kind = MF_POOL_DEVICE,
                            .capacity_bytes = known(card_mib * 1048576),
                            .bandwidth_bytes_per_s = known(500e9)};
    b->pools[1] = (mf_pool){.name = "host",
                            .kind = MF_POOL_HOST,
                            .capacity_bytes = known(8.0 * 1024 * 1048576),
                            .bandwidth_bytes_per_s = known(60e9)};
    b->devices[0] = (mf_machine_device){.device_id = id, .count = 1, .device = &b->card};
    b->machine = (mf_machine){.id = id,
                              .name = id,
                              .n_nodes = 1,
                              .pools = b->pools,
                              .n_pools = 2,
                              .devices = b->devices,
                              .n_devices = 1};
    b->engine = (mf_engine){.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"};
    b->run = (mf_case){
        .model = &b->model,
        .quant = &b->quant,
        .machine = &b->machine,
        .engine = &b->engine,
        .backend = MF_BACKEND_CUDA,
        .workload = {.n_ctx = 8192,
                     .n_prompt = 2000,
                     .n_output = 500,
                     .n_parallel = 1,
                     .kv_type_k = MF_TYPE_F16,
                     .kv_type_v = MF_TYPE_F16,
                     .n_batch = 2048,
                     .n_ubatch = 512,
                     .n_outputs = 1,
                     .flash_attention = true,
                     .gpu_layers = MF_ALL_LAYERS,
                     .kv_offload = true}
    };
    cr_assert(eq(int, mf_calibration_new(&b->calibration, "llama.cpp", NULL), MF_OK));
}

static mf_prediction predict(bench *b)
{
    mf_prediction p = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_predict(&p, &b->run, b->calibration, &err), MF_OK), "%s", err.message);
    mf_calibration_free(b->calibration);
    b->calibration = NULL;
    return p;
}

static bool has_warning(const mf_prediction *p, const char *part)
{
    for (size_t i = 0; i < p->n_warnings; i++) {
        if (strstr(p->warnings[i], part)) {
            return true;
        }
    }
    return false;
}

Test(predict, a_case_that_fits_has_all_figures)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction p = predict(&b);
    cr_assert(p.memory_known);
    cr_assert(p.memory.fits);
    cr_assert(p.decode.known);
    cr_assert(p.prefill.known);
    cr_assert(p.ttft.known);
    cr_assert(p.effective.known);
    cr_assert(lt(dbl, p.effective.tok_s, p.decode.tok_s));
    cr_assert(epsilon_eq(dbl, p.ttft.s, 2000 / p.prefill.tok_s, 1e-12));
    cr_assert(gt(dbl, (double)p.max_context_tokens, 8191));
}

static void check_rate(const mf_rate *rate)
{
    cr_assert(rate->known);
    cr_assert(lt(dbl, rate->low_tok_s, rate->tok_s));
    cr_assert(ge(dbl, rate->high_tok_s, rate->tok_s));
    cr_assert(ge(dbl, rate->ceiling_tok_s, rate->high_tok_s));
}

Test(predict, intervals_hold_the_point_and_stay_below_the_ceiling)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction p = predict(&b);
    check_rate(&p.decode);
    check_rate(&p.prefill);
    for (size_t i = 0; i < p.n_depths; i++) {
        check_rate(&p.depths[i].decode);
        check_rate(&p.depths[i].prefill);
    }
}

Test(predict, the_depth_table_ends_at_the_context_and_never_rises)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction p = predict(&b);
    cr_assert(eq(sz, p.n_depths, 4));
    cr_assert(eq(u64, p.depths[3].depth_tokens, 8192));
    for (size_t i = 1; i < p.n_depths; i++) {
        cr_assert(lt(dbl, p.depths[i].decode.tok_s, p.depths[i - 1].decode.tok_s));
        cr_assert(lt(dbl, p.depths[i].prefill.tok_s, p.depths[i - 1].prefill.tok_s));
    }
}

Test(predict, decode_is_the_mean_over_the_output)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction whole = predict(&b);
    bench_fill(&b, 4096);
    b.run.workload.n_prompt = 2250;
    b.run.workload.n_output = 0;
    const mf_prediction middle = predict(&b);
    cr_assert(epsilon_eq(dbl, whole.decode.tok_s, middle.decode.tok_s, 1e-6));
}

Test(predict, without_a_calibration_memory_is_complete_and_speed_says_why)
{
    bench b;
    bench_fill(&b, 4096);
    mf_calibration_free(b.calibration);
    b.calibration = NULL;
    const mf_prediction p = predict(&b);
    cr_assert(p.memory_known);
    cr_assert(not(p.decode.known));
    cr_assert(ne(ptr, (void *)p.decode.reason, NULL));
    cr_assert(has_warning(&p, "no calibration"));
}

Test(predict, a_class_without_rows_stands_on_the_data_sheet)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction p = predict(&b);
    cr_assert(eq(int, p.decode.basis, MF_BASIS_DATASHEET));
    cr_assert(has_warning(&p, "data sheet"));
}

Test(predict, an_unknown_bandwidth_leaves_memory_and_says_why)
{
    bench b;
    bench_fill(&b, 4096);
    b.card.bandwidth_bytes_per_s.known = false;
    const mf_prediction p = predict(&b);
    cr_assert(p.memory_known);
    cr_assert(not(p.decode.known));
    cr_assert(ne(ptr, strstr(p.decode.reason, "bandwidth"), NULL));
}

Test(predict, what_does_not_fit_gets_the_speed_of_the_best_placement)
{
    bench fits;
    bench tight;
    bench_fill(&fits, 4096);
    bench_fill(&tight, 120);
    const mf_prediction all = predict(&fits);
    const mf_prediction some = predict(&tight);
    cr_assert(not(some.memory.fits));
    cr_assert(some.decode.known);
    cr_assert(lt(dbl, some.decode.tok_s, all.decode.tok_s));
    cr_assert(has_warning(&some, "does not fit"));
    cr_assert(has_warning(&some, "CPU"));
}

Test(predict, what_fits_nowhere_has_no_speed)
{
    bench b;
    bench_fill(&b, 120);
    b.pools[1].capacity_bytes = known(1048576);
    const mf_prediction p = predict(&b);
    cr_assert(not(p.memory.fits));
    cr_assert(not(p.decode.known));
    cr_assert(eq(str, (char *)p.decode.reason, "the model does not fit"));
}

Test(predict, a_machine_without_a_fan_may_fall_to_its_sustained_speed)
{
    bench b;
    bench_fill(&b, 4096);
    b.machine.fanless = true;
    const mf_prediction p = predict(&b);
    cr_assert(le(dbl, p.decode.low_tok_s, 0.45 * p.decode.tok_s));
    cr_assert(has_warning(&p, "no fan"));
}

/* Need of the model on a card that it leaves enough room. */
static double need_mib(void)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.backend = MF_BACKEND_VULKAN;
    const mf_prediction p = predict(&b);
    return (double)p.memory.places[0].need_bytes / 1048576;
}

static bool is_crowded(mf_backend backend, mf_vendor vendor, double share)
{
    bench b;
    bench_fill(&b, need_mib() / share);
    b.card.vendor = vendor;
    b.card.chip_class = vendor == MF_VENDOR_AMD ? MF_CLASS_AMD_GDDR : MF_CLASS_NVIDIA_GDDR;
    b.run.backend = backend;
    const mf_prediction p = predict(&b);
    cr_assert(p.memory.fits);
    return has_warning(&p, "97 % of a card");
}

Test(predict, vulkan_on_a_full_card_of_amd_is_warned_of)
{
    cr_assert(is_crowded(MF_BACKEND_VULKAN, MF_VENDOR_AMD, 0.985));
    cr_assert(not(is_crowded(MF_BACKEND_VULKAN, MF_VENDOR_AMD, 0.965)));
    cr_assert(not(is_crowded(MF_BACKEND_CUDA, MF_VENDOR_NVIDIA, 0.985)));
    cr_assert(not(is_crowded(MF_BACKEND_VULKAN, MF_VENDOR_NVIDIA, 0.985)));
}

Test(predict, contradicting_settings_are_an_error)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.workload.n_ctx = 0;
    mf_prediction p = {0};
    mf_error err = {0};
    cr_assert(lt(int, mf_predict(&p, &b.run, b.calibration, &err), 0));
    cr_assert(ne(int, err.message[0], 0));
    mf_calibration_free(b.calibration);
}

Test(predict, the_same_case_gives_the_same_figures)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction first = predict(&b);
    bench_fill(&b, 4096);
    const mf_prediction second = predict(&b);
    cr_assert(zero(int, memcmp(&first, &second, sizeof first)));
}

/* What the placement that was found needs and how fast a card of this size is with it. */
static mf_prediction placed_freely(bench *b, double card_mib)
{
    bench_fill(b, card_mib);
    b->run.place_freely = true;
    return predict(b);
}

Test(predict, a_free_placement_fits_where_the_whole_does_not)
{
    bench b;
    bench_fill(&b, 120);
    const mf_prediction asked = predict(&b);
    cr_assert(not(asked.memory.fits));
    cr_assert(asked.placed.known);
    cr_assert(not(asked.placed.as_asked));
    const mf_prediction free = placed_freely(&b, 120);
    cr_assert(free.memory.fits);
    cr_assert(gt(u64, free.max_context_tokens, 8191));
    cr_assert(epsilon_eq(dbl, free.decode.tok_s, asked.decode.tok_s, 1e-9));
}

Test(predict, a_free_placement_is_the_whole_card_if_that_fits)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction asked = predict(&b);
    const mf_prediction free = placed_freely(&b, 4096);
    cr_assert(free.placed.as_asked);
    cr_assert(epsilon_eq(dbl, free.decode.tok_s, asked.decode.tok_s, 1e-9));
}

Test(predict, a_larger_card_is_never_slower_with_a_free_placement)
{
    bench b;
    double before = 0;
    for (double mib = 60; mib < 240; mib += 20) {
        const mf_prediction p = placed_freely(&b, mib);
        cr_assert(p.decode.known, "%.0f MiB", mib);
        cr_assert(ge(dbl, p.effective.tok_s, before * (1 - 1e-12)), "%.0f MiB", mib);
        before = p.effective.tok_s;
    }
}

Test(predict, a_placement_that_was_found_can_be_asked_for)
{
    bench b;
    mf_fit_placement placement = {0};
    mf_layer_part parts[LAYERS + 1] = {0};
    const mf_prediction found = placed_freely(&b, 120);
    bench_fill(&b, 120);
    mf_placed_apply(&b.run.workload, &placement, parts, &found.placed, &b.model);
    const mf_prediction again = predict(&b);
    cr_assert(again.memory.fits);
    cr_assert(again.placed.as_asked);
    cr_assert(eq(u64, again.memory.total_bytes, found.memory.total_bytes));
    cr_assert(epsilon_eq(dbl, again.decode.tok_s, found.decode.tok_s, 1e-9));
}

Test(predict, old_prompts_of_a_server_are_told_of_where_the_host_is_full)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.workload.prompt_cache_bytes = UINT64_C(1024) * 1048576;
    const mf_prediction room = predict(&b);
    cr_assert(not(has_warning(&room, "old prompts")));
    bench_fill(&b, 4096);
    b.run.workload.prompt_cache_bytes = UINT64_C(8192) * 1048576;
    const mf_prediction tight = predict(&b);
    cr_assert(has_warning(&tight, "old prompts"));
}

Test(predict, checkpoints_are_counted_for_each_sequence)
{
    bench b;
    uint64_t one = 0;
    bench_fill(&b, 4096);
    b.model.layers[0].attention.window = 64;
    b.run.workload.n_checkpoints = 3;
    b.run.workload.n_parallel = 2;
    cr_assert(mf_checkpoint_bytes(&one, &b.model, &b.run.workload, NULL) == MF_OK);
    cr_assert(gt(u64, one, 0));
    cr_assert(eq(u64, predict(&b).checkpoint_bytes, 6 * one));
}

Test(predict, a_host_that_can_not_hold_all_holds_the_rest)
{
    bench b;
    bench_fill(&b, 120);
    const mf_prediction roomy = predict(&b);
    bench_fill(&b, 120);
    b.run.workload.gpu_layers = 0;
    const mf_prediction none = predict(&b);
    const uint64_t on_host = none.memory.places[1].need_bytes;
    bench_fill(&b, 120);
    /* The system keeps half of a memory this small. */
    b.pools[1].capacity_bytes = known(2.0 * (double)(on_host - 1));
    const mf_prediction tight = predict(&b);
    cr_assert(tight.placed.known);
    cr_assert(eq(int, tight.placed.gpu_layers, roomy.placed.gpu_layers));
    cr_assert(epsilon_eq(dbl, tight.decode.tok_s, roomy.decode.tok_s, 1e-9));
}

Test(predict, a_step_of_one_sequence_or_of_a_prompt_takes_what_is_predicted)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.workload.n_output = 0;
    b.run.workload.n_prompt = 1100;
    mf_step_law *law = NULL;
    mf_error err = {0};
    const mf_status status = mf_step_law_new(&law, &b.run, b.calibration, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    const mf_prediction p = predict(&b);
    const mf_step_load token = {.n_decode = 1, .sum_depth = 1100};
    const mf_step_load prompt = {.n_prefill = 1100};
    cr_assert(epsilon_eq(dbl, mf_step_seconds(law, token) * p.decode.tok_s, 1, 1e-12));
    cr_assert(epsilon_eq(dbl, mf_step_seconds(law, prompt) * p.prefill.tok_s, 1100, 1e-9));
    mf_step_law_free(law);
}

Test(predict, there_are_no_steps_without_a_calibration)
{
    bench b;
    bench_fill(&b, 4096);
    mf_step_law *law = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_step_law_new(&law, &b.run, NULL, &err), MF_E_UNSUPPORTED));
    cr_assert(ne(ptr, (void *)strstr(err.message, "no calibration"), NULL));
    mf_calibration_free(b.calibration);
}

Test(predict, several_sequences_have_a_speed_together)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.workload.n_parallel = 3;
    b.run.workload.kv_unified = true;
    const mf_prediction p = predict(&b);
    check_rate(&p.together);
    cr_assert(gt(dbl, p.together.tok_s, p.decode.tok_s));
    cr_assert(lt(dbl, p.together.tok_s, 3 * p.decode.tok_s));
    cr_assert(has_warning(&p, "together"));
}

Test(predict, one_sequence_has_no_speed_together)
{
    bench b;
    bench_fill(&b, 4096);
    const mf_prediction p = predict(&b);
    cr_assert(not(p.together.known));
    cr_assert(ne(ptr, (void *)p.together.reason, NULL));
}

/* The sample drafts for itself: a token of it costs what a step does. */
Test(predict, a_draft_pays_from_where_its_cost_and_the_check_are_won_back)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.draft = &b.model;
    b.run.draft_quant = &b.quant;
    b.run.n_draft = 3;
    b.run.draft_acceptance = 0.5;
    const mf_prediction p = predict(&b);
    const mf_speculation *s = &p.speculation;
    cr_assert(s->known);
    cr_assert(epsilon_eq(dbl, s->draft_share, 3, 1e-9));
    cr_assert(gt(dbl, s->check_slowdown, 1));
    cr_assert(epsilon_eq(dbl, s->break_even, (s->check_slowdown + 2) / 3, 1e-9));
    cr_assert(epsilon_eq(dbl, s->tokens_per_round, 2.5, 1e-12));
    cr_assert(lt(dbl, s->decode.tok_s, p.decode.tok_s), "half of them don't pay for it");
    cr_assert(lt(dbl, s->decode.low_tok_s, s->decode.tok_s));
}

Test(predict, without_an_acceptance_a_draft_has_a_break_even_but_no_speed)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.draft = &b.model;
    b.run.draft_quant = &b.quant;
    b.run.n_draft = 5;
    const mf_prediction p = predict(&b);
    cr_assert(p.speculation.known);
    cr_assert(not(p.speculation.decode.known));
    cr_assert(ne(ptr, (void *)p.speculation.decode.reason, NULL));
}

Test(predict, a_draft_without_a_length_is_not_known)
{
    bench b;
    bench_fill(&b, 4096);
    b.run.draft = &b.model;
    b.run.draft_quant = &b.quant;
    const mf_prediction p = predict(&b);
    cr_assert(not(p.speculation.known));
    cr_assert(ne(ptr, (void *)p.speculation.reason, NULL));
}
