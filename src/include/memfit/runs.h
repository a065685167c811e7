/*
 * runs.h - real runs of an engine on a machine, as the engine's own tools print them, turned into measurements.
 *
 * Read are: llama-bench -o json, jsonl, csv and sql; mlx_lm's figures as JSON (prompt_tps, generation_tps); what Ollama's API
 * answers with (eval_count, eval_duration). The result is the CSV of measurement.h, so that it can be kept, sent and fitted.
 */
#ifndef MF_MEMFIT_RUNS_H
#define MF_MEMFIT_RUNS_H

#include "memfit/measurement.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mf_runs_options {
    const char *device_id; /* of the machine they were made on */
    const char *model_id;  /* of modeldb; NULL: told from the file's or model's name */
    const char *quant_id;  /* NULL: told from the name */
    const char *date;      /* of runs that do not say; may be NULL */
} mf_runs_options;

/* What was read and what was left. */
typedef struct mf_runs_count {
    size_t n_rows;
    size_t n_unknown; /* runs whose model or format the database does not have */
    char unknown[96]; /* one of their names */
} mf_runs_count;

/* Text of a CSV file with a header, in the order of the runs. MF_E_DATA for another form, or if no run is left. The caller
   frees *csv. */
MF_API mf_status mf_runs_read(char **csv,
                              mf_runs_count *count,
                              const char *text,
                              size_t size,
                              const char *name,
                              const mf_runs_options *options,
                              const mf_database *database,
                              mf_error *err);

#define MF_RUNS_GPU_SIZE 256

/* What llama-bench calls the GPU that the runs were made on, several joined by ", "; empty if the runs name none. MF_E_DATA for
   another form. */
MF_API mf_status mf_runs_gpu(
    char gpu[MF_RUNS_GPU_SIZE], const char *text, size_t size, const char *name, mf_error *err);

/* What the runs say of their chip, added to a calibration of the same engine. */
typedef struct mf_runs_use {
    size_t n_decode;
    size_t n_prefill;
    size_t n_models; /* of different size; one can't tell bandwidth from overhead */
    size_t n_depths; /* one can't tell the cache's cost */
} mf_runs_use;

/* Runs of other engines are passed over. MF_E_DATA if none is left or two devices are mixed. */
MF_API mf_status mf_calibration_update(mf_calibration *calibration,
                                       mf_runs_use *use,
                                       const mf_measurements *runs,
                                       const mf_database *database,
                                       mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
