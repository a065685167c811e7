/*
 * model_check.c - a model's two views must tell the same story. Whatever a file of a stranger says
 * about heads, widths and experts is compared with the shapes of the tensors that hold them, before
 * anything is computed from it.
 */
#include <string.h>

#include "memfit/model.h"

/* What the layer's geometry says about one dimension of a tensor; 0: nothing. */
typedef uint64_t (*expected_size)(const mf_model *model, const mf_layer *layer);

static uint64_t gqa_keys(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    const mf_attention *a = &layer->attention;
    return a->kind == MF_ATTENTION_GQA ? (uint64_t)a->n_kv_heads * a->key_dim : 0;
}

static uint64_t gqa_values(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    const mf_attention *a = &layer->attention;
    return a->kind == MF_ATTENTION_GQA ? (uint64_t)a->n_kv_heads * a->value_dim : 0;
}

static uint64_t latent_width(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    const mf_attention *a = &layer->attention;
    return a->kind == MF_ATTENTION_MLA ? (uint64_t)a->kv_rank + a->rope_dim : 0;
}

static uint64_t mla_values(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    const mf_attention *a = &layer->attention;
    return a->kind == MF_ATTENTION_MLA ? (uint64_t)a->n_heads * a->value_dim : 0;
}

static uint64_t hidden_size(const mf_model *model, const mf_layer *layer)
{
    (void)layer;
    return model->hidden;
}

static uint64_t dense_width(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    return layer->ffn.kind == MF_FFN_DENSE ? layer->ffn.width : 0;
}

static uint64_t expert_width(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    return layer->ffn.kind == MF_FFN_MOE ? layer->ffn.width : 0;
}

static uint64_t expert_count(const mf_model *model, const mf_layer *layer)
{
    (void)model;
    return layer->ffn.kind == MF_FFN_MOE ? layer->ffn.n_experts : 0;
}

typedef struct shape_rule {
    const char *suffix;
    size_t dim;
    expected_size expected;
} shape_rule;

/* A tensor that is absent contradicts nothing: fused projections carry other names. */
static const shape_rule shape_rules[] = {
    {"attn_k.weight",        1, gqa_keys    },
    {"attn_v.weight",        1, gqa_values  },
    {"attn_output.weight",   0, mla_values  },
    {"attn_output.weight",   1, hidden_size },
    {"attn_kv_a_mqa.weight", 1, latent_width},
    {"ffn_down.weight",      0, dense_width },
    {"ffn_down.weight",      1, hidden_size },
    {"ffn_down_exps.weight", 0, expert_width},
    {"ffn_down_exps.weight", 2, expert_count},
    {"ffn_up_exps.weight",   2, expert_count},
    {"ffn_gate_inp.weight",  1, expert_count},
};

static mf_status check_block_tensor(const mf_model *model, const mf_tensor *tensor, mf_error *err)
{
    const char *suffix = strchr(tensor->name + strlen("blk."), '.');
    if ((size_t)tensor->layer >= model->n_layers || suffix == NULL) {
        return mf_fail(err,
                       MF_E_DATA,
                       "tensor '%s' belongs to no layer (the model has %zu)",
                       tensor->name,
                       model->n_layers);
    }
    for (size_t i = 0; i < sizeof shape_rules / sizeof shape_rules[0]; i++) {
        const shape_rule *rule = &shape_rules[i];
        if (strcmp(suffix + 1, rule->suffix) != 0) {
            continue;
        }
        const uint64_t expected = rule->expected(model, &model->layers[tensor->layer]);
        if (expected > 0 && tensor->dims[rule->dim] != expected) {
            return mf_fail(err,
                           MF_E_DATA,
                           "tensor '%s' has %llu in dimension %zu where the layer's geometry "
                           "gives %llu",
                           tensor->name,
                           (unsigned long long)tensor->dims[rule->dim],
                           rule->dim,
                           (unsigned long long)expected);
        }
    }
    return MF_OK;
}

static mf_status check_attention(const mf_attention *a, size_t layer, mf_error *err)
{
    bool fine = true;
    switch (a->kind) {
    case MF_ATTENTION_NONE:
        break;
    case MF_ATTENTION_GQA:
        fine = a->n_heads > 0 && a->n_kv_heads > 0 && a->key_dim > 0 &&
               (a->value_dim > 0 || a->value_is_key);
        break;
    case MF_ATTENTION_MLA:
        fine = a->n_heads > 0 && a->kv_rank > 0 && a->value_dim > 0 && a->key_dim > a->rope_dim;
        break;
    }
    return fine ? MF_OK
                : mf_fail(err, MF_E_DATA, "layer %zu has attention without heads or widths", layer);
}

static mf_status check_ffn(const mf_ffn *f, size_t layer, mf_error *err)
{
    if (f->kind != MF_FFN_NONE && f->width == 0) {
        return mf_fail(err, MF_E_DATA, "layer %zu has a feed forward part of width 0", layer);
    }
    if (f->kind == MF_FFN_MOE && (f->n_experts_used == 0 || f->n_experts_used > f->n_experts)) {
        return mf_fail(err,
                       MF_E_DATA,
                       "layer %zu uses %u of %u experts",
                       layer,
                       f->n_experts_used,
                       f->n_experts);
    }
    return MF_OK;
}

static mf_status check_embedding(const mf_model *model, const mf_tensor *tensor, mf_error *err)
{
    if (tensor->dims[0] != model->hidden || tensor->dims[1] != model->vocabulary) {
        return mf_fail(err,
                       MF_E_DATA,
                       "tensor '%s' is %llu x %llu where hidden size x vocabulary is %llu x %llu",
                       tensor->name,
                       (unsigned long long)tensor->dims[0],
                       (unsigned long long)tensor->dims[1],
                       (unsigned long long)model->hidden,
                       (unsigned long long)model->vocabulary);
    }
    return MF_OK;
}

mf_status mf_model_check(const mf_model *model, mf_error *err)
{
    if (model->n_layers == 0 || model->hidden == 0 || model->vocabulary == 0) {
        return mf_fail(err, MF_E_DATA, "the model has no layers, no hidden size or no vocabulary");
    }
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < model->n_layers; i++) {
        status = check_attention(&model->layers[i].attention, i, err);
        status = status == MF_OK ? check_ffn(&model->layers[i].ffn, i, err) : status;
    }
    bool has_embedding = false;
    for (size_t i = 0; status == MF_OK && i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (tensor->layer >= 0) {
            status = check_block_tensor(model, tensor, err);
        } else if (tensor->role == MF_ROLE_TOKEN_EMBEDDING) {
            has_embedding = true;
            status = check_embedding(model, tensor, err);
        }
    }
    if (status == MF_OK && !has_embedding) {
        return mf_fail(err, MF_E_DATA, "the model has no tensor 'token_embd.weight'");
    }
    return status;
}
