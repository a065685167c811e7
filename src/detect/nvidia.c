/*
 * nvidia.c - NVIDIA's management library, loaded at run time: part of the driver, its C interface is stable
 * (nvml.h, nvmlInit_v2 and later).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "detect/internal.h"

typedef struct nvml_memory {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
} nvml_memory;

typedef void *nvml_device;

enum { NVML_SUCCESS = 0 };

typedef struct nvml {
    void *library;
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *count);
    int (*handle)(unsigned index, nvml_device *device);
    int (*name)(nvml_device device, char *name, unsigned size);
    int (*memory)(nvml_device device, nvml_memory *memory);
} nvml;

/* POSIX lets an object pointer from dlsym be used as a function's; ISO C has no cast for it. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool load(nvml *n, const char *path)
{
    n->library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    return n->library != NULL && find(n->library, "nvmlInit_v2", &n->init) &&
           find(n->library, "nvmlShutdown", &n->shutdown) &&
           find(n->library, "nvmlDeviceGetCount_v2", &n->count) &&
           find(n->library, "nvmlDeviceGetHandleByIndex_v2", &n->handle) &&
           find(n->library, "nvmlDeviceGetName", &n->name) &&
           find(n->library, "nvmlDeviceGetMemoryInfo", &n->memory);
}

static void add_cards(mf_detected *out, const nvml *n)
{
    unsigned count = 0;
    if (n->count(&count) != NVML_SUCCESS) {
        return;
    }
    for (unsigned i = 0; i < count && out->n_gpus < MF_MAX_GPUS; i++) {
        nvml_device device = NULL;
        nvml_memory memory = {0};
        char name[96] = "";
        if (n->handle(i, &device) != NVML_SUCCESS ||
            n->name(device, name, sizeof name) != NVML_SUCCESS) {
            continue;
        }
        name[sizeof name - 1] = '\0';
        mf_gpu *gpu = &out->gpus[out->n_gpus++];
        mf_detect_copy(gpu->name, sizeof gpu->name, name);
        if (n->memory(device, &memory) == NVML_SUCCESS) {
            gpu->memory_bytes = memory.total;
        }
    }
}

void mf_detect_nvidia(mf_detected *out, const mf_detect_places *places)
{
    nvml n = {0};
    if (load(&n, places->nvml != NULL ? places->nvml : "libnvidia-ml.so.1")) {
        if (n.init() == NVML_SUCCESS) {
            add_cards(out, &n);
            (void)n.shutdown();
        } else {
            (void)snprintf(out->note,
                           sizeof out->note,
                           "NVIDIA's driver does not answer: is it loaded? (nvidia-smi tells)");
        }
    }
    if (n.library != NULL) {
        (void)dlclose(n.library);
    }
}
