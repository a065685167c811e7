/*
 * hf_gemma.c - Gemma 3n and Gemma 4: per-layer embeddings, caches shared by the last layers, heads that differ between
 * sliding and global layers.
 */
#include "import/hf_family.h"

/* Tables that are looked up for every layer, and what brings them into the hidden width. */
static void add_per_layer_inputs(mf_hf *hf, uint32_t width)
{
    const uint64_t all = (uint64_t)width * hf->n_layers;
    /* "vocab_size_per_layer_input" may be smaller: converters fill the table up (Gemma 3n). */
    mf_hf_add_global(hf, "per_layer_token_embd.weight", all, hf->model->vocabulary, 0);
    mf_hf_add_global(hf, "per_layer_model_proj.weight", hf->hidden, all, 0);
    mf_hf_add_global(hf, "per_layer_proj_norm.weight", width, 0, 0);
}

static void add_per_layer_part(mf_hf *hf, uint32_t width)
{
    mf_hf_add_matrix(hf, "inp_gate.weight", hf->hidden, width);
    mf_hf_add_matrix(hf, "proj.weight", width, hf->hidden);
    mf_hf_add_vector(hf, "post_norm.weight", hf->hidden);
}

/* AltUp keeps several streams of the hidden state; LAuReL adds a low-rank path. */
static void add_gemma3n_extras(mf_hf *hf, uint32_t n_streams)
{
    const uint32_t rank = mf_hf_count(hf, "laurel_rank");
    mf_hf_add_matrix(hf, "altup_correct_coef.weight", n_streams, n_streams);
    mf_hf_add_vector(hf, "altup_correct_scale.weight", hf->hidden);
    mf_hf_add_matrix(hf, "altup_predict_coef.weight", n_streams, (uint64_t)n_streams * n_streams);
    mf_hf_add_matrix(hf, "altup_router.weight", hf->hidden, n_streams);
    mf_hf_add_vector(hf, "altup_router_norm.weight", hf->hidden);
    mf_hf_add_matrix(hf, "laurel_l.weight", hf->hidden, rank);
    mf_hf_add_matrix(hf, "laurel_r.weight", rank, hf->hidden);
    mf_hf_add_vector(hf, "laurel_post_norm.weight", hf->hidden);
}

/* Layers before the number of this list of layers have a cache; a fault if all share. */
static uint32_t own_caches(mf_hf *hf)
{
    const uint32_t n_shared = mf_hf_count_or(hf, "num_kv_shared_layers", 0);
    if (n_shared >= hf->n_layers) {
        mf_hf_fail(hf,
                   mf_hf_find(hf, "num_kv_shared_layers"),
                   "'num_kv_shared_layers' is %u of %u layers",
                   n_shared,
                   hf->n_layers);
        return 0;
    }
    return hf->n_layers - n_shared;
}

void mf_hf_build_gemma3n(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t width = mf_hf_count(hf, "hidden_size_per_layer_input");
    const uint32_t n_streams = mf_hf_count(hf, "altup_num_inputs");
    const uint32_t n_own = own_caches(hf);
    add_per_layer_inputs(hf, width);
    mf_hf_add_global(hf, "altup_proj.weight", hf->hidden, hf->hidden, (uint64_t)n_streams - 1);
    mf_hf_add_global(
        hf, "altup_unembd_proj.weight", hf->hidden, hf->hidden, (uint64_t)n_streams - 1);
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        mf_hf_add_gqa(hf,
                      (mf_hf_gqa){.window = mf_hf_window(hf, i),
                                  .shares_kv = i >= n_own,
                                  .qk_norm = f->qk_norm});
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = mf_hf_item(hf, "intermediate_size", i, 0)});
        add_per_layer_part(hf, width);
        add_gemma3n_extras(hf, n_streams);
    }
}

/* A dense part and experts side by side. */
static void add_gemma4_experts(mf_hf *hf)
{
    const uint32_t dense_width = hf->ffn_width;
    mf_hf_moe m = mf_hf_plain_moe(hf);
    m.width = mf_hf_count(hf, "moe_intermediate_size");
    m.fused = true;
    mf_hf_add_moe(hf, m);
    mf_hf_add_vector(hf, "ffn_gate_inp.scale", hf->hidden);
    mf_hf_add_vector(hf, "ffn_down_exps.scale", m.n_experts);
    mf_hf_add_norms(hf, "pre_ffw_norm_2.weight|post_ffw_norm_1.weight|post_ffw_norm_2.weight");
    if (hf->status == MF_OK) {
        /* Used by every token, as a shared expert is. */
        hf->layer->ffn.shared_width = dense_width;
    }
}

/* Global layers have wider heads, fewer of them for keys, and may take values from the key projection. */
static void add_gemma4_attention(mf_hf *hf, const mf_hf_family *f, uint32_t i, bool shares)
{
    const bool global = mf_hf_item_is(hf, "layer_types", i, "full_attention");
    mf_hf_gqa a = {.shares_kv = shares, .qk_norm = f->qk_norm};
    if (global) {
        a.key_dim = mf_hf_count_or(hf, "global_head_dim", hf->head_dim);
        a.n_kv_heads = mf_hf_count_or(hf, "num_global_key_value_heads", hf->n_kv_heads);
        a.value_is_in_key = mf_hf_flag(hf, "attention_k_eq_v", false);
    } else {
        a.window = mf_hf_count(hf, "sliding_window");
    }
    mf_hf_add_gqa(hf, a);
}

void mf_hf_build_gemma4(mf_hf *hf, const mf_hf_family *f)
{
    const uint32_t width = mf_hf_count_or(hf, "hidden_size_per_layer_input", 0);
    const bool experts = mf_hf_flag(hf, "enable_moe_block", false);
    const bool wider = mf_hf_flag(hf, "use_double_wide_mlp", false);
    const uint32_t n_own = own_caches(hf);
    if (width > 0) {
        add_per_layer_inputs(hf, width);
    }
    for (uint32_t i = 0; hf->status == MF_OK && i < hf->n_layers; i++) {
        mf_hf_begin_layer(hf);
        mf_hf_add_norms(hf, f->norms);
        add_gemma4_attention(hf, f, i, i >= n_own);
        mf_hf_add_vector(hf, "layer_output_scale.weight", 1);
        mf_hf_add_ffn(hf, (mf_hf_ffn){.width = hf->ffn_width * (wider && i >= n_own ? 2 : 1)});
        if (experts) {
            add_gemma4_experts(hf);
        }
        if (width > 0) {
            add_per_layer_part(hf, width);
        }
    }
    const uint32_t widest = mf_hf_count_or(hf, "global_head_dim", hf->head_dim);
    mf_hf_add_global(hf, "rope_freqs.weight", widest / 2, 0, 0);
}
