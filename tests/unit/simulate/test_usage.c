/* Workload files, and requests of users who wait for their answers. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "simulate/requests.h"
#include "simulate/usage.h"

#define STREAMS(text) "{\"schema\": \"memfit.workload/1\", \"streams\": [" text "]}"

static mf_usage *parse(const char *text)
{
    mf_error err = {0};
    mf_usage *usage = NULL;
    const mf_status status = mf_usage_parse(&usage, text, strlen(text), "w.json", &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    return usage;
}

static mf_requests *use(const mf_usage *usage, uint64_t n_requests, uint32_t n_users)
{
    mf_requests *requests = NULL;
    const mf_demand demand = {
        .usage = usage, .seed = 5, .n_requests = n_requests, .n_users = n_users};
    cr_assert(eq(int, mf_requests_of(&requests, &demand, NULL), MF_OK));
    return requests;
}

/* The next request, answered in full a second after it came. */
static mf_request ask(mf_requests *requests)
{
    mf_request request = {0};
    void *self = requests->source.self;
    cr_assert(requests->source.next_ns(self) != MF_NEVER);
    cr_assert(eq(int, requests->source.take(self, &request, NULL), MF_OK));
    const mf_outcome_row row = {.request = &request,
                                .end_ns = request.arrival_ns + 1000000000,
                                .given_tokens = request.output_tokens};
    cr_assert(eq(int, requests->source.ended(self, &row, NULL), MF_OK));
    return request;
}

Test(usage, every_turn_holds_what_was_said_before)
{
    mf_usage *usage = parse(STREAMS("{\"kind\": \"chat\", \"users\": 1, \"turns\": 3, "
                                    "\"system_tokens\": 100, \"first_tokens\": 50, "
                                    "\"input_tokens\": 20, \"output_tokens\": 10, "
                                    "\"think_s\": 7, \"away_s\": 100}"));
    mf_requests *requests = use(usage, 4, 0);
    static const uint32_t inputs[] = {150, 180, 210, 150};
    static const uint32_t prefixes[] = {0, 160, 190, 0};
    static const double times_s[] = {100, 108, 116, 217};
    uint64_t session = 0;
    for (int i = 0; i < 4; i++) {
        const mf_request r = ask(requests);
        cr_assert(eq(u32, r.input_tokens, inputs[i]));
        cr_assert(eq(u32, r.prefix_tokens, prefixes[i]));
        cr_assert(epsilon_eq(dbl, mf_seconds(r.arrival_ns), times_s[i], 1e-9));
        cr_assert(r.shared != 0 && r.shared_tokens == 100);
        cr_assert_eq(r.session == session, i == 1 || i == 2);
        session = r.session;
    }
    cr_assert(requests->source.next_ns(requests->source.self) == MF_NEVER);
    mf_requests_free(requests);
    mf_usage_free(usage);
}

Test(usage, what_a_user_asks_does_not_depend_on_others)
{
    mf_usage *usage = parse(STREAMS("{\"kind\": \"single\", \"users\": 1, \"think_s\": 3, "
                                    "\"input_tokens\": {\"mean\": 500, \"variation\": 1}, "
                                    "\"output_tokens\": {\"exponential\": 80}}"));
    mf_requests *alone = use(usage, 20, 0);
    mf_requests *three = use(usage, 60, 3);
    for (int i = 0; i < 20; i++) {
        const mf_request a = ask(alone);
        const mf_request b = ask(three); /* all think alike: the first user comes first */
        (void)ask(three);
        (void)ask(three);
        cr_assert(eq(u32, a.input_tokens, b.input_tokens));
        cr_assert(eq(u32, a.output_tokens, b.output_tokens));
    }
    mf_requests_free(alone);
    mf_requests_free(three);
    mf_usage_free(usage);
}

Test(usage, values_are_drawn_as_often_as_their_weights_say)
{
    mf_usage *usage = parse(STREAMS(
        "{\"kind\": \"rag\", \"rate_per_s\": 2, \"documents\": 3, \"document_tokens\": 100, "
        "\"input_tokens\": {\"values\": [7, 13, 21], \"weights\": [3, 0, 1]}, "
        "\"output_tokens\": 5}"));
    mf_requests *requests = use(usage, 4000, 0);
    double few = 0;
    uint64_t last_ns = 0;
    for (int i = 0; i < 4000; i++) {
        const mf_request r = ask(requests);
        cr_assert(r.input_tokens == 307 || r.input_tokens == 321);
        few += r.input_tokens == 307 ? 1 : 0;
        last_ns = r.arrival_ns;
    }
    cr_assert(epsilon_eq(dbl, few / 4000, 0.75, 0.03));
    cr_assert(epsilon_eq(dbl, mf_seconds(last_ns), 2000, 100));
    mf_requests_free(requests);
    mf_usage_free(usage);
}

Test(usage, gaps_have_their_mean_and_variation)
{
    enum { DRAWS = 40000 };
    for (int kind = MF_GAPS_GAMMA; kind <= MF_GAPS_WEIBULL; kind++) {
        const mf_gaps gaps = mf_gaps_of((mf_gap_kind)kind, 1.7);
        mf_rng rng = mf_rng_start((mf_rng_key){.seed = 3});
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < DRAWS; i++) {
            const double gap = mf_gaps_draw(&gaps, &rng);
            sum += gap;
            squares += gap * gap;
        }
        const double mean = sum / DRAWS;
        cr_assert(epsilon_eq(dbl, mean, 1, 0.04));
        cr_assert(epsilon_eq(dbl, sqrt(squares / DRAWS - mean * mean), 1.7, 0.12));
    }
}

/* One machine, N users who think: the machine repairman (Kleinrock, Queueing Systems I, 3.8). p0 = 1 / sum N!/(N-k)! (S/Z)^k. */
Test(usage, users_who_think_are_a_finite_source)
{
    enum { USERS = 6 };
    static const double think_s = 5;
    mf_usage *usage =
        parse(STREAMS("{\"kind\": \"single\", \"users\": 6, \"think_s\": {\"exponential\": 5}, "
                      "\"input_tokens\": 1, \"output_tokens\": {\"exponential\": 2000}}"));
    mf_requests *requests = use(usage, 40000, 0);
    ledger l = {.skip = 1000};
    mf_pace pace = make_pace(
        (simple_pace){.max_sequences = 1, .max_tokens = 64, .step_ps = UINT64_C(500000000)});
    const mf_world_setup setup = {
        .rules = &mf_rules_slots,
        .pace = &pace,
        .settings = {.max_sequences = 1, .max_tokens = 64},
        .source = requests->source
    };
    const mf_world_totals totals = run_world(&l, setup);
    double sum = 0;
    double term = 1;
    for (int k = 0; k <= USERS; k++) {
        sum += term;
        term *= (USERS - k) / think_s;
    }
    const double throughput = 1 - 1 / sum;
    const double span_s = mf_seconds(totals.end_ns - totals.first_ns);
    cr_assert(epsilon_eq(dbl, (double)totals.n_ended / span_s, throughput, 0.02 * throughput));
    cr_assert(epsilon_eq(dbl, l.sojourn_s.mean, USERS / throughput - think_s, 0.06));
    mf_pace_free(&pace);
    ledger_free(&l);
    mf_requests_free(requests);
    mf_usage_free(usage);
}

Test(usage, a_user_who_is_refused_does_not_ask_again_at_once)
{
    mf_usage *usage = parse(STREAMS("{\"kind\": \"single\", \"users\": 2, \"input_tokens\": 90, "
                                    "\"output_tokens\": 5}"));
    mf_requests *requests = use(usage, 10, 0);
    ledger l = {.keep_rows = true};
    mf_pace pace = make_pace((simple_pace){.max_sequences = 1, .max_tokens = 64, .step_ps = 1000});
    const mf_world_setup setup = {
        .rules = &mf_rules_slots,
        .pace = &pace,
        .settings = {.max_sequences = 1, .max_tokens = 64, .context_tokens = 64},
        .source = requests->source
    };
    (void)run_world(&l, setup);
    cr_assert(eq(sz, l.n_rows, 10));
    cr_assert(l.rows[9].arrival_ns >= 4000000000 && l.rows[9].outcome == MF_SERVED_REFUSED);
    mf_pace_free(&pace);
    ledger_free(&l);
    mf_requests_free(requests);
    mf_usage_free(usage);
}

/* What is wrong with a workload, and what its message says. */
Test(usage, what_is_wrong_is_named)
{
    static const char *const wrong[][2] = {
        {"{}",                                                                  "schema"         },
        {"{\"schema\": \"memfit.workload/1\"}",                                 "streams"        },
        {STREAMS(""),                                                           "1 to 16"        },
        {STREAMS("{\"kind\": \"tea\"}"),                                        "single, chat"   },
        {STREAMS("{\"kind\": \"chat\", \"users\": 1}"),                         "needs"          },
        {STREAMS("{\"kind\": \"single\", \"users\": 1, \"turns\": 3}"),         "has no 'turns'" },
        {STREAMS("{\"kind\": \"single\", \"users\": 1.5}"),                     "whole number"   },
        {STREAMS("{\"kind\": \"single\", \"users\": 1e9}"),                     "1000000"        },
        {STREAMS("{\"kind\": \"single\", \"gaps\": \"even\"}"),                 "weibull"        },
        {STREAMS("{\"kind\": \"single\", \"name\": \"\"}"),                     "31 bytes"       },
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": 0}"),                "from 1"         },
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": {\"mean\": 5}}"),    "variation"      },
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": {\"median\": 5}}"),  "'mean'"         },
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": {\"values\": []}}"), "list of numbers"},
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": "
                 "{\"values\": [1, 2], \"weights\": [1]}}"),
         "each of them"                                                                          },
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": "
                 "{\"values\": [1, 2], \"weights\": [0, 0]}}"),
         "weights are 0"                                                                         },
        {STREAMS("{\"kind\": \"single\", \"input_tokens\": 1, \"output_tokens\": 1, "
                 "\"users\": 1, \"rate_per_s\": 1}"),
         "one of them"                                                                           },
        {"{\"schema\": \"memfit.workload/1\", \"turns\": 1, \"streams\": []}",  "'turns'"        },
        {"{\"schema\": \"memfit.workload/1\", \"duration_s\": 1e300}",          "duration_s"     },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mf_error err = {0};
        mf_usage *usage = NULL;
        const mf_status status =
            mf_usage_parse(&usage, wrong[i][0], strlen(wrong[i][0]), "w.json", &err);
        cr_assert(eq(int, status, MF_E_DATA), "%s", wrong[i][0]);
        cr_assert_not_null(strstr(err.message, wrong[i][1]), "%s", err.message);
        cr_assert(strncmp(err.message, "w.json:1:", 9) == 0, "%s", err.message);
    }
}
