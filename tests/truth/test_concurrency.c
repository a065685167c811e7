/*
 * test_concurrency.c - steps of several sequences against llama-batched-bench: each sequence has `depth` tokens of prompt, then
 * 32 tokens are decoded together; tok_s counts all of them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memfit/memfit.h"
#include "speed/rows.h"
#include "speed/step.h"
#include "truth/table.h"

#define FILE_NAME "concurrency.csv"
#define DECODE_BAR 0.12

enum { MOST_CASES = 16 };

typedef struct group {
    const char *device;
    const char *model;
    double sum;
    double worst;
    size_t n;
} group;

typedef struct bench {
    mf_database *database;
    mf_calibration *calibration;
    mf_measurements measurements;
    mf_speed_rows rows;
} bench;

static void bench_open(bench *b)
{
    mf_error err = {0};
    const char *const folders[] = {MF_SOURCE_DIR};
    cr_assert(eq(int, mf_database_open(&b->database, folders, 1, &err), MF_OK), "%s", err.message);
    cr_assert(eq(int,
                 mf_calibration_load(
                     &b->calibration, MF_SOURCE_DIR "/hwdb/calibration/llama.cpp.json", &err),
                 MF_OK),
              "%s",
              err.message);
    cr_assert(
        eq(int,
           mf_measurements_load(&b->measurements, MF_SOURCE_DIR "/tests/truth/" FILE_NAME, &err),
           MF_OK),
        "%s",
        err.message);
    cr_assert(eq(int, mf_speed_rows_build(&b->rows, &b->measurements, b->database, &err), MF_OK),
              "%s",
              err.message);
}

static void bench_close(bench *b)
{
    mf_speed_rows_free(&b->rows);
    mf_measurements_free(&b->measurements);
    mf_calibration_free(b->calibration);
    mf_database_close(b->database);
}

/* Tokens per second of all sequences. */
static double predict(const bench *b, const mf_speed_row *row, uint32_t n_sequences)
{
    mf_error err = {0};
    static mf_path path;
    static mf_step_law law;
    path = (mf_path){.n_segments = 1};
    path.segments[0] = (mf_segment){.work = *row->work,
                                    .peaks = row->peaks,
                                    .setting = row->setting,
                                    .knobs = mf_knobs_of(b->calibration, &row->setting)};
    cr_assert(eq(int, mf_step_law_make(&law, &path, row->step, &err), MF_OK), "%s", err.message);
    const double depth = row->step.depth + row->step.n_tokens / 2;
    const mf_step_load load = {.n_decode = n_sequences, .sum_depth = n_sequences * depth};
    return n_sequences / mf_step_seconds(&law, load);
}

static group *group_of(group *groups, const mf_measurement *m)
{
    size_t i = 0;
    while (groups[i].n > 0 &&
           (strcmp(groups[i].device, m->device) != 0 || strcmp(groups[i].model, m->model) != 0)) {
        i++;
    }
    cr_assert(lt(sz, i, MOST_CASES - 1));
    groups[i].device = m->device;
    groups[i].model = m->model;
    return &groups[i];
}

Test(truth, batched_decode_is_within_its_bar_on_each_device)
{
    bench b = {0};
    group groups[MOST_CASES] = {0};
    table t = {0};
    bench_open(&b);
    table_open(&t, FILE_NAME);
    for (size_t i = 0; table_next(&t); i++) {
        const mf_speed_row *row = &b.rows.items[i];
        cr_assert(eq(ptr, (void *)(uintptr_t)row->skip, NULL), "%s", row->skip);
        const uint32_t n = (uint32_t)table_number(&t, "n_sequences");
        if (n == 1) {
            continue; /* one sequence is the law's, and no bar of batches */
        }
        const double error = predict(&b, row, n) / row->measurement->tok_s - 1;
        group *g = group_of(groups, row->measurement);
        g->sum += fabs(error);
        g->worst = fabs(error) > fabs(g->worst) ? error : g->worst;
        g->n++;
    }
    table_close(&t);
    for (size_t i = 0; groups[i].n > 0; i++) {
        const group *g = &groups[i];
        printf("batched decode, %s, %s: %zu rows, mean error %.1f %%, worst %+.1f %%\n",
               g->device,
               g->model,
               g->n,
               100 * g->sum / (double)g->n,
               100 * g->worst);
        cr_expect(lt(dbl, g->sum / (double)g->n, DECODE_BAR), "%s on %s", g->model, g->device);
    }
    bench_close(&b);
}
