/*
 * machine.h - devices (what computes) and machines (what one buys or rents).
 *
 * A device is a chip or card: `apple-m4-max-40c`, `nvidia-rtx-4090`. A machine has one or more of them, memory pools,
 * links and a power draw: `mac-studio-m4-max-40c-128gb`, `pc-rtx-4090-24gb`. Prices age and live apart (price.h).
 *
 * Capacities are bytes (files: GiB), bandwidths decimal bytes per second, peaks dense (no sparsity) with FMA = 2 FLOP.
 */
#ifndef MF_MEMFIT_MACHINE_H
#define MF_MEMFIT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/fact.h"
#include "memfit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MF_VENDOR_LIST(X)                                                                          \
    X(MF_VENDOR_APPLE, "apple")                                                                    \
    X(MF_VENDOR_NVIDIA, "nvidia")                                                                  \
    X(MF_VENDOR_AMD, "amd")                                                                        \
    X(MF_VENDOR_INTEL, "intel")                                                                    \
    X(MF_VENDOR_OTHER, "other")

typedef enum mf_vendor {
#define MF_VENDOR_ENUM(name, text) name,
    MF_VENDOR_LIST(MF_VENDOR_ENUM)
#undef MF_VENDOR_ENUM
} mf_vendor;

/* Chips that behave alike: the group that a chip without measurements of its own borrows its efficiencies from.
   (speed-study: classes by generation and memory kind; pooling across them doubles the error.) */
#define MF_CHIP_CLASS_LIST(X)                                                                      \
    X(MF_CLASS_APPLE_M1_M2, "apple-m1-m2", MF_VENDOR_APPLE)                                        \
    X(MF_CLASS_APPLE_M3_M4, "apple-m3-m4", MF_VENDOR_APPLE)                                        \
    X(MF_CLASS_APPLE_M5, "apple-m5", MF_VENDOR_APPLE)                                              \
    X(MF_CLASS_NVIDIA_GDDR, "nvidia-gddr", MF_VENDOR_NVIDIA)                                       \
    X(MF_CLASS_NVIDIA_HBM, "nvidia-hbm", MF_VENDOR_NVIDIA)                                         \
    X(MF_CLASS_NVIDIA_UNIFIED, "nvidia-unified", MF_VENDOR_NVIDIA)                                 \
    X(MF_CLASS_NVIDIA_PASCAL, "nvidia-pascal", MF_VENDOR_NVIDIA)                                   \
    X(MF_CLASS_AMD_GDDR, "amd-gddr", MF_VENDOR_AMD)                                                \
    X(MF_CLASS_AMD_HBM, "amd-hbm", MF_VENDOR_AMD)                                                  \
    X(MF_CLASS_AMD_UNIFIED, "amd-unified", MF_VENDOR_AMD)                                          \
    X(MF_CLASS_INTEL_ARC, "intel-arc", MF_VENDOR_INTEL)                                            \
    X(MF_CLASS_CPU, "cpu", MF_VENDOR_OTHER)                                                        \
    X(MF_CLASS_UNKNOWN, "unknown", MF_VENDOR_OTHER)

typedef enum mf_chip_class {
#define MF_CHIP_CLASS_ENUM(name, text, vendor) name,
    MF_CHIP_CLASS_LIST(MF_CHIP_CLASS_ENUM)
#undef MF_CHIP_CLASS_ENUM
        MF_CLASS_COUNT
} mf_chip_class;

/* How fast the kernels of a serving engine were measured to run on a device (hwdb/kernels.json). device_id is NULL where nobody
   has: then nothing is known. */
typedef struct mf_kernels {
    char *device_id;
    mf_fact weight_bytes_per_s;     /* products with up to 16 rows stream weights */
    mf_fact weight_32_bytes_per_s;  /* the same with 32 rows or more */
    mf_fact product_flop_per_s;     /* products of many rows, bf16 */
    mf_fact cache_bytes_per_s;      /* attention of sequences that decode */
    mf_fact attention_flop_per_s;   /* attention of a long prompt */
    mf_fact activation_bytes_per_s; /* norms, rotations and activations of many tokens */
    mf_fact kernel_s;               /* what a kernel takes at least, mean over those of a layer */
    mf_sources sources;
} mf_kernels;

typedef struct mf_device {
    char *id;
    char *name;
    char *architecture; /* "m4", "ada", "rdna3" */
    char *memory_type;  /* "LPDDR5X", "GDDR6X", "HBM3"; may be NULL */
    char *released;     /* "2024-10", may be NULL */
    char *
        host_link; /* id of the link to the host's memory (hwdb/links.json); NULL for unified memory */
    char *peer_link; /* id of the link to another device of the same kind; may be NULL */
    mf_vendor vendor;
    mf_chip_class chip_class;
    mf_fact memory_bytes; /* the card's own memory; unknown for chips whose machine decides */
    mf_fact bandwidth_bytes_per_s; /* specified peak */
    mf_fact measured_bytes_per_s;  /* best published stream measurement */
    mf_fact cores;                 /* GPU cores, SMs or compute units */
    mf_fact fp32_flop_per_s;       /* shader units */
    mf_fact int32_op_per_s;  /* shader units; NVIDIA: half of fp32 on Ampere GeForce and Ada */
    mf_fact fp16_flop_per_s; /* shader units */
    mf_fact fp16_matrix_flop_per_s; /* matrix units, fp16 accumulate */
    mf_fact bf16_matrix_flop_per_s; /* matrix units, fp32 accumulate: what most kernels use */
    mf_fact int8_matrix_op_per_s;
    mf_fact fp8_matrix_flop_per_s;
    mf_fact fp4_matrix_flop_per_s;
    mf_fact cache_bytes; /* last level cache */
    mf_fact power_w;     /* board or package power */
    mf_sources sources;
    mf_kernels kernels; /* filled by the database */
} mf_device;

typedef enum mf_pool_kind {
    MF_POOL_UNIFIED, /* one memory for CPU and GPU */
    MF_POOL_DEVICE,  /* each device that names the pool has one of its own */
    MF_POOL_HOST,    /* the computer's memory beside the devices' */
} mf_pool_kind;

typedef struct mf_pool {
    char *name;
    mf_pool_kind kind;
    mf_fact capacity_bytes;
    mf_fact
        usable_bytes; /* what the GPU may use by default, where the maker limits it; unknown: engine and OS rules */
    mf_fact bandwidth_bytes_per_s;
} mf_pool;

typedef struct mf_machine_device {
    char *device_id;
    uint32_t count;
    size_t pool;       /* index into pools */
    mf_device *device; /* owned; loaded with the machine */
} mf_machine_device;

typedef struct mf_link {
    char *id;
    char *name;
    char *
        kind; /* "host memory", "host to GPU", "GPU to GPU", "host to host", "die to die", "storage" */
    mf_fact bandwidth_bytes_per_s; /* one direction, specified */
    mf_fact measured_bytes_per_s;
    mf_fact latency_s;
    mf_sources sources;
} mf_link;

typedef struct mf_machine {
    char *id;
    char *name;
    char *released;
    char *status;      /* "current", "discontinued 2026-08-25"; may be NULL */
    char *host_link;   /* link between host and devices; NULL: the device's own */
    char *device_link; /* link between the devices of one node; may be NULL */
    char *node_link;   /* link between nodes; may be NULL */
    uint32_t
        n_nodes; /* identical computers, each with the pools and devices below; 1 for a single one */
    bool fanless; /* sustained speed falls below the burst */
    mf_pool *pools;
    size_t n_pools;
    mf_machine_device *devices;
    size_t n_devices;
    mf_link *links; /* those that the machine and its devices name, loaded with it; may be empty */
    size_t n_links;
    mf_fact idle_w;
    mf_fact max_w;
    mf_sources sources;
} mf_machine;

MF_API void mf_device_free(mf_device *device);    /* NULL is fine */
MF_API void mf_machine_free(mf_machine *machine); /* frees its devices too; NULL is fine */
MF_API void mf_link_free(mf_link *link);

/* "apple", "nvidia", ... and "apple-m3-m4", "nvidia-gddr", ... Static storage. */
MF_API const char *mf_vendor_name(mf_vendor vendor);
MF_API const char *mf_chip_class_name(mf_chip_class chip_class);
MF_API mf_vendor mf_chip_class_vendor(mf_chip_class chip_class);

/* How many devices the machine has, all nodes together. */
MF_API size_t mf_machine_count_devices(const mf_machine *machine);

/* The first pool of a kind, borrowed; NULL if there is none. */
MF_API const mf_pool *mf_machine_pool(const mf_machine *machine, mf_pool_kind kind);

/* No longer sold new, by its status: a price of it is its last one. */
MF_API bool mf_machine_is_past(const mf_machine *machine);

/* A machine from a what-if string: "mem=64GiB bw=273GB/s fp16=30TFLOP/s [fp32=..] [host=64GiB] [hostbw=90GB/s] [unified]
   [count=2] [like=apple-m3-m4]". mem and bw are required. `like` borrows the efficiencies of a chip class; where it names
   a device instead, mf_database_machine finds that device's class and this function leaves it unknown. The caller frees
   *out. MF_E_USAGE names the word. */
MF_API mf_status mf_machine_parse(mf_machine **out, const char *text, mf_error *err);

/* True if the text reads as a what-if string (has a '='). */
MF_API bool mf_machine_is_what_if(const char *text);

#ifdef __cplusplus
}
#endif

#endif
