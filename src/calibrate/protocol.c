#include "calibrate/protocol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "calibrate/stats.h"
#include "memfit/memfit.h"

/* One submission: long against its own cost and the clock's steps, short enough for macOS, which kills long ones. */
#define SHORT_SAMPLE_S 0.02
#define WANTED_SAMPLE_S 0.025
#define MOST_GROWTH 8.0
#define SETTLED 0.02 /* spread of the last samples */
#define SETTLED_SAMPLES 5
#define LEAST_WARM_UP_S 0.1
#define MOST_WARM_UP_S 1.5
#define MOST_WARM_UP_SAMPLES 60
#define WARM_UP_SHARE 0.35 /* of the budget */
#define PREPARE_SHARE 0.65 /* of the budget: what is not warm by then is measured as it is */
#define SAMPLES 15
#define THOROUGH_SAMPLES 25
#define MOST_DOUBLINGS 2
#define RESERVE 0.95
#define LEAST_DEVICE_SHARE                                                                         \
    0.01 /* of the wall time; a clock that says less is broken (0 ns on M4, metal-rs#346) */

static const uint32_t ladder[] = {1, 64, 256, 1024};
#define N_RUNGS (sizeof ladder / sizeof ladder[0])

typedef struct session {
    const mf_prober *backend;
    const mf_probe_options *options;
    void *state;
    double start_s;
    double budget_s;
    double phase_end_s;  /* when the phase at hand has to end */
    double round_trip_s; /* of an empty submission */
    mf_test_run tests[MF_PROBE_COUNT];
    size_t n_tests;
} session;

static double elapsed_s(const session *s)
{
    return s->options->now_s(s->options->payload) - s->start_s;
}

static bool must_stop(const session *s)
{
    return (s->options->stop != NULL && *s->options->stop != 0) || elapsed_s(s) > s->phase_end_s;
}

static void tell(const session *s, const mf_test_run *test, const char *phase, double left_s)
{
    if (s->options->on_progress == NULL) {
        return;
    }
    const double done_s = elapsed_s(s);
    const mf_probe_progress progress = {.fraction = done_s / (done_s + left_s + 1e-9),
                                        .left_s = left_s,
                                        .probe = test->probe,
                                        .phase = phase};
    s->options->on_progress(s->options->payload, &progress);
}

static void give_up(mf_test_run *test, mf_outcome outcome, const char *message)
{
    test->outcome = outcome;
    (void)snprintf(test->message, sizeof test->message, "%.*s", MF_PROBE_MESSAGE_SIZE - 1, message);
}

static bool alive(const mf_test_run *test)
{
    return test->outcome == MF_OUTCOME_MEASURED;
}

/* One submission with a time that can be used. */
static bool submit(mf_probe_time *time, session *s, mf_test_run *test, uint32_t n_calls)
{
    mf_error err = {0};
    if (s->backend->run(time, s->state, test->probe, n_calls, &err) != MF_OK) {
        give_up(test, MF_OUTCOME_FAILED, err.message);
        return false;
    }
    const bool usable = time->device_clock && isfinite(time->time_s) &&
                        time->time_s > LEAST_DEVICE_SHARE * time->wall_s;
    if (!usable) {
        time->device_clock = false;
        time->time_s = fmax(time->wall_s - s->round_trip_s, 0);
    }
    test->device_clock = time->device_clock;
    if (!isfinite(time->time_s) || !isfinite(time->wall_s)) {
        give_up(test, MF_OUTCOME_FAILED, "the clock gave no usable time");
        return false;
    }
    return true;
}

/* LAUNCH: seconds of one more call and of a submission, from submissions of 1 to 1024 calls. */
static bool climb(mf_probe_time *time, double *submit_s, session *s, mf_test_run *test)
{
    double x[N_RUNGS];
    double y[N_RUNGS];
    mf_probe_time sum = {.device_clock = true};
    for (size_t i = 0; i < N_RUNGS; i++) {
        mf_probe_time one = {0};
        if (!submit(&one, s, test, ladder[i])) {
            return false;
        }
        x[i] = ladder[i];
        y[i] = one.time_s;
        sum.wall_s += one.wall_s;
        sum.device_clock = sum.device_clock && one.device_clock;
    }
    mf_line line = {0};
    if (!mf_fit_line(&line, x, y, N_RUNGS)) {
        give_up(test, MF_OUTCOME_FAILED, "launches have no slope");
        return false;
    }
    sum.time_s = fmax(line.slope, 0);
    *submit_s = line.intercept;
    *time = sum;
    return true;
}

/* One sample of a test: a submission, or the ladder. *n_calls is what its time stands for. */
static bool
sample(mf_probe_time *time, double *submit_s, uint32_t *n_calls, session *s, mf_test_run *test)
{
    const double before_s = elapsed_s(s);
    *submit_s = 0;
    *n_calls = test->n_calls;
    const bool done = test->probe == MF_PROBE_LAUNCH ? climb(time, submit_s, s, test)
                                                     : submit(time, s, test, test->n_calls);
    if (test->probe == MF_PROBE_LAUNCH) {
        *n_calls = 1;
    }
    test->sample_s = elapsed_s(s) - before_s;
    return done;
}

static bool keep(mf_test_run *test, mf_record_sample one, double submit_s)
{
    if (test->n_samples == test->capacity) {
        const size_t capacity = test->capacity > 0 ? 2 * test->capacity : 64;
        mf_record_sample *samples = realloc(test->samples, capacity * sizeof *samples);
        if (samples != NULL) {
            test->samples = samples;
        }
        double *submits = realloc(test->submit_s, capacity * sizeof *submits);
        if (submits != NULL) {
            test->submit_s = submits;
        }
        if (samples == NULL || submits == NULL) {
            give_up(test, MF_OUTCOME_FAILED, "out of memory for samples");
            return false;
        }
        test->capacity = capacity;
    }
    test->samples[test->n_samples] = one;
    test->submit_s[test->n_samples] = submit_s;
    test->n_samples++;
    return true;
}

static void prepare(session *s, mf_test_run *test, double bytes)
{
    mf_error err = {0};
    mf_probe_plan plan = {0};
    const mf_status status = s->backend->prepare(&plan, s->state, test->probe, bytes, &err);
    if (status != MF_OK) {
        give_up(test, MF_OUTCOME_FAILED, err.message);
        return;
    }
    if (mf_probe_unit(test->probe) == MF_UNIT_BYTE && s->options->spec_bytes_per_s > 0) {
        plan.most_per_s = s->options->spec_bytes_per_s;
    }
    test->plan = plan;
    test->outcome = MF_OUTCOME_MEASURED;
    /* Written so that a NaN is wrong. */
    if (!(plan.error <= plan.tolerance)) {
        give_up(test, MF_OUTCOME_WRONG, "the kernel's result differs from the reference");
    }
}

static void check_all(session *s)
{
    for (size_t p = 0; p < MF_PROBE_COUNT && !must_stop(s); p++) {
        if (!s->backend->supports(s->state, (mf_probe)p)) {
            continue;
        }
        mf_test_run *test = &s->tests[s->n_tests];
        s->n_tests++;
        test->probe = (mf_probe)p;
        test->n_calls = 1;
        tell(s, test, "checking", s->budget_s - elapsed_s(s));
        prepare(s, test, 0);
    }
}

static mf_test_run *find_test(session *s, mf_probe probe)
{
    for (size_t i = 0; i < s->n_tests; i++) {
        if (s->tests[i].probe == probe && alive(&s->tests[i])) {
            return &s->tests[i];
        }
    }
    return NULL;
}

/* What a submission costs by the wall's clock, for devices without one of their own. */
static void time_round_trip(session *s)
{
    double walls[SETTLED_SAMPLES];
    mf_test_run *launch = find_test(s, MF_PROBE_LAUNCH);
    size_t n = 0;
    while (launch != NULL && n < SETTLED_SAMPLES) {
        mf_probe_time time = {0};
        if (!submit(&time, s, launch, 1)) {
            return;
        }
        walls[n] = time.wall_s;
        n++;
    }
    mf_summary summary = {0};
    s->round_trip_s = mf_summarise(&summary, walls, n) ? summary.median : 0;
}

/* Repetitions that make a submission of the wanted length. */
static void find_calls(session *s, mf_test_run *test)
{
    const double most = test->plan.most_calls > 0 ? test->plan.most_calls : 1e6;
    if (test->probe == MF_PROBE_LAUNCH) {
        return;
    }
    for (;;) {
        mf_probe_time time = {0};
        if (must_stop(s) || !submit(&time, s, test, test->n_calls)) {
            return;
        }
        if (time.time_s >= SHORT_SAMPLE_S || test->n_calls >= most) {
            return;
        }
        const double growth = fmin(WANTED_SAMPLE_S / fmax(time.time_s, 1e-9), MOST_GROWTH);
        test->n_calls = (uint32_t)fmin(most, fmax(2, growth) * test->n_calls);
    }
}

/* Runs until the last samples agree; returns seconds of a call then. */
static double warm_up(session *s, mf_test_run *test)
{
    double values[MOST_WARM_UP_SAMPLES];
    size_t n = 0;
    const double share_s = WARM_UP_SHARE * s->budget_s / (double)s->n_tests;
    const double start_s = elapsed_s(s);
    const double end_s = start_s + fmin(MOST_WARM_UP_S, share_s);
    test->unsettled = true;
    while (n < MOST_WARM_UP_SAMPLES && !must_stop(s) && (n < 2 || elapsed_s(s) < end_s)) {
        mf_probe_time time = {0};
        double submit_s = 0;
        uint32_t n_calls = 1;
        if (!sample(&time, &submit_s, &n_calls, s, test)) {
            return 0;
        }
        values[n] = time.time_s / n_calls;
        n++;
        if (mf_spread(values, n, SETTLED_SAMPLES) < SETTLED &&
            elapsed_s(s) - start_s > LEAST_WARM_UP_S) {
            test->unsettled = false;
            break;
        }
    }
    test->unsettled = test->unsettled && mf_spread(values, n, SETTLED_SAMPLES) >= SETTLED;
    return n > 0 ? values[n - 1] : 0;
}

static void settle(session *s, mf_test_run *test)
{
    for (int doubling = 0;; doubling++) {
        find_calls(s, test);
        const double call_s = alive(test) ? warm_up(s, test) : 0;
        const bool cached =
            mf_probe_unit(test->probe) == MF_UNIT_BYTE && mf_too_fast(&test->plan, call_s);
        if (alive(test) && !cached) {
            find_calls(s, test); /* it may have been counted while it was slow */
        }
        if (!alive(test) || !cached || doubling == MOST_DOUBLINGS) {
            return;
        }
        /* Faster than memory: a cache holds part of it. */
        const double bytes = test->plan.bytes;
        prepare(s, test, 2 * bytes);
        test->n_calls = 1;
        if (!alive(test) || test->plan.bytes < 1.5 * bytes) {
            return;
        }
    }
}

static void settle_all(session *s)
{
    time_round_trip(s);
    for (size_t i = 0; i < s->n_tests && !must_stop(s); i++) {
        if (alive(&s->tests[i])) {
            tell(s, &s->tests[i], "warming up", s->budget_s - elapsed_s(s));
            settle(s, &s->tests[i]);
        }
    }
}

static double round_s(const session *s, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_tests; i++) {
        /* One more to wake the device up, and the witness's beside each test. */
        const double n_witness = s->tests[i].probe == MF_PROBE_CLOCK ? (double)s->n_tests : 0;
        sum += alive(&s->tests[i]) ? s->tests[i].sample_s * ((double)n + 1 + n_witness) : 0;
    }
    return sum;
}

/* Samples of each test in a round, so that all rounds fit into the time. */
static size_t plan_samples(const session *s)
{
    size_t n = s->options->thorough ? THOROUGH_SAMPLES : SAMPLES;
    const double left_s = RESERVE * (s->budget_s - elapsed_s(s));
    while (n > 1 && MF_PROBE_ROUNDS * round_s(s, n) > left_s) {
        n--;
    }
    return n;
}

static void take(session *s, mf_test_run *test, uint32_t round)
{
    mf_probe_time time = {0};
    double submit_s = 0;
    uint32_t n_calls = 1;
    if (!sample(&time, &submit_s, &n_calls, s, test)) {
        return;
    }
    const mf_record_sample one = {
        .round = round,
        .n_calls = n_calls,
        .time_s = {.value = time.time_s, .known = true},
        .wall_s = {.value = time.wall_s, .known = true}
    };
    (void)keep(test, one, submit_s);
}

/* False if the round was cut short. */
static bool measure_round(session *s, uint32_t round, size_t n_each)
{
    mf_test_run *witness = find_test(s, MF_PROBE_CLOCK);
    for (size_t i = 0; i < s->n_tests; i++) {
        mf_test_run *test = &s->tests[i];
        if (!alive(test)) {
            continue;
        }
        const double rounds_left =
            (double)(MF_PROBE_ROUNDS - round) + 1 - (double)i / (double)s->n_tests;
        tell(s, test, "measuring", rounds_left * round_s(s, n_each));
        if (witness != NULL && witness != test) {
            take(s, witness, round);
        }
        mf_probe_time awake = {0};
        for (size_t k = 0; alive(test) && k <= n_each; k++) {
            if (must_stop(s)) {
                return false;
            }
            if (k == 0) {
                (void)submit(&awake, s, test, test->n_calls);
            } else {
                take(s, test, round);
            }
        }
    }
    return true;
}

static bool measure_rounds(session *s)
{
    const size_t n_each = plan_samples(s);
    bool whole = !must_stop(s);
    for (uint32_t round = 1; whole && round <= MF_PROBE_ROUNDS; round++) {
        whole = measure_round(s, round, n_each);
    }
    return whole;
}

static mf_fact known_if(double value)
{
    return (mf_fact){.value = value, .known = value > 0};
}

static bool make_id(mf_str *id, const mf_prober *backend, const char *name)
{
    /* "this-metal-apple-m4-max": a file name of lower case letters, digits and dashes. */
    mf_str_printf(id, "this-%s", mf_probe_backend_name(backend->id));
    bool dash = true;
    for (const char *c = name; *c != '\0'; c++) {
        const bool upper = *c >= 'A' && *c <= 'Z';
        const bool kept = upper || (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        if (kept && dash) {
            mf_str_add_char(id, '-', 1);
        }
        if (kept) {
            mf_str_add_char(id, upper ? (char)(*c - 'A' + 'a') : *c, 1);
        }
        dash = !kept;
    }
    return mf_str_status(id, NULL) == MF_OK;
}

static bool describe(mf_record *record, const session *s, const mf_probe_place *place)
{
    mf_str id = {0};
    mf_source *source = calloc(1, sizeof *source);
    if (!make_id(&id, s->backend, place->name) || source == NULL) {
        mf_str_free(&id);
        free(source);
        return false;
    }
    record->sources = (mf_sources){.items = source, .n_items = 1};
    source->kind = MF_SOURCE_MEASURED;
    source->covers = mf_strdup("*");
    source->title = mf_strdup("memfit calibrate on this machine");
    source->seen = mf_strdup(s->options->date);
    record->id = id.data;
    record->name = mf_strdup(place->name);
    record->device_id = mf_strdup(s->options->device_id);
    record->date = mf_strdup(s->options->date);
    mf_str program = {0};
    mf_str_printf(&program, "memfit %s", mf_version());
    record->program = program.data;
    record->system = mf_strdup(place->system[0] != '\0' ? place->system : "unknown");
    record->driver = place->driver[0] != '\0' ? mf_strdup(place->driver) : NULL;
    record->backend = s->backend->id;
    record->vendor = place->vendor;
    record->chip_class = place->chip_class;
    if (s->backend->id == MF_PROBE_BACKEND_CPU) {
        record->n_threads = s->options->n_threads > 0 ? s->options->n_threads : place->cores;
    }
    record->cores = known_if(place->cores);
    record->memory_bytes = known_if((double)place->memory_bytes);
    record->limit_bytes = known_if((double)place->limit_bytes);
    record->spec_bytes_per_s = known_if(s->options->spec_bytes_per_s);
    record->unified = place->unified;
    return source->covers && source->title && source->seen && record->name && record->date &&
           record->program && record->system;
}

static mf_status fill_results(mf_record *record, session *s, mf_error *err)
{
    record->results = calloc(s->n_tests + 1, sizeof *record->results);
    if (record->results == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for results");
    }
    size_t n_noisy = 0;
    size_t n_measured = 0;
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < s->n_tests; i++) {
        mf_record_result *result = &record->results[i];
        record->n_results = i + 1;
        status = mf_verdict(result, &s->tests[i], err);
        n_noisy += result->noisy ? 1 : 0;
        n_measured += result->outcome == MF_OUTCOME_MEASURED ? 1 : 0;
        record->throttled = record->throttled || result->throttled;
    }
    record->noisy = n_noisy > 0 && 2 * n_noisy >= n_measured;
    return status;
}

static mf_status
make_record(mf_record **out, session *s, const mf_probe_place *place, bool whole, mf_error *err)
{
    mf_record *record = calloc(1, sizeof *record);
    if (record == NULL || !describe(record, s, place)) {
        mf_record_free(record);
        return mf_fail(err, MF_E_NOMEM, "out of memory for a record");
    }
    record->complete = whole;
    record->duration_s = (mf_fact){.value = elapsed_s(s), .known = true};
    const mf_status status = fill_results(record, s, err);
    if (status != MF_OK) {
        mf_record_free(record);
        return status;
    }
    *out = record;
    return MF_OK;
}

/* The whole measurement on an open device. */
static mf_status measure(mf_record **out, session *s, const mf_probe_place *place, mf_error *err)
{
    s->phase_end_s = PREPARE_SHARE * s->budget_s;
    check_all(s);
    settle_all(s);
    s->phase_end_s = s->budget_s;
    const bool whole = measure_rounds(s);
    const mf_status status = make_record(out, s, place, whole, err);
    for (size_t i = 0; i < s->n_tests; i++) {
        free(s->tests[i].samples);
        free(s->tests[i].submit_s);
    }
    return status;
}

static double budget_s(const mf_probe_options *options)
{
    if (options->budget_s > 0) {
        return options->budget_s;
    }
    return options->thorough ? MF_PROBE_THOROUGH_BUDGET_S : MF_PROBE_DEFAULT_BUDGET_S;
}

mf_status mf_protocol_run(mf_record **out,
                          const mf_prober *backend,
                          size_t index,
                          const mf_probe_options *options,
                          mf_error *err)
{
    mf_probe_place places[MF_MAX_PLACES_LISTED] = {0};
    size_t n_places = 0;
    mf_status status = backend->available(places, &n_places, backend->context, err);
    if (status != MF_OK) {
        return status;
    }
    if (index >= n_places) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "'%s' has %zu devices, none has the number %zu",
                       mf_probe_backend_name(backend->id),
                       n_places,
                       index);
    }
    session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory to measure");
    }
    s->backend = backend;
    s->options = options;
    s->start_s = options->now_s(options->payload);
    s->budget_s = budget_s(options);
    status = backend->open(&s->state, index, options, backend->context, err);
    if (status == MF_OK) {
        status = measure(out, s, &places[index], err);
        backend->close(s->state);
    }
    free(s);
    return status;
}
