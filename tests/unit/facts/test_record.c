#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>

#include "memfit/record.h"

#define SOURCES                                                                                    \
    "\"sources\": [{\"for\": \"*\", \"kind\": \"measured\", \"title\": \"t\", \"url\": null, "     \
    "\"seen\": \"2026-11-28\"}], \"notes\": []"

#define RESULT(test, outcome, unit, work, time)                                                    \
    "{\"test\": \"" test "\", \"outcome\": \"" outcome "\", \"unit\": \"" unit                     \
    "\", \"work\": " work ", \"best\": \"" time "\", \"median\": \"" time "\", \"low\": \"" time   \
    "\", \"high\": \"" time "\", \"first\": \"" time "\", \"last\": \"" time                       \
    "\", \"submit\": null, \"error\": 0, \"device_clock\": true, \"noisy\": false, "               \
    "\"throttled\": false, \"unsettled\": false, \"message\": null, \"samples\": "                 \
    "[{\"round\": 1, \"calls\": 3, \"time\": \"96 ms\", \"wall\": \"97 ms\"}]}"

#define RECORD(memory, results)                                                                    \
    "{\"schema\": 1, \"id\": \"this-cpu\", \"name\": \"A CPU\", \"device\": null, \"date\": "      \
    "\"2026-11-28\", \"program\": \"memfit 0.1.0\", \"system\": \"Linux 6.1\", \"driver\": null, " \
    "\"backend\": \"cpu\", \"vendor\": \"amd\", \"class\": \"cpu\", \"threads\": 2, \"cores\": "   \
    "2, \"memory\": " memory ", \"limit\": null, \"bandwidth\": null, \"duration\": \"19.5 s\", "  \
    "\"unified\": true, \"complete\": true, \"throttled\": false, \"noisy\": false, "              \
    "\"results\": [" results "], " SOURCES "}"

static const char good[] =
    RECORD("\"24 GiB\"",
           RESULT("read", "measured", "byte", "1073741824", "32 ms") "," RESULT(
               "gemm-f32", "measured", "FLOP", "17179869184", "0.1 s") "," RESULT("copy",
                                                                                  "cached",
                                                                                  "byte",
                                                                                  "1073741824",
                                                                                  "1 ms"));

static mf_record *parse(const char *text)
{
    mf_record *record = NULL;
    mf_error err = {0};
    const mf_status status = mf_record_parse(&record, text, strlen(text), "r.json", &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    return record;
}

Test(record, figures_are_read_in_si)
{
    mf_record *r = parse(good);
    cr_assert(eq(sz, r->n_results, 3));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_READ), 1073741824 / 0.032, 1));
    cr_assert(epsilon_eq(dbl, r->memory_bytes.value, 24.0 * 1073741824, 1));
    cr_assert(eq(u32, r->results[0].samples[0].n_calls, 3));
    cr_assert(epsilon_eq(dbl, r->results[0].samples[0].time_s.value, 0.096, 1e-12));
    cr_assert(eq(int, r->backend, MF_PROBE_BACKEND_CPU));
    mf_record_free(r);
}

Test(record, figure_that_was_not_measured_is_none)
{
    mf_record *r = parse(good);
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_COPY), 0, 0), "cached");
    cr_assert(eq(ptr, (void *)mf_record_find(r, MF_PROBE_COPY), NULL));
    cr_assert(epsilon_eq(dbl, mf_record_rate(r, MF_PROBE_TRIAD), 0, 0), "absent");
    mf_record_free(r);
}

Test(record, written_and_read_again_it_is_the_same)
{
    mf_record *first = parse(good);
    char *text = NULL;
    cr_assert(eq(int, mf_record_text(&text, first, NULL), MF_OK));
    mf_record *second = parse(text);
    char *again = NULL;
    cr_assert(eq(int, mf_record_text(&again, second, NULL), MF_OK));
    cr_assert(eq(str, text, again));
    cr_assert(eq(sz, second->results[2].n_samples, 1));
    cr_assert(eq(str, second->sources.items[0].seen, "2026-11-28"));
    free(text);
    free(again);
    mf_record_free(first);
    mf_record_free(second);
}

Test(record, faults_are_told_with_their_place)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {RECORD("\"24 GB\"",          ""), "ambiguous"},
        {RECORD("24",                           ""),                    "must be text with a unit"},
        {RECORD("null", RESULT("reed","measured", "byte", "1", "1 ms")), "did you mean 'read'"},
        {RECORD("null",              RESULT("read",                       "measured", "byte", "1.5", "1 ms")), "whole number"},
        {RECORD("null",                        RESULT("read",                   "measured", "byte", "1", "-1 ms")), "not a quantity"},
        {RECORD("null",                           RESULT("read",                  "measured", "byte", "1", "3 h")), "unknown unit"},
        {"{\"schema\": 2}",                 "above 1"},
        {"[]",                   "must be an object"       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mf_record *record = NULL;
        mf_error err = {0};
        const mf_status status =
            mf_record_parse(&record, rows[i].text, strlen(rows[i].text), "r.json", &err);
        cr_assert(eq(int, status, MF_E_DATA), "row %zu", i);
        cr_assert(ne(ptr, strstr(err.message, rows[i].part), NULL), "%zu: %s", i, err.message);
        cr_assert(ne(ptr, strstr(err.message, "r.json:"), NULL));
    }
}

Test(record, makes_a_machine_of_what_was_measured)
{
    mf_record *r = parse(good);
    mf_machine *m = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_record_machine(&m, r, &err), MF_OK), "%s", err.message);
    const mf_device *d = m->devices[0].device;
    cr_assert(eq(str, m->id, "this-cpu"));
    cr_assert(eq(str, d->id, "this-cpu"));
    cr_assert(epsilon_eq(dbl, d->bandwidth_bytes_per_s.value, 1073741824 / 0.032, 1));
    cr_assert(epsilon_eq(dbl, d->fp32_flop_per_s.value, 17179869184 / 0.1, 1));
    cr_assert(not(d->fp16_matrix_flop_per_s.known));
    cr_assert(eq(int, m->pools[0].kind, MF_POOL_HOST));
    cr_assert(eq(int, d->sources.items[0].kind, MF_SOURCE_MEASURED));
    mf_machine_free(m);
    mf_record_free(r);
}

Test(record, without_bandwidth_or_memory_there_is_no_machine)
{
    static const char *const texts[] = {
        RECORD("\"24 GiB\"", RESULT("read", "cached", "byte", "1073741824", "32 ms")),
        RECORD("null", RESULT("read", "measured", "byte", "1073741824", "32 ms")),
    };
    for (size_t i = 0; i < 2; i++) {
        mf_record *r = parse(texts[i]);
        mf_machine *m = NULL;
        mf_error err = {0};
        cr_assert(eq(int, mf_record_machine(&m, r, &err), MF_E_DATA));
        cr_assert(ne(ptr, strstr(err.message, "this-cpu"), NULL));
        mf_record_free(r);
    }
}
