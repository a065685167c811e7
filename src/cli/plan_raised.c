/*
 * plan_raised.c - what a plan would answer with the GPU limit of a unified memory raised, which its owner does with one command.
 */
#include <math.h>
#include <stdio.h>

#include "cli/plan_facts.h"

/* A limit is worth raising for what could not be had, or for a loss that people notice. */
static bool is_wanting(const mf_plan_result *result)
{
    if (result->pick >= result->n_choices || !result->pick_meets) {
        return result->n_choices > 0;
    }
    const mf_loss *loss = &result->choices[result->pick].loss;
    return loss->known && loss->divergence > MF_PLAN_SMALL_LOSS;
}

static bool is_better(const mf_plan_result *raised, const mf_plan_result *result)
{
    static const double much = 0.5; /* of the loss is gone */
    if (raised->pick >= raised->n_choices || !raised->pick_meets) {
        return false;
    }
    if (result->pick >= result->n_choices || !result->pick_meets) {
        return true;
    }
    const mf_loss *after = &raised->choices[raised->pick].loss;
    const mf_loss *before = &result->choices[result->pick].loss;
    return after->known && before->known && after->divergence < much * before->divergence;
}

/* The limits of the machine's GPUs as far as they can be raised with room for a desktop and the engine's own memory beside
   them (wording.c: below 4 GiB it may swap, places.c: 4 GiB for the system); false where nothing raises them so. */
static bool raise_pools(mf_machine *machine, const mf_memory *memory)
{
    static const double room_bytes = 9.0 * 1024 * 1024 * 1024;
    const mf_place *place = &memory->places[0];
    bool raised = false;
    for (size_t i = 0; place->raise != MF_RAISE_NONE && i < machine->n_pools; i++) {
        mf_pool *pool = &machine->pools[i];
        const double most = pool->capacity_bytes.value - room_bytes;
        if (pool->kind == MF_POOL_UNIFIED && most > (double)place->limit_bytes) {
            pool->usable_bytes = (mf_fact){.value = fmin((double)place->raised_limit_bytes, most),
                                           .known = true,
                                           .source = MF_NO_SOURCE};
            raised = true;
        }
    }
    return raised;
}

/* With what the rest of the system needs the choice must fit beside it. */
static mf_status keep_if_it_fits(mf_plan_raised *raised,
                                 const mf_plan_shown *shown,
                                 const mf_choice *choice,
                                 mf_error *err)
{
    mf_case run;
    mf_prediction p = {0};
    const mf_status status = mf_plan_predict(&p, &run, shown->planner, choice, shown->machine, err);
    if (status == MF_OK && mf_raised_of(&raised->limit, &p.memory, &p.memory.places[0]) &&
        raised->limit.fits && !raised->limit.may_swap) {
        raised->known = true;
        raised->choice = *choice;
    }
    return status;
}

mf_status mf_plan_search_raised(mf_plan_raised *raised,
                                mf_planner *planner,
                                const mf_plan_facts *facts,
                                const mf_plan_shown *shown,
                                const char *name,
                                mf_error *err)
{
    mf_case run;
    mf_prediction p = {0};
    mf_machine *machine = NULL;
    mf_plan_result found = {0};
    const mf_plan_result *result = shown->result;
    *raised = (mf_plan_raised){0};
    if (!is_wanting(result)) {
        return MF_OK;
    }
    const size_t any = result->pick < result->n_choices ? result->pick : 0;
    mf_status status =
        mf_plan_predict(&p, &run, planner, &result->choices[any], shown->machine, err);
    if (status != MF_OK || !p.memory_known || p.memory.places[0].raise == MF_RAISE_NONE) {
        return status;
    }
    status = mf_cli_machine(&machine, facts->database, name, err);
    if (status == MF_OK && raise_pools(machine, &p.memory)) {
        status = mf_plan_search(&found, planner, machine, err);
    }
    if (status == MF_OK && is_better(&found, result)) {
        status = keep_if_it_fits(raised, shown, &found.choices[found.pick], err);
    }
    mf_plan_result_free(&found);
    mf_machine_free(machine);
    return status;
}

mf_status mf_plan_raised_answer(mf_raised_answer *out,
                                mf_planner *planner,
                                const mf_plan_facts *facts,
                                const mf_plan_shown *shown,
                                const char *name,
                                mf_error *err)
{
    mf_plan_raised raised;
    char speed[MF_WORDING_SIZE];
    *out = (mf_raised_answer){0};
    const mf_status status = mf_plan_search_raised(&raised, planner, facts, shown, name, err);
    if (status == MF_OK && raised.known) {
        out->choice = raised.choice;
        (void)snprintf(out->words,
                       sizeof out->words,
                       "with the GPU limit raised %.80s at %.40s tok/s",
                       mf_choice_text(out->how, shown->request, &raised.choice),
                       mf_rate_text(speed, &raised.choice.decode));
    }
    return status;
}
