/*
 * test_memory_places.c - what llama.cpp puts on a device and what beside it, row by row: layers left
 * on the host, experts there, the cache there.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "truth/bare.h"
#include "truth/table.h"
#include "truth/tally.h"

enum { DEVICE, HOST };

/* A device and a host with room for everything, and one row of the file put there. */
typedef struct bench {
    mf_device device;
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_machine machine;
    mf_engine engine;
    char quant_id[32];
    mf_quant quant;
    mf_case run;
} bench;

static void build(bench *b, const table *t)
{
    const mf_fact plenty = {.value = 1e15, .known = true, .source = MF_NO_SOURCE};
    *b = (bench){
        .pools = {{.name = "vram", .kind = MF_POOL_DEVICE, .capacity_bytes = plenty},
                  {.name = "host", .kind = MF_POOL_HOST, .capacity_bytes = plenty}},
        .devices = {{.count = 1, .pool = 0}                                                                 },
        .engine = {.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"},
        .quant = {.family = MF_QUANT_GGUF,                                               .base = MF_TYPE_Q4_K},
        .run = {.backend = MF_BACKEND_METAL                                           }
    };
    (void)snprintf(b->quant_id, sizeof b->quant_id, "%s", table_text(t, "quant"));
    b->quant.id = b->quant_id;
    b->quant.mix = b->quant_id;
    b->quant.base = strcmp(b->quant_id, "F16") == 0 ? MF_TYPE_F16 : MF_TYPE_Q4_K;
    b->devices[0].device = &b->device;
    b->machine = (mf_machine){.id = "roomy",
                              .n_nodes = 1,
                              .pools = b->pools,
                              .n_pools = 2,
                              .devices = b->devices,
                              .n_devices = 1};
    b->run.model = truth_model(table_text(t, "model"));
    b->run.quant = &b->quant;
    b->run.machine = &b->machine;
    b->run.engine = &b->engine;
    b->run.workload = truth_workload(t);
    mf_workload *w = &b->run.workload;
    w->gpu_layers = (int32_t)table_number(t, "ngl");
    w->kv_offload = table_number(t, "offload_kqv") == 1;
    w->n_cpu_moe = table_number(t, "cpu_moe") == 1 ? (uint32_t)b->run.model->n_layers : 0;
}

/* Calls `visit` with every row that has numbers. */
static size_t each_row(void (*visit)(const table *, const mf_case *, const mf_memory *, void *),
                       void *data)
{
    table t;
    size_t n = 0;
    mf_footprint *footprint = NULL;
    char footprint_of[128] = "";
    table_open(&t, "llamacpp/memory_gpu.csv");
    while (table_next(&t)) {
        bench b;
        mf_memory need;
        mf_error err = {0};
        char row_of[128];
        build(&b, &t);
        (void)snprintf(row_of, sizeof row_of, "%s %s", table_text(&t, "model"), b.quant_id);
        if (strcmp(row_of, footprint_of) != 0) {
            mf_footprint_free(footprint);
            cr_assert(mf_footprint_new(&footprint, b.run.model, &b.quant, &err) == MF_OK);
            (void)snprintf(footprint_of, sizeof footprint_of, "%s", row_of);
        }
        b.run.footprint = footprint;
        cr_assert(mf_memory_need(&need, &b.run, &err) == MF_OK,
                  "%s: %s",
                  table_text(&t, "model"),
                  err.message);
        visit(&t, &b.run, &need, data);
        n++;
    }
    mf_footprint_free(footprint);
    table_close(&t);
    truth_models_free();
    return n;
}

/* Counts and expects equality to the byte. */
static void expect_same(const table *t, tally *row, uint64_t ours, uint64_t known)
{
    tally_add(row, ours, known);
    cr_expect(eq(u64, ours, known),
              "%s ngl %s cpu_moe %s offload_kqv %s",
              table_text(t, "model"),
              table_text(t, "ngl"),
              table_text(t, "cpu_moe"),
              table_text(t, "offload_kqv"));
}

static void add_context(const table *t, const mf_case *run, const mf_memory *need, void *data)
{
    static const char *const columns[] = {"dev_context_bytes", "host_context_bytes"};
    tally *row = tally_of(data, run->model->architecture);
    for (size_t i = 0; i < 2; i++) {
        const uint64_t *terms = need->places[i].terms;
        const uint64_t ours = terms[MF_TERM_KV_CACHE] + terms[MF_TERM_STATE];
        expect_same(t, row, ours, table_number(t, columns[i]));
    }
}

Test(places, caches_lie_where_llama_cpp_puts_them)
{
    tally tallies[MAX_TALLIES] = {0};
    const size_t n = each_row(add_context, tallies);
    tally_print("caches by place", tallies);
    cr_expect(eq(sz, n, (size_t)2227));
}

/* What the CPU repacks lies in a buffer of its own. Without a device the dry run counts Gemma 4's tied
   table twice, a real load does not. */
static void add_weights(const table *t, const mf_case *run, const mf_memory *need, void *data)
{
    tally *row = tally_of(data, run->model->architecture);
    const bool twice =
        run->workload.gpu_layers == 0 && strcmp(run->model->architecture, "gemma4") == 0;
    const uint64_t host = table_number(t, "host_model_bytes") + table_number(t, "repack_bytes");
    const uint64_t device = table_number(t, "dev_model_bytes");
    expect_same(t, row, need->places[DEVICE].terms[MF_TERM_WEIGHTS], device);
    if (!twice) {
        expect_same(t, row, need->places[HOST].terms[MF_TERM_WEIGHTS], host);
    }
}

Test(places, weights_lie_where_llama_cpp_puts_them)
{
    tally tallies[MAX_TALLIES] = {0};
    (void)each_row(add_weights, tallies);
    tally_print("weights by place", tallies);
}

typedef struct sides {
    tally device[MAX_TALLIES];
    tally host[MAX_TALLIES];
} sides;

/* llama.cpp measured with a stand-in for a device that has no scratch, and with Metal's scratch. */
static void add_compute(const table *t, const mf_case *run, const mf_memory *need, void *data)
{
    sides *s = data;
    const bool metal = strcmp(table_text(t, "backend"), "metal-sim") == 0;
    uint64_t device = need->places[DEVICE].terms[MF_TERM_COMPUTE];
    uint64_t host = need->places[HOST].terms[MF_TERM_COMPUTE];
    if (!metal) {
        const compute_size size = truth_bare_compute(run, (compute_setup){0});
        device = size.bytes[DEVICE];
        host = size.bytes[HOST];
    }
    const char *arch = run->model->architecture;
    tally_expect(tally_of(s->device, arch), t, device, table_number(t, "dev_compute_bytes"));
    tally_expect(tally_of(s->host, arch), t, host, table_number(t, "host_compute_bytes"));
    cr_expect(mf_memory_is_exact(need, MF_TERM_COMPUTE));
}

Test(places, compute_buffers_are_exact)
{
    sides s = {0};
    (void)each_row(add_compute, &s);
    tally_print("compute on the device", s.device);
    tally_print("compute on the host", s.host);
}
