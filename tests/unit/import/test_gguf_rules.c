/* What an architecture's rules and the metadata make of the layers; metadata wins. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "memfit/import.h"
#include "stubs/gguf_writer.h"

enum { N_LAYERS = 7 };

/* '@' stands for the architecture. */
#define SIZES                                                                                      \
    "@.block_count u32 7\n@.embedding_length u32 96\n@.feed_forward_length u32 160\n"              \
    "@.attention.head_count u32 4\n@.vocab_size u32 64\n"
#define HEADS                                                                                      \
    "@.attention.head_count_kv u32 2\n@.attention.key_length u32 32\n"                             \
    "@.attention.value_length u32 16\n"
#define GLOBALS "tensors\ntoken_embd.weight 96x64\noutput_norm.weight 96 f32\n"
#define ATTENTION(layers)                                                                          \
    "blk.{" layers "}.attn_q.weight 96x128\nblk.{" layers "}.attn_k.weight 96x64\n"                \
    "blk.{" layers "}.attn_v.weight 96x32\nblk.{" layers "}.attn_output.weight 64x96\n"
#define FFN(layers)                                                                                \
    "blk.{" layers "}.ffn_up.weight 96x160\nblk.{" layers "}.ffn_down.weight 160x96\n"
#define PLAIN_MODEL GLOBALS ATTENTION("0-6") FFN("0-6")

/* Manifest of an architecture, '@' replaced. */
static mf_status
read_model(mf_model **model, const char *arch, const char *keys, const char *tensors, mf_error *err)
{
    mf_str text = {0};
    mf_str file = {0};
    uint64_t data_bytes = 0;
    mf_str_printf(&text, "general.architecture str %s\n", arch);
    for (const char *c = keys; *c != '\0'; c++) {
        if (*c == '@') {
            mf_str_add(&text, arch);
        } else {
            mf_str_add_n(&text, c, 1);
        }
    }
    mf_str_add(&text, tensors);
    mf_status status = test_gguf_build(&file, &data_bytes, text.data, err);
    cr_assert(eq(int, status, MF_OK), "%s: %s", arch, err->message);
    status = mf_gguf_parse(model, file.data, file.size, arch, err);
    mf_str_free(&file);
    mf_str_free(&text);
    return status;
}

static mf_model *good_model(const char *arch, const char *keys, const char *tensors)
{
    mf_error err = {0};
    mf_model *model = NULL;
    const mf_status status = read_model(&model, arch, keys, tensors, &err);
    cr_assert(eq(int, status, MF_OK), "%s: %s", arch, err.message);
    return model;
}

static void bad_model(const char *arch, const char *keys, const char *tensors, const char *words)
{
    mf_error err = {0};
    mf_model *model = NULL;
    const mf_status status = read_model(&model, arch, keys, tensors, &err);
    cr_expect(eq(int, status, MF_E_DATA), "%s", arch);
    cr_expect(
        strstr(err.message, words) != NULL, "\"%s\" says nothing of '%s'", err.message, words);
    mf_model_free(model);
}

#define WINDOW "@.attention.sliding_window u32 512\n"
#define PATTERN "@.attention.sliding_window_pattern "

/* Per layer: W slides, C is chunked, . sees everything. */
typedef struct window_row {
    const char *arch;
    const char *keys;
    const char *layers;
    uint32_t window;
} window_row;

static const window_row window_rows[] = {
    {"afmoe",        WINDOW,                               "WWW.WWW", 512 },
    {"cohere2",      WINDOW,                               "WWW.WWW", 512 },
    {"exaone4",      "",                                   ".......", 0   },
    {"exaone4",      WINDOW,                               ".......", 0   }, /* of 64 layers only */
    {"gemma2",       "",                                   "W.W.W.W", 4096},
    {"gemma2",       WINDOW,                               "W.W.W.W", 512 },
    {"gemma3",       "",                                   ".......", 0   },
    {"gemma3",       WINDOW,                               "WWWWW.W", 512 },
    {"gemma3",       WINDOW PATTERN "u32 3\n",             "WW.WW.W", 512 },
    {"gemma3",       WINDOW PATTERN "u32 0\n",             "WWWWWWW", 512 },
    {"gemma3",       WINDOW PATTERN "u32 1\n",             ".......", 512 },
    {"gemma3",       WINDOW PATTERN "arr_bool 0 5*1 0",    ".WWWWW.", 512 },
    {"gemma3n",      WINDOW,                               "WWWW.WW", 512 },
    {"gemma4",       WINDOW PATTERN "arr_bool 3*1 4*0",    "WWW....", 512 },
    {"gpt-oss",      WINDOW,                               "W.W.W.W", 512 },
    {"gpt-oss",      WINDOW PATTERN "u32 4\n",             "WWW.WWW", 512 },
    {"llama",        WINDOW,                               ".......", 0   },
    {"llama4",       "",                                   "CCC.CCC", 8192},
    {"llama4",       PATTERN "u32 2\n",                    "C.C.C.C", 8192},
    {"llama4",       "@.attention.sliding_window u32 0\n", ".......", 0   },
    {"mimo2",        WINDOW PATTERN "arr_i32 0 6*1",       ".WWWWWW", 512 },
    {"muse-glimmer", WINDOW PATTERN "u32 3\n",             "WW.WW.W", 512 },
    {"olmo2",        WINDOW,                               "WWW.WWW", 512 },
    {"phi3",         WINDOW,                               ".......", 0   },
    {"qwen2",        WINDOW,                               ".......", 0   },
    {"smallthinker", WINDOW,                               ".WWW.WW", 512 },
    {"step35",       WINDOW PATTERN "arr_bool 7*1",        "WWWWWWW", 512 },
};

Test(gguf_rules, windows)
{
    for (size_t i = 0; i < sizeof window_rows / sizeof window_rows[0]; i++) {
        const window_row *row = &window_rows[i];
        char layers[N_LAYERS + 1] = "";
        mf_str keys = {0};
        mf_str_add(&keys, SIZES HEADS);
        mf_str_add(&keys, row->keys);
        mf_str_add(&keys, "\n");
        mf_model *model = good_model(row->arch, keys.data, PLAIN_MODEL);
        for (size_t j = 0; j < N_LAYERS; j++) {
            const mf_attention *a = &model->layers[j].attention;
            layers[j] = a->window == 0 ? '.' : a->chunked ? 'C' : 'W';
            cr_expect(a->window == 0 || a->window == row->window, "%s: %u", row->arch, a->window);
        }
        cr_expect(eq(str, layers, (char *)row->layers), "%s %s", row->arch, row->keys);
        mf_model_free(model);
        mf_str_free(&keys);
    }
}

Test(gguf_rules, required_window_is_missing)
{
    bad_model("gpt-oss", SIZES HEADS, PLAIN_MODEL, "'gpt-oss.attention.sliding_window' is missing");
    bad_model("cohere2", SIZES HEADS "@.attention.sliding_window u32 0\n", PLAIN_MODEL, "is 0");
}

Test(gguf_rules, required_pattern_is_missing)
{
    bad_model("gemma4", SIZES HEADS WINDOW, PLAIN_MODEL, "sliding_window_pattern' is missing");
}

Test(gguf_rules, pattern_of_another_length)
{
    bad_model("mimo2", SIZES HEADS WINDOW PATTERN "arr_bool 5*1\n", PLAIN_MODEL, "has 5 items");
}

Test(gguf_rules, last_layers_share_the_cache)
{
    mf_model *model =
        good_model("gemma3n", SIZES HEADS "@.attention.shared_kv_layers u32 2\n", PLAIN_MODEL);
    cr_expect(not(model->layers[4].attention.shares_kv));
    cr_expect(model->layers[5].attention.shares_kv);
    cr_expect(model->layers[6].attention.shares_kv);
    mf_model_free(model);
}

/* Gemma 3n files without the key: llama.cpp gives the first 20 layers a cache. */
Test(gguf_rules, gemma3n_without_the_key_for_shared_caches)
{
    mf_model *model = good_model("gemma3n",
                                 "@.block_count u32 22\n@.embedding_length u32 96\n"
                                 "@.feed_forward_length u32 160\n@.attention.head_count u32 4\n"
                                 "@.vocab_size u32 64\n" HEADS,
                                 GLOBALS ATTENTION("0-21") FFN("0-21"));
    cr_expect(not(model->layers[19].attention.shares_kv));
    cr_expect(model->layers[20].attention.shares_kv);
    cr_expect(model->layers[21].attention.shares_kv);
    mf_model_free(model);
}

#define STATE(layers) "blk.{" layers "}.ssm_in.weight 96x256\n"
#define SSM                                                                                        \
    "@.ssm.conv_kernel u32 5\n@.ssm.inner_size u32 144\n@.ssm.state_size u32 24\n"                 \
    "@.ssm.group_count u32 3\n"

/* (5 - 1) * (144 + 2 * 3 * 24) and 24 * 144. */
enum { CONV = 1152, STATE_ELEMENTS = 3456 };

static void expect_state(const mf_layer *layer, mf_recurrent_kind kind)
{
    cr_expect(eq(int, layer->recurrent.kind, kind));
    cr_expect(eq(u64, layer->recurrent.conv_elements, CONV));
    cr_expect(eq(u64, layer->recurrent.state_elements, STATE_ELEMENTS));
}

Test(gguf_rules, interval_of_full_attention)
{
    static const char tensors[] = GLOBALS STATE("0-1,3-4,6") ATTENTION("2,5") FFN("0-6");
    mf_model *model =
        good_model("qwen3next", SIZES HEADS SSM "@.full_attention_interval u32 3\n", tensors);
    for (size_t i = 0; i < N_LAYERS; i++) {
        const bool attends = i == 2 || i == 5;
        cr_expect(eq(int, model->layers[i].attention.kind != MF_ATTENTION_NONE, attends));
        cr_expect(eq(int, model->layers[i].recurrent.kind != MF_RECURRENT_NONE, !attends));
    }
    expect_state(&model->layers[0], MF_RECURRENT_DELTA);
    mf_model_free(model);
    bad_model("qwen3next",
              SIZES HEADS SSM "@.full_attention_interval u32 4\n",
              tensors,
              "contradicts 'full_attention_interval'");
}

Test(gguf_rules, list_of_recurrent_layers_wins_over_the_interval)
{
    static const char tensors[] = GLOBALS STATE("0,2,4-6") ATTENTION("1,3") FFN("0-6");
    static const char list[] = SIZES HEADS SSM
        "@.full_attention_interval u32 4\n@.attention.recurrent_layers arr_bool 1 0 1 0 3*1\n";
    mf_model *model = good_model("qwen35", list, tensors);
    cr_expect(eq(int, model->layers[3].attention.kind, MF_ATTENTION_GQA));
    cr_expect(eq(int, model->layers[4].attention.kind, MF_ATTENTION_NONE));
    mf_model_free(model);
    bad_model("qwen35",
              SIZES HEADS SSM "@.attention.recurrent_layers arr_bool 7*1\n",
              tensors,
              "contradicts 'attention.recurrent_layers'");
}

Test(gguf_rules, nextn_block_attends_whatever_the_interval)
{
    mf_model *model = good_model("qwen35",
                                 SIZES HEADS SSM
                                 "@.full_attention_interval u32 3\n@.nextn_predict_layers u32 1\n",
                                 GLOBALS STATE("0-1,3-4") ATTENTION("2,5-6") FFN("0-6"));
    cr_expect(model->layers[6].is_nextn);
    cr_expect(not(model->layers[6].nextn_has_cache));
    cr_expect(eq(int, model->layers[6].attention.kind, MF_ATTENTION_GQA));
    mf_model_free(model);
}

Test(gguf_rules, layers_without_key_heads_keep_a_state_or_nothing)
{
    mf_model *model = good_model("nemotron_h",
                                 SIZES SSM "@.attention.head_count_kv arr_i32 0 2 0 0 2 0 0\n"
                                           "@.attention.key_length u32 32\n"
                                           "@.attention.value_length u32 16\n",
                                 GLOBALS STATE("0,2") ATTENTION("1,4") FFN("3,5-6"));
    expect_state(&model->layers[2], MF_RECURRENT_MAMBA2);
    cr_expect(eq(int, model->layers[1].attention.kind, MF_ATTENTION_GQA));
    cr_expect(eq(int, model->layers[1].ffn.kind, MF_FFN_NONE));
    cr_expect(eq(int, model->layers[3].attention.kind, MF_ATTENTION_NONE));
    cr_expect(eq(int, model->layers[3].recurrent.kind, MF_RECURRENT_NONE));
    cr_expect(eq(u32, model->layers[3].ffn.n_matrices, 2));
    mf_model_free(model);
}

Test(gguf_rules, state_and_attention_in_one_layer)
{
    mf_model *model =
        good_model("falcon-h1", SIZES HEADS SSM, GLOBALS STATE("0-6") ATTENTION("0-6") FFN("0-6"));
    expect_state(&model->layers[6], MF_RECURRENT_MAMBA2);
    cr_expect(eq(int, model->layers[6].attention.kind, MF_ATTENTION_GQA));
    mf_model_free(model);
}

/* LFM2 keeps l_cache - 1 tokens of the convolution: 96 * (3 - 1). */
Test(gguf_rules, short_convolution)
{
    mf_model *model = good_model(
        "lfm2",
        SIZES "@.shortconv.l_cache u32 3\n"
              "@.attention.head_count_kv arr_i32 5*0 2*2\n"
              "@.attention.key_length u32 32\n"
              "@.attention.value_length u32 16\n",
        GLOBALS "blk.{0-4}.shortconv.conv.weight 3x96 f32\n" ATTENTION("5-6") FFN("0-6"));
    cr_expect(eq(int, model->layers[0].recurrent.kind, MF_RECURRENT_CONV));
    cr_expect(eq(u64, model->layers[0].recurrent.conv_elements, 192));
    cr_expect(eq(u64, model->layers[0].recurrent.state_elements, 0));
    cr_expect(eq(int, model->layers[6].attention.kind, MF_ATTENTION_GQA));
    mf_model_free(model);
}

/* Kimi Linear: three convolutions of 4 heads * 40 wide, state 4 * 40 * 40; the rest is latent attention. */
Test(gguf_rules, kimi_delta_attention)
{
    mf_model *model =
        good_model("kimi-linear",
                   SIZES "@.ssm.conv_kernel u32 4\n@.kda.head_dim u32 40\n"
                         "@.attention.head_count_kv arr_i32 3*0 1 3*0\n"
                         "@.attention.kv_lora_rank u32 48\n"
                         "@.rope.dimension_count u32 8\n"
                         "@.attention.key_length_mla u32 32\n"
                         "@.attention.value_length_mla u32 16\n",
                   GLOBALS STATE("0-2,4-6") "blk.{3}.attn_output.weight 64x96\n"
                                            "blk.{3}.attn_kv_a_mqa.weight 96x56\n" FFN("0-6"));
    cr_expect(eq(int, model->layers[0].recurrent.kind, MF_RECURRENT_DELTA));
    cr_expect(eq(u64, model->layers[0].recurrent.conv_elements, 3 * 3 * 160));
    cr_expect(eq(u64, model->layers[0].recurrent.state_elements, 6400));
    cr_expect(eq(int, model->layers[3].attention.kind, MF_ATTENTION_MLA));
    cr_expect(eq(u32, model->layers[3].attention.kv_rank, 48));
    mf_model_free(model);
}

/* llama.cpp slides in EXAONE 4's models of 64 layers only. */
Test(gguf_rules, windows_that_depend_on_the_number_of_layers)
{
    mf_model *model = good_model(
        "exaone4",
        "@.block_count u32 64\n@.embedding_length u32 96\n@.feed_forward_length u32 160\n"
        "@.attention.head_count u32 4\n@.vocab_size u32 64\n" HEADS,
        GLOBALS ATTENTION("0-63") FFN("0-63"));
    cr_expect(eq(u32, model->layers[62].attention.window, 4096));
    cr_expect(eq(u32, model->layers[63].attention.window, 0));
    mf_model_free(model);
}

#define V4                                                                                         \
    "@.attention.key_length u32 32\n@.attention.value_length u32 32\n"                             \
    "@.attention.sliding_window u32 40\n@.attention.indexer.key_length u32 24\n"                   \
    "@.attention.indexer.head_count u32 3\n@.attention.indexer.top_k u32 5\n"                      \
    "@.attention.compress_ratios arr_i32 0 0 4 128 4 128 4 0\n"
#define V4_MODEL                                                                                   \
    GLOBALS "blk.{0-6}.attn_q_b.weight 96x128\nblk.{0-6}.attn_kv.weight 96x32\n"                   \
            "blk.{0-6}.attn_output_b.weight 64x96\n" FFN("0-6")

/* The list of ratios may be longer than the model: converters keep the one of the prediction block. */
Test(gguf_rules, compressed_entries)
{
    mf_model *model = good_model("deepseek4",
                                 SIZES V4 "@.attention.head_count_kv u32 1\n"
                                          "@.rope.dimension_count u32 8\n",
                                 V4_MODEL);
    const mf_layer *l = model->layers;
    cr_expect(l[0].attention.value_is_key);
    cr_expect(eq(u32, l[1].attention.window, 40));
    cr_expect(eq(u32, l[1].attention.compress_ratio, 0));
    cr_expect(eq(int, l[1].recurrent.kind, MF_RECURRENT_NONE));
    cr_expect(eq(u32, l[2].attention.n_index_heads, 3));
    cr_expect(eq(u64, l[2].recurrent.state_elements, 2 * 8 * 2 * (32 + 24)));
    cr_expect(eq(u32, l[3].attention.n_index_heads, 0));
    cr_expect(eq(u64, l[3].recurrent.state_elements, 2 * 128 * 32));
    mf_model_free(model);
    bad_model("deepseek4",
              SIZES V4 "@.attention.head_count_kv u32 2\n@.rope.dimension_count u32 8\n",
              V4_MODEL,
              "can't be compressed");
    bad_model("deepseek4",
              SIZES V4 "@.attention.head_count_kv u32 1\n@.rope.dimension_count u32 8\n",
              PLAIN_MODEL,
              "attends by its metadata");
}

/* MiniMax M3 counts the best blocks, the model the tokens in them. */
Test(gguf_rules, blocks_that_are_selected)
{
    mf_model *model = good_model("minimax-m3",
                                 SIZES HEADS "@.attention.indexer.key_length u32 24\n"
                                             "@.attention.indexer.head_count u32 2\n"
                                             "@.attention.indexer.top_k u32 5\n"
                                             "@.attention.indexer.block_size u32 48\n",
                                 PLAIN_MODEL "blk.{2-6}.indexer.k_proj.weight 96x24\n");
    cr_expect(eq(u32, model->layers[1].attention.index_dim, 0));
    cr_expect(eq(u32, model->layers[2].attention.index_block, 48));
    cr_expect(eq(u32, model->layers[6].attention.index_top_k, 240));
    mf_model_free(model);
}

Test(gguf_rules, state_without_its_size)
{
    bad_model("mamba2", SIZES, GLOBALS STATE("0-6"), "its size");
}

#define EXPERTS(layers)                                                                            \
    "blk.{" layers "}.ffn_gate_exps.weight 96x64x5\nblk.{" layers "}.ffn_up_exps.weight 96x64x5\n" \
    "blk.{" layers "}.ffn_down_exps.weight 64x96x5\n"
#define EXPERT_COUNTS "@.expert_count u32 5\n@.expert_used_count u32 2\n"

Test(gguf_rules, experts_in_every_second_layer)
{
    static const char keys[] = SIZES HEADS EXPERT_COUNTS
        "@.expert_feed_forward_length u32 64\n@.interleave_moe_layer_step u32 2\n";
    mf_model *model =
        good_model("llama4", keys, GLOBALS ATTENTION("0-6") FFN("0,2,4,6") EXPERTS("1,3,5"));
    cr_expect(eq(int, model->layers[0].ffn.kind, MF_FFN_DENSE));
    cr_expect(eq(u32, model->layers[0].ffn.width, 160));
    cr_expect(eq(int, model->layers[1].ffn.kind, MF_FFN_MOE));
    cr_expect(eq(u32, model->layers[1].ffn.width, 64));
    cr_expect(eq(u32, model->layers[1].ffn.n_experts, 5));
    cr_expect(eq(u32, model->layers[1].ffn.n_experts_used, 2));
    mf_model_free(model);
    bad_model("llama4",
              keys,
              GLOBALS ATTENTION("0-6") FFN("1,3,5") EXPERTS("0,2,4,6"),
              "layer 0 has experts, against");
}

Test(gguf_rules, experts_that_contradict_their_width)
{
    bad_model("qwen3moe",
              SIZES HEADS EXPERT_COUNTS "@.expert_feed_forward_length u32 96\n",
              GLOBALS ATTENTION("0-6") EXPERTS("0-6"),
              "ffn_down_exps.weight");
}

Test(gguf_rules, experts_that_contradict_their_number)
{
    bad_model("qwen3moe",
              SIZES HEADS "@.expert_count u32 6\n@.expert_used_count u32 2\n",
              GLOBALS ATTENTION("0-6") EXPERTS("0-6"),
              "_exps.weight' has 5");
    bad_model("qwen3moe",
              SIZES HEADS "@.expert_count u32 5\n@.expert_used_count u32 6\n",
              GLOBALS ATTENTION("0-6") EXPERTS("0-6"),
              "expert_used_count");
}

Test(gguf_rules, shared_experts_without_tensors)
{
    bad_model("qwen2moe",
              SIZES HEADS EXPERT_COUNTS "@.expert_shared_feed_forward_length u32 128\n",
              GLOBALS ATTENTION("0-6") EXPERTS("0-6"),
              "shared experts");
}

/* Sparse attention: only layers with an indexer cache index keys (GLM-5.2 has them in some layers). */
Test(gguf_rules, index_keys_where_there_is_an_indexer)
{
    mf_model *model = good_model("glm-dsa",
                                 SIZES HEADS "@.attention.indexer.key_length u32 40\n"
                                             "@.attention.indexer.head_count u32 3\n"
                                             "@.attention.indexer.top_k u32 77\n",
                                 PLAIN_MODEL "blk.{0-2}.indexer.attn_k.weight 96x40\n");
    cr_expect(eq(u32, model->layers[2].attention.index_dim, 40));
    cr_expect(eq(u32, model->layers[2].attention.n_index_heads, 3));
    cr_expect(eq(u32, model->layers[2].attention.index_top_k, 77));
    cr_expect(eq(u32, model->layers[3].attention.index_dim, 0));
    mf_model_free(model);
}

/* Without key_length: hidden size over heads, 96 / 4. */
Test(gguf_rules, head_width_that_is_not_stated)
{
    mf_model *model = good_model("llama",
                                 SIZES "@.attention.head_count_kv u32 1\n",
                                 GLOBALS "blk.{0-6}.attn_qkv.weight 96x144\n"
                                         "blk.{0-6}.attn_output.weight 96x96\n" FFN("0-6"));
    cr_expect(eq(u32, model->layers[0].attention.key_dim, 24));
    cr_expect(eq(u32, model->layers[0].attention.value_dim, 24));
    mf_model_free(model);
}

Test(gguf_rules, fused_projection_that_contradicts_the_heads)
{
    bad_model("llama",
              SIZES "@.attention.head_count_kv u32 2\n",
              GLOBALS "blk.{0-6}.attn_qkv.weight 96x144\n"
                      "blk.{0-6}.attn_output.weight 96x96\n" FFN("0-6"),
              "attn_qkv.weight");
}

static void expect_quant(const char *number, const char *type, const char *quant)
{
    mf_str keys = {0};
    mf_str tensors = {0};
    mf_str_printf(&keys, "general.file_type u32 %s\n" SIZES HEADS, number);
    mf_str_printf(&tensors, "%sblk.{0}.extra.weight 256 %s\n", PLAIN_MODEL, type);
    mf_model *model = good_model("llama", keys.data, tensors.data);
    cr_expect(eq(str, model->quant != NULL ? model->quant : "none", (char *)quant), "%s", number);
    mf_model_free(model);
    mf_str_free(&keys);
    mf_str_free(&tensors);
}

Test(gguf_rules, file_type_by_name)
{
    expect_quant("1", "f32", "F16");
    expect_quant("15", "q4_K", "Q4_K_M");
    expect_quant("1039", "q4_K", "Q4_K_M"); /* guessed */
    expect_quant("38", "mxfp4", "MXFP4_MOE");
    expect_quant("999", "f32", "none");
}

/* The tensors know better. */
Test(gguf_rules, file_type_without_such_a_tensor)
{
    expect_quant("15", "q5_K", "none");
}

Test(gguf_rules, name_keeps_letters_and_loses_controls)
{
    mf_model *model =
        good_model("llama",
                   "general.name str M\xc3\xa9t\xc3\xa9o \x1b[0m\xff\xc2\x9b 8B\n" SIZES HEADS,
                   PLAIN_MODEL);
    cr_expect(eq(str, model->name, "M\xc3\xa9t\xc3\xa9o ?[0m??? 8B"));
    mf_model_free(model);
}
