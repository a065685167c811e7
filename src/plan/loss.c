/*
 * loss.c - what a quantization costs in quality: measured on one model, said of others with that in mind.
 */
#include <string.h>
#include <strings.h>

#include "memfit/memory.h"
#include "memfit/plan.h"

static bool is_half(mf_tensor_type type)
{
    return type == MF_TYPE_F16 || type == MF_TYPE_BF16 || type == MF_TYPE_F32;
}

/* Where llama.cpp's files keep the published experts, only the rest is quantized: no loss was measured of that, unless it stays at
   8 bits, as in the file that is called MXFP4. */
static bool keeps_experts(const mf_quant *quant, const mf_model *model)
{
    return mf_model_keeps_experts(model) &&
           (quant->family == MF_QUANT_GGUF || quant->family == MF_QUANT_UD);
}

static bool is_published_so(const mf_quant *quant, const mf_model *model)
{
    const bool mxfp4 = quant->base == MF_TYPE_MXFP4 && strcmp(model->architecture, "gpt-oss") == 0;
    return mxfp4 || (quant->base == MF_TYPE_Q8_0 && keeps_experts(quant, model));
}

static void fill(mf_loss *loss, const mf_quality *row)
{
    loss->known = row->divergence.known;
    loss->divergence = row->divergence.value;
    loss->imatrix = row->imatrix;
    (void)mf_quality_rise(&loss->rise, row);
}

mf_loss mf_plan_loss(const mf_qualities *qualities, const mf_quant *quant, const mf_model *model)
{
    mf_loss loss = {0};
    const char *id = quant != NULL ? quant->id : model->quant;
    const char *mix = quant != NULL ? quant->mix : NULL;
    if (quant != NULL && (is_half(quant->base) || is_published_so(quant, model))) {
        return (mf_loss){.known = true, .native = true, .estimated = quant->family == MF_QUANT_UD};
    }
    if (id == NULL || qualities == NULL || (quant != NULL && keeps_experts(quant, model))) {
        return loss;
    }
    const mf_quality *row = mf_quality_find(qualities, MF_QUALITY_MODEL, id);
    const mf_quality *large = mf_quality_find(qualities, MF_QUALITY_LARGE_MODEL, id);
    if (row == NULL && mix != NULL) {
        row = mf_quality_find(qualities, MF_QUALITY_MODEL, mix);
        loss.estimated = row != NULL && strcasecmp(id, mix) != 0 && quant->family == MF_QUANT_UD;
    }
    if (large == NULL && mix != NULL) {
        large = mf_quality_find(qualities, MF_QUALITY_LARGE_MODEL, mix);
    }
    if (row != NULL) {
        fill(&loss, row);
    }
    loss.large_known = large != NULL && mf_quality_rise(&loss.large_rise, large);
    return loss;
}
