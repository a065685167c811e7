/*
 * beside.c - models that an engine loads beside the one that is asked for: a draft model has weights, cache and buffers of
 * its own over the same context; a vision tower (llama.cpp's --mmproj, in 16 bits) goes whole to the first device.
 */
#include "base/checked.h"
#include "memory/internal.h"

static mf_status add_draft(mf_memory *memory, const mf_case *run, mf_error *err)
{
    mf_memory draft;
    mf_case alone = *run;
    alone.model = run->draft;
    alone.quant = run->draft_quant;
    alone.footprint = NULL;
    alone.draft = NULL;
    alone.projector = false;
    alone.workload.gpu_layers = MF_ALL_LAYERS;
    alone.workload.n_cpu_moe = 0;
    alone.workload.placement = NULL;
    mf_status status = mf_memory_need(&draft, &alone, err);
    if (status != MF_OK) {
        mf_error_prefix(err, "draft model: ");
        return status;
    }
    for (size_t i = 0; status == MF_OK && i < draft.n_places; i++) {
        const mf_place *place = &draft.places[i];
        const uint64_t bytes = place->need_bytes - place->terms[MF_TERM_RUNTIME];
        status = mf_memory_add(memory, i, MF_TERM_DRAFT, bytes, err);
    }
    memory->bounded[MF_TERM_DRAFT] = draft.bounded[MF_TERM_COMPUTE] || draft.weights_estimated;
    return status;
}

static mf_status
add_projector(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    enum { HALF_BYTES = 2 };
    uint64_t bytes = 0;
    if (!mf_mul(&bytes, run->model->vision_parameters, HALF_BYTES)) {
        return mf_fail(err, MF_E_OVERFLOW, "the vision tower exceeds 64 bits");
    }
    return mf_memory_add(memory, at->n_devices > 0 ? 0 : at->host, MF_TERM_PROJECTOR, bytes, err);
}

mf_status mf_beside_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    if (run->draft != NULL && run->engine->id == MF_ENGINE_VLLM) {
        return mf_fail(err, MF_E_UNSUPPORTED, "vllm: no memory rules for a draft model yet");
    }
    mf_status status = run->draft != NULL ? add_draft(memory, run, err) : MF_OK;
    if (status == MF_OK && run->projector) {
        status = add_projector(memory, run, at, err);
    }
    return status;
}
