/*
 * vllm.c - vLLM 0.19 on discrete cards, tensor parallel over all of them.
 *
 * It claims gpu_memory_utilization (0.9) of every card: weights, the activations of a profiling run
 * over max_num_batched_tokens (2048), CUDA graphs, and the rest as blocks of 16 tokens of KV cache.
 * The need shown is what the asked context takes; the limit is the share it claims.
 */

#include "base/checked.h"
#include "memory/internal.h"

#define BATCHED_TOKENS UINT64_C(2048)
#define HALF_BYTES UINT64_C(2)
#define LOGIT_BYTES UINT64_C(4)

static const double utilization = 0.9;

static mf_status
add_shares(mf_memory *memory, const layout *at, mf_memory_term term, uint64_t bytes, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < at->n_devices; i++) {
        const uint64_t n = at->n_devices;
        status = mf_memory_add(memory, i, term, bytes / n + (i < bytes % n ? 1 : 0), err);
    }
    return status;
}

static mf_status add_weights(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    uint64_t bytes = 0;
    const mf_status status = mf_weight_bytes(&bytes, run->model, run->footprint->types, err);
    return status == MF_OK ? add_shares(memory, at, MF_TERM_WEIGHTS, bytes, err) : status;
}

/* Activations of the profiling run: the widest block's inputs and products, and its logits. */
static uint64_t profile_bytes(const mf_case *run)
{
    uint64_t widest = 0;
    for (size_t i = 0; i < run->model->n_layers; i++) {
        const mf_ffn *ffn = &run->model->layers[i].ffn;
        const uint64_t used = ffn->kind == MF_FFN_MOE ? ffn->n_experts_used : 1;
        widest = 3 * used * ffn->width > widest ? 3 * used * ffn->width : widest;
    }
    return BATCHED_TOKENS * HALF_BYTES * (widest + 6 * run->model->hidden) +
           256 * LOGIT_BYTES * run->model->vocabulary;
}

mf_status mf_vllm_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    if (at->n_devices == 0) {
        return mf_fail(err, MF_E_UNSUPPORTED, "vllm needs a GPU here: choose --engine llama.cpp");
    }
    for (size_t i = 0; i < at->n_devices; i++) {
        mf_place *place = &memory->places[i];
        place->limit_bytes = (uint64_t)(utilization * (double)place->limit_bytes);
        place->raised_limit_bytes = place->limit_bytes;
    }
    mf_workload w = run->workload;
    mf_cache_size cache = {0};
    w.n_ubatch = BATCHED_TOKENS;
    w.n_batch = BATCHED_TOKENS;
    w.swa_full = true; /* blocks hold every layer alike */
    mf_status status = add_weights(memory, run, at, err);
    status = status == MF_OK ? mf_cache_bytes(&cache, run->model, &w, err) : status;
    status =
        status == MF_OK ? add_shares(memory, at, MF_TERM_KV_CACHE, cache.kv_bytes, err) : status;
    status =
        status == MF_OK ? add_shares(memory, at, MF_TERM_STATE, cache.state_bytes, err) : status;
    memory->bounded[MF_TERM_COMPUTE] = true;
    const uint64_t activations = profile_bytes(run);
    const mf_fact *runtime = &run->engine->runtime_bytes[run->backend];
    for (size_t i = 0; status == MF_OK && i < at->n_devices; i++) {
        status = mf_memory_add(memory, i, MF_TERM_COMPUTE, activations, err);
        if (status == MF_OK && runtime->known) {
            status = mf_memory_add(memory, i, MF_TERM_RUNTIME, (uint64_t)runtime->value, err);
        }
    }
    return status;
}
