/*
 * test_memory_peak.c - published peaks of llama.cpp against the breakdown. A process's resident set holds the mapped file
 * once, so that a tied table isn't counted twice there; GTT of Strix Halo holds what device and pinned host buffers take.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "memfit/memfit.h"
#include "truth/table.h"

static const double gib = 1073741824.0;

typedef struct setting {
    mf_database *database;
    mf_machine *mac;
    mf_machine *strix;
    mf_engine *engine;
} setting;

static void setting_open(setting *s)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    cr_assert(mf_database_open(&s->database, folders, 1, NULL) == MF_OK);
    cr_assert(mf_database_machine(&s->mac, s->database, "mac-studio-m4-max-40c-128gb", NULL) ==
              MF_OK);
    cr_assert(mf_database_machine(&s->strix, s->database, "strix-halo-128gb", NULL) == MF_OK);
    cr_assert(mf_database_engine(&s->engine, s->database, "llama.cpp", NULL) == MF_OK);
}

static void setting_close(setting *s)
{
    mf_engine_free(s->engine);
    mf_machine_free(s->strix);
    mf_machine_free(s->mac);
    mf_database_close(s->database);
}

/* Weights of the file, every tensor once. */
static uint64_t file_bytes(const mf_model *model, const mf_quant *quant)
{
    static mf_tensor_type types[65536];
    bool estimated = false;
    uint64_t bytes = 0;
    cr_assert(le(sz, model->n_tensors, sizeof types / sizeof types[0]));
    cr_assert(mf_quant_types(types, &estimated, model, quant, NULL) == MF_OK);
    cr_assert(mf_weight_bytes(&bytes, model, types, NULL) == MF_OK);
    return bytes;
}

static double need_gib(const table *t, const setting *s)
{
    mf_model *model = NULL;
    mf_quant *quant = NULL;
    mf_memory memory;
    mf_error err = {0};
    const bool gtt = strcmp(table_text(t, "kind"), "gtt") == 0;
    cr_assert(mf_database_model(&model, s->database, table_text(t, "model"), &err) == MF_OK,
              "%s",
              err.message);
    cr_assert(mf_database_quant(&quant, s->database, table_text(t, "quant"), &err) == MF_OK,
              "%s",
              err.message);
    mf_case run = {.model = model,
                   .quant = quant,
                   .machine = gtt ? s->strix : s->mac,
                   .engine = s->engine,
                   .backend = gtt ? MF_BACKEND_VULKAN : MF_BACKEND_METAL,
                   .workload = s->engine->defaults};
    run.workload.n_prompt = 0;
    run.workload.n_output = 0;
    run.workload.n_ctx = table_number(t, "n_ctx");
    cr_assert(mf_tensor_type_by_name(&run.workload.kv_type_k, table_text(t, "kv_type"), NULL) ==
              MF_OK);
    run.workload.kv_type_v = run.workload.kv_type_k;
    run.workload.flash_attention = table_number(t, "flash_attention") == 1;
    cr_assert(mf_memory_need(&memory, &run, &err) == MF_OK, "%s", err.message);
    uint64_t bytes = memory.total_bytes;
    if (gtt) {
        bytes -= memory.terms[MF_TERM_VOCABULARY];
    }
    if (strcmp(table_text(t, "kind"), "rss") == 0) {
        bytes = bytes - memory.terms[MF_TERM_WEIGHTS] + file_bytes(model, quant);
    }
    mf_quant_free(quant);
    mf_model_free(model);
    return (double)bytes / gib;
}

Test(peak, four_of_five_published_peaks_of_llama_cpp_are_met_within_five_per_cent)
{
    enum { CLOSE_SHARE = 80 };
    setting s;
    table t;
    size_t n = 0;
    size_t close = 0;
    setting_open(&s);
    table_open(&t, "llamacpp/peak.csv");
    while (table_next(&t)) {
        const char *end = NULL;
        double known = 0;
        cr_assert(mf_parse_number(&known, table_text(&t, "peak_gib"), &end));
        const double ours = need_gib(&t, &s);
        const double off = 100 * (ours / known - 1);
        n++;
        close += fabs(off) <= 5 ? 1 : 0;
        if (fabs(off) > 5) {
            printf("  %-28s %-11s %s: %.2f GiB, known %.2f (file %s), %+.1f %%\n",
                   table_text(&t, "model"),
                   table_text(&t, "quant"),
                   table_text(&t, "kind"),
                   ours,
                   known,
                   table_text(&t, "file_gib"),
                   off);
        }
    }
    printf("llama.cpp peaks: %zu of %zu within 5 %%\n", close, n);
    cr_expect(ge(sz, 100 * close, CLOSE_SHARE * n));
    table_close(&t);
    setting_close(&s);
}
