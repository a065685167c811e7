#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/memfit.h"

/* What is true of predictions over everything that the databases hold. */

static mf_database *database;
static mf_calibration *calibration;

static void set_up(void)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_init();
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
    cr_assert(eq(
        int,
        mf_calibration_load(&calibration, MF_SOURCE_DIR "/hwdb/calibration/llama.cpp.json", NULL),
        MF_OK));
}

static void tear_down(void)
{
    mf_calibration_free(calibration);
    mf_database_close(database);
}

static mf_backend backend_of(const mf_machine *machine)
{
    const mf_device *device = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    if (device == NULL || device->chip_class == MF_CLASS_CPU) {
        return MF_BACKEND_CPU;
    }
    return device->vendor == MF_VENDOR_APPLE    ? MF_BACKEND_METAL
           : device->vendor == MF_VENDOR_NVIDIA ? MF_BACKEND_CUDA
           : device->vendor == MF_VENDOR_AMD    ? MF_BACKEND_ROCM
                                                : MF_BACKEND_VULKAN;
}

static mf_workload workload_of(double depth, double n_tokens)
{
    const uint64_t n = (uint64_t)n_tokens;
    return (mf_workload){.n_ctx = (uint64_t)depth + n + 256 - ((uint64_t)depth + n) % 256,
                         .n_prompt = (uint64_t)depth,
                         .n_output = n,
                         .n_parallel = 1,
                         .kv_type_k = MF_TYPE_F16,
                         .kv_type_v = MF_TYPE_F16,
                         .n_batch = 2048,
                         .n_ubatch = 512,
                         .n_outputs = 1,
                         .flash_attention = true,
                         .gpu_layers = MF_ALL_LAYERS,
                         .kv_offload = true};
}

/* By kind, fewest bits first. Q8_0 has whole bytes, which cost less to unpack than Q5_0's bits; below 4 bits kinds mix in
   one file: IQ2_XXS holds tensors of dearer kinds than IQ3_XXS does. */
enum { N_KINDS = 4 };
static const char *const kinds[N_KINDS][3] = {
    {"Q4_0",   "Q5_0",   "Q5_1"},
    {"Q4_0",   "Q8_0",   "F16" },
    {"Q4_K_M", "Q5_K_M", "Q6_K"},
    {"Q4_K_S", "Q5_K_S", "Q6_K"},
};

static size_t check_machine(mf_case *run, mf_quant *const quants[3])
{
    double before = 0;
    size_t n = 0;
    for (size_t q = 0; q < 3; q++) {
        mf_prediction p = {0};
        mf_error err = {0};
        run->quant = quants[q];
        cr_assert(eq(int, mf_predict(&p, run, calibration, &err), MF_OK), "%s", err.message);
        if (!p.decode.known || !p.placed.as_asked) {
            continue;
        }
        cr_assert(before <= 0 || p.decode.tok_s < before,
                  "%s: %s runs at %.6g tok/s, fewer bits at %.6g",
                  run->machine->id,
                  quants[q]->id,
                  p.decode.tok_s,
                  before);
        before = p.decode.tok_s;
        n++;
    }
    return n;
}

Test(agree, more_bits_of_a_kind_are_never_faster, .init = set_up, .fini = tear_down)
{
    mf_names machines = {0};
    mf_model *model = NULL;
    mf_engine *engine = NULL;
    mf_quant *quants[N_KINDS][3] = {{NULL}};
    size_t n = 0;
    cr_assert(eq(int, mf_database_model(&model, database, "llama-3.2-3b", NULL), MF_OK));
    cr_assert(eq(int, mf_database_engine(&engine, database, "llama.cpp", NULL), MF_OK));
    cr_assert(eq(int, mf_database_list(&machines, database, MF_ENTRY_MACHINE, NULL), MF_OK));
    for (size_t k = 0; k < N_KINDS; k++) {
        for (size_t q = 0; q < 3; q++) {
            cr_assert(
                eq(int, mf_database_quant(&quants[k][q], database, kinds[k][q], NULL), MF_OK));
        }
    }
    for (size_t m = 0; m < machines.n_items; m++) {
        mf_machine *machine = NULL;
        cr_assert(
            eq(int, mf_database_machine(&machine, database, machines.items[m], NULL), MF_OK));
        mf_case run = {.model = model,
                       .machine = machine,
                       .engine = engine,
                       .backend = backend_of(machine),
                       .workload = workload_of(512, 128)};
        for (size_t k = 0; k < N_KINDS; k++) {
            n += check_machine(&run, quants[k]);
        }
        mf_machine_free(machine);
    }
    cr_assert(gt(sz, n, 8 * machines.n_items));
    for (size_t k = 0; k < N_KINDS; k++) {
        for (size_t q = 0; q < 3; q++) {
            mf_quant_free(quants[k][q]);
        }
    }
    mf_names_free(&machines);
    mf_engine_free(engine);
    mf_model_free(model);
}
