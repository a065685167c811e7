/*
 * beside.c - models that an engine loads beside the one that is asked for: a draft model has weights, cache and buffers of
 * its own over the same context; a vision tower (llama.cpp's --mmproj, in 16 bits) goes whole to the first device; a LoRA
 * adapter (--lora) lies beside the tensors that it changes.
 */
#include <string.h>

#include "base/checked.h"
#include "memory/internal.h"

/* Of all its terms together but the runtime. */
static mf_memory_range range_of(const mf_memory *draft)
{
    double sum = 0;
    mf_memory_range range = {0};
    for (size_t t = 0; t < MF_TERM_COUNT; t++) {
        if (t != MF_TERM_RUNTIME) {
            sum += (double)draft->terms[t];
            range.below += draft->ranges[t].below * (double)draft->terms[t];
            range.above += draft->ranges[t].above * (double)draft->terms[t];
        }
    }
    return sum > 0 ? (mf_memory_range){range.below / sum, range.above / sum} : range;
}

static mf_status add_draft(mf_memory *memory, const mf_case *run, mf_error *err)
{
    mf_memory draft;
    mf_case alone = *run;
    alone.model = run->draft;
    alone.quant = run->draft_quant;
    alone.footprint = NULL;
    alone.draft = NULL;
    alone.adapter = NULL;
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
    memory->ranges[MF_TERM_DRAFT] = range_of(&draft);
    return status;
}

/* An F16 mmproj file, and what clip.cpp's graph holds for the largest picture; the first pictures may be smaller. */
static mf_status
add_projector(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    enum { HALF_BYTES = 2, F32_BYTES = 4 };
    const mf_model *model = run->model;
    const mf_vision *v = &model->vision;
    const size_t place = at->n_devices > 0 ? 0 : at->host;
    uint64_t halves = 0;
    uint64_t wide = 0;
    uint64_t buffers = 0;
    if (v->patches == 0) {
        return mf_fail(
            err,
            MF_E_UNSUPPORTED,
            "the vision tower of %s is not known: its config states none, or one of a form "
            "without rules (docs/memory.md): leave out --mmproj and add the size of its "
            "file",
            model->id != NULL ? model->id : "the model");
    }
    if (!mf_mul(&halves, model->vision_parameters, HALF_BYTES) ||
        !mf_mul(&wide, v->f32_parameters, F32_BYTES - HALF_BYTES) ||
        !mf_mul(&buffers, v->patch_floats, F32_BYTES) || !mf_mul(&buffers, buffers, v->patches)) {
        return mf_fail(err, MF_E_OVERFLOW, "the vision tower exceeds 64 bits");
    }
    memory->ranges[MF_TERM_PICTURE].below = 1 - (double)v->first_patches / (double)v->patches;
    mf_status status = mf_memory_add(memory, place, MF_TERM_PROJECTOR, halves, err);
    status = status == MF_OK ? mf_memory_add(memory, place, MF_TERM_PROJECTOR, wide, err) : status;
    return status == MF_OK ? mf_memory_add(memory, place, MF_TERM_PICTURE, buffers, err) : status;
}

/* From where the last one was found: adapters list their tensors in the model's order. */
static bool find_tensor(size_t *at, const mf_model *model, const char *name)
{
    for (size_t n = 0; n < model->n_tensors; n++) {
        const size_t i = (*at + n) % model->n_tensors;
        if (strcmp(model->tensors[i].name, name) == 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* Each matrix lies where its tensor does (llama-adapter.cpp). What B makes of a micro-batch stands beside the plain result
   until both are added. */
static mf_status add_part(mf_memory *memory,
                          uint64_t *widest,
                          const mf_case *run,
                          const mf_tensor_map *map,
                          const mf_adapter_part *part,
                          size_t *at,
                          mf_error *err)
{
    if (!find_tensor(at, run->model, part->target)) {
        return mf_fail(
            err,
            MF_E_DATA,
            "the adapter changes '%s', which %s does not have: it was made for another model",
            part->target,
            run->model->id != NULL ? run->model->id : "the model");
    }
    const uint64_t *dims = run->model->tensors[*at].dims;
    if ((part->input > 0 && part->input != dims[0]) ||
        (part->width > 0 && part->width != dims[1])) {
        return mf_fail(
            err,
            MF_E_DATA,
            "the adapter's matrices don't fit the shape of '%s': it was made for another model",
            part->target);
    }
    const size_t place = (size_t)map->tensors[*at];
    widest[place] = part->width > widest[place] ? part->width : widest[place];
    return mf_memory_add(memory, place, MF_TERM_LORA, part->bytes, err);
}

static mf_status add_adapter(mf_memory *memory, const mf_case *run, mf_error *err)
{
    enum { F32_BYTES = 4 };
    uint64_t widest[MF_MAX_PLACES] = {0};
    mf_tensor_map map = {0};
    const mf_adapter *adapter = run->adapter;
    if (!mf_rules_of(run)->takes_adapters) {
        return mf_fail(
            err, MF_E_UNSUPPORTED, "%s: no memory rules for LoRA adapters", run->engine->name);
    }
    if (strcmp(adapter->architecture, run->model->architecture) != 0) {
        return mf_fail(err,
                       MF_E_DATA,
                       "the adapter was made for the architecture '%s', the model is '%s'",
                       adapter->architecture,
                       run->model->architecture);
    }
    size_t at = 0;
    mf_status status = mf_tensor_map_make(&map, run, err);
    for (size_t i = 0; status == MF_OK && i < adapter->n_parts; i++) {
        status = add_part(memory, widest, run, &map, &adapter->parts[i], &at, err);
    }
    const uint64_t matrices = memory->terms[MF_TERM_LORA]; /* exact, unlike the results */
    for (size_t i = 0; status == MF_OK && i < memory->n_places; i++) {
        uint64_t bytes = 0;
        if (!mf_mul(&bytes, widest[i], (uint64_t)F32_BYTES * run->workload.n_ubatch)) {
            status = mf_fail(err, MF_E_OVERFLOW, "the adapter's results exceed 64 bits");
        } else {
            status = mf_memory_add(memory, i, MF_TERM_LORA, bytes, err);
        }
    }
    const double all = (double)memory->terms[MF_TERM_LORA];
    memory->ranges[MF_TERM_LORA].below = all > 0 ? 1 - (double)matrices / all : 0;
    mf_tensor_map_free(&map);
    return status;
}

mf_status mf_beside_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    if (run->draft != NULL && !mf_rules_of(run)->takes_drafts) {
        return mf_fail(
            err, MF_E_UNSUPPORTED, "%s: no memory rules for a draft model yet", run->engine->name);
    }
    mf_status status = run->draft != NULL ? add_draft(memory, run, err) : MF_OK;
    if (status == MF_OK && run->adapter != NULL) {
        status = add_adapter(memory, run, err);
    }
    if (status == MF_OK && run->projector) {
        status = add_projector(memory, run, at, err);
    }
    return status;
}
