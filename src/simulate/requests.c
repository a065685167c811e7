#include "simulate/requests.h"

#include <stdlib.h>

mf_status mf_requests_wrap(mf_requests **out, const mf_requests *made, mf_error *err)
{
    mf_requests *requests = malloc(sizeof *requests);
    if (requests == NULL) {
        made->free_self(made->source.self);
        return mf_fail(err, MF_E_NOMEM, "no memory for a source of requests");
    }
    *requests = *made;
    *out = requests;
    return MF_OK;
}

void mf_requests_free(mf_requests *requests)
{
    if (requests != NULL) {
        requests->free_self(requests->source.self);
        free(requests);
    }
}
