/* NVIDIA's management library as a test needs it: MEMFIT_FAKE_NVML holds "name=MiB" entries with ';' between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED 999

typedef struct memory {
    unsigned long long total, free, used;
} memory;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *count);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int nvmlDeviceGetName(void *device, char *name, unsigned size);
int nvmlDeviceGetMemoryInfo(void *device, memory *memory);

static const char *entry(size_t index)
{
    const char *text = getenv("MEMFIT_FAKE_NVML");
    for (; text != NULL && index > 0; index--) {
        text = strchr(text, ';');
        text = text != NULL ? text + 1 : NULL;
    }
    return text;
}

int nvmlInit_v2(void)
{
    return entry(0) != NULL ? 0 : FAILED;
}

int nvmlShutdown(void)
{
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = 0;
    while (entry(*count) != NULL) {
        (*count)++;
    }
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    *device = (void *)(size_t)(index + 1);
    return 0;
}

int nvmlDeviceGetName(void *device, char *name, unsigned size)
{
    const char *text = entry((size_t)device - 1);
    snprintf(name, size, "%.*s", (int)strcspn(text, "="), text);
    return 0;
}

int nvmlDeviceGetMemoryInfo(void *device, memory *memory)
{
    const char *text = strchr(entry((size_t)device - 1), '=');
    memory->total = text != NULL ? strtoull(text + 1, NULL, 10) << 20 : 0;
    return text != NULL ? 0 : FAILED;
}
