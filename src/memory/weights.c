#include "base/checked.h"
#include "memfit/memory.h"

mf_status
mf_weight_bytes(uint64_t *bytes, const mf_model *model, const mf_tensor_type *types, mf_error *err)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < model->n_tensors; i++) {
        uint64_t one = 0;
        const mf_status status = mf_tensor_bytes(&one, &model->tensors[i], types[i], err);
        if (status != MF_OK) {
            return status;
        }
        if (!mf_add(&sum, sum, one)) {
            return mf_fail(err, MF_E_OVERFLOW, "the weights exceed 64 bits");
        }
    }
    *bytes = sum;
    return MF_OK;
}
