/*
 * small_model.h - a small model that tests break in many ways. Nothing in it is round: heads times width is not the
 * hidden size, keys and values differ, three layers.
 */
#ifndef MF_TESTS_UNIT_IMPORT_SMALL_MODEL_H
#define MF_TESTS_UNIT_IMPORT_SMALL_MODEL_H

#define SMALL_MODEL                                                                                \
    "general.architecture str llama\n"                                                             \
    "general.alignment u32 32\n"                                                                   \
    "general.file_type u32 2\n"                                                                    \
    "general.name str Small One\n"                                                                 \
    "general.license str apache-2.0\n"                                                             \
    "llama.block_count u32 3\n"                                                                    \
    "llama.embedding_length u32 160\n"                                                             \
    "llama.context_length u32 4096\n"                                                              \
    "llama.feed_forward_length arr_i32 224 2*288\n"                                                \
    "llama.attention.head_count u32 6\n"                                                           \
    "llama.attention.head_count_kv arr_u32 3*2\n"                                                  \
    "llama.attention.key_length u32 24\n"                                                          \
    "llama.attention.value_length u64 40\n"                                                        \
    "tokenizer.ggml.tokens arr_str 96*token\n"                                                     \
    "tokenizer.ggml.scores arr_f32 96*0.5\n"                                                       \
    "tokenizer.ggml.merges arr_str 131*pair\n"                                                     \
    "tensors\n"                                                                                    \
    "token_embd.weight 160x96 q8_0\n"                                                              \
    "output_norm.weight 160 f32\n"                                                                 \
    "output.weight 160x96 f16\n"                                                                   \
    "blk.{0-2}.attn_norm.weight 160 f32\n"                                                         \
    "blk.{0-2}.attn_q.weight 160x144 q4_0\n"                                                       \
    "blk.{0-2}.attn_k.weight 160x48 q4_0\n"                                                        \
    "blk.{0-2}.attn_v.weight 160x80 q4_0\n"                                                        \
    "blk.{0-2}.attn_output.weight 240x160\n"                                                       \
    "blk.{0-2}.ffn_norm.weight 160 f32\n"                                                          \
    "blk.{0}.ffn_gate.weight 160x224\n"                                                            \
    "blk.{0}.ffn_up.weight 160x224\n"                                                              \
    "blk.{0}.ffn_down.weight 224x160\n"                                                            \
    "blk.{1-2}.ffn_gate.weight 160x288\n"                                                          \
    "blk.{1-2}.ffn_up.weight 160x288\n"                                                            \
    "blk.{1-2}.ffn_down.weight 288x160 q5_1\n"

#endif
