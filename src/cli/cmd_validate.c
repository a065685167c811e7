#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/calibrate.h"
#include "cli/validate.h"
#include "memfit/runs.h"
#include "report/validation.h"

typedef struct run {
    const mf_arguments *a;
    mf_database *database;
    mf_str csv;
    mf_measurements rows;
    mf_calibration *calibrations[MF_ENGINE_COUNT];
    mf_validation validation;
} run;

/* "chip", "after=2026-01": where the fold's date stands, NULL without. */
static mf_status read_left_out(mf_validation_options *o, const char *text, mf_error *err)
{
    const char *equals = strchr(text, '=');
    const size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);
    for (size_t i = 0; i < MF_HOLD_OUT_COUNT; i++) {
        const char *name = mf_hold_out_name((mf_hold_out)i);
        if (strlen(name) != n || strncmp(name, text, n) != 0) {
            continue;
        }
        o->left_out = (mf_hold_out)i;
        o->after = equals != NULL ? equals + 1 : NULL;
        if ((o->left_out == MF_HOLD_OUT_AFTER) == (o->after != NULL && o->after[0] != '\0')) {
            return MF_OK;
        }
    }
    return mf_fail(err,
                   MF_E_USAGE,
                   "'%s' can't be left out: chip, generation, model, quant, source, "
                   "after=2026-01 or none",
                   text);
}

/* A table of measurements names its columns tok_s and device; all else is what an engine's tool printed. */
static bool is_table(const mf_str *text)
{
    const char *line = text->data != NULL ? text->data : "";
    const size_t n = strcspn(line, "\n");
    const char *found = strstr(line, "tok_s");
    return line[0] != '{' && line[0] != '[' && found != NULL && found < line + n;
}

static bool is_known(const char *device_id, const mf_database *database)
{
    mf_device *device = NULL;
    const bool known = mf_database_device(&device, database, device_id, NULL) == MF_OK;
    mf_device_free(device);
    return known;
}

static mf_status read_rows(run *r, mf_error *err)
{
    const char *path = r->a->positional[0];
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    char *device = NULL;
    mf_str text = {0};
    mf_runs_count count = {0};
    mf_status status = mf_cli_read(&text, path, err);
    if (status == MF_OK && is_table(&text)) {
        r->csv = text;
        return mf_measurements_parse(&r->rows, text.data, text.size, name, err);
    }
    status = status == MF_OK ? mf_cli_device(&device, r->a, &text, name, r->database, err) : status;
    if (status == MF_OK) {
        const mf_runs_options options = {
            .device_id = device, .model_id = r->a->model, .quant_id = r->a->quant};
        status = mf_runs_read(&r->csv.data,
                              &count,
                              text.data != NULL ? text.data : "",
                              text.size,
                              name,
                              &options,
                              r->database,
                              err);
    }
    if (status == MF_OK) {
        r->csv.size = strlen(r->csv.data);
        status = mf_measurements_parse(&r->rows, r->csv.data, r->csv.size, name, err);
    }
    if (status == MF_OK && count.n_unknown > 0) {
        (void)fprintf(stderr,
                      "memfit: %zu runs left out, their model or format is not known ('%s'): "
                      "--model, --quant\n",
                      count.n_unknown,
                      count.unknown);
    }
    if (status == MF_OK && !is_known(device, r->database)) {
        (void)fprintf(stderr,
                      "memfit: on which device the runs were made is not known: --on DEVICE\n");
    }
    mf_str_free(&text);
    free(device);
    return status;
}

static mf_status load_calibrations(run *r, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t e = 0; status == MF_OK && e < MF_ENGINE_COUNT; e++) {
        char relative[80];
        char *path = NULL;
        (void)snprintf(
            relative, sizeof relative, "hwdb/calibration/%s.json", mf_engine_name((mf_engine_id)e));
        if (mf_database_path(&path, r->database, relative, NULL) == MF_OK) {
            status = mf_calibration_load(&r->calibrations[e], path, err);
        }
        free(path);
    }
    return status;
}

/* Empties the text. */
static mf_status write_file(mf_str *text, const char *folder, const char *name, mf_error *err)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const mf_status status = mf_cli_write(text, path, err);
    mf_str_free(text);
    *text = (mf_str){0};
    return status;
}

static const char report_start[] =
    "# Predictions against published measurements\n\n"
    "Written by `memfit validate tests/truth/speed.csv --leave-out %s --report reports`. A row is "
    "predicted by a\n"
    "fit that saw no row of its fold. Errors are predicted / measured - 1 in per cent; the half "
    "width is that of the 90 %%\n"
    "interval over the prediction. docs/validation.md says how to read it.\n\n"
    "![decode](decode.svg) ![prefill](prefill.svg) ![intervals](intervals.svg)\n\n";

static mf_status write_report(const run *r, const char *folder, mf_error *err)
{
    mf_str text = {0};
    mf_document document = {0};
    mf_str_printf(&text, report_start, mf_hold_out_name(r->validation.left_out));
    mf_causes causes = {0};
    mf_status status = mf_causes_load(&causes, r->a->positional[0], &r->rows, err);
    status = status == MF_OK
                 ? mf_show_validation_in_full(&document, &r->validation, causes.items, err)
                 : status;
    status = status == MF_OK ? mf_write_markdown(&text, &document, err) : status;
    status = status == MF_OK ? write_file(&text, folder, "validation.md", err) : status;
    if (status == MF_OK) {
        status = mf_write_scatter_svg(&text, &r->validation, MF_TEST_DECODE, err);
    }
    status = status == MF_OK ? write_file(&text, folder, "decode.svg", err) : status;
    if (status == MF_OK) {
        status = mf_write_scatter_svg(&text, &r->validation, MF_TEST_PREFILL, err);
    }
    status = status == MF_OK ? write_file(&text, folder, "prefill.svg", err) : status;
    status = status == MF_OK ? mf_write_calibration_svg(&text, &r->validation, err) : status;
    status = status == MF_OK ? write_file(&text, folder, "intervals.svg", err) : status;
    mf_str_free(&text);
    mf_document_free(&document);
    mf_causes_free(&causes);
    return status;
}

static mf_status write_result(const run *r, mf_error *err)
{
    const mf_arguments *a = r->a;
    mf_str text = {0};
    mf_document document = {0};
    mf_status status = MF_OK;
    if (mf_cli_is_format(a, "json")) {
        status = mf_write_validation_json(&text, &r->validation, err);
    } else if (mf_cli_is_format(a, "csv")) {
        status = mf_validate_rows(&text, &r->csv, &r->validation, err);
    } else {
        status = mf_show_validation(&document, &r->validation, err);
        status = status == MF_OK
                     ? mf_cli_write_document(&text, &document, "memfit validate", a, err)
                     : status;
    }
    status = status == MF_OK ? mf_cli_write(&text, a->output_file, err) : status;
    mf_str_free(&text);
    mf_document_free(&document);
    if (status == MF_OK && a->rows != NULL) {
        status = mf_validate_rows(&text, &r->csv, &r->validation, err);
        status = status == MF_OK ? mf_cli_write(&text, a->rows, err) : status;
        mf_str_free(&text);
    }
    return status == MF_OK && a->report != NULL ? write_report(r, a->report, err) : status;
}

static mf_status validate(const mf_arguments *a, mf_error *err)
{
    run r = {.a = a};
    mf_validation_options options = {0};
    mf_status status = read_left_out(&options, a->leave_out != NULL ? a->leave_out : "none", err);
    status = status == MF_OK ? mf_cli_database(&r.database, a, err) : status;
    status = status == MF_OK ? read_rows(&r, err) : status;
    if (status == MF_OK && options.left_out == MF_HOLD_OUT_NONE) {
        status = load_calibrations(&r, err);
    }
    for (size_t e = 0; e < MF_ENGINE_COUNT; e++) {
        options.calibrations[e] = r.calibrations[e];
    }
    if (status == MF_OK) {
        status = mf_validate(&r.validation, &r.rows, r.database, &options, err);
    }
    status = status == MF_OK ? write_result(&r, err) : status;
    mf_validation_free(&r.validation);
    for (size_t e = 0; e < MF_ENGINE_COUNT; e++) {
        mf_calibration_free(r.calibrations[e]);
    }
    mf_measurements_free(&r.rows);
    mf_str_free(&r.csv);
    mf_database_close(r.database);
    return status;
}

int mf_cmd_validate(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a;
    mf_status status = mf_parse_arguments(&a, MF_FOR_VALIDATE, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("validate"), MF_FOR_VALIDATE);
    }
    if (status == MF_OK && a.n_positional != 1) {
        status = mf_fail(&err, MF_E_USAGE, "validate takes one FILE, or - for standard input");
    }
    if (status == MF_OK) {
        status = validate(&a, &err);
    }
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
