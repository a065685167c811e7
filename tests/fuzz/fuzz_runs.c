/* Runs of foreign engines: what is read must be a CSV that reads again, with as many rows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/runs.h"

#ifndef MF_SOURCE_DIR
#define MF_SOURCE_DIR "."
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mf_database *database;
    const char *const folders[] = {MF_SOURCE_DIR};
    if (database == NULL && mf_database_open(&database, folders, 1, NULL) != MF_OK) {
        abort();
    }
    const mf_runs_options options = {
        .device_id = "apple-m1-8c", .model_id = "llama-2-7b", .quant_id = "Q4_0"};
    char *csv = NULL;
    mf_runs_count count = {0};
    mf_measurements rows = {0};
    if (mf_runs_read(&csv, &count, (const char *)data, size, "fuzz", &options, database, NULL) !=
        MF_OK) {
        return 0;
    }
    /* A format of the cache that no column knows is refused there. */
    if (mf_measurements_parse(&rows, csv, strlen(csv), "fuzz", NULL) == MF_OK &&
        rows.n_items != count.n_rows) {
        abort();
    }
    mf_measurements_free(&rows);
    free(csv);
    return 0;
}
