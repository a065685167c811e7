#include <math.h>

#include "simulate/pace_make.h"

static void add_break(mf_depth_cost *cost, double tokens)
{
    /* One term is for what has no limit. */
    enum { MOST = MF_PACE_TERMS - 1 };
    if (!(tokens >= 1) || tokens > 1e12) {
        return;
    }
    const uint64_t at = (uint64_t)(tokens + 0.5);
    size_t i = 0;
    while (i < cost->n_breaks && cost->breaks[i] < at) {
        i++;
    }
    if ((i < cost->n_breaks && cost->breaks[i] == at) || cost->n_breaks == MOST) {
        return;
    }
    for (size_t k = cost->n_breaks; k > i; k--) {
        cost->breaks[k] = cost->breaks[k - 1];
    }
    cost->breaks[i] = at;
    cost->n_breaks++;
}

void mf_depth_breaks(mf_depth_cost *cost, const mf_work *work)
{
    for (size_t g = 0; g < work->n_groups; g++) {
        add_break(cost, work->groups[g].window);
        add_break(cost, work->groups[g].top_k);
    }
}

/* Slope of a cost in the stretch that ends at break i; the last one has no end. */
static double slope(const mf_depth_cost *cost, size_t i, mf_depth_fn *at, const void *context)
{
    static const double far = 65536;
    const double begin = i > 0 ? (double)cost->breaks[i - 1] : 0;
    const double end = i < cost->n_breaks ? (double)cost->breaks[i] : begin + far;
    return fmax(0, (at(context, end) - at(context, begin)) / (end - begin));
}

/* What the slope loses at break i; behind the last one, all of it. */
static uint64_t lost_ps(const mf_depth_cost *cost, size_t i, mf_depth_fn *at, const void *context)
{
    const double here = slope(cost, i, at, context);
    return mf_picoseconds(i < cost->n_breaks ? here - slope(cost, i + 1, at, context) : here);
}

/* A concave line of straight pieces is a sum of terms, each straight up to a limit: what the slope loses at a break belongs to the
   term that ends there. */
void mf_pace_terms_set(mf_pace *pace, const mf_depth_cost *cost, const mf_depth_costs *costs)
{
    mf_depth_fn *mixed = costs->mixed_s != NULL ? costs->mixed_s : costs->decode_s;
    for (size_t i = 0; i <= cost->n_breaks; i++) {
        const uint64_t decode = lost_ps(cost, i, costs->decode_s, costs->context);
        const uint64_t alone =
            costs->alone_s != NULL ? lost_ps(cost, i, costs->alone_s, costs->context) : decode;
        pace->terms[i] =
            (mf_pace_term){.limit_tokens = i < cost->n_breaks ? cost->breaks[i] : MF_NO_LIMIT,
                           .decode_ps = decode,
                           .alone_ps = alone < decode ? decode - alone : 0,
                           .mixed_ps = lost_ps(cost, i, mixed, costs->context),
                           .pair_ps = lost_ps(cost, i, costs->prompt_s, costs->context)};
    }
    pace->n_terms = cost->n_breaks + 1;
}
