/*
 * planner.h - a request and what was made of its schemes, which serve any number of machines.
 */
#ifndef MF_PLAN_PLANNER_H
#define MF_PLAN_PLANNER_H

#include "memfit/plan.h"
#include "plan/ready.h"

typedef struct scheme {
    mf_ready_model ready;
    mf_status status;
    bool made;
} scheme;

struct mf_planner {
    mf_plan_request request;
    scheme *schemes;             /* by quant */
    const mf_ready_model *first; /* of the schemes, whose shapes the others share */
    uint64_t contexts[MF_PLAN_MAX_CONTEXTS];
    size_t n_contexts;
    bool knows_least;
    uint64_t
        least_bytes; /* the layers of the smallest scheme whose loss is granted; UINT64_MAX if there is none */
};

/* A scheme, made when it is first asked for; NULL if it can't hold the model. The planner's. */
mf_status
mf_planner_scheme(const mf_ready_model **ready, mf_planner *p, size_t quant, mf_error *err);

#endif
