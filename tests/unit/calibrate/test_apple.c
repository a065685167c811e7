#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate/gpu_check.h"
#include "calibrate/metal.h"

static mf_probe_place place_of(const char *name, uint32_t cores)
{
    mf_probe_place place = {0};
    (void)snprintf(place.name, sizeof place.name, "%s", name);
    mf_apple_place(&place, cores);
    return place;
}

Test(apple, names_become_ids_and_classes)
{
    static const struct {
        const char *name, *id;
        uint32_t cores;
        mf_chip_class chip_class;
    } rows[] = {
        {"Apple M1",             "apple-m1-8c",        8,  MF_CLASS_APPLE_M1_M2},
        {"Apple M2 Ultra",       "apple-m2-ultra-76c", 76, MF_CLASS_APPLE_M1_M2},
        {"Apple M4 Max",         "apple-m4-max-40c",   40, MF_CLASS_APPLE_M3_M4},
        {"Apple M5",             "apple-m5-10c",       10, MF_CLASS_APPLE_M5   },
        {"Apple M12 Pro",        "apple-m12-pro-20c",  20, MF_CLASS_APPLE_M5   },
        {"Apple M3",             "",                   0,  MF_CLASS_APPLE_M3_M4},
        {"Apple Paravirtual",    "",                   8,  MF_CLASS_UNKNOWN    },
        {"AMD Radeon Pro 5500M", "",                   24, MF_CLASS_UNKNOWN    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const mf_probe_place place = place_of(rows[i].name, rows[i].cores);
        cr_expect(eq(str, (char *)place.device_id, (char *)rows[i].id));
        cr_expect(eq(int, place.chip_class, rows[i].chip_class), "%s", rows[i].name);
        cr_expect(eq(u32, place.cores, rows[i].cores));
    }
}

Test(apple, a_peak_bounds_what_chips_reach)
{
    /* M1 Max: 10.6 TFLOP/s FP32; M4 Max: 16.3 FP32, twice that in FP16; A19-like tensor units: 1.5 TFLOP/s a core. */
    cr_assert(gt(dbl, place_of("Apple M1 Max", 32).peak_flop_per_s, 1.02 * 2 * 10.6e12));
    cr_assert(gt(dbl, place_of("Apple M4 Max", 40).peak_flop_per_s, 2 * 16.3e12));
    cr_assert(gt(dbl, place_of("Apple M5", 10).peak_flop_per_s, 10 * 1.5e12));
    cr_assert(lt(dbl, place_of("Apple M5", 10).peak_flop_per_s, 60e12));
    cr_assert(epsilon_eq(dbl, place_of("Apple Paravirtual", 8).peak_flop_per_s, 0, 0));
}

Test(apple, a_matvec_beyond_its_end_is_noticed)
{
    uint64_t seed = 1;
    mf_gpu_matvec v = {.format = MF_BLOCK_Q8_0, .m = 9, .k = 64};
    v.weights = malloc(v.m * mf_blocks_bytes(v.format, v.k));
    v.x = malloc(v.k * sizeof *v.x);
    v.out = malloc((v.m + 1) * sizeof *v.out);
    mf_gpu_matvec_fill(&v, &seed);
    float w[64];
    for (size_t r = 0; r < v.m; r++) {
        v.out[r] = 0;
        mf_blocks_values(w, v.format, (char *)v.weights + r * mf_blocks_bytes(v.format, v.k), v.k);
        for (size_t i = 0; i < v.k; i++) {
            v.out[r] += w[i] * v.x[i];
        }
    }
    cr_assert(lt(dbl, mf_gpu_matvec_error(&v), 1e-5));
    v.out[v.m - 1] *= 1.1F;
    cr_assert(gt(dbl, mf_gpu_matvec_error(&v), 1e-3), "the last row counts");
    v.out[v.m - 1] /= 1.1F;
    v.out[v.m] = 0;
    cr_assert(epsilon_eq(dbl, mf_gpu_matvec_error(&v), 1, 0));
    v.out[2] = NAN;
    cr_assert(not(lt(dbl, mf_gpu_matvec_error(&v), 1e-5)));
    free(v.weights);
    free(v.x);
    free(v.out);
}
