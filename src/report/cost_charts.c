/*
 * cost_charts.c - cost over time with its band, and a tornado for each comparison.
 */
#include <math.h>
#include <stdio.h>

#include "report/cost.h"
#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

void mf_show_cost_charts(mf_document *document, const mf_cost_shown *shown)
{
    enum { SHOWN = 8 };
    const mf_cost *c = shown->cost;
    const mf_axis years = {.kind = MF_AXIS_LINEAR, .title = "years", .from_zero = true};
    const mf_axis money = {.kind = MF_AXIS_LINEAR,
                           .title = shown->plan->currency == MF_EUR ? "EUR spent" : "USD spent",
                           .from_zero = true};
    mf_document_chart(document,
                      "Cost over time, the machine sold at the end",
                      "Total cost of each way by year, with the band between P10 and P90",
                      years,
                      money);
    for (size_t w = 0; w < MF_WAY_COUNT; w++) {
        if (!c->has[w]) {
            continue;
        }
        mf_document_series(document, MF_MARK_LINE, false, mf_cost_way_title((mf_cost_way)w));
        for (size_t i = 0; i < c->n_points; i++) {
            const mf_cost_point *p = &c->points[i];
            mf_document_point(
                document,
                (mf_chart_point){
                    .x = p->years, .y = p->value[w], .low = p->p10[w], .high = p->p90[w]},
                NULL);
        }
    }
    for (size_t i = 0; i < c->n_versus; i++) {
        const mf_versus *v = &c->versus[i];
        text heading;
        (void)snprintf(
            heading, sizeof heading, "What matters against %s", mf_cost_way_title(v->way));
        const mf_axis saved = {.kind = MF_AXIS_LINEAR,
                               .title = shown->plan->currency == MF_EUR ? "EUR saved by buying"
                                                                        : "USD saved by buying"};
        mf_document_chart(
            document,
            heading,
            "Tornado: how far each uncertain number moves what buying saves, from its "
            "P10 to its P90",
            saved,
            (mf_axis){0});
        mf_document_series(document, MF_MARK_BARS, false, NULL);
        for (size_t k = 0; k < v->n_swings && k < SHOWN; k++) {
            const mf_swing *s = &v->swings[k];
            mf_document_point(document,
                              (mf_chart_point){.x = s->at_p10,
                                               .y = (double)k,
                                               .low = fmin(s->at_p10, s->at_p90),
                                               .high = fmax(s->at_p10, s->at_p90)},
                              mf_cost_input_title(s->input));
        }
        mf_document_rule(document, true, v->difference, "central");
        mf_document_rule(document, true, 0, NULL);
    }
}
