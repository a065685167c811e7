#include "simulate/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/vllm.h"
#include "simulate/rules.h"

enum {
    LLAMA_SLOTS = 4,             /* llama-server -np auto (tools/server/server.cpp, b10470) */
    LLAMA_HOST_CACHE_MIB = 8192, /* --cache-ram */
    MLX_SEQUENCES = 32,          /* mlx_lm.server, 0.31: --decode-concurrency, */
    MLX_PROMPTS = 8,             /* --prompt-concurrency, */
    MLX_KEPT_PROMPTS = 10,       /* and --prompt-cache-size */
    MOST_SEQUENCES = 65536,
    MOST_BATCH = 1 << 20,
    MOST_SERVERS = 1024,
};

static uint32_t said_or(uint32_t said, uint32_t otherwise)
{
    return said > 0 ? said : otherwise;
}

/* Cuts the machine's devices into servers of as many each. */
static mf_status share_devices(mf_served_setup *s, const mf_serving *serving, mf_error *err)
{
    const mf_machine *machine = s->one.machine;
    const uint32_t n = (uint32_t)mf_machine_count_devices(machine);
    const uint32_t servers = said_or(serving->data_parallel, 1);
    const uint32_t each = said_or(serving->tensor_parallel, n / servers);
    s->n_servers = servers;
    s->devices_per_server = each;
    if (servers > MOST_SERVERS || each == 0 || (uint64_t)servers * each > n) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "%u servers of %u devices need more than the %u that '%s' has",
                       (unsigned)servers,
                       (unsigned)(each > 0 ? each : 1),
                       (unsigned)n,
                       machine->id);
    }
    if (each == n) {
        return MF_OK;
    }
    if (machine->n_devices != 1 || machine->n_nodes > 1) {
        return mf_fail(
            err, MF_E_UNSUPPORTED, "only a machine of one kind of card can be shared out");
    }
    s->machine = *machine;
    s->device = machine->devices[0];
    s->device.count = each;
    s->machine.devices = &s->device;
    s->one.machine = &s->machine;
    return MF_OK;
}

static mf_status no_fit(mf_served_setup *s, const char *what)
{
    s->fits = false;
    (void)snprintf(s->why, sizeof s->why, "%s", what);
    return MF_OK;
}

/* Cells that --cache-ram holds beside the slots. */
static mf_status set_host_cache(mf_served_setup *s, mf_error *err)
{
    mf_cache_size size = {0};
    const mf_status status = mf_cache_bytes(&size, s->one.model, &s->one.workload, err);
    const uint64_t cells = size.cells * size.streams;
    if (status == MF_OK && cells > 0 && size.kv_bytes > 0) {
        const uint64_t bytes = (uint64_t)LLAMA_HOST_CACHE_MIB << 20;
        s->settings.host_cache_tokens =
            (uint64_t)((double)bytes / ((double)size.kv_bytes / (double)cells));
    }
    return status;
}

/* -c: what was said, else the largest context that fits, at most what the model was trained for, as -c 0 and --fit make it. */
static mf_status set_llamacpp_context(mf_served_setup *s, const mf_serving *serving, mf_error *err)
{
    mf_memory memory = {0};
    mf_workload *w = &s->one.workload;
    w->n_ctx = serving->context_tokens;
    if (w->n_ctx == 0) {
        mf_status status = mf_memory_max_context(&w->n_ctx, &s->one, err);
        if (status != MF_OK || w->n_ctx == 0) {
            return status != MF_OK ? status : no_fit(s, "the model does not fit with any context");
        }
    }
    const mf_status status = mf_memory_need(&memory, &s->one, err);
    if (status == MF_OK && !memory.fits) {
        char text[MF_WARNING_SIZE];
        (void)snprintf(text,
                       sizeof text,
                       "the model with a context of %llu tokens does not fit",
                       (unsigned long long)w->n_ctx);
        return no_fit(s, text);
    }
    return status;
}

static mf_status set_up_llamacpp(mf_served_setup *s, const mf_serving *serving, mf_error *err)
{
    mf_workload *w = &s->one.workload;
    const bool one_by_one = strcmp(s->one.engine->name, "ollama") == 0;
    const uint32_t slots = said_or(serving->max_sequences, one_by_one ? 1 : LLAMA_SLOTS);
    w->n_parallel = slots;
    w->n_outputs = slots;
    w->kv_unified = serving->max_sequences == 0 || w->kv_unified;
    w->n_prompt = 0;
    w->n_output = 1;
    mf_status status = set_llamacpp_context(s, serving, err);
    if (status != MF_OK || !s->fits) {
        return status;
    }
    s->rules = &mf_rules_slots;
    s->settings =
        (mf_server_settings){.max_sequences = slots,
                             .max_tokens = said_or(serving->max_batch_tokens, w->n_batch),
                             .context_tokens = w->kv_unified ? w->n_ctx : w->n_ctx / slots,
                             .cache_tokens = w->n_ctx,
                             .unified = w->kv_unified,
                             .prefix_cache = serving->prefix_cache != 0};
    return s->settings.prefix_cache ? set_host_cache(s, err) : MF_OK;
}

/* Tokens of cache that the memory has room for: what is needed grows by as much a token from a short context to a longer one. */
static mf_status set_mlx_cache(mf_served_setup *s, mf_error *err)
{
    enum { SHORT = 1024, LONG = 9216 };
    mf_case one = s->one;
    mf_memory shorter = {0};
    mf_memory longer = {0};
    one.workload.n_ctx = SHORT;
    mf_status status = mf_memory_need(&shorter, &one, err);
    one.workload.n_ctx = LONG;
    status = status == MF_OK ? mf_memory_need(&longer, &one, err) : status;
    if (status != MF_OK) {
        return status;
    }
    const uint64_t limit = mf_memory_usable_bytes(&shorter);
    if (!shorter.fits || shorter.total_bytes >= limit) {
        return no_fit(s, "the model does not fit");
    }
    if (longer.total_bytes > shorter.total_bytes) {
        const double per_token =
            (double)(longer.total_bytes - shorter.total_bytes) / (LONG - SHORT);
        s->settings.cache_tokens =
            SHORT + (uint64_t)((double)(limit - shorter.total_bytes) / per_token);
    }
    return MF_OK;
}

static mf_status set_up_mlx(mf_served_setup *s, const mf_serving *serving, mf_error *err)
{
    mf_workload *w = &s->one.workload;
    w->n_parallel = 1;
    w->n_outputs = 1;
    w->n_prompt = 0;
    w->n_output = 1;
    const uint64_t longest = s->one.model->context_max;
    s->rules = &mf_rules_mlx;
    s->settings = (mf_server_settings){
        .max_sequences = said_or(serving->max_sequences, MLX_SEQUENCES),
        .max_tokens = said_or(serving->max_batch_tokens, w->n_ubatch),
        .context_tokens = serving->context_tokens > 0 ? serving->context_tokens : longest,
        .n_prompts = MLX_PROMPTS,
        .n_kept_prompts = MLX_KEPT_PROMPTS,
        .prefix_cache = serving->prefix_cache != 0};
    return set_mlx_cache(s, err);
}

static bool has_experts(const mf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        if (model->layers[i].ffn.kind == MF_FFN_MOE) {
            return true;
        }
    }
    return false;
}

/* Servers side by side cut a mixture's experts into as many parts: each holds one (vllm/model_executor/layers/fused_moe/config.py). */
static mf_status
shared_cache_size(mf_vllm_cache *cache, const mf_case *run, uint32_t n_together, mf_error *err)
{
    mf_case one = *run;
    mf_model part = *run->model;
    mf_tensor *tensors = calloc(part.n_tensors + 1, sizeof *tensors);
    if (tensors == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu tensors", part.n_tensors);
    }
    for (size_t i = 0; i < part.n_tensors; i++) {
        mf_tensor *tensor = &tensors[i];
        *tensor = part.tensors[i];
        if (tensor->role == MF_ROLE_EXPERT && tensor->n_dims > 0) {
            uint64_t *n = &tensor->dims[tensor->n_dims - 1];
            *n = (*n + n_together - 1) / n_together;
        }
    }
    part.tensors = tensors;
    one.model = &part;
    one.footprint = NULL;
    const mf_status status = mf_vllm_cache_size(cache, &one, err);
    free(tensors);
    return status;
}

static mf_status set_up_vllm(mf_served_setup *s, const mf_serving *serving, mf_error *err)
{
    mf_workload *w = &s->one.workload;
    mf_vllm_cache cache = {0};
    w->split = MF_SPLIT_TENSOR;
    w->n_batch = said_or(serving->max_batch_tokens, w->n_batch);
    w->n_outputs = said_or(serving->max_sequences, w->n_outputs);
    w->n_parallel = 1;
    s->n_together = has_experts(s->one.model) ? s->n_servers : 1;
    const mf_status status = s->n_together > 1
                                 ? shared_cache_size(&cache, &s->one, s->n_together, err)
                                 : mf_vllm_cache_size(&cache, &s->one, err);
    if (status != MF_OK) {
        return status;
    }
    const uint64_t n_blocks = serving->kv_blocks > 0 ? serving->kv_blocks : cache.n_blocks;
    if (n_blocks == 0 || (cache.n_tokens == 0 && serving->kv_blocks == 0)) {
        return no_fit(s, "the weights leave no room for blocks of KV cache");
    }
    /* Kinds of layers have blocks of their own: a token takes one of each. */
    const uint64_t per_token = cache.n_groups > 0 ? cache.n_groups : 1;
    const uint64_t tokens =
        serving->kv_blocks > 0 ? n_blocks / per_token * cache.block_tokens : cache.n_tokens;
    const uint64_t longest = s->one.model->context_max;
    s->rules = serving->async_scheduling == 0 ? &mf_rules_vllm_in_turn : &mf_rules_vllm;
    s->settings = (mf_server_settings){
        .max_sequences = w->n_outputs,
        .max_tokens = w->n_batch,
        .context_tokens = serving->context_tokens > 0 ? serving->context_tokens : longest,
        .cache_tokens = tokens,
        .block_tokens = (uint32_t)cache.block_tokens,
        .prefix_cache = serving->prefix_cache != 0};
    return MF_OK;
}

static mf_status make_pace(mf_served_setup *s, const mf_simulation_run *run, mf_error *err)
{
    const mf_pace_size size = {.host_waits = run->serving.async_scheduling == 0,
                               .n_together = s->n_together,
                               .max_sequences = s->settings.max_sequences,
                               .max_tokens =
                                   s->settings.max_tokens * said_or(s->settings.n_prompts, 1)};
    return s->one.engine->id == MF_ENGINE_VLLM
               ? mf_pace_from_kernels(&s->pace, &s->ground, &s->one, size, err)
               : mf_pace_from_law(&s->pace, &s->ground, &s->one, run->calibration, size, err);
}

static mf_status check_settings(const mf_serving *serving, mf_engine_id engine, mf_error *err)
{
    if (serving->n_machines > MOST_SERVERS) {
        return mf_fail(err, MF_E_USAGE, "at most %d machines", (int)MOST_SERVERS);
    }
    if (serving->max_sequences > MOST_SEQUENCES || serving->max_batch_tokens > MOST_BATCH) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "at most %d sequences and batches of %d tokens",
                       (int)MOST_SEQUENCES,
                       (int)MOST_BATCH);
    }
    const bool parallel = serving->tensor_parallel > 0 || serving->data_parallel > 0;
    if (engine != MF_ENGINE_VLLM &&
        (parallel || serving->kv_blocks > 0 || serving->async_scheduling == 1)) {
        return mf_fail(
            err, MF_E_USAGE, "blocks, parallel groups and scheduling are settings of vllm");
    }
    return MF_OK;
}

static mf_status set_up_engine(mf_served_setup *s, const mf_serving *serving, mf_error *err)
{
    switch (s->one.engine->id) {
    case MF_ENGINE_LLAMACPP:
        s->n_servers = 1;
        s->devices_per_server = (uint32_t)mf_machine_count_devices(s->one.machine);
        return set_up_llamacpp(s, serving, err);
    case MF_ENGINE_VLLM: {
        const mf_status status = share_devices(s, serving, err);
        return status == MF_OK ? set_up_vllm(s, serving, err) : status;
    }
    case MF_ENGINE_MLX:
        s->n_servers = 1;
        s->devices_per_server = (uint32_t)mf_machine_count_devices(s->one.machine);
        return set_up_mlx(s, serving, err);
    case MF_ENGINE_COUNT:
        break;
    }
    return mf_fail(err, MF_E_UNSUPPORTED, "how %s schedules is not known", s->one.engine->name);
}

mf_status mf_served_set_up(mf_served_setup *setup, const mf_simulation_run *run, mf_error *err)
{
    mf_served_setup *s = setup;
    *s = (mf_served_setup){.one = *run->run, .fits = true};
    mf_status status = check_settings(&run->serving, run->run->engine->id, err);
    if (status == MF_OK) {
        status = set_up_engine(s, &run->serving, err);
    }
    s->settings.one_by_one = run->serving.step_by_step;
    s->n_servers *= said_or(run->serving.n_machines, 1);
    if (status == MF_OK && s->n_servers > MOST_SERVERS) {
        status = mf_fail(err, MF_E_USAGE, "more than %d servers", (int)MOST_SERVERS);
    }
    if (status == MF_OK && s->fits && s->settings.max_tokens < s->settings.max_sequences) {
        status = mf_fail(err,
                         MF_E_USAGE,
                         "a batch of %u tokens can't hold one of each of %u sequences",
                         (unsigned)s->settings.max_tokens,
                         (unsigned)s->settings.max_sequences);
    }
    return status == MF_OK && s->fits ? make_pace(s, run, err) : status;
}

void mf_served_free(mf_served_setup *setup)
{
    mf_pace_free(&setup->pace);
}
