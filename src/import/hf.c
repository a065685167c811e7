/*
 * hf.c - a model from a Hugging Face config.json: sizes, then the layers of its family, then what holds them together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "import/gguf_arch.h"
#include "import/hf_family.h"
#include "memfit/import.h"

enum { MAX_CONFIG_BYTES = 4 << 20 }; /* real ones have at most some hundred kilobytes */

/* The part that describes the language model of a multimodal one. */
static const mf_node *text_config(const mf_node *root)
{
    static const char *const keys[] = {"text_config", "llm_config", "language_config"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const mf_node *node = mf_node_get(root, keys[i]);
        if (node != NULL && mf_node_kind_of(node) == MF_NODE_OBJECT) {
            return node;
        }
    }
    return root;
}

static const mf_hf_family *find_family(mf_hf *hf)
{
    const mf_node *node = mf_hf_find(hf, "model_type");
    const char *type = mf_node_string(node);
    if (type == NULL) {
        mf_hf_fail(
            hf, NULL, "the key 'model_type' is missing: is this the config.json of a model?");
        return NULL;
    }
    const mf_hf_family *family = mf_hf_family_get(type);
    if (family == NULL) {
        const char *nearest = mf_hf_family_nearest(type);
        mf_hf_fail(hf,
                   node,
                   "there are no rules for 'model_type' \"%.60s\"%s%s%s",
                   type,
                   nearest != NULL ? ", the nearest that has is \"" : "",
                   nearest != NULL ? nearest : "",
                   nearest != NULL ? "\"" : "");
        hf->status = MF_E_UNSUPPORTED;
        if (hf->err != NULL) {
            hf->err->status = hf->status;
        }
    }
    return family;
}

static void read_context(mf_hf *hf)
{
    const mf_node *node =
        mf_hf_find(hf, "max_position_embeddings|max_sequence_length|seq_length|model_max_length");
    if (node != NULL && !mf_node_uint(&hf->model->context_max, node)) {
        mf_hf_fail(hf, node, "'max_position_embeddings' must be a whole number");
    }
}

static void read_sizes(mf_hf *hf, const mf_hf_family *f)
{
    mf_model *model = hf->model;
    hf->hidden = mf_hf_count(hf, "hidden_size|d_model");
    model->hidden = hf->hidden;
    model->vocabulary = f->vocabulary > 0 ? mf_hf_count_or(hf, "vocab_size", f->vocabulary)
                                          : mf_hf_count(hf, "padded_vocab_size|vocab_size");
    hf->n_layers = mf_hf_count_or(hf, "num_hidden_layers|n_layer|num_layers", 0);
    hf->n_heads = mf_hf_count_or(hf, "num_attention_heads", f->n_heads);
    const uint32_t n_kv_heads = f->n_kv_heads > 0 ? f->n_kv_heads : hf->n_heads;
    hf->n_kv_heads = mf_hf_count_or(hf, "num_key_value_heads|num_attention_groups", n_kv_heads);
    const uint32_t even = hf->n_heads > 0 ? (uint32_t)(hf->hidden / hf->n_heads) : 0;
    hf->head_dim =
        mf_hf_count_or(hf, "head_dim|attention_head_dim", f->head_dim > 0 ? f->head_dim : even);
    const mf_node *width = mf_hf_find(hf, "intermediate_size");
    const bool listed = mf_node_kind_of(width) == MF_NODE_ARRAY;
    hf->ffn_width = width == NULL || listed ? 0 : mf_hf_count_or(hf, "intermediate_size", 0);
    if (hf->n_layers > MF_HF_MAX_LAYERS) {
        mf_hf_fail(hf, NULL, "more than %d layers", MF_HF_MAX_LAYERS);
    }
    read_context(hf);
}

/* Stated at the top or in the text config; else the class's default. */
static bool is_tied(mf_hf *hf, const mf_hf_family *f)
{
    bool tied = f->tied;
    if (mf_node_bool(&tied, mf_node_get(hf->root, "tie_word_embeddings"))) {
        return tied;
    }
    return mf_hf_flag(hf, "tie_word_embeddings|tie_embedding", f->tied);
}

static void add_ends(mf_hf *hf, const mf_hf_family *f)
{
    mf_model *model = hf->model;
    model->tied_embeddings = is_tied(hf, f);
    mf_hf_add_global(hf, "token_embd.weight", hf->hidden, model->vocabulary, 0);
    const bool lfm = strncmp(f->arch, "lfm2", 4) == 0;
    mf_hf_add_global(hf, lfm ? "token_embd_norm.weight" : "output_norm.weight", hf->hidden, 0, 0);
    if (!model->tied_embeddings) {
        mf_hf_add_global(hf, "output.weight", hf->hidden, model->vocabulary, 0);
    }
}

static void note_caches(mf_hf *hf)
{
    const mf_gguf_arch *arch = mf_gguf_arch_get(hf->model->architecture);
    for (size_t i = 0; i < hf->model->n_layers; i++) {
        mf_layer *layer = &hf->model->layers[i];
        layer->nextn_has_cache = layer->is_nextn && arch != NULL && arch->nextn_has_cache;
    }
}

/* "dir/org__Name.json" -> "name"; "dir/Name/config.json" -> "name": lower case, what an id may hold. */
static char *id_of(const char *path)
{
    mf_str id = {0};
    const char *end = path + strlen(path);
    const char *slash = strrchr(path, '/');
    if (slash != NULL && strcmp(slash, "/config.json") == 0) {
        end = slash;
    } else if (end - path > 5 && strcmp(end - 5, ".json") == 0) {
        end -= 5;
    }
    const char *start = end;
    while (start > path && start[-1] != '/') {
        start--;
    }
    const char *mark = strstr(start, "__");
    start = mark != NULL && mark < end ? mark + 2 : start;
    for (const char *c = start; c < end; c++) {
        const char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        const bool fine = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ||
                          lower == '.' || lower == '-';
        mf_str_add_char(&id, fine ? lower : '-', 1);
    }
    if (id.size == 0) {
        mf_str_add(&id, "model");
    }
    if (mf_str_status(&id, NULL) != MF_OK) {
        mf_str_free(&id);
    }
    return id.data;
}

static bool fill_source(mf_model *model, const char *path)
{
    mf_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return false;
    }
    model->sources = (mf_sources){.items = source, .n_items = 1};
    mf_str title = {0};
    const char *slash = strrchr(path, '/');
    mf_str_printf(&title, "configuration %s", slash != NULL ? slash + 1 : path);
    source->kind = MF_SOURCE_VENDOR;
    source->covers = mf_strdup("*");
    source->title = title.data;
    return mf_str_status(&title, NULL) == MF_OK && source->covers != NULL;
}

static void fill_texts(mf_hf *hf, const mf_hf_family *f)
{
    mf_model *model = hf->model;
    const char *repository = mf_node_string(mf_hf_find(hf, "_name_or_path"));
    model->architecture = mf_strdup(f->arch);
    model->id = id_of(hf->name);
    const char *slash = repository != NULL ? strchr(repository, '/') : NULL;
    const bool named = slash != NULL && slash != repository && strchr(slash + 1, '/') == NULL;
    model->name = mf_strdup(named ? slash + 1 : model->id);
    model->organization = mf_strdup("unknown");
    if (named && model->organization != NULL) {
        mf_str organization = {0};
        mf_str_add_n(&organization, repository, (size_t)(slash - repository));
        free(model->organization);
        model->organization = organization.data;
    }
    if (model->architecture == NULL || model->id == NULL || model->name == NULL ||
        model->organization == NULL || !fill_source(model, hf->name)) {
        hf->status = mf_fail(hf->err, MF_E_NOMEM, "no memory for '%s'", hf->name);
    }
}

/* Nemotron-H with experts is an architecture of its own. */
static const char *architecture_of(const mf_hf *hf, const mf_hf_family *f)
{
    const bool moe =
        strcmp(f->arch, "nemotron_h") == 0 && mf_hf_find(hf, "n_routed_experts") != NULL;
    return moe ? "nemotron_h_moe" : f->arch;
}

static void build(mf_hf *hf)
{
    const mf_hf_family *found = find_family(hf);
    if (found == NULL) {
        return;
    }
    mf_hf_family family = *found;
    family.arch = architecture_of(hf, found);
    fill_texts(hf, &family);
    mf_hf_read_published(hf);
    read_sizes(hf, &family);
    add_ends(hf, &family);
    if (hf->status == MF_OK) {
        family.build(hf, &family);
    }
    if (hf->status == MF_OK && hf->model->n_layers == 0) {
        mf_hf_fail(hf, NULL, "the key 'num_hidden_layers' is missing or 0");
    }
    if (hf->status != MF_OK) {
        return;
    }
    mf_hf_measure_tower(hf, family.arch);
    note_caches(hf);
    hf->model->mtp_parameters = hf->left_out;
    if (hf->status == MF_OK) {
        mf_model_counts counts;
        hf->status = mf_model_count(&counts, hf->model, hf->err);
    }
    if (hf->status == MF_OK) {
        hf->status = mf_model_check(hf->model, hf->err);
    }
    if (hf->status != MF_OK) {
        mf_error_prefix(hf->err, "%s: ", hf->name);
    }
}

/* Python writes Infinity and NaN, which are not JSON; none of them is a size, so null takes their place and width. */
static void blank_infinities(char *text, size_t size)
{
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') {
            quoted = !quoted;
        } else if (quoted && text[i] == '\\') {
            i++;
        }
        for (size_t k = 0; !quoted && k < sizeof words / sizeof words[0]; k++) {
            const size_t n = strlen(words[k]);
            if (n <= size - i && memcmp(text + i, words[k], n) == 0) {
                memset(text + i, ' ', n);
                memcpy(text + i, n < strlen("null") ? "0" : "null", n < strlen("null") ? 1 : 4);
                break;
            }
        }
    }
}

static mf_status
parse_json(mf_json **out, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_str copy = {0};
    mf_str_add_n(&copy, text, size);
    mf_status status = mf_str_status(&copy, err);
    if (status == MF_OK && copy.data != NULL) {
        blank_infinities(copy.data, copy.size);
    }
    if (status == MF_OK) {
        status = mf_json_parse(out, copy.data != NULL ? copy.data : "", copy.size, name, err);
    }
    mf_str_free(&copy);
    return status;
}

mf_status
mf_hf_parse(mf_model **out, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_json *json = NULL;
    if (size > MAX_CONFIG_BYTES) {
        return mf_fail(err, MF_E_DATA, "%s is larger than 4 MiB, no config.json is", name);
    }
    mf_status status = parse_json(&json, text, size, name, err);
    if (status != MF_OK) {
        return status;
    }
    mf_hf hf = {.json = json,
                .root = mf_json_root(json),
                .text = text_config(mf_json_root(json)),
                .name = name,
                .err = err,
                .index = MF_GLOBAL_TENSOR,
                .model = calloc(1, sizeof *hf.model)};
    if (hf.model == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "no memory for '%s'", name);
    } else {
        hf.model->origin = MF_ORIGIN_HF;
        build(&hf);
        status = hf.status;
    }
    mf_json_free(json);
    if (status != MF_OK) {
        mf_model_free(hf.model);
        return status;
    }
    *out = hf.model;
    return MF_OK;
}
