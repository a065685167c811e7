#include "speed/interval.h"

#include "speed/folds.h"

/* Where no residual speaks: three times wider than what chips of a known class were off by. */
static const double assumed_log[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.7,
    [MF_TEST_PREFILL] = 1.4,
};

double mf_interval_assumed(mf_speed_test test)
{
    return assumed_log[test];
}

mf_basis
mf_interval_basis(const mf_calibration *calibration, const mf_setting *setting, mf_speed_test test)
{
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    if (chip && chip->calibrated[test]) {
        return MF_BASIS_CALIBRATED;
    }
    const uint32_t rows = !chip                    ? 0
                          : test == MF_TEST_DECODE ? chip->n_decode_rows
                                                   : chip->n_prefill_rows;
    if (rows > 0) {
        return MF_BASIS_CHIP;
    }
    return calibration->n_rows[test][setting->chip_class] > 0 ? MF_BASIS_FAMILY
                                                              : MF_BASIS_DATASHEET;
}

static bool speaks_for(const mf_residual_pool *pool, mf_chip_class chip_class)
{
    switch (pool->scope) {
    case MF_POOL_CLASS:
        return pool->chip_class == chip_class;
    case MF_POOL_VENDOR:
        return chip_class != MF_CLASS_UNKNOWN && pool->vendor == mf_chip_class_vendor(chip_class);
    case MF_POOL_ALL:
        break;
    }
    /* What is said of all vendors is said of none that has no rows: its kernels may be anything. */
    return false;
}

/* Of the narrowest pool that speaks for the class; 0 if none does. */
static double pool_width(const mf_calibration *calibration,
                         const mf_setting *setting,
                         mf_speed_test test,
                         mf_left_out left_out,
                         bool deep)
{
    const mf_residual_pool *best = NULL;
    for (size_t i = 0; i < calibration->n_pools; i++) {
        const mf_residual_pool *pool = &calibration->pools[i];
        const bool fits = pool->test == test && pool->left_out == left_out && pool->deep == deep &&
                          speaks_for(pool, setting->chip_class);
        if (fits && (!best || pool->scope > best->scope)) {
            best = pool;
        }
    }
    return best ? best->half_width_log : 0;
}

static double width_at(const mf_calibration *calibration,
                       const mf_setting *setting,
                       mf_speed_test test,
                       mf_left_out left_out,
                       double depth)
{
    const double shallow = pool_width(calibration, setting, test, left_out, false);
    const double deep = pool_width(calibration, setting, test, left_out, true);
    const double width = mf_residuals_blend(shallow, deep, depth);
    return width > 0 ? width : assumed_log[test];
}

double mf_interval_half_width(const mf_calibration *calibration,
                              const mf_setting *setting,
                              mf_speed_test test,
                              mf_basis basis,
                              double depth)
{
    const double width = width_at(calibration, setting, test, mf_folds_left_out(basis), depth);
    if (basis != MF_BASIS_CALIBRATED) {
        return width;
    }
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    if (chip && chip->half_width_log[test] > 0) {
        return chip->half_width_log[test];
    }
    /* Microbenchmarks tell the chip's rates but not the engine's kernels: half way between a chip with rows and one
       that only its class speaks for. */
    return (width + width_at(calibration, setting, test, MF_LEFT_OUT_CHIP, depth)) / 2;
}
