/*
 * text.h - texts whose keys and values are kept somewhere, to be found again by what a request begins with.
 */
#ifndef MF_SIMULATE_TEXT_H
#define MF_SIMULATE_TEXT_H

#include <stdlib.h>

#include "simulate/request.h"

/* Owns its request's chunks. */
typedef struct mf_text {
    mf_request request;
    uint32_t n_tokens; /* 0: nothing */
} mf_text;

static inline void mf_text_forget(mf_text *text)
{
    free(text->request.chunks);
    *text = (mf_text){0};
}

/* What a request and a kept text have in common, at least one token left to compute. */
static inline uint32_t mf_text_common(const mf_request *request, const mf_text *kept)
{
    const uint32_t n = mf_request_common(request, &kept->request, kept->n_tokens);
    return n < request->input_tokens ? n : request->input_tokens - 1;
}

#endif
