/* config.json files: good ones by family, odd ones, and those that lie. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfit/import.h"

static mf_model *parse(const char *text)
{
    mf_model *model = NULL;
    mf_error err = {0};
    cr_assert(
        mf_hf_parse(&model, text, strlen(text), "config.json", &err) == MF_OK, "%s", err.message);
    return model;
}

static const mf_tensor *tensor_of(const mf_model *model, const char *name)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (strcmp(model->tensors[i].name, name) == 0) {
            return &model->tensors[i];
        }
    }
    return NULL;
}

/* 3 layers, 6 heads of 20 over 100 hidden: nothing divides by accident. */
#define SMALL                                                                                      \
    "\"hidden_size\": 100, \"intermediate_size\": 260, \"num_hidden_layers\": 3, "                 \
    "\"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": 20, \"vocab_size\": 97"

Test(hf, a_dense_model_has_the_tensors_of_its_gguf_file)
{
    mf_model *model = parse("{\"model_type\": \"qwen3\", \"tie_word_embeddings\": true, "
                            "\"max_position_embeddings\": 4096, " SMALL "}");
    cr_expect(eq(str, model->architecture, "qwen3"));
    cr_expect(eq(u64, model->context_max, 4096));
    cr_expect(eq(sz, model->n_layers, 3));
    cr_expect(eq(sz, model->n_tensors, 2 + 3 * 11));
    cr_expect(tensor_of(model, "output.weight") == NULL);
    const mf_tensor *q = tensor_of(model, "blk.2.attn_q.weight");
    cr_assert(q != NULL);
    cr_expect(eq(u64, q->dims[0], 100));
    cr_expect(eq(u64, q->dims[1], 120));
    cr_expect(eq(u64, tensor_of(model, "blk.0.attn_v.weight")->dims[1], 40));
    cr_expect(eq(u64, tensor_of(model, "blk.1.attn_q_norm.weight")->dims[0], 20));
    cr_expect(eq(int, (int)tensor_of(model, "blk.1.attn_q_norm.weight")->type, MF_TYPE_F32));
    cr_expect(eq(u64, tensor_of(model, "blk.0.ffn_down.weight")->dims[0], 260));
    cr_expect(eq(u32, model->layers[1].attention.n_kv_heads, 2));
    mf_model_free(model);
}

Test(hf, a_window_counts_where_llama_cpp_has_one)
{
    mf_model *gemma = parse("{\"model_type\": \"gemma2\", \"sliding_window\": 64, " SMALL "}");
    cr_expect(eq(u32, gemma->layers[0].attention.window, 64));
    cr_expect(eq(u32, gemma->layers[1].attention.window, 0));
    mf_model *named =
        parse("{\"model_type\": \"olmo3\", \"sliding_window\": 64, \"layer_types\": "
              "[\"full_attention\", \"sliding_attention\", \"full_attention\"], " SMALL "}");
    cr_expect(eq(u32, named->layers[0].attention.window, 0));
    cr_expect(eq(u32, named->layers[1].attention.window, 64));
    mf_model *letters = parse("{\"model_type\": \"exaone4\", \"sliding_window\": 64, "
                              "\"sliding_window_pattern\": \"LG\", " SMALL "}");
    cr_expect(eq(u32, letters->layers[1].attention.window, 0));
    cr_expect(eq(u32, letters->layers[2].attention.window, 64));
    mf_model *ignored = parse("{\"model_type\": \"mistral\", \"sliding_window\": 64, " SMALL "}");
    cr_expect(eq(u32, ignored->layers[0].attention.window, 0));
    mf_model_free(gemma);
    mf_model_free(named);
    mf_model_free(letters);
    mf_model_free(ignored);
}

Test(hf, the_text_part_of_a_multimodal_model_counts)
{
    mf_model *model = parse("{\"model_type\": \"gemma3\", \"vision_config\": {\"hidden_size\": 8}, "
                            "\"text_config\": {\"model_type\": \"gemma3_text\", "
                            "\"hidden_size\": 96, \"intermediate_size\": 200, "
                            "\"num_hidden_layers\": 7, \"sliding_window\": 32}}");
    cr_expect(eq(u64, model->vocabulary, 262208));
    cr_expect(eq(u32, model->layers[0].attention.key_dim, 256));
    cr_expect(eq(u32, model->layers[5].attention.window, 0));
    cr_expect(model->tied_embeddings);
    mf_model_free(model);
}

/* bigcode/starcoder2-3b and Qwen/Qwen1.5-MoE-A2.7B: what their safetensors hold. */
Test(hf, older_families_have_the_parameters_that_are_published)
{
    mf_model_counts counts;
    mf_model *star = parse("{\"model_type\": \"starcoder2\", \"hidden_size\": 3072, "
                           "\"intermediate_size\": 12288, \"num_hidden_layers\": 30, "
                           "\"num_attention_heads\": 24, \"num_key_value_heads\": 2, "
                           "\"sliding_window\": 4096, \"vocab_size\": 49152}");
    cr_assert(eq(int, mf_model_count(&counts, star, NULL), MF_OK));
    cr_expect(eq(u64, counts.parameters, 3030371328));
    cr_expect(eq(u32, star->layers[29].attention.window, 0));
    mf_model_free(star);
    mf_model *moe = parse("{\"model_type\": \"qwen2_moe\", \"hidden_size\": 2048, "
                          "\"num_hidden_layers\": 24, \"num_attention_heads\": 16, "
                          "\"num_key_value_heads\": 16, \"moe_intermediate_size\": 1408, "
                          "\"shared_expert_intermediate_size\": 5632, \"num_experts\": 60, "
                          "\"num_experts_per_tok\": 4, \"vocab_size\": 151936}");
    cr_assert(eq(int, mf_model_count(&counts, moe, NULL), MF_OK));
    cr_expect(eq(u64, counts.parameters, 14315784192));
    cr_expect(tensor_of(moe, "blk.23.ffn_gate_inp_shexp.weight") != NULL);
    mf_model_free(moe);
}

Test(hf, a_vision_model_keeps_its_text_model_in_the_config_itself_or_apart)
{
    mf_model *flat = parse("{\"model_type\": \"qwen2_5_vl\", \"vision_config\": "
                           "{\"out_hidden_size\": 100, \"patch_size\": 14}, " SMALL "}");
    cr_expect(eq(str, flat->architecture, "qwen2vl"));
    cr_expect(tensor_of(flat, "blk.2.attn_k.bias") != NULL);
    cr_expect(eq(u64, flat->vision_parameters, 0));
    mf_model_free(flat);
    mf_model *apart =
        parse("{\"model_type\": \"qwen3_vl_moe\", \"text_config\": {\"model_type\": "
              "\"qwen3_vl_moe_text\", \"num_experts\": 7, "
              "\"num_experts_per_tok\": 3, \"moe_intermediate_size\": 30, " SMALL "}}");
    cr_expect(eq(str, apart->architecture, "qwen3vlmoe"));
    cr_expect(eq(u32, apart->layers[2].ffn.n_experts, 7));
    cr_expect(tensor_of(apart, "blk.2.attn_k_norm.weight") != NULL);
    mf_model_free(apart);
}

Test(hf, experts_keep_their_number_and_their_shared_part)
{
    mf_model *model =
        parse("{\"model_type\": \"dots1\", \"n_routed_experts\": 9, \"num_experts_per_tok\": 4, "
              "\"moe_intermediate_size\": 30, \"n_shared_experts\": 2, \"first_k_dense_replace\": "
              "1, " SMALL "}");
    cr_expect(eq(int, (int)model->layers[0].ffn.kind, MF_FFN_DENSE));
    cr_expect(eq(int, (int)model->layers[1].ffn.kind, MF_FFN_MOE));
    cr_expect(eq(u32, model->layers[2].ffn.n_experts, 9));
    cr_expect(eq(u32, model->layers[2].ffn.shared_width, 60));
    cr_expect(eq(u64, tensor_of(model, "blk.2.ffn_up_exps.weight")->dims[2], 9));
    mf_model_counts counts;
    cr_assert(eq(int, mf_model_count(&counts, model, NULL), MF_OK));
    /* two layers with 5 of 9 experts idle, three matrices of 100 x 30 each */
    cr_expect(eq(u64, counts.parameters - counts.active_parameters, 2 * 5 * 3 * 3000));
    mf_model_free(model);
}

Test(hf, prediction_blocks_are_kept_or_counted)
{
    const char *config = "{\"model_type\": \"%s\", \"num_nextn_predict_layers\": 1, "
                         "\"n_routed_experts\": 5, \"num_experts_per_tok\": 2, "
                         "\"moe_intermediate_size\": 30, \"q_lora_rank\": 24, "
                         "\"kv_lora_rank\": 40, \"qk_nope_head_dim\": 16, \"qk_rope_head_dim\": 8, "
                         "\"v_head_dim\": 12, \"index_n_heads\": 3, \"index_head_dim\": 10, "
                         "\"index_topk\": 7, " SMALL "}";
    char text[1024];
    (void)snprintf(text, sizeof text, config, "deepseek_v3");
    mf_model *dropped = parse(text);
    (void)snprintf(text, sizeof text, config, "deepseek_v32");
    mf_model *kept = parse(text);
    cr_expect(eq(sz, dropped->n_layers, 3));
    cr_expect(gt(u64, dropped->mtp_parameters, 2 * 100 * 100));
    cr_expect(eq(sz, kept->n_layers, 4));
    cr_expect(kept->layers[3].is_nextn);
    cr_expect(eq(u64, kept->mtp_parameters, 0));
    cr_expect(eq(u32, kept->layers[0].attention.index_dim, 10));
    cr_expect(eq(u32, kept->layers[0].attention.kv_rank, 40));
    mf_model_free(dropped);
    mf_model_free(kept);
}

Test(hf, pythons_infinity_is_read_over)
{
    mf_model *model = parse("{\"model_type\": \"llama\", \"time_step_limit\": [0.0, Infinity], "
                            "\"a\": NaN, \"b\": -Infinity, \"c\": \"Infinity\\\"NaN\", " SMALL "}");
    cr_expect(eq(sz, model->n_layers, 3));
    mf_model_free(model);
}

static const struct {
    const char *keys;
    const char *published;
} publications[] = {
    {"\"quantization_config\": {\"quant_method\": \"fp8\", \"fmt\": \"e4m3\"}, ",              "FP8"               },
    {"\"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4}, ",                    "AWQ-4bit"          },
    {"\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 8}, ",                   "gptq"              },
    {"\"quantization_config\": {\"quant_method\": \"modelopt\", \"quant_algo\": \"NVFP4\"}, ",
     "NVFP4"                                                                                                       },
    {"\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": "
     "\"float-quantized\"}, ",                                                            "FP8"               },
    {"\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": "
     "\"pack-quantized\", \"ignore\": [\"lm_head\", \"re:.*self_attn.*\"], \"config_groups\": "
     "{\"group_0\": {\"weights\": {\"num_bits\": 4, \"group_size\": 32}}}}, ",            "INT4-experts"      },
    {"\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": "
     "\"pack-quantized\", \"config_groups\": {\"group_0\": {\"weights\": {\"num_bits\": 4, "
     "\"group_size\": 32}}}}, ",                                                          "compressed-tensors"},
    {"\"quantization_config\": {\"quant_method\": \"fp8\"}, \"expert_dtype\": \"fp4\", ",      "MXFP4"             },
    {"\"quantization\": {\"group_size\": 64, \"bits\": 6}, \"quantization_config\": "
     "{\"group_size\": 64, \"bits\": 6}, ",                                               "mlx-6bit"          },
    {"\"quantization\": {\"group_size\": 64, \"bits\": 4, \"model.layers.0.mlp.gate\": "
     "{\"group_size\": 64, \"bits\": 8}}, ",                                              "mlx-4bit"          },
    {"\"quantization\": {\"group_size\": 64, \"bits\": 4, \"model.layers.0.mlp.down_proj\": "
     "{\"group_size\": 64, \"bits\": 6}}, ",                                              "mlx-mixed-4-6"     },
    {"\"quantization\": {\"group_size\": 32, \"bits\": 4, \"mode\": \"mxfp4\"}, ",             "mlx-mxfp4"         },
};

Test(hf, the_scheme_of_the_makers_own_files_is_told)
{
    mf_model *plain = parse("{\"model_type\": \"llama\", " SMALL "}");
    cr_expect(plain->published == NULL);
    mf_model_free(plain);
    for (size_t i = 0; i < sizeof publications / sizeof publications[0]; i++) {
        char text[640];
        (void)snprintf(
            text, sizeof text, "{\"model_type\": \"llama\", %s" SMALL "}", publications[i].keys);
        mf_model *model = parse(text);
        cr_assert(model->published != NULL, "%zu", i);
        cr_expect(eq(str, model->published, (char *)publications[i].published), "%zu", i);
        mf_model_free(model);
    }
}

typedef struct fault {
    const char *text;
    mf_status status;
    const char *message;
} fault;

#define LLAMA "{\"model_type\": \"llama\", "
#define MOE                                                                                        \
    "{\"model_type\": \"qwen3_moe\", \"num_experts\": 4, \"num_experts_per_tok\": 2, "             \
    "\"moe_intermediate_size\": 30, "

/* clang-format 14 crashes on rows of unequal length. */
#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const fault faults[] = {
    ROW("", MF_E_DATA, "config.json:1:1"),
    ROW("[]", MF_E_DATA, "'model_type' is missing"),
    ROW("{}", MF_E_DATA, "'model_type' is missing"),
    ROW("{\"model_type\": 3}", MF_E_DATA, "'model_type' is missing"),
    ROW("{\"model_type\": \"lama\"}", MF_E_UNSUPPORTED, "nearest that has is \"llama\""),
    ROW("{\"model_type\": \"somethingelse\"}", MF_E_UNSUPPORTED, "no rules"),
    ROW(LLAMA "\"vocab_size\": 9}", MF_E_DATA, "'hidden_size|d_model' is missing"),
    ROW(LLAMA "\"hidden_size\": 0}", MF_E_DATA, "is 0"),
    ROW("{\"model_type\": \"bert\"}", MF_E_UNSUPPORTED, "\"bert\""),
    ROW(LLAMA "\"hidden_size\": 60, \"num_attention_heads\": 6, \"intermediate_size\": 9, "
              "\"vocab_size\": 7}",
        MF_E_DATA,
        "'num_hidden_layers' is missing"),
    ROW(LLAMA "\"hidden_size\": \"100\"}", MF_E_DATA, "'hidden_size' must be a whole number"),
    ROW(LLAMA "\"hidden_size\": -4}", MF_E_DATA, "must be a whole number"),
    ROW(LLAMA "\"hidden_size\": 4000000000}", MF_E_DATA, "must be a whole number"),
    ROW(LLAMA "\"hidden_size\": 64, \"hidden_size\": 65}", MF_E_DATA, "hidden_size"),
    ROW(LLAMA "\"num_hidden_layers\": 4097, \"hidden_size\": 8, \"num_attention_heads\": 2, "
              "\"intermediate_size\": 9, \"vocab_size\": 7}",
        MF_E_DATA,
        "more than 4096 layers"),
    ROW(LLAMA "\"num_key_value_heads\": 4, \"num_attention_heads\": 6, \"hidden_size\": 60, "
              "\"num_hidden_layers\": 2, \"intermediate_size\": 9, \"vocab_size\": 7}",
        MF_E_DATA,
        "does not fit together"),
    ROW(LLAMA "\"attention_bias\": 1, " SMALL "}", MF_E_DATA, "must be true or false"),
    ROW(LLAMA "\"max_position_embeddings\": \"long\", " SMALL "}",
        MF_E_DATA,
        "max_position_embeddings"),
    ROW("{\"model_type\": \"qwen3_moe\", " SMALL "}", MF_E_DATA, "num_experts"),
    ROW("{\"model_type\": \"qwen3_moe\", \"num_experts\": 4, \"num_experts_per_tok\": 5, " SMALL
        "}",
        MF_E_DATA,
        "uses 5 of 4 experts"),
    ROW(MOE "\"layer_types\": [\"full_attention\"], " SMALL "}", MF_OK, ""),
    ROW("{\"model_type\": \"olmo3\", \"sliding_window\": 8, \"layer_types\": "
        "[\"full_attention\"], " SMALL "}",
        MF_E_DATA,
        "has 1 entries"),
    ROW("{\"model_type\": \"olmo3\", \"sliding_window\": 8, \"layer_types\": [1, 2, 3], " SMALL "}",
        MF_E_DATA,
        "list of words"),
    ROW("{\"model_type\": \"step3p5\", \"sliding_window\": 8, \"num_attention_groups\": 2, " SMALL
        "}",
        MF_E_DATA,
        "'layer_types' is missing"),
    ROW("{\"model_type\": \"gemma4_text\", \"num_kv_shared_layers\": 3, " SMALL "}",
        MF_E_DATA,
        "3 of 3 layers"),
    ROW("{\"model_type\": \"nemotron_h\", \"hybrid_override_pattern\": \"?\", " SMALL "}",
        MF_E_DATA,
        "unknown kind"),
    ROW("{\"model_type\": \"mamba\", \"state_size\": 16, \"conv_kernel\": 0, " SMALL "}",
        MF_E_DATA,
        "'conv_kernel' is 0"),
    ROW("{\"model_type\": \"deepseek_v3\", \"kv_lora_rank\": 8, " SMALL "}",
        MF_E_DATA,
        "qk_nope_head_dim"),
    ROW("{\"model_type\": \"nemotron-nas\", \"block_configs\": [{}], " SMALL "}",
        MF_E_DATA,
        "n_heads_in_group"),
};

Test(hf, each_fault_is_refused_with_its_reason)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        mf_model *model = NULL;
        mf_error err = {0};
        const fault *f = &faults[i];
        const mf_status status = mf_hf_parse(&model, f->text, strlen(f->text), "config.json", &err);
        cr_expect(eq(int, status, f->status), "%zu: %s", i, err.message);
        cr_expect(strstr(err.message, f->message) != NULL, "%zu: %s", i, err.message);
        mf_model_free(model);
    }
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL);
    (void)fputs(text, file);
    (void)fclose(file);
}

static mf_status read_folder(const char *index, mf_error *err)
{
    char folder[] = "/tmp/memfit-hf-XXXXXX";
    char path[512];
    mf_model *model = NULL;
    cr_assert(mkdtemp(folder) != NULL);
    write_text(folder, "config.json", LLAMA SMALL "}");
    if (index != NULL) {
        write_text(folder, "model.safetensors.index.json", index);
    }
    const mf_status status = mf_hf_read(&model, folder, err);
    cr_expect(eq(int, status == MF_OK, model != NULL));
    mf_model_free(model);
    (void)snprintf(path, sizeof path, "%s/config.json", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    (void)unlink(path);
    (void)rmdir(folder);
    return status;
}

Test(hf, a_folder_is_read_and_its_index_compared)
{
    mf_error err = {0};
    cr_expect(eq(int, read_folder(NULL, &err), MF_OK), "%s", err.message);
    /* 347 500 parameters in bf16 */
    cr_expect(eq(int, read_folder("{\"metadata\": {\"total_size\": 695000}}", &err), MF_OK));
    cr_expect(eq(int, read_folder("{\"metadata\": {}}", &err), MF_OK));
    cr_expect(eq(int, read_folder("{\"metadata\": {\"total_size\": 9695000}}", &err), MF_E_DATA));
    cr_expect(strstr(err.message, "different models") != NULL, "%s", err.message);
    cr_expect(eq(int, read_folder("{\"metadata\":", &err), MF_E_DATA));
}

Test(hf, a_missing_file_is_an_input_error)
{
    mf_model *model = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_hf_read(&model, "/nonexistent/config.json", &err), MF_E_IO));
    cr_expect(strstr(err.message, "/nonexistent/config.json") != NULL);
}
