/*
 * test_memory.c - weights, caches and compute buffers against llama.cpp's own numbers, row by row.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/internal.h"
#include "truth/table.h"
#include "truth/tally.h"

/* A scheme by its name alone: the mix decides. */
static mf_quant scheme(char *id)
{
    mf_quant quant = {.id = id, .family = MF_QUANT_GGUF, .base = MF_TYPE_Q4_K, .mix = id};
    if (strcmp(id, "F16") == 0) {
        quant.base = MF_TYPE_F16;
    }
    return quant;
}

static uint64_t weights_of(const mf_model *model, const char *quant_id)
{
    char id[32];
    bool estimated = true;
    mf_error err = {0};
    uint64_t bytes = 0;
    (void)snprintf(id, sizeof id, "%s", quant_id);
    const mf_quant quant = scheme(id);
    mf_tensor_type *types = calloc(model->n_tensors, sizeof *types);
    cr_assert(mf_quant_types(types, &estimated, model, &quant, &err) == MF_OK, "%s", err.message);
    cr_assert(mf_weight_bytes(&bytes, model, types, &err) == MF_OK, "%s", err.message);
    cr_expect(not(estimated));
    free(types);
    return bytes;
}

Test(truth, quantization_mixes_give_every_files_bytes)
{
    table t;
    size_t n = 0;
    size_t exact = 0;
    table_open(&t, "llamacpp/quant_mix.csv");
    while (table_next(&t)) {
        const char *name = table_text(&t, "model");
        const uint64_t known = table_number(&t, "total_bytes");
        const uint64_t ours = weights_of(truth_model(name), table_text(&t, "quant"));
        n++;
        exact += ours == known ? 1 : 0;
        cr_expect(eq(u64, ours, known),
                  "%s %s: off by %.4f %%",
                  name,
                  table_text(&t, "quant"),
                  100.0 * ((double)ours / (double)known - 1));
    }
    printf("quantization mixes: %zu of %zu rows exact\n", exact, n);
    cr_expect(eq(sz, n, (size_t)432));
    table_close(&t);
    truth_models_free();
}

Test(truth, caches_and_states_are_exact)
{
    table t;
    size_t n = 0;
    size_t exact = 0;
    table_open(&t, "llamacpp/memory_cpu.csv");
    while (table_next(&t)) {
        mf_cache_size size = {0};
        mf_error err = {0};
        mf_workload w = truth_workload(&t);
        w.swa_full = table_number(&t, "swa_full") == 1;
        const char *name = table_text(&t, "model");
        const mf_model *model = truth_model(name);
        cr_assert(mf_cache_bytes(&size, model, &w, &err) == MF_OK, "%s: %s", name, err.message);
        const uint64_t known = table_number(&t, "context_bytes");
        const uint64_t ours = size.kv_bytes + size.state_bytes;
        n++;
        exact += ours == known ? 1 : 0;
        cr_expect(eq(u64, ours, known),
                  "%s ctx %llu x %u",
                  name,
                  (unsigned long long)w.n_ctx,
                  w.n_parallel);
    }
    printf("caches and states: %zu of %zu rows exact\n", exact, n);
    cr_expect(eq(sz, n, (size_t)2271));
    table_close(&t);
    truth_models_free();
}

Test(truth, compute_buffers_bound_the_known_ones)
{
    table t;
    tally tallies[MAX_TALLIES] = {0};
    mf_machine machine = {.n_nodes = 1};
    mf_engine engine = {.id = MF_ENGINE_LLAMACPP};
    table_open(&t, "llamacpp/memory_cpu.csv");
    while (table_next(&t)) {
        const mf_model *model = truth_model(table_text(&t, "model"));
        mf_cache_size cache = {0};
        compute_size compute = {0};
        mf_case run = {.model = model,
                       .machine = &machine,
                       .engine = &engine,
                       .backend = MF_BACKEND_CPU,
                       .workload = truth_workload(&t)};
        run.workload.swa_full = table_number(&t, "swa_full") == 1;
        cr_assert(mf_cache_bytes(&cache, model, &run.workload, NULL) == MF_OK);
        cr_assert(mf_llamacpp_compute(&compute, &run, &cache, NULL) == MF_OK);
        tally_add(tally_of(tallies, model->architecture),
                  compute.device_bytes,
                  table_number(&t, "compute_bytes"));
    }
    tally_print("compute buffers", tallies);
    size_t under = 0;
    for (size_t i = 0; tallies[i].n > 0; i++) {
        /* What is left: Gemma 4 E2B and Qwen3.5-27B at 131072 tokens, 11 rows. */
        cr_expect(gt(dbl, tallies[i].most_under, -0.06), "%s is under-predicted", tallies[i].group);
        under += tallies[i].under;
    }
    cr_expect(le(sz, under, (size_t)13));
    table_close(&t);
    truth_models_free();
}
