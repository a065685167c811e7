/*
 * planner.c - what a search needs of a request, whatever the machine.
 */
#include "plan/planner.h"

#include <stdlib.h>

#include "plan/pick.h"

static void add_context(mf_planner *p, uint64_t n_ctx)
{
    size_t at = p->n_contexts;
    for (size_t i = 0; i < p->n_contexts; i++) {
        if (p->contexts[i] == n_ctx) {
            return;
        }
    }
    if (p->n_contexts == MF_PLAN_MAX_CONTEXTS) {
        return;
    }
    while (at > 0 && p->contexts[at - 1] > n_ctx) {
        p->contexts[at] = p->contexts[at - 1];
        at--;
    }
    p->contexts[at] = n_ctx;
    p->n_contexts++;
}

/* The wished one, then powers of two up to what the model was trained for. */
static void choose_contexts(mf_planner *p)
{
    static const uint64_t usual[] = {
        131072, 65536, 32768, 16384, 8192, 262144, 4096, 1048576, 524288};
    const mf_plan_request *r = &p->request;
    const uint64_t trained = r->model->context_max;
    add_context(p, mf_plan_wished_context(r));
    if (r->fixed_context) {
        return;
    }
    if (trained > 0) {
        add_context(p, trained);
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (trained == 0 || usual[i] <= trained) {
            add_context(p, usual[i]);
        }
    }
}

static mf_status check(const mf_plan_request *request, mf_error *err)
{
    return request->model != NULL && request->n_quants > 0 && request->n_engines > 0
               ? MF_OK
               : mf_fail(err, MF_E_USAGE, "a plan takes a model, schemes and an engine");
}

mf_status mf_planner_new(mf_planner **out, const mf_plan_request *request, mf_error *err)
{
    mf_status status = check(request, err);
    if (status != MF_OK) {
        return status;
    }
    mf_planner *p = calloc(1, sizeof *p);
    scheme *schemes = calloc(request->n_quants, sizeof *schemes);
    if (p == NULL || schemes == NULL) {
        free(p);
        free(schemes);
        return mf_fail(err, MF_E_NOMEM, "out of memory for a plan");
    }
    p->request = *request;
    p->schemes = schemes;
    choose_contexts(p);
    *out = p;
    return MF_OK;
}

mf_status mf_planner_ask(mf_planner *planner, const mf_plan_request *request, mf_error *err)
{
    const mf_plan_request *had = &planner->request;
    if (request->model != had->model || request->quants != had->quants ||
        request->n_quants != had->n_quants || request->n_engines == 0) {
        return mf_fail(err, MF_E_USAGE, "another request of a planner has its model and schemes");
    }
    planner->request = *request;
    planner->n_contexts = 0;
    planner->knows_least = false;
    choose_contexts(planner);
    return MF_OK;
}

void mf_planner_free(mf_planner *planner)
{
    if (planner == NULL) {
        return;
    }
    for (size_t i = 0; i < planner->request.n_quants; i++) {
        mf_ready_model_free(&planner->schemes[i].ready);
    }
    free(planner->schemes);
    free(planner);
}

mf_status
mf_planner_scheme(const mf_ready_model **ready, mf_planner *p, size_t quant, mf_error *err)
{
    scheme *s = &p->schemes[quant];
    mf_error why = {0};
    if (!s->made) {
        s->made = true;
        const mf_quant *how = p->request.quants[quant];
        s->status = p->first != NULL ? mf_ready_model_make_like(&s->ready, p->first, how, &why)
                                     : mf_ready_model_make(&s->ready, p->request.model, how, &why);
        p->first = p->first == NULL && s->status == MF_OK ? &s->ready : p->first;
    }
    *ready = s->status == MF_OK ? &s->ready : NULL;
    const bool can_be =
        s->status == MF_OK || s->status == MF_E_UNSUPPORTED || s->status == MF_E_DATA;
    return can_be ? MF_OK : mf_fail(err, s->status, "%s", why.message);
}

static bool is_taken(const mf_plan_request *r, size_t quant)
{
    bool taken = false;
    for (size_t e = 0; e < r->n_engines; e++) {
        taken = taken || mf_plan_takes(r->engines[e].engine->id, r->model, r->quants[quant]);
    }
    return taken && mf_plan_grants_loss(r, quant);
}

/* No engine takes less than the layers' weights, wherever they lie. */
static mf_status find_least(mf_planner *p, mf_error *err)
{
    const mf_plan_request *r = &p->request;
    uint64_t least = UINT64_MAX;
    for (size_t q = 0; q < r->n_quants; q++) {
        const mf_ready_model *ready = NULL;
        const mf_status status = is_taken(r, q) ? mf_planner_scheme(&ready, p, q, err) : MF_OK;
        if (status != MF_OK) {
            return status;
        }
        const uint64_t bytes = ready != NULL ? mf_ready_least_bytes(ready) : UINT64_MAX;
        least = bytes < least ? bytes : least;
    }
    p->least_bytes = least;
    p->knows_least = true;
    return MF_OK;
}

mf_status mf_planner_may_grant(bool *may, mf_planner *planner, double memory_bytes, mf_error *err)
{
    const mf_status status = planner->knows_least ? MF_OK : find_least(planner, err);
    if (status == MF_OK) {
        *may = mf_plan_is_trained_for(&planner->request) && planner->least_bytes < UINT64_MAX &&
               (double)planner->least_bytes <= memory_bytes;
    }
    return status;
}
