#include "cli/inverse.h"

#include <stdlib.h>

#include "plan/pick.h"

static mf_status find_quant(mf_cli_inverse *inverse, const mf_case *run, mf_error *err)
{
    const mf_quant **taken = calloc(inverse->quants.n_items + 1, sizeof *taken);
    size_t n = 0;
    size_t best = 0;
    if (taken == NULL) {
        return mf_fail(
            err, MF_E_NOMEM, "out of memory for %zu quantizations", inverse->quants.n_items);
    }
    for (size_t i = 0; i < inverse->quants.n_items; i++) {
        const mf_quant *quant = inverse->quants.items[i];
        if (mf_plan_takes(run->engine->id, run->model, quant) && mf_plan_is_usual(quant)) {
            taken[n++] = quant;
        }
    }
    const mf_status status =
        mf_memory_largest_quant(&best, &inverse->found.largest_quant_bytes, taken, n, run, err);
    if (status == MF_OK && best < n) {
        inverse->found.largest_quant = taken[best]->id;
    }
    free(taken);
    return status;
}

mf_status mf_cli_inverse_make(mf_cli_inverse *inverse,
                              const mf_cli_case *loaded,
                              const mf_database *database,
                              mf_error *err)
{
    /* With --placement auto the memory that is shown is that of the place found, so these are of it too. */
    mf_case run = loaded->run;
    mf_fit_placement placement = {0};
    mf_layer_part *parts = calloc(run.model->n_layers + 1, sizeof *parts);
    mf_status status = parts != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for layers");
    if (status == MF_OK && run.place_freely) {
        mf_placed_apply(&run.workload, &placement, parts, &loaded->prediction.placed, run.model);
    }
    if (status == MF_OK) {
        status = mf_memory_max_parallel(&inverse->found.max_parallel, &run, err);
    }
    inverse->found.quants_known = run.quant != NULL;
    if (status == MF_OK && inverse->found.quants_known) {
        status = mf_database_quants(&inverse->quants, database, err);
        status = status == MF_OK ? find_quant(inverse, &run, err) : status;
    }
    free(parts);
    return status;
}

void mf_cli_inverse_free(mf_cli_inverse *inverse)
{
    mf_quants_free(&inverse->quants);
}
