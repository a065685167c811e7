/*
 * measurement.h - published speed measurements, one a row of a CSV file (tests/truth/speed.csv has the columns).
 *
 * What a row leaves to its notes (flash attention, backend, micro-batch, age of the build) is read from them here, so
 * that the fit and the validation see the same case.
 */
#ifndef MF_MEMFIT_MEASUREMENT_H
#define MF_MEMFIT_MEASUREMENT_H

#include "memfit/calibration.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mf_trust {
    MF_TRUST_HIGH,
    MF_TRUST_MEDIUM,
    MF_TRUST_LOW,
    MF_TRUST_FLAGGED, /* contradicts physics or itself: for audits, never for fitting */
} mf_trust;

typedef struct mf_measurement {
    char *device;
    char *model;
    char *quant;
    char *source;
    char *notes;
    char *date;
    size_t line; /* in the file, the header is 1 */
    uint32_t n_devices;
    mf_engine_id engine; /* ollama and llamafile run llama.cpp */
    mf_runtime runtime;
    const char
        *scheme;     /* of modeldb: quant, or what the file is known to hold; borrowed or static */
    bool wide_dense; /* what is not an expert is in 16 bits, whatever the scheme says */
    bool unpacks; /* the build multiplies a prompt by weights that it has unpacked to F16 first */
    bool sorts;   /* the build sorts a prompt's rows by expert on the host */
    bool flash_attention;
    double ubatch_tokens;
    mf_tensor_type kv_type;
    mf_speed_test test;
    double n_tokens; /* 0: not stated */
    double depth_tokens;
    double tok_s;
    mf_trust trust;
    const char *skip; /* why the row is no measurement of one case, NULL if it is; static storage */
} mf_measurement;

typedef struct mf_measurements {
    mf_measurement *items;
    size_t n_items;
} mf_measurements;

/* Reads a CSV file with a header. Needed columns: device, engine, model, quant, test, tok_s; others may be missing or
   blank. MF_E_IO, MF_E_DATA with file:line. Free with mf_measurements_free. */
MF_API mf_status mf_measurements_load(mf_measurements *out, const char *path, mf_error *err);

/* Same from memory; name stands in messages. */
MF_API mf_status mf_measurements_parse(
    mf_measurements *out, const char *text, size_t size, const char *name, mf_error *err);

MF_API void mf_measurements_free(mf_measurements *measurements);

/* Fits the law to the rows of trust high and medium of one device: out[0] llama.cpp, out[1] mlx. Devices and models come
   from the database; rows whose device or model it lacks are left out. With residuals, the intervals' pools are made too:
   the law is fitted again without each chip, model and class (minutes). The caller frees both. */
MF_API mf_status mf_calibration_fit(mf_calibration *out[2],
                                    const mf_measurements *measurements,
                                    const mf_database *database,
                                    bool residuals,
                                    mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
