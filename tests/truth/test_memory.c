/*
 * test_memory.c - weights, caches and compute buffers against llama.cpp's own numbers, row by row.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/internal.h"
#include "memory/llamacpp_compute.h"
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

/* Everything in one buffer, as the CPU backend has it. */
static compute_size compute_on_host(const mf_footprint *footprint, const mf_workload *w, bool whole)
{
    static const int8_t places[512];
    const mf_model *model = footprint->model;
    mf_cache_size cache = {0};
    compute_size size = {0};
    mf_error err = {0};
    cr_assert(model->n_layers < sizeof places);
    cr_assert(mf_cache_bytes(&cache, model, w, &err) == MF_OK, "%s", err.message);
    const compute_setup setup = {.footprint = footprint,
                                 .workload = w,
                                 .cache = &cache,
                                 .layer_places = places,
                                 .n_places = 1,
                                 .n_copies = 1};
    const mf_status status = whole ? mf_llamacpp_compute_whole(&size, &setup, &err)
                                   : mf_llamacpp_compute(&size, &setup, &err);
    cr_assert(status == MF_OK, "%s", err.message);
    return size;
}

/* Two cards with a half of the layers each, and their prompts in a pipeline if the host has no experts. */
static compute_size
compute_on_cards(const mf_footprint *footprint, const mf_workload *w, bool whole)
{
    int8_t places[512] = {0};
    const size_t n_layers = footprint->model->n_layers;
    mf_cache_size cache = {0};
    compute_size size = {0};
    mf_error err = {0};
    cr_assert(n_layers < sizeof places);
    for (size_t i = n_layers / 2; i <= n_layers; i++) {
        places[i] = 1;
    }
    cr_assert(mf_cache_bytes(&cache, footprint->model, w, &err) == MF_OK, "%s", err.message);
    const compute_setup setup = {.footprint = footprint,
                                 .workload = w,
                                 .cache = &cache,
                                 .layer_places = places,
                                 .n_places = 3,
                                 .n_copies = w->n_cpu_moe > 0 ? 1 : 4,
                                 .offloads = true,
                                 .alignment = 128,
                                 .fully_offloaded = true};
    const mf_status status = whole ? mf_llamacpp_compute_whole(&size, &setup, &err)
                                   : mf_llamacpp_compute(&size, &setup, &err);
    cr_assert(status == MF_OK, "%s", err.message);
    return size;
}

static mf_footprint *footprint_of(const mf_model *model)
{
    mf_footprint *footprint = NULL;
    mf_error err = {0};
    cr_assert(mf_footprint_new(&footprint, model, NULL, &err) == MF_OK, "%s", err.message);
    return footprint;
}

Test(truth, compute_buffers_are_exact)
{
    table t;
    tally tallies[MAX_TALLIES] = {0};
    const mf_model *model = NULL;
    mf_footprint *footprint = NULL;
    table_open(&t, "llamacpp/memory_cpu.csv");
    while (table_next(&t)) {
        const mf_model *row_model = truth_model(table_text(&t, "model"));
        if (row_model != model) {
            mf_footprint_free(footprint);
            footprint = footprint_of(row_model);
            model = row_model;
        }
        mf_workload w = truth_workload(&t);
        w.swa_full = table_number(&t, "swa_full") == 1;
        const uint64_t known = table_number(&t, "compute_bytes");
        const compute_size size = compute_on_host(footprint, &w, false);
        cr_expect(size.exact);
        tally_expect(tally_of(tallies, model->architecture), &t, size.bytes[0], known);
    }
    tally_print("compute buffers", tallies);
    mf_footprint_free(footprint);
    table_close(&t);
    truth_models_free();
}

/* One row for every number that a model's graph has: as many tensors as llama.cpp counts, and the graph of all layers
   takes what the shortened one takes. */
Test(truth, graphs_have_llama_cpps_own_tensors)
{
    table t;
    size_t n = 0;
    table_open(&t, "llamacpp/graph_nodes.csv");
    while (table_next(&t)) {
        mf_footprint *footprint = footprint_of(truth_model(table_text(&t, "model")));
        mf_workload w = truth_workload(&t);
        w.swa_full = table_number(&t, "swa_full") == 1;
        const compute_size size = compute_on_host(footprint, &w, true);
        cr_expect(eq(u64, size.n_tensors, table_number(&t, "graph_nodes")),
                  "%s",
                  table_text(&t, "model"));
        cr_expect(eq(u64, size.bytes[0], compute_on_host(footprint, &w, false).bytes[0]));
        mf_footprint_free(footprint);
        n++;
    }
    cr_expect(eq(sz, n, (size_t)178));
    table_close(&t);
    truth_models_free();
}

/* What only some layers do: Gemma 3n and 4 send a slice of their inputs to the second card, where it stays; leaves of
   sparse attention are there from the beginning; copies of DeepSeek V4 and MiniMax M3 span many layers. */
Test(truth, runs_of_layers_on_cards_take_what_all_their_layers_take)
{
    mf_workload w = {.n_ctx = 8192,
                     .n_batch = 2048,
                     .n_ubatch = 512,
                     .n_parallel = 1,
                     .kv_type_k = MF_TYPE_F16,
                     .kv_type_v = MF_TYPE_F16,
                     .flash_attention = true,
                     .kv_offload = true};
    static const char *const names[] = {"gemma-3n-e2b",
                                        "Gemma-4-E2B",
                                        "Qwen3-0.6B",
                                        "Qwen3-Next-80B-A3B",
                                        "DeepSeek-V3",
                                        "deepseek-v3.2",
                                        "deepseek-v4-flash",
                                        "glm-5.2",
                                        "minimax-m3",
                                        "Mamba-2.8B"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) {
        const char *name = names[i / 2];
        mf_footprint *footprint = footprint_of(truth_model(name));
        w.n_cpu_moe = i % 2 == 0 ? 0 : 17;
        const compute_size known = compute_on_cards(footprint, &w, true);
        const compute_size ours = compute_on_cards(footprint, &w, false);
        for (size_t p = 0; p < 3; p++) {
            cr_expect(eq(u64, ours.bytes[p], known.bytes[p]),
                      "%s, %u on the host, place %zu",
                      name,
                      w.n_cpu_moe,
                      p);
        }
        mf_footprint_free(footprint);
    }
    truth_models_free();
}
