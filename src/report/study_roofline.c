/*
 * study_roofline.c - which roof an operator is under, of a step that decodes and of one that reads a prompt.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "report/study.h"
#include "report/wording.h"
#include "speed/path.h"

/* An operator of a step: what it computes, what it reads, how long it takes. */
typedef struct operation {
    const char *name;
    double flop;
    double bytes;
    double s;
} operation;

static void add_operation(mf_document *d, const operation *o)
{
    char tflops[MF_NUMBER_SIZE];
    char intensity[MF_NUMBER_SIZE];
    char ms[MF_NUMBER_SIZE];
    if (!(o->flop > 0) || !(o->bytes > 0) || !(o->s > 0)) {
        return;
    }
    mf_document_cell(d, "%s", o->name);
    mf_document_cell(d, "%s", mf_number_text(intensity, o->flop / o->bytes, 3));
    mf_document_cell(d, "%s", mf_number_text(tflops, o->flop / o->s / 1e12, 3));
    mf_document_cell(d, "%s", mf_number_text(ms, 1000 * o->s, 3));
}

enum { N_OPERATIONS = 4 };

static size_t operations_of(operation out[N_OPERATIONS], const mf_segment *s, const mf_workload *w)
{
    const double n = (double)w->n_prompt + (double)w->n_output / 2;
    const mf_cache_width cache = mf_cache_width_of(w);
    const double tokens = (double)(w->n_prompt > 0 ? w->n_prompt : 1);
    const mf_step decode = {.depth = (double)w->n_prompt,
                            .n_tokens = (double)w->n_output,
                            .ubatch = w->n_ubatch,
                            .cache = cache};
    const mf_step prefill = {.n_tokens = tokens, .ubatch = w->n_ubatch, .cache = cache};
    const mf_decode_time d = mf_law_decode(&s->work, &s->peaks, &s->knobs, decode);
    const mf_prefill_time p = mf_law_prefill(&s->work, &s->peaks, &s->knobs, prefill);
    double read = 0;
    double weights = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        read += 2 * s->work.read_weights[f];
        weights += 2 * (s->work.dense_weights[f] + s->work.expert_weights[f]);
    }
    const double attention =
        mf_work_attention_flop(&s->work, n, false) + mf_work_attention_flop(&s->work, n, true);
    const double prompt_attention = mf_work_prompt_attention_flop(&s->work, 0, tokens, false) +
                                    mf_work_prompt_attention_flop(&s->work, 0, tokens, true);
    const double batches = ceil(tokens / (w->n_ubatch > 0 ? w->n_ubatch : 512));
    out[0] = (operation){"decode: weights",
                         read,
                         s->work.read_bytes,
                         d.weights_s + d.layer_s + d.moe_s + d.linear_s};
    out[1] = (operation){
        "decode: attention", attention, mf_work_kv_bytes(&s->work, cache, n), d.kv_s + d.mla_s};
    out[2] = (operation){"prefill: weights",
                         tokens * weights,
                         batches * mf_work_touched_bytes(&s->work, fmin(tokens, w->n_ubatch)),
                         p.compute_s + p.touch_s + p.pass_s + p.loop_s};
    out[3] = (operation){"prefill: attention",
                         prompt_attention,
                         batches * mf_work_kv_bytes(&s->work, cache, tokens / 2),
                         p.attention_s + p.latent_s};
    return N_OPERATIONS;
}

static void draw_roofline(
    mf_document *d, const mf_case *run, const mf_segment *s, const operation *ops, size_t n)
{
    const mf_axis intensity = {.kind = MF_AXIS_LOG, .title = "FLOP per byte"};
    const mf_axis rate = {.kind = MF_AXIS_LOG, .title = "TFLOP/s"};
    const double bandwidth = s->peaks.bandwidth_bytes_per_s;
    const double peak = s->peaks.matrix_flop_per_s;
    char heading[MF_WORDING_SIZE];
    double low = 0.5;
    double high = peak / bandwidth * 20;
    for (size_t i = 0; i < n; i++) {
        const double x = ops[i].bytes > 0 ? ops[i].flop / ops[i].bytes : low;
        low = fmin(low, x / 2);
        high = fmax(high, x * 2);
    }
    (void)snprintf(heading, sizeof heading, "Roofline of %s", run->machine->id);
    mf_document_chart(d,
                      heading,
                      "Roofs of bandwidth and of the matrix peak, with the operators of decode and "
                      "prefill below them",
                      intensity,
                      rate);
    mf_document_series(d, MF_MARK_LINE, false, "specified peaks");
    const double corner = peak / bandwidth;
    const double xs[] = {low, corner, high};
    for (size_t i = 0; i < 3; i++) {
        const double y = fmin(peak, xs[i] * bandwidth) / 1e12;
        mf_document_point(d, (mf_chart_point){.x = xs[i], .y = y, .low = y, .high = y}, NULL);
    }
    mf_document_series(d, MF_MARK_POINTS, false, "operators, as predicted");
    for (size_t i = 0; i < n; i++) {
        if (ops[i].flop > 0 && ops[i].bytes > 0 && ops[i].s > 0) {
            const double y = ops[i].flop / ops[i].s / 1e12;
            mf_document_point(
                d,
                (mf_chart_point){.x = ops[i].flop / ops[i].bytes, .y = y, .low = y, .high = y},
                ops[i].name);
        }
    }
}

static mf_status roofline_of(mf_document *d, const mf_study *study, size_t machine, mf_error *err)
{
    const mf_case run = mf_study_case(study, 0, machine);
    const char *reason = NULL;
    bool estimated = false;
    mf_tensor_type *types = calloc(run.model->n_tensors + 1, sizeof *types);
    mf_path *path = calloc(1, sizeof *path);
    mf_status status = types != NULL && path != NULL
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "out of memory for a roofline");
    if (status == MF_OK) {
        status = mf_quant_types(types, &estimated, run.model, run.quant, err);
    }
    if (status == MF_OK) {
        status = mf_path_build(path, &reason, &run, types, NULL, study->calibration, err);
    }
    if (status == MF_OK && reason == NULL && path->segments[0].peaks.matrix_flop_per_s > 0) {
        operation ops[N_OPERATIONS];
        const size_t n = operations_of(ops, &path->segments[0], &run.workload);
        char heading[MF_WORDING_SIZE];
        draw_roofline(d, &run, &path->segments[0], ops, n);
        (void)snprintf(heading, sizeof heading, "Operators on %s", run.machine->id);
        mf_document_begin(d, MF_BLOCK_TABLE, 4, heading);
        mf_document_cell(d, "operator");
        mf_document_cell(d, "FLOP per byte");
        mf_document_cell(d, "TFLOP/s");
        mf_document_cell(d, "ms");
        for (size_t i = 0; i < n; i++) {
            add_operation(d, &ops[i]);
        }
    } else if (status == MF_OK) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(d,
                         "- no roofline of %s: %s",
                         run.machine->id,
                         reason != NULL ? reason : "no peak of its matrix units is known");
    }
    free(types);
    free(path);
    return status;
}

mf_status mf_study_roofline(mf_document *document, const mf_study *study, mf_error *err)
{
    mf_status status = MF_OK;
    if (study->calibration == NULL) {
        mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(
            document, "- no roofline: no speed law of %s is known", study->engine->name);
    }
    for (size_t m = 0; status == MF_OK && study->calibration != NULL && m < study->n_machines;
         m++) {
        status = roofline_of(document, study, m, err);
    }
    return status;
}
