/*
 * fit_columns.h - the fit's inside, shared by its two files: columns made from rows (fit_columns.c) and their solution
 * (fit.c).
 */
#ifndef MF_SPEED_FIT_COLUMNS_H
#define MF_SPEED_FIT_COLUMNS_H

#include "speed/fit.h"

#define MAX_SLOTS (MF_KNOB_COUNT + MF_FORMAT_COUNT)
#define MAX_SLOT_COLUMNS (MF_MAX_KNOB_EFFECTS + 1)

/* One knob of one row: the columns whose sum is its logarithm. */
typedef struct slot {
    mf_knob knob;
    mf_format format;
    size_t n_columns;
    size_t columns[MAX_SLOT_COLUMNS];
} slot;

typedef struct fit_row {
    const mf_speed_row *row;
    double weight; /* square root */
    double robust; /* square root of Huber's weight */
    bool used;
    size_t n_slots;
    slot slots[MAX_SLOTS];
} fit_row;

typedef struct column {
    size_t effect; /* SIZE_MAX: a chip's */
    size_t chip;
    mf_knob knob;
    double prior;
    double sd;
    double value;
    double posterior_sd;
    bool seen; /* by a used row */
    uint32_t n_rows;
} column;

typedef struct fit_chip {
    const char *device; /* borrowed */
    mf_engine_id engine;
    mf_chip_class chip_class;
    uint32_t n_rows;
} fit_chip;

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
    double overlap_step;
    bool solved;
};

#endif
