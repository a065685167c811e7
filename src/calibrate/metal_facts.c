#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <sys/sysctl.h>

#include "calibrate/metal.h"

/* GPU cores stand in the registry only; the entry's name is that of Apple's graphics driver since the M1. */
static uint32_t count_cores(void)
{
    io_iterator_t found = 0;
    int64_t cores = 0;
    const CFStringRef key =
        CFStringCreateWithCString(NULL, "gpu-core-count", kCFStringEncodingUTF8);
    /* 0 is the main port: its name changed with macOS 12. */
    if (key == NULL || IOServiceGetMatchingServices(
                           0, IOServiceMatching("AGXAccelerator"), &found) != KERN_SUCCESS) {
        if (key != NULL) {
            CFRelease(key);
        }
        return 0;
    }
    io_registry_entry_t entry = 0;
    while ((entry = IOIteratorNext(found)) != 0) {
        const CFTypeRef value =
            IORegistryEntrySearchCFProperty(entry, kIOServicePlane, key, NULL, 0);
        if (value != NULL) {
            if (CFGetTypeID(value) == CFNumberGetTypeID()) {
                (void)CFNumberGetValue((CFNumberRef)value, kCFNumberSInt64Type, &cores);
            }
            CFRelease(value);
        }
        (void)IOObjectRelease(entry);
    }
    (void)IOObjectRelease(found);
    CFRelease(key);
    return cores > 0 && cores < 10000 ? (uint32_t)cores : 0;
}

void mf_metal_facts_read(mf_metal_facts *facts)
{
    *facts = (mf_metal_facts){.cores = count_cores()};
    int32_t limit = 0;
    size_t size = sizeof facts->chip;
    if (sysctlbyname("machdep.cpu.brand_string", facts->chip, &size, NULL, 0) != 0) {
        facts->chip[0] = '\0';
    }
    size = sizeof facts->memory_bytes;
    if (sysctlbyname("hw.memsize", &facts->memory_bytes, &size, NULL, 0) != 0) {
        facts->memory_bytes = 0;
    }
    /* Absent on old systems; 0 is the default of about two thirds to three quarters. */
    size = sizeof limit;
    if (sysctlbyname("iogpu.wired_limit_mb", &limit, &size, NULL, 0) == 0) {
        facts->wired_limit_mb = limit;
    }
}
