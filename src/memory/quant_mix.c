/*
 * quant_mix.c - the format of every tensor, as the tools that make the files choose it.
 *
 * GGUF mixes: the table of quant_mixes.c, then the fallbacks of llama.cpp b10470,
 * src/llama-quant.cpp. mlx-lm 0.31: utils.quantize_model. Published UD files differ from model to
 * model, so what is said of them here is an estimate.
 */
#include <stdlib.h>
#include <string.h>

#include "memfit/memory.h"
#include "memory/quant_mixes.h"
#include "memory/quant_names.h"

/* What the rules ask about the whole model. */
typedef struct traits {
    uint32_t n_values;     /* tensors of the "attention v" kind */
    uint32_t n_downs;      /* llama-quant.cpp sets it to the number of layers */
    uint32_t n_experts;    /* 0 for a dense model */
    uint32_t heads_per_kv; /* of layer 0 */
    bool llama_70b;
    bool has_output;
} traits;

/* Where a tensor stands among those of its kind, in the order of layers. */
typedef struct position {
    uint32_t index;
    uint32_t count;
} position;

static const char *block_suffix(const mf_tensor *tensor)
{
    const char *dot = tensor->layer >= 0 ? strchr(tensor->name + strlen("blk."), '.') : NULL;
    return dot != NULL ? dot + 1 : tensor->name;
}

static name_kind kind_of(const char *suffix)
{
    static const struct {
        const char *name;
        name_kind kind;
        bool begins; /* other names begin with it */
    } kinds[] = {
        {"attn_v.weight",      NAME_VALUE,            false},
        {"attn_qkv.weight",    NAME_VALUE,            false},
        {"attn_kv_b.weight",   NAME_VALUE,            false},
        {"ffn_down",           NAME_DOWN,             true },
        {"attn_k.weight",      NAME_KEY,              false},
        {"attn_q.weight",      NAME_QUERY,            false},
        {"attn_output.weight", NAME_ATTENTION_OUTPUT, false},
        {"ffn_gate",           NAME_GATE_UP,          true },
        {"ffn_up",             NAME_GATE_UP,          true },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *name = kinds[i].name;
        if (kinds[i].begins ? strncmp(suffix, name, strlen(name)) == 0
                            : strcmp(suffix, name) == 0) {
            return kinds[i].kind;
        }
    }
    return NAME_OTHER;
}

/* Small tensors that llama-quantize leaves as they are (tensor_allows_quantization). */
static bool is_kept(const mf_tensor *tensor)
{
    static const char *const kept[] = {"altup",
                                       "laurel",
                                       "per_layer_model_proj",
                                       "ffn_gate_tid2eid",
                                       "indexer.k_proj",
                                       "indexer.q_proj"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strstr(tensor->name, kept[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void mf_quant_names(name_traits *names, const mf_model *model)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        const bool is_f32 = mf_tensor_stays_f32(tensor->name, tensor->n_dims);
        names[i] = (name_traits){.kind = kind_of(block_suffix(tensor)),
                                 .is_f32 = is_f32,
                                 .stays = is_f32 || is_kept(tensor)};
    }
}

/* llama.cpp reads the ratio at layer 0: metadata that is one number holds there even if the layer
   is linear attention (Qwen3-Next), an array says 0 (Granite hybrid, Nemotron-H). */
static uint32_t heads_per_kv(const mf_model *model)
{
    size_t layer = 0;
    if (model->layers[0].recurrent.kind == MF_RECURRENT_DELTA) {
        while (layer + 1 < model->n_layers &&
               model->layers[layer].attention.kind == MF_ATTENTION_NONE) {
            layer++;
        }
    }
    const mf_attention *a = &model->layers[layer].attention;
    switch (a->kind) {
    case MF_ATTENTION_NONE:
        return 0;
    case MF_ATTENTION_GQA:
        return a->n_kv_heads > 0 ? a->n_heads / a->n_kv_heads : 0;
    case MF_ATTENTION_MLA:
        return a->n_heads; /* one latent for all heads */
    }
    return 0;
}

static traits traits_of(const mf_model *model, const name_traits *names)
{
    enum { LAYERS_OF_70B = 80 };
    traits t = {.n_downs = (uint32_t)model->n_layers, .heads_per_kv = heads_per_kv(model)};
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_ffn *ffn = &model->layers[i].ffn;
        if (ffn->kind == MF_FFN_MOE && ffn->n_experts > t.n_experts) {
            t.n_experts = ffn->n_experts;
        }
    }
    for (size_t i = 0; i < model->n_tensors; i++) {
        t.has_output |= model->tensors[i].role == MF_ROLE_OUTPUT;
        t.n_values += names[i].kind == NAME_VALUE ? 1 : 0;
    }
    t.llama_70b = model->architecture != NULL && strcmp(model->architecture, "llama") == 0 &&
                  model->n_layers == LAYERS_OF_70B && t.heads_per_kv > 1;
    return t;
}

/* use_more_bits of llama-quant.cpp, integer division included. */
static bool more_bits(position p)
{
    const uint32_t eighth = p.count / 8;
    return p.index < eighth || p.index >= 7 * p.count / 8 || (p.index - eighth) % 3 == 2;
}

static bool holds(mix_condition when, position p, const traits *t)
{
    enum { SHARED = 4 };
    switch (when) {
    case NEVER:
        return false;
    case ALWAYS:
        return true;
    case MORE_BITS:
        return more_bits(p);
    case FIRST_TWO:
        return p.index < 2;
    case FIRST_FOUR:
        return p.index < 4;
    case FIRST_EIGHTH:
        return p.index < p.count / 8;
    case FIRST_SIXTEENTH:
        return p.index < p.count / 16;
    case GQA_OF_FOUR:
        return t->heads_per_kv >= SHARED;
    case GQA_OR_EXPERTS:
        return t->heads_per_kv >= SHARED || t->n_experts >= SHARED;
    case MIDDLE:
        return p.index >= p.count / 8 && p.index < 7 * p.count / 8;
    }
    return false;
}

static mf_tensor_type apply(const mix_rule *r, position p, const quant_mix *m, const traits *t)
{
    const mf_tensor_type type = holds(r->when, p, t) ? r->then : r->otherwise;
    return type == MIX_BASE ? m->base : type;
}

static mf_tensor_type or_base(mf_tensor_type type, const quant_mix *m)
{
    return type == MIX_BASE ? m->base : type;
}

static mf_tensor_type value_type(position p, const quant_mix *m, const traits *t)
{
    const mf_tensor_type type = apply(&m->value, p, m, t);
    if (t->n_experts == 8) {
        return MF_TYPE_Q8_0;
    }
    return t->llama_70b && (type == MF_TYPE_Q3_K || type == MF_TYPE_Q4_K) ? MF_TYPE_Q5_K : type;
}

static mf_tensor_type block_type(name_kind kind, position p, const quant_mix *m, const traits *t)
{
    switch (kind) {
    case NAME_VALUE:
        return value_type(p, m, t);
    case NAME_DOWN:
        return apply(&m->down, p, m, t);
    case NAME_KEY:
        return t->n_experts == 8 ? MF_TYPE_Q8_0 : or_base(m->key_query, m);
    case NAME_QUERY:
        return or_base(m->key_query, m);
    case NAME_ATTENTION_OUTPUT:
        return t->n_experts == 8 && m->eight_experts_output ? MF_TYPE_Q5_K
                                                            : or_base(m->attention_output, m);
    case NAME_GATE_UP:
        return apply(&m->gate_up, p, m, t);
    case NAME_OTHER:
        break;
    }
    return m->base;
}

/* Rows that are not a whole number of blocks get a format with smaller blocks. */
static mf_tensor_type fallback(mf_tensor_type type, uint64_t row)
{
    if (row % mf_tensor_type_get(type)->block_elements == 0) {
        return type;
    }
    static const struct {
        mf_tensor_type from;
        mf_tensor_type to;
    } wider[] = {
        {MF_TYPE_Q2_K,    MF_TYPE_Q4_0  },
        {MF_TYPE_Q3_K,    MF_TYPE_Q4_0  },
        {MF_TYPE_TQ1_0,   MF_TYPE_Q4_0  },
        {MF_TYPE_TQ2_0,   MF_TYPE_Q4_0  },
        {MF_TYPE_Q4_K,    MF_TYPE_Q5_0  },
        {MF_TYPE_Q5_K,    MF_TYPE_Q5_1  },
        {MF_TYPE_Q6_K,    MF_TYPE_Q8_0  },
        {MF_TYPE_IQ1_S,   MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ1_M,   MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ2_XXS, MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ2_XS,  MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ2_S,   MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ3_XXS, MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ3_S,   MF_TYPE_IQ4_NL},
        {MF_TYPE_IQ4_XS,  MF_TYPE_IQ4_NL},
    };
    for (size_t i = 0; i < sizeof wider / sizeof wider[0]; i++) {
        if (wider[i].from == type && row % mf_tensor_type_get(wider[i].to)->block_elements == 0) {
            return wider[i].to;
        }
    }
    return MF_TYPE_F16;
}

static mf_tensor_type
mixed_type(const mf_tensor *tensor, name_kind kind, position p, const quant_mix *m, const traits *t)
{
    /* Without an output tensor both tables count as the output (Gemma 3n, Gemma 4). */
    const bool is_table =
        tensor->role == MF_ROLE_TOKEN_EMBEDDING || tensor->role == MF_ROLE_PER_LAYER_EMBEDDING;
    const bool is_output = tensor->role == MF_ROLE_OUTPUT || (is_table && !t->has_output);
    if (is_output) {
        const bool whole = tensor->dims[0] % mf_tensor_type_get(m->base)->block_elements == 0;
        return whole ? m->output : MF_TYPE_Q8_0;
    }
    if (strcmp(m->name, "MXFP4_MOE") == 0) {
        return tensor->dims[2] > 1 ? MF_TYPE_MXFP4 : MF_TYPE_Q8_0;
    }
    if (is_table) {
        return or_base(m->embedding, m);
    }
    return block_type(kind, p, m, t);
}

/* Positions of "attention v" and ffn_down tensors: how many of the kind stand in earlier layers.
   llama.cpp walks layer by layer; with experts it takes the layer's own number for ffn_down. */
typedef struct counters {
    uint32_t *values;
    uint32_t *downs;
} counters;

static mf_status
count_positions(counters *c, const mf_model *model, const name_traits *names, mf_error *err)
{
    c->values = calloc(model->n_layers, sizeof *c->values);
    c->downs = calloc(model->n_layers, sizeof *c->downs);
    if (c->values == NULL || c->downs == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu layers", model->n_layers);
    }
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (tensor->layer < 0 || (size_t)tensor->layer + 1 >= model->n_layers) {
            continue;
        }
        c->values[tensor->layer + 1] += names[i].kind == NAME_VALUE ? 1 : 0;
        c->downs[tensor->layer + 1] += names[i].kind == NAME_DOWN ? 1 : 0;
    }
    for (size_t i = 1; i < model->n_layers; i++) {
        c->values[i] += c->values[i - 1];
        c->downs[i] += c->downs[i - 1];
    }
    return MF_OK;
}

static position
position_of(const mf_tensor *tensor, name_kind kind, const counters *c, const traits *t)
{
    if (tensor->layer < 0) {
        return (position){0};
    }
    if (kind == NAME_VALUE) {
        return (position){.index = c->values[tensor->layer], .count = t->n_values};
    }
    const bool by_layer = t->n_experts > 0 || kind != NAME_DOWN;
    return (position){.index = by_layer ? (uint32_t)tensor->layer : c->downs[tensor->layer],
                      .count = t->n_downs};
}

static mf_status gguf_types(mf_tensor_type *types,
                            const mf_model *model,
                            const quant_mix *m,
                            const name_traits *names,
                            mf_error *err)
{
    const traits t = traits_of(model, names);
    counters c = {0};
    const mf_status status = count_positions(&c, model, names, err);
    for (size_t i = 0; status == MF_OK && i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        const position p = position_of(tensor, names[i].kind, &c, &t);
        types[i] = names[i].stays
                       ? tensor->type
                       : fallback(mixed_type(tensor, names[i].kind, p, m, &t), tensor->dims[0]);
    }
    free(c.values);
    free(c.downs);
    return status;
}

static void plain_types(mf_tensor_type *types,
                        const mf_model *model,
                        mf_tensor_type type,
                        const name_traits *names)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        const bool kept = tensor->type == MF_TYPE_I32 || names[i].is_f32;
        types[i] = kept ? tensor->type : type;
    }
}

/* Unsloth keeps what every token reads near 8 bits in its XL files of mixture models and spends the
   low bits on the routed experts alone. */
static void
lift_shared_parts(mf_tensor_type *types, const mf_model *model, const name_traits *names)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        const bool shared = tensor->role == MF_ROLE_ATTENTION ||
                            tensor->role == MF_ROLE_SHARED_EXPERT ||
                            tensor->role == MF_ROLE_RECURRENT;
        if (shared && !names[i].stays) {
            types[i] = fallback(MF_TYPE_Q8_0, tensor->dims[0]);
        }
    }
}

bool mf_model_keeps_experts(const mf_model *model)
{
    return model->published != NULL && strcmp(model->published, "MXFP4") == 0 &&
           strcmp(model->architecture, "gpt-oss") == 0;
}

static void keep_experts(mf_tensor_type *types, const mf_model *model, const name_traits *names)
{
    const bool all = mf_model_keeps_experts(model);
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        const bool kept = all || tensor->type == MF_TYPE_MXFP4;
        if (kept && tensor->role == MF_ROLE_EXPERT && !names[i].stays) {
            types[i] = MF_TYPE_MXFP4;
        }
    }
}

/* mlx-lm's recipes of two widths (convert.py, mixed_quant_predicate_builder): the base, and more bits for the head and, in a
   layer of three and at both ends, for values and down projections. */
static const struct {
    const char *mix;
    mf_tensor_type high;
} recipes[] = {
    {"mixed_2_6", MF_TYPE_MLX_Q6},
    {"mixed_3_4", MF_TYPE_MLX_Q4},
    {"mixed_3_6", MF_TYPE_MLX_Q6},
    {"mixed_4_6", MF_TYPE_MLX_Q6},
};

static bool takes_more_bits(const mf_model *model, const mf_tensor *tensor)
{
    static const char *const parts[] = {"attn_v", "attn_qkv", "attn_kv_a", "attn_k_b", "ffn_down"};
    const int n = (int)model->n_layers;
    const int i = tensor->layer;
    bool named = false;
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        named = named || strstr(tensor->name, parts[p]) != NULL;
    }
    if (tensor->role == MF_ROLE_OUTPUT || !named || i < 0 || i >= n) {
        return tensor->role == MF_ROLE_OUTPUT;
    }
    const bool attends = model->layers[i].attention.kind != MF_ATTENTION_NONE;
    const bool fused = strstr(tensor->name, "attn_qkv") != NULL;
    return (attends || !fused) && (i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2);
}

static void raise_some(mf_tensor_type *types, const mf_model *model, const mf_quant *quant)
{
    for (size_t r = 0; r < sizeof recipes / sizeof recipes[0]; r++) {
        const bool asked = quant->mix != NULL && strcmp(quant->mix, recipes[r].mix) == 0;
        for (size_t i = 0; asked && i < model->n_tensors; i++) {
            if (types[i] == quant->base && takes_more_bits(model, &model->tensors[i])) {
                types[i] = recipes[r].high;
            }
        }
    }
}

/* mlx-lm quantizes every linear layer and the embedding whose rows are whole groups; the rest is
   16 bit. Schemes of one tensor format leave embedding and head alone too. */
static void uniform_types(mf_tensor_type *types,
                          const mf_model *model,
                          const mf_quant *quant,
                          const name_traits *names)
{
    mf_tensor_type others = quant->base;
    if (quant->mix != NULL) {
        (void)mf_tensor_type_by_name(&others, quant->mix, NULL);
    }
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        const bool table = tensor->role == MF_ROLE_TOKEN_EMBEDDING ||
                           tensor->role == MF_ROLE_OUTPUT ||
                           tensor->role == MF_ROLE_PER_LAYER_EMBEDDING;
        const bool linear = !names[i].is_f32 && (quant->family == MF_QUANT_MLX || !table);
        const mf_tensor_type type = tensor->role == MF_ROLE_EXPERT ? quant->base : others;
        const bool whole = tensor->dims[0] % mf_tensor_type_get(type)->block_elements == 0;
        types[i] = tensor->type == MF_TYPE_I32 ? MF_TYPE_I32
                   : linear && whole           ? type
                                               : MF_TYPE_BF16;
    }
}

static mf_status mix_types(mf_tensor_type *types,
                           const mf_model *model,
                           const mf_quant *quant,
                           const name_traits *names,
                           mf_error *err)
{
    const char *name = quant->mix != NULL ? quant->mix : quant->id;
    const quant_mix *m = mf_find_mix(name);
    if (m != NULL) {
        return gguf_types(types, model, m, names, err);
    }
    if (quant->base == MF_TYPE_F32 || quant->base == MF_TYPE_F16 || quant->base == MF_TYPE_BF16) {
        plain_types(types, model, quant->base, names);
        return MF_OK;
    }
    return mf_fail(err, MF_E_UNSUPPORTED, "no rules for the quantization mix '%s'", name);
}

mf_status mf_quant_types_named(mf_tensor_type *types,
                               bool *estimated,
                               const mf_model *model,
                               const mf_quant *quant,
                               const name_traits *names,
                               mf_error *err)
{
    mf_status status = MF_OK;
    bool guess = false;
    if (quant == NULL) {
        for (size_t i = 0; i < model->n_tensors; i++) {
            types[i] = model->tensors[i].type;
        }
    } else {
        switch (quant->family) {
        case MF_QUANT_GGUF:
            status = mix_types(types, model, quant, names, err);
            keep_experts(types, model, names);
            break;
        case MF_QUANT_UD:
            guess = true;
            status = mix_types(types, model, quant, names, err);
            if (status == MF_OK && mf_model_has_experts(model)) {
                lift_shared_parts(types, model, names);
            }
            keep_experts(types, model, names);
            break;
        case MF_QUANT_MLX:
        case MF_QUANT_TENSOR:
            uniform_types(types, model, quant, names);
            raise_some(types, model, quant);
            break;
        }
    }
    if (status == MF_OK) {
        *estimated = guess;
    }
    return status;
}

mf_status mf_quant_types(mf_tensor_type *types,
                         bool *estimated,
                         const mf_model *model,
                         const mf_quant *quant,
                         mf_error *err)
{
    name_traits *names = malloc((model->n_tensors + 1) * sizeof *names);
    if (names == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu tensors", model->n_tensors);
    }
    mf_quant_names(names, model);
    const mf_status status = mf_quant_types_named(types, estimated, model, quant, names, err);
    free(names);
    return status;
}
