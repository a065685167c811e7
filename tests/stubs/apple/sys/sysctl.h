/* The part of macOS that src/detect/macos.c needs, played by tests/stubs/apple/fake.c. */
#ifndef MF_STUBS_APPLE_SYSCTL_H
#define MF_STUBS_APPLE_SYSCTL_H
#include <stddef.h>
int sysctlbyname(const char *name, void *old, size_t *old_size, void *value, size_t size);
#endif
