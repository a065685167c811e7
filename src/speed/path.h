/*
 * path.h - which parts of a model run where, and how their times join into one step.
 *
 * Layers on several devices and on the host's CPU run one after the other: their times add. A tensor split runs on all
 * devices at once and pays for two reductions per layer. Host weights are copied to the device for long prompts.
 */
#ifndef MF_SPEED_PATH_H
#define MF_SPEED_PATH_H

#include "memfit/memory.h"
#include "speed/law.h"

typedef struct mf_segment {
    mf_work work;
    mf_peaks peaks;
    mf_knobs knobs;
    mf_setting setting;
} mf_segment;

typedef struct mf_path {
    mf_segment segments[MF_MAX_PLACES];
    size_t n_segments;
    bool parallel; /* tensor split: the slowest segment counts */
    size_t
        n_pipelined; /* layer split: micro-batches of a prompt follow each other through the devices */
    bool overlaps; /* they do so at the same time */
    double hops;   /* moves of the hidden state per token, or reductions */
    double hop_latency_s;
    double hop_bytes; /* per token */
    double link_bytes_per_s;
    bool link_assumed;
    mf_work
        streamed; /* host weights that a prompt's micro-batches copy to the device; read_bytes 0: none */
    double stream_bytes_per_s; /* 0: not known */
    uint64_t n_batch;
    bool on_host; /* some weights run on the CPU */
} mf_path;

typedef struct mf_path_time {
    double total_s;
    double bandwidth_s;
    double compute_s;
    double unpack_s; /* of quantized weights */
    double overhead_s;
    double link_s;
    double ceiling_s; /* at full peaks */
    double log_sd;    /* of the least certain segment (spread.h) */
} mf_path_time;

/* memory may be NULL: devices then share the layers equally. *reason (static storage) is set when there is no ground for
   a speed; *path is then not written and MF_OK returned. */
mf_status mf_path_build(mf_path *path,
                        const char **reason,
                        const mf_case *run,
                        const mf_tensor_type *types,
                        const mf_memory *memory,
                        const mf_calibration *calibration,
                        mf_error *err);

/* Seconds per output token. */
mf_path_time mf_path_decode(const mf_path *path, mf_step step);

/* Seconds for the tokens of a prompt. False, and *reason set, where the matrix peak or the host link is not known. */
bool mf_path_prefill(mf_path_time *time, const char **reason, const mf_path *path, mf_step step);

/* The same of one segment, and what it adds to others: segments run at once (the longest counts) or one by one. */
mf_path_time mf_segment_decode(const mf_segment *segment, mf_step step);
void mf_path_join(mf_path_time *sum, const mf_path_time *one, bool parallel);

/* Seconds that tokens take from device to device, in so many micro-batches. */
double mf_path_hop_s(const mf_path *path, double n_tokens, double n_batches);

/* Micro-batch and cache widths of a workload; depth and tokens are the caller's to set. */
mf_step mf_step_of(const mf_workload *workload);

mf_runtime mf_runtime_of(mf_engine_id engine, mf_backend backend);

#endif
