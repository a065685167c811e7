/* Hugging Face configs: whatever the text, a model that holds together or a refusal that says why. */
#include <stdint.h>
#include <stdlib.h>

#include "memfit/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_error err = {0};
    mf_model *model = NULL;
    mf_model_counts counts = {0};
    const mf_status status = mf_hf_parse(&model, (const char *)data, size, "config.json", &err);
    if ((status == MF_OK) != (model != NULL) || (status == MF_OK) != (err.message[0] == '\0') ||
        status != err.status) {
        abort();
    }
    if (model != NULL) {
        if (mf_model_check(model, NULL) != MF_OK || mf_model_count(&counts, model, NULL) != MF_OK) {
            abort();
        }
        mf_model_free(model);
    }
    return 0;
}
