/* sysctl, Core Foundation and IOKit of a Mac that the knobs describe. Objects are numbered, and counted while they live. */
#include <IOKit/IOKitLib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysctl.h>

#include "fake_metal.h"

enum { STRING = 1, NUMBER = 2, ITERATOR = 100, ENTRY = 200 };
static int entries_left;

int sysctlbyname(const char *name, void *value, size_t *size, void *new_value, size_t new_size)
{
    (void)new_value;
    (void)new_size;
    const uint64_t memory = 16ull << 30;
    const int32_t limit = 0;
    const struct {
        const char *name;
        const void *value;
        size_t size;
    } all[] = {
        {"machdep.cpu.brand_string", fake_knobs.chip, strlen(fake_knobs.chip) + 1},
        {"hw.memsize",               &memory,         sizeof memory              },
        {"iogpu.wired_limit_mb",     &limit,          sizeof limit               }
    };
    for (int i = 0; i < 3 && !fake_knobs.no_sysctl; i++) {
        if (strcmp(all[i].name, name) == 0 && all[i].size <= *size) {
            memcpy(value, all[i].value, all[i].size);
            *size = all[i].size;
            return 0;
        }
    }
    return -1;
}

static char string_object, number_object, dictionary_object;

CFStringRef
CFStringCreateWithCString(CFAllocatorRef allocator, const char *text, CFStringEncoding encoding)
{
    (void)allocator;
    (void)encoding;
    if (strcmp(text, "gpu-core-count") != 0) {
        fprintf(stderr, "metal misuse: the key '%s'\n", text);
        fake_counts.misuse++;
    }
    fake_counts.live_c++;
    return (CFStringRef)&string_object;
}

CFTypeID CFGetTypeID(CFTypeRef object)
{
    return object == &number_object ? NUMBER : STRING;
}

CFTypeID CFNumberGetTypeID(void)
{
    return NUMBER;
}

Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value)
{
    (void)number;
    (void)type;
    const int64_t cores = fake_knobs.cores;
    memcpy(value, &cores, sizeof cores);
    return 1;
}

void CFRelease(CFTypeRef object)
{
    if (object == NULL) {
        fprintf(stderr, "metal misuse: CFRelease of NULL, which stops the program\n");
        fake_counts.misuse++;
    }
    fake_counts.live_c--;
}

CFMutableDictionaryRef IOServiceMatching(const char *name)
{
    fake_counts.live_c++;
    return strcmp(name, "AGXAccelerator") == 0 ? (CFMutableDictionaryRef)&dictionary_object : NULL;
}

/* It takes the dictionary over. */
kern_return_t
IOServiceGetMatchingServices(mach_port_t port, CFDictionaryRef matching, io_iterator_t *found)
{
    (void)port;
    fake_counts.live_c--;
    if (matching == NULL || fake_knobs.cores == 0)
        return 1;
    fake_counts.live_c++;
    entries_left = 2; /* the first has no such key */
    *found = ITERATOR;
    return KERN_SUCCESS;
}

io_object_t IOIteratorNext(io_iterator_t iterator)
{
    if (iterator != ITERATOR)
        fake_counts.misuse++;
    if (entries_left == 0)
        return 0;
    entries_left--;
    fake_counts.live_c++;
    return ENTRY + (io_object_t)entries_left;
}

CFTypeRef IORegistryEntrySearchCFProperty(io_registry_entry_t entry,
                                          const char *plane,
                                          CFStringRef key,
                                          CFAllocatorRef allocator,
                                          IOOptionBits options)
{
    (void)key;
    (void)allocator;
    (void)options;
    if (strcmp(plane, kIOServicePlane) != 0)
        fake_counts.misuse++;
    if (entry == ENTRY + 1)
        return NULL;
    fake_counts.live_c++;
    return &number_object;
}

kern_return_t IOObjectRelease(io_object_t object)
{
    if (object < ITERATOR)
        fake_counts.misuse++;
    fake_counts.live_c--;
    return KERN_SUCCESS;
}
