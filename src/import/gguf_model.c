#include "import/gguf_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/str.h"
#include "import/gguf_layers.h"

enum { MAX_LAYERS = 4096 };

typedef struct file_type {
    uint32_t number;
    mf_tensor_type type; /* that most tensors of such a file have */
    const char *name;
} file_type;

/* llama.h, enum llama_ftype; llama-quant.cpp, default_type. */
static const file_type file_types[] = {
    {0,  MF_TYPE_F32,     "F32"      },
    {1,  MF_TYPE_F16,     "F16"      },
    {2,  MF_TYPE_Q4_0,    "Q4_0"     },
    {3,  MF_TYPE_Q4_1,    "Q4_1"     },
    {7,  MF_TYPE_Q8_0,    "Q8_0"     },
    {8,  MF_TYPE_Q5_0,    "Q5_0"     },
    {9,  MF_TYPE_Q5_1,    "Q5_1"     },
    {10, MF_TYPE_Q2_K,    "Q2_K"     },
    {11, MF_TYPE_Q3_K,    "Q3_K_S"   },
    {12, MF_TYPE_Q3_K,    "Q3_K_M"   },
    {13, MF_TYPE_Q3_K,    "Q3_K_L"   },
    {14, MF_TYPE_Q4_K,    "Q4_K_S"   },
    {15, MF_TYPE_Q4_K,    "Q4_K_M"   },
    {16, MF_TYPE_Q5_K,    "Q5_K_S"   },
    {17, MF_TYPE_Q5_K,    "Q5_K_M"   },
    {18, MF_TYPE_Q6_K,    "Q6_K"     },
    {19, MF_TYPE_IQ2_XXS, "IQ2_XXS"  },
    {20, MF_TYPE_IQ2_XS,  "IQ2_XS"   },
    {21, MF_TYPE_Q2_K,    "Q2_K_S"   },
    {22, MF_TYPE_IQ3_S,   "IQ3_XS"   },
    {23, MF_TYPE_IQ3_XXS, "IQ3_XXS"  },
    {24, MF_TYPE_IQ1_S,   "IQ1_S"    },
    {25, MF_TYPE_IQ4_NL,  "IQ4_NL"   },
    {26, MF_TYPE_IQ3_S,   "IQ3_S"    },
    {27, MF_TYPE_IQ3_S,   "IQ3_M"    },
    {28, MF_TYPE_IQ2_XS,  "IQ2_S"    },
    {29, MF_TYPE_IQ2_S,   "IQ2_M"    },
    {30, MF_TYPE_IQ4_XS,  "IQ4_XS"   },
    {31, MF_TYPE_IQ1_M,   "IQ1_M"    },
    {32, MF_TYPE_BF16,    "BF16"     },
    {36, MF_TYPE_TQ1_0,   "TQ1_0"    },
    {37, MF_TYPE_TQ2_0,   "TQ2_0"    },
    {38, MF_TYPE_MXFP4,   "MXFP4_MOE"},
    {39, MF_TYPE_NVFP4,   "NVFP4"    },
};

static mf_status copy_text(char **out, const char *text, mf_error *err)
{
    *out = mf_strdup(text);
    return *out != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for '%.80s'", text);
}

/* Text of a key; `otherwise` if the file does not have it (NULL: *out stays NULL). */
static mf_status
text_of(char **out, mf_gguf_file *file, const char *key, const char *otherwise, mf_error *err)
{
    const mf_gguf_value *value = mf_gguf_find(file, key);
    if (value != NULL) {
        return mf_gguf_string(out, file, value, err);
    }
    return otherwise != NULL ? copy_text(out, otherwise, err) : MF_OK;
}

/* "dir/llama-q4-00001-of-00003.gguf" -> "llama-q4" */
static char *id_of(const char *name)
{
    enum { SHARD_DIGITS = 5 };
    static const char shard[] = "-00001-of-00001";
    const char *slash = strrchr(name, '/');
    char *id = mf_strdup(slash != NULL ? slash + 1 : name);
    if (id == NULL) {
        return NULL;
    }
    char *end = strstr(id, ".gguf");
    if (end != NULL && end != id) {
        *end = '\0';
    }
    const size_t n = strlen(id);
    const size_t tail = sizeof shard - 1;
    if (n > tail && strncmp(id + n - SHARD_DIGITS - strlen("-of-"), "-of-", strlen("-of-")) == 0) {
        id[n - tail] = '\0';
    }
    return id;
}

static bool has_type(const mf_model *model, mf_tensor_type type)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (model->tensors[i].type == type) {
            return true;
        }
    }
    return false;
}

/* Some writers leave general.file_type as it was before they quantized: without a tensor of its type it says nothing. */
static mf_status fill_quant(mf_model *model, mf_gguf_file *file, mf_error *err)
{
    enum { GUESSED = 1024 }; /* LLAMA_FTYPE_GUESSED */
    uint64_t number = 0;
    const mf_gguf_value *value = mf_gguf_find(file, "general.file_type");
    if (value == NULL) {
        return MF_OK;
    }
    const mf_status status = mf_gguf_uint(&number, file, value, 0, err);
    number &= ~(uint64_t)GUESSED;
    for (size_t i = 0; status == MF_OK && i < sizeof file_types / sizeof file_types[0]; i++) {
        if (file_types[i].number == number && has_type(model, file_types[i].type)) {
            return copy_text(&model->quant, file_types[i].name, err);
        }
    }
    return status;
}

static mf_status fill_source(mf_model *model, const char *name, mf_error *err)
{
    mf_str title = {0};
    const char *slash = strrchr(name, '/');
    mf_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for the source of '%.80s'", name);
    }
    model->sources = (mf_sources){.items = source, .n_items = 1};
    mf_str_printf(&title, "header of %s", slash != NULL ? slash + 1 : name);
    source->kind = MF_SOURCE_VENDOR;
    source->title = title.data;
    const mf_status status = mf_str_status(&title, err);
    return status == MF_OK ? copy_text(&source->covers, "*", err) : status;
}

static mf_status fill_texts(mf_model *model, mf_gguf_file *file, mf_error *err)
{
    model->id = id_of(file->bytes.name);
    if (model->id == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for the name of '%s'", file->bytes.name);
    }
    mf_status status = text_of(&model->name, file, "general.name", model->id, err);
    if (status == MF_OK) {
        status = text_of(&model->organization, file, "general.organization", "unknown", err);
    }
    if (status == MF_OK) {
        status = text_of(&model->license, file, "general.license", NULL, err);
    }
    return status == MF_OK ? fill_source(model, file->bytes.name, err) : status;
}

static mf_status find_arch(mf_gguf_meta *meta, mf_model *model, mf_gguf_file *file, mf_error *err)
{
    char *kind = NULL;
    mf_status status = text_of(&kind, file, "general.type", "model", err);
    if (status == MF_OK && strcmp(kind, "model") != 0) {
        status = mf_fail(err,
                         MF_E_UNSUPPORTED,
                         "%s: 'general.type' is '%.64s', give the file of the model itself",
                         file->bytes.name,
                         kind);
    }
    free(kind);
    if (status != MF_OK) {
        return status;
    }
    const mf_gguf_value *value = mf_gguf_find(file, "general.architecture");
    if (value == NULL) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: the key 'general.architecture' is missing; give the first file of a "
                       "split set, or a file that holds a model",
                       file->bytes.name);
    }
    status = mf_gguf_string(&model->architecture, file, value, err);
    if (status != MF_OK) {
        return status;
    }
    meta->file = file;
    meta->arch = mf_gguf_arch_get(model->architecture);
    if (meta->arch == NULL) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "%s:byte %llu: 'general.architecture' is '%.64s', for which there are no "
                       "rules; add a row to src/import/gguf_arch.c after reading llama.cpp's "
                       "load_hparams for it",
                       file->bytes.name,
                       (unsigned long long)value->at,
                       model->architecture);
    }
    return MF_OK;
}

static mf_status fill_tensors(mf_model *model, mf_gguf_file *files, size_t n_files, mf_error *err)
{
    size_t n = 0;
    bool fine = true;
    for (size_t i = 0; i < n_files; i++) {
        n += files[i].n_tensors;
        fine = fine && mf_add(&model->header_bytes, model->header_bytes, files[i].data_start);
    }
    model->tensors = calloc(n + 1, sizeof model->tensors[0]);
    if (model->tensors == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu tensors", n);
    }
    for (size_t i = 0; i < n_files; i++) {
        for (size_t j = 0; j < files[i].n_tensors; j++) {
            const mf_gguf_tensor *from = &files[i].tensors[j];
            model->tensors[model->n_tensors++] = from->tensor;
            fine = fine && mf_add(&model->stored_bytes, model->stored_bytes, from->bytes);
        }
    }
    return fine ? MF_OK
                : mf_fail(err, MF_E_OVERFLOW, "%s: more than 2^64 bytes", files[0].bytes.name);
}

static const mf_tensor *find_tensor(const mf_model *model, mf_tensor_role role)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (model->tensors[i].role == role) {
            return &model->tensors[i];
        }
    }
    return NULL;
}

/* The vocabulary is what the tokenizer lists; files without one say it in vocab_size. */
static mf_status fill_sizes(mf_model *model, mf_gguf_meta *meta, mf_error *err)
{
    uint32_t number = 0;
    mf_status status = mf_gguf_meta_need(&number, meta, "embedding_length", err);
    model->hidden = number;
    if (status == MF_OK) {
        status = mf_gguf_meta_u32(&number, meta, "context_length", 0, err);
        model->context_max = number;
    }
    const mf_gguf_value *tokens = mf_gguf_find(meta->file, "tokenizer.ggml.tokens");
    const mf_tensor *embedding = find_tensor(model, MF_ROLE_TOKEN_EMBEDDING);
    if (status == MF_OK) {
        status = mf_gguf_meta_u32(&number, meta, "vocab_size", 0, err);
        model->vocabulary = number;
    }
    if (tokens != NULL && tokens->type == MF_GGUF_ARRAY) {
        const mf_gguf_value *pairs = mf_gguf_find(meta->file, "tokenizer.ggml.merges");
        model->vocabulary = tokens->n;
        model->vocabulary_listed = true;
        model->vocabulary_pairs = pairs != NULL && pairs->type == MF_GGUF_ARRAY ? pairs->n : 0;
    } else if (model->vocabulary == 0 && embedding != NULL) {
        model->vocabulary = embedding->dims[1];
    }
    model->tied_embeddings = find_tensor(model, MF_ROLE_OUTPUT) == NULL;
    return status;
}

static mf_status fill_blocks(mf_model *model, mf_gguf_meta *meta, mf_error *err)
{
    mf_status status = mf_gguf_meta_need(&meta->n_layers, meta, "block_count", err);
    if (status == MF_OK) {
        status = mf_gguf_meta_u32(&meta->n_nextn, meta, "nextn_predict_layers", 0, err);
    }
    if (status != MF_OK) {
        return status;
    }
    if (meta->n_layers > MAX_LAYERS || meta->n_nextn >= meta->n_layers) {
        return mf_gguf_meta_fail(meta,
                                 mf_gguf_meta_find(meta, "block_count"),
                                 err,
                                 "is %u with %u of 'nextn_predict_layers', at most %d layers and "
                                 "one ordinary layer at least are needed",
                                 meta->n_layers,
                                 meta->n_nextn,
                                 MAX_LAYERS);
    }
    model->layers = calloc(meta->n_layers, sizeof model->layers[0]);
    if (model->layers == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %u layers", meta->n_layers);
    }
    model->n_layers = meta->n_layers;
    return mf_gguf_fill_layers(model, meta, err);
}

mf_status mf_gguf_model(mf_model **out, mf_gguf_file *files, size_t n_files, mf_error *err)
{
    mf_gguf_meta meta = {0};
    mf_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for '%s'", files[0].bytes.name);
    }
    model->origin = MF_ORIGIN_GGUF;
    mf_status status = find_arch(&meta, model, &files[0], err);
    if (status == MF_OK) {
        status = fill_texts(model, &files[0], err);
    }
    if (status == MF_OK) {
        status = fill_tensors(model, files, n_files, err);
    }
    if (status == MF_OK) {
        status = fill_quant(model, &files[0], err);
    }
    if (status == MF_OK) {
        status = fill_sizes(model, &meta, err);
    }
    if (status == MF_OK) {
        status = fill_blocks(model, &meta, err);
    }
    if (status == MF_OK) {
        status = mf_model_check(model, err);
        if (status != MF_OK) {
            mf_error_prefix(err, "%s: ", files[0].bytes.name);
        }
    }
    if (status != MF_OK) {
        mf_model_free(model);
        return status;
    }
    *out = model;
    return MF_OK;
}
