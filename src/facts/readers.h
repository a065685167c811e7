/*
 * readers.h - facts out of parsed files. Each *_read fills a new struct that the caller frees with the type's own
 * function; MF_E_DATA has name:line:column. Nothing here opens another file.
 */
#ifndef MF_FACTS_READERS_H
#define MF_FACTS_READERS_H

#include "facts/fields.h"
#include "memfit/engine.h"
#include "memfit/machine.h"
#include "memfit/model.h"
#include "memfit/quant.h"

extern const mf_table mf_device_table;
extern const mf_table mf_machine_table;
extern const mf_table mf_engine_table;
extern const mf_table mf_record_table;
extern const mf_table mf_model_table;
extern const mf_table mf_links_table;
extern const mf_table mf_gpu_limits_table;
extern const mf_table mf_kernels_table;
extern const mf_table mf_purchases_table;
extern const mf_table mf_rentals_table;
extern const mf_table mf_electricity_table;
extern const mf_table mf_economics_table;
extern const mf_table mf_assumptions_table;
extern const mf_table mf_quants_table;
extern const mf_table mf_releases_table;

mf_status mf_device_read(mf_device **out, const mf_json *json, mf_error *err);

/* The machine's devices have an id and no mf_device yet. */
mf_status mf_machine_read(mf_machine **out, const mf_json *json, mf_error *err);

mf_status mf_engine_read(mf_engine **out, const mf_json *json, mf_error *err);

/* Blocks become layers, tensors get their block numbers. mf_model_check is left to the caller. */
mf_status mf_model_read(mf_model **out, const mf_json *json, mf_error *err);

/* One row of a row file: its object and its place in "rows", for messages. */
typedef struct mf_row {
    const mf_node *node;
    size_t index;
} mf_row;

mf_status mf_link_read(mf_link **out, const mf_json *json, mf_row row, mf_error *err);
void mf_link_clear(mf_link *link); /* frees what it owns */
mf_status mf_quant_read(mf_quant **out, const mf_json *json, mf_row row, mf_error *err);
mf_status mf_qualities_read(mf_qualities *out, const mf_json *json, mf_error *err);

/* A row of releases.json. */
typedef struct mf_release {
    char *id;
    char *of;
    char *name;
    uint32_t context;
    mf_sources sources;
} mf_release;

/* MF_E_DATA if nothing says where the context is from. */
mf_status mf_release_read(mf_release *release, const mf_json *json, mf_row row, mf_error *err);
void mf_release_clear(mf_release *release); /* frees what it owns */
/* Gives the model the release's id, name and context, with the source of that. */
mf_status mf_release_apply(mf_model *model, const mf_release *release, mf_error *err);

/* A row of gpu_limits.json. The caller frees its sources. */
typedef struct mf_gpu_limit {
    mf_fact memory_bytes;
    mf_fact usable_bytes;
    uint32_t macos;
    mf_sources sources;
} mf_gpu_limit;

mf_status mf_gpu_limit_read(mf_gpu_limit *limit, const mf_json *json, mf_row row, mf_error *err);

/* The row of kernels.json for a device; *kernels stays as it is if there is none. */
mf_status
mf_kernels_find(mf_kernels *kernels, const mf_json *json, const char *device_id, mf_error *err);
void mf_kernels_clear(mf_kernels *kernels); /* frees what it owns */

/* Reads a row into target. */
mf_status mf_row_read(const mf_table *table,
                      const mf_json *json,
                      mf_row row,
                      void *target,
                      mf_sources *sources,
                      mf_error *err);

/* Names of all tensor types, by mf_tensor_type. */
extern const char *const mf_tensor_type_words[MF_TYPE_COUNT];

/* Reads a whole document into target. */
mf_status mf_document_read(
    const mf_table *table, const mf_json *json, void *target, mf_sources *sources, mf_error *err);

/* What nobody said is as in the chip that it is like, in proportion to what was said. A new generation without its
   matrix units would read prompts like an old one. */
mf_status mf_what_if_borrow(mf_device *device, const mf_device *model, mf_error *err);

#endif
