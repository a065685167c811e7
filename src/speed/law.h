/*
 * law.h - the law of speed: seconds of one step from its work, the machine's peaks and the calibration's knobs.
 *
 * Decode, one token:
 *   t = (t_mem^p + t_lane^p)^(1/p) + t_kv + t_mla + layers t_layer + moe t_moe + linear t_linear
 *   t_mem  = (weights read + 2 state) / (eta BW)        t_lane = sum over formats 2 N c_format / P_lane
 *   t_kv   = a_kv KV(n) / BW                            t_mla  = a_mla FLOP(n) / P_lane
 *            (on a CPU FLOP(n) / 4 instead of KV(n): the bytes of an F16 cache with 4 queries a KV head)
 * Prefill of n tokens at a depth, in ceil(n / ubatch) micro-batches:
 *   t = F_dense c / P + F_expert c m / P + a F_attention / P_att + batches touched / BW + batches layers t_pass
 *       + batches touched 16 bit experts t_loop + n passes 4 (inputs + outputs of all products) / BW
 *       + n t_sort (early builds, mf_work_sorted)
 *   P differs for 16 bit and for packed weights, P_att with and without flash attention (mf_peaks).
 *
 * p: memory and unpacking overlap on Apple (a maximum with a soft corner), and add up elsewhere. P_lane: what unpacking
 * runs on, P: what matrix products run on. How the form was found and what others cost: docs/speed.md.
 */
#ifndef MF_SPEED_LAW_H
#define MF_SPEED_LAW_H

#include "memfit/calibration.h"
#include "memfit/machine.h"
#include "speed/work.h"

typedef struct mf_peaks {
    double bandwidth_bytes_per_s;
    double lane_flop_per_s;   /* 0: not known, then the law has no lane term */
    double matrix_flop_per_s; /* 0: not known, then there is no prefill */
    double bf16_flop_per_s;   /* the same for BF16 weights */
    double packed_flop_per_s; /* the same for weights that are unpacked while they are multiplied */
    double
        attention_flop_per_s; /* a prompt's attention: AMD's kernels don't use the matrix units */
    double scores_flop_per_s; /* the same without flash attention: the scores go through memory */
    double best_op_per_s;     /* highest published rate of any kind: for ceilings */
    double overlap;           /* p of the law */
    bool attention_by_flop;   /* a CPU's attention costs its products, whatever the cache's width */
    bool lanes_assumed;       /* INT32 rate not published, taken as half of FP32 */
} mf_peaks;

/* Peaks of a device as a runtime's kernels use it. *reason (static storage) says what is missing: no bandwidth, no lane rate for a class whose
   coefficients need it. Returns false then. */
bool mf_peaks_of(mf_peaks *peaks, const char **reason, const mf_device *device, mf_runtime runtime);

/* What products with weights of a format run on. */
double mf_product_rate(const mf_peaks *peaks, mf_format format);

/* Knobs of one setting. `ease` is d ln(knob as used) / d ln(knob as calibrated), below 1 where a limit of physics
   bends it. */
typedef struct mf_knobs {
    double value[MF_KNOB_COUNT];
    double lane[MF_FORMAT_COUNT];
    double work[MF_FORMAT_COUNT];
    double scale[MF_TEST_COUNT]; /* of the time, by the model's architecture */
    bool skips_tail;             /* the engine computes of a prompt what the caches need */
    bool keeps_scores;           /* flash attention is off */
    mf_cache_reading reading;
    double expert_loop_s; /* of each 16 bit expert that a prompt touches */
    double query_tile;    /* queries that read the cache at once; 0: so many that it is no matter */
    double
        mapped_bytes_per_s; /* at which a prompt's first chunk maps the weights; 0: it does not */
    double ease[MF_KNOB_COUNT];
    double lane_ease[MF_FORMAT_COUNT]; /* what is left of it goes to the format with fewer bits */
    double work_ease[MF_FORMAT_COUNT];
    mf_knob_variances variances; /* of the logarithms as calibrated */
} mf_knobs;

mf_knobs mf_knobs_of(const mf_calibration *calibration, const mf_setting *setting);

/* A setting of a device: its class, generation, clock and dies. architecture is the model's; both are borrowed. */
mf_setting mf_setting_of(const mf_device *device,
                         mf_runtime runtime,
                         bool flash_attention,
                         const char *architecture);

/* Backends without a kernel for one token and BF16 experts run the one for many, over all experts. */
bool mf_lacks_bf16_experts(mf_runtime runtime);

/* What an engine does of itself, without any coefficient. */
mf_knobs mf_knobs_start(const mf_setting *setting);

/* No stream reaches its specified peak: eta bends towards 0.97 (best seen: 0.955, RTX 4090 GEMV). */
double mf_soft_eta(double eta, double *ease);

/* No work is done faster than the peak: a slowdown bends towards 1/0.97 from above. */
double mf_soft_slowdown(double factor, double *ease);

/* One step: tokens already in the context, new tokens (decode: length of the run whose mean is meant). */
typedef struct mf_step {
    double depth;
    double n_tokens;
    double ubatch;
    mf_cache_width cache;
} mf_step;

typedef struct mf_decode_time {
    double total_s;
    double weights_s; /* memory and lanes joined */
    double memory_s;
    double lane_s[MF_FORMAT_COUNT];
    double lanes_s;
    double kv_s;
    double mla_s;
    double layer_s;
    double moe_s;
    double linear_s;
    double slot_s;
} mf_decode_time;

typedef struct mf_prefill_time {
    double total_s;
    double dense_s[MF_FORMAT_COUNT];
    double expert_s[MF_FORMAT_COUNT];
    double padding_s[MF_FORMAT_COUNT];
    double compute_s; /* these three, all formats */
    double attention_s;
    double wide_s; /* of it, heads wider than 128 */
    double latent_s;
    double cache_s; /* reading the cache while attending: joined with these two */
    double touch_s; /* reading weights, and mapping them */
    double pass_s;
    double loop_s; /* launches of experts one by one */
    double scan_s;
    double stream_s; /* activations through memory */
} mf_prefill_time;

/* A prompt's attention: its products, and the reading of the cache beside them. */
double mf_attending_s(const mf_prefill_time *time);

/* Seconds per token, and per prompt. Thread-safe. */
mf_decode_time
mf_law_decode(const mf_work *work, const mf_peaks *peaks, const mf_knobs *knobs, mf_step step);
mf_prefill_time
mf_law_prefill(const mf_work *work, const mf_peaks *peaks, const mf_knobs *knobs, mf_step step);

/* d ln(time) / d ln(knob as calibrated) of each knob: what the fit's Jacobian is made of. */
typedef struct mf_shares {
    double value[MF_KNOB_COUNT];
    double lane[MF_FORMAT_COUNT];
    double work[MF_FORMAT_COUNT];
} mf_shares;

mf_shares
mf_decode_shares(const mf_decode_time *time, const mf_peaks *peaks, const mf_knobs *knobs);
mf_shares mf_prefill_shares(const mf_prefill_time *time, const mf_knobs *knobs);

/* The format of the same kind with fewer bits, whose unpacking is a part of this one's; MF_FORMAT_COUNT without. */
mf_format mf_format_below(mf_format format);

/* Puts the limits of physics on knobs taken from a calibration. */
void mf_knobs_limit(mf_knobs *knobs);

/* The least that physics allows, whatever the software: seconds per token, and per prompt. */
double mf_ceiling_decode_s(const mf_work *work, const mf_peaks *peaks, mf_step step);
double mf_ceiling_prefill_s(const mf_work *work, const mf_peaks *peaks, mf_step step);

#endif
