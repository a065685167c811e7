/* Stand-in for Apple's header: what src/calibrate/metal_facts.c uses of it, and no more. */
#ifndef MF_FAKE_IOKIT_H
#define MF_FAKE_IOKIT_H

#include <CoreFoundation/CoreFoundation.h>

typedef int kern_return_t;
typedef uint32_t mach_port_t;
typedef mach_port_t io_object_t;
typedef io_object_t io_iterator_t;
typedef io_object_t io_registry_entry_t;
typedef uint32_t IOOptionBits;
#define KERN_SUCCESS 0
#define kIOServicePlane "IOService"

CFMutableDictionaryRef IOServiceMatching(const char *name);
kern_return_t IOServiceGetMatchingServices(mach_port_t port, CFDictionaryRef matching, io_iterator_t *found);
io_object_t IOIteratorNext(io_iterator_t iterator);
CFTypeRef IORegistryEntrySearchCFProperty(
    io_registry_entry_t entry, const char *plane, CFStringRef key, CFAllocatorRef allocator, IOOptionBits options);
kern_return_t IOObjectRelease(io_object_t object);

#endif
