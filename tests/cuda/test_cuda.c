/*
 * test_cuda.c - the CUDA backend on a driver library that cuda.sh made; what it has to do is said in its arguments.
 * test_cuda all | wrong | refuse TEXT | count N | short
 */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calibrate/cuda.h"

static const mf_prober *const p = &mf_prober_cuda;

static double now_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const char *what, const char *more)
{
    printf("test_cuda: %s: %s\n", what, more);
    return 1;
}

static int nothing_left(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    int (*left)(void) = NULL;
    void *symbol = library != NULL ? dlsym(library, "fake_cuda_left") : NULL;
    memcpy(&left, &symbol, sizeof left);
    return left != NULL && left() > 0 ? fail("something is left alive", "") : 0;
}

static int check_all(void *state, bool wrong)
{
    mf_error err = {0};
    for (size_t i = 0; i < MF_PROBE_COUNT; i++) {
        mf_probe_plan plan = {0};
        mf_probe_time time = {0};
        const char *name = mf_probe_name((mf_probe)i);
        if (!p->supports(state, (mf_probe)i)) {
            continue;
        }
        if (p->prepare(&plan, state, (mf_probe)i, 0, &err) != MF_OK) {
            return fail(name, err.message);
        }
        if ((plan.error <= plan.tolerance) != (!wrong || i == MF_PROBE_LAUNCH)) {
            return fail(name, wrong ? "a wrong result passes" : "its result is wrong");
        }
        if (p->run(&time, state, (mf_probe)i, 2, &err) != MF_OK) {
            return fail(name, err.message);
        }
        if (!(time.time_s > 1.9e-3 && time.time_s < 2.1e-3) || !time.device_clock) {
            return fail(name, "the device's clock says 2 ms");
        }
    }
    return 0;
}

static size_t count(void *state)
{
    size_t n = 0;
    for (size_t i = 0; i < MF_PROBE_COUNT; i++) {
        n += p->supports(state, (mf_probe)i) ? 1 : 0;
    }
    return n;
}

/* Whatever fails, nothing is left. */
static int run_short(void *state)
{
    mf_error err = {0};
    for (size_t i = 0; i < MF_PROBE_COUNT; i++) {
        mf_probe_plan plan = {0};
        mf_probe_time time = {0};
        if (p->supports(state, (mf_probe)i) &&
            p->prepare(&plan, state, (mf_probe)i, 0, &err) == MF_OK) {
            (void)p->run(&time, state, (mf_probe)i, 1, &err);
        }
    }
    return err.message[0] == '\0' ? fail("nothing failed", "") : 0;
}

int main(int argc, char **argv)
{
    void *state = NULL;
    mf_error err = {0};
    mf_probe_place places[MF_MAX_PLACES_LISTED];
    size_t n_places = 0;
    const mf_probe_options options = {
        .now_s = now_s, .buffer_bytes = 1 << 20, .date = "2026-11-28"};
    if (argc < 2) {
        return 2;
    }
    mf_status status = p->available(places, &n_places, NULL, &err);
    status = status == MF_OK ? p->open(&state, 0, &options, NULL, &err) : status;
    if (strcmp(argv[1], "refuse") == 0) {
        const bool right = status == MF_E_UNSUPPORTED && strstr(err.message, argv[2]) != NULL;
        return right ? nothing_left() : fail("refusal", err.message);
    }
    if (status != MF_OK) {
        return fail("open", err.message);
    }
    int rc = 0;
    if (strcmp(places[0].name, "NVIDIA Fake 4090") != 0 || places[0].cores != 4 ||
        places[0].chip_class != MF_CLASS_NVIDIA_GDDR ||
        strcmp(places[0].driver, "CUDA driver 12.4") != 0) {
        rc = fail("place", places[0].driver);
    } else if (strcmp(argv[1], "count") == 0) {
        rc = count(state) == strtoul(argv[2], NULL, 10) ? 0 : fail("other tests", argv[2]);
    } else if (strcmp(argv[1], "short") == 0) {
        rc = run_short(state);
    } else {
        rc = check_all(state, strcmp(argv[1], "wrong") == 0);
    }
    p->close(state);
    return rc != 0 ? rc : nothing_left();
}
