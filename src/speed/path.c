#include "speed/path.h"

#include <math.h>
#include <string.h>

#include "speed/spread.h"

/* Of a link's specified rate; PCIe 5.0 x16 and NVLink 4 measure 0.88 (stas00, ml-engineering). */
#define LINK_EFFICIENCY 0.88
/* An NCCL all-reduce of 16 KB between PCIe cards: about 3 x 9 us (ik_llama.cpp PR 1022). */
#define ASSUMED_LATENCY_S 27e-6
#define HIDDEN_ELEMENT_BYTES 2.0
#define REDUCTIONS_PER_LAYER 2.0

mf_runtime mf_runtime_of(mf_engine_id engine, mf_backend backend)
{
    static const mf_runtime of_backend[MF_BACKEND_COUNT] = {
        [MF_BACKEND_METAL] = MF_RUNTIME_METAL,
        [MF_BACKEND_CUDA] = MF_RUNTIME_CUDA,
        [MF_BACKEND_ROCM] = MF_RUNTIME_ROCM,
        [MF_BACKEND_VULKAN] = MF_RUNTIME_VULKAN,
        [MF_BACKEND_SYCL] = MF_RUNTIME_SYCL,
        [MF_BACKEND_CPU] = MF_RUNTIME_CPU,
    };
    switch (engine) {
    case MF_ENGINE_MLX:
        return MF_RUNTIME_MLX;
    case MF_ENGINE_VLLM:
        return MF_RUNTIME_VLLM;
    case MF_ENGINE_LLAMACPP:
    case MF_ENGINE_COUNT:
        break;
    }
    return of_backend[backend];
}

mf_step mf_step_of(const mf_workload *workload)
{
    static const double default_ubatch = 512;
    return (mf_step){.ubatch = workload->n_ubatch > 0 ? workload->n_ubatch : default_ubatch,
                     .cache = mf_cache_width_of(workload)};
}

/* The i-th device of the machine, all nodes counted; NULL beyond the last. */
static const mf_device *device_at(const mf_machine *machine, size_t i)
{
    size_t per_node = 0;
    for (size_t d = 0; d < machine->n_devices; d++) {
        per_node += machine->devices[d].count;
    }
    const size_t n_nodes = machine->n_nodes > 0 ? machine->n_nodes : 1;
    if (per_node == 0 || i >= per_node * n_nodes) {
        return NULL;
    }
    size_t left = i % per_node;
    size_t d = 0;
    while (left >= machine->devices[d].count) {
        left -= machine->devices[d].count;
        d++;
    }
    return machine->devices[d].device;
}

static size_t count_devices(const mf_machine *machine)
{
    size_t n = 0;
    while (n < MF_MAX_PLACES - 2 && device_at(machine, n)) {
        n++;
    }
    return n;
}

static const mf_link *find_link(const mf_machine *machine, const char *id)
{
    for (size_t i = 0; id && i < machine->n_links; i++) {
        if (strcmp(machine->links[i].id, id) == 0) {
            return &machine->links[i];
        }
    }
    return NULL;
}

static double link_rate(const mf_link *link)
{
    if (link && link->measured_bytes_per_s.known) {
        return link->measured_bytes_per_s.value;
    }
    return link && link->bandwidth_bytes_per_s.known
               ? LINK_EFFICIENCY * link->bandwidth_bytes_per_s.value
               : 0;
}

/* The link the split crosses most slowly: between nodes, else between devices, else through the host. */
static void set_link(mf_path *path, const mf_machine *machine, const mf_device *device)
{
    const char *id = machine->device_link ? machine->device_link : device->peer_link;
    if (machine->n_nodes > 1) {
        id = machine->node_link;
    } else if (!id) {
        id = machine->host_link ? machine->host_link : device->host_link;
    }
    const mf_link *link = find_link(machine, id);
    path->link_bytes_per_s = link_rate(link);
    path->hop_latency_s = link && link->latency_s.known ? link->latency_s.value : ASSUMED_LATENCY_S;
    path->link_assumed = !link || !link->latency_s.known;
}

static const mf_pool *host_pool(const mf_machine *machine)
{
    const mf_pool *host = mf_machine_pool(machine, MF_POOL_HOST);
    return host != NULL ? host : mf_machine_pool(machine, MF_POOL_UNIFIED);
}

/* The processor: a device of class cpu if the machine lists one. Where nobody published what it computes, as where no
   processor is listed, the memory's bandwidth alone, which decodes but tells nothing of prompts. */
static bool
host_peaks(mf_peaks *peaks, const char **chip, const char **reason, const mf_machine *machine)
{
    const mf_pool *pool = host_pool(machine);
    mf_fact bandwidth = pool ? pool->bandwidth_bytes_per_s : (mf_fact){0};
    const mf_device *device = NULL;
    for (size_t i = 0; (device = device_at(machine, i)) != NULL; i++) {
        if (device->chip_class != MF_CLASS_CPU) {
            continue;
        }
        *chip = device->id;
        if (device->fp32_flop_per_s.known) {
            return mf_peaks_of(peaks, reason, device, MF_RUNTIME_CPU);
        }
        bandwidth = device->bandwidth_bytes_per_s.known ? device->bandwidth_bytes_per_s : bandwidth;
        break;
    }
    if (!bandwidth.known) {
        *reason = "the bandwidth of the host's memory is not known";
        return false;
    }
    *peaks = (mf_peaks){.bandwidth_bytes_per_s = bandwidth.value, .overlap = 1};
    return true;
}

static double place_weights(const mf_memory *memory, size_t device)
{
    size_t seen = 0;
    for (size_t i = 0; memory && i < memory->n_places; i++) {
        if (strncmp(memory->places[i].name, "gpu", 3) == 0) {
            if (seen == device) {
                return (double)memory->places[i].terms[MF_TERM_WEIGHTS];
            }
            seen++;
        }
    }
    return 0;
}

static double device_share(const mf_memory *memory, size_t device, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += place_weights(memory, i);
    }
    return sum > 0 ? place_weights(memory, device) / sum : 1.0 / (double)n;
}

typedef struct builder {
    mf_path path;
    const mf_case *run;
    const mf_calibration *calibration;
    const char *reason;
} builder;

static void add_segment(builder *b, const mf_work *work, const mf_peaks *peaks, mf_setting setting)
{
    mf_segment *segment = &b->path.segments[b->path.n_segments];
    segment->work = *work;
    segment->peaks = *peaks;
    segment->setting = setting;
    segment->knobs = mf_knobs_of(b->calibration, &setting);
    b->path.n_segments++;
}

/* As llama.cpp: backends with events, all layers on the devices of one computer (llamacpp.c: copies_of). */
static bool overlaps(const mf_case *run)
{
    return run->engine->id == MF_ENGINE_LLAMACPP &&
           (run->backend == MF_BACKEND_CUDA || run->backend == MF_BACKEND_ROCM) &&
           run->workload.split == MF_SPLIT_LAYER && run->machine->n_nodes <= 1;
}

static void add_devices(builder *b, const mf_work *work, const mf_memory *memory)
{
    const mf_case *run = b->run;
    const mf_machine *machine = run->machine;
    const size_t n = count_devices(machine);
    for (size_t i = 0; i < n; i++) {
        const mf_device *device = device_at(machine, i);
        mf_peaks peaks = {0};
        if (run->engine->id == MF_ENGINE_MLX && device->vendor != MF_VENDOR_APPLE) {
            b->reason = "mlx runs on Apple's GPUs";
            return;
        }
        const mf_runtime runtime = mf_runtime_of(run->engine->id, run->backend);
        if (!mf_peaks_of(&peaks, &b->reason, device, runtime)) {
            return;
        }
        const double share = device_share(memory, i, n);
        const mf_work part = mf_work_scaled(work, share);
        const mf_setting setting =
            mf_setting_of(device, runtime, run->workload.flash_attention, run->model->architecture);
        if (share > 0) {
            add_segment(b, &part, &peaks, setting);
        }
    }
    if (b->path.n_segments == 0) {
        b->reason = "the machine has no device";
        return;
    }
    b->path.n_pipelined = b->path.n_segments;
    if (b->path.n_segments > 1) {
        const bool tensor = run->workload.split == MF_SPLIT_TENSOR;
        const double devices = (double)b->path.n_segments;
        b->path.parallel = tensor;
        b->path.hops = tensor ? REDUCTIONS_PER_LAYER * (double)run->model->n_layers : devices - 1;
        b->path.overlaps = overlaps(run);
        b->path.hop_bytes = HIDDEN_ELEMENT_BYTES * (double)run->model->hidden *
                            (tensor ? 2 * (devices - 1) / devices : 1);
        set_link(&b->path, machine, device_at(machine, 0));
    }
}

static void add_host(builder *b, const mf_work *work)
{
    const mf_case *run = b->run;
    mf_peaks peaks = {0};
    const char *chip = NULL;
    if (!host_peaks(&peaks, &chip, &b->reason, run->machine)) {
        return;
    }
    const mf_setting setting = {.chip = chip,
                                .architecture = run->model->architecture,
                                .chip_class = MF_CLASS_CPU,
                                .runtime = MF_RUNTIME_CPU,
                                .flash_attention = run->workload.flash_attention};
    add_segment(b, work, &peaks, setting);
    b->path.on_host = true;
    const mf_pool *pool = host_pool(run->machine);
    if (run->backend == MF_BACKEND_CPU || (pool && pool->kind == MF_POOL_UNIFIED)) {
        return;
    }
    const mf_device *device = device_at(run->machine, 0);
    const char *id = run->machine->host_link ? run->machine->host_link : device->host_link;
    b->path.streamed = *work;
    b->path.stream_bytes_per_s = link_rate(find_link(run->machine, id));
}

mf_status mf_path_build(mf_path *path,
                        const char **reason,
                        const mf_case *run,
                        const mf_tensor_type *types,
                        const mf_memory *memory,
                        const mf_calibration *calibration,
                        mf_error *err)
{
    builder b = {.run = run, .calibration = calibration};
    b.path.n_batch = run->workload.n_batch;
    mf_work work = {0};
    mf_tensor_map map = {0};
    mf_status status = mf_tensor_map_make(&map, run, err);
    mf_work_part part = {.map = &map};
    if (status == MF_OK && run->backend != MF_BACKEND_CPU) {
        status = mf_work_build(&work, run->model, types, &part, err);
        if (status == MF_OK) {
            add_devices(&b, &work, memory);
        }
    }
    part.host = true;
    if (status == MF_OK && !b.reason) {
        status = mf_work_build(&work, run->model, types, &part, err);
        if (status == MF_OK && (work.read_bytes > 0 || work.n_groups > 0)) {
            add_host(&b, &work);
        }
    }
    mf_tensor_map_free(&map);
    if (status == MF_OK && b.reason) {
        *reason = b.reason;
    } else if (status == MF_OK) {
        *path = b.path;
    }
    return status;
}

void mf_path_join(mf_path_time *sum, const mf_path_time *one, bool parallel)
{
    if (parallel && one->total_s <= sum->total_s) {
        return;
    }
    if (parallel) {
        *sum = *one;
        return;
    }
    sum->total_s += one->total_s;
    sum->bandwidth_s += one->bandwidth_s;
    sum->compute_s += one->compute_s;
    sum->unpack_s += one->unpack_s;
    sum->overhead_s += one->overhead_s;
    sum->ceiling_s += one->ceiling_s;
    sum->log_sd = fmax(sum->log_sd, one->log_sd);
}

double mf_path_hop_s(const mf_path *path, double n_tokens, double n_batches)
{
    if (path->n_pipelined < 2) {
        return 0;
    }
    const double transfer =
        path->link_bytes_per_s > 0 ? path->hop_bytes * n_tokens / path->link_bytes_per_s : 0;
    return path->hops * (path->hop_latency_s * n_batches + transfer);
}

mf_path_time mf_segment_decode(const mf_segment *s, mf_step step)
{
    const mf_decode_time t = mf_law_decode(&s->work, &s->peaks, &s->knobs, step);
    const double both = t.memory_s + t.lanes_s;
    const double share = both > 0 ? t.weights_s / both : 0;
    const double whole_s = t.lane_s[MF_FORMAT_F16] + t.lane_s[MF_FORMAT_BF16];
    return (mf_path_time){.total_s = t.total_s,
                          .bandwidth_s = share * t.memory_s + t.kv_s,
                          .compute_s = share * whole_s + t.mla_s,
                          .unpack_s = share * (t.lanes_s - whole_s),
                          .overhead_s = t.layer_s + t.moe_s + t.linear_s,
                          .ceiling_s = mf_ceiling_decode_s(&s->work, &s->peaks, step),
                          .log_sd = mf_decode_log_sd(&t, &s->peaks, &s->knobs)};
}

mf_path_time mf_path_decode(const mf_path *path, mf_step step)
{
    mf_path_time sum = {0};
    for (size_t i = 0; i < path->n_segments; i++) {
        const mf_path_time one = mf_segment_decode(&path->segments[i], step);
        mf_path_join(&sum, &one, path->parallel);
    }
    sum.link_s = mf_path_hop_s(path, 1, 1);
    sum.total_s += sum.link_s;
    return sum;
}

static mf_path_time segment_prefill(const mf_segment *s, mf_step step)
{
    const mf_prefill_time t = mf_law_prefill(&s->work, &s->peaks, &s->knobs, step);
    return (mf_path_time){.total_s = t.total_s,
                          .bandwidth_s = t.touch_s + t.stream_s,
                          .compute_s = t.compute_s + mf_attending_s(&t),
                          .overhead_s = t.pass_s + t.loop_s,
                          .ceiling_s = mf_ceiling_prefill_s(&s->work, &s->peaks, step),
                          .log_sd = mf_prefill_log_sd(&t, &s->knobs)};
}

/* Kernels that a micro-batch of a prompt launches on each of the devices. Quantized weights are unpacked or their factors
   quantized before each of a layer's seven products. */
static double launches(const mf_path *path)
{
    static const double others = 15;
    static const double products = 7;
    static const double routing = 10;
    double sum = 0;
    for (size_t i = 0; i < path->n_segments; i++) {
        const mf_work *w = &path->segments[i].work;
        double all = 0;
        for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
            all += w->read_weights[f];
        }
        const double plain = w->read_weights[MF_FORMAT_F16] + w->read_weights[MF_FORMAT_BF16];
        const double quantized = all > 0 ? 1 - plain / all : 0;
        sum += w->n_layers * (others + products * (1 + quantized)) + w->n_moe_layers * routing;
    }
    return sum / (double)path->n_pipelined;
}

/* A driver's queue holds so many launches: the host then waits, and devices behind it run dry. Speeds with less than two
   and less than four micro-batches in the queue: 40 cases of Llama 3 on 2 to 8 cards (speed.csv, May 2024). */
#define LAUNCH_QUEUE 1024
static double most_overlap(const mf_path *path)
{
    static const double waiting = 1.2;
    static const double two = 2;
    const double queued = LAUNCH_QUEUE / fmax(1, launches(path));
    return queued < 2 ? waiting : queued < 4 ? two : HUGE_VAL;
}

/* Devices work on different micro-batches at the same time, within one batch (llama.cpp, docs/multi-gpu.md):
   of m micro-batches on d devices, m + d - 1 rounds of a d-th of the time each. */
static double pipeline_share(const mf_path *path, mf_step step)
{
    if (!path->overlaps || path->on_host || path->n_pipelined < 2) {
        return 1;
    }
    const double in_batch = path->n_batch > 0 ? (double)path->n_batch : step.n_tokens;
    const double m = fmax(1, ceil(fmin(step.n_tokens, in_batch) / step.ubatch));
    const double d = (double)path->n_pipelined;
    return fmax((m + d - 1) / (m * d), m > 1 ? 1 / most_overlap(path) : 1);
}

bool mf_path_prefill(mf_path_time *time, const char **reason, const mf_path *path, mf_step step)
{
    const double n_batches = fmax(1, ceil(step.n_tokens / step.ubatch));
    const bool streams = path->streamed.read_bytes > 0;
    mf_path_time sum = {0};
    for (size_t i = 0; i < path->n_segments; i++) {
        const mf_segment *segment = &path->segments[i];
        mf_segment streamed;
        if (streams && i == path->n_segments - 1) {
            /* The device computes what the host holds. */
            streamed = path->segments[0];
            streamed.work = path->streamed;
            segment = &streamed;
        }
        if (segment->peaks.matrix_flop_per_s <= 0 || segment->peaks.best_op_per_s <= 0) {
            *reason = "the rate of matrix products is not known";
            return false;
        }
        const mf_path_time one = segment_prefill(segment, step);
        mf_path_join(&sum, &one, path->parallel);
    }
    if (streams && path->stream_bytes_per_s <= 0) {
        *reason = "the rate of the link between host and device is not known";
        return false;
    }
    const double share = pipeline_share(path, step);
    sum.total_s *= share;
    sum.bandwidth_s *= share;
    sum.compute_s *= share;
    sum.overhead_s *= share;
    sum.ceiling_s /= (double)(path->parallel || path->n_pipelined < 2 ? 1 : path->n_pipelined);
    sum.link_s = mf_path_hop_s(path, step.n_tokens, n_batches);
    if (streams) {
        const double bytes =
            mf_work_touched_bytes(&path->streamed, fmin(step.n_tokens, step.ubatch));
        sum.link_s += n_batches * bytes / path->stream_bytes_per_s;
    }
    sum.total_s += sum.link_s;
    *time = sum;
    return true;
}
