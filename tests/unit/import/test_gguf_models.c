/* Real shapes: each manifest of tests/truth/llamacpp must come back as the model it describes. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "stubs/gguf_writer.h"

static mf_model *model_of(const char *name)
{
    mf_error err = {0};
    mf_model *model = NULL;
    cr_assert(eq(int, test_model_from_manifest(&model, name, &err), MF_OK), "%s", err.message);
    return model;
}

/* llama-quantize's own account of each F16 file: tensors, parameters, bytes. */
Test(gguf_models, sizes_are_those_of_llama_quantize)
{
    enum { LINE_SIZE = 1024 };
    char line[LINE_SIZE];
    char name[64];
    size_t n_tensors = 0;
    uint64_t parameters = 0;
    uint64_t bytes = 0;
    size_t n_models = 0;
    FILE *file = fopen(MF_SOURCE_DIR "/tests/truth/llamacpp/quant_mix.csv", "r");
    cr_assert(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line,
                   "%63[^,],F16,%zu,%" SCNu64 ",%" SCNu64,
                   name,
                   &n_tensors,
                   &parameters,
                   &bytes) != 4) {
            continue;
        }
        mf_model *model = model_of(name);
        mf_model_counts counts = {0};
        cr_assert(eq(int, mf_model_count(&counts, model, NULL), MF_OK));
        cr_expect(eq(sz, model->n_tensors, n_tensors), "%s", name);
        /* llama.cpp counts rope factors too. */
        uint64_t factors = 0;
        for (size_t i = 0; i < model->n_tensors; i++) {
            factors +=
                strncmp(model->tensors[i].name, "rope_", 5) == 0 ? model->tensors[i].dims[0] : 0;
        }
        cr_expect(
            eq(u64, counts.parameters + counts.nextn_parameters + factors, parameters), "%s", name);
        cr_expect(eq(u64, model->stored_bytes, bytes), "%s", name);
        cr_expect(eq(str, model->name, name));
        cr_expect(eq(str, model->quant, "F16"));
        mf_model_free(model);
        n_models++;
    }
    fclose(file);
    cr_expect(eq(sz, n_models, 36));
}

/* How many layers are of a kind. Ground: the models' config.json and papers, not this reader. */
typedef struct layer_row {
    const char *name;
    size_t n_layers;
    size_t n_attention;
    size_t n_latent;
    size_t n_windowed;
    size_t n_sharing; /* without a cache of their own */
    size_t n_recurrent;
    size_t n_dense;
    size_t n_moe;
    bool tied;
} layer_row;

static const layer_row layer_rows[] = {
    {"DeepSeek-V2-Lite",       27, 27, 27, 0,  0,  0,  1,  26, false},
    {"DeepSeek-V2-Lite-nomla", 27, 27, 0,  0,  0,  0,  1,  26, false},
    {"DeepSeek-V3",            61, 61, 61, 0,  0,  0,  3,  58, false},
    {"Falcon-H1-7B",           44, 44, 0,  0,  0,  44, 44, 0,  false},
    {"GLM-4.5-Air",            47, 47, 0,  0,  0,  0,  1,  46, false},
    {"Gemma-3-27B",            62, 62, 0,  52, 0,  0,  62, 0,  true },
    {"Gemma-3-4B",             34, 34, 0,  29, 0,  0,  34, 0,  true },
    {"Gemma-4-26B-A4B",        30, 30, 0,  25, 0,  0,  0,  30, true },
    {"Gemma-4-31B",            60, 60, 0,  50, 0,  0,  60, 0,  true },
    {"Gemma-4-E2B",            35, 35, 0,  28, 20, 0,  35, 0,  true },
    {"Granite-4.0-H-Small",    40, 4,  0,  0,  0,  36, 0,  40, true },
    {"Kimi-K2",                61, 61, 61, 0,  0,  0,  1,  60, false},
    {"Llama-3.2-1B",           16, 16, 0,  0,  0,  0,  16, 0,  true },
    {"Llama-4-Scout",          48, 48, 0,  36, 0,  0,  0,  48, false},
    {"Mamba-2.8B",             64, 0,  0,  0,  0,  64, 0,  0,  true },
    {"Mamba-Codestral-7B",     64, 0,  0,  0,  0,  64, 0,  0,  false},
    {"Mixtral-8x7B",           32, 32, 0,  0,  0,  0,  0,  32, false},
    {"Phi-4",                  40, 40, 0,  0,  0,  0,  40, 0,  false},
    {"Qwen3-Next-80B-A3B",     48, 12, 0,  0,  0,  36, 0,  48, false},
    {"Qwen3.5-27B",            64, 16, 0,  0,  0,  48, 64, 0,  false},
    {"Qwen3.5-35B-A3B",        40, 10, 0,  0,  0,  30, 0,  40, false},
    {"gpt-oss-20b",            24, 24, 0,  12, 0,  0,  0,  24, false},
};

static layer_row count_layers(const mf_model *model)
{
    layer_row n = {.n_layers = model->n_layers, .tied = model->tied_embeddings};
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_layer *layer = &model->layers[i];
        n.n_attention += layer->attention.kind != MF_ATTENTION_NONE;
        n.n_latent += layer->attention.kind == MF_ATTENTION_MLA;
        n.n_windowed += layer->attention.window > 0;
        n.n_sharing += layer->attention.shares_kv;
        n.n_recurrent += layer->recurrent.kind != MF_RECURRENT_NONE;
        n.n_dense += layer->ffn.kind == MF_FFN_DENSE;
        n.n_moe += layer->ffn.kind == MF_FFN_MOE;
    }
    return n;
}

Test(gguf_models, layers_by_kind)
{
    for (size_t i = 0; i < sizeof layer_rows / sizeof layer_rows[0]; i++) {
        const layer_row *row = &layer_rows[i];
        mf_model *model = model_of(row->name);
        const layer_row n = count_layers(model);
        cr_expect(eq(sz, n.n_layers, row->n_layers), "%s", row->name);
        cr_expect(eq(sz, n.n_attention, row->n_attention), "%s", row->name);
        cr_expect(eq(sz, n.n_latent, row->n_latent), "%s", row->name);
        cr_expect(eq(sz, n.n_windowed, row->n_windowed), "%s", row->name);
        cr_expect(eq(sz, n.n_sharing, row->n_sharing), "%s", row->name);
        cr_expect(eq(sz, n.n_recurrent, row->n_recurrent), "%s", row->name);
        cr_expect(eq(sz, n.n_dense, row->n_dense), "%s", row->name);
        cr_expect(eq(sz, n.n_moe, row->n_moe), "%s", row->name);
        cr_expect(eq(int, n.tied, row->tied), "%s", row->name);
        mf_model_free(model);
    }
}

Test(gguf_models, latent_attention)
{
    mf_model *model = model_of("DeepSeek-V3");
    const mf_attention *a = &model->layers[60].attention;
    cr_expect(eq(u32, a->n_heads, 128));
    cr_expect(eq(u32, a->n_kv_heads, 1));
    cr_expect(eq(u32, a->key_dim, 192));
    cr_expect(eq(u32, a->value_dim, 128));
    cr_expect(eq(u32, a->kv_rank, 512));
    cr_expect(eq(u32, a->rope_dim, 64));
    cr_expect(eq(u32, model->layers[3].ffn.width, 2048));
    cr_expect(eq(u32, model->layers[3].ffn.shared_width, 2048));
    mf_model_free(model);
}

Test(gguf_models, nextn_block_with_a_cache)
{
    mf_model *model = model_of("GLM-4.5-Air");
    cr_expect(not(model->layers[45].is_nextn));
    cr_expect(model->layers[46].is_nextn);
    cr_expect(model->layers[46].nextn_has_cache);
    mf_model_free(model);
}

/* llama.cpp's n_embd_r and n_embd_s by hand: (4 - 1) * (4096 + 2 * 16 * 128) and 128 * 4096. */
Test(gguf_models, state_of_linear_attention)
{
    mf_model *model = model_of("Qwen3-Next-80B-A3B");
    const mf_recurrent *r = &model->layers[0].recurrent;
    cr_expect(eq(int, r->kind, MF_RECURRENT_DELTA));
    cr_expect(eq(u64, r->conv_elements, 24576));
    cr_expect(eq(u64, r->state_elements, 524288));
    mf_model_free(model);
}

Test(gguf_models, widths_that_differ_by_layer)
{
    mf_model *model = model_of("Gemma-4-E2B");
    const mf_layer *sliding = &model->layers[0];
    const mf_layer *full = &model->layers[34];
    cr_expect(eq(u32, sliding->attention.key_dim, 256));
    cr_expect(eq(u32, sliding->attention.window, 512));
    cr_expect(eq(u32, sliding->ffn.width, 6144));
    cr_expect(eq(u32, full->attention.key_dim, 512));
    cr_expect(eq(u32, full->attention.value_dim, 512));
    cr_expect(eq(u32, full->attention.window, 0));
    cr_expect(eq(u32, full->ffn.width, 12288));
    cr_expect(full->attention.shares_kv);
    mf_model_free(model);
}

/* The dense part beside the experts is used by every token. */
Test(gguf_models, dense_part_beside_experts)
{
    mf_model *model = model_of("Gemma-4-26B-A4B");
    const mf_ffn *f = &model->layers[7].ffn;
    cr_expect(eq(u32, f->width, 704));
    cr_expect(eq(u32, f->n_experts, 128));
    cr_expect(eq(u32, f->n_experts_used, 8));
    cr_expect(eq(u32, f->shared_width, 2112));
    cr_expect(eq(u32, f->n_matrices, 3));
    mf_model_free(model);
}
