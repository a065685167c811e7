/*
 * draw.h - possible worlds from a seed: Sobol points shifted by it, or MT19937.
 */
#ifndef MF_COST_DRAW_H
#define MF_COST_DRAW_H

#include "cost/model.h"

typedef struct mf_drawer mf_drawer;

/* MF_E_USAGE for correlations that no three paths can have, or more dimensions than Sobol points have. Free it. */
mf_status mf_drawer_new(mf_drawer **out, const mf_cost_model *model, mf_error *err);
void mf_drawer_free(mf_drawer *drawer);

/* The next world. uniforms (MF_COST_INPUT_COUNT of them) gets what each input was drawn at, for ranks; of a path the sum
   of its surprises. */
void mf_drawer_next(mf_world *world, double *uniforms, mf_drawer *drawer);

/* Poisson quantile. */
double mf_poisson_at(double mean, double probability);

#endif
