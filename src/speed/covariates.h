/*
 * covariates.h - what a published row says beside its figures: which kernels ran, how the file was made.
 *
 * Backend, flash attention, micro-batch, age of the build and what the file's name betrays of its formats change speed by
 * 1.2 to 5 times. A row's columns do not have them; its notes, its date and its source's name do.
 */
#ifndef MF_SPEED_COVARIATES_H
#define MF_SPEED_COVARIATES_H

#include "memfit/measurement.h"

/* Fills runtime, flash_attention, ubatch_tokens, scheme, wide_dense, unpacks, sorts and skip of a row whose columns are read. */
void mf_covariates_read(mf_measurement *m);

#endif
