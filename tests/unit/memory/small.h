/*
 * small.h - a model of three awkward layers and a machine, for the tests of this folder: heads times
 * width differs from hidden, K and V differ in width, one layer has a window and one experts.
 */
#ifndef MF_MEMORY_SMALL_H
#define MF_MEMORY_SMALL_H

#include <stdio.h>

#include "memfit/memory.h"

enum { SMALL_LAYERS = 3, SMALL_TENSORS = 12 };

typedef struct small {
    mf_layer layers[SMALL_LAYERS];
    mf_tensor tensors[SMALL_TENSORS];
    mf_model model;
    mf_device device;
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_machine machine;
    mf_engine engine;
    mf_case run;
} small;

static inline mf_tensor small_tensor(const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    mf_tensor t = {
        .dims = {a, b, c, 1},
          .n_dims = c > 1 ? 3 : 2, .type = MF_TYPE_F16
    };
    (void)snprintf(t.name, sizeof t.name, "%s", name);
    t.role = mf_tensor_role_of(t.name, &t.layer);
    return t;
}

static inline mf_fact small_fact(double value)
{
    return (mf_fact){.value = value, .known = true, .source = MF_NO_SOURCE};
}

/* A card of 64 MiB in a PC, and the case that puts the model there. */
static inline void small_machine(small *s)
{
    s->pools[0].capacity_bytes = small_fact(64.0 * 1024 * 1024);
    s->pools[1].capacity_bytes = small_fact(32.0 * 1024 * 1024 * 1024);
    s->devices[0].device = &s->device;
    s->machine = (mf_machine){.id = "small",
                              .name = "small",
                              .n_nodes = 1,
                              .pools = s->pools,
                              .n_pools = 2,
                              .devices = s->devices,
                              .n_devices = 1};
    s->engine = (mf_engine){.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp"};
    s->run = (mf_case){
        .model = &s->model,
        .machine = &s->machine,
        .engine = &s->engine,
        .backend = MF_BACKEND_CUDA,
        .workload = {.n_ctx = 1000,
                     .n_prompt = 300,
                     .n_output = 40,
                     .n_parallel = 1,
                     .kv_type_k = MF_TYPE_F16,
                     .kv_type_v = MF_TYPE_F16,
                     .n_batch = 2048,
                     .n_ubatch = 512,
                     .n_outputs = 1,
                     .flash_attention = true,
                     .kv_offload = true,
                     .gpu_layers = MF_ALL_LAYERS}
    };
}

static inline void small_build(small *s)
{
    const mf_attention full = {
        .kind = MF_ATTENTION_GQA, .n_heads = 6, .n_kv_heads = 2, .key_dim = 96, .value_dim = 64};
    mf_attention window = full;
    window.window = 100;
    const mf_ffn dense = {.kind = MF_FFN_DENSE, .width = 768, .n_matrices = 3};
    const mf_ffn moe = {
        .kind = MF_FFN_MOE, .width = 256, .n_experts = 5, .n_experts_used = 2, .n_matrices = 3};
    *s = (small){
        .layers = {{.attention = full, .ffn = dense},
                   {.attention = window, .ffn = dense},
                   {.attention = full, .ffn = moe}},
        .tensors = {small_tensor("token_embd.weight",   512, 1000, 1),
                   small_tensor("output.weight", 512, 1000, 1),
                   small_tensor("blk.0.attn_v.weight", 512, 128, 1),
                   small_tensor("blk.0.ffn_down.weight", 768, 512, 1),
                   small_tensor("blk.1.attn_v.weight", 512, 128, 1),
                   small_tensor("blk.1.ffn_down.weight", 768, 512, 1),
                   small_tensor("blk.2.attn_v.weight", 512, 128, 1),
                   small_tensor("blk.2.ffn_down_exps.weight", 256, 512, 5),
                   small_tensor("blk.2.ffn_up_exps.weight", 512, 256, 5),
                   small_tensor("blk.2.ffn_gate_inp.weight", 512, 5, 1),
                   small_tensor("blk.0.attn_k.weight", 512, 192, 1),
                   small_tensor("blk.1.attn_q.weight", 512, 576, 1)},
        .pools = {{.name = "vram", .kind = MF_POOL_DEVICE},  {.name = "host", .kind = MF_POOL_HOST}},
        .devices = {{.count = 1, .pool = 0}                            }
    };
    s->model = (mf_model){.architecture = "llama",
                          .hidden = 512,
                          .vocabulary = 1000,
                          .context_max = 8192,
                          .layers = s->layers,
                          .n_layers = SMALL_LAYERS,
                          .tensors = s->tensors,
                          .n_tensors = SMALL_TENSORS};
    small_machine(s);
}

#endif
