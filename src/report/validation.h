/*
 * validation.h - a validation as JSON, as blocks for people, as rows, and as two plots.
 */
#ifndef MF_REPORT_VALIDATION_H
#define MF_REPORT_VALIDATION_H

#include "memfit/validation.h"
#include "report/document.h"

mf_status mf_write_validation_json(mf_str *out, const mf_validation *validation, mf_error *err);

/* Skipped rows first, then groups. */
mf_status mf_show_validation(mf_document *document, const mf_validation *validation, mf_error *err);

/* Adds the bars, quantizations, devices and the worst rows. causes: why a row is off, one per row, NULL where that is not
   known; or NULL. */
mf_status mf_show_validation_in_full(mf_document *document,
                                     const mf_validation *validation,
                                     const char *const *causes,
                                     mf_error *err);

/* What the law is held to when this is left out, and whether that holds. Nothing where no bar is set. */
void mf_show_bars(mf_document *document,
                  const mf_validation *validation,
                  const mf_validation_group *groups,
                  size_t n_groups);

/* Predicted against measured speed of one test, both axes logarithmic. */
mf_status mf_write_scatter_svg(mf_str *out,
                               const mf_validation *validation,
                               mf_speed_test test,
                               mf_error *err);

/* Share of rows inside intervals of every nominal level, scaled from the 90 % ones. */
mf_status mf_write_calibration_svg(mf_str *out, const mf_validation *validation, mf_error *err);

#endif
