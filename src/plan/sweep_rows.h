/*
 * sweep_rows.h - the lines of a sweep's table.
 */
#ifndef MF_PLAN_SWEEP_ROWS_H
#define MF_PLAN_SWEEP_ROWS_H

#include "base/str.h"
#include "memfit/plan.h"
#include "plan/ready.h"

enum { MF_SWEEP_MAX_CONTEXTS = 64, MF_SWEEP_TOKENS_SIZE = 72 };

/* What does not change from line to line. */
typedef struct mf_sweep_rows {
    size_t n_contexts;
    mf_workload workloads[MF_SWEEP_MAX_CONTEXTS];
    char tokens[MF_SWEEP_MAX_CONTEXTS][MF_SWEEP_TOKENS_SIZE]; /* "2048,1536,512" */
} mf_sweep_rows;

/* Where the text of a speed stands in the table; size 0: not there yet. */
typedef struct mf_sweep_text {
    size_t at;
    size_t size;
} mf_sweep_text;

void mf_sweep_rows_make(mf_sweep_rows *rows, const mf_engine *engine, const mf_sweep_lists *lists);

/* One line a context. weights and rest (an array, by context) are NULL where nothing is known. speeds (by context) are of
   this model on the machines as fast as this one, and are filled. */
void mf_sweep_rows_add(mf_str *out,
                       const mf_sweep_rows *rows,
                       const mf_ready_model *model,
                       const char *name,
                       mf_ready_machine *machine,
                       const mf_ready_bytes *weights,
                       const mf_ready_bytes *rest,
                       mf_sweep_text *speeds);

#endif
