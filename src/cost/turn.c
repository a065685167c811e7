#include "cost/turn.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_roots.h>
#include <stdbool.h>

typedef struct problem {
    mf_difference *difference;
    const void *payload;
} problem;

static double call(double x, void *payload)
{
    const problem *p = payload;
    return p->difference(x, p->payload);
}

static mf_status refine(double *root, problem *p, double low, double high, mf_error *err)
{
    enum { MOST = 200 };
    static const double epsabs = 1e-9;
    static const double epsrel = 1e-9;
    gsl_root_fsolver *solver = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (solver == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a root");
    }
    gsl_function f = {.function = call, .params = p};
    int code = gsl_root_fsolver_set(solver, &f, low, high);
    for (int i = 0; code == GSL_SUCCESS && i < MOST; i++) {
        code = gsl_root_fsolver_iterate(solver);
        const double a = gsl_root_fsolver_x_lower(solver);
        const double b = gsl_root_fsolver_x_upper(solver);
        *root = gsl_root_fsolver_root(solver);
        if (code != GSL_SUCCESS || gsl_root_test_interval(a, b, epsabs, epsrel) == GSL_SUCCESS) {
            break;
        }
    }
    gsl_root_fsolver_free(solver);
    return code == GSL_SUCCESS ? MF_OK
                               : mf_fail(err, MF_E_INTERNAL, "no root: %s", gsl_strerror(code));
}

mf_status mf_turn_find(mf_break_even *found,
                       mf_difference *difference,
                       const void *payload,
                       mf_range between,
                       size_t n_steps,
                       mf_error *err)
{
    problem p = {.difference = difference, .payload = payload};
    const double step = (between.high - between.low) / (double)n_steps;
    double before = between.low;
    const bool cheaper = difference(before, payload) > 0;
    for (size_t i = 1; i <= n_steps; i++) {
        const double x = i < n_steps ? between.low + (double)i * step : between.high;
        if ((difference(x, payload) > 0) != cheaper) {
            found->turn = cheaper ? MF_TURN_UNTIL : MF_TURN_AT;
            return refine(&found->value, &p, before, x, err);
        }
        before = x;
    }
    *found = (mf_break_even){.turn = cheaper ? MF_TURN_ALWAYS : MF_TURN_NEVER};
    return MF_OK;
}
