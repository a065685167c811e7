#include "cost/draw.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "case.h"
#include "cost/turn.h"

Test(draw, a_triangle_has_its_quantiles)
{
    const mf_range range = {.value = 2, .low = 1, .high = 5};
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_TRIANGLE, 0), 1, 1e-12));
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_TRIANGLE, 0.25), 2, 1e-12),
              "the mode splits it 1 to 3");
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_TRIANGLE, 1), 5, 1e-12));
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_TRIANGLE, 0.75), 5 - sqrt(3), 1e-12));
}

Test(draw, a_triangle_may_lean_all_the_way)
{
    const mf_range range = {.value = 1, .low = 1, .high = 5};
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_TRIANGLE, 0.75), 3, 1e-12));
    const mf_range other = {.value = 5, .low = 1, .high = 5};
    cr_expect(epsilon_eq(dbl, mf_range_at(&other, MF_DRAW_TRIANGLE, 0.25), 3, 1e-12));
}

Test(draw, an_interval_of_speed_keeps_its_ends)
{
    const mf_range range = {.value = 1, .low = 0.8, .high = 1.5};
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_LOGNORMAL, 0.05), 0.8, 1e-9));
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_LOGNORMAL, 0.5), 1, 1e-9));
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_LOGNORMAL, 0.95), 1.5, 1e-9));
}

Test(draw, hours_are_symmetric_and_never_negative)
{
    const mf_range range = {.value = 1, .low = 0.75, .high = 1.25};
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_BETA, 0.5), 1, 1e-9));
    const double low = mf_range_at(&range, MF_DRAW_BETA, 0.1);
    cr_expect(epsilon_eq(dbl, low + mf_range_at(&range, MF_DRAW_BETA, 0.9), 2, 1e-9));
    cr_expect(ge(dbl, mf_range_at(&range, MF_DRAW_BETA, 0), 0));
}

Test(draw, what_is_certain_is_not_drawn)
{
    const mf_range range = {.value = 7, .low = 7, .high = 7};
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_TRIANGLE, 0.9), 7, 0));
    cr_expect(epsilon_eq(dbl, mf_range_at(&range, MF_DRAW_LOGNORMAL, 0.1), 7, 0));
}

Test(draw, generations_are_whole_and_have_the_mean)
{
    double sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum += mf_poisson_at(2.3, (i + 0.5) / 1000);
    }
    cr_expect(epsilon_eq(dbl, sum / 1000, 2.3, 0.01));
    cr_expect(epsilon_eq(dbl, mf_poisson_at(2.3, 0.0001), 0, 0));
}

static double total_p50(mf_sampler sampler, uint64_t seed, uint32_t n)
{
    mf_cost_case run = a_case();
    mf_cost cost = {0};
    mf_error err = {0};
    run.sampler = sampler;
    run.seed = seed;
    run.n_draws = n;
    cr_assert(eq(int, mf_cost_compute(&cost, &run, &err), MF_OK), "%s", err.message);
    return cost.versus[0].p50;
}

Test(draw, both_samplers_see_the_same_world)
{
    const double sobol = total_p50(MF_SAMPLER_SOBOL, 1, 16384);
    const double twister = total_p50(MF_SAMPLER_MT19937, 1, 40000);
    cr_expect(epsilon_eq(dbl, sobol, twister, 0.02 * fabs(twister) + 20), "%g %g", sobol, twister);
}

Test(draw, a_seed_gives_the_same_bytes_and_another_one_others)
{
    mf_cost_case run = a_case();
    mf_cost a = {0};
    mf_cost b = {0};
    mf_cost c = {0};
    cr_assert(eq(int, mf_cost_compute(&a, &run, NULL), MF_OK));
    cr_assert(eq(int, mf_cost_compute(&b, &run, NULL), MF_OK));
    run.seed = 43;
    cr_assert(eq(int, mf_cost_compute(&c, &run, NULL), MF_OK));
    cr_expect(eq(int, memcmp(&a, &b, sizeof a), 0));
    cr_expect(ne(int, memcmp(&a, &c, sizeof a), 0));
    cr_expect(epsilon_eq(dbl, a.versus[0].p50, c.versus[0].p50, 0.1 * fabs(a.versus[0].p50) + 50));
}

static void correlations(double *rent_api, double *rent_resale, size_t n)
{
    mf_cost_case run = a_case();
    const mf_cost_model model = {.run = &run};
    mf_drawer *drawer = NULL;
    run.sampler = MF_SAMPLER_MT19937;
    cr_assert(eq(int, mf_drawer_new(&drawer, &model, NULL), MF_OK));
    double sums[2] = {0};
    for (size_t i = 0; i < n; i++) {
        mf_world world;
        double uniforms[MF_COST_INPUT_COUNT];
        mf_drawer_next(&world, uniforms, drawer);
        sums[0] += world.shocks[MF_PATH_RENT][1] * world.shocks[MF_PATH_API][1];
        sums[1] += world.shocks[MF_PATH_RENT][1] * world.shocks[MF_PATH_RESALE][1];
    }
    mf_drawer_free(drawer);
    *rent_api = sums[0] / (double)n;
    *rent_resale = sums[1] / (double)n;
}

Test(draw, price_paths_move_together_as_told)
{
    double rent_api = 0;
    double rent_resale = 0;
    correlations(&rent_api, &rent_resale, 40000);
    cr_expect(epsilon_eq(dbl, rent_api, 0.6, 0.03), "%g", rent_api);
    cr_expect(epsilon_eq(dbl, rent_resale, 0.5, 0.03), "%g", rent_resale);
}

static double straight(double x, const void *payload)
{
    return x - *(const double *)payload;
}

Test(turn, the_point_is_found_and_its_side_is_told)
{
    const double at = 3.25;
    const mf_range between = {.low = 0, .high = 10};
    mf_break_even found = {0};
    cr_assert(eq(int, mf_turn_find(&found, straight, &at, between, 7, NULL), MF_OK));
    cr_expect(eq(int, found.turn, MF_TURN_AT));
    cr_expect(epsilon_eq(dbl, found.value, 3.25, 1e-6));
}

static double falling(double x, const void *payload)
{
    return -straight(x, payload);
}

Test(turn, never_always_and_until_are_answers)
{
    const double low = -1;
    const double high = 11;
    const double inside = 4;
    const mf_range between = {.low = 0, .high = 10};
    mf_break_even found = {0};
    cr_assert(eq(int, mf_turn_find(&found, straight, &high, between, 7, NULL), MF_OK));
    cr_expect(eq(int, found.turn, MF_TURN_NEVER));
    cr_assert(eq(int, mf_turn_find(&found, straight, &low, between, 7, NULL), MF_OK));
    cr_expect(eq(int, found.turn, MF_TURN_ALWAYS));
    cr_assert(eq(int, mf_turn_find(&found, falling, &inside, between, 7, NULL), MF_OK));
    cr_expect(eq(int, found.turn, MF_TURN_UNTIL));
    cr_expect(epsilon_eq(dbl, found.value, 4, 1e-6));
}
