#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memfit/memfit.h"
#include "simulate/clock.h"
#include "simulate/requests.h"

static char path[] = "/tmp/memfit-trace-XXXXXX";

static void write_trace(const char *text)
{
    const int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
}

/* Reads all of it; the message of what went wrong, or "". */
static size_t read_all(mf_request *requests, size_t max, char message[MF_ERROR_MESSAGE_SIZE])
{
    mf_requests *r = NULL;
    mf_error err = {0};
    size_t n = 0;
    mf_status status = mf_requests_open(&r, path, 1, &err);
    while (status == MF_OK && r->source.next_ns(r->source.self) != MF_NEVER && n < max) {
        status = r->source.take(r->source.self, &requests[n], &err);
        n += status == MF_OK ? 1 : 0;
    }
    mf_requests_free(r);
    (void)unlink(path);
    (void)snprintf(message, MF_ERROR_MESSAGE_SIZE, "%s", err.message);
    return n;
}

Test(trace, takes_columns_by_name_and_leaves_others)
{
    mf_request r[8];
    char message[MF_ERROR_MESSAGE_SIZE];
    write_trace("\xef\xbb\xbfid,output_tokens,\"arrival_s\",input_tokens,prefix_tokens,session\r\n"
                "a,7,0.25,100,60,9\r\n"
                "\r\n"
                "b,1,0.25,2,0,0\r\n");
    cr_assert(eq(sz, read_all(r, 8, message), 2));
    cr_assert(eq(str, message, ""));
    cr_assert(eq(u64, r[0].arrival_ns, 250000000));
    cr_assert(r[0].input_tokens == 100 && r[0].output_tokens == 7);
    cr_assert(r[0].session == 9 && r[0].prefix_tokens == 60);
    cr_assert(r[1].input_tokens == 2 && r[1].session == 0);
}

Test(trace, reads_azures_dates_from_the_first_on_and_drops_what_has_no_tokens)
{
    mf_request r[8];
    char message[MF_ERROR_MESSAGE_SIZE];
    write_trace("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                "2024-02-28 23:59:59.9799600,4808,10\n"
                "2024-02-29T23:59:59.9799600Z,12,0\n"
                "2024-03-01 00:00:00.0299600+00:00,3180,8\n");
    cr_assert(eq(sz, read_all(r, 8, message), 2));
    cr_assert(eq(str, message, ""));
    cr_assert(r[0].arrival_ns == 0 && r[0].input_tokens == 4808);
    /* A leap day and 50 ms, within what a double holds of seconds since 1970. */
    const double seconds = mf_seconds(r[1].arrival_ns);
    cr_assert(epsilon_eq(dbl, seconds, 86400.05, 1e-6));
    cr_assert(r[1].output_tokens == 8);
}

Test(trace, reads_burstgpt)
{
    mf_request r[8];
    char message[MF_ERROR_MESSAGE_SIZE];
    write_trace("Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Log Type\n"
                "5,x,1.5,ChatGPT,472,18,Conversation log\n"
                "45,y,,ChatGPT,1087,0,API log\n"
                "118,,2,GPT-4,417,276,Conversation log\n");
    cr_assert(eq(sz, read_all(r, 8, message), 2));
    cr_assert(eq(str, message, ""));
    cr_assert(r[1].arrival_ns == 118000000000 && r[1].input_tokens == 417);
}

Test(trace, reads_mooncakes_blocks)
{
    mf_request r[8];
    char message[MF_ERROR_MESSAGE_SIZE];
    write_trace("{\"timestamp\": 0, \"input_length\": 1100, \"output_length\": 5, \"hash_ids\": "
                "[4, 9, 2]}\n"
                "{\"timestamp\": 1500, \"input_length\": 7, \"output_length\": 1}\n"
                "{\"timestamp\": 1600, \"input_length\": 7, \"hash_ids\": []}\n");
    cr_assert(eq(sz, read_all(r, 8, message), 2));
    cr_assert_not_null(strstr(message, ":3: needs 'timestamp'"));
    cr_assert(r[0].chunks->n_ids == 3 && r[0].chunks->ids[1] == 9);
    cr_assert(r[0].chunks->chunk_tokens == 512);
    cr_assert(r[1].arrival_ns == 1500000000);
    cr_assert_null(r[1].chunks);
    free(r[0].chunks);
}

Test(trace, is_sped_up)
{
    mf_requests *r = NULL;
    mf_error err = {0};
    mf_request request = {0};
    write_trace("arrival_s,input_tokens,output_tokens\n12,1,1\n");
    cr_assert(eq(int, mf_requests_open(&r, path, 0, &err), MF_E_USAGE));
    cr_assert(eq(int, mf_requests_open(&r, path, 10, &err), MF_OK));
    cr_assert(eq(int, r->source.take(r->source.self, &request, &err), MF_OK));
    cr_assert(eq(u64, request.arrival_ns, 1200000000));
    mf_requests_free(r);
    (void)unlink(path);
}

Test(trace, names_the_line_of_a_fault_after_what_comes_before_it)
{
    static const struct {
        const char *text;
        const char *says;
        size_t n_before;
    } cases[] = {
        {"",                                                                                    "is empty",                   0},
        {"arrival_s,input_tokens\n1,2\n",                                                       "no column 'output_tokens'",  0},
        {"arrival_s,input_tokens,output_tokens\n",                                              "holds no request",           0},
        {"arrival_s,input_tokens,output_tokens\n1,2,3\nx,2,3\n",                                ":3: the time",               1},
        {"arrival_s,input_tokens,output_tokens\n1,2,3\n2,0,3\n",                                ":3: tokens",                 1},
        {"arrival_s,input_tokens,output_tokens\n1,2,3\n2,3,1.5\n",                              ":3: tokens",                 1},
        {"arrival_s,input_tokens,output_tokens\n1,2,3\n0.5,2,3\n",                              ":3: arrives before",         1},
        {"arrival_s,input_tokens,output_tokens\n1,2,3\n2,2\n",                                  ":3: has fewer fields",       1},
        {"arrival_s,input_tokens,output_tokens,prefix_tokens\n1,2,3,3\n",                       "'prefix_tokens'",            0},
        {"arrival_s,input_tokens,output_tokens,session\n1,2,3,-\n",                             "'session'",                  0},
        {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-16 18:17:03,1,1\n",                  ":2: the time",               0},
        {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03 PM,1,1\n",
         ":2: the time",                                                                                                      0},
        {"{\"timestamp\": 1, \"input_length\": 7, \"output_length\": 1, \"hash_ids\": [-1]}\n",
         "'hash_ids'",                                                                                                        0},
        {"{\"timestamp\": 1,\n",                                                                ":1: this is no JSON object", 0},
        {"arrival_s,input_tokens,output_tokens\n1,2,3\n-1,2,3\n",                               ":3: the time",               1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mf_request r[8];
        char message[MF_ERROR_MESSAGE_SIZE];
        (void)snprintf(path, sizeof path, "/tmp/memfit-trace-XXXXXX");
        write_trace(cases[i].text);
        cr_assert(eq(sz, read_all(r, 8, message), cases[i].n_before), "case %zu", i);
        cr_assert_not_null(strstr(message, cases[i].says), "case %zu: '%s'", i, message);
    }
}

Test(trace, a_missing_file_is_said)
{
    mf_requests *r = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_requests_open(&r, "/nonexistent/trace.csv", 1, &err), MF_E_IO));
    cr_assert_not_null(strstr(err.message, "/nonexistent/trace.csv"));
}

static double mean_gap(mf_open_load load, double *variation)
{
    mf_requests *r = NULL;
    mf_request request = {0};
    double sum = 0;
    double squares = 0;
    double last = 0;
    cr_assert(eq(int, mf_requests_draw(&r, &load, NULL), MF_OK));
    for (uint64_t i = 0; i < load.n_requests; i++) {
        cr_assert(eq(int, r->source.take(r->source.self, &request, NULL), MF_OK));
        const double at = mf_seconds(request.arrival_ns);
        sum += at - last;
        squares += (at - last) * (at - last);
        last = at;
    }
    cr_assert(eq(u64, r->source.next_ns(r->source.self), MF_NEVER));
    mf_requests_free(r);
    const double n = (double)load.n_requests;
    *variation = sqrt(squares / n - sum / n * (sum / n)) / (sum / n);
    return sum / n;
}

Test(draw, gaps_have_the_mean_and_variation_that_are_asked_for)
{
    static const double variations[] = {0, 0.5, 1, 3};
    for (int i = 0; i < 4; i++) {
        mf_open_load load = mf_open_load_default();
        load.n_requests = 100000;
        load.rate_per_s = 2.5;
        load.burstiness = variations[i];
        double variation = 0;
        cr_assert(epsilon_eq(dbl, mean_gap(load, &variation), 0.4, 0.4 * 0.03));
        cr_assert(epsilon_eq(dbl, variation, variations[i], 0.03 * variations[i] + 1e-6));
    }
}

Test(draw, what_a_request_is_does_not_depend_on_the_rate)
{
    mf_open_load slow = mf_open_load_default();
    slow.spread = 0.8;
    mf_open_load fast = slow;
    fast.rate_per_s = 20;
    mf_requests *a = NULL;
    mf_requests *b = NULL;
    cr_assert(eq(int, mf_requests_draw(&a, &slow, NULL), MF_OK));
    cr_assert(eq(int, mf_requests_draw(&b, &fast, NULL), MF_OK));
    for (int i = 0; i < 100; i++) {
        mf_request x = {0};
        mf_request y = {0};
        cr_assert(eq(int, a->source.take(a->source.self, &x, NULL), MF_OK));
        cr_assert(eq(int, b->source.take(b->source.self, &y, NULL), MF_OK));
        cr_assert(x.input_tokens == y.input_tokens && x.output_tokens == y.output_tokens);
        const double ratio = mf_seconds(x.arrival_ns) / mf_seconds(y.arrival_ns);
        cr_assert(epsilon_eq(dbl, ratio, 20, 1e-4));
    }
    mf_requests_free(a);
    mf_requests_free(b);
}

Test(draw, refuses_loads_that_are_none)
{
    mf_requests *r = NULL;
    for (int i = 0; i < 6; i++) {
        mf_open_load load = mf_open_load_default();
        load.rate_per_s = i == 0 ? 0 : 1;
        load.n_requests = i == 1 ? 0 : 5;
        load.input_tokens = i == 2 ? 0 : 10;
        load.output_tokens = i == 3 ? NAN : 10;
        load.burstiness = i == 4 ? -1 : 1;
        load.spread = i == 5 ? INFINITY : 0;
        cr_assert(eq(int, mf_requests_draw(&r, &load, NULL), MF_E_USAGE), "load %d", i);
    }
}
