#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>
#include <time.h>

#include "memfit/memfit.h"
#include "memfit/probe.h"

static double now_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

Test(measure, a_short_measurement_of_this_machine)
{
    mf_init();
    mf_record *record = NULL;
    mf_error err = {0};
    const mf_probe_options options = {.now_s = now_s,
                                      .buffer_bytes = 8 << 20,
                                      .n_threads = 1,
                                      .budget_s = 6,
                                      .date = "2026-11-28"};
    const double start_s = now_s(NULL);
    cr_assert(eq(int, mf_probe_measure(&record, MF_PROBE_BACKEND_CPU, 0, &options, &err), MF_OK));
    cr_assert(lt(dbl, now_s(NULL) - start_s, 60));
    /* A machine with much else to do ends early, and says so. */
    const bool measured = mf_record_rate(record, MF_PROBE_READ) > 1e8 &&
                          mf_record_rate(record, MF_PROBE_UNPACK_Q4_0) > 1e8;
    cr_assert(measured || !record->complete);
    cr_assert(gt(sz, record->n_results, 3));
    cr_assert(eq(u32, record->n_threads, 1));
    cr_assert(eq(int, strncmp(record->id, "this-cpu-", 9), 0));
    mf_record_free(record);
}
