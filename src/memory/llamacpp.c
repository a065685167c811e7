/*
 * llamacpp.c - where llama.cpp b10470 puts what (src/llama-model.cpp: load_tensors).
 *
 * The input layer stays on the host. Layer i is on a device if i >= n_layers + 1 - gpu_layers, the
 * output layer counts as one more; several devices take runs of layers in proportion to their
 * memory. A tied embedding exists twice then: on the host to look up, on the device as the output.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/internal.h"

typedef struct placer {
    mf_memory *memory;
    const mf_case *run;
    const layout *at;
    uint64_t first_on_device; /* layers before it are on the host */
    double total_limit;       /* of all devices */
    bool tied;
} placer;

/* Device of layer i among those on devices; index n_layers is the output layer. */
static size_t device_of(const placer *p, uint64_t index)
{
    const uint64_t n = p->run->model->n_layers + 1 - p->first_on_device;
    const double share = (double)(index - p->first_on_device) / (double)n;
    double sum = 0;
    for (size_t i = 0; i < p->at->n_devices; i++) {
        sum += p->total_limit > 0 ? (double)p->memory->places[i].limit_bytes / p->total_limit
                                  : 1.0 / (double)p->at->n_devices;
        if (share < sum) {
            return i;
        }
    }
    return p->at->n_devices - 1;
}

static size_t place_of_layer(const placer *p, uint64_t index)
{
    return p->at->n_devices == 0 || index < p->first_on_device ? p->at->host : device_of(p, index);
}

static bool has_prefix(const mf_tensor *tensor, const char *prefix)
{
    return strncmp(tensor->name, prefix, strlen(prefix)) == 0;
}

static size_t place_of_tensor(const placer *p, const mf_tensor *tensor)
{
    const uint64_t output_layer = p->run->model->n_layers;
    if (tensor->role == MF_ROLE_TOKEN_EMBEDDING || tensor->role == MF_ROLE_PER_LAYER_EMBEDDING) {
        return p->at->host;
    }
    if (tensor->layer < 0) {
        /* The projection of per-layer inputs goes with the first layer (Gemma 3n, Gemma 4). */
        return place_of_layer(p, has_prefix(tensor, "per_layer_") ? 0 : output_layer);
    }
    const bool expert_on_host =
        tensor->role == MF_ROLE_EXPERT && (uint32_t)tensor->layer < p->run->workload.n_cpu_moe;
    return expert_on_host ? p->at->host : place_of_layer(p, (uint64_t)tensor->layer);
}

static mf_status
add_split(placer *p, size_t place, mf_memory_term term, uint64_t bytes, mf_error *err)
{
    const size_t n = p->at->n_devices;
    if (place == p->at->host || p->run->workload.split == MF_SPLIT_LAYER || n < 2) {
        return mf_memory_add(p->memory, place, term, bytes, err);
    }
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        status = mf_memory_add(p->memory, i, term, bytes / n + (i < bytes % n ? 1 : 0), err);
    }
    return status;
}

/* Tensors begin at multiples of the backend's alignment; CUDA's kernels read quantized rows in steps
   of 512 elements, so that the last row is filled up (ggml-cuda.cu: get_alloc_size). */
static mf_status buffer_bytes(
    uint64_t *bytes, const placer *p, size_t place, const mf_tensor *tensor, mf_tensor_type type)
{
    enum { HOST_ALIGNMENT = 32, CUDA_ALIGNMENT = 128, CUDA_ROW_STEP = 512 };
    static const uint64_t alignments[MF_BACKEND_COUNT] = {[MF_BACKEND_METAL] = HOST_ALIGNMENT,
                                                          [MF_BACKEND_CUDA] = CUDA_ALIGNMENT,
                                                          [MF_BACKEND_ROCM] = CUDA_ALIGNMENT,
                                                          [MF_BACKEND_VULKAN] = CUDA_ALIGNMENT,
                                                          [MF_BACKEND_SYCL] = CUDA_ALIGNMENT,
                                                          [MF_BACKEND_CPU] = HOST_ALIGNMENT};
    const mf_backend backend = place == p->at->host ? MF_BACKEND_CPU : p->run->backend;
    const mf_tensor_type_info *info = mf_tensor_type_get(type);
    const uint64_t rest = tensor->dims[0] % CUDA_ROW_STEP;
    uint64_t fill = 0;
    if (alignments[backend] == CUDA_ALIGNMENT && info->block_elements > 1 && rest > 0) {
        fill = (CUDA_ROW_STEP - rest) / info->block_elements * info->block_bytes;
    }
    return mf_add(bytes, *bytes, fill) && mf_pad(bytes, *bytes, alignments[backend])
               ? MF_OK
               : MF_E_OVERFLOW;
}

static mf_status
add_buffer(placer *p, size_t place, const mf_tensor *tensor, mf_tensor_type type, mf_error *err)
{
    uint64_t bytes = 0;
    mf_status status = mf_tensor_bytes(&bytes, tensor, type, err);
    if (status == MF_OK && buffer_bytes(&bytes, p, place, tensor, type) != MF_OK) {
        status = mf_fail(err, MF_E_OVERFLOW, "'%s' exceeds 64 bits", tensor->name);
    }
    return status == MF_OK ? add_split(p, place, MF_TERM_WEIGHTS, bytes, err) : status;
}

/* Rope factors lie wherever layers that use them lie; those with a sliding window do not. */
static mf_status
add_everywhere(placer *p, const mf_tensor *tensor, mf_tensor_type type, mf_error *err)
{
    bool done[MF_MAX_PLACES] = {false};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < p->run->model->n_layers; i++) {
        const mf_attention *a = &p->run->model->layers[i].attention;
        const size_t place = place_of_layer(p, i);
        if (!done[place] && (a->window == 0 || a->chunked)) {
            done[place] = true;
            status = add_buffer(p, place, tensor, type, err);
        }
    }
    return status;
}

static mf_status add_tensor(placer *p, const mf_tensor *tensor, mf_tensor_type type, mf_error *err)
{
    const mf_model *model = p->run->model;
    const bool skipped = tensor->layer >= 0 && (size_t)tensor->layer < model->n_layers &&
                         model->layers[tensor->layer].is_nextn;
    if (skipped) {
        return MF_OK;
    }
    if (tensor->layer < 0 && has_prefix(tensor, "rope_")) {
        return add_everywhere(p, tensor, type, err);
    }
    mf_status status = add_buffer(p, place_of_tensor(p, tensor), tensor, type, err);
    const size_t output = place_of_layer(p, model->n_layers);
    if (status == MF_OK && p->tied && tensor->role == MF_ROLE_TOKEN_EMBEDDING &&
        output != p->at->host) {
        status = add_buffer(p, output, tensor, type, err);
    }
    return status;
}

static mf_status add_weights(placer *p, mf_error *err)
{
    const mf_model *model = p->run->model;
    mf_tensor_type *types = calloc(model->n_tensors + 1, sizeof *types);
    if (types == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu tensors", model->n_tensors);
    }
    mf_status status =
        mf_quant_types(types, &p->memory->weights_estimated, model, p->run->quant, err);
    for (size_t i = 0; status == MF_OK && i < model->n_tensors; i++) {
        status = add_tensor(p, &model->tensors[i], types[i], err);
    }
    free(types);
    return status;
}

static mf_status add_caches(placer *p, mf_cache_size *size, mf_error *err)
{
    const mf_workload *w = &p->run->workload;
    mf_status status = mf_cache_begin(size, w, err);
    for (size_t i = 0; status == MF_OK && i < p->run->model->n_layers; i++) {
        mf_cache_size one = *size;
        one.kv_bytes = 0;
        one.state_bytes = 0;
        status = mf_cache_add_layer(&one, p->run->model, i, w, err);
        const size_t place = w->kv_offload ? place_of_layer(p, i) : p->at->host;
        if (status == MF_OK) {
            status = add_split(p, place, MF_TERM_KV_CACHE, one.kv_bytes, err);
        }
        if (status == MF_OK) {
            status = add_split(p, place, MF_TERM_STATE, one.state_bytes, err);
        }
        size->swa_cells = one.swa_cells > size->swa_cells ? one.swa_cells : size->swa_cells;
    }
    return status;
}

static mf_status add_compute(placer *p, const mf_cache_size *cache, mf_error *err)
{
    compute_size compute = {0};
    mf_status status = mf_llamacpp_compute(&compute, p->run, cache, err);
    const bool has_device = p->at->n_devices > 0;
    for (size_t i = 0; status == MF_OK && i < p->at->n_devices; i++) {
        status = mf_memory_add(p->memory, i, MF_TERM_COMPUTE, compute.device_bytes, err);
    }
    if (status != MF_OK) {
        return status;
    }
    const bool layers_on_host = p->first_on_device > 0 || p->run->workload.n_cpu_moe > 0;
    const uint64_t host = has_device && !layers_on_host ? compute.host_bytes
                                                        : compute.device_bytes + compute.host_bytes;
    return mf_memory_add(p->memory, p->at->host, MF_TERM_COMPUTE, host, err);
}

static mf_status add_runtime(placer *p, mf_error *err)
{
    const mf_fact *runtime = &p->run->engine->runtime_bytes[p->run->backend];
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && runtime->known && i < p->at->n_devices; i++) {
        status = mf_memory_add(p->memory, i, MF_TERM_RUNTIME, (uint64_t)runtime->value, err);
    }
    return status;
}

static uint64_t first_layer_on_device(const mf_case *run)
{
    const uint64_t all = run->model->n_layers + 1;
    const int32_t wanted = run->workload.gpu_layers;
    if (wanted < 0 || (uint64_t)wanted >= all) {
        return 0;
    }
    return all - (uint64_t)wanted;
}

mf_status mf_llamacpp_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    placer p = {.memory = memory,
                .run = run,
                .at = at,
                .first_on_device = at->n_devices > 0 ? first_layer_on_device(run) : 0,
                .tied = run->model->tied_embeddings};
    for (size_t i = 0; i < at->n_devices; i++) {
        p.total_limit += (double)memory->places[i].limit_bytes;
    }
    mf_cache_size cache = {0};
    mf_status status = add_weights(&p, err);
    if (status == MF_OK) {
        status = add_caches(&p, &cache, err);
    }
    if (status == MF_OK) {
        status = add_compute(&p, &cache, err);
    }
    /* One row of f32 logits for every sequence (src/llama-context.cpp: output_reserve). */
    uint64_t output = 0;
    if (status == MF_OK && !mf_mul(&output,
                                   run->model->vocabulary,
                                   (uint64_t)run->workload.n_parallel * sizeof(float))) {
        status = mf_fail(err, MF_E_OVERFLOW, "the output buffer exceeds 64 bits");
    }
    if (status == MF_OK) {
        status = mf_memory_add(memory, at->host, MF_TERM_OUTPUT, output, err);
    }
    return status == MF_OK ? add_runtime(&p, err) : status;
}
