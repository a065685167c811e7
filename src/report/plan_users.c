/*
 * plan_users.c - several sequences at once: what each of them gets of the pick, as a wished speed is judged by one alone.
 */
#include <stdio.h>

#include "report/plan.h"
#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

mf_rate mf_rate_share(const mf_rate *rate, uint32_t n)
{
    mf_rate each = *rate;
    each.tok_s /= n;
    each.low_tok_s /= n;
    each.high_tok_s /= n;
    return each;
}

static void rate_pair(mf_document *d, const char *name, const mf_rate *rate, const char *more)
{
    char id[64];
    text speed;
    text range;
    mf_document_cell(d, "%s", name);
    mf_document_cell(
        d, "%s tok/s (90 %%: %s)%s", mf_rate_text(speed, rate), mf_range_text(range, rate), more);
    (void)snprintf(id, sizeof id, "at-once/%.40s", name);
    mf_document_figure(
        d, id, "law of a step with all sequences in it: docs/speed.md", "tok/s", rate->tok_s);
    mf_document_interval(d, rate->low_tok_s, rate->high_tok_s);
    mf_document_input(d, 0, "basis", "%s", mf_basis_name(rate->basis));
}

mf_status mf_show_plan_users(mf_document *document, const mf_plan_shown *shown, mf_error *err)
{
    mf_case run;
    mf_prediction prediction = {0};
    char heading[64];
    char number[MF_NUMBER_SIZE];
    text more = "";
    const mf_plan_result *r = shown->result;
    const mf_wish *wish = &shown->request->wish;
    const uint32_t n = shown->request->workload.n_parallel;
    if (n < 2 || r->pick >= r->n_choices) {
        return MF_OK;
    }
    const mf_status status = mf_plan_predict(
        &prediction, &run, shown->planner, &r->choices[r->pick], shown->machine, err);
    if (status != MF_OK || !prediction.together.known) {
        return status;
    }
    const mf_rate each = mf_rate_share(&prediction.together, n);
    if (wish->min_tok_s > 0 && each.tok_s < wish->min_tok_s) {
        (void)snprintf(more,
                       sizeof more,
                       ": the wished %s are of one alone",
                       mf_number_text(number, wish->min_tok_s, 3));
    }
    (void)snprintf(heading, sizeof heading, "%u sequences at once", (unsigned)n);
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, heading);
    rate_pair(document, "together", &prediction.together, "");
    rate_pair(document, "each", &each, more);
    return MF_OK;
}
