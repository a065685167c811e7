/*
 * search.c - every way to run a model on a machine.
 *
 * With the whole model on the devices a case is sums of what was worked out for its scheme and for its context. Placements
 * with host memory are found by bisection over the exact breakdown, at the wished context only: they are what one falls
 * back to.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/pick.h"
#include "plan/planner.h"
#include "speed/placement.h"

typedef struct kv_type {
    mf_tensor_type k;
    mf_tensor_type v;
} kv_type;

static const kv_type kv_types[MF_PLAN_KV_TYPES] = {
    {MF_TYPE_F16,  MF_TYPE_F16 },
    {MF_TYPE_Q8_0, MF_TYPE_Q8_0},
    {MF_TYPE_Q4_0, MF_TYPE_Q4_0},
};

static bool has_experts(const mf_model *model)
{
    bool any = false;
    for (size_t i = 0; i < model->n_layers; i++) {
        any = any || model->layers[i].ffn.kind == MF_FFN_MOE;
    }
    return any;
}

bool mf_plan_takes(mf_engine_id engine, const mf_model *model, const mf_quant *quant)
{
    if (quant == NULL) {
        return engine == MF_ENGINE_LLAMACPP;
    }
    switch (engine) {
    case MF_ENGINE_LLAMACPP:
        /* MXFP4_MOE writes experts; of a dense model it makes Q8_0 (llama-quant.cpp). */
        return (quant->family == MF_QUANT_GGUF || quant->family == MF_QUANT_UD) &&
               (quant->base != MF_TYPE_MXFP4 || has_experts(model));
    case MF_ENGINE_MLX:
        return quant->family == MF_QUANT_MLX || quant->base == MF_TYPE_BF16;
    case MF_ENGINE_VLLM:
        return quant->family == MF_QUANT_TENSOR || quant->base == MF_TYPE_BF16;
    case MF_ENGINE_COUNT:
        break;
    }
    return false;
}

/* Placements in host memory, each pushed as far as a scheme needs. */
typedef enum ladder_id { LADDER_EXPERTS, LADDER_LAYERS, N_LADDERS } ladder_id;

/* The search on one machine with one engine. */
typedef struct search {
    mf_planner *planner;
    mf_plan_result *result;
    mf_error *refusal; /* the first one */
    mf_ready_machine machine;
    size_t engine;
    size_t n_kv;
    bool known[MF_PLAN_KV_TYPES][MF_PLAN_MAX_CONTEXTS];
    mf_ready_bytes rest[MF_PLAN_KV_TYPES][MF_PLAN_MAX_CONTEXTS];
    mf_memory tried[N_LADDERS]; /* the breakdown that the scheme before ended at */
    size_t capacity;
} search;

static mf_choice *add_choice(search *s, mf_error *err)
{
    mf_plan_result *r = s->result;
    if (r->n_choices == s->capacity) {
        const size_t capacity = s->capacity > 0 ? 2 * s->capacity : 64;
        mf_choice *grown = realloc(r->choices, capacity * sizeof *grown);
        if (grown == NULL) {
            (void)mf_fail(err, MF_E_NOMEM, "out of memory for a plan");
            return NULL;
        }
        r->choices = grown;
        s->capacity = capacity;
    }
    r->choices[r->n_choices] = (mf_choice){.engine = s->engine};
    return &r->choices[r->n_choices++];
}

/* Prompt and output shrink where the context is too short for them. */
static mf_workload workload_of(const search *s, size_t kv, uint64_t n_ctx)
{
    mf_workload w = s->planner->request.workload;
    const uint64_t streams = mf_workload_streams(&w);
    const uint64_t room = n_ctx / streams;
    w.n_ctx = n_ctx;
    w.n_output = w.n_output < room / 2 ? w.n_output : room / 2;
    w.n_prompt = w.n_prompt + w.n_output <= room ? w.n_prompt : room - w.n_output;
    if (!s->planner->request.fixed_kv) {
        w.kv_type_k = kv_types[kv].k;
        w.kv_type_v = kv_types[kv].v;
    }
    return w;
}

/* Where nothing is left to choose from, the first refusal is the answer. */
static void note_refusal(search *s, mf_status status, const mf_error *why)
{
    if (status != MF_OK && s->refusal->message[0] == '\0') {
        *s->refusal = *why;
    }
}

/* Formats that the model's heads can't take, or the engine, are left out. */
static mf_status fill_rest(search *s, const mf_ready_model *any, mf_error *err)
{
    const size_t n = s->planner->n_contexts;
    for (size_t k = 0; k < s->n_kv; k++) {
        for (size_t i = 0; i < n; i++) {
            /* The longest one first: those between two that are known may follow from them. */
            const size_t c = (i + n - 1) % n;
            const mf_workload w = workload_of(s, k, s->planner->contexts[c]);
            mf_error why = {0};
            const mf_status status = mf_ready_rest(&s->rest[k][c], &s->machine, any, &w, &why);
            s->known[k][c] = status == MF_OK;
            note_refusal(s, status, &why);
            if (status == MF_E_NOMEM || status == MF_E_INTERNAL) {
                return mf_fail(err, status, "%s", why.message);
            }
        }
    }
    return MF_OK;
}

static mf_rate rate_of(bool known, const double values[3], mf_basis basis, const char *reason)
{
    return (mf_rate){.known = known,
                     .tok_s = values[0],
                     .low_tok_s = values[1],
                     .high_tok_s = values[2],
                     .basis = basis,
                     .reason = known ? NULL : reason};
}

static void set_speed(mf_choice *choice, const search *s, const mf_ready_speed *speed)
{
    const double decode[] = {
        speed->decode_tok_s, speed->decode_low_tok_s, speed->decode_high_tok_s};
    const double prefill[] = {
        speed->prefill_tok_s, speed->prefill_low_tok_s, speed->prefill_high_tok_s};
    const char *reason = choice->fits ? s->machine.no_speed : "it does not fit";
    const double prompt = (double)choice->workload.n_prompt;
    choice->decode = rate_of(speed->known, decode, speed->basis[MF_TEST_DECODE], reason);
    choice->prefill =
        rate_of(speed->prefill_tok_s > 0, prefill, speed->basis[MF_TEST_PREFILL], reason);
    if (choice->prefill.known) {
        choice->ttft = (mf_duration){.known = true,
                                     .s = prompt / speed->prefill_tok_s,
                                     .low_s = prompt / speed->prefill_high_tok_s,
                                     .high_s = prompt / speed->prefill_low_tok_s};
    }
}

static mf_status try_scheme(search *s, size_t quant, const mf_ready_model *ready, mf_error *err)
{
    const mf_plan_request *r = &s->planner->request;
    const mf_loss loss = mf_plan_loss(r->qualities, r->quants[quant], r->model);
    mf_ready_bytes weights = {{0}};
    mf_error why = {0};
    mf_status status = mf_ready_weights(&weights, &s->machine, ready, &why);
    status = status == MF_OK ? mf_ready_machine_turn(&s->machine, ready, &why) : status;
    if (status != MF_OK) {
        return status == MF_E_NOMEM ? mf_fail(err, status, "%s", why.message) : MF_OK;
    }
    for (size_t k = 0; k < s->n_kv; k++) {
        for (size_t c = 0; c < s->planner->n_contexts; c++) {
            mf_choice *choice = s->known[k][c] ? add_choice(s, err) : NULL;
            if (choice == NULL && s->known[k][c]) {
                return MF_E_NOMEM;
            }
            if (choice == NULL) {
                continue;
            }
            choice->quant = quant;
            choice->loss = loss;
            choice->workload = workload_of(s, k, s->planner->contexts[c]);
            const mf_ready_room room = mf_ready_room_of(&s->machine, &weights, &s->rest[k][c]);
            choice->need_bytes = room.need_bytes;
            choice->fits = room.fits;
            const mf_ready_speed speed = choice->fits
                                             ? mf_ready_speed_of(&s->machine, &choice->workload)
                                             : (mf_ready_speed){0};
            set_speed(choice, s, &speed);
        }
    }
    return MF_OK;
}

static mf_status
add_offloaded(search *s, size_t quant, const mf_ready_model *ready, ladder_id ladder, mf_error *err)
{
    static mf_status (*const find[N_LADDERS])(bool *, mf_placed *, const mf_case *, mf_error *) = {
        [LADDER_EXPERTS] = mf_placement_fewest_experts,
        [LADDER_LAYERS] = mf_placement_most_layers,
    };
    const mf_plan_request *r = &s->planner->request;
    const uint64_t n_ctx = mf_plan_wished_context(r);
    bool found = false;
    mf_error why = {0};
    mf_case run = {.model = r->model,
                   .quant = r->quants[quant],
                   .machine = s->machine.machine,
                   .engine = s->machine.engine,
                   .backend = s->machine.backend,
                   .workload = workload_of(s, 0, n_ctx),
                   .footprint = ready->footprint};
    mf_placed placed = {.known = true,
                        .gpu_layers = MF_ALL_LAYERS,
                        .kv_offload = run.workload.kv_offload,
                        .memory =
                            s->tried[s->tried[ladder].n_places > 0 ? ladder : LADDER_EXPERTS]};
    mf_status status = find[ladder](&found, &placed, &run, &why);
    s->tried[ladder] = placed.memory;
    if (status != MF_OK || !found) {
        return status == MF_E_NOMEM ? mf_fail(err, status, "%s", why.message) : MF_OK;
    }
    mf_choice *choice = add_choice(s, err);
    if (choice == NULL) {
        return MF_E_NOMEM;
    }
    mf_ready_speed speed = {0};
    mf_placed_apply(&run.workload, NULL, NULL, &placed, run.model);
    choice->quant = quant;
    choice->loss = mf_plan_loss(r->qualities, r->quants[quant], r->model);
    choice->workload = run.workload;
    choice->need_bytes = placed.memory.total_bytes;
    choice->fits = true;
    choice->offloaded = true;
    status = mf_ready_placed_speed(&speed, &s->machine, ready, &run, &placed.memory, err);
    set_speed(choice, s, &speed);
    return status;
}

static bool has_host(const mf_machine *machine)
{
    const mf_pool *host = mf_machine_pool(machine, MF_POOL_HOST);
    return host != NULL && host->capacity_bytes.known;
}

static bool is_held_well(const search *s, size_t quant)
{
    const mf_plan_request *r = &s->planner->request;
    const uint64_t n_ctx = mf_plan_wished_context(r);
    for (size_t i = 0; i < s->result->n_choices; i++) {
        const mf_choice *c = &s->result->choices[i];
        if (c->engine == s->engine && c->quant == quant && c->workload.n_ctx >= n_ctx &&
            mf_plan_is_held_well(c, r)) {
            return true;
        }
    }
    return false;
}

/* More than all places hold together, so that no placement helps. */
static bool exceeds_all(const search *s, const mf_ready_model *ready)
{
    const mf_memory *m = &s->machine.places;
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_places; i++) {
        if (m->places[i].limit_bytes == 0) {
            return false; /* not known */
        }
        sum += m->places[i].limit_bytes;
    }
    return mf_ready_least_bytes(ready) > sum;
}

static bool is_little(mf_loss loss)
{
    return loss.known && loss.divergence <= MF_PLAN_SMALL_LOSS;
}

static bool loses_little(const mf_plan_request *r, size_t quant)
{
    return is_little(mf_plan_loss(r->qualities, r->quants[quant], r->model));
}

/* The fastest so far of those that lose little. */
static bool is_picked_so_far(const search *s, const mf_choice *choice)
{
    bool picked = choice->decode.known && is_little(choice->loss);
    for (size_t i = 0; i < s->result->n_choices; i++) {
        const mf_choice *c = &s->result->choices[i];
        picked =
            picked && (!c->fits || c->decode.tok_s <= choice->decode.tok_s || !is_little(c->loss));
    }
    return picked;
}

/* Of a scheme's first placement, while its graph is at hand. Another placement that is picked is shown in its stead. */
static mf_status find_max_context(const search *s, size_t first, mf_error *err)
{
    mf_plan_result *r = s->result;
    if (first == r->n_choices ||
        (first + 1 < r->n_choices && is_picked_so_far(s, &r->choices[r->n_choices - 1]))) {
        return MF_OK;
    }
    mf_choice *choice = &r->choices[first];
    return mf_plan_max_context(&choice->max_context, s->planner, choice, s->machine.machine, err);
}

static mf_status offload_scheme(search *s, size_t q, mf_error *err)
{
    const mf_plan_request *r = &s->planner->request;
    const mf_ready_model *ready = NULL;
    if (!mf_plan_takes(MF_ENGINE_LLAMACPP, r->model, r->quants[q]) ||
        !mf_plan_is_usual(r->quants[q]) || (r->granting && !mf_plan_grants_loss(r, q)) ||
        is_held_well(s, q)) {
        return MF_OK;
    }
    mf_status status = mf_planner_scheme(&ready, s->planner, q, err);
    if (status != MF_OK || ready == NULL || exceeds_all(s, ready)) {
        return status;
    }
    const size_t first = s->result->n_choices;
    if (mf_model_has_experts(r->model)) {
        status = add_offloaded(s, q, ready, LADDER_EXPERTS, err);
    }
    status = status == MF_OK ? add_offloaded(s, q, ready, LADDER_LAYERS, err) : status;
    return status == MF_OK && r->max_contexts ? find_max_context(s, first, err) : status;
}

/* Something that fits loses little. */
static bool has_small_loss(const search *s)
{
    bool any = false;
    for (size_t i = 0; i < s->result->n_choices; i++) {
        const mf_choice *c = &s->result->choices[i];
        any = any || (c->fits && is_little(c->loss));
    }
    return any;
}

/* What loses little is picked before the rest, which then need not be tried if only the pick counts. */
static mf_status try_offload(search *s, mf_error *err)
{
    const mf_plan_request *r = &s->planner->request;
    const bool can = r->offload && s->machine.engine->id == MF_ENGINE_LLAMACPP &&
                     s->machine.backend != MF_BACKEND_CPU && has_host(s->machine.machine);
    const bool in_turns = r->granting && r->fixed_context && mf_plan_by_speed(r);
    mf_status status = MF_OK;
    for (int turn = 0; can && turn < (in_turns ? 2 : 1); turn++) {
        const bool little = turn == 0;
        if (in_turns && !little && has_small_loss(s)) {
            break;
        }
        for (size_t q = 0; status == MF_OK && q < r->n_quants; q++) {
            if (!in_turns || loses_little(r, q) == little) {
                status = offload_scheme(s, q, err);
            }
        }
    }
    return status;
}

static mf_status search_engine(search *s, const mf_machine *machine, mf_error *err)
{
    const mf_plan_request *r = &s->planner->request;
    const mf_plan_engine *engine = &r->engines[s->engine];
    bool started = false;
    mf_status status = MF_OK;
    s->n_kv = engine->engine->id == MF_ENGINE_LLAMACPP && !r->fixed_kv ? MF_PLAN_KV_TYPES : 1;
    for (size_t q = 0; status == MF_OK && q < r->n_quants; q++) {
        const mf_ready_model *ready = NULL;
        mf_error why = {0};
        if (!mf_plan_takes(engine->engine->id, r->model, r->quants[q]) ||
            (r->granting && !mf_plan_grants_loss(r, q))) {
            continue;
        }
        status = mf_planner_scheme(&ready, s->planner, q, err);
        if (status != MF_OK || ready == NULL) {
            continue;
        }
        if (!started) {
            const mf_status made = mf_ready_machine_make(&s->machine,
                                                         machine,
                                                         engine->engine,
                                                         mf_plan_backend(machine),
                                                         engine->calibration,
                                                         ready,
                                                         &why);
            if (made != MF_OK) {
                note_refusal(s, made, &why);
                const bool refused = made == MF_E_UNSUPPORTED || made == MF_E_USAGE;
                return refused ? MF_OK : mf_fail(err, made, "%s", why.message);
            }
            started = true;
            status = fill_rest(s, ready, err);
        }
        if (status == MF_OK) {
            status = try_scheme(s, q, ready, err);
        }
    }
    return status == MF_OK && started ? try_offload(s, err) : status;
}

mf_status mf_plan_search(mf_plan_result *result,
                         mf_planner *planner,
                         const mf_machine *machine,
                         mf_error *err)
{
    mf_plan_result found = {0};
    mf_error refusal = {0};
    search *s = calloc(1, sizeof *s);
    mf_status status = s != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a plan");
    if (s != NULL) {
        s->planner = planner;
        s->result = &found;
        s->refusal = &refusal;
    }
    for (size_t e = 0; status == MF_OK && e < planner->request.n_engines; e++) {
        s->engine = e;
        status = search_engine(s, machine, err);
    }
    free(s);
    if (status != MF_OK) {
        free(found.choices);
        return status;
    }
    mf_plan_judge(&found, &planner->request);
    if (found.n_choices == 0 && refusal.message[0] != '\0') {
        (void)snprintf(found.reason, sizeof found.reason, "%.300s", refusal.message);
    }
    *result = found;
    return MF_OK;
}

void mf_plan_result_free(mf_plan_result *result)
{
    free(result->choices);
    *result = (mf_plan_result){0};
}

/* The case that a choice stands for. Borrows of the planner. */
static mf_case
case_of(const mf_planner *planner, const mf_choice *choice, const mf_machine *machine)
{
    const mf_plan_request *request = &planner->request;
    return (mf_case){.model = request->model,
                     .quant = request->quants[choice->quant],
                     .machine = machine,
                     .engine = request->engines[choice->engine].engine,
                     .backend = mf_plan_backend(machine),
                     .workload = choice->workload,
                     .footprint = planner->schemes[choice->quant].ready.footprint};
}

/* The case's context in the steps of mf_memory_max_context, not longer than what was trained. */
static uint64_t trained_context(const mf_case *run)
{
    enum { STEP = 256 };
    const uint64_t sequences = mf_workload_streams(&run->workload);
    const uint64_t trained = run->model->context_max / STEP * STEP * sequences;
    const uint64_t asked = run->workload.n_ctx / STEP * STEP;
    return run->model->context_max > 0 && trained < asked ? trained : asked;
}

mf_status mf_plan_max_context(uint64_t *n_ctx,
                              const mf_planner *planner,
                              const mf_choice *choice,
                              const mf_machine *machine,
                              mf_error *err)
{
    const mf_case run = case_of(planner, choice, machine);
    const uint64_t known = choice->fits ? trained_context(&run) : 0;
    const mf_status status = mf_memory_max_context(n_ctx, &run, err);
    /* Buffers don't grow evenly: the search may end below a context that is known to fit. */
    if (status == MF_OK && *n_ctx < known) {
        *n_ctx = known;
    }
    return status;
}

mf_status mf_plan_predict(mf_prediction *prediction,
                          mf_case *run,
                          const mf_planner *planner,
                          const mf_choice *choice,
                          const mf_machine *machine,
                          mf_error *err)
{
    *run = case_of(planner, choice, machine);
    return mf_predict(prediction, run, planner->request.engines[choice->engine].calibration, err);
}
