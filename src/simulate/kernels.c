#include "simulate/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shares of the data sheet where nobody has measured the card's kernels, between those of the cards in hwdb/kernels.json. */
#define WEIGHT_SHARE 0.92
#define WEIGHT_32_SHARE 0.88
#define FLOP_SHARE 0.85
/* stas00, ml-engineering (MAMF): the best product of BF16 on an MI300X reaches 51 % of its sheet, on A100 and H100 80 to 87 %; of FP8
   on H100, H200 and GH200 71 to 78 %. */
#define AMD_FLOP_SHARE 0.51
#define FP8_SHARE 0.74
#define CACHE_SHARE 0.82
#define ATTENTION_SHARE 0.68
#define ACTIVATION_SHARE 1.25
#define KERNEL_S 4.2e-6
#define ROW_S 1e-6
#define HOST_S 2e-3
#define HOST_SEQUENCE_S 30e-6
/* NCCL: about 27 us (ik_llama.cpp PR 1022), and 0.88 of a direct link (stas00, ml-engineering). Without one it goes through the host's
   memory: assumed a quarter of the link, as all-reduce benchmarks of such cards show (6 to 9 GB/s over PCIe 4.0). */
#define REDUCE_S 27e-6
#define LINK_SHARE 0.88
#define THROUGH_HOST_SHARE 0.26
/* Sums below 8 MiB have a kernel of vLLM's own (custom_all_reduce.cuh) where cards read each other's memory: over direct links, and between
   two cards over PCIe where the driver allows it, as it does not for GeForce. About 10 us (assumed) and a fifth of the link, by the
   recorded run of Qwen3 32B (docs/simulate.md). */
#define LITTLE_BYTES 8388608.0
#define LITTLE_REDUCE_S 10e-6
#define LITTLE_LINK_SHARE 0.19

/* Products are bound by memory or by multiplication, with a soft corner between: tiles do not fill. */
#define CORNER 2.2

/* Norms, rotation, cache write, attention, activation and four products. */
#define KERNELS_PER_LAYER 10.0
/* Router, its choice, rows put in order by expert, and the sum of what the experts give. */
#define EXPERT_KERNELS 5.0
#define SHARED_EXPERT_KERNELS 3.0
#define PRODUCTS_PER_LAYER 4.0
#define EXCHANGES_PER_LAYER 2.0
#define REDUCES_PER_LAYER 2.0
#define HALF_BYTES 2.0
/* Grouped products of experts fill their tiles less (assumed). */
#define GROUPED_SLOWDOWN 1.25
/* Marlin's kernels turn packed weights to half precision in the ordinary lanes. */
#define UNPACK_PER_FLOP 0.15
#define UNPACK_PER_BYTE 10.0
#define UNTUNED_FP8_S 60e-6
#define RDNA4_FP8_SHARE 0.28

static const mf_device *first_device(const mf_case *run)
{
    return run->machine->n_devices > 0 ? run->machine->devices[0].device : NULL;
}

static size_t count_devices(const mf_case *run)
{
    size_t n = 0;
    for (size_t i = 0; i < run->machine->n_devices; i++) {
        n += run->machine->devices[i].count;
    }
    return n;
}

static const mf_link *reduce_link(const mf_machine *machine, const mf_device *device)
{
    const char *id = machine->device_link != NULL ? machine->device_link : device->peer_link;
    id = id != NULL ? id : device->host_link;
    for (size_t i = 0; id != NULL && i < machine->n_links; i++) {
        if (strcmp(machine->links[i].id, id) == 0) {
            return &machine->links[i];
        }
    }
    return NULL;
}

/* What was measured on the card takes the place of shares. Products of FP8 keep the data sheet's. */
static void take_measured(mf_kernel_rates *rates, const mf_kernels *kernels)
{
    rates->weight_bytes_per_s = kernels->weight_bytes_per_s.value;
    rates->weight_32_bytes_per_s = kernels->weight_32_bytes_per_s.value;
    rates->flop_per_s = kernels->product_flop_per_s.value;
    rates->cache_bytes_per_s = kernels->cache_bytes_per_s.value;
    rates->attention_flop_per_s = kernels->attention_flop_per_s.value;
    rates->activation_bytes_per_s = kernels->activation_bytes_per_s.value;
    rates->kernel_s = kernels->kernel_s.value;
    rates->is_measured = true;
}

static bool reads_its_peer(const mf_case *run, const mf_device *device)
{
    return device->vendor == MF_VENDOR_NVIDIA && count_devices(run) == 2 &&
           strstr(device->name, "GeForce") == NULL;
}

static void set_reduce(mf_kernel_rates *rates, const mf_case *run, const mf_device *device)
{
    const mf_link *link = reduce_link(run->machine, device);
    const bool direct = link != NULL && link->kind != NULL && strcmp(link->kind, "GPU to GPU") == 0;
    const double bandwidth =
        link != NULL && link->bandwidth_bytes_per_s.known ? link->bandwidth_bytes_per_s.value : 0;
    rates->reduce = (mf_reduction){
        .least_s = REDUCE_S, .bytes_per_s = (direct ? LINK_SHARE : THROUGH_HOST_SHARE) * bandwidth};
    if (link != NULL && link->latency_s.known) {
        rates->reduce.least_s = link->latency_s.value;
    }
    rates->little = direct || reads_its_peer(run, device)
                        ? (mf_reduction){LITTLE_REDUCE_S, LITTLE_LINK_SHARE * bandwidth}
                        : rates->reduce;
}

double mf_reduction_s(const mf_reduction *reduction, double bytes)
{
    return reduction->least_s + bytes / reduction->bytes_per_s;
}

static double flop_share(const mf_device *device)
{
    return device->vendor == MF_VENDOR_AMD ? AMD_FLOP_SHARE : FLOP_SHARE;
}

/* Products of FP8 for which no kernel was tuned: each takes so much longer, and many rows reach no more than so much of the sheet.
   From vLLM 0.11 to 0.13 with a model of 14 billion weights (tests/truth/serving_throughput.csv; docs/simulate.md). */
typedef struct untuned_fp8 {
    const char *architecture;
    mf_chip_class chip_class;
    double product_s;
    double flop_share;
} untuned_fp8;

static const untuned_fp8 *find_untuned_fp8(const mf_device *device)
{
    static const untuned_fp8 cards[] = {
        {"rdna4",     MF_CLASS_AMD_GDDR,    UNTUNED_FP8_S, RDNA4_FP8_SHARE},
        {"blackwell", MF_CLASS_NVIDIA_GDDR, UNTUNED_FP8_S, FP8_SHARE      },
    };
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        if (device->architecture != NULL && device->chip_class == cards[i].chip_class &&
            strcmp(device->architecture, cards[i].architecture) == 0) {
            return &cards[i];
        }
    }
    return NULL;
}

/* FP8 where the card multiplies it, twice as fast as half precision where both accumulate in FP32; other formats are unpacked first. */
static void set_formats(mf_kernel_rates *rates, const mf_device *device, double half_flop_per_s)
{
    const mf_fact *fp8 = &device->fp8_matrix_flop_per_s;
    const untuned_fp8 *untuned = find_untuned_fp8(device);
    const double share =
        fmin(untuned != NULL ? untuned->flop_share : FP8_SHARE, flop_share(device));
    rates->fp8_is_native = fp8->known;
    rates->fp8_flop_per_s =
        fp8->known ? share * fmin(fp8->value, 2 * half_flop_per_s) : rates->flop_per_s;
    rates->fp8_product_s = untuned != NULL ? untuned->product_s : 0;
    rates->unpack_per_s = device->fp32_flop_per_s.known
                              ? UNPACK_PER_FLOP * device->fp32_flop_per_s.value
                              : UNPACK_PER_BYTE * device->bandwidth_bytes_per_s.value;
}

mf_status mf_kernel_rates_of(mf_kernel_rates *rates, const mf_case *run, mf_error *err)
{
    const mf_device *device = first_device(run);
    if (device == NULL || device->chip_class == MF_CLASS_CPU) {
        return mf_fail(err, MF_E_UNSUPPORTED, "vllm needs a GPU here: choose --engine llama.cpp");
    }
    const mf_fact *half = device->bf16_matrix_flop_per_s.known ? &device->bf16_matrix_flop_per_s
                                                               : &device->fp16_matrix_flop_per_s;
    if (!half->known || !device->bandwidth_bytes_per_s.known) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "there is no ground for a speed: the %s of '%s' is not known",
                       half->known ? "bandwidth" : "matrix rate",
                       device->id);
    }
    const double bandwidth = device->bandwidth_bytes_per_s.value;
    mf_kernel_rates made = {.weight_bytes_per_s = WEIGHT_SHARE * bandwidth,
                            .weight_32_bytes_per_s = WEIGHT_32_SHARE * bandwidth,
                            .flop_per_s = flop_share(device) * half->value,
                            .cache_bytes_per_s = CACHE_SHARE * bandwidth,
                            .attention_flop_per_s = ATTENTION_SHARE * half->value,
                            .activation_bytes_per_s = ACTIVATION_SHARE * bandwidth,
                            .kernel_s = KERNEL_S,
                            .row_s = ROW_S,
                            .host_s = HOST_S,
                            .host_sequence_s = HOST_SEQUENCE_S};
    if (device->kernels.device_id != NULL) {
        take_measured(&made, &device->kernels);
    }
    set_formats(&made, device, half->value);
    set_reduce(&made, run, device);
    if (count_devices(run) > 1 && made.reduce.bytes_per_s <= 0) {
        return mf_fail(
            err, MF_E_UNSUPPORTED, "there is no ground for a speed: no link between the cards");
    }
    *rates = made;
    return MF_OK;
}

/* What kernels other than products and attention read and write on one of n devices: two norms with the sum (4 vectors each), which
   every device computes whole, rotation, and the activation between the products. */
static double activation_bytes(const mf_model *model, double n)
{
    double elements = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_layer *layer = &model->layers[i];
        const mf_attention *a = &layer->attention;
        const mf_ffn *ffn = &layer->ffn;
        const double width =
            ffn->kind == MF_FFN_MOE ? (double)ffn->shared_width : (double)ffn->width;
        const double heads = ((double)a->n_heads + a->n_kv_heads) * a->key_dim;
        if (!layer->is_nextn) {
            elements += 8.0 * (double)model->hidden + (3 * width + 2 * heads) / n;
        }
    }
    return HALF_BYTES * elements;
}

/* The experts of a model whose layers are alike; of one among n devices that share them. */
static mf_expert_work
expert_work(const mf_model *model, const mf_work *whole, double n, double n_together)
{
    mf_expert_work made = {.n_layers = whole->n_moe_layers, .bytes = whole->expert_bytes / n};
    double elements = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_ffn *ffn = &model->layers[i].ffn;
        if (ffn->kind != MF_FFN_MOE || model->layers[i].is_nextn) {
            continue;
        }
        /* In, before and behind the activation, out, and in and out of the sum. */
        elements +=
            (double)ffn->n_experts_used * (3.0 * (double)model->hidden + 5.0 * (double)ffn->width);
        made.n_experts = (double)ffn->n_experts;
        made.n_used = (double)ffn->n_experts_used;
    }
    for (size_t f = 0; f < MF_FORMAT_COUNT && whole->expert_share > 0; f++) {
        made.weights[f] = whole->expert_weights[f] / whole->expert_share / n;
        made.is_packed |=
            made.weights[f] > 0 && f != MF_FORMAT_BF16 && f != MF_FORMAT_F16 && f != MF_FORMAT_FP8;
    }
    made.activation_bytes = HALF_BYTES * elements / n;
    if (n_together > 1) {
        /* All gather the tokens of all, and scatter the sums (allgather_reducescatter, the default of vLLM's all2all). */
        made.n_exchanges = EXCHANGES_PER_LAYER * whole->n_moe_layers;
        made.exchange_bytes = (n_together - 1) / n_together * HALF_BYTES * (double)model->hidden;
    }
    return made;
}

static bool has_shared_experts(const mf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        if (model->layers[i].ffn.kind == MF_FFN_MOE && model->layers[i].ffn.shared_width > 0) {
            return true;
        }
    }
    return false;
}

mf_status
mf_kernel_work_build(mf_kernel_work *work, const mf_case *run, uint32_t n_together, mf_error *err)
{
    const double n_servers = n_together > 0 ? n_together : 1;
    bool estimated = false;
    const mf_model *model = run->model;
    const double n = (double)count_devices(run);
    mf_work whole = {0};
    mf_work_part part = {0};
    mf_tensor_type *types = calloc(model->n_tensors + 1, sizeof *types);
    mf_status status = types != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for types");
    if (status == MF_OK) {
        status = mf_quant_types(types, &estimated, model, run->quant, err);
    }
    if (status == MF_OK) {
        status = mf_work_build(&whole, model, types, &part, err);
    }
    free(types);
    if (status != MF_OK) {
        return status;
    }
    mf_kernel_work made = {.work = mf_work_scaled(&whole, 1 / n),
                           .cache = mf_cache_width_of(&run->workload),
                           .activation_bytes = activation_bytes(model, n),
                           .experts = expert_work(model, &whole, n * n_servers, n_servers),
                           .n_products = PRODUCTS_PER_LAYER * whole.n_layers,
                           .n_kernels = KERNELS_PER_LAYER * whole.n_layers +
                                        EXPERT_KERNELS * whole.n_moe_layers};
    made.n_kernels += has_shared_experts(model) ? SHARED_EXPERT_KERNELS * whole.n_moe_layers : 0;
    const mf_work *w = &made.work;
    made.head_bytes = w->read_bytes - w->dense_bytes - w->expert_share * w->expert_bytes;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        made.head_weights[f] = w->read_weights[f] - w->dense_weights[f] - w->expert_weights[f];
    }
    if (n > 1) {
        made.n_reduces = REDUCES_PER_LAYER * whole.n_layers;
        made.reduce_bytes = 2 * (n - 1) / n * HALF_BYTES * (double)model->hidden;
        made.gather_bytes = (n - 1) / n * HALF_BYTES * (double)model->vocabulary;
    }
    *work = made;
    return MF_OK;
}

/* Kernels for more rows take larger tiles and stream a little slower. */
static double streaming_rate(const mf_kernel_rates *rates, double n_rows)
{
    static const double few = 16;
    static const double more = 32;
    const double share = fmin(1, fmax(0, (n_rows - few) / (more - few)));
    return rates->weight_bytes_per_s +
           share * (rates->weight_32_bytes_per_s - rates->weight_bytes_per_s);
}

static bool is_multiplied_as_it_is(const mf_kernel_rates *rates, mf_format format)
{
    return format == MF_FORMAT_F16 || format == MF_FORMAT_BF16 ||
           (format == MF_FORMAT_FP8 && rates->fp8_is_native);
}

double mf_product_s(const mf_kernel_rates *rates, const mf_product *p)
{
    enum { STREAM, UNPACK, MULTIPLY, BOUNDS };
    double s[BOUNDS] = {0};
    double most = 0;
    double sum = 0;
    s[STREAM] = p->bytes /
                (p->is_grouped ? rates->weight_32_bytes_per_s : streaming_rate(rates, p->n_rows));
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        const bool fp8 = f == MF_FORMAT_FP8 && rates->fp8_is_native;
        const double rate = (fp8 ? rates->fp8_flop_per_s : rates->flop_per_s) /
                            (p->is_grouped ? GROUPED_SLOWDOWN : 1);
        s[MULTIPLY] += 2 * p->weights[f] * p->n_rows / rate;
        s[UNPACK] +=
            is_multiplied_as_it_is(rates, (mf_format)f) ? 0 : p->weights[f] / rates->unpack_per_s;
    }
    for (size_t i = 0; i < BOUNDS; i++) {
        most = fmax(most, s[i]);
    }
    for (size_t i = 0; i < BOUNDS && most > 0; i++) {
        sum += pow(s[i] / most, CORNER);
    }
    return most * pow(sum, 1 / CORNER);
}

static double products_s(const mf_kernel_rates *rates, const mf_kernel_work *work, double n_tokens)
{
    const mf_work *w = &work->work;
    mf_product dense = {.bytes = w->dense_bytes, .n_rows = n_tokens};
    memcpy(dense.weights, w->dense_weights, sizeof dense.weights);
    const bool fp8 = w->dense_weights[MF_FORMAT_FP8] > 0 && rates->fp8_is_native;
    return mf_product_s(rates, &dense) + (fp8 ? work->n_products * rates->fp8_product_s : 0);
}

double mf_kernel_step_s(const mf_kernel_rates *rates,
                        const mf_kernel_work *work,
                        double n_tokens,
                        double n_rows)
{
    const mf_work *w = &work->work;
    double s = products_s(rates, work, n_tokens);
    s += work->activation_bytes * n_tokens / rates->activation_bytes_per_s;
    s += work->n_kernels * rates->kernel_s;
    s += w->state_bytes * 2 * n_rows / rates->weight_bytes_per_s;
    if (n_rows > 0) {
        mf_product head = {.bytes = work->head_bytes, .n_rows = n_rows};
        memcpy(head.weights, work->head_weights, sizeof head.weights);
        s += mf_product_s(rates, &head);
        s += rates->row_s * n_rows;
        s += work->gather_bytes > 0 ? mf_reduction_s(&rates->reduce, work->gather_bytes * n_rows)
                                    : 0;
    }
    if (work->n_reduces > 0) {
        const double bytes = work->reduce_bytes * n_tokens;
        s += work->n_reduces *
             mf_reduction_s(bytes < LITTLE_BYTES ? &rates->little : &rates->reduce, bytes);
    }
    return s;
}
