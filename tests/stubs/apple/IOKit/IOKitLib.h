#ifndef MF_STUBS_APPLE_IOKIT_H
#define MF_STUBS_APPLE_IOKIT_H
#include <CoreFoundation/CoreFoundation.h>
typedef unsigned io_service_t;
typedef struct fake_dictionary *CFMutableDictionaryRef;
#define kIOServicePlane "IOService"
CFMutableDictionaryRef IOServiceMatching(const char *name);
io_service_t IOServiceGetMatchingService(unsigned port, CFMutableDictionaryRef matching);
CFTypeRef IORegistryEntrySearchCFProperty(io_service_t entry,
                                          const char *plane,
                                          CFStringRef key,
                                          CFAllocatorRef allocator,
                                          unsigned options);
int IOObjectRelease(io_service_t object);
#endif
