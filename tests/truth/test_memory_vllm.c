/*
 * test_memory_vllm.c - blocks of KV cache that vLLM logged, against those it is said to make.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "memfit/memfit.h"
#include "truth/table.h"

static void open_database(mf_database **database, mf_engine **engine)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    cr_assert(mf_database_open(database, folders, 1, NULL) == MF_OK);
    cr_assert(mf_database_engine(engine, *database, "vllm", NULL) == MF_OK);
}

static mf_vllm_cache cache_of(const mf_database *database,
                              const mf_engine *engine,
                              const char *model_name,
                              uint32_t n_cards,
                              double card_bytes)
{
    const mf_fact capacity = {.value = card_bytes, .known = true, .source = MF_NO_SOURCE};
    mf_pool pools[] = {
        {.name = "vram", .kind = MF_POOL_DEVICE, .capacity_bytes = capacity},
        {.name = "host", .kind = MF_POOL_HOST,   .capacity_bytes = capacity},
    };
    mf_device device = {0};
    mf_machine_device cards[] = {
        {.device = &device, .count = n_cards}
    };
    const mf_machine machine = {.id = "cards",
                                .n_nodes = 1,
                                .pools = pools,
                                .n_pools = 2,
                                .devices = cards,
                                .n_devices = 1};
    mf_model *model = NULL;
    mf_quant *quant = NULL;
    mf_vllm_cache cache = {0};
    mf_error err = {0};
    cr_assert(mf_database_model(&model, database, model_name, NULL) == MF_OK, "%s", model_name);
    cr_assert(mf_database_quant(&quant, database, "bf16", NULL) == MF_OK);
    const mf_case run = {.model = model,
                         .quant = quant,
                         .machine = &machine,
                         .engine = engine,
                         .backend = MF_BACKEND_CUDA,
                         .workload = engine->defaults};
    cr_assert(mf_vllm_cache_size(&cache, &run, &err) == MF_OK, "%s", err.message);
    mf_quant_free(quant);
    mf_model_free(model);
    return cache;
}

/* The run of truth/serving/rtx4090_llama-3.1-8b/meta.json, vLLM 0.19.0, 2588 blocks. */
Test(vllm, llama_8b_gets_the_recorded_blocks_of_an_rtx_4090)
{
    const double device_total_memory_bytes = 25250627584.0;
    const double recorded = 2588;
    mf_database *database = NULL;
    mf_engine *engine = NULL;
    open_database(&database, &engine);
    const mf_vllm_cache cache =
        cache_of(database, engine, "llama-3.1-8b", 1, device_total_memory_bytes);
    printf("vllm: %llu blocks, recorded %.0f\n", (unsigned long long)cache.n_blocks, recorded);
    cr_expect(eq(u64, cache.block_tokens, 16));
    cr_expect(eq(u64, cache.block_bytes, UINT64_C(2) << 20));
    cr_expect(le(dbl, fabs((double)cache.n_blocks - recorded), 0.01 * recorded));
    mf_engine_free(engine);
    mf_database_close(database);
}

/* Logs give the pool's bytes to two digits and the tokens it holds: groups of layers, padded pages, heads per card. */
Test(vllm, tokens_of_published_pools_take_the_bytes_of_the_logs)
{
    const double gib = 1073741824.0;
    const double digits = 0.006;
    mf_database *database = NULL;
    mf_engine *engine = NULL;
    table t;
    size_t n = 0;
    open_database(&database, &engine);
    table_open(&t, "vllm_kv.csv");
    while (table_next(&t)) {
        const char *end = NULL;
        double pool = 0;
        const uint32_t cards = (uint32_t)table_number(&t, "n_devices");
        const mf_vllm_cache cache =
            cache_of(database, engine, table_text(&t, "model"), cards, 256 * gib);
        cr_assert(mf_parse_number(&pool, table_text(&t, "kv_gib"), &end));
        const double row = (double)(cache.n_groups * cache.block_bytes);
        const double tokens = (double)table_number(&t, "n_tokens");
        const double ours = tokens / (double)cache.block_tokens * row / gib;
        const double off = fabs(ours - pool);
        /* What is left over when blocks are shared out among groups isn't in the tokens. Of several cards the log tells
           one card's bytes, but the tokens of the one with least. */
        const double others = cards > 1 ? 0.003 * pool : 0;
        cr_expect(le(dbl, off, digits + others + row / gib),
                  "%s on %u: %.3f GiB, known %.2f",
                  table_text(&t, "model"),
                  (unsigned)cards,
                  ours,
                  pool);
        n++;
    }
    printf("vllm pools: %zu\n", n);
    table_close(&t);
    mf_engine_free(engine);
    mf_database_close(database);
}
