/* tensor_type.h: what a row of a weight matrix takes in a quantized format. */
#include <inttypes.h>
#include <stdio.h>

#include <memfit/tensor_type.h>

int main(void)
{
    mf_error err = {0};
    mf_tensor_type type = 0;
    uint64_t bytes = 0;
    mf_status status = mf_tensor_type_by_name(&type, "q4_k", &err);
    if (status == MF_OK) {
        status = mf_tensor_row_bytes(&bytes, type, 8192, &err);
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
        return mf_status_exit_code(status);
    }
    printf("8192 weights as q4_k: %" PRIu64 " bytes\n", bytes);
    return 0;
}
