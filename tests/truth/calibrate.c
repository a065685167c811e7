/*
 * calibrate - writes hwdb/calibration from the published rows: calibrate ROWS.csv DATABASE FOLDER [--check]
 *
 * The developers' way to `memfit calibrate --from-measurements`. --check writes nothing and compares the coefficients
 * with those in FOLDER; the intervals, which need a fit without each chip, are left out of that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/measurement.h"
#include "memfit/memfit.h"

#define N_ENGINES 2

static void path_of(char path[4096], const char *folder, const mf_calibration *c)
{
    snprintf(path, 4096, "%s/%s.json", folder, c->engine);
}

static mf_status write_one(const mf_calibration *c, const char *folder, mf_error *err)
{
    char path[4096];
    char *text = NULL;
    path_of(path, folder, c);
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

static mf_status check_one(const mf_calibration *c, const char *folder, mf_error *err)
{
    char path[4096];
    char *fitted = NULL;
    char *committed = NULL;
    mf_calibration *old = NULL;
    path_of(path, folder, c);
    mf_status status = mf_calibration_load(&old, path, err);
    if (status == MF_OK) {
        old->n_pools = 0;
        status = mf_calibration_text(&committed, old, err);
    }
    if (status == MF_OK) {
        status = mf_calibration_text(&fitted, c, err);
    }
    if (status == MF_OK && strcmp(fitted, committed) != 0) {
        status = mf_fail(
            err, MF_E_DATA, "'%s' is not what the rows give, run calibrate without --check", path);
    }
    free(fitted);
    free(committed);
    mf_calibration_free(old);
    return status;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    mf_measurements rows = {0};
    mf_database *database = NULL;
    mf_calibration *fitted[N_ENGINES] = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: calibrate ROWS.csv DATABASE FOLDER [--check]\n");
        return 2;
    }
    mf_init();
    const char *const folders[] = {argv[2]};
    const bool check = argc > 4 && strcmp(argv[4], "--check") == 0;
    mf_status status = mf_database_open(&database, folders, 1, &err);
    if (status == MF_OK) {
        status = mf_measurements_load(&rows, argv[1], &err);
    }
    if (status == MF_OK) {
        status = mf_calibration_fit(fitted, &rows, database, !check, &err);
    }
    for (size_t i = 0; status == MF_OK && i < N_ENGINES; i++) {
        status = check ? check_one(fitted[i], argv[3], &err) : write_one(fitted[i], argv[3], &err);
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
