/*
 * detect.h - the machine that this runs on: what its system says, then the devices of hwdb that it means.
 *
 * Linux: /proc for processor and memory, NVIDIA's management library (loaded at run time, if it is there) for the
 * cards. macOS: sysctl for chip, memory and the wired limit, the IO registry for GPU cores, Metal for what its GPU may
 * use. Nothing is measured here; `memfit calibrate` does that.
 */
#ifndef MF_MEMFIT_DETECT_H
#define MF_MEMFIT_DETECT_H

#include "memfit/database.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_MAX_GPUS 16

typedef struct mf_gpu {
    char name[96];         /* as the driver says: "NVIDIA GeForce RTX 4090", "Apple M4 Max" */
    uint64_t memory_bytes; /* 0: it has none of its own */
    uint32_t cores;        /* Apple; 0: not said */
} mf_gpu;

typedef struct mf_detected {
    char system[32]; /* "Linux", "macOS 26.1" */
    char processor[96];
    uint32_t n_threads;
    uint64_t memory_bytes;
    mf_gpu gpus[MF_MAX_GPUS];
    size_t n_gpus;
    uint64_t gpu_limit_bytes;   /* what Metal lets the GPU use; 0: not said */
    uint64_t wired_limit_bytes; /* iogpu.wired_limit_mb as somebody set it; 0: the system's own */
    char note[160];             /* what could not be asked and why; may be empty */
} mf_detected;

/* Where to look; zeros mean the system's own places. For tests, and for looking at another system's files. */
typedef struct mf_detect_places {
    const char *root; /* in front of /proc and /sys */
    const char *nvml; /* path of libnvidia-ml.so.1 */
} mf_detect_places;

/* MF_E_IO if not even the memory is told. */
MF_API mf_status mf_detect(mf_detected *out, mf_detect_places places, mf_error *err);

/* The device of hwdb that a driver's name means ("NVIDIA GeForce RTX 4090", "AMD Radeon RX 7900 XTX (RADV NAVI31)"); memory and
   cores tell devices of one name apart where they are given. The caller frees *out. MF_E_UNKNOWN: none, or several alike. */
MF_API mf_status mf_detected_device(mf_device **out,
                                    const mf_gpu *gpu,
                                    const mf_database *database,
                                    mf_error *err);

/* A machine of what was detected, its devices from the database: the cards if all of them are known there, a Mac's chip
   by name and cores, otherwise the processor, whose bandwidth nobody tells (speed is then unknown until calibrated).
   The caller frees *out. MF_E_UNKNOWN names the card that hwdb lacks. */
MF_API mf_status mf_detected_machine(mf_machine **out,
                                     const mf_detected *detected,
                                     const mf_database *database,
                                     mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
