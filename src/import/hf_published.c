/*
 * hf_published.c - in which scheme the maker's own files hold the weights, from "quantization_config" (transformers) or
 * "quantization" (mlx-lm). vLLM and MLX load these files as they are, so a guess of 16 bits is off by up to four times.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "import/hf_config.h"

/* quant_method, a word that its other keys hold ("" for any), the bits of a weight (0 for any) -> a scheme of quants.json.
   Ground: the classes of transformers/utils/quantization_config.py and vllm/model_executor/layers/quantization. */
static const struct {
    const char *method;
    const char *format;
    uint32_t n_bits;
    const char *scheme;
} schemes[] = {
    {"fp8",                "",                             0, "FP8"         },
    {"fbgemm_fp8",         "",                             0, "FP8"         },
    {"mxfp4",              "",                             0, "MXFP4"       },
    {"awq",                "",                             4, "AWQ-4bit"    },
    {"gptq",               "",                             4, "GPTQ-4bit"   },
    {"modelopt",           "FP8",                          0, "FP8"         },
    {"modelopt",           "NVFP4",                        0, "NVFP4"       },
    {"compressed-tensors", "float-quantized",              0, "FP8"         },
    {"compressed-tensors", "nvfp4-pack-quantized",         0, "NVFP4"       },
    {"compressed-tensors", "mxfp4-pack-quantized",         0, "MXFP4"       },
    {"compressed-tensors", "pack-quantized experts of 32", 4, "INT4-experts"},
};

static const char *text_of(const mf_node *object, const char *key)
{
    const char *text = mf_node_string(mf_node_get(object, key));
    return text != NULL ? text : "";
}

/* The most bits of layers that a recipe of two widths picks out; other layers of their own (routers) are small. */
static uint64_t most_bits(const mf_node *object, uint64_t n_bits)
{
    uint64_t most = n_bits;
    for (const mf_node *n = mf_node_first(object); n != NULL; n = mf_node_next(n)) {
        const char *key = mf_node_key(n);
        uint64_t own = 0;
        if (key != NULL && (strstr(key, "down_proj") != NULL || strstr(key, "v_proj") != NULL) &&
            mf_node_uint(&own, mf_node_get(n, "bits")) && own <= 8) {
            most = own > most ? own : most;
        }
    }
    return most;
}

/* Groups of 64 are mlx-lm's default, and what the schemes of quants.json have. */
static bool mlx_scheme(char *out, size_t size, const mf_node *object)
{
    uint64_t n_bits = 0;
    uint64_t group = 0;
    const bool floats = strcmp(text_of(object, "mode"), "mxfp4") == 0;
    const bool known = mf_node_uint(&n_bits, mf_node_get(object, "bits")) && n_bits <= 8 &&
                       mf_node_uint(&group, mf_node_get(object, "group_size"));
    if (floats) {
        (void)snprintf(out, size, "mlx-mxfp4");
    } else if (known && group == 64 && most_bits(object, n_bits) > n_bits) {
        const unsigned high = (unsigned)most_bits(object, n_bits);
        (void)snprintf(out, size, "mlx-mixed-%u-%u", (unsigned)n_bits, high);
    } else if (known && group == 64) {
        (void)snprintf(out, size, "mlx-%ubit", (unsigned)n_bits);
    }
    return floats || (known && group == 64);
}

/* compressed-tensors names its integers in groups; what stays as it is, it lists by patterns. */
static const char *packed_format(const mf_node *object, const char *format, uint64_t *n_bits)
{
    const mf_node *group = mf_node_get(mf_node_get(object, "config_groups"), "group_0");
    const mf_node *weights = mf_node_get(group, "weights");
    const mf_node *ignored = mf_node_first(mf_node_get(object, "ignore"));
    uint64_t size = 0;
    bool attention = false;
    (void)mf_node_uint(n_bits, mf_node_get(weights, "num_bits"));
    (void)mf_node_uint(&size, mf_node_get(weights, "group_size"));
    for (; ignored != NULL; ignored = mf_node_next(ignored)) {
        const char *pattern = mf_node_string(ignored);
        attention = attention || (pattern != NULL && strstr(pattern, "self_attn") != NULL);
    }
    return strcmp(format, "pack-quantized") == 0 && size == 32 && attention
               ? "pack-quantized experts of 32"
               : format;
}

/* Experts that are smaller than the rest, as DeepSeek V4's, are most of the weights. */
static const char *with_experts(const mf_hf *hf, const char *scheme)
{
    const char *experts = mf_node_string(mf_hf_find(hf, "expert_dtype"));
    return experts != NULL && strcmp(experts, "fp4") == 0 ? "MXFP4" : scheme;
}

/* What has no scheme keeps its method's name, which no engine takes for a scheme: one has to be said. */
void mf_hf_read_published(mf_hf *hf)
{
    char scheme[64] = "";
    const mf_node *object = mf_hf_find(hf, "quantization");
    if (object == NULL || !mlx_scheme(scheme, sizeof scheme, object)) {
        object = mf_hf_find(hf, "quantization_config");
        const char *method = text_of(object, "quant_method");
        const char *format = text_of(object, "format");
        format = format[0] != '\0' ? format : text_of(object, "quant_algo");
        uint64_t n_bits = 0;
        (void)mf_node_uint(&n_bits, mf_node_get(object, "bits"));
        format = packed_format(object, format, &n_bits);
        (void)snprintf(scheme, sizeof scheme, "%s", method);
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
            if (strcmp(schemes[i].method, method) == 0 &&
                (schemes[i].format[0] == '\0' || strcmp(schemes[i].format, format) == 0) &&
                (schemes[i].n_bits == 0 || schemes[i].n_bits == n_bits)) {
                (void)snprintf(scheme, sizeof scheme, "%s", with_experts(hf, schemes[i].scheme));
                break;
            }
        }
    }
    hf->model->published = scheme[0] != '\0' ? mf_strdup(scheme) : NULL;
    if (scheme[0] != '\0' && hf->model->published == NULL) {
        hf->status = mf_fail(hf->err, MF_E_NOMEM, "no memory for '%s'", hf->name);
    }
}
