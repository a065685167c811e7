#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <time.h>

#include "calibrate/cpu.h"

static double now_s(void *payload)
{
    (void)payload;
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Small buffers: this is about the code, not about the machine. */
static mf_probe_options small(void)
{
    return (mf_probe_options){
        .now_s = now_s, .buffer_bytes = 8 << 20, .n_threads = 3, .date = "2026-11-28"};
}

Test(cpu, the_processor_is_described)
{
    mf_probe_place places[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    cr_assert(eq(int, mf_prober_cpu.available(places, &n, NULL, NULL), MF_OK));
    cr_assert(eq(sz, n, 1));
    cr_assert(ne(str, places[0].name, ""));
    cr_assert(ne(str, places[0].system, ""));
    cr_assert(gt(u32, places[0].cores, 0));
    cr_assert(gt(u64, places[0].memory_bytes, (uint64_t)1 << 28));
    cr_assert(eq(int, places[0].chip_class, MF_CLASS_CPU));
}

Test(cpu, every_kernel_passes_its_check)
{
    void *cpu = NULL;
    mf_error err = {0};
    const mf_probe_options options = small();
    cr_assert(eq(int, mf_prober_cpu.open(&cpu, 0, &options, NULL, &err), MF_OK));
    size_t n = 0;
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        if (!mf_prober_cpu.supports(cpu, (mf_probe)p)) {
            continue;
        }
        mf_probe_plan plan = {0};
        mf_probe_time time = {0};
        n++;
        cr_assert(eq(int, mf_prober_cpu.prepare(&plan, cpu, (mf_probe)p, 0, &err), MF_OK));
        cr_expect(le(dbl, plan.error, plan.tolerance), "%s", mf_probe_name((mf_probe)p));
        cr_expect(gt(dbl, plan.work, 0));
        cr_assert(eq(int, mf_prober_cpu.run(&time, cpu, (mf_probe)p, 2, &err), MF_OK));
        cr_expect(gt(dbl, time.wall_s, 0));
    }
    cr_assert(ge(sz, n, 18));
    mf_prober_cpu.close(cpu);
}

Test(cpu, a_kernel_that_is_wrong_is_noticed)
{
    void *state = NULL;
    mf_error err = {0};
    const mf_probe_options options = small();
    cr_assert(eq(int, mf_prober_cpu.open(&state, 0, &options, NULL, &err), MF_OK));
    mf_cpu *cpu = state;
    mf_cpu_kernels wrong = *cpu->kernels;
    wrong.dot[MF_BLOCK_Q4_K] = mf_cpu_plain.dot[MF_BLOCK_Q4_0];
    wrong.tile[MF_BLOCK_Q4_0] = mf_cpu_plain.tile[MF_BLOCK_Q8_0];
    cpu->kernels = &wrong;
    mf_probe_plan plan = {0};
    cr_assert(eq(int, mf_prober_cpu.prepare(&plan, cpu, MF_PROBE_UNPACK_Q4_K, 0, &err), MF_OK));
    cr_assert(not(le(dbl, plan.error, plan.tolerance)));
    cr_assert(eq(int, mf_prober_cpu.prepare(&plan, cpu, MF_PROBE_UNPACK_Q8_0, 0, &err), MF_OK));
    cr_assert(le(dbl, plan.error, plan.tolerance));
    mf_prober_cpu.close(cpu);
}

Test(cpu, a_stream_grows_when_it_is_told)
{
    void *cpu = NULL;
    mf_error err = {0};
    const mf_probe_options options = small();
    mf_probe_plan plan = {0};
    cr_assert(eq(int, mf_prober_cpu.open(&cpu, 0, &options, NULL, &err), MF_OK));
    cr_assert(eq(int, mf_prober_cpu.prepare(&plan, cpu, MF_PROBE_READ, 0, &err), MF_OK));
    const double first = plan.bytes;
    cr_assert(eq(int, mf_prober_cpu.prepare(&plan, cpu, MF_PROBE_READ, 2 * first, &err), MF_OK));
    cr_assert(epsilon_eq(dbl, plan.bytes, 2 * first, 4096));
    cr_assert(le(dbl, plan.error, plan.tolerance));
    mf_prober_cpu.close(cpu);
}
