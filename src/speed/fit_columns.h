/*
 * fit_columns.h - the fit's inside, shared by its two files: columns made from rows (fit_columns.c) and their solution
 * (fit.c).
 */
#ifndef MF_SPEED_FIT_COLUMNS_H
#define MF_SPEED_FIT_COLUMNS_H

#include "speed/fit.h"

#define MAX_SLOTS (MF_KNOB_COUNT + MF_FORMAT_COUNT)
#define MAX_SLOT_COLUMNS (MF_MAX_KNOB_EFFECTS + 1)

/* A column's part in a knob's logarithm. */
typedef struct fit_use {
    size_t column;
    double weight;
    bool by_format; /* formats don't share it */
} fit_use;

/* One knob of one row: the columns whose weighted sum is its logarithm. */
typedef struct slot {
    mf_knob knob;
    mf_format format;
    size_t n_uses;
    fit_use uses[MAX_SLOT_COLUMNS];
} slot;

typedef struct fit_row {
    const mf_speed_row *row;
    size_t chip;
    double weight;
    size_t scale; /* column of the model's architecture */
    size_t n_slots;
    slot slots[MAX_SLOTS];
} fit_row;

typedef enum column_kind { COLUMN_EFFECT, COLUMN_CHIP, COLUMN_ARCHITECTURE } column_kind;

typedef struct column {
    column_kind kind;
    size_t effect;
    size_t chip;
    size_t architecture;
    mf_knob knob;  /* of a chip's column */
    size_t spread; /* columns that share an sd */
    double prior;
    double value;
    double posterior_sd;
    uint32_t n_rows;
} column;

typedef struct fit_chip {
    const char *device; /* borrowed */
    mf_engine_id engine;
    mf_chip_class chip_class;
    uint32_t n_rows;
} fit_chip;

typedef struct fit_architecture {
    const char *name; /* borrowed */
    size_t column;
} fit_architecture;

struct mf_fit {
    mf_speed_test test;
    fit_row *rows;
    size_t n_rows;
    column *columns;
    size_t n_columns;
    size_t *column_of_effect;
    fit_chip *chips;
    size_t n_chips;
    size_t *chip_columns; /* n_chips x MF_KNOB_COUNT */
    fit_architecture *architectures;
    size_t n_architectures;
    double *spreads; /* sd by number: families of effects, chips' knobs, architectures */
    size_t n_spreads;
    double overlap_step;
    double huber_k;
};

/* What the solution without some rows leaves open. */
typedef struct openness {
    double *columns;   /* variances */
    bool *seen;        /* columns that a used row has */
    bool *known_chips; /* that have used rows */
} openness;

/* Writes that solution's effects and chips of one engine into a calibration. */
mf_status mf_fit_export_rest(mf_calibration *to,
                             const mf_fit *fit,
                             const double *x,
                             const openness *o,
                             mf_engine_id engine,
                             mf_error *err);

/* What mf_fit_leave_out gives, by damped steps to the end: for the test that compares both. */
mf_status
mf_fit_leave_out_in_full(mf_fit_error *errors, const mf_fit *fit, const bool *used, mf_error *err);

#endif
