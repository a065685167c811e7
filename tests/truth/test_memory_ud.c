/*
 * test_memory_ud.c - sizes of published files against what is predicted without them: dynamic quantizations with their range, and
 * gpt-oss, whose experts stay as published.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/memfit.h"
#include "memory/footprint.h"
#include "truth/table.h"

/* Every tensor once, as in the file. */
static double predicted_bytes(const mf_model *model, const mf_quant *quant, bool estimated)
{
    mf_footprint *footprint = NULL;
    mf_error err = {0};
    uint64_t sum = 0;
    cr_assert(mf_footprint_new(&footprint, model, quant, &err) == MF_OK, "%s", err.message);
    cr_expect(eq(int, footprint->estimated, estimated));
    for (size_t i = 0; i < model->n_tensors; i++) {
        uint64_t bytes = 0;
        cr_assert(mf_footprint_tensor(&bytes, footprint, i, BUFFER_HOST, &err) == MF_OK);
        sum += bytes;
    }
    mf_footprint_free(footprint);
    return (double)sum;
}

enum { MAX_FILES = 80, SHARE = 90 };

/* A published file against what its scheme's base mix would take. */
typedef struct ud_file {
    char model[48];
    char quant[24];
    double share;
    bool within;
} ud_file;

static ud_file read_file(mf_database *database, const table *t)
{
    mf_model *model = NULL;
    mf_quant *quant = NULL;
    ud_file file = {.share = 0};
    (void)snprintf(file.model, sizeof file.model, "%s", table_text(t, "model"));
    (void)snprintf(file.quant, sizeof file.quant, "%s", table_text(t, "quant"));
    cr_assert(mf_database_model(&model, database, file.model, NULL) == MF_OK);
    cr_assert(mf_database_quant(&quant, database, file.quant, NULL) == MF_OK);
    const double ours = predicted_bytes(model, quant, true);
    const double off = ours / (double)table_number(t, "bytes") - 1;
    const double spread = mf_quant_size_spread(quant);
    file.share = mf_quant_size_share(quant) / (1 + off);
    file.within = off <= spread / (1 - spread) && off >= -spread / (1 + spread);
    printf("  %-24s %-11s %+5.1f %%, range +-%.1f %%%s\n",
           file.model,
           file.quant,
           100 * off,
           100 * spread,
           file.within ? "" : ", outside");
    mf_quant_free(quant);
    mf_model_free(model);
    return file;
}

static size_t read_files(ud_file *files)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    table t;
    size_t n = 0;
    cr_assert(mf_database_open(&database, folders, 1, NULL) == MF_OK);
    table_open(&t, "ud_sizes.csv");
    while (table_next(&t)) {
        cr_assert(lt(sz, n, (size_t)MAX_FILES));
        files[n++] = read_file(database, &t);
    }
    table_close(&t);
    mf_database_close(database);
    return n;
}

Test(ud, nine_of_ten_published_files_lie_within_the_range)
{
    ud_file files[MAX_FILES];
    const size_t n = read_files(files);
    size_t inside = 0;
    for (size_t i = 0; i < n; i++) {
        inside += files[i].within ? 1 : 0;
    }
    printf("dynamic quantizations: %zu of %zu within their range\n", inside, n);
    cr_expect(ge(sz, 100 * inside, SHARE * n));
}

/* The rule by which the ranges of quants.json are drawn: of three other files and more from the least to the most, and a
   hundredth more; of fewer around their middle, and around 1 without any. */
static bool others_hold(const ud_file *files, size_t n, const ud_file *left_out)
{
    enum { FEW = 3 };
    static const double margin = 0.01;
    static const double few = 0.11;
    double low = 0;
    double high = 0;
    size_t n_others = 0;
    for (size_t i = 0; i < n; i++) {
        const ud_file *f = &files[i];
        if (strcmp(f->model, left_out->model) != 0 && strcmp(f->quant, left_out->quant) == 0) {
            low = n_others == 0 || f->share < low ? f->share : low;
            high = f->share > high ? f->share : high;
            n_others++;
        }
    }
    const double middle = n_others > 0 ? (low + high) / 2 : 1;
    const bool known = n_others >= FEW;
    return left_out->share >= (known ? low * (1 - margin) : middle * (1 - few)) &&
           left_out->share <= (known ? high * (1 + margin) : middle * (1 + few));
}

Test(ud, nine_of_ten_files_lie_where_files_of_other_models_say)
{
    ud_file files[MAX_FILES];
    const size_t n = read_files(files);
    size_t inside = 0;
    for (size_t i = 0; i < n; i++) {
        inside += others_hold(files, n, &files[i]) ? 1 : 0;
    }
    printf("dynamic quantizations: %zu of %zu by the other models' files\n", inside, n);
    cr_expect(ge(sz, 100 * inside, SHARE * n));
}

/* Tensors alone to the byte (precision 0); a file as rounded, with the 13 MB of its vocabulary before them. */
Test(ud, files_of_gpt_oss_keep_its_experts)
{
    static const double header_bytes = 15e6;
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    table t;
    size_t n = 0;
    cr_assert(mf_database_open(&database, folders, 1, NULL) == MF_OK);
    table_open(&t, "native_sizes.csv");
    for (; table_next(&t); n++) {
        mf_model *model = NULL;
        mf_quant *quant = NULL;
        const double precision = (double)table_number(&t, "precision");
        cr_assert(mf_database_model(&model, database, table_text(&t, "model"), NULL) == MF_OK);
        cr_assert(mf_database_quant(&quant, database, table_text(&t, "quant"), NULL) == MF_OK);
        const double more =
            (double)table_number(&t, "bytes") - predicted_bytes(model, quant, false);
        cr_expect(ge(dbl, more, -precision), "%s %s: %g", model->id, quant->id, more);
        cr_expect(le(dbl, more, precision > 0 ? precision + header_bytes : 0),
                  "%s %s: %g",
                  model->id,
                  quant->id,
                  more);
        mf_quant_free(quant);
        mf_model_free(model);
    }
    printf("files of gpt-oss: %zu with the published experts\n", n);
    cr_expect(eq(sz, n, (size_t)15));
    table_close(&t);
    mf_database_close(database);
}
