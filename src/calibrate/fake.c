#include "calibrate/fake.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLERANCE 1e-3
#define BANDWIDTH 100e9
#define PEAK 2e12

typedef struct fake {
    mf_fake_script *script;
    mf_fake_script own; /* where the caller brought none */
    double bytes[MF_PROBE_COUNT];
} fake;

static double work_of(mf_probe probe)
{
    switch (mf_probe_unit(probe)) {
    case MF_UNIT_BYTE:
        return 1e9;
    case MF_UNIT_FLOP:
        return 1e10;
    case MF_UNIT_CALL:
        break;
    }
    return 1;
}

void mf_fake_fill(mf_fake_script *script)
{
    *script = (mf_fake_script){.random = 1, .check_s = 0.01};
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        mf_fake_test *test = &script->tests[p];
        const mf_probe probe = (mf_probe)p;
        test->supported = true;
        test->work = work_of(probe);
        test->call_s = mf_probe_unit(probe) == MF_UNIT_BYTE   ? test->work / BANDWIDTH
                       : mf_probe_unit(probe) == MF_UNIT_FLOP ? test->work / PEAK
                                                              : 2e-6;
        test->submit_s = 20e-6;
        test->bytes = test->work;
    }
    (void)snprintf(script->place.name, sizeof script->place.name, "Scripted device");
    (void)snprintf(script->place.system, sizeof script->place.system, "none");
    script->place.vendor = MF_VENDOR_OTHER;
    script->place.chip_class = MF_CLASS_UNKNOWN;
    script->place.cores = 4;
    script->place.memory_bytes = UINT64_C(16) << 30;
}

double mf_fake_now(void *script)
{
    return ((mf_fake_script *)script)->clock_s;
}

/* A number from 0 to 1; the same every time (xorshift64*). */
static double draw(mf_fake_script *script)
{
    uint64_t x = script->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    script->random = x;
    return (double)((x * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

static mf_status available(mf_probe_place *places, size_t *n_places, void *context, mf_error *err)
{
    mf_fake_script healthy;
    const mf_fake_script *script = context;
    if (script == NULL) {
        mf_fake_fill(&healthy);
        script = &healthy;
    }
    if (script->no_device != NULL) {
        return mf_fail(err, MF_E_UNSUPPORTED, "%s", script->no_device);
    }
    places[0] = script->place;
    *n_places = 1;
    return MF_OK;
}

static mf_status
open_fake(void **state, size_t index, const mf_probe_options *options, void *context, mf_error *err)
{
    (void)index;
    (void)options;
    fake *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for the scripted device");
    }
    mf_fake_fill(&f->own);
    f->script = context != NULL ? context : &f->own;
    f->script->n_open++;
    *state = f;
    return MF_OK;
}

static bool supports(const void *state, mf_probe probe)
{
    return ((const fake *)state)->script->tests[probe].supported;
}

static mf_status
prepare(mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err)
{
    fake *f = state;
    const mf_fake_test *test = &f->script->tests[probe];
    f->script->clock_s += f->script->check_s;
    if (test->fails_check) {
        return mf_fail(err, MF_E_UNSUPPORTED, "scripted failure of the check");
    }
    const double grown = bytes > 0 ? bytes / test->bytes : 1;
    f->bytes[probe] = grown * test->bytes;
    *plan = (mf_probe_plan){.work = grown * test->work,
                            .error = test->error,
                            .tolerance = TOLERANCE,
                            .bytes = f->bytes[probe],
                            .most_per_s = test->most_per_s};
    return MF_OK;
}

static double slowness(mf_fake_script *script, const mf_fake_test *test, size_t n_runs)
{
    double factor = 1 + test->noise * draw(script);
    factor *= 1 + test->drift * (double)n_runs;
    if (n_runs < test->cold_runs) {
        factor *= test->cold_factor;
    }
    if (test->outlier_every > 0 && n_runs % test->outlier_every == test->outlier_every - 1) {
        factor *= test->outlier_factor;
    }
    return factor;
}

static mf_status
run(mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err)
{
    fake *f = state;
    mf_fake_script *script = f->script;
    const mf_fake_test *test = &script->tests[probe];
    const size_t n_runs = script->n_runs[probe];
    script->n_runs[probe]++;
    size_t n_all = 0;
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        n_all += script->n_runs[p];
    }
    script->stop = script->stop_after > 0 && n_all >= script->stop_after ? 1 : script->stop;
    if (test->fails_at > 0 && n_runs + 1 >= test->fails_at) {
        return mf_fail(err, MF_E_IO, "scripted failure of submission %zu", n_runs + 1);
    }
    const double cached =
        test->cache_bytes > 0 && f->bytes[probe] < test->cache_bytes ? test->cache_factor : 1;
    const double grown = f->bytes[probe] / test->bytes;
    const double device_s =
        grown * test->call_s / cached * n_calls * slowness(script, test, n_runs);
    const double wall_s = device_s + test->submit_s;
    script->clock_s += wall_s;
    *time = (mf_probe_time){.wall_s = test->nan_clock ? (double)NAN : wall_s,
                            .time_s = test->nan_clock    ? (double)NAN
                                      : test->zero_clock ? 0
                                                         : device_s,
                            .device_clock = !test->no_clock};
    return MF_OK;
}

static void close_fake(void *state)
{
    fake *f = state;
    if (f != NULL) {
        f->script->n_open--;
        free(f);
    }
}

const mf_prober mf_prober_fake = {.id = MF_PROBE_BACKEND_FAKE,
                                  .available = available,
                                  .open = open_fake,
                                  .supports = supports,
                                  .prepare = prepare,
                                  .run = run,
                                  .close = close_fake};
