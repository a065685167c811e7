#include "speed/law.h"

#include <math.h>

#define ETA_LIMIT 0.97
#define SHARPNESS 20.0
#define LEAST_SLOWDOWN (1 / ETA_LIMIT) /* factors on a time at full peak */
/* MLX's first chunk of a prompt takes 10 to 13 ms a GB of weights longer than the others, on an M5 Max and on an M2 Max, of
   dense models and of mixtures: 169, 236 and 510 ms for 128, 512 and 2048 tokens of Gemma 4 26B in 4 bits. */
#define MLX_MAPPED_BYTES_PER_S 95e9
/* ROCm's flash attention reads the cache once for so many queries: Llama 2 7B, 32 KV heads, takes 27 s for 2048 tokens at
   65 536 on a Strix Halo, where a model with 8 KV heads and more products takes 7. */
#define ROCM_QUERY_TILE 16.0
#define CACHE_OVERLAP 4.0 /* of that reading and the products */
/* CUDA and ROCm have kernels that multiply all packed experts of a layer; those in 16 bits are multiplied one by one: three
   matrices of three launches (gather, product, scatter) of 4 us, which is what a launch takes in ROCm's layers. */
#define EXPERT_LOOP_S 36e-6
/* Two R9700 with 64 MiB read Devstral 2's cache, 12 query heads a KV head, at 1.1 times its bytes; a Strix Halo reads at three
   times (MiniMax M2, 6 query heads). */
#define KEEPING_CACHE_BYTES (32.0 * 1024 * 1024)
#define ACTIVATION_BYTES                                                                           \
    4.0 /* llama.cpp keeps them in F32; MLX, in 16 bits, has a factor of its own */
#define REFERENCE_CLOCK_HZ 1.4e9
#define APPLE_FLOP_PER_CORE_AND_CLOCK 256.0 /* 128 lanes, FMA = 2 */
#define REFERENCE_W_PER_FLOP_PER_S 1.4e-12  /* RTX 4090, RTX 5090 */
#define MOST_CORES_OF_A_DIE 40.0            /* Apple: an Ultra is two dies joined, M1 to M5 */

double mf_soft_eta(double eta, double *ease)
{
    /* Half of the limit to the 20th power is a millionth: no need to compute it. */
    if (eta < ETA_LIMIT / 2) {
        *ease = 1;
        return eta;
    }
    const double below = pow(eta / ETA_LIMIT, SHARPNESS);
    *ease = 1 / (1 + below);
    return eta * pow(1 + below, -1 / SHARPNESS);
}

/* max(1, ratio) with the same soft corner. */
static double soft_above(double ratio, double *ease)
{
    if (ratio > 2) {
        *ease = 1;
        return ratio;
    }
    const double high = pow(ratio, SHARPNESS);
    *ease = high / (1 + high);
    return pow(1 + high, 1 / SHARPNESS);
}

double mf_soft_slowdown(double factor, double *ease)
{
    return 1 / mf_soft_eta(1 / factor, ease);
}

/* Higher bits come on top of all the work that the lower ones are, so a format costs no less than the one below it in its
   kind; those with the fewest bits come first. Q8_0 is none: whole bytes need no unpacking. */
static const struct {
    mf_format low;
    mf_format high;
} more_bits[] = {
    {MF_FORMAT_Q4_0, MF_FORMAT_Q5_0},
    {MF_FORMAT_Q4_K, MF_FORMAT_Q5_K},
    {MF_FORMAT_Q5_K, MF_FORMAT_Q6_K},
};
#define N_MORE_BITS (sizeof more_bits / sizeof more_bits[0])

mf_format mf_format_below(mf_format format)
{
    for (size_t i = 0; i < N_MORE_BITS; i++) {
        if (more_bits[i].high == format) {
            return more_bits[i].low;
        }
    }
    return MF_FORMAT_COUNT;
}

static void order_lanes(mf_knobs *knobs)
{
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        knobs->lane_ease[f] = 1;
    }
    for (size_t i = 0; i < N_MORE_BITS; i++) {
        const mf_format high = more_bits[i].high;
        const double above =
            soft_above(knobs->lane[high] / knobs->lane[more_bits[i].low], &knobs->lane_ease[high]);
        knobs->lane[high] = knobs->lane[more_bits[i].low] * above;
    }
}

void mf_knobs_limit(mf_knobs *knobs)
{
    static const mf_knob slowdowns[] = {MF_KNOB_KV, MF_KNOB_EXPERT, MF_KNOB_ATTENTION};
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        knobs->ease[k] = 1;
    }
    for (size_t i = 0; i < sizeof slowdowns / sizeof slowdowns[0]; i++) {
        double *value = &knobs->value[slowdowns[i]];
        *value = mf_soft_slowdown(*value, &knobs->ease[slowdowns[i]]);
    }
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        knobs->work[f] = mf_soft_slowdown(knobs->work[f], &knobs->work_ease[f]);
    }
    order_lanes(knobs);
    double *latent = &knobs->value[MF_KNOB_ATTENTION_MLA];
    *latent = fmax(*latent, LEAST_SLOWDOWN / knobs->value[MF_KNOB_ATTENTION]);
    double *eta = &knobs->value[MF_KNOB_ETA];
    *eta = mf_soft_eta(*eta, &knobs->ease[MF_KNOB_ETA]);
}

bool mf_lacks_bf16_experts(mf_runtime runtime)
{
    return runtime == MF_RUNTIME_VULKAN || runtime == MF_RUNTIME_VULKAN_2025 ||
           runtime == MF_RUNTIME_VULKAN_AMDVLK;
}

static bool loops_experts(mf_runtime runtime)
{
    const mf_runtime mature = mf_runtime_mature(runtime);
    return mature == MF_RUNTIME_ROCM || mature == MF_RUNTIME_CUDA || mature == MF_RUNTIME_CUDA_2024;
}

mf_knobs mf_knobs_start(const mf_setting *setting)
{
    const bool mlx = setting->runtime == MF_RUNTIME_MLX;
    const bool tiles = setting->runtime == MF_RUNTIME_ROCM && setting->flash_attention;
    const mf_cache_reading reading = mlx                              ? MF_READ_BY_HEAD
                                     : tiles && !setting->keeps_reads ? MF_READ_BY_TILE
                                                                      : MF_READ_ONCE;
    return (mf_knobs){.skips_tail = mlx, /* it computes lazily: of a chunk what fills the caches */
                      .reading = reading,
                      .mapped_bytes_per_s = mlx ? MLX_MAPPED_BYTES_PER_S : 0,
                      .expert_loop_s = loops_experts(setting->runtime) ? EXPERT_LOOP_S : 0,
                      .query_tile = tiles ? ROCM_QUERY_TILE : 0,
                      .keeps_scores = !setting->flash_attention};
}

mf_knobs mf_knobs_of(const mf_calibration *calibration, const mf_setting *setting)
{
    const mf_knob_logs logs = mf_calibration_logs(calibration, setting);
    mf_knobs knobs = mf_knobs_start(setting);
    knobs.variances = logs.variances;
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        knobs.value[k] = exp(logs.value[k]);
    }
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        knobs.lane[f] = exp(logs.lane[f]);
        knobs.work[f] = exp(logs.work[f]);
    }
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        knobs.scale[t] = exp(logs.test[t]);
    }
    if (!mf_lacks_bf16_experts(setting->runtime)) {
        knobs.value[MF_KNOB_SLOT] = 0;
    }
    mf_knobs_limit(&knobs);
    return knobs;
}

mf_setting mf_setting_of(const mf_device *device,
                         mf_runtime runtime,
                         bool flash_attention,
                         const char *architecture)
{
    mf_setting setting = {.chip = device->id,
                          .architecture = architecture,
                          .chip_class = device->chip_class,
                          .generation = mf_generation_of(device->architecture),
                          .runtime = runtime,
                          .flash_attention = flash_attention,
                          .keeps_reads = device->cache_bytes.known &&
                                         device->cache_bytes.value >= KEEPING_CACHE_BYTES};
    /* Apple's cores are alike but for their clock, and a kernel's launch takes so many clocks. */
    if (device->vendor == MF_VENDOR_APPLE && device->cores.known && device->cores.value > 0 &&
        device->fp32_flop_per_s.known) {
        const double clock_hz =
            device->fp32_flop_per_s.value / (device->cores.value * APPLE_FLOP_PER_CORE_AND_CLOCK);
        setting.clock_log = log(clock_hz / REFERENCE_CLOCK_HZ);
        setting.extra_dies = device->cores.value > MOST_CORES_OF_A_DIE ? 1 : 0;
    }
    /* Cards of one chip with half the power don't keep the clock that the peak is stated at. */
    if (device->vendor == MF_VENDOR_NVIDIA && device->power_w.known &&
        device->fp16_matrix_flop_per_s.known) {
        setting.power_log = log(device->power_w.value / device->fp16_matrix_flop_per_s.value /
                                REFERENCE_W_PER_FLOP_PER_S);
    }
    return setting;
}

/* t = (a^p + b^p)^(1/p), written so that neither power overflows. */
static double joined(double a, double b, double p)
{
    const double high = fmax(a, b);
    const double low = fmin(a, b);
    return high > 0 ? high * pow(1 + pow(low / high, p), 1 / p) : 0;
}

mf_decode_time
mf_law_decode(const mf_work *work, const mf_peaks *peaks, const mf_knobs *knobs, mf_step step)
{
    /* The mean over a run is the time at its middle: the law is affine in depth but for the windows. */
    const double n = step.depth + step.n_tokens / 2;
    const double bandwidth = peaks->bandwidth_bytes_per_s;
    mf_decode_time t = {0};
    t.memory_s =
        (work->read_bytes + 2 * work->state_bytes) / (knobs->value[MF_KNOB_ETA] * bandwidth);
    if (peaks->lane_flop_per_s > 0) {
        for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
            t.lane_s[f] = 2 * work->read_weights[f] * knobs->lane[f] / peaks->lane_flop_per_s;
            t.lanes_s += t.lane_s[f];
        }
        t.mla_s = knobs->value[MF_KNOB_MLA] * mf_work_attention_flop(work, n, true) /
                  peaks->lane_flop_per_s;
    }
    t.weights_s = joined(t.memory_s, t.lanes_s, peaks->overlap);
    /* llama.cpp's CPU kernels walk the cache once a query head: time follows the products (README of cpu_speed.csv). */
    const double kv_bytes = peaks->attention_by_flop
                                ? mf_work_attention_flop(work, n, false) / MF_FLOP_PER_CACHED_BYTE
                                : mf_work_kv_time_bytes(work, step.cache, knobs->reading, n);
    t.kv_s = knobs->value[MF_KNOB_KV] * kv_bytes / bandwidth;
    t.layer_s = work->n_layers * knobs->value[MF_KNOB_LAYER];
    t.moe_s = work->n_moe_layers * knobs->value[MF_KNOB_MOE];
    t.linear_s = work->n_linear_layers * knobs->value[MF_KNOB_LINEAR];
    t.slot_s = work->bf16_experts * knobs->value[MF_KNOB_SLOT];
    t.total_s = t.weights_s + t.kv_s + t.mla_s + t.layer_s + t.moe_s + t.linear_s + t.slot_s;
    t.total_s = fmax(t.total_s * knobs->scale[MF_TEST_DECODE],
                     LEAST_SLOWDOWN * mf_ceiling_decode_s(work, peaks, step));
    return t;
}

static bool is_wide(mf_format format)
{
    return format == MF_FORMAT_F16 || format == MF_FORMAT_BF16;
}

double mf_product_rate(const mf_peaks *peaks, mf_format format)
{
    return format == MF_FORMAT_BF16 ? peaks->bf16_flop_per_s
           : is_wide(format)        ? peaks->matrix_flop_per_s
                                    : peaks->packed_flop_per_s;
}

double mf_attending_s(const mf_prefill_time *t)
{
    const double products = t->attention_s + t->latent_s;
    return t->cache_s > 0 ? joined(products, t->cache_s, CACHE_OVERLAP) : products;
}

mf_prefill_time
mf_law_prefill(const mf_work *work, const mf_peaks *peaks, const mf_knobs *knobs, mf_step step)
{
    const double n_batches = fmax(1, ceil(step.n_tokens / step.ubatch));
    const double attention =
        knobs->value[MF_KNOB_ATTENTION] /
        (knobs->keeps_scores ? peaks->scores_flop_per_s : peaks->attention_flop_per_s);
    const double in_batch = fmin(step.n_tokens, step.ubatch);
    const double touched = work->expert_share > 0 ? 1 - pow(1 - work->expert_share, in_batch) : 0;
    const double rows =
        work->expert_share > 0
            ? n_batches * touched * knobs->value[MF_KNOB_PADDING] / work->expert_share
            : 0;
    mf_prefill_time t = {0};
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        const double per_row = 2 * knobs->work[f] / mf_product_rate(peaks, (mf_format)f);
        const double dense =
            work->dense_weights[f] - (knobs->skips_tail ? work->tail_weights[f] : 0);
        const double experts = work->expert_weights[f];
        t.dense_s[f] = dense * step.n_tokens * per_row;
        t.expert_s[f] = experts * step.n_tokens * per_row * knobs->value[MF_KNOB_EXPERT];
        t.padding_s[f] = experts * rows * per_row;
        t.compute_s += t.dense_s[f] + t.expert_s[f] + t.padding_s[f];
    }
    const double wide = mf_work_prompt_wide_flop(work, step.depth, step.n_tokens);
    const double all = mf_work_prompt_attention_flop(work, step.depth, step.n_tokens, false);
    t.wide_s = attention * knobs->value[MF_KNOB_WIDE] * wide;
    t.attention_s = attention * (all - wide) + t.wide_s;
    t.latent_s = attention * knobs->value[MF_KNOB_ATTENTION_MLA] *
                 mf_work_prompt_attention_flop(work, step.depth, step.n_tokens, true);
    t.touch_s = n_batches * mf_work_touched_bytes(work, in_batch) / peaks->bandwidth_bytes_per_s;
    if (knobs->mapped_bytes_per_s > 0) {
        t.touch_s += work->mapped_bytes / knobs->mapped_bytes_per_s;
    }
    t.pass_s = n_batches * work->n_layers * knobs->value[MF_KNOB_PASS];
    t.loop_s = n_batches * touched * work->wide_experts * knobs->expert_loop_s +
               step.n_tokens * work->sorting_s;
    t.scan_s = step.n_tokens * work->n_linear_layers * knobs->value[MF_KNOB_SCAN];
    t.cache_s = knobs->query_tile > 0
                    ? mf_work_prompt_cache_bytes(work, step.cache, step.depth, step.n_tokens) /
                          knobs->query_tile / peaks->bandwidth_bytes_per_s
                    : 0;
    t.stream_s = step.n_tokens * ACTIVATION_BYTES *
                 (work->passed_elements - (knobs->skips_tail ? work->tail_passed_elements : 0)) *
                 knobs->value[MF_KNOB_STREAM] / peaks->bandwidth_bytes_per_s;
    t.total_s =
        t.compute_s + mf_attending_s(&t) + t.touch_s + t.pass_s + t.loop_s + t.scan_s + t.stream_s;
    t.total_s = fmax(t.total_s * knobs->scale[MF_TEST_PREFILL],
                     LEAST_SLOWDOWN * mf_ceiling_prefill_s(work, peaks, step));
    return t;
}

mf_shares mf_decode_shares(const mf_decode_time *time, const mf_peaks *peaks, const mf_knobs *knobs)
{
    /* Of t_weights = (a^p + b^p)^(1/p), a holds the share a^p / (a^p + b^p). */
    const double memory = pow(time->memory_s / time->weights_s, peaks->overlap);
    const double part = knobs->scale[MF_TEST_DECODE] / time->total_s;
    const double weights = part * time->weights_s;
    mf_shares shares = {0};
    shares.value[MF_KNOB_ETA] = -weights * memory * knobs->ease[MF_KNOB_ETA];
    for (size_t f = 0; f < MF_FORMAT_COUNT && time->lanes_s > 0; f++) {
        if (time->lane_s[f] > 0) {
            shares.lane[f] = weights * (1 - memory) * time->lane_s[f] / time->lanes_s;
        }
    }
    for (size_t i = N_MORE_BITS; i > 0; i--) {
        const mf_format high = more_bits[i - 1].high;
        shares.lane[more_bits[i - 1].low] += shares.lane[high] * (1 - knobs->lane_ease[high]);
        shares.lane[high] *= knobs->lane_ease[high];
    }
    shares.value[MF_KNOB_KV] = knobs->ease[MF_KNOB_KV] * part * time->kv_s;
    shares.value[MF_KNOB_MLA] = part * time->mla_s;
    shares.value[MF_KNOB_LAYER] = part * time->layer_s;
    shares.value[MF_KNOB_MOE] = part * time->moe_s;
    shares.value[MF_KNOB_LINEAR] = part * time->linear_s;
    shares.value[MF_KNOB_SLOT] = part * time->slot_s;
    return shares;
}

mf_shares mf_prefill_shares(const mf_prefill_time *time, const mf_knobs *knobs)
{
    const double part = knobs->scale[MF_TEST_PREFILL] / time->total_s;
    mf_shares shares = {0};
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        const double all = time->dense_s[f] + time->expert_s[f] + time->padding_s[f];
        if (!(all > 0)) {
            continue;
        }
        shares.work[f] = knobs->work_ease[f] * part * all;
        shares.value[MF_KNOB_EXPERT] += knobs->ease[MF_KNOB_EXPERT] * part * time->expert_s[f];
        shares.value[MF_KNOB_PADDING] += part * time->padding_s[f];
    }
    const double attention = time->attention_s + time->latent_s;
    /* Of (a^p + b^p)^(1/p), d ln / d ln a times the whole is a (a / whole)^(p - 1). */
    const double slope =
        time->cache_s > 0 ? pow(attention / mf_attending_s(time), CACHE_OVERLAP - 1) : 1;
    shares.value[MF_KNOB_ATTENTION] = knobs->ease[MF_KNOB_ATTENTION] * part * slope * attention;
    shares.value[MF_KNOB_WIDE] = part * slope * time->wide_s;
    shares.value[MF_KNOB_ATTENTION_MLA] = part * slope * time->latent_s;
    shares.value[MF_KNOB_PASS] = part * time->pass_s;
    shares.value[MF_KNOB_SCAN] = part * time->scan_s;
    shares.value[MF_KNOB_STREAM] = part * time->stream_s;
    return shares;
}

double mf_ceiling_decode_s(const mf_work *work, const mf_peaks *peaks, mf_step step)
{
    const double n = step.depth + step.n_tokens / 2;
    const double bytes =
        work->read_bytes + 2 * work->state_bytes + mf_work_kv_bytes(work, step.cache, n);
    return bytes / peaks->bandwidth_bytes_per_s;
}

double mf_ceiling_prefill_s(const mf_work *work, const mf_peaks *peaks, mf_step step)
{
    double flop = mf_work_prompt_attention_flop(work, step.depth, step.n_tokens, false);
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        const double weights = work->dense_weights[f] - work->tail_weights[f];
        flop += 2 * step.n_tokens * (weights + work->expert_weights[f]);
    }
    const double memory_s =
        mf_work_touched_bytes(work, step.n_tokens) / peaks->bandwidth_bytes_per_s;
    return fmax(memory_s, flop / peaks->best_op_per_s);
}
