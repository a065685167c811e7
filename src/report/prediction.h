/*
 * prediction.h - one prediction, or several side by side, as JSON, CSV or a document.
 *
 * JSON is a contract: schema memfit.prediction/1, docs/json.md.
 */
#ifndef MF_REPORT_PREDICTION_H
#define MF_REPORT_PREDICTION_H

#include "base/units.h"
#include "memfit/calibration.h"
#include "memfit/predict.h"
#include "report/document.h"
#include "report/json_writer.h"

/* What a view needs to know; borrowed. quant_name is what the weights are stored as. */
/* The case turned round: how much of one thing fits while all else stays. Borrowed strings. */
typedef struct mf_inverse {
    uint32_t max_parallel;        /* sequences of the context that each has; 0: not even one */
    bool quants_known;            /* false for a file, whose quantization is what it is */
    const char *largest_quant;    /* NULL: none fits */
    uint64_t largest_quant_bytes; /* of its weights */
} mf_inverse;

typedef struct mf_shown {
    const mf_case *run;
    const mf_prediction *prediction;
    const mf_calibration *calibration; /* NULL without one */
    const char *quant_name;
    const char
        *model_path; /* as the user named the model: a file for the check commands, or NULL */
    const mf_inverse *inverse; /* NULL where nobody asked */
} mf_shown;

void mf_show_fit(mf_document *document, const mf_shown *shown);
void mf_show_comparison(mf_document *document, const mf_shown *shown, size_t n_shown);
mf_status mf_write_prediction_json(mf_str *out, const mf_shown *shown, mf_error *err);
mf_status mf_write_comparison_json(mf_str *out, const mf_shown *shown, size_t n, mf_error *err);

/* One header line, then a line per case. */
mf_status mf_write_prediction_csv(mf_str *out, const mf_shown *shown, size_t n, mf_error *err);

/* Sources of what is shown, one entry a line: what for, title, kind, date. */
typedef struct mf_ground {
    const char *what;
    const mf_source *source;
    const mf_fact *fact; /* the figure that it gives; NULL: many */
    mf_dimension dimension;
} mf_ground;

enum { MF_MAX_GROUNDS = 24 };

/* Fills grounds with the sources of the model, the machine and its devices; returns how many. */
size_t mf_grounds(mf_ground grounds[MF_MAX_GROUNDS], const mf_shown *shown);

/* Writes them, and that of the speed law, as objects of an open array: for, title, kind, `date_key`, value ("1.79 TB/s"; null:
   many figures). `before` stands before what they are for. */
void mf_write_grounds(mf_json_writer *w,
                      const mf_shown *shown,
                      const char *before,
                      const char *date_key);

/* And those of terms that no file of facts gives: vocabulary, pictures, what stands beside the model. */
void mf_write_term_grounds(mf_json_writer *w, const mf_shown *shown, const char *date_key);

/* That of the speed law alone; nothing for NULL. */
void mf_write_speed_ground(mf_json_writer *w,
                           const mf_calibration *calibration,
                           const char *before,
                           const char *date_key);

#endif
