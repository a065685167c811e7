/* Stand-in for Apple's header. */
#ifndef MF_FAKE_SYSCTL_H
#define MF_FAKE_SYSCTL_H

#include <stddef.h>

int sysctlbyname(const char *name, void *value, size_t *size, void *new_value, size_t new_size);

#endif
