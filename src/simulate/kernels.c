#include "simulate/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shares of the data sheet that bf16 kernels reach: 0.955 and 0.94 of the bandwidth in single kernels on an RTX 4090 and an RTX PRO 6000
   (profiles of LLMServingSim), less between them; 0.8 to 1 of the matrix rate. */
#define WEIGHT_SHARE 0.92
#define CACHE_SHARE 0.85
#define FLOP_SHARE 0.85
#define ATTENTION_SHARE 0.5
#define ACTIVATION_SHARE 1.0
#define KERNEL_S 3e-6
#define ROW_S 1e-6
#define HOST_S 2e-3
#define HOST_SEQUENCE_S 30e-6
/* NCCL between PCIe cards: about 27 us (ik_llama.cpp PR 1022); links carry 0.88 of their rate (stas00, ml-engineering). */
#define REDUCE_S 27e-6
#define LINK_SHARE 0.88

/* Products are bound by memory or by multiplication, with a soft corner between: tiles do not fill. */
#define CORNER 3.0

/* Norms, rotation, cache write, attention, activation and four products. */
#define KERNELS_PER_LAYER 10.0
#define EXPERT_KERNELS 4.0
#define REDUCES_PER_LAYER 2.0
#define HALF_BYTES 2.0
/* Grouped products of experts fill their tiles less. */
#define EXPERT_SLOWDOWN 1.25

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

static bool is_fp8(const mf_case *run)
{
    return run->quant != NULL && strncmp(run->quant->id, "FP8", 3) == 0;
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

static void set_reduce(mf_kernel_rates *rates, const mf_case *run, const mf_device *device)
{
    const mf_link *link = reduce_link(run->machine, device);
    rates->reduce_s = link != NULL && link->latency_s.known ? link->latency_s.value : REDUCE_S;
    if (link != NULL && link->measured_bytes_per_s.known) {
        rates->reduce_bytes_per_s = link->measured_bytes_per_s.value;
    } else if (link != NULL && link->bandwidth_bytes_per_s.known) {
        rates->reduce_bytes_per_s = LINK_SHARE * link->bandwidth_bytes_per_s.value;
    }
}

mf_status mf_kernel_rates_of(mf_kernel_rates *rates, const mf_case *run, mf_error *err)
{
    const mf_device *device = first_device(run);
    if (device == NULL || device->chip_class == MF_CLASS_CPU) {
        return mf_fail(err, MF_E_UNSUPPORTED, "vllm needs a GPU here: choose --engine llama.cpp");
    }
    const mf_fact *matrix = is_fp8(run) && device->fp8_matrix_flop_per_s.known
                                ? &device->fp8_matrix_flop_per_s
                                : &device->bf16_matrix_flop_per_s;
    matrix = matrix->known ? matrix : &device->fp16_matrix_flop_per_s;
    if (!matrix->known || !device->bandwidth_bytes_per_s.known) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "there is no ground for a speed: the %s of '%s' is not known",
                       matrix->known ? "bandwidth" : "matrix rate",
                       device->id);
    }
    const double bandwidth = device->bandwidth_bytes_per_s.value;
    mf_kernel_rates made = {.weight_bytes_per_s = WEIGHT_SHARE * bandwidth,
                            .flop_per_s = FLOP_SHARE * matrix->value,
                            .cache_bytes_per_s = CACHE_SHARE * bandwidth,
                            .attention_flop_per_s = ATTENTION_SHARE * matrix->value,
                            .activation_bytes_per_s = ACTIVATION_SHARE * bandwidth,
                            .kernel_s = KERNEL_S,
                            .row_s = ROW_S,
                            .host_s = HOST_S,
                            .host_sequence_s = HOST_SEQUENCE_S};
    set_reduce(&made, run, device);
    if (count_devices(run) > 1 && made.reduce_bytes_per_s <= 0) {
        return mf_fail(
            err, MF_E_UNSUPPORTED, "there is no ground for a speed: no link between the cards");
    }
    *rates = made;
    return MF_OK;
}

/* What kernels other than products and attention read and write: two norms with the sum (4 vectors each), rotation, and the activation
   between the products. */
static double activation_bytes(const mf_model *model)
{
    double elements = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_layer *layer = &model->layers[i];
        const mf_attention *a = &layer->attention;
        const mf_ffn *ffn = &layer->ffn;
        const double width = ffn->kind == MF_FFN_MOE
                                 ? (double)ffn->width * ffn->n_experts_used + ffn->shared_width
                                 : (double)ffn->width;
        if (!layer->is_nextn) {
            elements += 8.0 * (double)model->hidden + 3 * width;
            elements += 2.0 * ((double)a->n_heads + a->n_kv_heads) * a->key_dim;
        }
    }
    return HALF_BYTES * elements;
}

mf_status mf_kernel_work_build(mf_kernel_work *work, const mf_case *run, mf_error *err)
{
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
                           .activation_bytes = activation_bytes(model) / n,
                           .n_kernels = KERNELS_PER_LAYER * whole.n_layers +
                                        EXPERT_KERNELS * whole.n_moe_layers};
    const mf_work *w = &made.work;
    made.head_bytes = w->read_bytes - w->dense_bytes - w->expert_share * w->expert_bytes;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        made.head_weights += w->read_weights[f] - w->dense_weights[f] - w->expert_weights[f];
    }
    if (n > 1) {
        made.n_reduces = REDUCES_PER_LAYER * whole.n_layers;
        made.reduce_bytes = 2 * (n - 1) / n * HALF_BYTES * (double)model->hidden;
    }
    *work = made;
    return MF_OK;
}

static double product_s(const mf_kernel_rates *rates, double bytes, double flop)
{
    const double memory = bytes / rates->weight_bytes_per_s;
    const double multiply = flop / rates->flop_per_s;
    const double most = fmax(memory, multiply);
    return most > 0 ? most * pow(1 + pow(fmin(memory, multiply) / most, CORNER), 1 / CORNER) : 0;
}

static double sum_of(const double weights[MF_FORMAT_COUNT])
{
    double sum = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        sum += weights[f];
    }
    return sum;
}

double mf_kernel_step_s(const mf_kernel_rates *rates,
                        const mf_kernel_work *work,
                        double n_tokens,
                        double n_rows)
{
    const mf_work *w = &work->work;
    const double touched = mf_work_touched_bytes(w, n_tokens) - w->dense_bytes;
    double s = product_s(rates, w->dense_bytes, 2 * sum_of(w->dense_weights) * n_tokens);
    s += product_s(rates, touched, EXPERT_SLOWDOWN * 2 * sum_of(w->expert_weights) * n_tokens);
    s += work->activation_bytes * n_tokens / rates->activation_bytes_per_s;
    s += work->n_kernels * rates->kernel_s;
    s += w->state_bytes * 2 * n_rows / rates->weight_bytes_per_s;
    if (n_rows > 0) {
        s += product_s(rates, work->head_bytes, 2 * work->head_weights * n_rows);
        s += rates->row_s * n_rows;
    }
    if (work->n_reduces > 0) {
        s += work->n_reduces *
             (rates->reduce_s + work->reduce_bytes * n_tokens / rates->reduce_bytes_per_s);
    }
    return s;
}
