/*
 * calibrate.h - the parts of `memfit calibrate`: measuring (cmd_calibrate.c), showing (calibrate_show.c), taking over
 * other measurements (calibrate_from.c).
 */
#ifndef MF_CLI_CALIBRATE_H
#define MF_CLI_CALIBRATE_H

#include "cli/own.h"

void mf_show_record(mf_str *out, const mf_record *record);
void mf_show_records(mf_str *out, mf_record *const *records, size_t n);

/* --from: runs of an engine. --from-measurements: a table of published ones. */
mf_status mf_calibrate_from_runs(const mf_arguments *a, mf_error *err);
mf_status mf_calibrate_from_measurements(const mf_arguments *a, mf_error *err);

/* The device whose runs the text of this file holds: --on, the GPU that llama-bench names, or this machine's. The caller frees *id. */
mf_status mf_cli_device(char **id,
                        const mf_arguments *a,
                        const mf_str *text,
                        const char *name,
                        const mf_database *database,
                        mf_error *err);

#endif
