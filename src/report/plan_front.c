/*
 * plan_front.c - the schemes that no other beats in speed, context and quality: their table and their drawing.
 */
#include "report/plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

static bool is_front_row(const mf_plan_shown *shown, const mf_choice *c)
{
    return c->on_front && c->loss.known &&
           c->workload.n_ctx >= mf_plan_wished_context(shown->request);
}

static double bytes_per_element(mf_tensor_type type)
{
    const mf_tensor_type_info *info = mf_tensor_type_get(type);
    return (double)info->block_bytes / (double)info->block_elements;
}

/* A row that says little beside another one of the same context and placement: the same scheme with a coarser cache
   than it needs, a mix whose loss is only estimated from the plain scheme's, or another name of the same file. */
static bool is_twin(const mf_choice *c, const mf_choice *of)
{
    const double cache = bytes_per_element(c->workload.kv_type_v);
    const double finer = bytes_per_element(of->workload.kv_type_v);
    if (of == c || of->engine != c->engine || of->offloaded != c->offloaded ||
        of->workload.n_ctx != c->workload.n_ctx || finer < cache) {
        return false;
    }
    if (of->quant == c->quant) {
        return finer > cache;
    }
    if (c->loss.native && of->loss.native && of->need_bytes == c->need_bytes) {
        return of->quant > c->quant;
    }
    return c->loss.estimated && !of->loss.estimated &&
           fabs(c->loss.divergence - of->loss.divergence) < 1e-9;
}

static int by_speed(const void *a, const void *b)
{
    const mf_choice *x = *(const mf_choice *const *)a;
    const mf_choice *y = *(const mf_choice *const *)b;
    if (x->decode.tok_s < y->decode.tok_s || x->decode.tok_s > y->decode.tok_s) {
        return x->decode.tok_s < y->decode.tok_s ? -1 : 1;
    }
    return (x > y) - (x < y);
}

/* The whole front from slow to fast, but for twins; the fastest of all stays. Returns the number of rows. */
static size_t list_front(const mf_choice **rows, size_t *n_left_out, const mf_plan_shown *shown)
{
    const mf_plan_result *r = shown->result;
    size_t n = 0;
    for (size_t i = 0; i < r->n_choices; i++) {
        if (is_front_row(shown, &r->choices[i])) {
            rows[n++] = &r->choices[i];
        }
    }
    qsort((void *)rows, n, sizeof *rows, by_speed);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const bool fastest = i + 1 == n && (i == 0 || rows[i]->decode.tok_s >
                                                          rows[i - 1]->decode.tok_s * (1 + 1e-9));
        bool twin = false;
        for (size_t k = 0; !fastest && k < r->n_choices; k++) {
            twin =
                twin || (is_front_row(shown, &r->choices[k]) && is_twin(rows[i], &r->choices[k]));
        }
        if (!twin) {
            rows[kept++] = rows[i];
        }
    }
    *n_left_out = n - kept;
    return kept;
}

/* Beyond what a model was trained for a cache is of no use. */
static uint64_t usable_context(const mf_plan_request *r, const mf_choice *c)
{
    const mf_workload *w = &c->workload;
    const uint64_t trained = r->model->context_max * mf_workload_streams(w);
    return trained > 0 && trained < w->n_ctx ? trained : w->n_ctx;
}

mf_status mf_show_front(mf_document *d, const mf_plan_shown *shown, mf_error *err)
{
    static const char *const headings[] = {"scheme", "context", "tok/s", "loss"};
    const mf_choice **rows = calloc(shown->result->n_choices + 1, sizeof *rows);
    if (rows == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a plan");
    }
    size_t n_left_out = 0;
    const size_t n = list_front(rows, &n_left_out, shown);
    if (n == 0) { /* nobody measured what any of them loses */
        free((void *)rows);
        return MF_OK;
    }
    mf_document_begin(
        d, MF_BLOCK_TABLE, 4, "The front: none of these is beaten in speed, context and quality");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(d, "%s", headings[i]);
    }
    for (size_t i = 0; i < n; i++) {
        char how[160];
        char loss[96];
        text rate;
        mf_document_cell(d, "%s", mf_choice_text(how, shown->request, rows[i]));
        mf_document_cell(d, "%" PRIu64, usable_context(shown->request, rows[i]));
        mf_document_cell(d, "%s", mf_rate_text(rate, &rows[i]->decode));
        mf_document_cell(d, "%s", mf_loss_text(loss, &rows[i]->loss));
    }
    if (n_left_out > 0) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(d,
                         "%zu more of the front are one of these with a coarser KV cache, or a mix "
                         "with the loss of one of these: --format csv has all",
                         n_left_out);
    }
    free((void *)rows);
    return MF_OK;
}

/* Of a scheme that needs host memory the faster placement. */
static bool is_best_placement(const mf_plan_shown *shown, const mf_choice *c)
{
    for (size_t i = 0; i < shown->result->n_choices; i++) {
        const mf_choice *o = &shown->result->choices[i];
        if (o->offloaded && o->quant == c->quant && o->engine == c->engine &&
            o->decode.tok_s > c->decode.tok_s) {
            return false;
        }
    }
    return true;
}

/* Choices of the chart: the usual cache, the wished context. */
static bool is_compared(const mf_plan_shown *shown, const mf_choice *c)
{
    const mf_plan_request *r = shown->request;
    return c->fits && c->decode.known && c->loss.known &&
           c->workload.kv_type_v == r->workload.kv_type_v &&
           c->workload.n_ctx == mf_plan_wished_context(r) &&
           (!c->offloaded || is_best_placement(shown, c));
}

/* An axis of powers has no place for what loses nothing. */
static bool is_drawn(const mf_plan_shown *shown, const mf_choice *c)
{
    return is_compared(shown, c) && c->loss.divergence > 0;
}

static bool is_beaten(const mf_plan_shown *shown, const mf_choice *c)
{
    for (size_t i = 0; i < shown->result->n_choices; i++) {
        const mf_choice *o = &shown->result->choices[i];
        if (o != c && o->decode.tok_s >= c->decode.tok_s &&
            o->loss.divergence <= c->loss.divergence &&
            (o->decode.tok_s > c->decode.tok_s || o->loss.divergence < c->loss.divergence) &&
            is_compared(shown, o)) {
            return true;
        }
    }
    return false;
}

static void draw_points(mf_document *d, const mf_plan_shown *shown, bool beaten)
{
    mf_document_series(d, MF_MARK_POINTS, false, beaten ? "beaten" : "on the front");
    for (size_t i = 0; i < shown->result->n_choices; i++) {
        const mf_choice *c = &shown->result->choices[i];
        if (is_drawn(shown, c) && is_beaten(shown, c) == beaten) {
            mf_document_point(d,
                              (mf_chart_point){.x = c->loss.divergence,
                                               .y = c->decode.tok_s,
                                               .low = c->decode.low_tok_s,
                                               .high = c->decode.high_tok_s},
                              mf_plan_scheme_name(shown->request, c));
        }
    }
}

void mf_draw_front(mf_document *d, const mf_plan_shown *shown)
{
    const mf_axis loss = {.kind = MF_AXIS_LOG,
                          .title = "loss: divergence from 16 bit, less is better"};
    const mf_axis speed = {.kind = MF_AXIS_LINEAR, .title = "decode, tok/s", .from_zero = true};
    const mf_choice *lossless = NULL;
    bool any = false;
    for (size_t i = 0; i < shown->result->n_choices; i++) {
        const mf_choice *c = &shown->result->choices[i];
        any = any || is_drawn(shown, c);
        if (is_compared(shown, c) && !is_drawn(shown, c) &&
            (lossless == NULL || c->decode.tok_s > lossless->decode.tok_s)) {
            lossless = c;
        }
    }
    if (!any) {
        return;
    }
    mf_document_chart(d,
                      "Speed against loss at the wished context",
                      "Schemes by loss and decode speed; those on the front are not beaten in both",
                      loss,
                      speed);
    draw_points(d, shown, false);
    draw_points(d, shown, true);
    if (lossless != NULL) {
        char label[96];
        (void)snprintf(
            label, sizeof label, "%.70s, no loss", mf_plan_scheme_name(shown->request, lossless));
        mf_document_rule(d, false, lossless->decode.tok_s, label);
    }
}
