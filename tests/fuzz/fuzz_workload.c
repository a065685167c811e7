/* Workload files: any bytes give requests within bounds, in order of time, or a message, and nothing else. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "simulate/clock.h"
#include "simulate/requests.h"
#include "simulate/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_USERS = 1000, REQUESTS = 200 };

/* Takes requests and answers them at once; the time never runs back. */
static void ask_all(mf_requests *requests)
{
    uint64_t last_ns = 0;
    mf_status status = MF_OK;
    void *self = requests->source.self;
    while (status == MF_OK && requests->source.next_ns(self) != MF_NEVER) {
        mf_request request = {0};
        status = requests->source.take(self, &request, NULL);
        if (status != MF_OK || request.input_tokens == 0 || request.output_tokens == 0 ||
            request.arrival_ns < last_ns || request.prefix_tokens >= request.input_tokens) {
            abort();
        }
        last_ns = request.arrival_ns;
        const mf_outcome_row row = {.request = &request,
                                    .end_ns = last_ns,
                                    .given_tokens = request.output_tokens,
                                    .outcome =
                                        last_ns % 7 == 0 ? MF_SERVED_FAILED : MF_SERVED_DONE};
        status = requests->source.ended(self, &row, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_error err = {0};
    mf_usage *usage = NULL;
    mf_requests *requests = NULL;
    const mf_status status = mf_usage_parse(&usage, (const char *)data, size, "fuzz", &err);
    if ((status == MF_OK) != (err.message[0] == '\0')) {
        abort();
    }
    if (status == MF_OK) {
        const mf_demand demand = {
            .usage = usage, .seed = 1, .n_requests = REQUESTS, .n_users = MOST_USERS};
        if (mf_requests_of(&requests, &demand, &err) == MF_OK) {
            ask_all(requests);
        }
    }
    mf_requests_free(requests);
    mf_usage_free(usage);
    return 0;
}
