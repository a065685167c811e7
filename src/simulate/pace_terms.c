#include <math.h>

#include "simulate/pace_make.h"

void mf_depth_break(mf_depth_cost *cost, double tokens)
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

/* Slope of a cost in the stretch that ends at break i; the last one has no end. */
static double slope(const mf_depth_cost *cost, size_t i, mf_depth_fn *at, const void *context)
{
    static const double far = 65536;
    const double begin = i > 0 ? (double)cost->breaks[i - 1] : 0;
    const double end = i < cost->n_breaks ? (double)cost->breaks[i] : begin + far;
    return fmax(0, (at(context, end) - at(context, begin)) / (end - begin));
}

/* A concave line of straight pieces is a sum of terms, each straight up to a limit: what the slope loses at a break belongs to the
   term that ends there. */
void mf_pace_terms_set(mf_pace *pace, const mf_depth_cost *cost, const mf_depth_costs *costs)
{
    pace->n_terms = 0;
    double decode = slope(cost, 0, costs->decode_s, costs->context);
    double prompt = slope(cost, 0, costs->prompt_s, costs->context);
    for (size_t i = 0; i <= cost->n_breaks; i++) {
        const bool last = i == cost->n_breaks;
        const double next_decode =
            last ? 0 : fmin(decode, slope(cost, i + 1, costs->decode_s, costs->context));
        const double next_prompt =
            last ? 0 : fmin(prompt, slope(cost, i + 1, costs->prompt_s, costs->context));
        mf_pace_term *term = &pace->terms[pace->n_terms++];
        *term = (mf_pace_term){.limit_tokens = last ? MF_NO_LIMIT : cost->breaks[i],
                               .decode_ps = mf_picoseconds(decode - next_decode),
                               .pair_ps = mf_picoseconds(prompt - next_prompt)};
        term->mixed_ps = term->decode_ps;
        decode = next_decode;
        prompt = next_prompt;
    }
}
