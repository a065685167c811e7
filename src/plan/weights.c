/*
 * weights.c - where llama.cpp puts a model's weights, without the replay of its compute buffers.
 *
 * The places are mf_llamacpp_place's and the bytes mf_footprint's; what is added up here is llamacpp.c's add_weights, and
 * a test holds the sums against mf_memory_need for every kind of machine. (With a breakdown of weights alone in
 * memfit/memory.h this file would be one call.)
 */
#include <string.h>

#include "memory/footprint.h"
#include "memory/internal.h"
#include "memory/llamacpp_place.h"
#include "plan/ready.h"

typedef struct adder {
    mf_ready_bytes *bytes;
    const mf_case *run;
    const layout *at;
    const llamacpp_plan *plan;
} adder;

static buffer_kind kind_of(const adder *a, size_t place)
{
    const bool aligned = a->run->backend != MF_BACKEND_METAL && a->run->backend != MF_BACKEND_CPU;
    return place != a->at->host && aligned ? BUFFER_CUDA : BUFFER_HOST;
}

static mf_status add_tensor(const adder *a, size_t index, size_t place, mf_error *err)
{
    uint64_t bytes = 0;
    const mf_status status =
        mf_footprint_tensor(&bytes, a->run->footprint, index, kind_of(a, place), err);
    a->bytes->places[place] += bytes;
    return status;
}

/* Rope factors lie wherever layers that use them lie. */
static mf_status add_everywhere(const adder *a, size_t index, mf_error *err)
{
    bool done[MF_MAX_PLACES] = {false};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < a->run->model->n_layers; i++) {
        const mf_attention *attention = &a->run->model->layers[i].attention;
        const size_t place = (size_t)a->plan->layers[i];
        if (!done[place] && (attention->window == 0 || attention->chunked)) {
            done[place] = true;
            status = add_tensor(a, index, place, err);
        }
    }
    return status;
}

static mf_status add_global(const adder *a, size_t index, mf_error *err)
{
    const mf_model *model = a->run->model;
    const mf_tensor *tensor = &model->tensors[index];
    if (strncmp(tensor->name, "rope_", strlen("rope_")) == 0) {
        return add_everywhere(a, index, err);
    }
    const size_t place = (size_t)mf_llamacpp_tensor_place(a->plan, a->run, a->at, index);
    const size_t output = (size_t)a->plan->layers[model->n_layers];
    mf_status status = add_tensor(a, index, place, err);
    if (status == MF_OK && model->tied_embeddings && tensor->role == MF_ROLE_TOKEN_EMBEDDING &&
        output != a->at->host) {
        status = add_tensor(a, index, output, err);
    }
    return status;
}

mf_status mf_ready_llamacpp_weights(mf_ready_bytes *bytes, const mf_case *run, mf_error *err)
{
    mf_memory memory = {0};
    mf_ready_bytes sum = {{0}};
    llamacpp_plan plan = {0};
    const layout at = mf_layout_places(&memory, run);
    const mf_footprint *f = run->footprint;
    mf_status status = mf_llamacpp_place(&plan, &memory, run, &at, err);
    const adder a = {.bytes = &sum, .run = run, .at = &at, .plan = &plan};
    for (size_t i = 0; status == MF_OK && i < f->n_globals; i++) {
        status = add_global(&a, f->globals[i], err);
    }
    for (size_t i = 0; status == MF_OK && i < run->model->n_layers; i++) {
        const size_t place = (size_t)plan.layers[i];
        const buffer_kind kind = kind_of(&a, place);
        sum.places[place] += f->layers[i].others[kind] + f->layers[i].experts[kind];
    }
    mf_llamacpp_place_free(&plan);
    if (status == MF_OK) {
        *bytes = sum;
    }
    return status;
}
