/*
 * test_memory_shapes.c - shapes that nobody has seen, one invented for every architecture, and models of architectures
 * beyond those of the other tables: weights, caches and compute buffers on the device and the host, to the byte.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memory/graph_arch.h"
#include "truth/bare.h"
#include "truth/table.h"
#include "truth/tally.h"

enum { DEVICE, HOST };

static char f16[] = "F16";

/* A device and a host with room for everything. */
typedef struct bench {
    mf_device device;
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_machine machine;
    mf_engine engine;
    mf_quant quant;
    mf_case run;
} bench;

static void build(bench *b, const table *t)
{
    const mf_fact plenty = {.value = 1e15, .known = true, .source = MF_NO_SOURCE};
    const mf_model *model = truth_model(table_text(t, "model"));
    const uint64_t cpu_moe = table_number(t, "cpu_moe");
    *b = (bench){0};
    b->pools[0] = (mf_pool){.name = "vram", .kind = MF_POOL_DEVICE, .capacity_bytes = plenty};
    b->pools[1] = (mf_pool){.name = "host", .kind = MF_POOL_HOST, .capacity_bytes = plenty};
    b->devices[0] = (mf_machine_device){.count = 1, .device = &b->device};
    b->machine = (mf_machine){.id = "roomy",
                              .n_nodes = 1,
                              .pools = b->pools,
                              .n_pools = 2,
                              .devices = b->devices,
                              .n_devices = 1};
    b->engine = (mf_engine){.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"};
    b->quant = (mf_quant){.id = f16, .mix = f16, .family = MF_QUANT_GGUF, .base = MF_TYPE_F16};
    b->run = (mf_case){.model = model,
                       .quant = &b->quant,
                       .machine = &b->machine,
                       .engine = &b->engine,
                       .backend = MF_BACKEND_METAL,
                       .workload = truth_workload(t)};
    mf_workload *w = &b->run.workload;
    w->gpu_layers = (int32_t)table_number(t, "ngl");
    w->kv_offload = table_number(t, "offload_kqv") == 1;
    w->swa_full = table_number(t, "swa_full") == 1;
    w->n_cpu_moe = (uint32_t)(cpu_moe < model->n_layers ? cpu_moe : model->n_layers);
}

/* The compute buffers without Metal's scratch: the rows' device has none. On the CPU backend all is one buffer. */
static compute_size compute_of(const mf_case *run, bool cpu)
{
    static const int8_t one_place[512];
    const compute_setup in_one = {.layer_places = one_place, .n_places = 1};
    compute_size size = truth_bare_compute(run, cpu ? in_one : (compute_setup){0});
    if (cpu) {
        size.bytes[HOST] = size.bytes[DEVICE];
        size.bytes[DEVICE] = 0;
    }
    return size;
}

static void expect_same(const table *t, const char *column, uint64_t ours)
{
    const uint64_t known = table_number(t, column);
    cr_expect(ours == known,
              "%s ngl %s cpu_moe %s %s: %llu, known %llu",
              table_text(t, "model"),
              table_text(t, "ngl"),
              table_text(t, "cpu_moe"),
              column,
              (unsigned long long)ours,
              (unsigned long long)known);
}

static void check_weights(const table *t, const bench *b, const mf_memory *need)
{
    static const char *const doubled[] = {"gemma4",
                                          "gemma3n"}; /* only in the dry run without a device */
    const uint64_t ours = need->places[HOST].terms[MF_TERM_WEIGHTS];
    bool twice = false;
    for (size_t i = 0; i < 2; i++) {
        twice |=
            b->run.workload.gpu_layers == 0 && strcmp(b->run.model->architecture, doubled[i]) == 0;
    }
    expect_same(t, "dev_model_bytes", need->places[DEVICE].terms[MF_TERM_WEIGHTS]);
    if (twice) {
        cr_expect(le(u64, ours, table_number(t, "host_model_bytes")));
    } else {
        expect_same(t, "host_model_bytes", ours);
    }
}

/* Graphs that are known are exact, others bounded: never below, and not far above. */
static void check_compute(const table *t, const bench *b, tally *tallies)
{
    const bool cpu = strcmp(table_text(t, "backend"), "cpu") == 0;
    const compute_size size = compute_of(&b->run, cpu);
    static const char *const columns[] = {"dev_compute_bytes", "host_compute_bytes"};
    tally *row = tally_of(tallies, b->run.model->architecture);
    for (size_t i = cpu ? HOST : DEVICE; i <= HOST; i++) {
        const uint64_t known = table_number(t, columns[i]);
        if (size.exact) {
            tally_expect(row, t, size.bytes[i], known);
        } else {
            tally_add(row, size.bytes[i], known);
            cr_expect(ge(u64, size.bytes[i], known), "%s", table_text(t, "model"));
        }
    }
}

Test(shapes, unseen_ones_take_llama_cpps_own_bytes)
{
    table t;
    tally tallies[MAX_TALLIES] = {0};
    mf_footprint *footprint = NULL;
    char footprint_of[128] = "";
    size_t n = 0;
    size_t n_refused = 0;
    table_open(&t, "llamacpp/shapes.csv");
    while (table_next(&t)) {
        bench b;
        mf_memory need;
        mf_error err = {0};
        build(&b, &t);
        if (strcmp(table_text(&t, "model"), footprint_of) != 0) {
            mf_footprint_free(footprint);
            cr_assert(mf_footprint_new(&footprint, b.run.model, &b.quant, &err) == MF_OK);
            (void)snprintf(footprint_of, sizeof footprint_of, "%s", table_text(&t, "model"));
        }
        b.run.footprint = footprint;
        const bool refused = table_number(&t, "refused") == 1;
        const mf_status status = mf_memory_need(&need, &b.run, &err);
        n_refused += refused ? 1 : 0;
        n++;
        if (refused) {
            cr_expect(eq(int, status, MF_E_USAGE), "%s", table_text(&t, "model"));
            continue;
        }
        cr_assert(eq(int, status, MF_OK), "%s: %s", table_text(&t, "model"), err.message);
        check_weights(&t, &b, &need);
        for (size_t i = 0; i < 2; i++) {
            const uint64_t *terms = need.places[i].terms;
            expect_same(&t,
                        i == DEVICE ? "dev_context_bytes" : "host_context_bytes",
                        terms[MF_TERM_KV_CACHE] + terms[MF_TERM_STATE]);
        }
        check_compute(&t, &b, tallies);
    }
    tally_print("compute, unseen", tallies);
    printf("unseen shapes: %zu rows, of which %zu are refused\n", n, n_refused);
    cr_expect(ge(sz, n, (size_t)600));
    mf_footprint_free(footprint);
    table_close(&t);
    truth_models_free();
}
