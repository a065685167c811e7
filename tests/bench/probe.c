/*
 * probe.c - measures this machine with one backend and prints each test's rate: probe [cpu|opencl|cuda|metal] [seconds].
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
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

static void print(const mf_record *record)
{
    printf("%s: %s, %s; %s; %.1f s%s%s%s\n",
           record->id,
           record->name,
           record->system,
           record->driver != NULL ? record->driver : "-",
           record->duration_s.value,
           record->complete ? "" : ", incomplete",
           record->noisy ? ", noisy" : "",
           record->throttled ? ", throttled" : "");
    for (size_t i = 0; i < record->n_results; i++) {
        const mf_record_result *r = &record->results[i];
        const double rate = r->median_s.known ? r->work.value / r->median_s.value : 0;
        printf("  %-16s %-14s %12.4g %s/s  +-%.1f %%  last/first %.3f  n %zu%s%s%s  %s\n",
               mf_probe_name(r->probe),
               mf_outcome_name(r->outcome),
               rate,
               r->unit == MF_UNIT_BYTE   ? "B"
               : r->unit == MF_UNIT_FLOP ? "FLOP"
                                         : "call",
               r->median_s.known ? 50 * (r->high_s.value - r->low_s.value) / r->median_s.value : 0,
               r->median_s.known ? r->first_s.value / r->last_s.value : 0,
               r->n_samples,
               r->noisy ? " noisy" : "",
               r->throttled ? " throttled" : "",
               r->unsettled ? " unsettled" : "",
               r->message != NULL ? r->message : "");
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "cpu";
    mf_probe_options options = {.now_s = now_s, .date = "2026-01-01"};
    options.budget_s = argc > 2 ? strtod(argv[2], NULL) : 0;
    mf_init();
    for (int id = MF_PROBE_BACKEND_METAL; id <= MF_PROBE_BACKEND_FAKE; id++) {
        if (strcmp(mf_probe_backend_name((mf_probe_backend_id)id), name) != 0) {
            continue;
        }
        mf_record *record = NULL;
        mf_error err = {0};
        if (mf_probe_measure(&record, (mf_probe_backend_id)id, 0, &options, &err) != MF_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        print(record);
        mf_record_free(record);
        return 0;
    }
    fprintf(stderr, "no backend '%s'\n", name);
    return 2;
}
