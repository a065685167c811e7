#include "memfit/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/str.h"

static void free_sources(mf_sources *sources)
{
    for (size_t i = 0; i < sources->n_items; i++) {
        free(sources->items[i].covers);
        free(sources->items[i].title);
        free(sources->items[i].url);
        free(sources->items[i].seen);
    }
    free(sources->items);
}

void mf_model_free(mf_model *model)
{
    if (model == NULL) {
        return;
    }
    free(model->id);
    free(model->name);
    free(model->organization);
    free(model->architecture);
    free(model->license);
    free(model->released);
    free(model->quant);
    free(model->published);
    free(model->layers);
    free(model->tensors);
    free_sources(&model->sources);
    free(model);
}

/* Number of the block in "blk.17.attn_q.weight"; *rest is set to "attn_q.weight". False for other names. */
static bool block_number(int32_t *layer, const char **rest, const char *name)
{
    enum { MAX_BLOCK = 1000000 };
    if (strncmp(name, "blk.", 4) != 0) {
        return false;
    }
    const char *c = name + 4;
    int32_t n = 0;
    while (*c >= '0' && *c <= '9' && n < MAX_BLOCK) {
        n = n * 10 + (*c - '0');
        c++;
    }
    if (c == name + 4 || *c != '.') {
        return false;
    }
    *layer = n;
    *rest = c + 1;
    return true;
}

typedef struct role_rule {
    const char *part;
    mf_tensor_role role;
} role_rule;

static const role_rule global_roles[] = {
    {"token_embd.weight",           MF_ROLE_TOKEN_EMBEDDING    },
    {"output.weight",               MF_ROLE_OUTPUT             },
    {"per_layer_token_embd.weight", MF_ROLE_PER_LAYER_EMBEDDING},
};

/* First match decides; a norm of any part is small and counts as other. */
static const role_rule block_roles[] = {
    {"nextn.",       MF_ROLE_NEXTN        },
    {"_norm",        MF_ROLE_OTHER        },
    {"ffn_gate_inp", MF_ROLE_ROUTER       },
    {"exp_probs_b",  MF_ROLE_ROUTER       },
    {"_exps",        MF_ROLE_EXPERT       },
    {"_chexps",      MF_ROLE_EXPERT       },
    {"_shexp",       MF_ROLE_SHARED_EXPERT},
    {"ffn_",         MF_ROLE_FFN          },
    {"attn_",        MF_ROLE_ATTENTION    },
    {"indexer",      MF_ROLE_ATTENTION    },
    {"ssm_",         MF_ROLE_RECURRENT    },
    {"shortconv",    MF_ROLE_RECURRENT    },
};

mf_tensor_role mf_tensor_role_of(const char *name, int32_t *layer)
{
    const char *rest = NULL;
    if (!block_number(layer, &rest, name)) {
        *layer = MF_GLOBAL_TENSOR;
        for (size_t i = 0; i < sizeof global_roles / sizeof global_roles[0]; i++) {
            if (strcmp(name, global_roles[i].part) == 0) {
                return global_roles[i].role;
            }
        }
        return MF_ROLE_OTHER;
    }
    for (size_t i = 0; i < sizeof block_roles / sizeof block_roles[0]; i++) {
        if (strstr(rest, block_roles[i].part) != NULL) {
            return block_roles[i].role;
        }
    }
    return MF_ROLE_OTHER;
}

bool mf_tensor_stays_f32(const char *name, uint32_t n_dims)
{
    static const char *const kept[] = {
        "_norm.weight", "ffn_gate_inp.weight", "ssm_conv1d", "shortconv.conv"};
    if (n_dims < 2 || !mf_ends_with(name, "weight")) {
        return true;
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strstr(name, kept[i]) != NULL) {
            return true;
        }
    }
    return false;
}

mf_tensor_type mf_tensor_converted_type(const char *name, uint32_t n_dims)
{
    if (strstr(name, "ffn_gate_tid2eid.weight") != NULL) {
        return MF_TYPE_I32; /* DeepSeek V4: the experts of every token */
    }
    return mf_tensor_stays_f32(name, n_dims) ? MF_TYPE_F32 : MF_TYPE_F16;
}

mf_status mf_tensor_elements(uint64_t *n, const mf_tensor *tensor, mf_error *err)
{
    uint64_t product = 1;
    for (size_t i = 0; i < MF_MAX_DIMS; i++) {
        if (!mf_mul(&product, product, tensor->dims[i])) {
            return mf_fail(
                err, MF_E_OVERFLOW, "tensor '%s' has more than 2^64 elements", tensor->name);
        }
    }
    *n = product;
    return MF_OK;
}

mf_status
mf_tensor_bytes(uint64_t *bytes, const mf_tensor *tensor, mf_tensor_type type, mf_error *err)
{
    uint64_t row = 0;
    const mf_status status = mf_tensor_row_bytes(&row, type, tensor->dims[0], err);
    if (status != MF_OK) {
        mf_error_prefix(err, "tensor '%s': ", tensor->name);
        return status;
    }
    for (size_t i = 1; i < MF_MAX_DIMS; i++) {
        if (!mf_mul(&row, row, tensor->dims[i])) {
            return mf_fail(
                err, MF_E_OVERFLOW, "tensor '%s' has more than 2^64 bytes", tensor->name);
        }
    }
    *bytes = row;
    return MF_OK;
}

/* Elements of an expert tensor that one token does not touch. */
static uint64_t idle_elements(const mf_model *model, const mf_tensor *tensor, uint64_t n)
{
    if (tensor->role != MF_ROLE_EXPERT || tensor->layer < 0 ||
        (size_t)tensor->layer >= model->n_layers) {
        return 0;
    }
    const mf_ffn *ffn = &model->layers[tensor->layer].ffn;
    if (ffn->kind != MF_FFN_MOE || ffn->n_experts == 0 || ffn->n_experts_used >= ffn->n_experts) {
        return 0;
    }
    return n / ffn->n_experts * (ffn->n_experts - ffn->n_experts_used);
}

static bool in_nextn(const mf_model *model, const mf_tensor *tensor)
{
    return tensor->layer >= 0 && (size_t)tensor->layer < model->n_layers &&
           model->layers[tensor->layer].is_nextn;
}

/* Constants that GGUF files store as tensors. */
static bool is_constant(const mf_tensor *tensor)
{
    return tensor->layer < 0 && strncmp(tensor->name, "rope_", strlen("rope_")) == 0;
}

bool mf_model_has_experts(const mf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        if (model->layers[i].ffn.kind == MF_FFN_MOE) {
            return true;
        }
    }
    return false;
}

mf_status mf_model_count(mf_model_counts *counts, const mf_model *model, mf_error *err)
{
    mf_model_counts sum = {0};
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        uint64_t n = 0;
        const mf_status status = mf_tensor_elements(&n, tensor, err);
        if (status != MF_OK) {
            return status;
        }
        if (is_constant(tensor)) {
            continue;
        }
        const uint64_t active = n - idle_elements(model, tensor, n);
        const bool fine = in_nextn(model, tensor)
                              ? mf_add(&sum.nextn_parameters, sum.nextn_parameters, n)
                              : mf_add(&sum.parameters, sum.parameters, n) &&
                                    mf_add(&sum.active_parameters, sum.active_parameters, active);
        if (!fine) {
            return mf_fail(err, MF_E_OVERFLOW, "the model has more than 2^64 parameters");
        }
    }
    *counts = sum;
    return MF_OK;
}
