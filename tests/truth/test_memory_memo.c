/*
 * test_memory_memo.c - a footprint that remembers graphs says what one says that lays each out anew, in whatever order it is
 * asked: graphs of one structure are scheduled once, some sizes follow from others, and the oldest graphs are given up.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "memory/footprint.h"
#include "truth/table.h"

enum { DEVICES = 2 };

static char f16[] = "F16";

typedef struct desk {
    mf_device device;
    mf_pool pools[DEVICES + 1];
    mf_machine_device devices[DEVICES];
    mf_machine machine;
    mf_engine engine;
    mf_quant quant;
    mf_case run;
} desk;

static void set_up(desk *d, const mf_model *model)
{
    *d = (desk){
        .quant = {.id = f16, .mix = f16, .family = MF_QUANT_GGUF, .base = MF_TYPE_F16}
    };
    for (size_t i = 0; i <= DEVICES; i++) {
        d->pools[i] =
            (mf_pool){.name = "memory", .kind = i < DEVICES ? MF_POOL_DEVICE : MF_POOL_HOST};
        d->pools[i].capacity_bytes =
            (mf_fact){.value = 1e15, .known = true, .source = MF_NO_SOURCE};
    }
    for (size_t i = 0; i < DEVICES; i++) {
        d->devices[i] = (mf_machine_device){.count = 1, .pool = i, .device = &d->device};
    }
    d->machine = (mf_machine){.id = "cards",
                              .n_nodes = 1,
                              .pools = d->pools,
                              .n_pools = DEVICES + 1,
                              .devices = d->devices,
                              .n_devices = DEVICES};
    d->engine = (mf_engine){.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"};
    d->run = (mf_case){
        .model = model,
        .quant = &d->quant,
        .machine = &d->machine,
        .engine = &d->engine,
        .backend = MF_BACKEND_CUDA,
        .workload = {.n_batch = 2048,
                     .n_ubatch = 512,
                     .n_parallel = 1,
                     .n_outputs = 1,
                     .kv_unified = true,
                     .flash_attention = true,
                     .kv_offload = true}
    };
}

static void compare(const desk *d, const mf_footprint *remembers, const mf_footprint *forgets)
{
    const mf_workload *w = &d->run.workload;
    mf_case run = d->run;
    mf_memory first;
    mf_memory second;
    run.footprint = remembers;
    cr_assert(mf_memory_need(&first, &run, NULL) == MF_OK);
    run.footprint = forgets;
    cr_assert(mf_memory_need(&second, &run, NULL) == MF_OK);
    for (size_t i = 0; i < second.n_places; i++) {
        cr_expect(eq(u64,
                     first.places[i].terms[MF_TERM_COMPUTE],
                     second.places[i].terms[MF_TERM_COMPUTE]),
                  "%s, %llu cells, type %d, %d layers, %u on the host, place %zu",
                  run.model->architecture,
                  (unsigned long long)w->n_ctx,
                  (int)w->kv_type_k,
                  (int)w->gpu_layers,
                  w->n_cpu_moe,
                  i);
    }
}

/* Contexts within contexts: some follow from their neighbours, with entries of 4 or 128 cells others can't. Formats of the
   cache take turns, so that a graph has another one's sizes when it is asked for again. */
static void ask_all(desk *d, const mf_footprint *remembers, const mf_footprint *forgets)
{
    enum { BETWEEN = 32768 }; /* once more, when the graphs have been given up */
    static const uint64_t contexts[] = {524288, 65536, 131072, 99072, 4096, 32768, 8192, 262144};
    static const mf_tensor_type types[] = {MF_TYPE_F16, MF_TYPE_Q8_0, MF_TYPE_Q4_0};
    const uint32_t half = (uint32_t)d->run.model->n_layers / 2;
    mf_workload *w = &d->run.workload;
    for (size_t pass = 0; pass < 4; pass++) {
        w->n_cpu_moe = pass == 1 ? half : 0;
        w->gpu_layers = pass == 2 ? (int32_t)half : MF_ALL_LAYERS;
        for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++) {
            for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
                w->n_ctx = contexts[i] + (pass == 3 ? BETWEEN : 0);
                w->kv_type_k = types[k];
                w->kv_type_v = types[k];
                compare(d, remembers, forgets);
            }
        }
    }
}

Test(memo, what_is_remembered_is_what_would_be_laid_out)
{
    static const char *const models[] = {
        "shape-deepseek4", "shape-minimax-m3", "gpt-oss-20b", "gemma-3n-e2b", "shape-qwen3next"};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        desk d;
        mf_footprint *remembers = NULL;
        mf_footprint *forgets = NULL;
        set_up(&d, truth_model(models[i]));
        cr_assert(mf_footprint_new(&remembers, d.run.model, &d.quant, NULL) == MF_OK);
        cr_assert(mf_footprint_new(&forgets, d.run.model, &d.quant, NULL) == MF_OK);
        mf_footprint_remember(remembers);
        ask_all(&d, remembers, forgets);
        mf_footprint_free(remembers);
        mf_footprint_free(forgets);
    }
    truth_models_free();
}
