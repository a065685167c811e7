#include "plan/ready.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/memfit.h"
#include "memfit/plan.h"

/* One of each kind: dense, tied, windows, experts, latent attention, recurrent, per-layer tables, compressed caches. */
static const char *const models[] = {"llama-3.1-8b",
                                     "qwen3-0.6b",
                                     "gemma-3-4b",
                                     "gemma-3n-e2b",
                                     "gpt-oss-20b",
                                     "deepseek-v2-lite",
                                     "qwen3-next-80b-a3b",
                                     "lfm2-1.2b",
                                     "glm-4.5-air"};
/* One of each class of places and of backends. */
static const char *const machines[] = {"mac-studio-m4-max-40c-128gb",
                                       "macbook-air-13-m5-8c-16gb",
                                       "2x-mac-studio-m4-max-40c-128gb",
                                       "pc-rtx-4090",
                                       "pc-4x-rtx-3090",
                                       "server-8x-h100-sxm",
                                       "dgx-spark-128gb",
                                       "strix-halo-128gb",
                                       "pc-rx-7900-xtx",
                                       "pc-2x-r9700",
                                       "pc-arc-b580",
                                       "host-2ch-ddr5-64gb",
                                       "nvidia-h100-sxm"};
static const char *const quants[] = {"Q8_0", "Q4_K_M", "IQ2_XXS"};

enum {
    N_MODELS = sizeof models / sizeof models[0],
    N_MACHINES = sizeof machines / sizeof machines[0],
    N_QUANTS = sizeof quants / sizeof quants[0],
};

typedef struct facts {
    mf_database *database;
    mf_engine *engine;
    mf_calibration *calibration;
    mf_machine *machines[N_MACHINES];
    mf_quant *quants[N_QUANTS];
    mf_ready_machine *ready;
} facts;

static facts loaded(void)
{
    facts f = {0};
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_init();
    cr_assert(eq(int, mf_database_open(&f.database, folders, 1, NULL), MF_OK));
    cr_assert(eq(int, mf_database_engine(&f.engine, f.database, "llama.cpp", NULL), MF_OK));
    cr_assert(eq(
        int,
        mf_calibration_load(&f.calibration, MF_SOURCE_DIR "/hwdb/calibration/llama.cpp.json", NULL),
        MF_OK));
    for (size_t i = 0; i < N_MACHINES; i++) {
        cr_assert(
            eq(int, mf_database_machine(&f.machines[i], f.database, machines[i], NULL), MF_OK),
            "%s",
            machines[i]);
    }
    for (size_t i = 0; i < N_QUANTS; i++) {
        cr_assert(eq(int, mf_database_quant(&f.quants[i], f.database, quants[i], NULL), MF_OK));
    }
    f.ready = calloc(N_MACHINES, sizeof *f.ready);
    return f;
}

static void freed(facts *f)
{
    for (size_t i = 0; i < N_MACHINES; i++) {
        mf_machine_free(f->machines[i]);
    }
    for (size_t i = 0; i < N_QUANTS; i++) {
        mf_quant_free(f->quants[i]);
    }
    free(f->ready);
    mf_calibration_free(f->calibration);
    mf_engine_free(f->engine);
    mf_database_close(f->database);
}

/* What is known in general against what mf_predict says of this one case. */
static void compare(const facts *f,
                    mf_ready_machine *machine,
                    const mf_ready_machine *like,
                    const mf_ready_model *model,
                    uint64_t n_ctx)
{
    mf_ready_bytes weights = {{0}};
    mf_ready_bytes rest = {{0}};
    mf_error err = {0};
    static mf_prediction p;
    mf_case run = {.model = model->model,
                   .quant = model->quant,
                   .machine = machine->machine,
                   .engine = f->engine,
                   .backend = machine->backend,
                   .workload = f->engine->defaults};
    run.workload.n_ctx = n_ctx;
    run.workload.n_output = 300;
    run.workload.n_prompt = n_ctx - 300;
    run.workload.kv_type_k = run.workload.kv_type_v = n_ctx > 4096 ? MF_TYPE_Q8_0 : MF_TYPE_F16;
    cr_assert(eq(int, mf_ready_weights(&weights, like, model, &err), MF_OK), "%s", err.message);
    cr_assert(
        eq(int, mf_ready_rest(&rest, like, model, &run.workload, &err), MF_OK), "%s", err.message);
    cr_assert(eq(int, mf_ready_machine_turn(machine, model, &err), MF_OK), "%s", err.message);
    cr_assert(eq(int, mf_predict(&p, &run, f->calibration, &err), MF_OK), "%s", err.message);
    const mf_ready_room room = mf_ready_room_of(machine, &weights, &rest);
    const char *name = machine->machine->id;
    cr_expect(eq(u64, room.need_bytes, p.memory.total_bytes),
              "%s %s on %s",
              run.model->id,
              run.quant->id,
              name);
    cr_expect(eq(int, room.fits, p.memory.fits), "%s %s on %s", run.model->id, run.quant->id, name);
    cr_expect(eq(i64, room.left_bytes, mf_memory_headroom(&p.memory)), "%s", name);
    cr_expect(eq(u64, machine->places.limit_bytes, p.memory.limit_bytes), "%s", name);
    if (!room.fits) {
        return;
    }
    const mf_ready_speed s = mf_ready_speed_of(machine, &run.workload);
    const double pairs[][2] = {
        {s.decode_tok_s,       p.decode.tok_s      },
        {s.decode_low_tok_s,   p.decode.low_tok_s  },
        {s.decode_high_tok_s,  p.decode.high_tok_s },
        {s.prefill_tok_s,      p.prefill.tok_s     },
        {s.prefill_low_tok_s,  p.prefill.low_tok_s },
        {s.prefill_high_tok_s, p.prefill.high_tok_s},
    };
    cr_expect(eq(int, s.known, p.decode.known), "%s on %s", run.model->id, name);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        cr_expect(le(dbl, fabs(pairs[i][0] - pairs[i][1]), 1e-9 * fabs(pairs[i][1])),
                  "%s %s on %s at %zu: %.9g, mf_predict has %.9g",
                  run.model->id,
                  run.quant->id,
                  name,
                  i,
                  pairs[i][0],
                  pairs[i][1]);
    }
    if (s.known) {
        cr_expect(eq(int, machine->basis[MF_TEST_DECODE], p.decode.basis));
    }
}

/* The first machine that holds the same: what a sweep would ask instead. */
static const mf_ready_machine *first_alike(const facts *f, size_t machine)
{
    size_t i = 0;
    while (!mf_ready_alike(&f->ready[i], &f->ready[machine])) {
        i++;
    }
    return &f->ready[i];
}

Test(ready, what_is_worked_out_once_agrees_with_the_one_estimator, .timeout = 240)
{
    facts f = loaded();
    bool made = false;
    for (size_t m = 0; m < N_MODELS; m++) {
        mf_model *model = NULL;
        mf_error err = {0};
        cr_assert(eq(int, mf_database_model(&model, f.database, models[m], &err), MF_OK),
                  "%s",
                  err.message);
        for (size_t q = 0; q < N_QUANTS; q++) {
            mf_ready_model ready;
            if (mf_ready_model_make(&ready, model, f.quants[q], &err) == MF_E_UNSUPPORTED) {
                continue;
            }
            for (size_t i = 0; !made && i < N_MACHINES; i++) {
                cr_assert(eq(int,
                             mf_ready_machine_make(&f.ready[i],
                                                   f.machines[i],
                                                   f.engine,
                                                   mf_plan_backend(f.machines[i]),
                                                   f.calibration,
                                                   &ready,
                                                   &err),
                             MF_OK),
                          "%s",
                          err.message);
            }
            made = true;
            for (size_t i = 0; i < N_MACHINES; i++) {
                compare(&f, &f.ready[i], first_alike(&f, i), &ready, q == 1 ? 12345 : 2500);
            }
            mf_ready_model_free(&ready);
        }
        mf_model_free(model);
        for (size_t i = 0; i < N_MACHINES; i++) {
            f.ready[i].turned_to = NULL;
        }
    }
    freed(&f);
}

/* Contexts in the order in which a line between two of them is used early and bent late: windows end at some of them. */
static const uint64_t asked[] = {131072, 512, 2048, 4096, 5120, 8192, 20224, 65536, 65600};

static void compare_contexts(const mf_model *model,
                             const mf_machine *machine,
                             const mf_engine *engine,
                             const mf_quant *quant)
{
    mf_ready_model ready;
    mf_error err = {0};
    cr_assert(eq(int, mf_ready_model_make(&ready, model, quant, &err), MF_OK), "%s", err.message);
    for (size_t i = 0; i < 2 * sizeof asked / sizeof asked[0]; i++) {
        mf_memory alone;
        mf_memory remembered;
        mf_case run = {.model = model,
                       .quant = quant,
                       .machine = machine,
                       .engine = engine,
                       .backend = mf_plan_backend(machine),
                       .workload = engine->defaults};
        run.workload.n_ctx = asked[i / 2];
        run.workload.n_prompt = run.workload.n_output = 100;
        run.workload.flash_attention = i % 2 == 0;
        cr_assert(eq(int, mf_memory_need(&alone, &run, &err), MF_OK), "%s", err.message);
        run.footprint = ready.footprint;
        cr_assert(eq(int, mf_memory_need(&remembered, &run, &err), MF_OK), "%s", err.message);
        for (size_t p = 0; p < alone.n_places; p++) {
            cr_expect(eq(u64, remembered.places[p].need_bytes, alone.places[p].need_bytes),
                      "%s on %s, %s, %u tokens%s",
                      model->id,
                      machine->id,
                      alone.places[p].name,
                      (unsigned)run.workload.n_ctx,
                      run.workload.flash_attention ? "" : " without flash attention");
        }
    }
    mf_ready_model_free(&ready);
}

Test(ready, contexts_between_others_hold_what_they_hold_alone, .timeout = 240)
{
    static const char *const few[] = {"mac-studio-m4-max-40c-128gb", "pc-4x-rtx-3090"};
    facts f = loaded();
    for (size_t m = 0; m < N_MODELS; m++) {
        mf_model *model = NULL;
        cr_assert(eq(int, mf_database_model(&model, f.database, models[m], NULL), MF_OK));
        for (size_t i = 0; i < N_MACHINES; i++) {
            if (strcmp(machines[i], few[0]) == 0 || strcmp(machines[i], few[1]) == 0) {
                compare_contexts(model, f.machines[i], f.engine, f.quants[0]);
            }
        }
        mf_model_free(model);
    }
    freed(&f);
}
