/*
 * hf_latent.c - models that cache one latent vector a token, or compressed entries (DeepSeek, Kimi, GLM-5, MiniCPM3).
 */
#include "import/compressor.h"
#include "import/hf_family.h"

/* The indexer of sparse attention: one key a token is cached. Layers whose type is not "full" use the selection of the
   layer before. */
static void add_indexer(mf_hf *hf, uint32_t i)
{
    const mf_node *types = mf_hf_find(hf, "indexer_types");
    if (mf_hf_find(hf, "index_n_heads") == NULL) {
        return;
    }
    if (types != NULL && i < mf_node_count(types) &&
        !mf_hf_item_is(hf, "indexer_types", i, "full")) {
        return;
    }
    const uint32_t n_heads = mf_hf_count(hf, "index_n_heads");
    const uint32_t width = mf_hf_count(hf, "index_head_dim");
    const uint32_t rank = mf_hf_count(hf, "q_lora_rank");
    const uint32_t top = mf_hf_count(hf, "index_topk");
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->attention.index_dim = width;
    hf->layer->attention.n_index_heads = n_heads;
    hf->layer->attention.index_top_k = top;
    mf_hf_add_matrix(hf, "indexer.attn_k.weight", hf->hidden, width);
    mf_hf_add_matrix(hf, "indexer.attn_q_b.weight", rank, (uint64_t)n_heads * width);
    mf_hf_add_matrix(hf, "indexer.proj.weight", hf->hidden, n_heads);
    mf_hf_add_vector(hf, "indexer.k_norm.weight", width);
    mf_hf_add_vector(hf, "indexer.k_norm.bias", width);
}

static void add_latent_layer(mf_hf *hf, const mf_hf_family *f, uint32_t i, bool experts)
{
    mf_hf_begin_layer(hf);
    mf_hf_add_norms(hf, f->norms);
    mf_hf_add_latent(hf, false);
    add_indexer(hf, i);
    if (!experts) {
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        return;
    }
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.shared_width = mf_hf_product(hf, m.width, mf_hf_count_or(hf, "n_shared_experts", 0));
    m.router_bias = f->router_bias;
    mf_hf_add_moe(hf, m);
}

void mf_hf_build_latent(mf_hf *hf, const mf_hf_family *f)
{
    const bool experts = mf_hf_find(hf, "n_routed_experts") != NULL;
    const uint32_t n_dense = mf_hf_count_or(hf, "first_k_dense_replace", 0);
    const uint32_t n_nextn = mf_hf_count_or(hf, "num_nextn_predict_layers", f->n_nextn);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        add_latent_layer(hf, f, i, experts && i >= n_dense);
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < n_nextn; i++) {
        add_latent_layer(hf, f, hf->n_layers + i, experts);
        mf_hf_add_nextn(hf, f->nextn_copies);
    }
    if (!f->keeps_nextn) {
        mf_hf_leave_out_from(hf, hf->n_layers);
    }
}

/* Projects through a latent, but caches whole heads. */
void mf_hf_build_minicpm3(mf_hf *hf, const mf_hf_family *f)
{
    const uint64_t d = hf->hidden;
    const uint32_t n_heads = hf->n_heads;
    const uint32_t query_rank = mf_hf_count(hf, "q_lora_rank");
    const uint32_t rank = mf_hf_count(hf, "kv_lora_rank");
    const uint32_t plain = mf_hf_count(hf, "qk_nope_head_dim");
    const uint32_t rope = mf_hf_count(hf, "qk_rope_head_dim");
    const uint32_t value = mf_hf_count(hf, "v_head_dim");
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        if (hf->status != MF_OK) {
            return;
        }
        hf->layer->attention = (mf_attention){.kind = MF_ATTENTION_GQA,
                                              .n_heads = n_heads,
                                              .n_kv_heads = n_heads,
                                              .key_dim = plain + rope,
                                              .value_dim = value};
        mf_hf_add_matrix(hf, "attn_q_a.weight", d, query_rank);
        mf_hf_add_vector(hf, "attn_q_a_norm.weight", query_rank);
        mf_hf_add_matrix(hf, "attn_q_b.weight", query_rank, n_heads * ((uint64_t)plain + rope));
        mf_hf_add_matrix(hf, "attn_kv_a_mqa.weight", d, (uint64_t)rank + rope);
        mf_hf_add_vector(hf, "attn_kv_a_norm.weight", rank);
        mf_hf_add_matrix(hf, "attn_kv_b.weight", rank, n_heads * ((uint64_t)plain + value));
        mf_hf_add_matrix(hf, "attn_output.weight", (uint64_t)n_heads * value, d);
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
    }
    mf_hf_add_rope_factors(hf);
}

/* DeepSeek V4: compressor of a layer, one entry for `ratio` tokens; ratio 4 overlaps two blocks and has an indexer. */
static void add_compressor(mf_hf *hf, uint32_t ratio, uint32_t head_dim)
{
    const uint64_t d = hf->hidden;
    const uint64_t wide =
        (uint64_t)head_dim * (ratio == MF_OVERLAPPING_RATIO ? MF_OVERLAPPING_BLOCKS : 1);
    const uint32_t n_heads = mf_hf_count(hf, "index_n_heads");
    const uint32_t index_dim = mf_hf_count(hf, "index_head_dim");
    if (hf->status != MF_OK || ratio == 0) {
        return;
    }
    mf_layer *layer = hf->layer;
    layer->attention.compress_ratio = ratio;
    layer->recurrent = mf_compressor_state(ratio, head_dim, index_dim);
    mf_hf_add_matrix(hf, "attn_compressor_kv.weight", d, wide);
    mf_hf_add_matrix(hf, "attn_compressor_gate.weight", d, wide);
    mf_hf_add_matrix(hf, "attn_compressor_ape.weight", wide, ratio);
    mf_hf_add_vector(hf, "attn_compressor_norm.weight", head_dim);
    if (ratio != MF_OVERLAPPING_RATIO) {
        return;
    }
    layer->attention.index_dim = index_dim;
    layer->attention.n_index_heads = n_heads;
    layer->attention.index_top_k = mf_hf_count(hf, "index_topk");
    mf_hf_add_matrix(hf, "indexer.proj.weight", d, n_heads);
    mf_hf_add_matrix(hf,
                     "indexer.attn_q_b.weight",
                     mf_hf_count(hf, "q_lora_rank"),
                     (uint64_t)n_heads * index_dim);
    mf_hf_add_matrix(
        hf, "indexer_compressor_kv.weight", d, MF_OVERLAPPING_BLOCKS * (uint64_t)index_dim);
    mf_hf_add_matrix(
        hf, "indexer_compressor_gate.weight", d, MF_OVERLAPPING_BLOCKS * (uint64_t)index_dim);
    mf_hf_add_matrix(
        hf, "indexer_compressor_ape.weight", MF_OVERLAPPING_BLOCKS * (uint64_t)index_dim, ratio);
    mf_hf_add_vector(hf, "indexer_compressor_norm.weight", index_dim);
}

/* Mixes hc_mult copies of the hidden state before and after a part. */
static void add_hyper_connection(mf_hf *hf, const char *part[3])
{
    const uint64_t n = mf_hf_count(hf, "hc_mult");
    const uint64_t mix = (2 + n) * n;
    mf_hf_add_matrix(hf, part[0], n * hf->hidden, mix);
    mf_hf_add_vector(hf, part[1], mix);
    mf_hf_add_vector(hf, part[2], 3);
}

static void add_deepseek4_attention(mf_hf *hf, uint32_t head_dim)
{
    const uint64_t d = hf->hidden;
    const uint32_t rank = mf_hf_count(hf, "q_lora_rank");
    const uint32_t output_rank = mf_hf_count(hf, "o_lora_rank");
    const uint32_t n_groups = mf_hf_count(hf, "o_groups");
    const uint64_t wide = (uint64_t)hf->n_heads * head_dim;
    const uint32_t window = mf_hf_count(hf, "sliding_window");
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->attention = (mf_attention){.kind = MF_ATTENTION_GQA,
                                          .n_heads = hf->n_heads,
                                          .n_kv_heads = 1,
                                          .key_dim = head_dim,
                                          .value_dim = head_dim,
                                          .window = window,
                                          .value_is_key = true,
                                          .rope_dim = mf_hf_count(hf, "qk_rope_head_dim")};
    mf_hf_add_vector(hf, "attn_sinks.weight", hf->n_heads);
    mf_hf_add_matrix(hf, "attn_q_a.weight", d, rank);
    mf_hf_add_vector(hf, "attn_q_a_norm.weight", rank);
    mf_hf_add_matrix(hf, "attn_q_b.weight", rank, wide);
    mf_hf_add_matrix(hf, "attn_kv.weight", d, head_dim);
    mf_hf_add_vector(hf, "attn_kv_a_norm.weight", head_dim);
    mf_hf_add(hf, "attn_output_a.weight", wide / n_groups, output_rank, n_groups);
    mf_hf_add_matrix(hf, "attn_output_b.weight", (uint64_t)n_groups * output_rank, d);
}

static void add_deepseek4_layer(mf_hf *hf, const mf_hf_family *f, uint32_t ratio, bool hashed)
{
    const uint32_t head_dim = mf_hf_count(hf, "head_dim");
    mf_hf_begin_layer(hf);
    mf_hf_add_norms(hf, f->norms);
    add_deepseek4_attention(hf, head_dim);
    add_compressor(hf, ratio, head_dim);
    add_hyper_connection(
        hf, (const char *[3]){"hc_attn_fn.weight", "hc_attn_base.weight", "hc_attn_scale.weight"});
    add_hyper_connection(
        hf, (const char *[3]){"hc_ffn_fn.weight", "hc_ffn_base.weight", "hc_ffn_scale.weight"});
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.shared_width = mf_hf_product(hf, m.width, mf_hf_count_or(hf, "n_shared_experts", 0));
    m.router_bias = !hashed;
    mf_hf_add_moe(hf, m);
    if (hashed) {
        /* The first layers pick experts by the token's number. */
        mf_hf_add_matrix(hf, "ffn_gate_tid2eid.weight", m.n_used, hf->model->vocabulary);
    }
}

/* One key is also the value; the last 128 tokens and compressed entries of the rest are attended. */
void mf_hf_build_deepseek4(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t n_hashed = mf_hf_count_or(hf, "num_hash_layers", 0);
    const uint32_t n_nextn = mf_hf_count_or(hf, "num_nextn_predict_layers", 0);
    const uint64_t copies = mf_hf_count(hf, "hc_mult");
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        add_deepseek4_layer(hf, f, mf_hf_item(hf, "compress_ratios", i, 0), i < n_hashed);
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < n_nextn; i++) {
        add_deepseek4_layer(hf, f, 0, false);
        mf_hf_add_nextn(hf, false);
    }
    mf_hf_leave_out_from(hf, hf->n_layers);
    mf_hf_add_global(hf, "output_hc_fn.weight", copies * hf->hidden, copies, 0);
    mf_hf_add_global(hf, "output_hc_base.weight", copies, 0, 0);
    mf_hf_add_global(hf, "output_hc_scale.weight", 1, 0, 0);
}

/* Kimi delta attention: queries, keys and values through short convolutions, a state for every head. */
static void add_delta_attention(mf_hf *hf)
{
    const uint64_t d = hf->hidden;
    const uint64_t n_heads = mf_hf_count_in(hf, "linear_attn_config", "num_heads");
    const uint64_t width = mf_hf_count_in(hf, "linear_attn_config", "head_dim");
    const uint64_t kernel = mf_hf_count_in(hf, "linear_attn_config", "short_conv_kernel_size");
    const uint64_t wide = n_heads * width;
    bool full_gate = false;
    (void)mf_node_bool(&full_gate,
                       mf_node_get(mf_hf_find(hf, "linear_attn_config"), "use_full_rank_gate"));
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->recurrent = (mf_recurrent){.kind = MF_RECURRENT_DELTA,
                                          .conv_elements = 3 * (kernel - 1) * wide,
                                          .state_elements = wide * width};
    mf_hf_add_matrix(hf, "attn_q.weight", d, wide);
    mf_hf_add_matrix(hf, "attn_k.weight", d, wide);
    mf_hf_add_matrix(hf, "attn_v.weight", d, wide);
    mf_hf_add(hf, "ssm_conv1d_q.weight", kernel, 1, wide);
    mf_hf_add(hf, "ssm_conv1d_k.weight", kernel, 1, wide);
    mf_hf_add(hf, "ssm_conv1d_v.weight", kernel, 1, wide);
    mf_hf_add_matrix(hf, "ssm_f_a.weight", d, width);
    mf_hf_add_matrix(hf, "ssm_f_b.weight", width, wide);
    mf_hf_add_matrix(hf, "ssm_beta.weight", d, n_heads);
    mf_hf_add_matrix(hf, "ssm_a", 1, n_heads);
    mf_hf_add_vector(hf, "ssm_dt.bias", wide);
    if (full_gate) {
        mf_hf_add_matrix(hf, "attn_gate.weight", d, wide);
    } else {
        mf_hf_add_matrix(hf, "ssm_g_a.weight", d, width);
        mf_hf_add_matrix(hf, "ssm_g_b.weight", width, wide);
    }
    mf_hf_add_vector(hf, "ssm_norm.weight", width);
    mf_hf_add_matrix(hf, "attn_output.weight", wide, d);
}

/* Layers are listed from 1. */
static bool attends(mf_hf *hf, uint32_t i)
{
    const mf_node *list = mf_node_get(mf_hf_find(hf, "linear_attn_config"), "full_attn_layers");
    size_t n = 0;
    for (const mf_node *item = mf_node_first(list); item != NULL && n < MF_HF_MAX_LAYERS; n++) {
        uint64_t number = 0;
        if (mf_node_uint(&number, item) && number == (uint64_t)i + 1) {
            return true;
        }
        item = mf_node_next(item);
    }
    return false;
}

void mf_hf_build_kimi_linear(mf_hf *hf, const mf_hf_family *f)
{
    const bool gated = mf_hf_flag(hf, "mla_use_output_gate", false);
    const uint32_t n_dense = mf_hf_count_or(hf, "first_k_dense_replace", 0);
    const uint32_t latent = mf_hf_count_or(hf, "routed_expert_hidden_size", 0);
    const uint32_t n_shared = mf_hf_count_or(hf, "num_shared_experts", 0);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        if (attends(hf, i)) {
            mf_hf_add_latent(hf, gated);
        } else {
            add_delta_attention(hf);
        }
        if (i < n_dense) {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
            continue;
        }
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.shared_width = mf_hf_product(hf, m.width, n_shared);
        m.latent_width = latent;
        m.router_bias = true;
        mf_hf_add_moe(hf, m);
        if (latent > 0) {
            mf_hf_add_vector(hf, "ffn_latent_norm.weight", latent);
        }
    }
}
