#include "memfit/engine.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "facts/readers.h"

static const char *const engine_names[] = {
#define ENGINE_NAME(name, text) [name] = (text),
    MF_ENGINE_LIST(ENGINE_NAME)
#undef ENGINE_NAME
};

static const char *const backend_names[] = {
#define BACKEND_NAME(name, text) [name] = (text),
    MF_BACKEND_LIST(BACKEND_NAME)
#undef BACKEND_NAME
};

static const char *const split_names[] = {
    [MF_SPLIT_LAYER] = "layer",
    [MF_SPLIT_TENSOR] = "tensor",
};

#define COUNT(key_, member_, example_, help_)                                                      \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_COUNT, MF_INTO(mf_workload, member_),                      \
        .example = (example_), .help = (help_)                                                     \
    }
#define FLAG(key_, member_, example_, help_)                                                       \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_BOOL, MF_INTO(mf_workload, member_),                       \
        .example = (example_), .help = (help_)                                                     \
    }
#define CACHE_TYPE(key_, member_, help_)                                                           \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_CHOICE, MF_INTO(mf_workload, member_),                     \
        .words = mf_tensor_type_words, .n_words = MF_TYPE_COUNT, .example = "\"f16\"",             \
        .help = (help_)                                                                            \
    }

static const mf_field default_fields[] = {
    COUNT("ctx", n_ctx, "4096", "tokens over all sequences"),
    COUNT("prompt", n_prompt, "512", "tokens"),
    COUNT("output", n_output, "128", "tokens"),
    COUNT("parallel", n_parallel, "1", "sequences"),
    FLAG("kv_unified", kv_unified, "false", "one cache for all sequences"),
    CACHE_TYPE("kv_type_k", kv_type_k, "format of cached keys"),
    CACHE_TYPE("kv_type_v", kv_type_v, "format of cached values"),
    COUNT("batch", n_batch, "2048", "tokens"),
    COUNT("ubatch", n_ubatch, "512", "tokens of a step"),
    COUNT("outputs", n_outputs, "0", "output rows reserved; 0: as many as the batch"),
    FLAG("flash_attention", flash_attention, "true", "attention without the full score matrix"),
    FLAG("swa_full", swa_full, "false", "full cache for sliding-window layers"),
    MF_FIELD(.key = "gpu_layers",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_workload, gpu_layers),
             .nullable = true,
             .max = 100000,
             .example = "null",
             .help = "layers on the device, the output counts as one; null: all"),
    COUNT("cpu_moe", n_cpu_moe, "0", "layers whose experts stay in host memory"),
    FLAG("kv_offload", kv_offload, "true", "cache on the device"),
    MF_FIELD(.key = "split",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_workload, split),
             .words = split_names,
             .n_words = sizeof split_names / sizeof split_names[0],
             .example = "\"layer\"",
             .help = "what several devices share: whole layers or every tensor"),
};

static const mf_table default_table = MF_TABLE("defaults", default_fields, sizeof(mf_workload));

typedef struct runtime_row {
    mf_backend backend;
    mf_fact memory_bytes;
    mf_fact low_bytes;
    mf_fact high_bytes;
} runtime_row;

#define CAPACITY(key_, member_, example_, help_)                                                   \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, MF_INTO(runtime_row, member_), .nullable = true, \
        .zero = true, .dimension = MF_DIM_CAPACITY, .example = (example_), .help = (help_)         \
    }

static const mf_field runtime_fields[] = {
    MF_FIELD(.key = "backend",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(runtime_row, backend),
             .words = backend_names,
             .n_words = MF_BACKEND_COUNT,
             .example = "\"cuda\"",
             .help = "what the engine computes with"),
    CAPACITY("memory",
             memory_bytes,
             "\"500 MiB\"",
             "taken per device beside the engine's own accounting"),
    CAPACITY("low", low_bytes, "null", "lower end of 90 % of what was seen"),
    CAPACITY("high", high_bytes, "null", "upper end"),
};

static const mf_table runtime_table = MF_TABLE("runtime", runtime_fields, sizeof(runtime_row));

static const mf_field context_fields[] = {
    MF_FIELD(.key = "gpu_memory",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_engine_context, gpu_bytes),
             .dimension = MF_DIM_CAPACITY,
             .example = "\"23 GiB\"",
             .help = "of all GPUs together, from so much on"),
    MF_FIELD(.key = "ctx",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_engine_context, n_ctx),
             .example = "32768",
             .help = "tokens over all sequences, instead of the default"),
};

static const mf_table context_table =
    MF_TABLE("contexts", context_fields, sizeof(mf_engine_context));

typedef struct engine_file {
    mf_engine engine;
    char *id;
    runtime_row *rows;
    size_t n_rows;
    mf_engine_context *contexts;
    size_t n_contexts;
} engine_file;

static const mf_field engine_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "id",
             .kind = MF_FIELD_TEXT,
             MF_INTO(engine_file, id),
             .example = "\"llama.cpp\"",
             .help = "the file's name without .json"),
    MF_FIELD(.key = "rules",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(engine_file, engine.id),
             .words = engine_names,
             .n_words = MF_ENGINE_COUNT,
             .example = "\"llama.cpp\"",
             .help = "whose code computes: its own, or another engine's with other defaults"),
    MF_FIELD(.key = "name",
             .kind = MF_FIELD_TEXT,
             MF_INTO(engine_file, engine.name),
             .example = "\"llama.cpp\"",
             .help = "as people know it"),
    MF_FIELD(.key = "version",
             .kind = MF_FIELD_TEXT,
             MF_INTO(engine_file, engine.version),
             .example = "\"b10470\"",
             .help = "the release whose rules these are"),
    MF_FIELD(.key = "defaults",
             .kind = MF_FIELD_RECORD,
             MF_INTO(engine_file, engine.defaults),
             .table = &default_table,
             .help = "the engine's own settings"),
    MF_FIELD(.key = "contexts",
             .kind = MF_FIELD_LIST,
             MF_INTO(engine_file, contexts),
             .n_offset = offsetof(engine_file, n_contexts),
             .table = &context_table,
             .optional = true,
             .help =
                 "contexts that it takes by itself where GPUs have more memory, in rising order"),
    MF_FIELD(.key = "runtime",
             .kind = MF_FIELD_LIST,
             MF_INTO(engine_file, rows),
             .n_offset = offsetof(engine_file, n_rows),
             .table = &runtime_table,
             .help = "memory that a backend takes per device"),
    MF_FIELD(.key = "prompt_cache",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(engine_file, engine.prompt_cache_bytes),
             .optional = true,
             .nullable = true,
             .dimension = MF_DIM_CAPACITY,
             .example = "\"8192 MiB\"",
             .help = "host memory that its server may fill with old prompts; null: it keeps none"),
    MF_FIELD(.key = "context_checkpoints",
             .kind = MF_FIELD_COUNT,
             MF_INTO(engine_file, engine.defaults.n_checkpoints),
             .optional = true,
             .nullable = true,
             .max = 1000,
             .example = "32",
             .help =
                 "copies of a sequence's windows and state that its server keeps in host memory"),
    MF_SOURCES_FIELD,
    MF_NOTES_FIELD,
};

const mf_table mf_engine_table = MF_TABLE("engine", engine_fields, sizeof(engine_file));

static void free_file(engine_file *file)
{
    mf_fields_free(&mf_engine_table, file);
    mf_sources_free(&file->engine.sources);
}

mf_status mf_engine_read(mf_engine **out, const mf_json *json, mf_error *err)
{
    engine_file file = {.engine.defaults.gpu_layers = MF_ALL_LAYERS};
    mf_status status = mf_document_read(&mf_engine_table, json, &file, &file.engine.sources, err);
    mf_engine *engine = status == MF_OK ? calloc(1, sizeof *engine) : NULL;
    if (status == MF_OK && engine == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for an engine");
    }
    if (status != MF_OK) {
        free_file(&file);
        return status;
    }
    for (size_t i = 0; i < file.n_rows; i++) {
        const runtime_row *row = &file.rows[i];
        file.engine.runtime_bytes[row->backend] = row->memory_bytes;
        file.engine.runtime_low_bytes[row->backend] = row->low_bytes;
        file.engine.runtime_high_bytes[row->backend] = row->high_bytes;
    }
    for (size_t i = 0; i < file.n_contexts && i < MF_MAX_ENGINE_CONTEXTS; i++) {
        file.engine.contexts[file.engine.n_contexts++] = file.contexts[i];
    }
    const mf_fact *prompts = &file.engine.prompt_cache_bytes;
    file.engine.defaults.prompt_cache_bytes = prompts->known ? (uint64_t)prompts->value : 0;
    *engine = file.engine;
    file.engine = (mf_engine){0};
    free_file(&file);
    *out = engine;
    return MF_OK;
}

void mf_engine_free(mf_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    engine_file file = {.engine = *engine};
    free_file(&file);
    free(engine);
}

uint64_t mf_engine_default_context(const mf_engine *engine, uint64_t gpu_bytes)
{
    uint64_t n_ctx = engine->defaults.n_ctx;
    for (size_t i = 0; i < engine->n_contexts; i++) {
        const mf_engine_context *step = &engine->contexts[i];
        n_ctx = step->gpu_bytes.value <= (double)gpu_bytes ? step->n_ctx : n_ctx;
    }
    return n_ctx;
}

const char *mf_engine_name(mf_engine_id engine)
{
    return engine_names[engine];
}

const char *mf_backend_name(mf_backend backend)
{
    return backend_names[backend];
}

const char *mf_split_name(mf_split_mode split)
{
    return split_names[split];
}

typedef struct words {
    const char *const *items;
    unsigned n;
} words;

static mf_status
find_name(unsigned *index, words known, const char *what, const char *name, mf_error *err)
{
    mf_nearest nearest = {.text = name};
    for (unsigned i = 0; i < known.n; i++) {
        if (strcasecmp(known.items[i], name) == 0) {
            *index = i;
            return MF_OK;
        }
        mf_nearest_try(&nearest, known.items[i]);
    }
    if (nearest.best == NULL) {
        return mf_fail(err, MF_E_UNKNOWN, "unknown %s '%s'", what, name);
    }
    return mf_fail(
        err, MF_E_UNKNOWN, "unknown %s '%s', did you mean '%s'?", what, name, nearest.best);
}

mf_status mf_engine_by_name(mf_engine_id *engine, const char *name, mf_error *err)
{
    unsigned index = 0;
    const words known = {.items = engine_names, .n = MF_ENGINE_COUNT};
    const mf_status status = find_name(&index, known, "engine", name, err);
    if (status == MF_OK) {
        *engine = (mf_engine_id)index;
    }
    return status;
}

mf_status mf_backend_by_name(mf_backend *backend, const char *name, mf_error *err)
{
    unsigned index = 0;
    const words known = {.items = backend_names, .n = MF_BACKEND_COUNT};
    const mf_status status = find_name(&index, known, "backend", name, err);
    if (status == MF_OK) {
        *backend = (mf_backend)index;
    }
    return status;
}
