/*
 * calibrate - writes hwdb/calibration from the published rows: calibrate ROWS.csv DATABASE OUT [--no-intervals]
 *
 * The developers' way to `memfit calibrate --from-measurements`; leaving each chip out takes minutes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/measurement.h"
#include "memfit/memfit.h"

static mf_status write_one(const mf_calibration *c, const char *folder, mf_error *err)
{
    char path[4096];
    char *text = NULL;
    snprintf(path, sizeof path, "%s/%s.json", folder, c->engine);
    const mf_status status = mf_calibration_text(&text, c, err);
    if (status != MF_OK) {
        return status;
    }
    FILE *file = fopen(path, "wb");
    const bool written = file && fputs(text, file) >= 0;
    const bool closed = file && fclose(file) == 0;
    free(text);
    return written && closed ? MF_OK : mf_fail(err, MF_E_IO, "can't write '%s'", path);
}

int main(int argc, char **argv)
{
    mf_init();
    mf_error err = {0};
    mf_measurements rows = {0};
    mf_database *database = NULL;
    mf_calibration *fitted[2] = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: calibrate ROWS.csv DATABASE OUT [--no-intervals]\n");
        return 2;
    }
    const char *const folders[] = {argv[2]};
    const bool intervals = argc == 4 || strcmp(argv[4], "--no-intervals") != 0;
    mf_status status = mf_database_open(&database, folders, 1, &err);
    if (status == MF_OK) {
        status = mf_measurements_load(&rows, argv[1], &err);
    }
    if (status == MF_OK) {
        status = mf_calibration_fit(fitted, &rows, database, intervals, &err);
    }
    for (size_t i = 0; status == MF_OK && i < 2; i++) {
        status = write_one(fitted[i], argv[3], &err);
    }
    if (status != MF_OK) {
        fprintf(stderr, "calibrate: %s\n", err.message);
    }
    mf_calibration_free(fitted[0]);
    mf_calibration_free(fitted[1]);
    mf_measurements_free(&rows);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
