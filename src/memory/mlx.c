/*
 * mlx.c - mlx-lm 0.31 on unified memory: everything belongs to the GPU's working set.
 *
 * Caches grow in steps of 256 (mlx_lm/models/cache.py), windows rotate; a prompt is processed in
 * chunks of 2048 whose widest temporaries are 16 bit. load(lazy=False) evaluates the weights in
 * place, so loading peaks at the weights themselves.
 */
#include <stdlib.h>

#include "base/checked.h"
#include "memory/internal.h"

enum { PREFILL_CHUNK = 2048, HALF_BYTES = 2, LOGIT_BYTES = 4 };

static mf_status weight_sum(uint64_t *bytes, bool *estimated, const mf_case *run, mf_error *err)
{
    mf_tensor_type *types = calloc(run->model->n_tensors + 1, sizeof *types);
    if (types == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu tensors", run->model->n_tensors);
    }
    mf_status status = mf_quant_types(types, estimated, run->model, run->quant, err);
    if (status == MF_OK) {
        status = mf_weight_bytes(bytes, run->model, types, err);
    }
    free(types);
    return status;
}

/* gate, up, their product and the block's inputs of the widest layer, for one chunk. */
static uint64_t chunk_bytes(const mf_case *run)
{
    const mf_workload *w = &run->workload;
    const uint64_t tokens = w->n_prompt < PREFILL_CHUNK ? w->n_prompt : PREFILL_CHUNK;
    uint64_t widest = 0;
    for (size_t i = 0; i < run->model->n_layers; i++) {
        const mf_ffn *ffn = &run->model->layers[i].ffn;
        const uint64_t used = ffn->kind == MF_FFN_MOE ? ffn->n_experts_used : 1;
        const uint64_t width = 3 * used * ffn->width + 3 * (uint64_t)ffn->shared_width;
        widest = width > widest ? width : widest;
    }
    return tokens * HALF_BYTES * (widest + 6 * run->model->hidden);
}

mf_status mf_mlx_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    if (at->n_devices != 1 || !at->unified) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "mlx runs on one Mac's GPU here, '%s' is not one: choose --engine llama.cpp",
                       run->machine->id);
    }
    uint64_t weights = 0;
    mf_cache_size cache = {0};
    mf_workload w = run->workload;
    w.n_ubatch = PREFILL_CHUNK;
    w.n_batch = PREFILL_CHUNK;
    mf_status status = weight_sum(&weights, &memory->weights_estimated, run, err);
    status = status == MF_OK ? mf_cache_bytes(&cache, run->model, &w, err) : status;
    const uint64_t logits = run->model->vocabulary * w.n_parallel * LOGIT_BYTES;
    const uint64_t terms[MF_TERM_COUNT] = {[MF_TERM_WEIGHTS] = weights,
                                           [MF_TERM_KV_CACHE] = cache.kv_bytes,
                                           [MF_TERM_STATE] = cache.state_bytes,
                                           [MF_TERM_COMPUTE] = chunk_bytes(run),
                                           [MF_TERM_OUTPUT] = logits};
    for (size_t i = 0; status == MF_OK && i < MF_TERM_COUNT; i++) {
        status = mf_memory_add(memory, 0, (mf_memory_term)i, terms[i], err);
    }
    const mf_fact *runtime = &run->engine->runtime_bytes[run->backend];
    if (status == MF_OK && runtime->known) {
        status = mf_memory_add(memory, 0, MF_TERM_RUNTIME, (uint64_t)runtime->value, err);
    }
    return status;
}
