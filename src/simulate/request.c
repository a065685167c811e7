#include "simulate/request.h"

#include <stdlib.h>
#include <string.h>

bool mf_chunks_copy(mf_chunks **copy, const mf_chunks *chunks)
{
    *copy = NULL;
    if (chunks == NULL) {
        return true;
    }
    const size_t size = sizeof *chunks + chunks->n_ids * sizeof chunks->ids[0];
    mf_chunks *made = malloc(size);
    if (made == NULL) {
        return false;
    }
    memcpy(made, chunks, size);
    *copy = made;
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t common_chunks(const mf_chunks *a, const mf_chunks *b)
{
    size_t n = 0;
    while (n < a->n_ids && n < b->n_ids && a->ids[n] == b->ids[n]) {
        n++;
    }
    return (uint64_t)n * a->chunk_tokens;
}

uint32_t mf_request_common(const mf_request *request, const mf_request *other, uint64_t n_tokens)
{
    uint64_t common = 0;
    if (request->chunks != NULL && other->chunks != NULL) {
        common = common_chunks(request->chunks, other->chunks);
    } else if (request->session != 0 && request->session == other->session) {
        common = request->prefix_tokens;
    } else if (request->shared != 0 && request->shared == other->shared) {
        common = least(request->shared_tokens, other->shared_tokens);
    }
    return (uint32_t)least(least(common, n_tokens), request->input_tokens);
}

const char *mf_served_name(mf_served_outcome outcome)
{
    static const char *const names[] = {[MF_SERVED_DONE] = "done",
                                        [MF_SERVED_CUT] = "cut",
                                        [MF_SERVED_FAILED] = "failed",
                                        [MF_SERVED_REFUSED] = "refused"};
    return names[outcome];
}

bool mf_served_is_answered(mf_served_outcome outcome)
{
    return outcome == MF_SERVED_DONE || outcome == MF_SERVED_CUT;
}
