/*
 * simulation_trace.c - a simulation in Chrome's trace format (Trace Event Format, JSON object form), as Perfetto and speedscope
 * show it: requests as nested spans of time, steps and counters of each server.
 */
#include <inttypes.h>

#include "base/num.h"
#include "report/simulation.h"

/* Process 0 holds the requests, the others are servers. */
enum { REQUESTS = 0, FIRST_SERVER = 1 };

void mf_trace_begin(mf_str *out)
{
    mf_str_add(out,
               "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n"
               "{\"ph\": \"M\", \"pid\": 0, \"tid\": 0, \"name\": \"process_name\", \"args\": "
               "{\"name\": \"requests\"}}");
}

void mf_trace_end(mf_str *out, uint32_t n_servers)
{
    for (uint32_t i = 0; i < n_servers; i++) {
        mf_str_printf(out,
                      ",\n{\"ph\": \"M\", \"pid\": %" PRIu32
                      ", \"tid\": 0, \"name\": \"process_name\", \"args\": {\"name\": "
                      "\"server %" PRIu32 "\"}}",
                      FIRST_SERVER + i,
                      i + 1);
    }
    mf_str_add(out, "\n]}\n");
}

/* Microseconds, to the nanosecond. */
static const char *us_text(char text[MF_NUMBER_SIZE], double seconds)
{
    enum { DECIMALS = 3 };
    return mf_fixed_text(text, seconds * 1e6, DECIMALS);
}

typedef struct span {
    const char *name;
    uint64_t id;
    double begin_s;
    double end_s;
} span;

/* Begin or end of a span of one request. */
static void add_edge(mf_str *out, char phase, const span *at)
{
    char time[MF_NUMBER_SIZE];
    mf_str_printf(out,
                  ",\n{\"ph\": \"%c\", \"cat\": \"request\", \"name\": \"%s\", \"id\": %" PRIu64
                  ", \"pid\": %d, \"tid\": 0, \"ts\": %s",
                  phase,
                  at->name,
                  at->id,
                  (int)REQUESTS,
                  us_text(time, phase == 'b' ? at->begin_s : at->end_s));
}

static void add_span(mf_str *out, const span *at)
{
    if (at->end_s > at->begin_s) {
        add_edge(out, 'b', at);
        mf_str_add(out, "}");
        add_edge(out, 'e', at);
        mf_str_add(out, "}");
    }
}

void mf_trace_request(mf_str *out, uint64_t id, const mf_served_request *served)
{
    const double begin_s = served->arrival_s;
    const span whole = {"request", id, begin_s, begin_s + served->e2e_s};
    add_edge(out, 'b', &whole);
    mf_str_printf(out,
                  ", \"args\": {\"input_tokens\": %" PRIu64 ", \"output_tokens\": %" PRIu64
                  ", \"cached_tokens\": %" PRIu64 ", \"preempted\": %" PRIu32
                  ", \"outcome\": \"%s\"}}",
                  served->input_tokens,
                  served->output_tokens,
                  served->cached_tokens,
                  served->n_preempted,
                  mf_served_name(served->outcome));
    if (served->output_tokens > 0) {
        const double start_s = begin_s + served->queue_s;
        const double first_s = begin_s + served->ttft_s;
        add_span(out, &(span){"waiting", id, begin_s, start_s});
        add_span(out, &(span){"input", id, start_s, first_s});
        add_span(out, &(span){"output", id, first_s, whole.end_s});
    }
    add_edge(out, 'e', &whole);
    mf_str_add(out, "}");
}

/* Begin or end of steps. Ends say all again: viewers without ids match them by name and arguments. */
static void add_steps(mf_str *out, char phase, const mf_served_steps *steps, double at_s)
{
    char time[MF_NUMBER_SIZE];
    mf_str_printf(out,
                  ",\n{\"ph\": \"%c\", \"name\": \"%s\", \"pid\": %" PRIu32
                  ", \"tid\": 0, \"ts\": %s, \"args\": {\"steps\": %" PRIu64
                  ", \"decoding\": %" PRIu32 ", \"prompt_tokens\": %" PRIu32 "}}",
                  phase,
                  steps->n_prompt_tokens > 0 ? "prompts" : "decoding",
                  FIRST_SERVER + steps->server,
                  us_text(time, at_s),
                  steps->n_steps,
                  steps->n_decode,
                  steps->n_prompt_tokens);
}

void mf_trace_steps(mf_str *out, const mf_served_steps *steps)
{
    char begin[MF_NUMBER_SIZE];
    const uint32_t pid = FIRST_SERVER + steps->server;
    (void)us_text(begin, steps->begin_s);
    /* Not begin and length: rounded or added up, a step would reach into the next, and viewers take it for nested. */
    add_steps(out, 'B', steps, steps->begin_s);
    mf_str_printf(out,
                  ",\n{\"ph\": \"C\", \"name\": \"requests\", \"pid\": %" PRIu32
                  ", \"ts\": %s, \"args\": {\"in work\": %" PRIu32 ", \"waiting\": %" PRIu32 "}}"
                  ",\n{\"ph\": \"C\", \"name\": \"cache\", \"pid\": %" PRIu32
                  ", \"ts\": %s, \"args\": {\"tokens\": %" PRIu64 "}}",
                  pid,
                  begin,
                  steps->n_running,
                  steps->n_waiting,
                  pid,
                  begin,
                  steps->kv_tokens);
    add_steps(out, 'E', steps, steps->end_s);
}
