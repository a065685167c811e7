/*
 * test_memory_reports.c - what users of other planners and engines reported, each a test that memfit doesn't repeat it.
 * A report whose model or machine isn't told can't stand here; docs/memory.md lists those.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "memfit/memfit.h"

static const uint64_t gib = UINT64_C(1) << 30;

typedef struct report {
    mf_database *database;
    mf_model *model;
    mf_quant *quant;
    mf_machine *machine;
    mf_engine *engine;
    mf_case run;
} report;

static void report_open(report *r, const char *model, const char *quant, const char *machine)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_error err = {0};
    cr_assert(mf_database_open(&r->database, folders, 1, NULL) == MF_OK);
    cr_assert(mf_database_model(&r->model, r->database, model, &err) == MF_OK, "%s", err.message);
    cr_assert(mf_database_quant(&r->quant, r->database, quant, &err) == MF_OK, "%s", err.message);
    cr_assert(
        mf_database_machine(&r->machine, r->database, machine, &err) == MF_OK, "%s", err.message);
    cr_assert(mf_database_engine(&r->engine, r->database, "llama.cpp", NULL) == MF_OK);
    const mf_device *chip = r->machine->devices[0].device;
    const bool nvidia = chip->vendor == MF_VENDOR_NVIDIA;
    const bool amd = chip->vendor == MF_VENDOR_AMD;
    r->run = (mf_case){.model = r->model,
                       .quant = r->quant,
                       .machine = r->machine,
                       .engine = r->engine,
                       .backend = nvidia ? MF_BACKEND_CUDA
                                  : amd  ? MF_BACKEND_ROCM
                                         : MF_BACKEND_METAL,
                       .workload = r->engine->defaults};
}

static void report_close(report *r)
{
    mf_engine_free(r->engine);
    mf_machine_free(r->machine);
    mf_quant_free(r->quant);
    mf_model_free(r->model);
    mf_database_close(r->database);
}

static mf_memory need_of(const report *r)
{
    mf_memory memory;
    mf_error err = {0};
    cr_assert(mf_memory_need(&memory, &r->run, &err) == MF_OK, "%s", err.message);
    return memory;
}

/* https://github.com/gpustack/gguf-parser-go/issues/28: the cache of all layers though one in four attends. */
Test(reports, only_one_layer_in_four_of_qwen3_next_has_a_cache)
{
    report r;
    report_open(&r, "qwen3-next-80b-a3b", "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
    r.run.workload.n_ctx = 262144;
    const uint64_t per_token = 12 * 2 * (2 * 256) * 2; /* layers, K and V, heads x width, f16 */
    cr_expect(eq(u64, need_of(&r).terms[MF_TERM_KV_CACHE], 262144 * per_token));
    report_close(&r);
}

/* https://github.com/gpustack/gguf-parser-go/issues/8: 697 GiB of cache for DeepSeek with its latent attention. */
Test(reports, deepseek_caches_one_latent_per_token)
{
    report r;
    report_open(&r, "deepseek-r1", "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
    r.run.workload.n_ctx = 163840;
    const uint64_t per_token = UINT64_C(61) * (512 + 64) * 2;
    cr_expect(eq(u64, need_of(&r).terms[MF_TERM_KV_CACHE], 163840 * per_token));
    report_close(&r);
}

/* https://github.com/gpustack/gpustack/issues/2101 and others: window layers counted with the whole context. */
Test(reports, window_layers_of_gemma_3_keep_their_window)
{
    report r;
    report_open(&r, "gemma-3-27b", "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
    r.run.workload.n_ctx = 131072;
    const uint64_t cell = 2 * (16 * 128) * 2;
    const uint64_t window_cells = 1536; /* 1024 and a micro-batch of 512 */
    cr_expect(eq(u64,
                 need_of(&r).terms[MF_TERM_KV_CACHE],
                 cell * (10 * UINT64_C(131072) + 52 * window_cells)));
    report_close(&r);
}

/* https://github.com/unslothai/unsloth/pull/4757: caches of the whole trained context before and after its mending, in GiB.
   llama.cpp has more of two: windows hold a micro-batch too (Gemma), index keys lie beside the latent (GLM-5). */
Test(reports, caches_of_whole_contexts_are_those_of_a_mended_planner)
{
    static const struct {
        const char *model;
        uint64_t n_ctx;
        double gib_mended, more;
    } known[] = {
        {"gemma-3-27b",   131072, 10.41, 0.02},
        {"qwen3.5-27b",   262144, 16.00, 0   },
        {"deepseek-v3.1", 163840, 10.72, 0   },
        {"glm-5",         202752, 17.18, 0.23},
        {"kimi-k2.5",     262144, 17.16, 0   },
        {"qwen3-0.6b",    40960,  4.38,  0   },
    };
    const double digits = 0.005;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        report r;
        report_open(&r, known[i].model, "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
        r.run.workload.n_ctx = known[i].n_ctx;
        const double ours = (double)need_of(&r).terms[MF_TERM_KV_CACHE] / (double)gib;
        const double most = known[i].gib_mended * (1 + known[i].more) + digits;
        cr_expect(ge(dbl, ours, known[i].gib_mended - digits), "%s", known[i].model);
        cr_expect(le(dbl, ours, most), "%s %f", known[i].model, ours);
        report_close(&r);
    }
}

/* https://github.com/AlexsJones/llmfit/issues/230: "perfect" at 33 GB by active parameters, 70 to 75 GB in truth, on an
   M4 Pro of 48 GB. */
Test(reports, all_experts_must_lie_in_memory)
{
    report r;
    report_open(&r, "qwen3-next-80b-a3b", "Q6_K", "mac-mini-m4-pro-16c-48gb");
    const mf_memory m = need_of(&r);
    cr_expect(not(m.fits));
    cr_expect(lt(dbl, m.fits_probability, 0.01));
    cr_expect(gt(u64, m.terms[MF_TERM_WEIGHTS], 60 * gib));
    report_close(&r);
}

/* https://github.com/AlexsJones/llmfit/issues/302: 26.3 GB since all of 262144 tokens was assumed. */
Test(reports, a_context_that_nobody_asked_for_is_not_the_largest)
{
    report r;
    report_open(&r, "qwen3-4b", "Q4_K_M", "mac-mini-m4-10c-16gb");
    cr_expect(le(u64, r.run.workload.n_ctx, (uint64_t)8192));
    cr_expect(need_of(&r).fits);
    report_close(&r);
}

/* https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/2017: a model of 22 GB refused on an M1 Max of 64 GB. */
Test(reports, twenty_two_gigabytes_fit_an_m1_max_of_64)
{
    report r;
    report_open(&r, "gemma-3-27b", "Q6_K", "mac-studio-m1-max-32c-64gb");
    const mf_memory m = need_of(&r);
    cr_expect(gt(u64, m.terms[MF_TERM_WEIGHTS], UINT64_C(22000000000)));
    cr_expect(m.fits);
    cr_expect(gt(dbl, m.fits_probability, 0.99));
    report_close(&r);
}

/* https://github.com/exo-explore/exo/issues/1754: no place found for a model of 8 B parameters. */
Test(reports, eight_billion_parameters_fit_a_mac_of_16_gb)
{
    report r;
    report_open(&r, "llama-3.1-8b", "Q4_K_M", "mac-mini-m4-10c-16gb");
    cr_expect(need_of(&r).fits);
    report_close(&r);
}

/* https://github.com/ggml-org/llama.cpp/issues/27872: with --cpu-moe the host runs out, silently. */
Test(reports, experts_on_the_host_must_fit_the_host)
{
    report r;
    report_open(&r, "qwen3-235b-a22b", "Q4_K_M", "pc-rtx-4090");
    r.run.workload.n_cpu_moe = 1000;
    const mf_memory m = need_of(&r);
    const mf_place *card = &m.places[0];
    const mf_place *host = &m.places[1];
    cr_expect(le(u64, card->need_bytes, card->limit_bytes));
    cr_expect(gt(u64, host->terms[MF_TERM_WEIGHTS], 120 * gib));
    cr_expect(eq(int, m.fits, host->limit_bytes == 0 || host->need_bytes <= host->limit_bytes));
    report_close(&r);
}

/* https://github.com/ggml-org/llama.cpp/issues/23472: a block for multi-token prediction that planning left out. GLM's
   has a cache of its own, though plain decoding doesn't run it. */
Test(reports, the_mtp_block_of_glm_has_a_cache)
{
    report r;
    report_open(&r, "glm-4.5-air", "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
    r.run.workload.n_ctx = 8192;
    const uint64_t cell = 2 * (8 * 128) * 2;
    cr_expect(eq(u64, need_of(&r).terms[MF_TERM_KV_CACHE], 47 * cell * 8192));
    report_close(&r);
}

/* https://github.com/ggml-org/llama.cpp/issues/25408 and 25465: a draft model's cache for the whole context was left out. */
Test(reports, a_draft_model_has_a_cache_of_the_whole_context)
{
    report r;
    mf_model *draft = NULL;
    report_open(&r, "llama-3.3-70b", "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
    cr_assert(mf_database_model(&draft, r.database, "llama-3.2-1b", NULL) == MF_OK);
    r.run.draft = draft;
    r.run.draft_quant = r.quant;
    r.run.workload.n_ctx = 8192;
    const uint64_t small = need_of(&r).terms[MF_TERM_DRAFT];
    r.run.workload.n_ctx = 131072;
    const uint64_t large = need_of(&r).terms[MF_TERM_DRAFT];
    const uint64_t per_token = 16 * 2 * (8 * 64) * 2; /* layers, K and V, heads x width, f16 */
    cr_expect(ge(u64, large - small, (131072 - 8192) * per_token));
    mf_model_free(draft);
    report_close(&r);
}

/* https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/2295: what other programs hold was ignored. Full to the brim
   is an even chance, not a yes. */
Test(reports, a_full_device_is_not_sure)
{
    report r;
    report_open(&r, "llama-3.1-8b", "F16", "pc-rtx-4090");
    uint64_t most = 0;
    cr_assert(mf_memory_max_context(&most, &r.run, NULL) == MF_OK);
    r.run.workload.n_ctx = most;
    const mf_memory full = need_of(&r);
    cr_expect(full.fits);
    cr_expect(lt(dbl, full.fits_probability, 0.6));
    r.run.workload.n_ctx = most / 2;
    cr_expect(gt(dbl, need_of(&r).fits_probability, 0.99));
    report_close(&r);
}

/* https://github.com/ikawrakow/ik_llama.cpp/issues/1916: at a large batch the margin that fitting keeps is too small. */
Test(reports, compute_buffers_grow_with_the_micro_batch)
{
    report r;
    report_open(&r, "qwen3-235b-a22b", "Q4_K_M", "pc-rtx-4090");
    r.run.workload.n_cpu_moe = 1000;
    const uint64_t before = need_of(&r).places[0].terms[MF_TERM_COMPUTE];
    r.run.workload.n_ubatch = 2048;
    const uint64_t after = need_of(&r).places[0].terms[MF_TERM_COMPUTE];
    cr_expect(gt(u64, after, before + gib / 4));
    report_close(&r);
}

static void expect_no_phantom(const char *machine, uint64_t memory_gib)
{
    report r;
    report_open(&r, "llama-3.1-8b", "Q4_K_M", machine);
    const mf_memory m = need_of(&r);
    cr_expect(le(u64, m.limit_bytes, memory_gib * gib), "%s", machine);
    cr_expect(le(u64, m.places[0].limit_bytes, memory_gib * gib), "%s", machine);
    cr_expect(le(u64, m.places[0].raised_limit_bytes, memory_gib * gib), "%s", machine);
    report_close(&r);
}

/* https://github.com/Andyyyy64/whichllm/issues/44: 57.6 GB on a Mac of 32 GB; issues/36: Strix Halo. */
Test(reports, unified_memory_counts_once)
{
    expect_no_phantom("mac-studio-m1-max-24c-32gb", 32);
    expect_no_phantom("strix-halo-128gb", 128);
    expect_no_phantom("dgx-spark-128gb", 128);
}

/* https://github.com/AlexsJones/llmfit/issues/570: what a Mac's GPU may use is less than the Mac has. */
Test(reports, a_mac_keeps_memory_from_its_gpu)
{
    report r;
    report_open(&r, "qwen3-32b", "Q5_K_M", "mac-mini-m4-10c-24gb");
    const mf_memory m = need_of(&r);
    cr_expect(lt(u64, m.places[0].limit_bytes, m.places[0].raised_limit_bytes));
    cr_expect(not(m.fits));
    report_close(&r);
}

/* https://github.com/exo-explore/exo/issues/994: all of a Mac's memory is not what is there for a model. */
Test(reports, a_mac_offers_neither_all_nor_nothing)
{
    report r;
    report_open(&r, "llama-3.1-8b", "Q4_K_M", "mac-mini-m4-10c-16gb");
    const mf_memory m = need_of(&r);
    cr_expect(lt(u64, m.places[0].limit_bytes, 14 * gib));
    cr_expect(gt(u64, m.places[0].limit_bytes, 9 * gib));
    report_close(&r);
}

/* https://github.com/Andyyyy64/whichllm/issues/65: two cards are two limits, not one sum. */
Test(reports, each_card_has_a_limit_of_its_own)
{
    report r;
    report_open(&r, "llama-3.3-70b", "Q4_K_M", "pc-2x-rtx-4090");
    mf_memory m = need_of(&r);
    cr_expect(m.fits);
    mf_placement uneven = {.n_split = 2};
    uneven.split[0] = 1;
    uneven.split[1] = 3;
    r.run.workload.placement = &uneven;
    m = need_of(&r);
    cr_expect(not(m.fits));
    cr_expect(lt(u64, m.total_bytes, m.limit_bytes));
    report_close(&r);
}

/* ggml-cuda/fattn-common.cuh: kernels for prompts read halves, so that keys and values of a quantized cache are unpacked
   behind the result, one layer at a time. */
Test(reports, cuda_unpacks_a_quantized_cache_for_prompts)
{
    report r;
    report_open(&r, "llama-3.1-8b", "Q4_K_M", "pc-rtx-4090");
    r.run.workload.n_ctx = 131072;
    r.run.workload.kv_type_k = r.run.workload.kv_type_v = MF_TYPE_Q8_0;
    const uint64_t halves = UINT64_C(131072) * (8 * 128) * 2 * sizeof(uint16_t);
    const uint64_t unpacked = need_of(&r).places[0].terms[MF_TERM_COMPUTE];
    r.run.backend = MF_BACKEND_VULKAN;
    const uint64_t direct = need_of(&r).places[0].terms[MF_TERM_COMPUTE];
    cr_expect(gt(u64, unpacked, halves));
    cr_expect(lt(u64, direct, halves));
    report_close(&r);
}

/* llama.cpp b10361's own dry run of a file with DeepSeek V4 Flash's shapes: windows of every layer, an entry for every 4 or
   128 tokens, and the compressors' state; sequences apart even in a unified cache. Compute buffers are those of the CPU:
   Metal has its scratch on top. */
Test(reports, deepseek_v4_keeps_windows_and_compressed_entries)
{
    static const struct {
        uint64_t n_ctx, context_bytes, compute_bytes;
        uint32_t n_ubatch, n_parallel;
        mf_tensor_type type;
        bool unified;
    } known[] = {
        {8192,   106315776,  276394208,  512,  1, MF_TYPE_F16,  false},
        {32768,  695795712,  1111671520, 2048, 4, MF_TYPE_F16,  false},
        {131072, 947798016,  400429280,  512,  1, MF_TYPE_F16,  false},
        {32768,  1085865984, 0,          512,  4, MF_TYPE_F16,  true },
        {8192,   62201856,   0,          512,  1, MF_TYPE_Q8_0, false},
    };
    report r;
    report_open(&r, "deepseek-v4-flash", "Q4_K_M", "mac-studio-m3-ultra-80c-512gb");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        mf_workload *w = &r.run.workload;
        w->n_ctx = known[i].n_ctx;
        w->n_ubatch = known[i].n_ubatch;
        w->n_parallel = w->n_outputs = known[i].n_parallel;
        w->kv_type_k = w->kv_type_v = known[i].type;
        w->kv_unified = known[i].unified;
        const mf_memory m = need_of(&r);
        cr_expect(
            eq(u64, m.terms[MF_TERM_KV_CACHE] + m.terms[MF_TERM_STATE], known[i].context_bytes),
            "%zu",
            i);
        cr_expect(mf_memory_is_exact(&m, MF_TERM_COMPUTE));
        cr_expect(ge(u64, m.terms[MF_TERM_COMPUTE], known[i].compute_bytes), "%zu", i);
    }
    report_close(&r);
}
