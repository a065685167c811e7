/*
 * test_memory_ud.c - sizes of published dynamic quantizations against what is predicted without the file, and its range.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "memfit/memfit.h"
#include "memory/footprint.h"
#include "truth/table.h"

/* Every tensor once, as in the file. */
static double predicted_bytes(const mf_model *model, const mf_quant *quant)
{
    mf_footprint *footprint = NULL;
    mf_error err = {0};
    uint64_t sum = 0;
    cr_assert(mf_footprint_new(&footprint, model, quant, &err) == MF_OK, "%s", err.message);
    cr_expect(footprint->estimated);
    for (size_t i = 0; i < model->n_tensors; i++) {
        uint64_t bytes = 0;
        cr_assert(mf_footprint_tensor(&bytes, footprint, i, BUFFER_HOST, &err) == MF_OK);
        sum += bytes;
    }
    mf_footprint_free(footprint);
    return (double)sum;
}

Test(ud, nine_of_ten_published_files_lie_within_the_range)
{
    enum { SHARE = 90 };
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    table t;
    size_t n = 0;
    size_t inside = 0;
    cr_assert(mf_database_open(&database, folders, 1, NULL) == MF_OK);
    table_open(&t, "ud_sizes.csv");
    while (table_next(&t)) {
        mf_model *model = NULL;
        mf_quant *quant = NULL;
        cr_assert(mf_database_model(&model, database, table_text(&t, "model"), NULL) == MF_OK);
        cr_assert(mf_database_quant(&quant, database, table_text(&t, "quant"), NULL) == MF_OK);
        const double ours = predicted_bytes(model, quant);
        const double off = ours / (double)table_number(&t, "bytes") - 1;
        const double spread = mf_quant_size_spread(quant);
        const bool within = off <= spread / (1 - spread) && off >= -spread / (1 + spread);
        n++;
        inside += within ? 1 : 0;
        printf("  %-24s %-11s %+5.1f %%, range +-%.1f %%%s\n",
               table_text(&t, "model"),
               table_text(&t, "quant"),
               100 * off,
               100 * spread,
               within ? "" : ", outside");
        mf_quant_free(quant);
        mf_model_free(model);
    }
    printf("dynamic quantizations: %zu of %zu within their range\n", inside, n);
    cr_expect(ge(sz, 100 * inside, SHARE * n));
    table_close(&t);
    mf_database_close(database);
}
