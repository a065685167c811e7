/*
 * gguf_seen.h - which of the telling tensors a layer has.
 */
#ifndef MF_IMPORT_GGUF_SEEN_H
#define MF_IMPORT_GGUF_SEEN_H

#include <stdbool.h>

#include "memfit/model.h"

/* X(name, what follows "blk.N.") */
#define MF_SEEN_LIST(X)                                                                            \
    X(MF_SEEN_ATTN_OUTPUT, "attn_output.weight")                                                   \
    X(MF_SEEN_ATTN_OUTPUT_B, "attn_output_b.weight")                                               \
    X(MF_SEEN_ATTN_QKV, "attn_qkv.weight")                                                         \
    X(MF_SEEN_FFN_DOWN, "ffn_down.weight")                                                         \
    X(MF_SEEN_FFN_GATE, "ffn_gate.weight")                                                         \
    X(MF_SEEN_FFN_UP, "ffn_up.weight")                                                             \
    X(MF_SEEN_DOWN_EXPS, "ffn_down_exps.weight")                                                   \
    X(MF_SEEN_GATE_EXPS, "ffn_gate_exps.weight")                                                   \
    X(MF_SEEN_GATE_UP_EXPS, "ffn_gate_up_exps.weight")                                             \
    X(MF_SEEN_DOWN_SHEXP, "ffn_down_shexp.weight")                                                 \
    X(MF_SEEN_SHORTCONV, "shortconv.conv.weight")                                                  \
    X(MF_SEEN_INDEXER, "indexer.attn_k.weight")                                                    \
    X(MF_SEEN_BLOCK_INDEXER, "indexer.k_proj.weight")

typedef enum mf_seen_tensor {
#define MF_SEEN_ENUM(name, suffix) name,
    MF_SEEN_LIST(MF_SEEN_ENUM)
#undef MF_SEEN_ENUM
        MF_SEEN_COUNT
} mf_seen_tensor;

typedef struct mf_seen {
    const mf_tensor *of[MF_SEEN_COUNT]; /* NULL: not there */
    bool has_state;                     /* any tensor of a recurrent part */
    bool has_ffn;                       /* any tensor of a feed forward part or of routed experts */
    bool has_any;
} mf_seen;

/* Notes what a tensor tells about its layer. */
void mf_seen_note(mf_seen *seen, const mf_tensor *tensor);

#endif
