/*
 * workers.h - all cores on one task: threads that stay, so that a task costs what it costs in an engine.
 */
#ifndef MF_CALIBRATE_WORKERS_H
#define MF_CALIBRATE_WORKERS_H

#include <stddef.h>

#include "memfit/status.h"

typedef struct mf_workers mf_workers;

/* Called once on each thread with its number. */
typedef void mf_work_fn(void *payload, size_t thread);

/* The caller is thread 0 of n. The caller frees *out. MF_E_NOMEM. */
mf_status mf_workers_new(mf_workers **out, size_t n, mf_error *err);
void mf_workers_free(mf_workers *workers); /* NULL is fine */

/* Returns when all threads are done. */
void mf_workers_run(mf_workers *workers, mf_work_fn *work, void *payload);

#endif
