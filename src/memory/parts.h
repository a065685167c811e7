/*
 * parts.h - the tensors of a block by what they are, so that a graph asks "is there a query norm" instead of comparing
 * names.
 */
#ifndef MF_MEMORY_PARTS_H
#define MF_MEMORY_PARTS_H

#include "memfit/model.h"

/* X(enum suffix, name behind "blk.N."), sorted by name: look-ups search in halves. */
#define BLOCK_PART_LIST(X)                                                                         \
    X(ALTUP_CORRECT, "altup_correct_coef.weight")                                                  \
    X(ALTUP_SCALE, "altup_correct_scale.weight")                                                   \
    X(ALTUP_PREDICT, "altup_predict_coef.weight")                                                  \
    X(ALTUP_ROUTER, "altup_router.weight")                                                         \
    X(ALTUP_ROUTER_NORM, "altup_router_norm.weight")                                               \
    X(COMPRESSOR_APE, "attn_compressor_ape.weight")                                                \
    X(COMPRESSOR_GATE, "attn_compressor_gate.weight")                                              \
    X(COMPRESSOR_KV, "attn_compressor_kv.weight")                                                  \
    X(COMPRESSOR_NORM, "attn_compressor_norm.weight")                                              \
    X(ATTN_GATE, "attn_gate.weight")                                                               \
    X(ATTN_K_B, "attn_k.bias")                                                                     \
    X(ATTN_K, "attn_k.weight")                                                                     \
    X(ATTN_K_B_UP, "attn_k_b.weight")                                                              \
    X(ATTN_K_NORM_B, "attn_k_norm.bias")                                                           \
    X(ATTN_K_NORM, "attn_k_norm.weight")                                                           \
    X(ATTN_KV, "attn_kv.weight")                                                                   \
    X(ATTN_KV_A_MQA, "attn_kv_a_mqa.weight")                                                       \
    X(ATTN_KV_A_NORM, "attn_kv_a_norm.weight")                                                     \
    X(ATTN_KV_B, "attn_kv_b.weight")                                                               \
    X(ATTN_NORM_B, "attn_norm.bias")                                                               \
    X(ATTN_NORM, "attn_norm.weight")                                                               \
    X(ATTN_NORM_2, "attn_norm_2.weight")                                                           \
    X(ATTN_OUT_B, "attn_output.bias")                                                              \
    X(ATTN_OUT, "attn_output.weight")                                                              \
    X(ATTN_OUT_A, "attn_output_a.weight")                                                          \
    X(ATTN_OUT_B2, "attn_output_b.weight")                                                         \
    X(ATTN_OUT_NORM, "attn_output_norm.weight")                                                    \
    X(ATTN_Q_B, "attn_q.bias")                                                                     \
    X(ATTN_Q, "attn_q.weight")                                                                     \
    X(ATTN_Q_A, "attn_q_a.weight")                                                                 \
    X(ATTN_Q_A_NORM, "attn_q_a_norm.weight")                                                       \
    X(ATTN_Q_B_UP, "attn_q_b.weight")                                                              \
    X(ATTN_Q_NORM_B, "attn_q_norm.bias")                                                           \
    X(ATTN_Q_NORM, "attn_q_norm.weight")                                                           \
    X(ATTN_QKV_B, "attn_qkv.bias")                                                                 \
    X(ATTN_QKV, "attn_qkv.weight")                                                                 \
    X(ATTN_SINKS, "attn_sinks.weight")                                                             \
    X(ATTN_SUB_NORM, "attn_sub_norm.weight")                                                       \
    X(ATTN_V_B, "attn_v.bias")                                                                     \
    X(ATTN_V, "attn_v.weight")                                                                     \
    X(ATTN_V_B_UP, "attn_v_b.weight")                                                              \
    X(FFN_EXP_PROBS_B, "exp_probs_b.bias")                                                         \
    X(FFN_DOWN_B, "ffn_down.bias")                                                                 \
    X(FFN_DOWN, "ffn_down.weight")                                                                 \
    X(FFN_DOWN_EXPS_B, "ffn_down_exps.bias")                                                       \
    X(FFN_DOWN_EXPS_S, "ffn_down_exps.scale")                                                      \
    X(FFN_DOWN_EXPS, "ffn_down_exps.weight")                                                       \
    X(FFN_DOWN_SHEXP, "ffn_down_shexp.weight")                                                     \
    X(FFN_GATE_B, "ffn_gate.bias")                                                                 \
    X(FFN_GATE, "ffn_gate.weight")                                                                 \
    X(FFN_GATE_EXPS_B, "ffn_gate_exps.bias")                                                       \
    X(FFN_GATE_EXPS, "ffn_gate_exps.weight")                                                       \
    X(FFN_GATE_INP_B, "ffn_gate_inp.bias")                                                         \
    X(FFN_GATE_INP_S, "ffn_gate_inp.scale")                                                        \
    X(FFN_GATE_INP, "ffn_gate_inp.weight")                                                         \
    X(FFN_GATE_INP_SHEXP, "ffn_gate_inp_shexp.weight")                                             \
    X(FFN_GATE_SHEXP, "ffn_gate_shexp.weight")                                                     \
    X(FFN_GATE_TID2EID, "ffn_gate_tid2eid.weight")                                                 \
    X(FFN_GATE_UP_EXPS, "ffn_gate_up_exps.weight")                                                 \
    X(FFN_LATENT_DOWN, "ffn_latent_down.weight")                                                   \
    X(FFN_LATENT_NORM, "ffn_latent_norm.weight")                                                   \
    X(FFN_LATENT_UP, "ffn_latent_up.weight")                                                       \
    X(FFN_NORM_BARE, "ffn_norm")                                                                   \
    X(FFN_NORM_B, "ffn_norm.bias")                                                                 \
    X(FFN_NORM, "ffn_norm.weight")                                                                 \
    X(FFN_SUB_NORM, "ffn_sub_norm.weight")                                                         \
    X(FFN_UP_B, "ffn_up.bias")                                                                     \
    X(FFN_UP, "ffn_up.weight")                                                                     \
    X(FFN_UP_EXPS_B, "ffn_up_exps.bias")                                                           \
    X(FFN_UP_EXPS, "ffn_up_exps.weight")                                                           \
    X(FFN_UP_SHEXP, "ffn_up_shexp.weight")                                                         \
    X(HC_ATTN_BASE, "hc_attn_base.weight")                                                         \
    X(HC_ATTN, "hc_attn_fn.weight")                                                                \
    X(HC_ATTN_SCALE, "hc_attn_scale.weight")                                                       \
    X(HC_FFN_BASE, "hc_ffn_base.weight")                                                           \
    X(HC_FFN, "hc_ffn_fn.weight")                                                                  \
    X(HC_FFN_SCALE, "hc_ffn_scale.weight")                                                         \
    X(INDEX_K, "indexer.attn_k.weight")                                                            \
    X(INDEX_Q_B, "indexer.attn_q_b.weight")                                                        \
    X(INDEX_K_NORM_B, "indexer.k_norm.bias")                                                       \
    X(INDEX_K_NORM, "indexer.k_norm.weight")                                                       \
    X(INDEX_K_PROJ, "indexer.k_proj.weight")                                                       \
    X(INDEX_PROJ, "indexer.proj.weight")                                                           \
    X(INDEX_Q_NORM, "indexer.q_norm.weight")                                                       \
    X(INDEX_Q_PROJ, "indexer.q_proj.weight")                                                       \
    X(INDEX_COMPRESSOR_APE, "indexer_compressor_ape.weight")                                       \
    X(INDEX_COMPRESSOR_GATE, "indexer_compressor_gate.weight")                                     \
    X(INDEX_COMPRESSOR_KV, "indexer_compressor_kv.weight")                                         \
    X(INDEX_COMPRESSOR_NORM, "indexer_compressor_norm.weight")                                     \
    X(PER_LAYER_GATE, "inp_gate.weight")                                                           \
    X(LAUREL_L, "laurel_l.weight")                                                                 \
    X(LAUREL_POST_NORM, "laurel_post_norm.weight")                                                 \
    X(LAUREL_R, "laurel_r.weight")                                                                 \
    X(LAYER_OUT_SCALE, "layer_output_scale.weight")                                                \
    X(ATTN_POST_NORM, "post_attention_norm.weight")                                                \
    X(FFN_POST_NORM, "post_ffw_norm.weight")                                                       \
    X(FFN_POST_NORM_1, "post_ffw_norm_1.weight")                                                   \
    X(FFN_POST_NORM_2, "post_ffw_norm_2.weight")                                                   \
    X(PER_LAYER_POST_NORM, "post_norm.weight")                                                     \
    X(FFN_PRE_NORM_2, "pre_ffw_norm_2.weight")                                                     \
    X(PER_LAYER_PROJ, "proj.weight")                                                               \
    X(SHORTCONV, "shortconv.conv.weight")                                                          \
    X(SHORTCONV_IN, "shortconv.in_proj.weight")                                                    \
    X(SHORTCONV_OUT, "shortconv.out_proj.weight")                                                  \
    X(SSM_A, "ssm_a")                                                                              \
    X(SSM_ALPHA, "ssm_alpha.weight")                                                               \
    X(SSM_B_NORM, "ssm_b_norm.weight")                                                             \
    X(SSM_BA, "ssm_ba.weight")                                                                     \
    X(SSM_BETA, "ssm_beta.weight")                                                                 \
    X(SSM_C_NORM, "ssm_c_norm.weight")                                                             \
    X(SSM_CONV_B, "ssm_conv1d.bias")                                                               \
    X(SSM_CONV, "ssm_conv1d.weight")                                                               \
    X(SSM_CONV_K, "ssm_conv1d_k.weight")                                                           \
    X(SSM_CONV_Q, "ssm_conv1d_q.weight")                                                           \
    X(SSM_CONV_V, "ssm_conv1d_v.weight")                                                           \
    X(SSM_D, "ssm_d")                                                                              \
    X(SSM_DT_B, "ssm_dt.bias")                                                                     \
    X(SSM_DT, "ssm_dt.weight")                                                                     \
    X(SSM_DT_NORM, "ssm_dt_norm.weight")                                                           \
    X(SSM_F_A, "ssm_f_a.weight")                                                                   \
    X(SSM_F_B, "ssm_f_b.weight")                                                                   \
    X(SSM_G_A, "ssm_g_a.weight")                                                                   \
    X(SSM_G_B, "ssm_g_b.weight")                                                                   \
    X(SSM_IN, "ssm_in.weight")                                                                     \
    X(SSM_NORM, "ssm_norm.weight")                                                                 \
    X(SSM_OUT, "ssm_out.weight")                                                                   \
    X(SSM_X, "ssm_x.weight")

typedef enum block_part {
#define BLOCK_PART_ENUM(suffix, name) PART_##suffix,
    BLOCK_PART_LIST(BLOCK_PART_ENUM)
#undef BLOCK_PART_ENUM
        PART_COUNT
} block_part;

/* PART_COUNT if a graph has no use for the tensor. */
block_part mf_block_part_of(const mf_tensor *tensor);

#endif
