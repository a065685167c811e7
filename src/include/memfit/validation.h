/*
 * validation.h - predictions held against measurements, as a user gets them or with a fit that did not see them.
 */
#ifndef MF_MEMFIT_VALIDATION_H
#define MF_MEMFIT_VALIDATION_H

#include "memfit/measurement.h"
#include "memfit/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows that share this are left out of the fit together. AFTER leaves out all rows of a date and later. */
#define MF_HOLD_OUT_LIST(X)                                                                        \
    X(MF_HOLD_OUT_NONE, "none")                                                                    \
    X(MF_HOLD_OUT_CHIP, "chip")                                                                    \
    X(MF_HOLD_OUT_GENERATION, "generation")                                                        \
    X(MF_HOLD_OUT_MODEL, "model")                                                                  \
    X(MF_HOLD_OUT_QUANT, "quant")                                                                  \
    X(MF_HOLD_OUT_SOURCE, "source")                                                                \
    X(MF_HOLD_OUT_AFTER, "after")

typedef enum mf_hold_out {
#define MF_HOLD_OUT_ENUM(name, text) name,
    MF_HOLD_OUT_LIST(MF_HOLD_OUT_ENUM)
#undef MF_HOLD_OUT_ENUM
        MF_HOLD_OUT_COUNT
} mf_hold_out;

typedef struct mf_validation_options {
    mf_hold_out left_out;
    const char *after;                                   /* AFTER: "2026-01" or "2026-01-31" */
    const mf_calibration *calibrations[MF_ENGINE_COUNT]; /* NONE: what predicts; else unused */
} mf_validation_options;

/* Rules that other tools publish for decode, given the bytes that a token really reads (docs/validation.md). */
#define MF_PUBLISHED_LIST(X)                                                                       \
    X(MF_PUBLISHED_ROOFLINE, "bandwidth / bytes")                                                  \
    X(MF_PUBLISHED_075, "bandwidth / bytes x 0.75")                                                \
    X(MF_PUBLISHED_055, "bandwidth / (parameters x nominal bits) x 0.55")                          \
    X(MF_PUBLISHED_VENDOR, "bandwidth / bytes x 0.70, Apple 0.65")                                 \
    X(MF_PUBLISHED_QUANT, "bandwidth / bytes x 0.40 to 0.55 by format x backend")

typedef enum mf_published_rule {
#define MF_PUBLISHED_ENUM(name, text) name,
    MF_PUBLISHED_LIST(MF_PUBLISHED_ENUM)
#undef MF_PUBLISHED_ENUM
        MF_PUBLISHED_COUNT
} mf_published_rule;

typedef struct mf_validated {
    const mf_measurement *measurement; /* borrowed */
    mf_rate rate;     /* known: there is a prediction, even of a row that is not scored */
    const char *skip; /* why the row is not scored; NULL: it is. Static storage */
    mf_chip_class chip_class;
    double depth_tokens;              /* at the middle of the run */
    bool has_experts;                 /* a mixture; of a row that the law can speak of */
    double rules[MF_PUBLISHED_COUNT]; /* tok/s of decode rows, 0 of others */
} mf_validated;

/* What one measured row tells of a chip that was left out: its other rows of the same engine, backend and use of flash
   attention, before and after. Each of its rows with an empty context is given in turn. Shares, not per cent. */
typedef struct mf_validation_given {
    mf_speed_test test;
    const char *key; /* of the vendor, or "all". Static storage */
    size_t n_chips;
    size_t n_rows;       /* predicted */
    double chips_before; /* mean over chips of the mean error of a chip's rows */
    double chips_after;
    double rows_before; /* mean over rows */
    double rows_after;
    double coverage90; /* of the rows' interval after */
} mf_validation_given;

typedef struct mf_validation {
    mf_validated *items; /* one per measurement, in order */
    size_t n_items;
    mf_hold_out left_out;
    mf_validation_given *given; /* by test, all and then vendors; of CHIP only */
    size_t n_given;
} mf_validation;

/* Predicts every row. But for NONE the law is fitted to these very rows (trust high and medium, one device), again
   without each fold. Rows of several devices are predicted by NONE, and by CHIP without their chip. Measurements must
   outlive the result. Free with mf_validation_free. */
MF_API mf_status mf_validate(mf_validation *out,
                             const mf_measurements *measurements,
                             const mf_database *database,
                             const mf_validation_options *options,
                             mf_error *err);
MF_API void mf_validation_free(mf_validation *validation);

#define MF_GROUP_LIST(X)                                                                           \
    X(MF_GROUP_ALL, "all")                                                                         \
    X(MF_GROUP_VENDOR, "vendor")                                                                   \
    X(MF_GROUP_FAMILY, "family")                                                                   \
    X(MF_GROUP_DEVICE, "device")                                                                   \
    X(MF_GROUP_MODEL, "model")                                                                     \
    X(MF_GROUP_QUANT, "quant")                                                                     \
    X(MF_GROUP_ENGINE, "engine")                                                                   \
    X(MF_GROUP_BASIS, "basis")                                                                     \
    X(MF_GROUP_KIND, "kind")                                                                       \
    X(MF_GROUP_START, "context at the start")                                                      \
    X(MF_GROUP_DEPTH, "depth")                                                                     \
    X(MF_GROUP_SEVERAL, "vendor, several devices")

typedef enum mf_group_by {
#define MF_GROUP_ENUM(name, text) name,
    MF_GROUP_LIST(MF_GROUP_ENUM)
#undef MF_GROUP_ENUM
        MF_GROUP_COUNT
} mf_group_by;

/* Shares, not per cent. Errors are predicted / measured - 1 of tok/s. Rows of several devices are of SEVERAL only. */
typedef struct mf_validation_group {
    mf_speed_test test;
    mf_group_by by;
    const char *key; /* "" for all; borrowed from the validation */
    size_t n;
    double mape;
    double median_ape;
    double p90_ape;
    double bias;
    double coverage90;                /* rows inside their interval */
    double chip_coverage90;           /* mean over devices of that share */
    double mean_width;                /* mean of half the interval over the prediction */
    double rules[MF_PUBLISHED_COUNT]; /* MAPE of the published rules on the same rows */
} mf_validation_group;

/* Every group that has a scored row: by test, then kind, then order of first row. The caller frees *groups. */
MF_API mf_status mf_validation_groups(mf_validation_group **groups,
                                      size_t *n_groups,
                                      const mf_validation *validation,
                                      mf_error *err);

MF_API double mf_validated_error(const mf_validated *row); /* predicted / measured - 1 */
MF_API const char *mf_hold_out_name(mf_hold_out hold_out);
MF_API const char *mf_group_name(mf_group_by by);
MF_API const char *mf_published_rule_name(mf_published_rule rule);

#ifdef __cplusplus
}
#endif

#endif
