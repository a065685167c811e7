/*
 * test_ttft.c - the time to the first token that mf_predict gives, against runs that measured it: one sequence, an empty
 * cache, prompts of 512 to 8192 tokens.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memfit/memfit.h"
#include "truth/table.h"

#define MEAN_BAR 0.18 /* a prompt's on a known chip */
#define LEAST_COVERED 0.86

typedef struct bench {
    mf_database *database;
    mf_machine *machine;
    mf_model *model;
    mf_quant *quant;
    mf_engine *engine;
    mf_calibration *calibration;
} bench;

static void bench_open(bench *b, const table *t)
{
    mf_error err = {0};
    char path[512];
    const char *const folders[] = {MF_SOURCE_DIR};
    const char *engine = table_text(t, "engine");
    (void)snprintf(path, sizeof path, "%s/hwdb/calibration/%s.json", MF_SOURCE_DIR, engine);
    mf_status status = mf_database_open(&b->database, folders, 1, &err);
    status = status == MF_OK
                 ? mf_database_machine(&b->machine, b->database, table_text(t, "machine"), &err)
                 : status;
    status = status == MF_OK
                 ? mf_database_model(&b->model, b->database, table_text(t, "model"), &err)
                 : status;
    status = status == MF_OK
                 ? mf_database_quant(&b->quant, b->database, table_text(t, "quant"), &err)
                 : status;
    status = status == MF_OK ? mf_database_engine(&b->engine, b->database, engine, &err) : status;
    status = status == MF_OK ? mf_calibration_load(&b->calibration, path, &err) : status;
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
}

static void bench_close(bench *b)
{
    mf_calibration_free(b->calibration);
    mf_engine_free(b->engine);
    mf_quant_free(b->quant);
    mf_model_free(b->model);
    mf_machine_free(b->machine);
    mf_database_close(b->database);
}

static mf_duration predict(const table *t)
{
    bench b = {0};
    mf_error err = {0};
    mf_prediction p = {0};
    bench_open(&b, t);
    const bool nvidia = b.machine->devices[0].device->vendor == MF_VENDOR_NVIDIA;
    const mf_case run = {
        .model = b.model,
        .machine = b.machine,
        .engine = b.engine,
        .quant = b.quant,
        .backend = nvidia ? MF_BACKEND_CUDA : MF_BACKEND_METAL,
        .workload = {.n_ctx = 16384,
                     .n_parallel = 1,
                     .n_batch = 2048,
                     .n_ubatch = (uint32_t)table_number(t, "n_ubatch"),
                     .n_outputs = 1,
                     .n_prompt = table_number(t, "n_prompt"),
                     .n_output = 32,
                     .kv_type_k = MF_TYPE_F16,
                     .kv_type_v = MF_TYPE_F16,
                     .kv_offload = true,
                     .gpu_layers = MF_ALL_LAYERS,
                     .flash_attention = true}
    };
    cr_assert(eq(int, mf_predict(&p, &run, b.calibration, &err), MF_OK), "%s", err.message);
    bench_close(&b);
    cr_assert(p.ttft.known, "%s", table_text(t, "model"));
    return p.ttft;
}

typedef struct score {
    const char *engine;
    size_t n;
    size_t n_covered;
    double sum;
    double worst;
} score;

static void add(score *s, const mf_duration *ttft, double measured_s)
{
    const double error = ttft->s / measured_s - 1;
    s->n++;
    s->n_covered += measured_s >= ttft->low_s && measured_s <= ttft->high_s ? 1 : 0;
    s->sum += fabs(error);
    s->worst = fabs(error) > fabs(s->worst) ? error : s->worst;
}

Test(truth, first_tokens_come_when_they_were_measured_to)
{
    score scores[] = {{.engine = "llama.cpp"}, {.engine = "mlx"}};
    size_t n_covered = 0;
    size_t n = 0;
    table t = {0};
    table_open(&t, "ttft.csv");
    while (table_next(&t)) {
        const mf_duration ttft = predict(&t);
        const size_t engine = strcmp(table_text(&t, "engine"), scores[1].engine) == 0 ? 1 : 0;
        const double measured_s = (double)table_number(&t, "ttft_ms") / 1000;
        printf("%-30s %-24s %5s tokens %7.3f s, predicted %7.3f (%.3f to %.3f)\n",
               table_text(&t, "machine"),
               table_text(&t, "model"),
               table_text(&t, "n_prompt"),
               measured_s,
               ttft.s,
               ttft.low_s,
               ttft.high_s);
        add(&scores[engine], &ttft, measured_s);
    }
    table_close(&t);
    for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
        const score *s = &scores[i];
        cr_assert(gt(sz, s->n, 0));
        printf("time to the first token, %s: %zu runs, mean error %.1f %%, worst %+.1f %%, %zu "
               "inside the 90 %% interval\n",
               s->engine,
               s->n,
               100 * s->sum / (double)s->n,
               100 * s->worst,
               s->n_covered);
        n += s->n;
        n_covered += s->n_covered;
    }
    cr_expect(lt(dbl, scores[0].sum / (double)scores[0].n, MEAN_BAR));
    cr_expect(ge(dbl, (double)n_covered, LEAST_COVERED * (double)n));
}
