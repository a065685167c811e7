#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>

#include "sample.h"
#include "speed/law.h"

static mf_peaks peaks_of(const mf_device *card, mf_runtime runtime)
{
    mf_peaks peaks = {0};
    const char *reason = NULL;
    cr_assert(mf_peaks_of(&peaks, &reason, card, runtime));
    return peaks;
}

static mf_device card_of(mf_chip_class chip_class)
{
    mf_device card = sample_card();
    card.chip_class = chip_class;
    card.vendor = mf_chip_class_vendor(chip_class);
    return card;
}

static mf_device card_without_matrix_units(mf_chip_class chip_class, double fp32, double fp16)
{
    mf_device card = card_of(chip_class);
    card.fp32_flop_per_s.value = fp32;
    card.fp16_flop_per_s = (mf_fact){.value = fp16, .known = fp16 > 0};
    card.fp16_matrix_flop_per_s.known = false;
    return card;
}

Test(peaks, lanes_of_nvidia_are_the_mean_of_fp32_and_int32)
{
    mf_device card = sample_card();
    const mf_peaks known = peaks_of(&card, MF_RUNTIME_CUDA);
    cr_assert(epsilon_eq(dbl, known.lane_flop_per_s, 60e12, 1));
    cr_assert(not(known.lanes_assumed));
    card.int32_op_per_s.known = false;
    cr_assert(peaks_of(&card, MF_RUNTIME_CUDA).lanes_assumed);
}

Test(peaks, without_bandwidth_there_is_no_law)
{
    mf_device card = sample_card();
    card.bandwidth_bytes_per_s.known = false;
    mf_peaks peaks = {0};
    const char *reason = NULL;
    cr_assert(not(mf_peaks_of(&peaks, &reason, &card, MF_RUNTIME_CUDA)));
    cr_assert(ne(ptr, (void *)reason, NULL));
}

Test(peaks, without_fp32_a_card_of_a_known_class_has_no_law)
{
    mf_device card = sample_card();
    card.fp32_flop_per_s.known = false;
    mf_peaks peaks = {0};
    const char *reason = NULL;
    cr_assert(not(mf_peaks_of(&peaks, &reason, &card, MF_RUNTIME_CUDA)));
    card.chip_class = MF_CLASS_UNKNOWN;
    card.vendor = MF_VENDOR_OTHER;
    cr_assert(mf_peaks_of(&peaks, &reason, &card, MF_RUNTIME_CUDA),
              "a what-if machine goes by bandwidth");
}

Test(peaks, apple_before_m5_multiplies_on_its_shaders)
{
    const mf_device m4 = card_of(MF_CLASS_APPLE_M3_M4);
    cr_assert(epsilon_eq(dbl, peaks_of(&m4, MF_RUNTIME_METAL).matrix_flop_per_s, 80e12, 1));
    const mf_device m5 = card_of(MF_CLASS_APPLE_M5);
    cr_assert(epsilon_eq(dbl, peaks_of(&m5, MF_RUNTIME_METAL).matrix_flop_per_s, 320e12, 1));
}

static double packed_rate_of(const char *architecture, double fp32, double int32)
{
    static char name[16];
    mf_device card = sample_card();
    snprintf(name, sizeof name, "%s", architecture);
    card.architecture = name;
    card.fp32_flop_per_s.value = fp32;
    card.int32_op_per_s.value = int32;
    return peaks_of(&card, MF_RUNTIME_CUDA).packed_flop_per_s;
}

Test(peaks, nvidia_multiplies_packed_weights_at_a_rate_between_lanes_and_matrix_units)
{
    const double ada = packed_rate_of("ada", 80e12, 40e12);
    cr_assert(epsilon_eq(dbl, ada, 320e12, 1e3));
    /* Half of the lanes: 1 / (2/3 / (16/3 30e12) + 1/3 / 320e12) */
    const double turing = packed_rate_of("turing", 30e12, 30e12);
    cr_assert(epsilon_eq(dbl, turing, 192e12, 1e3));
    const double blackwell = packed_rate_of("blackwell", 80e12, 80e12);
    cr_assert(epsilon_eq(dbl, blackwell, ada, 1e3), "its other integer lanes don't count");
    const mf_device amd = card_of(MF_CLASS_AMD_GDDR);
    cr_assert(epsilon_eq(dbl, peaks_of(&amd, MF_RUNTIME_ROCM).packed_flop_per_s, 320e12, 1));
}

Test(peaks, pascal_multiplies_packed_weights_four_at_a_time_with_every_second_instruction)
{
    const mf_device card = card_without_matrix_units(MF_CLASS_NVIDIA_PASCAL, 10e12, 0);
    const mf_peaks cuda = peaks_of(&card, MF_RUNTIME_CUDA);
    cr_assert(epsilon_eq(dbl, cuda.packed_flop_per_s, 20e12, 1));
    cr_assert(epsilon_eq(dbl, cuda.matrix_flop_per_s, 10e12, 1), "16 bit weights: no dp4a");
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_VULKAN).packed_flop_per_s, 10e12, 1));
    const mf_device p100 = card_without_matrix_units(MF_CLASS_NVIDIA_PASCAL, 9e12, 18e12);
    cr_assert(epsilon_eq(dbl, peaks_of(&p100, MF_RUNTIME_CUDA).packed_flop_per_s, 18e12, 1));
}

Test(peaks, turing_without_matrix_units_emulates_them_in_cuda_alone)
{
    const mf_device card = card_without_matrix_units(MF_CLASS_NVIDIA_GDDR, 5e12, 10e12);
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_CUDA).packed_flop_per_s, 2.5e12, 1));
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_CUDA).matrix_flop_per_s, 10e12, 1));
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_VULKAN).packed_flop_per_s, 10e12, 1));
}

Test(peaks, vulkan_runs_on_intels_lanes_at_two_values_each)
{
    const mf_device arc = card_of(MF_CLASS_INTEL_ARC);
    cr_assert(epsilon_eq(dbl, peaks_of(&arc, MF_RUNTIME_VULKAN).packed_flop_per_s, 160e12, 1));
    cr_assert(epsilon_eq(dbl, peaks_of(&arc, MF_RUNTIME_SYCL).packed_flop_per_s, 320e12, 1));
    const mf_device older = card_without_matrix_units(MF_CLASS_INTEL_ARC, 80e12, 0);
    cr_assert(epsilon_eq(dbl, peaks_of(&older, MF_RUNTIME_SYCL).packed_flop_per_s, 160e12, 1));
}

Test(peaks, vulkan_widens_bf16_before_rdna_4)
{
    static char rdna35[] = "rdna3.5";
    static char rdna4[] = "rdna4";
    mf_device card = card_of(MF_CLASS_AMD_UNIFIED);
    card.architecture = rdna35;
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_VULKAN).bf16_flop_per_s, 80e12, 1));
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_VULKAN_2025).bf16_flop_per_s, 80e12, 1));
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_VULKAN).matrix_flop_per_s, 320e12, 1));
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_ROCM).bf16_flop_per_s, 320e12, 1));
    card.architecture = rdna4;
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_VULKAN).bf16_flop_per_s, 320e12, 1));
}

Test(peaks, a_card_of_no_known_class_goes_by_its_vendor)
{
    mf_device card = card_without_matrix_units(MF_CLASS_UNKNOWN, 5e12, 10e12);
    card.vendor = MF_VENDOR_NVIDIA;
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_CUDA).packed_flop_per_s, 2.5e12, 1));
    card.vendor = MF_VENDOR_AMD;
    cr_assert(epsilon_eq(dbl, peaks_of(&card, MF_RUNTIME_ROCM).packed_flop_per_s, 10e12, 1));
}
