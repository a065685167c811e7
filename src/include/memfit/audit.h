/*
 * audit.h - is a published decode speed physically possible? Every token reads what it must read, and no memory gives
 * more than its specified bandwidth.
 */
#ifndef MF_MEMFIT_AUDIT_H
#define MF_MEMFIT_AUDIT_H

#include <stdbool.h>

#include "memfit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mf_grade {
    MF_GRADE_CONSISTENT = 'A',
    MF_GRADE_EDGE = 'B',  /* needs more of the peak than is usually reached */
    MF_GRADE_OTHER = 'C', /* not for one stream; a batch, speculation or another case could do it */
    MF_GRADE_IMPOSSIBLE = 'D', /* beyond what these explain, or the model does not fit */
    MF_GRADE_SLOW = 'E',       /* a fraction of what is expected */
} mf_grade;

typedef struct mf_claim {
    double tok_s;
    double n_sequences;     /* that tok_s is the sum of; at least 1 */
    double tokens_per_step; /* accepted by speculation; at least 1 */
} mf_claim;

/* What the claim is held against. Rates are of one sequence without speculation. */
typedef struct mf_audit_ground {
    double bytes_per_s; /* specified; 0: several memories take part, so there is no one bandwidth */
    double ceiling_tok_s;  /* at all of it; greater than 0 */
    double expected_tok_s; /* predicted; 0: not known */
    double high_tok_s;     /* of its 90 % interval; 0: not known */
    bool too_big;          /* the model does not fit, wherever it is put */
} mf_audit_ground;

typedef struct mf_audit {
    mf_grade grade;
    double read_bytes; /* per token and sequence; 0, as the next one, without one bandwidth */
    double needed_bytes_per_s; /* by one stream with the claim's speculation */
    double share_of_peak;      /* needed over specified */
    double
        least_tokens_per_step; /* tokens a read of the weights must give for 96 % of the peak to do */
    bool in_cache; /* small enough that caches may serve part of it: the peak is no bound */
} mf_audit;

/* Thread-safe, no failure. */
MF_API mf_audit mf_audit_claim(mf_claim claim, mf_audit_ground ground);

#ifdef __cplusplus
}
#endif

#endif
