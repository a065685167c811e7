/*
 * test_planner.c - a planner that is asked again, and what need not be searched.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "memfit/memfit.h"
#include "memfit/plan.h"

typedef struct desk {
    mf_database *database;
    mf_quants quants;
    mf_qualities qualities;
    mf_engine *engine;
    mf_plan_engine searched;
    mf_model *model;
    mf_machine *machine;
    mf_plan_request request;
    mf_planner *planner;
} desk;

static void set_up(desk *d, const char *model, const char *machine)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    *d = (desk){.database = NULL};
    mf_init();
    cr_assert(mf_database_open(&d->database, folders, 1, NULL) == MF_OK);
    cr_assert(mf_database_quants(&d->quants, d->database, NULL) == MF_OK);
    cr_assert(mf_database_qualities(&d->qualities, d->database, NULL) == MF_OK);
    cr_assert(mf_database_model(&d->model, d->database, model, NULL) == MF_OK);
    cr_assert(mf_database_machine(&d->machine, d->database, machine, NULL) == MF_OK);
    cr_assert(mf_database_engine(&d->engine, d->database, "llama.cpp", NULL) == MF_OK);
    d->searched = (mf_plan_engine){.engine = d->engine};
    d->request = (mf_plan_request){.model = d->model,
                                   .quants = (const mf_quant *const *)d->quants.items,
                                   .n_quants = d->quants.n_items,
                                   .engines = &d->searched,
                                   .n_engines = 1,
                                   .qualities = &d->qualities,
                                   .workload = d->engine->defaults,
                                   .offload = true};
    cr_assert(mf_planner_new(&d->planner, &d->request, NULL) == MF_OK);
}

static void tear_down(desk *d)
{
    mf_planner_free(d->planner);
    mf_engine_free(d->engine);
    mf_model_free(d->model);
    mf_machine_free(d->machine);
    mf_quants_free(&d->quants);
    mf_qualities_free(&d->qualities);
    mf_database_close(d->database);
}

static mf_plan_result searched(const desk *d, mf_planner *planner)
{
    mf_plan_result result;
    mf_error err = {0};
    cr_assert(mf_plan_search(&result, planner, d->machine, &err) == MF_OK, "%s", err.message);
    return result;
}

/* Schemes that can't grant a wish are left out, which changes nothing in what is picked. */
Test(planner, asked_again_for_what_grants_a_wish_it_picks_what_a_new_one_picks)
{
    desk d;
    mf_planner *fresh = NULL;
    set_up(&d, "qwen3-30b-a3b", "pc-rtx-3060-12gb");
    mf_plan_result first = searched(&d, d.planner);
    d.request.fixed_context = true;
    d.request.wish = (mf_wish){.n_ctx = 16384, .max_divergence = 0.04};
    cr_assert(mf_planner_new(&fresh, &d.request, NULL) == MF_OK);
    mf_plan_result all = searched(&d, fresh);
    d.request.granting = true;
    cr_assert(mf_planner_ask(d.planner, &d.request, NULL) == MF_OK);
    mf_plan_result some = searched(&d, d.planner);
    cr_assert(all.pick_meets && some.pick_meets);
    cr_expect(lt(sz, some.n_choices, all.n_choices));
    const mf_choice *a = &all.choices[all.pick];
    const mf_choice *b = &some.choices[some.pick];
    cr_expect(eq(sz, b->quant, a->quant));
    cr_expect(eq(u64, b->need_bytes, a->need_bytes));
    cr_expect(eq(u64, b->workload.n_ctx, a->workload.n_ctx));
    cr_expect(eq(u32, b->workload.n_cpu_moe, a->workload.n_cpu_moe));
    for (size_t i = 0; i < some.n_choices; i++) {
        cr_expect(some.choices[i].loss.divergence <= 0.04);
    }
    mf_plan_result_free(&first);
    mf_plan_result_free(&all);
    mf_plan_result_free(&some);
    mf_planner_free(fresh);
    tear_down(&d);
}

Test(planner, another_model_is_not_asked_of_it)
{
    desk d;
    mf_model *other = NULL;
    set_up(&d, "llama-3.1-8b", "pc-rtx-3060-12gb");
    cr_assert(mf_database_model(&other, d.database, "qwen3-32b", NULL) == MF_OK);
    d.request.model = other;
    cr_expect(mf_planner_ask(d.planner, &d.request, NULL) == MF_E_USAGE);
    mf_model_free(other);
    tear_down(&d);
}

/* Llama 3.1 8B: 7.5e9 weights in its layers and output; IQ1_S loses far more than Q4_K_M. */
Test(planner, memory_for_the_smallest_scheme_whose_loss_is_granted_may_do)
{
    desk d;
    bool may = false;
    set_up(&d, "llama-3.1-8b", "pc-rtx-3060-12gb");
    cr_assert(mf_planner_may_grant(&may, d.planner, 3e9, NULL) == MF_OK);
    cr_expect(may, "at any loss");
    d.request.wish.max_divergence = 0.04;
    cr_assert(mf_planner_ask(d.planner, &d.request, NULL) == MF_OK);
    cr_assert(mf_planner_may_grant(&may, d.planner, 3e9, NULL) == MF_OK);
    cr_expect(not(may), "about Q4_K_M's loss");
    cr_assert(mf_planner_may_grant(&may, d.planner, 5e9, NULL) == MF_OK);
    cr_expect(may);
    d.request.wish.n_ctx = d.model->context_max + 256;
    cr_assert(mf_planner_ask(d.planner, &d.request, NULL) == MF_OK);
    cr_assert(mf_planner_may_grant(&may, d.planner, 5e12, NULL) == MF_OK);
    cr_expect(not(may), "a longer context than was trained");
    tear_down(&d);
}

/* Compute buffers of Nemotron Super are smaller at some longer contexts than at shorter ones. */
Test(planner, the_largest_context_is_not_below_one_that_fits)
{
    desk d;
    size_t n_known = 0;
    set_up(&d, "nemotron-super-49b", "pc-rtx-2070-super");
    d.request.max_contexts = true;
    cr_assert(mf_planner_ask(d.planner, &d.request, NULL) == MF_OK);
    mf_plan_result result = searched(&d, d.planner);
    for (size_t i = 0; i < result.n_choices; i++) {
        const mf_choice *c = &result.choices[i];
        n_known += c->max_context > 0 ? 1 : 0;
        cr_expect(c->max_context == 0 || c->max_context >= c->workload.n_ctx,
                  "%s: %llu",
                  d.request.quants[c->quant]->id,
                  (unsigned long long)c->max_context);
    }
    cr_expect(gt(sz, n_known, (size_t)2));
    mf_plan_result_free(&result);
    tear_down(&d);
}
