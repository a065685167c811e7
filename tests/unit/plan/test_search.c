#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/memfit.h"
#include "memfit/plan.h"

enum { N_ENGINES = 3 };

typedef struct facts {
    mf_database *database;
    mf_quants quants;
    mf_qualities qualities;
    mf_engine *engines[N_ENGINES];
    mf_calibration *calibrations[N_ENGINES];
    mf_plan_engine searched[N_ENGINES];
    mf_model *model;
    mf_machine *machine;
    mf_plan_request request;
    mf_planner *planner;
} facts;

static facts loaded(const char *model, const char *machine)
{
    static const char *const names[N_ENGINES] = {"llama.cpp", "mlx", "vllm"};
    const char *const folders[] = {MF_SOURCE_DIR};
    facts f = {0};
    mf_init();
    cr_assert(eq(int, mf_database_open(&f.database, folders, 1, NULL), MF_OK));
    cr_assert(eq(int, mf_database_quants(&f.quants, f.database, NULL), MF_OK));
    cr_assert(eq(int, mf_database_qualities(&f.qualities, f.database, NULL), MF_OK));
    cr_assert(eq(int, mf_database_model(&f.model, f.database, model, NULL), MF_OK));
    cr_assert(eq(int, mf_database_machine(&f.machine, f.database, machine, NULL), MF_OK));
    for (size_t i = 0; i < N_ENGINES; i++) {
        char path[256];
        cr_assert(eq(int, mf_database_engine(&f.engines[i], f.database, names[i], NULL), MF_OK));
        (void)snprintf(path, sizeof path, "%s/hwdb/calibration/%s.json", MF_SOURCE_DIR, names[i]);
        (void)mf_calibration_load(&f.calibrations[i], path, NULL);
    }
    return f;
}

static mf_plan_result searched(facts *f, size_t engine, mf_wish wish)
{
    mf_plan_result result = {0};
    mf_error err = {0};
    mf_planner_free(f->planner);
    f->planner = NULL;
    f->searched[0] =
        (mf_plan_engine){.engine = f->engines[engine], .calibration = f->calibrations[engine]};
    f->request = (mf_plan_request){.model = f->model,
                                   .quants = (const mf_quant *const *)f->quants.items,
                                   .n_quants = f->quants.n_items,
                                   .engines = f->searched,
                                   .n_engines = 1,
                                   .qualities = &f->qualities,
                                   .workload = f->engines[engine]->defaults,
                                   .offload = true,
                                   .wish = wish};
    cr_assert(eq(int, mf_planner_new(&f->planner, &f->request, &err), MF_OK), "%s", err.message);
    cr_assert(
        eq(int, mf_plan_search(&result, f->planner, f->machine, &err), MF_OK), "%s", err.message);
    return result;
}

static void freed(facts *f)
{
    mf_planner_free(f->planner);
    for (size_t i = 0; i < N_ENGINES; i++) {
        mf_engine_free(f->engines[i]);
        mf_calibration_free(f->calibrations[i]);
    }
    mf_model_free(f->model);
    mf_machine_free(f->machine);
    mf_quants_free(&f->quants);
    mf_qualities_free(&f->qualities);
    mf_database_close(f->database);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

static mf_case case_of(const facts *f, const mf_choice *choice)
{
    return (mf_case){.model = f->model,
                     .quant = f->request.quants[choice->quant],
                     .machine = f->machine,
                     .engine = f->searched[choice->engine].engine,
                     .backend = mf_plan_backend(f->machine),
                     .workload = choice->workload};
}

/* Every seventh choice against the one estimator, every fifth of those that are partly in host memory. */
static void expect_agreement(const facts *f, const mf_plan_result *r)
{
    enum { STEP = 7, OFFLOADED_STEP = 5 };
    static mf_prediction p;
    for (size_t i = 0; i < r->n_choices; i += r->choices[i].offloaded ? OFFLOADED_STEP : STEP) {
        const mf_choice *c = &r->choices[i];
        const char *id = f->request.quants[c->quant]->id;
        const unsigned long long n_ctx = c->workload.n_ctx;
        mf_case run;
        mf_error err = {0};
        if (!c->fits) {
            run = case_of(f, c);
            cr_assert(eq(int, mf_memory_need(&p.memory, &run, &err), MF_OK), "%s", err.message);
            cr_expect(eq(u64, c->need_bytes, p.memory.total_bytes), "%s at %llu", id, n_ctx);
            cr_expect(eq(int, p.memory.fits, 0), "%s at %llu", id, n_ctx);
            cr_expect(not(c->decode.known), "a speed of %s, which does not run", id);
            cr_expect(not(c->ttft.known), "a speed of %s, which does not run", id);
            continue;
        }
        cr_assert(eq(int, mf_plan_predict(&p, &run, f->planner, c, f->machine, &err), MF_OK),
                  "%s",
                  err.message);
        cr_expect(eq(u64, c->need_bytes, p.memory.total_bytes), "what the planner remembers");
        run.footprint = NULL;
        cr_assert(eq(int, mf_predict(&p, &run, f->searched[c->engine].calibration, &err), MF_OK));
        cr_expect(eq(u64, c->need_bytes, p.memory.total_bytes), "%s at %llu", id, n_ctx);
        cr_expect(eq(int, p.memory.fits, 1), "%s at %llu", id, n_ctx);
        cr_expect(eq(int, c->decode.known, p.decode.known), "%s", id);
        cr_expect(is_near(c->decode.tok_s, p.decode.tok_s),
                  "%s: %g %g",
                  id,
                  c->decode.tok_s,
                  p.decode.tok_s);
        cr_expect(eq(int, is_near(c->decode.low_tok_s, p.decode.low_tok_s), 1), "%s", id);
        cr_expect(eq(int, is_near(c->decode.high_tok_s, p.decode.high_tok_s), 1), "%s", id);
        cr_expect(eq(int, is_near(c->prefill.tok_s, p.prefill.tok_s), 1), "%s", id);
        cr_expect(eq(int, is_near(c->ttft.s, p.ttft.s), 1), "%s", id);
        cr_expect(eq(int, (int)c->decode.basis, (int)p.decode.basis), "%s", id);
    }
}

static void agree(const char *model, const char *machine, size_t engine)
{
    facts f = loaded(model, machine);
    mf_plan_result r = searched(&f, engine, (mf_wish){.n_ctx = 16384});
    cr_expect(gt(sz, r.n_choices, 0));
    expect_agreement(&f, &r);
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, choices_on_a_mac_are_those_of_the_one_estimator)
{
    agree("gemma-3-12b", "mac-studio-m4-max-40c-64gb", 0);
}

Test(search, choices_of_mlx_are_those_of_the_one_estimator)
{
    agree("qwen3-8b", "mac-studio-m4-max-40c-64gb", 1);
}

Test(search, choices_with_experts_in_host_memory_are_those_of_the_one_estimator)
{
    agree("gpt-oss-120b", "pc-rtx-4090", 0);
}

/* Tries every step of one kind of placement; the first one whose devices hold it decides. */
static mf_workload tried_one_by_one(bool *fits, mf_case run, bool experts)
{
    const uint32_t last = (uint32_t)run.model->n_layers + (experts ? 0 : 1);
    mf_workload best = run.workload;
    mf_memory need = {0};
    bool hold = false;
    for (uint32_t step = 0; !hold && step <= last; step++) {
        run.workload.n_cpu_moe = experts ? step : 0;
        run.workload.gpu_layers = experts ? MF_ALL_LAYERS : (int32_t)(last - step);
        cr_assert(eq(int, mf_memory_need(&need, &run, NULL), MF_OK));
        hold = true;
        for (size_t i = 0; i + 1 < need.n_places; i++) {
            hold = hold && need.places[i].need_bytes <= need.places[i].limit_bytes;
        }
        best = run.workload;
    }
    *fits = hold && need.fits;
    return best;
}

static const mf_choice *offloaded_choice(const mf_plan_result *r, size_t quant, bool experts)
{
    for (size_t i = 0; i < r->n_choices; i++) {
        const mf_choice *c = &r->choices[i];
        if (c->offloaded && c->quant == quant && (c->workload.gpu_layers < 0) == experts) {
            return c;
        }
    }
    return NULL;
}

static bool fits_whole(const mf_plan_result *r, size_t quant, uint64_t n_ctx)
{
    bool whole = false;
    for (size_t i = 0; i < r->n_choices; i++) {
        const mf_choice *c = &r->choices[i];
        whole = whole || (c->quant == quant && c->fits && !c->offloaded &&
                          c->workload.kv_type_v != MF_TYPE_Q4_0 && c->workload.n_ctx >= n_ctx);
    }
    return whole;
}

static void expect_same_placements(
    size_t *n, const char *model, const char *machine, uint64_t n_ctx, bool experts)
{
    static const char *const names[] = {"Q8_0", "Q4_K_M", "IQ2_XXS"};
    facts f = loaded(model, machine);
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = n_ctx});
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t q = 0;
        bool fits = false;
        while (strcmp(f.quants.items[q]->id, names[i]) != 0) {
            q++;
        }
        const mf_choice *found = offloaded_choice(&r, q, experts);
        mf_case run = {.model = f.model,
                       .quant = f.quants.items[q],
                       .machine = f.machine,
                       .engine = f.engines[0],
                       .backend = mf_plan_backend(f.machine),
                       .workload = f.engines[0]->defaults};
        mf_footprint *footprint = NULL;
        if (fits_whole(&r, q, n_ctx)) {
            continue;
        }
        cr_assert(eq(int, mf_footprint_new(&footprint, f.model, run.quant, NULL), MF_OK));
        run.workload.n_ctx = n_ctx;
        run.footprint = footprint;
        const mf_workload best = tried_one_by_one(&fits, run, experts);
        mf_footprint_free(footprint);
        cr_expect(eq(int, found != NULL, fits), "%s", names[i]);
        if (found != NULL && fits) {
            cr_expect(eq(u32, found->workload.n_cpu_moe, best.n_cpu_moe), "%s", names[i]);
            cr_expect(eq(i32, found->workload.gpu_layers, best.gpu_layers), "%s", names[i]);
            (*n)++;
        }
    }
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, placements_are_those_of_trying_every_one)
{
    size_t n = 0;
    expect_same_placements(&n, "gpt-oss-120b", "pc-rtx-4090", 16384, true);
    expect_same_placements(&n, "gpt-oss-120b", "pc-rtx-4090", 16384, false);
    expect_same_placements(&n, "llama-3.3-70b", "pc-2x-rtx-3090", 16384, false);
    /* 40 layers fit on the cards, 39 don't: a card has the larger part of them then. */
    expect_same_placements(&n, "glm-4.5-air", "pc-2x-rtx-5090", 8192, false);
    cr_expect(gt(sz, n, 4));
}

/* Beaten means: something that fits is at least as good in all three and better in one. */
Test(search, nothing_on_the_front_is_beaten_and_everything_else_is)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3060-12gb");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 16384});
    size_t n_front = 0;
    for (size_t i = 0; i < r.n_choices; i++) {
        const mf_choice *a = &r.choices[i];
        bool beaten = false;
        for (size_t k = 0; a->fits && a->loss.known && k < r.n_choices; k++) {
            const mf_choice *b = &r.choices[k];
            const bool same_cache = b->workload.kv_type_v == a->workload.kv_type_v;
            beaten = beaten || (b->fits && b->loss.known && same_cache &&
                                b->workload.n_ctx >= a->workload.n_ctx &&
                                b->decode.tok_s > a->decode.tok_s * 1.001 &&
                                b->loss.divergence < a->loss.divergence);
        }
        cr_expect(eq(int, beaten && a->on_front, 0));
        cr_expect(eq(int, !a->fits && a->on_front, 0));
        n_front += a->on_front ? 1 : 0;
    }
    cr_expect(gt(sz, n_front, 2));
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, a_wish_that_nothing_grants_is_not_granted)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3060-12gb");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 8192, .min_tok_s = 1e6});
    cr_assert(lt(sz, r.pick, r.n_choices));
    cr_expect(eq(int, r.pick_meets, 0));
    cr_expect(strstr(r.reason, "of 1000000 tok/s") != NULL, "%s", r.reason);
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, a_context_that_the_model_was_not_trained_for_is_not_granted)
{
    facts f = loaded("qwen3-8b", "mac-studio-m4-max-40c-64gb");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = f.model->context_max + 256});
    cr_expect(eq(int, r.pick_meets, 0));
    cr_expect(strstr(r.reason, "trained for 40960 tokens") != NULL, "%s", r.reason);
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, the_pick_grants_wishes_with_the_least_loss)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3060-12gb");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 8192, .min_tok_s = 30});
    cr_assert(eq(int, r.pick_meets, 1));
    const mf_choice *pick = &r.choices[r.pick];
    for (size_t i = 0; i < r.n_choices; i++) {
        const mf_choice *c = &r.choices[i];
        if (c->meets && c->loss.known && c->workload.n_ctx == 8192) {
            cr_expect(ge(dbl, c->loss.divergence, pick->loss.divergence));
        }
    }
    mf_plan_result_free(&r);
    freed(&f);
}

/* Q8_0 with layers in host memory is slower than what fits at a small loss. */
Test(search, a_pick_is_held_whole_where_that_loses_little)
{
    facts f = loaded("qwen3-14b", "pc-rtx-3060-12gb");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 8192, .min_tok_s = 2});
    bool any_offloaded = false;
    for (size_t i = 0; i < r.n_choices; i++) {
        any_offloaded = any_offloaded || (r.choices[i].offloaded && r.choices[i].meets);
    }
    cr_assert(any_offloaded);
    cr_expect(not(r.choices[r.pick].offloaded));
    cr_expect(strstr(r.reason, "with the whole model on the GPU") != NULL, "%s", r.reason);
    mf_plan_result_free(&r);
    freed(&f);
}

/* 16 bits of cache are not worth a sixth of the speed, and 4 bits are not taken where parts in host memory are an answer. */
Test(search, a_pick_is_held_whole_with_an_8_bit_cache_before_parts_go_to_the_host)
{
    facts f = loaded("qwen3-32b", "pc-rtx-4090");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 24576});
    cr_expect(eq(int, r.pick_meets, 1));
    cr_expect(not(r.choices[r.pick].offloaded));
    cr_expect(eq(int, r.choices[r.pick].workload.kv_type_v, MF_TYPE_Q8_0));
    mf_plan_result_free(&r);
    freed(&f);
    f = loaded("gpt-oss-20b", "pc-rtx-3060-12gb");
    r = searched(&f, 0, (mf_wish){.n_ctx = 65536});
    cr_expect(eq(int, r.choices[r.pick].offloaded, 1));
    cr_expect(eq(int, r.choices[r.pick].workload.kv_type_v, MF_TYPE_F16));
    cr_expect(strstr(r.reason, "the fastest with a 16 bit cache whose") != NULL, "%s", r.reason);
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, what_comes_nearest_to_a_wish_keeps_some_quality)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3060-12gb");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 8192, .min_tok_s = 1e6});
    cr_assert(eq(int, r.pick_meets, 0));
    cr_expect(le(dbl, r.choices[r.pick].loss.divergence, MF_PLAN_USUAL_LIMIT));
    mf_plan_result_free(&r);
    freed(&f);
}

/* MLX's formats are in nobody's table of losses; two bits of them are no better than two bits elsewhere. */
Test(search, the_usual_limit_of_loss_lets_pass_what_nobody_measured_from_four_bits_on)
{
    facts f = loaded("llama-3.1-8b", "mac-mini-m4-pro-16c-48gb");
    mf_wish wish = {
        .n_ctx = 8192, .min_tok_s = 30, .max_divergence = 0.2, .usual_divergence = true};
    mf_plan_result r = searched(&f, 1, wish);
    cr_assert(eq(int, r.pick_meets, 1));
    cr_expect(eq(int, r.choices[r.pick].loss.known, 0));
    for (size_t i = 0; i < r.n_choices; i++) {
        const mf_quant *quant = f.request.quants[r.choices[i].quant];
        cr_expect(not(r.choices[i].meets && quant->base == MF_TYPE_MLX_Q2));
    }
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, a_scheme_of_experts_is_not_for_a_dense_model)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3090");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 8192});
    for (size_t i = 0; i < r.n_choices; i++) {
        const mf_quant *quant = f.request.quants[r.choices[i].quant];
        cr_expect(quant == NULL || quant->base != MF_TYPE_MXFP4, "%s", quant->id);
    }
    mf_plan_result_free(&r);
    freed(&f);
}

/* F16 is half as fast as Q8_0 and no one tells them apart. */
Test(search, the_pick_gives_no_speed_away_for_a_loss_that_none_notices)
{
    const double unnoticed = 0.002;
    facts f = loaded("llama-3.1-8b", "pc-rtx-3090");
    mf_plan_result r = searched(&f, 0, (mf_wish){.n_ctx = 8192, .min_tok_s = 5});
    cr_assert(eq(int, r.pick_meets, 1));
    const mf_choice *pick = &r.choices[r.pick];
    cr_expect(le(dbl, pick->loss.divergence, unnoticed));
    for (size_t i = 0; i < r.n_choices; i++) {
        const mf_choice *c = &r.choices[i];
        if (c->meets && c->loss.known && c->loss.divergence <= unnoticed &&
            c->workload.n_ctx == 8192) {
            cr_expect(le(dbl, c->decode.tok_s, pick->decode.tok_s * (1 + 1e-9)));
        }
    }
    mf_plan_result_free(&r);
    freed(&f);
}

/* A limit of loss that nobody asked for keeps the worst out; it does not make the largest file that fits the best. */
Test(search, the_usual_limit_of_loss_leaves_speed_to_count)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3060-12gb");
    mf_wish wish = {.n_ctx = 8192, .max_divergence = 0.2, .usual_divergence = true};
    mf_plan_result r = searched(&f, 0, wish);
    cr_assert(eq(int, r.pick_meets, 1));
    const double usual_tok_s = r.choices[r.pick].decode.tok_s;
    mf_plan_result_free(&r);
    wish.usual_divergence = false;
    r = searched(&f, 0, wish);
    cr_expect(gt(dbl, usual_tok_s, 1.2 * r.choices[r.pick].decode.tok_s));
    mf_plan_result_free(&r);
    freed(&f);
}

Test(search, a_loss_is_that_of_the_published_tables)
{
    facts f = loaded("llama-3.1-8b", "pc-rtx-3060-12gb");
    mf_quant *q = NULL;
    cr_assert(eq(int, mf_database_quant(&q, f.database, "Q4_K_M", NULL), MF_OK));
    const mf_loss loss = mf_plan_loss(&f.qualities, q, f.model);
    cr_expect(eq(int, loss.known, 1));
    cr_expect(epsilon_eq(dbl, loss.divergence, 0.031273, 1e-6));
    cr_expect(eq(int, loss.estimated, 0));
    mf_quant_free(q);
    freed(&f);
}

/* Every file of gpt-oss has the published experts; of what else is quantized only 8 bits are known to lose nothing. */
Test(search, what_files_of_gpt_oss_lose_is_known_of_eight_bits_on)
{
    static const char *const names[] = {"F16", "Q8_0", "MXFP4_MOE", "UD-Q8_K_XL", "Q6_K", "Q4_K_M"};
    facts f = loaded("gpt-oss-20b", "pc-rtx-3060-12gb");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mf_quant *q = NULL;
        cr_assert(eq(int, mf_database_quant(&q, f.database, names[i], NULL), MF_OK));
        const mf_loss loss = mf_plan_loss(&f.qualities, q, f.model);
        cr_expect(eq(int, loss.known &&loss.native, i < 4), "%s", names[i]);
        cr_expect(eq(int, loss.known, loss.native), "%s", names[i]);
        mf_quant_free(q);
    }
    freed(&f);
}

Test(search, nothing_to_search_is_an_error)
{
    mf_planner *planner = NULL;
    const mf_plan_request request = {0};
    cr_expect(eq(int, mf_planner_new(&planner, &request, NULL), MF_E_USAGE));
}

Test(search, a_wish_in_the_middle_of_a_range_only_is_doubted)
{
    char doubt[MF_PLAN_DOUBT_SIZE];
    const mf_choice choice = {
        .decode = {.known = true, .tok_s = 31, .low_tok_s = 26, .high_tok_s = 37},
        .ttft = {.known = true, .s = 3,      .low_s = 2,      .high_s = 5.5   }
    };
    const mf_wish sure = {.min_tok_s = 25, .max_ttft_s = 6};
    const mf_wish slow = {.min_tok_s = 30};
    const mf_wish both = {.min_tok_s = 30, .max_ttft_s = 4};
    cr_expect(eq(str, (char *)mf_plan_doubt(doubt, &sure, &choice), ""));
    cr_expect(mf_plan_is_sure(&sure, &choice));
    cr_expect(not(mf_plan_is_sure(&slow, &choice)));
    cr_expect(not(mf_plan_is_sure(&(mf_wish){.max_ttft_s = 4}, &choice)));
    cr_expect(eq(str,
                 (char *)mf_plan_doubt(doubt, &slow, &choice),
                 "it may reach only 26 of the wished 30 tok/s"));
    cr_expect(eq(str,
                 (char *)mf_plan_doubt(doubt, &both, &choice),
                 "it may reach only 26 of the wished 30 tok/s and the first token may take 5.5 of "
                 "4 s"));
}
