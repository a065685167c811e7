/*
 * gguf_arch.c - the table. Ground: llama.cpp at commit 34af94cd, src/llama-model.cpp (load_hparams, create_memory) and
 * src/llama-hparams.cpp; rows with memory truth in tests/truth/llamacpp are checked against it.
 */
#include "import/gguf_arch.h"

#include <string.h>

/* clang-format 14 crashes on rows of unequal length. */
#define ARCH(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const mf_gguf_arch archs[] = {
    /* Attention over the whole context in every layer; what differs between them is in the metadata. */
    ARCH(.name = "apertus"),
    ARCH(.name = "arcee"),
    ARCH(.name = "arctic"),
    ARCH(.name = "baichuan"),
    ARCH(.name = "bailingmoe"),
    ARCH(.name = "bailingmoe2"),
    ARCH(.name = "bloom"),
    ARCH(.name = "chameleon"),
    ARCH(.name = "chatglm"),
    ARCH(.name = "codeshell"),
    ARCH(.name = "command-r"),
    ARCH(.name = "dbrx"),
    ARCH(.name = "deci"),
    ARCH(.name = "deepseek"),
    ARCH(.name = "dots1"),
    ARCH(.name = "ernie4_5"),
    ARCH(.name = "ernie4_5-moe"),
    ARCH(.name = "exaone"),
    ARCH(.name = "falcon"),
    ARCH(.name = "gemma"),
    ARCH(.name = "glm4"),
    ARCH(.name = "gptneox"),
    ARCH(.name = "granite"),
    ARCH(.name = "granitemoe"),
    ARCH(.name = "grok"),
    ARCH(.name = "grovemoe"),
    ARCH(.name = "hunyuan-dense"),
    ARCH(.name = "hunyuan-moe"),
    ARCH(.name = "hy_v3"),
    ARCH(.name = "internlm2"),
    ARCH(.name = "jais"),
    ARCH(.name = "llama"),
    ARCH(.name = "maincoder"),
    ARCH(.name = "minicpm"),
    ARCH(.name = "minicpm3"),
    ARCH(.name = "minimax-m2"),
    ARCH(.name = "minimax-m3"),
    ARCH(.name = "mistral3"),
    ARCH(.name = "mpt"),
    ARCH(.name = "nemotron"),
    ARCH(.name = "olmo"),
    ARCH(.name = "olmoe"),
    ARCH(.name = "openelm"),
    ARCH(.name = "orion"),
    ARCH(.name = "pangu-embedded"),
    ARCH(.name = "phi2"),
    ARCH(.name = "phi3"),
    ARCH(.name = "phimoe"),
    ARCH(.name = "plm"),
    ARCH(.name = "qwen2"),
    ARCH(.name = "qwen2moe"),
    ARCH(.name = "qwen2vl"),
    ARCH(.name = "qwen3"),
    ARCH(.name = "qwen3moe"),
    ARCH(.name = "qwen3vl"),
    ARCH(.name = "qwen3vlmoe"),
    ARCH(.name = "seed_oss"),
    ARCH(.name = "smollm3"),
    ARCH(.name = "stablelm"),
    ARCH(.name = "starcoder"),
    ARCH(.name = "starcoder2"),
    ARCH(.name = "xverse"),

    /* Latent attention; the ranks are in the metadata. */
    ARCH(.name = "deepseek2", .nextn_has_cache = true),
    ARCH(.name = "deepseek32"),
    ARCH(.name = "glm-dsa"),
    ARCH(.name = "glm4moe", .nextn_has_cache = true),
    ARCH(.name = "mistral4"),

    /* Sliding windows. */
    ARCH(.name = "afmoe", .windows = MF_WINDOW_OPTIONAL, .window_period = 4),
    ARCH(.name = "cohere2", .windows = MF_WINDOW_REQUIRED, .window_period = 4),
    ARCH(.name = "deepseek4", .windows = MF_WINDOW_REQUIRED, .compresses = true),
    ARCH(.name = "exaone-moe", .windows = MF_WINDOW_OPTIONAL, .window = 128, .window_period = 4),
    ARCH(.name = "exaone4",
         .windows = MF_WINDOW_OPTIONAL,
         .window = 4096,
         .window_period = 4,
         .window_depth = 64),
    ARCH(.name = "gemma2", .windows = MF_WINDOW_OPTIONAL, .window = 4096, .window_period = 2),
    ARCH(.name = "gemma3", .windows = MF_WINDOW_OPTIONAL, .window_period = 6),
    ARCH(.name = "gemma3n",
         .windows = MF_WINDOW_OPTIONAL,
         .window_period = 5,
         .layers_with_own_cache = 20),
    ARCH(.name = "gemma4", .windows = MF_WINDOW_REQUIRED),
    ARCH(.name = "gpt-oss", .windows = MF_WINDOW_REQUIRED, .window_period = 2),
    ARCH(.name = "laguna", .windows = MF_WINDOW_OPTIONAL, .window_period = 4, .full_first = true),
    ARCH(.name = "llama4", .windows = MF_WINDOW_CHUNKED, .window = 8192, .window_period = 4),
    ARCH(.name = "mimo2", .windows = MF_WINDOW_REQUIRED),
    ARCH(.name = "muse-glimmer", .windows = MF_WINDOW_REQUIRED),
    ARCH(.name = "olmo2", .windows = MF_WINDOW_OPTIONAL, .window_period = 4),
    ARCH(.name = "plamo3", .windows = MF_WINDOW_OPTIONAL, .window_period = 8),
    ARCH(.name = "smallthinker",
         .windows = MF_WINDOW_OPTIONAL,
         .window_period = 4,
         .full_first = true),
    ARCH(.name = "step35", .windows = MF_WINDOW_REQUIRED),

    /* Layers with a state. */
    ARCH(.name = "falcon-h1", .recurrent = MF_RECURRENT_MAMBA2, .attention_beside_state = true),
    ARCH(.name = "granitehybrid", .recurrent = MF_RECURRENT_MAMBA2),
    ARCH(.name = "jamba", .recurrent = MF_RECURRENT_MAMBA1),
    ARCH(.name = "kimi-linear", .recurrent = MF_RECURRENT_DELTA),
    ARCH(.name = "lfm2", .recurrent = MF_RECURRENT_CONV),
    ARCH(.name = "lfm2moe", .recurrent = MF_RECURRENT_CONV),
    ARCH(.name = "mamba", .recurrent = MF_RECURRENT_MAMBA1),
    ARCH(.name = "mamba2", .recurrent = MF_RECURRENT_MAMBA2),
    ARCH(.name = "nemotron_h", .recurrent = MF_RECURRENT_MAMBA2),
    ARCH(.name = "nemotron_h_moe", .recurrent = MF_RECURRENT_MAMBA2),
    ARCH(.name = "plamo2", .recurrent = MF_RECURRENT_MAMBA2),
    ARCH(.name = "qwen35", .recurrent = MF_RECURRENT_DELTA),
    ARCH(.name = "qwen35moe", .recurrent = MF_RECURRENT_DELTA),
    ARCH(.name = "qwen3next", .recurrent = MF_RECURRENT_DELTA),
};

const mf_gguf_arch *mf_gguf_arch_get(const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        if (strcmp(archs[i].name, name) == 0) {
            return &archs[i];
        }
    }
    return NULL;
}
