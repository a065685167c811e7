/*
 * test_memory_fit.c - what llama.cpp's --fit chose on devices of some sizes, and what memfit says that it would choose.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/llamacpp_fit.h"
#include "truth/table.h"

typedef struct device_of_row {
    mf_device device;
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_machine machine;
    mf_engine engine;
    char quant_id[32];
    mf_quant quant;
    mf_case run;
    mf_fit_target target;
} device_of_row;

static void build(device_of_row *d, const table *t)
{
    const uint64_t mib = UINT64_C(1) << 20;
    const uint64_t free_bytes = table_number(t, "free_mib") * mib;
    const mf_fact capacity = {.value = (double)free_bytes, .known = true, .source = MF_NO_SOURCE};
    *d = (device_of_row){
        .pools = {{.name = "vram", .kind = MF_POOL_DEVICE, .capacity_bytes = capacity},
                  {.name = "host", .kind = MF_POOL_HOST, .capacity_bytes = capacity}    },
        .devices = {{.count = 1}                                                        },
        .engine = {.id = MF_ENGINE_LLAMACPP,                                                 .name = "llama.cpp"},
        .quant = {.family = MF_QUANT_GGUF,                                                .base = MF_TYPE_Q4_K}
    };
    d->devices[0].device = &d->device;
    d->machine = (mf_machine){.id = "one card",
                              .n_nodes = 1,
                              .pools = d->pools,
                              .n_pools = 2,
                              .devices = d->devices,
                              .n_devices = 1};
    (void)snprintf(d->quant_id, sizeof d->quant_id, "%s", table_text(t, "quant"));
    d->quant.id = d->quant_id;
    d->quant.mix = d->quant_id;
    d->target.n_ctx = table_number(t, "n_ctx");
    d->target.free_bytes[0] = free_bytes;
    d->target.margin_bytes = free_bytes - table_number(t, "device_mib") * mib;
    d->run = (mf_case){
        .model = truth_model(table_text(t, "model")),
        .quant = &d->quant,
        .machine = &d->machine,
        .engine = &d->engine,
        .backend = MF_BACKEND_METAL, /* laid out as llama.cpp's stand-in device was */
        .workload = {.n_ctx = 4096,
                     .n_parallel = 1,
                     .n_batch = 2048,
                     .n_ubatch = 512,
                     .flash_attention = true,
                     .kv_offload = true,
                     .kv_type_k = MF_TYPE_F16,
                     .kv_type_v = MF_TYPE_F16,
                     .gpu_layers = MF_ALL_LAYERS}
    };
}

/* The parts that a result stands for are a placement of their own, which needs what was found. */
static void expect_same_need(const device_of_row *d, const mf_fit_choice *fit)
{
    mf_layer_part parts[128];
    mf_fit_placement placement;
    mf_memory memory;
    mf_case run = d->run;
    mf_llamacpp_fit_placement(&placement, parts, fit, run.model);
    run.workload.placement = &placement.placement;
    run.workload.gpu_layers = fit->gpu_layers;
    run.workload.n_ctx = fit->n_ctx > 0 ? fit->n_ctx : run.model->context_max;
    cr_assert(eq(int, mf_memory_need(&memory, &run, NULL), MF_OK));
    const uint64_t *terms = memory.places[0].terms;
    cr_expect(eq(u64,
                 terms[MF_TERM_WEIGHTS] + terms[MF_TERM_KV_CACHE] + terms[MF_TERM_STATE] +
                     terms[MF_TERM_COMPUTE],
                 fit->devices[0].used_bytes),
              "%s",
              d->quant_id);
}

Test(fit, memfit_chooses_what_llama_cpp_chooses)
{
    table t;
    size_t n = 0;
    size_t same = 0;
    table_open(&t, "llamacpp/fit.csv");
    while (table_next(&t)) {
        device_of_row d;
        mf_fit_choice fit;
        mf_error err = {0};
        char layers[16] = "all";
        build(&d, &t);
        cr_assert(
            eq(int, mf_llamacpp_fit(&fit, &d.run, &d.target, &err), MF_OK), "%s", err.message);
        if (fit.gpu_layers != MF_ALL_LAYERS) {
            (void)snprintf(layers, sizeof layers, "%d", (int)fit.gpu_layers);
        }
        const bool right = fit.n_ctx == table_number(&t, "chosen_ctx") &&
                           strcmp(layers, table_text(&t, "chosen_gpu_layers")) == 0 &&
                           fit.n_overrides == table_number(&t, "n_overrides");
        cr_expect(right,
                  "%s on %s MiB: -c %llu -ngl %s with %zu patterns",
                  table_text(&t, "model"),
                  table_text(&t, "device_mib"),
                  (unsigned long long)fit.n_ctx,
                  layers,
                  fit.n_overrides);
        same += right ? 1 : 0;
        expect_same_need(&d, &fit);
        n++;
    }
    printf("--fit: %zu of %zu choices the same\n", same, n);
    cr_expect(eq(sz, n, (size_t)32));
    table_close(&t);
    truth_models_free();
}
