/*
 * mlx.c - mlx-lm 0.31 on unified memory: everything belongs to the GPU's working set.
 *
 * Caches grow in steps of 256 (mlx_lm/models/cache.py), windows rotate; a prompt is processed in chunks of 2048, and the
 * logits of the last chunk are computed for every token (generate.py). load(lazy=False) evaluates the weights in place,
 * so that loading peaks at the weights themselves.
 */

#include "base/checked.h"
#include "memory/internal.h"

#define PREFILL_CHUNK UINT64_C(2048)
#define HALF_BYTES UINT64_C(2)

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* mx.fast.scaled_dot_product_attention has whole-prompt kernels for some head widths; for others the 16-bit scores of
   all heads stand as one matrix. */
static bool has_fused_attention(const mf_attention *a)
{
    static const uint32_t widths[] = {64, 80, 128};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        if (a->key_dim == widths[i] && a->value_dim == widths[i]) {
            return true;
        }
    }
    return false;
}

/* A prompt that is not said fills the context. */
static uint64_t prompt_tokens(const mf_workload *w)
{
    return w->n_prompt > 0 ? w->n_prompt : w->n_ctx;
}

static uint64_t score_bytes(const mf_case *run, uint64_t tokens)
{
    const uint64_t prompt = prompt_tokens(&run->workload);
    uint64_t most = 0;
    for (size_t i = 0; i < run->model->n_layers; i++) {
        const mf_attention *a = &run->model->layers[i].attention;
        if (a->kind != MF_ATTENTION_GQA || has_fused_attention(a)) {
            continue;
        }
        const uint64_t whole_chunks = prompt / PREFILL_CHUNK * PREFILL_CHUNK;
        const uint64_t seen = larger(whole_chunks, tokens);
        const uint64_t in_window = (uint64_t)a->window + tokens;
        const uint64_t cells = a->window > 0 && in_window < seen ? in_window : seen;
        most = larger(most, HALF_BYTES * a->n_heads * tokens * cells);
    }
    return most;
}

/* Delta nets work on f32 copies of what their convolution mixes: about this many at a time (tests/truth). */
static uint64_t recurrent_bytes(const mf_case *run, uint64_t tokens)
{
    enum { COPIES = 8, KEPT_TAPS = 3, F32_BYTES = 4 };
    uint64_t widest = 0;
    for (size_t i = 0; i < run->model->n_layers; i++) {
        const mf_recurrent *r = &run->model->layers[i].recurrent;
        if (r->kind == MF_RECURRENT_DELTA) {
            widest = larger(widest, r->conv_elements / KEPT_TAPS);
        }
    }
    return tokens * widest * COPIES * F32_BYTES;
}

/* What stands beside weights and caches while a prompt's last chunk runs: the logits of all its tokens, of which one is
   used, and the widest temporaries. */
static uint64_t chunk_bytes(const mf_case *run)
{
    const uint64_t prompt = prompt_tokens(&run->workload);
    const uint64_t tokens = prompt < PREFILL_CHUNK ? prompt : PREFILL_CHUNK;
    return HALF_BYTES * tokens * run->model->vocabulary + score_bytes(run, tokens) +
           recurrent_bytes(run, tokens);
}

/* mlx_lm.convert: the weights as published, and those that are made of them. */
static mf_status
convert_peak(uint64_t *bytes, const mf_case *run, uint64_t converted, mf_error *err)
{
    mf_model_counts counts;
    if (run->quant == NULL || run->quant->family != MF_QUANT_MLX) {
        return MF_OK;
    }
    const mf_status status = mf_model_count(&counts, run->model, err);
    if (status != MF_OK) {
        return status;
    }
    if (!mf_mul(bytes, counts.parameters, HALF_BYTES) || !mf_add(bytes, *bytes, converted)) {
        return mf_fail(err, MF_E_OVERFLOW, "the weights exceed 64 bits");
    }
    return MF_OK;
}

/* mlx_lm/models/cache.py: RotatingKVCache.to_quantized is not implemented. */
static mf_status check_windows(const mf_case *run, mf_error *err)
{
    const mf_workload *w = &run->workload;
    const bool quantized = mf_tensor_type_get(w->kv_type_k)->block_elements > 1 ||
                           mf_tensor_type_get(w->kv_type_v)->block_elements > 1;
    for (size_t i = 0; quantized && i < run->model->n_layers; i++) {
        if (run->model->layers[i].attention.window > 0) {
            return mf_fail(err,
                           MF_E_USAGE,
                           "mlx-lm does not quantize rotating caches, which the windows of %s "
                           "have: choose --kv f16",
                           run->model->id);
        }
    }
    return MF_OK;
}

/* A chip with unified memory that is not Apple's has no Metal; of a described machine it may not be known whose it is. */
static bool is_others(const mf_machine *machine)
{
    const mf_device *chip = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    return chip != NULL && (chip->vendor == MF_VENDOR_AMD || chip->vendor == MF_VENDOR_NVIDIA ||
                            chip->vendor == MF_VENDOR_INTEL);
}

static mf_status mlx_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    if (at->n_devices != 1 || !at->unified || is_others(run->machine)) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "mlx runs on one Mac's GPU here, '%s' is not one: choose --engine llama.cpp",
                       run->machine->id);
    }
    mf_status status = check_windows(run, err);
    if (status != MF_OK) {
        return status;
    }
    uint64_t weights = 0;
    mf_cache_size cache = {0};
    mf_workload w = run->workload;
    w.n_ubatch = PREFILL_CHUNK;
    w.n_batch = PREFILL_CHUNK;
    status = mf_weight_bytes(&weights, run->model, run->footprint->types, err);
    status =
        status == MF_OK ? convert_peak(&memory->convert_peak_bytes, run, weights, err) : status;
    status = status == MF_OK ? mf_cache_bytes(&cache, run->model, &w, err) : status;
    const uint64_t terms[MF_TERM_COUNT] = {[MF_TERM_WEIGHTS] = weights,
                                           [MF_TERM_KV_CACHE] = cache.kv_bytes,
                                           [MF_TERM_STATE] = cache.state_bytes,
                                           [MF_TERM_COMPUTE] = chunk_bytes(run)};
    for (size_t i = 0; status == MF_OK && i < MF_TERM_COUNT; i++) {
        status = mf_memory_add(memory, 0, (mf_memory_term)i, terms[i], err);
    }
    const mf_fact *runtime = &run->engine->runtime_bytes[run->backend];
    mf_bound_compute(memory);
    if (status == MF_OK && runtime->known) {
        status = mf_memory_add(memory, 0, MF_TERM_RUNTIME, (uint64_t)runtime->value, err);
    }
    return status;
}

const engine_rules mf_mlx_rules = {
    .need = mlx_need,
    .takes_drafts = true,
    .context_step = 256,
    .most_sequences = MF_SENSIBLE_SEQUENCES,
};
