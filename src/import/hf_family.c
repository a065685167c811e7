/*
 * hf_family.c - the table. Ground: transformers' configuration and modeling files of each class, llama.cpp's
 * convert_hf_to_gguf.py for the names and for what it leaves out; tests/truth compares every model's parameter count.
 */
#include "import/hf_family.h"

#include <string.h>

#include "base/str.h"

/* clang-format 14 crashes on rows of unequal length. */
#define ROW(type_, arch_, ...)                                                                     \
    {                                                                                              \
        .type = (type_), .arch = (arch_), __VA_ARGS__                                              \
    }

#define PLAIN .build = mf_hf_build_plain
#define PRE_NORMS .norms = "attn_norm.weight|ffn_norm.weight"
#define POST_NORMS .norms = "post_attention_norm.weight|post_ffw_norm.weight"
#define SANDWICH                                                                                   \
    .norms = "attn_norm.weight|post_attention_norm.weight|ffn_norm.weight|post_ffw_norm.weight"
#define LATE_NORMS .norms = "attn_norm.weight|post_attention_norm.weight"
#define BIAS_KEYS .bias_key = "attention_bias", .output_bias_key = "attention_bias"

static const mf_hf_family families[] = {
    /* Dense */
    ROW("llama", "llama", PLAIN, PRE_NORMS, BIAS_KEYS),
    ROW("mistral", "llama", PLAIN, PRE_NORMS),
    ROW("ministral3", "mistral3", PLAIN, PRE_NORMS),
    ROW("qwen2", "qwen2", PLAIN, PRE_NORMS, .biased = true),
    ROW("qwen3", "qwen3", PLAIN, PRE_NORMS, BIAS_KEYS, .qk_norm = MF_HF_QK_HEAD),
    ROW("qwen2_vl", "qwen2vl", PLAIN, PRE_NORMS, .biased = true),
    ROW("qwen2_vl_text", "qwen2vl", PLAIN, PRE_NORMS, .biased = true),
    ROW("qwen2_5_vl", "qwen2vl", PLAIN, PRE_NORMS, .biased = true),
    ROW("qwen2_5_vl_text", "qwen2vl", PLAIN, PRE_NORMS, .biased = true),
    ROW("qwen3_vl_text", "qwen3vl", PLAIN, PRE_NORMS, BIAS_KEYS, .qk_norm = MF_HF_QK_HEAD),
    ROW("internlm2", "internlm2", PLAIN, PRE_NORMS),
    ROW("exaone", "exaone", PLAIN, PRE_NORMS),
    ROW("starcoder2",
        "starcoder2",
        .build = mf_hf_build_starcoder2,
        .norms = "attn_norm.weight|attn_norm.bias|ffn_norm.weight|ffn_norm.bias",
        .tied = true),
    ROW("smollm3", "smollm3", PLAIN, PRE_NORMS, BIAS_KEYS, .tied = true),
    ROW("mimo", "qwen2", PLAIN, PRE_NORMS, .biased = true),
    ROW("phi3", "phi3", PLAIN, PRE_NORMS, .fused_qkv = true, .fused_ffn = true),
    ROW("gemma", "gemma", PLAIN, PRE_NORMS, .tied = true, .head_dim = 256),
    ROW("gemma2", "gemma2", PLAIN, SANDWICH, .tied = true),
    ROW("gemma3_text",
        "gemma3",
        PLAIN,
        SANDWICH,
        .tied = true,
        .qk_norm = MF_HF_QK_HEAD,
        .vocabulary = 262208,
        .n_heads = 8,
        .n_kv_heads = 4,
        .head_dim = 256),
    ROW("cohere",
        "command-r",
        PLAIN,
        .norms = "attn_norm.weight",
        .tied = true,
        .qk_norm = MF_HF_QK_EACH,
        .qk_norm_key = "use_qk_norm"),
    ROW("cohere2", "cohere2", PLAIN, .norms = "attn_norm.weight", .tied = true),
    ROW("olmo2", "olmo2", PLAIN, POST_NORMS, .qk_norm = MF_HF_QK_FULL),
    ROW("olmo3", "olmo2", PLAIN, POST_NORMS, .qk_norm = MF_HF_QK_FULL),
    ROW("exaone4", "exaone4", PLAIN, POST_NORMS, .qk_norm = MF_HF_QK_HEAD),
    ROW("hunyuan_v1_dense", "hunyuan-dense", PLAIN, PRE_NORMS, .qk_norm = MF_HF_QK_HEAD),
    ROW("ernie4_5",
        "ernie4_5",
        PLAIN,
        PRE_NORMS,
        .bias_key = "use_bias",
        .output_bias_key = "use_bias"),
    ROW("granite", "granite", PLAIN, PRE_NORMS, BIAS_KEYS),
    ROW("seed_oss",
        "seed_oss",
        PLAIN,
        LATE_NORMS,
        .bias_key = "attention_bias",
        .biased = true,
        .output_bias_key = "attention_out_bias"),
    ROW("glm4", "glm4", PLAIN, SANDWICH, .bias_key = "attention_bias", .fused_ffn = true),
    ROW("chatglm",
        "chatglm",
        .build = mf_hf_build_chatglm,
        PRE_NORMS,
        .bias_key = "add_qkv_bias",
        .fused_qkv = true,
        .fused_ffn = true),
    ROW("muse_glimmer_text",
        "muse-glimmer",
        .build = mf_hf_build_muse,
        SANDWICH,
        .qk_norm = MF_HF_QK_HEAD), /* converters write them: ones, and a constant factor */

    /* Experts */
    ROW("mixtral", "llama", PLAIN, PRE_NORMS, .experts = true),
    ROW("phimoe",
        "phimoe",
        .build = mf_hf_build_phimoe,
        .norms = "attn_norm.weight|attn_norm.bias|ffn_norm.weight|ffn_norm.bias"),
    ROW("qwen3_moe", "qwen3moe", PLAIN, PRE_NORMS, .qk_norm = MF_HF_QK_HEAD, .experts = true),
    ROW("qwen3_vl_moe_text",
        "qwen3vlmoe",
        PLAIN,
        PRE_NORMS,
        .qk_norm = MF_HF_QK_HEAD,
        .experts = true),
    ROW("qwen2_moe", "qwen2moe", .build = mf_hf_build_qwen2_moe, PRE_NORMS),
    ROW("olmoe", "olmoe", PLAIN, PRE_NORMS, .qk_norm = MF_HF_QK_FULL, .experts = true),
    ROW("granitemoe", "granitemoe", PLAIN, PRE_NORMS, .experts = true, .tied = true),
    ROW("gpt_oss", "gpt-oss", .build = mf_hf_build_gpt_oss, LATE_NORMS),
    ROW("glm4_moe",
        "glm4moe",
        PLAIN,
        LATE_NORMS,
        .qk_norm = MF_HF_QK_HEAD,
        .qk_norm_key = "use_qk_norm",
        .qk_norm_default = true,
        .bias_key = "attention_bias",
        .biased = true,
        .experts = true,
        .router_bias = true,
        .n_dense_key = "first_k_dense_replace",
        .shared_key = "n_shared_experts",
        .n_nextn = 1,
        .keeps_nextn = true,
        .nextn_copies = true),
    ROW("hy_v3",
        "hy_v3",
        PLAIN,
        PRE_NORMS,
        .qk_norm = MF_HF_QK_HEAD,
        .experts = true,
        .router_bias = true,
        .n_dense_key = "first_k_dense_replace",
        .shared_key = "num_shared_experts",
        .n_nextn = 1,
        .keeps_nextn = true),
    ROW("dots1",
        "dots1",
        PLAIN,
        PRE_NORMS,
        .qk_norm = MF_HF_QK_HEAD,
        .experts = true,
        .router_bias = true,
        .n_dense_key = "first_k_dense_replace",
        .shared_key = "n_shared_experts"),
    ROW("minimax_m2",
        "minimax-m2",
        PLAIN,
        PRE_NORMS,
        .qk_norm = MF_HF_QK_FULL,
        .experts = true,
        .router_bias = true),
    ROW("minimax_m3",
        "minimax-m3",
        .build = mf_hf_build_minimax_m3,
        PRE_NORMS,
        .qk_norm = MF_HF_QK_HEAD),
    ROW("ernie4_5_moe", "ernie4_5-moe", .build = mf_hf_build_ernie_moe, PRE_NORMS),
    ROW("hunyuan",
        "hunyuan-moe",
        .build = mf_hf_build_hunyuan_moe,
        PRE_NORMS,
        .qk_norm = MF_HF_QK_HEAD),
    ROW("llama4_text", "llama4", .build = mf_hf_build_llama4, PRE_NORMS),
    ROW("step3p5", "step35", .build = mf_hf_build_step, PRE_NORMS, .qk_norm = MF_HF_QK_HEAD),
    ROW("step3p7", "step35", .build = mf_hf_build_step, PRE_NORMS, .qk_norm = MF_HF_QK_HEAD),
    ROW("mimo_v2_flash", "mimo2", .build = mf_hf_build_mimo2, PRE_NORMS),
    ROW("laguna", "laguna", .build = mf_hf_build_laguna, PRE_NORMS, .qk_norm = MF_HF_QK_HEAD),

    /* Latent attention */
    ROW("deepseek_v2", "deepseek2", .build = mf_hf_build_latent, PRE_NORMS),
    ROW("deepseek_v3", "deepseek2", .build = mf_hf_build_latent, PRE_NORMS, .router_bias = true),
    ROW("kimi_k2", "deepseek2", .build = mf_hf_build_latent, PRE_NORMS, .router_bias = true),
    ROW("glm4_moe_lite",
        "deepseek2",
        .build = mf_hf_build_latent,
        PRE_NORMS,
        .router_bias = true,
        .n_nextn = 1),
    ROW("mistral4", "mistral4", .build = mf_hf_build_latent, PRE_NORMS),
    ROW("mistral_large_3", "deepseek2", .build = mf_hf_build_latent, PRE_NORMS),
    ROW("deepseek_v32",
        "deepseek32",
        .build = mf_hf_build_latent,
        PRE_NORMS,
        .router_bias = true,
        .keeps_nextn = true),
    ROW("glm_moe_dsa",
        "glm-dsa",
        .build = mf_hf_build_latent,
        PRE_NORMS,
        .router_bias = true,
        .keeps_nextn = true),
    ROW("minicpm3", "minicpm3", .build = mf_hf_build_minicpm3, PRE_NORMS),
    ROW("deepseek_v4", "deepseek4", .build = mf_hf_build_deepseek4, PRE_NORMS),
    ROW("kimi_linear", "kimi-linear", .build = mf_hf_build_kimi_linear, PRE_NORMS),

    /* Per-layer embeddings, shared caches */
    ROW("gemma3n_text",
        "gemma3n",
        .build = mf_hf_build_gemma3n,
        SANDWICH,
        .tied = true,
        .qk_norm = MF_HF_QK_HEAD),
    ROW("gemma4_text",
        "gemma4",
        .build = mf_hf_build_gemma4,
        SANDWICH,
        .tied = true,
        .qk_norm = MF_HF_QK_HEAD),

    /* Recurrent layers */
    ROW("qwen3_next",
        "qwen3next",
        .build = mf_hf_build_qwen_next,
        LATE_NORMS,
        .qk_norm = MF_HF_QK_HEAD,
        .experts = true,
        .n_nextn = 1),
    ROW("qwen3_5_text",
        "qwen35",
        .build = mf_hf_build_qwen_next,
        LATE_NORMS,
        .qk_norm = MF_HF_QK_HEAD),
    ROW("qwen3_5_moe_text",
        "qwen35moe",
        .build = mf_hf_build_qwen_next,
        LATE_NORMS,
        .qk_norm = MF_HF_QK_HEAD,
        .experts = true),
    ROW("nemotron_h", "nemotron_h", .build = mf_hf_build_nemotron_h),
    ROW("nemotron-nas", "deci", .build = mf_hf_build_deci),
    ROW("granitemoehybrid",
        "granitehybrid",
        .build = mf_hf_build_granite_hybrid,
        PRE_NORMS,
        .tied = true),
    /* llama.cpp's own name lacks ".weight". */
    ROW("falcon_h1",
        "falcon-h1",
        .build = mf_hf_build_falcon_h1,
        .norms = "attn_norm.weight|ffn_norm"),
    ROW("jamba", "jamba", .build = mf_hf_build_jamba, PRE_NORMS),
    ROW("mamba", "mamba", .build = mf_hf_build_mamba, .norms = "attn_norm.weight", .tied = true),
    ROW("falcon_mamba", "mamba", .build = mf_hf_build_mamba, .norms = "attn_norm.weight"),
    ROW("lfm2",
        "lfm2",
        .build = mf_hf_build_lfm2,
        PRE_NORMS,
        .tied = true,
        .qk_norm = MF_HF_QK_HEAD),
    ROW("lfm2_moe",
        "lfm2moe",
        .build = mf_hf_build_lfm2,
        PRE_NORMS,
        .tied = true,
        .qk_norm = MF_HF_QK_HEAD,
        .experts = true),
    ROW("minimax_m1", "minimax-m1", .build = mf_hf_build_minimax_m1, PRE_NORMS),
};

static const size_t n_families = sizeof families / sizeof families[0];

const mf_hf_family *mf_hf_family_get(const char *type)
{
    for (size_t i = 0; i < n_families; i++) {
        if (strcmp(families[i].type, type) == 0) {
            return &families[i];
        }
    }
    return NULL;
}

const char *mf_hf_family_nearest(const char *type)
{
    const size_t near = strlen(type) / 3;
    const char *nearest = NULL;
    size_t least = near + 1;
    for (size_t i = 0; i < n_families; i++) {
        const size_t distance = mf_edit_distance(type, families[i].type, near);
        if (distance < least) {
            least = distance;
            nearest = families[i].type;
        }
    }
    return nearest;
}
