/*
 * model_json.c - a file of modeldb read into a model: blocks repeated as "layers" says, tensors named blk.N.x.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "facts/model_json.h"
#include "facts/readers.h"

enum {
    MAX_LAYERS = 4096,
    MAX_TENSORS = 1 << 18, /* "a*4096" is short, so bytes of the file bound nothing here */
};

const char *const mf_attention_words[] = {
    [MF_ATTENTION_NONE] = "none",
    [MF_ATTENTION_GQA] = "gqa",
    [MF_ATTENTION_MLA] = "mla",
};

const char *const mf_recurrent_words[] = {
    [MF_RECURRENT_NONE] = "none",
    [MF_RECURRENT_MAMBA1] = "mamba1",
    [MF_RECURRENT_MAMBA2] = "mamba2",
    [MF_RECURRENT_DELTA] = "delta",
    [MF_RECURRENT_LIGHTNING] = "lightning",
    [MF_RECURRENT_CONV] = "conv",
    [MF_RECURRENT_COMPRESSOR] = "compressor",
};

const char *const mf_ffn_words[] = {
    [MF_FFN_NONE] = "none",
    [MF_FFN_DENSE] = "dense",
    [MF_FFN_MOE] = "moe",
};

typedef struct block {
    char *name;
    mf_layer layer;
    const mf_node *tensors;
} block;

typedef struct model_file {
    mf_model model;
    block *blocks;
    size_t n_blocks;
    const mf_node *tensors;
    const mf_node *layers;
} model_file;

#define WORDS(array) .words = (array), .n_words = sizeof(array) / sizeof(array)[0]
#define KIND(type_, words_, example_, help_)                                                       \
    {                                                                                              \
        .key = "kind", .kind = MF_FIELD_CHOICE, MF_INTO(type_, kind), WORDS(words_),               \
        .first_word = 1, .example = (example_), .help = (help_)                                    \
    }
#define COUNT(key_, type_, member_, example_, help_)                                               \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_COUNT, MF_INTO(type_, member_), .example = (example_),     \
        .help = (help_)                                                                            \
    }
#define COUNT_OR_ABSENT(key_, type_, member_, help_)                                               \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_COUNT, MF_INTO(type_, member_), .optional = true,          \
        .help = (help_)                                                                            \
    }
#define FLAG_OR_ABSENT(key_, type_, member_, help_)                                                \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_BOOL, MF_INTO(type_, member_), .optional = true,           \
        .help = (help_)                                                                            \
    }
#define RECORD(key_, member_, table_, optional_, help_)                                            \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_RECORD, MF_INTO(block, layer.member_), .nullable = true,   \
        .optional = (optional_), .table = &(table_), .help = (help_)                               \
    }

static const mf_field attention_fields[] = {
    KIND(mf_attention, mf_attention_words, "\"gqa\"", "gqa or mla"),
    COUNT("heads", mf_attention, n_heads, "16", "query heads"),
    COUNT("kv_heads", mf_attention, n_kv_heads, "4", "key and value heads"),
    COUNT("key_dim", mf_attention, key_dim, "128", "width of a key head; mla: of the expanded key"),
    COUNT("value_dim", mf_attention, value_dim, "128", "width of a value head"),
    COUNT_OR_ABSENT("window", mf_attention, window, "tokens that a sliding or chunked layer sees"),
    FLAG_OR_ABSENT("chunked", mf_attention, chunked, "chunks of window tokens instead of sliding"),
    FLAG_OR_ABSENT("shares_kv", mf_attention, shares_kv, "reads the cache of an earlier layer"),
    FLAG_OR_ABSENT("value_is_key", mf_attention, value_is_key, "one vector is key and value"),
    COUNT_OR_ABSENT("kv_rank", mf_attention, kv_rank, "mla: width of the latent"),
    COUNT_OR_ABSENT("rope_dim", mf_attention, rope_dim, "mla: width of the shared rotary key"),
    COUNT_OR_ABSENT("index_dim", mf_attention, index_dim, "sparse: width of the cached index key"),
    COUNT_OR_ABSENT("index_heads", mf_attention, n_index_heads, "sparse: heads that select"),
    COUNT_OR_ABSENT("index_top_k", mf_attention, index_top_k, "sparse: tokens that are attended"),
    COUNT_OR_ABSENT("index_block", mf_attention, index_block, "sparse: tokens of a selected block"),
    COUNT_OR_ABSENT("compress_ratio", mf_attention, compress_ratio, "tokens per compressed entry"),
};

static const mf_field recurrent_fields[] = {
    KIND(mf_recurrent, mf_recurrent_words, "\"mamba2\"", "what keeps the state"),
    COUNT("conv_elements", mf_recurrent, conv_elements, "0", "of one sequence"),
    COUNT("state_elements", mf_recurrent, state_elements, "0", "of one sequence"),
};

static const mf_field ffn_fields[] = {
    KIND(mf_ffn, mf_ffn_words, "\"dense\"", "dense or moe"),
    COUNT("width", mf_ffn, width, "5632", "hidden width; moe: of one expert"),
    COUNT("matrices", mf_ffn, n_matrices, "3", "3 with a gate, 2 without"),
    COUNT_OR_ABSENT("experts", mf_ffn, n_experts, "moe: routed experts"),
    COUNT_OR_ABSENT("experts_used", mf_ffn, n_experts_used, "moe: experts of one token"),
    COUNT_OR_ABSENT("shared_width", mf_ffn, shared_width, "moe: width of all shared experts"),
};

static const mf_table attention_table =
    MF_TABLE("attention", attention_fields, sizeof(mf_attention));
static const mf_table recurrent_table =
    MF_TABLE("recurrent", recurrent_fields, sizeof(mf_recurrent));
static const mf_table ffn_table = MF_TABLE("ffn", ffn_fields, sizeof(mf_ffn));

static const mf_field vision_fields[] = {
    COUNT("f32_parameters", mf_vision, f32_parameters, "1000000", "that converters leave in F32"),
    COUNT("patches", mf_vision, patches, "4096", "of the largest picture"),
    COUNT("first_patches", mf_vision, first_patches, "4096", "that buffers are made for at first"),
    COUNT("tokens", mf_vision, tokens, "256", "of the context that the largest picture takes"),
    COUNT("patch_floats", mf_vision, patch_floats, "7760", "for each patch at the graph's peak"),
};

static const mf_table vision_table = MF_TABLE("vision", vision_fields, sizeof(mf_vision));

static const mf_field block_fields[] = {
    MF_FIELD(.key = "name",
             .kind = MF_FIELD_TEXT,
             MF_INTO(block, name),
             .example = "\"a\"",
             .help = "how \"layers\" names it"),
    RECORD("attention", attention, attention_table, false, "null without"),
    RECORD("recurrent", recurrent, recurrent_table, true, "absent without"),
    RECORD("ffn", ffn, ffn_table, false, "null without"),
    FLAG_OR_ABSENT("nextn", block, layer.is_nextn, "a multi-token-prediction block"),
    FLAG_OR_ABSENT("nextn_cache", block, layer.nextn_has_cache, "llama.cpp gives it a cache"),
    MF_FIELD(.key = "tensors",
             .kind = MF_FIELD_TEXTS,
             MF_INTO(block, tensors),
             .example = "[\"attn_norm.weight 2048\", \"attn_q.weight 2048x2048\", "
                        "\"attn_k.weight 2048x512\", \"attn_v.weight 2048x512\", "
                        "\"attn_output.weight 2048x2048\", \"ffn_norm.weight 2048\", "
                        "\"ffn_gate.weight 2048x5632\", \"ffn_up.weight 2048x5632\", "
                        "\"ffn_down.weight 5632x2048\"]",
             .help = "GGUF names without blk.N. and shapes, the contiguous dimension first"),
};

static const mf_table block_table = MF_TABLE("blocks", block_fields, sizeof(block));

#define TEXT(key_, member_, nullable_, example_, help_)                                            \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, MF_INTO(model_file, model.member_),                  \
        .nullable = (nullable_), .example = (example_), .help = (help_)                            \
    }
#define SIZE(key_, member_, nullable_, example_, help_)                                            \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_COUNT, MF_INTO(model_file, model.member_), .min = 1,       \
        .sourced = true, .nullable = (nullable_), .example = (example_), .help = (help_)           \
    }

static const mf_field model_fields[] = {
    MF_SCHEMA_FIELD,
    TEXT("id", id, false, "\"example-3b\"", "the file's name without .json"),
    TEXT("name", name, false, "\"Example 3B\"", "as people know it"),
    TEXT("organization", organization, false, "\"example\"", "who made it"),
    TEXT("architecture", architecture, false, "\"llama\"", "GGUF's general.architecture"),
    TEXT("license", license, true, "\"apache-2.0\"", "null if not stated"),
    MF_FIELD(.key = "released",
             .kind = MF_FIELD_DATE,
             MF_INTO(model_file, model.released),
             .nullable = true,
             .example = "\"2026-01-31\"",
             .help = "null if not stated"),
    SIZE("context", context_max, true, "32768", "tokens it was trained for"),
    SIZE("vocabulary", vocabulary, false, "32000", "tokens it knows"),
    SIZE("hidden", hidden, false, "2048", "width of a token between layers"),
    MF_FIELD(.key = "tied_embeddings",
             .kind = MF_FIELD_BOOL,
             MF_INTO(model_file, model.tied_embeddings),
             .example = "false",
             .help = "the output projection is the embedding table"),
    SIZE("vision_parameters", vision_parameters, true, "null", "of a separate vision tower"),
    MF_FIELD(.key = "vision",
             .kind = MF_FIELD_RECORD,
             MF_INTO(model_file, model.vision),
             .nullable = true,
             .optional = true,
             .table = &vision_table,
             .help = "what pictures take of memory; absent where the tower's form is not known"),
    MF_FIELD(.key = "mtp_parameters",
             .kind = MF_FIELD_COUNT,
             MF_INTO(model_file, model.mtp_parameters),
             .min = 1,
             .sourced = true,
             .optional = true,
             .help = "of multi-token-prediction blocks that GGUF files leave out; absent without"),
    MF_FIELD(.key = "published",
             .kind = MF_FIELD_TEXT,
             MF_INTO(model_file, model.published),
             .optional = true,
             .help = "scheme of quants.json in which its maker publishes it; absent: in 16 bits"),
    MF_FIELD(.key = "tensors",
             .kind = MF_FIELD_TEXTS,
             MF_INTO(model_file, tensors),
             .example = "[\"token_embd.weight 2048x32000\", \"output_norm.weight 2048\", "
                        "\"output.weight 2048x32000\"]",
             .help = "outside the blocks: GGUF names and shapes"),
    MF_FIELD(.key = "blocks",
             .kind = MF_FIELD_LIST,
             MF_INTO(model_file, blocks),
             .n_offset = offsetof(model_file, n_blocks),
             .min = 1,
             .table = &block_table,
             .help = "kinds of layers"),
    MF_FIELD(.key = "layers",
             .kind = MF_FIELD_TEXTS,
             MF_INTO(model_file, layers),
             .example = "[\"a*22\"]",
             .help = "blocks in order: \"a*5\", \"b\", ..."),
    MF_SOURCES_FIELD,
    MF_NOTES_FIELD,
};

const mf_table mf_model_table = MF_TABLE("model", model_fields, sizeof(model_file));

/* Shape behind a tensor's name: "2048x512". */
static bool parse_dims(mf_tensor *tensor, const char *text)
{
    enum { MAX_DIGITS = 20 };
    for (size_t i = 0; i < MF_MAX_DIMS; i++) {
        tensor->dims[i] = 1;
    }
    for (tensor->n_dims = 0; tensor->n_dims < MF_MAX_DIMS; text++) {
        const size_t n = strspn(text, "0123456789");
        char digits[MAX_DIGITS + 1] = {0};
        if (n == 0 || n > MAX_DIGITS) {
            return false;
        }
        memcpy(digits, text, n);
        uint64_t *dim = &tensor->dims[tensor->n_dims++];
        if (!mf_parse_uint(dim, digits) || *dim == 0) {
            return false;
        }
        text += n;
        if (*text != 'x') {
            return *text == '\0';
        }
    }
    return false;
}

static bool set_tensor(mf_tensor *tensor, const char *text, int32_t layer)
{
    const char *space = strchr(text, ' ');
    if (space == NULL || space == text || !parse_dims(tensor, space + 1)) {
        return false;
    }
    const int size = (int)(space - text);
    int n = 0;
    if (layer == MF_GLOBAL_TENSOR) {
        n = snprintf(tensor->name, sizeof tensor->name, "%.*s", size, text);
    } else {
        n = snprintf(tensor->name, sizeof tensor->name, "blk.%d.%.*s", layer, size, text);
    }
    if (n < 0 || (size_t)n >= sizeof tensor->name) {
        return false;
    }
    int32_t found = MF_GLOBAL_TENSOR;
    tensor->role = mf_tensor_role_of(tensor->name, &found);
    tensor->layer = layer;
    tensor->type = mf_tensor_converted_type(tensor->name, tensor->n_dims);
    return found == layer;
}

static mf_status
add_tensors(mf_model *model, const mf_json *json, const mf_node *list, int32_t layer, mf_error *err)
{
    for (const mf_node *item = mf_node_first(list); item != NULL; item = mf_node_next(item)) {
        if (!set_tensor(&model->tensors[model->n_tensors], mf_node_string(item), layer)) {
            return mf_json_fail(json,
                                item,
                                err,
                                "'%.80s' is not a tensor, write \"attn_q.weight 2048x2048\"",
                                mf_node_string(item));
        }
        model->n_tensors++;
    }
    return MF_OK;
}

/* "a*5" -> block a, 5; "b" -> block b, 1. NULL if there is no such block or the number is not one. */
static const block *parse_run(uint64_t *repeat, const model_file *file, const char *text)
{
    const size_t size = strcspn(text, "*");
    *repeat = 1;
    if (text[size] == '*' &&
        (!mf_parse_uint(repeat, text + size + 1) || *repeat == 0 || *repeat > MAX_LAYERS)) {
        return NULL;
    }
    for (size_t i = 0; i < file->n_blocks; i++) {
        const block *candidate = &file->blocks[i];
        if (strlen(candidate->name) == size && memcmp(candidate->name, text, size) == 0) {
            return candidate;
        }
    }
    return NULL;
}

/* Sizes what "layers" asks for, so that everything is allocated once. */
static mf_status count_layers(
    size_t *n_layers, size_t *n_tensors, const model_file *file, const mf_json *json, mf_error *err)
{
    *n_layers = 0;
    *n_tensors = mf_node_count(file->tensors);
    for (const mf_node *run = mf_node_first(file->layers); run != NULL; run = mf_node_next(run)) {
        uint64_t repeat = 0;
        const block *of = parse_run(&repeat, file, mf_node_string(run));
        if (of == NULL) {
            return mf_json_fail(json,
                                run,
                                err,
                                "'layers' has '%.40s', write the name of a block, \"a\" or \"a*5\"",
                                mf_node_string(run));
        }
        *n_layers += repeat;
        *n_tensors += repeat * mf_node_count(of->tensors);
        if (*n_layers > MAX_LAYERS || *n_tensors > MAX_TENSORS) {
            return mf_json_fail(
                json, run, err, "more than %d layers or %d tensors", MAX_LAYERS, MAX_TENSORS);
        }
    }
    return *n_layers > 0 ? MF_OK : mf_json_fail(json, file->layers, err, "'layers' is empty");
}

static mf_status fill_layers(model_file *file, const mf_json *json, mf_error *err)
{
    mf_model *model = &file->model;
    mf_status status = add_tensors(model, json, file->tensors, MF_GLOBAL_TENSOR, err);
    for (const mf_node *run = mf_node_first(file->layers); status == MF_OK && run != NULL;
         run = mf_node_next(run)) {
        uint64_t repeat = 0;
        const block *of = parse_run(&repeat, file, mf_node_string(run));
        for (uint64_t i = 0; status == MF_OK && i < repeat; i++) {
            const int32_t layer = (int32_t)model->n_layers;
            model->layers[model->n_layers++] = of->layer;
            status = add_tensors(model, json, of->tensors, layer, err);
        }
    }
    return status;
}

static mf_status expand(model_file *file, const mf_json *json, mf_error *err)
{
    size_t n_layers = 0;
    size_t n_tensors = 0;
    const mf_status status = count_layers(&n_layers, &n_tensors, file, json, err);
    if (status != MF_OK) {
        return status;
    }
    file->model.layers = calloc(n_layers, sizeof *file->model.layers);
    file->model.tensors = calloc(n_tensors + 1, sizeof *file->model.tensors);
    if (file->model.layers == NULL || file->model.tensors == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu layers", n_layers);
    }
    return fill_layers(file, json, err);
}

mf_status mf_model_read(mf_model **out, const mf_json *json, mf_error *err)
{
    mf_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a model");
    }
    model_file file = {.model.origin = MF_ORIGIN_MODELDB};
    mf_status status = mf_document_read(&mf_model_table, json, &file, &file.model.sources, err);
    if (status == MF_OK) {
        status = expand(&file, json, err);
    }
    *model = file.model;
    if (status == MF_OK) {
        *out = model;
    } else {
        mf_model_free(model);
    }
    file.model = (mf_model){0};
    mf_fields_free(&mf_model_table, &file);
    return status;
}
