/*
 * highest_rate.c - how much a machine can take. Requests at every rate are the same ones, closer together or further apart, so that
 * the share that keeps the promise falls with the rate but for noise.
 */
#include <math.h>

#include "memfit/simulate.h"

#define DEFAULT_SHARE 0.95
#define LONGEST_S 1e9 /* that the requests are spread over, at the lowest rate */
#define MOST_RATE 1e6
#define RATIO 1.02

typedef struct search {
    const mf_simulation_run *run;
    mf_open_load load;
    double share;
    mf_simulation last;
} search;

/* Simulates at a rate; *kept: is the promise, without saturation? */
static mf_status try_rate(bool *kept, search *s, double rate, mf_error *err)
{
    mf_simulation_run run = *s->run;
    s->load.rate_per_s = rate;
    mf_status status = mf_requests_draw(&run.requests, &s->load, err);
    if (status != MF_OK) {
        return status;
    }
    status = mf_simulate(&s->last, &run, err);
    mf_requests_free(run.requests);
    *kept = s->last.fits && !s->last.saturated && s->last.within_share >= s->share;
    return status;
}

static mf_status bisect(double *best, mf_simulation *at, search *s, mf_error *err)
{
    double low = (double)s->load.n_requests / LONGEST_S;
    double high = MOST_RATE;
    bool kept = false;
    mf_status status = try_rate(&kept, s, low, err);
    *at = s->last;
    *best = 0;
    if (status != MF_OK || !kept) {
        return status;
    }
    while (status == MF_OK && high > RATIO * low) {
        const double middle = sqrt(low * high);
        status = try_rate(&kept, s, middle, err);
        if (status == MF_OK && kept) {
            low = middle;
            *best = middle;
            *at = s->last;
        } else {
            high = middle;
        }
    }
    return status;
}

mf_status mf_simulate_highest_rate(double *rate_per_s,
                                   mf_simulation *at,
                                   const mf_simulation_run *run,
                                   const mf_open_load *load,
                                   mf_error *err)
{
    const mf_promise *p = &run->promise;
    search s = {.run = run, .load = *load, .share = p->share > 0 ? p->share : DEFAULT_SHARE};
    if (!(p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0) || !(s.share <= 1)) {
        return mf_fail(err, MF_E_USAGE, "a search needs a limit on some time, and a share up to 1");
    }
    double best = 0;
    mf_simulation found = {0};
    const mf_status status = bisect(&best, &found, &s, err);
    if (status == MF_OK) {
        *rate_per_s = best;
        *at = found;
    }
    return status;
}
