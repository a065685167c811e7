#include "speed/speculate.h"

#include <math.h>
#include <stdlib.h>

/* The draft model on the same devices, all of it. */
static mf_status draft_token_s(double *seconds,
                               const char **reason,
                               const mf_case *run,
                               const mf_calibration *calibration,
                               double depth,
                               mf_error *err)
{
    bool estimated = false;
    mf_case draft = *run;
    draft.model = run->draft;
    draft.quant = run->draft_quant;
    draft.draft = NULL;
    draft.footprint = NULL;
    draft.workload.placement = NULL;
    draft.workload.n_cpu_moe = 0;
    draft.workload.gpu_layers = MF_ALL_LAYERS;
    mf_path *path = calloc(1, sizeof *path);
    mf_tensor_type *types = calloc(draft.model->n_tensors + 1, sizeof *types);
    mf_status status =
        path && types ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for a draft model");
    if (status == MF_OK) {
        status = mf_quant_types(types, &estimated, draft.model, draft.quant, err);
    }
    if (status == MF_OK) {
        status = mf_path_build(path, reason, &draft, types, NULL, calibration, err);
    }
    if (status == MF_OK && !*reason) {
        mf_step step = mf_step_of(&draft.workload);
        step.depth = depth;
        *seconds = mf_path_decode(path, step).total_s;
    }
    free(path);
    free(types);
    return status;
}

/* The tokens to check belong to one sequence: its cache is read once. */
static double check_s(const mf_step_law *target, uint32_t n_tokens, double depth)
{
    return mf_step_seconds(target, (mf_step_load){.n_decode = n_tokens, .sum_depth = depth});
}

mf_status mf_speculate(mf_speculation *out,
                       const mf_step_law *target,
                       const mf_case *run,
                       const mf_calibration *calibration,
                       double depth,
                       mf_error *err)
{
    const char *reason = NULL;
    double draft_s = 0;
    const mf_status status = draft_token_s(&draft_s, &reason, run, calibration, depth, err);
    if (status != MF_OK) {
        return status;
    }
    if (reason) {
        *out = (mf_speculation){.reason = reason};
        return MF_OK;
    }
    const double n = run->n_draft;
    const double one = check_s(target, 1, depth);
    const double check = check_s(target, run->n_draft + 1, depth);
    mf_speculation s = {.known = true,
                        .check_slowdown = check / one,
                        .draft_share = n * draft_s / one,
                        .tokens_per_round = 1 + n * run->draft_acceptance};
    s.break_even = fmax(0, (s.check_slowdown + s.draft_share - 1) / n);
    s.decode.reason = "how often a draft is accepted is not stated";
    if (run->draft_acceptance > 0) {
        s.decode = mf_step_rate_of(
            target, calibration, run->machine, s.tokens_per_round, check + n * draft_s, depth);
    }
    *out = s;
    return MF_OK;
}
