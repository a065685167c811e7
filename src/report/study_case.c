#include "report/study.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "report/wording.h"

mf_case mf_study_case(const mf_study *study, size_t model, size_t machine)
{
    return (mf_case){.model = study->models[model],
                     .quant = study->quants[model],
                     .machine = study->machines[machine],
                     .engine = study->engine,
                     .backend = mf_plan_backend(study->machines[machine]),
                     .workload = study->workload};
}

void mf_study_head(mf_document *document, const mf_study *study)
{
    const mf_workload *w = &study->workload;
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, NULL);
    for (size_t i = 0; i < study->n_models; i++) {
        const mf_case run = mf_study_case(study, i, 0);
        mf_document_cell(document, "model");
        mf_document_cell(document, "%s %s", study->models[i]->id, mf_study_scheme(&run));
    }
    if (study->n_machines == 1) {
        mf_document_cell(document, "machine");
        mf_document_cell(document, "%s", study->machines[0]->name);
    }
    mf_document_cell(document, "engine");
    mf_document_cell(document, "%s %s", study->engine->name, study->engine->version);
    mf_document_cell(document, "workload");
    mf_document_cell(document,
                     "context %llu, prompt %llu, output %llu",
                     (unsigned long long)w->n_ctx,
                     (unsigned long long)w->n_prompt,
                     (unsigned long long)w->n_output);
}

/* A prompt of a few tokens, plus the attention of as many over all that stands in the cache: what the prediction's own
   table loses at that depth. */
mf_status mf_study_warm(double *seconds,
                        const mf_study *study,
                        const mf_case *run,
                        const mf_prediction *prediction,
                        mf_error *err)
{
    mf_case few = *run;
    few.workload.n_prompt = MF_WARM_TOKENS;
    *seconds = 0;
    const mf_depth_point *shallow = prediction->n_depths > 0 ? &prediction->depths[0] : NULL;
    const mf_depth_point *deep = shallow;
    for (size_t i = 0; i < prediction->n_depths; i++) {
        const mf_depth_point *point = &prediction->depths[i];
        deep = point->depth_tokens <= run->workload.n_prompt && point->prefill.known ? point : deep;
    }
    if (shallow == NULL || !shallow->prefill.known) {
        return MF_OK;
    }
    mf_prediction *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    }
    const mf_status status = mf_predict(p, &few, study->calibration, err);
    if (status == MF_OK && p->prefill.known) {
        *seconds = MF_WARM_TOKENS *
                   (1 / p->prefill.tok_s + 1 / deep->prefill.tok_s - 1 / shallow->prefill.tok_s);
    }
    free(p);
    return status;
}

const char *mf_study_scheme(const mf_case *run)
{
    return run->quant != NULL          ? run->quant->id
           : run->model->quant != NULL ? run->model->quant
                                       : "as stored";
}

void mf_study_rate(mf_document *document,
                   const char *name,
                   const char *formula,
                   const mf_rate *rate,
                   const mf_case *run)
{
    char text[MF_WORDING_SIZE];
    char id[192];
    mf_document_cell(document, "%s", mf_rate_text(text, rate));
    if (!rate->known) {
        return;
    }
    (void)snprintf(id, sizeof id, "%.40s/%.60s/%.60s", name, run->model->id, run->machine->id);
    mf_document_figure(document, id, formula, "tok/s", rate->tok_s);
    mf_document_interval(document, rate->low_tok_s, rate->high_tok_s);
    const mf_device *device = run->machine->n_devices > 0 ? run->machine->devices[0].device : NULL;
    if (device != NULL && device->bandwidth_bytes_per_s.known) {
        const int source = device->bandwidth_bytes_per_s.source;
        const bool sourced = source >= 0 && (size_t)source < device->sources.n_items;
        char bandwidth[MF_NUMBER_SIZE + 16];
        mf_document_input(
            document,
            sourced ? mf_document_footnote(document, &device->sources.items[source]) : 0,
            "bandwidth",
            "%s",
            mf_quantity_text(bandwidth, device->bandwidth_bytes_per_s.value, MF_DIM_BANDWIDTH, 4));
    }
    if (run->model->sources.n_items > 0) {
        mf_document_input(document,
                          mf_document_footnote(document, &run->model->sources.items[0]),
                          "model",
                          "%s %s",
                          run->model->id,
                          mf_study_scheme(run));
    }
    mf_document_input(document, 0, "basis", "%s", mf_basis_name(rate->basis));
    mf_document_input(document, 0, "bound by", "%s", mf_bound_name(rate->bound));
}
