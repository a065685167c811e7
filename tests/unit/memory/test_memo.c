#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "memory/compute_memo.h"

/* A memo in which one run of 60 single layers settled with 9 of them. */
static compute_memo *with_one_run(void)
{
    layer_run run = {.begin = 1, .period = 1, .n_periods = 60, .n_kept = 9};
    const compute_form form = {.runs = &run, .n_runs = 1};
    compute_memo *memo = mf_compute_memo_new();
    mf_compute_memo_keep(memo, &form);
    return memo;
}

static size_t kept(const compute_memo *memo, size_t begin, size_t period, size_t n_periods)
{
    const layer_run run = {.begin = begin, .period = period, .n_periods = n_periods};
    return mf_compute_memo_kept(memo, &run);
}

Test(memo, a_run_starts_with_what_one_like_it_needed)
{
    compute_memo *memo = with_one_run();
    cr_assert(eq(sz, kept(memo, 1, 1, 60), 9));
    cr_assert(eq(sz, kept(memo, 20, 1, 41), 9), "shorter, where some layers lie elsewhere");
    cr_assert(eq(sz, kept(memo, 1, 4, 15), COMPUTE_LEAST_KEPT), "another period");
    mf_compute_memo_free(memo);
}

Test(memo, a_run_never_keeps_more_than_it_has)
{
    compute_memo *memo = with_one_run();
    cr_assert(eq(sz, kept(memo, 54, 1, 7), 7));
    mf_compute_memo_free(memo);
}

Test(memo, what_a_run_needed_last_counts)
{
    compute_memo *memo = with_one_run();
    layer_run again = {.begin = 1, .period = 1, .n_periods = 60, .n_kept = 12};
    const compute_form form = {.runs = &again, .n_runs = 1};
    mf_compute_memo_keep(memo, &form);
    cr_assert(eq(sz, kept(memo, 1, 1, 60), 12));
    mf_compute_memo_free(memo);
}

Test(memo, without_a_memo_a_run_starts_small)
{
    cr_assert(eq(sz, kept(NULL, 1, 1, 60), COMPUTE_LEAST_KEPT));
}
