/*
 * test_host.c - the Objective-C file as it ships, on the stand-in for Metal: every test, and everything that can go wrong.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calibrate/metal.h"
#include "fake_metal.h"
#include "runner.h"

extern const struct msl_kernel bench_kernels[];
extern const struct msl_kernel tensor_kernels[];
const struct msl_kernel *const msl_libraries[] = {bench_kernels, tensor_kernels, NULL};

static int n_failed;
static bool first_only; /* stop at the first failure: a planted fault is caught by then */
static const char *test_name;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s: %s: ", test_name, #condition);                                             \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            n_failed++;                                                                            \
        }                                                                                          \
    } while (0)

static double now_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const mf_prober *const p = &mf_prober_metal;

static mf_probe_options options_of(uint64_t buffer_bytes)
{
    return (mf_probe_options){
        .now_s = now_s, .buffer_bytes = buffer_bytes, .seed = 3, .date = "2026-11-28"};
}

static void begin(const char *name)
{
    test_name = name;
    fake_reset();
}

/* Nothing may be left alive, and nothing may have been misused. */
static void end(void)
{
    CHECK(fake_counts.live == 0, "%ld objects live on", fake_counts.live);
    CHECK(fake_counts.live_c == 0, "%ld C objects live on", fake_counts.live_c);
    CHECK(fake_counts.misuse == 0, "%d misuses", fake_counts.misuse);
    CHECK(fake_counts.pools == 0, "%d pools are open", fake_counts.pools);
    if (first_only && n_failed > 0) {
        exit(1);
    }
}

static void *open_it(uint64_t buffer_bytes, mf_status want, mf_error *err)
{
    void *state = NULL;
    const mf_probe_options options = options_of(buffer_bytes);
    const mf_status status = p->open(&state, 0, &options, NULL, err);
    CHECK(status == want, "status %d: %s", (int)status, err->message);
    return status == MF_OK ? state : NULL;
}

static void test_place(void)
{
    mf_probe_place place[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    begin("place");
    fake_knobs.metal_4 = true;
    fake_knobs.chip = "Apple M4 Max";
    fake_knobs.cores = 40;
    CHECK(p->available(place, &n, NULL, NULL) == MF_OK && n == 1, "no device");
    CHECK(strcmp(place[0].device_id, "apple-m4-max-40c") == 0, "'%s'", place[0].device_id);
    CHECK(strcmp(place[0].system, "macOS 26.2, low power mode, thermal state 0") == 0,
          "'%s'",
          place[0].system);
    CHECK(strcmp(place[0].driver, "Metal 4") == 0, "'%s'", place[0].driver);
    CHECK(place[0].chip_class == MF_CLASS_APPLE_M3_M4, "class %d", (int)place[0].chip_class);
    CHECK(place[0].cores == 40 && place[0].unified, "cores");
    CHECK(place[0].memory_bytes == 16ull << 30, "memory");
    CHECK(place[0].limit_bytes == fake_knobs.limit_bytes, "limit");
    end();
    begin("place without registry and sysctl");
    fake_knobs.cores = 0;
    fake_knobs.no_sysctl = true;
    CHECK(p->available(place, &n, NULL, NULL) == MF_OK, "no device");
    CHECK(place[0].cores == 0 && place[0].memory_bytes == 0 && place[0].device_id[0] == '\0',
          "made up");
    end();
    begin("only the list of all devices has one");
    fake_knobs.no_default_device = true;
    CHECK(p->available(place, &n, NULL, NULL) == MF_OK, "no device");
    end();
}

static void test_refusals(void)
{
    mf_error err = {0};
    begin("no device");
    fake_knobs.no_device = true;
    (void)open_it(1 << 20, MF_E_UNSUPPORTED, &err);
    CHECK(strstr(err.message, "no Metal device") != NULL, "'%s'", err.message);
    end();
    begin("old GPU");
    fake_knobs.old_gpu = true;
    (void)open_it(1 << 20, MF_E_UNSUPPORTED, &err);
    CHECK(strstr(err.message, "older than the M1") != NULL, "'%s'", err.message);
    end();
    begin("kernels do not compile");
    fake_knobs.bad_compile = true;
    (void)open_it(1 << 20, MF_E_UNSUPPORTED, &err);
    CHECK(strstr(err.message, "program_source:1") != NULL, "'%s'", err.message);
    end();
    begin("kernels do not compile, and nobody says why");
    fake_knobs.bad_compile = fake_knobs.silent_errors = true;
    (void)open_it(1 << 20, MF_E_UNSUPPORTED, &err);
    CHECK(strstr(err.message, "no reason given") != NULL, "'%s'", err.message);
    end();
    begin("no queue");
    fake_knobs.no_queue = true;
    (void)open_it(1 << 20, MF_E_UNSUPPORTED, &err);
    end();
}

static size_t count_supported(void *state)
{
    size_t n = 0;
    for (size_t i = 0; i < MF_PROBE_COUNT; i++) {
        n += p->supports(state, (mf_probe)i) ? 1 : 0;
    }
    return n;
}

static void test_supports(void)
{
    enum { LIBRARY = 2, OWN = 12 };
    static const struct {
        const char *name;
        bool metal_4, bad_tensor, no_function, no_pipeline, small_pipeline, no_shaders;
        size_t n;
    } rows[] = {
        {"plain",                  false, false, false, false, false, false, OWN + LIBRARY    },
        {"Metal 4",                true,  false, false, false, false, false, OWN + LIBRARY + 1},
        {"Metal 4, old compiler",  true,  true,  false, false, false, false, OWN + LIBRARY    },
        {"no function",            false, false, true,  false, false, false, LIBRARY          },
        {"no pipeline",            false, false, false, true,  false, false, LIBRARY          },
        {"small pipeline",         false, false, false, false, true,  false, LIBRARY          },
        {"no performance shaders", false, false, false, false, false, true,  OWN              },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mf_error err = {0};
        begin(rows[i].name);
        fake_knobs.metal_4 = rows[i].metal_4;
        fake_knobs.bad_tensor_compile = rows[i].bad_tensor;
        fake_knobs.no_function = rows[i].no_function;
        fake_knobs.no_pipeline = rows[i].no_pipeline;
        fake_knobs.small_pipeline = rows[i].small_pipeline;
        fake_knobs.no_shaders = rows[i].no_shaders;
        void *state = open_it(1 << 20, MF_OK, &err);
        CHECK(state != NULL && count_supported(state) == rows[i].n,
              "%zu tests",
              state ? count_supported(state) : 0);
        p->close(state);
        end();
    }
}

/* Every kernel passes its check, in sizes that fill no last threadgroup. */
static void test_checks(bool spoiled)
{
    mf_error err = {0};
    begin(spoiled ? "results off by 1 %" : "all checks");
    fake_knobs.metal_4 = true;
    fake_knobs.wrong_results = spoiled;
    void *state = open_it(5 << 20, MF_OK, &err);
    for (size_t i = 0; state != NULL && i < MF_PROBE_COUNT; i++) {
        mf_probe_plan plan = {0};
        const char *name = mf_probe_name((mf_probe)i);
        if (!p->supports(state, (mf_probe)i)) {
            continue;
        }
        CHECK(p->prepare(&plan, state, (mf_probe)i, 0, &err) == MF_OK, "%s: %s", name, err.message);
        const bool right = plan.error <= plan.tolerance;
        CHECK(right == (!spoiled || i == MF_PROBE_LAUNCH),
              "%s: error %g, at most %g",
              name,
              plan.error,
              plan.tolerance);
        CHECK(plan.work > 0, "%s: no work", name);
    }
    CHECK(fake_counts.products == 4, "%d products of the library", fake_counts.products);
    p->close(state);
    end();
}

static void test_runs(void)
{
    mf_error err = {0};
    begin("runs");
    fake_knobs.metal_4 = true;
    void *state = open_it(1 << 19, MF_OK, &err);
    for (size_t i = 0; state != NULL && i < MF_PROBE_COUNT; i++) {
        mf_probe_plan plan = {0};
        const char *name = mf_probe_name((mf_probe)i);
        if (!p->supports(state, (mf_probe)i)) {
            continue;
        }
        CHECK(p->prepare(&plan, state, (mf_probe)i, 0, &err) == MF_OK, "%s: %s", name, err.message);
    }
    for (size_t i = 0; state != NULL && i < MF_PROBE_COUNT; i++) {
        mf_probe_time time = {0};
        if (!p->supports(state, (mf_probe)i)) {
            continue;
        }
        const int before = fake_counts.dispatches + fake_counts.products;
        CHECK(p->run(&time, state, (mf_probe)i, 2, &err) == MF_OK,
              "%s: %s",
              mf_probe_name((mf_probe)i),
              err.message);
        CHECK(fake_counts.dispatches + fake_counts.products == before + 2,
              "%s: other calls than two",
              mf_probe_name((mf_probe)i));
        CHECK(time.device_clock && time.time_s > 0 && time.wall_s >= time.time_s,
              "%s: times",
              mf_probe_name((mf_probe)i));
    }
    fake_knobs.submissions_left = 0;
    mf_probe_time time = {0};
    CHECK(p->run(&time, state, MF_PROBE_READ, 1, &err) == MF_E_IO, "a GPU fault");
    CHECK(strstr(err.message, "fault of the fake GPU") != NULL, "'%s'", err.message);
    fake_knobs.silent_errors = true;
    CHECK(p->run(&time, state, MF_PROBE_READ, 1, &err) == MF_E_IO, "a silent GPU fault");
    fake_knobs.no_command_buffer = true;
    CHECK(p->run(&time, state, MF_PROBE_READ, 1, &err) == MF_E_IO, "no command buffer");
    p->close(state);
    end();
}

/* Each allocation fails once, and each submission. */
static void test_shortages(void)
{
    for (int left = 0; left < 34; left += left < 12 ? 1 : 3) {
        for (int gpu = 0; gpu < 2; gpu++) {
            mf_error err = {0};
            size_t n_failures = 0;
            begin(gpu ? "GPU fault while checking" : "no memory");
            fake_knobs.metal_4 = true;
            fake_knobs.buffers_left = gpu ? -1 : left;
            fake_knobs.submissions_left = gpu ? left : -1;
            void *state = open_it(1 << 17, MF_OK, &err);
            for (size_t i = 0; state != NULL && i < MF_PROBE_COUNT; i++) {
                mf_probe_plan plan = {0};
                if (p->supports(state, (mf_probe)i)) {
                    n_failures += p->prepare(&plan, state, (mf_probe)i, 0, &err) != MF_OK;
                }
            }
            CHECK(left > 15 || n_failures > 0, "nothing failed with %d left", left);
            p->close(state);
            end();
        }
    }
}

static void test_growth(void)
{
    mf_error err = {0};
    mf_probe_plan plan = {0};
    begin("a stream grows up to the largest buffer");
    fake_knobs.most_buffer_bytes = 3 << 20;
    void *state = open_it(1 << 20, MF_OK, &err);
    CHECK(p->prepare(&plan, state, MF_PROBE_READ, 0, &err) == MF_OK, "%s", err.message);
    const double first = plan.bytes;
    CHECK(p->prepare(&plan, state, MF_PROBE_READ, 2 * first, &err) == MF_OK, "%s", err.message);
    CHECK(
        plan.bytes > 1.9 * first && plan.error <= plan.tolerance, "%g after %g", plan.bytes, first);
    CHECK(p->prepare(&plan, state, MF_PROBE_READ, 64 * first, &err) == MF_OK, "%s", err.message);
    CHECK(plan.bytes <= 3 << 20, "%g bytes", plan.bytes);
    p->close(state);
    end();
}

/* Whatever else the computer does takes none of the budget. */
static double own_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_whole(void)
{
    mf_record *record = NULL;
    mf_error err = {0};
    mf_probe_options options = options_of(1 << 19);
    begin("the whole protocol");
    options.budget_s = 6;
    options.now_s = own_s;
    CHECK(mf_protocol_run(&record, p, 0, &options, &err) == MF_OK, "%s", err.message);
    CHECK(record != NULL && strcmp(record->id, "this-metal-apple-m1-pro") == 0, "id");
    CHECK(record != NULL && record->n_results == 14, "%zu results", record ? record->n_results : 0);
    mf_record_free(record);
    end();
}

int main(int argc, char **argv)
{
    first_only = argc > 1 && strcmp(argv[1], "--first") == 0;
    fake_knobs.bench_source = mf_metal_bench_source;
    fake_knobs.tensor_source = mf_metal_tensor_source;
    test_place();
    test_refusals();
    test_supports();
    test_checks(false);
    test_checks(true);
    test_runs();
    test_growth();
    test_shortages();
    test_whole();
    printf("%s\n", n_failed == 0 && msl_misuses() == 0 ? "metal.m is right" : "FAILED");
    return n_failed > 0 || msl_misuses() > 0;
}
