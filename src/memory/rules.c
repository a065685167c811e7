#include "memory/internal.h"

static const engine_rules *const engines[MF_ENGINE_COUNT] = {
    [MF_ENGINE_LLAMACPP] = &mf_llamacpp_rules,
    [MF_ENGINE_MLX] = &mf_mlx_rules,
    [MF_ENGINE_VLLM] = &mf_vllm_rules,
};

const engine_rules *mf_rules_of(const mf_case *run)
{
    return engines[run->engine->id];
}
