/*
 * hf_hybrid.c - models with recurrent layers, or without attention in some.
 */
#include <string.h>

#include "import/hf_family.h"

/* Qwen3-Next and Qwen3.5: three gated DeltaNet layers, then one that attends. */
static bool qwen_attends(mf_hf *hf, uint32_t i)
{
    enum { INTERVAL = 4 };
    if (mf_hf_find(hf, "layer_types") != NULL) {
        return mf_hf_item_is(hf, "layer_types", i, "full_attention");
    }
    const uint32_t interval = mf_hf_count_or(hf, "full_attention_interval", INTERVAL);
    return interval > 0 && (i + 1) % interval == 0;
}

static void add_qwen_layer(mf_hf *hf, const mf_hf_family *f, bool attention)
{
    mf_hf_begin_layer(hf);
    mf_hf_add_norms(hf, f->norms);
    if (attention) {
        mf_hf_add_gqa(
            hf,
            (mf_hf_gqa){.qk_norm = f->qk_norm, .gated = mf_hf_flag(hf, "attn_output_gate", true)});
    } else {
        mf_hf_add_delta_net(hf, strcmp(f->arch, "qwen3next") != 0);
    }
    if (!f->experts) {
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        return;
    }
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.shared_width = mf_hf_count_or(hf, "shared_expert_intermediate_size", 0);
    m.shared_gate = true;
    mf_hf_add_moe(hf, m);
}

void mf_hf_build_qwen_next(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t n_nextn =
        mf_hf_count_or(hf, "mtp_num_hidden_layers|num_nextn_predict_layers", f->n_nextn);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        add_qwen_layer(hf, f, qwen_attends(hf, i));
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < n_nextn; i++) {
        add_qwen_layer(hf, f, true);
        mf_hf_add_nextn(hf, false);
    }
    mf_hf_leave_out_from(hf, hf->n_layers);
}

/* Nemotron-H: every block is one thing only, named by a letter or a word. */
static char nemotron_block(mf_hf *hf, const char *pattern, uint32_t i)
{
    static const struct {
        const char *word;
        char letter;
    } kinds[] = {
        {"mamba",     'M'},
        {"attention", '*'},
        {"moe",       'E'},
        {"mlp",       '-'}
    };
    if (pattern != NULL) {
        return pattern[i];
    }
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (mf_hf_item_is(hf, "layers_block_type", i, kinds[k].word)) {
            return kinds[k].letter;
        }
    }
    return '?';
}

static void add_nemotron_experts(mf_hf *hf)
{
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.shared_width = mf_hf_count_or(hf, "moe_shared_expert_intermediate_size", 0);
    m.latent_width = mf_hf_count_or(hf, "moe_latent_size", 0);
    m.router_bias = true;
    m.ungated = true;
    mf_hf_add_moe(hf, m);
}

static void add_nemotron_layer(mf_hf *hf, char kind)
{
    mf_hf_begin_layer(hf);
    mf_hf_add_norms(hf, "attn_norm.weight");
    const uint32_t head_dim = mf_hf_count_or(hf, "head_dim|attention_head_dim", 128);
    switch (kind) {
    case 'M':
        mf_hf_add_mamba2(hf,
                         (mf_hf_mamba2){.inner = (uint64_t)mf_hf_count(hf, "mamba_num_heads") *
                                                 mf_hf_count(hf, "mamba_head_dim"),
                                        .state = mf_hf_count(hf, "ssm_state_size"),
                                        .n_heads = mf_hf_count(hf, "mamba_num_heads"),
                                        .n_groups = mf_hf_count(hf, "n_groups"),
                                        .kernel = mf_hf_count(hf, "conv_kernel"),
                                        .norm = true});
        break;
    case '*':
        mf_hf_add_gqa(hf, (mf_hf_gqa){.key_dim = head_dim});
        break;
    case 'E':
        add_nemotron_experts(hf);
        break;
    case '-':
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width, .ungated = true});
        break;
    default:
        mf_hf_fail(hf, NULL, "block %d is of an unknown kind", hf->index);
        break;
    }
}

/* Multi-token prediction: a run of blocks of its own pattern. */
static void add_nemotron_nextn(mf_hf *hf)
{
    const char *pattern = mf_node_string(mf_hf_find(hf, "mtp_hybrid_override_pattern"));
    const mf_node *words = mf_hf_find(hf, "mtp_layers_block_type");
    const size_t n = pattern != NULL ? strlen(pattern) : mf_node_count(words);
    const mf_node *word = mf_node_first(words);
    const size_t first = hf->model->n_layers;
    for (size_t i = 0; hf->status == MF_OK && i < n && i < MF_HF_MAX_LAYERS; i++) {
        const char *text = word != NULL ? mf_node_string(word) : NULL;
        const bool attention =
            pattern != NULL ? pattern[i] == '*' : text != NULL && strcmp(text, "attention") == 0;
        add_nemotron_layer(hf, attention ? '*' : 'E');
        word = word != NULL ? mf_node_next(word) : NULL;
    }
    if (n > 0) {
        mf_hf_add_nextn(hf, false);
    }
    mf_hf_leave_out_from(hf, first);
}

void mf_hf_build_nemotron_h(mf_hf *hf, const mf_hf_family *f)
{
    (void)f;
    const char *pattern = mf_node_string(mf_hf_find(hf, "hybrid_override_pattern"));
    const size_t n =
        pattern != NULL ? strlen(pattern) : mf_node_count(mf_hf_find(hf, "layers_block_type"));
    for (uint32_t i = 0; hf->status == MF_OK && i < n; i++) {
        add_nemotron_layer(hf, nemotron_block(hf, pattern, i));
    }
    if (mf_hf_count_or(hf, "num_nextn_predict_layers", 0) > 0) {
        add_nemotron_nextn(hf);
    }
}

static bool set_in(const mf_node *node, const char *key)
{
    bool flag = false;
    return mf_node_bool(&flag, mf_node_get(node, key)) && flag;
}

static void add_deci_attention(mf_hf *hf, const mf_node *block)
{
    const mf_node *attention = mf_node_get(block, "attention");
    if (set_in(attention, "no_op")) {
        return;
    }
    mf_hf_add_norms(hf, "attn_norm.weight");
    if (set_in(attention, "replace_with_linear")) {
        mf_hf_add_matrix(hf, "attn_output.weight", hf->hidden, hf->hidden);
        return;
    }
    uint64_t per_group = 0;
    if (!mf_node_uint(&per_group, mf_node_get(attention, "n_heads_in_group")) || per_group == 0 ||
        per_group > hf->n_heads) {
        mf_hf_fail(hf, block, "layer %d has no 'attention.n_heads_in_group'", hf->index);
        return;
    }
    mf_hf_add_gqa(hf, (mf_hf_gqa){.n_kv_heads = hf->n_heads / (uint32_t)per_group});
}

/* Width of Llama's rule for a multiplier: two thirds, rounded up to 256. */
static void add_deci_ffn(mf_hf *hf, const mf_node *block)
{
    enum { STEP = 256 };
    const mf_node *ffn = mf_node_get(block, "ffn");
    double factor = 0;
    if (set_in(ffn, "no_op")) {
        return;
    }
    mf_hf_add_norms(hf, "ffn_norm.weight");
    if (set_in(ffn, "replace_with_linear")) {
        mf_hf_fail(
            hf, block, "layer %d replaces its feed forward part, which has no rules", hf->index);
        return;
    }
    if (!mf_node_double(&factor, mf_node_get(ffn, "ffn_mult")) || factor <= 0 ||
        factor > (double)STEP) {
        mf_hf_fail(hf, block, "layer %d has no 'ffn.ffn_mult'", hf->index);
        return;
    }
    const uint64_t raw = (uint64_t)(2 * factor * (double)hf->hidden / 3);
    mf_hf_add_ffn(hf, (mf_hf_ffn){.width = (uint32_t)((raw + STEP - 1) / STEP * STEP)});
}

/* Llama-Nemotron: every block says what it kept. */
void mf_hf_build_deci(mf_hf *hf, const mf_hf_family *f)
{
    (void)f;
    const mf_node *block = mf_node_first(mf_hf_find(hf, "block_configs"));
    for (; hf->status == MF_OK && block != NULL; block = mf_node_next(block)) {
        mf_hf_begin_layer(hf);
        add_deci_attention(hf, block);
        add_deci_ffn(hf, block);
    }
    mf_hf_add_rope_factors(hf);
}

void mf_hf_build_granite_hybrid(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t n_experts = mf_hf_count_or(hf, "num_local_experts", 0);
    const uint32_t shared = mf_hf_count(hf, "shared_intermediate_size");
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        if (mf_hf_item_is(hf, "layer_types", i, "mamba")) {
            const uint32_t n_heads = mf_hf_count(hf, "mamba_n_heads");
            const uint64_t head_dim = mf_hf_count_or(hf, "mamba_d_head", 0);
            const uint64_t expanded = mf_hf_count_or(hf, "mamba_expand", 2) * hf->hidden;
            mf_hf_add_mamba2(hf,
                             (mf_hf_mamba2){.inner = head_dim > 0 ? n_heads * head_dim : expanded,
                                            .state = mf_hf_count(hf, "mamba_d_state"),
                                            .n_heads = n_heads,
                                            .n_groups = mf_hf_count(hf, "mamba_n_groups"),
                                            .kernel = mf_hf_count(hf, "mamba_d_conv"),
                                            .norm = true});
        } else {
            mf_hf_add_gqa(hf, (mf_hf_gqa){0});
        }
        if (n_experts == 0) {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = shared});
            continue;
        }
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.shared_width = shared;
        mf_hf_add_moe(hf, m);
    }
}

/* Attention and Mamba-2 side by side in every layer. */
void mf_hf_build_falcon_h1(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){0});
        mf_hf_add_mamba2(hf,
                         (mf_hf_mamba2){.inner = mf_hf_count(hf, "mamba_d_ssm"),
                                        .state = mf_hf_count(hf, "mamba_d_state"),
                                        .n_heads = mf_hf_count(hf, "mamba_n_heads"),
                                        .n_groups = mf_hf_count(hf, "mamba_n_groups"),
                                        .kernel = mf_hf_count(hf, "mamba_d_conv"),
                                        .norm = mf_hf_flag(hf, "mamba_rms_norm", false)});
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
    }
}

/* Rank of the time step: stated, or one for every 16 of the hidden width. */
static uint64_t mamba_rank(mf_hf *hf, const char *key)
{
    enum { PER_RANK = 16 };
    const mf_node *node = mf_hf_find(hf, key);
    return mf_node_string(node) != NULL || node == NULL ? (hf->hidden + PER_RANK - 1) / PER_RANK
                                                        : mf_hf_count(hf, key);
}

static bool every(mf_hf *hf, uint32_t i, const char *period_key, const char *offset_key)
{
    const uint32_t period = mf_hf_count(hf, period_key);
    return period > 0 && i % period == mf_hf_count_or(hf, offset_key, 0);
}

void mf_hf_build_jamba(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        if (every(hf, i, "attn_layer_period", "attn_layer_offset")) {
            mf_hf_add_gqa(hf, (mf_hf_gqa){0});
        } else {
            mf_hf_add_mamba1(hf,
                             (mf_hf_mamba1){.inner = mf_hf_count(hf, "mamba_expand") * hf->hidden,
                                            .state = mf_hf_count(hf, "mamba_d_state"),
                                            .rank = mamba_rank(hf, "mamba_dt_rank"),
                                            .kernel = mf_hf_count(hf, "mamba_d_conv"),
                                            .norms = true});
        }
        if (every(hf, i, "expert_layer_period", "expert_layer_offset")) {
            mf_hf_add_moe(hf, mf_hf_plain_moe(hf));
        } else {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        }
    }
}

void mf_hf_build_mamba(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_mamba1(hf,
                         (mf_hf_mamba1){.inner = mf_hf_count(hf, "intermediate_size"),
                                        .state = mf_hf_count(hf, "state_size"),
                                        .rank = mamba_rank(hf, "time_step_rank"),
                                        .kernel = mf_hf_count(hf, "conv_kernel")});
    }
}

/* LFM2: short convolutions between layers that attend. */
static bool lfm2_attends(mf_hf *hf, uint32_t i)
{
    return mf_hf_find(hf, "layer_types") != NULL
               ? mf_hf_item_is(hf, "layer_types", i, "full_attention")
               : mf_hf_has_item(hf, "full_attn_idxs", i);
}

/* Width of the dense part: stated, or two thirds of it scaled and rounded up (block_auto_adjust_ff_dim). */
static uint32_t lfm2_width(mf_hf *hf)
{
    enum { STEP = 256 };
    const uint64_t stated = mf_hf_count(hf, "block_ff_dim|intermediate_size");
    double factor = 1;
    if (!mf_hf_flag(hf, "block_auto_adjust_ff_dim", true)) {
        return (uint32_t)stated;
    }
    (void)mf_node_double(&factor, mf_hf_find(hf, "block_ffn_dim_multiplier"));
    const uint32_t step = mf_hf_count_or(hf, "block_multiple_of", STEP);
    const uint64_t two_thirds = 2 * stated / 3;
    const double wanted = factor * (double)two_thirds;
    if (step == 0 || !(wanted >= 1) || wanted > MF_HF_MAX_COUNT) {
        mf_hf_fail(hf, NULL, "'block_ff_dim' and what adjusts it do not fit together");
        return 0;
    }
    return (uint32_t)(((uint64_t)wanted + step - 1) / step * step);
}

void mf_hf_build_lfm2(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t width = f->experts ? hf->ffn_width : lfm2_width(hf);
    const uint32_t n_dense = f->experts ? mf_hf_count_or(hf, "num_dense_layers", 0) : hf->n_layers;
    const uint32_t kernel = mf_hf_count(hf, "conv_L_cache");
    const uint64_t d = hf->hidden;
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        if (lfm2_attends(hf, i)) {
            mf_hf_add_gqa(hf, (mf_hf_gqa){.qk_norm = f->qk_norm});
        } else if (hf->status == MF_OK) {
            hf->layer->recurrent =
                (mf_recurrent){.kind = MF_RECURRENT_CONV, .conv_elements = (kernel - 1) * d};
            mf_hf_add_matrix(hf, "shortconv.in_proj.weight", d, 3 * d);
            mf_hf_add_matrix(hf, "shortconv.conv.weight", kernel, d);
            mf_hf_add_matrix(hf, "shortconv.out_proj.weight", d, d);
        }
        if (i < n_dense) {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = width});
            continue;
        }
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.router_bias = true;
        mf_hf_add_moe(hf, m);
    }
}

/* Lightning attention: a state as large as a head squared, instead of a cache. */
static void add_lightning(mf_hf *hf)
{
    const uint64_t wide = (uint64_t)hf->n_heads * hf->head_dim;
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->recurrent =
        (mf_recurrent){.kind = MF_RECURRENT_LIGHTNING, .state_elements = wide * hf->head_dim};
    mf_hf_add_matrix(hf, "attn_qkv.weight", hf->hidden, 3 * wide);
    mf_hf_add_matrix(hf, "attn_gate.weight", hf->hidden, wide);
    mf_hf_add_vector(hf, "ssm_norm.weight", wide);
    mf_hf_add_matrix(hf, "attn_output.weight", wide, hf->hidden);
}

void mf_hf_build_minimax_m1(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        if (mf_hf_item(hf, "attn_type_list", i, 0) != 0) {
            mf_hf_add_gqa(hf, (mf_hf_gqa){0});
        } else {
            add_lightning(hf);
        }
        mf_hf_add_moe(hf, mf_hf_plain_moe(hf));
    }
}
