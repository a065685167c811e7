/*
 * validation.h - a validation as JSON, as blocks for people, as rows, and as two plots.
 */
#ifndef MF_REPORT_VALIDATION_H
#define MF_REPORT_VALIDATION_H

#include "memfit/validation.h"
#include "report/document.h"

mf_status mf_write_validation_json(mf_str *out, const mf_validation *validation, mf_error *err);

/* Skipped rows first, then groups; `in_full` adds quantizations, devices, the worst rows and the published rules. */
mf_status mf_show_validation(mf_document *document,
                             const mf_validation *validation,
                             bool in_full,
                             mf_error *err);

/* Predicted against measured speed of one test, both axes logarithmic. */
mf_status mf_write_scatter_svg(mf_str *out,
                               const mf_validation *validation,
                               mf_speed_test test,
                               mf_error *err);

/* Share of rows inside intervals of every nominal level, scaled from the 90 % ones. */
mf_status mf_write_calibration_svg(mf_str *out, const mf_validation *validation, mf_error *err);

#endif
