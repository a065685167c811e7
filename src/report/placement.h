/*
 * placement.h - a placement as llama.cpp's options, and as JSON (memfit.placement/1, docs/json.md).
 */
#ifndef MF_REPORT_PLACEMENT_H
#define MF_REPORT_PLACEMENT_H

#include "report/json_writer.h"
#include "report/prediction.h"

/* Appends options that place the model as the prediction's speed has it: " -ngl 37 -ncmoe 20"; nothing for the defaults.
   separator: between overrides, ',' for llama-server, ';' for llama-bench. Fails through the text's status. */
void mf_placement_options(mf_str *out, const mf_shown *shown, char separator);

/* Writes the keys of a placement into the object that is open. */
void mf_write_placement_keys(mf_json_writer *w, const mf_shown *shown);

/* A file to be read back with mf_placement_load. */
mf_status mf_write_placement_json(mf_str *out, const mf_shown *shown, mf_error *err);

#endif
