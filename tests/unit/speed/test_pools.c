#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "speed/pools.h"

static void add(mf_residuals *list, mf_chip_class chip_class, size_t device, double e)
{
    const mf_residual one = {
        .chip_class = chip_class,
        .device = device,
        .fold = device,
        .error = {.log_error = e, .log_sd = 1},
    };
    cr_assert(eq(int, mf_residuals_add(list, one, NULL), MF_OK));
}

/* 20 NVIDIA chips of one row and one AMD chip of 10 rows. */
static mf_residuals two_classes(void)
{
    mf_residuals list = {0};
    for (size_t i = 0; i < 20; i++) {
        add(&list, MF_CLASS_NVIDIA_GDDR, i, i % 2 == 0 ? 0.1 : -0.1);
    }
    for (size_t i = 0; i < 10; i++) {
        add(&list, MF_CLASS_AMD_GDDR, 20, 0.4);
    }
    return list;
}

Test(pools, a_class_of_few_chips_is_drawn_towards_all)
{
    mf_residuals list = two_classes();
    mf_residual_pool pool = {
        .scope = MF_POOL_CLASS, .vendor = MF_VENDOR_AMD, .chip_class = MF_CLASS_AMD_GDDR};
    cr_assert(mf_residuals_pool(&pool, &list));
    /* all: 0.4 at 94 % of 30; vendor and class: 0.4 too */
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, 0.4, 1e-12));
    cr_assert(eq(u32, pool.n_rows, 10));
    cr_assert(epsilon_eq(dbl, pool.mean_error, fabs(expm1(-0.4)), 1e-12));
    pool.chip_class = MF_CLASS_NVIDIA_GDDR;
    pool.vendor = MF_VENDOR_NVIDIA;
    cr_assert(mf_residuals_pool(&pool, &list));
    /* twice 20 of 26 parts of the way from 0.4 to 0.1: 20 chips against the parent's 6 */
    const double vendor = (20 * log(0.1) + 6 * log(0.4)) / 26;
    const double expected = exp((20 * log(0.1) + 6 * vendor) / 26);
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, expected, 1e-12));
    mf_residuals_free(&list);
}

Test(pools, where_classes_were_left_out_chips_of_one_class_are_one_voice)
{
    mf_residuals list = two_classes();
    list.left_out = MF_LEFT_OUT_CLASS;
    mf_residual_pool pool = {
        .scope = MF_POOL_CLASS, .vendor = MF_VENDOR_NVIDIA, .chip_class = MF_CLASS_NVIDIA_GDDR};
    cr_assert(mf_residuals_pool(&pool, &list));
    /* one class against the parent's 6, twice */
    const double vendor = (log(0.1) + 6 * log(0.4)) / 7;
    const double expected = exp((log(0.1) + 6 * vendor) / 7);
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, expected, 1e-12));
    mf_residuals_free(&list);
}

Test(pools, a_row_is_not_judged_by_its_own_fold)
{
    mf_residuals list = two_classes();
    const mf_residual like = {.chip_class = MF_CLASS_AMD_GDDR, .device = 20, .fold = 20};
    cr_assert(epsilon_eq(dbl, mf_residuals_half_width(&list, &like), 0.1, 1e-12));
    mf_residuals_free(&list);
}

Test(pools, an_error_counts_in_what_was_known_of_its_case)
{
    mf_residuals sure = two_classes();
    mf_residuals unsure = two_classes();
    for (size_t i = 0; i < unsure.n_items; i++) {
        unsure.items[i].error.log_sd = 4;
    }
    const mf_residual like = {.chip_class = MF_CLASS_AMD_GDDR, .fold = SIZE_MAX};
    cr_assert(epsilon_eq(dbl,
                         mf_residuals_half_width(&sure, &like),
                         4 * mf_residuals_half_width(&unsure, &like),
                         1e-12));
    mf_residuals_free(&sure);
    mf_residuals_free(&unsure);
}

Test(pools, many_rows_of_one_chip_do_not_outvote_many_chips)
{
    mf_residuals list = {0};
    for (size_t i = 0; i < 50; i++) {
        add(&list, MF_CLASS_AMD_GDDR, i, 0.3);
    }
    for (size_t i = 0; i < 450; i++) {
        add(&list, MF_CLASS_AMD_GDDR, 50, 0.1);
    }
    mf_residual_pool pool = {0};
    cr_assert(mf_residuals_pool(&pool, &list));
    /* nine tenths of the rows are 0.1, but they count as 450^0.4 = 11.5 of 61.5 */
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, 0.3, 1e-12));
    mf_residuals_free(&list);
}

Test(pools, of_chips_left_out_those_with_many_rows_count_more)
{
    mf_residuals list = {0};
    for (size_t i = 0; i < 100; i++) {
        add(&list, MF_CLASS_AMD_GDDR, i, 0.1);
    }
    for (size_t i = 0; i < 300; i++) {
        add(&list, MF_CLASS_AMD_GDDR, 100, 0.3);
    }
    mf_residual_pool pool = {0};
    cr_assert(mf_residuals_pool(&pool, &list));
    /* models left out: 300^0.4 = 9.8 of 109.8, less than a tenth */
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, 0.1, 1e-12));
    list.left_out = MF_LEFT_OUT_CHIP;
    cr_assert(mf_residuals_pool(&pool, &list));
    /* 300^0.75 = 72 of 172 */
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, 0.3, 1e-12));
    list.left_out = MF_LEFT_OUT_CLASS;
    cr_assert(mf_residuals_pool(&pool, &list));
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, 0.1, 1e-12));
    mf_residuals_free(&list);
}

Test(pools, the_level_is_conformal_in_chips)
{
    mf_residuals list = {0};
    for (size_t i = 0; i < 20; i++) {
        add(&list, MF_CLASS_AMD_GDDR, i, 0.01 * (double)(i + 1));
    }
    mf_residual_pool pool = {0};
    cr_assert(mf_residuals_pool(&pool, &list));
    /* 0.9 * 21 / 20 of 20: the 19th, not the 18th */
    cr_assert(epsilon_eq(dbl, pool.half_width_sds, 0.19, 1e-12));
    mf_residuals_free(&list);
}

Test(pools, without_residuals_there_is_no_width)
{
    mf_residuals list = {0};
    mf_residual_pool pool = {0};
    cr_assert(not(mf_residuals_pool(&pool, &list)));
    cr_assert(epsilon_eq(dbl, mf_residuals_half_width(&list, &(mf_residual){.fold = 1}), 0, 1e-12));
}
