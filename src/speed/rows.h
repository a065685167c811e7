/*
 * rows.h - measurements as cases of the law: what a row's model and device make of it, before any coefficient.
 */
#ifndef MF_SPEED_ROWS_H
#define MF_SPEED_ROWS_H

#include "memfit/measurement.h"
#include "speed/law.h"

typedef struct mf_speed_row {
    const mf_measurement *measurement; /* borrowed */
    const mf_work *work;               /* owned by the mf_speed_rows */
    mf_peaks peaks;
    mf_setting setting;
    mf_step step;
    size_t device; /* numbers of equal names in the set */
    size_t model;
    size_t quant;
    size_t source;
    const char *skip; /* why the law can't speak of it, NULL if it can; static storage */
} mf_speed_row;

typedef struct mf_speed_rows {
    mf_speed_row *items; /* one per measurement, in order */
    size_t n_items;
    struct mf_row_facts *facts; /* devices, models and work that the rows borrow */
} mf_speed_rows;

/* The skip of rows that lack nothing but that several devices made them: they are of no fit (several.h). */
extern const char mf_speed_several[];

/* Measurements and database must outlive the rows. Free with mf_speed_rows_free. */
mf_status mf_speed_rows_build(mf_speed_rows *out,
                              const mf_measurements *measurements,
                              const mf_database *database,
                              mf_error *err);
void mf_speed_rows_free(mf_speed_rows *rows);

/* What a row's names stand for, borrowed; NULL where the database lacks it. */
const mf_database *mf_speed_rows_database(const mf_speed_rows *rows);
const mf_model *mf_speed_row_model(const mf_speed_rows *rows, const mf_speed_row *row);
const mf_quant *mf_speed_row_quant(const mf_speed_rows *rows, const mf_speed_row *row);

/* A prompt's work as this build does it on this device: with weights unpacked first, rows sorted on the host, or as it is. */
mf_work mf_speed_row_work(const mf_work *work, const mf_measurement *m, const mf_device *device);

/* Tokens per second that the law gives for a row without `skip`. */
double mf_speed_row_predict(const mf_speed_row *row, const mf_calibration *calibration);

/* The law's seconds as the row's speed is counted. */
double mf_speed_row_tok_s(const mf_speed_row *row, const mf_knobs *knobs);

/* Log sd of that, for what is known of the knobs (spread.h). */
double mf_speed_row_log_sd(const mf_speed_row *row, const mf_knobs *knobs);

#endif
