/*
 * llamacpp.c - what llama.cpp b10470 holds where: weights and caches by the plan of llamacpp_place.c, compute buffers
 * by a replay (llamacpp_compute.c), one row of logits for every sequence.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/graph_arch.h"
#include "memory/llamacpp_compute.h"
#include "memory/llamacpp_place.h"

typedef struct filler {
    mf_memory *memory;
    const mf_case *run;
    const layout *at;
    const mf_footprint *f;
    const graph_arch *arch;
    llamacpp_plan plan;
    bool as_run;
} filler;

static filler filler_of(mf_memory *memory, const mf_case *run, const layout *at)
{
    return (filler){.memory = memory,
                    .run = run,
                    .at = at,
                    .f = run->footprint,
                    .arch = mf_graph_arch_get(run->model->architecture)};
}

static buffer_kind kind_of(const filler *fill, size_t place)
{
    static const buffer_kind kinds[MF_BACKEND_COUNT] = {[MF_BACKEND_METAL] = BUFFER_HOST,
                                                        [MF_BACKEND_CUDA] = BUFFER_CUDA,
                                                        [MF_BACKEND_ROCM] = BUFFER_CUDA,
                                                        [MF_BACKEND_VULKAN] = BUFFER_CUDA,
                                                        [MF_BACKEND_SYCL] = BUFFER_CUDA,
                                                        [MF_BACKEND_CPU] = BUFFER_HOST};
    return place == fill->at->host ? BUFFER_HOST : kinds[fill->run->backend];
}

/* With tensors cut across devices each holds a part. */
static mf_status
add_split(filler *fill, size_t place, mf_memory_term term, uint64_t bytes, mf_error *err)
{
    const size_t n = fill->at->n_devices;
    if (place == fill->at->host || fill->run->workload.split == MF_SPLIT_LAYER || n < 2) {
        return mf_memory_add(fill->memory, place, term, bytes, err);
    }
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        status = mf_memory_add(fill->memory, i, term, bytes / n + (i < bytes % n ? 1 : 0), err);
    }
    return status;
}

static mf_status add_tensor(filler *fill, size_t index, size_t place, mf_error *err)
{
    uint64_t bytes = 0;
    const mf_status status = mf_footprint_tensor(&bytes, fill->f, index, kind_of(fill, place), err);
    return status == MF_OK ? add_split(fill, place, MF_TERM_WEIGHTS, bytes, err) : status;
}

/* Rope factors lie wherever layers that use them lie; those with a sliding window do not. */
static mf_status add_everywhere(filler *fill, size_t index, mf_error *err)
{
    bool done[MF_MAX_PLACES] = {false};
    const mf_model *model = fill->run->model;
    const bool in_windows = fill->arch->traits.rope_in_windows;
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < model->n_layers; i++) {
        const mf_attention *a = &model->layers[i].attention;
        const size_t place = (size_t)fill->plan.layers[i];
        if (!done[place] && (a->window == 0 || a->chunked || in_windows)) {
            done[place] = true;
            status = add_tensor(fill, index, place, err);
        }
    }
    return status;
}

/* A tied embedding exists twice with the output on a device: on the host to look up, there as the output. Where both are in
   one place it is there once, unless it was loaded as the output first, which no later look-up by name finds; files are
   mapped into the host's memory, so that it makes no difference there. */
static mf_status add_global(filler *fill, size_t index, mf_error *err)
{
    const mf_model *model = fill->run->model;
    const mf_tensor *tensor = &model->tensors[index];
    if (strncmp(tensor->name, "rope_", strlen("rope_")) == 0) {
        return add_everywhere(fill, index, err);
    }
    const int8_t place = mf_llamacpp_tensor_place(&fill->plan, fill->run, fill->at, index);
    mf_status status = add_tensor(fill, index, (size_t)place, err);
    const int8_t output = fill->plan.tensors != NULL ? fill->plan.tensors[model->n_tensors]
                                                     : fill->plan.layers[model->n_layers];
    const bool twice =
        output != place || ((size_t)place != fill->at->host && fill->arch->traits.output_first);
    if (status == MF_OK && model->tied_embeddings && tensor->role == MF_ROLE_TOKEN_EMBEDDING &&
        twice) {
        status = add_tensor(fill, index, (size_t)output, err);
    }
    return status;
}

static mf_status add_layer(filler *fill, size_t index, mf_error *err)
{
    const layer_bytes *bytes = &fill->f->layers[index];
    const size_t place = (size_t)fill->plan.layers[index];
    const bool experts_on_host = fill->at->n_devices > 0 && index < fill->run->workload.n_cpu_moe;
    const size_t experts = experts_on_host ? fill->at->host : place;
    const mf_status status =
        add_split(fill, place, MF_TERM_WEIGHTS, bytes->others[kind_of(fill, place)], err);
    return status == MF_OK
               ? add_split(
                     fill, experts, MF_TERM_WEIGHTS, bytes->experts[kind_of(fill, experts)], err)
               : status;
}

/* Overrides send tensors one by one. */
static mf_status add_layers_by_tensor(filler *fill, mf_error *err)
{
    const mf_model *model = fill->run->model;
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < model->n_tensors; i++) {
        const int32_t layer = model->tensors[i].layer;
        const bool of_layer = layer >= 0 && (size_t)layer < model->n_layers;
        if (of_layer && mf_footprint_loads(model, &model->tensors[i])) {
            status = add_tensor(fill, i, (size_t)fill->plan.tensors[i], err);
        }
    }
    return status;
}

static mf_status add_weights(filler *fill, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < fill->f->n_globals; i++) {
        status = add_global(fill, fill->f->globals[i], err);
    }
    if (status == MF_OK && fill->plan.tensors != NULL) {
        return add_layers_by_tensor(fill, err);
    }
    for (size_t i = 0; status == MF_OK && i < fill->run->model->n_layers; i++) {
        status = add_layer(fill, i, err);
    }
    return status;
}

static bool same_cache(const mf_footprint *f, size_t a, size_t b)
{
    const mf_layer *first = &f->model->layers[a];
    const mf_layer *second = &f->model->layers[b];
    return f->kinds[a] == f->kinds[b] && first->is_nextn == second->is_nextn &&
           first->nextn_has_cache == second->nextn_has_cache &&
           first->recurrent.conv_elements == second->recurrent.conv_elements;
}

/* Layers take turns in most models: one like the last or the one before has its cache. */
static mf_status cache_of(mf_cache_size one[2], size_t index, const filler *fill, mf_error *err)
{
    for (size_t back = 1; back <= 2 && back <= index; back++) {
        if (same_cache(fill->f, index, index - back)) {
            const mf_cache_size like = one[back - 1];
            one[1] = one[0];
            one[0] = like;
            return MF_OK;
        }
    }
    one[1] = one[0];
    one[0].kv_bytes = 0;
    one[0].kv_fill_bytes = 0;
    one[0].state_bytes = 0;
    return mf_cache_add_layer(&one[0], fill->run->model, index, &fill->run->workload, err);
}

static mf_status add_caches(filler *fill, mf_cache_size *size, mf_error *err)
{
    const mf_workload *w = &fill->run->workload;
    mf_status status = mf_cache_begin(size, w, err);
    mf_cache_size one[2] = {*size, *size};
    for (size_t i = 0; status == MF_OK && i < fill->run->model->n_layers; i++) {
        status = cache_of(one, i, fill, err);
        const size_t place = w->kv_offload ? (size_t)fill->plan.layers[i] : fill->at->host;
        if (status == MF_OK) {
            const uint64_t behind = kind_of(fill, place) == BUFFER_CUDA ? one[0].kv_fill_bytes : 0;
            status = add_split(fill, place, MF_TERM_KV_CACHE, one[0].kv_bytes + behind, err);
        }
        if (status == MF_OK) {
            status = add_split(fill, place, MF_TERM_STATE, one[0].state_bytes, err);
        }
        size->swa_cells = one[0].swa_cells > size->swa_cells ? one[0].swa_cells : size->swa_cells;
    }
    return status;
}

/* llama-context.cpp: several devices that all layers are on work on different micro-batches at a time, if their
   backend has events; what they read is there four times (GGML_SCHED_MAX_COPIES). */
static uint8_t copies_of(const filler *fill)
{
    enum { PIPELINE_COPIES = 4 };
    const mf_workload *w = &fill->run->workload;
    const bool has_events =
        fill->run->backend == MF_BACKEND_CUDA || fill->run->backend == MF_BACKEND_ROCM;
    const bool pipeline = has_events && fill->at->n_devices > 1 && fill->plan.fully_offloaded &&
                          w->split == MF_SPLIT_LAYER && w->kv_offload &&
                          fill->plan.tensors == NULL && w->n_cpu_moe == 0;
    return pipeline ? PIPELINE_COPIES : 1;
}

static bool offloads_big_batches(mf_backend backend)
{
    static const bool offloads[MF_BACKEND_COUNT] = {[MF_BACKEND_CUDA] = true,
                                                    [MF_BACKEND_ROCM] = true,
                                                    [MF_BACKEND_VULKAN] = true,
                                                    [MF_BACKEND_SYCL] = true};
    return offloads[backend];
}

static mf_status add_compute(filler *fill, const mf_cache_size *cache, mf_error *err)
{
    enum { HOST_ALIGNMENT = 32, CUDA_ALIGNMENT = 128 };
    static const graph_scratch scratches[MF_BACKEND_COUNT] = {[MF_BACKEND_METAL] = SCRATCH_METAL,
                                                              [MF_BACKEND_CUDA] = SCRATCH_CUDA,
                                                              [MF_BACKEND_ROCM] = SCRATCH_CUDA};
    const bool has_device = fill->at->n_devices > 0;
    const compute_setup setup = {.footprint = fill->f,
                                 .workload = &fill->run->workload,
                                 .cache = cache,
                                 .layer_places = fill->plan.layers,
                                 .tensor_places = fill->plan.tensors,
                                 .n_places = (uint8_t)(fill->at->n_devices + 1),
                                 .n_copies = copies_of(fill),
                                 .offloads = has_device && offloads_big_batches(fill->run->backend),
                                 .fully_offloaded = fill->plan.fully_offloaded,
                                 .as_run = fill->as_run,
                                 .scratch = scratches[fill->run->backend],
                                 .alignment = kind_of(fill, 0) == BUFFER_CUDA ? CUDA_ALIGNMENT
                                                                              : HOST_ALIGNMENT};
    compute_size size;
    mf_status status = mf_llamacpp_compute(&size, &setup, err);
    for (size_t i = 0; status == MF_OK && i < setup.n_places; i++) {
        status = mf_memory_add(fill->memory, i, MF_TERM_COMPUTE, size.bytes[i], err);
    }
    if (status == MF_OK && !size.exact) {
        mf_bound_compute(fill->memory);
    }
    return status;
}

static mf_status add_runtime(filler *fill, mf_error *err)
{
    const mf_fact *runtime = &fill->run->engine->runtime_bytes[fill->run->backend];
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && runtime->known && i < fill->at->n_devices; i++) {
        status = mf_memory_add(fill->memory, i, MF_TERM_RUNTIME, (uint64_t)runtime->value, err);
    }
    return status;
}

/* One row of f32 logits for every sequence (src/llama-context.cpp: output_reserve). */
static mf_status add_output(filler *fill, mf_error *err)
{
    const uint64_t row = (uint64_t)fill->run->workload.n_parallel * sizeof(float);
    uint64_t bytes = 0;
    if (!mf_mul(&bytes, fill->run->model->vocabulary, row)) {
        return mf_fail(err, MF_E_OVERFLOW, "the output buffer exceeds 64 bits");
    }
    return mf_memory_add(fill->memory, fill->at->host, MF_TERM_OUTPUT, bytes, err);
}

/* Strings and hash tables of llama-vocab.cpp, as malloc counts them in b10361 with vocab_only: 165 bytes a token, 68 more
   where all are long, and 106 for each pair of the merge list. How many pairs there are no config says: none
   (SentencePiece), about one a token (Qwen) or 2.25 (o200k). */
static mf_status add_vocabulary(filler *fill, mf_error *err)
{
    enum { TOKEN_BYTES = 165, PAIR_BYTES = 106 };
    static const mf_memory_range listed = {.below = 0.12, .above = 0.41};
    static const mf_memory_range unlisted = {.below = 0.46, .above = 0.55};
    const mf_model *model = fill->run->model;
    uint64_t tokens = 0;
    uint64_t pairs = model->vocabulary_listed ? model->vocabulary_pairs : model->vocabulary;
    if (!mf_mul(&tokens, model->vocabulary, TOKEN_BYTES) || !mf_mul(&pairs, pairs, PAIR_BYTES) ||
        !mf_add(&tokens, tokens, pairs)) {
        return mf_fail(err, MF_E_OVERFLOW, "the vocabulary exceeds 64 bits");
    }
    fill->memory->ranges[MF_TERM_VOCABULARY] = model->vocabulary_listed ? listed : unlisted;
    return mf_memory_add(fill->memory, fill->at->host, MF_TERM_VOCABULARY, tokens, err);
}

mf_status
mf_llamacpp_weights(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    filler fill = filler_of(memory, run, at);
    mf_status status = mf_llamacpp_place(&fill.plan, memory, run, at, err);
    status = status == MF_OK ? add_weights(&fill, err) : status;
    mf_llamacpp_place_free(&fill.plan);
    return status;
}

static mf_status check_width(const char *which, mf_tensor_type type, uint64_t width, mf_error *err)
{
    const mf_tensor_type_info *info = mf_tensor_type_get(type);
    return width % info->block_elements == 0
               ? MF_OK
               : mf_fail(err,
                         MF_E_USAGE,
                         "llama.cpp refuses %s as the type of the %s cache: heads are %llu wide, "
                         "not a multiple of %u; "
                         "choose --kv f16",
                         info->name,
                         which,
                         (unsigned long long)width,
                         (unsigned)info->block_elements);
}

/* What llama-context.cpp refuses: blocks that a head's width cuts, for flash attention, and two types for one latent. */
static mf_status check_cache_types(const mf_case *run, mf_error *err)
{
    const mf_workload *w = &run->workload;
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < run->model->n_layers; i++) {
        const mf_attention *a = &run->model->layers[i].attention;
        if ((a->kind == MF_ATTENTION_MLA || a->value_is_key) && w->kv_type_k != w->kv_type_v) {
            return mf_fail(err,
                           MF_E_USAGE,
                           "llama.cpp refuses two types for a latent cache, which holds keys and "
                           "values in one: "
                           "choose --kv %s",
                           mf_tensor_type_get(w->kv_type_k)->name);
        }
        if (a->kind == MF_ATTENTION_GQA && w->flash_attention) {
            status = check_width("K", w->kv_type_k, a->key_dim, err);
            status = status == MF_OK ? check_width("V", w->kv_type_v, a->value_dim, err) : status;
        }
    }
    return status;
}

static mf_status check_architecture(const filler *fill, mf_error *err)
{
    if (fill->arch->ground != GRAPH_ABSENT) {
        return MF_OK;
    }
    return mf_fail(err,
                   MF_E_USAGE,
                   "llama.cpp has no architecture '%s' and does not run this model: choose another "
                   "--engine",
                   fill->run->model->architecture);
}

/* All but the compute buffers, which come last and are what takes time. */
static mf_status begin_need(filler *fill, mf_cache_size *cache, mf_error *err)
{
    mf_status status = check_architecture(fill, err);
    status = status == MF_OK ? check_cache_types(fill->run, err) : status;
    status = status == MF_OK
                 ? mf_llamacpp_place(&fill->plan, fill->memory, fill->run, fill->at, err)
                 : status;
    status = status == MF_OK ? add_weights(fill, err) : status;
    status = status == MF_OK ? add_caches(fill, cache, err) : status;
    status = status == MF_OK ? add_output(fill, err) : status;
    status = status == MF_OK ? add_vocabulary(fill, err) : status;
    return status == MF_OK ? add_runtime(fill, err) : status;
}

mf_status mf_llamacpp_least(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    filler fill = filler_of(memory, run, at);
    mf_cache_size cache = {0};
    const mf_status status = begin_need(&fill, &cache, err);
    mf_llamacpp_place_free(&fill.plan);
    return status;
}

static mf_status fill_all(filler fill, mf_error *err)
{
    mf_cache_size cache = {0};
    mf_status status = begin_need(&fill, &cache, err);
    status = status == MF_OK ? add_compute(&fill, &cache, err) : status;
    mf_llamacpp_place_free(&fill.plan);
    return status;
}

static mf_status
llamacpp_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    filler fill = filler_of(memory, run, at);
    fill.as_run = true;
    return fill_all(fill, err);
}

mf_status
mf_llamacpp_dry_run(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    return fill_all(filler_of(memory, run, at), err);
}

const engine_rules mf_llamacpp_rules = {
    .need = llamacpp_need,
    .least = mf_llamacpp_least,
    .placed = true,
    .takes_adapters = true,
    .takes_drafts = true,
    .context_step = 256,
    .most_sequences = 256, /* LLAMA_MAX_SEQ */
};
