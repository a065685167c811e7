/*
 * hf_moe.c - models with experts that no plain row describes.
 */
#include "import/hf_family.h"

void mf_hf_build_gpt_oss(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(
            hf, (mf_hf_gqa){.window = mf_hf_window(hf, i), .qkv_bias = true, .output_bias = true});
        mf_hf_add_vector(hf, "attn_sinks.weight", hf->n_heads);
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.expert_bias = true;
        mf_hf_add_moe(hf, m);
    }
}

/* Experts in every moe_layer_interval-th layer of a range. Checkpoints of the -PT kind have no multi-token prediction,
   others keep one dense block of it; the config does not tell them apart, so it is not counted. */
void mf_hf_build_ernie_moe(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t first = mf_hf_count_or(hf, "moe_layer_start_index", 0);
    const uint32_t last = mf_hf_count_or(hf, "moe_layer_end_index", hf->n_layers);
    const uint32_t interval = mf_hf_count_or(hf, "moe_layer_interval", 1);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.qkv_bias = mf_hf_flag(hf, "use_bias", false)});
        if (interval > 0 && i >= first && i <= last && (i + 1) % interval == 0) {
            mf_hf_moe m = mf_hf_plain_moe(hf);
            m.shared_width =
                mf_hf_product(hf, m.width, mf_hf_count_or(hf, "moe_num_shared_experts", 0));
            m.router_bias = true;
            mf_hf_add_moe(hf, m);
        } else {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        }
    }
}

/* Widths and counts may differ from layer to layer. */
void mf_hf_build_hunyuan_moe(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.qk_norm = f->qk_norm});
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.shared_width = mf_hf_product(hf, m.width, mf_hf_item(hf, "num_shared_expert", i, 0));
        mf_hf_add_moe(hf, m);
    }
}

static bool llama4_has_experts(mf_hf *hf, uint32_t i)
{
    const uint32_t step = mf_hf_count_or(hf, "interleave_moe_layer_step", 1);
    if (mf_node_count(mf_hf_find(hf, "moe_layers")) > 0) {
        return mf_hf_has_item(hf, "moe_layers", i);
    }
    return step > 0 && (i + 1) % step == 0;
}

/* Three of four layers attend within chunks and use rotary positions, the fourth does neither. */
void mf_hf_build_llama4(mf_hf *hf, const mf_hf_family *f)
{
    enum { CHUNK = 8192, PERIOD = 4 };
    const uint32_t chunk = mf_hf_count_or(hf, "attention_chunk_size", CHUNK);
    const bool listed = mf_node_count(mf_hf_find(hf, "no_rope_layers")) > 0;
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        const bool local =
            listed ? mf_hf_item(hf, "no_rope_layers", i, 0) != 0 : (i + 1) % PERIOD != 0;
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.window = local ? chunk : 0, .chunked = local});
        if (llama4_has_experts(hf, i)) {
            mf_hf_moe m = mf_hf_plain_moe(hf);
            m.shared_width = m.width;
            mf_hf_add_moe(hf, m);
        } else {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = mf_hf_count(hf, "intermediate_size_mlp")});
        }
    }
    mf_hf_add_rope_factors(hf);
}

/* Attends to blocks that small index heads pick; their keys are cached. */
static void add_block_index(mf_hf *hf)
{
    const uint32_t n_heads =
        mf_hf_count_in(hf, "sparse_attention_config", "sparse_num_index_heads");
    const uint32_t width = mf_hf_count_in(hf, "sparse_attention_config", "sparse_index_dim");
    const uint32_t block = mf_hf_count_in(hf, "sparse_attention_config", "sparse_block_size");
    const uint32_t n_best = mf_hf_count_in(hf, "sparse_attention_config", "sparse_topk_blocks");
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->attention.index_dim = width;
    hf->layer->attention.n_index_heads = n_heads;
    hf->layer->attention.index_top_k = n_best * block;
    hf->layer->attention.index_block = block;
    mf_hf_add_matrix(hf, "indexer.q_proj.weight", hf->hidden, (uint64_t)n_heads * width);
    mf_hf_add_matrix(hf, "indexer.k_proj.weight", hf->hidden, width);
    mf_hf_add_vector(hf, "indexer.q_norm.weight", width);
    mf_hf_add_vector(hf, "indexer.k_norm.weight", width);
}

/* 1 in a list of the config's sparse_attention_config. */
static bool has_block_index(mf_hf *hf, uint32_t i)
{
    const mf_node *config = mf_hf_find(hf, "sparse_attention_config");
    const mf_node *item = mf_node_first(mf_node_get(config, "sparse_attention_freq"));
    for (uint32_t k = 0; k < i && item != NULL; k++) {
        item = mf_node_next(item);
    }
    uint64_t flag = 0;
    return mf_node_uint(&flag, item) && flag != 0;
}

void mf_hf_build_minimax_m3(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf, (mf_hf_gqa){.qk_norm = f->qk_norm});
        if (has_block_index(hf, i)) {
            add_block_index(hf);
        }
        if (mf_hf_item(hf, "moe_layer_freq", i, 1) == 0) {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = mf_hf_count(hf, "dense_intermediate_size")});
            continue;
        }
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.shared_width = mf_hf_product(
            hf, mf_hf_count(hf, "n_shared_experts"), mf_hf_count(hf, "shared_intermediate_size"));
        m.router_bias = true;
        mf_hf_add_moe(hf, m);
    }
}

/* "3,4,5": layers with experts as one text. */
static bool enum_has(const char *text, uint32_t number)
{
    uint64_t value = 0;
    bool digits = false;
    for (const char *c = text;; c++) {
        if (*c >= '0' && *c <= '9') {
            value = value > MF_HF_MAX_LAYERS ? value : value * 10 + (uint64_t)(*c - '0');
            digits = true;
            continue;
        }
        if (digits && value == number) {
            return true;
        }
        if (*c == '\0') {
            return false;
        }
        value = 0;
        digits = false;
    }
}

static bool step_has_experts(mf_hf *hf, uint32_t i)
{
    enum { DENSE_FIRST = 3 };
    const char *listed = mf_node_string(mf_hf_find(hf, "moe_layers_enum"));
    return listed != NULL ? enum_has(listed, i)
                          : i >= mf_hf_count_or(hf, "first_k_dense_replace", DENSE_FIRST);
}

/* Layers with a window have more query heads; a gate for every head. */
static void add_step_layer(mf_hf *hf, const mf_hf_family *f, uint32_t window, bool experts)
{
    enum { WINDOW_HEADS = 96 };
    const mf_node *other = mf_hf_find(hf, "attention_other_setting");
    uint64_t said = 0;
    const bool found = mf_node_uint(&said, mf_node_get(other, "num_attention_heads"));
    const uint32_t wide = found && said <= MF_HF_MAX_COUNT ? (uint32_t)said : WINDOW_HEADS;
    const uint32_t n_heads = window > 0 ? wide : hf->n_heads;
    mf_hf_begin_layer(hf);
    mf_hf_add_norms(hf, f->norms);
    mf_hf_add_gqa(hf, (mf_hf_gqa){.n_heads = n_heads, .window = window, .qk_norm = f->qk_norm});
    mf_hf_add_matrix(hf, "attn_gate.weight", hf->hidden, n_heads);
    if (!experts) {
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        return;
    }
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.shared_width = mf_hf_count_or(hf, "share_expert_dim", 0);
    m.router_bias = true;
    mf_hf_add_moe(hf, m);
}

void mf_hf_build_step(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t n_nextn = mf_hf_count_or(hf, "num_nextn_predict_layers", 0);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        add_step_layer(hf, f, mf_hf_window(hf, i), step_has_experts(hf, i));
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < n_nextn; i++) {
        add_step_layer(hf, f, mf_hf_count(hf, "sliding_window"), false);
        mf_hf_add_nextn(hf, false);
        mf_hf_add_matrix(hf, "nextn.shared_head_head.weight", hf->hidden, hf->model->vocabulary);
    }
}

static void add_mimo2_attention(mf_hf *hf, bool slides)
{
    if (!slides) {
        mf_hf_add_gqa(hf, (mf_hf_gqa){.value_dim = mf_hf_count(hf, "v_head_dim")});
        return;
    }
    const uint32_t n_heads = mf_hf_count(hf, "swa_num_attention_heads");
    mf_hf_add_gqa(hf,
                  (mf_hf_gqa){.n_heads = n_heads,
                              .n_kv_heads = mf_hf_count(hf, "swa_num_key_value_heads"),
                              .key_dim = mf_hf_count(hf, "swa_head_dim"),
                              .value_dim = mf_hf_count(hf, "swa_v_head_dim"),
                              .window = mf_hf_count(hf, "sliding_window")});
    mf_hf_add_vector(hf, "attn_sinks.weight", n_heads);
}

/* Keys wider than values; the checkpoint has three dense blocks for multi-token prediction that the config leaves out. */
void mf_hf_build_mimo2(mf_hf *hf, const mf_hf_family *f)
{
    enum { NEXTN = 3 };
    const uint32_t n_nextn = mf_hf_count_or(hf, "num_nextn_predict_layers", NEXTN);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        add_mimo2_attention(hf, mf_hf_item(hf, "hybrid_layer_pattern", i, 0) != 0);
        if (mf_hf_item(hf, "moe_layer_freq", i, 1) != 0) {
            mf_hf_moe m = mf_hf_plain_moe(hf);
            m.router_bias = true;
            mf_hf_add_moe(hf, m);
        } else {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        }
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < n_nextn; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        add_mimo2_attention(hf, true);
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
        mf_hf_add_nextn(hf, false);
    }
}

static bool laguna_is_dense(mf_hf *hf, uint32_t i)
{
    return mf_hf_find(hf, "mlp_layer_types") != NULL
               ? mf_hf_item_is(hf, "mlp_layer_types", i, "dense")
               : mf_hf_has_item(hf, "mlp_only_layers", i);
}

/* Query heads vary with the layer; a gate for every head. */
void mf_hf_build_laguna(mf_hf *hf, const mf_hf_family *f)
{
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        const uint32_t n_heads = mf_hf_item(hf, "num_attention_heads_per_layer", i, hf->n_heads);
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(
            hf,
            (mf_hf_gqa){.n_heads = n_heads, .window = mf_hf_window(hf, i), .qk_norm = f->qk_norm});
        mf_hf_add_matrix(hf, "attn_gate.weight", hf->hidden, n_heads);
        if (laguna_is_dense(hf, i)) {
            mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width});
            continue;
        }
        mf_hf_moe m = mf_hf_plain_moe(hf);
        m.shared_width = mf_hf_count_or(hf, "shared_expert_intermediate_size", 0);
        m.router_bias = true;
        mf_hf_add_moe(hf, m);
    }
}
