/* GGUF headers: whatever the bytes, a model that holds together or a refusal that says why. */
#include <stdint.h>
#include <stdlib.h>

#include "memfit/adapter.h"
#include "memfit/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_error err = {0};
    mf_model *model = NULL;
    mf_model_counts counts = {0};
    const mf_status status = mf_gguf_parse(&model, data, size, "fuzz.gguf", &err);
    if ((status == MF_OK) != (model != NULL) || (status == MF_OK) != (err.message[0] == '\0') ||
        status != err.status) {
        abort();
    }
    if (model != NULL) {
        if (mf_model_check(model, NULL) != MF_OK) {
            abort();
        }
        (void)mf_model_count(&counts, model, NULL);
        mf_model_free(model);
    }
    mf_adapter *adapter = NULL;
    err = (mf_error){0};
    if ((mf_adapter_parse(&adapter, data, size, "fuzz.gguf", &err) == MF_OK) != (adapter != NULL)) {
        abort();
    }
    mf_adapter_free(adapter);
    return 0;
}
