#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "memfit/measurement.h"

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

static mf_status calibrate(const mf_arguments *a, mf_error *err)
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

int mf_cmd_calibrate(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a;
    mf_status status = mf_parse_arguments(&a, MF_FOR_CALIBRATE, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("calibrate"), MF_FOR_CALIBRATE);
    }
    if (status == MF_OK &&
        (a.from_measurements == NULL || a.output_file == NULL || a.n_positional > 0)) {
        status = mf_fail(
            &err, MF_E_USAGE, "write: memfit calibrate --from-measurements FILE.csv -o FOLDER");
    }
    status = status == MF_OK ? calibrate(&a, &err) : status;
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
