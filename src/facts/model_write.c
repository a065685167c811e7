/*
 * model_write.c - a model as a file of modeldb. Layers are compared by their text, so that what reads the same is one
 * block, whatever the padding of a struct holds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts/json.h"
#include "facts/model_json.h"

enum { LINE_WIDTH = 110 };

/* Writes ", " or a line break where the line would become too long. */
typedef struct list {
    mf_str *out;
    const char *indent;
    size_t line_start;
    size_t n;
} list;

static void add_item(list *items, const char *text)
{
    mf_str *out = items->out;
    if (items->n++ == 0) {
        items->line_start = out->size;
    } else if (out->size - items->line_start + strlen(text) > LINE_WIDTH) {
        mf_str_printf(out, ",\n%s", items->indent);
        items->line_start = out->size;
    } else {
        mf_str_add(out, ", ");
    }
    mf_json_quote(out, text);
}

static void add_tensor(list *items, const mf_tensor *tensor, const char *name)
{
    char text[MF_TENSOR_NAME_SIZE + 4 * 24];
    int n = snprintf(text, sizeof text, "%s", name);
    for (uint32_t i = 0; i < tensor->n_dims && n > 0 && (size_t)n < sizeof text; i++) {
        n += snprintf(
            text + n, sizeof text - (size_t)n, "%c%" PRIu64, i == 0 ? ' ' : 'x', tensor->dims[i]);
    }
    add_item(items, text);
}

static void add_count(mf_str *out, const char *key, uint64_t value)
{
    if (value > 0) {
        mf_str_printf(out, ", \"%s\": %" PRIu64, key, value);
    }
}

static void add_flag(mf_str *out, const char *key, bool value)
{
    if (value) {
        mf_str_printf(out, ", \"%s\": true", key);
    }
}

static void write_attention(mf_str *out, const mf_attention *a)
{
    mf_str_add(out, "      \"attention\": ");
    if (a->kind == MF_ATTENTION_NONE) {
        mf_str_add(out, "null,\n");
        return;
    }
    mf_str_printf(out,
                  "{\"kind\": \"%s\", \"heads\": %u, \"kv_heads\": %u, \"key_dim\": %u, "
                  "\"value_dim\": %u",
                  mf_attention_words[a->kind],
                  a->n_heads,
                  a->n_kv_heads,
                  a->key_dim,
                  a->value_dim);
    add_count(out, "window", a->window);
    add_flag(out, "chunked", a->chunked);
    add_flag(out, "shares_kv", a->shares_kv);
    add_flag(out, "value_is_key", a->value_is_key);
    add_count(out, "kv_rank", a->kv_rank);
    add_count(out, "rope_dim", a->rope_dim);
    add_count(out, "index_dim", a->index_dim);
    add_count(out, "index_heads", a->n_index_heads);
    add_count(out, "index_top_k", a->index_top_k);
    add_count(out, "index_block", a->index_block);
    add_count(out, "compress_ratio", a->compress_ratio);
    mf_str_add(out, "},\n");
}

static void write_recurrent(mf_str *out, const mf_recurrent *r)
{
    if (r->kind != MF_RECURRENT_NONE) {
        mf_str_printf(out,
                      "      \"recurrent\": {\"kind\": \"%s\", \"conv_elements\": %" PRIu64
                      ", \"state_elements\": %" PRIu64 "},\n",
                      mf_recurrent_words[r->kind],
                      r->conv_elements,
                      r->state_elements);
    }
}

static void write_ffn(mf_str *out, const mf_ffn *ffn)
{
    mf_str_add(out, "      \"ffn\": ");
    if (ffn->kind == MF_FFN_NONE) {
        mf_str_add(out, "null,\n");
        return;
    }
    mf_str_printf(out,
                  "{\"kind\": \"%s\", \"width\": %u, \"matrices\": %u",
                  mf_ffn_words[ffn->kind],
                  ffn->width,
                  ffn->n_matrices);
    add_count(out, "experts", ffn->n_experts);
    add_count(out, "experts_used", ffn->n_experts_used);
    add_count(out, "shared_width", ffn->shared_width);
    mf_str_add(out, "},\n");
}

/* What layers that are alike have in common: everything of a block but its name. */
typedef struct layer_text {
    mf_str body;
    list tensors;
    size_t block;
} layer_text;

static void begin_layer(layer_text *text, const mf_layer *layer)
{
    mf_str *out = &text->body;
    write_attention(out, &layer->attention);
    write_recurrent(out, &layer->recurrent);
    write_ffn(out, &layer->ffn);
    mf_str_add(out, layer->is_nextn ? "      \"nextn\": true,\n" : "");
    mf_str_add(out, layer->nextn_has_cache ? "      \"nextn_cache\": true,\n" : "");
    mf_str_add(out, "      \"tensors\": [");
    text->tensors = (list){.out = out, .indent = "        "};
}

static mf_status fill_layers(layer_text *texts, const mf_model *model, mf_error *err)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        begin_layer(&texts[i], &model->layers[i]);
    }
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (tensor->layer == MF_GLOBAL_TENSOR) {
            continue;
        }
        char prefix[24];
        const int n = snprintf(prefix, sizeof prefix, "blk.%d.", tensor->layer);
        if (tensor->layer < 0 || (size_t)tensor->layer >= model->n_layers || n < 0 ||
            strncmp(tensor->name, prefix, (size_t)n) != 0) {
            return mf_fail(err,
                           MF_E_DATA,
                           "tensor '%s' is not of layer %d of %zu",
                           tensor->name,
                           tensor->layer,
                           model->n_layers);
        }
        add_tensor(&texts[tensor->layer].tensors, tensor, tensor->name + n);
    }
    return MF_OK;
}

/* Gives each layer the number of the first block that reads like it; *firsts lists a layer of each block. */
static size_t group_layers(layer_text *texts, size_t n_layers, size_t *firsts)
{
    size_t n_blocks = 0;
    for (size_t i = 0; i < n_layers; i++) {
        const mf_str *body = &texts[i].body;
        size_t block = 0;
        while (block < n_blocks &&
               (texts[firsts[block]].body.size != body->size ||
                memcmp(texts[firsts[block]].body.data, body->data, body->size) != 0)) {
            block++;
        }
        if (block == n_blocks) {
            firsts[n_blocks++] = i;
        }
        texts[i].block = block;
    }
    return n_blocks;
}

/* a, b, ... z, aa, ab, ... */
static const char *block_name(char buffer[16], size_t block)
{
    size_t at = 15;
    buffer[at] = '\0';
    for (size_t rest = block + 1; rest > 0 && at > 0; rest = (rest - 1) / 26) {
        buffer[--at] = (char)('a' + (rest - 1) % 26);
    }
    return buffer + at;
}

static void write_blocks(mf_str *out, const layer_text *texts, const size_t *firsts, size_t n)
{
    char name[16];
    mf_str_add(out, "  \"blocks\": [");
    for (size_t i = 0; i < n; i++) {
        const mf_str *body = &texts[firsts[i]].body;
        mf_str_printf(
            out, "%s\n    {\n      \"name\": \"%s\",\n", i > 0 ? "," : "", block_name(name, i));
        mf_str_add_n(out, body->data, body->size);
        mf_str_add(out, "]\n    }");
    }
    mf_str_add(out, "\n  ],\n");
}

static void write_layers(mf_str *out, const layer_text *texts, size_t n_layers)
{
    char name[16];
    char run[48];
    mf_str_add(out, "  \"layers\": [");
    list runs = {.out = out, .indent = "    "};
    size_t end = 0;
    for (size_t i = 0; i < n_layers; i = end) {
        for (end = i; end < n_layers && texts[end].block == texts[i].block;) {
            end++;
        }
        const char *block = block_name(name, texts[i].block);
        if (end - i == 1) {
            (void)snprintf(run, sizeof run, "%s", block);
        } else {
            (void)snprintf(run, sizeof run, "%s*%zu", block, end - i);
        }
        add_item(&runs, run);
    }
    mf_str_add(out, "],\n");
}

static void write_text(mf_str *out, const char *key, const char *text)
{
    mf_str_printf(out, "  \"%s\": ", key);
    mf_json_quote(out, text);
    mf_str_add(out, ",\n");
}

static void write_size(mf_str *out, const char *key, uint64_t value)
{
    if (value > 0) {
        mf_str_printf(out, "  \"%s\": %" PRIu64 ",\n", key, value);
    } else {
        mf_str_printf(out, "  \"%s\": null,\n", key);
    }
}

static void write_head(mf_str *out, const mf_model *model)
{
    mf_str_add(out, "{\n  \"schema\": 1,\n");
    write_text(out, "id", model->id);
    write_text(out, "name", model->name);
    write_text(out, "organization", model->organization);
    write_text(out, "architecture", model->architecture);
    write_text(out, "license", model->license);
    write_text(out, "released", model->released);
    write_size(out, "context", model->context_max);
    write_size(out, "vocabulary", model->vocabulary);
    write_size(out, "hidden", model->hidden);
    mf_str_printf(out, "  \"tied_embeddings\": %s,\n", model->tied_embeddings ? "true" : "false");
    write_size(out, "vision_parameters", model->vision_parameters);
    if (model->vision.patches > 0) {
        const mf_vision *v = &model->vision;
        mf_str_printf(out,
                      "  \"vision\": {\"f32_parameters\": %" PRIu64 ", \"patches\": %" PRIu64
                      ", \"first_patches\": %" PRIu64 ", \"tokens\": %" PRIu64
                      ", \"patch_floats\": %" PRIu64 "},\n",
                      v->f32_parameters,
                      v->patches,
                      v->first_patches,
                      v->tokens,
                      v->patch_floats);
    }
    if (model->mtp_parameters > 0) {
        write_size(out, "mtp_parameters", model->mtp_parameters);
    }
    if (model->published != NULL) {
        write_text(out, "published", model->published);
    }
    mf_str_add(out, "  \"tensors\": [");
    list tensors = {.out = out, .indent = "    "};
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (model->tensors[i].layer == MF_GLOBAL_TENSOR) {
            add_tensor(&tensors, &model->tensors[i], model->tensors[i].name);
        }
    }
    mf_str_add(out, "],\n");
}

static void write_sources(mf_str *out, const mf_sources *sources)
{
    mf_str_add(out, "  \"sources\": [");
    for (size_t i = 0; i < sources->n_items; i++) {
        const mf_source *source = &sources->items[i];
        mf_str_printf(out, "%s\n    {\"for\": ", i > 0 ? "," : "");
        mf_json_quote(out, source->covers != NULL ? source->covers : "*");
        mf_str_printf(out, ", \"kind\": \"%s\", \"title\": ", mf_source_kind_name(source->kind));
        mf_json_quote(out, source->title);
        mf_str_add(out, ", \"url\": ");
        mf_json_quote(out, source->url);
        mf_str_add(out, ", \"seen\": ");
        mf_json_quote(out, source->seen);
        mf_str_add(out, "}");
    }
    mf_str_add(out, "\n  ],\n  \"notes\": []\n}\n");
}

mf_status mf_model_write(mf_str *out, const mf_model *model, mf_error *err)
{
    layer_text *texts = calloc(model->n_layers + 1, sizeof *texts);
    size_t *firsts = calloc(model->n_layers + 1, sizeof *firsts);
    mf_status status = MF_OK;
    if (texts == NULL || firsts == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for a model's text");
    } else {
        status = fill_layers(texts, model, err);
    }
    for (size_t i = 0; status == MF_OK && i < model->n_layers; i++) {
        status = mf_str_status(&texts[i].body, err);
    }
    if (status == MF_OK) {
        const size_t n_blocks = group_layers(texts, model->n_layers, firsts);
        write_head(out, model);
        write_blocks(out, texts, firsts, n_blocks);
        write_layers(out, texts, model->n_layers);
        write_sources(out, &model->sources);
        status = mf_str_status(out, err);
    }
    for (size_t i = 0; texts != NULL && i < model->n_layers; i++) {
        mf_str_free(&texts[i].body);
    }
    free(texts);
    free(firsts);
    return status;
}
