/* Tables of measurements: rows that make sense or a refusal that says why. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "memfit/measurement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_error err = {0};
    mf_measurements rows = {0};
    const mf_status status =
        mf_measurements_parse(&rows, (const char *)data, size, "rows.csv", &err);
    if ((status == MF_OK) != (err.message[0] == '\0') || status != err.status) {
        abort();
    }
    for (size_t i = 0; i < rows.n_items; i++) {
        const mf_measurement *row = &rows.items[i];
        if (row->skip == NULL && (!isfinite(row->tok_s) || row->tok_s <= 0 || row->model == NULL)) {
            abort();
        }
    }
    mf_measurements_free(&rows);
    return 0;
}
