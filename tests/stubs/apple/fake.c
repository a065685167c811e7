#include "fake.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <objc/message.h>
#include <string.h>
#include <sys/sysctl.h>

fake_mac fake;
const CFAllocatorRef kCFAllocatorDefault = NULL;

static int answer_text(void *old, size_t *old_size, const char *text)
{
    const size_t n = strlen(text) + 1;
    if (*old_size < n) {
        return -1;
    }
    memcpy(old, text, n);
    *old_size = n;
    return 0;
}

static int answer_number(void *old, size_t *old_size, uint64_t value, size_t size)
{
    if (*old_size < size) {
        return -1;
    }
    memcpy(old, &value, size);
    *old_size = size;
    return 0;
}

int sysctlbyname(const char *name, void *old, size_t *old_size, void *value, size_t size)
{
    (void)value;
    (void)size;
    if (strcmp(name, "kern.osproductversion") == 0) {
        return answer_text(old, old_size, fake.version);
    }
    if (strcmp(name, "machdep.cpu.brand_string") == 0) {
        return answer_text(old, old_size, fake.chip);
    }
    if (strcmp(name, "hw.memsize") == 0) {
        return answer_number(old, old_size, fake.memory_bytes, 8);
    }
    if (strcmp(name, "hw.logicalcpu") == 0) {
        return answer_number(old, old_size, 16, 4);
    }
    if (strcmp(name, "iogpu.wired_limit_mb") == 0 && fake.wired_limit_mb > 0) {
        return answer_number(old, old_size, fake.wired_limit_mb, 4);
    }
    return -1;
}

CFStringRef fake_cfstr(const char *text)
{
    return (CFStringRef)(const void *)text;
}

CFTypeID CFGetTypeID(CFTypeRef value)
{
    (void)value;
    return 7;
}

CFTypeID CFNumberGetTypeID(void)
{
    return 7;
}

unsigned char CFNumberGetValue(CFNumberRef number, int type, void *value)
{
    if (type != kCFNumberSInt32Type) {
        return 0;
    }
    memcpy(value, number, sizeof(int32_t));
    return 1;
}

void CFRelease(CFTypeRef value)
{
    (void)value;
    fake.n_alive--;
}

CFMutableDictionaryRef IOServiceMatching(const char *name)
{
    return (CFMutableDictionaryRef)(void *)(size_t)(strcmp(name, "AGXAccelerator") == 0);
}

io_service_t IOServiceGetMatchingService(unsigned port, CFMutableDictionaryRef matching)
{
    const int found = port == 0 && matching != NULL && fake.gpu_cores > 0;
    fake.n_alive += found;
    return found ? 1 : 0;
}

CFTypeRef IORegistryEntrySearchCFProperty(io_service_t entry,
                                          const char *plane,
                                          CFStringRef key,
                                          CFAllocatorRef allocator,
                                          unsigned options)
{
    (void)allocator;
    (void)options;
    if (entry != 1 || strcmp(plane, "IOService") != 0 ||
        strcmp((const char *)(const void *)key, "gpu-core-count") != 0) {
        return NULL;
    }
    fake.n_alive++;
    return &fake.gpu_cores;
}

int IOObjectRelease(io_service_t object)
{
    fake.n_alive -= object == 1;
    return 0;
}

SEL sel_registerName(const char *name)
{
    return (SEL)(const void *)name;
}

/* The real one jumps to the method; this one knows two. Called through the method's type, as the real one is. */
static uint64_t send(id object, SEL selector)
{
    const char *name = (const char *)(const void *)selector;
    if (object == NULL) {
        return 0;
    }
    if (strcmp(name, "release") == 0) {
        fake.n_alive--;
    }
    return strcmp(name, "recommendedMaxWorkingSetSize") == 0 ? fake.working_set : 0;
}

id MTLCreateSystemDefaultDevice(void);
id MTLCreateSystemDefaultDevice(void)
{
    fake.n_alive += fake.working_set > 0;
    return fake.working_set > 0 ? (id)(void *)&fake : NULL;
}

/* objc_msgSend is `send` under another name and type. */
__attribute__((alias("send"))) void objc_msgSend(void);
