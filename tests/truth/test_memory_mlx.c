/*
 * test_memory_mlx.c - published peaks of mlx-lm and engines on it against the breakdown. Rows whose peak is below the
 * weights alone say GB and mean GiB, or leave the embedding out; they count as failures all the same.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "memfit/memfit.h"
#include "truth/table.h"

static double need_gib(const table *t,
                       const mf_database *database,
                       const mf_machine *mac,
                       const mf_engine *engine,
                       double *weights)
{
    mf_model *model = NULL;
    mf_quant *quant = NULL;
    mf_memory memory;
    mf_error err = {0};
    const double gib = 1073741824.0;
    cr_assert(mf_database_model(&model, database, table_text(t, "model"), &err) == MF_OK,
              "%s",
              err.message);
    cr_assert(mf_database_quant(&quant, database, table_text(t, "quant"), &err) == MF_OK,
              "%s",
              err.message);
    mf_case run = {.model = model,
                   .quant = quant,
                   .machine = mac,
                   .engine = engine,
                   .backend = MF_BACKEND_METAL,
                   .workload = engine->defaults};
    run.workload.n_prompt = table_number(t, "n_prompt");
    run.workload.n_output = table_number(t, "n_output");
    run.workload.n_ctx = run.workload.n_prompt + run.workload.n_output;
    cr_assert(mf_memory_need(&memory, &run, &err) == MF_OK, "%s", err.message);
    *weights = (double)memory.terms[MF_TERM_WEIGHTS] / gib;
    mf_quant_free(quant);
    mf_model_free(model);
    return (double)memory.total_bytes / gib;
}

Test(mlx, four_of_five_published_peaks_are_met_within_five_per_cent)
{
    enum { CLOSE_SHARE = 80 };
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    mf_machine *mac = NULL;
    mf_engine *engine = NULL;
    table t;
    size_t n = 0;
    size_t close = 0;
    cr_assert(mf_database_open(&database, folders, 1, NULL) == MF_OK);
    cr_assert(mf_database_machine(&mac, database, "mac-studio-m3-ultra-80c-512gb", NULL) == MF_OK);
    cr_assert(mf_database_engine(&engine, database, "mlx", NULL) == MF_OK);
    table_open(&t, "mlx_peak.csv");
    while (table_next(&t)) {
        const char *end = NULL;
        double known = 0;
        double weights = 0;
        cr_assert(mf_parse_number(&known, table_text(&t, "peak_gib"), &end));
        const double ours = need_gib(&t, database, mac, engine, &weights);
        const double off = 100 * (ours / known - 1);
        n++;
        close += fabs(off) <= 5 ? 1 : 0;
        if (fabs(off) > 5) {
            printf("  %-28s %-12s prompt %5s: %.2f GiB, known %.2f, %+.1f %%%s\n",
                   table_text(&t, "model"),
                   table_text(&t, "quant"),
                   table_text(&t, "n_prompt"),
                   ours,
                   known,
                   off,
                   known < weights ? ", below its weights" : "");
        }
    }
    printf("mlx peaks: %zu of %zu within 5 %%\n", close, n);
    cr_expect(ge(sz, 100 * close, CLOSE_SHARE * n));
    table_close(&t);
    mf_engine_free(engine);
    mf_machine_free(mac);
    mf_database_close(database);
}
