/*
 * plan_ways.c - what would grant the wishes that a machine does not: of every kind of step from it the cheapest.
 *
 * Machines are searched by their price until every step is found, so that most of them never are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan_offers.h"

/* The kinds of steps, and none. */
typedef enum step_kind {
    STEP_NONE,
    STEP_MEMORY,
    STEP_CARDS,
    STEP_MACHINES,
    STEP_CHIP,
    STEP_CHEAPEST,
    N_STEPS
} step_kind;

static const char *const step_names[N_STEPS] = {[STEP_MEMORY] = "more memory",
                                                [STEP_CARDS] = "more cards",
                                                [STEP_MACHINES] = "more machines",
                                                [STEP_CHIP] = "another chip",
                                                [STEP_CHEAPEST] = "the cheapest"};

/* A machine that may be a step. */
typedef struct candidate {
    mf_machine_offer offer; /* its choice is known once it was searched */
    step_kind kind;
} candidate;

typedef struct ways {
    const mf_plan_facts *facts;
    mf_plan_request request;
    mf_planner *planner;
    candidate *candidates;
    size_t n_candidates;
    mf_machine_offer found[N_STEPS];
    size_t n_found;
    bool has[N_STEPS];
    bool any; /* some machine grants the wishes */
} ways;

static step_kind kind_of(const mf_machine *machine, const mf_machine *from)
{
    const mf_device *a = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    const mf_device *b = from->n_devices > 0 ? from->devices[0].device : NULL;
    if (a == NULL || b == NULL || strcmp(machine->id, from->id) == 0) {
        return STEP_NONE;
    }
    const bool same_chip = strcmp(a->id, b->id) == 0;
    const bool same_nodes = machine->n_nodes == from->n_nodes;
    if (same_chip && same_nodes && mf_plan_capacity(machine) > mf_plan_capacity(from)) {
        return machine->devices[0].count > from->devices[0].count ? STEP_CARDS : STEP_MEMORY;
    }
    if (same_chip && machine->n_nodes > from->n_nodes) {
        return STEP_MACHINES;
    }
    return a->chip_class == b->chip_class && same_nodes &&
                   machine->devices[0].count == from->devices[0].count &&
                   machine->n_devices == from->n_devices
               ? STEP_CHIP
               : STEP_NONE;
}

/* Slower than people read by far is no way out, unless that was asked for. */
static bool is_usable(const mf_choice *choice, const mf_wish *wish)
{
    enum { USABLE_TOK_S = 1 };
    return wish->min_tok_s > 0 || !choice->decode.known || choice->decode.tok_s >= USABLE_TOK_S;
}

/* A machine that has not the memory, or is neither a step nor has a price, is left out. */
static mf_status add_candidate(ways *w, const char *name, const mf_machine *from, mf_error *err)
{
    mf_machine *machine = NULL;
    bool may = true;
    candidate *c = &w->candidates[w->n_candidates];
    mf_status status = mf_cli_machine(&machine, w->facts->database, name, err);
    if (status != MF_OK) {
        return status;
    }
    *c = (candidate){
        .kind = kind_of(machine, from),
        .offer = {.price = mf_plan_price(w->facts, machine),
                  .capacity_bytes = mf_plan_capacity(machine)}
    };
    (void)snprintf(c->offer.machine, sizeof c->offer.machine, "%s", name);
    if (c->kind == STEP_NONE && !c->offer.price.known) {
        may = false;
    } else {
        status = mf_plan_may_grant(&may, w->planner, machine, err);
    }
    w->n_candidates += may ? 1 : 0;
    mf_machine_free(machine);
    return status;
}

/* Fills the offer if the machine grants the wishes. */
static mf_status search_one(bool *grants, ways *w, candidate *c, mf_error *err)
{
    mf_machine *machine = NULL;
    mf_plan_result result = {0};
    mf_status status = mf_cli_machine(&machine, w->facts->database, c->offer.machine, err);
    status = status == MF_OK ? mf_plan_search(&result, w->planner, machine, err) : status;
    *grants = status == MF_OK && result.pick_meets &&
              is_usable(&result.choices[result.pick], &w->request.wish);
    if (*grants) {
        mf_plan_fill_offer(&c->offer, w->facts, &w->request, &result.choices[result.pick], machine);
    }
    mf_plan_result_free(&result);
    mf_machine_free(machine);
    return status;
}

/* Until something grants the wishes whatever has a price may be the cheapest. */
static bool is_wanted(const ways *w, const candidate *c)
{
    return (c->kind != STEP_NONE && !w->has[c->kind]) || (!w->any && c->offer.price.known);
}

static void take(ways *w, const candidate *c)
{
    const step_kind kind =
        c->kind == STEP_NONE && !w->any && c->offer.price.known ? STEP_CHEAPEST : c->kind;
    if (kind != STEP_NONE && !w->has[kind]) {
        w->has[kind] = true;
        w->found[w->n_found] = c->offer;
        w->found[w->n_found++].what = step_names[kind];
    }
    w->any = true;
}

/* Those that only their speed can put in order are searched together. */
static mf_status search_equals(ways *w, size_t begin, size_t end, mf_error *err)
{
    size_t n = begin;
    for (size_t i = begin; i < end; i++) {
        bool grants = false;
        if (is_wanted(w, &w->candidates[i])) {
            const mf_status status = search_one(&grants, w, &w->candidates[i], err);
            if (status != MF_OK) {
                return status;
            }
        }
        if (grants) {
            w->candidates[n++] = w->candidates[i];
        }
    }
    qsort(&w->candidates[begin], n - begin, sizeof *w->candidates, mf_plan_by_price);
    for (size_t i = begin; i < n; i++) {
        take(w, &w->candidates[i]);
    }
    return MF_OK;
}

static bool are_equal(const mf_machine_offer *a, const mf_machine_offer *b)
{
    const double left = a->price.known ? a->price.value : a->capacity_bytes;
    const double right = b->price.known ? b->price.value : b->capacity_bytes;
    const bool alike = !a->price.known || (a->price.standing == b->price.standing &&
                                           a->price.currency == b->price.currency);
    return a->price.known == b->price.known && alike && !(left < right) && !(left > right);
}

static mf_status search_all(ways *w, mf_error *err)
{
    mf_status status = MF_OK;
    qsort(w->candidates, w->n_candidates, sizeof *w->candidates, mf_plan_by_price);
    for (size_t i = 0; status == MF_OK && i < w->n_candidates;) {
        size_t end = i + 1;
        while (end < w->n_candidates &&
               are_equal(&w->candidates[i].offer, &w->candidates[end].offer)) {
            end++;
        }
        status = search_equals(w, i, end, err);
        i = end;
    }
    return status;
}

static mf_status find_ways(ways *w, const mf_model *model, const mf_machine *from, mf_error *err)
{
    mf_cli_list all = {0};
    mf_status status = mf_plan_facts_request(&w->request, w->facts, model, true, err);
    w->request.granting = true;
    status = status == MF_OK ? mf_planner_ask(w->planner, &w->request, err) : status;
    status = status == MF_OK ? mf_cli_list_of(&all, NULL, w->facts->database, MF_ENTRY_MACHINE, err)
                             : status;
    w->candidates = status == MF_OK ? calloc(all.n + 1, sizeof *w->candidates) : NULL;
    if (status == MF_OK && w->candidates == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for machines");
    }
    for (size_t i = 0; status == MF_OK && i < all.n; i++) {
        status = add_candidate(w, all.names[i], from, err);
    }
    status = status == MF_OK ? search_all(w, err) : status;
    mf_cli_list_free(&all);
    free(w->candidates);
    return status;
}

mf_status mf_plan_ways_out(mf_document *document,
                           const mf_plan_facts *facts,
                           mf_planner *planner,
                           const mf_model *model,
                           const mf_machine *machine,
                           mf_error *err)
{
    ways *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for ways out");
    }
    w->facts = facts;
    w->planner = planner;
    const mf_status status = find_ways(w, model, machine, err);
    if (status == MF_OK && w->n_found > 0) {
        mf_show_offers(document, "What it would take", w->found, w->n_found);
    } else if (status == MF_OK) {
        mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(
            document,
            "- no larger machine of its kind and none with a known price grants these wishes");
    }
    free(w);
    return status;
}
