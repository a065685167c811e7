/*
 * test_throughput.c - published throughput against simulated: vLLM of three loads (serving_throughput.csv; 0.11 to 0.13, where steps
 * were not composed ahead, on single cards; a later one on eight H100), and llama-batched-bench through the scheduler of
 * llama.cpp's server (concurrency.csv, which test_concurrency.c holds the law of steps to).
 *
 * Lengths of vLLM's runs are the means that were published; of open loads they vary as ShareGPT's do, about as much as their mean.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "truth/table.h"
#include "unit/simulate/served.h"

#define BAR 0.15
#define LEAST_FULL 13

typedef struct tally {
    size_t n;
    size_t n_within;
    size_t n_inside; /* of the interval that was told */
} tally;

typedef struct rate_told {
    double tok_s;
    double low_tok_s;
    double high_tok_s;
} rate_told;

static double number(const table *t, const char *column)
{
    double value = 0;
    const char *end = NULL;
    cr_assert(mf_parse_number(&value, table_text(t, column), &end));
    return value;
}

static void add(tally *sum, const char *what, rate_told simulated, double measured)
{
    const double error = simulated.tok_s / measured - 1;
    sum->n++;
    sum->n_inside += measured >= simulated.low_tok_s && measured <= simulated.high_tok_s ? 1 : 0;
    sum->n_within += fabs(error) <= BAR ? 1 : 0;
    if (fabs(error) > BAR) {
        printf("%s: %+.0f %%\n", what, 100 * error);
    }
}

/* Tokens a second as the benchmark counts them: of an open load those that came out, else all. */
static rate_told simulate_row(const table *t, bool poisson)
{
    mf_error err = {0};
    mf_usage *usage = NULL;
    mf_open_load load = mf_open_load_default();
    mf_simulation *s = calloc(1, sizeof *s);
    served_case c =
        open_case(table_text(t, "model"), table_text(t, "quant"), table_text(t, "machine"), "vllm");
    const bool users = strcmp(table_text(t, "load"), "users") == 0;
    mf_simulation_run run = {.run = &c.run, .serving = MF_SERVING_DEFAULT};
    run.serving.max_sequences = (uint32_t)table_number(t, "max_seqs");
    run.serving.async_scheduling = (int)table_number(t, "async");
    load.n_requests = table_number(t, "requests");
    load.rate_per_s = poisson ? number(t, "rate_per_s") : 1e5;
    load.spread = poisson ? 1 : 0;
    load.input_tokens = number(t, "input_tokens");
    load.output_tokens = number(t, "output_tokens");
    mf_demand demand = {.load = &load, .seed = 1};
    if (users) {
        cr_assert(mf_usage_of_users(&usage, &load, run.serving.max_sequences, 0, NULL) == MF_OK);
        demand = (mf_demand){.usage = usage, .seed = 1, .n_requests = load.n_requests};
    }
    const mf_status status = mf_simulate_demand(s, &run, &demand, &err);
    cr_assert(status == MF_OK, "%s", err.message);
    const double tok_s = poisson ? s->output_tok_s : s->total_tok_s;
    const rate_told told = {
        .tok_s = tok_s, .low_tok_s = tok_s * s->slowest, .high_tok_s = tok_s * s->fastest};
    mf_usage_free(usage);
    free(s);
    close_case(&c);
    return told;
}

/* Kinds of rows: an open load below saturation gives what comes in, whatever the machine; constants of eight H100 were chosen with
   their rows in view. */
typedef enum row_kind { OPEN, FULL, SEEN, ROW_KINDS } row_kind;

static const char *const kind_names[ROW_KINDS] = {"open loads", "64 at once", "eight H100"};

static row_kind kind_of(const table *t)
{
    if (strcmp(table_text(t, "load"), "poisson") == 0) {
        return OPEN;
    }
    return strcmp(table_text(t, "load"), "users") == 0 ? SEEN : FULL;
}

static void vllm_rows(tally sums[ROW_KINDS])
{
    table t = {0};
    char what[160];
    table_open(&t, "serving_throughput.csv");
    while (table_next(&t)) {
        const row_kind kind = kind_of(&t);
        (void)snprintf(what,
                       sizeof what,
                       "%s %s %s, %s, %s at once",
                       table_text(&t, "machine"),
                       table_text(&t, "model"),
                       table_text(&t, "quant"),
                       table_text(&t, "load"),
                       table_text(&t, "max_seqs"));
        add(&sums[kind], what, simulate_row(&t, kind == OPEN), number(&t, "tok_s"));
    }
    table_close(&t);
}

/* Time per token of the last request. */
static mf_status note(void *payload, const mf_served_request *r, mf_error *err)
{
    (void)err;
    *(double *)payload = r->tpot_s;
    return MF_OK;
}

/* Prompts that come together; the one that is computed last gives as many tokens as the benchmark times, the others go on longer. */
static void write_batch(const char *path, uint32_t n_sequences, uint64_t depth, uint64_t n_tokens)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    const uint64_t before = n_sequences * depth / 2048 + 8;
    (void)fprintf(file, "arrival_s,input_tokens,output_tokens\n");
    for (uint32_t i = 0; i < n_sequences; i++) {
        const uint64_t tokens = i + 1 < n_sequences ? n_tokens + before : n_tokens;
        (void)fprintf(file, "0,%u,%u\n", (unsigned)depth, (unsigned)tokens);
    }
    cr_assert_eq(fclose(file), 0);
}

static double
decode_rate(const served_case *c, uint32_t n_sequences, uint64_t depth, uint64_t n_tokens)
{
    char path[] = "/tmp/memfit-batch-XXXXXX";
    mf_error err = {0};
    double tpot_s = 0;
    mf_simulation *s = calloc(1, sizeof *s);
    const int file = mkstemp(path);
    cr_assert(file >= 0 && close(file) == 0);
    write_batch(path, n_sequences, depth, n_tokens);
    const mf_demand demand = {.trace = path, .speedup = 1};
    mf_simulation_run run = {.run = &c->run,
                             .calibration = c->calibration,
                             .serving = MF_SERVING_DEFAULT,
                             .served = note,
                             .payload = &tpot_s};
    run.serving.max_sequences = n_sequences;
    run.serving.context_tokens = n_sequences * (depth + 512);
    const mf_status status = mf_simulate_demand(s, &run, &demand, &err);
    cr_assert(status == MF_OK && s->fits, "%s", err.message);
    cr_assert(eq(u64, s->n_outcomes[MF_SERVED_DONE], n_sequences));
    (void)unlink(path);
    free(s);
    return n_sequences / tpot_s;
}

/* A machine of hwdb around the device that was measured. */
static const char *machine_of(const char *device)
{
    static const char *const machines[][2] = {
        {"apple-m2-ultra-76c", "mac-studio-m2-ultra-76c-192gb"},
        {"nvidia-gb10",        "dgx-spark-128gb"              },
    };
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        if (strcmp(device, machines[i][0]) == 0) {
            return machines[i][1];
        }
    }
    return device;
}

static void llamacpp_rows(tally *sum)
{
    table t = {0};
    char what[240];
    char last[160] = "";
    served_case c = {0};
    table_open(&t, "concurrency.csv");
    while (table_next(&t)) {
        char key[160];
        (void)snprintf(key, sizeof key, "%s %s", table_text(&t, "device"), table_text(&t, "model"));
        if (strcmp(table_text(&t, "test"), "tg") != 0) {
            continue;
        }
        if (strcmp(key, last) != 0) {
            if (last[0] != '\0') {
                close_case(&c);
            }
            (void)snprintf(last, sizeof last, "%s", key);
            c = open_case(table_text(&t, "model"),
                          table_text(&t, "quant"),
                          machine_of(table_text(&t, "device")),
                          "llama.cpp");
            c.run.workload.n_ubatch = 2048;
        }
        const uint32_t n = (uint32_t)table_number(&t, "n_sequences");
        (void)snprintf(
            what, sizeof what, "%s, %u sequences at %s", key, n, table_text(&t, "depth"));
        const double tok_s =
            decode_rate(&c, n, table_number(&t, "depth"), table_number(&t, "n_tokens"));
        add(sum, what, (rate_told){.tok_s = tok_s}, number(&t, "tok_s"));
    }
    if (last[0] != '\0') {
        close_case(&c);
    }
    table_close(&t);
}

/* Throughput within 15 % for four of five rows of each engine together; of those that tell something of vLLM, for no fewer than now. */
Test(throughput, is_within_15_percent_of_published_runs)
{
    tally vllm[ROW_KINDS] = {0};
    tally llamacpp = {0};
    tally all = {0};
    vllm_rows(vllm);
    llamacpp_rows(&llamacpp);
    for (size_t k = 0; k < ROW_KINDS; k++) {
        printf("vllm, %s: %zu of %zu rows within 15 %%, %zu inside their intervals\n",
               kind_names[k],
               vllm[k].n_within,
               vllm[k].n,
               vllm[k].n_inside);
        all.n += vllm[k].n;
        all.n_within += vllm[k].n_within;
    }
    printf("llama.cpp: %zu of %zu rows within 15 %%\n", llamacpp.n_within, llamacpp.n);
    cr_assert(vllm[OPEN].n == 40 && vllm[FULL].n == 20 && vllm[SEEN].n == 12);
    cr_assert(eq(sz, llamacpp.n, 126));
    cr_expect(5 * all.n_within >= 4 * all.n);
    cr_expect(vllm[FULL].n_within >= LEAST_FULL && vllm[OPEN].n_within == vllm[OPEN].n);
    const tally full = {.n = vllm[FULL].n + vllm[SEEN].n,
                        .n_inside = vllm[FULL].n_inside + vllm[SEEN].n_inside};
    cr_expect(10 * full.n_inside >= 9 * full.n, "nine of ten are inside");
    cr_expect(5 * llamacpp.n_within >= 4 * llamacpp.n);
}
