/*
 * graph_arch.h - which graph llama.cpp b10470 builds for an architecture.
 */
#ifndef MF_MEMORY_GRAPH_ARCH_H
#define MF_MEMORY_GRAPH_ARCH_H

#include "memory/build.h"

/* What a graph stands on. */
typedef enum graph_ground {
    GRAPH_EXACT,    /* tests/truth holds it to llama.cpp's own bytes */
    GRAPH_COMPOSED, /* put together from pieces that other graphs have */
    GRAPH_ABSENT, /* llama.cpp has no such architecture (src/llama-arch.cpp), so that nothing of it runs there */
} graph_ground;

typedef struct graph_arch {
    const char *name; /* general.architecture; NULL for all that have no row */
    void (*build)(builder *b);
    graph_traits traits;
    graph_ground ground;
} graph_arch;

/* Never NULL: an architecture without a row gets the general one, which is not exact. */
const graph_arch *mf_graph_arch_get(const char *architecture);

/* One file for each family: graph_plain.c, graph_latent.c, ... */
void mf_graph_plain(builder *b);
void mf_graph_llama4(builder *b);
void mf_graph_latent(builder *b);
void mf_graph_gemma(builder *b);
void mf_graph_gemma3n(builder *b);
void mf_graph_hybrid(builder *b);
void mf_graph_falcon_h1(builder *b);
void mf_graph_qwen_hybrid(builder *b);
void mf_graph_mixers(builder *b);
void mf_graph_compressed(builder *b);
void mf_graph_blocks(builder *b);

/* Shared by them: queries, keys and values of plain attention, one case ready to be attended. */
attention_case mf_graph_qkv(builder *b, const build_layer *l, graph_tensor x);
graph_tensor mf_graph_latent_attention(builder *b, const build_layer *l, graph_tensor x);
/* Gemma 3, 3n and 4: attention, and the per-layer inputs or GRAPH_NONE. */
graph_tensor mf_graph_gemma_attention(builder *b, const build_layer *l, graph_tensor x);
graph_tensor mf_graph_gemma_inputs(builder *b, graph_tensor x);
/* Dense or experts with a shared one beside them. */
graph_tensor mf_graph_feed_forward(builder *b, const build_layer *l, graph_tensor x);

#endif
