#include "base/checked.h"
#include "base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(str, grows_across_its_first_capacity)
{
    mf_str text = {0};
    for (int i = 0; i < 500; i++) {
        mf_str_printf(&text, "%d,", i);
    }
    mf_str_add_char(&text, '=', 300);
    cr_expect(eq(int, mf_str_status(&text, NULL), MF_OK));
    cr_expect(eq(sz, text.size, strlen(text.data)));
    cr_expect(eq(sz, text.size, (size_t)(10 * 2 + 90 * 3 + 400 * 4 + 300)));
    mf_str_free(&text);
}

Test(str, edit_distance_counts_edits_and_gives_up_above_the_limit)
{
    cr_expect(eq(sz, mf_edit_distance("Kitten", "sitting", 5), (size_t)3));
    cr_expect(eq(sz, mf_edit_distance("rtx-4090", "RTX-4090", 5), (size_t)0));
    cr_expect(eq(sz, mf_edit_distance("abc", "xyzuvw", 2), (size_t)3));
    cr_expect(eq(sz, mf_edit_distance("", "ab", 2), (size_t)2));
}

Test(checked, overflow_is_told_and_leaves_the_result_alone)
{
    uint64_t out = 5;
    cr_expect(not(mf_add(&out, UINT64_MAX, 1)));
    cr_expect(not(mf_mul(&out, UINT64_MAX / 2, 3)));
    cr_expect(not(mf_pad(&out, UINT64_MAX, 256)));
    cr_expect(eq(u64, out, (uint64_t)5));
    cr_assert(mf_pad(&out, 257, 256));
    cr_expect(eq(u64, out, (uint64_t)512));
}
