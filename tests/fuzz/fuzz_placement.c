/* Placements: any text is one, or a refusal that says why. */
#include <stdint.h>
#include <stdlib.h>

#include "memfit/placement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_saved_placement *saved = NULL;
    mf_workload workload = {0};
    mf_error err = {0};
    if (mf_placement_parse(&saved, (const char *)data, size, "fuzz", &err) == MF_OK) {
        mf_placement_use(&workload, saved);
        mf_placement_free(saved);
    } else if (err.message[0] == '\0') {
        abort();
    }
    return 0;
}
