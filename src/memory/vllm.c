/*
 * vllm.c - vLLM 0.19 on discrete cards, tensor parallel over all of them.
 *
 * It claims gpu_memory_utilization (0.9) of every card for weights, the activations of a profiling run
 * (vllm/v1/worker/gpu_worker.py) and blocks of KV cache. Context and captured graphs lie beside that share. Blocks and
 * groups of layers: vllm/v1/core/kv_cache_utils.py; pages as large as a recurrent state: vllm/model_executor/models/config.py.
 */
#include "memfit/vllm.h"

#include "base/checked.h"
#include "memory/internal.h"

enum {
    BLOCK_TOKENS = 16,
    HALF_BYTES = 2,
    STATE_BYTES = 4,
    MAX_KINDS = 8,
    SEQUENCES = 256, /* max_num_seqs */
    /* A logit of the sampler's run: bf16 and f32 row (6), keys and indices of a sort, out of place (24), softmax (4),
       masks of top-k and top-p (2). */
    SAMPLER_BYTES = 36,
};

static const double utilization = 0.9;

/* Layers whose blocks are alike. */
typedef struct layer_kind {
    bool recurrent;
    uint32_t window;
    uint64_t token_bytes; /* attention: of one token */
    uint64_t state_bytes; /* recurrent: of one sequence */
    uint64_t n_layers;
} layer_kind;

typedef struct cache_plan {
    layer_kind kinds[MAX_KINDS];
    size_t n_kinds;
    uint64_t page_bytes; /* one block of one layer */
    uint64_t group_size;
    mf_vllm_cache cache;
} cache_plan;

static bool add_kind(cache_plan *plan, const layer_kind *kind)
{
    for (size_t i = 0; i < plan->n_kinds; i++) {
        layer_kind *k = &plan->kinds[i];
        if (k->recurrent == kind->recurrent && k->window == kind->window &&
            k->token_bytes == kind->token_bytes && k->state_bytes == kind->state_bytes) {
            k->n_layers++;
            return true;
        }
    }
    if (plan->n_kinds == MAX_KINDS) {
        return false;
    }
    plan->kinds[plan->n_kinds] = *kind;
    plan->kinds[plan->n_kinds++].n_layers = 1;
    return true;
}

/* Heads are shared out, at least one to every device; a latent isn't. */
static mf_status token_bytes(
    uint64_t *bytes, const mf_attention *a, const mf_workload *w, uint64_t n_devices, mf_error *err)
{
    const bool latent = a->kind == MF_ATTENTION_MLA;
    const uint64_t heads = (a->n_kv_heads + n_devices - 1) / n_devices;
    const uint64_t key = latent ? (uint64_t)a->kv_rank + a->rope_dim : heads * a->key_dim;
    uint64_t value = 0;
    mf_status status = mf_tensor_row_bytes(bytes, w->kv_type_k, key, err);
    if (status == MF_OK && !latent && !a->value_is_key) {
        status = mf_tensor_row_bytes(&value, w->kv_type_v, heads * a->value_dim, err);
    }
    *bytes += value + (uint64_t)a->index_dim * HALF_BYTES;
    return status;
}

static mf_status find_kinds(cache_plan *plan, const mf_case *run, uint64_t n_devices, mf_error *err)
{
    for (size_t i = 0; i < run->model->n_layers; i++) {
        const mf_layer *layer = &run->model->layers[i];
        const mf_recurrent *r = &layer->recurrent;
        if (layer->is_nextn) {
            continue;
        }
        bool known = true;
        if (layer->attention.kind != MF_ATTENTION_NONE && !layer->attention.shares_kv) {
            layer_kind kind = {.window = layer->attention.window};
            const mf_status status =
                token_bytes(&kind.token_bytes, &layer->attention, &run->workload, n_devices, err);
            if (status != MF_OK) {
                return status;
            }
            known = add_kind(plan, &kind);
        }
        if (known && r->kind != MF_RECURRENT_NONE) {
            const layer_kind kind = {
                .recurrent = true,
                .state_bytes =
                    (r->conv_elements * HALF_BYTES + r->state_elements * STATE_BYTES) / n_devices};
            known = add_kind(plan, &kind);
        }
        if (!known) {
            return mf_fail(
                err, MF_E_UNSUPPORTED, "vllm: more than %d kinds of layers", (int)MAX_KINDS);
        }
    }
    return MF_OK;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* One page size for all: blocks hold more tokens until a state fits into one, narrower layers are padded. */
static void size_pages(cache_plan *plan)
{
    uint64_t widest = 0;
    uint64_t state = 0;
    for (size_t i = 0; i < plan->n_kinds; i++) {
        const layer_kind *k = &plan->kinds[i];
        widest = k->token_bytes > widest ? k->token_bytes : widest;
        state = k->state_bytes > state ? k->state_bytes : state;
    }
    plan->cache.block_tokens = BLOCK_TOKENS;
    plan->page_bytes = state;
    if (widest > 0) {
        const uint64_t blocks = divide_up(state, BLOCK_TOKENS * widest);
        plan->cache.block_tokens *= blocks > 0 ? blocks : 1;
        plan->page_bytes = plan->cache.block_tokens * widest;
    }
}

/* Groups are as large as the rarest kind, or as the most frequent where that wastes less than a quarter. */
static void size_groups(cache_plan *plan)
{
    uint64_t least = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < plan->n_kinds; i++) {
        const uint64_t n = plan->kinds[i].n_layers;
        least = least == 0 || n < least ? n : least;
        most = n > most ? n : most;
    }
    plan->group_size = 4 * most < 5 * least ? most : least;
    for (size_t i = 0; i < plan->n_kinds; i++) {
        plan->cache.n_groups += divide_up(plan->kinds[i].n_layers, plan->group_size);
    }
}

static mf_status plan_cache(cache_plan *out, const mf_case *run, uint64_t n_devices, mf_error *err)
{
    cache_plan plan = {0};
    const mf_status status = find_kinds(&plan, run, n_devices, err);
    if (status != MF_OK) {
        return status;
    }
    if (plan.n_kinds > 0) {
        size_pages(&plan);
        size_groups(&plan);
    }
    if (!mf_mul(&plan.cache.block_bytes, plan.page_bytes, plan.group_size)) {
        return mf_fail(err, MF_E_OVERFLOW, "a block of KV cache exceeds 64 bits");
    }
    *out = plan;
    return MF_OK;
}

/* Blocks that one sequence takes of a kind's groups, and what they are for. */
static uint64_t
blocks_of(const cache_plan *plan, const layer_kind *k, const mf_workload *w, uint64_t tokens)
{
    const uint64_t all = divide_up(tokens, plan->cache.block_tokens);
    if (k->recurrent) {
        return 1;
    }
    if (k->window == 0) {
        return all;
    }
    const uint64_t kept = (uint64_t)k->window - 1 + w->n_batch;
    const uint64_t some = divide_up(kept, plan->cache.block_tokens) + 1;
    return some < all ? some : all;
}

static mf_status
add_cache(mf_memory *memory, const cache_plan *plan, const mf_case *run, size_t n, mf_error *err)
{
    const mf_workload *w = &run->workload;
    const uint64_t per_sequence = divide_up(w->n_ctx, w->n_parallel);
    for (size_t k = 0; k < plan->n_kinds; k++) {
        const layer_kind *kind = &plan->kinds[k];
        const uint64_t groups = divide_up(kind->n_layers, plan->group_size);
        uint64_t bytes = 0;
        if (!mf_mul(&bytes, blocks_of(plan, kind, w, per_sequence), groups * w->n_parallel) ||
            !mf_mul(&bytes, bytes, plan->cache.block_bytes)) {
            return mf_fail(err, MF_E_OVERFLOW, "the KV cache exceeds 64 bits");
        }
        const mf_memory_term term = kind->recurrent ? MF_TERM_STATE : MF_TERM_KV_CACHE;
        for (size_t i = 0; i < n; i++) {
            const mf_status status = mf_memory_add(memory, i, term, bytes, err);
            if (status != MF_OK) {
                return status;
            }
        }
    }
    return MF_OK;
}

/* The profiling run: first a full batch through the widest layer, then the sampler over a row for every sequence while
   the batch's hidden states and residuals are kept. */
static uint64_t profile_bytes(const mf_case *run, uint64_t n_devices)
{
    const uint64_t batch = run->workload.n_batch;
    const uint64_t rows = run->workload.n_outputs > 0 ? run->workload.n_outputs : SEQUENCES;
    const uint64_t states = batch * run->model->hidden * 2 * HALF_BYTES;
    uint64_t widest = 0;
    for (size_t i = 0; i < run->model->n_layers; i++) {
        const mf_ffn *ffn = &run->model->layers[i].ffn;
        const bool experts = ffn->kind == MF_FFN_MOE;
        const uint64_t used = experts ? ffn->n_experts_used : 1;
        const uint64_t width = divide_up(used * ffn->n_matrices * ffn->width, n_devices) +
                               (experts ? used * run->model->hidden : 0);
        widest = width > widest ? width : widest;
    }
    const uint64_t layer = HALF_BYTES * batch * widest;
    const uint64_t sampler = SAMPLER_BYTES * rows * run->model->vocabulary;
    return states + (layer > sampler ? layer : sampler);
}

/* Weights are cut evenly; the device that has most counts. */
static mf_status
weight_share(uint64_t *bytes, const mf_case *run, uint64_t n_devices, mf_error *err)
{
    const mf_status status = mf_weight_bytes(bytes, run->model, run->footprint->types, err);
    *bytes = divide_up(*bytes, n_devices);
    return status;
}

static mf_status needs_gpu(const layout *at, mf_error *err)
{
    return at->n_devices > 0
               ? MF_OK
               : mf_fail(err, MF_E_UNSUPPORTED, "vllm needs a GPU here: choose --engine llama.cpp");
}

static uint64_t claimed(const mf_place *place)
{
    return (uint64_t)(utilization * (double)place->limit_bytes);
}

/* What the engine takes lies in its share, context and graphs in what is left. */
static void limit_place(mf_place *place, uint64_t runtime)
{
    const uint64_t whole = place->limit_bytes;
    const uint64_t share = claimed(place);
    place->limit_bytes = runtime < whole - share ? share + runtime : whole;
    place->raised_limit_bytes = place->limit_bytes;
}

static mf_status vllm_need(mf_memory *memory, const mf_case *run, const layout *at, mf_error *err)
{
    const uint64_t n = at->n_devices;
    cache_plan plan = {0};
    uint64_t weights = 0;
    mf_status status = needs_gpu(at, err);
    status = status == MF_OK ? plan_cache(&plan, run, n, err) : status;
    status = status == MF_OK ? weight_share(&weights, run, n, err) : status;
    status = status == MF_OK ? add_cache(memory, &plan, run, n, err) : status;
    mf_bound_compute(memory);
    const mf_fact *fact = &run->engine->runtime_bytes[run->backend];
    const uint64_t runtime = fact->known ? (uint64_t)fact->value : 0;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        limit_place(&memory->places[i], runtime);
        status = mf_memory_add(memory, i, MF_TERM_WEIGHTS, weights, err);
        if (status == MF_OK) {
            status = mf_memory_add(memory, i, MF_TERM_COMPUTE, profile_bytes(run, n), err);
        }
        if (status == MF_OK) {
            status = mf_memory_add(memory, i, MF_TERM_RUNTIME, runtime, err);
        }
    }
    return status;
}

static mf_status count_blocks(mf_vllm_cache *out, const mf_case *run, mf_error *err)
{
    mf_memory places = {0};
    const layout at = mf_layout_places(&places, run);
    cache_plan plan = {0};
    uint64_t weights = 0;
    mf_status status = needs_gpu(&at, err);
    status = status == MF_OK ? plan_cache(&plan, run, at.n_devices, err) : status;
    status = status == MF_OK ? weight_share(&weights, run, at.n_devices, err) : status;
    if (status != MF_OK) {
        return status;
    }
    if (plan.cache.block_bytes == 0 || plan.cache.n_groups == 0) {
        return mf_fail(err, MF_E_UNSUPPORTED, "vllm: no layer of %s has a cache", run->model->id);
    }
    uint64_t share = claimed(&places.places[0]);
    for (size_t i = 1; i < at.n_devices; i++) {
        const uint64_t other = claimed(&places.places[i]);
        share = other < share ? other : share;
    }
    const uint64_t used = weights + profile_bytes(run, at.n_devices);
    plan.cache.n_blocks = share > used ? (share - used) / plan.cache.block_bytes : 0;
    plan.cache.n_tokens = plan.cache.n_blocks / plan.cache.n_groups * plan.cache.block_tokens;
    *out = plan.cache;
    return MF_OK;
}

mf_status mf_vllm_cache_size(mf_vllm_cache *out, const mf_case *run, mf_error *err)
{
    if (run->engine->id != MF_ENGINE_VLLM) {
        return mf_fail(err, MF_E_UNSUPPORTED, "%s has no blocks of KV cache", run->engine->name);
    }
    if (run->footprint != NULL) {
        return count_blocks(out, run, err);
    }
    mf_case complete = *run;
    mf_footprint *own = NULL;
    mf_status status = mf_footprint_new(&own, run->model, run->quant, err);
    if (status == MF_OK) {
        complete.footprint = own;
        status = count_blocks(out, &complete, err);
    }
    mf_footprint_free(own);
    return status;
}

const engine_rules mf_vllm_rules = {
    .need = vllm_need,
    .context_step = 1, /* blocks hold as many tokens as the model's groups allow */
    .most_sequences = MF_SENSIBLE_SEQUENCES,
};
