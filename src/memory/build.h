/*
 * build.h - the pieces that llama.cpp's graphs are put together from (src/llama-graph.cpp and src/models at b10470).
 *
 * A piece creates the tensors that its counterpart in llama.cpp creates, with the same sources, and appends them where
 * that one calls ggml_build_forward_expand. Element counts are those of a prompt of one micro-batch.
 */
#ifndef MF_MEMORY_BUILD_H
#define MF_MEMORY_BUILD_H

#include "memfit/workload.h"
#include "memory/footprint.h"
#include "memory/galloc.h"

/* Where llama.cpp picks the rows whose logits are asked for (ggml_get_rows by inp_out_ids). */
typedef enum rows_picked {
    ROWS_IN_LAST_LAYER,
    ROWS_BEFORE_NORM, /* behind the last layer, whose result stays for a draft model */
    ROWS_AFTER_NORM,  /* behind the final norm, whose result stays */
} rows_picked;

typedef enum gating {
    GATE_SOFTMAX,
    GATE_SIGMOID,
    GATE_SOFTMAX_CHOSEN, /* over the chosen experts only (gpt-oss) */
    GATE_SOFTPLUS,       /* its square root (DeepSeek V4) */
} gating;

/* Whose kernels' scratch lies behind the data of what they compute. */
typedef enum graph_scratch {
    SCRATCH_NONE,
    SCRATCH_METAL,
    SCRATCH_CUDA, /* and HIP */
} graph_scratch;

/* What llama.cpp has fused kernels for, in the order in which it asks whether they run where their layers lie; one that does
   not in some layer is given up in all (llama-context.cpp: resolve_fused_ops). */
typedef enum fused_op {
    FUSED_DELTA_STEP, /* a token a sequence */
    FUSED_DELTA,
    FUSED_INDEXER,
    FUSED_JOIN, /* DeepSeek V4's residual streams */
    FUSED_MIX,
    FUSED_SPREAD,
    FUSED_OPS
} fused_op;

typedef struct fused_tensor {
    graph_tensor tensor;
    fused_op op;
    int8_t layer_place;
} fused_tensor;

/* What an architecture's graph has that neither geometry nor tensors tell. */
typedef struct graph_traits {
    rows_picked rows;
    gating gating;
    bool layer_norm; /* mean and variance: never written in place */
    bool scale_embedding;
    bool scale_query;
    bool scale_residual;
    bool scale_hidden; /* before the output */
    bool scale_logits;
    bool cap_logits;
    bool cap_scores;    /* of attention; without flash attention */
    bool plain_weights; /* of experts: not normed */
    bool scale_weights; /* of experts */
    bool no_rope;
    bool rope_in_windows; /* only there, where a model has both kinds of layers */
    bool parallel;        /* attention and feed forward read the same normed input */
    bool relu_squared;
    bool residual_first; /* the last sum of a layer is residual + result, not the other way round */
    bool bare_norms;     /* no weights (OLMo) */
    bool norm_embedding;
    bool late_rows;      /* picked behind the norm of attention's result */
    bool loose_norms;    /* of results: they run anywhere */
    bool loose_ends;     /* of feed forward's results alone */
    bool norm_turned;    /* queries and keys are normed behind their rope */
    bool output_first;   /* a tied embedding is loaded as the output before it is for itself */
    uint32_t rope_depth; /* rope in models of so many layers only; 0: in all */
    uint32_t
        n_sparse; /* layers whose gate keeps its largest activations only (Gemma 3n): the first ones */
    uint32_t rope_period; /* every so manieth layer has none */
    uint32_t n_positions; /* per token; 0 is 1 (multimodal rope: 4) */
} graph_traits;

/* One layer of the graph, in the order of the layers; runs of equal ones are shortened. */
typedef struct build_layer {
    const mf_layer *shape;
    const mf_tensor *const *parts; /* PART_COUNT, NULL where the layer has none */
    const int8_t *part_places;     /* PART_COUNT, or NULL: all lie where the next two say */
    int8_t place;
    int8_t expert_place;
    int8_t cache_place;
    uint32_t index; /* in the model */
} build_layer;

/* Inputs that belong to one kind of cache. */
typedef struct cache_inputs {
    uint64_t cells;
    uint64_t widest_value; /* without flash attention V is transposed, all rows are as wide */
    graph_tensor k_rows;
    graph_tensor v_rows;
    graph_tensor mask;
    graph_tensor k_rotation; /* Hadamard matrices of quantized caches */
    graph_tensor v_rotation;
} cache_inputs;

typedef struct state_inputs {
    graph_tensor main;  /* states of the batch's sequences */
    graph_tensor extra; /* others that are moved: none in the worst case */
} state_inputs;

typedef struct builder {
    graph *g;
    const mf_footprint *footprint;
    const mf_model *model;
    const mf_workload *workload;
    const graph_traits *traits;
    build_layer *layers;
    size_t n_layers;
    const build_layer *current;  /* NULL before the first */
    const int8_t *tensor_places; /* compute_setup */
    int8_t host_place;
    int8_t input_place; /* of what stands before the layers and is no table (Gemma's projections) */
    int8_t output_place;
    graph_scratch scratch;
    bool offloads;   /* devices take weights of the host along (schedule.h) */
    bool norms_stay; /* llama-context.cpp, graph_get_cb: norms run with their layer */
    bool
        attends_on_host; /* llama-graph.cpp, build_attn_mha: with its cache there, without flash attention */
    bool two_caches; /* full and sliding-window layers */
    bool unfused[FUSED_OPS];
    fused_tensor *fused; /* of the graph, room for all; NULL: not asked for */
    size_t n_fused;
    uint64_t n_tokens;
    uint64_t n_outputs;
    uint64_t n_sequences;
    uint64_t n_streams;
    cache_inputs full;
    cache_inputs window;
    cache_inputs index; /* keys of sparse attention */
    graph_tensor
        selected; /* the cells that it attends: of this layer, or of an earlier one that shares them */
    state_inputs states;
    graph_tensor tokens;
    graph_tensor positions;
    graph_tensor output_rows;
    graph_tensor attention_scale; /* Llama 4: temperature by position */
    graph_tensor
        rope_factors[GALLOC_MAX_BUFFERS]; /* by place: all layers there read the same ones */
    graph_tensor weights[PART_COUNT];     /* of the current layer that were read already */
    graph_tensor *first_ids; /* n_layers + 1: the first tensor of each layer and of what follows */
} builder;

/* build.c: single operations. A bias or norm that a layer does not have (or PART_COUNT) is left out. */
bool mf_build_has(const build_layer *l, block_part part);
uint64_t mf_build_dim(const build_layer *l, block_part part, size_t dim); /* 0 without the tensor */
uint64_t mf_build_ne(const builder *b, graph_tensor t, size_t dim);
graph_shape mf_build_shape(const builder *b, graph_tensor t);

int8_t mf_build_place(const build_layer *l, block_part part); /* of a tensor that the layer has */
/* Which fused kernels the model's graph has; false for none. */
bool mf_build_list_fused(bool *has, const mf_footprint *f);
/* Notes t, which op's fused kernel makes. */
graph_tensor mf_build_fused(builder *b, const build_layer *l, fused_op op, graph_tensor t);
graph_tensor mf_build_weight(builder *b, const build_layer *l, block_part part);
/* A tensor outside the layers, told by its shape; `place` unless tensors have places of their own. */
graph_tensor mf_build_global(builder *b, graph_shape shape, int8_t place);
/* The table that tokens are looked up in, and the one that makes logits: often one tensor. */
graph_tensor mf_build_embedding_table(builder *b);
graph_tensor mf_build_output_table(builder *b);
graph_tensor mf_build_mul_mat(builder *b, graph_tensor w, graph_tensor x);
graph_tensor mf_build_get_rows(builder *b, graph_tensor table, graph_tensor rows);
graph_tensor
mf_build_in_place(builder *b, graph_tensor x, graph_tensor y); /* as x; y may be none */
graph_tensor
mf_build_own(builder *b, graph_tensor x, graph_tensor y); /* as x, in memory of its own */
graph_tensor mf_build_concat(builder *b, graph_tensor x, graph_tensor y);
graph_tensor mf_build_reshape(
    builder *b, graph_tensor x, uint64_t ne0, uint64_t ne1, uint64_t ne2, uint64_t ne3);
graph_tensor mf_build_swap(builder *b, graph_tensor x, int axis, int other);
graph_tensor mf_build_rope(builder *b, graph_tensor x);
graph_tensor
mf_build_linear(builder *b, const build_layer *l, block_part w, block_part bias, graph_tensor x);
graph_tensor mf_build_rms(builder *b, graph_tensor x); /* no weight */
graph_tensor
mf_build_norm(builder *b, const build_layer *l, block_part w, block_part bias, graph_tensor x);

/* llama.cpp names no layer for it: it runs anywhere. */
graph_tensor mf_build_loose_norm(builder *b, const build_layer *l, block_part w, graph_tensor x);

/* build_attention.c */
typedef struct attention_case {
    const build_layer *layer;
    graph_tensor q; /* width x heads x tokens */
    graph_tensor k; /* GRAPH_NONE where an earlier layer's cache is read */
    graph_tensor v;
    graph_tensor v_up; /* latent attention: what widens the result */
    uint64_t key_dim;
    uint64_t value_dim;
    uint64_t n_kv_heads;
    bool window;
    graph_tensor selected; /* sparse attention: only these cells are seen */
    bool value_in_key;     /* latent attention: values are the head of the keys */
    bool keep;             /* the caller projects the result */
    bool keys_first;       /* into the order, before the values */
} attention_case;

/* One row of keys per token goes to its cache; all of that cache. */
graph_tensor
mf_build_store_keys(builder *b, const build_layer *l, graph_tensor k, const cache_inputs *in);
/* Keys as they lie in a cache of that many cells, to be read. */
graph_tensor mf_build_cache(builder *b, const build_layer *l, uint64_t width, uint64_t cells);
graph_tensor mf_build_attention(builder *b, const attention_case *c);

/* What is attended: width x heads x cells x streams. */
typedef struct attention_parts {
    graph_tensor q, k, v, mask, sinks;
} attention_parts;

graph_tensor mf_build_attend(builder *b, const attention_case *c, attention_parts in);
/* By the Hadamard matrix of a quantized cache, or as it is. */
graph_tensor mf_build_rotate(builder *b, graph_tensor x, graph_tensor rotation);
/* Queries, keys and values go into the order and to their caches; what is to be read. */
attention_parts mf_build_store(builder *b, const attention_case *c);
/* What sparse attention's index scores: cells x tokens x 1 x streams. Queries are width x heads x tokens x streams, keys
   width x 1 x cells x streams, weights heads x tokens x 1 x streams. */
typedef struct index_case {
    graph_tensor q, keys, weights, mask;
} index_case;

graph_tensor mf_build_index(builder *b, const build_layer *l, const index_case *c);
/* A mask in which only the selected cells are seen; they are unmasked by zeros of so many bytes. */
graph_tensor mf_build_select(builder *b, graph_tensor mask, graph_tensor selected, uint8_t bytes);
uint64_t mf_build_row_bytes(mf_tensor_type type, uint64_t width);
/* What is read of a cache: CUDA fills the last row of a copy up. */
graph_tensor mf_build_filled(builder *b, graph_tensor view, mf_tensor_type type);

/* One flash attention, as kernels count what they need behind its result. */
typedef struct flash_case {
    uint64_t n_tokens; /* of a stream */
    uint64_t n_heads;
    uint64_t n_kv_heads;
    uint64_t row_heads; /* in a row of the cache */
    uint64_t n_streams;
    uint64_t cells;
    uint64_t key_dim;
    uint64_t value_dim;
    bool value_in_key;
    bool unpacks_f32; /* caches of f32 are not cast before */
} flash_case;

void mf_build_flash_scratch(builder *b, graph_tensor x, const flash_case *c);
attention_case mf_build_plain_case(const build_layer *l);

/* build_compressor.c: caches with one entry for every so many tokens. */
typedef struct entry_kind {
    uint64_t ratio;
    uint64_t width;
    bool overlaps;      /* an entry reads the tokens of the one before as well */
    bool selects;       /* scored by the fused kernel, which reads a mask of halves */
    bool always_turned; /* by a Hadamard matrix, not only where quantized */
    block_part kv, gate, place, norm;
} entry_kind;

typedef struct entry_inputs {
    entry_kind kind;
    uint64_t n_new;  /* entries that a micro-batch completes */
    uint64_t n_rows; /* of the compressor's state, all sequences */
    uint64_t n_kept;
    cache_inputs cache;
    graph_tensor place, kept, kept_rows, read, positions;
} entry_inputs;

entry_inputs mf_build_entry_inputs(builder *b, const entry_kind *kind);
/* Completes entries from x and stores them, and the state. */
void mf_build_compress(builder *b, const build_layer *l, const entry_inputs *in, graph_tensor x);
/* All entries: width x 1 x entries x streams. */
graph_tensor mf_build_entries(builder *b, const build_layer *l, const entry_inputs *in);
/* The last `rope` elements of every head turned. */
graph_tensor mf_build_turn_tail(builder *b, graph_tensor x, uint64_t rope, graph_tensor positions);

/* build_ffn.c */
graph_tensor mf_build_ffn(builder *b, const build_layer *l, graph_tensor x);
graph_tensor mf_build_shared(builder *b, const build_layer *l, graph_tensor x);

typedef struct moe_case {
    const build_layer *layer;
    gating gating;
    bool norm_weights;
    bool scale_weights;
    bool weight_first;   /* Llama 4: before the experts */
    graph_tensor logits; /* GRAPH_NONE: from the router */
    graph_tensor chosen; /* GRAPH_NONE: the experts of the highest scores */
} moe_case;

graph_tensor mf_build_moe(builder *b, const moe_case *c, graph_tensor x);

/* build_state.c: what layers with a state share. A state cache has a row for every sequence. */
typedef struct scan_case {
    graph_tensor x, dt, a, b, c;
    uint64_t inner;
} scan_case;

/* The channels that a causal convolution runs over; the last taps - 1 tokens come from a state and go back there. */
typedef struct convolution {
    graph_tensor input; /* tokens first */
    uint64_t taps;
    uint64_t channels;
} convolution;

graph_tensor mf_build_state_cache(builder *b, const build_layer *l, uint64_t width);
/* The states as they are, or what a scan makes of them. */
graph_tensor mf_build_read_state(builder *b, graph_tensor cache, const scan_case *scan);
void mf_build_write_state(builder *b, graph_tensor cache, graph_tensor last);
convolution mf_build_convolution(builder *b, graph_tensor cache, graph_tensor kept, graph_tensor x);
/* Convolved, with bias, activated. */
graph_tensor mf_build_convolve(
    builder *b, const build_layer *l, block_part kernel, block_part bias, const convolution *c);
graph_tensor mf_build_by_sequence(builder *b, graph_tensor x); /* tokens of each sequence apart */
graph_tensor
mf_build_project_back(builder *b, const build_layer *l, block_part out, graph_tensor y);

/* build_chunks.c: what delta layers compute with. */
typedef struct delta_parts {
    graph_tensor q, k, v; /* width x heads x tokens x sequences */
    graph_tensor decay;   /* of every head, or of its channels as well */
    graph_tensor beta;
    graph_tensor state;
} delta_parts;

typedef struct delta_result {
    graph_tensor y;
    graph_tensor state;
} delta_result;

delta_result mf_build_unfused_delta(builder *b, const delta_parts *in);

/* build_mamba.c, build_delta.c: one layer's mixer each. */
graph_tensor mf_build_mamba1(builder *b, const build_layer *l, graph_tensor x);
graph_tensor mf_build_mamba2(builder *b, const build_layer *l, graph_tensor x);
graph_tensor mf_build_delta(builder *b, const build_layer *l, graph_tensor x);
graph_tensor mf_build_channel_delta(builder *b, const build_layer *l, graph_tensor x); /* Kimi */
graph_tensor mf_build_short_convolution(builder *b, const build_layer *l, graph_tensor x);

/* build_frame.c: what stands around the layers. */
void mf_build_inputs(builder *b);
/* Of a cache with one head of keys: the Hadamard matrix if its type or `always` asks for one. */
graph_tensor mf_build_key_rotation(builder *b, uint64_t width, bool always);
graph_tensor mf_build_embedding(builder *b);
void mf_build_begin_layer(builder *b, size_t i);
/* What a block adds to the residual, times the model's factor where it has one. */
graph_tensor mf_build_scaled(builder *b, graph_tensor x);
/* In the last layer: the rows that are asked for, of both. */
void mf_build_pick(builder *b, const build_layer *l, graph_tensor *x, graph_tensor *residual);
/* Final norm and logits. */
void mf_build_output(builder *b, graph_tensor x);

#endif
