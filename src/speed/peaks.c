#include <math.h>

#include "speed/law.h"

#define APPLE_OVERLAP 14.0 /* nearly the longer of both; fits with a sharper corner do not end */
#define NVIDIA_OVERLAP 1.3
#define CPU_OVERLAP 6.0
#define FLOP_PER_SCORE_BYTE 200.0 /* an RTX A6000's matrix peak over its bandwidth */

static double known_or_zero(mf_fact fact)
{
    return fact.known ? fact.value : 0;
}

static double highest_rate(const mf_device *d)
{
    const mf_fact rates[] = {d->fp32_flop_per_s,
                             d->fp16_flop_per_s,
                             d->fp16_matrix_flop_per_s,
                             d->bf16_matrix_flop_per_s,
                             d->int8_matrix_op_per_s,
                             d->fp8_matrix_flop_per_s,
                             d->fp4_matrix_flop_per_s};
    double best = 0;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        best = fmax(best, known_or_zero(rates[i]));
    }
    return best;
}

/* Unpacking is integer work: NVIDIA's lanes do FP32 and INT32 at different rates, and llama.cpp's kernels need both in
   like amounts; the others run it at their FP32 rate. */
static double lane_rate(const mf_device *d, bool *assumed)
{
    const double fp32 = known_or_zero(d->fp32_flop_per_s);
    if (d->vendor != MF_VENDOR_NVIDIA || fp32 <= 0) {
        return fp32;
    }
    *assumed = !d->int32_op_per_s.known;
    const double int32 = d->int32_op_per_s.known ? d->int32_op_per_s.value : fp32 / 2;
    return (fp32 + int32) / 2;
}

/* A GTX 16xx has no matrix units, but the compute capability of cards that have: llama.cpp's CUDA kernels for these run there
   with every matrix instruction emulated. LocalScore's crowd measured 0.41 of the FP32 rate on a GTX 1660 (Llama 3.1 8B, all
   lengths; trust low, no row of the fit). */
#define EMULATED_SHARE 0.5

/* What multiplies 16 bit weights, and what packed ones that are unpacked meanwhile. */
typedef struct product_rates {
    double wide;
    double packed;
} product_rates;

static product_rates same(double rate)
{
    return (product_rates){rate, rate};
}

/* llama.cpp's integer kernels multiply four weights at a time on Pascal's lanes (dp4a, compute capability 6.1), and half of
   their instructions do: beside 8 products a block of 32 there are its loads, its sum's conversion and its scales. The P100 is
   older and has packed FP16 instead, for which weights are unpacked in memory. Vulkan's kernels multiply floats. */
static product_rates pascal_rates(const mf_device *d, bool vulkan)
{
    enum { WEIGHTS_PER_LANE = 4 };
    static const double dot_share = 0.5;
    const double fp16 = known_or_zero(d->fp16_flop_per_s);
    const double fp32 = known_or_zero(d->fp32_flop_per_s);
    const double wide = fmax(fp16, fp32);
    const bool dots = !vulkan && fp16 <= fp32;
    return (product_rates){wide, dots ? WEIGHTS_PER_LANE * dot_share * fp32 : wide};
}

/* llama.cpp's integer kernels scale and convert every block's product in the lanes: with lanes and matrix units as Turing,
   A30, H100 and Orin have them beside each other, two thirds of the time follow the lanes. On cards of compute capability
   8.6 and later both rates say the same. Blackwell's second half of integer lanes does not show (RTX 5070 and 5080). */
static product_rates nvidia_rates(const mf_device *d, double matrix, bool vulkan)
{
    static const double lane_share = 2.0 / 3;
    static const double matrix_per_lane = 16.0 / 3; /* capability 8.6 */
    const double fp32 = known_or_zero(d->fp32_flop_per_s);
    if (!(matrix > 0)) {
        const double wide = fmax(known_or_zero(d->fp16_flop_per_s), fp32);
        return (product_rates){wide, vulkan ? wide : EMULATED_SHARE * fp32};
    }
    const bool halved = mf_generation_of(d->architecture) == MF_GENERATION_BLACKWELL;
    const double int32 = d->int32_op_per_s.known && !halved ? d->int32_op_per_s.value : fp32 / 2;
    const double lanes = matrix_per_lane * (fp32 + int32) / 2;
    return (product_rates){matrix, 1 / (lane_share / lanes + (1 - lane_share) / matrix)};
}

/* Lanes of Xe take two 16 bit values at a time. Vulkan's rows don't show the matrix units: cards that have them in hwdb reach
   0.1 to 0.5 of this rate, cards without 0.4. */
static double intel_rate(const mf_device *d, double matrix, bool vulkan)
{
    enum { VALUES_PER_LANE = 2 };
    const double lanes = fmax(VALUES_PER_LANE * known_or_zero(d->fp32_flop_per_s),
                              known_or_zero(d->fp16_flop_per_s));
    return matrix > 0 && !vulkan ? matrix : lanes;
}

/* AMD's lanes take two 16 bit values at a time too; what a machine of no known class does is read from its rates alone. */
static double other_rate(const mf_device *d, double matrix)
{
    const double fp32 = known_or_zero(d->fp32_flop_per_s);
    const bool doubled = d->vendor == MF_VENDOR_AMD || fp32 <= 0;
    return matrix > 0 ? matrix : fmax(fp32, doubled ? known_or_zero(d->fp16_flop_per_s) : 0);
}

/* What matrix products run on. Apple up to M4 and old cards have no matrix units. */
static product_rates product_rates_of(const mf_device *d, mf_runtime runtime)
{
    const bool vulkan = mf_runtime_mature(runtime) == MF_RUNTIME_VULKAN;
    const double fp32 = known_or_zero(d->fp32_flop_per_s);
    const double matrix =
        fmax(known_or_zero(d->fp16_matrix_flop_per_s), known_or_zero(d->bf16_matrix_flop_per_s));
    switch (d->chip_class) {
    case MF_CLASS_APPLE_M1_M2:
    case MF_CLASS_APPLE_M3_M4:
        return same(fp32);
    case MF_CLASS_CPU:
        return same(fmax(fp32, known_or_zero(d->int8_matrix_op_per_s)));
    case MF_CLASS_NVIDIA_PASCAL:
        return pascal_rates(d, vulkan);
    case MF_CLASS_INTEL_ARC:
        return same(intel_rate(d, matrix, vulkan));
    case MF_CLASS_NVIDIA_GDDR:
    case MF_CLASS_NVIDIA_HBM:
    case MF_CLASS_NVIDIA_UNIFIED:
    case MF_CLASS_AMD_GDDR:
    case MF_CLASS_AMD_HBM:
    case MF_CLASS_AMD_UNIFIED:
    case MF_CLASS_APPLE_M5:
    case MF_CLASS_UNKNOWN:
    case MF_CLASS_COUNT:
        break;
    }
    return d->vendor == MF_VENDOR_NVIDIA && fp32 > 0 ? nvidia_rates(d, matrix, vulkan)
                                                     : same(other_rate(d, matrix));
}

/* Vulkan has matrix units multiply BF16 from RDNA 4 on; before, its kernel for that widens to FP32 in the lanes. */
static bool widens_bf16(const mf_device *d, mf_runtime runtime)
{
    const mf_generation generation = mf_generation_of(d->architecture);
    return mf_runtime_mature(runtime) == MF_RUNTIME_VULKAN &&
           (generation == MF_GENERATION_RDNA2 || generation == MF_GENERATION_RDNA3 ||
            generation == MF_GENERATION_RDNA35);
}

bool mf_peaks_of(mf_peaks *peaks, const char **reason, const mf_device *device, mf_runtime runtime)
{
    mf_peaks p = {.overlap = 1};
    if (!device->bandwidth_bytes_per_s.known) {
        *reason = "the device's memory bandwidth is not known";
        return false;
    }
    p.bandwidth_bytes_per_s = device->bandwidth_bytes_per_s.value;
    p.lane_flop_per_s = lane_rate(device, &p.lanes_assumed);
    const product_rates products = product_rates_of(device, runtime);
    p.matrix_flop_per_s = products.wide;
    p.packed_flop_per_s = products.packed;
    p.bf16_flop_per_s =
        widens_bf16(device, runtime) && p.lane_flop_per_s > 0 ? p.lane_flop_per_s : products.wide;
    p.best_op_per_s = fmax(highest_rate(device), fmax(products.wide, products.packed));
    p.attention_flop_per_s =
        mf_chip_class_vendor(device->chip_class) == MF_VENDOR_AMD && p.lane_flop_per_s > 0
            ? p.lane_flop_per_s
            : p.matrix_flop_per_s;
    p.scores_flop_per_s = device->vendor == MF_VENDOR_NVIDIA
                              ? FLOP_PER_SCORE_BYTE * p.bandwidth_bytes_per_s
                              : p.attention_flop_per_s;
    p.attention_by_flop = device->chip_class == MF_CLASS_CPU;
    if (device->vendor == MF_VENDOR_APPLE) {
        p.overlap = APPLE_OVERLAP;
    } else if (device->vendor == MF_VENDOR_NVIDIA) {
        p.overlap = NVIDIA_OVERLAP;
    } else if (p.attention_by_flop) {
        p.overlap = CPU_OVERLAP;
    }
    if (p.lane_flop_per_s <= 0 && device->chip_class != MF_CLASS_UNKNOWN) {
        *reason = "the device's FP32 rate is not known";
        return false;
    }
    *peaks = p;
    return true;
}
