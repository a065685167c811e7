#include <stdio.h>
#include <string.h>

#include "calibrate/metal.h"

/* FP32 multiply-adds a cycle and core, and a clock that no generation reaches. FP16 runs at twice the rate from the M3 on,
   the M5's tensor units at 1024 FLOP a cycle and core (A19: 7.5 TFLOP/s on 5 cores): a limit against work left out. */
#define LANES_PER_CORE 128.0
#define MOST_HERTZ 2.2e9
#define TENSOR_FLOP_PER_CORE 2048.0

/* Of "Apple M4 Max" 4; 0 for a name of another form. */
static uint32_t generation_of(const char *chip)
{
    static const char start[] = "Apple M";
    if (strncmp(chip, start, sizeof start - 1) != 0) {
        return 0;
    }
    uint32_t generation = 0;
    for (const char *c = chip + sizeof start - 1; *c >= '0' && *c <= '9' && generation < 100; c++) {
        generation = 10 * generation + (uint32_t)(*c - '0');
    }
    return generation;
}

static mf_chip_class class_of(uint32_t generation)
{
    static const mf_chip_class classes[] = {MF_CLASS_UNKNOWN,
                                            MF_CLASS_APPLE_M1_M2,
                                            MF_CLASS_APPLE_M1_M2,
                                            MF_CLASS_APPLE_M3_M4,
                                            MF_CLASS_APPLE_M3_M4,
                                            MF_CLASS_APPLE_M5};
    const size_t last = sizeof classes / sizeof classes[0] - 1;
    return classes[generation < last ? generation : last];
}

void mf_apple_place(mf_probe_place *place, uint32_t cores)
{
    const uint32_t generation = generation_of(place->name);
    place->vendor = MF_VENDOR_APPLE;
    place->cores = cores;
    place->chip_class = class_of(generation);
    if (generation == 0 || cores == 0) {
        return;
    }
    /* "Apple M4 Max" with 40 cores is apple-m4-max-40c. */
    size_t n = 0;
    for (const char *c = place->name; *c != '\0' && n + 8 < sizeof place->device_id; c++) {
        const bool upper = *c >= 'A' && *c <= 'Z';
        place->device_id[n] = *c == ' ' ? '-' : upper ? (char)(*c - 'A' + 'a') : *c;
        n++;
    }
    (void)snprintf(place->device_id + n, sizeof place->device_id - n, "-%uc", cores);
    const double per_core = generation >= 5 ? TENSOR_FLOP_PER_CORE : 4 * LANES_PER_CORE;
    place->peak_flop_per_s = per_core * MOST_HERTZ * cores;
}
