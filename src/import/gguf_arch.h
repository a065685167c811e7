/*
 * gguf_arch.h - what llama.cpp hard-codes per architecture and a GGUF file does not say.
 *
 * Metadata wins wherever it speaks. An architecture without a row here is refused: whether its windows, states or
 * caches follow the metadata can't be known.
 */
#ifndef MF_IMPORT_GGUF_ARCH_H
#define MF_IMPORT_GGUF_ARCH_H

#include "memfit/model.h"

typedef enum mf_window_rule {
    MF_WINDOW_IGNORED, /* no sliding layers, even if the file names a window (Mistral v0.1, Phi-3, Qwen2) */
    MF_WINDOW_OPTIONAL, /* sliding layers if the file names a window above 0 */
    MF_WINDOW_REQUIRED, /* a file without a window is broken */
    MF_WINDOW_CHUNKED,  /* Llama 4: always chunks of `window`, unless the file says 0 */
} mf_window_rule;

typedef struct mf_gguf_arch {
    const char *name; /* general.architecture */
    mf_window_rule windows;
    uint32_t window; /* if the file names none */
    uint32_t
        window_period; /* without a pattern in the file: the last layer of so many sees everything; 0: a pattern
                               is required */
    uint32_t window_depth; /* only models of so many layers slide; 0: all do */
    bool full_first;       /* the first instead of the last */
    bool
        compresses; /* DeepSeek V4: all layers slide, entries for several tokens stand for the rest */
    mf_recurrent_kind recurrent; /* of layers that have state tensors */
    bool attention_beside_state; /* such layers attend as well (Falcon-H1) */
    bool nextn_has_cache;        /* llama.cpp allocates a KV cache for NextN blocks */
    uint32_t
        layers_with_own_cache; /* Gemma 3n without attention.shared_kv_layers: all later layers share */
} mf_gguf_arch;

/* Borrowed, static storage; NULL if there are no rules for it. */
const mf_gguf_arch *mf_gguf_arch_get(const char *name);

#endif
