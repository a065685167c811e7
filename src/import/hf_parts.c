#include "import/hf_parts.h"

#include <stdio.h>
#include <string.h>

/* Fills what the family left to the config. */
static mf_hf_gqa completed(const mf_hf *hf, mf_hf_gqa a)
{
    a.n_heads = a.n_heads > 0 ? a.n_heads : hf->n_heads;
    a.n_kv_heads = a.n_kv_heads > 0 ? a.n_kv_heads : hf->n_kv_heads;
    a.key_dim = a.key_dim > 0 ? a.key_dim : hf->head_dim;
    a.value_dim = a.value_dim > 0 ? a.value_dim : a.key_dim;
    return a;
}

static void add_projections(mf_hf *hf, const mf_hf_gqa *a)
{
    const uint64_t d = hf->hidden;
    const uint64_t query = (uint64_t)a->n_heads * a->key_dim * (a->gated ? 2 : 1);
    const uint64_t key = (uint64_t)a->n_kv_heads * a->key_dim;
    const uint64_t value = (uint64_t)a->n_kv_heads * a->value_dim;
    if (a->fused) {
        mf_hf_add_matrix(hf, "attn_qkv.weight", d, query + key + value);
        if (a->qkv_bias) {
            mf_hf_add_vector(hf, "attn_qkv.bias", query + key + value);
        }
    } else {
        mf_hf_add_matrix(hf, "attn_q.weight", d, query);
        mf_hf_add_matrix(hf, "attn_k.weight", d, key);
        if (!a->value_is_in_key) {
            mf_hf_add_matrix(hf, "attn_v.weight", d, value);
        }
        if (a->qkv_bias) {
            mf_hf_add_vector(hf, "attn_q.bias", query);
            mf_hf_add_vector(hf, "attn_k.bias", key);
            mf_hf_add_vector(hf, "attn_v.bias", value);
        }
    }
    mf_hf_add_matrix(hf, "attn_output.weight", (uint64_t)a->n_heads * a->value_dim, d);
    if (a->output_bias) {
        mf_hf_add_vector(hf, "attn_output.bias", d);
    }
}

static void add_qk_norms(mf_hf *hf, const mf_hf_gqa *a)
{
    switch (a->qk_norm) {
    case MF_HF_QK_NONE:
        break;
    case MF_HF_QK_HEAD:
        mf_hf_add_vector(hf, "attn_q_norm.weight", a->key_dim);
        mf_hf_add_vector(hf, "attn_k_norm.weight", a->key_dim);
        break;
    case MF_HF_QK_FULL:
        mf_hf_add_vector(hf, "attn_q_norm.weight", (uint64_t)a->n_heads * a->key_dim);
        mf_hf_add_vector(hf, "attn_k_norm.weight", (uint64_t)a->n_kv_heads * a->key_dim);
        break;
    case MF_HF_QK_EACH:
        mf_hf_add_matrix(hf, "attn_q_norm.weight", a->key_dim, a->n_heads);
        mf_hf_add_matrix(hf, "attn_k_norm.weight", a->key_dim, a->n_kv_heads);
        break;
    }
}

void mf_hf_add_gqa(mf_hf *hf, mf_hf_gqa a)
{
    a = completed(hf, a);
    if (hf->status != MF_OK) {
        return;
    }
    if (a.n_heads == 0 || a.n_kv_heads == 0 || a.n_heads % a.n_kv_heads != 0 || a.key_dim == 0) {
        mf_hf_fail(hf,
                   mf_hf_find(hf, "num_key_value_heads"),
                   "layer %d has %u query heads, %u key heads and heads %u wide, which does not "
                   "fit together",
                   hf->index,
                   a.n_heads,
                   a.n_kv_heads,
                   a.key_dim);
        return;
    }
    hf->layer->attention = (mf_attention){.kind = MF_ATTENTION_GQA,
                                          .n_heads = a.n_heads,
                                          .n_kv_heads = a.n_kv_heads,
                                          .key_dim = a.key_dim,
                                          .value_dim = a.value_dim,
                                          .window = a.window,
                                          .chunked = a.chunked && a.window > 0,
                                          .shares_kv = a.shares_kv};
    add_projections(hf, &a);
    add_qk_norms(hf, &a);
}

void mf_hf_add_latent(mf_hf *hf, bool gated)
{
    const uint64_t d = hf->hidden;
    const uint32_t n_heads = hf->n_heads;
    const uint32_t query_rank = mf_hf_count_or(hf, "q_lora_rank", 0);
    const uint32_t rank = mf_hf_count(hf, "kv_lora_rank");
    const uint32_t plain = mf_hf_count(hf, "qk_nope_head_dim");
    const uint32_t rope = mf_hf_count(hf, "qk_rope_head_dim");
    const uint32_t value = mf_hf_count(hf, "v_head_dim");
    const uint64_t key = (uint64_t)plain + rope;
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->attention = (mf_attention){.kind = MF_ATTENTION_MLA,
                                          .n_heads = n_heads,
                                          .n_kv_heads = 1,
                                          .key_dim = (uint32_t)key,
                                          .value_dim = value,
                                          .kv_rank = rank,
                                          .rope_dim = rope};
    if (query_rank > 0) {
        mf_hf_add_matrix(hf, "attn_q_a.weight", d, query_rank);
        mf_hf_add_vector(hf, "attn_q_a_norm.weight", query_rank);
        mf_hf_add_matrix(hf, "attn_q_b.weight", query_rank, n_heads * key);
    } else {
        mf_hf_add_matrix(hf, "attn_q.weight", d, n_heads * key);
    }
    mf_hf_add_matrix(hf, "attn_kv_a_mqa.weight", d, (uint64_t)rank + rope);
    mf_hf_add_vector(hf, "attn_kv_a_norm.weight", rank);
    mf_hf_add(hf, "attn_k_b.weight", plain, rank, n_heads);
    mf_hf_add(hf, "attn_v_b.weight", rank, value, n_heads);
    if (gated) {
        mf_hf_add_matrix(hf, "attn_gate.weight", d, (uint64_t)n_heads * value);
    }
    mf_hf_add_matrix(hf, "attn_output.weight", (uint64_t)n_heads * value, d);
}

void mf_hf_add_ffn(mf_hf *hf, mf_hf_ffn f)
{
    const uint64_t d = hf->hidden;
    if (hf->status != MF_OK) {
        return;
    }
    if (f.width == 0) {
        mf_hf_fail(hf,
                   NULL,
                   "layer %d has no feed forward width: is the key 'intermediate_size' missing?",
                   hf->index);
        return;
    }
    hf->layer->ffn =
        (mf_ffn){.kind = MF_FFN_DENSE, .width = f.width, .n_matrices = f.ungated ? 2 : 3};
    if (!f.fused && !f.ungated) {
        mf_hf_add_matrix(hf, "ffn_gate.weight", d, f.width);
    }
    mf_hf_add_matrix(hf, "ffn_up.weight", d, f.fused ? 2 * (uint64_t)f.width : f.width);
    mf_hf_add_matrix(hf, "ffn_down.weight", f.width, d);
    if (f.bias) {
        if (!f.ungated) {
            mf_hf_add_vector(hf, "ffn_gate.bias", f.width);
        }
        mf_hf_add_vector(hf, "ffn_up.bias", f.width);
        mf_hf_add_vector(hf, "ffn_down.bias", d);
    }
}

mf_hf_moe mf_hf_plain_moe(mf_hf *hf)
{
    return (mf_hf_moe){
        .n_experts =
            mf_hf_count(hf, "num_experts|n_routed_experts|num_local_experts|moe_num_experts"),
        .n_used = mf_hf_item(hf,
                             "num_experts_per_tok|num_experts_per_token|moe_topk|moe_top_k|moe_k|"
                             "top_k_experts",
                             (uint32_t)hf->index,
                             0),
        .width = mf_hf_item(hf, "moe_intermediate_size|intermediate_size", (uint32_t)hf->index, 0),
    };
}

static void add_expert_biases(mf_hf *hf, const mf_hf_moe *m)
{
    mf_hf_add_vector(hf, "ffn_gate_inp.bias", m->n_experts);
    mf_hf_add_matrix(hf, "ffn_gate_exps.bias", m->width, m->n_experts);
    mf_hf_add_matrix(hf, "ffn_down_exps.bias", hf->hidden, m->n_experts);
    mf_hf_add_matrix(hf, "ffn_up_exps.bias", m->width, m->n_experts);
}

static void add_experts(mf_hf *hf, const mf_hf_moe *m)
{
    const uint64_t d = m->latent_width > 0 ? m->latent_width : hf->hidden;
    if (m->fused) {
        mf_hf_add(hf, "ffn_gate_up_exps.weight", d, 2 * (uint64_t)m->width, m->n_experts);
    } else {
        if (!m->ungated) {
            mf_hf_add(hf, "ffn_gate_exps.weight", d, m->width, m->n_experts);
        }
        mf_hf_add(hf, "ffn_up_exps.weight", d, m->width, m->n_experts);
    }
    mf_hf_add(hf, "ffn_down_exps.weight", m->width, d, m->n_experts);
    if (m->latent_width > 0) {
        mf_hf_add_matrix(hf, "ffn_latent_down.weight", hf->hidden, m->latent_width);
        mf_hf_add_matrix(hf, "ffn_latent_up.weight", m->latent_width, hf->hidden);
    }
}

static void add_shared(mf_hf *hf, const mf_hf_moe *m)
{
    const uint64_t d = hf->hidden;
    if (!m->ungated) {
        mf_hf_add_matrix(hf, "ffn_gate_shexp.weight", d, m->shared_width);
    }
    mf_hf_add_matrix(hf, "ffn_up_shexp.weight", d, m->shared_width);
    mf_hf_add_matrix(hf, "ffn_down_shexp.weight", m->shared_width, d);
    if (m->shared_gate) {
        mf_hf_add_vector(hf, "ffn_gate_inp_shexp.weight", d);
    }
}

void mf_hf_add_moe(mf_hf *hf, mf_hf_moe m)
{
    if (hf->status != MF_OK) {
        return;
    }
    if (m.width == 0 || m.n_used == 0 || m.n_used > m.n_experts) {
        mf_hf_fail(hf,
                   mf_hf_find(hf, "num_experts|n_routed_experts|num_local_experts"),
                   "layer %d uses %u of %u experts, each %u wide, which does not fit together",
                   hf->index,
                   m.n_used,
                   m.n_experts,
                   m.width);
        return;
    }
    hf->layer->ffn = (mf_ffn){.kind = MF_FFN_MOE,
                              .width = m.width,
                              .n_experts = m.n_experts,
                              .n_experts_used = m.n_used,
                              .shared_width = m.shared_width,
                              .n_matrices = m.ungated ? 2 : 3};
    mf_hf_add_matrix(hf, "ffn_gate_inp.weight", hf->hidden, m.n_experts);
    if (m.router_bias) {
        mf_hf_add_vector(hf, "exp_probs_b.bias", m.n_experts);
    }
    add_experts(hf, &m);
    if (m.expert_bias) {
        add_expert_biases(hf, &m);
    }
    if (m.shared_width > 0) {
        add_shared(hf, &m);
    }
}

void mf_hf_add_mamba2(mf_hf *hf, mf_hf_mamba2 m)
{
    const uint64_t d = hf->hidden;
    const uint64_t conv = m.inner + 2 * m.n_groups * m.state;
    if (hf->status != MF_OK) {
        return;
    }
    if (m.inner == 0 || m.state == 0 || m.n_heads == 0 || m.n_groups == 0 || m.kernel == 0 ||
        m.inner % m.n_groups != 0) {
        mf_hf_fail(hf, NULL, "layer %d has a Mamba-2 state of sizes that do not fit", hf->index);
        return;
    }
    hf->layer->recurrent = (mf_recurrent){.kind = MF_RECURRENT_MAMBA2,
                                          .conv_elements = (m.kernel - 1) * conv,
                                          .state_elements = m.inner * m.state};
    mf_hf_add_matrix(hf, "ssm_in.weight", d, m.inner + conv + m.n_heads);
    mf_hf_add_matrix(hf, "ssm_conv1d.weight", m.kernel, conv);
    mf_hf_add_vector(hf, "ssm_conv1d.bias", conv);
    mf_hf_add_vector(hf, "ssm_dt.bias", m.n_heads);
    mf_hf_add_matrix(hf, "ssm_a", 1, m.n_heads);
    mf_hf_add_matrix(hf, "ssm_d", 1, m.n_heads);
    if (m.norm) {
        mf_hf_add_matrix(hf, "ssm_norm.weight", m.inner / m.n_groups, m.n_groups);
    }
    mf_hf_add_matrix(hf, "ssm_out.weight", m.inner, d);
}

void mf_hf_add_mamba1(mf_hf *hf, mf_hf_mamba1 m)
{
    const uint64_t d = hf->hidden;
    if (hf->status != MF_OK) {
        return;
    }
    if (m.inner == 0 || m.state == 0 || m.rank == 0 || m.kernel == 0) {
        mf_hf_fail(hf, NULL, "layer %d has a Mamba state of sizes that do not fit", hf->index);
        return;
    }
    hf->layer->recurrent = (mf_recurrent){.kind = MF_RECURRENT_MAMBA1,
                                          .conv_elements = (m.kernel - 1) * m.inner,
                                          .state_elements = m.inner * m.state};
    mf_hf_add_matrix(hf, "ssm_in.weight", d, 2 * m.inner);
    mf_hf_add_matrix(hf, "ssm_conv1d.weight", m.kernel, m.inner);
    mf_hf_add_vector(hf, "ssm_conv1d.bias", m.inner);
    mf_hf_add_matrix(hf, "ssm_x.weight", m.inner, m.rank + 2 * m.state);
    mf_hf_add_matrix(hf, "ssm_dt.weight", m.rank, m.inner);
    mf_hf_add_vector(hf, "ssm_dt.bias", m.inner);
    if (m.norms) {
        mf_hf_add_vector(hf, "ssm_dt_norm.weight", m.rank);
        mf_hf_add_vector(hf, "ssm_b_norm.weight", m.state);
        mf_hf_add_vector(hf, "ssm_c_norm.weight", m.state);
    }
    mf_hf_add_matrix(hf, "ssm_a", m.state, m.inner);
    mf_hf_add_vector(hf, "ssm_d", m.inner);
    mf_hf_add_matrix(hf, "ssm_out.weight", m.inner, d);
}

void mf_hf_add_delta_net(mf_hf *hf, bool split)
{
    const uint64_t d = hf->hidden;
    const uint64_t n_values = mf_hf_count(hf, "linear_num_value_heads");
    const uint64_t key_dim = mf_hf_count(hf, "linear_key_head_dim");
    const uint64_t value_dim = mf_hf_count(hf, "linear_value_head_dim");
    const uint64_t keys = mf_hf_count(hf, "linear_num_key_heads") * key_dim;
    const uint64_t kernel = mf_hf_count(hf, "linear_conv_kernel_dim");
    const uint64_t values = n_values * value_dim;
    const uint64_t conv = 2 * keys + values;
    if (hf->status != MF_OK) {
        return;
    }
    hf->layer->recurrent = (mf_recurrent){.kind = MF_RECURRENT_DELTA,
                                          .conv_elements = (kernel - 1) * conv,
                                          .state_elements = values * key_dim};
    mf_hf_add_matrix(hf, "attn_qkv.weight", d, conv);
    mf_hf_add_matrix(hf, "attn_gate.weight", d, values);
    mf_hf_add_matrix(hf, "ssm_conv1d.weight", kernel, conv);
    mf_hf_add_vector(hf, "ssm_dt.bias", n_values);
    mf_hf_add_vector(hf, "ssm_a", n_values);
    if (split) {
        mf_hf_add_matrix(hf, "ssm_beta.weight", d, n_values);
        mf_hf_add_matrix(hf, "ssm_alpha.weight", d, n_values);
    } else {
        mf_hf_add_matrix(hf, "ssm_ba.weight", d, 2 * n_values);
    }
    mf_hf_add_vector(hf, "ssm_norm.weight", value_dim);
    mf_hf_add_matrix(hf, "ssm_out.weight", values, d);
}

void mf_hf_add_norms(mf_hf *hf, const char *names)
{
    char name[MF_TENSOR_NAME_SIZE];
    while (*names != '\0') {
        const size_t n = strcspn(names, "|");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, names);
        mf_hf_add_vector(hf, name, hf->hidden);
        names += n + (names[n] == '|' ? 1 : 0);
    }
}

void mf_hf_add_nextn(mf_hf *hf, bool copies)
{
    const uint64_t d = hf->hidden;
    if (hf->layer != NULL) {
        hf->layer->is_nextn = true;
    }
    mf_hf_add_matrix(hf, "nextn.eh_proj.weight", 2 * d, d);
    mf_hf_add_norms(hf, "nextn.enorm.weight|nextn.hnorm.weight|nextn.shared_head_norm.weight");
    if (copies) {
        mf_hf_add_matrix(hf, "nextn.embed_tokens.weight", d, hf->model->vocabulary);
        mf_hf_add_matrix(hf, "nextn.shared_head_head.weight", d, hf->model->vocabulary);
    }
}
