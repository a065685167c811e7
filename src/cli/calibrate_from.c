#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/calibrate.h"
#include "memfit/detect.h"
#include "memfit/runs.h"

static mf_status
write_calibration(const mf_calibration *calibration, const char *folder, mf_error *err)
{
    char path[1024];
    char *data = NULL;
    mf_status status = mf_calibration_text(&data, calibration, err);
    if (status == MF_OK) {
        (void)snprintf(path, sizeof path, "%s/%s.json", folder, calibration->engine);
        const mf_str text = {.data = data, .size = strlen(data)};
        status = mf_cli_write(&text, path, err);
    }
    free(data);
    return status;
}

mf_status mf_calibrate_from_measurements(const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_measurements measurements = {0};
    mf_calibration *fitted[2] = {NULL, NULL};
    mf_status status = mf_cli_database(&database, a, err);
    status =
        status == MF_OK ? mf_measurements_load(&measurements, a->from_measurements, err) : status;
    if (status == MF_OK) {
        (void)fprintf(stderr, "fitting %zu rows, this takes minutes\n", measurements.n_items);
        status = mf_calibration_fit(fitted, &measurements, database, true, err);
    }
    for (size_t i = 0; i < 2; i++) {
        if (status == MF_OK && fitted[i] != NULL) {
            status = write_calibration(fitted[i], a->output_file, err);
        }
        mf_calibration_free(fitted[i]);
    }
    mf_measurements_free(&measurements);
    mf_database_close(database);
    return status;
}

static mf_status keep_id(char **id, const char *text, mf_error *err)
{
    *id = strdup(text);
    return *id != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory");
}

/* This machine's first device. */
static mf_status
device_here(char **id, const mf_detected *here, const mf_database *database, mf_error *err)
{
    mf_machine *machine = NULL;
    mf_status status = mf_detected_machine(&machine, here, database, err);
    if (status == MF_OK) {
        status = keep_id(id, machine->devices[0].device_id, err);
    }
    mf_machine_free(machine);
    return status;
}

/* Runs that were made on another GPU than this machine's must not be taken for its own. */
static mf_status
device_of_runs(char **id, const char *gpu, const mf_database *database, mf_error *err)
{
    mf_detected here;
    mf_device *device = NULL;
    mf_status status = mf_detect(&here, (mf_detect_places){0}, err);
    if (status != MF_OK) {
        return status;
    }
    if (gpu[0] == '\0' || (here.n_gpus == 1 && strcmp(here.gpus[0].name, gpu) == 0)) {
        return device_here(id, &here, database, err);
    }
    if (strchr(gpu, ',') != NULL) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "the runs had several GPUs ('%s'): say --on DEVICE if one of them did the work "
            "(llama-bench -sm none)",
            gpu);
    }
    mf_gpu named = {0};
    (void)snprintf(named.name, sizeof named.name, "%.95s", gpu);
    status = mf_detected_device(&device, &named, database, err);
    if (status == MF_OK) {
        status = keep_id(id, device->id, err);
        (void)fprintf(stderr, "memfit: runs of '%s', taken for %s\n", gpu, device->id);
    }
    mf_device_free(device);
    return status;
}

static mf_status
device_of_machine(char **id, const char *on, const mf_database *database, mf_error *err)
{
    mf_device *device = NULL;
    mf_machine *machine = NULL;
    if (mf_database_device(&device, database, on, NULL) == MF_OK) {
        const mf_status status = keep_id(id, device->id, err);
        mf_device_free(device);
        return status;
    }
    mf_status status = mf_database_machine(&machine, database, on, err);
    if (status == MF_OK && machine->n_devices == 0) {
        status = mf_fail(err, MF_E_USAGE, "say on which device the runs were made: --on DEVICE");
    }
    if (status == MF_OK) {
        status = keep_id(id, machine->devices[0].device_id, err);
    }
    mf_machine_free(machine);
    return status;
}

mf_status mf_cli_device(char **id,
                        const mf_arguments *a,
                        const mf_str *text,
                        const char *name,
                        const mf_database *database,
                        mf_error *err)
{
    char gpu[MF_RUNS_GPU_SIZE] = "";
    if (a->on != NULL && strcmp(a->on, "this") != 0) {
        return device_of_machine(id, a->on, database, err);
    }
    if (a->on == NULL) {
        const mf_status status =
            mf_runs_gpu(gpu, text->data != NULL ? text->data : "", text->size, name, err);
        if (status != MF_OK) {
            return status;
        }
    }
    return device_of_runs(id, gpu, database, err);
}

static void advise(const mf_runs_use *use, const mf_runs_count *count)
{
    if (count->n_unknown > 0) {
        (void)fprintf(stderr,
                      "memfit: %zu runs left out, their model or format is not known ('%s'): "
                      "--model, --quant\n",
                      count->n_unknown,
                      count->unknown);
    }
    if (use->n_models < 2) {
        (void)fprintf(stderr,
                      "memfit: one model can't tell bandwidth from overhead: give a second one of "
                      "another size\n");
    }
    if (use->n_depths < 2) {
        (void)fprintf(stderr,
                      "memfit: one depth can't tell what the cache costs: run llama-bench with -d "
                      "0,4096,16384\n");
    }
}

/* The calibration with the runs in it, to see what they are good for. */
static mf_status
try_runs(mf_runs_use *use, const mf_measurements *runs, const mf_database *database, mf_error *err)
{
    char relative[80];
    char *path = NULL;
    mf_calibration *calibration = NULL;
    const char *engine = mf_engine_name(runs->items[0].engine);
    (void)snprintf(relative, sizeof relative, "hwdb/calibration/%s.json", engine);
    mf_status status = mf_database_path(&path, database, relative, err);
    status = status == MF_OK ? mf_calibration_load(&calibration, path, err) : status;
    status =
        status == MF_OK ? mf_calibration_update(calibration, use, runs, database, err) : status;
    mf_calibration_free(calibration);
    free(path);
    return status;
}

static mf_status
keep_runs(const mf_arguments *a, const char *device, const mf_str *csv, mf_error *err)
{
    char name[256];
    char *path = NULL;
    if (a->output_file != NULL || !a->save) {
        return mf_cli_write(csv, a->output_file, err);
    }
    (void)snprintf(name, sizeof name, "%s.csv", device);
    const mf_status status = mf_own_write(&path, a, "runs", name, csv, err);
    if (status == MF_OK) {
        (void)fprintf(stderr, "memfit: saved as %s\n", path);
    }
    free(path);
    return status;
}

mf_status mf_calibrate_from_runs(const mf_arguments *a, mf_error *err)
{
    char date[16] = "";
    char *device = NULL;
    char *csv = NULL;
    mf_str text = {0};
    mf_database *database = NULL;
    mf_measurements runs = {0};
    mf_runs_count count = {0};
    mf_runs_use use = {0};
    const time_t now = time(NULL);
    struct tm day;
    if (gmtime_r(&now, &day) != NULL) {
        (void)strftime(date, sizeof date, "%Y-%m-%d", &day);
    }
    mf_status status = mf_cli_database(&database, a, err);
    status = status == MF_OK ? mf_cli_read(&text, a->from, err) : status;
    status = status == MF_OK ? mf_cli_device(&device, a, &text, a->from, database, err) : status;
    if (status == MF_OK) {
        const mf_runs_options options = {
            .device_id = device, .model_id = a->model, .quant_id = a->quant, .date = date};
        status = mf_runs_read(&csv,
                              &count,
                              text.data != NULL ? text.data : "",
                              text.size,
                              a->from,
                              &options,
                              database,
                              err);
    }
    if (status == MF_OK) {
        status = mf_measurements_parse(&runs, csv, strlen(csv), a->from, err);
    }
    if (status == MF_OK) {
        status = try_runs(&use, &runs, database, err);
    }
    if (status == MF_OK) {
        (void)fprintf(stderr,
                      "memfit: %zu decode and %zu prefill runs of %zu models on '%s'\n",
                      use.n_decode,
                      use.n_prefill,
                      use.n_models,
                      device);
        advise(&use, &count);
        const mf_str kept = {.data = csv, .size = strlen(csv)};
        status = keep_runs(a, device, &kept, err);
    }
    mf_measurements_free(&runs);
    mf_str_free(&text);
    mf_database_close(database);
    free(device);
    free(csv);
    return status;
}
