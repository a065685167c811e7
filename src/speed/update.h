/*
 * update.h - a few runs of an engine on one machine as that chip's effects: what moves the law to them with the least
 * distance from what was believed (maximum a posteriori).
 */
#ifndef MF_SPEED_UPDATE_H
#define MF_SPEED_UPDATE_H

#include "speed/rows.h"

/* Adds to the effects of the rows' chip. Rows are of one device, engine and backend, and of both tests or one; those with
   `skip` are passed over. MF_E_DATA if none is left, MF_E_NOMEM. */
mf_status mf_speed_update(mf_calibration *calibration,
                          const mf_speed_row *const *rows,
                          size_t n_rows,
                          mf_error *err);

#endif
