/*
 * test_memory_vision.c - vision towers against clip.cpp's own reservation: files of real models, and widths that nobody has.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/import.h"
#include "memfit/memfit.h"
#include "truth/table.h"

enum { HALF_BYTES = 2, F32_BYTES = 4, OVER_PERCENT = 8, STACKED_OVER_PERCENT = 13 };

static uint64_t weights_of(const mf_model *model)
{
    return HALF_BYTES * (model->vision_parameters + model->vision.f32_parameters);
}

/* Never below, and not far above. */
static void expect_close(const char *name, uint64_t ours, uint64_t known, uint64_t over_percent)
{
    cr_expect(ge(u64, ours, known), "%s", name);
    cr_expect(le(u64, 100 * (ours - known), over_percent * known),
              "%s: %llu, known %llu",
              name,
              (unsigned long long)ours,
              (unsigned long long)known);
}

/* Columns are those of vision.csv; an empty cell of the largest picture is one that is not square. */
Test(vision, towers_of_real_models_take_what_clip_reserves)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    size_t n = 0;
    table t;
    cr_assert(mf_database_open(&database, folders, 1, NULL) == MF_OK);
    table_open(&t, "llamacpp/vision.csv");
    while (table_next(&t)) {
        mf_model *model = NULL;
        const char *name = table_text(&t, "model");
        cr_assert(mf_database_model(&model, database, name, NULL) == MF_OK, "%s", name);
        const mf_vision *v = &model->vision;
        cr_expect(eq(u64, weights_of(model), table_number(&t, "weights_bytes")), "%s", name);
        expect_close(name,
                     F32_BYTES * v->patch_floats * v->first_patches,
                     table_number(&t, "first_picture_bytes"),
                     OVER_PERCENT);
        if (table_text(&t, "largest_picture_bytes")[0] != '\0') {
            expect_close(name,
                         F32_BYTES * v->patch_floats * v->patches,
                         table_number(&t, "largest_picture_bytes"),
                         OVER_PERCENT);
        }
        n++;
        mf_model_free(model);
    }
    printf("vision towers: %zu\n", n);
    table_close(&t);
    mf_database_close(database);
}

/* config.json of a small text model around a tower. */
static mf_model *with_tower(const char *type, uint32_t hidden, const char *tower)
{
    static const char text[] =
        "{\"text_config\": {\"model_type\": \"%s\", \"hidden_size\": %u, \"intermediate_size\": "
        "260, "
        "\"num_hidden_layers\": 4, "
        "\"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": 32, \"vocab_size\": "
        "97, "
        "\"num_local_experts\": 4, \"num_experts_per_tok\": 1, \"interleave_moe_layer_step\": 1, "
        "\"intermediate_size_mlp\": 300, "
        "\"global_head_dim\": 32, \"sliding_window\": 32, \"hidden_size_per_layer_input\": 0, "
        "\"full_attention_interval\": 4, "
        "\"layer_types\": [\"full_attention\", \"full_attention\", \"full_attention\", "
        "\"full_attention\"], "
        "\"linear_num_value_heads\": 4, \"linear_num_key_heads\": 2, \"linear_key_head_dim\": 32, "
        "\"linear_value_head_dim\": 32, "
        "\"linear_conv_kernel_dim\": 4}, \"vision_config\": {%s}}";
    char config[4096];
    mf_model *model = NULL;
    mf_error err = {0};
    const int size = snprintf(config, sizeof config, text, type, hidden, tower);
    cr_assert(size > 0 && (size_t)size < sizeof config);
    cr_assert(mf_hf_parse(&model, config, (size_t)size, "config.json", &err) == MF_OK,
              "%s: %s",
              type,
              err.message);
    return model;
}

#define SIZES(width, ff, layers)                                                                   \
    "\"hidden_size\": " #width ", \"intermediate_size\": " #ff ", " layers ": 5, "
#define BLOCKS "\"num_hidden_layers\""
#define QWEN                                                                                       \
    SIZES(640, 2100, "\"depth\"")                                                                  \
    "\"patch_size\": 14, \"spatial_merge_size\": 2, \"temporal_patch_size\": 2, "                  \
    "\"out_hidden_size\": 1536, \"num_position_embeddings\": 900"
#define GEMMA4                                                                                     \
    SIZES(960, 2000, BLOCKS)                                                                       \
    "\"patch_size\": 16, \"head_dim\": 80, \"pooling_kernel_size\": 3, "                           \
    "\"position_embedding_size\": 640, "

#define MOONVIT(width, ff)                                                                         \
    "\"vt_hidden_size\": " #width ", \"vt_intermediate_size\": " #ff                               \
    ", \"vt_num_hidden_layers\": 5, \"patch_size\": 14, \"mm_projector_type\": \"patchmerger\", "
#define LATENT                                                                                     \
    "}, \"q_lora_rank\": 96, \"kv_lora_rank\": 64, \"qk_rope_head_dim\": 16, "                     \
    "\"qk_nope_head_dim\": 32, \"v_head_dim\": 32, \"n_routed_experts\": 4, "                      \
    "\"n_shared_experts\": 1, \"moe_intermediate_size\": 96, \"first_k_dense_replace\": 1, "       \
    "\"rest\": {"

typedef struct unseen_tower {
    const char *type;
    uint32_t hidden;
    const char *tower;
    uint64_t weights, first, largest;
    uint64_t over_percent;
} unseen_tower;

static void expect_tower(const unseen_tower *u)
{
    mf_model *model = with_tower(u->type, u->hidden, u->tower);
    const mf_vision *v = &model->vision;
    cr_expect(eq(u64, weights_of(model), u->weights), "%s", u->type);
    expect_close(
        u->type, F32_BYTES * v->patch_floats * v->first_patches, u->first, u->over_percent);
    if (u->largest > 0) {
        expect_close(
            u->type, F32_BYTES * v->patch_floats * v->patches, u->largest, u->over_percent);
    }
    mf_model_free(model);
}

Test(vision, unseen_towers_take_what_clip_reserves)
{
    enum { STACKED_OVER_PERCENT = 13 };
    const unseen_tower qwen = {
        "qwen3_5_text", 1536, QWEN, 68226064, 150049792, 290455552, OVER_PERCENT};
    const unseen_tower stacked = {"qwen3_5_text",
                                  1536,
                                  QWEN ", \"deepstack_visual_indexes\": [1, 3]",
                                  110242832,
                                  177811712,
                                  344195072,
                                  STACKED_OVER_PERCENT};
    const unseen_tower gemma3 = {"gemma3_text",
                                 1280,
                                 SIZES(960, 1500, BLOCKS) "\"image_size\": 896, \"patch_size\": 14",
                                 85197360,
                                 78643200,
                                 78643200,
                                 OVER_PERCENT};
    const unseen_tower gemma4 = {
        "gemma4_text", 1792, GEMMA4 "\"standardize\": true", 104382080, 80087040, 0, OVER_PERCENT};
    const unseen_tower pixtral = {
        "ministral3",
        1792,
        SIZES(960, 2720, BLOCKS) "\"image_size\": 1540, \"patch_size\": 14",
        133618176,
        47751168,
        190775296,
        OVER_PERCENT};
    const unseen_tower llama4 = {
        "llama4_text",
        1792,
        SIZES(960,
              1800,
              BLOCKS) "\"image_size\": 280, \"patch_size\": 14, \"vision_output_dim\": 1536",
        96340896,
        8643264,
        8643264,
        OVER_PERCENT};
    expect_tower(&qwen);
    expect_tower(&stacked);
    expect_tower(&gemma3);
    expect_tower(&gemma4);
    expect_tower(&pixtral);
    expect_tower(&llama4);
}

/* Keys beside the vision_config stand behind its end. */
Test(vision, unseen_towers_with_a_merger_take_what_clip_reserves)
{
    const unseen_tower lfm2 = {
        "lfm2",
        1792,
        SIZES(960, 1500, BLOCKS) "\"patch_size\": 16, \"num_patches\": "
                                 "256}, \"projector_hidden_size\": 2560, \"conv_L_cache\": 3, "
                                 "\"rest\": {",
        97219888,
        19660800,
        19660800,
        OVER_PERCENT};
    const unseen_tower kimi = {
        "kimi_k2",
        1792,
        MOONVIT(960, 2000) "\"init_pos_emb_height\": 40, \"init_pos_emb_width\": 40" LATENT,
        126045248,
        479068160,
        479068160,
        OVER_PERCENT};
    const unseen_tower wide = {
        "kimi_k2",
        1536,
        MOONVIT(640, 3300) "\"init_pos_emb_height\": 48, \"init_pos_emb_width\": 48" LATENT,
        86456784,
        401735680,
        401735680,
        OVER_PERCENT};
    expect_tower(&lfm2);
    expect_tower(&kimi);
    expect_tower(&wide);
}

Test(vision, a_tower_of_another_form_is_not_guessed)
{
    mf_model *sounds = with_tower("gemma4_text", 1792, GEMMA4 "\"use_clipped_linears\": true");
    mf_model *part =
        with_tower("qwen3_5_text", 1536, "\"hidden_size\": 640, \"out_hidden_size\": 1536");
    cr_expect(eq(u64, sounds->vision.patches, 0));
    cr_expect(eq(u64, part->vision.patches, 0));
    cr_expect(eq(u64, part->vision_parameters, 0));
    mf_model_free(part);
    mf_model_free(sounds);
}
