#include "memfit/audit.h"

#include <math.h>

#define BEST_SEEN                                                                                  \
    0.96           /* of the specified bandwidth: RTX 4090, matrix times vector (docs/audit.md) */
#define USUAL 0.90 /* few published rows are above */
#define MOST_SPECULATION                                                                           \
    4.0           /* tokens a step; 3.2 is the best measured in the sources of docs/audit.md */
#define SLOW 0.25 /* of what is expected: another path than the device's */
#define CACHED_BYTES 400e6 /* four times the largest caches of GPUs (96 MB) */

static mf_grade grade_of(const mf_audit *a, mf_claim claim, mf_audit_ground ground)
{
    if (ground.too_big) {
        return MF_GRADE_IMPOSSIBLE;
    }
    if (a->share_of_peak > 1 && !a->in_cache) {
        return a->least_tokens_per_step > MOST_SPECULATION ? MF_GRADE_IMPOSSIBLE : MF_GRADE_OTHER;
    }
    const double stream_tok_s = a->share_of_peak * ground.ceiling_tok_s;
    if (a->share_of_peak > USUAL ||
        (ground.high_tok_s > 0 && stream_tok_s > ground.high_tok_s && !a->in_cache)) {
        return MF_GRADE_EDGE;
    }
    return claim.tok_s < SLOW * ground.expected_tok_s ? MF_GRADE_SLOW : MF_GRADE_CONSISTENT;
}

mf_audit mf_audit_claim(mf_claim claim, mf_audit_ground ground)
{
    const double reads_per_s =
        claim.tok_s / fmax(1, claim.n_sequences) / fmax(1, claim.tokens_per_step);
    mf_audit a = {.read_bytes = ground.bytes_per_s / ground.ceiling_tok_s};
    a.needed_bytes_per_s = reads_per_s * a.read_bytes;
    a.share_of_peak = reads_per_s / ground.ceiling_tok_s;
    a.least_tokens_per_step = reads_per_s / (BEST_SEEN * ground.ceiling_tok_s);
    a.in_cache = a.read_bytes > 0 && a.read_bytes < CACHED_BYTES;
    if (!(ground.ceiling_tok_s > 0)) {
        a = (mf_audit){0};
    }
    a.grade = grade_of(&a, claim, ground);
    return a;
}
