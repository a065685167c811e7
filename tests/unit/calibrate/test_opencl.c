#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <time.h>

#include "calibrate/opencl.h"
#include "memfit/memfit.h"

/* On any OpenCL device that this machine has; ./check installs PoCL, which makes one of the processor. */

static double now_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const mf_prober *const p = &mf_prober_opencl;

static void *open_first(void)
{
    void *state = NULL;
    mf_error err = {0};
    const mf_probe_options options = {
        .now_s = now_s, .buffer_bytes = 2 << 20, .date = "2026-11-28"};
    const mf_status status = p->open(&state, 0, &options, NULL, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    return state;
}

Test(opencl, a_device_is_described)
{
    mf_probe_place places[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    mf_error err = {0};
    cr_assert(eq(int, mf_probe_list(places, &n, MF_PROBE_BACKEND_OPENCL, &err), MF_OK),
              "%s",
              err.message);
    cr_assert(gt(sz, n, 0));
    cr_assert(ne(str, (char *)places[0].name, ""));
    cr_assert(gt(u32, places[0].cores, 0));
    cr_assert(gt(u64, places[0].memory_bytes, (uint64_t)1 << 26));
}

Test(opencl, every_kernel_passes_its_check_and_runs)
{
    void *state = open_first();
    size_t n = 0;
    mf_error err = {0};
    for (size_t i = 0; i < MF_PROBE_COUNT; i++) {
        mf_probe_plan plan = {0};
        mf_probe_time time = {0};
        if (!p->supports(state, (mf_probe)i)) {
            continue;
        }
        n++;
        cr_assert(
            eq(int, p->prepare(&plan, state, (mf_probe)i, 0, &err), MF_OK), "%s", err.message);
        cr_expect(le(dbl, plan.error, plan.tolerance), "%s", mf_probe_name((mf_probe)i));
        cr_expect(gt(dbl, plan.work, 0));
        cr_assert(eq(int, p->run(&time, state, (mf_probe)i, 3, &err), MF_OK), "%s", err.message);
        cr_expect(gt(dbl, time.time_s, 0), "%s", mf_probe_name((mf_probe)i));
        cr_expect(time.device_clock);
    }
    cr_assert(eq(sz, n, 11));
    p->close(state);
}

Test(opencl, a_stream_grows_when_it_is_told)
{
    void *state = open_first();
    mf_probe_plan plan = {0};
    mf_error err = {0};
    cr_assert(eq(int, p->prepare(&plan, state, MF_PROBE_READ, 0, &err), MF_OK));
    const double first = plan.bytes;
    cr_assert(eq(int, p->prepare(&plan, state, MF_PROBE_READ, 2 * first, &err), MF_OK));
    cr_assert(epsilon_eq(dbl, plan.bytes, 2 * first, 4096));
    cr_assert(le(dbl, plan.error, plan.tolerance));
    p->close(state);
}

Test(opencl, a_device_beyond_the_list_is_refused)
{
    void *state = NULL;
    mf_error err = {0};
    const mf_probe_options options = {.now_s = now_s, .date = "2026-11-28"};
    cr_assert(eq(int, p->open(&state, 99, &options, NULL, &err), MF_E_USAGE));
}
