/*
 * several.h - measured rows of several devices of one kind, whose layers are split among them: not of the fit, predicted
 * as a machine with so many of the device is.
 */
#ifndef MF_SPEED_SEVERAL_H
#define MF_SPEED_SEVERAL_H

#include "speed/path.h"
#include "speed/rows.h"

/* What its rows share. Zero it, set rows; mf_several_free after. */
typedef struct mf_several {
    const mf_speed_rows *rows; /* borrowed */
    mf_engine *engine;
    mf_machine *machine; /* of the last row, and its path for that row's model */
    mf_path path;
    const mf_speed_row *last;
} mf_several;

/* Tokens per second of a row whose skip is mf_speed_several. *reason (static storage) is set instead where the law has no
   ground; MF_OK then. */
mf_status mf_several_predict(double *tok_s,
                             mf_path_time *time,
                             const char **reason,
                             mf_several *several,
                             const mf_speed_row *row,
                             const mf_calibration *calibration,
                             mf_error *err);
void mf_several_free(mf_several *several);

#endif
