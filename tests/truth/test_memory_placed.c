/*
 * test_memory_placed.c - shapes that nobody has seen on up to four devices and the host: uneven memory and splits,
 * patterns, experts on the host, caches on the host. Devices are llama.cpp's stand-ins: "rpc" works alone, "cuda" has
 * events and takes weights of the host along.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/llamacpp_fit.h"
#include "memory/llamacpp_place.h"
#include "truth/bare.h"
#include "truth/table.h"
#include "truth/tally.h"

enum { MOST_DEVICES = 4, ALL_EXPERTS = 999 };

static char f16[] = "F16";

typedef struct bench {
    mf_device device;
    mf_pool pools[MOST_DEVICES + 1];
    mf_machine_device devices[MOST_DEVICES];
    mf_machine machine;
    mf_engine engine;
    mf_quant quant;
    char pattern[128];
    mf_override override;
    mf_placement placement;
    mf_case run;
} bench;

/* Part i of "a/b/c". */
static double part_of(const char *text, size_t i)
{
    while (i-- > 0) {
        text = strchr(text, '/') + 1;
    }
    return strtod(text, NULL);
}

static void add_devices(bench *b, const table *t)
{
    static const double mib = 1048576;
    const size_t n = table_number(t, "n_devices");
    for (size_t i = 0; i <= n; i++) {
        const double free_bytes = i < n ? mib * part_of(table_text(t, "free_mib"), i) : 1e15;
        b->pools[i] = (mf_pool){.name = "memory", .kind = i < n ? MF_POOL_DEVICE : MF_POOL_HOST};
        b->pools[i].capacity_bytes =
            (mf_fact){.value = free_bytes, .known = true, .source = MF_NO_SOURCE};
    }
    for (size_t i = 0; i < n; i++) {
        b->devices[i] = (mf_machine_device){.count = 1, .pool = i, .device = &b->device};
    }
    b->machine = (mf_machine){.id = "cards",
                              .n_nodes = 1,
                              .pools = b->pools,
                              .n_pools = n + 1,
                              .devices = b->devices,
                              .n_devices = n};
}

/* One pattern, "regex@device". */
static void add_placement(bench *b, const table *t)
{
    const char *split = table_text(t, "split");
    (void)snprintf(b->pattern, sizeof b->pattern, "%s", table_text(t, "overrides"));
    char *at = strrchr(b->pattern, '@');
    if (at != NULL) {
        *at = '\0';
        b->override = (mf_override){.pattern = b->pattern, .device = atoi(at + 1)};
        b->placement.overrides = &b->override;
        b->placement.n_overrides = 1;
    }
    b->placement.n_split = split[0] != '\0' ? table_number(t, "n_devices") : 0;
    for (size_t i = 0; i < b->placement.n_split; i++) {
        b->placement.split[i] = part_of(split, i);
    }
    b->run.workload.placement = at != NULL || b->placement.n_split > 0 ? &b->placement : NULL;
}

static void build(bench *b, const table *t)
{
    const mf_model *model = truth_model(table_text(t, "model"));
    const bool cuda = strcmp(table_text(t, "kind"), "cuda") == 0;
    const uint64_t cpu_moe = table_number(t, "cpu_moe");
    *b = (bench){0};
    add_devices(b, t);
    b->engine = (mf_engine){.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"};
    b->quant = (mf_quant){.id = f16, .mix = f16, .family = MF_QUANT_GGUF, .base = MF_TYPE_F16};
    b->run = (mf_case){.model = model,
                       .quant = &b->quant,
                       .machine = &b->machine,
                       .engine = &b->engine,
                       .backend = cuda ? MF_BACKEND_CUDA : MF_BACKEND_METAL,
                       .workload = truth_workload(t)};
    mf_workload *w = &b->run.workload;
    w->gpu_layers = (int32_t)table_number(t, "ngl");
    w->kv_offload = table_number(t, "offload_kqv") == 1;
    w->swa_full = table_number(t, "swa_full") == 1;
    w->n_cpu_moe = (uint32_t)(cpu_moe >= ALL_EXPERTS ? model->n_layers : cpu_moe);
    add_placement(b, t);
}

static void check(const table *t, const bench *b, tally *tallies)
{
    static const char *const columns[] = {"model_bytes", "context_bytes", "compute_bytes"};
    mf_memory need;
    mf_error err = {0};
    cr_assert(mf_memory_need(&need, &b->run, &err) == MF_OK, "%s", err.message);
    const compute_size alone = truth_bare_compute(&b->run, (compute_setup){.as_run = true});
    for (size_t i = 0; i < need.n_places; i++) {
        const uint64_t *terms = need.places[i].terms;
        const uint64_t ours[] = {terms[MF_TERM_WEIGHTS],
                                 terms[MF_TERM_KV_CACHE] + terms[MF_TERM_STATE],
                                 b->run.backend == MF_BACKEND_CUDA ? terms[MF_TERM_COMPUTE]
                                                                   : alone.bytes[i]};
        for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++) {
            const uint64_t known = (uint64_t)part_of(table_text(t, columns[k]), i);
            tally_expect(tally_of(tallies, columns[k]), t, ours[k], known);
        }
    }
}

Test(placed, unseen_shapes_on_several_devices_take_llama_cpps_own_bytes)
{
    table t;
    tally tallies[MAX_TALLIES] = {0};
    size_t n = 0;
    table_open(&t, "llamacpp/placed.csv");
    while (table_next(&t)) {
        bench b;
        mf_footprint *footprint = NULL;
        build(&b, &t);
        cr_assert(mf_footprint_new(&footprint, b.run.model, &b.quant, NULL) == MF_OK);
        b.run.footprint = footprint;
        check(&t, &b, tallies);
        mf_footprint_free(footprint);
        n++;
    }
    tally_print("placed, by place", tallies);
    cr_expect(ge(sz, n, (size_t)80));
    table_close(&t);
    truth_models_free();
}

static uint64_t device_compute(const mf_case *run)
{
    mf_memory need;
    cr_assert(mf_memory_need(&need, run, NULL) == MF_OK);
    return need.places[0].terms[MF_TERM_COMPUTE];
}

/* llama.cpp copies one tensor of experts at a time, as it is stored. */
Test(placed, schemes_that_share_a_memo_differ_in_what_a_device_takes_along)
{
    static char q8_0[] = "Q8_0";
    const mf_quant eight = {.id = q8_0, .mix = q8_0, .family = MF_QUANT_GGUF, .base = MF_TYPE_Q8_0};
    table t;
    bench b;
    mf_footprint *half = NULL;
    mf_footprint *like = NULL;
    mf_footprint *fresh = NULL;
    table_open(&t, "llamacpp/placed.csv");
    do {
        cr_assert(table_next(&t));
    } while (strcmp(table_text(&t, "model"), "Qwen3-30B-A3B") != 0);
    build(&b, &t);
    b.run.backend = MF_BACKEND_CUDA;
    b.run.workload.placement = NULL;
    b.run.workload.kv_offload = true;
    b.run.workload.gpu_layers = MF_ALL_LAYERS;
    b.run.workload.n_cpu_moe = (uint32_t)b.run.model->n_layers;
    cr_assert(mf_footprint_new(&half, b.run.model, &b.quant, NULL) == MF_OK);
    mf_footprint_remember(half);
    cr_assert(mf_footprint_new_like(&like, half, &eight, NULL) == MF_OK);
    cr_assert(mf_footprint_new(&fresh, b.run.model, &eight, NULL) == MF_OK);
    b.run.footprint = half;
    const uint64_t with_f16 = device_compute(&b.run);
    b.run.footprint = like;
    const uint64_t with_q8_0 = device_compute(&b.run);
    b.run.footprint = fresh;
    cr_expect(eq(u64, with_q8_0, device_compute(&b.run)));
    cr_expect(lt(u64, with_q8_0, with_f16));
    mf_footprint_free(fresh);
    mf_footprint_free(like);
    mf_footprint_free(half);
    table_close(&t);
    truth_models_free();
}

/* With several sequences and layers on the host llama.cpp gives its fused kernel up. Its own dry run of Qwen3 Next, 44
   layers on the host: 1172307968 bytes on the device either way, as experts need more. */
Test(placed, delta_layers_are_exact_with_and_without_their_fused_kernel)
{
    enum { ON_DEVICE = 4, SEQUENCES = 4 };
    static const uint64_t known = 1172307968;
    table t;
    bench b;
    mf_memory need;
    table_open(&t, "llamacpp/placed.csv");
    cr_assert(table_next(&t));
    build(&b, &t);
    b.run.model = truth_model("Qwen3-Next-80B-A3B");
    b.run.backend = MF_BACKEND_CUDA;
    b.machine.n_devices = 1;
    b.run.workload = (mf_workload){.n_ctx = 8192,
                                   .n_batch = 2048,
                                   .n_ubatch = 512,
                                   .n_parallel = 1,
                                   .n_outputs = 1,
                                   .kv_unified = true,
                                   .kv_type_k = MF_TYPE_F16,
                                   .kv_type_v = MF_TYPE_F16,
                                   .flash_attention = true,
                                   .kv_offload = true,
                                   .gpu_layers = ON_DEVICE};
    cr_assert(mf_memory_need(&need, &b.run, NULL) == MF_OK);
    cr_expect(mf_memory_is_exact(&need, MF_TERM_COMPUTE));
    cr_expect(eq(u64, need.places[0].terms[MF_TERM_COMPUTE], known));
    b.run.workload.n_parallel = SEQUENCES;
    b.run.workload.n_outputs = SEQUENCES;
    cr_assert(mf_memory_need(&need, &b.run, NULL) == MF_OK);
    cr_expect(mf_memory_is_exact(&need, MF_TERM_COMPUTE));
    cr_expect(eq(u64, need.places[0].terms[MF_TERM_COMPUTE], known));
    table_close(&t);
    truth_models_free();
}

/* By the dry run that --fit decides by, the choice as a placement puts on every device what was found for it: what spills
   over to the next device goes there, not to the host. */
static void expect_same_need(const mf_fit_choice *choice, const mf_case *asked, const char *name)
{
    enum { MOST_LAYERS = 128 };
    mf_layer_part parts[MOST_LAYERS];
    mf_fit_placement placement;
    mf_footprint *footprint = NULL;
    mf_memory memory = {0};
    mf_case run = *asked;
    cr_assert(lt(sz, run.model->n_layers, MOST_LAYERS));
    cr_assert(mf_footprint_new(&footprint, run.model, run.quant, NULL) == MF_OK);
    run.footprint = footprint;
    mf_llamacpp_fit_placement(&placement, parts, choice, run.model);
    run.workload.placement = &placement.placement;
    run.workload.gpu_layers = choice->gpu_layers;
    run.workload.n_ctx = choice->n_ctx > 0 ? choice->n_ctx : run.model->context_max;
    const layout at = mf_layout_places(&memory, &run);
    cr_assert(mf_llamacpp_dry_run(&memory, &run, &at, NULL) == MF_OK, "%s", name);
    for (size_t i = 0; !choice->fits_as_it_is && i < choice->n_devices; i++) {
        const uint64_t *terms = memory.places[i].terms;
        const uint64_t need = terms[MF_TERM_WEIGHTS] + terms[MF_TERM_KV_CACHE] +
                              terms[MF_TERM_STATE] + terms[MF_TERM_COMPUTE];
        cr_expect(eq(u64, need, choice->devices[i].used_bytes), "%s, device %zu", name, i);
    }
    mf_footprint_free(footprint);
}

static void check_fit(const table *t, bench *b)
{
    static const uint64_t mib = 1048576;
    const mf_fit_target target = {.n_ctx = table_number(t, "n_ctx"),
                                  .n_ctx_min = table_number(t, "n_ctx_min"),
                                  .margin_bytes = mib * table_number(t, "margin_mib")};
    const char *name = table_text(t, "model");
    mf_fit_choice choice;
    b->run.workload.n_ctx = 0;
    cr_assert(mf_llamacpp_fit(&choice, &b->run, &target, NULL) == MF_OK, "%s", name);
    cr_expect(eq(u64, choice.n_ctx, table_number(t, "fit_ctx")), "%s", name);
    cr_expect(eq(int, choice.gpu_layers, (int)table_number(t, "fit_ngl")), "%s", name);
    cr_expect(eq(sz, choice.n_overrides, table_number(t, "fit_patterns")), "%s", name);
    for (size_t i = 0; i < choice.n_devices; i++) {
        const uint64_t known = (uint64_t)part_of(table_text(t, "fit_split"), i);
        cr_expect(eq(u64, choice.devices[i].n_layers, known), "%s, device %zu", name, i);
    }
    expect_same_need(&choice, &b->run, name);
}

/* What is cut off a layer goes to the next device; the dry run decides, norms where it forgets them. */
Test(placed, fit_shares_models_out_between_devices_as_llama_cpp_does)
{
    table t;
    size_t n = 0;
    table_open(&t, "llamacpp/fit_devices.csv");
    while (table_next(&t)) {
        bench b = {
            .quant = {.id = f16, .mix = f16, .family = MF_QUANT_GGUF, .base = MF_TYPE_F16}
        };
        add_devices(&b, &t);
        b.engine = (mf_engine){.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"};
        b.run = (mf_case){.model = truth_model(table_text(&t, "model")),
                          .quant = &b.quant,
                          .machine = &b.machine,
                          .engine = &b.engine,
                          .backend = MF_BACKEND_CUDA,
                          .workload = truth_workload(&t)};
        check_fit(&t, &b);
        n++;
    }
    printf("--fit on several devices: %zu choices\n", n);
    cr_expect(ge(sz, n, (size_t)20));
    table_close(&t);
    truth_models_free();
}
