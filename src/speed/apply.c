#include <math.h>

#include "memfit/calibration.h"
#include "speed/law.h"

/*
 * A machine's own measurements as effects of its chip.
 *
 * An engine's kernels are not the microbenchmarks', so each step from one to the other has a factor and an uncertainty.
 * A knob of a GPU is the mean of what its class says and what the measurement says, weighted by both uncertainties; a CPU
 * has no rows in the fit, so its knobs are what was measured. Where the factors come from: docs/calibration.md.
 */

/* GPU: the engine's share of a streaming read, and its products' share of the best library or own kernel. */
#define GPU_ETA_OF_READ 1.02
#define GPU_ETA_LOG_SD 0.05
#define GPU_WORK_OF_GEMM 1.15
#define GPU_WORK_LOG_SD 0.2

/* CPU: llama.cpp's time over that of memfit's kernels, for the same work. */
#define CPU_ETA_OF_READ 0.92
#define CPU_CACHE 1.0
#define CPU_ATTENTION 0.25 /* a prompt's attention works in tiles: a quarter of a token's cost */
#define CPU_EXPERT 1.8
#define CPU_LAUNCHES_PER_LAYER 16.0
#define CPU_LEAST_LAUNCH_S 0.5e-6
#define CPU_DECODE_WIDTH 0.25
#define CPU_PREFILL_WIDTH 0.3

#define SDS_OF_90_PERCENT 1.645

typedef struct applier {
    const mf_calibration *calibration;
    const mf_record *record;
    mf_chip_effects *chip;
    mf_peaks peaks;
    mf_setting setting; /* without the chip: what its class says */
} applier;

static double class_value(const applier *a, mf_knob knob, mf_format format)
{
    return mf_calibration_value(a->calibration, knob, &a->setting, format);
}

/* Draws a knob from what its class, or the chip's own rows, say towards a value that is known to log_sd; 0: it is known. */
static void draw(applier *a, mf_knob knob, double value, double log_sd)
{
    mf_effect *effect = &a->chip->knobs[knob];
    const bool own = effect->n_rows > 0;
    const double prior_mean = own ? effect->log_value : 0;
    const double prior_sd = own ? effect->log_sd : mf_chip_effect_sd(knob);
    const double distance = log(value / class_value(a, knob, MF_FORMAT_F16)) - prior_mean;
    double weight = 1;
    double sd = log_sd;
    if (log_sd > 0 && prior_sd > 0) {
        const double prior = 1 / (prior_sd * prior_sd);
        const double measured = 1 / (log_sd * log_sd);
        weight = measured / (prior + measured);
        sd = sqrt(1 / (prior + measured));
    }
    *effect = (mf_effect){
        .log_value = prior_mean + weight * distance, .log_sd = sd, .n_rows = effect->n_rows + 1};
}

/* ln of how far a test's rate may be from the machine's: its median's interval, and what its best sample shows that the
   machine can do while nothing else runs. */
static double spread_of(const mf_record_result *r)
{
    const double above = r->high_s.known ? log(r->high_s.value / r->median_s.value) : 0;
    const double below = r->best_s.value > 0 ? log(r->median_s.value / r->best_s.value) : 0;
    return fmax(0, fmax(above, below));
}

/* Root mean square over the tests that were measured. */
static double spread_of_all(const mf_record *record, const mf_probe *probes, size_t n_probes)
{
    double squares = 0;
    size_t n = 0;
    for (size_t i = 0; i < n_probes; i++) {
        const mf_record_result *r = mf_record_find(record, probes[i]);
        squares += r != NULL ? pow(spread_of(r), 2) : 0;
        n += r != NULL ? 1 : 0;
    }
    return n > 0 ? sqrt(squares / (double)n) : 0;
}

/* With the test's own spread, which holds about nine in ten, as an interval does. */
static double sd_with(double log_sd, const mf_record_result *r)
{
    return hypot(log_sd, spread_of(r) / SDS_OF_90_PERCENT);
}

static void apply_gpu(applier *a)
{
    const double read = mf_record_rate(a->record, MF_PROBE_READ);
    static const mf_probe products[] = {MF_PROBE_GEMM_F32,
                                        MF_PROBE_GEMM_F32_OWN,
                                        MF_PROBE_GEMM_F16,
                                        MF_PROBE_GEMM_F16_OWN,
                                        MF_PROBE_GEMM_F16_TENSOR};
    double best = 0;
    mf_probe fastest = products[0];
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        const double rate = mf_record_rate(a->record, products[i]);
        fastest = rate > best ? products[i] : fastest;
        best = fmax(best, rate);
    }
    draw(a,
         MF_KNOB_ETA,
         GPU_ETA_OF_READ * read / a->peaks.bandwidth_bytes_per_s,
         sd_with(GPU_ETA_LOG_SD, mf_record_find(a->record, MF_PROBE_READ)));
    a->chip->calibrated[MF_TEST_DECODE] = true;
    if (best > 0 && a->peaks.matrix_flop_per_s > 0) {
        const double slowdown = GPU_WORK_OF_GEMM * a->peaks.matrix_flop_per_s / best;
        draw(a,
             MF_KNOB_WORK,
             slowdown,
             sd_with(GPU_WORK_LOG_SD, mf_record_find(a->record, fastest)));
        a->chip->calibrated[MF_TEST_PREFILL] = true;
    }
}

/* Which test stands for a format, and llama.cpp's time over that test's: of one token, and of a prompt. Repacked formats
   (Q4_0, Q4_K) gain most in a prompt, where eight rows are unpacked for many columns. */
static const struct {
    mf_probe unpack;
    mf_probe prompt;
    double unpack_cost;
    double prompt_cost;
} cpu_formats[MF_FORMAT_COUNT] = {
    [MF_FORMAT_F16] = {MF_PROBE_UNPACK_F16,  MF_PROBE_GEMM_F32,    1,    1.15},
    [MF_FORMAT_BF16] = {MF_PROBE_UNPACK_F16,  MF_PROBE_GEMM_F32,    1,    1.15},
    [MF_FORMAT_Q8_0] = {MF_PROBE_UNPACK_Q8_0, MF_PROBE_PROMPT_Q8_0, 1.1,  1.2 },
    [MF_FORMAT_Q6_K] = {MF_PROBE_UNPACK_Q4_K, MF_PROBE_PROMPT_Q4_K, 1.4,  1.3 },
    [MF_FORMAT_Q5_K] = {MF_PROBE_UNPACK_Q4_K, MF_PROBE_PROMPT_Q4_K, 1.25, 1.2 },
    [MF_FORMAT_Q4_K] = {MF_PROBE_UNPACK_Q4_K, MF_PROBE_PROMPT_Q4_K, 1,    0.68},
    [MF_FORMAT_Q3_K] = {MF_PROBE_UNPACK_Q4_K, MF_PROBE_PROMPT_Q4_K, 1.4,  1.3 },
    [MF_FORMAT_Q4_0] = {MF_PROBE_UNPACK_Q4_0, MF_PROBE_PROMPT_Q4_0, 0.85, 0.6 },
    [MF_FORMAT_Q5_0] = {MF_PROBE_UNPACK_Q4_0, MF_PROBE_PROMPT_Q8_0, 1.25, 1.3 },
    [MF_FORMAT_IQ] = {MF_PROBE_UNPACK_Q4_K, MF_PROBE_PROMPT_Q4_K, 2,    2   },
    [MF_FORMAT_MXFP4] = {MF_PROBE_UNPACK_Q4_0, MF_PROBE_PROMPT_Q4_0, 1.1,  0.8 },
    [MF_FORMAT_MLX4] = {MF_PROBE_UNPACK_Q4_0, MF_PROBE_PROMPT_Q4_0, 1,    1   },
    [MF_FORMAT_MLX8] = {MF_PROBE_UNPACK_Q8_0, MF_PROBE_PROMPT_Q8_0, 1,    1   },
    [MF_FORMAT_FP8] = {MF_PROBE_UNPACK_Q8_0, MF_PROBE_PROMPT_Q8_0, 2,    2   },
    [MF_FORMAT_INT4] = {MF_PROBE_UNPACK_Q4_0, MF_PROBE_PROMPT_Q4_0, 1,    1   },
};

static double best_gemm(const mf_record *record)
{
    return fmax(mf_record_rate(record, MF_PROBE_GEMM_F32),
                mf_record_rate(record, MF_PROBE_GEMM_F32_OWN));
}

static void apply_cpu_formats(applier *a)
{
    static const mf_probe prompts[] = {
        MF_PROBE_PROMPT_Q8_0, MF_PROBE_PROMPT_Q4_0, MF_PROBE_PROMPT_Q4_K, MF_PROBE_GEMM_F32};
    bool all = true;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        const mf_format format = (mf_format)f;
        const bool whole = cpu_formats[f].prompt == MF_PROBE_GEMM_F32;
        const double unpack = mf_record_rate(a->record, cpu_formats[f].unpack);
        const double prompt =
            whole ? best_gemm(a->record) : mf_record_rate(a->record, cpu_formats[f].prompt);
        if (unpack > 0) {
            const double slots = cpu_formats[f].unpack_cost * a->peaks.lane_flop_per_s / unpack;
            a->chip->lane_log[f] = log(slots / class_value(a, MF_KNOB_LANE, format));
        }
        if (prompt > 0) {
            const double slowdown =
                cpu_formats[f].prompt_cost * a->peaks.matrix_flop_per_s / prompt;
            a->chip->work_log[f] = log(slowdown / class_value(a, MF_KNOB_WORK, format));
        }
        all = all && prompt > 0;
    }
    a->chip->calibrated[MF_TEST_PREFILL] = all;
    a->chip->half_width_log[MF_TEST_PREFILL] = hypot(
        CPU_PREFILL_WIDTH, spread_of_all(a->record, prompts, sizeof prompts / sizeof prompts[0]));
}

static void apply_cpu(applier *a)
{
    static const mf_probe tokens[] = {MF_PROBE_READ,
                                      MF_PROBE_UNPACK_F16,
                                      MF_PROBE_UNPACK_Q8_0,
                                      MF_PROBE_UNPACK_Q4_0,
                                      MF_PROBE_UNPACK_Q4_K,
                                      MF_PROBE_KV_F16};
    const double bandwidth = a->peaks.bandwidth_bytes_per_s;
    const double cache = mf_record_rate(a->record, MF_PROBE_KV_F16);
    const mf_record_result *launch = mf_record_find(a->record, MF_PROBE_LAUNCH);
    draw(a, MF_KNOB_ETA, CPU_ETA_OF_READ * mf_record_rate(a->record, MF_PROBE_READ) / bandwidth, 0);
    if (cache > 0) {
        const double flop = MF_FLOP_PER_CACHED_BYTE * cache;
        draw(a, MF_KNOB_KV, CPU_CACHE * bandwidth / cache, 0);
        draw(a, MF_KNOB_ATTENTION, CPU_ATTENTION * a->peaks.matrix_flop_per_s / flop, 0);
    }
    if (launch != NULL) {
        /* The best: whatever else the computer does holds up a barrier more than anything. */
        const double layer_s =
            CPU_LAUNCHES_PER_LAYER * fmax(launch->best_s.value, CPU_LEAST_LAUNCH_S);
        draw(a, MF_KNOB_LAYER, layer_s, 0);
        draw(a, MF_KNOB_PASS, layer_s, 0);
        draw(a, MF_KNOB_MOE, layer_s / 2, 0);
    }
    draw(a, MF_KNOB_EXPERT, CPU_EXPERT, 0);
    a->chip->calibrated[MF_TEST_DECODE] = true;
    a->chip->half_width_log[MF_TEST_DECODE] =
        hypot(CPU_DECODE_WIDTH, spread_of_all(a->record, tokens, sizeof tokens / sizeof tokens[0]));
    apply_cpu_formats(a);
}

/* Which runtime's coefficients the measured chip would use; its own effects are the same for all of them. */
static mf_runtime runtime_of(const mf_calibration *calibration, const mf_record *record)
{
    static const mf_runtime of_backend[] = {[MF_PROBE_BACKEND_METAL] = MF_RUNTIME_METAL,
                                            [MF_PROBE_BACKEND_CUDA] = MF_RUNTIME_CUDA,
                                            [MF_PROBE_BACKEND_OPENCL] = MF_RUNTIME_VULKAN,
                                            [MF_PROBE_BACKEND_CPU] = MF_RUNTIME_CPU,
                                            [MF_PROBE_BACKEND_FAKE] = MF_RUNTIME_VULKAN};
    const bool mlx = calibration->engine != NULL && calibration->engine[0] == 'm';
    return mlx ? MF_RUNTIME_MLX : of_backend[record->backend];
}

mf_status mf_calibration_apply(mf_calibration *calibration,
                               const mf_record *record,
                               const mf_device *device,
                               mf_error *err)
{
    const char *reason = NULL;
    const mf_runtime runtime = runtime_of(calibration, record);
    applier a = {.calibration = calibration, .record = record};
    if (mf_record_find(record, MF_PROBE_READ) == NULL) {
        return mf_fail(err, MF_E_DATA, "calibration '%s' has no 'read' test", record->id);
    }
    if (!mf_peaks_of(&a.peaks, &reason, device, runtime)) {
        return mf_fail(err, MF_E_DATA, "calibration '%s': %s", record->id, reason);
    }
    mf_chip_effects *chip = mf_calibration_add_chip(calibration, device->id);
    if (chip == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for chip '%s'", device->id);
    }
    a.chip = chip;
    a.setting = mf_setting_of(device, runtime, true, NULL);
    a.setting.chip = NULL;
    if (device->chip_class == MF_CLASS_CPU) {
        apply_cpu(&a);
    } else {
        apply_gpu(&a);
    }
    return MF_OK;
}
