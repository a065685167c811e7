/*
 * check_commands.c - nobody has to believe a prediction: the commands that measure the same case.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/placement.h"
#include "report/wording.h"

typedef void (*show_commands)(mf_document *, const mf_shown *);

/* A path as a shell takes it, in quotes where it has more than letters; as it is where it has quotes itself. */
static const char *quoted(char text[MF_WORDING_SIZE], const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:@%-";
    const size_t size = strlen(path);
    if (path[strspn(path, plain)] == '\0' || strchr(path, '\'') != NULL ||
        size + sizeof "''" > MF_WORDING_SIZE) {
        return path;
    }
    (void)snprintf(text, MF_WORDING_SIZE, "'%s'", path);
    return text;
}

static const char *file_of(char text[MF_WORDING_SIZE], const mf_shown *shown)
{
    if (shown->model_path != NULL && strstr(shown->model_path, ".gguf") != NULL) {
        return quoted(text, shown->model_path);
    }
    (void)snprintf(text, MF_WORDING_SIZE, "%s-%s.gguf", shown->run->model->id, shown->quant_name);
    return text;
}

static void llamacpp_commands(mf_document *d, const mf_shown *shown)
{
    char text[MF_WORDING_SIZE];
    const mf_workload *w = &shown->run->workload;
    const char *file = file_of(text, shown);
    mf_str options = {0};
    mf_placement_options(&options, shown, ';');
    const char *placement = options.data != NULL ? options.data : "";
    mf_document_cell(d,
                     "llama-bench -m %s -p %" PRIu64 " -n 0 -ub %u -fa %d%s",
                     file,
                     w->n_prompt,
                     w->n_ubatch,
                     w->flash_attention ? 1 : 0,
                     placement);
    mf_document_cell(d,
                     "llama-bench -m %s -p 0 -n %" PRIu64 " -d %" PRIu64 " -fa %d%s",
                     file,
                     w->n_output,
                     w->n_prompt,
                     w->flash_attention ? 1 : 0,
                     placement);
    mf_document_cell(
        d, "llama-fit-params -m %s -c %" PRIu64 " -np %u -fitp on", file, w->n_ctx, w->n_parallel);
    mf_str_free(&options);
}

static void mlx_commands(mf_document *d, const mf_shown *shown)
{
    const mf_workload *w = &shown->run->workload;
    mf_document_cell(d,
                     "mlx_lm.benchmark --model %s-%s -p %" PRIu64 " -g %" PRIu64,
                     shown->run->model->id,
                     shown->quant_name,
                     w->n_prompt,
                     w->n_output);
}

static void vllm_commands(mf_document *d, const mf_shown *shown)
{
    const mf_workload *w = &shown->run->workload;
    mf_document_cell(d,
                     "vllm bench latency --model %s --input-len %" PRIu64 " --output-len %" PRIu64
                     " --batch-size 1",
                     shown->run->model->name,
                     w->n_prompt,
                     w->n_output);
}

static const show_commands commands[MF_ENGINE_COUNT] = {
    [MF_ENGINE_LLAMACPP] = llamacpp_commands,
    [MF_ENGINE_MLX] = mlx_commands,
    [MF_ENGINE_VLLM] = vllm_commands,
};

/* Where the range reaches further than this many times the speed, the machine's own runs say more than all others'. */
#define WIDE_RANGE 1.5

/* What a link bounds is no coefficient of the chip. */
static bool is_wide(const mf_rate *rate)
{
    const bool own = rate->basis == MF_BASIS_CALIBRATED || rate->basis == MF_BASIS_MEASURED;
    return rate->known && !own && rate->bound != MF_BOUND_LINK &&
           rate->high_tok_s > WIDE_RANGE * rate->tok_s;
}

/* Several share no coefficients that a run of theirs would tell, and what nobody makes can't run. */
static bool is_one_known_device(const mf_machine *machine)
{
    if (mf_machine_count_devices(machine) != 1) {
        return false;
    }
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_device *device = machine->devices[i].device;
        if (device != NULL && device->chip_class == MF_CLASS_UNKNOWN) {
            return false;
        }
    }
    return true;
}

static void show_own_runs(mf_document *d, const mf_shown *shown)
{
    char text[MF_WORDING_SIZE];
    const mf_prediction *p = shown->prediction;
    const bool one = is_one_known_device(shown->run->machine);
    if (!one || shown->run->engine->id != MF_ENGINE_LLAMACPP ||
        !(is_wide(&p->prefill) || is_wide(&p->decode))) {
        return;
    }
    mf_document_begin(
        d, MF_BLOCK_COMMAND, 1, "The range is wide: runs on the machine itself narrow it");
    mf_document_cell(d,
                     "llama-bench -m %s -p 512 -n 128 -d 0,4096 -fa %d -o json > runs.json",
                     file_of(text, shown),
                     shown->run->workload.flash_attention ? 1 : 0);
    mf_document_cell(d, "memfit calibrate --from runs.json --save");
    mf_document_cell(d,
                     "memfit fit %s --on this",
                     shown->model_path != NULL ? quoted(text, shown->model_path)
                                               : shown->run->model->id);
}

void mf_show_check_commands(mf_document *document, const mf_shown *shown)
{
    mf_document_begin(document, MF_BLOCK_COMMAND, 1, "Check it yourself");
    commands[shown->run->engine->id](document, shown);
    show_own_runs(document, shown);
}
