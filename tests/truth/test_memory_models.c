/*
 * test_memory_models.c - every model of modeldb has a complete breakdown in llama.cpp, exact or bounded, or is refused.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "memfit/memfit.h"

/* A Mac whose memory takes any model. */
typedef struct roomy {
    mf_device device;
    mf_pool pools[1];
    mf_machine_device devices[1];
    mf_machine machine;
    mf_engine engine;
} roomy;

static void build(roomy *r)
{
    const mf_fact plenty = {.value = 1e15, .known = true, .source = MF_NO_SOURCE};
    *r = (roomy){
        .pools = {{.name = "unified",
                   .kind = MF_POOL_UNIFIED,
                   .capacity_bytes = plenty,
                   .usable_bytes = plenty}},
        .devices = {                        {.count = 1}                                         },
        .engine = { .id = MF_ENGINE_LLAMACPP,                                          .name = "llama.cpp"}
    };
    r->devices[0].device = &r->device;
    r->machine = (mf_machine){.id = "roomy",
                              .n_nodes = 1,
                              .pools = r->pools,
                              .n_pools = 1,
                              .devices = r->devices,
                              .n_devices = 1};
}

static const mf_workload usual = {.n_ctx = 8192,
                                  .n_parallel = 1,
                                  .n_batch = 2048,
                                  .n_ubatch = 512,
                                  .n_outputs = 1,
                                  .flash_attention = true,
                                  .kv_offload = true,
                                  .kv_type_k = MF_TYPE_F16,
                                  .kv_type_v = MF_TYPE_F16,
                                  .gpu_layers = MF_ALL_LAYERS};

static mf_case case_of(const mf_model *model, const roomy *r)
{
    return (mf_case){.model = model,
                     .machine = &r->machine,
                     .engine = &r->engine,
                     .backend = MF_BACKEND_METAL,
                     .workload = usual};
}

/* Architectures that llama.cpp does not have. */
static bool is_refused(const mf_model *model, const roomy *r)
{
    mf_memory memory;
    const mf_case run = case_of(model, r);
    return mf_memory_need(&memory, &run, NULL) == MF_E_USAGE;
}

/* Compute buffers of both kinds of attention; false if they are only bounded. */
static bool has_breakdown(const mf_model *model, const roomy *r)
{
    bool exact = true;
    mf_case run = case_of(model, r);
    for (int flash = 0; flash < 2; flash++) {
        mf_memory memory;
        mf_error err = {0};
        run.workload.flash_attention = flash == 1;
        const mf_status status = mf_memory_need(&memory, &run, &err);
        cr_assert(eq(int, status, MF_OK), "%s: %s", model->id, err.message);
        cr_expect(gt(u64, memory.terms[MF_TERM_COMPUTE], (uint64_t)0), "%s", model->id);
        cr_expect(gt(u64, memory.terms[MF_TERM_WEIGHTS], (uint64_t)0), "%s", model->id);
        exact &= mf_memory_is_exact(&memory, MF_TERM_COMPUTE);
    }
    return exact;
}

Test(models, every_model_has_a_complete_breakdown)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    mf_names names = {0};
    roomy r;
    size_t n_exact = 0;
    build(&r);
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
    cr_assert(eq(int, mf_database_list(&names, database, MF_ENTRY_MODEL, NULL), MF_OK));
    cr_assert(gt(sz, names.n_items, (size_t)150));
    for (size_t i = 0; i < names.n_items; i++) {
        mf_model *model = NULL;
        cr_assert(eq(int, mf_database_model(&model, database, names.items[i], NULL), MF_OK));
        if (is_refused(model, &r)) {
            cr_expect(eq(str, model->architecture, "minimax-m1"));
        } else {
            n_exact += has_breakdown(model, &r) ? 1 : 0;
        }
        mf_model_free(model);
    }
    printf("compute buffers of modeldb: %zu of %zu models exact, the others bounded\n",
           n_exact,
           names.n_items);
    cr_expect(ge(sz, n_exact, (size_t)100));
    mf_names_free(&names);
    mf_database_close(database);
}
