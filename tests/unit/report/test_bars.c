#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "report/validation.h"

/* What is found of a group of decode rows, as text. */
static mf_str bars_of(mf_hold_out left_out, mf_validation_group group)
{
    mf_document d = {0};
    mf_str out = {0};
    const mf_validation v = {.left_out = left_out};
    mf_show_bars(&d, &v, &group, 1);
    cr_assert(eq(int, mf_write_text(&out, &d, (mf_text_options){.width = 100}, NULL), MF_OK));
    mf_document_free(&d);
    return out;
}

static void expect_text(mf_str *out, const char *text)
{
    cr_expect(strstr(out->data, text) != NULL, "no \"%s\" in\n%s", text, out->data);
    mf_str_free(out);
}

static const mf_validation_group all = {
    .test = MF_TEST_DECODE, .by = MF_GROUP_ALL, .key = "", .n = 3, .mape = 0.1};

Test(bars, a_figure_at_its_bar_holds_and_one_beyond_does_not)
{
    mf_validation_group beyond = all;
    beyond.mape = 0.1006;
    mf_str at = bars_of(MF_HOLD_OUT_CHIP, all);
    mf_str above = bars_of(MF_HOLD_OUT_CHIP, beyond);
    expect_text(&at, "10.0 %      at most 10.0 %          holds");
    expect_text(&above, "10.1 %      at most 10.0 %  does not hold");
}

Test(bars, too_many_rows_in_their_interval_are_no_better_than_too_few)
{
    mf_validation_group wide = all;
    wide.coverage90 = 0.97;
    mf_str out = bars_of(MF_HOLD_OUT_CHIP, wide);
    expect_text(&out, "97.0 %    86.0 % to 94.0 %  does not hold");
}

Test(bars, the_best_of_the_published_rules_counts)
{
    mf_validation_group rules = all;
    for (size_t r = 0; r < MF_PUBLISHED_COUNT; r++) {
        rules.rules[r] = 0.9;
    }
    rules.rules[MF_PUBLISHED_VENDOR] = 0.24;
    mf_str out = bars_of(MF_HOLD_OUT_CHIP, rules);
    expect_text(&out, "2.4 times  at least 2.5 times  does not hold");
}

Test(bars, other_bars_are_set_for_a_model_left_out_and_none_for_a_quantization)
{
    const mf_validation_group mixtures = {.test = MF_TEST_DECODE,
                                          .by = MF_GROUP_KIND,
                                          .key = "mixture of experts",
                                          .n = 2,
                                          .mape = 0.13};
    mf_str out = bars_of(MF_HOLD_OUT_MODEL, mixtures);
    mf_str none = bars_of(MF_HOLD_OUT_QUANT, mixtures);
    expect_text(&out, "at most 14.0 %");
    cr_expect(eq(sz, none.size, 0));
    mf_str_free(&none);
}
