/*
 * case.c - from what the user named to a predicted case.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/own.h"
#include "memfit/detect.h"
#include "memfit/import.h"
#include "memfit/plan.h"

/* A folder of GGUF files looks like one of Hugging Face to the command line. */
static mf_status read_folder(mf_model **out, const char *name, mf_error *err)
{
    struct stat info;
    mf_str config = {0};
    mf_str_printf(&config, "%s/config.json", name);
    const bool has_config = config.data != NULL && stat(config.data, &info) == 0;
    mf_str_free(&config);
    return has_config ? mf_hf_read(out, name, err)
                      : mf_fail(err,
                                MF_E_IO,
                                "the folder '%s' has no config.json; of a GGUF model give the "
                                ".gguf file itself, the first of several parts",
                                name);
}

mf_status mf_cli_model(
    mf_model **out, bool *is_file, const mf_database *database, const char *name, mf_error *err)
{
    struct stat info;
    const bool exists = stat(name, &info) == 0;
    *is_file = true;
    if (mf_ends_with(name, ".gguf")) {
        return mf_gguf_read(out, name, err);
    }
    if (exists && S_ISDIR(info.st_mode)) {
        return read_folder(out, name, err);
    }
    if (mf_ends_with(name, ".json") || (exists && strchr(name, '/') != NULL)) {
        return mf_hf_read(out, name, err);
    }
    *is_file = false;
    if (name[0] != '\0' && strchr("/.~", name[0]) != NULL) {
        return mf_fail(err, MF_E_IO, "'%s': no such file or folder", name);
    }
    return mf_database_model(out, database, name, err);
}

/* The one machine whose id begins with the word; several: an error that lists them. */
static mf_status
machine_by_prefix(mf_cli_case *c, const mf_database *database, const char *word, mf_error *err)
{
    enum { LISTED = 4 };
    mf_names names = {0};
    const char *found = NULL;
    size_t n_found = 0;
    char list[MF_ERROR_MESSAGE_SIZE / 2] = "";
    mf_status status = mf_database_list(&names, database, MF_ENTRY_MACHINE, err);
    for (size_t i = 0; status == MF_OK && i < names.n_items; i++) {
        if (strncmp(names.items[i], word, strlen(word)) == 0) {
            found = names.items[i];
            const size_t used = strlen(list);
            if (n_found++ < LISTED) {
                (void)snprintf(
                    list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", found);
            }
        }
    }
    if (status == MF_OK && n_found == 1) {
        (void)snprintf(c->note, sizeof c->note, "'%s' was taken for %s", word, found);
        status = mf_database_machine(&c->machine, database, found, err);
    } else if (status == MF_OK && n_found > 1) {
        status = mf_fail(err,
                         MF_E_UNKNOWN,
                         "'%s' could be %s%s: write more of the name",
                         word,
                         list,
                         n_found > LISTED ? " or another" : "");
    } else if (status == MF_OK) {
        status = MF_E_UNKNOWN;
    }
    mf_names_free(&names);
    return status;
}

static mf_status this_machine(mf_cli_case *c, const mf_database *database, mf_error *err)
{
    mf_detected detected;
    mf_status status = mf_detect(&detected, (mf_detect_places){0}, err);
    if (status == MF_OK) {
        (void)snprintf(c->note, sizeof c->note, "%s", detected.note);
        status = mf_detected_machine(&c->machine, &detected, database, err);
    }
    /* A processor, or a card that hwdb lacks, is known by what was measured on it. */
    const mf_device *device =
        c->machine != NULL && c->machine->n_devices > 0 ? c->machine->devices[0].device : NULL;
    const bool gpu = device != NULL && device->chip_class != MF_CLASS_CPU;
    mf_machine *own = NULL;
    if (!gpu && mf_own_machine(&own, database, "this", NULL) == MF_OK && own != NULL) {
        mf_machine_free(c->machine);
        c->machine = own;
        c->note[0] = '\0';
        return MF_OK;
    }
    if (device != NULL && !device->bandwidth_bytes_per_s.known && c->note[0] == '\0') {
        (void)snprintf(c->note,
                       sizeof c->note,
                       "'memfit calibrate --save' measures what the speed needs, in about half a "
                       "minute");
    }
    return status;
}

static mf_status
load_machine(mf_cli_case *c, const mf_database *database, const char *word, mf_error *err)
{
    if (word[0] == '\0') {
        return mf_fail(err, MF_E_USAGE, "no machine was named, see 'memfit db list machines'");
    }
    c->is_this = mf_own_is_this(word);
    if (strcmp(word, "this") == 0) {
        return this_machine(c, database, err);
    }
    mf_status status = mf_own_machine(&c->machine, database, word, err);
    if (status != MF_OK || c->machine != NULL) {
        return status;
    }
    status = mf_database_machine(&c->machine, database, word, err);
    if (status != MF_E_UNKNOWN) {
        return status;
    }
    mf_error other = {0};
    const mf_status by_prefix = machine_by_prefix(c, database, word, &other);
    if (by_prefix != MF_OK && other.message[0] == '\0') {
        return status;
    }
    if (by_prefix != MF_OK && err != NULL) {
        *err = other;
    }
    return by_prefix;
}

/* What people usually download for an engine: the maker's files where it loads them as they are, else the usual conversion.
   gpt-oss models are converted without a loss. */
const char *mf_cli_default_quant(const mf_engine *engine, const mf_model *model)
{
    const char *published = model->published;
    const bool for_mlx = published != NULL && strncmp(published, "mlx-", strlen("mlx-")) == 0;
    switch (engine->id) {
    case MF_ENGINE_MLX:
        return for_mlx ? published : "mlx-4bit";
    case MF_ENGINE_VLLM:
        return published != NULL && !for_mlx ? published : "BF16";
    case MF_ENGINE_LLAMACPP:
    case MF_ENGINE_COUNT:
        break;
    }
    return strcmp(model->architecture, "gpt-oss") == 0 ? "MXFP4_MOE" : "Q4_K_M";
}

static mf_status
load_quant(mf_cli_case *c, const mf_database *database, const char *wanted, mf_error *err)
{
    if (wanted == NULL && c->model->origin == MF_ORIGIN_GGUF) {
        return MF_OK;
    }
    const char *name = wanted != NULL ? wanted : mf_cli_default_quant(c->engine, c->model);
    const mf_status status = mf_database_quant(&c->quant, database, name, err);
    if (status == MF_E_UNKNOWN && wanted == NULL) {
        return mf_fail(err,
                       status,
                       "%s is published as '%s', a scheme that memfit does not know: say the "
                       "nearest, like --quant GPTQ-4bit",
                       c->model->id,
                       name);
    }
    return status;
}

static mf_status load_calibration(mf_cli_case *c, const mf_database *database, mf_error *err)
{
    char relative[80];
    char *path = NULL;
    (void)snprintf(
        relative, sizeof relative, "hwdb/calibration/%s.json", mf_engine_name(c->engine->id));
    const mf_status found = mf_database_path(&path, database, relative, NULL);
    if (found == MF_E_UNKNOWN) {
        return MF_OK; /* mf_predict says that speed is not known */
    }
    mf_status status = found == MF_OK ? mf_calibration_load(&c->calibration, path, err) : found;
    if (status == MF_OK && c->is_this) {
        status = mf_own_calibrate(c->calibration, c->note, c->machine, database, err);
    }
    free(path);
    return status;
}

static mf_status set_kv_types(mf_workload *w, const char *text, mf_error *err)
{
    char key[32];
    const char *comma = strchr(text, ',');
    const size_t n = comma != NULL ? (size_t)(comma - text) : strlen(text);
    if (n >= sizeof key) {
        return mf_fail(err, MF_E_USAGE, "'%s' is no format of the KV cache", text);
    }
    memcpy(key, text, n);
    key[n] = '\0';
    mf_status status = mf_tensor_type_by_name(&w->kv_type_k, key, err);
    w->kv_type_v = w->kv_type_k;
    if (status == MF_OK && comma != NULL) {
        status = mf_tensor_type_by_name(&w->kv_type_v, comma + 1, err);
    }
    return status == MF_E_UNKNOWN ? MF_E_USAGE : status;
}

static uint32_t said_or(int64_t said, uint32_t otherwise)
{
    return said >= 0 ? (uint32_t)said : otherwise;
}

/* Context, prompt and output. A context that is not said is made long enough; one that is said bounds the others. */
static void set_lengths(mf_workload *w, const mf_model *model, const mf_arguments *a)
{
    const uint64_t longest = model->context_max > 0 ? model->context_max : w->n_ctx;
    const uint64_t streams = mf_workload_streams(w);
    w->n_prompt = a->prompt >= 0 ? (uint64_t)a->prompt : w->n_prompt;
    w->n_output = a->output >= 0 ? (uint64_t)a->output : w->n_output;
    if (a->ctx < 0) {
        const uint64_t least = (w->n_prompt + w->n_output) * streams;
        w->n_ctx = w->n_ctx < longest * streams ? w->n_ctx : longest * streams;
        w->n_ctx = w->n_ctx > least ? w->n_ctx : least;
        return;
    }
    w->n_ctx = (uint64_t)a->ctx;
    const uint64_t room = w->n_ctx / streams;
    w->n_output = a->output < 0 && w->n_output > room / 2 ? room / 4 : w->n_output;
    w->n_prompt =
        a->prompt < 0 && w->n_prompt + w->n_output > room ? room - w->n_output : w->n_prompt;
}

static bool said_switch(int said, bool otherwise)
{
    return said >= 0 ? said == 1 : otherwise;
}

static void set_places(mf_workload *w, const mf_arguments *a)
{
    w->kv_offload = said_switch(a->kv_offload, w->kv_offload);
    w->gpu_layers = a->gpu_layers >= 0 ? (int32_t)a->gpu_layers : w->gpu_layers;
    w->n_cpu_moe = said_or(a->cpu_moe, w->n_cpu_moe);
    if (a->split != NULL) {
        w->split = strcmp(a->split, "tensor") == 0 ? MF_SPLIT_TENSOR : MF_SPLIT_LAYER;
    }
}

static void set_settings(mf_workload *w, const mf_arguments *a)
{
    w->n_batch = said_or(a->batch, w->n_batch);
    w->n_ubatch = said_or(a->ubatch, w->n_ubatch);
    w->n_outputs =
        said_or(a->outputs,
                w->n_parallel > w->n_outputs && w->n_outputs > 0 ? w->n_parallel : w->n_outputs);
    w->flash_attention = said_switch(a->flash_attn, w->flash_attention);
    w->swa_full = a->swa_full || w->swa_full;
    w->n_checkpoints = said_or(a->ctx_checkpoints, w->n_checkpoints);
    if (a->cache_ram_mib >= 0) {
        w->prompt_cache_bytes = (uint64_t)a->cache_ram_mib * 1024 * 1024;
    }
    set_places(w, a);
}

/* The engine's defaults with what was said on top. */
static mf_status set_workload(mf_cli_case *c, const mf_arguments *a, mf_error *err)
{
    mf_workload w = c->engine->defaults;
    if (c->machine != NULL) {
        w.n_ctx = mf_engine_default_context(
            c->engine, mf_memory_gpu_limit(c->machine, mf_plan_backend(c->machine)));
    }
    w.n_parallel = said_or(a->parallel, w.n_parallel);
    w.kv_unified = said_switch(a->kv_unified, w.kv_unified);
    set_lengths(&w, c->model, a);
    set_settings(&w, a);
    mf_status status = a->kv != NULL ? set_kv_types(&w, a->kv, err) : MF_OK;
    if (status == MF_OK) {
        status = mf_workload_check(&w, err);
    }
    c->run.workload = w;
    return status;
}

/* A placement that is auto or in a file, then what was said beside it. */
static mf_status set_placement(mf_cli_case *c, const mf_arguments *a, mf_error *err)
{
    mf_workload *w = &c->run.workload;
    mf_status status = MF_OK;
    c->run.place_freely = a->placement != NULL && strcmp(a->placement, "auto") == 0;
    if (a->placement != NULL && !c->run.place_freely) {
        status = mf_placement_load(&c->placement, a->placement, err);
    } else if (a->override_tensor != NULL || a->tensor_split != NULL) {
        status = mf_placement_new(&c->placement, w, err);
    }
    if (status == MF_OK && a->tensor_split != NULL) {
        status = mf_placement_set_split(c->placement, a->tensor_split, err);
    }
    if (status == MF_OK && a->override_tensor != NULL) {
        status = mf_placement_add_overrides(c->placement, a->override_tensor, err);
    }
    if (status == MF_OK && c->placement != NULL) {
        mf_placement_use(w, c->placement);
        set_places(w, a);
    }
    return status;
}

enum { MOST_DRAFTED = 64 };

/* A draft model is stored like the model, unless it is a file. */
static mf_status
load_beside(mf_cli_case *c, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    bool is_file = false;
    c->run.projector = a->mmproj;
    mf_status status = a->lora != NULL ? mf_adapter_read(&c->adapter, a->lora, err) : MF_OK;
    c->run.adapter = c->adapter;
    if (status != MF_OK) {
        return status;
    }
    if (a->draft == NULL) {
        return a->draft_max > 0 || a->draft_accept > 0
                   ? mf_fail(err, MF_E_USAGE, "a draft needs its model: --draft MODEL")
                   : MF_OK;
    }
    if (a->draft_max > MOST_DRAFTED || a->draft_accept > 1) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "--draft-max is up to %d tokens, --draft-accept a share up to 1",
                       MOST_DRAFTED);
    }
    c->run.n_draft = (uint32_t)a->draft_max;
    c->run.draft_acceptance = a->draft_accept;
    status = mf_cli_model(&c->draft, &is_file, database, a->draft, err);
    if (status == MF_OK) {
        c->run.draft = c->draft;
        c->run.draft_quant = c->draft->origin == MF_ORIGIN_GGUF ? NULL : c->quant;
    }
    return status;
}

static void add_note(mf_cli_case *c)
{
    mf_prediction *p = &c->prediction;
    if (c->note[0] != '\0' && p->n_warnings < MF_MAX_WARNINGS) {
        (void)snprintf(p->warnings[p->n_warnings++], MF_WARNING_SIZE, "%s", c->note);
    }
    const uint64_t streams = mf_workload_streams(&c->run.workload);
    if (c->model->context_max > 0 && c->run.workload.n_ctx / streams > c->model->context_max &&
        p->n_warnings < MF_MAX_WARNINGS) {
        (void)snprintf(p->warnings[p->n_warnings++],
                       MF_WARNING_SIZE,
                       "the model was trained for %llu tokens of context",
                       (unsigned long long)c->model->context_max);
    }
}

/* What was said, if the machine's devices have it; a description may stand for any maker's. */
static mf_status set_backend(mf_cli_case *c, const char *name, mf_error *err)
{
    static const unsigned makers[MF_BACKEND_COUNT] = {
        [MF_BACKEND_METAL] = 1U << MF_VENDOR_APPLE,
        [MF_BACKEND_CUDA] = 1U << MF_VENDOR_NVIDIA,
        [MF_BACKEND_ROCM] = 1U << MF_VENDOR_AMD,
        [MF_BACKEND_VULKAN] = ~0U,
        [MF_BACKEND_SYCL] = ~(1U << MF_VENDOR_APPLE),
        [MF_BACKEND_CPU] = ~0U,
    };
    mf_backend said = MF_BACKEND_CPU;
    const mf_status status = mf_backend_by_name(&said, name, err);
    const mf_device *device = c->machine->n_devices > 0 ? c->machine->devices[0].device : NULL;
    const bool cpu = device == NULL || device->chip_class == MF_CLASS_CPU;
    const bool any = device != NULL && device->vendor == MF_VENDOR_OTHER;
    if (status == MF_OK && said != MF_BACKEND_CPU &&
        (cpu || (!any && (makers[said] & (1U << device->vendor)) == 0))) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "%s has no %s, leave out --backend: %s",
                       c->machine->id,
                       name,
                       mf_backend_name(c->run.backend));
    }
    c->run.backend = status == MF_OK ? said : c->run.backend;
    return status;
}

mf_status mf_cli_case_load(mf_cli_case *loaded,
                           const mf_database *database,
                           const mf_arguments *arguments,
                           const char *model,
                           const char *machine,
                           mf_error *err)
{
    mf_cli_case *c = loaded;
    *c = (mf_cli_case){0};
    bool is_file = false;
    mf_status status = mf_cli_model(&c->model, &is_file, database, model, err);
    c->model_path = is_file ? model : NULL;
    status = status == MF_OK ? load_machine(c, database, machine, err) : status;
    if (status == MF_OK) {
        const char *engine = arguments->engine != NULL ? arguments->engine : "llama.cpp";
        status = mf_database_engine(&c->engine, database, engine, err);
    }
    status = status == MF_OK ? load_quant(c, database, arguments->quant, err) : status;
    status = status == MF_OK ? load_calibration(c, database, err) : status;
    status = status == MF_OK ? set_workload(c, arguments, err) : status;
    status = status == MF_OK ? set_placement(c, arguments, err) : status;
    status = status == MF_OK ? load_beside(c, database, arguments, err) : status;
    if (status != MF_OK) {
        mf_cli_case_free(c);
        return status;
    }
    c->run.model = c->model;
    c->run.machine = c->machine;
    c->run.engine = c->engine;
    c->run.quant = c->quant;
    c->run.backend = mf_plan_backend(c->machine);
    if (arguments->backend != NULL) {
        status = set_backend(c, arguments->backend, err);
    }
    status = status == MF_OK ? mf_predict(&c->prediction, &c->run, c->calibration, err) : status;
    if (status != MF_OK) {
        mf_cli_case_free(c);
        return status;
    }
    add_note(c);
    return MF_OK;
}

void mf_cli_case_free(mf_cli_case *loaded)
{
    mf_model_free(loaded->model);
    mf_machine_free(loaded->machine);
    mf_engine_free(loaded->engine);
    mf_quant_free(loaded->quant);
    mf_model_free(loaded->draft);
    mf_adapter_free(loaded->adapter);
    mf_placement_free(loaded->placement);
    mf_calibration_free(loaded->calibration);
    *loaded = (mf_cli_case){0};
}

mf_shown mf_cli_shown(const mf_cli_case *loaded)
{
    const char *name = loaded->quant != NULL          ? loaded->quant->id
                       : loaded->model->quant != NULL ? loaded->model->quant
                                                      : "as stored";
    return (mf_shown){.run = &loaded->run,
                      .prediction = &loaded->prediction,
                      .calibration = loaded->calibration,
                      .quant_name = name,
                      .model_path = loaded->model_path};
}

mf_status
mf_cli_machine(mf_machine **out, const mf_database *database, const char *name, mf_error *err)
{
    mf_cli_case c = {0};
    const mf_status status = load_machine(&c, database, name, err);
    *out = status == MF_OK ? c.machine : NULL;
    return status;
}

mf_status mf_cli_engine(mf_engine **engine,
                        mf_calibration **calibration,
                        const mf_database *database,
                        const char *name,
                        mf_error *err)
{
    mf_cli_case c = {0};
    mf_status status = mf_database_engine(&c.engine, database, name, err);
    if (status == MF_OK) {
        status = load_calibration(&c, database, err);
    }
    if (status != MF_OK) {
        mf_cli_case_free(&c);
        return status;
    }
    *engine = c.engine;
    *calibration = c.calibration;
    return MF_OK;
}

mf_status mf_cli_workload(mf_workload *workload,
                          const mf_engine *engine,
                          const mf_model *model,
                          const mf_arguments *arguments,
                          mf_error *err)
{
    mf_engine own_engine = *engine;
    mf_model own_model = *model;
    mf_cli_case c = {.engine = &own_engine, .model = &own_model};
    const mf_status status = set_workload(&c, arguments, err);
    *workload = c.run.workload;
    return status;
}
