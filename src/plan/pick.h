/*
 * pick.h - of all choices: which grant the wishes, which are not beaten, and which one to take.
 */
#ifndef MF_PLAN_PICK_H
#define MF_PLAN_PICK_H

#include "memfit/plan.h"

/* Loss that no one tells from none: above Q8_0's (0.0014). What loses less is not worth any speed. */
#define MF_PLAN_NO_LOSS 0.002

/* Fills meets, on_front, pick and reason. */
void mf_plan_judge(mf_plan_result *result, const mf_plan_request *request);

/* Whole on the GPU, with a cache of 8 bits or more unless a format was asked for: what a coarser one loses nobody measured, and
   parts in host memory may be the better way. */
bool mf_plan_is_held_well(const mf_choice *choice, const mf_plan_request *request);

/* The context that is wished for is not longer than what the model was trained for. */
bool mf_plan_is_trained_for(const mf_plan_request *r);

/* Once the loss is small speed counts: whatever loses little is picked before what does not. */
bool mf_plan_by_speed(const mf_plan_request *r);

/* What the scheme loses is within the wish. */
bool mf_plan_grants_loss(const mf_plan_request *r, size_t quant);

/* The engine reads files of this kind, and the model has something to write in it; NULL is a GGUF file as stored.
   search.c */
bool mf_plan_takes(mf_engine_id engine, const mf_model *model, const mf_quant *quant);

/* Schemes that people download; others are searched but not tried with parts in host memory. */
bool mf_plan_is_usual(const mf_quant *quant);

#endif
