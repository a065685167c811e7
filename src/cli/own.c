#include "cli/own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "memfit/runs.h"

enum { PATH_SIZE = 4096, FOLDER_MODE = 0777 };

static mf_status user_folder(char path[PATH_SIZE], const mf_arguments *a, mf_error *err)
{
    const char *const starts[] = {
        a->data, getenv("MEMFIT_DATA"), getenv("XDG_DATA_HOME"), getenv("HOME")};
    static const char *const rests[] = {"", "", "/memfit", "/.local/share/memfit"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (starts[i] != NULL && starts[i][0] != '\0') {
            const int n = snprintf(path, PATH_SIZE, "%s%s", starts[i], rests[i]);
            return n > 0 && n < PATH_SIZE
                       ? MF_OK
                       : mf_fail(err, MF_E_IO, "the data folder's name is too long");
        }
    }
    return mf_fail(err, MF_E_IO, "no folder for own data: set HOME or name one with --data");
}

/* Makes the folder and those above it. */
static mf_status make_folder(char *path, mf_error *err)
{
    for (char *c = path + 1;; c++) {
        if (*c != '/' && *c != '\0') {
            continue;
        }
        const char kept = *c;
        *c = '\0';
        const bool made = mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST;
        *c = kept;
        if (!made) {
            return mf_fail(err, MF_E_IO, "%s can't be made (%s)", path, strerror(errno));
        }
        if (kept == '\0') {
            return MF_OK;
        }
    }
}

mf_status mf_own_write(char **path,
                       const mf_arguments *a,
                       const char *folder,
                       const char *name,
                       const mf_str *text,
                       mf_error *err)
{
    char root[PATH_SIZE];
    mf_str full = {0};
    mf_status status = user_folder(root, a, err);
    if (status == MF_OK) {
        mf_str_printf(&full, "%s/hwdb/%s", root, folder);
        status = mf_str_status(&full, err);
    }
    if (status == MF_OK) {
        status = make_folder(full.data, err);
    }
    if (status == MF_OK) {
        mf_str_printf(&full, "/%s", name);
        status = mf_str_status(&full, err);
    }
    if (status == MF_OK) {
        status = mf_cli_write(text, full.data, err);
    }
    if (status != MF_OK) {
        mf_str_free(&full);
        return status;
    }
    *path = full.data;
    return MF_OK;
}

/* Full path of hwdb/FOLDER/NAME.END; NULL if there is none. The caller frees it. */
static char *
find(const mf_database *database, const char *folder, const char *name, const char *end)
{
    char relative[PATH_SIZE];
    char *path = NULL;
    (void)snprintf(relative, sizeof relative, "hwdb/%s/%s.%s", folder, name, end);
    return mf_database_path(&path, database, relative, NULL) == MF_OK ? path : NULL;
}

mf_status mf_own_record(mf_record **out, const mf_database *database, const char *id, mf_error *err)
{
    const size_t n = strlen(id);
    if (n > 5 && strcmp(id + n - 5, ".json") == 0) {
        return mf_record_load(out, id, err);
    }
    char *path = find(database, "records", id, "json");
    if (path != NULL) {
        const mf_status status = mf_record_load(out, path, err);
        free(path);
        return status;
    }
    mf_names names = {0};
    mf_status status = mf_database_list(&names, database, MF_ENTRY_RECORD, err);
    if (status == MF_OK && names.n_items == 0) {
        status =
            mf_fail(err, MF_E_UNKNOWN, "no calibration is saved, run 'memfit calibrate --save'");
    } else if (status == MF_OK) {
        status =
            mf_fail(err, MF_E_UNKNOWN, "unknown calibration '%s', there is %s", id, names.items[0]);
    }
    mf_names_free(&names);
    return status;
}

/* Of a record's name. */
static bool is_own(const char *id)
{
    static const char prefix[] = "this-";
    return strncmp(id, prefix, sizeof prefix - 1) == 0;
}

bool mf_own_is_this(const char *machine)
{
    return strcmp(machine, "this") == 0 || is_own(machine);
}

/* The lower the better: GPUs by their own interface, OpenCL, the processor. */
static mf_status best_record(mf_record **out, const mf_database *database, mf_error *err)
{
    mf_names names = {0};
    mf_record *best = NULL;
    mf_status status = mf_database_list(&names, database, MF_ENTRY_RECORD, err);
    for (size_t i = 0; status == MF_OK && i < names.n_items; i++) {
        mf_record *record = NULL;
        if (!is_own(names.items[i])) {
            continue;
        }
        status = mf_own_record(&record, database, names.items[i], err);
        const bool better = status == MF_OK && (best == NULL || record->backend < best->backend);
        mf_record_free(better ? best : record);
        best = better ? record : best;
    }
    mf_names_free(&names);
    if (status != MF_OK) {
        mf_record_free(best);
        return status;
    }
    *out = best;
    return MF_OK;
}

mf_status
mf_own_machine(mf_machine **out, const mf_database *database, const char *id, mf_error *err)
{
    mf_record *record = NULL;
    *out = NULL;
    mf_status status = MF_OK;
    if (strcmp(id, "this") == 0) {
        status = best_record(&record, database, err);
    } else if (is_own(id)) {
        status = mf_own_record(&record, database, id, err);
    }
    if (status == MF_OK && record != NULL) {
        status = mf_record_machine(out, record, err);
    }
    mf_record_free(record);
    return status;
}

/* The machine's device that a record is about: by its id in hwdb, or because the machine was made of the record. */
static const mf_device *device_of(const mf_machine *machine, const mf_record *record)
{
    for (size_t i = 0; i < machine->n_devices; i++) {
        const char *id = machine->devices[i].device_id;
        if (strcmp(id, record->id) == 0 ||
            (record->device_id != NULL && strcmp(id, record->device_id) == 0)) {
            return machine->devices[i].device;
        }
    }
    return NULL;
}

static void note_record(char note[MF_WARNING_SIZE], const mf_record *record)
{
    size_t n_noisy = 0;
    for (size_t i = 0; i < record->n_results; i++) {
        n_noisy += record->results[i].noisy ? 1 : 0;
    }
    if (record->noisy) {
        (void)snprintf(
            note,
            MF_WARNING_SIZE,
            "measured on a busy computer, %zu of %zu tests were noisy: 'memfit calibrate "
            "--save' again when it is quiet",
            n_noisy,
            record->n_results);
    } else if (record->throttled) {
        (void)snprintf(note,
                       MF_WARNING_SIZE,
                       "the computer slowed down while it was measured (cooling or power limit)");
    } else if (!record->complete) {
        (void)snprintf(
            note,
            MF_WARNING_SIZE,
            "the measurement was stopped: what it did not reach is not this computer's own");
    }
}

static mf_status apply_records(mf_calibration *calibration,
                               char note[MF_WARNING_SIZE],
                               const mf_machine *machine,
                               const mf_database *database,
                               mf_error *err)
{
    mf_names names = {0};
    mf_status status = mf_database_list(&names, database, MF_ENTRY_RECORD, err);
    for (size_t i = 0; status == MF_OK && i < names.n_items; i++) {
        mf_record *record = NULL;
        if (!is_own(names.items[i])) {
            continue;
        }
        status = mf_own_record(&record, database, names.items[i], err);
        const mf_device *device = status == MF_OK ? device_of(machine, record) : NULL;
        if (device != NULL) {
            status = mf_calibration_apply(calibration, record, device, err);
            if (note != NULL) {
                note_record(note, record);
            }
        }
        mf_record_free(record);
    }
    mf_names_free(&names);
    return status;
}

static mf_status apply_runs(mf_calibration *calibration,
                            const char *device_id,
                            const mf_database *database,
                            mf_error *err)
{
    mf_measurements runs = {0};
    mf_runs_use use = {0};
    char *path = find(database, "runs", device_id, "csv");
    if (path == NULL) {
        return MF_OK;
    }
    mf_status status = mf_measurements_load(&runs, path, err);
    if (status == MF_OK) {
        /* Runs of another engine alone are no fault of this one. */
        const mf_status used = mf_calibration_update(calibration, &use, &runs, database, err);
        status = used == MF_E_DATA ? MF_OK : used;
    }
    mf_measurements_free(&runs);
    free(path);
    return status;
}

mf_status mf_own_calibrate(mf_calibration *calibration,
                           char note[MF_WARNING_SIZE],
                           const mf_machine *machine,
                           const mf_database *database,
                           mf_error *err)
{
    mf_status status = apply_records(calibration, note, machine, database, err);
    for (size_t i = 0; status == MF_OK && i < machine->n_devices; i++) {
        status = apply_runs(calibration, machine->devices[i].device_id, database, err);
    }
    return status;
}
