#include "memfit/tensor_type.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(tensor_type, a_row_counts_whole_blocks)
{
    uint64_t bytes = 0;
    cr_assert(eq(int, mf_tensor_row_bytes(&bytes, MF_TYPE_Q4_K, 4096, NULL), MF_OK));
    cr_expect(eq(u64, bytes, (uint64_t)(4096 / 256 * 144)));
    cr_assert(eq(int, mf_tensor_row_bytes(&bytes, MF_TYPE_Q8_0, 96, NULL), MF_OK));
    cr_expect(eq(u64, bytes, (uint64_t)102));
    cr_assert(eq(int, mf_tensor_row_bytes(&bytes, MF_TYPE_MLX_Q4, 128, NULL), MF_OK));
    cr_expect(eq(u64, bytes, (uint64_t)72));
}

Test(tensor_type, a_broken_row_is_refused_and_the_result_kept)
{
    uint64_t bytes = 7;
    cr_expect(eq(int, mf_tensor_row_bytes(&bytes, MF_TYPE_Q6_K, 2880, NULL), MF_E_DATA));
    cr_expect(
        eq(int, mf_tensor_row_bytes(&bytes, MF_TYPE_F64, UINT64_MAX / 4, NULL), MF_E_OVERFLOW));
    cr_expect(eq(u64, bytes, (uint64_t)7));
}

Test(tensor_type, names_and_gguf_numbers_find_the_same_row)
{
    for (int i = 0; i < MF_TYPE_COUNT; i++) {
        const mf_tensor_type_info *info = mf_tensor_type_get((mf_tensor_type)i);
        mf_tensor_type found = MF_TYPE_COUNT;
        cr_assert(eq(int, mf_tensor_type_by_name(&found, info->name, NULL), MF_OK));
        cr_expect(eq(int, (int)found, i), "%s", info->name);
        if (info->gguf_id != MF_NOT_GGML) {
            cr_assert(
                eq(int, mf_tensor_type_by_gguf_id(&found, (uint32_t)info->gguf_id, NULL), MF_OK));
            cr_expect(eq(int, (int)found, i), "%s", info->name);
        }
    }
}

Test(tensor_type, an_unknown_name_or_number_says_so)
{
    mf_tensor_type type = MF_TYPE_F16;
    mf_error err = {0};
    cr_expect(eq(int, mf_tensor_type_by_name(&type, "q9_K", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "no tensor type 'q9_K', write one like \"q4_K\" or \"f16\""));
    cr_expect(eq(int, mf_tensor_type_by_gguf_id(&type, 4, &err), MF_E_UNKNOWN)); /* removed q4_2 */
    cr_expect(eq(int, (int)type, MF_TYPE_F16));
}
