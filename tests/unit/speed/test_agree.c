#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>

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
        cr_assert(eq(int, mf_database_machine(&machine, database, machines.items[m], NULL), MF_OK));
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

/* The backend whose kernels of today a row ran on; MF_BACKEND_COUNT: others. */
static mf_backend backend_of_row(const mf_measurement *m)
{
    static const struct {
        mf_runtime runtime;
        mf_backend backend;
    } today[] = {
        {MF_RUNTIME_METAL,  MF_BACKEND_METAL },
        {MF_RUNTIME_CUDA,   MF_BACKEND_CUDA  },
        {MF_RUNTIME_ROCM,   MF_BACKEND_ROCM  },
        {MF_RUNTIME_VULKAN, MF_BACKEND_VULKAN},
    };
    for (size_t i = 0; i < sizeof today / sizeof today[0]; i++) {
        if (m->engine == MF_ENGINE_LLAMACPP && m->runtime == today[i].runtime) {
            return today[i].backend;
        }
    }
    return MF_BACKEND_COUNT;
}

static mf_workload workload_of_row(const mf_measurement *m)
{
    const bool decode = m->test == MF_TEST_DECODE;
    mf_workload w = workload_of(decode ? m->depth_tokens : m->n_tokens, decode ? m->n_tokens : 1);
    w.kv_type_k = w.kv_type_v = m->kv_type;
    w.flash_attention = m->flash_attention;
    w.n_ubatch = (uint32_t)m->ubatch_tokens;
    return w;
}

/* A machine of this device where everything fits. */
typedef struct roomy {
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_machine machine;
} roomy;

static void fill_roomy(roomy *at, mf_device *device)
{
    static char id[] = "roomy";
    const mf_fact room = {.value = 1e12, .known = true, .source = MF_NO_SOURCE};
    *at = (roomy){
        .pools = {{.name = "vram", .kind = MF_POOL_DEVICE, .capacity_bytes = room},
                  {.name = "host", .kind = MF_POOL_HOST, .capacity_bytes = room}}
    };
    at->devices[0] = (mf_machine_device){.device_id = device->id, .count = 1, .device = device};
    at->machine = (mf_machine){.id = id,
                               .name = id,
                               .n_nodes = 1,
                               .pools = at->pools,
                               .n_pools = 2,
                               .devices = at->devices,
                               .n_devices = 1};
}

/* True if the row is one that a case of memfit fit can say: the prediction must then be the same. */
static bool check_row(const mf_validated *row, const mf_engine *engine)
{
    const mf_measurement *m = row->measurement;
    const mf_backend backend = backend_of_row(m);
    const bool decode = m->test == MF_TEST_DECODE;
    if (!row->rate.known || m->wide_dense || backend == MF_BACKEND_COUNT || m->n_tokens < 1 ||
        (!decode && m->depth_tokens > 0)) {
        return false;
    }
    mf_device *device = NULL;
    mf_model *model = NULL;
    mf_quant *quant = NULL;
    mf_prediction p = {0};
    cr_assert(eq(int, mf_database_device(&device, database, m->device, NULL), MF_OK));
    roomy at;
    fill_roomy(&at, device);
    at.devices[0].count = m->n_devices;
    cr_assert(eq(int, mf_database_model(&model, database, m->model, NULL), MF_OK));
    cr_assert(eq(int, mf_database_quant(&quant, database, m->scheme, NULL), MF_OK));
    const mf_case run = {.model = model,
                         .quant = quant,
                         .machine = &at.machine,
                         .engine = engine,
                         .backend = backend,
                         .workload = workload_of_row(m)};
    const bool said = mf_predict(&p, &run, calibration, NULL) == MF_OK && p.memory_known &&
                      p.placed.as_asked && p.decode.known;
    const mf_rate *rate = decode ? &p.decode : &p.prefill;
    if (said) {
        /* A case shares the layers by their memory, a row doesn't know it and shares alike. */
        const double least = m->n_devices > 1 ? 1e-3 : 1e-9;
        cr_assert(fabs(rate->tok_s / row->rate.tok_s - 1) < least,
                  "line %zu: %.12g tok/s, validate says %.12g",
                  m->line,
                  rate->tok_s,
                  row->rate.tok_s);
    }
    mf_quant_free(quant);
    mf_model_free(model);
    mf_device_free(device);
    return said;
}

/* Every tenth row, from the first. */
Test(agree, validate_predicts_what_a_case_of_the_row_gets, .init = set_up, .fini = tear_down)
{
    enum { EVERY = 10 };
    mf_measurements all = {0};
    mf_validation v = {0};
    mf_validation_options options = {0};
    mf_engine *engine = NULL;
    size_t n[MF_TEST_COUNT] = {0};
    options.calibrations[MF_ENGINE_LLAMACPP] = calibration;
    cr_assert(eq(int, mf_database_engine(&engine, database, "llama.cpp", NULL), MF_OK));
    cr_assert(
        eq(int, mf_measurements_load(&all, MF_SOURCE_DIR "/tests/truth/speed.csv", NULL), MF_OK));
    mf_measurements some = {.items = calloc(all.n_items, sizeof *some.items)};
    for (size_t i = 0; i < all.n_items; i += EVERY) {
        some.items[some.n_items] = all.items[i];
        some.n_items++;
    }
    cr_assert(eq(int, mf_validate(&v, &some, database, &options, NULL), MF_OK));
    for (size_t i = 0; i < v.n_items; i++) {
        n[v.items[i].measurement->test] += check_row(&v.items[i], engine) ? 1 : 0;
    }
    cr_assert(gt(sz, n[MF_TEST_DECODE], 25));
    cr_assert(gt(sz, n[MF_TEST_PREFILL], 20));
    mf_validation_free(&v);
    free(some.items);
    mf_measurements_free(&all);
    mf_engine_free(engine);
}
