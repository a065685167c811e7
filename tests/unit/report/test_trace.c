/* Traces by the Trace Event Format: what each phase must have, and spans that nest as viewers rebuild them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "facts/json.h"
#include "report/simulation.h"

enum { TRACKS = 8, DEEPEST = 8 };

/* Spans that are open, of one process or one request. */
typedef struct track {
    double last_us;
    const char *names[DEEPEST];
    size_t depth;
} track;

static double number(const mf_node *event, const char *key)
{
    double value = 0;
    cr_assert(mf_node_double(&value, mf_node_get(event, key)), "%s is missing", key);
    return value;
}

static const char *text(const mf_node *event, const char *key)
{
    const char *value = mf_node_string(mf_node_get(event, key));
    cr_assert_not_null(value, "%s is missing", key);
    return value;
}

static void begin(track *t, const mf_node *event)
{
    cr_assert(number(event, "ts") >= t->last_us && t->depth < DEEPEST);
    t->last_us = number(event, "ts");
    t->names[t->depth++] = text(event, "name");
}

static void end(track *t, const mf_node *event)
{
    cr_assert(t->depth > 0 && number(event, "ts") >= t->last_us);
    t->last_us = number(event, "ts");
    t->depth--;
    cr_assert(eq(str, (char *)t->names[t->depth], (char *)text(event, "name")));
}

typedef struct counts {
    size_t n_spans;
    size_t n_samples;
    size_t n_names;
} counts;

static void check_event(counts *seen, track *servers, track *requests, const mf_node *event)
{
    const char *phase = text(event, "ph");
    const size_t pid = (size_t)number(event, "pid");
    cr_assert(strlen(phase) == 1 && pid < TRACKS);
    switch (phase[0]) {
    case 'M':
        cr_assert(eq(str, (char *)text(event, "name"), "process_name"));
        (void)text(mf_node_get(event, "args"), "name");
        seen->n_names++;
        return;
    case 'C':
        (void)number(event, "ts");
        (void)text(event, "name");
        cr_assert(mf_node_count(mf_node_get(event, "args")) > 0);
        seen->n_samples++;
        return;
    case 'B':
        (void)number(event, "tid");
        begin(&servers[pid], event);
        return;
    case 'E':
        end(&servers[pid], event);
        seen->n_spans++;
        return;
    case 'b':
        (void)text(event, "cat");
        begin(&requests[(size_t)number(event, "id")], event);
        return;
    case 'e':
        (void)text(event, "cat");
        end(&requests[(size_t)number(event, "id")], event);
        seen->n_spans++;
        return;
    default:
        cr_assert(false, "phase %s", phase);
    }
}

static counts check(const char *json_text)
{
    mf_json *json = NULL;
    mf_error err = {0};
    counts seen = {0};
    track servers[TRACKS] = {0};
    track requests[TRACKS] = {0};
    cr_assert(eq(int, mf_json_parse(&json, json_text, strlen(json_text), "trace", &err), MF_OK),
              "%s",
              err.message);
    const mf_node *events = mf_node_get(mf_json_root(json), "traceEvents");
    for (const mf_node *event = mf_node_first(events); event != NULL; event = mf_node_next(event)) {
        check_event(&seen, servers, requests, event);
    }
    for (size_t i = 0; i < TRACKS; i++) {
        cr_assert(servers[i].depth == 0 && requests[i].depth == 0);
    }
    mf_json_free(json);
    return seen;
}

Test(trace, holds_to_the_format)
{
    /* Ends and begins that are no whole nanoseconds and no sums of floats. */
    static const double at_s[] = {0.1853678312, 0.2017412347, 0.2196213459, 0.2196213461};
    mf_str out = {0};
    mf_trace_begin(&out);
    for (size_t i = 0; i + 1 < sizeof at_s / sizeof at_s[0]; i++) {
        for (uint32_t server = 0; server < 2; server++) {
            const mf_served_steps steps = {.begin_s = at_s[i],
                                           .end_s = at_s[i + 1],
                                           .n_steps = 3,
                                           .server = server,
                                           .n_decode = 7,
                                           .n_prompt_tokens = server};
            mf_trace_steps(&out, &steps);
        }
    }
    mf_served_request served = {.arrival_s = 0.1853678312,
                                .output_tokens = 3,
                                .queue_s = 0.0000000004,
                                .ttft_s = 0.01637340352,
                                .e2e_s = 0.0342535149};
    mf_trace_request(&out, 0, &served);
    served.outcome = MF_SERVED_REFUSED;
    served.output_tokens = 0;
    mf_trace_request(&out, 1, &served);
    mf_trace_end(&out, 2);
    cr_assert(eq(int, mf_str_status(&out, NULL), MF_OK));
    const counts seen = check(out.data);
    cr_expect(eq(sz, seen.n_names, 3), "requests and two servers");
    cr_expect(eq(sz, seen.n_spans, 6 + 4 + 1));
    cr_expect(eq(sz, seen.n_samples, 12));
    mf_str_free(&out);
}
