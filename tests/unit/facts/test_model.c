#include "memfit/model.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

typedef struct role_case {
    const char *name;
    mf_tensor_role role;
    int32_t layer;
} role_case;

static const role_case roles[] = {
    {"token_embd.weight",                MF_ROLE_TOKEN_EMBEDDING,     MF_GLOBAL_TENSOR},
    {"token_embd_norm.weight",           MF_ROLE_OTHER,               MF_GLOBAL_TENSOR},
    {"per_layer_token_embd.weight",      MF_ROLE_PER_LAYER_EMBEDDING, MF_GLOBAL_TENSOR},
    {"output.weight",                    MF_ROLE_OUTPUT,              MF_GLOBAL_TENSOR},
    {"output_norm.weight",               MF_ROLE_OTHER,               MF_GLOBAL_TENSOR},
    {"rope_freqs.weight",                MF_ROLE_OTHER,               MF_GLOBAL_TENSOR},
    {"blk.0.attn_q.weight",              MF_ROLE_ATTENTION,           0               },
    {"blk.17.attn_q_norm.weight",        MF_ROLE_OTHER,               17              },
    {"blk.3.ffn_down.weight",            MF_ROLE_FFN,                 3               },
    {"blk.3.ffn_down_exps.weight",       MF_ROLE_EXPERT,              3               },
    {"blk.3.ffn_gate_up_exps.weight",    MF_ROLE_EXPERT,              3               },
    {"blk.3.ffn_up_shexp.weight",        MF_ROLE_SHARED_EXPERT,       3               },
    {"blk.3.ffn_gate_inp.weight",        MF_ROLE_ROUTER,              3               },
    {"blk.3.exp_probs_b.bias",           MF_ROLE_ROUTER,              3               },
    {"blk.9.ssm_conv1d.weight",          MF_ROLE_RECURRENT,           9               },
    {"blk.9.ssm_norm.weight",            MF_ROLE_OTHER,               9               },
    {"blk.46.nextn.embed_tokens.weight", MF_ROLE_NEXTN,               46              },
    {"blk.x.attn_q.weight",              MF_ROLE_OTHER,               MF_GLOBAL_TENSOR},
};

Test(model, a_name_tells_role_and_layer)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        int32_t layer = -7;
        cr_expect(eq(int, (int)mf_tensor_role_of(roles[i].name, &layer), (int)roles[i].role),
                  "%s",
                  roles[i].name);
        cr_expect(eq(i32, layer, roles[i].layer), "%s", roles[i].name);
    }
}

Test(model, norms_routers_and_biases_stay_f32)
{
    cr_expect(mf_tensor_stays_f32("blk.0.attn_q.bias", 1));
    cr_expect(mf_tensor_stays_f32("blk.0.ffn_gate_exps.bias", 2));
    cr_expect(mf_tensor_stays_f32("blk.0.ssm_norm.weight", 2));
    cr_expect(mf_tensor_stays_f32("blk.0.ffn_gate_inp.weight", 2));
    cr_expect(mf_tensor_stays_f32("blk.0.ssm_a", 2));
    cr_expect(not(mf_tensor_stays_f32("blk.0.attn_q.weight", 2)));
    cr_expect(not(mf_tensor_stays_f32("blk.0.ffn_down_exps.weight", 3)));
}

/* Two layers: grouped-query attention where heads * width differs from hidden, then 5 of 7 experts. */
static mf_tensor tensor(const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    mf_tensor t = {
        .dims = {a, b, c, 1},
          .n_dims = c > 1 ? 3 : 2, .type = MF_TYPE_F16
    };
    (void)snprintf(t.name, sizeof t.name, "%s", name);
    t.role = mf_tensor_role_of(t.name, &t.layer);
    return t;
}

enum { N_TENSORS = 7 };

typedef struct small_model {
    mf_model model;
    mf_layer layers[2];
    mf_tensor tensors[N_TENSORS];
} small_model;

static void build(small_model *m)
{
    *m = (small_model){
        .layers = {{.attention = {.kind = MF_ATTENTION_GQA,
                                  .n_heads = 6,
                                  .n_kv_heads = 2,
                                  .key_dim = 24,
                                  .value_dim = 16},
                    .ffn = {.kind = MF_FFN_DENSE, .width = 224, .n_matrices = 3}},
                   {.ffn = {.kind = MF_FFN_MOE,
                            .width = 32,
                            .n_experts = 7,
                            .n_experts_used = 5,
                            .n_matrices = 3}}},
        .tensors = { tensor("token_embd.weight", 96, 500, 1),
                   tensor("blk.0.attn_k.weight", 96, 48, 1),
                   tensor("blk.0.attn_v.weight", 96, 32, 1),
                   tensor("blk.0.attn_output.weight", 96, 96, 1),
                   tensor("blk.0.ffn_down.weight", 224, 96, 1),
                   tensor("blk.1.ffn_down_exps.weight", 32, 96, 7),
                   tensor("blk.1.ffn_gate_inp.weight", 96, 7, 1)}
    };
    m->model = (mf_model){.hidden = 96,
                          .vocabulary = 500,
                          .layers = m->layers,
                          .n_layers = 2,
                          .tensors = m->tensors,
                          .n_tensors = N_TENSORS};
}

Test(model, active_parameters_leave_idle_experts_out)
{
    small_model m;
    build(&m);
    mf_model_counts counts = {0};
    cr_assert(eq(int, mf_model_count(&counts, &m.model, NULL), MF_OK));
    const uint64_t rest = 96 * 500 + 96 * 48 + 96 * 32 + 96 * 96 + 224 * 96 + 96 * 7;
    cr_expect(eq(u64, counts.parameters, rest + 32 * 96 * 7));
    cr_expect(eq(u64, counts.active_parameters, rest + 32 * 96 * 5));
}

Test(model, nextn_blocks_are_counted_apart)
{
    small_model m;
    build(&m);
    m.layers[1].is_nextn = true;
    mf_model_counts counts = {0};
    cr_assert(eq(int, mf_model_count(&counts, &m.model, NULL), MF_OK));
    cr_expect(eq(u64, counts.nextn_parameters, (uint64_t)(32 * 96 * 7 + 96 * 7)));
}

Test(model, a_shape_beyond_64_bits_is_an_overflow)
{
    small_model m;
    build(&m);
    m.tensors[5] = tensor("blk.1.ffn_down_exps.weight", UINT64_MAX / 2, 96, 7);
    mf_model_counts counts = {0};
    cr_expect(eq(int, mf_model_count(&counts, &m.model, NULL), MF_E_OVERFLOW));
    uint64_t bytes = 0;
    cr_expect(eq(int, mf_tensor_bytes(&bytes, &m.tensors[5], MF_TYPE_F32, NULL), MF_E_OVERFLOW));
}

Test(model, agreeing_views_pass)
{
    small_model m;
    build(&m);
    mf_error err = {0};
    cr_expect(eq(int, mf_model_check(&m.model, &err), MF_OK), "%s", err.message);
}

/* Each breaks one thing; the message must name it. */
static void break_kv_heads(small_model *m)
{
    m->layers[0].attention.n_kv_heads = 6;
}
static void break_value_width(small_model *m)
{
    m->layers[0].attention.value_dim = 17;
}
static void break_ffn(small_model *m)
{
    m->layers[0].ffn.width = 225;
}
static void break_experts(small_model *m)
{
    m->layers[1].ffn.n_experts = 8;
}
static void break_used(small_model *m)
{
    m->layers[1].ffn.n_experts_used = 9;
}
static void break_vocabulary(small_model *m)
{
    m->model.vocabulary = 501;
}
static void break_layer_number(small_model *m)
{
    m->model.n_layers = 1;
}
static void break_heads(small_model *m)
{
    m->layers[0].attention.n_heads = 0;
}
static void break_embedding(small_model *m)
{
    m->model.tensors++;
    m->model.n_tensors--;
}

typedef struct break_case {
    void (*break_it)(small_model *);
    const char *says;
} break_case;

static const break_case breaks[] = {
    {break_kv_heads,     "attn_k.weight"           },
    {break_value_width,  "attn_v.weight"           },
    {break_ffn,          "ffn_down.weight"         },
    {break_experts,      "ffn_down_exps.weight"    },
    {break_used,         "uses 9 of 7 experts"     },
    {break_vocabulary,   "hidden size x vocabulary"},
    {break_layer_number, "belongs to no layer"     },
    {break_heads,        "without heads"           },
    {break_embedding,    "token_embd.weight"       },
};

Test(model, contradictions_are_named)
{
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        small_model m;
        build(&m);
        breaks[i].break_it(&m);
        mf_error err = {0};
        cr_expect(eq(int, mf_model_check(&m.model, &err), MF_E_DATA), "%s", breaks[i].says);
        cr_expect(ne(ptr, strstr(err.message, breaks[i].says), NULL), "%s", err.message);
    }
}
