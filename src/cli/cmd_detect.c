#include <stdio.h>

#include "base/units.h"
#include "cli/cli.h"
#include "memfit/detect.h"

static void pair(mf_document *d, const char *name, const char *value)
{
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", value);
}

static void bytes_pair(mf_document *d, const char *name, uint64_t bytes)
{
    char text[MF_NUMBER_SIZE + 16];
    if (bytes > 0) {
        pair(d, name, mf_bytes_text(text, (double)bytes, 4));
    }
}

static void show_gpu(mf_document *d, const mf_gpu *gpu)
{
    char text[MF_NUMBER_SIZE + 16];
    mf_document_cell(d, "gpu");
    if (gpu->cores > 0) {
        mf_document_cell(d, "%s, %u cores", gpu->name, gpu->cores);
    } else if (gpu->memory_bytes > 0) {
        mf_document_cell(d, "%s, %s", gpu->name, mf_bytes_text(text, (double)gpu->memory_bytes, 4));
    } else {
        mf_document_cell(d, "%s", gpu->name);
    }
}

static void show_detected(mf_document *d, const mf_detected *found)
{
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    pair(d, "system", found->system);
    mf_document_cell(d, "processor");
    mf_document_cell(d, "%s, %u threads", found->processor, found->n_threads);
    bytes_pair(d, "memory", found->memory_bytes);
    for (size_t i = 0; i < found->n_gpus; i++) {
        show_gpu(d, &found->gpus[i]);
    }
    bytes_pair(d, "GPU may use", found->gpu_limit_bytes);
    bytes_pair(d, "raised limit", found->wired_limit_bytes);
}

/* What --on this means: the devices of hwdb, or why there are none. */
static void show_machine(mf_document *d, const mf_machine *machine, const char *why_not)
{
    mf_document_cell(d, "in hwdb");
    if (machine == NULL) {
        mf_document_cell(d, "%s", why_not);
        return;
    }
    mf_str devices = {0};
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_machine_device *slot = &machine->devices[i];
        mf_str_printf(&devices, "%s%u x %s", i > 0 ? ", " : "", slot->count, slot->device_id);
    }
    mf_document_cell(d, "%s", devices.data != NULL ? devices.data : "-");
    mf_str_free(&devices);
}

static mf_status detect(mf_str *text, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_machine *machine = NULL;
    mf_document document = {0};
    mf_detected found;
    mf_error why = {0};
    mf_status status = mf_cli_database(&database, a, err);
    status = status == MF_OK ? mf_detect(&found, (mf_detect_places){0}, err) : status;
    if (status == MF_OK) {
        show_detected(&document, &found);
        (void)mf_detected_machine(&machine, &found, database, &why);
        show_machine(&document, machine, why.message);
        if (found.note[0] != '\0') {
            pair(&document, "note", found.note);
        }
        status = mf_document_status(&document, err);
    }
    status = status == MF_OK ? mf_write_text(text, &document, mf_cli_text_options(a), err) : status;
    mf_document_free(&document);
    mf_machine_free(machine);
    mf_database_close(database);
    return status;
}

int mf_cmd_detect(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a;
    mf_str text = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_DETECT, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("detect"), MF_FOR_DETECT);
    }
    if (status == MF_OK && a.n_positional > 0) {
        status = mf_fail(&err, MF_E_USAGE, "detect takes no argument like '%s'", a.positional[0]);
    }
    status = status == MF_OK ? detect(&text, &a, &err) : status;
    status = status == MF_OK ? mf_cli_write(&text, a.output_file, &err) : status;
    mf_str_free(&text);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
