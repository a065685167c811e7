/*
 * report_sections.h - a report's sections are commands, whose answers stand one behind the other in one document.
 */
#ifndef MF_CLI_REPORT_SECTIONS_H
#define MF_CLI_REPORT_SECTIONS_H

#include "cli/cli.h"

/* Adds what "plan llama-3.3-70b --on ..." would show. MF_E_USAGE for another command than fit, compare, plan or cost. */
mf_status
mf_report_command(mf_document *document, const char *command, const char *data, mf_error *err);

/* One published measurement beside the prediction of the same case. */
typedef struct mf_measured_row {
    const char *machine;
    const char *model;
    const char *quant;
    uint64_t n_prompt; /* of prefill; 0: decode of n_output tokens behind `depth` */
    uint64_t n_output;
    uint64_t depth;
    double tok_s;
    mf_source source;
} mf_measured_row;

/* A table of them, with the error of each. */
mf_status mf_report_measured(
    mf_document *document, const mf_measured_row *rows, size_t n, const char *data, mf_error *err);

#endif
