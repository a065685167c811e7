/* What the fake Mac answers. */
#ifndef MF_STUBS_APPLE_FAKE_H
#define MF_STUBS_APPLE_FAKE_H
#include <stdint.h>
typedef struct fake_mac {
    const char *chip;
    const char *version;
    uint64_t memory_bytes;
    uint64_t wired_limit_mb;
    uint64_t working_set; /* 0: no Metal device */
    int32_t gpu_cores;    /* 0: no accelerator in the registry */
    int n_alive;          /* objects that were not released */
} fake_mac;
extern fake_mac fake;
#endif
