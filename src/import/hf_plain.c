/*
 * hf_plain.c - models whose layers are alike: norms, grouped-query attention, a feed forward part or experts.
 */
#include <string.h>

#include "import/gguf_arch.h"
#include "import/hf_family.h"

/* By name, by period, or by letters ("LLLG", EXAONE 4); llama.cpp's own rule decides whether a window counts at all. */
uint32_t mf_hf_window(mf_hf *hf, uint32_t i)
{
    static const char pattern_keys[] = "sliding_window_pattern|_sliding_window_pattern";
    const mf_gguf_arch *arch = mf_gguf_arch_get(hf->model->architecture);
    const uint32_t window = mf_hf_count_or(hf, "sliding_window", 0);
    if (window == 0 || (arch != NULL && arch->windows == MF_WINDOW_IGNORED)) {
        return 0;
    }
    if (mf_hf_find(hf, "layer_types") != NULL) {
        return mf_hf_item_is(hf, "layer_types", i, "full_attention") ? 0 : window;
    }
    const mf_node *pattern = mf_hf_find(hf, pattern_keys);
    const char *letters = mf_node_string(pattern);
    if (letters != NULL && letters[0] != '\0') {
        return letters[i % strlen(letters)] == 'L' ? window : 0;
    }
    const uint32_t period =
        mf_hf_count_or(hf, pattern_keys, arch != NULL ? arch->window_period : 0);
    if (period == 0) {
        mf_hf_fail(hf, NULL, "the key 'layer_types' is missing: which layers have the window?");
        return 0;
    }
    return (i + 1) % period == 0 ? 0 : window;
}

void mf_hf_add_rope_factors(mf_hf *hf)
{
    const mf_node *scaling = mf_hf_find(hf, "rope_scaling|rope_parameters");
    const char *kind = mf_node_string(mf_node_get(scaling, "rope_type"));
    kind = kind != NULL ? kind : mf_node_string(mf_node_get(scaling, "type"));
    const size_t n = mf_node_count(mf_node_get(scaling, "long_factor"));
    if (n > 0) {
        mf_hf_add_global(hf, "rope_factors_long.weight", n, 0, 0);
        mf_hf_add_global(hf, "rope_factors_short.weight", n, 0, 0);
    } else if (kind != NULL && strcmp(kind, "llama3") == 0) {
        mf_hf_add_global(hf, "rope_freqs.weight", hf->head_dim / 2, 0, 0);
    }
}

static bool flag_or(mf_hf *hf, const char *key, bool otherwise)
{
    return key != NULL ? mf_hf_flag(hf, key, otherwise) : otherwise;
}

static void add_attention(mf_hf *hf, const mf_hf_family *f, uint32_t i)
{
    const bool normed =
        f->qk_norm_key == NULL || mf_hf_flag(hf, f->qk_norm_key, f->qk_norm_default);
    mf_hf_add_gqa(hf,
                  (mf_hf_gqa){.window = mf_hf_window(hf, i),
                              .fused = f->fused_qkv,
                              .qkv_bias = flag_or(hf, f->bias_key, f->biased),
                              .output_bias = flag_or(hf, f->output_bias_key, false),
                              .qk_norm = normed ? f->qk_norm : MF_HF_QK_NONE});
}

static void add_experts(mf_hf *hf, const mf_hf_family *f)
{
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.router_bias = f->router_bias;
    m.shared_width = f->shared_key != NULL
                         ? mf_hf_product(hf, m.width, mf_hf_count_or(hf, f->shared_key, 0))
                         : 0;
    mf_hf_add_moe(hf, m);
}

static void add_layer(mf_hf *hf, const mf_hf_family *f, uint32_t i, bool experts)
{
    mf_hf_begin_layer(hf);
    mf_hf_add_norms(hf, f->norms);
    add_attention(hf, f, i);
    if (experts) {
        add_experts(hf, f);
    } else {
        mf_hf_add_ffn(hf,
                      (mf_hf_ffn){.width = hf->ffn_width,
                                  .fused = f->fused_ffn,
                                  .bias = mf_hf_flag(hf, "mlp_bias", false)});
    }
}

void mf_hf_build_plain(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t n_dense = f->n_dense_key != NULL ? mf_hf_count_or(hf, f->n_dense_key, 0) : 0;
    const uint32_t n_nextn = mf_hf_count_or(hf, "num_nextn_predict_layers", f->n_nextn);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        add_layer(hf, f, i, f->experts && i >= n_dense);
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < n_nextn; i++) {
        add_layer(hf, f, hf->n_layers - 1, f->experts);
        mf_hf_add_nextn(hf, f->nextn_copies);
    }
    if (!f->keeps_nextn) {
        mf_hf_leave_out_from(hf, hf->n_layers);
    }
    mf_hf_add_rope_factors(hf);
}

/* Phi-3.5-MoE: LayerNorm and projections have biases, the output head too. */
void mf_hf_build_phimoe(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.qkv_bias = true, .output_bias = true});
        mf_hf_add_moe(hf, mf_hf_plain_moe(hf));
    }
    mf_hf_add_global(hf, "output_norm.bias", hf->hidden, 0, 0);
    mf_hf_add_global(hf, "output.bias", hf->model->vocabulary, 0, 0);
    mf_hf_add_rope_factors(hf);
}

/* StarCoder 2: LayerNorm, biases everywhere, no gate; llama.cpp does not use its window. */
void mf_hf_build_starcoder2(mf_hf *hf, const mf_hf_family *f)
{
    const bool biased = mf_hf_flag(hf, "use_bias", true);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.qkv_bias = biased, .output_bias = biased});
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width, .ungated = true, .bias = biased});
    }
    mf_hf_add_global(hf, "output_norm.bias", hf->hidden, 0, 0);
}

/* Qwen 2 with experts: one shared expert of its own width, behind a gate. */
void mf_hf_build_qwen2_moe(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.qkv_bias = true});
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.shared_width = mf_hf_count(hf, "shared_expert_intermediate_size");
        m.shared_gate = true;
        mf_hf_add_moe(hf, m);
    }
}

/* Muse Glimmer: the attention's output is gated. */
void mf_hf_build_muse(mf_hf *hf, const mf_hf_family *f)
{
    const uint64_t wide = (uint64_t)hf->n_heads * hf->head_dim;
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        add_layer(hf, f, i, false);
        mf_hf_add_matrix(hf, "attn_gate.weight", hf->hidden, wide);
    }
}

/* ChatGLM keeps Megatron's names. */
void mf_hf_build_chatglm(mf_hf *hf, const mf_hf_family *f)
{
    hf->n_layers = mf_hf_count(hf, "num_layers");
    hf->ffn_width = mf_hf_count(hf, "ffn_hidden_size");
    hf->n_kv_heads = mf_hf_count(hf, "multi_query_group_num");
    hf->head_dim = mf_hf_count(hf, "kv_channels");
    mf_hf_build_plain(hf, f);
}
