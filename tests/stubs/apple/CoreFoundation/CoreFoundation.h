#ifndef MF_STUBS_APPLE_CORE_FOUNDATION_H
#define MF_STUBS_APPLE_CORE_FOUNDATION_H
#include <stdint.h>
typedef const void *CFTypeRef;
typedef const struct fake_number *CFNumberRef;
typedef const struct fake_string *CFStringRef;
typedef const struct fake_allocator *CFAllocatorRef;
typedef unsigned long CFTypeID;
enum { kCFNumberSInt32Type = 3 };
extern const CFAllocatorRef kCFAllocatorDefault;
CFStringRef fake_cfstr(const char *text);
#define CFSTR(text) fake_cfstr(text)
CFTypeID CFGetTypeID(CFTypeRef value);
CFTypeID CFNumberGetTypeID(void);
unsigned char CFNumberGetValue(CFNumberRef number, int type, void *value);
void CFRelease(CFTypeRef value);
#endif
