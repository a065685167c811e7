/* Traces of requests: any bytes give requests in order, or a message, and nothing else. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "simulate/clock.h"
#include "simulate/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_error err = {0};
    mf_requests *requests = NULL;
    FILE *file = tmpfile();
    if (file == NULL || fwrite(data, 1, size, file) != size) {
        abort();
    }
    rewind(file);
    uint64_t last_ns = 0;
    mf_status status = mf_requests_read(&requests, file, "fuzz", 1.5, &err);
    while (status == MF_OK && requests->source.next_ns(requests->source.self) != MF_NEVER) {
        mf_request request = {0};
        status = requests->source.take(requests->source.self, &request, &err);
        if (status == MF_OK &&
            (request.input_tokens == 0 || request.output_tokens == 0 ||
             request.arrival_ns < last_ns || request.prefix_tokens > request.input_tokens)) {
            abort();
        }
        last_ns = request.arrival_ns;
        free(request.chunks);
    }
    if ((status == MF_OK) != (err.message[0] == '\0')) {
        abort();
    }
    mf_requests_free(requests);
    return 0;
}
