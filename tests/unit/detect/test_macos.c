/* src/detect/macos.c on a fake Mac. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "fake.h"
#include "memfit/detect.h"

static mf_detected ask(void)
{
    mf_detected found;
    mf_error err = {0};
    cr_assert(mf_detect(&found, (mf_detect_places){0}, &err) == MF_OK, "%s", err.message);
    cr_expect(eq(int, fake.n_alive, 0));
    return found;
}

Test(macos, chip_cores_and_limits_are_told)
{
    fake = (fake_mac){.chip = "Apple M4 Max",
                      .version = "26.1",
                      .memory_bytes = UINT64_C(137438953472),
                      .wired_limit_mb = 120000,
                      .working_set = UINT64_C(115448725504),
                      .gpu_cores = 40};
    const mf_detected found = ask();
    cr_expect(eq(str, (char *)found.system, "macOS 26.1"));
    cr_expect(eq(sz, found.n_gpus, 1));
    cr_expect(eq(str, (char *)found.gpus[0].name, "Apple M4 Max"));
    cr_expect(eq(u32, found.gpus[0].cores, 40));
    cr_expect(eq(u32, found.n_threads, 16));
    cr_expect(eq(u64, found.memory_bytes, UINT64_C(137438953472)));
    cr_expect(eq(u64, found.wired_limit_bytes, UINT64_C(120000) << 20));
    cr_expect(eq(u64, found.gpu_limit_bytes, UINT64_C(115448725504)));
}

Test(macos, an_intel_mac_has_no_gpu_that_counts)
{
    fake = (fake_mac){
        .chip = "Intel(R) Core(TM) i9", .version = "14.2", .memory_bytes = UINT64_C(1) << 35};
    const mf_detected found = ask();
    cr_expect(eq(sz, found.n_gpus, 0));
    cr_expect(eq(u64, found.gpu_limit_bytes, 0));
    cr_expect(eq(u64, found.wired_limit_bytes, 0));
}

Test(macos, without_memory_there_is_no_answer)
{
    fake = (fake_mac){.chip = "Apple M1", .version = "12.0"};
    mf_detected found;
    mf_error err = {0};
    cr_expect(eq(int, mf_detect(&found, (mf_detect_places){0}, &err), MF_E_IO));
    cr_expect(strstr(err.message, "hw.memsize") != NULL);
}
