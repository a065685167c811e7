/*
 * macos.c - sysctl for chip, memory, version and the wired limit; the IO registry for the GPU's cores; Metal for what
 * the GPU may use. Plain C: Metal's one property is asked through the Objective-C runtime.
 */
#include "detect/internal.h"

#ifdef __APPLE__

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <objc/message.h>
#include <objc/runtime.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysctl.h>

enum { MIB = 1024 * 1024 };

/* Metal's only function of plain C; the framework is linked. */
id MTLCreateSystemDefaultDevice(void); /* NOLINT(readability-identifier-naming): Apple's */

static uint64_t number(const char *name)
{
    uint64_t value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && size <= sizeof value ? value : 0;
}

static void text(char *to, size_t size, const char *name)
{
    char value[96] = "";
    size_t n = sizeof value - 1;
    if (sysctlbyname(name, value, &n, NULL, 0) == 0) {
        value[n < sizeof value ? n : sizeof value - 1] = '\0';
        mf_detect_copy(to, size, value);
    }
}

/* Property "gpu-core-count" of the accelerator; 0 if it is not there. */
static uint32_t gpu_cores(void)
{
    int32_t cores = 0;
    const io_service_t service =
        IOServiceGetMatchingService(0, IOServiceMatching("AGXAccelerator"));
    if (service == 0) {
        return 0;
    }
    CFTypeRef value = IORegistryEntrySearchCFProperty(
        service, kIOServicePlane, CFSTR("gpu-core-count"), kCFAllocatorDefault, 0);
    if (value != NULL) {
        if (CFGetTypeID(value) == CFNumberGetTypeID()) {
            (void)CFNumberGetValue((CFNumberRef)value, kCFNumberSInt32Type, &cores);
        }
        CFRelease(value);
    }
    (void)IOObjectRelease(service);
    return cores > 0 ? (uint32_t)cores : 0;
}

static uint64_t working_set(void)
{
    typedef uint64_t (*get_number)(id, SEL);
    typedef void (*send_message)(id, SEL);
    const id device = MTLCreateSystemDefaultDevice();
    if (device == NULL) {
        return 0;
    }
    /* objc_msgSend has the type of the method that it calls. gcc doubts that where it sees through a const. */
    get_number get = (get_number)objc_msgSend;
    send_message send = (send_message)objc_msgSend;
    const uint64_t bytes = get(device, sel_registerName("recommendedMaxWorkingSetSize"));
    send(device, sel_registerName("release"));
    return bytes;
}

mf_status mf_detect_macos(mf_detected *out, mf_error *err)
{
    char version[16] = "";
    text(version, sizeof version, "kern.osproductversion");
    (void)snprintf(out->system, sizeof out->system, "macOS %s", version);
    text(out->processor, sizeof out->processor, "machdep.cpu.brand_string");
    out->n_threads = (uint32_t)number("hw.logicalcpu");
    out->memory_bytes = number("hw.memsize");
    if (out->memory_bytes == 0) {
        return mf_fail(err, MF_E_IO, "sysctl hw.memsize says nothing, name the machine instead");
    }
    out->wired_limit_bytes = number("iogpu.wired_limit_mb") * MIB;
    out->gpu_limit_bytes = working_set();
    if (strncmp(out->processor, "Apple ", strlen("Apple ")) == 0) {
        mf_gpu *gpu = &out->gpus[out->n_gpus++];
        (void)snprintf(gpu->name, sizeof gpu->name, "%s", out->processor);
        gpu->cores = gpu_cores();
    }
    return MF_OK;
}

#else

mf_status mf_detect_macos(mf_detected *out, mf_error *err)
{
    (void)out;
    return mf_fail(err, MF_E_UNSUPPORTED, "this is not macOS");
}

#endif
