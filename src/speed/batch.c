#include "speed/batch.h"

#include <math.h>

/* Tokens choose experts alike (random ones of llama-batched-bench on GB10, 32 and 128 experts): fitted. */
#define ROUTING_SKEW 0.75
#define LEAST_SLOWDOWN (1 / 0.97) /* as the law's */

/* How an engine's kernels take several tokens. */
typedef struct kernels {
    double columns;     /* tokens that the kernel for vectors takes at once */
    double slots;       /* lane slots a weight for each further one */
    double unpacking;   /* or this share of the first one's unpacking */
    double tile;        /* tokens that the kernel for matrices computes at least, and in steps of */
    double product;     /* its time over a prompt's, per token */
    bool waits;         /* it multiplies behind the reading instead of beside it */
    double expert_from; /* from so many tokens experts run in it */
    double expert_again; /* before that: a further token's experts over the first one's */
    double
        expert_power; /* of the tokens, each with experts of its own; 0: by how many are touched */
    double expert_product;
    bool expert_tiles; /* each expert that is touched takes whole tiles, as in a prompt */
    double relaunch;   /* launches no longer recorded in a graph: times the layers' cost */
    double passes;     /* over the recurrent state of each further sequence */
    double idle;       /* attention of a matrix kernel whose query heads don't fill its 8 columns */
} kernels;

/* ggml: mul_mv_ext to 8 tokens, mul_mm in tiles of 32, mul_mv_id for each token's experts, mul_mm_id from 32
   (ggml-metal-ops.cpp). States are gathered, then scanned. Prices: llama-batched-bench on an M2 Ultra. */
#define METAL_KERNELS(column_slots)                                                                \
    {                                                                                              \
        .columns = 8, .slots = (column_slots), .tile = 32, .product = 2.05, .expert_from = 32,     \
        .expert_again = 1.75, .expert_power = 0.83, .expert_product = 1.7, .expert_tiles = true,   \
        .passes = 2                                                                                \
    }

/* mmvq to 8 tokens, then mmq, for experts from the second (ggml-cuda.cu); one graph is kept for one token only; attention
   of several streams runs in tensor tiles of 8 columns. Prices: llama-batched-bench on a GB10. */
#define CUDA_KERNELS(again, pass_count)                                                            \
    {                                                                                              \
        .columns = 8, .slots = 1.6, .tile = 1, .product = 1.1, .waits = true, .expert_from = 2,    \
        .expert_again = 1, .expert_product = 0.4, .relaunch = (again), .passes = (pass_count),     \
        .idle = 1                                                                                  \
    }

/* Backends that nobody has published such rows of take those of the kernels that they are most like. MLX's columns: 1 to 8
   sequences of Llama 3.1 8B in 4 bits on an M5 Max (AX Engine 6.13.5, MLX 0.32). */
static const kernels kernels_of[MF_RUNTIME_COUNT] = {
    [MF_RUNTIME_METAL] = METAL_KERNELS(4.3),
    [MF_RUNTIME_METAL_2024] = METAL_KERNELS(4.3),
    [MF_RUNTIME_MLX] = METAL_KERNELS(2.5),
    [MF_RUNTIME_CUDA] = CUDA_KERNELS(1.2, 10.8),
    [MF_RUNTIME_CUDA_2024] = CUDA_KERNELS(0, 10.8),
    [MF_RUNTIME_CUDA_2025] = CUDA_KERNELS(1.2, 10.8),
    [MF_RUNTIME_ROCM_2025] = CUDA_KERNELS(0, 10.8),
    [MF_RUNTIME_VULKAN_2025] = CUDA_KERNELS(0, 2),
    [MF_RUNTIME_ROCM] = CUDA_KERNELS(0, 10.8),
    [MF_RUNTIME_ROCM_WMMA] = CUDA_KERNELS(0, 10.8),
    [MF_RUNTIME_VULKAN] = CUDA_KERNELS(0, 2),
    [MF_RUNTIME_VULKAN_AMDVLK] = CUDA_KERNELS(0, 2),
    [MF_RUNTIME_SYCL] = CUDA_KERNELS(0, 2),
    [MF_RUNTIME_CPU] = {.columns = HUGE_VAL,
                        .unpacking = 1,
                        .tile = 1,
                        .product = 1,
                        .expert_from = HUGE_VAL,
                        .expert_again = 1,
                        .passes = 2},
    [MF_RUNTIME_VLLM] = CUDA_KERNELS(0, 2),
};

static double head_bytes(const mf_work *w)
{
    return w->read_bytes - w->dense_bytes - w->expert_share * w->expert_bytes;
}

typedef struct sums {
    double lanes_s; /* unpacking for one token: dense and head */
    double expert_lanes_s;
    double products_s; /* one token's in a prompt */
    double expert_products_s;
    double weights;
} sums;

static sums sum_formats(const mf_segment *s)
{
    const mf_work *w = &s->work;
    const double lane = s->peaks.lane_flop_per_s > 0 ? 2 / s->peaks.lane_flop_per_s : 0;
    sums sum = {0};
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        const double dense = w->read_weights[f] - w->expert_weights[f];
        const double rate = mf_product_rate(&s->peaks, (mf_format)f);
        const double matrix = rate > 0 ? 2 / rate : 0;
        sum.weights += dense;
        sum.lanes_s += lane * s->knobs.lane[f] * dense;
        sum.expert_lanes_s += lane * s->knobs.lane[f] * w->expert_weights[f];
        sum.products_s += matrix * s->knobs.work[f] * dense;
        sum.expert_products_s += matrix * s->knobs.work[f] * w->expert_weights[f];
    }
    return sum;
}

/* The attention alone. Query heads that leave columns of a tile empty read as if they were there. */
static mf_work attention_of(const mf_work *work, const kernels *k)
{
    static const double columns = 8;
    mf_work attention = {.n_groups = work->n_groups};
    for (size_t g = 0; g < work->n_groups; g++) {
        mf_attention_group *group = &attention.groups[g];
        *group = work->groups[g];
        if (!group->latent && group->keys > 0) {
            const double queries = group->flop / (2 * (group->keys + group->values));
            const double factor = 1 + k->idle * fmax(0, 1 - queries / columns);
            group->keys *= factor;
            group->values *= factor;
        }
    }
    return attention;
}

mf_batch mf_batch_of(const mf_segment *segment)
{
    const mf_work *w = &segment->work;
    const mf_knobs *knobs = &segment->knobs;
    const kernels *k = &kernels_of[segment->setting.runtime];
    const mf_decode_time one = mf_law_decode(w, &segment->peaks, knobs, (mf_step){0});
    const sums sum = sum_formats(segment);
    const double bandwidth = knobs->value[MF_KNOB_ETA] * segment->peaks.bandwidth_bytes_per_s;
    const double used = w->expert_share * w->expert_bytes / bandwidth;
    const double dense = (w->read_bytes / bandwidth) - used + sum.lanes_s;
    const double all = dense + used + sum.expert_lanes_s;
    mf_batch b = {.segment = *segment,
                  .expert_share = w->expert_share > 0 ? w->expert_share : 1,
                  .attention = attention_of(w, k)};
    b.dense_s = all > 0 ? one.weights_s * dense / all : 0;
    b.experts_s = one.weights_s - b.dense_s;
    b.column_s = k->unpacking * sum.lanes_s;
    if (segment->peaks.lane_flop_per_s > 0) {
        b.column_s += k->slots * 2 * sum.weights / segment->peaks.lane_flop_per_s;
    }
    b.matrix_s = k->product * sum.products_s;
    b.expert_token_s = k->unpacking * sum.expert_lanes_s;
    b.expert_token_s += k->expert_product * knobs->value[MF_KNOB_EXPERT] * sum.expert_products_s;
    if (k->expert_tiles && w->expert_share > 0) {
        const double padding =
            knobs->value[MF_KNOB_PADDING] * sum.expert_products_s / w->expert_share;
        b.expert_tile_s = k->expert_product * (padding + w->expert_bytes / bandwidth);
    }
    b.fixed_s = one.layer_s + one.moe_s + one.linear_s + one.slot_s;
    b.again_s = k->relaunch * (one.layer_s + one.moe_s);
    b.sequence_s = k->passes * 2 * w->state_bytes / segment->peaks.bandwidth_bytes_per_s;
    b.head_s = head_bytes(w) / bandwidth;
    return b;
}

/* Share of the experts that so many tokens touch; without experts, of the weights: all. */
static double touched(const mf_batch *b, double n)
{
    return 1 - pow(1 - b->expert_share, pow(n, ROUTING_SKEW));
}

static double dense_s(const mf_batch *b, const kernels *k, double n)
{
    const double vectors = b->dense_s + (fmin(n, k->columns) - 1) * b->column_s;
    if (n <= k->columns) {
        return vectors;
    }
    const double products = b->matrix_s * k->tile * ceil(n / k->tile);
    return fmax(vectors, (k->waits ? b->dense_s : 0) + products);
}

/* One after the other, as for one token. */
static double experts_apart_s(const mf_batch *b, const kernels *k, double n)
{
    const double times =
        k->expert_power > 0 ? pow(n, k->expert_power) : touched(b, n) / b->expert_share;
    const double unpacked = k->unpacking > 0 ? fmax(0, n - times) * b->expert_token_s : 0;
    return b->experts_s * (1 + k->expert_again * (times - 1)) + unpacked;
}

/* All in the kernel for matrices. */
static double experts_joined_s(const mf_batch *b, const kernels *k, double n)
{
    const double share = touched(b, n);
    const double read =
        k->expert_tiles ? b->expert_tile_s * share : b->experts_s * share / b->expert_share;
    return read + n * b->expert_token_s;
}

/* One by one they take no longer than the next kernel's first step: more tokens are never faster. */
static double experts_s(const mf_batch *b, const kernels *k, double n)
{
    if (b->experts_s <= 0) {
        return 0;
    }
    if (n < k->expert_from) {
        const double apart = experts_apart_s(b, k, n);
        return k->expert_tiles
                   ? fmax(b->experts_s, fmin(apart, experts_joined_s(b, k, k->expert_from)))
                   : apart;
    }
    return fmax(b->experts_s, experts_joined_s(b, k, n));
}

static double cache_s(const mf_batch *b, double depth, mf_cache_width cache)
{
    const mf_segment *s = &b->segment;
    const mf_step step = {.depth = depth, .cache = cache};
    const mf_decode_time t = mf_law_decode(&b->attention, &s->peaks, &s->knobs, step);
    return t.kv_s + t.mla_s;
}

/* What physics allows: everything that one token touches is read once, every cache, and each token is multiplied. */
static double ceiling_s(const mf_batch *b, double n, mf_step step)
{
    const mf_segment *s = &b->segment;
    const double more_kv = (n - 1) * mf_work_kv_bytes(&s->work, step.cache, step.depth);
    double weights = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        weights += s->work.read_weights[f];
    }
    const double products =
        s->peaks.best_op_per_s > 0 ? n * 2 * weights / s->peaks.best_op_per_s : 0;
    return fmax(products,
                mf_ceiling_decode_s(&s->work, &s->peaks, step) +
                    more_kv / s->peaks.bandwidth_bytes_per_s);
}

mf_path_time
mf_batch_decode(const mf_batch *batch, double n_sequences, double depth, mf_cache_width cache)
{
    const mf_segment *s = &batch->segment;
    const mf_step step = {.depth = depth, .cache = cache};
    if (n_sequences <= 1) {
        return mf_segment_decode(s, step);
    }
    const kernels *k = &kernels_of[s->setting.runtime];
    const double n = n_sequences;
    const double cached = n * cache_s(batch, depth, cache);
    const double weights = dense_s(batch, k, n) + experts_s(batch, k, n);
    const double reading =
        fmin(weights,
             batch->dense_s + batch->experts_s * fmax(1, touched(batch, n) / batch->expert_share));
    mf_path_time t = {.bandwidth_s = reading + cached,
                      .compute_s = weights - reading,
                      .overhead_s = batch->fixed_s + batch->again_s + (n - 1) * batch->sequence_s,
                      .ceiling_s = ceiling_s(batch, n, step)};
    t.total_s = t.bandwidth_s + t.compute_s + t.overhead_s;
    t.total_s = fmax(t.total_s * s->knobs.scale[MF_TEST_DECODE], LEAST_SLOWDOWN * t.ceiling_s);
    return t;
}

bool mf_batch_is_measured(mf_runtime runtime)
{
    return runtime == MF_RUNTIME_METAL || runtime == MF_RUNTIME_CUDA;
}
