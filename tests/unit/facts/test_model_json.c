#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/str.h"
#include "facts/model_json.h"
#include "facts/readers.h"

/* Two kinds of layers, the second one with every optional key. */
static const char model_text[] =
    "{\"schema\": 1, \"id\": \"toy\", \"name\": \"Toy \\\"T\\\"\", \"organization\": \"o\", "
    "\"architecture\": \"llama\",\n"
    " \"license\": null, \"released\": \"2026-01\", \"context\": null, \"vocabulary\": 96, "
    "\"hidden\": 24,\n"
    " \"tied_embeddings\": true, \"vision_parameters\": 7,\n"
    " \"tensors\": [\"token_embd.weight 24x96\", \"output_norm.weight 24\"],\n"
    " \"blocks\": [\n"
    "  {\"name\": \"x\", \"attention\": {\"kind\": \"gqa\", \"heads\": 3, \"kv_heads\": 1, "
    "\"key_dim\": 16, \"value_dim\": 16, \"window\": 64},\n"
    "   \"ffn\": {\"kind\": \"dense\", \"width\": 40, \"matrices\": 3},\n"
    "   \"tensors\": [\"attn_q.weight 24x48\", \"attn_k.weight 24x16\", \"ffn_down.weight "
    "40x24\"]},\n"
    "  {\"name\": \"y\", \"attention\": {\"kind\": \"mla\", \"heads\": 3, \"kv_heads\": 1, "
    "\"key_dim\": 16, \"value_dim\": 8,\n"
    "    \"chunked\": true, \"shares_kv\": true, \"value_is_key\": true, \"kv_rank\": 32, "
    "\"rope_dim\": 4, \"index_dim\": 5,\n"
    "    \"index_heads\": 6, \"index_top_k\": 7, \"compress_ratio\": 8},\n"
    "   \"recurrent\": {\"kind\": \"delta\", \"conv_elements\": 11, \"state_elements\": "
    "5000000000},\n"
    "   \"ffn\": {\"kind\": \"moe\", \"width\": 10, \"matrices\": 2, \"experts\": 9, "
    "\"experts_used\": 2, \"shared_width\": 30},\n"
    "   \"nextn\": true, \"nextn_cache\": true, \"tensors\": [\"ffn_up_exps.weight 24x10x9\"]},\n"
    "  {\"name\": \"none\", \"attention\": null, \"recurrent\": null, \"ffn\": null, \"tensors\": "
    "[]}],\n"
    " \"layers\": [\"x*2\", \"y\", \"none\", \"x\"],\n"
    " \"sources\": [{\"for\": \"*\", \"kind\": \"vendor\", \"title\": \"config.json\", \"url\": "
    "null, \"seen\": \"2026-02-01\"}],\n"
    " \"notes\": []}";

static mf_json *parsed(const char *text)
{
    mf_json *json = NULL;
    mf_error err = {0};
    cr_assert(
        eq(int, mf_json_parse(&json, text, strlen(text), "t", &err), MF_OK), "%s", err.message);
    return json;
}

static mf_model *read_model(const char *text)
{
    mf_json *json = parsed(text);
    mf_model *model = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_model_read(&model, json, &err), MF_OK), "%s", err.message);
    mf_json_free(json);
    return model;
}

Test(model_json, blocks_become_layers_in_order)
{
    mf_model *model = read_model(model_text);
    cr_expect(eq(str, model->name, "Toy \"T\""));
    cr_expect(eq(int, model->origin, MF_ORIGIN_MODELDB));
    cr_expect(eq(u64, model->context_max, 0));
    cr_expect(eq(u64, model->vision_parameters, 7));
    cr_expect(eq(sz, model->n_layers, 5));
    cr_expect(eq(u32, model->layers[1].attention.window, 64));
    cr_expect(eq(u32, model->layers[4].attention.window, 64));
    const mf_layer *y = &model->layers[2];
    cr_expect(eq(int, y->attention.kind, MF_ATTENTION_MLA));
    cr_expect(y->attention.chunked && y->attention.shares_kv && y->attention.value_is_key);
    cr_expect(eq(u32, y->attention.compress_ratio, 8));
    cr_expect(eq(u32, y->attention.n_index_heads, 6));
    cr_expect(eq(int, y->recurrent.kind, MF_RECURRENT_DELTA));
    cr_expect(eq(u64, y->recurrent.state_elements, 5000000000));
    cr_expect(eq(u32, y->ffn.n_experts_used, 2));
    cr_expect(y->is_nextn && y->nextn_has_cache);
    cr_expect(eq(int, model->layers[3].attention.kind, MF_ATTENTION_NONE));
    cr_expect(eq(int, model->layers[3].ffn.kind, MF_FFN_NONE));
    mf_model_free(model);
}

Test(model_json, tensors_get_their_layer_role_and_type)
{
    mf_model *model = read_model(model_text);
    cr_expect(eq(sz, model->n_tensors, 2 + 3 * 3 + 1));
    cr_expect(eq(int, model->tensors[0].layer, MF_GLOBAL_TENSOR));
    cr_expect(eq(int, model->tensors[0].role, MF_ROLE_TOKEN_EMBEDDING));
    cr_expect(eq(int, model->tensors[1].type, MF_TYPE_F32));
    cr_expect(eq(str, model->tensors[5].name, "blk.1.attn_q.weight"));
    cr_expect(eq(int, model->tensors[5].layer, 1));
    cr_expect(eq(int, model->tensors[5].type, MF_TYPE_F16));
    const mf_tensor *experts = &model->tensors[8];
    cr_expect(eq(str, (char *)experts->name, "blk.2.ffn_up_exps.weight"));
    cr_expect(eq(int, experts->role, MF_ROLE_EXPERT));
    cr_expect(eq(u32, experts->n_dims, 3));
    cr_expect(eq(u64, experts->dims[2], 9));
    cr_expect(eq(u64, experts->dims[3], 1));
    cr_expect(eq(str, model->tensors[9].name, "blk.4.attn_q.weight"));
    mf_model_free(model);
}

#define SAME(member) cr_expect(eq(u64, (uint64_t)a->member, (uint64_t)b->member), #member)

static void expect_same_layer(const mf_layer *a, const mf_layer *b)
{
    SAME(attention.kind);
    SAME(attention.n_heads);
    SAME(attention.n_kv_heads);
    SAME(attention.key_dim);
    SAME(attention.value_dim);
    SAME(attention.window);
    SAME(attention.chunked);
    SAME(attention.shares_kv);
    SAME(attention.value_is_key);
    SAME(attention.kv_rank);
    SAME(attention.rope_dim);
    SAME(attention.index_dim);
    SAME(attention.n_index_heads);
    SAME(attention.index_top_k);
    SAME(attention.compress_ratio);
    SAME(recurrent.kind);
    SAME(recurrent.conv_elements);
    SAME(recurrent.state_elements);
    SAME(ffn.kind);
    SAME(ffn.width);
    SAME(ffn.n_experts);
    SAME(ffn.n_experts_used);
    SAME(ffn.shared_width);
    SAME(ffn.n_matrices);
    SAME(is_nextn);
    SAME(nextn_has_cache);
}

Test(model_json, what_was_written_reads_the_same_and_writes_the_same)
{
    mf_model *model = read_model(model_text);
    mf_str first = {0};
    mf_str second = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_model_write(&first, model, &err), MF_OK), "%s", err.message);
    mf_model *again = read_model(first.data);
    cr_assert(eq(int, mf_model_write(&second, again, &err), MF_OK), "%s", err.message);
    cr_expect(eq(str, first.data, second.data));
    cr_expect(eq(sz, again->n_layers, model->n_layers));
    cr_expect(eq(sz, again->n_tensors, model->n_tensors));
    for (size_t i = 0; i < model->n_layers && i < again->n_layers; i++) {
        expect_same_layer(&again->layers[i], &model->layers[i]);
    }
    for (size_t i = 0; i < model->n_tensors && i < again->n_tensors; i++) {
        cr_expect(eq(str, again->tensors[i].name, model->tensors[i].name));
        cr_expect(eq(u64, again->tensors[i].dims[0], model->tensors[i].dims[0]));
        cr_expect(eq(int, again->tensors[i].layer, model->tensors[i].layer));
    }
    cr_expect(
        strstr(first.data, "\"layers\": [\"a*2\", \"b\", \"c\", \"a\"]") != NULL, "%s", first.data);
    mf_str_free(&first);
    mf_str_free(&second);
    mf_model_free(model);
    mf_model_free(again);
}

Test(model_json, layers_that_differ_only_in_a_shape_are_two_blocks)
{
    mf_model *model = read_model(model_text);
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (strcmp(model->tensors[i].name, "blk.1.ffn_down.weight") == 0) {
            model->tensors[i].dims[0] = 41;
        }
    }
    mf_str text = {0};
    cr_assert(eq(int, mf_model_write(&text, model, NULL), MF_OK));
    cr_expect(strstr(text.data, "\"layers\": [\"a\", \"b\", \"c\", \"d\", \"a\"]") != NULL,
              "%s",
              text.data);
    mf_str_free(&text);
    mf_model_free(model);
}

Test(model_json, a_tensor_outside_its_layer_is_not_written)
{
    mf_model *model = read_model(model_text);
    model->tensors[5].layer = 3;
    mf_str text = {0};
    mf_error err = {0};
    cr_expect(eq(int, mf_model_write(&text, model, &err), MF_E_DATA));
    cr_expect(
        strstr(err.message, "'blk.1.attn_q.weight' is not of layer 3") != NULL, "%s", err.message);
    mf_str_free(&text);
    mf_model_free(model);
}

typedef struct fault {
    const char *old;
    const char *new;
    const char *message;
} fault;

static const fault faults[] = {
    {"\"x*2\"",                         "\"z*2\"",                                    "'layers' has 'z*2', write the name of a block"  },
    {"\"x*2\"",                         "\"x*0\"",                                    "'layers' has 'x*0'"                             },
    {"\"x*2\"",                         "\"x*\"",                                     "'layers' has 'x*'"                              },
    {"\"x*2\"",                         "\"x*2*3\"",                                  "'layers' has 'x*2*3'"                           },
    {"\"x*2\"",                         "\"x*99999999999\"",                          "'layers' has 'x*99999999999'"                   },
    {"\"x*2\"",                         "\"x*4096\"",                                 "more than 4096 layers"                          },
    {"\"x*2\", \"y\", \"none\", \"x\"", "",                                           "'layers' is empty"                              },
    {"output_norm.weight 24",           "output_norm.weight",                         "'output_norm.weight' is not a tensor"           },
    {"output_norm.weight 24",           "output_norm.weight 0",                       "is not a tensor"                                },
    {"output_norm.weight 24",           "output_norm.weight 24x",                     "is not a tensor"                                },
    {"output_norm.weight 24",           "output_norm.weight x24",                     "is not a tensor"                                },
    {"output_norm.weight 24",           "output_norm.weight 2x2x2x2x2",               "is not a tensor"                                },
    {"output_norm.weight 24",           "output_norm.weight 99999999999999999999999", "is not a tensor"                                },
    {"output_norm.weight 24",           "blk.0.attn_q.weight 24",                     "is not a tensor"                                },
    {"output_norm.weight 24",           " 24",                                        "is not a tensor"                                },
    {"attn_q.weight 24x48",
     "a_name_that_is_far_too_long_for_what_ggml_keeps_of_a_tensor.weight 24",         "is not a tensor"                                },
    {"\"kind\": \"gqa\"",               "\"kind\": \"none\"",                         "'blocks[0].attention.kind' can't be 'none'"     },
    {"\"heads\": 3",                    "\"heads\": 4294967296",                      "'blocks[0].attention.heads' is above 4294967295"},
    {"\"for\": \"*\"",                  "\"for\": \"hidden\"",                        "'vocabulary' has no source"                     },
    {"\"hidden\": 24",                  "\"hidden\": 0",                              "'hidden' is below 1"                            },
};

Test(model_json, a_faulty_model_is_refused)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const char *at = strstr(model_text, faults[i].old);
        cr_assert(at != NULL, "no '%s'", faults[i].old);
        mf_str text = {0};
        mf_str_add_n(&text, model_text, (size_t)(at - model_text));
        mf_str_add(&text, faults[i].new);
        mf_str_add(&text, at + strlen(faults[i].old));
        mf_json *json = parsed(text.data);
        mf_model *model = NULL;
        mf_error err = {0};
        cr_expect(eq(int, mf_model_read(&model, json, &err), MF_E_DATA), "%s", faults[i].new);
        cr_expect(model == NULL);
        cr_expect(strstr(err.message, faults[i].message) != NULL,
                  "%s: %s",
                  faults[i].message,
                  err.message);
        mf_json_free(json);
        mf_str_free(&text);
    }
}
