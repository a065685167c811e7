#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/calibrate.h"
#include "memfit/detect.h"
#include "memfit/probe.h"

enum { MAX_COMPARED = 4 };

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static double now_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One line that is written over; only where somebody looks. */
static void show_progress(void *payload, const mf_probe_progress *progress)
{
    (void)payload;
    (void)fprintf(stderr,
                  "\r\033[K%3d %%  %d s left  %s %s",
                  (int)(100 * progress->fraction),
                  (int)(progress->left_s + 1),
                  progress->phase,
                  mf_probe_name(progress->probe));
    (void)fflush(stderr);
}

static const mf_probe_backend_id preference[] = {
    MF_PROBE_BACKEND_METAL, MF_PROBE_BACKEND_CUDA, MF_PROBE_BACKEND_OPENCL, MF_PROBE_BACKEND_CPU};
#define N_BACKENDS (sizeof preference / sizeof preference[0])

static void list_backend(mf_str *out, mf_probe_backend_id id)
{
    mf_probe_place places[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    mf_error err = {0};
    if (mf_probe_list(places, &n, id, &err) != MF_OK) {
        mf_str_printf(out, "%-8s%s\n", mf_probe_backend_name(id), err.message);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        mf_str_printf(out, "%s", mf_probe_backend_name(id));
        if (i > 0) {
            mf_str_printf(out, ":%zu", i);
        }
        mf_str_add_char(out, ' ', i > 0 ? 2 : 8 - strlen(mf_probe_backend_name(id)));
        mf_str_printf(out,
                      "%s%s%s\n",
                      places[i].name,
                      places[i].driver[0] != '\0' ? ", " : "",
                      places[i].driver);
    }
}

static mf_status list(const mf_arguments *a, mf_error *err)
{
    mf_str text = {0};
    for (size_t i = 0; i < N_BACKENDS; i++) {
        list_backend(&text, preference[i]);
    }
    mf_status status = mf_str_status(&text, err);
    if (status == MF_OK) {
        status = mf_cli_write(&text, a->output_file, err);
    }
    mf_str_free(&text);
    return status;
}

/* "metal", "opencl:1". */
static mf_status
parse_device(mf_probe_backend_id *backend, size_t *index, const char *word, mf_error *err)
{
    const size_t n = strcspn(word, ":");
    uint64_t number = 0;
    if (word[n] == ':' && !mf_parse_uint(&number, word + n + 1)) {
        return mf_fail(err, MF_E_USAGE, "'%s' is no device, write one like opencl:1", word);
    }
    for (int id = MF_PROBE_BACKEND_METAL; id <= MF_PROBE_BACKEND_FAKE; id++) {
        const char *name = mf_probe_backend_name((mf_probe_backend_id)id);
        if (strlen(name) == n && strncmp(name, word, n) == 0) {
            *backend = (mf_probe_backend_id)id;
            *index = (size_t)number;
            return MF_OK;
        }
    }
    return mf_fail(err, MF_E_USAGE, "no backend '%s', see 'memfit calibrate --list'", word);
}

/* A GPU before the processor; OpenCL's processor is the CPU's own backend's. */
static mf_status choose_device(mf_probe_backend_id *backend,
                               mf_probe_place *place,
                               size_t *index,
                               const mf_arguments *a,
                               mf_error *err)
{
    mf_probe_place places[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    if (a->device != NULL) {
        mf_status status = parse_device(backend, index, a->device, err);
        status = status == MF_OK ? mf_probe_list(places, &n, *backend, err) : status;
        if (status == MF_OK && *index >= n) {
            status = mf_fail(
                err, MF_E_USAGE, "no device '%s', see 'memfit calibrate --list'", a->device);
        }
        if (status == MF_OK) {
            *place = places[*index];
        }
        return status;
    }
    for (size_t i = 0; i < N_BACKENDS; i++) {
        const bool found = mf_probe_list(places, &n, preference[i], err) == MF_OK;
        for (size_t k = 0; found && k < n; k++) {
            if (places[k].chip_class != MF_CLASS_CPU || preference[i] == MF_PROBE_BACKEND_CPU) {
                *backend = preference[i];
                *index = k;
                *place = places[k];
                return MF_OK;
            }
        }
    }
    return mf_fail(
        err, MF_E_UNSUPPORTED, "nothing here can be measured, see 'memfit calibrate --list'");
}

/* The device as hwdb has it: by the backend's name for it, else the detected card of the same maker. NULL: not known. */
static mf_device *known_device(const mf_database *database, const mf_probe_place *place)
{
    mf_device *device = NULL;
    mf_machine *machine = NULL;
    mf_detected detected;
    if (place->device_id[0] != '\0' &&
        mf_database_device(&device, database, place->device_id, NULL) == MF_OK) {
        return device;
    }
    if (place->chip_class == MF_CLASS_CPU ||
        mf_detect(&detected, (mf_detect_places){0}, NULL) != MF_OK ||
        mf_detected_machine(&machine, &detected, database, NULL) != MF_OK) {
        return NULL;
    }
    if (machine->n_devices > 0 && machine->devices[0].device != NULL &&
        machine->devices[0].device->vendor == place->vendor) {
        device = machine->devices[0].device;
        machine->devices[0].device = NULL;
    }
    mf_machine_free(machine);
    return device;
}

/* A run that was stopped takes no better one's place, and is nothing without the memory's rate. */
static bool is_worth_saving(const mf_record *record, const mf_database *database)
{
    mf_record *before = NULL;
    if (record->complete) {
        return true;
    }
    if (mf_record_find(record, MF_PROBE_READ) == NULL) {
        (void)fprintf(stderr, "memfit: stopped before the memory was measured, nothing is saved\n");
        return false;
    }
    const bool fuller =
        mf_own_record(&before, database, record->id, NULL) == MF_OK && before->complete;
    if (fuller) {
        (void)fprintf(stderr,
                      "memfit: stopped: the complete run of %s stays, -o FILE writes this one\n",
                      before->date);
    }
    mf_record_free(before);
    return !fuller;
}

static mf_status save(const mf_arguments *a, const char *id, const mf_str *text, mf_error *err)
{
    char name[256];
    char *path = NULL;
    (void)snprintf(name, sizeof name, "%s.json", id);
    const mf_status status = mf_own_write(&path, a, "records", name, text, err);
    if (status == MF_OK) {
        (void)fprintf(stderr, "memfit: saved as %s\n", path);
    }
    free(path);
    return status;
}

/* *done: everything that was asked for was written. */
static mf_status keep(bool *done,
                      const mf_arguments *a,
                      const mf_record *record,
                      const mf_database *database,
                      mf_error *err)
{
    char *data = NULL;
    mf_status status = mf_record_text(&data, record, err);
    const mf_str text = {.data = data, .size = data != NULL ? strlen(data) : 0};
    if (status == MF_OK && (a->json || a->output_file != NULL)) {
        status = mf_cli_write(&text, a->output_file, err);
    }
    if (status == MF_OK && a->save) {
        *done = is_worth_saving(record, database);
        status = *done ? save(a, record->id, &text, err) : status;
    }
    free(data);
    return status;
}

static mf_status show(const mf_arguments *a, const mf_record *record, mf_error *err)
{
    mf_str text = {0};
    mf_show_record(&text, record);
    mf_status status = mf_str_status(&text, err);
    if (status == MF_OK) {
        status = mf_cli_write(&text, NULL, err);
    }
    mf_str_free(&text);
    return status == MF_OK && !a->save && a->output_file == NULL && isatty(STDERR_FILENO)
               ? (fprintf(stderr, "\n--save keeps this, and --on this uses it\n"), MF_OK)
               : status;
}

static mf_status measure(bool *done, const mf_arguments *a, mf_error *err)
{
    char date[16] = "";
    mf_probe_backend_id backend = MF_PROBE_BACKEND_CPU;
    mf_probe_place place = {0};
    size_t index = 0;
    mf_database *database = NULL;
    mf_record *record = NULL;
    struct tm day;
    const time_t now = time(NULL);
    struct sigaction on_interrupt = {.sa_handler = stop};
    if (gmtime_r(&now, &day) != NULL) {
        (void)strftime(date, sizeof date, "%Y-%m-%d", &day);
    }
    mf_status status = mf_cli_database(&database, a, err);
    status = status == MF_OK ? choose_device(&backend, &place, &index, a, err) : status;
    mf_device *device = status == MF_OK ? known_device(database, &place) : NULL;
    const bool watched = isatty(STDERR_FILENO) == 1;
    mf_probe_options options = {.now_s = now_s,
                                .on_progress = watched ? show_progress : NULL,
                                .stop = &stopped,
                                .thorough = a->thorough,
                                .seed = 1,
                                .date = date};
    if (device != NULL) {
        options.device_id = device->id;
        options.spec_bytes_per_s =
            device->bandwidth_bytes_per_s.known ? device->bandwidth_bytes_per_s.value : 0;
    }
    (void)sigaction(SIGINT, &on_interrupt, NULL);
    status = status == MF_OK ? mf_probe_measure(&record, backend, index, &options, err) : status;
    if (watched) {
        (void)fprintf(stderr, "\r\033[K");
    }
    if (status == MF_OK && !a->json) {
        status = show(a, record, err);
    }
    status = status == MF_OK ? keep(done, a, record, database, err) : status;
    mf_record_free(record);
    mf_device_free(device);
    mf_database_close(database);
    return status;
}

/* --show [ID...]: one record, or several side by side. */
static mf_status show_saved(const mf_arguments *a, mf_error *err)
{
    mf_record *records[MAX_COMPARED] = {NULL};
    mf_database *database = NULL;
    mf_names names = {0};
    mf_str text = {0};
    size_t n = 0;
    mf_status status = mf_cli_database(&database, a, err);
    status = status == MF_OK ? mf_database_list(&names, database, MF_ENTRY_RECORD, err) : status;
    const bool all = a->n_positional == 0;
    const size_t n_wanted = all ? names.n_items : a->n_positional;
    if (status == MF_OK && all && n_wanted == 0) {
        status = mf_own_record(&records[0], database, "", err); /* says that there is none */
    }
    for (; status == MF_OK && n < n_wanted && n < MAX_COMPARED; n++) {
        status = mf_own_record(&records[n], database, all ? names.items[n] : a->positional[n], err);
    }
    if (status == MF_OK && a->json && n == 1) {
        char *data = NULL;
        status = mf_record_text(&data, records[0], err);
        mf_str_add(&text, data != NULL ? data : "");
        free(data);
    } else if (status == MF_OK && n == 1) {
        mf_show_record(&text, records[0]);
    } else if (status == MF_OK && n > 1) {
        mf_show_records(&text, records, n);
    }
    status = status == MF_OK ? mf_str_status(&text, err) : status;
    status = status == MF_OK ? mf_cli_write(&text, a->output_file, err) : status;
    for (size_t i = 0; i < MAX_COMPARED; i++) {
        mf_record_free(records[i]);
    }
    mf_names_free(&names);
    mf_str_free(&text);
    mf_database_close(database);
    return status;
}

static mf_status run(bool *done, const mf_arguments *a, mf_error *err)
{
    if (a->n_positional > 0 && !a->show) {
        return mf_fail(
            err, MF_E_USAGE, "'%s' is no option; names go with --show", a->positional[0]);
    }
    if (a->from_measurements != NULL) {
        return a->output_file != NULL
                   ? mf_calibrate_from_measurements(a, err)
                   : mf_fail(err,
                             MF_E_USAGE,
                             "write: memfit calibrate --from-measurements FILE.csv -o FOLDER");
    }
    if (a->from != NULL) {
        return mf_calibrate_from_runs(a, err);
    }
    if (a->list) {
        return list(a, err);
    }
    return a->show ? show_saved(a, err) : measure(done, a, err);
}

int mf_cmd_calibrate(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a;
    mf_status status = mf_parse_arguments(&a, MF_FOR_CALIBRATE, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("calibrate"), MF_FOR_CALIBRATE);
    }
    bool done = true;
    status = status == MF_OK ? run(&done, &a, &err) : status;
    return status != MF_OK ? mf_cli_fail(status, &err) : done ? MF_EXIT_YES : MF_EXIT_NO;
}
